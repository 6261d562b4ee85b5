"""Moments to come: read strictly from everyday English, German or ISO."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, tzinfo
from typing import NamedTuple

from core.errors import InvalidInput
from core.times.formatting import WEEKDAYS, format_time, offset_name
from core.times.grammar import Basis, Phrase, join, longest
from core.times.lexicon import KINDS, Token, scan
from core.times.moments import FORMS, GETTING_UP_HOURS, WAKING_HOURS, aware, moment_of, other_zone, zone_named

MAX_PHRASE_CHARS = 200
MAX_SENTENCE_CHARS = 4_000
MAX_TIMES = 40


class FoundTime(NamedTuple):
    """A moment in the owner's zone, where its words begin and end, and these words as they are understood alone."""

    moment: datetime
    start: int
    end: int
    text: str
    zone: str = ""
    """The zone that was said, if its clocks differ: an IANA name, an abbreviation or an offset."""

    def iso(self) -> str:
        """As ISO text, with the offset of the zone that was said."""
        there = zone_named(self.zone, self.moment) if self.zone else self.moment.tzinfo
        return self.moment.astimezone(there).isoformat(timespec="seconds")

    def words(self, now: datetime) -> str:
        """The moment as a person says it, in the zone that was said, too."""
        here = format_time(self.moment, now)
        if not self.zone:
            return here
        there = self.moment.astimezone(zone_named(self.zone, now))
        other_day = there.date() != self.moment.astimezone(now.tzinfo).date()
        day = f"{WEEKDAYS[there.weekday()]} " if other_day else ""
        place = f"in {self.zone.rpartition('/')[2].replace('_', ' ')}" if "/" in self.zone else self.zone
        return f"{here} ({day}{there:%H:%M} {place})"


def local_time(text: str, now: datetime, day_first: bool | None = None) -> datetime:
    """The moment that the phrase means, in now's zone, always after now; raises `InvalidInput`, never guesses.

    A time that has passed today means tomorrow. An hour without am or pm is the next one in waking hours (7 to 21). A
    date alone means 09:00. "Friday" is the next one, "next Friday" that of the week which begins next Monday. Midnight
    ends the day it is said of. Days are counted on the calendar, hours by the clock. `day_first` says how the owner
    writes dates; without it 3/4 is refused, since it could be either.
    """
    return read_time(text, now, day_first).moment


def read_time(text: str, now: datetime, day_first: bool | None = None) -> FoundTime:
    """As `local_time`, with the zone that was said."""
    if len(text) > MAX_PHRASE_CHARS:
        raise InvalidInput(f"{text[:40]!r}... is too long for a time; {FORMS}")
    said = text.strip()
    tokens = scan(said)
    phrase = longest(tokens, _kinds(tokens), 0, Basis(aware(now), day_first))
    rest = said[tokens[phrase.last - 1].end :].strip(" ,.!?") if phrase else said
    if phrase is None or rest:
        raise InvalidInput(f"{rest!r} is not understood as a time; {FORMS}")
    if phrase.repeats:
        raise InvalidInput(f"{said!r} repeats; give one time: {FORMS}")
    moment = moment_of(said, phrase, now, WAKING_HOURS)
    return FoundTime(moment, 0, len(text), said, other_zone(phrase.zone, moment))


def iso_time(text: str, zone: tzinfo) -> FoundTime | None:
    """The moment an ISO time with offset names, be it past, in this zone; None for any other text."""
    try:
        said = datetime.fromisoformat(text)
        moment = said.astimezone(zone)
    except (OverflowError, TypeError, ValueError):
        return None
    if said.tzinfo is None:
        return None
    other = said.utcoffset() and said.utcoffset() != moment.utcoffset()  # programs write UTC, people don't mean it
    return FoundTime(moment, 0, len(text), text, offset_name(said) if other else "")


def find_time(text: str, now: datetime, day_first: bool | None = None) -> FoundTime | None:
    """The time phrase in a sentence; None if there is none.

    Of several it takes the first that stands where a "when" stands ("remind me ... to"), else the longest at either
    end, else the longest. Raises `InvalidInput` where none will do, since they have passed, do not exist or repeat, and
    where a phrase touches more words of time that are not understood with it: nothing is read by half.
    """
    text = text[:MAX_SENTENCE_CHARS]
    waking = GETTING_UP_HOURS if _WAKE.search(text) else WAKING_HOURS
    places = list(_places(text, Basis(aware(now), day_first, in_sentence=True)))
    best = max((place for place in places if place.rank >= 0), key=lambda place: place.order, default=None)
    if best is None:
        return None
    said = text[best.start : best.end]
    problem = best.problem or next((text[two.start : two.end] for two in places if _rivals(two, best, now.date())), "")
    if problem:
        raise InvalidInput(f"{said!r} and {problem!r}: I can't tell which time is meant; {FORMS}")
    if best.phrase.repeats:
        raise InvalidInput(f"{said!r} repeats; give one time: {FORMS}")
    moment = moment_of(said, best.phrase, now, waking)
    early = best.phrase.halves and not best.phrase.part and waking is GETTING_UP_HOURS and moment.hour < 12
    alone = said + " in the morning" if early else said
    return FoundTime(moment, best.start, best.end, alone, other_zone(best.phrase.zone, moment))


# Where a phrase stands in a sentence

_WAKE = re.compile(r"\b(?:wake|alarm|weck\w*|aufwecken|get(?:ting)? (?:me )?up)\b", re.IGNORECASE)
_BEFORE_WHEN = re.compile(r"\b(?:me|us|reminder|alarm|timer|mich|uns|erinnerung|wecker)\s*$", re.IGNORECASE)
_AFTER_WHEN = re.compile(r"\s*,?\s*(?:to|that|about|an|ans|daran|dass)\b", re.IGNORECASE)
_END = re.compile(r"\s*(?:$|[.!?;:,)]|(?:please|and|remind|bitte|und|erinner\w*)\b)", re.IGNORECASE)
_TIMED = frozenset(
    (
        *("number", "year", "ordinal", "clock", "dotted", "compact", "iso", "date", "unit", "weekday", "weekdays"),
        *("month", "part", "named", "relative", "holiday", "meridiem", "oclock", "zone", "often", "every", "times"),
        *("later", "ago", "doubtful"),
    )
)
"""Kinds of tokens that still look like time."""
_LINKS = frozenset(
    ("this", "next", "last", "and", "dash", "to", "the", "on", "at", "in", "comma", "open", "of", "past", "vague")
)
"""Kinds of tokens that may lead from one time to another."""
_NOT_A_WHEN = frozenset(("limit", "from", "past", "last", "ago", "end"))


_AT = ("at", "um", "@")


class _Place(NamedTuple):
    """A phrase in a sentence, and how much its place is one for a "when": 2 as in "remind me ... to", 1 at either end,
    0 elsewhere, less where it is none."""

    phrase: Phrase
    start: int
    end: int
    rank: int
    lead: str
    problem: str

    @property
    def order(self) -> tuple[int, int]:
        return self.rank, -self.start if self.rank == 2 else self.end - self.start


def _kinds(tokens: Sequence[Token]) -> str:
    return "".join(KINDS.get(token.kind, KINDS["other"]) for token in tokens)


def _places(text: str, basis: Basis) -> Iterator[_Place]:
    tokens = scan(text)
    kinds, position, found = _kinds(tokens), 0, 0
    while position < len(tokens):
        idle = tokens[position].kind == "other" or tokens[position].text == "about"  # "remind me about 7 dwarfs"
        phrase = None if idle else longest(tokens, kinds, position, basis)
        if phrase is None:
            position += 1
            continue
        found += 1
        if found > MAX_TIMES:
            raise InvalidInput(f"There are more than {MAX_TIMES} times in that; give one: {FORMS}")
        start, end = tokens[phrase.first].start, tokens[phrase.last - 1].end
        rank = _rank(text, start, end, phrase)
        if _is_no_when(tokens, phrase) or ((rank < 2 or not phrase.sure) and _describes(tokens, phrase, text)):
            rank = -1
        touched = _touched(tokens, phrase)
        problem = text[touched.start : touched.end] if touched else ""
        yield _Place(phrase, start, end, rank, tokens[phrase.first].text, problem)
        position = phrase.last


def _rank(text: str, start: int, end: int, phrase: Phrase) -> int:
    asked = bool(_BEFORE_WHEN.search(text, max(0, start - 60), start))
    if asked or _AFTER_WHEN.match(text, end):
        return 2 if asked or not phrase.bare else -1
    if _END.match(text, end) and not phrase.bare:
        return 1
    if not phrase.sure or (phrase.bare and start):
        return -1
    return 0 if text[:start].strip() else 1


def _is_no_when(tokens: Sequence[Token], phrase: Phrase) -> bool:
    """It says until when, since when, before or after what, or ends a span of time."""
    before = tokens[max(0, phrase.first - 2) : phrase.first]
    if not before:
        return False
    range_end = before[-1].kind in ("to", "dash", "limit", "of") and before[0].kind in (*_TIMED, "end")
    return range_end or before[-1].kind in _NOT_A_WHEN or (before[-1].kind == "to" and before[-1].text != "to")


def _describes(tokens: Sequence[Token], phrase: Phrase, text: str) -> bool:
    """It says which thing is meant, as in "the 9am call"."""
    before = tokens[phrase.first - 1] if phrase.first else None
    article = tokens[phrase.first].kind == "the" or (before is not None and before.kind in ("the", "article"))
    after = tokens[phrase.last] if phrase.last < len(tokens) else None
    end = tokens[phrase.last - 1].end
    return article and after is not None and not (_END.match(text, end) or _AFTER_WHEN.match(text, end))


def _touched(tokens: Sequence[Token], phrase: Phrase) -> Token | None:
    rest = list(tokens[phrase.last : phrase.last + 4])
    if [token.kind for token in rest[:2]] == ["other", "zoned"]:
        return rest[0]
    if rest and rest[0].text == "past":  # "at 5 past"
        return rest[0]
    if [token.kind for token in rest[:2]] == ["meal", "to"]:  # "tomorrow lunch to call Bob"
        return rest[0]
    if rest and rest[0].kind in ("from", "limit", "city"):
        return rest[0] if rest[0].kind != "city" or phrase.clock else None
    link = ""
    while rest and rest[0].kind in _LINKS:
        link = rest.pop(0).kind
    if link == "in" and [token.kind for token in rest[:2]] in (["article", "unit"], ["article", "span"]):
        return rest[1]  # "tomorrow in an hour"
    marching = link == "to" and [token.kind for token in rest[:2]] in (["month"], ["month", "other"])
    if rest and rest[0].kind in _TIMED and not marching:
        return rest[0]
    return _touched_before(tokens[max(0, phrase.first - 3) : phrase.first], tokens[phrase.first].kind == "at")


def _touched_before(before: Sequence[Token], led: bool) -> Token | None:
    said = [token for token in before if token.kind not in ("and", "comma", "dash", "dot", "open", "close")]
    counting = [token.kind for token in before[-2:]] == ["other", "number"] and not _BEFORE_WHEN.search(before[-2].text)
    if led and (counting or (before and before[-1].kind == "number" and before[-2:][0].text == "for")):
        return None  # "pill 2 at 8pm", "a table for 4 at 7pm"
    every = next((token for token in said if token.kind == "every"), None)
    return said[-1] if said and said[-1].kind in (*_TIMED, "this", "next") else every


def _rivals(place: _Place, best: _Place, today: date) -> bool:
    """The other phrase says what the best one leaves open, the day or the time of day, or is as good."""
    phrase, other = best.phrase, place.phrase
    if place is best or place.lead in ("by", "for", "zum") or not (other.sure or place.rank > 0 or place.lead in _AT):
        return False
    if place.rank == best.rank == 1 and not place.problem:
        return True
    if phrase.amount:
        return False
    day, clock = phrase.days or phrase.weekday, phrase.clock or phrase.part
    missing = (other.days or other.weekday) if clock and not day else other.clock if day and not clock else ()
    return bool(missing) and join(phrase, replace(other, incomplete=()), today) is not None
