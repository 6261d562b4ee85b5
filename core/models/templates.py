"""An ask and its code as a template: the values they share are slots, which the words of a request can fill."""

import ast
import builtins
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.resources import files

from core.errors import InvalidInput
from core.times.parsing import FoundTime, find_time, local_time
from core.times.repeating import FoundRecurrence, find_recurrence, read_recurrence

Literal = str | int | float | bool

LONGEST = 4_000
"""How many characters a request may have."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Seen from then every date is to come, so that words are found to tell a time whether or not it has passed."""
TIME = "\x00"
"""Stands in a request for the words that tell a time."""

LOOKING = frozenset({"search", "get", "history", "now", "local_time", "list_timers", "sleep"})

WORD = r"[\w'’-]+"
COURTESY = (
    r"(?:(?:please|pls|kindly|just|also|and|then|now|so|well|hey|hi|hello|ok|okay|stoa|assistant|quickly|could you|"
    r"can you|would you|will you|can i|could i|may i|i would like you to|i['’]?d like you to|i want you to|"
    r"i need you to|would you mind|do me a favou?r|let['’]?s|let us)\b[\s,!.:;]{0,20}){0,8}"
)
THANKS = (
    r"(?:[\s,]{0,20}\b(?:please|pls|thanks|thank you|thx|for me|ok|okay|will you|would you|can you|could you|"
    r"if you can|right away|again)){0,8}[\s.!?…;]{0,20}"
)
ARTICLES = frozenset({"the", "a", "an", "my", "our", "some"})
IDLE = r"(?:\b(?:the|an?|my|our|some|that|this|all|still|really|actually|currently|just|now|also|please)\s+){0,2}"
"""Words that may stand before any word of an ask without changing it."""
OWN = ARTICLES | {"to", "for", "me", "i", "please", "could", "can", "you", "would", "will"}

SHORTENED = {"is": "s", "has": "s", "am": "m", "are": "re", "have": "ve", "will": "ll", "would": "d", "not": "n?['’]?t"}


@dataclass(frozen=True, slots=True)
class Match:
    """A request fitted to an ask: the slots' values, and the share of the request that the ask itself explains."""

    values: Mapping[str, Literal]
    explained: float
    problem: str = ""
    """Why what the request says cannot be meant, such as a date that does not exist."""


@dataclass(frozen=True, slots=True)
class Template:
    """One ask with its slots, the values these have in it, and patterns for requests that say the same."""

    ask: str
    slots: Mapping[str, Literal]
    timed: frozenset[str]
    pattern: re.Pattern[str]
    """With a mark where a time is said."""
    plain: re.Pattern[str]
    """With any words where a time is said."""
    repeats: bool = False
    """What is said is what repeats, not a time."""


def slots(code: str) -> dict[str, Literal]:
    """The names that the code's first lines set to plain values, and these values."""
    return {name: node.value for name, node in _leading(code) if isinstance(node.value, Literal)}


def fill(code: str, values: Mapping[str, Literal]) -> str:
    """The code with other values in its first lines. Nothing but these literals changes, whatever the values are."""
    lines = code.encode().splitlines(keepends=True)
    for name, node in _leading(code):
        if name in values:
            row, start, end = node.lineno - 1, node.col_offset, node.end_col_offset
            lines[row] = lines[row][:start] + repr(values[name]).encode() + lines[row][end:]
    return b"".join(lines).decode()


def recognise(ask: str, code: str, text: str, speaker: str, now: datetime = LONG_AGO) -> Match | None:
    """Fits a person's message or an agent's comment to an ask with other values; None if it does not fit.

    An agent's comment without slots is of the ask's kind when it has the same words up to the colon, but for times.
    """
    if speaker != "agent" or template(ask, code).slots:
        return match(template(ask, code), text, now)
    kind, colon, _ = ask.partition(": ")
    words = r"\S+".join(map(re.escape, re.split(r"\d{4}-\d\d-\d\dT\S+", kind)))
    return Match({}, 1) if re.fullmatch(words + (": .*" if colon else ""), text, re.DOTALL) else None


@lru_cache(maxsize=1_000)
def acts(code: str) -> bool:
    """True if the code may change anything: whatever it calls that is not known to only look."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name not in LOOKING and name not in dir(builtins):
                return True
            case ast.Call(func=ast.Attribute(value=ast.Subscript(value=ast.Name(id="spaces")), attr=method)):
                if method not in LOOKING:
                    return True
    return False


@lru_cache(maxsize=4_000)
def template(ask: str, code: str) -> Template:
    """The ask as a template for the code."""
    given = {name: value for name, value in slots(code).items() if _position(str(value), ask) is not None}
    repeated = frozenset(name for name, value in given.items() if _is_recurrence(value))
    timed = repeated | frozenset(name for name, value in given.items() if _is_time(value))
    plain = _pattern(ask, given, frozenset())
    return Template(ask, given, timed, _pattern(ask, given, timed) if timed else plain, plain, bool(repeated))


def match(template: Template, request: str, now: datetime = LONG_AGO) -> Match | None:
    """Fits the request to the template word by word; None if it does not fit."""
    request = request.strip()
    if len(request) > LONGEST:
        return None
    if not template.timed:
        return _filled(template.pattern, template, request)
    try:
        said = _when_in(request, now, template.repeats)
    except InvalidInput as error:
        found = _filled(template.plain, template, request)
        return found and Match(found.values, found.explained, str(error))
    if said is None:
        return None
    found = _filled(template.pattern, template, request[: said.start] + TIME + request[said.end :])
    return found and Match({**found.values, **dict.fromkeys(template.timed, said.text)}, found.explained)


def remainder(template: Template, request: str, now: datetime = LONG_AGO) -> Match | None:
    """Fills the slots from a request that words things in its own way; None if that cannot be told.

    A time is looked for; one text may be what is left of the request without the ask's own words at its ends.
    """
    texts = [name for name, value in template.slots.items() if name not in template.timed and isinstance(value, str)]
    if len(template.timed) + len(texts) < len(template.slots) or len(template.timed) > 1 or len(texts) > 1:
        return None
    values: dict[str, Literal] = {}
    for name in template.timed:
        try:
            said = _when_in(request, now, template.repeats)
        except InvalidInput as error:
            return Match({}, 0, str(error))
        if said is None:
            return None
        values[name] = said.text
        request = f"{request[: said.start].rstrip()} {request[said.end :].lstrip()}"
    for name in texts:
        values[name] = _without_own_words(template, request)
    return Match(values, 0) if "" not in values.values() else None


@lru_cache(maxsize=1024)
def _leading(code: str) -> tuple[tuple[str, ast.Constant], ...]:
    """The literals that the code's first lines, imports aside, give names to."""
    found = []
    for statement in ast.parse(code).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as constant):
                found.append((name, constant))
            case ast.Import() | ast.ImportFrom():
                continue
            case _:
                break
    return tuple(found)


def _is_time(value: Literal) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return bool(local_time(value, LONG_AGO))
    except InvalidInput:
        return False


def _is_recurrence(value: Literal) -> bool:
    if not isinstance(value, str) or len(value) > 80:
        return False
    try:
        return bool(read_recurrence(value, LONG_AGO))
    except InvalidInput:
        return False


@lru_cache(maxsize=64)
def _when_in(text: str, now: datetime, repeats: bool) -> FoundTime | FoundRecurrence | None:
    """The words in the text that tell a time or what repeats, whichever is wanted; None where it is the other one.

    The tool that is given them knows how the owner writes dates.
    """
    repeated = find_recurrence(text, now, day_first=True)
    return repeated if repeats else None if repeated else find_time(text, now, day_first=True)


def _filled(pattern: re.Pattern[str], template: Template, request: str) -> Match | None:
    found = pattern.fullmatch(request)
    if found is None:
        return None
    values: dict[str, Literal] = {}
    for name, text in found.groupdict().items():
        values[name] = bare(text) if isinstance(template.slots[name], str) else int(text)
        if values[name] == "":
            return None
    free = sum(len(text) for text in found.groups())
    return Match(values, 1 - free / max(len(request), 1))


def _without_own_words(template: Template, request: str) -> str:
    ask = template.ask
    for value in template.slots.values():
        ask = ask.replace(str(value), " ")
    own = OWN.union(re.findall(WORD, ask.lower()))
    words = re.sub(f"{THANKS}$", "", request, flags=re.IGNORECASE).split()
    while words and words[0].strip(",.:;!?").lower() in own:
        words.pop(0)
    while words and words[-1].strip(",.:;!?").lower() in own:
        words.pop()
    return bare(" ".join(words))


def bare(text: str) -> str:
    """The value without the quotes and commas that people put around one."""
    text = text.strip().strip(",;:").strip()
    if len(text) > 1 and text[0] + text[-1] in ('""', "''", "“”", "‘’", "``", "«»", "„“"):
        text = text[1:-1].strip()
    return text


def _pattern(ask: str, given: Mapping[str, Literal], timed: frozenset[str]) -> re.Pattern[str]:
    """An expression for the ask, each slot's value in it a group, or for those in `timed` a mark."""
    places = sorted((at, name) for name, value in given.items() if (at := _position(str(value), ask)) is not None)
    pattern, end = "", 0
    for at, name in places:
        if at < end:  # the value lies inside another slot's value
            continue
        group = r"\d+" if isinstance(given[name], int) else r"\S.*?"
        wild = rf"\s{{0,20}}(?:\b(?:really|just|also|still|please)\s+)?(?P<{name}>{group})"
        slot = rf"\s{{0,20}}(?:\b(?:for|at|on|by)\s+)?{TIME}" if name in timed else wild
        pattern += _words(ask[end:at]) + slot
        end = at + len(str(given[name]))
    return re.compile(rf"\s*{COURTESY}{pattern}{_words(ask[end:])}{THANKS}", re.IGNORECASE | re.DOTALL)


def _position(value: str, ask: str) -> int | None:
    found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", ask)
    return found.start() if found else None


def _words(text: str) -> str:
    """An expression for the ask's own words, however they are spaced, shortened or replaced by like ones."""
    words = re.findall(WORD, text.lower())
    pattern = ""
    while words:
        count, word = _alike(words)
        first, words = words[0], words[count:]
        end = "" if words[:1] == ["not"] else r"\b"  # isn't, don't
        if first in ARTICLES:
            pattern += rf"[\s,:;-]{{0,20}}{IDLE}"
        elif short := SHORTENED.get(first, ""):
            apart = "" if first == "not" else "['’]?"
            pattern += rf"(?:[\s,:;-]{{0,20}}{IDLE}\b{word}{end}|{apart}{short}\b)"
        else:
            pattern += rf"[\s,:;-]{{0,20}}{IDLE}\b{word}{end}"
    return pattern + r"[,:;]{0,20}"


@cache
def alike() -> Sequence[Sequence[str]]:
    """Groups of words that ask for the same thing."""
    found: list[list[str]] = tomllib.loads((files("core.models") / "intents.toml").read_text("utf-8"))["alike"]
    return found


def _alike(words: list[str]) -> tuple[int, str]:
    for group in alike():
        count = group[0].count(" ") + 1
        if " ".join(words[:count]) == group[0]:
            return count, f"(?:{'|'.join(sorted(group, key=len, reverse=True))})"
    return 1, re.escape(words[0])
