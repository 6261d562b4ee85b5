"""Moments to come: read strictly from everyday English or ISO, and said in such words."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from core.errors import InvalidInput
from core.times.grammar import DAY, HOUR, MONTHS, PARTS, WEEKDAYS, Phrase, phrases, read

FORMS = "say it like 'in 2 minutes', 'tomorrow at 9am' or '2026-12-24 18:00'"
LONGEST = 200
"""How many characters a phrase may have."""
SENTENCE = 4_000
"""How many characters of a sentence are looked through."""
WAKING = range(7, 22)
"""The hours that a bare "at 5" can mean: 5 is 17:00, 9 is 09:00 or 21:00, 11 is 11:00."""
NINE = 9 * HOUR
"""The time of day meant by a date alone."""
NEAR = {-1: "yesterday", 0: "today", 1: "tomorrow"}


def local_time(text: str, now: datetime) -> datetime:
    """The moment that the phrase means, in now's zone, always after now; raises `InvalidInput`, never guesses.

    A time that has passed today means tomorrow. An hour without am or pm is the next one in waking hours (7 to 21). A
    date alone means 09:00. "Friday" is the next one, "next Friday" that of the week which begins next Monday. Midnight
    ends the day it is said of. Days are counted on the calendar, hours by the clock.
    """
    if len(text) > LONGEST:
        raise InvalidInput(f"{text[:40]!r}... is too long for a time; {FORMS}")
    said = text.strip()
    phrase = read(said, 0, _aware(now), sentence=False)
    rest = said[phrase.end :].strip(" ,.!?") if phrase else said
    if phrase is None or rest:
        raise InvalidInput(f"{rest!r} is not understood as a time; {FORMS}")
    return _moment(said, phrase, now)


def find_time(text: str, now: datetime) -> tuple[datetime, int, int] | None:
    """The time phrase in a sentence, with where it begins and ends; None if there is none.

    Of several it takes the first that stands where a "when" stands ("remind me ... to"), else the longest at either
    end, else the longest. Raises `InvalidInput` where none will do, since they have passed, do not exist or repeat.
    """
    text = text[:SENTENCE]
    best: tuple[tuple[int, int], tuple[datetime, int, int]] | None = None
    wrong: InvalidInput | None = None
    for start, phrase in phrases(text, _aware(now)):
        place = _place(text, start, phrase.end)
        if _NOT_A_WHEN.search(text, max(0, start - 60), start) or not (
            phrase.sure or place > 1 or _END.match(text, phrase.end)
        ):
            continue
        try:
            if repeats := _EVERY.search(text, max(0, start - 60), start):
                raise InvalidInput(f"{text[repeats.start() : phrase.end]!r} repeats; give one time: {FORMS}")
            found = (_moment(text[start : phrase.end], phrase, now), start, phrase.end)
        except InvalidInput as error:
            wrong = wrong or error
            continue
        rank = (place, -start if place == 2 else phrase.end - start)
        if best is None or rank > best[0]:
            best = (rank, found)
    if best is None and wrong is not None:
        raise wrong
    return best[1] if best else None


def words(moment: datetime, now: datetime) -> str:
    """The moment as a person says it: "today at 14:32", "on Friday at 15:00", "on Thursday 24 December at 18:00"."""
    moment = moment.astimezone(now.tzinfo)
    days = (moment.date() - now.date()).days
    clock = f"at {moment:%H:%M}"
    if days in NEAR:
        return f"{NEAR[days]} {clock}"
    weekday = WEEKDAYS[moment.weekday()].title()
    if 1 < days < 7:
        return f"on {weekday} {clock}"
    year = f" {moment.year}" if moment.year != now.year else ""
    return f"on {weekday} {moment.day} {MONTHS[moment.month - 1].title()}{year} {clock}"


_BEFORE_WHEN = re.compile(r"\b(?:me|us|reminder|alarm|timer)\s*$", re.IGNORECASE)
_AFTER_WHEN = re.compile(r"\s*,?\s*(?:to|that|about)\b", re.IGNORECASE)
_END = re.compile(r"\s*(?:$|[.!?;:,)]|(?:please|and|remind)\b)", re.IGNORECASE)
_NOT_A_WHEN = re.compile(
    r"\b(?:before|until|till|since|last|past|than|after|ago|(?:from|between)(?:\s+\S+){0,3}?)\s*$", re.IGNORECASE
)
_EVERY = re.compile(r"\b(?:every|each|daily|weekly|monthly|yearly)\s+(?:\w+\s+){0,2}$", re.IGNORECASE)


def _place(text: str, start: int, end: int) -> int:
    """How much this place in the sentence is one for a "when": 2 as in "remind me ... to", 1 at either end, else 0."""
    if _BEFORE_WHEN.search(text, max(0, start - 60), start) or _AFTER_WHEN.match(text, end):
        return 2
    return 1 if not text[:start].strip() or _END.match(text, end) else 0


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise InvalidInput(f"The present time {now} has no zone; give an aware datetime")
    return now


def _moment(said: str, phrase: Phrase, now: datetime) -> datetime:
    """The first of the moments the phrase can mean that is still to come."""
    if phrase.wrong:
        raise InvalidInput(f"{said!r} cannot be: {phrase.wrong}; {FORMS}")
    first: datetime | None = None
    for moment in _meant(said, phrase, now):
        first = first or moment
        if moment.timestamp() > now.timestamp():
            if phrase.moment is None and _skipped(moment):
                raise InvalidInput(
                    f"{said!r} cannot be: clocks in {now.tzinfo} go forward over {moment:%Y-%m-%d %H:%M}, "
                    "so there is no such time; give one an hour later"
                )
            return moment
    assumed = "" if phrase.moment or phrase.clock or phrase.part else ", as no time of day was given"
    raise InvalidInput(
        f"{said!r}, that is {first:%Y-%m-%d %H:%M}{assumed}, is in the past (now is {now:%Y-%m-%d %H:%M}); "
        "give a time to come"
    )


def _meant(said: str, phrase: Phrase, now: datetime) -> Iterator[datetime]:
    """All moments the phrase can mean, in the order of preference."""
    if phrase.moment is not None:
        yield phrase.moment
        return
    clocks = _clocks(said, phrase)
    for day in _days(said, phrase, now.date()):
        if day.year == date.max.year:
            raise InvalidInput(f"{said!r} is too far away; {FORMS}")
        for seconds in clocks:
            wall = datetime.combine(day, time(), now.tzinfo) + timedelta(seconds=seconds)
            yield wall
            yield wall.replace(fold=1)  # the second 02:30 of an autumn night


def _days(said: str, phrase: Phrase, today: date) -> tuple[date, ...]:
    if not phrase.days:
        return phrase.weekday or (today, today + timedelta(days=1))
    if not phrase.weekday:
        return phrase.days
    fitting = tuple(day for day in phrase.days if day.weekday() == phrase.weekday[0].weekday())
    if not fitting:
        day = phrase.days[0]
        raise InvalidInput(
            f"{said!r} cannot be: {day} is a {WEEKDAYS[day.weekday()].title()}; give the day or the date"
        )
    return fitting


def _clocks(said: str, phrase: Phrase) -> list[int]:
    """Seconds of the day."""
    if not phrase.clock:
        if phrase.part:
            return [PARTS[phrase.part][1]]
        return [NINE if phrase.default is None else phrase.default]
    if not phrase.part:
        return [seconds for seconds in phrase.clock if not phrase.halves or seconds // HOUR in WAKING]
    hours, _ = PARTS[phrase.part]
    fitting = sorted(s for seconds in phrase.clock for s in (seconds, seconds + DAY) if s // HOUR in hours)
    if not fitting:
        raise InvalidInput(f"{said!r} cannot be: that is no time of the {phrase.part}; give the time or the part")
    return fitting


def _skipped(moment: datetime) -> bool:
    """Whether this local time lies in the hour that spring leaves out."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != moment.replace(tzinfo=None)
