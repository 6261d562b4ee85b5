"""A time in a question is a filter on when things were put or are due."""

from datetime import UTC, datetime, timedelta

import pytest

from core.house import House
from core.search.periods import period_in
from core.testing import MovableClock

NOW = datetime(2026, 12, 2, 15, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "first", "last", "rest"),
    [
        ("what did Ana say last week?", "2026-11-23", "2026-11-29", "what did Ana say ?"),
        ("notes from yesterday", "2026-12-01", "2026-12-01", "notes from"),
        ("what is due next month", "2027-01-01", "2027-01-31", "what is due"),
        ("was hat Ana letzte Woche geschrieben", "2026-11-23", "2026-11-29", "was hat Ana geschrieben"),
        ("was war vor 3 Tagen", "2026-11-29", "2026-11-29", "was war"),
        ("qué dijo Ana la semana pasada", "2026-11-23", "2026-11-29", "qué dijo Ana"),
        ("mails in the last 2 weeks", "2026-11-16", "2026-12-02", "mails"),
        ("the budget of last year", "2025-01-01", "2025-12-31", "the budget of"),
    ],
)
def test_a_period_is_read_whole(text: str, first: str, last: str, rest: str) -> None:
    found = period_in(text, NOW)
    assert found
    period, left = found
    assert period.start.date().isoformat() == first
    assert (period.end - timedelta(seconds=1)).date().isoformat() == last
    assert left == rest


@pytest.mark.parametrize("text", ["the last straw", "weekday tickets", "this is it", "next to the door", "monthly"])
def test_other_words_are_no_period(text: str) -> None:
    assert period_in(text, NOW) is None


async def test_a_question_about_last_week_is_answered_from_last_week(house: House, clock: MovableClock) -> None:
    space = await house.spaces.create("notes")
    await space.put("Ana wants the tent in green")
    clock.move(days=7)
    wanted = await space.put("Ana wants the tent in blue")
    clock.move(days=7)
    await space.put("Ana wants the tent in red")
    (found,) = await space.search("which tent did Ana want last week?", explain=True)
    assert found.id == wanted.id
    assert "put or due" in found.explanation
    assert "'last week'" in found.explanation


async def test_what_is_due_tomorrow_is_found_by_its_date(house: House, clock: MovableClock) -> None:
    space = await house.spaces.create("tasks")
    due = await space.put("water the ferns", metadata={"due": clock.now() + timedelta(days=1)})
    await space.put("feed the fish", metadata={"due": clock.now() + timedelta(days=5)})
    assert [atom.id for atom in await space.search("what is due tomorrow")] == [due.id]


async def test_a_period_in_which_nothing_was_put_filters_nothing(house: House) -> None:
    space = await house.spaces.create("notes")
    note = await space.put("the ferry was late last year")
    assert [atom.id for atom in await space.search("the ferry last year")] == [note.id]
