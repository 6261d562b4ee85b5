"""Times in everyday English: what is understood, what is refused, and that nothing is guessed."""

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.times.formatting import format_time
from core.times.lexicon import scan
from core.times.parsing import find_time, iso_time, local_time, read_time
from tests.timing import computing

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 22, 14, 30, 12, tzinfo=PARIS)
"""A Sunday."""


def said(text: str, now: datetime = NOW) -> str:
    """What is understood, as `2026-11-22 14:30`, with the seconds where there are some."""
    return f"{local_time(text, now):%Y-%m-%d %H:%M:%S}".removesuffix(":00")


@pytest.mark.parametrize(
    "text, moment",
    [
        ("in 2 minutes", "2026-11-22 14:32:12"),
        ("in 90 seconds", "2026-11-22 14:31:42"),
        ("in an hour and a half", "2026-11-22 16:00:12"),
        ("two and a half hours from now", "2026-11-22 17:00:12"),
        ("2h30m", "2026-11-22 17:00:12"),
        ("in 2h30", "2026-11-22 17:00:12"),
        ("half an hour", "2026-11-22 15:00:12"),
        ("in a quarter of an hour", "2026-11-22 14:45:12"),
        ("in 1 hour, 30 minutes and 10 seconds", "2026-11-22 16:00:22"),
        ("in twenty-five minutes", "2026-11-22 14:55:12"),
        ("in 1.5 hours", "2026-11-22 16:00:12"),
        ("in 1,440 minutes", "2026-11-23 14:30:12"),
        ("in three days", "2026-11-25 14:30:12"),
        ("in a couple of weeks at 8", "2026-12-06 08:00"),
        ("in three days at noon", "2026-11-25 12:00"),
        ("in 3 months", "2027-02-22 14:30:12"),
    ],
)
def test_a_duration_counts_from_now(text: str, moment: str) -> None:
    assert said(text) == moment


@pytest.mark.parametrize(
    "text, moment",
    [
        ("at 14:31", "2026-11-22 14:31"),
        ("at 14:30", "2026-11-23 14:30"),
        ("9am", "2026-11-23 09:00"),
        ("at 3 p.m.", "2026-11-22 15:00"),
        ("12am", "2026-11-23 00:00"),
        ("noon", "2026-11-23 12:00"),
        ("at midnight", "2026-11-23 00:00"),
        ("half past five", "2026-11-22 17:30"),
        ("quarter to 1 pm", "2026-11-23 12:45"),
        ("at 10 to 5", "2026-11-22 16:50"),
        ("this evening", "2026-11-22 19:00"),
        ("in the morning", "2026-11-23 09:00"),
        ("tonight", "2026-11-22 20:00"),
        ("tonight at 9", "2026-11-22 21:00"),
        ("tonight at 1", "2026-11-23 01:00"),
        ("9 in the evening", "2026-11-22 21:00"),
        ("end of the day", "2026-11-22 18:00"),
    ],
)
def test_a_time_that_has_passed_today_means_tomorrow(text: str, moment: str) -> None:
    assert said(text) == moment


@pytest.mark.parametrize(
    "text, moment",
    [
        ("at 5", "2026-11-22 17:00"),
        ("at 2", "2026-11-23 14:00"),
        ("at 9", "2026-11-22 21:00"),
        ("at 11", "2026-11-23 11:00"),
        ("5 o’clock", "2026-11-22 17:00"),
        ("tomorrow at 9", "2026-11-23 09:00"),
        ("tomorrow at 5", "2026-11-23 17:00"),
        ("today at 9", "2026-11-22 21:00"),
        ("5:30", "2026-11-22 17:30"),
        ("05:30", "2026-11-23 05:30"),
    ],
)
def test_an_hour_without_am_or_pm_is_the_next_one_in_waking_hours(text: str, moment: str) -> None:
    assert said(text) == moment


@pytest.mark.parametrize(
    "text, moment",
    [
        ("tomorrow", "2026-11-23 09:00"),
        ("  Tomorrow,  at 9AM. ", "2026-11-23 09:00"),
        ("9am tomorrow", "2026-11-23 09:00"),
        ("tomorrow morning", "2026-11-23 09:00"),
        ("tomorrow evening at 7", "2026-11-23 19:00"),
        ("tomorrow at midnight", "2026-11-24 00:00"),
        ("the day after tomorrow", "2026-11-24 09:00"),
        ("on monday at 10", "2026-11-23 10:00"),
        ("friday 3pm", "2026-11-27 15:00"),
        ("Fri. at 15:00", "2026-11-27 15:00"),
        ("sunday at 3", "2026-11-22 15:00"),
        ("sunday at 10", "2026-11-29 10:00"),
        ("friday night at 11", "2026-11-27 23:00"),
        ("next friday", "2026-11-27 09:00"),
        ("next week", "2026-11-23 09:00"),
        ("friday next week", "2026-11-27 09:00"),
        ("next month", "2026-12-01 09:00"),
        ("on 24 December at 18:00", "2026-12-24 18:00"),
        ("December 24", "2026-12-24 09:00"),
        ("thursday the 24th of december", "2026-12-24 09:00"),
        ("Dec. 24, 2027 at 6pm", "2027-12-24 18:00"),
        ("1 March", "2027-03-01 09:00"),
        ("29 February", "2028-02-29 09:00"),
        ("24.12.", "2026-12-24 09:00"),
        ("24.12.2026 18:00", "2026-12-24 18:00"),
        ("24.12.26 18:00", "2026-12-24 18:00"),
        ("the 21st", "2026-12-21 09:00"),
        ("2026-12-24", "2026-12-24 09:00"),
        ("2026-12-24 18:00", "2026-12-24 18:00"),
        ("2026-12-24T18:00:30.5", "2026-12-24 18:00:30"),
        ("2026-12-24T18:00:00-05:00", "2026-12-25 00:00"),
        ("2026-12-24T18:00Z", "2026-12-24 19:00"),
    ],
)
def test_days_and_dates_are_understood(text: str, moment: str) -> None:
    assert said(text) == moment


def test_next_friday_is_that_of_the_week_which_begins_next_monday() -> None:
    tuesday = NOW + timedelta(days=2)

    assert said("friday", tuesday) == "2026-11-27 09:00"
    assert said("this friday", tuesday) == "2026-11-27 09:00"
    assert said("next friday", tuesday) == "2026-12-04 09:00"


@pytest.mark.parametrize(
    "text, named",
    [
        ("", "''"),
        ("soon", "'soon'"),
        ("every monday", "'every monday'"),
        ("tomorrow at", "'at'"),
        ("tomorrow 9", "'9'"),
        ("in 2 minutes noodles", "'noodles'"),
        ("in 2 hours at noon", "'at noon'"),
        ("tomorrow or friday", "'or friday'"),
        ("tomorrow or 5/6", "'or 5/6'"),
        ("am", "'am'"),
        ("x" * 1_000_000, "too long"),
    ],
)
def test_what_is_not_understood_is_named_and_never_guessed(text: str, named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        local_time(text, NOW)

    assert named in str(refused.value)
    assert "'in 2 minutes', 'tomorrow at 9am' or '2026-12-24 18:00'" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text, why",
    [
        ("30 February", "no such day"),
        ("2027-02-29", "no such day"),
        ("31.04.", "no such day"),
        ("the 45th", "no such day"),
        ("25:00", "a day has no 25:00"),
        ("tomorrow at 12:75", "a day has no 12:75"),
        ("14pm", "there is no 14 pm"),
        ("friday 24 december", "2026-12-24 is a Thursday"),
        ("tomorrow morning at 14:30", "no time of the morning"),
        ("in 999999 weeks", "too far away"),
        ("in 999999999 years", "too far away"),
        ("in 99,999,999 days", "too far away"),
        (f"in {'9' * 30} seconds", "too far away"),
        ("9999-12-31", "too far away"),
        ("1.5 months", "say whole ones"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        local_time(text, NOW)


@pytest.mark.parametrize(
    "text",
    ["2020-01-01", "2026-11-22 14:30", "2026-11-22T13:00Z", "yesterday at 5", "today", "this morning", "in 0 minutes"],
)
def test_the_past_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is in the past \(now is 2026-11-22 14:30\); give a time to come"):
        local_time(text, NOW)


def test_a_present_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no zone"):
        local_time("noon", NOW.replace(tzinfo=None))


@pytest.mark.parametrize("zone, day", [(PARIS, "2027-03-28"), (NEW_YORK, "2027-03-14")])
def test_a_time_that_spring_skips_is_refused(zone: ZoneInfo, day: str) -> None:
    with pytest.raises(InvalidInput, match=r"go forward over .* 02:30"):
        local_time(f"{day} 02:30", NOW.astimezone(zone))


@pytest.mark.parametrize("zone, day", [(PARIS, "2027-10-31"), (NEW_YORK, "2027-11-07")])
def test_a_time_that_autumn_has_twice_means_the_first_still_to_come(zone: ZoneInfo, day: str) -> None:
    clock = "02:30" if zone is PARIS else "01:30"
    first = local_time(f"{day} {clock}", NOW.astimezone(zone))
    second = local_time(f"{day} {clock}", first)

    assert (first.fold, second.fold) == (0, 1)
    assert second.timestamp() - first.timestamp() == 3600


def test_hours_are_counted_by_the_clock_and_days_on_the_calendar() -> None:
    eve = datetime(2027, 3, 27, 20, 0, tzinfo=PARIS)

    assert said("in 24 hours", eve) == "2027-03-28 21:00"
    assert said("in 1 day", eve) == "2027-03-28 20:00"


@pytest.mark.parametrize(
    "sentence, phrase, moment",
    [
        ("remind me tomorrow at 9 to call Ana", "tomorrow at 9", "2026-11-23 09:00"),
        ("remind me to call Ana tomorrow at 9, please", "tomorrow at 9", "2026-11-23 09:00"),
        ("at 5 remind me to call Ana", "at 5", "2026-11-22 17:00"),
        ("wake me up at 7!", "at 7", "2026-11-23 07:00"),
        ("ping me 2 hours from now about lunch", "2 hours from now", "2026-11-22 16:30"),
        ("set a reminder for tomorrow at 9: call Ana", "for tomorrow at 9", "2026-11-23 09:00"),
        ("remind me at noon tomorrow that lunch is ready", "at noon tomorrow", "2026-11-23 12:00"),
        ("buy milk by friday", "by friday", "2026-11-27 09:00"),
        ("remind me in 2 minutes to send the report due tomorrow at noon", "in 2 minutes", "2026-11-22 14:32"),
        ("remind me about the friday meeting tomorrow at 9", "tomorrow at 9", "2026-11-23 09:00"),
        ("remind me tomorrow to prepare the 9am call", "tomorrow", "2026-11-23 09:00"),
        ("remind me at 10 to call 5 people", "at 10", "2026-11-23 10:00"),
    ],
)
def test_the_when_is_found_in_a_sentence(sentence: str, phrase: str, moment: str) -> None:
    found = find_time(sentence, NOW)

    assert found is not None
    assert sentence[found[1] : found[2]] == phrase
    assert f"{found[0]:%Y-%m-%d %H:%M}" == moment


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "review the Q3 report",
        "call 5 people",
        "May I ask you something",
        "may 5 people come",
        "buy 2 minutes noodles",
        "meet at 5 Elm Street",
        "buy 5 to 10 apples",
        "look at one, please",
        "look at 5% of it",
        "which one am I",
        "see section 1.2.",
        "the 3rd chapter",
        "the ratio is 16:75",
        "review next month's report",
        "a chair that sat in the sun",
        "send it before 5pm",
        "the market is open from 9am to 5pm",
        "version 3.11 of 2026",
        "x" * 1_000_000,
    ],
)
def test_false_friends_are_no_times(sentence: str) -> None:
    assert find_time(sentence, NOW) is None


@pytest.mark.parametrize(
    "sentence, why",
    [
        ("remind me on 30 February to pay", "no such day"),
        ("remind me yesterday to pay", "in the past"),
        ("remind me at 25:00 to sleep", "a day has no 25:00"),
        ("remind me every monday to water the plants", "'every monday' repeats"),
    ],
)
def test_a_when_that_cannot_be_is_said_and_not_passed_over(sentence: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        find_time(sentence, NOW)


@pytest.mark.parametrize(
    "moment, text",
    [
        ("2026-11-22 14:32", "today at 14:32"),
        ("2026-11-23 09:00", "tomorrow at 09:00"),
        ("2026-11-27 15:00", "on Friday at 15:00"),
        ("2026-11-29 15:00", "on Sunday 29 November at 15:00"),
        ("2026-12-24 18:00", "on Thursday 24 December at 18:00"),
        ("2027-12-24 18:00", "on Friday 24 December 2027 at 18:00"),
        ("2026-11-21 23:59", "yesterday at 23:59"),
        ("2026-11-20 08:00", "on Friday 20 November at 08:00"),
    ],
)
def test_a_moment_is_said_as_a_person_would(moment: str, text: str) -> None:
    local = datetime.fromisoformat(moment).replace(tzinfo=PARIS)

    assert format_time(local.astimezone(UTC), NOW) == text


moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
zones = st.sampled_from([PARIS, NEW_YORK, ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")])


@given(moments, zones, st.integers(1, 1_200_000))
@example(datetime(2027, 10, 30, 22, 0), PARIS, 3 * 60)
@example(datetime(2027, 3, 27, 22, 0), PARIS, 6 * 60)
def test_what_is_said_is_understood_as_the_same_moment(utc: datetime, zone: ZoneInfo, minutes: int) -> None:
    now = utc.replace(tzinfo=UTC).astimezone(zone)
    moment = (utc.replace(tzinfo=UTC, second=0) + timedelta(minutes=minutes)).astimezone(zone)
    assert local_time(format_time(moment, now), now) == moment


PIECES = """
in at on by the next this half a an of and to past , . : - T Z am pm 0 1 2 5 9 12 24 25 30 31 2026 99999
minutes hours days weeks months year tomorrow today tonight morning evening night noon midnight friday sunday may
december 24th 14:30 02:30 25:00 24.12. 2026-12-24 2027-03-28 2h30m 15h 15h30 8.30 3/4 every from remind me eod week end
first last time CET EST UTC+5 UTC+99 Tokyo Europe/Berlin o'clock later quarter about christmas mondays daily
um halb viertel vor nach uhr morgen abend übermorgen nächsten montag jeden stunde stunden einer tagen märz bis
"""
pieces = st.sampled_from(PIECES.split())


@given(st.lists(pieces, max_size=9).map(" ".join) | st.text(max_size=250), moments, zones)
def test_any_text_is_a_time_to_come_or_refused(text: str, utc: datetime, zone: ZoneInfo) -> None:
    now = utc.replace(tzinfo=UTC).astimezone(zone)
    try:
        moment = local_time(text, now)
    except InvalidInput:
        return

    assert moment.tzinfo is zone
    assert moment.timestamp() > now.timestamp()
    assert moment.astimezone(UTC).astimezone(zone) == moment


@given(st.lists(pieces, max_size=20).map(" ".join) | st.text(), moments, zones)
def test_what_is_found_in_any_sentence_is_itself_understood(text: str, utc: datetime, zone: ZoneInfo) -> None:
    now = utc.replace(tzinfo=UTC).astimezone(zone)
    try:
        found = find_time(text, now)
    except InvalidInput:
        return

    if found is not None:
        assert text[found.start : found.end] in found.text
        assert local_time(found.text, now, day_first=True) == found.moment


@given(st.lists(pieces, max_size=9).map(" ".join), moments, zones)
def test_a_moment_read_from_words_and_said_again_is_the_same(text: str, utc: datetime, zone: ZoneInfo) -> None:
    now = utc.replace(tzinfo=UTC).astimezone(zone)
    try:
        moment = local_time(text, now).replace(second=0, microsecond=0)
    except InvalidInput:
        return

    if moment > now:
        assert local_time(format_time(moment, now), now) == moment


@pytest.mark.parametrize("text", ["3/4", "on 3/4 at 9am", "03/04/2027"])
def test_the_order_of_day_and_month_is_the_owners_or_asked_about(text: str) -> None:
    with pytest.raises(InvalidInput, match="3 April or 4 March"):
        local_time(text, NOW)

    assert local_time(text, NOW, day_first=True).date().isoformat() == "2027-04-03"
    assert local_time(text, NOW, day_first=False).date().isoformat() == "2027-03-04"


@pytest.mark.parametrize(
    "text, answer",
    [
        ("tomorrow at 9am New York time", "tomorrow at 15:00 (09:00 in New York)"),
        ("tomorrow at 9am Tokyo time", "tomorrow at 01:00 (09:00 in Tokyo)"),
        ("tomorrow at 17:00 PST", "on Tuesday at 02:00 (Monday 17:00 PST)"),
        ("at 18:00 UTC+5:30", "tomorrow at 13:30 (18:00 UTC+5:30)"),
        ("tomorrow at 9am Berlin time", "tomorrow at 09:00"),
        ("tomorrow at 9", "tomorrow at 09:00"),
    ],
)
def test_a_time_in_another_zone_is_said_in_both(text: str, answer: str) -> None:
    assert read_time(text, NOW).words(NOW) == answer


def test_a_time_in_another_zone_is_handed_on_with_its_offset() -> None:
    found = read_time("tomorrow at 9am New York time", NOW)
    again = iso_time(found.iso(), PARIS)

    assert found.iso() == "2026-11-23T09:00:00-05:00"
    assert again is not None
    assert again.moment == found.moment
    assert again.words(NOW) == "tomorrow at 15:00 (09:00 UTC-5)"


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-23T09:00", "0001-01-01T00:00+14:00", ""])
def test_other_text_is_no_exact_time(text: str) -> None:
    assert iso_time(text, PARIS) is None


def test_a_zone_that_is_not_kept_on_that_day_is_asked_about() -> None:
    with pytest.raises(InvalidInput, match="New York keeps EDT then, not EST; say EDT or 'New York time'"):
        local_time("on 3 July at 8:00 EST", NOW)


def test_a_time_that_spring_skips_in_the_zone_that_was_said_is_refused() -> None:
    with pytest.raises(InvalidInput, match="clocks in America/New_York go forward"):
        local_time("on 14 March 2027 at 2:30am New York time", NOW)


def test_an_hour_that_autumn_has_twice_is_told_apart() -> None:
    first = local_time("2027-10-31 02:30", NOW)
    second = local_time("2027-10-31 02:30", first)

    assert format_time(first, NOW) == "on Sunday 31 October 2027 at 02:30 UTC+2"
    assert format_time(second, NOW) == "on Sunday 31 October 2027 at 02:30 UTC+1"


def test_who_wants_to_be_woken_means_the_morning() -> None:
    found = find_time("wake me at 6", NOW)

    assert found is not None
    assert format_time(found.moment, NOW) == "tomorrow at 06:00"
    assert local_time(found.text, NOW) == found.moment


@pytest.mark.parametrize(
    "unit", ["at 5 ", "in 1 hour and ", "1.", "12:", "a.", "mon-", "every ", "(", "o'", "9", " ", "[", "half "]
)
def test_a_text_twice_as_long_is_scanned_in_about_twice_the_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        with computing() as measured:
            scan(text)
        return measured.seconds

    seconds(1_000)

    assert min(seconds(80_000) for _ in range(2)) < 20 * max(seconds(10_000), 0.002)


@pytest.mark.parametrize("unit", ["at 5 ", "1 ", "tomorrow at 9am or ", "((", "monday,"])
def test_a_megabyte_of_times_is_refused_at_once(unit: str) -> None:
    with computing() as measured, contextlib.suppress(InvalidInput):
        find_time(unit * (1_000_000 // len(unit)), NOW)

    assert measured.seconds < 2
