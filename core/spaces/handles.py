"""Handles: a space as one holder uses it, and the header that each of its operations sends to the store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.atoms.atoms import Atom, Cause, Origin, Principal
from core.atoms.labels import Label
from core.atoms.validation import checked_comment, checked_id
from core.errors import InvalidInput, NotFound
from core.models.embeddings import Embedder, field_of
from core.search.indexing import MAX_WHOLE_CHARS
from core.search.words import hidden_words
from core.store.codec import milliseconds, read_atom
from core.store.store import Argument, Store


@dataclass(slots=True)
class Actor:
    """On whose behalf a space is used: the principal, the cause, and what a turn adds to these.

    The ledger holds the version of each atom the actor last saw, so that an update of something that has changed
    since is refused; `epoch` fences a worker that has lost its turn to another. The label marks what an agent writes
    by what its session has read; people and the house have none.
    """

    principal: Principal
    cause: Cause = field(default_factory=Cause)
    epoch: int | None = None
    ledger: dict[str, int] = field(default_factory=dict)
    label: Label | None = None
    reads: dict[str, None] = field(default_factory=dict)
    """The atoms it has read, in that order."""

    def saw(self, atom: Atom) -> None:
        self.ledger[atom.ref] = atom.version
        self.reads[atom.ref] = None
        if self.label:
            self.label.read(atom)
            if atom.passage and atom.passage.file and atom.origin is not Origin.AGENT:
                self.label.heard(f"a file of {atom.ref}")

    @property
    def outside(self) -> bool:
        """True if it is from outside, or has read outside text."""
        return self.principal.origin is Origin.OUTSIDE or bool(self.label and self.label.outside)


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """Bounds of what a space keeps."""

    contents_kept: int = 0
    """Contents of one atom, the present one among them; 0 keeps all."""
    text_bytes: int = 1 << 30
    """Of all atoms with their history."""
    file_bytes: int = 20 << 30
    """Of all files ever attached."""


class Handle:
    """One holder's way to one space."""

    def __init__(
        self, store: Store, id: str, actor: Actor, embedder: Embedder | None = None, limits: SpaceLimits | None = None
    ) -> None:
        self.id = id
        self.actor = actor
        self._store = store
        self._embedder = embedder
        self._limits = limits or SpaceLimits()

    @property
    def holder(self) -> Principal:
        return self.actor.principal

    def _call(self, operation: str, comment: str, moment: datetime | None = None) -> list[Argument]:
        comment = checked_comment(comment)
        actor = self.actor
        now = milliseconds(moment or self._store.clock.now())
        who = (actor.principal.credentials, f"{actor.principal.origin.value}{':outside' if actor.outside else ''}")
        cause = (actor.cause.root, actor.cause.depth)
        return [*who, "" if actor.epoch is None else actor.epoch, operation, now, *cause, comment]

    def _room(self, file_bytes: int = 0) -> tuple[int, int, int]:
        """The last arguments of what adds to a space: the bytes of new files, and the most it may hold."""
        return file_bytes, self._limits.text_bytes, self._limits.file_bytes

    async def check_room(self, file_bytes: int) -> None:
        """Raises `InvalidInput` unless the space has room for files of so many bytes."""
        call = self._store.reading("stoa_room", self.id, self.holder.credentials, *self._room(file_bytes))
        await self._store.run(*call)

    async def _vector(self, content: str) -> bytes:
        """The vector of a short text; a long one gets its vectors later, one for each passage.

        So does every text once another embedder has replaced the first: a provider is not waited for here.
        """
        if self._embedder is None or len(content) > MAX_WHOLE_CHARS or field_of(self._embedder) != "v":
            return b""
        return (await self._embedder.embed([content]))[0]

    def _words(self, content: str) -> str:
        return hidden_words(content) if len(content) <= MAX_WHOLE_CHARS else ""

    def _seen(self, id: str, fields: Sequence[bytes | None]) -> Atom:
        atom = read_atom(self.id, id, fields)
        if atom is None:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        self.actor.saw(atom)
        return atom

    def _own(self, id: str) -> str:
        id = checked_id(id)
        space, slash, rest = id.rpartition("/")
        if slash and space != self.id:
            raise InvalidInput(f"{id!r} is in {space!r}, this is {self.id!r}; use that space")
        return checked_id(rest)


def first_words(text: str, most: int = 200) -> str:
    line = " ".join(text[: most * 2].split())
    return line if len(line) <= most and len(text) <= most * 2 else line[: most - 1] + "…"
