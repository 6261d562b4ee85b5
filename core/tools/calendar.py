"""Tools that look into the owner's calendars: what is on, and when there is room."""

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from core.confined import confine, run_confined
from core.errors import InvalidInput, ToolFailed
from core.times.clock import Clock
from core.tools.http import HttpClient
from core.tools.registry import Effect, declares

MAX_CALENDAR_BYTES = 20_000_000
MAX_SPAN = timedelta(days=400)
MAX_EVENTS = 500
READ_SECONDS = 15
READ_MEMORY_BYTES = 1_500_000_000

Event = dict[str, str]


class Calendars:
    """The owner's calendars by name; where each lies is never told to an agent."""

    def __init__(
        self, client: HttpClient, clock: Clock, places: Mapping[str, str], seconds: float = READ_SECONDS
    ) -> None:
        """`places` gives for each name an iCal address or the path of a file."""
        self._client = client
        self._clock = clock
        self._places = places
        self._seconds = seconds

    @declares(Effect.READS, outside=True)
    async def calendar_events(self, start: str, end: str, calendar: str = "") -> list[Event]:
        """The events between two ISO dates or times, in one calendar or all: [{"calendar", "title",
        "start", "end", "place"}], the first one first. All-day events have dates for times."""
        since, until = self._span(start, end)
        found: list[Event] = []
        for name in self._chosen(calendar):
            events = await self._found(await self._data(name), since, until)
            found += [{"calendar": name, **event} for event in events]
        return sorted(found, key=lambda event: (event["start"], event["title"]))[:MAX_EVENTS]

    @declares(Effect.READS, outside=True)
    async def calendar_free(self, start: str, end: str, minutes: int = 30) -> list[Event]:
        """The gaps of at least so many minutes between two times in which no event of any calendar lies: [{"start",
        "end"}]. Events that last all day count as free."""
        if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes < 1:
            raise InvalidInput(f"minutes is {minutes!r}; give a whole number of at least 1")
        since, until = self._span(start, end)
        gaps, free = list[Event](), since
        for event in await self.calendar_events(since.isoformat(), until.isoformat()):
            if len(event["start"]) == len("2026-11-30"):
                continue
            begins, ends = datetime.fromisoformat(event["start"]), datetime.fromisoformat(event["end"])
            if begins - free >= timedelta(minutes=minutes):
                gaps.append({"start": free.isoformat(), "end": begins.isoformat()})
            free = max(free, ends)
        if until - free >= timedelta(minutes=minutes):
            gaps.append({"start": free.isoformat(), "end": until.isoformat()})
        return gaps

    def _span(self, start: str, end: str) -> tuple[datetime, datetime]:
        since, until = self._moment(start), self._moment(end)
        if not since < until <= since + MAX_SPAN:
            raise InvalidInput(f"end has to lie after start, by {MAX_SPAN.days} days at most")
        return since, until

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"{text!r} is not an ISO date or time such as 2026-11-30 or 2026-11-30T09:00; local_time() reads words"
            ) from None
        return moment.astimezone(self._clock.zone) if moment.tzinfo else moment.replace(tzinfo=self._clock.zone)

    def _chosen(self, calendar: str) -> list[str]:
        if not self._places:
            raise InvalidInput("No calendar is connected. The owner can name one in stoa.toml under [calendars].")
        if calendar and calendar not in self._places:
            raise InvalidInput(f"There is no calendar {calendar!r}; there are {', '.join(sorted(self._places))}.")
        return [calendar] if calendar else sorted(self._places)

    async def _found(self, data: bytes, since: datetime, until: datetime) -> list[Event]:
        """The events in a span, found in a process of its own: a rule may repeat every second since 1900."""
        span = (since.isoformat(), until.isoformat(), str(since.tzinfo))
        try:
            done = await run_confined("core.tools.calendar:read", *span, data=data, seconds=self._seconds)
        except TimeoutError:
            raise ToolFailed(f"Reading the calendar took more than {self._seconds:g} seconds, so I gave up.") from None
        if done.status:
            why = done.complaint.strip().rpartition("\n")[2][:200]
            raise ToolFailed(f"The calendar cannot be read ({why or 'its reader was ended'}).")
        events: list[Event] = json.loads(done.output)
        return events

    async def _data(self, name: str) -> bytes:
        place = self._places[name]
        if "://" not in place:
            try:
                data = await asyncio.to_thread(_contents, place, MAX_CALENDAR_BYTES + 1)
            except OSError as error:
                raise ToolFailed(f"The calendar {name} cannot be read: {error.strerror}.") from None
            if len(data) > MAX_CALENDAR_BYTES:
                raise ToolFailed(f"The calendar {name} is larger than {MAX_CALENDAR_BYTES / 1e6:.0f} MB.")
            return data
        try:
            return (await self._client.get(place.replace("webcal://", "https://"), max_bytes=MAX_CALENDAR_BYTES)).data
        except (InvalidInput, ToolFailed) as error:  # its address may hold a key, so it is not repeated
            raise ToolFailed(f"The calendar {name} cannot be fetched: {str(error).replace(place, name)}") from None


def _contents(place: str, most: int) -> bytes:
    with Path(place).expanduser().open("rb") as file:
        return file.read(most)


def read(since: str, until: str, zone: str) -> None:
    """Write the events of the calendar on standard input to standard output, as JSON; runs in a process of its own."""
    from zoneinfo import ZoneInfo

    import icalendar
    import recurring_ical_events

    confine(READ_SECONDS, READ_MEMORY_BYTES)
    calendar = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
    span = datetime.fromisoformat(since), datetime.fromisoformat(until)
    owners = ZoneInfo(zone)
    events = recurring_ical_events.of(calendar).between(*span)
    sys.stdout.write(json.dumps([_event(event, owners) for event in events[:MAX_EVENTS]]))


def _event(event: Mapping[str, object], zone: object) -> Event:
    return {
        "title": str(event.get("SUMMARY", "")),
        "start": _iso(event["DTSTART"].dt, zone),  # type: ignore[attr-defined]
        "end": _iso(event["DTEND"].dt, zone),  # type: ignore[attr-defined]
        "place": str(event.get("LOCATION", "")),
    }


def _iso(moment: date, zone: object) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return (moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()  # type: ignore[arg-type]
