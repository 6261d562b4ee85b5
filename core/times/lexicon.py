"""The words and figures of times, in English and German, and the scanner that finds them in a text.

A language is a file in `words/`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from zoneinfo import available_timezones

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS

_KIND_NAMES = """
number year article ordinal clock dotted compact iso date unit span weekday weekdays month part named relative holiday
meridiem oclock zone city zoned at in on to past half halb quarter more every often times next this last the and from
limit ago later of end about ish comma dash dot open close other gap doubtful meal vague
"""
KINDS = {name: chr(0x100 + number) for number, name in enumerate(_KIND_NAMES.split())}
"""One letter for each kind of token, so that a pattern over kinds is a regular expression."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word or figure: its kind, where it stands, and its value as a number or a name."""

    kind: str
    text: str
    start: int
    end: int
    value: float = 0
    name: str = ""


Meaning = tuple[str, float, str]

_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
_NO_CITIES = frozenset(("wake", "easter", "male", "center", "south"))
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_WHISPERED = frozenset(
    ("utc", "gmt", "cet", "cest", "mez", "mesz", "bst", "est", "edt", "cst", "cdt", "mdt", "pst", "pdt")
)
"""Abbreviations of zones that are no other words in small letters."""


@lru_cache(maxsize=1)
def _lexicon() -> dict[str, Meaning]:
    words = {city + ending: ("city", 0.0, name) for city, name in _cities().items() for ending in ("", "er", "r")}
    words |= {name.lower(): ("zone", 0.0, name) for name in abbreviations() if name}
    for language in ("english", "german"):
        words |= _language(language)
    return {word.translate(_UMLAUTS): meaning for word, meaning in words.items()} | words


def _lines(name: str) -> Iterator[tuple[str, str]]:
    for line in (files("core.times") / "words" / f"{name}.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            meaning, _, words = line.partition(": ")
            yield meaning, words


def _language(language: str) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    for meaning, words in _lines(language):
        kind, value, name = [*meaning.split(), *("", "0", "")[len(meaning.split()) :]]
        for number, spellings in enumerate(words.split(", ")):
            said = (kind, float(value.rstrip("+")) + (number if value.endswith("+") else 0), name)
            for spelling in spellings.split("|"):
                inflected = [spelling[:-1] + ending for ending in ("e", "en", "er", "es", "em")]
                found |= dict.fromkeys(inflected if spelling.endswith("~") else [spelling], said)
    return found | _compounds(found)


_COUNTED = ("number", "article")
_DAY_OF_ITS_OWN = re.compile(r"\w(?:{0})tag$|^(?:(?:{0})tag|mittwoch)\w+s$".format("sonn|mon|diens|donners|frei|sams"))
"""A day or a part of one that no list holds: "Rosenmontag", "mittwochfrühmorgens"."""


def _compounds(words: dict[str, Meaning]) -> dict[str, Meaning]:
    """ "twenty", "twenty five" and "fünfundzwanzig"; "Montagmorgen" and "Montagabend"."""
    found: dict[str, Meaning] = {}
    ones = {word: value for word, (kind, value, _) in words.items() if kind in _COUNTED and value in range(1, 10)}
    parts = {word: name for word, (kind, value, name) in words.items() if kind == "part" and not value}
    parts["morgen"] = "morning"
    for word, (kind, value, _) in words.items():
        if kind == "tens":
            found[word] = ("number", 10 * value, "")
            for one, number in ones.items():
                found |= dict.fromkeys((f"{word} {one}", f"{one}und{word}"), ("number", 10 * value + number, ""))
        if kind == "weekday" and word.endswith(("tag", "woch")):
            found |= {word + part: (kind, value, name) for part, name in parts.items()}
            found |= {word + part + "s": ("weekdays", value, name) for part, name in parts.items()}
    return found


@lru_cache(maxsize=1)
def _places() -> dict[str, str]:
    """IANA names of zones by abbreviations in capitals, and cities and words in small letters."""
    return {word: zone for zone, words in _lines("zones") for word in words.split(", ")}


def abbreviations() -> dict[str, str]:
    """IANA names of zones by their abbreviations."""
    return {word: zone for word, zone in _places().items() if word.isupper()}


def _cities() -> dict[str, str]:
    names = sorted(name for name in available_timezones() if name.startswith(_AREAS))
    cities = {name.rpartition("/")[2].replace("_", " ").lower(): name for name in names}
    cities |= {word: zone for word, zone in _places().items() if word.islower()}
    return {city: name for city, name in cities.items() if city not in _NO_CITIES}


@lru_cache(maxsize=1)
def _longest() -> dict[str, int]:
    lengths: dict[str, int] = {}
    for words in _lexicon():
        first, *rest = words.split(" ")
        lengths[first] = max(lengths.get(first, 1), 1 + len(rest))
    return lengths


_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "‑": "-", "‐": "-", "–": "-", "—": "-", "\u00a0": " ", "\u202f": " "})
_CHUNK = re.compile(r"(?P<gap>\s*\n\s*|\s{4,})|\S+")
_CODE = re.compile(r"://|\w@\w|\w[_=~&^|*\\]\w|[%$€£#][0-9]|[0-9][%€$£°]|[^\W\d_][.][^\W\d_]{2}|^/\w", re.IGNORECASE)
"""Marks of an address, a path, code or an amount, in which no time is looked for."""
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_OFFSET = r"[+-][0-9]{2}(?::?[0-9]{2})?"
_ISO = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})T({_CLOCK})(Z|{_OFFSET})?(?=[.,!?;:)]*$)", re.IGNORECASE)
_FIGURE = re.compile(
    rf"""(?P<iso>[0-9]{{4}}(?:-[0-9]{{1,2}}-|/[0-9]{{1,2}}/|\.[0-9]{{1,2}}\.)[0-9]{{1,2}})(?![\w-])
    |(?P<zone>(?:utc|gmt){_OFFSET.replace("{2}", "{1,2}", 1)}(?!\w)|(?<=[0-9])(?:\+[0-9]{{2}}:[0-9]{{2}}|Z)(?!\w))
    |(?P<clock>{_CLOCK})(?![0-9:])
    |(?P<date>[0-9]{{1,2}}(?:/[0-9]{{1,2}}(?:/(?:[0-9]{{4}}|[0-9]{{2}}))?|-[0-9]{{1,2}}-(?:[0-9]{{4}}|[0-9]{{2}})
        |\.[0-9]{{1,2}}\.(?:[0-9]{{4}}|[0-9]{{2}})?)(?![\w/-]))
    |(?P<dotted>[0-9]{{1,2}}\.[0-9]{{2}}(?!\.?[0-9]))
    |(?P<compact>[0-9]{{1,3}}h[0-9]{{2}}(?!\w))
    |(?P<ordinal>[0-9]{{1,2}}(?:st|nd|rd|th|ten|te|ter|tes)(?!\w))
    |(?P<number>(?:[0-9]{{1,3}}(?:,[0-9]{{3}}){{1,9}}|[0-9]{{1,30}}(?:[.,][0-9])?)(?![.,:/]?[0-9]))
    |(?P<meridiem>[ap]m(?!\w)|[ap]\.m\.?(?!\w)|(?<=[0-9])[ap]\.?(?!\w))
    |(?P<word>[^\W\d_]+(?:['-][^\W\d_]+)*)
    |(?P<mark>[,.()@/-])
    |(?P<other>\w+|.)""",
    re.IGNORECASE | re.VERBOSE,
)
_MARKS = {",": "comma", ".": "dot", "(": "open", ")": "close", "@": "at", "/": "dash", "-": "dash"}


def scan(text: str) -> list[Token]:
    """All words and figures of the text, one pass over it; those that say nothing of time are of the kind `other`."""
    text = text.translate(_TYPOGRAPHY)
    raw = list(_raw(text))
    tokens: list[Token] = []
    position = 0
    while position < len(raw):
        token, count = _merged(raw, position, text)
        tokens.append(token)
        position += count
    return [_resolved(tokens, position, text) for position in range(len(tokens))]


def _raw(text: str) -> Iterator[Token]:
    for chunk in _CHUNK.finditer(text):
        start, end = chunk.span()
        zone = chunk[0].rstrip(".,!?;:)")
        if chunk["gap"]:
            yield Token("gap", "", start, end)
        elif zone.lower() in _zone_names():
            yield Token("zone", zone, start, start + len(zone), 0, _zone_names()[zone.lower()])
            yield from _figures(text, start + len(zone), end)
        elif moment := _ISO.match(text, start, end):
            for number, kind in enumerate(("iso", "clock", "zone"), 1):
                if moment[number]:
                    yield Token(kind, moment[number], *moment.span(number), 0, moment[number].upper())
            yield from _figures(text, moment.end(), end)
        elif _CODE.search(chunk[0]):
            yield Token("other", chunk[0], start, end)
        else:
            yield from _figures(text, start, end)


def _figures(text: str, start: int, end: int) -> Iterator[Token]:
    for found in _FIGURE.finditer(text, start, end):
        kind, said = str(found.lastgroup), found[0].lower()
        if kind == "word" and "-" in said and said.replace("-", " ") not in _lexicon():
            for part in re.finditer("[^-]+|-", said):
                span = found.start() + part.start(), found.start() + part.end()
                yield Token("dash" if part[0] == "-" else "word", part[0], *span)
        elif kind == "meridiem":
            yield Token(kind, said, *found.span(), 12 if said[0] == "p" else 0)
        elif kind in ("number", "ordinal"):
            yield Token(kind, said, *found.span(), _value(re.findall("[0-9.,]+", said)[0]))
        else:
            words = said.replace("-", " ") if kind == "word" else said
            yield Token(_MARKS.get(said, kind), words, *found.span(), name=said.upper())


def _value(digits: str) -> float:
    """1,440 is a thousand and more; 2,5 is two and a half, as in German."""
    thousands = re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+", digits)
    return float(digits.replace(",", "" if thousands else "."))


def _merged(raw: list[Token], position: int, text: str) -> tuple[Token, int]:
    """The token at this position with the words that belong to it, and how many they are."""
    first = raw[position]
    if first.kind != "word" and first.text != "am":
        return first, 1
    for count in range(min(_longest().get(first.text.split(" ")[0], 1), len(raw) - position), 0, -1):
        said = raw[position : position + count]
        if all(token.kind in ("word", "meridiem") for token in said):
            meaning = _lexicon().get(" ".join(token.text for token in said))
            if meaning:
                whisper = (
                    meaning[2].isupper()
                    and first.text not in _WHISPERED
                    and not text[first.start : first.end].isupper()
                )
                meaning = ("doubtful", 0, "") if whisper else meaning
                words = " ".join(token.text for token in said)
                return Token(meaning[0], words, first.start, said[-1].end, meaning[1], meaning[2]), count
    kind, value, name = _lexicon().get(first.text.removesuffix("ish"), ("", 0, ""))
    if kind in ("part", "weekday", "relative"):  # "tomorrow afternoonish"
        return replace(first, kind=kind, value=value, name=name), 1
    owner = _lexicon().get(first.text.removesuffix("'s"), ("", 0, ""))[0]
    timed = _DAY_OF_ITS_OWN.search(first.text) or owner in ("weekday", "month", "unit", "relative", "part", "holiday")
    return (first if first.kind == "meridiem" else replace(first, kind="doubtful" if timed else "other")), 1


_FIGURES = {"number", "clock", "dotted", "compact", "date", "ordinal"}


_NOTHING = Token("gap", "", -9, -9)


def _resolved(tokens: list[Token], position: int, text: str) -> Token:
    token = tokens[position]
    if token.kind == "other":
        return token
    before = tokens[position - 1] if position else _NOTHING
    after = tokens[position + 1] if position + 1 < len(tokens) else _NOTHING
    if token.kind in _FIGURES:
        stuck = (after.start == token.end and after.kind == "other" and after.text.isalnum()) or (
            before.end == token.start and before.kind not in ("month", "dash", "open", "dot", "at", "unit", "comma")
        )
        year = token.kind == "number" and re.fullmatch("[1-9][0-9]{3}", token.text)
        return replace(token, kind="other" if stuck else "year") if stuck or year else token
    if token.text == "am":
        return replace(token, kind=_meaning_of_am(before, tokens[position + 1 : position + 3]))
    if token.text == "morgen" and (before.kind in ("weekday", "this") or before.text in ("heute", "gestern")):
        return replace(token, kind="part", value=0, name="morning")
    if token.text == "second" and (before.kind in ("the", "month", "on") or after.kind == "of"):
        return replace(token, kind="ordinal", value=2)
    if len(token.text) == 2 and token.kind == "weekday":
        dated = after.kind in ("dot", "date", "clock", "ordinal", "number", "comma") or after.start < 0 > before.start
        led = before.kind == "on" or (text[token.start].isupper() and after.text in ("um", "früh", "abend", "mittag"))
        return token if led or dated else replace(token, kind="other")
    if token.text in ("sat", "sun", "wed") and before.start >= 0 and text[token.start].islower():
        led = before.kind in ("on", "next", "this", "at", "comma") or after.kind in ("comma", "dot")
        return token if led else replace(token, kind="doubtful")
    return token


def _meaning_of_am(before: Token, following: list[Token]) -> str:
    """English `9 am`, or German `am Montag`."""
    if before.kind not in ("number", "clock", "dotted", "compact", "oclock", "about"):
        return "on"
    kinds = [token.kind for token in following]
    word = following[0].text if following else ""
    german = kinds[:1] == ["weekday"] and (word.endswith(("tag", "woch", "abend")) or len(word) == 2)
    dated = (
        kinds[:1] in (["dotted"], ["ordinal"]) or kinds == ["number", "dot"] or (kinds[:1] == ["date"] and "." in word)
    )
    return "on" if german or dated else "meridiem"


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() if "/" in name}
