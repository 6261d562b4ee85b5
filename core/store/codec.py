"""Values to and from the bytes that Redis keeps."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgpack
import orjson

from core.atoms.atoms import ATTACHMENTS_KEY, Atom, Cause, Change, Origin, Value, Version, read_attachment
from core.atoms.text import folded, nfc
from core.atoms.validation import MAX_METADATA_BYTES, check_metadata_size
from core.redis.link import Argument as Argument

SEPARATOR = "\x1f"


MAX_TAG_CHARS = 200


ORIGIN_OF = {origin.value.encode(): origin for origin in Origin}


def pack(value: object) -> bytes:
    """Messagepack as Redis' Lua reads it, which knows no binary type."""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def unpack(data: bytes) -> Any:
    """Reads messagepack of `pack` or of Redis' Lua; text comes back as bytes."""
    return msgpack.unpackb(data, raw=True, strict_map_key=False)


def token(key: str, value: Value) -> list[str]:
    """The exact-match words of one metadata entry: `key=value`, one for each member of a list.

    Values are percent-encoded, since the engine trims and unescapes tags; long ones are replaced by their hash.
    """
    values = value if isinstance(value, list) else [value]
    return [f"{nfc(key)}={_encoded(as_text(one))}" for one in values]


def _encoded(text: str) -> str:
    if text.isascii() and text.isalnum() and len(text) <= MAX_TAG_CHARS:
        return text
    if len(text) > MAX_TAG_CHARS:
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return quote(text, safe="")


def as_text(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))  # 1.0 and 1 are the same number
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return folded(str(value))


def as_number(value: object) -> float | None:
    """Numbers as they are, times as seconds since 1970; None for what cannot be compared."""
    match value:
        case bool():
            return None
        case int() | float():
            return float(value)
        case datetime():
            return value.timestamp()
        case _:
            return None


def metadata_patch(metadata: Mapping[str, Value | None]) -> bytes:
    """Metadata as the Function library takes it; None removes a key."""
    if not metadata:
        return b""
    entries: list[list[object]] = []
    for key, value in metadata.items():
        if value is None:
            entries.append([key, False, [], False])
            continue
        if isinstance(value, str):
            entries.append([key, orjson.dumps(value), [f"{key}={_encoded(folded(value))}"], False])
            continue
        number = as_number(value)
        entries.append([key, json_of(value), token(key, value), repr(number) if number is not None else False])
    return pack(entries)


def bounded_patch(metadata: Mapping[str, Value | None]) -> bytes:
    """The same; raises `InvalidInput` for what is by itself too much for one atom."""
    patch = metadata_patch(metadata)
    if len(patch) > MAX_METADATA_BYTES:  # it holds each entry at least once
        given = {key: value for key, value in metadata.items() if value is not None}
        check_metadata_size({key: len(key.encode()) + len(json_of(value)) for key, value in given.items()})
    return patch


def json_of(value: Value) -> bytes:
    return orjson.dumps({"time": value.isoformat()} if isinstance(value, datetime) else value)


def _value(data: bytes) -> Value:
    value = orjson.loads(data)
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value


def read_metadata(data: bytes | None) -> dict[str, Value]:
    return {key.decode(): _value(value) for key, value in unpack(data).items()} if data else {}


def read_references(data: bytes | None) -> dict[str, list[str]]:
    return {name.decode(): [one.decode() for one in ids] for name, ids in unpack(data).items()} if data else {}


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def read_time(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def read_atom(space: str, id: str, fields: Sequence[bytes | None], score: float | None = None) -> Atom | None:
    """From the stored fields ver, c, m, f, by, o, ct, t, sp, l; None if there is no such atom."""
    version, content, metadata, references, author, origin, created, updated, tag, label = fields
    if version is None or content is None or author is None or origin is None or tag is None:
        return None
    if created is None or updated is None:
        return None
    born = read_time(created)
    known = read_metadata(metadata)
    attached = known.pop(ATTACHMENTS_KEY, None)
    return Atom(
        id,
        space,
        content.decode(),
        known,
        read_references(references),
        int(version),
        author.decode(),
        ORIGIN_OF[origin],
        born,
        born if updated == created else read_time(updated),
        tag.endswith(b"~"),
        score,
        bool(label),
        attachments=tuple(map(read_attachment, attached)) if isinstance(attached, list) else (),
    )


def read_change(space: str, entry: Sequence[Any]) -> Change:
    seq, flat = entry
    fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    return Change(
        space=space,
        seq=int(seq.partition(b"-")[0]),
        operation=fields[b"op"].decode(),
        atom=fields[b"id"].decode(),
        version=int(fields[b"ver"]),
        author=fields[b"by"].decode(),
        origin=Origin(fields[b"o"].decode()),
        comment=fields[b"c"].decode(),
        at=read_time(fields[b"t"]),
        cause=Cause(fields[b"r"].decode(), int(fields[b"d"])),
        outside=bool(fields.get(b"l")),
    )


def read_version(data: bytes) -> Version:
    version, at, author, operation, comment, content, metadata, references, origin = unpack(data)
    patch = unpack(metadata) if metadata else None
    return Version(
        version=int(version),
        operation=operation.decode(),
        author=author.decode(),
        comment=comment.decode(),
        at=read_time(at),
        content=content.decode() if isinstance(content, bytes) else None,
        metadata=_patch(patch) if patch is not None else None,
        references=read_references(references) if references else None,
        forgotten=content is True,
        origin=ORIGIN_OF[origin] if origin else None,
    )


def _patch(entries: Sequence[Any]) -> dict[str, Value | None]:
    return {key.decode(): _value(value) if value else None for key, value, *_ in entries}
