"""The file of an export: JSON Lines with a header, and at the end their counts and a checksum."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, BinaryIO, Literal, Protocol

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.atoms.atoms import Origin
from core.errors import InvalidInput
from core.store.format import FORMAT
from core.store.store import Store

Json = str | int | float | bool | list[str] | dict[str, str]
"""A metadata value as the store keeps it; a time is {"time": ISO text}."""
BOM = b"\xef\xbb\xbf"
NOT_AN_EXPORT = "This is not an export of Stoa. `stoa export` makes one."
MAX_LINE_BYTES = 512 * 1024 * 1024
"""Bytes of a line; Redis takes no more in one piece. Only an atom with a very long history comes near."""
ATTACHMENT_LINE_BYTES = 768 * 1024
"""Bytes of an attachment that one line carries."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Header(_Line):
    """The first line: what the file is, and of which data format."""

    kind: Literal["stoa-export"] = "stoa-export"
    format: int = FORMAT
    made: AwareDatetime
    everything: bool
    """Whether it has all of a Stoa, its agents included, and not only the spaces that were named."""
    spaces: list[str]


class SpaceLine(_Line):
    """A space; its atoms and then its changes follow. A later line of the same space, among these, replaces it."""

    kind: Literal["space"] = "space"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    fields: dict[str, str]
    """Its description, creator and when it was made."""
    grants: dict[str, list[tuple[str, int, int, int, str]]]
    """For each principal the grants it holds: giver, level, end (ms) or 0, 1 if only to be passed on, and its id."""
    subscribers: dict[str, str]


class Past(_Line):
    """One version of an atom, as its history has it."""

    version: int
    at: AwareDatetime
    author: str
    operation: str
    comment: str
    content: str | bool
    """False where the version changed no content, true where the content is no longer kept."""
    metadata: dict[str, Json | None] = {}
    """What it set; None where it took a key away."""
    references: dict[str, list[str]] = {}
    origin: Origin | Literal[""] = ""
    """Where its content came from; empty where it changed none."""


class AtomLine(_Line):
    """An atom with its history. A later line of the same atom replaces it."""

    kind: Literal["atom"] = "atom"
    space: str
    id: str
    content: str
    metadata: dict[str, Json]
    references: dict[str, list[str]]
    version: int = Field(ge=1)
    author: str
    origin: Origin
    created: AwareDatetime
    updated: AwareDatetime
    deprecated: bool
    more: dict[str, str] = {}
    """Other fields the store keeps with it, such as the operation that put it."""
    lease: int | None = None
    """When the claim on it ends, in milliseconds since 1970."""
    history: list[Past]


class ChangeLine(_Line):
    """One entry of a space's change log."""

    kind: Literal["change"] = "change"
    space: str
    seq: int = Field(ge=1)
    operation: str
    atom: str
    version: int
    author: str
    origin: Origin
    comment: str
    at: AwareDatetime
    root: str
    depth: int
    more: dict[str, str] = {}
    """Other fields of the entry, such as its label."""


class AgentLine(_Line):
    """An agent: its record, its session and which version of each atom it has seen."""

    kind: Literal["agent"] = "agent"
    id: str
    record: dict[str, object]
    session: list[str]
    ledger: dict[str, int]
    label: str = ""
    """What its session has read, as `core.atoms.labels` keeps it."""
    rights: dict[Annotated[str, Field(pattern=r"^[gut]:.")], str] = {}
    """What it was given, and which single uses and turns that was for, as `core.agents.rights` keeps it."""
    account: dict[Annotated[str, Field(pattern=r"^[ul][1-6]$")], Annotated[int, Field(ge=0)]] = {}
    """What it has spent (`u1` to `u6`) and may spend in all (`l1` to `l6`), as the store counts it."""


class CursorsLine(_Line):
    """For each space, the last change a subscriber has dealt with."""

    kind: Literal["cursors"] = "cursors"
    subscriber: str
    places: dict[str, int]


class RegistryLine(_Line):
    """A record of the channels' registries of people and conversations, the ids of some records, or fields."""

    kind: Literal["registry"] = "registry"
    of: str
    """The name of the registry, as channels call it."""
    id: str = ""
    record: dict[str, object] | None = None
    members: list[str] = []
    fields: dict[str, str] = {}


class Registry(Protocol):
    """The registries of the channels, which alone know what may be in them and where it belongs."""

    def check(self, line: RegistryLine) -> list[tuple[str, str]]: ...

    async def in_use(self, store: Store) -> bool:
        """True if something is kept already, beside which nothing may be restored."""
        ...

    async def restore(self, store: Store, lines: Sequence[RegistryLine]) -> None: ...


class AttachmentLine(_Line):
    """A piece of an attached file, in base64; its pieces follow one another."""

    kind: Literal["attachment"] = "attachment"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    last: bool
    missing: bool = False
    """Whether the file was not kept where it should be, so that nothing of it is here."""
    data: str = Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")


class End(_Line):
    """The last line: how many lines of each kind come before it, and the SHA-256 of their bytes."""

    kind: Literal["end"] = "end"
    counts: dict[str, int]
    sha256: str


Line = Annotated[
    Header | SpaceLine | AtomLine | ChangeLine | AgentLine | CursorsLine | RegistryLine | AttachmentLine | End,
    Field(discriminator="kind"),
]
_LINE: TypeAdapter[Line] = TypeAdapter(Line)


class Writer:
    """Writes the lines of an export, and its end."""

    def __init__(self, file: BinaryIO, longest: int = MAX_LINE_BYTES) -> None:
        self._file = file
        self._longest = longest
        self._hash = hashlib.sha256()
        self.counts: Counter[str] = Counter()

    def write(self, line: Line) -> None:
        """Raises `InvalidInput` for an atom whose history no import could take."""
        data = orjson.dumps(line.model_dump(mode="json")) + b"\n"
        if len(data) > self._longest:
            what = f"The atom {line.space}/{line.id}" if isinstance(line, AtomLine) else f"A line of kind {line.kind}"
            raise InvalidInput(
                f"{what} has {len(data):,} bytes with all of its history, and an export takes {self._longest:,}. Set "
                "STOA_CONTENTS_KEPT=20, change the atom once so that its oldest contents go, and export again."
            )
        self._file.write(data)
        self._hash.update(data)
        self.counts[line.kind] += 1

    def finish(self) -> None:
        """Write the last line, without which the file is refused."""
        end = End(counts=dict(sorted(self.counts.items())), sha256=self._hash.hexdigest())
        self._file.write(orjson.dumps(end.model_dump(mode="json")) + b"\n")
        self._file.flush()


def read(file: BinaryIO, longest: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """The lines of an export, checked against its end; raises `InvalidInput` if the file is not whole.

    Lines may be damaged until the end has been checked, so read all of them before using any. What an editor adds when
    it saves is left out: a byte order mark, carriage returns, blank lines, a missing last newline.
    """
    digest = hashlib.sha256()
    counts: Counter[str] = Counter()
    number = 0
    for number, data in enumerate(iter(lambda: file.readline(longest + 1), b""), 1):
        if len(data) > longest:
            raise InvalidInput(
                f"Line {number} of the file has more than {longest:,} bytes, which no line of an export has. "
                "Check that it is an export of Stoa, uncompressed."
            )
        text = data.removeprefix(BOM if number == 1 else b"").rstrip(b"\r\n")
        if not text.strip():
            continue
        line = _parsed(number, text, first=not counts, cut=not data.endswith(b"\n"))
        if isinstance(line, End):
            _check_end(line, digest.hexdigest(), counts)
            if any(rest.strip() for rest in iter(lambda: file.read(65_536), b"")):
                raise InvalidInput(f"The file goes on after its last line ({number}); it was put together wrongly.")
            return
        digest.update(text + b"\n")
        counts[line.kind] += 1
        yield line
    raise InvalidInput(CUT_OFF.format(number=number) if number else "The file is empty; make it with `stoa export`.")


CUT_OFF = (
    "The file is cut off after line {number}: its last line, which says what must be in it, is missing. Fetch the "
    "whole file and import it again."
)


def _check_end(end: End, sha256: str, counts: Counter[str]) -> None:
    if end.sha256 != sha256 or end.counts != counts:
        raise InvalidInput(
            "The file is not as it was written: its contents do not fit the checksum in its last line. Fetch it again "
            "from where it was made."
        )


def _parsed(number: int, text: bytes, *, first: bool, cut: bool) -> Line:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        if first:
            raise InvalidInput(NOT_AN_EXPORT) from None
        what = "is cut off" if cut else "cannot be read"
        raise InvalidInput(f"Line {number} of the file {what}, so it is damaged. Copy it again.") from None
    if first:
        _check_header(fields)
    try:
        return _LINE.validate_python(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(part) for part in wrong["loc"][1:])
        raise InvalidInput(f"Line {number} of the file is not what it must be: {where}: {wrong['msg']}.") from None


def _check_header(fields: object) -> None:
    if not isinstance(fields, dict) or fields.get("kind") != Header.model_fields["kind"].default:
        raise InvalidInput(NOT_AN_EXPORT)
    if not isinstance(fields.get("format"), int) or not 1 <= fields["format"] <= FORMAT:
        raise InvalidInput(
            f"The file has data format {fields.get('format')!r}, this Stoa reads up to {FORMAT}. "
            "Import it with the Stoa that made it, or a newer one."
        )
