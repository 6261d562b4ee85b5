"""The grammar of times in everyday English: what a phrase says, before anybody asks which moment that is."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

HOUR = 3600
DAY = 24 * HOUR

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
PARTS = {
    "morning": (range(0, 12), 9 * HOUR),
    "afternoon": (range(12, 19), 15 * HOUR),
    "evening": (range(16, 24), 19 * HOUR),
    "night": (range(17, 28), 20 * HOUR),  # until four o'clock of the next day
}
"""The hours that a part of the day can hold, and the time meant by it alone."""
DAY_END = 18 * HOUR


@dataclass(frozen=True, slots=True)
class Phrase:
    """What a time phrase says. Where several days or times could be meant, the first that is still to come is."""

    moment: datetime | None = None
    days: tuple[date, ...] = ()
    weekday: tuple[date, ...] = ()
    clock: tuple[int, ...] = ()
    """Seconds of the day; above 24 hours they lie in the next day."""
    halves: bool = False
    """Whether neither am nor pm was said, so that `clock` holds both."""
    part: str = ""
    default: int | None = None
    """The time of day meant where none was said."""
    wrong: str = ""
    """Why there is no such time."""
    sure: bool = False
    """Whether it is a time wherever it stands; "at 5" could also go on "at 5 Elm Street"."""
    end: int = 0


def read(text: str, start: int, now: datetime, sentence: bool) -> Phrase | None:
    """The longest phrase that begins at `start`; in a sentence, only words that hardly mean anything else."""
    phrase: Phrase | None = None
    position = start
    while (piece := _piece(text, position, now, sentence)) is not None:
        joined = piece if phrase is None else _join(phrase, piece)
        if joined is None:
            break
        phrase = joined
        gap = _BETWEEN.match(text, phrase.end)
        position = gap.end() if gap else phrase.end
    return phrase


def phrases(text: str, now: datetime) -> Iterator[tuple[int, Phrase]]:
    """All phrases in a sentence, with where each begins."""
    position = 0
    while word := _WORD.search(text, position):
        phrase = read(text, word.start(), now, sentence=True)
        if phrase is not None:
            yield word.start(), phrase
        position = phrase.end if phrase is not None else word.end()


def _piece(text: str, position: int, now: datetime, sentence: bool) -> Phrase | None:
    """The longest single piece at this position: a day, a time of day, a duration."""
    best: Phrase | None = None
    for pattern, build in _RULES:
        said = pattern.match(text, position)
        if said is None or (best is not None and said.end() <= best.end):
            continue
        piece = build(said, now, sentence)
        if piece is not None:
            best = replace(piece, end=said.end())
    return best


def _join(phrase: Phrase, piece: Phrase) -> Phrase | None:
    """Both together, or None if they say the same kind of thing."""
    if phrase.moment or piece.moment:
        return None
    if any(getattr(phrase, name) and getattr(piece, name) for name in ("days", "weekday", "clock", "part")):
        return None
    return Phrase(
        days=phrase.days or piece.days,
        weekday=phrase.weekday or piece.weekday,
        clock=phrase.clock or piece.clock,
        halves=phrase.halves or piece.halves,
        part=phrase.part or piece.part,
        default=piece.default if phrase.default is None else phrase.default,
        wrong=phrase.wrong or piece.wrong,
        sure=phrase.sure or piece.sure,
        end=piece.end,
    )


# Numbers and amounts

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBERS = (
    {word: number for number, word in enumerate([*_ONES, *_TEENS], 1)}
    | {word: 10 * number for number, word in enumerate(_TENS, 2)}
    | {"a": 1, "an": 1, "a couple of": 2, "half a": 0.5, "half an": 0.5, "a quarter of an": 0.25}
)
_UNITS = {
    "second": ("s", "sec", "secs", "second", "seconds"),
    "minute": ("m", "min", "mins", "minute", "minutes"),
    "hour": ("h", "hr", "hrs", "hour", "hours"),
    "day": ("d", "day", "days"),
    "week": ("w", "wk", "wks", "week", "weeks"),
    "fortnight": ("fortnight", "fortnights"),
    "month": ("month", "months"),
    "year": ("y", "year", "years"),
}
_UNIT_OF = {word: unit for unit, spellings in _UNITS.items() for word in spellings}
_SECONDS = {"second": 1, "minute": 60, "hour": HOUR, "day": DAY, "week": 7 * DAY, "fortnight": 14 * DAY}
_MONTHS_IN = {"month": 1, "year": 12}


def _any(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}|[0-9]{1,30})(?:\.[0-9])?"
_NUMBER = (
    rf"(?:half an?|a quarter of an|a couple of|an?|{_any(_TENS)}(?:(?: |-){_any(_ONES)})?|{_any([*_ONES, *_TEENS])})"
)
_AMOUNT = (
    rf"(?P<number>{_DIGITS}(?= ?[a-z])|(?<![a-z]){_NUMBER}(?= ))(?P<half> and a half)?"
    rf" ?(?P<unit>{_any(_UNIT_OF)})(?![a-z])(?P<more> and a half)?"
)
_ANY_AMOUNT = re.sub("[?]P<[a-z]+>", "?:", _AMOUNT)
_DURATION = rf"(?:{_ANY_AMOUNT}(?:(?:, and |,? |,| and )?{_ANY_AMOUNT}){{0,6}}|[0-9]{{1,3}}h[0-9]{{2}})"
_ON = "(?P<lead>(?:on|by|for) )?"
_AT = "(?P<lead>(?:at|by|for) |@ ?)?"
_HALF = r"(?P<half>[ap]m|[ap]\.m\.?)"
_HOURS = [*_ONES, *_TEENS[:3]]
_HOUR = rf"(?P<hour>2[0-3]|[01]?[0-9]|{_any(_HOURS)})"
_WEEKDAY = rf"(?P<weekday>{_any([*WEEKDAYS, *(day[:3] for day in WEEKDAYS), 'tues', 'thurs'])})\.?"
_MONTH = rf"(?P<month>{_any([*MONTHS, *(month[:3] for month in MONTHS), 'sept'])})\.?"
_NTH = "(?:st|nd|rd|th)"
_YEAR = "(?:,? (?P<year>[0-9]{4}))?"
_ENDS = r"(?![a-z0-9_%]|[.:,][0-9]|['’]s|-[a-z0-9])"


def _compile(pattern: str, ends: str = _ENDS) -> re.Pattern[str]:
    """A pattern in which a space stands for up to three of any kind, and which ends where its last word does."""
    return re.compile(pattern.replace(" ", r"(?:\s{1,3})") + ends, re.IGNORECASE | re.ASCII)


_WORD = re.compile(r"(?<![\w.:/@'’-])(?:@|\w+)")
_BETWEEN = re.compile(r"\s{0,3},?\s{0,3}")
_EACH_AMOUNT = _compile(rf"(?P<hours>[0-9]{{1,3}})h(?P<minutes>[0-9]{{2}})(?![0-9a-z])|{_AMOUNT}", ends="")


def _number(word: str) -> float:
    word = " ".join(word.lower().replace("-", " ").split())
    if word in _NUMBERS:
        return _NUMBERS[word]
    if " " in word:
        return sum(_NUMBERS[part] for part in word.split())
    return float(word.replace(",", ""))


# The rules: each makes of its match a phrase, or None where it does not apply after all


def _duration(said: re.Match[str], now: datetime, sentence: bool) -> Phrase | None:
    if sentence and not (said["lead"] or said["tail"]):
        return None
    seconds, months, days_only = 0.0, 0.0, True
    for amount in _EACH_AMOUNT.finditer(said["duration"]):
        if amount["hours"]:
            seconds += int(amount["hours"]) * HOUR + int(amount["minutes"]) * 60
            days_only = False
            continue
        number = _number(amount["number"]) + (0.5 if amount["half"] or amount["more"] else 0)
        unit = _UNIT_OF[amount["unit"].lower()]
        months += number * _MONTHS_IN.get(unit, 0)
        seconds += number * _SECONDS.get(unit, 0)
        days_only = days_only and unit not in ("second", "minute", "hour")
    try:
        if days_only and seconds % DAY == 0 and months % 1 == 0:
            day = _later(now.date(), int(months)) + timedelta(seconds=seconds)
            return Phrase(days=(day,), default=now.hour * HOUR + now.minute * 60 + now.second, sure=True)
        if months:
            return Phrase(wrong="months and years count in days; say whole ones, without hours", sure=True)
        if seconds == 0:
            return Phrase(moment=now, sure=True)
        exact = now.astimezone(UTC) + timedelta(seconds=seconds)
        whole = exact.replace(microsecond=0) + timedelta(seconds=1 if exact.microsecond else 0)
        return Phrase(moment=whole.astimezone(now.tzinfo), sure=True)
    except (OverflowError, ValueError):
        return Phrase(wrong="it is too far away", sure=True)


def _later(day: date, months: int) -> date:
    """The same day some months later, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _iso(said: re.Match[str], now: datetime, sentence: bool) -> Phrase:
    try:
        day, clock = date.fromisoformat(said["date"]), time.fromisoformat(said["time"] or "00:00")
        if said["zone"]:
            moment = datetime.fromisoformat(f"{said['date']}T{said['time']}{said['zone'].strip().upper()}")
            return Phrase(moment=moment.astimezone(now.tzinfo), sure=True)
    except (OverflowError, ValueError):
        return Phrase(wrong="there is no such day or time", sure=True)
    if not said["time"]:
        return Phrase(days=(day,), sure=True)
    return Phrase(days=(day,), clock=(clock.hour * HOUR + clock.minute * 60 + clock.second,), sure=True)


def _near(said: re.Match[str], now: datetime, sentence: bool) -> Phrase:
    word = said["near"].lower()
    if word == "tonight":
        return Phrase(days=(now.date(),), part="night", sure=True)
    if word.startswith("this"):
        return Phrase(days=(now.date(),), part=word.split()[1], sure=True)
    away = {"yesterday": -1, "today": 0, "tomorrow": 1}.get(word, 2)
    return Phrase(days=(now.date() + timedelta(days=away),), sure=True)


def _part(said: re.Match[str], now: datetime, sentence: bool) -> Phrase:
    return Phrase(part=said["part"].lower(), sure=bool(said["lead"]))


def _weekday(said: re.Match[str], now: datetime, sentence: bool) -> Phrase | None:
    name, which = said["weekday"].lower(), (said["which"] or "").lower()
    if sentence and name not in WEEKDAYS and not (said["lead"] or which):
        return None
    number = [day[:3] for day in WEEKDAYS].index(name[:3])
    today = now.date()
    if which.endswith("next"):
        return Phrase(weekday=(today + timedelta(days=7 - today.weekday() + number),), sure=True)
    coming = today + timedelta(days=(number - today.weekday()) % 7)
    return Phrase(weekday=(coming, coming + timedelta(days=7)), sure=True)


def _day_of_month(said: re.Match[str], now: datetime, sentence: bool) -> Phrase | None:
    """ "24 December", "December 24th, 2026", "24.12." or "the 24th"; without a year the next one that there is."""
    given = said.groupdict()
    name, year = (given.get("month") or "").lower(), given.get("year")
    today = now.date()
    if sentence and name.isdigit() and not (year or said["lead"]):
        return None  # "see section 1.2."
    sure = bool(year or said["lead"]) or (name.isalpha() and name[:3] not in ("may", "mar"))
    if year:
        months = [date(max(1, int(year)), _month(name), 1)]
    elif name:
        months = [date(today.year + ahead, _month(name), 1) for ahead in range(9)]
    else:
        months = [_later(today.replace(day=1), ahead) for ahead in range(3)]
        sure = False
    for month in months:
        if 1 <= int(said["day"]) <= monthrange(month.year, month.month)[1]:
            found = month.replace(day=int(said["day"]))
            if year or found >= today:
                return Phrase(days=(found,), sure=sure)
    return Phrase(wrong="there is no such day", sure=sure)


def _month(name: str) -> int:
    if name.isdigit():
        return int(name)
    return [month[:3] for month in MONTHS].index(name[:3]) + 1


def _next(said: re.Match[str], now: datetime, sentence: bool) -> Phrase:
    today = now.date()
    if said["period"].lower() == "week":
        monday = today + timedelta(days=7 - today.weekday())
        return Phrase(days=tuple(monday + timedelta(days=days) for days in range(7)), sure=True)
    first = today.replace(day=1) if said["period"].lower() == "month" else today.replace(month=1, day=1)
    return Phrase(days=(_later(first, 1 if said["period"].lower() == "month" else 12),), sure=True)


def _digital(said: re.Match[str], now: datetime, sentence: bool) -> Phrase | None:
    """ "at 14:30", "9:05 pm", "9am"."""
    given = said.groupdict()
    minute, second = int(given.get("minute") or 0), int(given.get("second") or 0)
    if minute > 59 or second > 59 or int(said["hour"]) > 23:
        wrong = f"a day has no {said['hour']:0>2}:{minute:02}, only 00:00 to 23:59"
        return Phrase(wrong=wrong) if said["lead"] or not sentence else None
    return replace(_hour(said["hour"], 60 * minute + second, said["half"]), sure=True)


def _bare(said: re.Match[str], now: datetime, sentence: bool) -> Phrase | None:
    """ "at 5", "five o'clock", "9 in the evening"."""
    sure = bool(said["oclock"] or said["part"])
    if not sure and (not said["lead"] or (sentence and said["hour"].lower() == "one")):
        return None
    return replace(_hour(said["hour"]), part=(said["part"] or "").lower(), sure=sure)


def _past(said: re.Match[str], now: datetime, sentence: bool) -> Phrase | None:
    """ "half past five", "at 10 to 6", "10 minutes to 6 pm"."""
    named = {"half": 30, "quarter": 15}.get(said["amount"].lower())
    if not (named or said["minutes"] or said["lead"]):
        return None  # "5 to 10"
    seconds = 60 * (named or int(_number(said["amount"])))
    clock = _hour(said["hour"], -seconds if said["past"].lower() == "to" else seconds, said["half"])
    return replace(clock, sure=bool(named or said["lead"]))


def _hour(word: str, seconds: int = 0, half: str | None = None) -> Phrase:
    """An hour and the seconds after or before it. Up to 12, and without a leading 0, it may be meant am or pm."""
    hour = int(_number(word))
    if half:
        if not 1 <= hour <= 12:
            return Phrase(wrong=f"there is no {hour} {half}")
        hour = hour % 12 + (12 if half.lower().startswith("p") else 0)
    exact = (hour * HOUR + seconds) % DAY
    if half or word.startswith("0") or not 1 <= hour <= 12:
        return Phrase(clock=(exact,))
    early = exact % (12 * HOUR)
    return Phrase(clock=(early, early + 12 * HOUR), halves=True)


def _named_time(said: re.Match[str], now: datetime, sentence: bool) -> Phrase:
    return Phrase(clock=(DAY if said["name"].lower() == "midnight" else DAY // 2,), sure=True)


def _day_end(said: re.Match[str], now: datetime, sentence: bool) -> Phrase:
    return Phrase(clock=(DAY_END,), sure=True)


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime, bool], Phrase | None]], ...] = (
    (_compile(rf"(?P<lead>in )?(?P<duration>{_DURATION})(?P<tail> from now)?"), _duration),
    (
        _compile(
            rf"{_ON}(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:(?:T|,? (?:at )?)"
            r"(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)(?P<zone> ?Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
        ),
        _iso,
    ),
    (
        _compile(
            f"{_ON}(?P<near>(?:the )?day after tomorrow|today|tomorrow|yesterday|tonight"
            "|this (?:morning|afternoon|evening))"
        ),
        _near,
    ),
    (_compile("(?P<lead>in the |at |during the )?(?P<part>morning|afternoon|evening|night)"), _part),
    (_compile(rf"{_ON}(?:(?P<which>this coming|the coming|coming|the next|next|this) )?{_WEEKDAY}"), _weekday),
    (_compile(rf"{_ON}(?:the )?(?P<day>[0-9]{{1,2}}){_NTH}?(?: of)? ?{_MONTH}{_YEAR}"), _day_of_month),
    (_compile(rf"{_ON}{_MONTH} (?:the )?(?P<day>[0-9]{{1,2}}){_NTH}?{_YEAR}"), _day_of_month),
    (_compile(rf"{_ON}(?P<day>[0-9]{{1,2}})\. ?(?P<month>1[0-2]|0?[1-9])\.(?: ?(?P<year>[0-9]{{4}}))?"), _day_of_month),
    (_compile(rf"{_ON}the (?P<day>[0-9]{{1,2}}){_NTH}"), _day_of_month),
    (_compile("(?P<lead>in |by |for )?next (?P<period>week|month|year)"), _next),
    (
        _compile(rf"{_AT}(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-9]{{2}})(?::(?P<second>[0-9]{{2}}))?(?: ?{_HALF})?"),
        _digital,
    ),
    (_compile(rf"{_AT}(?P<hour>[0-9]{{1,2}}) ?{_HALF}"), _digital),
    (_compile(rf"{_AT}{_HOUR}(?P<oclock> o['’]?clock)?(?: (?:in the|at) (?P<part>{_any(PARTS)}))?"), _bare),
    (
        _compile(
            rf"{_AT}(?:a )?(?P<amount>half|quarter|[0-5]?[0-9]|{_any([*_ONES, *_TEENS, 'twenty', 'twenty-five'])})"
            rf"(?P<minutes> minutes?)? (?P<past>past|to) {_HOUR}(?: ?{_HALF})?"
        ),
        _past,
    ),
    (_compile(f"{_AT}(?P<name>noon|midday|midnight)"), _named_time),
    (_compile("(?:(?:at|by) )?(?:the )?end of (?:the |my )?(?:working |work |business )?day|(?:by )?eod"), _day_end),
)
