"""Appointments that come with a mail, described in lines. A rule of repetition is told, never worked out."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from channels.text import clean, one_line

MAX_CALENDAR_BYTES = 500_000
MAX_EVENTS = 20
METHODS = {"REQUEST": "Invitation", "CANCEL": "Cancellation", "REPLY": "Answer to an invitation", "COUNTER": "Proposal"}
EVERY = {
    "SECONDLY": "second",
    "MINUTELY": "minute",
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}


def described(data: bytes) -> str:
    """The appointments in a calendar file; empty if it holds none that can be read."""
    from icalendar import Calendar

    if len(data) > MAX_CALENDAR_BYTES:
        return ""
    try:
        calendar = Calendar.from_ical(data)
        method = METHODS.get(str(calendar.get("METHOD", "")).upper(), "Appointment")
        events = list(calendar.walk("VEVENT"))[:MAX_EVENTS]
        return "\n\n".join(_event(method, event) for event in events)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return ""


def _event(method: str, event: Mapping[str, Any]) -> str:
    start, end = _time(event.get("DTSTART")), _time(event.get("DTEND"))
    lines = [f"{method}: {one_line(str(event.get('SUMMARY') or 'without a title'), 300)}"]
    if start is not None:
        lines.append(f"Start: {start.isoformat()}")
    if end is None and start is not None and (lasts := event.get("DURATION")) is not None:
        end = start + lasts.dt if isinstance(lasts.dt, timedelta) else None
    if end is not None:
        lines.append(f"End: {end.isoformat()}")
    for label, name in (("Place", "LOCATION"), ("Organiser", "ORGANIZER"), ("Status", "STATUS"), ("UID", "UID")):
        if value := event.get(name):
            lines.append(f"{label}: {one_line(str(value).removeprefix('mailto:').removeprefix('MAILTO:'), 300)}")
    if rule := event.get("RRULE"):
        lines.append(f"Repeats: {_rule(rule)}")
    if said := clean(str(event.get("DESCRIPTION") or "")).strip():
        lines.append(f"Description: {said[:4_000]}")
    return "\n".join(lines)


def _time(value: Any) -> datetime | date | None:
    at = getattr(value, "dt", None)
    return at if isinstance(at, date) else None


def _rule(rule: Any) -> str:
    """A rule of repetition in words, such as "every 2 weeks, until 2027-01-01"."""
    parts = rule[0] if isinstance(rule, list) else rule
    unit = EVERY.get(str(_one(parts.get("FREQ"))).upper(), "time")
    step = str(_one(parts.get("INTERVAL")) or 1)
    said = f"every {unit}" if step == "1" else f"every {step} {unit}s"
    if days := parts.get("BYDAY"):
        said += f", on {', '.join(map(str, days if isinstance(days, list) else [days]))}"
    if count := _one(parts.get("COUNT")):
        return f"{said}, {count} times"
    if until := _one(parts.get("UNTIL")):
        return f"{said}, until {until.isoformat() if isinstance(until, date) else until}"
    return f"{said}, for ever"


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
