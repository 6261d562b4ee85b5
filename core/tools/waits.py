"""Waits: what programs that paused wait for, kept with the house, and when they have it."""

import asyncio
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from core.atoms.atoms import Atom, Metadata, Principal, Value
from core.atoms.values import decode, encode
from core.errors import InvalidInput, NotFound
from core.search.filters import Comparison, Filter
from core.spaces.spaces import Spaces
from core.store.codec import as_number, as_text
from core.times.formatting import format_time

MAX_WAITING_PROGRAMS = 100
"""How many programs of one agent may wait at once."""
BUDGET_RETRY_TIME = timedelta(hours=1)
"""How long a program is put off that has what it waited for while no budget is left."""
OPEN_STATUS = "open"
CHANGES_A_PAGE = 500
MAX_WAIT_SECONDS = 10 * 366 * 86_400.0
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


class Wait(Exception):
    """Raised instead of an answer by what an agent's code called: the program is to go on later.

    It goes on when the `status` of the atom `space/atom` is another than "open", or when an atom in `space` changes
    whose metadata pass the filter `metadata`, or else at `until`. The same call is then made again, under the same
    operation id; it answers, raises what the program should see, or raises a `Wait` again.
    """

    def __init__(
        self,
        space: str = "",
        atom: str = "",
        until: datetime | None = None,
        *,
        metadata: Filter | None = None,
        after: int = 0,
    ) -> None:
        """`after` is the number of the last change of the space that does not count for a filter."""
        super().__init__(space, atom, until)
        self.space = space
        self.atom = atom
        self.until = until
        self.metadata = metadata
        self.after = after

    def written(self) -> list[object]:
        return [self.space, self.atom, self.until, self.metadata, self.after]

    @classmethod
    def read(cls, fields: list[object]) -> Self:
        """The wait that wrote these fields of itself."""
        space, atom, until, metadata, after = fields
        return cls(space, atom, until, metadata=metadata, after=after)  # type: ignore[arg-type]

    def words(self, now: datetime) -> str:
        until = format_time(self.until.astimezone(now.tzinfo), now) if self.until else ""
        if not self.space:
            return f"until {until}"
        what = f"for an answer to {self.space}/{self.atom}" if self.atom else f"for a change in {self.space!r}"
        if self.metadata:
            what += " with " + ", ".join(f"{key} {_wanted(value)}" for key, value in self.metadata.items())
        return f"{what}, at most until {until}" if until else what


@dataclass(frozen=True, slots=True)
class Waiting:
    """A program that waits: its name, what it waits for, and the line of code in which it does."""

    id: str
    waits: tuple[Wait, ...]
    line: str

    def written(self) -> bytes:
        return encode([[wait.written() for wait in self.waits], self.line])

    @classmethod
    def read(cls, id: str, data: bytes) -> Self:
        """The waiting program that was written down under this name."""
        waits, line = decode(data)
        return cls(id, tuple(Wait.read(fields) for fields in waits), line)

    def words(self, now: datetime) -> str:
        return " or ".join(wait.words(now) for wait in self.waits)


class Waits:
    """The waits of all agents' programs. Any number of workers may look; waking twice does no harm."""

    def __init__(self, spaces: Spaces) -> None:
        self.changed = asyncio.Event()
        """Set when somebody should look again."""
        self.watched: frozenset[str] = frozenset()
        """The spaces a change in which may end a wait, as of the last look."""
        self._spaces = spaces
        self._looked: dict[tuple[str, int], int] = {}  # how far a filter has been tried in vain

    async def of(self, agent: str) -> list[Waiting]:
        """The programs of this agent that wait."""
        stored = await self._spaces.store.run("HGETALL", self._spaces.store.keys.waits(agent))
        return [Waiting.read(id.decode(), data) for id, data in sorted(stored.items())]

    async def due(self, agent: str) -> Waiting | None:
        """A program of this agent that can go on."""
        for waiting in await self.of(agent):
            for n, wait in enumerate(waiting.waits):
                if await self._over(agent, (waiting.id, n), wait):
                    return waiting
        return None

    async def look(self) -> tuple[list[str], datetime | None]:
        """The agents that have a program which can go on, and when the next can for the time alone."""
        store, now = self._spaces.store, self._spaces.clock.now()
        agents = sorted(agent.decode() for agent in await store.run("SMEMBERS", store.keys.waiting()))
        due, watched, moments, places = [], set[str](), list[datetime](), set[str]()
        for agent in agents:
            waiting = await self.of(agent)
            if not waiting:
                await store.run("SREM", store.keys.waiting(), agent)
                if await self.of(agent):  # one was added meanwhile
                    await store.run("SADD", store.keys.waiting(), agent)
            places |= {one.id for one in waiting}
            watched |= {wait.space for one in waiting for wait in one.waits if wait.space}
            moments += [wait.until for one in waiting for wait in one.waits if wait.until and wait.until > now]
            if await self.due(agent):
                due.append(agent)
        self.watched = frozenset(watched)
        self._looked = {place: seq for place, seq in self._looked.items() if place[0] in places}
        return due, min(moments, default=None)

    async def rest(self, moment: datetime | None, seconds: float) -> None:
        """Return when somebody should look again: at the moment, after so many seconds, or when something changed."""
        pauses = [asyncio.create_task(self.changed.wait()), asyncio.create_task(asyncio.sleep(seconds))]
        if moment:
            pauses.append(asyncio.create_task(self._spaces.clock.sleep_until(moment)))
        try:
            await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pause in pauses:
                pause.cancel()

    async def found(self, reader: Principal, wait: Wait, after: int | None = None) -> tuple[Atom | None, int]:
        """The first atom that somebody else changed and that passes the filter now, and the number of that change.

        Without one, None and the number of the last change there is. Raises `NotFound` for who may not read the space.
        """
        seq = wait.after if after is None else after
        space = self._spaces.open(wait.space, reader)
        while changes := await self._spaces.notifications.changes(wait.space, reader, seq, CHANGES_A_PAGE):
            for change in changes:
                seq = change.seq
                if not change.atom or change.author == reader.id:
                    continue
                try:
                    atom = await space.get(change.atom)
                except NotFound:
                    continue
                if not atom.deprecated and passes_filter(atom.metadata, wait.metadata or {}):
                    return atom, seq
        return None, seq

    async def put_off(self, agent: str, id: str) -> None:
        """Let a program that can go on, and may not for want of budget, be tried again in `BUDGET_RETRY_TIME`."""
        key = self._spaces.store.keys.waits(agent)
        for waiting in await self.of(agent):
            if waiting.id == id:
                later = (Wait(until=self._spaces.clock.now() + BUDGET_RETRY_TIME),)
                await self._spaces.store.run("HSET", key, id, replace(waiting, waits=later).written())

    async def forget(self, agent: str, id: str = "") -> int:
        """End a waiting program of an agent, or all of them; answers how many there were."""
        store = self._spaces.store
        keys = (store.keys.waits(agent), store.keys.programs(agent))
        if id:
            ended, _ = await store.together(*(["HDEL", key, id] for key in keys))
            return int(ended)
        count, *_ = await store.together(["HLEN", keys[0]], *(["DEL", key] for key in keys))
        return int(count)

    async def _over(self, agent: str, place: tuple[str, int], wait: Wait) -> bool:
        if wait.until and wait.until <= self._spaces.clock.now():
            return True
        try:
            if wait.atom:
                atom = await self._spaces.open(wait.space).get(wait.atom)
                return atom.deprecated or atom.metadata.get("status", OPEN_STATUS) != OPEN_STATUS
            if wait.space:
                looked = max(wait.after, self._looked.get(place, 0))
                found, self._looked[place] = await self.found(Principal(agent), wait, looked)
                if found:
                    del self._looked[place]
                return found is not None
        except NotFound:  # the call that waits will say so
            return True
        return False


def waiting_words(waiting: Sequence[Waiting], now: datetime) -> str:
    """The programs that wait, as an agent is reminded of them; empty for none."""
    lines = [f"- {one.id} waits {one.words(now)}, in: {one.line}" for one in waiting]
    return "\n".join(["Of your programs these wait, and go on by themselves:", *lines]) if lines else ""


def wait_end(now: datetime, timeout: object) -> datetime | None:
    """When a wait of `timeout` seconds that begins now is over; never without one. Raises `InvalidInput`."""
    if timeout is None:
        return None
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 <= timeout <= MAX_WAIT_SECONDS:
        return now + timedelta(seconds=timeout)
    raise InvalidInput(f"timeout={timeout!r} must be a number of seconds between 0 and {MAX_WAIT_SECONDS:.0f}, or None")


def check_conditions(wanted: object) -> None:
    """Raises `InvalidInput` for what no metadata can be compared with."""
    if not isinstance(wanted, Mapping):
        raise InvalidInput('metadata is a filter such as {"status": "done"}; give a dict')
    for key, value in wanted.items():
        bounds = value if isinstance(value, Mapping) else {}
        if value is None or value in ([], {}) or bounds.keys() - COMPARISONS.keys():
            raise InvalidInput(
                f"metadata {key!r}: {value!r} is no condition; give a value, a list of values, or comparisons "
                "such as {'lt': 5} (lt, lte, gt, gte)"
            )


def passes_filter(metadata: Metadata, wanted: Filter) -> bool:
    return all(_passes(metadata.get(key), value) for key, value in wanted.items())


def _passes(value: Value | None, wanted: Value | Comparison) -> bool:
    if value is None:
        return False
    if isinstance(wanted, Mapping):
        number = as_number(value)
        bounds = [(COMPARISONS[name], as_number(bound)) for name, bound in wanted.items()]
        return number is not None and all(bound is not None and fits(number, bound) for fits, bound in bounds)
    has = {as_text(one) for one in (value if isinstance(value, list) else [value])}
    return bool(has & {as_text(one) for one in (wanted if isinstance(wanted, list) else [wanted])})


def _wanted(value: Value | Comparison) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{name} {as_text(bound)}" for name, bound in value.items())
    return " or ".join(as_text(one) for one in (value if isinstance(value, list) else [value]))
