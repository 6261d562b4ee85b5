"""Timers: atoms that come due, once or again and again. Each due time fires by one write, however often it is tried."""

import asyncio
import contextlib
import re
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from core.atoms.atoms import CLOCK, OWNER, Atom, Metadata, References, Value
from core.atoms.permissions import Permission
from core.errors import Conflict, InvalidInput, NotFound
from core.search.filters import Filter
from core.spaces.deadlines import keep
from core.spaces.spaces import Space, Spaces, first_words
from core.times.clock import Clock
from core.times.parsing import local_time
from core.times.recurrence import Recurrence
from core.times.repeating import read_recurrence, repeats
from core.tools.registry import Effect, acting, declares

TIMERS_SPACE = "timers"
LATE_AFTER = timedelta(minutes=1)
PAST_GRACE = timedelta(minutes=2)
"""How far in the past an exact time may lie: it was to come when it was asked for."""
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
LOOK_AHEAD = timedelta(minutes=1)
FIRED_AT_ONCE = 64
MAX_MISSED_COUNTED = 500
PAGE_OF_TIMERS = 1000
IF_LATE = "if_late is 'tell', 'skip' or how late it may be, such as '2 hours'"


class Schedule(NamedTuple):
    """When a timer is due: the next moment, and what repeats, until when, in which zone."""

    due: datetime
    zone: str
    repeats: str = ""
    until: datetime | None = None

    @classmethod
    def read(cls, text: str, zone: str, clock: Clock) -> "Schedule":
        """The schedule the words mean in the zone, the owner's where none is named; raises `InvalidInput`."""
        if zone and zone not in available_timezones():
            raise InvalidInput(f"Unknown time zone {zone!r}. Use an IANA name such as 'America/New_York'.")
        now = clock.now().astimezone(ZoneInfo(zone)) if zone else clock.now()
        if repeats(text):
            found = read_recurrence(text, now, clock.day_first)
            return cls(found.first(now), found.zone or zone or str(clock.zone), found.rule.words, found.until)
        due = local_time(text, now - PAST_GRACE if ISO_DATE.match(text) else now, clock.day_first)
        return cls(due, zone or str(clock.zone))

    def following(self, now: datetime) -> "Schedule | None":
        """The schedule after the due time has come; None if that was the last time."""
        if not self.repeats:
            return None
        zone = ZoneInfo(self.zone)
        due = _rule(self.repeats, now).after(max(now, self.due), self.due, zone)
        return None if self.until and due > self.until else self._replace(due=due)

    def missed(self, now: datetime) -> tuple[datetime, int]:
        """The newest due time up to now, and how many came before it while nothing ran, as far as that is counted."""
        if not self.repeats:
            return self.due, 0
        rule, last, count, zone = _rule(self.repeats, now), self.due, 0, ZoneInfo(self.zone)
        end = min(now, self.until) if self.until else now
        while (due := rule.after(last, self.due, zone)) <= end:
            last, count = due, count + 1
            if count == MAX_MISSED_COUNTED:
                last = max(last, rule.after(now - (last - self.due), self.due, zone))
        return last, count

    @property
    def metadata(self) -> dict[str, Value | None]:
        return {"due": self.due, "zone": self.zone, "repeats": self.repeats or None, "until": self.until}

    @property
    def words(self) -> str:
        return self.repeats or self.due.isoformat(timespec="seconds")

    @classmethod
    def of(cls, metadata: Metadata) -> "Schedule":
        due, until = metadata.get("due"), metadata.get("until")
        if not isinstance(due, datetime):
            raise InvalidInput(f"The timer's due is {due!r}, which is no time.")
        words, zone = metadata.get("repeats") or "", metadata.get("zone") or "UTC"
        return cls(due, str(zone), str(words), until if isinstance(until, datetime) else None)


class Timers:
    """Timers: set, changed, listed and cancelled by agents and people, fired by `run`."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._clock = spaces.clock

    @declares(Effect.CHANGES, writes=(TIMERS_SPACE,))
    async def set_timer(
        self, at: str, what: str, references: References | None = None, zone: str = "", if_late: str = "tell"
    ) -> Atom:
        """Set a timer: at `at` its atom in `timers` changes with the comment "timer fired: <what>", which wakes you.
        `at` is an ISO time with offset, words ("tomorrow at 9am"), what repeats ("every weekday at 8:30", "twice a
        day", "the first Monday of the month", "every day until Friday") or a cron line; `zone` an IANA name where it
        is not the owner's. `if_late` says what becomes of a time that passed while nothing ran: "tell" of it later,
        "skip" it, or tell only within a time ("2 hours"). `references` are kept with it, so pass on what the request
        was about. Answers the timer's atom; raises ValueError for what is past, never comes or does not exist."""
        what = _checked_what(what)
        try:
            schedule = Schedule.read(at, zone, self._clock)
        except InvalidInput:
            if done := await self._space().find(acting().call):  # set before a crash; its time may have passed since
                return done
            raise
        late = self._late_limit(if_late)
        await self._prove(references or {})
        return await self._space().put(
            what,
            comment=f"timer set for {schedule.words}: {first_words(what)}",
            metadata={"kind": "timer", "status": "pending", **_given(schedule.metadata), **_given(late)},
            references=references or {},
            operation=acting().operation(),
        )

    @declares(Effect.CHANGES, writes=(TIMERS_SPACE,))
    async def change_timer(self, id: str, at: str = "", what: str = "", zone: str = "", if_late: str = "") -> Atom:
        """Give a timer another time, text, zone or policy; what is not given stays. One that has fired or was cancelled
        is set anew, so this is also how to snooze."""
        space = self._space()
        timer = await space.get(id)
        schedule = Schedule.of(timer.metadata)
        patch: dict[str, Value | None] = {}
        if at or zone:
            schedule = Schedule.read(at or schedule.words, zone, self._clock)
            patch |= schedule.metadata
        elif timer.metadata.get("status") != "pending":
            raise NotFound(f"Timer {id!r} is {timer.metadata.get('status')} already; say when it comes again.")
        patch |= self._late_limit(if_late) if if_late else {}
        return await space.update(
            id,
            comment=f"timer changed to {schedule.words}: {first_words(what or timer.content)}",
            content=_checked_what(what) if what else None,
            metadata={"status": "pending", "late": None, **patch},
            operation=acting().operation(),
        )

    @declares(Effect.CHANGES)
    async def cancel_timer(self, id: str) -> Atom:
        """Cancel the pending timer with this id, with all its repetitions; raises if there is none."""
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

    @declares(Effect.CHANGES)
    async def undo_timer(self, id: str) -> Atom:
        """Take back the last thing that was done to a timer: its setting, a change, or its cancelling. Raises if that
        was so long ago that its time has passed."""
        space = self._space()
        *_, last = await space.history(id)
        if last.version == 1:
            return await self.cancel_timer(id)
        if last.comment.startswith("timer fired"):
            raise NotFound(f"Timer {id!r} has fired since, so nothing can be undone. Set it anew.")
        before = await space.at(id, last.version - 1)
        due = before.metadata.get("due")
        if before.metadata.get("status") == "pending" and isinstance(due, datetime) and due <= self._clock.now():
            raise InvalidInput(f"Timer {id!r} was due on {due:%d %B at %H:%M}, which has passed. Give it a new time.")
        return await space.restore(id, last.version - 1, "timer change undone", operation=acting().operation())

    @declares(Effect.READS)
    async def list_timers(self, status: str = "pending") -> list[Atom]:
        """The timers of a status (pending, fired, cancelled, skipped), the next one first."""
        found = await self._space().search(metadata={"kind": "timer", "status": status}, limit=PAGE_OF_TIMERS)
        return sorted(found, key=_due)

    async def prepare(self, description: str = "") -> None:
        """Make the space of timers unless it is there, and let the clock write in it."""
        if await self._spaces.open(TIMERS_SPACE, CLOCK).permission() < Permission.WRITE:
            space = await self._spaces.create(TIMERS_SPACE, description=description)
            await space.share(CLOCK.id, Permission.WRITE, comment="the clock fires timers")

    async def run(self) -> None:
        """Fire every timer when it is due, late ones at once. Any number of workers may run this."""
        await self.prepare()
        await keep(self._spaces.open(TIMERS_SPACE, CLOCK), self._clock, self._fire_due)

    async def _fire_due(self) -> datetime:
        while True:
            now, space = self._clock.now(), self._spaces.open(TIMERS_SPACE, CLOCK)
            pending: Filter = {"kind": "timer", "status": "pending", "due": {"lte": now + LOOK_AHEAD}}
            soon = sorted(await space.search(metadata=pending, limit=PAGE_OF_TIMERS), key=_due)
            due = [timer for timer in soon if _due(timer) <= now]
            for first in range(0, len(due), FIRED_AT_ONCE):
                await asyncio.gather(*(self._fire(space, timer, now) for timer in due[first : first + FIRED_AT_ONCE]))
            if len(due) < PAGE_OF_TIMERS:
                return _due(soon[len(due)]) if len(soon) > len(due) else now + LOOK_AHEAD

    async def _fire(self, space: Space, timer: Atom, now: datetime) -> None:
        schedule = Schedule.of(timer.metadata)
        last, missed = schedule.missed(now)
        following = schedule.following(now)
        limit, late = timer.metadata.get("late_limit"), (now - last).total_seconds()
        skipped = isinstance(limit, int | float) and late > max(limit, LATE_AFTER.total_seconds())
        verb = "skipped" if skipped else "fired"
        metadata: dict[str, Value | None] = {"status": "pending" if following else verb}
        metadata |= {"late": late > LATE_AFTER.total_seconds(), "last": last, "missed": missed or None}
        metadata |= {"runs": int(timer.metadata.get("runs") or 0) + (not skipped)}  # type: ignore[arg-type]
        metadata |= {"due": following.due} if following else {}
        with contextlib.suppress(Conflict):  # moved or cancelled meanwhile; the next look sees how
            await space.update(
                timer.id,
                comment=f"timer {verb}: {first_words(timer.content)}",
                metadata=metadata,
                operation=f"fire {timer.id} {schedule.due.isoformat()}",
            )

    def _late_limit(self, if_late: str) -> dict[str, Value | None]:
        """The seconds a timer may be late, as metadata; None for any."""
        if if_late in ("tell", ""):
            return {"late_limit": None}
        if if_late == "skip":
            return {"late_limit": 0}
        now = self._clock.now()
        try:
            return {"late_limit": (local_time(f"in {if_late.removeprefix('within ')}", now) - now).total_seconds()}
        except InvalidInput:
            raise InvalidInput(f"{if_late!r} is not understood: {IF_LATE}") from None

    async def _prove(self, references: References) -> None:
        """Raises `InvalidInput` unless there is each atom that the timer goes back to."""
        for names in references.values():
            for name in names:
                space, _, atom = name.partition("/")
                try:
                    await self._spaces.open(space, OWNER).get(atom)
                except NotFound:
                    raise InvalidInput(f"There is no atom {name!r}; refer to one that exists, as 'space/id'") from None

    def _space(self) -> Space:
        return self._spaces.open(TIMERS_SPACE, acting().actor)


def _rule(words: str, now: datetime) -> Recurrence:
    return read_recurrence(words, now).rule


def _checked_what(what: object) -> str:
    if not isinstance(what, str) or not what.strip():
        raise InvalidInput("what is missing: say what the timer is for, so that the reminder makes sense")
    return what


def _given(metadata: dict[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in metadata.items() if value is not None}


def _due(timer: Atom) -> datetime:
    due = timer.metadata.get("due")
    return due if isinstance(due, datetime) else timer.created or datetime.max
