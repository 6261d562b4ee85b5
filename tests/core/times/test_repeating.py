"""What repeats, in English, German and cron: what is understood, what is refused, and that nothing is guessed."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.times.repeating import find_recurrence, read_recurrence

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 14, 30, tzinfo=PARIS)
"""A Sunday."""
TABLE = Path(__file__).with_name("recurrences.txt").read_text("utf-8").splitlines()[1:]
WORDS = (
    "every each other second Friday mondays at 8 17:30 jeden alle zwei Wochen Tag of the month 15th last until daily"
)


@pytest.mark.parametrize("line", TABLE)
def test_what_repeats_is_understood_and_its_own_words_mean_the_same(line: str) -> None:
    phrase, _, expected = line.partition(" = ")
    found = read_recurrence(phrase, NOW)
    words, _, first = expected.partition(" | ")
    moment = found.first(NOW)
    if "starting" not in phrase:
        assert f"{moment:%a %d %b %Y %H:%M} {found.zone}".strip() == first
    assert found.rule.words == words
    assert read_recurrence(found.rule.words, NOW).rule == found.rule


def test_it_may_begin_later_and_end() -> None:
    found = read_recurrence("every day at 9 starting on Friday until 3 December", NOW)
    assert found.first(NOW) == datetime(2026, 11, 27, 9, tzinfo=PARIS)
    assert found.until == datetime(2026, 12, 3, 23, 59, 59, tzinfo=PARIS)
    with pytest.raises(InvalidInput, match="ends before it first comes"):
        read_recurrence("every Friday until Tuesday", NOW)


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("every 0 seconds", "never stop"),
        ("every 0 days", "never stop"),
        ("every 10 seconds", "more often than once a minute"),
        ("every 31 February", "no such day"),
        ("every year on 30 February", "no such day"),
        ("every 99999999999999999999 hours", "too rare"),
        ("every third Friday", "which one 'of the month'"),
        ("every Monday at 8 and Friday at 9", "and Friday at 9"),
        ("every day except Sunday", "except Sunday"),
        ("every blue moon", "not understood"),
        ("every other weekday", "not understood"),
        ("every day at 25:00", "only 00:00 to 23:59"),
        ("seven times a day", "at which times"),
        ("7 times a day", "at which times"),
        ("tomorrow at 9", "not understood"),
        ("every day at 9 UTC+2", "no summer time"),
        ("0 0 30 2 *", "not a valid cron line"),
        ("0 25 * * *", "not a valid cron line"),
        ("* * * *", "five fields, this one has 4"),
        ("* * * * * *", "five fields, this one has 6"),
        ("x" * 300, "too long"),
    ],
)
def test_what_is_too_often_never_comes_or_is_half_understood_is_refused(phrase: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_recurrence(phrase, NOW)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("remind me every Monday at 8 to water the plants", "every Monday at 8"),
        ("remind me to water the plants every Monday at 8", "every Monday at 8"),
        ("every weekday at 8:30 remind me to stand up", "every weekday at 8:30"),
        ("at 8 every Monday remind me to stand up", "at 8 every Monday"),
        ("erinnere mich jeden Montag um 8 an den Müll", "jeden Montag um 8"),
        ("remind me monthly to pay rent", "monthly"),
        ("remind me to take the daily pill tomorrow at 9", None),
        ("remind me on Friday about the weekly report", None),
        ("remind me at 9 to call Bob", None),
        ("remind me on the first Monday of next month to pay", None),
    ],
)
def test_it_is_found_in_a_sentence_where_it_says_when(sentence: str, words: str | None) -> None:
    found = find_recurrence(sentence, NOW)
    assert (found and found.text) == words


def test_a_sentence_that_says_more_than_is_understood_is_asked_about() -> None:
    with pytest.raises(InvalidInput, match="can't tell when it repeats"):
        find_recurrence("remind me every Monday at 8 and Friday at 9 to stretch", NOW)


def test_an_hour_to_be_woken_at_is_in_the_morning() -> None:
    found = find_recurrence("wake me every weekday at 6", NOW)
    assert found
    assert found.rule.words == "every weekday at 06:00"


@given(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=8))
def test_any_words_are_understood_or_refused_with_a_sentence(words: list[str]) -> None:
    try:
        found = read_recurrence(" ".join(words), NOW)
    except InvalidInput:
        return
    assert found.first(NOW) > NOW
    assert read_recurrence(found.rule.words, NOW).rule == found.rule
