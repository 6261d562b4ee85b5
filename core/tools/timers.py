"""Timers: atoms that come due. A timer fires by one write to its atom, so it fires once however often it is tried."""

import re
from datetime import datetime, timedelta

from core.atoms.atoms import CLOCK, Atom, References
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound
from core.search.filters import Filter
from core.spaces.deadlines import keep
from core.spaces.spaces import Space, Spaces, first_words
from core.times.parsing import local_time
from core.tools.registry import Effect, acting, declares

TIMERS_SPACE = "timers"
LATE_AFTER = timedelta(minutes=1)
PAST_GRACE = timedelta(minutes=2)
"""How far in the past an exact time may lie: it was to come when it was asked for."""
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
LOOK_AHEAD = timedelta(minutes=1)


class Timers:
    """Timers: set, listed and cancelled by agents and people, fired by `run`."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._clock = spaces.clock

    @declares(Effect.CHANGES)
    async def set_timer(self, at: str, what: str, references: References | None = None) -> Atom:
        """Set a timer: at `at` (ISO time with offset, or words such as "tomorrow at 9am") its atom in `timers` changes
        with the comment "timer fired: <what>", which wakes you. `references` are kept with it, so pass on what the
        request was about. Answers the timer's atom; raises ValueError for a time that is past or does not exist."""
        if not isinstance(what, str) or not what.strip():
            raise InvalidInput("what is missing: say what the timer is for, so that the reminder makes sense")
        now = self._clock.now()
        try:
            due = local_time(at, now - PAST_GRACE if ISO_DATE.match(at) else now, self._clock.day_first)
        except InvalidInput:
            if done := await self._space().find(acting().call):  # set before a crash; its time may have passed since
                return done
            raise
        return await self._space().put(
            what,
            comment=f"timer set for {due.isoformat(timespec='seconds')}: {first_words(what)}",
            metadata={"kind": "timer", "status": "pending", "due": due, "zone": str(self._clock.zone)},
            references=references or {},
            operation=acting().operation(),
        )

    @declares(Effect.CHANGES)
    async def cancel_timer(self, id: str) -> Atom:
        """Cancel the pending timer with this id; raises if there is none."""
        space = self._space()
        timer = await space.get(id)
        if timer.metadata.get("status") == "cancelled" and acting().call:
            return timer  # cancelled before a crash, by this very call
        if timer.metadata.get("status") != "pending":
            raise NotFound(
                f"Timer {id!r} is {timer.metadata.get('status', 'no timer')} already, so there is nothing to cancel."
            )
        return await space.update(
            id,
            comment=f"timer cancelled: {first_words(timer.content)}",
            metadata={"status": "cancelled"},
            operation=acting().operation(),
        )

    @declares(Effect.READS)
    async def list_timers(self) -> list[Atom]:
        """The pending timers, the next one first."""
        pending = await self._space().search(metadata={"kind": "timer", "status": "pending"}, limit=1000)
        return sorted(pending, key=_due)

    async def prepare(self, description: str = "") -> None:
        """Make the space of timers unless it is there, and let the clock write in it."""
        if await self._spaces.open(TIMERS_SPACE, CLOCK).permission() < Permission.WRITE:
            space = await self._spaces.create(TIMERS_SPACE, description=description)
            await space.share(CLOCK.id, Permission.WRITE, comment="the clock fires timers")

    async def run(self) -> None:
        """Fire every timer when it is due, late ones at once. Any number of workers may run this."""
        await self.prepare()
        space = self._spaces.open(TIMERS_SPACE, CLOCK)
        await keep(space, self._clock, lambda: self._fire_due(space))

    async def _fire_due(self, space: Space) -> datetime:
        now = self._clock.now()
        pending: Filter = {"kind": "timer", "status": "pending", "due": {"lte": now + LOOK_AHEAD}}
        soon = sorted(await space.search(metadata=pending, limit=1000), key=_due)
        for timer in soon:
            if _due(timer) > now:
                return _due(timer)
            await self._fire(space, timer, late=now - _due(timer) > LATE_AFTER)
        return now + LOOK_AHEAD

    async def _fire(self, space: Space, timer: Atom, *, late: bool) -> None:
        await space.update(
            timer.id,
            comment=f"timer fired: {first_words(timer.content)}",
            metadata={"status": "fired", "late": late},
            operation=f"fire {timer.id} {_due(timer).isoformat()}",
        )

    def _space(self) -> Space:
        return self._spaces.open(TIMERS_SPACE, acting().actor)


def _due(timer: Atom) -> datetime:
    due = timer.metadata.get("due")
    return due if isinstance(due, datetime) else timer.created or datetime.max
