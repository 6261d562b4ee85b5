"""Periods of time that a question names, in English, German and Spanish: "what did Ana say last week?"."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, and without, `end`, and the words that named it."""

    start: datetime
    end: datetime
    words: str

    def __str__(self) -> str:
        last = self.end - timedelta(seconds=1)
        return f"{self.start:%Y-%m-%d} to {last:%Y-%m-%d} ({self.words!r})"


Steps = Mapping[str, int]
DAYS: Steps = {
    **{"today": 0, "yesterday": -1, "tomorrow": 1, "heute": 0, "gestern": -1, "vorgestern": -2, "übermorgen": 2},
    **{"hoy": 0, "ayer": -1, "anteayer": -2},
}
UNITS: Mapping[str, str] = {
    **{"day": "day", "week": "week", "month": "month", "year": "year"},
    **{"tag": "day", "woche": "week", "monat": "month", "jahr": "year"},
    **{"día": "day", "semana": "week", "mes": "month", "año": "year"},
}
SHIFTS: Steps = {
    **{"last": -1, "this": 0, "next": 1, "letzt": -1, "vorig": -1, "dies": 0, "nächst": 1, "pasad": -1, "próxim": 1},
}
UNIT = "(?P<unit>day|week|month|year|tag|woche|monat|jahr|día|semana|mes|año)(?:s|en?|e|es)?"


def period_in(text: str, now: datetime) -> tuple[Period, str] | None:
    """The first period that the text names, and the text without its words; None if it names none."""
    for pattern, read in PERIODS:
        if found := pattern.search(text):
            start, end = read(found, now.replace(hour=0, minute=0, second=0, microsecond=0))
            rest = " ".join((text[: found.start()] + " " + text[found.end() :]).split())
            return Period(start, end, found[0].strip()), rest
    return None


def _day(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    start = today + timedelta(days=DAYS[found["day"].lower()])
    return start, start + timedelta(days=1)


def _shifted(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    shift = next(steps for stem, steps in SHIFTS.items() if found["shift"].lower().startswith(stem))
    return _unit(UNITS[found["unit"].lower()], today, shift)


def _ago(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    return _unit(UNITS[found["unit"].lower()], today, -int(found["count"]))


def _lately(found: re.Match[str], today: datetime) -> tuple[datetime, datetime]:
    return _unit(UNITS[found["unit"].lower()], today, -int(found["count"]))[0], today + timedelta(days=1)


def _unit(unit: str, today: datetime, shift: int) -> tuple[datetime, datetime]:
    match unit:
        case "day":
            start, end = today, today + timedelta(days=1)
            return start + timedelta(days=shift), end + timedelta(days=shift)
        case "week":
            start = today + timedelta(days=7 * shift - today.weekday())
            return start, start + timedelta(days=7)
        case "month":
            return _month(today, shift), _month(today, shift + 1)
    first = today.replace(month=1, day=1)
    return first.replace(year=first.year + shift), first.replace(year=first.year + shift + 1)


def _month(today: datetime, shift: int) -> datetime:
    years, month = divmod(today.month - 1 + shift, 12)
    return today.replace(year=today.year + years, month=month + 1, day=1)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


PERIODS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], tuple[datetime, datetime]]], ...] = (
    (_compiled(rf"\b(?P<count>[1-9]\d?) {UNIT} ago\b"), _ago),
    (_compiled(rf"\bvor (?P<count>[1-9]\d?) {UNIT}\b"), _ago),
    (_compiled(rf"\bhace (?P<count>[1-9]\d?) {UNIT}\b"), _ago),
    (_compiled(rf"\b(?:in|during|over) the (?:last|past) (?P<count>[1-9]\d?) {UNIT}\b"), _lately),
    (_compiled(rf"\bin den letzten (?P<count>[1-9]\d?) {UNIT}\b"), _lately),
    (_compiled(rf"\b(?P<shift>last|this|next) {UNIT}\b"), _shifted),
    (_compiled(rf"\b(?:in )?(?:de[rmns] )?(?P<shift>(?:letzt|vorig|dies|nächst)e[mnrs]?) {UNIT}\b"), _shifted),
    (_compiled(rf"\b(?:el|la) {UNIT} (?P<shift>pasad[oa]|próxim[oa])\b"), _shifted),
    (_compiled(rf"\b(?P<day>{'|'.join(DAYS)})\b"), _day),
)
