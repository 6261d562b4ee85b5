"""Handles: on whose behalf a space is used, and what each of its operations has to say to the store."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.atoms.atoms import Atom, Cause, Origin, Principal
from core.atoms.labels import Label
from core.atoms.validation import check_comment, check_id
from core.errors import InvalidInput, NotFound
from core.models.embeddings import Embedder, field_of
from core.search.indexing import MAX_WHOLE_CHARS
from core.store.codec import milliseconds, read_atom
from core.store.store import Argument, Store


@dataclass(slots=True)
class Actor:
    """On whose behalf a space is used: the principal, what caused it, and what a turn adds to that.

    The ledger holds the version of each atom the actor last saw, so that an update of something that has changed
    since is refused; `epoch` fences a worker that has lost its turn to another. The label is what an agent's session
    has read, and marks whatever it writes; people and the house have none.
    """

    principal: Principal
    cause: Cause = field(default_factory=Cause)
    epoch: int | None = None
    ledger: dict[str, int] = field(default_factory=dict)
    label: Label | None = None
    reads: dict[str, None] = field(default_factory=dict)
    """The atoms it has read, in that order."""

    def saw(self, atom: Atom) -> None:
        """Remember that this actor has read the atom as it is now."""
        self.ledger[atom.ref] = atom.version
        self.reads[atom.ref] = None
        if self.label:
            self.label.read(atom)

    @property
    def outside(self) -> bool:
        """Whether it is from outside, or has read what is from there."""
        return self.principal.origin is Origin.OUTSIDE or bool(self.label and self.label.outside)


class Handle:
    """One holder's way to one space."""

    def __init__(
        self, store: Store, id: str, actor: Actor, embedder: Embedder | None = None, contents_kept: int = 0
    ) -> None:
        self.id = id
        self.actor = actor
        self._store = store
        self._embedder = embedder
        self._kept = contents_kept

    @property
    def holder(self) -> Principal:
        """Who acts through this handle."""
        return self.actor.principal

    def _call(self, operation: str, comment: str, moment: datetime | None = None) -> list[Argument]:
        """What every mutation tells the Function library first."""
        check_comment(comment)
        actor = self.actor
        now = milliseconds(moment or self._store.clock.now())
        who = (actor.principal.id, f"{actor.principal.origin.value}{':outside' if actor.outside else ''}")
        cause = (actor.cause.root, actor.cause.depth)
        return [*who, "" if actor.epoch is None else actor.epoch, operation, now, *cause, comment]

    async def _vector(self, content: str) -> bytes:
        """The vector of a short text; a long one gets its vectors afterwards, one for each passage.

        So does every text once another embedder has taken the place of the first: a provider is not waited for here.
        """
        if self._embedder is None or len(content) > MAX_WHOLE_CHARS or field_of(self._embedder) != "v":
            return b""
        return (await self._embedder.embed([content]))[0]

    def _seen(self, id: str, fields: Sequence[bytes | None]) -> Atom:
        """The atom in these fields, its version noted in the ledger."""
        atom = read_atom(self.id, id, fields)
        if atom is None:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        self.actor.saw(atom)
        return atom

    def _own(self, id: str) -> str:
        """An id of this space, given as `id` or `space/id`."""
        check_id(id)
        space, slash, rest = id.rpartition("/")
        if slash and space != self.id:
            raise InvalidInput(f"{id!r} lies in {space!r}, this is {self.id!r}; use that space")
        check_id(rest)
        return rest


def first_words(text: str, most: int = 200) -> str:
    """The beginning of a text on one line, for a comment."""
    line = " ".join(text[: most * 2].split())
    return line if len(line) <= most and len(text) <= most * 2 else line[: most - 1] + "…"
