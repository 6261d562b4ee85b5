"""Approvals: what only the owner may decide, each an atom with choices in a space that no agent can write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.atoms.atoms import HOUSE, OWNER, Atom, Cause, Principal, Value
from core.atoms.permissions import Permission
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from core.search.filters import Filter
from core.spaces.deadlines import keep
from core.spaces.spaces import Actor, Space, Spaces, first_words

APPROVALS_SPACE = "approvals"
ANSWER_TIME = timedelta(days=1)
"""How long the owner has to answer; no answer means no."""
MAX_OPEN_QUESTIONS = 5
"""How many questions of one asker may wait for the owner at a time."""
LOOK_AHEAD = timedelta(minutes=1)
APPROVALS_DESCRIPTION = """# Approvals
What agents may do only if the owner says so: each atom is one question, with its choices, and what was answered. Only \
Stoa writes here, and only the owner answers; text that looks like an answer changes nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that a question offers: `id` is what is stored, `label` what people read."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class QuestionDetails:
    """Details kept with a question: the asker's task, the atoms it goes back to (`space/id`), further metadata."""

    wanted_for: str = ""
    about: Sequence[str] = ()
    metadata: Mapping[str, Value] = field(default_factory=dict)
    answer_time: timedelta = ANSWER_TIME


NO_CONTEXT = QuestionDetails()
ONCE = Choice("once", "Yes, once")
TASK = Choice("task", "Yes, for this task")
ALWAYS = Choice("always", "Yes, always")
NO = Choice("no", "No")


@dataclass(frozen=True, slots=True)
class ApprovalOutcome:
    """The outcome of a question: `status` is open, yes, no or expired, or answered where it was not a yes or no."""

    status: str
    choice: str = ""
    """The id of the chosen choice, such as `once`; empty while open and when expired."""
    label: str = ""

    @property
    def granted(self) -> bool:
        return self.status == "yes"


class Approvals:
    """The questions that wait for the owner, and their answers: the first valid one counts, and silence means no."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._clock = spaces.clock

    async def ask(
        self,
        question: str,
        *,
        asker: str,
        choices: Sequence[Choice] = (ONCE, TASK, ALWAYS, NO),
        more: QuestionDetails = NO_CONTEXT,
        cause: Cause | None = None,
        operation: str = "",
    ) -> Atom:
        """Put a question to the owner; answers its atom at once, without waiting for the owner.

        The question is all that the owner reads, so it says exactly what is asked, for whom and why, with an agent's
        own words in quotes. `asker` is the agent that waits for the answer. With a choice called `no` the status
        becomes yes or no, otherwise answered. The same `operation` twice, and the same question of the same asker
        while it is open, is one atom. To wait for the answer, watch the atom until its status is no longer open:
        `outcome(id)` tells. Raises `InvalidInput` when too many questions of this asker are open, or when two choices
        are the same.
        """
        _check(question, choices)
        await self.prepare()
        space = self._spaces.open(APPROVALS_SPACE, Actor(HOUSE, cause or Cause()))
        if done := await space.find(operation):
            return done
        waiting = await self._waiting(space, {"asker": asker})
        for atom in waiting:
            if atom.content == question:
                return atom
        if len(waiting) >= MAX_OPEN_QUESTIONS:
            raise InvalidInput(
                f"{len(waiting)} of your questions wait for the owner already. Do what you can without an answer, and "
                "ask again when one of them is decided."
            )
        metadata: dict[str, Value] = {**more.metadata, **_open_metadata(choices), "asker": asker}
        metadata |= {"for": first_words(more.wanted_for, 1_000), "deadline": self._clock.now() + more.answer_time}
        comment = f"asks the owner: {first_words(question)}"
        references = {"about": list(more.about)}
        return await space.put(question, comment=comment, metadata=metadata, references=references, operation=operation)

    async def answer(self, id: str, choice: str, by: Principal) -> Atom:
        """Answer for the owner: `choice` is a choice's number (from 1), id or label; yes means the first of them.

        Raises `PermissionDenied` for anybody but the owner, `NotFound` for a question that is not there,
        `InvalidInput` for a choice it does not offer, and `Conflict` when it is decided already, saying how.
        """
        if by != OWNER:
            raise PermissionDenied(
                f"{by} cannot answer for the owner; only the owner can, in a conversation of theirs."
            )
        space = self._spaces.open(APPROVALS_SPACE, Actor(by))
        atom = await self._question(space, id)
        _still_open(atom)
        if deadline(atom) <= self._clock.now():
            await self._expire(atom)
            raise Conflict("The time to answer was over, so the answer was no. It can be asked anew.")
        chosen = pick(choice, offered(atom))
        if chosen is None:
            offers = ", ".join(f"{one.id} ({one.label})" for one in offered(atom))
            raise InvalidInput(f"{choice!r} is none of the choices; they are {offers}.")
        status = "answered" if atom.metadata["kind"] == "question" else "no" if chosen.id == NO.id else "yes"
        metadata: dict[str, Value | None] = {"status": status, "choice": chosen.id, "scope": chosen.id}
        try:
            return await space.update(atom.id, comment=f"the owner answers: {chosen.label}", metadata=metadata)
        except Conflict:
            _still_open(await self._question(space, id))
            raise

    async def outcome(self, id: str) -> ApprovalOutcome:
        atom = await self.get(id)
        status, choice = str(atom.metadata["status"]), str(atom.metadata.get("choice", ""))
        if status == "open" and deadline(atom) <= self._clock.now():
            status = "expired"
        return ApprovalOutcome(status, choice, next((one.label for one in offered(atom) if one.id == choice), ""))

    async def get(self, id: str) -> Atom:
        """The question `id`; raises `NotFound`."""
        return await self._question(self._spaces.open(APPROVALS_SPACE), id)

    async def waiting(self) -> list[Atom]:
        """The open questions, the oldest first."""
        await self.prepare()
        return await self._waiting(self._spaces.open(APPROVALS_SPACE), {})

    async def prepare(self) -> None:
        """Make the space unless it is there, and let Stoa itself write in it."""
        if await self._spaces.open(APPROVALS_SPACE, HOUSE).permission() < Permission.WRITE:
            space = await self._spaces.create(APPROVALS_SPACE, description=APPROVALS_DESCRIPTION)
            await space.share(HOUSE.id, Permission.WRITE, comment="Stoa keeps what the owner is asked")

    async def run(self) -> None:
        """Close every question whose deadline has come, late ones at once. Any number of workers may run this."""
        await self.prepare()
        await keep(self._spaces.open(APPROVALS_SPACE, HOUSE), self._clock, self._expire_due)

    async def _expire_due(self) -> datetime:
        now = self._clock.now()
        soon: Filter = {"status": "open", "deadline": {"lte": now + LOOK_AHEAD}}
        for atom in sorted(
            await self._spaces.open(APPROVALS_SPACE, HOUSE).search(metadata=soon, limit=1000), key=deadline
        ):
            if deadline(atom) > now:
                return deadline(atom)
            await self._expire(atom)
        return now + LOOK_AHEAD

    async def _expire(self, atom: Atom) -> None:
        seen = {atom.ref: atom.version}
        await self._spaces.open(APPROVALS_SPACE, Actor(HOUSE, ledger=seen)).update(
            atom.id, comment="no answer in time, which means no", metadata={"status": "expired"}
        )

    async def _waiting(self, space: Space, wanted: Filter) -> list[Atom]:
        atoms = await space.search(metadata={"status": "open", **wanted}, limit=1000)
        return sorted(atoms, key=deadline)

    async def _question(self, space: Space, id: str) -> Atom:
        try:
            return await space.get(id)
        except NotFound:
            raise NotFound(f"There is no question {id!r}. `stoa approval list` shows those that are open.") from None


def _open_metadata(choices: Sequence[Choice]) -> dict[str, Value]:
    return {
        "kind": "approval" if any(choice.id == NO.id for choice in choices) else "question",
        "status": "open",
        "choices": [choice.id for choice in choices],
        "labels": [choice.label for choice in choices],
    }


def offered(atom: Atom) -> list[Choice]:
    """The choices that a question's atom offers."""
    ids, labels = atom.metadata.get("choices"), atom.metadata.get("labels")
    if not isinstance(ids, list) or not isinstance(labels, list):
        return []
    return [Choice(id, label) for id, label in zip(ids, labels, strict=True)]


def pick(text: str, choices: Sequence[Choice]) -> Choice | None:
    """Which of the choices a person means by id, label or number; a bare yes is the first, the narrowest."""
    said = " ".join(text.casefold().split()).rstrip(".!")
    for choice in choices:
        if said in (choice.id.casefold(), choice.label.casefold()):
            return choice
    if said.isascii() and said.isdecimal():
        return choices[int(said) - 1] if 0 < int(said[:4]) <= len(choices) else None
    approving = any(choice.id == NO.id for choice in choices)
    return choices[0] if approving and said in ("yes", "y", "ok", "okay") and choices[0].id != NO.id else None


def deadline(atom: Atom) -> datetime:
    """Until when a question can be answered."""
    moment = atom.metadata.get("deadline")
    assert isinstance(moment, datetime)
    return moment


def _still_open(atom: Atom) -> None:
    status = atom.metadata.get("status")
    if status != "open":
        choice = next((one.label for one in offered(atom) if one.id == atom.metadata.get("choice")), "")
        raise Conflict(f"That is decided already: {choice or 'no answer came in time, which means no'}.")


def _check(question: str, choices: Sequence[Choice]) -> None:
    if not question.strip():
        raise InvalidInput("The question is empty; say what the owner is to decide.")
    ids = {choice.id.casefold() for choice in choices} | {choice.label.casefold() for choice in choices}
    if not 1 <= len(choices) <= 9 or len({one.id.casefold() for one in choices}) < len(choices) or "" in ids:
        raise InvalidInput("Offer one to nine choices that differ, each in a few words.")
