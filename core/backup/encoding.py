"""Encodes the lines of an export as Redis keeps them: text in Unicode's form NFC."""

import base64
import hashlib
from datetime import datetime
from typing import Any

from core.atoms.text import nfc
from core.backup.archive import (
    AttachmentLine,
    ChangeLine,
    Json,
    Past,
)
from core.errors import InvalidInput
from core.store.codec import metadata_patch, milliseconds, pack
from core.store.files import MAX_FILE_BYTES


class Pieces:
    """Attached files, put together from the lines that carry them."""

    def __init__(self) -> None:
        self._data = b""

    def add(self, line: AttachmentLine) -> bytes | None:
        """The whole file with its last piece, None before; raises `InvalidInput` if it is not what its hash says."""
        self._data += _bytes(line.data)
        if len(self._data) > MAX_FILE_BYTES:
            raise InvalidInput(f"the attached file {line.sha256[:12]} has more than {MAX_FILE_BYTES:,} bytes")
        if not line.last:
            return None
        data, self._data = self._data, b""
        if line.missing:
            return None
        if hashlib.sha256(data).hexdigest() != line.sha256:
            raise InvalidInput(f"the attached file {line.sha256[:12]} is damaged")
        return data


def remembered(past: Past) -> bytes:
    values = {key: None if one is None else metadata_value(one) for key, one in past.metadata.items()}
    patch = metadata_patch({nfc(key): value for key, value in values.items()})
    references = pack(past.references) if past.references else b""
    at = str(milliseconds(past.at))
    content = nfc(past.content) if isinstance(past.content, str) else past.content
    told = (past.author, past.operation, nfc(past.comment), content)
    return pack([past.version, at, *told, patch, references, past.origin])


def entry(change: ChangeLine) -> list[str | bytes]:
    told = ("op", change.operation, "id", change.atom, "ver", str(change.version), "by", change.author)
    when = ("o", change.origin.value, "c", nfc(change.comment), "t", str(milliseconds(change.at)))
    more = [part for name, value in change.more.items() for part in (name, untold(value))]
    return [str(change.seq), *told, *when, "r", change.root, "d", str(change.depth), *more]


def unkept(text: str) -> bytes:
    form, _, value = text.partition(":")
    return _bytes(value) if form == "base64" else nfc(value).encode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidInput("what should be base64 is not") from None


def untold(text: str) -> str | bytes:
    return unkept(text) if text.startswith("base64:") else text


def utf8(part: str | bytes) -> bytes:
    return part.encode() if isinstance(part, str) else part


def metadata_value(value: Json) -> Any:
    if isinstance(value, dict):
        return datetime.fromisoformat(value["time"])
    if isinstance(value, list):
        return [metadata_value(one) for one in value]
    return nfc(value) if isinstance(value, str) else value
