"""The moments a recurrence falls on: against a calendar counted minute by minute, and against dateutil."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from core.times.repeating import read_recurrence

ZONES = {
    "Paris": ZoneInfo("Europe/Paris"),
    "New York": ZoneInfo("America/New_York"),
    "Lord Howe": ZoneInfo("Australia/Lord_Howe"),  # its summer time is half an hour
    "Kathmandu": ZoneInfo("Asia/Kathmandu"),
    "Sao Paulo": ZoneInfo("America/Sao_Paulo"),  # once changed at midnight, none since
    "UTC": ZoneInfo("UTC"),
}
SPRING = {"Paris": (2027, 3, 27), "New York": (2027, 3, 13), "Lord Howe": (2027, 10, 2)}
AUTUMN = {"Paris": (2026, 10, 24), "New York": (2026, 10, 31), "Lord Howe": (2027, 4, 3)}
DAILY = ["every day at 00:00", "every day at 01:45", "every day at 02:15", "every day at 02:30", "every day at 03:00"]


def moments(phrase: str, start: datetime, count: int) -> list[datetime]:
    found = read_recurrence(phrase, start)
    zone = start.tzinfo
    assert zone
    due = [found.first(start)]
    while len(due) < count:
        due.append(found.rule.after(due[-1], due[-1], zone))
    return due


def on_the_wall(start: datetime, hour: int, minute: int, days: int) -> Iterator[datetime]:
    """Walks through real minutes: the first that shows this clock time on a day, or the first after a gap over it."""
    moment, seen = start.astimezone(UTC), set[date]()
    last = start
    while len(seen) < days:
        moment += timedelta(minutes=1)
        here = moment.astimezone(start.tzinfo)
        jump = here.replace(tzinfo=None) - last.replace(tzinfo=None) - timedelta(minutes=1)
        wanted = here.replace(hour=hour, minute=minute, tzinfo=None) + (jump if jump > timedelta() else timedelta())
        passed = (
            last.replace(tzinfo=None) < here.replace(hour=hour, minute=minute, tzinfo=None) < here.replace(tzinfo=None)
        )
        if here.date() not in seen and ((here.hour, here.minute) == (hour, minute) or (passed and jump > timedelta())):
            seen.add(here.date())
            gap = wanted - here.replace(tzinfo=None) if passed and jump > timedelta() else timedelta()
            yield (moment + gap).astimezone(start.tzinfo)
        last = here


@pytest.mark.parametrize("phrase", DAILY)
@pytest.mark.parametrize("season", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("place", ["Paris", "New York", "Lord Howe"])
def test_a_daily_time_comes_once_a_day_over_summer_time(
    place: str, season: dict[str, tuple[int, int, int]], phrase: str
) -> None:
    start = datetime(*season[place], 12, tzinfo=ZONES[place])
    clock = phrase.rpartition(" ")[2]
    expected = list(on_the_wall(start, int(clock[:2]), int(clock[3:]), 4))
    got = moments(phrase, start, 4)
    assert [one.astimezone(UTC) for one in got] == [one.astimezone(UTC) for one in expected]


RULES = [
    ("every Monday at 08:00", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=8"),
    ("every weekday at 08:30", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30"),
    ("every Saturday and Sunday at 10:00", "FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=10"),
    ("every day at 09:00 and 18:00", "FREQ=DAILY;BYHOUR=9,18"),
    ("on the first Monday of every month at 09:00", "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9"),
    ("on the third Thursday of every month at 09:00", "FREQ=MONTHLY;BYDAY=3TH;BYHOUR=9"),
    ("on the fifth Friday of every month at 09:00", "FREQ=MONTHLY;BYDAY=5FR;BYHOUR=9"),
    ("on the last Friday of every month at 16:00", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=16"),
    ("on the last weekday of every month at 16:00", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=16"),
    ("on the last day of every month at 09:00", "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=9"),
    ("on the 1st and 15th of every month at 09:00", "FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=9"),
    ("on the 31st of every month at 09:00", "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1;BYHOUR=9"),
    ("on the 30th of every month at 09:00", "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1;BYHOUR=9"),
    ("every year on 24 December at 18:00", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24;BYHOUR=18"),
    ("every year on 29 February at 09:00", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1;BYHOUR=9"),
    ("every year on the first Monday of September at 09:00", "FREQ=YEARLY;BYMONTH=9;BYDAY=1MO;BYHOUR=9"),
]


@pytest.mark.parametrize(("phrase", "rule"), RULES)
@pytest.mark.parametrize("place", ["Paris", "New York", "Kathmandu", "Sao Paulo", "UTC"])
def test_days_and_months_fall_where_dateutil_says(place: str, phrase: str, rule: str) -> None:
    start = datetime(2026, 11, 22, 14, 30, tzinfo=ZONES[place])
    minute = "" if "BYMINUTE" in rule else ";BYMINUTE=0"
    reference = rrulestr(f"{rule}{minute};BYSECOND=0", dtstart=datetime(2026, 11, 22, 14, 30))
    expected = [moment for moment, _ in zip(reference.xafter(datetime(2026, 11, 22, 14, 30)), range(30), strict=False)]
    assert [one.replace(tzinfo=None, fold=0) for one in moments(phrase, start, 30)] == expected


@pytest.mark.parametrize(
    ("phrase", "rule"),
    [
        ("every 2 weeks on Monday at 08:00", "FREQ=WEEKLY;INTERVAL=2"),
        ("every 3 days at 09:00", "FREQ=DAILY;INTERVAL=3"),
        ("on the 1st of every 3 months at 09:00", "FREQ=MONTHLY;INTERVAL=3"),
        ("every 2 years on 24 December at 09:00", "FREQ=YEARLY;INTERVAL=2"),
    ],
)
def test_every_so_many_is_counted_from_the_first_time_on(phrase: str, rule: str) -> None:
    first, *rest = moments(phrase, datetime(2026, 11, 22, 14, 30, tzinfo=ZONES["Paris"]), 20)
    reference = rrulestr(rule, dtstart=first.replace(tzinfo=None))
    assert [one.replace(tzinfo=None) for one in rest] == list(reference.xafter(first.replace(tzinfo=None), count=19))


@pytest.mark.parametrize(("phrase", "hours"), [("every 2 hours", 2), ("every hour", 1), ("every 36 hours", 36)])
@pytest.mark.parametrize("season", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("place", ["Paris", "New York", "Lord Howe"])
def test_hours_are_counted_by_the_clock(
    place: str, season: dict[str, tuple[int, int, int]], phrase: str, hours: int
) -> None:
    start = datetime(*season[place], 20, 10, tzinfo=ZONES[place])
    got = [one.astimezone(UTC) for one in moments(phrase, start, 12)]
    assert got == [start.astimezone(UTC) + n * timedelta(hours=hours) for n in range(1, 13)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("30 2 * * *", ["03-28 03:00", "03-29 02:30"]),  # spring leaves 02:30 out on 28 March
        ("0 9 13 * 5", ["04-02 09:00", "04-09 09:00"]),  # the 13th or a Friday, as in cron
        ("0 9 L * *", ["03-31 09:00", "04-30 09:00"]),
        ("0 9 * * 5L", ["04-30 09:00", "05-28 09:00"]),
        ("0 9 LW * *", ["03-31 09:00", "04-30 09:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"]),
        ("*/30 1-3 28 3 *", ["03-28 01:00", "03-28 01:30"]),
        ("5,10 8 * * 0", ["03-28 08:05", "03-28 08:10"]),
        ("0 9 * * 7", ["03-28 09:00", "04-04 09:00"]),
    ],
)
def test_a_cron_line_means_what_it_means_to_cron(line: str, expected: list[str]) -> None:
    start = datetime(2027, 3, 27, 12, tzinfo=ZONES["Paris"])
    assert [f"{one:%m-%d %H:%M}" for one in moments(line, start, 2)] == expected


def test_years_asleep_are_skipped_without_counting_every_minute() -> None:
    start = datetime(2026, 11, 22, 14, 30, tzinfo=ZONES["Paris"])
    rule = read_recurrence("every 1 minute", start).rule
    later = start + timedelta(days=3650)
    assert rule.after(later, start, ZONES["Paris"]) == later + timedelta(minutes=1)
