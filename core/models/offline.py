"""The built-in model: it does what the nearest example in its messages does, with the request's own values."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from core.atoms.atoms import Origin
from core.models.embeddings import Embedder, nearest
from core.models.frames import Framed, parse_changes, parse_now, parse_output
from core.models.german import in_german, is_german
from core.models.intents import Deed, Plan, kind_of, memory, planned, spelled
from core.models.llm import Message, Usage
from core.models.recipes import Speaker, asked, parse
from core.models.templates import COURTESY, LONG_AGO, LONGEST, Match, acts, fill, recognise, remainder, slots, template

ALIKE_ENOUGH = 0.62
"""The cosine from which a request that fits no ask word by word is taken to mean the same, where code only looks."""
SURELY_ALIKE = 0.72
"""The same where the code acts, or where the words of the request fit another ask, though loosely."""
LOOSE = 0.5
"""Below this an ask explains so little of a request that only its form is the same ("what is ...")."""
SHOWN = 3
ERROR_NAME = re.compile(r"^[\w.]*(?:Error|Exception|Denied|Unavailable|Found|Input|Conflict)\b:? *")
REQUEST = (
    r"(?:remind me\s+\S|note that\s+\S|(?:add|put)\s.*\S\s(?:to|on|onto|in|into) my (?:tasks|task list|to-?do list)\b|"
    r"cancel (?:the|my|all) (?:my )?reminders?\b|(?:show|list) (?:me )?my (?:tasks|task list|reminders|notes)\b)"
)
"""Words that plainly ask for something of their own, wherever in a message they begin."""
BEGUN = re.compile(COURTESY + REQUEST, re.IGNORECASE)
ANOTHER = re.compile(
    rf"(?:[,;.!]+\s|\n|\s(?:and|then|also)\s)\s*(?:(?:and|then|also|please)\s+)*(?P<second>{REQUEST})", re.IGNORECASE
)
WORLDLY = re.compile(r"(?:what|who|where|when)(?:['’]?s| is| are| was| were)\b", re.IGNORECASE)
PERSONAL = re.compile(r"\b(?:my|our|i|we|me|said)\b|['’]s \w+['’]?s?\b(?<!what's)", re.IGNORECASE)
"""Marks of a question about the world, and of one about what somebody said."""
SHORT = 300
"""Characters up to which a message is looked at for a second request; a longer one is prose, where such words ask for
nothing."""
NEEDS_MODEL = (
    "More than that needs a real model: set STOA_MODEL=provider/name and the provider's key, for example "
    "STOA_MODEL=ollama/qwen3 for one on your own machine."
)
HOME_SPACE = "chat"
"""Where the owner is alone with the assistant, whose spaces the rules of `intents` act on; hosts have none of these."""
INTRODUCTION = (
    "I am Stoa's built-in offline model: I follow recipes and understand simple requests only. To connect a real one, "
    "set STOA_MODEL=provider/name and the provider's key, for example STOA_MODEL=anthropic/claude-sonnet-4-5 with "
    "ANTHROPIC_API_KEY, or STOA_MODEL=ollama/qwen3 for one on your own machine."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An example turn found in the messages: who asks with which words, and the code that does it."""

    speaker: Speaker
    ask: str
    code: str


class OfflineLLM:
    """A model like any other: it sees the messages and nothing else, and the same messages have the same reply."""

    name = "offline"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        async for piece in self._said(messages):
            yield piece
        yield Usage(self.name)

    async def _said(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        real = [message for message in messages if not message.example]
        turn = _turn(real)
        if not turn:
            return
        outputs = [output for message in turn if (output := parse_output(message.text))]
        said = [_answer(printed, error) for printed, error in outputs]
        now = parse_now(turn[0].text) or LONG_AGO
        programs: list[str] = []
        for framed in parse_changes(turn[-1].text):
            code, prose = await self._respond(framed, _examples(messages), now, memory(real))
            if code:
                programs.append(code if framed.n == 0 else f"change = changes[{framed.n}]\n{code}")
            elif prose:
                said.append(prose)
        if programs:
            programs += [f"print({prose!r})" for prose in said[len(outputs) :]]
            yield "\n\n".join(f"```python\n{code.rstrip()}\n```" for code in programs)
            return
        answer = "\n\n".join(filter(None, said))
        if answer and _person_speaks(turn) and not _introduced(real):
            answer += f"\n\n{INTRODUCTION}"
        if answer:
            yield in_german(answer) if is_german(_said_by_people(real)) else answer

    async def _respond(
        self, framed: Framed, examples: Sequence[Shown], now: datetime, deeds: Sequence[Deed]
    ) -> tuple[str, str]:
        speaker, text = asked(framed)
        if framed.operation == "deprecate" or (speaker == "guest" and all(one.speaker != speaker for one in examples)):
            return "", ""  # text from outside is only answered where a convention says how
        if len(text) > LONGEST:
            prose = f"That is more than the {LONGEST:,} characters I can follow without a real model. It is kept."
            return "", "" if speaker == "agent" else prose
        if speaker != "agent" and framed.files and text.startswith("Sent "):  # without a word of the person's own
            count = framed.files.count("; ") + 1
            kept = f"your {count} files" if count > 3 else text.removeprefix("Sent ")
            return "", f"I have kept {kept}, and search finds what is written there."
        known = [example for example in examples if example.speaker == speaker]
        home = speaker == "owner" and framed.space == HOME_SPACE and bool(known)
        if home and (plan := planned(text, now, deeds)):
            taught = _recognised(known, text, now) if len(plan.programs) == 1 else None
            return (fill(taught[0].code, taught[1].values), "") if taught and _same(plan, taught) else _code(plan)
        text = spelled(text)
        if speaker == "owner" and (apart := _apart(known, text, now)):
            return "", apart
        found = _recognised(known, text, now)
        if speaker != "agent":
            found = await self._alike(known, text, now, found)
        if home and (plan := _better(found, text, now)):
            return _code(plan)
        if found is None:
            return "", "" if speaker == "agent" else _unknown(known)
        example, match = found
        if match.problem:
            return "", f"I could not do that: {_sentence(match.problem)}"
        return fill(example.code, match.values), ""

    async def _alike(
        self, examples: Sequence[Shown], text: str, now: datetime, found: tuple[Shown, Match] | None
    ) -> tuple[Shown, Match] | None:
        if (found and (found[1].explained >= LOOSE or acts(found[0].code))) or not re.search(r"\w", text):
            return found
        for position, cosine in await nearest(self._embedder, text, [example.ask for example in examples], 3):
            example = examples[position]
            asked_for = template(example.ask, example.code)
            acting = acts(example.code)
            enough = SURELY_ALIKE if acting or found else ALIKE_ENOUGH
            fit = not found if asked_for.slots else not acting
            match = remainder(asked_for, text, now) if fit else None
            if match and cosine >= enough:
                return example, match
        return found


@cache
def programs() -> Mapping[str, str]:
    """The code of what only this model does, by title."""
    recipes = parse((files("core.models") / "offline.md").read_text("utf-8")).recipes
    return {recipe.title: recipe.code for recipe in recipes}


def _same(plan: Plan, taught: tuple[Shown, Match]) -> bool:
    """True if a convention's recipe does what the plan's one program does, with the same values."""
    title, values = plan.programs[0]
    told = {name: value for name, value in values.items() if value}
    return told == taught[1].values and kind_of(programs()[title]) == kind_of(taught[0].code) != ""


def _better(found: tuple[Shown, Match] | None, text: str, now: datetime) -> Plan | None:
    """A plan that knows more than what the recipes found: nothing, a question back, or nothing to be found."""
    asks_back = found is not None and "When should I remind you?" in found[0].code
    finds = found is not None and "I found nothing about that" in found[0].code
    if not (found is None or asks_back or (finds and WORLDLY.match(text) and not PERSONAL.search(text[6:]))):
        return None
    plan = planned(text, now, late=True)
    does = plan.programs[0][0] if plan and plan.programs else ""
    return plan if found is None or does == ("Find" if finds else "Set a reminder") else None


def _code(plan: Plan) -> tuple[str, str]:
    return "\n```\n\n```python\n".join(
        fill(programs()[title], values).rstrip() for title, values in plan.programs
    ), plan.prose


def _turn(real: Sequence[Message]) -> list[Message]:
    """The user messages of the running turn: what changed, then what each step's code printed."""
    turn: list[Message] = []
    for message in reversed(real):
        if message.role == "user":
            turn.insert(0, message)
            if parse_output(message.text) is None:
                break
    return turn


def _examples(messages: Sequence[Message]) -> list[Shown]:
    shown = []
    example = [message for message in messages if message.example]
    for ask, answer in zip(example[::2], example[1::2], strict=False):
        framed = parse_changes(ask.text)
        code = re.search(r"```python\n(.*?)```", answer.text, re.DOTALL)
        if framed and code:
            speaker, _ = asked(framed[0])
            shown.append(Shown(speaker, framed[0].comment if speaker == "agent" else framed[0].content, code[1]))
    return shown


def _recognised(examples: Sequence[Shown], text: str, now: datetime) -> tuple[Shown, Match] | None:
    """The example that says the same with other values; of several the one that explains most of the text."""
    found = [(e, match) for e in examples if (match := recognise(e.ask, e.code, text, e.speaker, now))]
    return max(found, key=lambda pair: pair[1].explained, default=None)


def _apart(examples: Sequence[Shown], text: str, now: datetime) -> str:
    found = ANOTHER.search(text) if len(text) <= SHORT else None
    if found is None:
        return ""
    first = text[: found.start()].strip()
    alone = _recognised(examples, first, now)
    if not BEGUN.match(first) and not (alone and acts(alone[0].code)):
        return ""
    second = text[found.start("second") :].strip()
    return f"I take one request a message, so I have done nothing yet. Send me one of these:\n- {first}\n- {second}"


def _answer(printed: str, error: str | None) -> str:
    if error is None:
        return printed.strip()
    lines = [line.strip() for line in error.strip().splitlines() if line.strip()]
    reason = ERROR_NAME.sub("", lines[-1]) if lines else ""
    return f"{printed.strip()}\n\nI could not do that: {_sentence(reason or 'the code failed')}".strip()


def _sentence(reason: str) -> str:
    return reason if reason[-1:] in ".!?" else f"{reason}."


def _unknown(examples: Sequence[Shown]) -> str:
    telling = [example.ask for example in examples if slots(example.code) and _does(example.code)][:SHOWN]
    asks = "".join(f"\n- {ask}" for ask in telling)
    return "I did not understand that. Say “help” to see what you can ask for" + (
        f", or try:{asks}\n{NEEDS_MODEL}" if asks else f". {NEEDS_MODEL}"
    )


def _does(code: str) -> bool:
    """True if the code acts or looks, rather than only asking back for what was left out."""
    return acts(code) or "spaces[" in code


def _person_speaks(turn: Sequence[Message]) -> bool:
    return any(framed.origin == Origin.OWNER for message in turn for framed in parse_changes(message.text))


def _said_by_people(real: Sequence[Message]) -> list[str]:
    changes = [framed for message in real if message.role == "user" for framed in parse_changes(message.text)]
    return [framed.content for framed in changes if framed.origin != Origin.AGENT]


def _introduced(real: Sequence[Message]) -> bool:
    known = (INTRODUCTION, in_german(INTRODUCTION))
    return any(message.role == "assistant" and message.text.endswith(known) for message in real)
