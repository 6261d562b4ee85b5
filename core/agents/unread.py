"""News: why an agent has a turn, which is what others changed in its spaces since it last looked."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.agents.agents import Agent
from core.atoms.atoms import Atom, Cause, Change, Origin, lower
from core.atoms.values import Notice, decode, encode
from core.errors import InvalidInput, NotFound
from core.spaces.spaces import Spaces
from core.store.store import Store

MAX_TURN_CHANGES = 50
MAX_TURN_CHARS = 40_000
"""What one turn is told at most; the next turn is told the rest."""
CONVERSATION_KEY = "conversation"
"""The metadata that says in which conversation with people an atom was written."""
PASSAGE_ROLE, PASSAGES = "passage", "passages"
"""The role of a text that others wrote in a message, and the reference by which the message names it."""
MAX_MESSAGE_PASSAGES = 50
FILE_NOTE_CHARS = 100
"""Characters that it takes to tell of a file, beside its name."""


@dataclass(frozen=True, slots=True)
class News:
    """Why a turn happens: its own name, the changes, and where the cursors stand once they are dealt with."""

    turn: str
    now: datetime
    root: str
    depth: int
    cursors: dict[str, int]
    notices: list[Notice]
    more: bool
    """Whether there is more than one turn can be told."""
    program: str = ""
    """A program that has waited and goes on, instead of changes."""
    changes: list[str] = field(default_factory=list)
    """The changes by their numbers, as `space/number`."""
    taken_up: list[str] = field(default_factory=list)
    """What was parked for want of budget and is taken up now, each as the store names it."""

    def written(self) -> bytes:
        """The news as the turn's journal keeps them."""
        return encode([getattr(self, name) for name in self.__slots__])

    @classmethod
    def read(cls, data: bytes) -> "News":
        """The news that `written` wrote."""
        return cls(*decode(data))


async def gather(spaces: Spaces, agent: Agent) -> News:
    """Collects what others have changed in the agent's subscribed spaces since it last looked.

    Of what people say where it speaks, only what was said in one conversation: a turn's answer is shown where the
    question was asked, and nowhere else.
    """
    store = spaces.store
    stored, parked = await store.together(
        ["HGETALL", store.keys.cursors(agent.id)], ["SRANDMEMBER", store.keys.parked(agent.id), MAX_TURN_CHANGES]
    )
    cursors = {space.decode(): int(seq) for space, seq in stored.items()}
    taken_up: list[str] = []
    told: list[Change] = []
    notices: list[Notice] = []
    room, place, elsewhere = MAX_TURN_CHARS, "", False
    for name in sorted((one.decode() for one in parked), key=_numbered):
        change = await _parked(spaces, agent, name)
        if change:
            found = await _notices(spaces, agent, change)
            if (said := _said_in(found, agent)) and said != (place := place or said):
                elsewhere = True
                continue
            told += [change] * len(found)
            notices += found
        taken_up.append(name)
    news = await asyncio.gather(*(_news(spaces, agent, space, seq) for space, seq in cursors.items()))
    for space, (last, changes) in zip(tuple(cursors), news, strict=True):
        for change in changes:
            if change.atom and change.author != agent.id:
                found = await _notices(spaces, agent, change)
                if (said := _said_in(found, agent)) and said != (place := place or said):
                    elsewhere = True
                    break
                room -= sum(_chars(notice) for notice in found)
                if found and told and (room < 0 or len(told) >= MAX_TURN_CHANGES):
                    break
                told += [change] * len(found)
                notices += found
            cursors[space] = change.seq
        else:
            cursors[space] = last
    again = f"#{taken_up[0].partition('#')[2]}" if taken_up else ""
    turn = f"{agent.id}:{told[0].space}/{told[0].seq}{again}" if told else ""
    more = elsewhere or room < 0 or len(told) >= MAX_TURN_CHANGES
    numbers = [f"{change.space}/{change.seq}" for change in told]
    cause = _cause(told)
    return News(turn, spaces.clock.now(), cause.root, cause.depth, cursors, notices, more, "", numbers, taken_up)


async def forget_parked(store: Store, agent: Agent, news: News) -> None:
    """Take what a turn has taken up off the list of what was parked; only once its journal has the news."""
    if news.taken_up:
        await store.run("SREM", store.keys.parked(agent.id), *news.taken_up)


def _cause(told: Sequence[Change]) -> Cause:
    said = [change.cause for change in told if change.origin is Origin.OWNER]
    return said[-1] if said else max((change.cause for change in told), key=lambda cause: cause.depth, default=Cause())


def _said_in(told: Sequence[Notice], agent: Agent) -> str:
    here = (notice.metadata.get(CONVERSATION_KEY) for notice in told if notice.space == agent.speaks_in)
    return str(next(filter(None, here), ""))


def _chars(notice: Notice) -> int:
    return len(notice.content) + sum(len(file.name) + FILE_NOTE_CHARS for file in notice.attachments)


def _numbered(parked: str) -> tuple[str, int]:
    space, _, seq = parked.partition("#")[0].rpartition("/")
    return space, int(seq)


async def _parked(spaces: Spaces, agent: Agent, name: str) -> Change | None:
    space, seq = _numbered(name)
    with contextlib.suppress(NotFound):
        return next(iter(await spaces.notifications.changes(space, agent.principal, seq - 1, 1)), None)
    return None


async def agents_due(spaces: Spaces, among: Sequence[str] | None = None) -> list[str]:
    """The agents that are to have a turn, of all or `among` these: for what lies behind their cursors, or because
    theirs was cut off."""
    store, keys = spaces.store, spaces.store.keys
    if among is None:
        among = [id.decode() for id in await store.run("SMEMBERS", keys.agents())]
    agents = list(among)
    cursors = await store.together(*(["HGETALL", keys.cursors(agent)] for agent in agents))
    cursors_of = {
        agent: {space.decode(): int(seq) for space, seq in places.items()}
        for agent, places in zip(agents, cursors, strict=True)
    }
    names = sorted({space for places in cursors_of.values() for space in places})
    newest = await store.together(*(["HGET", keys.space(space), "seq"] for space in names))
    ends = {space: int(seq or 0) for space, seq in zip(names, newest, strict=True)}
    late = [
        (agent, space) for agent, places in cursors_of.items() for space, seq in places.items() if seq < ends[space]
    ]
    due = await store.answers(
        *(store.reading("stoa_due", space, agent, cursors_of[agent][space]) for agent, space in late)
    )
    begun = await store.together(*(["EXISTS", keys.journal(agent), keys.parked(agent)] for agent in agents))
    late_ones = {agent for agent, journal in zip(agents, begun, strict=True) if journal}
    for (agent, space), answer in zip(late, due, strict=True):
        if isinstance(answer, Exception):  # it may not read this at present
            continue
        wanted, seen = answer
        if wanted:
            late_ones.add(agent)
        elif seen > cursors_of[agent][space]:
            await spaces.notifications.advance(agent, space, seen, known=True)
    return sorted(late_ones)


async def _news(spaces: Spaces, agent: Agent, space: str, after: int) -> tuple[int, list[Change]]:
    try:
        return await spaces.notifications.news(space, agent.principal, after)
    except NotFound:  # it may not read this at present
        return after, []


async def _notices(spaces: Spaces, agent: Agent, change: Change) -> list[Notice]:
    notice = await _notice(spaces, agent, change)
    if agent.clean:
        return [notice] if notice.label is Origin.OWNER else []
    if notice.origin is Origin.OUTSIDE and notice.metadata.get("role") == PASSAGE_ROLE:
        return []
    if change.operation not in ("put", "update"):
        return [notice]
    passages = []
    for id in notice.references.get(PASSAGES, ())[:MAX_MESSAGE_PASSAGES]:
        with contextlib.suppress(NotFound, InvalidInput):
            passages.append(_passage(await spaces.open(change.space, agent.principal).get(id)))
    return [*passages, notice]


def _passage(atom: Atom) -> Notice:
    kind, writer = atom.metadata.get("kind", "quoted"), atom.metadata.get("from", "somebody unknown")
    return Notice(
        id=atom.id,
        space=atom.space,
        operation="put",
        comment=f"{kind} text in the next change, written by {writer}",
        author="somebody else",
        origin=atom.origin,
        content=atom.content,
        metadata=atom.metadata,
        references=atom.references,
        version=atom.version,
        outside=atom.outside,
        attachments=atom.attachments,
    )


async def _notice(spaces: Spaces, agent: Agent, change: Change) -> Notice:
    try:
        atom = await spaces.open(change.space, agent.principal).get(change.atom)
    except NotFound:
        atom = Atom(change.atom, change.space, "", version=0)
    return Notice(
        id=change.atom,
        space=change.space,
        operation=change.operation,
        comment=change.comment,
        author=change.author,
        origin=lower(change.origin, atom.origin) if atom.version else change.origin,
        content=atom.content,
        metadata=atom.metadata,
        references=atom.references,
        version=atom.version,
        outside=change.outside or atom.outside,
        attachments=atom.attachments,
    )
