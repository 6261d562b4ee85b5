"""Recurrences: what repeats, as a value, and the moments it falls on in a zone."""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from cronsim import CronSim, CronSimError
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, rruleset

from core.errors import InvalidInput
from core.times.formatting import MONTHS, WEEKDAYS
from core.times.lexicon import DAY_SECONDS, HOUR_SECONDS

RECURRENCE_FORMS = "say it like 'every Monday at 8', 'every 2 hours', 'twice a day' or as a cron line, '30 8 * * 1-5'"
MIN_INTERVAL_SECONDS = 60
MAX_INTERVAL = {"seconds": 366 * DAY_SECONDS, "days": 3_660, "weeks": 520, "months": 120, "years": 10}
WORK_DAYS = (0, 1, 2, 3, 4)
LAST = -1
CRON_NAMES = {
    **{"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0"},
    **{"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"},
}
_CRON_FIELD = re.compile(r"[0-9*][0-9*/,LW-]*|LW?|(?:[A-Za-z]{3}|[0-9])(?:[-,#L](?:[A-Za-z]{3}|[0-9])?)*")
_FREQUENCIES = {"days": DAILY, "weeks": WEEKLY, "months": MONTHLY, "years": YEARLY}
_POSITIONS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", LAST: "last"}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Every so many units, on these days at these times; or a cron line.

    Days are counted on the calendar of the zone, seconds by the clock. A time that spring leaves out is an hour later
    that day; one that autumn has twice counts once, the first time. A month too short for a day has its last instead.
    """

    unit: str = "days"
    """seconds, days, weeks, months, years or cron."""
    count: int = 1
    weekdays: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    """Days of the month; -1 is the last."""
    months: tuple[int, ...] = ()
    position: int = 0
    """Which of the weekdays in a month: 1 to 5, or -1 for the last."""
    times: tuple[int, ...] = ()
    """Seconds of the day."""
    cron: str = ""

    def checked(self) -> "Recurrence":
        """Itself; raises `InvalidInput` where it is too often, too rare, or never."""
        rule = next((why for broken, why in _rules(self) if broken), "")
        if rule:
            raise InvalidInput(f"{rule}; {RECURRENCE_FORMS}")
        return self

    def first(self, now: datetime, zone: tzinfo) -> datetime:
        """The first moment after now; intervals are counted from there on."""
        if self.unit in ("seconds", "cron"):
            return self.after(now, now, zone)
        return replace(self, count=1).after(now, now, zone)

    def after(self, moment: datetime, anchor: datetime, zone: tzinfo) -> datetime:
        """The first moment after `moment`, counted from the `anchor`, an earlier one that it fell on."""
        if self.unit == "cron":
            return _next_of_cron(self.cron, moment.astimezone(zone))
        if self.unit == "seconds":
            rounds = max(0, (moment - anchor) // timedelta(seconds=self.count)) + 1
            return (anchor.astimezone(UTC) + rounds * timedelta(seconds=self.count)).astimezone(zone)
        for day in self._days(moment.astimezone(zone).date() - timedelta(days=1), anchor.astimezone(zone).date()):
            later = [one for seconds in self.times if (one := _at(day, seconds, zone)).timestamp() > moment.timestamp()]
            if later:
                return min(later, key=datetime.timestamp)
        raise InvalidInput(f"{self.words!r} never comes; {RECURRENCE_FORMS}")

    def _days(self, start: date, anchor: date) -> Iterator[date]:
        begin = start if self.count == 1 else anchor
        if self.count > 1 and self.unit in ("months", "years"):
            begin = anchor.replace(day=1) if self.unit == "months" else anchor.replace(month=1, day=1)
        fields: dict[str, Any] = {
            "interval": self.count,
            "dtstart": datetime.combine(_begun(self, begin, anchor), time()),
        }
        fields |= {"byweekday": self.weekdays} if self.weekdays else {}
        fields |= {"bymonth": self.months} if self.months else {}
        fields |= {"bysetpos": self.position} if self.position else {}
        rules = rruleset()
        for day in self.days or (0,):
            short = (
                {"bymonthday": range(28, day + 1), "bysetpos": LAST} if day > 28 else {"bymonthday": day} if day else {}
            )
            rules.rrule(rrule(_FREQUENCIES[self.unit], **fields, **short))
        return (found.date() for found in rules.xafter(datetime.combine(start, time()), inc=True))

    @property
    def words(self) -> str:
        """As a person says it, and as `read_recurrence` reads it again."""
        if self.unit == "cron":
            return self.cron
        if self.unit == "seconds":
            return f"every {_amount(self.count)}"
        return self._day_words() + (f" at {listed([_clock(one) for one in self.times])}" if self.times else "")

    def _day_words(self) -> str:
        names = "weekday" if self.weekdays == WORK_DAYS else listed([WEEKDAYS[one] for one in self.weekdays])
        every = f"every {self.count} {self.unit}" if self.count > 1 else f"every {self.unit[:-1]}"
        if self.unit == "weeks" and self.count == 1:
            return f"every {names}"
        if self.unit == "weeks":
            return f"{every} on {names}" if self.weekdays != WORK_DAYS else f"{every} on Monday to Friday"
        if self.unit == "days":
            return every
        of = "of " + listed([MONTHS[one - 1] for one in self.months]) if self.months else f"of {every}"
        on = f"the {_POSITIONS.get(self.position, '')} {names}" if self.position else _days_of_month(self.days)
        if self.unit == "years" and not self.position and self.days != (LAST,):
            return f"{every} on {self.days[0]} {MONTHS[self.months[0] - 1]}"
        return f"{every} on {on} {of}" if self.months else f"on {on} {of}"


def cron_recurrence(line: str) -> Recurrence | None:
    """The recurrence of a cron line of five fields, or of `@daily` and its like; None for what is no cron line."""
    said = CRON_NAMES.get(line.strip().lower(), " ".join(line.split()))
    fields = said.split(" ")
    if not (
        len(fields) > 2 and all(_CRON_FIELD.fullmatch(one) for one in fields) and ("*" in said or len(fields) == 5)
    ):
        return None
    if len(fields) != 5:
        raise InvalidInput(f"A cron line has five fields, this one has {len(fields)}: {said!r}; {RECURRENCE_FORMS}")
    try:
        CronSim(said, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidInput(f"{said!r} is not a valid cron line ({error}); {RECURRENCE_FORMS}") from None
    return Recurrence(unit="cron", cron=said)


def listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _rules(rule: Recurrence) -> Iterator[tuple[bool, str]]:
    said = rule.words if rule.count > 0 else "every 0 " + rule.unit
    yield rule.count < 1, f"{said!r} would never stop; give a number above 0"
    if rule.unit == "seconds":
        yield rule.count < MIN_INTERVAL_SECONDS, f"{said!r} is more often than once a minute, the most there is"
    if rule.unit != "cron":
        yield rule.count > MAX_INTERVAL[rule.unit], f"{said!r} is too rare; give a date instead"
        yield rule.position > 5, f"No month has {rule.position} of each weekday"
    days = [monthrange(2028, month)[1] for month in rule.months] or [31]
    yield any(not (1 <= day <= max(days) or day == LAST) for day in rule.days), f"{said!r}: there is no such day"


def _begun(rule: Recurrence, begin: date, anchor: date) -> date:
    """Weeks are counted from the anchor's Monday."""
    return anchor - timedelta(days=anchor.weekday()) if rule.unit == "weeks" and rule.count > 1 else begin


def _next_of_cron(line: str, moment: datetime) -> datetime:
    try:
        return next(CronSim(line, moment))
    except StopIteration:
        raise InvalidInput(f"The cron line {line!r} matches no time in the next 50 years.") from None


def _at(day: date, seconds: int, zone: tzinfo) -> datetime:
    wall = datetime.combine(day, time(), zone) + timedelta(seconds=seconds)
    return wall.astimezone(UTC).astimezone(zone)  # moves a time that spring leaves out an hour on


def _clock(seconds: int) -> str:
    return f"{seconds // HOUR_SECONDS:02}:{seconds // 60 % 60:02}"


def _amount(seconds: int) -> str:
    for size, name in ((HOUR_SECONDS, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return name if seconds == size else f"{seconds // size} {name}s"
    raise AssertionError(seconds)


def _days_of_month(days: tuple[int, ...]) -> str:
    return "the " + listed([ordinal(day) for day in days if day != LAST] + ["last day"] * (LAST in days))


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
