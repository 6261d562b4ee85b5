"""Rules of the built-in model over a person's message, beyond the recipes; the first that fits wins."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from core.errors import InvalidInput
from core.models.llm import Message
from core.models.templates import COURTESY, THANKS, Literal, slots
from core.times.parsing import find_time, local_time
from core.times.repeating import find_recurrence, read_recurrence, repeats

NEEDS_MODEL = (
    "More than that needs a real model: set STOA_MODEL=provider/name and the provider's key, for example "
    "STOA_MODEL=ollama/qwen3 for one on your own machine."
)
MAX_REQUEST_CHARS = 500
"""A longer message is prose, in which words of a request ask for nothing."""
KINDS = (
    ("When should I remind you?", "ask when"),
    ("maybe = ", "ask whether to add"),
    ("Say yes to do it", "ask before deleting"),
    ("What should I add?", "ask what to add"),
    ("What should I note?", "ask what to note"),
    ("change wanted", "move"),
    ("reminder wanted", "remind"),
    ("Reminder: it is time to", "reminded"),
    ("cancel wanted", "cancel"),
    ('f"added', "add"),
    ('f"noted', "note"),
    ('f"done', "done"),
    ('f"reopened', "reopen"),
    ('f"no longer wanted', "drop"),
    ('f"thrown away', "drop note"),
)
"""What code did, by words in it that nothing else has."""
MISSPELT = (
    (r"\b(?:tmrw|tmr|tomorow|tommorow|tommorrow|2moro|2morrow)\b", "tomorrow"),
    (r"\b(?:mintues?|minuets?|minuites?)\b", "minutes"),
    (r"(?<=\s)@\s*(?=\d)", "at "),
    (r"^((?:pls |please )?remind me) 2 ", r"\1 to "),
    (r"\bpls\b", "please"),
)
VERBS = ("remind", "remember", "cancel", "delete", "show", "erinnere", "lösche", "notiere")
REMIND = (
    r"(?:remind me|ping me|nudge me|set (?:me )?an? (?:reminder|alarm|timer)|do ?n[o'’]?t let me forget"
    r"|erinner[e]? mich)"
)
NOTE = (
    r"(?:(?:please )?(?:note(?: down| to self)?(?: that|:)|remember that|write down(?: that|:)"
    r"|notier[e]?:?|merk[e]? dir:?))\s+"
)
LIST = r"(?:my |the |meine |die )?(?P<where>[\w-]+(?: [\w-]+)?)(?:[ -]?list|[- ]?liste)"
TASKS = r"(?:(?:my |the |meine |die )(?:tasks?|task list|to-?do(?: list)?|to-?dos|list|aufgaben|liste))"
ADD = rf"(?:add|put|setz[e]?|schreib[e]?|pack[e]?)\s+(?P<what>.+?)\s+(?:to|on|onto|in|into|auf|zu)\s+(?:{TASKS}|{LIST})"
MINE = frozenset({"task", "tasks", "to-do", "todo", "my", "the", "to do", "aufgaben"})
ANSWERS = {"yes": True, "y": True, "yep": True, "yeah": True, "sure": True, "do it": True, "ok": True, "ja": True}
ANSWERS |= {"yes please": True, "go ahead": True, "okay": True, "jo": True, "mach das": True, "klar": True}
ANSWERS |= {"no": False, "n": False, "nope": False, "nein": False, "no thanks": False, "don't": False, "stop": False}
BEGIN = r"(?:remind|ping|add|put|note|remember|cancel|delete|mark|show|list|set|erinner|notier|setz|lösch)"


@dataclass(frozen=True, slots=True)
class Plan:
    """The programs that do what is asked, by title with their values; or words to answer with."""

    programs: tuple[tuple[str, Mapping[str, Literal]], ...] = ()
    prose: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done, or asked, in an earlier turn."""

    kind: str = ""
    values: Mapping[str, Literal] = field(default_factory=dict)

    @property
    def what(self) -> str:
        return str(self.values.get("what", ""))


@dataclass(frozen=True, slots=True)
class Scene:
    """A message, and what it is said after."""

    text: str
    now: datetime
    last: Deed
    several: Sequence[Deed] = ()


def memory(messages: Sequence[Message]) -> list[Deed]:
    """The deeds of the last reply that did something."""
    for message in reversed(messages):
        if message.role == "assistant" and not message.example:
            found = [_deed(code) for code in re.findall(r"```python\n(.*?)```", message.text, re.DOTALL)]
            if any(deed.kind for deed in found):
                return [deed for deed in found if deed.kind]
    return []


def _deed(code: str) -> Deed:
    try:
        values = slots(re.sub(r"^change = .*\n", "", code))
    except SyntaxError:
        return Deed()
    return Deed(kind_of(code), values)


def kind_of(code: str) -> str:
    """The kind of deed the code does, as far as it can be undone."""
    return next((kind for words, kind in KINDS if words in code), "")


def planned(text: str, now: datetime, deeds: Sequence[Deed]) -> Plan | None:
    """The plan for a message by one of the rules here; None where the recipes may know more."""
    text = spelled(text)
    if len(text) > MAX_REQUEST_CHARS:
        return _note(Scene(text, now, Deed()))
    bare = re.sub(THANKS + "$", "", re.sub("^" + COURTESY, "", text, flags=re.IGNORECASE), flags=re.IGNORECASE).strip()
    for rule, said in (*((rule, text) for rule in BEFORE), *((rule, bare) for rule in RULES)):
        if said and (plan := rule(Scene(said, now, deeds[-1] if deeds else Deed(), deeds))):
            return plan
    return None


def guessed(text: str) -> Plan | None:
    """A plan for a message that nothing else understands: something to look up, or to add."""
    if not re.search(r"\w{3}", text):
        return None
    bare = re.sub(THANKS + "$", "", text, flags=re.IGNORECASE).strip(" ?")
    asking = r"(?:what|who|when|where|which|how|do you|is|are|was|were|did|tell me|any|wer|wo|wann|was|wie|welche)\b"
    if re.match(asking, bare, re.IGNORECASE) or text.rstrip().endswith("?"):
        idle = r"^(?:(?:what|who|when|where|which|how|do|does|did|is|are|was|were|you|know|tell|me|there|anything|any|"
        idle += r"about|the|my|a|an|'s|wer|wo|wann|wie|ist|sind|mein[e]?|der|die|das)\b[\s’']*s?\s*)+"
        what = re.sub(idle, "", bare, flags=re.IGNORECASE).strip() or bare
        return Plan((("Find", {"what": what}),))
    if need := re.fullmatch(r"(?:we need|need|wir brauchen|ich brauche)\s+(?P<what>.{1,80})", bare, re.IGNORECASE):
        return Plan((("Ask whether to add", {"maybe": need["what"]}),))
    if len(bare.split()) <= 2 and re.search(r"\w{4}", bare) and not re.search(r"[.!]", bare):
        return Plan((("Ask whether to add", {"maybe": bare}),))
    return None


def reminder(text: str, now: datetime) -> Plan | None:
    """A reminder with its time anywhere in the sentence, for what the recipes do not read."""
    verb = re.match(rf"{COURTESY}{REMIND}\s+", text, re.IGNORECASE)
    return _reminder(text[verb.end() :], now) if verb else None


def looked_up(text: str) -> Plan | None:
    """A question about the world, not about what somebody said: it is looked up, and needs a model beyond that."""
    asking = re.match(r"(?:what|who|where|when)(?:['’]?s| is| are| was| were)\b", text, re.IGNORECASE)
    personal = r"\b(?:my|our|i|we|me|said)\b|['’]s \w+['’]?s?\b(?<!what's)"
    return guessed(text) if asking and not re.search(personal, text[6:], re.IGNORECASE) else None


def spelled(text: str) -> str:
    """The message with its commonest misspellings mended."""
    for pattern, right in MISSPELT:
        text = re.sub(pattern, right, text, flags=re.IGNORECASE)
    first = re.match(r"(?:please |hey |stoa,? )*(\w{5,10})\b", text, re.IGNORECASE)
    if first is None or not re.match(r"\s+(?:me|the|my|all|mich|that|dir)\b", text[first.end() :]):
        return text
    near = get_close_matches(first[1].lower(), VERBS, 1, 0.8)
    return text[: first.start(1)] + near[0] + text[first.end() :] if near else text


# Answers to its own questions, and what goes back to the last thing done.


def _answered(scene: Scene) -> Plan | None:
    answer = ANSWERS.get(scene.text.lower().strip(" .!,"))
    kind, what = scene.last.kind, scene.last.what
    if kind == "ask when" and (when := _whole_time(scene.text, scene.now)):
        return Plan((("Set a reminder", {"when": when, "what": what}),))
    if kind in {"ask what to add", "ask what to note"} and not re.match(BEGIN, scene.text, re.IGNORECASE):
        return _adding(scene.text) if kind == "ask what to add" else Plan((("Note", {"what": scene.text}),))
    if answer is None or kind not in {"ask whether to add", "ask before deleting"}:
        return None
    if not answer:
        return Plan(prose="All right, I left everything as it is.")
    if kind == "ask whether to add":
        return Plan((("Add tasks", {"what": scene.last.values.get("maybe", "")}),))
    which = scene.last.values.get("which", "")
    return Plan((("Cancel all reminders", {}) if which == "timers" else ("Delete all of a kind", {"which": which}),))


def _undone(scene: Scene) -> Plan | None:
    if not re.fullmatch(
        r"(?:undo(?: (?:that|it|this|the last one))?|take (?:that|it) back|revert(?: that)?|(?:mach das )?rückgängig"
        r"|(?:cancel|delete|remove|drop|lösch[e]?) (?:it|that|that one|das|die))",
        scene.text.rstrip(".! "),
        re.IGNORECASE,
    ):
        return None
    back = {
        "add": "Delete the last tasks",
        "note": "Delete the last note",
        "done": "Open a task again",
        "reopen": "Mark a task done",
        "remind": "Cancel one reminder",
        "move": "Take a change of a reminder back",
        "cancel": "Take a change of a reminder back",
    }
    programs = [(back[deed.kind], {"what": deed.what}) for deed in scene.several if deed.kind in back and deed.what]
    if programs:
        return Plan(tuple(programs))
    if scene.last.kind == "drop":
        return Plan((("Add tasks", {"what": scene.last.what}),))
    return Plan(prose="I can't undo that. Say what I should do instead.")


def _changed(scene: Scene) -> Plan | None:
    """ "make it 10", "no, Thursday", "I meant oat milk": the last thing with another value."""
    said = re.fullmatch(
        r"(?:no,? (?:i meant |make it )?|i meant |actually,? |make (?:it|that) |(?:change|move) (?:it|that) to "
        r"|nein,? |doch lieber |lieber |besser |mach )(?P<new>.+?)(?: instead| daraus)?",
        scene.text.rstrip(".! "),
        re.IGNORECASE,
    )
    if said is None or not scene.last.kind:
        return None
    new, kind = said["new"], scene.last.kind
    when = _whole_time(new, scene.now) or _whole_time(f"at {new}", scene.now)
    if kind in {"remind", "move"} and when:
        if re.fullmatch(r"(?:at |um )?\d{1,2}(?:[:.]\d\d)?(?: ?[ap]m)?", new, re.IGNORECASE) and kind == "remind":
            when = _same_day(str(scene.last.values.get("when", "")), when, scene.now)
        return Plan((("Move a reminder", {"what": scene.last.what, "when": when}),))
    if kind == "add":
        drop = ("Delete the last tasks", {"what": scene.last.what})
        if when and _whole_time(new, scene.now):
            return Plan((drop, ("Add tasks", {**scene.last.values, "when": new})))
        return Plan((drop, ("Add tasks", {"what": new})))
    if kind == "note":
        return Plan((("Delete the last note", {"what": scene.last.what}), ("Note", {"what": new})))
    return None


def _same_day(old: str, new: str, now: datetime) -> str:
    """The new clock time on the day of the old time, where that is to come."""
    try:
        day, clock = local_time(old, now), local_time(new, now)
    except InvalidInput:
        return new
    moment = day.replace(hour=clock.hour, minute=clock.minute, second=0)
    if day.hour >= 12 > moment.hour and not re.search(r"am\b|:", new):
        moment += timedelta(hours=12)
    return moment.isoformat(timespec="seconds") if moment > now else new


def _continued(scene: Scene) -> Plan | None:
    said = re.fullmatch(
        r"(?:and(?: also)?|also|plus|und(?: auch)?|auch|oh,? and)\s+(?P<new>.+)", scene.text, re.IGNORECASE
    )
    if said is None or re.match(BEGIN, said["new"], re.IGNORECASE):
        return None
    if scene.last.kind == "add":
        return Plan((("Add tasks", {**scene.last.values, "what": "\n".join(_items(said["new"]))}),))
    if scene.last.kind == "note":
        return Plan((("Note", {"what": said["new"]}),))
    if scene.last.kind == "remind":
        return _reminder(said["new"], scene.now, str(scene.last.values.get("when", "")))
    return None


def _done_with_it(scene: Scene) -> Plan | None:
    pattern = (
        r"(?:(?:i['’]?m |it['’]?s |that['’]?s |all )?done(?: with (?:it|that))?|mark (?:it|that)(?: as)? done|finished|"
    )
    if not re.fullmatch(pattern + r"i did (?:it|that)|erledigt|fertig)", scene.text.rstrip(".! "), re.IGNORECASE):
        return None
    if scene.last.kind in {"add", "reopen"} and "\n" not in scene.last.what:
        return Plan((("Mark a task done", {"what": scene.last.what}),))
    if scene.last.kind == "reminded":
        return Plan((("Take the last reminder as done", {}),))
    return Plan(prose="Which task is done? Say for example: buy milk is done.")


# Things to note, to add, to be reminded of.


def _note(scene: Scene) -> Plan | None:
    """All that follows is the note, whatever words are in it."""
    if said := re.match(NOTE, scene.text, re.IGNORECASE):
        what = re.sub(r"(?<=[^.])\.$", "", scene.text[said.end() :].strip())
        return Plan((("Note", {"what": what}),)) if what else None
    parked = (
        r"(?:[Ii] (?:have )?parked|[Mm]y [\w ]+ (?:number|code|password|address|name|birthday|size) is"
        r"|[A-Z]\w+['’]s [\w ]+ is) .*\S"
    )
    if re.fullmatch(parked, scene.text.strip()):
        return Plan((("Note", {"what": scene.text.strip()}),))
    return None


def _added(scene: Scene) -> Plan | None:
    """Lists, named lists and due dates; one plain task is a recipe's."""
    if said := re.fullmatch(r"(?:add|new|neue) (?:tasks|aufgaben)\s*:?\s+(?P<what>.+)", scene.text, re.IGNORECASE):
        return _adding(said["what"]) if re.search(r"[,;\n]", said["what"]) else None
    if said := re.fullmatch(
        r"(?:todo|task|aufgabe|add task|neue aufgabe)\s*:\s*(?P<what>.+)", scene.text, re.IGNORECASE
    ):
        return Plan((("Add tasks", {"what": said["what"]}),))
    if said := re.fullmatch(r"(?:ich muss(?: noch)?)\s+(?P<what>.+)", scene.text, re.IGNORECASE):
        return Plan((("Add tasks", {"what": said["what"].rstrip(".!")}),))
    if (
        said := re.fullmatch(
            r"add (?P<what>.+?) to my tasks(?:,)? (?:due|by|for|until) (?P<when>.+)", scene.text, re.IGNORECASE
        )
    ) and (when := _whole_time(said["when"], scene.now)):
        return Plan((("Add tasks", {"what": said["what"], "when": when}),))
    said = re.fullmatch(ADD + r"[.!]?", scene.text, re.IGNORECASE)
    if said is None or re.match(r"(?:an? )?(?:note|reminder|task)\s", said["what"], re.IGNORECASE):
        return None
    where = (said["where"] or "").lower()
    where = "" if where in MINE or where.split(" ")[0] in {"task", "to"} else where
    items, what = _items(said["what"], bool(where)), said["what"]
    due = re.fullmatch(r"(?P<what>.+?),? (?:due|by|until|bis) (?P<when>.+)", what, re.IGNORECASE)
    if due and (when := _whole_time(due["when"], scene.now)):
        return Plan((("Add tasks", {"what": due["what"], "when": when, "where": where}),))
    german = scene.text[:1].lower() in "s" or scene.text.lower().startswith(("pack", "schreib"))
    odd = re.search(r"\b(?:blocked by|depends on|(?:is|are) (?:done|urgent|important|finished)|reminder|note)\b", what)
    if len(items) > 1 or where or german or odd:
        return Plan((("Add tasks", {"what": "\n".join(items), "where": where}),))
    return None


def _adding(text: str) -> Plan:
    return Plan((("Add tasks", {"what": "\n".join(_items(text))}),))


def _items(text: str, listed: bool = False) -> list[str]:
    """The things in a list: "eggs, butter and flour"; "and" alone parts short things on a named list only."""
    quoted = re.fullmatch(r"[\"“„'`](.+)[\"”“'`]", text.strip())
    if quoted:
        return [quoted[1]]
    splits = r"[,\n]|;\s"
    short = listed and re.fullmatch(r"[\w'’-]+(?: [\w'’-]+)?(?: (?:and|und|&) [\w'’-]+(?: [\w'’-]+)?)+", text)
    if re.search(splits, text) or short:
        parts = re.split(rf"\s*(?:(?:{splits})\s*(?:(?:and|und)\s+)?|\s(?:and|und|&)\s)\s*", text)
        found = [part.strip(" .!") for part in parts]
        if all(re.match(r"\w", part) and len(part.split()) <= 6 for part in found):
            return found
    return [text.strip(" .!")]


def _reminder(rest: str, now: datetime, inherited: str = "") -> Plan | None:
    """A reminder from the words after the verb; its time may be that of the request before."""
    try:
        repeated = find_recurrence(rest, now)
        found = repeated or find_time(rest, now)
    except InvalidInput:
        return None
    when = found.text if found else inherited
    what = (rest[: found.start] + " " + rest[found.end :]) if found else rest
    what = re.sub(r"\s+", " ", re.sub(r"^[\s,:]*(?:(?:to|at|on|in|for|an|zu|daran,?)\s+)*", "", what.strip())).strip(
        " .,!"
    )
    title = "Set a repeating reminder" if repeated else "Set a reminder"
    return Plan(((title, {"when": when, "what": what}),)) if when and what else None


def _german_reminder(scene: Scene) -> Plan | None:
    if said := re.fullmatch(
        r"(?:erinner[e]? mich|weck[e]? mich)\s+(?P<rest>.+)", scene.text.rstrip(".!"), re.IGNORECASE
    ):
        if scene.text.lower().startswith("weck"):
            when = _whole_time(said["rest"], scene.now)
            return Plan((("Set a reminder", {"when": when, "what": "that the time has come"}),)) if when else None
        plan = _reminder(said["rest"], scene.now)
        if plan:
            return plan
        what = re.sub(r"^(?:daran,?|an|dass)\s+", "", said["rest"])
        return Plan(prose=f"Wann soll ich dich erinnern? Zum Beispiel: erinnere mich morgen um 9 an {what}.")
    return None


def _of_it(scene: Scene) -> Plan | None:
    """ "remind me of it tomorrow", "remind me about this in an hour"."""
    said = re.fullmatch(
        rf"{REMIND} (?:(?:of|about|an) (?:it|that|this|das)\s+(?P<a>.+)|(?P<b>.+?) (?:of|about|an|wieder an) "
        r"(?:it|that|this|das))",
        scene.text.rstrip(".! "),
        re.I,
    )
    when = _whole_time(said["a"] or said["b"], scene.now) if said else ""
    return Plan((("Remind of this", {"when": when, "known": scene.last.what}),)) if when else None


def _after_reminder(scene: Scene) -> Plan | None:
    """Answers to a reminder that has just come: "push it to Friday", "in 10 minutes", "what was in it?", "done"."""
    text = scene.text.rstrip("?.! ")
    if re.fullmatch(r"what(?: was|['’]s| is) (?:in it|it about|that about)|worum ging es(?: da)?", text, re.IGNORECASE):
        return Plan((("Say what the last reminder was about", {}),))
    put_off = re.fullmatch(
        r"(?:push|move|put|postpone|reschedule|shift|verschieb\w*|schieb\w*)\s+(?:it|that|this|das|es)\s+"
        r"(?:off |back )?(?:to|until|till|auf|bis)\s+(?P<when>.+)",
        text,
        re.IGNORECASE,
    ) or re.fullmatch(
        r"(?:snooze(?: (?:it|that))?|(?:remind me )?later|remind me again|not now|später)\s*,?\s*(?:for|by|um)?\s*"
        r"(?P<when>.+)",
        text,
        re.IGNORECASE,
    )
    if put_off is None:
        return None
    said = put_off["when"]
    when = _whole_time(said, scene.now) or _whole_time(f"in {said}", scene.now)
    if when and scene.last.kind not in {"remind", "move"}:
        return Plan((("Put the last reminder off", {"when": when}),))
    return None


def _several(scene: Scene) -> Plan | None:
    if not re.match(BEGIN, scene.text, re.IGNORECASE) or len(scene.text) > 300:
        return None
    parts = re.split(
        rf"\s*(?:[,;.]\s+|\s)(?:and |then |also |und )+(?={BEGIN}\b|to \w|in \d|at \d)|[;.]\s+(?={BEGIN}\b)",
        scene.text,
        flags=re.I,
    )
    if len(parts) < 2:
        return None
    programs: list[tuple[str, Mapping[str, Literal]]] = []
    verb = re.match(REMIND, scene.text, re.IGNORECASE)
    for part in parts:
        rest = re.match(REMIND, part, re.IGNORECASE)
        if rest or (verb and not re.match(BEGIN, part, re.IGNORECASE)):
            inherited = str(programs[-1][1].get("when", "")) if programs and not rest else ""
            plan = _reminder(part[rest.end() :] if rest else part, scene.now, inherited)
        else:
            plan = next(filter(None, (rule(Scene(part, scene.now, Deed())) for rule in SINGLE)), None)
        if plan is None or not plan.programs:
            return None
        programs += plan.programs
    return Plan(tuple(programs))


def _one_task(scene: Scene) -> Plan | None:
    if said := re.fullmatch(rf"(?:add|put) (?P<what>.+?) (?:to|on) {TASKS}[.!]?", scene.text, re.IGNORECASE):
        return Plan((("Add tasks", {"what": said["what"]}),))
    if said := re.fullmatch(r"mark (?P<what>.+?) (?:as )?done[.!]?", scene.text, re.IGNORECASE):
        return Plan((("Mark a task done", {"what": said["what"]}),))
    if said := re.fullmatch(
        r"(?:cancel|delete) (?:the|my) reminder (?:to|about|for|of) (?P<what>.+)", scene.text, re.IGNORECASE
    ):
        return Plan((("Cancel one reminder", {"what": said["what"]}),))
    return None


# Reminders to move, things to delete.


def _moved(scene: Scene) -> Plan | None:
    reminder = r"(?:the |my |die |den )?(?:reminder (?:to |about |for |of )?)?(?P<what>.+?)(?: reminder| one)?"
    said = re.fullmatch(
        rf"(?:move|change|reschedule|shift|verschieb[e]?)\s+{reminder}\s+(?:to|until|auf)\s+(?P<when>.+)",
        scene.text,
        re.I,
    )
    if said and (
        when := _whole_time(said["when"], scene.now, repeating=True) or _whole_time(f"at {said['when']}", scene.now)
    ):
        what = scene.last.what if said["what"] in {"it", "that"} else said["what"]
        return Plan((("Move a reminder", {"what": what, "when": when}),))
    said = re.fullmatch(
        rf"(?:snooze|postpone|delay|push(?: back)?|put off)\s+{reminder}\s+(?:by|for)\s+"
        r"(?P<n>\d+|an?|one|two) (?P<unit>min\w*|hours?|days?)",
        scene.text,
        re.IGNORECASE,
    )
    if said and said["what"] not in {"it", "that"}:
        count = {"a": 1, "an": 1, "one": 1, "two": 2}.get(said["n"].lower()) or int(said["n"])
        minutes = count * {"m": 1, "h": 60, "d": 1440}[said["unit"][0].lower()]
        return Plan((("Put a reminder off", {"what": said["what"], "minutes": minutes}),))
    if said := re.fullmatch(r"(?:cancel|delete|remove) the (?P<what>[\w' -]+?) one", scene.text, re.IGNORECASE):
        return Plan((("Cancel one reminder", {"what": said["what"]}),))
    if re.fullmatch(r"(?:cancel|delete|remove) (?:the|my) reminder", scene.text.rstrip(".!"), re.IGNORECASE):
        if scene.last.kind == "remind":
            return Plan((("Cancel one reminder", {"what": scene.last.what}),))
        return Plan(prose="Which reminder? Say for example: cancel the reminder to call Ana.")
    return None


def _all_deleted(scene: Scene) -> Plan | None:
    said = re.fullmatch(
        r"(?:cancel|delete|clear|remove|drop|forget|erase|wipe|lösch[e]?)\s+"
        r"(?:(?:all|every|alle|everything|alles)\b\s*)?(?:of )?"
        r"(?:my |the |meine |die )?(?:done |open )?"
        r"(?P<which>tasks?|to-?dos?|notes?|reminders?|timers|alarms"
        r"|aufgaben|notizen|erinnerungen|everything|all|alles)",
        scene.text.rstrip(".!"),
        re.IGNORECASE,
    )
    if said is None or (
        said["which"].lower() in {"task", "note", "reminder"}
        and " all " not in scene.text
        and "every" not in scene.text
    ):
        return None
    which = said["which"].lower()
    if which in {"everything", "all", "alles"}:
        return Plan(prose="Delete all of what: your tasks, your notes or your reminders?")
    kind = "notes" if which[:3] == "not" else "tasks" if which[:2] in {"ta", "to", "au"} else "timers"
    return Plan((("Ask before deleting all", {"which": kind}),))


# Questions about what there is, and about time.


def _due(scene: Scene) -> Plan | None:
    asks = r"(?:what(?:['’]s| is| are)?|was|show|list|anything|is anything|which)\b.*?"
    asks += r"\b(?P<verb>due|fällig|finish\w*|d(?:id i|one)|get done|erledigt)\b.*?"
    said = re.fullmatch(
        asks + r"(?P<span>today|tomorrow|(?:this|next|last) week|yesterday|heute|morgen|(?:diese|nächste) woche)\W*",
        scene.text,
        re.I,
    )
    plans = r"what do i have(?: to do)? (?:on )?(?P<span>tomorrow|(?:this|next) week)\W*"
    plans += r"|was habe ich (?P<tag>morgen) vor\W*"
    if said is None and (plan := re.fullmatch(plans, scene.text, re.IGNORECASE)):
        return _due(Scene(f"what is due {plan['span'] or plan['tag']}", scene.now, scene.last))
    if said is None:
        return None
    first, last = _span(said["span"].lower(), scene.now.date())
    done = said["verb"].lower() not in {"due", "fällig"}
    values = {"first": first.isoformat(), "last": last.isoformat(), "said": said["span"].lower()}
    return Plan((("Say what was done" if done else "Show what is due", values),))


def _span(said: str, today: date) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday())
    weeks = {"this week": 0, "diese woche": 0, "next week": 1, "nächste woche": 1, "last week": -1}
    if said in weeks:
        start = monday + timedelta(weeks=weeks[said])
        return start, start + timedelta(days=6)
    day = today + timedelta(days={"today": 0, "heute": 0, "yesterday": -1}.get(said, 1))
    return day, day


def _state_of_task(scene: Scene) -> Plan | None:
    if said := re.fullmatch(
        r"(?:is|was|ist) (?P<what>.+?) (?:done|finished|erledigt|fertig)(?: yet)?\?*", scene.text, re.IGNORECASE
    ):
        return Plan((("Say whether a task is done", {"what": said["what"]}),))
    return None


def _done_task(scene: Scene) -> Plan | None:
    if said := re.fullmatch(
        r"(?P<what>.{2,80}?) (?:ist )?(?:erledigt|fertig|abgehakt)[.!]?", scene.text, re.IGNORECASE
    ):
        return Plan((("Mark a task done", {"what": said["what"]}),))
    return None


def _shown(scene: Scene) -> Plan | None:
    text = scene.text.rstrip("?.! ")
    if re.fullmatch(
        r"(?:zeig[e]? (?:mir )?)?(?:was sind )?(?:meine|die) aufgaben|was (?:muss ich|steht) .*(?:tun|an|liste)",
        text,
        re.I,
    ):
        return Plan((("Show the tasks", {}),))
    said = re.fullmatch(
        rf"(?:(?:show|read|zeig[e]?)(?: me| mir)? |what(?:['’]s| is) (?:on|in) |was ist auf )?{LIST}",
        text,
        re.IGNORECASE,
    )
    if said and said["where"].lower() not in MINE and not said["where"].lower().startswith(("my", "the", "to", "task")):
        return Plan((("Show a list", {"where": said["where"].lower().removeprefix("meiner ").removeprefix("der ")}),))
    return None


def _clock(scene: Scene) -> Plan | None:
    text = scene.text.rstrip("?.! ")
    if said := re.fullmatch(
        r"(?:what(?:['’]s| is) the time|what time is it|wie spät ist es) in (?P<city>[\w .-]{2,40})",
        text,
        re.IGNORECASE,
    ):
        if zone := zones().get(said["city"].lower().replace(" ", "_")):
            return Plan(
                prose=f"In {said['city'].title()} it is {scene.now.astimezone(ZoneInfo(zone)):%H:%M on %A, %d %B}."
            )
        return Plan(prose=f"I don't know the time zone of {said['city']}.")
    if re.fullmatch(
        r"wie spät ist es|wie viel uhr ist es|welcher tag ist heute|welches datum ist heute", text, re.IGNORECASE
    ):
        return Plan(prose=f"Es ist {scene.now:%H:%M} am {scene.now:%d.%m.%Y}.")
    said = re.fullmatch(
        r"(?:what(?:['’]s| is) the date|what date is|what day is|which day is)(?: it)? (?P<when>.+)",
        text,
        re.IGNORECASE,
    )
    if said and said["when"] not in {"today", "it"} and (day := _day(said["when"], scene.now)):
        return Plan(prose=f"That is {day:%A, %d %B %Y}.")
    if (
        said := re.fullmatch(
            r"(?:how many|how long) (?:days )?(?:are there )?(?:until|till|to) (?P<when>.+)", text, re.IGNORECASE
        )
    ) and (day := _day(said["when"], scene.now)):
        count = (day.date() - scene.now.date()).days
        return Plan(prose=f"{count} day{'s' * (count != 1)}, until {day:%A, %d %B %Y}.")
    return None


@cache
def zones() -> Mapping[str, str]:
    """Time zones by the city they are named for."""
    return {name.rpartition("/")[2].lower(): name for name in sorted(available_timezones())}


def _day(text: str, now: datetime) -> datetime | None:
    for said in (text, f"on {text}", {"christmas": "25 December", "new year": "1 January"}.get(text.lower(), text)):
        try:
            return local_time(said, now)
        except InvalidInput:
            continue
    return None


def _whole_time(text: str, now: datetime, repeating: bool = False) -> str:
    text = text.strip(" .!")
    try:
        if repeating and repeats(text):
            read_recurrence(text, now)
        else:
            local_time(text, now)
    except InvalidInput:
        return ""
    return text


def _small_talk(scene: Scene) -> Plan | None:
    text = re.sub(r"^(?:hey|hi|hello|hallo|ok|well|so)?,? ?(?:stoa),? +", "", scene.text.strip(), flags=re.IGNORECASE)
    text = text.strip(" .!?,;:)…\n")
    if len(text) > 200:
        return None
    return next((Plan(prose=answer) for pattern, answer in said() if pattern.fullmatch(text)), None)


@cache
def said() -> list[tuple[re.Pattern[str], str]]:
    table = tomllib.loads((files("core.models") / "smalltalk.toml").read_text("utf-8"))["said"]
    return [(re.compile(each["like"], re.IGNORECASE), each["answer"]) for each in table]


Rule = Callable[[Scene], Plan | None]
SINGLE: tuple[Rule, ...] = (_note, _added, _one_task)
BEFORE: tuple[Rule, ...] = (_answered, _note, _small_talk, _continued, _changed)
"""Rules for the message as it was written, with what opens it."""
RULES: tuple[Rule, ...] = (
    *(_undone, _done_with_it, _all_deleted, _several, _of_it, _after_reminder, _moved, _german_reminder, _added),
    *(_due, _state_of_task, _done_task, _shown, _clock),
)
