"""What may be put into a space: each check names what is wrong, what was expected and how to mend it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from core.atoms.atoms import ATTACHMENTS_KEY, VALUE_KINDS, References, Value
from core.errors import InvalidInput

SPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
"""What a space can be called."""
METADATA_KEY = re.compile(r"\w(?:[\w .:/-]{0,98}[\w.:/-])?")
MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
ATTACHMENT_TEXT = re.compile(rf"[0-9a-f]{{64}} [0-9]{{1,15}} {MEDIA_TYPE.pattern} [^/\\]{{1,200}}")
MAX_COMMENT_CHARS = 300
MAX_CONTENT_BYTES = 1 << 20
"""Bytes of UTF-8 one atom may hold."""
MAX_ID_CHARS = 200
MAX_REFERENCES = 1_000
MAX_METADATA_ENTRIES = 256
MAX_LIST_MEMBERS = 1_000
MAX_VALUE_CHARS = 4_000
MAX_METADATA_BYTES = 65_536
"""Bytes that the keys of one atom's metadata and their values, as JSON, may have together; its files do not count."""


def check_content(content: str) -> None:
    """Raises `InvalidInput` for content that an atom cannot hold."""
    if not isinstance(content, str):
        raise InvalidInput(f"content is {type(content).__name__}; it must be text")
    size = len(content.encode(errors="surrogatepass"))
    if size > MAX_CONTENT_BYTES:
        raise InvalidInput(
            f"the content has {size:,} bytes, one atom holds {MAX_CONTENT_BYTES:,}; split it into several atoms that "
            "refer to each other"
        )
    check_text("the content", content)


def checked_references(references: References) -> dict[str, list[str]]:
    """References as lists of ids; raises `InvalidInput` for what names no atoms."""
    if not isinstance(references, Mapping):
        raise InvalidInput(f'references is {type(references).__name__}; give a dict such as {{"about": [atom.id]}}')
    wanted: dict[str, list[str]] = {}
    for name, ids in references.items():
        check_name(name, "a reference's name")
        targets = [ids] if isinstance(ids, str) else ids
        if not isinstance(targets, list | tuple) or not all(isinstance(one, str) and one for one in targets):
            raise InvalidInput(f"references {name!r} must name atoms by their ids, as a list of text")
        for one in targets:
            check_id(one)
        wanted[name] = list(targets)
    if (count := sum(map(len, wanted.values()))) > MAX_REFERENCES:
        raise InvalidInput(f"there are {count:,} references, {MAX_REFERENCES:,} are the most; put an atom between")
    return wanted


def check_id(id: object) -> None:
    """Raises `InvalidInput` for what cannot be an atom's id."""
    if not _is_id(id):
        raise InvalidInput(f"{_short(id)} cannot be an atom's id; ids are text, as in atom.id or atom.ref")


def check_principal(id: object) -> None:
    """Raises `InvalidInput` for what cannot name a person, an agent or a channel."""
    if not _is_id(id):
        raise InvalidInput(f"{_short(id)} cannot name anybody; use 1 to {MAX_ID_CHARS} printable characters")


def _is_id(id: object) -> bool:
    return isinstance(id, str) and 0 < len(id) <= MAX_ID_CHARS and id.isprintable()


def check_attachments(described: object) -> None:
    """Raises `InvalidInput` for what does not describe files as the store does, or names one with a folder."""
    if not isinstance(described, list):
        raise InvalidInput(f"files are described by {type(described).__name__}; they must be a list of text")
    for one in described:
        if (
            not isinstance(one, str)
            or not ATTACHMENT_TEXT.fullmatch(one)
            or one.split(" ", 3)[3].strip() in (".", "..")
        ):
            raise InvalidInput(f"{_short(one)} describes no file: its hash, size, media type and name without folders")


def check_comment(comment: str) -> None:
    """Raises `InvalidInput` for a comment that is no text or too long to travel."""
    if not isinstance(comment, str):
        raise InvalidInput(f"the comment is {type(comment).__name__}; it must be text")
    check_text("the comment", comment)
    if len(comment) > MAX_COMMENT_CHARS:
        raise InvalidInput(
            f"the comment has {len(comment)} characters, {MAX_COMMENT_CHARS} is the most; say it shorter and put "
            "the rest into the content"
        )


def checked_moment(moment: datetime | str, what: str) -> datetime:
    """A time given as such or as ISO text, as `now()` gives it; raises `InvalidInput` for one without its zone."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise InvalidInput(f"{what} is {moment!r}; give a time with its offset, as now() does") from None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput(f"{what} is {moment!r}; give a time with its offset, as now() does")
    _check_year(moment, what)
    return moment


def _check_year(moment: datetime, what: str) -> None:
    """Raises `InvalidInput` for a time so near the first or the last year that it lies in none elsewhere on Earth."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{what} is {moment.isoformat()}, which no calendar has in UTC; give another time") from None


def check_number(number: object, what: str) -> None:
    """Raises `InvalidInput` for what cannot be the number of a change."""
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 53:
        raise InvalidInput(f"{what} is {_short(number)}; give the number of a change, as in change.seq, or 0 for all")


def check_name(name: object, what: str) -> None:
    """Raises `InvalidInput` for what cannot name a metadata entry or a reference."""
    if not isinstance(name, str) or not METADATA_KEY.fullmatch(name):
        raise InvalidInput(f"{_short(name)} cannot be {what}: use 1 to 100 letters, digits, blanks, _ . : / or -")


def check_text(what: str, *texts: str) -> None:
    """Raises `InvalidInput` for text that is not valid Unicode, such as half of an emoji."""
    for text in texts:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InvalidInput(f"{what} is not valid Unicode text: {error.reason}") from None


def check_metadata(metadata: Mapping[str, Value | None]) -> None:
    """Raises `InvalidInput` for a key or a value that metadata cannot hold."""
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f'metadata is {type(metadata).__name__}; give a dict such as {{"status": "done"}}')
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise InvalidInput(
            f"metadata has {len(metadata):,} entries, {MAX_METADATA_ENTRIES} are the most; use the content"
        )
    for key, value in metadata.items():
        check_name(key, "a metadata key")
        if key == ATTACHMENTS_KEY:
            raise InvalidInput(f"metadata {key!r} is kept by the store and shown as atom.attachments; leave it out")
        if isinstance(value, str) and len(value) <= MAX_VALUE_CHARS and value.isascii():
            continue  # most are like this: there is nothing more to ask
        if type(value) in (int, bool) and -(2**63) <= value < 2**63:  # type: ignore[operator]
            continue
        members = value if isinstance(value, list) else [value]
        kinds = (str,) if isinstance(value, list) else (str, int, float, bool, datetime, type(None))
        if not all(isinstance(member, kinds) for member in members):
            raise InvalidInput(f"metadata {key!r} is {type(value).__name__}; it can be {VALUE_KINDS}")
        if isinstance(value, list) and len(value) > MAX_LIST_MEMBERS:
            raise InvalidInput(f"metadata {key!r} has {len(value):,} members, {MAX_LIST_MEMBERS:,} are the most")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InvalidInput(f"metadata {key!r} is a number beyond 64 bits; give it as text")
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            raise InvalidInput(f"metadata {key!r} is {value}, which is no number to compare; leave it out")
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise InvalidInput(f"metadata {key!r} is a time without a zone; give it one")
            _check_year(value, f"metadata {key!r}")
        check_text(f"metadata {key!r}", *(member for member in members if isinstance(member, str)))
        if any(isinstance(member, str) and len(member) > MAX_VALUE_CHARS for member in members):
            raise InvalidInput(f"metadata {key!r} is longer than 4,000 characters; put it into the content")


def check_metadata_size(sizes: Mapping[str, int]) -> None:
    """Raises `InvalidInput` for metadata whose entries, of so many bytes each, are too large together."""
    counted = {key: size for key, size in sizes.items() if key != ATTACHMENTS_KEY}
    if (total := sum(counted.values())) > MAX_METADATA_BYTES:
        largest = max(counted, key=counted.__getitem__)
        raise too_large_metadata(total, counted[largest], largest)


def too_large_metadata(total: int, size: int, largest: str) -> InvalidInput:
    """What is said of metadata of so many bytes in all, of which the key `largest` has `size`."""
    return InvalidInput(
        f"the atom's metadata would have {total:,} bytes in all, {MAX_METADATA_BYTES:,} are the most; the largest is "
        f"{largest!r} with {size:,}: put that into the content"
    )


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
