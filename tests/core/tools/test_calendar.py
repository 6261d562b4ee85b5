"""Calendars are read from files and servers; one that would take for ever is given up."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core.errors import InvalidInput, ToolFailed
from core.testing import MovableClock
from core.tools.calendar import Calendars
from core.tools.http import HttpClient
from tests.core.tools.test_web import Site, site

__all__ = ["site"]


def calendar(*events: str) -> str:
    inside = "".join(f"BEGIN:VEVENT\r\nUID:{n}\r\n{event}\r\nEND:VEVENT\r\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n{inside}END:VCALENDAR\r\n"


WORK = calendar(
    "SUMMARY:Stand-up\r\nDTSTART;TZID=Europe/Paris:20261102T090000\r\nDTEND;TZID=Europe/Paris:20261102T093000\r\n"
    "RRULE:FREQ=WEEKLY;BYDAY=MO,TU\r\nLOCATION:Room 1",
    "SUMMARY:Call with Tokyo\r\nDTSTART:20261123T130000Z\r\nDTEND:20261123T140000Z",
)
HOME = calendar("SUMMARY:Holiday\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:20261124")


@pytest_asyncio.fixture
async def calendars(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Calendars]:
    (tmp_path / "work.ics").write_text(WORK, newline="")
    (tmp_path / "home.ics").write_text(HOME, newline="")
    client = HttpClient(passes=lambda address: address.is_loopback)
    places = {"work": str(tmp_path / "work.ics"), "home": str(tmp_path / "home.ics"), "gone": "/nowhere.ics"}
    yield Calendars(client, clock, places)
    await client.aclose()


async def test_what_is_on_is_told_in_the_owners_zone_with_repeated_events(calendars: Calendars) -> None:
    found = await calendars.calendar_events("2026-11-23T00:00", "2026-11-24T00:00", "work")
    assert found == [
        {
            "calendar": "work",
            "title": "Stand-up",
            "start": "2026-11-23T09:00:00+01:00",
            "end": "2026-11-23T09:30:00+01:00",
            "place": "Room 1",
        },
        {
            "calendar": "work",
            "title": "Call with Tokyo",
            "start": "2026-11-23T14:00:00+01:00",
            "end": "2026-11-23T15:00:00+01:00",
            "place": "",
        },
    ]
    (holiday,) = await calendars.calendar_events("2026-11-23T00:00", "2026-11-24T00:00", "home")
    assert (holiday["start"], holiday["end"]) == ("2026-11-23", "2026-11-24")


async def test_gaps_between_events_are_free(calendars: Calendars, tmp_path: Path, clock: MovableClock) -> None:
    client = HttpClient()
    work = Calendars(client, clock, {"work": str(tmp_path / "work.ics")})
    free = await work.calendar_free("2026-11-23T08:00", "2026-11-23T18:00", minutes=60)
    assert free == [
        {"start": "2026-11-23T08:00:00+01:00", "end": "2026-11-23T09:00:00+01:00"},
        {"start": "2026-11-23T09:30:00+01:00", "end": "2026-11-23T14:00:00+01:00"},
        {"start": "2026-11-23T15:00:00+01:00", "end": "2026-11-23T18:00:00+01:00"},
    ]
    await client.aclose()


async def test_an_event_keeps_its_hour_when_the_clocks_change(clock: MovableClock, tmp_path: Path) -> None:
    (tmp_path / "dst.ics").write_text(
        calendar(
            "SUMMARY:Tea\r\nDTSTART;TZID=Europe/Paris:20261020T170000\r\nDTEND;TZID=Europe/Paris:20261020T173000\r\n"
            "RRULE:FREQ=DAILY"
        ),
        newline="",
    )
    client = HttpClient()
    tea = await Calendars(client, clock, {"tea": str(tmp_path / "dst.ics")}).calendar_events(
        "2026-10-24T00:00", "2026-10-26T23:00"
    )
    assert [event["start"][11:] for event in tea] == ["17:00:00+02:00", "17:00:00+01:00", "17:00:00+01:00"]
    await client.aclose()


async def test_a_calendar_on_a_server_is_fetched_and_its_address_is_never_told(site: Site, clock: MovableClock) -> None:
    client = HttpClient(passes=lambda address: address.is_loopback)
    site.pages["/private-4711/work.ics"] = (200, {"Content-Type": "text/calendar"}, WORK.encode())
    places = {"work": f"{site.url}/private-4711/work.ics", "gone": f"{site.url}/private-4712/gone.ics"}
    calendars = Calendars(client, clock, places)
    assert len(await calendars.calendar_events("2026-11-23T00:00", "2026-11-24T00:00", "work")) == 2
    with pytest.raises(ToolFailed) as refused:
        await calendars.calendar_events("2026-11-23T00:00", "2026-11-24T00:00", "gone")
    assert "4712" not in str(refused.value)
    await client.aclose()


async def test_what_cannot_be_answered_is_said(calendars: Calendars) -> None:
    with pytest.raises(InvalidInput, match="there are gone, home, work"):
        await calendars.calendar_events("2026-11-23T00:00", "2026-11-24T00:00", "school")
    with pytest.raises(ToolFailed, match="calendar gone cannot be read"):
        await calendars.calendar_events("2026-11-23T00:00", "2026-11-24T00:00", "gone")
    with pytest.raises(InvalidInput, match="'some day' is not an ISO date"):
        await calendars.calendar_events("some day", "2026-11-23")
    with pytest.raises(InvalidInput, match="end has to lie after start"):
        await calendars.calendar_events("2026-11-24T00:00", "2026-11-23T00:00")


async def test_a_calendar_of_100_mb_is_refused_before_it_is_read(tmp_path: Path, clock: MovableClock) -> None:
    (tmp_path / "huge.ics").touch()
    os.truncate(tmp_path / "huge.ics", 100_000_000)
    client = HttpClient()
    with pytest.raises(ToolFailed, match="calendar huge is larger than 20 MB"):
        await Calendars(client, clock, {"huge": str(tmp_path / "huge.ics")}).calendar_events("2026-11-23", "2026-11-24")
    await client.aclose()


@pytest.mark.parametrize(
    "text",
    [
        calendar("SUMMARY:Tick\r\nDTSTART:19000101T000000Z\r\nDTEND:19000101T000001Z\r\nRRULE:FREQ=SECONDLY"),
        "this is no calendar",
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:torn",
    ],
    ids=["every second since 1900", "not a calendar", "torn"],
)
@pytest.mark.timeout(60)
async def test_a_calendar_that_cannot_be_read_is_given_up(text: str, tmp_path: Path, clock: MovableClock) -> None:
    (tmp_path / "odd.ics").write_text(text, newline="")
    client = HttpClient()
    odd = Calendars(client, clock, {"odd": str(tmp_path / "odd.ics")}, seconds=3)
    with pytest.raises(ToolFailed, match=r"calendar (cannot be read|took more)|Reading the calendar took"):
        await odd.calendar_events("2026-11-23", "2026-11-24")
    await client.aclose()
