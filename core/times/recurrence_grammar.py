"""The grammar of recurrences: the pieces that say what repeats, and what they mean together."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.times.formatting import offset_name
from core.times.grammar import PARTS, Basis, Phrase, longest
from core.times.lexicon import DAY_SECONDS, HOUR_SECONDS, KINDS, Token, scan
from core.times.moments import DEFAULT_SECONDS, GETTING_UP_HOURS, WAKING_HOURS, aware, moment_of, zone_named
from core.times.recurrence import LAST, RECURRENCE_FORMS, WORK_DAYS, Recurrence

WAKE = re.compile(r"\b(?:wake|weck\w*|aufwecken|get(?:ting)? (?:me )?up)\b", re.IGNORECASE)
TIMES_A_DAY = {1: (9,), 2: (9, 18), 3: (9, 14, 19), 4: (9, 12, 15, 18)}
TIMES_A_WEEK = {1: (0,), 2: (0, 3), 3: (0, 2, 4), 5: WORK_DAYS}
TIMES_A_MONTH = {1: (1,), 2: (1, 15)}
OFTEN = {
    **dict.fromkeys(("daily", "everyday", "täglich"), ("days", 1)),
    **dict.fromkeys(("weekly", "wöchentlich"), ("weeks", 1)),
    **dict.fromkeys(("biweekly", "fortnightly"), ("weeks", 2)),
    **dict.fromkeys(("monthly", "monatlich"), ("months", 1)),
    **dict.fromkeys(("quarterly", "vierteljährlich"), ("months", 3)),
    **dict.fromkeys(("yearly", "annually", "jährlich"), ("years", 1)),
    **dict.fromkeys(("hourly", "stündlich"), ("seconds", HOUR_SECONDS)),
}
DAYS_OFTEN = {
    **dict.fromkeys(("weekday", "weekdays", "on weekdays", "werktags", "wochentags"), WORK_DAYS),
    **dict.fromkeys(("weekend", "weekends", "wochenende", "wochenenden"), (5, 6)),
    **dict.fromkeys(
        ("business day", "business days", "working day", "working days", "werktag", "werktagen"), WORK_DAYS
    ),
}
COUNTS = {"once": 1, "twice": 2, "einmal": 1, "zweimal": 2, "dreimal": 3}
UNTIL = ("until", "till", "til", "bis")


@dataclass(slots=True)
class Reading:
    """The pieces read so far."""

    position: int
    unit: str = ""
    count: int = 1
    repeats: bool = False
    weekdays: list[int] = field(default_factory=list)
    days: list[int] = field(default_factory=list)
    months: list[int] = field(default_factory=list)
    place: int = 0
    clocks: list[int] = field(default_factory=list)
    window: tuple[int, int] | None = None
    """The times of day between which it comes every so many minutes."""
    per: int = 0
    """So many times in each unit."""
    zone: str = ""
    since: datetime | None = None
    until: datetime | None = None


class Reader:
    """The words of a text, for the rules to read."""

    def __init__(self, text: str, now: datetime, day_first: bool | None) -> None:
        self.text, self.now = text, aware(now)
        self.tokens = scan(text)
        self.kinds = "".join(KINDS.get(token.kind, KINDS["other"]) for token in self.tokens)
        self.basis = Basis(self.now, day_first)
        self.waking = GETTING_UP_HOURS if WAKE.search(text) else WAKING_HOURS

    def describes(self, position: int) -> bool:
        """It says which thing is meant, as in "the daily report"."""
        before, after = self.at(position - 1), self.at(position + 1)
        return self.at(position).kind == "often" and before.kind in ("the", "article") and after.kind == "other"

    def at(self, position: int) -> Token:
        return self.tokens[position] if 0 <= position < len(self.tokens) else Token("gap", "", -9, -9)

    def phrase(self, position: int, parts: tuple[str, ...]) -> Phrase | None:
        return longest(self.tokens, self.kinds, position, self.basis, parts)


def recurrence_of(reader: Reader, read: Reading, text: str) -> Recurrence:
    unit = _unit_of(read)
    if unit == "seconds" and read.window:
        first, last = read.window
        read.clocks, unit, read.count = list(range(first, last + 1, max(read.count, 900))), "days", 1
        unit = "weeks" if read.weekdays else unit
    if unit == "seconds":
        if read.clocks or read.weekdays or read.days or read.per:
            raise InvalidInput(f"{text!r}: I can't tell when it repeats; {RECURRENCE_FORMS}")
        return Recurrence("seconds", read.count).checked()
    _spread(read, unit, text)
    today, on = reader.now.date(), read
    rule = Recurrence(
        unit,
        on.count,
        tuple(sorted(set(on.weekdays))) or ((today.weekday(),) if unit == "weeks" else ()),
        tuple(sorted(set(on.days), key=lambda day: day % 100)),
        tuple(sorted(set(on.months))) or ((today.month,) if unit == "years" else ()),
        on.place,
        tuple(sorted(set(on.clocks))) or (DEFAULT_SECONDS,),
    )
    if unit in ("months", "years") and not rule.days and not rule.position:
        if rule.weekdays:
            raise InvalidInput(f"{text!r}: say which of them in the month, such as the first; {RECURRENCE_FORMS}")
        rule = Recurrence(unit, on.count, (), (today.day,), rule.months, 0, rule.times)
    return rule.checked()


def _unit_of(read: Reading) -> str:
    unit = read.unit or ("months" if read.place or read.days else "weeks" if read.weekdays else "days")
    if (read.place or read.days) and unit in ("days", "weeks"):
        unit = "months"
    if read.months and unit in ("days", "weeks", "months"):
        unit = "years"
    return "weeks" if read.weekdays and unit == "days" and read.count == 1 else unit


def _spread(read: Reading, unit: str, text: str) -> None:
    """ "three times a day": at times of our own, which the confirmation says."""
    if not read.per:
        return
    table = {"days": TIMES_A_DAY, "weeks": TIMES_A_WEEK, "months": TIMES_A_MONTH}.get(unit, {1: ()})
    held = {"days": read.clocks, "weeks": read.weekdays, "months": read.days}.get(unit, [])
    if held and len(held) != read.per:
        raise InvalidInput(f"{text!r}: that is not {read.per} times; {RECURRENCE_FORMS}")
    if not held and read.per not in table:
        raise InvalidInput(f"{text!r}: say at which times; {RECURRENCE_FORMS}")
    if not held:
        held.extend(one * (HOUR_SECONDS if unit == "days" else 1) for one in table[read.per])


# The rules: each reads some tokens at `read.position` and answers whether it fits


def _every(reader: Reader, read: Reading) -> bool:
    """ "every 2 weeks", "every other Friday", "every half hour", "jeden zweiten Tag"."""
    if reader.at(read.position).kind != "every" or (read.repeats and read.unit):
        return False
    at, count = read.position + 1, 1.0
    at += reader.at(at).text == "single"
    here = reader.at(at)
    second = here.text == "second" and reader.at(at + 1).kind in ("unit", "weekday", "part")
    if second or (here.kind == "next" and here.text == "other"):
        count, at = 2, at + 1
    elif here.kind == "quarter" and reader.at(at + 1).kind != "number":
        read.unit, read.count, read.repeats, read.position = "months", 3, True, at + 1
        return here.text == "quarter" or here.text == "quartal"
    elif here.kind == "half" or here.text == "halbe":
        count, at = 0.5, at + 1 + (reader.at(at + 1).kind == "article")
    elif here.kind in ("number", "article") or (
        here.kind == "ordinal" and reader.at(at + 1).kind in ("unit", "weekday")
    ):
        named = reader.at(at + 1).kind
        if named not in ("unit", "span") and not (named == "weekday" and here.kind == "ordinal"):
            return False
        count, at = here.value, at + 1
        if named == "weekday" and count > 2:
            raise InvalidInput(
                f"{reader.text!r}: say 'every {int(count)} weeks on' that day, or which one 'of the month'"
            )
    if _unit(reader, read, at, count):
        return True
    return _weekdays_after_every(reader, read, at, count)


def _unit(reader: Reader, read: Reading, at: int, count: float) -> bool:
    token = reader.at(at)
    if token.kind == "span":
        read.unit, read.count = "seconds", int(count * token.value)
    elif token.kind == "unit" and token.value:
        total = count * token.value
        unit = "weeks" if token.name == "days" and token.value >= 7 else token.name
        unit, total = ("years", total / 12) if token.name == "months" and token.value == 12 else (unit, total)
        read.unit, read.count = unit, int(total / 7 if unit == "weeks" else total)
        if total % 1:
            if token.name != "days":
                return False
            read.unit, read.count = "seconds", int(total * DAY_SECONDS)
    else:
        return False
    read.repeats, read.position = True, at + 1
    return True


def _weekdays_after_every(reader: Reader, read: Reading, at: int, count: float) -> bool:
    token = reader.at(at)
    if token.text in DAYS_OFTEN:
        if count > 1 and len(DAYS_OFTEN[token.text]) > 2:
            return False  # every other weekday
        read.weekdays += DAYS_OFTEN[token.text]
        read.position = at + 1
    elif token.kind == "part" or token.text == "morgen":
        name = token.name or "morning"
        read.position = at + 1
        _part(reader, read, name)
        read.unit = "days"
    elif token.kind == "weekday":
        read.position = _listed_weekdays(reader, read, at)
    elif token.kind == "named":
        read.position = at  # its time is read next
        read.unit, read.repeats = "days", True
        return _clock(reader, read)
    else:
        return False
    read.unit = read.unit or "weeks"
    read.count, read.repeats = int(count), True
    return count == int(count)


def _part(reader: Reader, read: Reading, name: str) -> None:
    """A part of the day, where a clock time may follow: "every evening at 8"."""
    following = reader.phrase(read.position, ("clock", "zone"))
    if following is None or not following.clock:
        read.clocks.append(PARTS[name][1])
        return
    hours = PARTS[name][0]
    fitting = [s for s in following.clock for s in (s, s + DAY_SECONDS) if s // HOUR_SECONDS in hours]
    if not fitting:
        raise InvalidInput(f"That is no time of the {name}; {RECURRENCE_FORMS}")
    read.clocks.append(min(fitting) % DAY_SECONDS)
    read.zone = following.zone or read.zone
    read.position = following.last


def _listed_weekdays(reader: Reader, read: Reading, at: int) -> int:
    """Weekdays joined by commas and "and", or two with "to" between."""
    read.weekdays.append(int(reader.at(at).value))
    if reader.at(at).name:
        read.clocks += [PARTS[reader.at(at).name][1]] if not _clock_follows(reader, at + 1) else []
    while True:
        token, after = reader.at(at + 1), reader.at(at + 2)
        joined = token.kind in ("comma", "and", "dash") and after.kind == "and"
        target = reader.at(at + 3) if joined else after
        if target.kind not in ("weekday", "weekdays"):
            return at + 1
        step = 3 if joined else 2
        if (token.kind in ("to", "dash") or token.text in ("through", "bis")) and not joined:
            first, last = int(reader.at(at).value), int(target.value)
            read.weekdays += [(first + n) % 7 for n in range((last - first) % 7 + 1)]
        elif token.kind in ("comma", "and"):
            read.weekdays.append(int(target.value))
        else:
            return at + 1
        at += step


def _clock_follows(reader: Reader, at: int) -> bool:
    found = reader.phrase(at, ("clock", "part", "zone"))
    return bool(found and found.clock)


def _often(reader: Reader, read: Reading) -> bool:
    token = reader.at(read.position)
    led = token.kind == "on" and reader.at(read.position + 1).text in DAYS_OFTEN
    token = reader.at(read.position + 1) if led else token
    if token.text in DAYS_OFTEN and (led or token.kind == "often"):
        read.weekdays += DAYS_OFTEN[token.text]
    elif token.text in OFTEN and not read.unit:
        read.unit, read.count = OFTEN[token.text]
    elif token.text == "nightly":
        read.unit = "days"
        read.position += 1
        read.repeats = True
        _part(reader, read, "night")
        return True
    else:
        return False
    read.repeats, read.position = True, read.position + 1 + led
    return True


def _several(reader: Reader, read: Reading) -> bool:
    """ "twice a day", "3 times a week", "zweimal täglich"."""
    at, token = read.position, reader.at(read.position)
    if token.kind == "number" and reader.at(at + 1).text in ("times", "mal"):
        count, at = token.value, at + 2
    elif token.text in COUNTS:
        count, at = COUNTS[token.text], at + 1
        if count == 1 and reader.at(at).kind == "every":  # "once every two weeks"
            read.position = at
            return True
    else:
        return False
    at += reader.at(at).kind in ("article", "the", "at", "on", "every", "in", "meridiem")
    unit = reader.at(at)
    if count % 1 or not 1 <= count <= 24 or not (unit.text in OFTEN or (unit.kind == "unit" and unit.value)):
        return False
    if unit.text in OFTEN:
        read.unit, read.count, read.repeats, read.position = OFTEN[unit.text][0], 1, True, at + 1
    elif not _unit(reader, read, at, 1):
        return False
    if read.unit == "seconds":
        if read.count % int(count):
            return False
        read.count //= int(count)
    else:
        read.per = int(count)
    return True


def _in_month(reader: Reader, read: Reading) -> bool:
    """ "the first Monday of the month", "am letzten Werktag jedes Monats", "on the 1st and 15th of each month"."""
    at = read.position
    at += reader.at(at).kind in ("on", "at", "in") or reader.at(at).text == "am"
    every = reader.at(at).kind in ("every", "the")
    said_every = reader.at(at).kind == "every"
    at += every
    place = reader.at(at)
    value = 2 if place.text == "second" else LAST if place.kind == "last" else int(place.value)
    weekday = reader.at(at + 1)
    if place.kind in ("ordinal", "last") or place.text == "second":
        if weekday.kind == "weekday" or weekday.text in DAYS_OFTEN:
            end = _month_end(reader, read, at + 2, said_every and value in (1, LAST))
            if end:
                read.weekdays += [int(weekday.value)] if weekday.kind == "weekday" else DAYS_OFTEN[weekday.text]
                read.place, read.position, read.repeats = value, end, True
            return bool(end)
        if weekday.kind == "unit" and weekday.name == "days" and weekday.value == 1:
            end = _month_end(reader, read, at + 2, said_every=False)
            if end:
                read.days.append(value)
                read.position, read.repeats = end, True
                return True
    return _days_in_month(reader, read, at, said_every)


def _days_in_month(reader: Reader, read: Reading, at: int, said_every: bool) -> bool:
    days: list[int] = []
    while True:
        token = reader.at(at)
        numbered = token.kind == "number" and reader.at(at + 1).kind == "dot" and token.value % 1 == 0
        if token.kind == "ordinal" or numbered:
            days.append(int(token.value))
            at += 1 + numbered
        elif days and token.kind in ("and", "comma") and reader.at(at + 1).kind in ("ordinal", "number", "the", "last"):
            at += 1 + (reader.at(at + 1).kind == "the")
        elif token.kind == "last" and reader.at(at + 1).name == "days":
            days.append(LAST)
            at += 2
        else:
            break
    end = _month_end(reader, read, at, said_every) if days else 0
    if end and (reader.at(at).kind != "month" or said_every or read.unit == "years"):
        read.days += days
        read.position, read.repeats = end, True
        return True
    if days and read.unit in ("months", "years") and not read.days:  # "every month on the 3rd"
        read.days += days
        read.position = at
        return True
    read.months = [] if end else read.months
    return False


def _month_end(reader: Reader, read: Reading, at: int, said_every: bool) -> int:
    """Where "of the month", "of every 2 months", "jedes Monats" or "of May" ends; 0 where there is none."""
    begin = at
    at += reader.at(at).kind in ("of", "in", "on")
    if reader.at(at).kind == "month" and (said_every or read.unit == "years"):
        read.months.append(int(reader.at(at).value))
        read.unit = "years"
        return at + 1
    which = reader.at(at)
    at += which.kind in ("every", "the", "article")
    count = reader.at(at).value if reader.at(at).kind == "number" and which.kind == "every" else 1
    at += count != 1
    if reader.at(at).kind == "unit" and reader.at(at).name == "months" and reader.at(at).value == 1 and at > begin:
        read.unit, read.count = "months", int(count)
        return at + 1
    repeated = said_every and reader.at(begin).kind not in ("of", "unit", "weekday", "often")
    return begin if repeated else 0


def _date(reader: Reader, read: Reading) -> bool:
    """ "every year on 24 December", "every 1st of January", "every Christmas"."""
    at = read.position
    every = reader.at(at).kind == "every"
    if not every and read.unit != "years":
        return False
    at += every
    at += reader.at(at).kind == "on" or reader.at(at).text == "am"
    at += reader.at(at).kind == "the"
    if reader.at(at).kind == "holiday" and reader.at(at).value:
        month, day = divmod(int(reader.at(at).value), 100)
        end = at + 1
    elif reader.at(at).kind in ("dotted", "date") and "/" not in reader.at(at).text and "-" not in reader.at(at).text:
        day, month = (int(number) for number in re.findall("[0-9]+", reader.at(at).text)[:2])
        end = at + 1 + (reader.at(at + 1).kind == "dot")
    else:
        numbers = [token for token in (reader.at(at + n) for n in range(4)) if token.kind in ("number", "ordinal")]
        months = [n for n in range(4) if reader.at(at + n).kind == "month"]
        between = [reader.at(at + n).kind for n in range(months[0])] if months else []
        if not numbers or not months or set(between) - {"number", "ordinal", "dot", "of"}:
            return False
        month, day = int(reader.at(at + months[0]).value), int(numbers[0].value)
        end = max(at + months[0], reader.tokens.index(numbers[0])) + 1
    read.unit, read.months, read.days = "years", [month], [day]
    read.repeats, read.position = True, end
    return True


def _weekday(reader: Reader, read: Reading) -> bool:
    """ "mondays", "on Monday and Friday" beside what repeats, "Monday to Friday"."""
    at = read.position
    at += reader.at(at).kind in ("on", "in") or reader.at(at).text == "am"
    token = reader.at(at)
    plural = token.kind == "weekdays"
    if token.kind not in ("weekday", "weekdays") or read.weekdays:
        return False
    link = reader.at(at + 1)
    span = (link.kind in ("to", "dash") or link.text in ("through", "bis")) and reader.at(at + 2).kind in (
        "weekday",
        "weekdays",
    )
    if not (plural or span or read.unit in ("weeks", "days") or read.repeats):
        return False
    read.position = _listed_weekdays(reader, read, at)
    read.repeats = read.repeats or plural or span
    return True


def _clock(reader: Reader, read: Reading) -> bool:
    found = reader.phrase(read.position, ("clock", "part", "zone"))
    number = reader.at(read.position)
    if found is None and read.clocks and number.kind == "number" and number.value <= 24 and not number.value % 1:
        hour = int(number.value)
        found = Phrase(clock=tuple(h * HOUR_SECONDS for h in ((hour, hour + 12) if 1 <= hour < 12 else (hour % 24,))))
        read.position += 1
    elif found is None:
        return False
    else:
        read.position = found.last
    if found.wrong:
        raise InvalidInput(f"{found.wrong}; name another, such as 'at 8' or 'on 3 April'")
    if found.part:
        hours = PARTS[found.part][0]
        clocks = [s for s in found.clock for s in (s, s + DAY_SECONDS) if s // HOUR_SECONDS in hours]
        if found.clock and not clocks:
            raise InvalidInput(f"That is no time of the {found.part}; {RECURRENCE_FORMS}")
        read.clocks.append((clocks or [PARTS[found.part][1]])[0] % DAY_SECONDS)
    elif found.clock:
        awake = [s for s in found.clock if not found.halves or s // HOUR_SECONDS in reader.waking]
        read.clocks.append((awake or list(found.clock))[0] % DAY_SECONDS)
    read.zone = _zone_key(found.zone, reader.now) if found.zone else read.zone
    return bool(found.clock or found.part)


def _between(reader: Reader, read: Reading) -> bool:
    """ "every 2 hours from 9 to 17"."""
    if read.unit != "seconds" or reader.at(read.position).text not in ("from", "between", "von", "zwischen"):
        return False
    hours: list[int] = []
    for separated in (False, True):
        read.position += 1 if not separated or reader.at(read.position).kind in ("to", "and", "limit", "dash") else 0
        number, found = reader.at(read.position), reader.phrase(read.position, ("clock",))
        if found and found.clock:
            hours.append(found.clock[0] if not (separated and found.clock[0] < hours[0]) else found.clock[-1])
            read.position = found.last
        elif number.kind == "number" and number.value <= 24:
            hours.append(int(number.value + 12 * (separated and number.value * HOUR_SECONDS < hours[0])) * HOUR_SECONDS)
            read.position += 1
        else:
            return False
    if hours[0] >= hours[1]:
        return False
    read.window = (hours[0], hours[1])
    read.position += reader.at(read.position).kind == "oclock"
    return True


def _limit(reader: Reader, read: Reading) -> bool:
    """ "until Friday", "starting tomorrow"."""
    token = reader.at(read.position)
    ends, begins = token.text in UNTIL, (token.kind == "from" and token.text != "from") or token.text == "von"
    if not (ends or begins) or not read.repeats:
        return False
    found = longest(reader.tokens, reader.kinds, read.position + 1, reader.basis)
    if found is None or found.repeats:
        return False
    said = reader.text[reader.at(found.first).start : reader.at(found.last - 1).end]
    moment = moment_of(said, found, reader.now, WAKING_HOURS)
    exact = bool(found.clock or found.part or (found.amount and found.amount.seconds))
    if ends:
        read.until = moment if exact else moment.replace(hour=23, minute=59, second=59)
    else:
        read.since = moment if exact else moment.replace(hour=0, minute=0, second=0)
    read.position = found.last
    return True


def _zone_key(name: str, now: datetime) -> str:
    """The IANA name of the zone that was said; an offset has no summer time, so it cannot be kept through a year."""
    zone: tzinfo = zone_named(name, now)
    if isinstance(zone, ZoneInfo):
        return "" if name == "here" else zone.key
    raise InvalidInput(f"{offset_name(now.astimezone(zone))} keeps no summer time; say a city, such as 'New York time'")


PIECES: tuple[Callable[[Reader, Reading], bool], ...] = (
    *(_in_month, _every, _date, _several, _often),
    *(_weekday, _between, _limit, _clock),
)
