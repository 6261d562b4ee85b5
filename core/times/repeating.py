"""Recurrences, read strictly from everyday English, German or a cron line."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from core.times.lexicon import scan
from core.times.parsing import MAX_PHRASE_CHARS, MAX_SENTENCE_CHARS
from core.times.recurrence import RECURRENCE_FORMS, Recurrence, cron_recurrence
from core.times.recurrence_grammar import PIECES, Reader, Reading, recurrence_of

MAX_PHRASE_TOKENS = 60
_TIMED = frozenset(
    ("number", "clock", "dotted", "date", "unit", "weekday", "weekdays", "month", "part", "named", "ordinal", "every")
) | {"often", "times", "meridiem", "oclock", "zone", "relative"}


class FoundRecurrence(NamedTuple):
    """A recurrence, its zone, the moments between which it falls, and where its words begin and end."""

    rule: Recurrence
    start: int
    end: int
    text: str
    zone: str = ""
    """The zone that was said: an IANA name; empty for the owner's."""
    since: datetime | None = None
    until: datetime | None = None

    def first(self, now: datetime) -> datetime:
        """The first moment after now, in the recurrence's own zone; raises `InvalidInput` if it has ended before."""
        zone = ZoneInfo(self.zone) if self.zone else now.tzinfo or UTC
        begin = max(now, self.since - timedelta(seconds=1)) if self.since else now
        first = self.rule.first(begin, zone)
        if self.until and first > self.until:
            raise InvalidInput(f"{self.text!r} ends before it first comes; give a later end")
        return first


def read_recurrence(text: str, now: datetime, day_first: bool | None = None) -> FoundRecurrence:
    """The recurrence the phrase or cron line means; raises `InvalidInput`, never guesses."""
    if len(text) > MAX_PHRASE_CHARS:
        raise InvalidInput(f"{text[:40]!r}... is too long; {RECURRENCE_FORMS}")
    if cron := cron_recurrence(text):
        found = FoundRecurrence(cron, 0, len(text), text.strip())
    else:
        reader = Reader(text, now, day_first)
        read = _found(reader, _read(reader, 0), 0)
        rest = text[read.end :].strip(" ,.!?") if read else text.strip()
        if read is None or rest:
            raise InvalidInput(f"{rest!r} is not understood as something that repeats; {RECURRENCE_FORMS}")
        found = read
    found.first(now)
    return found


def repeats(text: str) -> bool:
    """True if these words mean to say what repeats, whether or not they can be understood."""
    marked = any(token.kind in ("every", "often", "weekdays", "times") for token in scan(text[:MAX_PHRASE_CHARS]))
    if marked or (len(text.split()) > 2 and "*" in text) or text.startswith("@"):
        return True
    try:
        read_recurrence(text, datetime.now(UTC))
    except InvalidInput:
        return False
    return True


def find_recurrence(text: str, now: datetime, day_first: bool | None = None) -> FoundRecurrence | None:
    """The first words in a sentence that say what repeats; None if none do.

    Raises `InvalidInput` where they touch more words of time that are not understood with them.
    """
    reader = Reader(text[:MAX_SENTENCE_CHARS], now, day_first)
    position = 0
    while position < len(reader.tokens):
        if reader.tokens[position].kind in ("other", "gap") or reader.describes(position):
            position += 1
            continue
        read = _read(reader, position)
        if found := _found(reader, read, position):
            rest = (one for one in reader.tokens if one.start >= found.end and one.kind not in ("comma", "and"))
            if (after := next(rest, None)) and after.kind in _TIMED:
                raise InvalidInput(
                    f"{found.text!r} and {after.text!r}: I can't tell when it repeats; {RECURRENCE_FORMS}"
                )
            found.first(now)
            return found
        position = max(read.position, position + 1)  # what repeats does not begin within words that do not repeat
    return None


def _read(reader: Reader, start: int) -> Reading:
    """The pieces that follow each other from this token on."""
    read = Reading(start)
    while read.position < min(len(reader.tokens), start + MAX_PHRASE_TOKENS):
        before = read.position
        skipped = before + (before > start and reader.at(before).kind in ("comma", "and"))
        for piece in PIECES:
            read.position = skipped
            if piece(reader, read) and read.position > skipped:
                break
        else:
            read.position = before
            break
    return read


def _found(reader: Reader, read: Reading, start: int) -> FoundRecurrence | None:
    if not read.repeats:
        return None
    begin, end = reader.at(start).start, reader.at(read.position - 1).end
    text = reader.text[begin:end]
    rule = recurrence_of(reader, read, text)
    return FoundRecurrence(rule, begin, end, text, read.zone, read.since, read.until)
