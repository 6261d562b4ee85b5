"""Which moment a phrase means, seen from now."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.times.formatting import WEEKDAYS
from core.times.grammar import PARTS, Phrase, counted
from core.times.lexicon import DAY_SECONDS, HOUR_SECONDS, abbreviations

FORMS = "say it like 'in 2 minutes', 'tomorrow at 9am' or '2026-12-24 18:00'"
WAKING_HOURS = range(7, 22)
"""The hours that a bare "at 5" can mean: 5 is 17:00, 9 is 09:00 or 21:00, 11 is 11:00."""
GETTING_UP_HOURS = range(3, 15)
"""The same where somebody wants to be woken."""
NIGHT_END_HOUR = 4
DEFAULT_SECONDS = 9 * HOUR_SECONDS
"""The time of day meant by a date alone."""


def aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise InvalidInput(f"The present time {now} has no zone; give an aware datetime")
    return now


def moment_of(said: str, phrase: Phrase, now: datetime, waking: range) -> datetime:
    """The first of the moments the phrase can mean that is still to come, in now's zone."""
    if phrase.wrong:
        raise InvalidInput(f"{said!r} cannot be: {phrase.wrong}; {FORMS}")
    first: datetime | None = None
    try:
        for moment in _meant(said, phrase, now, waking):
            first = first or moment
            if moment.timestamp() > now.timestamp():
                return _checked(said, phrase, moment).astimezone(now.tzinfo)
    except (OverflowError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{said!r} cannot be: it is too far away; {FORMS}") from None
    assumed = "" if phrase.amount or phrase.clock or phrase.part else ", as no time of day was given"
    raise InvalidInput(
        f"{said!r}, that is {first:%Y-%m-%d %H:%M}{assumed}, is in the past (now is {now:%Y-%m-%d %H:%M}); "
        "give a time to come"
    )


def _checked(said: str, phrase: Phrase, moment: datetime) -> datetime:
    if not (phrase.amount and phrase.amount.seconds) and _skipped(moment):
        raise InvalidInput(
            f"{said!r} cannot be: clocks in {moment.tzinfo} go forward over {moment:%Y-%m-%d %H:%M}, "
            "so there is no such time; give one an hour later"
        )
    abbreviation, kept = _ENGLISH_ZONES.get(phrase.zone, phrase.zone), moment.tzname() or ""
    if phrase.zone in abbreviations() and len(phrase.zone) > 2 and kept.isalpha() and kept not in (abbreviation, "UTC"):
        place = abbreviations()[phrase.zone].rpartition("/")[2].replace("_", " ")
        raise InvalidInput(f"{said!r}: {place} keeps {kept} then, not {phrase.zone}; say {kept} or '{place} time'")
    return moment


def _meant(said: str, phrase: Phrase, now: datetime, waking: range) -> Iterator[datetime]:
    amount, zone = phrase.amount, zone_named(phrase.zone, now)
    if amount and not (amount.days or amount.months):
        exact = now.astimezone(UTC) + timedelta(seconds=amount.seconds)
        yield exact.replace(microsecond=0) + timedelta(seconds=1 if exact.microsecond and amount.seconds else 0)
        return
    default = _of_day(now) if amount else DEFAULT_SECONDS
    for day in _days(said, phrase, now, zone):
        if day.year == date.max.year:
            raise InvalidInput(f"{said!r} is too far away; {FORMS}")
        clocks = _clocks(said, phrase, default, waking)
        for seconds in clocks[:1] if phrase.halves and phrase.weekday else clocks:  # Monday at 9 is in the morning
            wall = datetime.combine(day, time(), zone) + timedelta(seconds=seconds)
            yield wall
            yield wall.replace(fold=1)  # the second 02:30 of an autumn night


def _of_day(now: datetime) -> int:
    return now.hour * HOUR_SECONDS + now.minute * 60 + now.second


def _days(said: str, phrase: Phrase, now: datetime, zone: tzinfo) -> tuple[date, ...]:
    if phrase.amount:
        return (counted(now.date(), phrase.amount),)
    if not phrase.days:
        today = now.astimezone(zone).date()
        days = phrase.weekday or (today, today + timedelta(days=1))
        return days if phrase.clock or phrase.part else tuple(day for day in days if day != today)
    today = now.astimezone(zone).date()
    if phrase.part == "night" and phrase.days == (today,) and now.hour < NIGHT_END_HOUR:
        return today - timedelta(days=1), today  # said after midnight, "tonight" has begun the day before
    if not phrase.weekday:
        return phrase.days
    fitting = tuple(day for day in phrase.days if day.weekday() == phrase.weekday[0].weekday())
    if not fitting:
        day = phrase.days[0]
        raise InvalidInput(f"{said!r} cannot be: {day} is a {WEEKDAYS[day.weekday()]}; give the day or the date")
    return fitting


def _clocks(said: str, phrase: Phrase, default: int, waking: range) -> list[int]:
    if not phrase.clock:
        return [PARTS[phrase.part][1] if phrase.part else default]
    if not phrase.part:
        return [seconds for seconds in phrase.clock if not phrase.halves or seconds // HOUR_SECONDS in waking]
    hours, _ = PARTS[phrase.part]
    fitting = sorted(s for c in phrase.clock for s in (c, c + DAY_SECONDS) if s // HOUR_SECONDS in hours)
    if not fitting:
        raise InvalidInput(f"{said!r} cannot be: that is no time of the {phrase.part}; give the time or the part")
    return fitting


def _skipped(moment: datetime) -> bool:
    """This local time lies in the hour that spring leaves out."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != moment.replace(tzinfo=None)


_ENGLISH_ZONES = {"MEZ": "CET", "MESZ": "CEST"}


def zone_named(name: str, now: datetime) -> tzinfo:
    """The zone of this IANA name, abbreviation or offset; now's own where none is said."""
    if not name or name == "here":
        return now.tzinfo or UTC
    if name in abbreviations() or "/" in name:
        return ZoneInfo(abbreviations().get(name, name))
    found = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d\d?):?(\d\d)?", name)
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0)) if found else timedelta.max
    if found is None or offset > timedelta(hours=14):
        raise InvalidInput(f"{name!r} is no time zone I know; say a city, as in 'New York time', or UTC+2")
    return timezone(-offset if found[1] == "-" else offset)


def other_zone(name: str, moment: datetime) -> str:
    """The zone to say the moment in, too: the one that was said, if its clocks differ."""
    return name if name and moment.astimezone(zone_named(name, moment)).utcoffset() != moment.utcoffset() else ""
