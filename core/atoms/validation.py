"""Checks of what is put into a space. Each error says what is wrong, what was expected and how to mend it."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from core.atoms.atoms import ATTACHMENTS_KEY, VALUE_KINDS, References, Value
from core.atoms.text import nfc
from core.errors import InvalidInput

SPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
METADATA_KEY = re.compile(r"\w(?:[\w .:/-]{0,98}[\w.:/-])?")
MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
ATTACHMENT_TEXT = re.compile(rf"[0-9a-f]{{64}} [0-9]{{1,15}} {MEDIA_TYPE.pattern} [^/\\]{{1,200}}")
MAX_COMMENT_CHARS = 300
MAX_CONTENT_BYTES = 1 << 20
"""In UTF-8, of one atom."""
MAX_ID_CHARS = 200
MAX_REFERENCES = 1_000
MAX_METADATA_ENTRIES = 256
MAX_LIST_MEMBERS = 1_000
MAX_VALUE_CHARS = 4_000
MAX_METADATA_BYTES = 65_536
"""Of one atom's keys and values as JSON; its files do not count."""


def checked_content(content: str) -> str:
    """The content in normal form C; raises `InvalidInput` for content that an atom cannot hold."""
    if not isinstance(content, str):
        raise InvalidInput(f"content is {type(content).__name__}; it must be text")
    content = nfc(content) if len(content) <= MAX_CONTENT_BYTES else content
    size = len(content.encode(errors="surrogatepass"))
    if size > MAX_CONTENT_BYTES:
        raise InvalidInput(
            f"the content has {size:,} bytes, one atom holds {MAX_CONTENT_BYTES:,}; split it into several atoms that "
            "refer to each other"
        )
    return checked_text("the content", content)


def checked_references(references: References) -> dict[str, list[str]]:
    """The references as lists of ids; raises `InvalidInput`."""
    if not isinstance(references, Mapping):
        raise InvalidInput(f'references is {type(references).__name__}; give a dict such as {{"about": [atom.id]}}')
    wanted: dict[str, list[str]] = {}
    for name, ids in references.items():
        name = checked_name(name, "a reference's name")
        targets = [ids] if isinstance(ids, str) else ids
        if not isinstance(targets, list | tuple) or not all(isinstance(one, str) and one for one in targets):
            raise InvalidInput(f"references {name!r} must name atoms by their ids, as a list of text")
        wanted[name] = [checked_id(one) for one in targets]
    if (count := sum(map(len, wanted.values()))) > MAX_REFERENCES:
        raise InvalidInput(f"there are {count:,} references, {MAX_REFERENCES:,} are the most; put an atom between")
    return wanted


def checked_id(id: object) -> str:
    if not isinstance(id, str) or not _can_be_an_id(id):
        raise InvalidInput(f"{_short(id)} cannot be an atom's id; ids are text, as in atom.id or atom.ref")
    return nfc(id)


def checked_principal(id: object) -> str:
    """The name of a person, an agent or a channel in normal form C; raises `InvalidInput`."""
    if not isinstance(id, str) or not _can_be_an_id(id):
        raise InvalidInput(f"{_short(id)} cannot name anybody; use 1 to {MAX_ID_CHARS} printable characters")
    return nfc(id)


def _can_be_an_id(id: str) -> bool:
    return 0 < len(id) <= MAX_ID_CHARS and id.isprintable()


def check_attachments(described: object) -> None:
    """Raises `InvalidInput` unless files are described as the store does, by names without folders."""
    if not isinstance(described, list):
        raise InvalidInput(f"files are described by {type(described).__name__}; they must be a list of text")
    for one in described:
        if not _describes_a_file(one):
            raise InvalidInput(
                f"{_short(one)} does not describe a file; give its hash, size, media type and name without folders"
            )


def _describes_a_file(described: object) -> bool:
    return (
        isinstance(described, str)
        and ATTACHMENT_TEXT.fullmatch(described) is not None
        and described.split(" ", 3)[3].strip() not in (".", "..")
    )


def checked_comment(comment: str) -> str:
    if not isinstance(comment, str):
        raise InvalidInput(f"the comment is {type(comment).__name__}; it must be text")
    comment = checked_text("the comment", comment)
    if len(comment) > MAX_COMMENT_CHARS:
        raise InvalidInput(
            f"the comment has {len(comment)} characters, {MAX_COMMENT_CHARS} is the most; make it shorter and put "
            "the rest into the content"
        )
    return comment


def checked_moment(moment: datetime | str, what: str) -> datetime:
    """A time given as such or as ISO text, as `now()` gives it; raises `InvalidInput` for one without its zone."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise InvalidInput(f"{what} is {moment!r}; give a time with its offset, as now() does") from None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput(f"{what} is {moment!r}; give a time with its offset, as now() does")
    if _is_out_of_calendar(what, moment):
        raise InvalidInput(f"{what} is {moment.isoformat()}, which no calendar has in UTC; give another time")
    return moment


def check_number(number: object, what: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 53:
        raise InvalidInput(f"{what} is {_short(number)}; give the number of a change, as in change.seq, or 0 for all")


def checked_name(name: object, what: str) -> str:
    name = nfc(name) if isinstance(name, str) else name
    if not isinstance(name, str) or not METADATA_KEY.fullmatch(name):
        raise InvalidInput(f"{_short(name)} cannot be {what}: use 1 to 100 letters, digits, blanks, _ . : / or -")
    return name


def checked_text(what: str, text: str) -> str:
    """The text in normal form C; raises `InvalidInput` if it is not valid Unicode, such as half of an emoji."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{what} is not valid Unicode text: {error.reason}") from None
    return nfc(text)


# Metadata: the first rule that an entry breaks is the error. Each takes the key and the value. ----------------------


def _is_reserved(key: str, value: object) -> bool:
    return key == ATTACHMENTS_KEY


def _is_of_another_kind(key: str, value: object) -> bool:
    if isinstance(value, list):
        return not all(isinstance(one, str) for one in value)
    return value is not None and not isinstance(value, str | int | float | bool | datetime)


def _has_too_many_members(key: str, value: object) -> bool:
    return isinstance(value, list) and len(value) > MAX_LIST_MEMBERS


def _is_beyond_64_bits(key: str, value: object) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _is_not_finite(key: str, value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _has_no_zone(key: str, value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None


def _is_out_of_calendar(key: str, value: object) -> bool:
    try:
        return isinstance(value, datetime) and not value.astimezone(UTC)
    except OverflowError:
        return True


def _is_broken_unicode(key: str, value: object) -> bool:
    try:
        return any(not one.isascii() and not one.encode() for one in _texts(value))
    except UnicodeEncodeError:
        return True


def _is_too_long(key: str, value: object) -> bool:
    return any(len(one) > MAX_VALUE_CHARS for one in _texts(value))


def _texts(value: object) -> list[str]:
    members = value if isinstance(value, list) else [value]
    return [one for one in members if isinstance(one, str)]


METADATA_RULES: tuple[tuple[Callable[[str, object], bool], str], ...] = (
    (_is_reserved, "is kept by the store and shown as atom.attachments; leave it out"),
    (_is_of_another_kind, f"is {{kind}}; it can be {VALUE_KINDS}"),
    (_has_too_many_members, f"has {{count:,}} members, {MAX_LIST_MEMBERS:,} are the most"),
    (_is_beyond_64_bits, "is a number beyond 64 bits; give it as text"),
    (_is_not_finite, "is {value}, which cannot be compared as a number; leave it out"),
    (_has_no_zone, "is a time without a zone; give it one"),
    (_is_out_of_calendar, "is {value}, which no calendar has in UTC; give another time"),
    (_is_broken_unicode, "is not valid Unicode text: surrogates not allowed"),
    (_is_too_long, f"is longer than {MAX_VALUE_CHARS:,} characters; put it into the content"),
)


def checked_metadata(metadata: Mapping[str, Value | None]) -> dict[str, Value | None]:
    """Metadata with its keys and texts in normal form C; raises `InvalidInput` for what metadata cannot hold."""
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f'metadata is {type(metadata).__name__}; give a dict such as {{"status": "done"}}')
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise InvalidInput(
            f"metadata has {len(metadata):,} entries, {MAX_METADATA_ENTRIES} are the most; use the content"
        )
    return {checked_name(key, "a metadata key"): _checked_value(nfc(key), value) for key, value in metadata.items()}


def _checked_value(key: str, value: Value | None) -> Value | None:
    for breaks, problem in METADATA_RULES:
        if breaks(key, value):
            shown = value.isoformat() if isinstance(value, datetime) else value
            count = len(value) if isinstance(value, list) else 0
            raise InvalidInput(
                f"metadata {key!r} {problem.format(kind=type(value).__name__, value=shown, count=count)}"
            )
    if isinstance(value, list):
        return [nfc(one) for one in value]
    return nfc(value) if isinstance(value, str) else value


def check_metadata_size(sizes: Mapping[str, int]) -> None:
    counted = {key: size for key, size in sizes.items() if key != ATTACHMENTS_KEY}
    if (total := sum(counted.values())) > MAX_METADATA_BYTES:
        largest = max(counted, key=counted.__getitem__)
        raise too_large_metadata(total, counted[largest], largest)


def too_large_metadata(total: int, size: int, largest: str) -> InvalidInput:
    return InvalidInput(
        f"the atom's metadata would have {total:,} bytes in all, {MAX_METADATA_BYTES:,} are the most; the largest is "
        f"{largest!r} with {size:,}: put that into the content"
    )


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
