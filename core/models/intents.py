"""Requests beyond the recipes, from the table intents.toml: the first row that fits a person's message is done."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from core.errors import InvalidInput
from core.models.llm import Message
from core.models.templates import COURTESY, THANKS, Literal, bare, slots
from core.times.parsing import find_time, local_time
from core.times.repeating import find_recurrence, read_recurrence, repeats

MAX_REQUEST_CHARS = 500
"""A longer message is prose, in which words of a request ask for nothing."""
MAX_TALK_CHARS = 200
Values = Mapping[str, Literal]


@dataclass(frozen=True, slots=True)
class Plan:
    """The programs that do what is asked, by title with their values; or words to answer with."""

    programs: tuple[tuple[str, Values], ...] = ()
    prose: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done, or asked, in an earlier turn."""

    kind: str = ""
    values: Values = field(default_factory=dict)

    @property
    def what(self) -> str:
        return str(self.values.get("what", ""))


@dataclass(frozen=True, slots=True)
class Scene:
    """A message, and what it is said after."""

    text: str
    now: datetime
    deeds: Sequence[Deed] = ()

    @property
    def last(self) -> Deed:
        return self.deeds[-1] if self.deeds else Deed()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    like: tuple[re.Pattern[str], ...]
    does: str = ""
    says: str = ""
    after: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    whole: bool = False
    talk: bool = False
    late: bool = False
    undo: bool = False
    given: Values = field(default_factory=dict)


@cache
def table() -> Mapping[str, Any]:
    return tomllib.loads((files("core.models") / "intents.toml").read_text("utf-8"))


@cache
def rows() -> tuple[Row, ...]:
    words = table()["words"]
    for name in words:  # a pattern may hold others that stand above it
        words[name] = _put_in(words[name], words)
    return tuple(
        Row(
            like=tuple(re.compile(_put_in(like, words), re.IGNORECASE) for like in row["like"]),
            after=tuple(row.get("after", ())),
            unless=tuple(row.get("unless", ())),
            given=row.get("with", {}),
            **{name: row[name] for name in ("does", "says", "whole", "talk", "late", "undo") if name in row},
        )
        for row in table()["request"]
    )


def _put_in(text: str, words: Mapping[str, object]) -> str:
    """The text with each {name} replaced, other braces left alone."""
    return re.sub(r"\{([a-z]\w*)\}", lambda name: str(words.get(name[1], name[0])), text)


def memory(messages: Sequence[Message]) -> list[Deed]:
    """The deeds of the last reply that did something."""
    for message in reversed(messages):
        if message.role == "assistant" and not message.example:
            codes = re.findall(r"```python\n(.*?)```", message.text, re.DOTALL)
            found = [Deed(kind, _slots(code)) for code in codes if (kind := kind_of(code))]
            if found:
                return found
    return []


def _slots(code: str) -> Values:
    try:
        return slots(re.sub(r"^change = .*\n", "", code))
    except SyntaxError:
        return {}


def kind_of(code: str) -> str:
    """The kind of deed the code does, as far as it can be undone."""
    return next((kind for kind, words in table()["kinds"].items() if words in code), "")


def spelled(text: str) -> str:
    """The message with its commonest misspellings mended."""
    for pattern, right in table()["misspelt"]:
        text = re.sub(pattern, right, text, flags=re.IGNORECASE)
    first = re.match(r"(?:please |hey |stoa,? )*(\w{5,10})\b", text, re.IGNORECASE)
    if first is None or not re.match(r"\s+(?:me|the|my|all|mich|that|dir)\b", text[first.end() :]):
        return text
    near = get_close_matches(first[1].lower(), table()["verbs"], 1, 0.8)
    return text[: first.start(1)] + near[0] + text[first.end() :] if near else text


def planned(text: str, now: datetime, deeds: Sequence[Deed] = (), *, late: bool = False) -> Plan | None:
    """The plan of the first row that fits; None where the recipes may know more. `late`: where they do not."""
    text = spelled(text).strip()
    request = re.sub(
        THANKS + "$", "", re.sub("^" + COURTESY, "", text, flags=re.IGNORECASE), flags=re.IGNORECASE
    ).strip()
    talk = re.sub(r"^(?:hey|hi|hello|hallo|ok|well|so)?,? ?(?:stoa),? +", "", text, flags=re.IGNORECASE)
    talk = talk.strip(" .!?,;:)…\n")
    for row in (row for row in rows() if row.late == late):
        said = text if row.whole else talk if row.talk else request.rstrip("?!. ")
        long = MAX_TALK_CHARS if row.talk else MAX_REQUEST_CHARS
        if said and (len(said) <= long or row.does == "Note") and _in_place(row, deeds):
            plan = _fitted(row, Scene(said, now, deeds))
            if plan:
                return plan
    return None


def _in_place(row: Row, deeds: Sequence[Deed]) -> bool:
    kind = deeds[-1].kind if deeds else ""
    return (not row.after or kind in row.after) and kind not in row.unless


def _fitted(row: Row, scene: Scene) -> Plan | None:
    for like in row.like:
        found = like.fullmatch(scene.text)
        values = found and _read(found.groupdict(), scene)
        if values is not None:
            return _plan(row, values, scene)
    return None


def _read(groups: Mapping[str, str | None], scene: Scene) -> dict[str, Literal] | None:
    """The values of the groups; None if one cannot be read."""
    values: dict[str, Literal] = {}
    for name, text in groups.items():
        if text is not None:
            listed = name == "items" and bool(groups.get("where"))
            read = READERS[name](text.strip(), scene) if not listed else {"what": "\n".join(items(text, listed))}
            if read is None:
                return None
            values |= read
    return values


def _plan(row: Row, values: dict[str, Literal], scene: Scene) -> Plan | None:
    last = {"last": scene.last.what, **scene.last.values}
    values = {**{name: _put_in(str(value), last) for name, value in row.given.items()}, **values}
    if row.does in RULES:
        return RULES[row.does](scene)
    if row.says:
        return Plan(prose=_put_in(row.says, {**table()["words"], "now": f"{scene.now:%H:%M, %A %d %B %Y}", **values}))
    values = {name: "" if str(value).startswith("{") else value for name, value in values.items()}
    if row.does.endswith("of a kind") and values.get("which") == "timers":
        return Plan((("Cancel all reminders", {}),))
    undone = _undone(scene).programs if row.undo else ()
    return Plan((*undone, _set(values) if row.does == "Set a reminder" else (row.does, values)))


def _set(values: Values) -> tuple[str, Values]:
    repeating = repeats(str(values["when"]))
    return ("Set a repeating reminder" if repeating else "Set a reminder"), values


# Readers: what a group of a pattern is read as; None where it cannot be.


def _whole_time(text: str, scene: Scene) -> str:
    for said in (text.strip(" .!"), f"at {text.strip(' .!')}"):
        try:
            local_time(said, scene.now)
        except InvalidInput:
            continue
        return said
    return ""


def _when(text: str, scene: Scene) -> Values | None:
    when = _whole_time(text, scene)
    return {"when": when} if when else None


def _whenever(text: str, scene: Scene) -> Values | None:
    try:
        return {"when": text} if repeats(text) and read_recurrence(text, scene.now) else _when(text, scene)
    except InvalidInput:
        return None


def items(text: str, listed: bool = False) -> list[str]:
    """The things in a list: "eggs, butter and flour"; "and" alone parts short things on a named list only."""
    text = text.strip()
    if bare(text) != text:
        return [bare(text)]
    splits = r"[,\n]|;\s"
    short = listed and re.fullmatch(r"[\w'’-]+(?: [\w'’-]+)?(?: (?:and|und|&) [\w'’-]+(?: [\w'’-]+)?)+", text)
    if re.search(splits, text) or short:
        parts = re.split(rf"\s*(?:(?:{splits})\s*(?:(?:and|und)\s+)?|\s(?:and|und|&)\s)\s*", text)
        found = [part.strip(" .!") for part in parts]
        if all(re.match(r"\w", part) and len(part.split()) <= 6 for part in found):
            return found
    return [text.strip(" .!")]


def _reminder(rest: str, scene: Scene, inherited: str = "") -> Values | None:
    """A reminder from the words after the verb; its time may be that of the request before."""
    try:
        found = find_recurrence(rest, scene.now) or find_time(rest, scene.now)
    except InvalidInput:
        return None
    when = found.text if found else inherited
    what = f"{rest[: found.start]} {rest[found.end :]}" if found else rest
    what = re.sub(r"^[\s,:]*(?:(?:bitte|please),?\s+)*(?:(?:to|at|on|in|for|an|ans|zu|daran,?|dass)\s+)*", "", what)
    what = re.sub(r"\s+", " ", what).strip(" .,!")
    what = re.sub(r"(?<=\w) (?:erinnern|an)$", "", what)
    return {"when": when, "what": what} if when and what else None


def _wake(text: str, scene: Scene) -> Values | None:
    try:
        found = find_time(f"wake {text}", scene.now)
    except InvalidInput:
        return None
    return {"when": found.text} if found and found.end - found.start >= len(text.strip(" .!")) else None


def _moved(text: str, scene: Scene) -> Values | None:
    """A new time of the last reminder: a clock time alone is on the day it was set for."""
    when = _whole_time(text, scene)
    if not when or not re.fullmatch(r"(?:at |um )?\d{1,2}(?:[:.]\d\d)?(?: ?[ap]m)?", text, re.IGNORECASE):
        return {"when": when} if when else None
    try:
        day, clock = local_time(str(scene.last.values.get("when", "")), scene.now), local_time(when, scene.now)
    except InvalidInput:
        return {"when": when}
    told = re.search(r"m\b|\b0|\b1[3-9]|\b2", text, re.IGNORECASE)  # an hour without am or pm stays in its half
    hour = clock.hour if told or (clock.hour >= 12) == (day.hour >= 12) else (clock.hour + 12) % 24
    moment = day.replace(hour=hour, minute=clock.minute, second=0)
    return {"when": moment.isoformat(timespec="seconds") if moment > scene.now else when}


def _minutes(text: str, scene: Scene) -> Values:
    number, unit = text.lower().split(" ")
    count = {"two": 2, "zwei": 2}.get(number) or (int(number) if number.isdigit() else 1)
    return {"minutes": count * {"m": 1, "h": 60, "s": 60}.get(unit[0], 1440)}


def _span(text: str, scene: Scene) -> Values:
    said, today = text.lower(), scene.now.date()
    monday = today - timedelta(days=today.weekday())
    weeks = {"this": 0, "diese": 0, "next": 7, "nächste": 7, "last": -7, "letzte": -7}
    days = {"today": 0, "heute": 0, "yesterday": -1, "gestern": -1}
    week = said.endswith(("week", "woche"))
    first = monday + timedelta(weeks[said.split()[0]]) if week else today + timedelta(days.get(said, 1))
    last = first + timedelta(days=6 if week else 0)
    return {"first": first.isoformat(), "last": last.isoformat(), "said": said}


def _day(text: str, scene: Scene) -> Values | None:
    named = {"christmas": "25 December", "weihnachten": "25 December", "new year": "1 January"}.get(text.lower(), text)
    try:
        day: date = local_time(_whole_time(named, scene) or f"on {named}", scene.now).date()
    except InvalidInput:
        return None
    count = (day - scene.now.date()).days
    return {"day": f"{day:%A, %d %B %Y}", "days": f"{count} day{'s' * (count != 1)}"}


@cache
def zones() -> Mapping[str, str]:
    """Time zones by the city they are named for."""
    return {name.rpartition("/")[2].lower(): name for name in sorted(available_timezones())}


def _city(text: str, scene: Scene) -> Values | None:
    zone = zones().get(text.lower().replace(" ", "_"))
    return (
        {"city": text.title(), "clock": f"{scene.now.astimezone(ZoneInfo(zone)):%H:%M on %A, %d %B}"} if zone else None
    )


def _where(text: str, _: Scene) -> Values:
    mine = text.lower() in table()["mine"] or text.lower().split(" ")[0] in ("task", "to")
    return {"where": "" if mine else text.lower()}


def _note(text: str, _: Scene) -> Values:
    return {"what": re.sub(r"(?<=[^.])\.$", "", text)}


def _which(text: str, _: Scene) -> Values:
    kinds = {"no": "notes", "ta": "tasks", "to": "tasks", "au": "tasks"}
    return {"which": kinds.get(text[:2].lower(), "timers")}


READERS: Mapping[str, Callable[[str, Scene], Values | None]] = {
    "what": lambda text, _: {"what": bare(text)},
    "maybe": lambda text, _: {"maybe": text},
    "it": lambda text, scene: {"what": scene.last.what if text.lower() in ("it", "that", "es") else text},
    "items": lambda text, _: {"what": "\n".join(items(text))},
    "asked": lambda text, _: {"what": re.sub(table()["asking"], "", text, flags=re.IGNORECASE).strip(" ?") or text},
    "named": lambda text, scene: ((found := _where(text, scene))["where"] and found) or None,
    "rest": _reminder,
    "further": lambda text, scene: _reminder(text, scene, str(scene.last.values.get("when", ""))),
    "several": lambda text, _: {},
    "later": lambda text, scene: _when(text, scene) or _when(f"in {text}", scene),
    "whenever": _whenever,
    **{"wake": _wake, "note": _note, "when": _when, "moved": _moved, "minutes": _minutes, "span": _span, "day": _day},
    **{"city": _city, "where": _where, "which": _which},
}


# Rules: what no single program does.


def _undone(scene: Scene) -> Plan:
    """Undoes what the last reply did, the last of it first."""
    back = table()["undone"]
    programs = [
        (back[deed.kind], {"what": deed.what}) for deed in reversed(scene.deeds) if deed.kind in back and deed.what
    ]
    return Plan(tuple(programs)) if programs else Plan(prose="I can't undo that. Say what I should do instead.")


def _several(scene: Scene) -> Plan | None:
    """Several requests in one message, each of which is understood."""
    words, flags = table()["words"], re.IGNORECASE
    begin, verb = words["begin"], re.match(words["remind"], scene.text, flags)
    joint = rf"\s*(?:[,;.]\s+|\s)(?:and |then |also |und |dann )+(?={begin}\b|to \w|in \d|at \d)|[;.\n]\s*(?={begin}\b)"
    parts = re.split(joint, scene.text, flags=flags)
    programs: list[tuple[str, Values]] = []
    for part in parts if len(parts) > 1 else ():
        rest = re.match(words["remind"], part, flags)
        if rest or (verb and not re.match(begin, part, flags)):
            inherited = str(programs[-1][1].get("when", "")) if programs and not rest else ""
            values = _reminder(part[rest.end() :] if rest else part, scene, inherited)
            plan = Plan((_set(values),)) if values else None
        else:
            plan = planned(part, scene.now)
        if plan is None or not plan.programs:
            return None
        programs += plan.programs
    return Plan(tuple(programs)) if programs else None


RULES: Mapping[str, Callable[[Scene], Plan | None]] = {"undo": _undone, "several": _several}
