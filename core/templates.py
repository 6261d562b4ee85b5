"""An ask and its code as a template: the values they share are slots, which the words of a request can fill."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from core.errors import InvalidInput
from core.times import find_time, local_time

Literal = str | int | float | bool

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Seen from then every date is to come, so that words are found to tell a time whether or not it has passed."""
LONGEST = 4_000
TIME = "\x00"
"""Stands in a request for the words that tell a time."""

COURTESY = (
    r"(?:(?:please|pls|kindly|just|also|and|then|now|so|well|hey|hi|hello|ok|okay|stoa|assistant|quickly|could you|"
    r"can you|would you|will you|can i|could i|may i|i would like you to|i['’]?d like you to|i want you to|"
    r"i need you to|would you mind|do me a favou?r|let['’]?s|let us)\b[\s,!.:;]*)*"
)
THANKS = (
    r"(?:[\s,]*\b(?:please|pls|thanks|thank you|thx|for me|ok|okay|will you|would you|can you|could you|if you can|"
    r"right away|again))*[\s.!?…;]*"
)
ARTICLE = r"(?:(?:the|an?|my|our|this|that|some|all)\s+)?"
WORD = r"[\w'’-]+"
FILLING = {"to", "for", "me", "i", "please", "could", "can", "you", "would", "will"}
ARTICLES = {"the", "a", "an", "my", "our", "this", "that", "some", "all"}

SHORTENED = {"is": "s", "has": "s", "am": "m", "are": "re", "have": "ve", "will": "ll", "would": "d", "not": "n?['’]?t"}

ALIKE = [
    ["tasks", "task list", "tasks list", "to-?dos?", "to dos?", "to-? ?do list", "list of tasks", "list"],
    ["task", "to-? ?do", "item"],
    ["notes", "note ?book", "scratch ?pad"],
    ["reminders", "alarms", "timers"],
    ["reminder", "alarm", "timer", "nudge"],
    ["remind me", "ping me", "nudge me", "alert me", "notify me", "give me a (?:nudge|reminder|shout)", "tell me"],
    ["show", "show me", "list", "give me", "tell me", "display", "print", "read me", "read", "see"],
    ["add", "put", "append", "enter", "write", "place", "stick", "include"],
    ["to", "on", "onto", "in", "into"],
    ["cancel", "delete", "remove", "drop", "forget", "stop", "clear", "scrap", "call off", "turn off", "get rid of"],
    ["done", "finished", "completed?", "ticked off", "checked off", "over with"],
    ["mark", "set", "tick", "check", "flag"],
    ["find", "search", "search for", "look for", "look up"],
    ["open", "pending", "outstanding", "unfinished", "remaining", "left"],
    ["note", "jot", "write", "take"],
]
"""Words that ask for the same thing; the first of each group is the one to use in asks."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a request fills an ask: the slots' values, and the share of the request that the ask itself explains."""

    values: Mapping[str, Literal]
    explained: float
    problem: str = ""
    """Why what the request says cannot be meant, such as a date that does not exist."""


def slots(code: str) -> dict[str, Literal]:
    """The names that the code's first lines set to plain values, and these values."""
    return {name: node.value for name, node in _leading(ast.parse(code)) if isinstance(node.value, Literal)}


def fill(code: str, values: Mapping[str, Literal]) -> str:
    """The code with other values in its first lines. Nothing but these literals changes, whatever the values are."""
    lines = code.encode().splitlines(keepends=True)
    for name, node in _leading(ast.parse(code)):
        if name in values:
            row, start, end = node.lineno - 1, node.col_offset, node.end_col_offset
            lines[row] = lines[row][:start] + repr(values[name]).encode() + lines[row][end:]
    return b"".join(lines).decode()


def match(ask: str, code: str, request: str, now: datetime = LONG_AGO) -> Match | None:
    """How the request says what the ask says with other values; None if it does not."""
    given = _shared(ask, code)
    request = request.strip()
    if len(request) > LONGEST:
        return None
    timed = {name for name, value in given.items() if is_time(value)}
    if not timed:
        return _match(_pattern(ask, given, timed), given, request)
    try:
        said = _time_in(request, now)
    except InvalidInput as error:
        found = _match(_pattern(ask, given, set()), given, request)
        return found and Match(found.values, found.explained, str(error))
    if said is None:
        return None
    start, end = said
    found = _match(_pattern(ask, given, timed), given, request[:start] + TIME + request[end:])
    return found and Match({**found.values, **dict.fromkeys(timed, request[start:end])}, found.explained)


def is_time(value: Literal) -> bool:
    """Whether a slot's example value is a time to come, in words."""
    if not isinstance(value, str):
        return False
    try:
        return bool(local_time(value, LONG_AGO))
    except InvalidInput:
        return False


def recognise(ask: str, code: str, text: str, speaker: str, now: datetime = LONG_AGO) -> Match | None:
    """How a person's message or an agent's comment says what the ask says.

    An agent's comment without slots is of the ask's kind when it has the same words up to the colon, but for times.
    """
    if speaker == "owner" or _shared(ask, code):
        return match(ask, code, text, now)
    kind, colon, _ = ask.partition(": ")
    words = r"\S+".join(map(re.escape, re.split(r"\d{4}-\d\d-\d\dT\S+", kind)))
    return Match({}, 1) if _compiled(words + (": .*" if colon else "")).fullmatch(text) else None


def remainder(ask: str, code: str, request: str, now: datetime = LONG_AGO) -> Match | None:
    """How a request that words things in its own way fills the slots; None if that cannot be told.

    A time is looked for; one text may be what is left of the request without the ask's own words at its ends.
    """
    given = _shared(ask, code)
    timed = [name for name, value in given.items() if is_time(value)]
    texts = [name for name, value in given.items() if name not in timed and isinstance(value, str)]
    if len(timed) + len(texts) < len(given) or len(timed) > 1 or len(texts) > 1:
        return None
    values: dict[str, Literal] = {}
    if timed:
        try:
            said = _time_in(request, now)
        except InvalidInput as error:
            return Match({}, 0, str(error))
        if said is None:
            return None
        start, end = said
        values[timed[0]] = request[start:end]
        request = f"{request[:start].rstrip()} {request[end:].lstrip()}"
    if texts:
        for value in given.values():
            ask = ask.replace(str(value), " ")
        own = {*re.findall(WORD, ask.lower()), *ARTICLES, *FILLING}
        words = re.sub(f"{THANKS}$", "", request, flags=re.IGNORECASE).split()
        while words and words[0].strip(",.:;!?").lower() in own:
            words.pop(0)
        while words and words[-1].strip(",.:;!?").lower() in own:
            words.pop()
        if not words:
            return None
        values[texts[0]] = _clean(" ".join(words))
    return Match(values, 0)


def _shared(ask: str, code: str) -> dict[str, Literal]:
    """The slots whose value stands in the ask."""
    return {name: value for name, value in slots(code).items() if _position(str(value), ask) is not None}


def _time_in(text: str, now: datetime) -> tuple[int, int] | None:
    """Where in the text the words stand that tell a time."""
    found = find_time(text, now)
    return found and (found[1], found[2])


def _leading(tree: ast.Module) -> list[tuple[str, ast.Constant]]:
    found = []
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as constant):
                found.append((name, constant))
            case ast.Import() | ast.ImportFrom():
                continue
            case _:
                break
    return found


def _match(pattern: str, given: Mapping[str, Literal], request: str) -> Match | None:
    found = _compiled(pattern).fullmatch(request)
    if found is None:
        return None
    values: dict[str, Literal] = {}
    for name, text in found.groupdict().items():
        values[name] = _clean(text) if isinstance(given[name], str) else int(text)
        if values[name] == "":
            return None
    free = sum(len(text) for text in found.groups())
    return Match(values, 1 - free / max(len(request), 1))


@lru_cache(maxsize=2_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _clean(text: str) -> str:
    """The value without the quotes and commas that people put around one."""
    text = text.strip().strip(",;:").strip()
    if len(text) > 1 and text[0] + text[-1] in ('""', "''", "“”", "‘’", "``", "«»", "„“"):
        text = text[1:-1].strip()
    return text


def _pattern(ask: str, given: Mapping[str, Literal], timed: set[str]) -> str:
    """A regular expression for the ask, each slot's value in it a group, or a mark where a time was found."""
    places = sorted((at, name) for name, value in given.items() if (at := _position(str(value), ask)) is not None)
    pattern, end = "", 0
    for at, name in places:
        if at < end:  # the value lies inside another slot's value
            continue
        group = r"\d+" if isinstance(given[name], int) else r"\S.*?"
        slot = rf"\s*(?:(?:for|at|on|by)\s+)?{TIME}" if name in timed else rf"\s*(?P<{name}>{group})"
        pattern += _words(ask[end:at]) + slot
        end = at + len(str(given[name]))
    return rf"\s*{COURTESY}{pattern}{_words(ask[end:])}{THANKS}"


def _position(value: str, ask: str) -> int | None:
    """Where in the ask the value stands as whole words."""
    found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", ask)
    return found.start() if found else None


def _words(text: str) -> str:
    """A regular expression for the ask's own words, however they are spaced, shortened or replaced by like ones."""
    words = re.findall(WORD, text.lower())
    pattern = ""
    while words:
        for group in ALIKE:
            count = group[0].count(" ") + 1
            if " ".join(words[:count]) == group[0]:
                word = f"(?:{'|'.join(sorted(group, key=len, reverse=True))})"
                break
        else:
            count, word = 1, re.escape(words[0])
        short = SHORTENED.get(words[0])
        if short and count == 1:
            apart = "" if short.startswith("n") else "['’]?"
            pattern += rf"(?:[\s,:;-]*\b{word}\b|{apart}{short}\b)"
        elif words[0] in ARTICLES:
            pattern += rf"[\s,:;-]*{ARTICLE}"
        else:
            pattern += rf"[\s,:;-]*{ARTICLE}\b{word}\b"
        words = words[count:]
    return pattern + r"[,:;]*"
