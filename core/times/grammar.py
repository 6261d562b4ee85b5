"""The grammar of times: what a phrase says, before anybody asks which moment that is."""

import re
from calendar import monthrange
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from core.times.formatting import MONTHS
from core.times.lexicon import DAY_SECONDS, HOUR_SECONDS, KINDS, Token

DAY_END_SECONDS = 18 * HOUR_SECONDS
PARTS = {
    "morning": (range(0, 12), 9 * HOUR_SECONDS),
    "afternoon": (range(12, 19), 15 * HOUR_SECONDS),
    "evening": (range(16, 24), 19 * HOUR_SECONDS),
    "night": (range(17, 28), 20 * HOUR_SECONDS),  # until four o'clock of the next day
}
"""The hours that a part of the day can hold, and the time meant by it alone."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A length of time; months and days are counted on the calendar, seconds by the clock."""

    months: float = 0
    days: float = 0
    seconds: float = 0
    anchored: bool = False
    """Counted from a day that is said with it: "two days from tomorrow", "Friday week"."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A time as it was said. Where several days or times could be meant, the first that is still to come is."""

    days: tuple[date, ...] = ()
    weekday: tuple[date, ...] = ()
    clock: tuple[int, ...] = ()
    """Seconds of the day; above 24 hours they lie in the next day."""
    halves: bool = False
    """Neither am nor pm was said, so `clock` holds both."""
    part: str = ""
    amount: Amount | None = None
    zone: str = ""
    repeats: bool = False
    incomplete: tuple[str, ...] = ()
    """The fields of which it needs one beside it to say a time at all."""
    wrong: str = ""
    """Why there is no such time, or which one cannot be told."""
    sure: bool = False
    """It is a time wherever it stands; "at 5" could also go on "at 5 Elm Street"."""
    bare: bool = False
    """Its hour is a number without any other word of time, as in "9 tomorrow"."""
    first: int = 0
    last: int = 0
    """The tokens from `first` to before `last`."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The present, and how the owner writes dates."""

    now: datetime
    day_first: bool | None = None
    """3/4 is 3 April; None where nobody has said so."""
    in_sentence: bool = False

    @property
    def today(self) -> date:
        return self.now.date()


class Said:
    """The tokens that a rule matched."""

    def __init__(self, tokens: Sequence[Token], basis: Basis) -> None:
        self.tokens = tokens
        self.basis = basis

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)

    def all(self, *kinds: str) -> list[Token]:
        return [token for token in self.tokens if token.kind in kinds]

    def one(self, *kinds: str) -> Token | None:
        return next(iter(self.all(*kinds)), None)


PARTS_OF_PHRASE = ("days", "weekday", "clock", "part", "amount", "zone", "repeats")


def longest(
    tokens: Sequence[Token], kinds: str, start: int, basis: Basis, parts: Sequence[str] = PARTS_OF_PHRASE
) -> Phrase | None:
    """The longest phrase that begins at the token `start` and says nothing but these parts.

    `kinds` has one letter for each token.
    """
    others = [name for name in PARTS_OF_PHRASE if name not in parts]
    best: Phrase | None = None
    reached: deque[Phrase | None] = deque([None])
    while reached:
        phrase = reached.popleft()
        position = phrase.last if phrase else start
        if phrase and not phrase.incomplete and (best is None or phrase.last > best.last):
            best = phrase  # of those that are as long, the one of fewer pieces
        if phrase and kinds[position : position + 1] == KINDS["comma"]:
            position += 1
        for piece in _pieces(tokens, kinds, position, basis):
            if any(getattr(piece, name) for name in others):
                continue
            joined = piece if phrase is None else join(phrase, piece, basis.today)
            if joined is not None:
                reached.append(replace(joined, first=start, last=piece.last))
    return best


def _pieces(tokens: Sequence[Token], kinds: str, position: int, basis: Basis) -> Iterator[Phrase]:
    for pattern, build in _RULES:
        found = pattern.match(kinds, position)
        if found and found.end() > position:
            piece = build(Said(tokens[position : found.end()], basis))
            if piece is not None:
                yield replace(piece, first=position, last=found.end())


def join(phrase: Phrase, piece: Phrase, today: date) -> Phrase | None:
    """Both together, or None if they do not go together."""
    shifted = _shifted(phrase, piece, today)
    if shifted or any(clash(phrase, piece) for clash in _CLASHES):
        return shifted
    both = {name: getattr(phrase, name) or getattr(piece, name) for name in (*PARTS_OF_PHRASE, *_MARKS_OF_PHRASE)}
    return Phrase(**both)


def _same_twice(phrase: Phrase, piece: Phrase) -> bool:
    return any(getattr(phrase, name) and getattr(piece, name) for name in PARTS_OF_PHRASE)


def _amount_with_other_time(phrase: Phrase, piece: Phrase) -> bool:
    """A length of time goes with a clock time if it counts days, and with "today" if it does not."""
    amount, other = (phrase.amount, piece) if phrase.amount else (piece.amount, phrase)
    if amount is None or other.repeats:
        return False
    return amount.anchored or bool(other.part or other.weekday or other.days or (amount.seconds and other.clock))


def _zone_without_clock(phrase: Phrase, piece: Phrase) -> bool:
    return bool((piece.zone and not phrase.clock) or (phrase.zone and not (phrase.clock or piece.clock)))


def _bare_number_misplaced(phrase: Phrase, piece: Phrase) -> bool:
    return piece.bare or (phrase.bare and not (piece.days or piece.part))


def _left_incomplete(phrase: Phrase, piece: Phrase) -> bool:
    pairs = ((phrase, piece), (piece, phrase))
    return any(one.incomplete and not any(getattr(other, name) for name in one.incomplete) for one, other in pairs)


_MARKS_OF_PHRASE = ("halves", "wrong", "sure", "bare")
_CLASHES = (_same_twice, _amount_with_other_time, _zone_without_clock, _bare_number_misplaced, _left_incomplete)


def _shifted(phrase: Phrase, piece: Phrase, today: date) -> Phrase | None:
    """A day counted on from another: "Friday week", "two days from tomorrow", "Mittwoch in zwei Wochen"."""
    amount, day = (phrase.amount, piece) if phrase.amount else (piece.amount, phrase)
    if not amount or amount.seconds or not (day.days or day.weekday) or (phrase.amount and not amount.anchored):
        return None
    if phrase.clock and phrase.amount:
        return None
    if day.weekday and not day.days and not amount.anchored and (two := _two_readings(day.weekday[0], amount, today)):
        return replace(day, wrong=two, sure=True, incomplete=())
    try:
        days = tuple(counted(one, amount) for one in day.days)
        weekday = tuple(counted(one, amount) for one in day.weekday)
    except (OverflowError, ValueError):
        return replace(day, wrong="it is too far away")
    return replace(day, days=days, weekday=weekday, sure=True, incomplete=())


def _two_readings(coming: date, amount: Amount, today: date) -> str:
    """ "Monday in two weeks": two weeks after the coming Monday, or the Monday of the week in which two weeks end."""
    if amount.months or amount.days % 7:
        return "the day and the length of time do not go together; give the date"
    later, in_week = counted(coming, amount), coming.isocalendar()[:2] == today.isocalendar()[:2]
    return "" if in_week else f"it could be {later - timedelta(days=7)} or {later}; give the date"


def counted(day: date, amount: Amount) -> date:
    """The day this much later; the last of a month that is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + int(amount.months), 12)
    later = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return later + timedelta(days=amount.days)


# Each rule makes a phrase of the tokens it matched, or None where it does not apply after all


def _duration(said: Said) -> Phrase | None:
    told = said.has("in", "later", "from", "past")
    if said.has("past") and said.tokens[-1].text not in ("after", "nach"):
        return None
    if not told and (said.basis.in_sentence or said.has("compact") or _is_hour_of_day(said.tokens)):
        return None
    total, number, unit = dict.fromkeys(("months", "days", "seconds"), 0.0), 1.0, Token("", "", 0, 0)
    for token in said.tokens:
        match token.kind:
            case "number" | "year" | "article":
                number = token.value
            case "more" if unit.kind:
                total[unit.name] += token.value * unit.value
            case "more":
                number += token.value
            case "unit" | "span":
                unit = replace(token, name=token.name or "seconds")
                total[unit.name] += number * unit.value
                number = 1.0
                if not unit.value:
                    return None
            case "compact":
                total["seconds"] += _seconds(*map(int, token.text.split("h")))
    return _counted_amount(Amount(**total, anchored=said.has("from", "past")))


def _beside_event(said: Said) -> Phrase | None:
    if said.tokens[-1].text not in ("before", "after", "vor", "nach"):
        return None
    return Phrase(wrong="I don't know when that is; give the time itself", sure=True)


def _same_hour(said: Said) -> Phrase:
    now = said.basis.now
    return Phrase(clock=(_seconds(now.hour, now.minute),), sure=True, incomplete=("days", "weekday"))


def _is_hour_of_day(tokens: Sequence[Token]) -> bool:
    """ "15h" is 15:00, "2h" is two hours."""
    return tokens[-1].text == "h" and tokens[-2].value > 12


def _counted_amount(amount: Amount) -> Phrase:
    """Days with hours or parts of a day are counted by the clock."""
    if amount.months % 1 or (amount.months and amount.seconds):
        return Phrase(wrong="months and years count in days; say whole ones, without hours", sure=True)
    if amount.days % 1 or (amount.days and amount.seconds):
        amount = Amount(amount.months, 0, amount.seconds + amount.days * DAY_SECONDS, amount.anchored)
    return Phrase(amount=amount, sure=True, incomplete=("days", "weekday") if amount.anchored else ())


def _week_later(said: Said) -> Phrase | None:
    unit = said.all("unit")[0]
    if unit.text not in ("week", "fortnight") or said.has("article") > said.has("on"):
        return None
    return Phrase(amount=Amount(days=unit.value, anchored=True), incomplete=("days", "weekday"))


def _iso_day(said: Said) -> Phrase:
    year, month, day = (int(number) for number in re.findall("[0-9]+", said.all("iso")[0].text))
    return _date(said, year, month, day, sure=True)


def _date(said: Said, year: int | None, month: int, day: int, *, sure: bool) -> Phrase:
    """This day; without a year the next one that there is."""
    today = said.basis.today
    for candidate in [year] if year else range(today.year, min(today.year + 9, date.max.year)):
        if 1 <= candidate <= date.max.year and 1 <= month <= 12 and 1 <= day <= monthrange(candidate, month)[1]:
            found = date(candidate, month, day)
            if year or found >= today:
                return Phrase(days=(found,), sure=sure)
    return Phrase(wrong="there is no such day", sure=sure)


def _written_date(said: Said) -> Phrase:
    named, month, year = said.one("number", "ordinal"), said.all("month")[0], said.one("year")
    day = named.value if named else 1
    sure = bool(year or said.has("on", "at", "in", "ordinal")) or month.text not in ("may", "mar", "march")
    if day % 1:
        return Phrase(wrong="there is no such day", sure=sure)
    return _date(said, int(year.value) if year else None, int(month.value), int(day), sure=sure)


def _numeric_date(said: Said) -> Phrase | None:
    text = "".join(token.text for token in said.all("date", "dotted", "number", "dot", "year"))
    first, second, *rest = (int(number) for number in re.findall("[0-9]+", text))
    year = rest[0] if rest else None
    if year and year < 100:
        year += 2000 if year + 2000 <= said.basis.today.year + 50 else 1900
    led = said.has("on", "at")
    doubtful = not led and "." in text and len(str(rest[0]) if rest else "") < 4 and said.basis.in_sentence
    sure = led or bool(year)
    orders = {(first, second), (second, first)} if "." not in text else {(first, second)}
    possible = sorted((day, month) for day, month in orders if 1 <= month <= 12 and 1 <= day <= 31)
    if len(possible) > 1 and said.basis.day_first is not None:
        possible = [(first, second) if said.basis.day_first else (second, first)]
    if len(possible) > 1:
        days = " or ".join(f"{day} {MONTHS[month - 1].title()}" for day, month in possible)
        return Phrase(days=(said.basis.today,), wrong=f"it could be {days}; write the month as a word", sure=sure)
    day, month = possible[0] if possible else (0, 0)
    found = _date(said, year, month, day, sure=sure)
    return replace(found, incomplete=("clock", "weekday")) if doubtful else found  # "see section 1.2."


def _day_of_month(said: Said) -> Phrase | None:
    token = said.all("ordinal", "number")[0]
    first = said.basis.today.replace(day=1)
    for ahead in range(4):
        month = counted(first, Amount(months=ahead))
        if token.value % 1 == 0 and 1 <= token.value <= monthrange(month.year, month.month)[1]:
            found = month.replace(day=int(token.value))
            if found >= said.basis.today:
                led = said.has("on", "at", "in", "the")
                sure = said.has("on") and token.kind == "ordinal"
                bare = token.kind == "number" and not said.has("the", "dot")  # "on 15 at 8pm"
                return Phrase(days=(found,), sure=sure, incomplete=("clock",) if bare else () if led else ("weekday",))
    return Phrase(wrong="there is no such day")


def _day_in_period(said: Said) -> Phrase | None:
    start = _period(said)
    if start is None or said.all("unit")[0].name != "months":
        return None
    return _date(said, start.year, start.month, int(said.all("ordinal", "number")[0].value), sure=True)


def _period(said: Said) -> date | None:
    unit, which = said.all("unit")[0], said.one("next")
    ahead = max(which.value, 1) if which else 0
    today = said.basis.today
    if unit.name == "days" and unit.value == 7:
        return today - timedelta(days=today.weekday()) + timedelta(days=7 * ahead)
    if unit.name != "months":
        return None
    first = today.replace(day=1) if unit.value == 1 else today.replace(month=1, day=1)
    return counted(first, Amount(months=ahead * unit.value))


_PLURALS = ("weeks", "wks", "months", "years", "yrs", "monate", "jahre")


def _next_period(said: Said) -> Phrase | None:
    unit, start = said.all("unit")[0], _period(said)
    if unit.name == "days" and unit.value == 1:
        named = said.has("next") and said.all("next")[0].text.startswith(("next", "nächst"))
        return Phrase(days=(said.basis.today + timedelta(days=1),), sure=True) if named else None
    if start is None or (not said.has("next") and unit.name != "days") or unit.text in _PLURALS:
        return None
    days = tuple(start + timedelta(days=ahead) for ahead in range(7 if unit.name == "days" else 1))
    return Phrase(days=days, sure=True, incomplete=() if said.has("next") and not said.has("of") else ("weekday",))


def _end_of_period(said: Said) -> Phrase | None:
    """ "the end of the month": its last day, of a week the Friday; "end of the day": the hour."""
    unit = said.all("unit")[0]
    if unit.name == "days" and unit.value == 1:
        return Phrase(clock=(DAY_END_SECONDS,), sure=True)
    start = _period(said)
    if start is None:
        return None
    after = counted(start, Amount(months=unit.value)) if unit.name == "months" else start + timedelta(days=5)
    return Phrase(days=(after - timedelta(days=1),), sure=True)


def _nth_weekday(said: Said) -> Phrase | None:
    weekday, which, year = int(said.all("weekday")[0].value), said.all("ordinal", "last")[0], said.one("year")
    month = said.one("month")
    start = _date(said, int(year.value) if year else None, int(month.value), 1, sure=True).days if month else None
    first = _period(said) if month is None else start[0] if start else None
    if first is None or (month is None and said.all("unit")[0].name != "months"):
        return None
    days = [first.replace(day=day + 1) for day in range(monthrange(first.year, first.month)[1])]
    days = [day for day in days if day.weekday() == weekday]
    number = len(days) if which.kind == "last" else int(which.value)
    if number > len(days):
        return Phrase(wrong="there is no such day", sure=True)
    return Phrase(days=(days[number - 1],), sure=True)


def _relative(said: Said) -> Phrase:
    token = said.all("relative")[0]
    try:
        return Phrase(days=(said.basis.today + timedelta(days=token.value),), part=token.name, sure=True)
    except OverflowError:
        return Phrase(wrong="it is too far away", sure=True)


def _part(said: Said) -> Phrase:
    token = said.all("part")[0]
    days = (said.basis.today,) if said.has("this") else ()
    alone = bool(days or token.value or not said.basis.in_sentence)
    return Phrase(days=days, part=token.name, sure=alone, incomplete=() if alone else ("days", "weekday", "clock"))


def _weekday(said: Said) -> Phrase:
    token, which = said.all("weekday")[0], said.one("next", "last", "this")
    today = said.basis.today
    coming = today + timedelta(days=(token.value - today.weekday()) % 7)
    days: tuple[date, ...] = (coming, coming + timedelta(days=7))
    if which and which.value == 2:
        return Phrase(weekday=(days[coming == today] + timedelta(days=7),), sure=True)
    if which and which.kind == "last":
        return Phrase(days=(today - timedelta(days=1 + (today.weekday() - token.value - 1) % 7),), sure=True)
    if which and which.kind == "next" and which.value:
        monday = today - timedelta(days=today.weekday())
        days = (monday + timedelta(days=7 + token.value),)
    return Phrase(weekday=days, part=token.name, sure=True)


def _holiday(said: Said) -> Phrase:
    month, day = divmod(int(said.all("holiday")[0].value), 100)
    if not month:
        return Phrase(wrong="I don't know which day that is; give the date", sure=True)
    return _date(said, None, month, day, sure=said.has("on", "at"))


def _seconds(hours: int, minutes: int = 0, seconds: int = 0) -> int:
    return hours * HOUR_SECONDS + minutes * 60 + seconds


def _digital(said: Said) -> Phrase | None:
    token, led = said.all("clock", "dotted", "compact")[0], said.has("at", "about", "meridiem", "oclock")
    hours, *rest = (int(number) for number in re.findall("[0-9]+", re.sub("(:.*)[.].*", r"\1", token.text)))
    if token.kind == "dotted" and not led:
        if said.basis.in_sentence:
            return None
        if rest[0] <= 12 or rest[0] % 5:
            return Phrase(wrong="it could be a date or a time of day")
    if hours > 24 or any(number > 59 for number in rest) or (hours == 24 and any(rest)):
        wrong = f"a day has no {hours:02}:{rest[0]:02}, only 00:00 to 23:59"
        return Phrase(wrong=wrong) if led or not said.basis.in_sentence else None
    written = "0" if token.kind == "compact" else token.text  # 3h30 counts to 24
    return replace(_hour(hours, _seconds(0, *rest), said, written=written), sure=token.kind == "clock" or led)


def _spoken_hour(said: Said) -> Phrase | None:
    number, unit, led = said.all("number", "article")[0], said.one("unit"), said.has("at", "about")
    told = said.has("oclock", "meridiem") or unit is not None
    if unit and (unit.text != "h" or not (led or number.value > 12)):
        return None
    if number.text == "one" and said.basis.in_sentence and not (said.has("oclock") or (told and led)):
        return None  # "look at one"
    if number.value % 1 or number.value > 24 or (number.kind == "article" and not told):
        return Phrase(wrong=f"there is no hour {number.text}") if told and number.value < 100 else None
    phrase = _hour(int(number.value), 0, said, written=number.text)
    return replace(phrase, sure=told, bare=not (told or led), incomplete=() if told or led else ("days",))


def _hour_and_minutes(said: Said) -> Phrase | None:
    hour, minute = (token.value for token in said.all("number", "article"))
    if not said.has("oclock", "meridiem", "at") or (minute < 10 and not said.has("oclock")):
        return None
    if hour % 1 or minute % 1 or hour > 23 or minute > 59:
        return None
    return replace(_hour(int(hour), 60 * int(minute), said, written=""), sure=True)


def _run_together(said: Said) -> Phrase | None:
    token, told = said.all("number", "year")[0], said.has("meridiem")
    hour, minutes = divmod(int(token.value), 100)
    digits = len(token.text) if token.text.isdigit() else 0
    if hour > 23 or minutes > 59 or not (digits in (3, 4) if told else digits == 4 and said.has("at", "about")):
        return None
    return replace(_hour(hour, 60 * minutes, said, written=token.text), sure=told)


def _past(said: Said) -> Phrase | None:
    """ "half past five", "10 minutes to 6 pm", "quarter to noon", "viertel vor acht", "fünf nach halb acht"."""
    direction, quarter, unit = said.one("to", "past"), said.one("quarter"), said.one("unit")
    numbers, named = said.all("number"), said.one("named")
    away = quarter.value * 60 if quarter else HOUR_SECONDS / 2 if said.has("half") else 0
    if direction and not away:
        away = numbers.pop(0).value * (unit.value if unit else 60)
    german = bool(direction and direction.text in ("vor", "nach", "past")) or said.has("halb")
    led = said.has("at", "about", "meridiem", "oclock") or german
    if (unit and unit.name != "seconds") or not (led or unit or (direction and (quarter or said.has("half")))):
        return None  # "5 to 10", "half three of them"
    if quarter and not direction:
        if quarter.text == "quarter":
            return None
        away -= HOUR_SECONDS  # "viertel acht" is a quarter of the eighth hour
    offset = int(-away if direction and direction.kind == "to" else away) - (
        HOUR_SECONDS // 2 if said.has("halb") else 0
    )
    if named:
        return Phrase(clock=(int(named.value) + offset,), sure=True)
    if numbers[0].value % 1 or numbers[0].value > 24:
        return None
    return replace(_hour(int(numbers[0].value), offset, said, written=numbers[0].text), sure=True)


def _hour(hour: int, seconds: int, said: Said, *, written: str) -> Phrase:
    """An hour and the seconds after or before it. Up to 12, and without a leading 0, it may be meant am or pm."""
    half = said.one("meridiem")
    if half:
        if not 1 <= hour <= 12:
            return Phrase(wrong=f"there is no {hour} {half.text}")
        hour = hour % 12 + int(half.value)
    exact = DAY_SECONDS if (hour, seconds) == (24, 0) else (hour * HOUR_SECONDS + seconds) % DAY_SECONDS
    if half or written.startswith("0") or not 1 <= hour <= 12:
        return Phrase(clock=(exact,))
    early = exact % (DAY_SECONDS // 2)
    return Phrase(clock=(early, early + DAY_SECONDS // 2), halves=True)


def _hour_of_part(said: Said) -> Phrase | None:
    part = said.all("part")[0]
    build = _hour_and_minutes if len(said.all("number", "article")) > 1 else _spoken_hour
    phrase = build(Said([token for token in said.tokens if token is not part], said.basis))
    if phrase is None or not (part.value or said.has("oclock", "at")):
        return None
    return replace(phrase, part=part.name, sure=True, bare=False, incomplete=())


def _named_time(said: Said) -> Phrase | None:
    number, named = said.one("number"), said.all("named")[0]
    if number and (number.value != 12 or named.value == DAY_END_SECONDS):
        return None
    return Phrase(clock=(int(named.value),), sure=True)


def _zone(said: Said) -> Phrase:
    token = said.all("zone", "city")[0]
    asked = said.basis.in_sentence and token.kind == "city" and not said.has("zoned")
    name = token.text if token.name in ("", "unknown") else token.name
    wrong = f"say {token.text.title()!r} with 'time' behind it if the hour is meant there" if asked else ""
    if token.name == "unknown":
        wrong = "I don't know which time zone that is"
    return Phrase(zone=name, wrong=wrong)


def _repeated(said: Said) -> Phrase:
    return Phrase(repeats=True, sure=True)


_AMOUNT = "((number|year|article) more? unit more?|(article|number)? span)"
_DURATION = f"{_AMOUNT} (comma? and? {_AMOUNT}){{0,6}}"
_AT = "vague? (at|about dot?){0,3}"
_ON = "vague? (on|at|in){0,2} the?"
_MONTHLY = "(number|ordinal) dot? of? the? month dot? comma? year?"
_TIMED = "(unit|often|weekday|weekdays|month|part|relative|holiday|named|number|ordinal|date)"

_RULES: tuple[tuple[re.Pattern[str], Callable[[Said], Phrase | None]], ...] = tuple(
    (re.compile(re.sub("[a-z]+", lambda name: KINDS[name[0]], pattern).replace(" ", "")), build)
    for pattern, build in (
        (f"in? about? ({_DURATION}|compact) (later|from|past)?", _duration),
        ("article? unit on?", _week_later),  # "Friday week", "a week on Friday"
        (f"{_DURATION} (to|past)", _beside_event),  # "an hour before" something
        (f"{_AT} this zoned", _same_hour),  # "this time tomorrow"
        (f"{_ON} iso", _iso_day),
        (f"{_ON} {_MONTHLY}", _written_date),  # "24 December", "am dritten März"
        (f"{_ON} month (dot|dash)? the? (number|ordinal) comma? year?", _written_date),
        (f"{_ON} (date|number dot number dot) year?", _numeric_date),  # "24.12.", "22/04/2027", "24. 12."
        ("on the? dotted", _numeric_date),
        (f"({_ON} ordinal|on number dot?|on? the number) (?!weekday)", _day_of_month),
        (f"{_ON} (ordinal|number) of the? (next|this) unit", _day_in_period),  # "the 20th of next month"
        (f"{_ON} (ordinal|last) weekday (of|in) the? (month year?|(next|this) unit)", _nth_weekday),
        (f"{_ON} (next|this) unit|of the? (next|this) unit", _next_period),  # "next week", "Friday of next week"
        ("in month year?", _written_date),  # "in March"
        (f"{_ON} end of? the? (this|next)? unit", _end_of_period),
        (f"{_ON} relative vague?", _relative),
        (f"{_ON} this? part", _part),  # "in the evening", "this evening"
        (f"{_ON} (next|last|this)? weekday dot? vague?", _weekday),
        (f"{_ON} weekday next", _weekday),
        (f"{_ON} holiday", _holiday),
        (
            f"{_AT} (clock|dotted|compact) oclock? ish? meridiem? (oclock|ish)?",
            _digital,
        ),  # "at 14:30", "8.30pm", "15h30"
        (f"{_AT} (number|article) (oclock|unit)? ish? meridiem? ish?", _spoken_hour),
        (f"{_AT} (number|article) oclock? number meridiem?", _hour_and_minutes),  # "15 Uhr 30", "ten thirty am"
        (f"{_AT} (number|year) ish? meridiem?", _run_together),  # "at 1030", "340pm"
        (f"{_AT} (number|article) oclock? number? part", _hour_of_part),  # "9 in the morning"
        (f"{_AT} article? (quarter|half|number unit?) (to|past) halb? (number oclock? meridiem?|named)", _past),
        (f"{_AT} (halb|half|quarter) number oclock? meridiem?", _past),
        (f"{_AT} the? number? oclock? named", _named_time),  # "noon", "12 midnight"
        ("open? (zone|in? city zoned?) close?", _zone),  # "CET", "New York time"
        (f"on? (often|weekdays)|every other? (next|ordinal|number)? {_TIMED}", _repeated),
        ("number? times (article|the|at|every|on)? unit", _repeated),
    )
)
