"""Retrieval: the share of questions for which a search finds a piece of evidence, by kind of question.

Reads LoCoMo's published file (CC BY-NC, so it is measured and never kept here), and the questions that ship.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from benchmarks.stages import Stage
from core.atoms.atoms import OWNER, Atom
from core.house import House
from core.spaces.spaces import Space

TUNED_CONVERSATIONS = 5
"""The weights were chosen on so many, the first; the others are reported."""
UNANSWERABLE = 5
"""The category of questions that have no evidence."""
CATEGORIES = {1: "several turns", 2: "time", 3: "inference", 4: "one turn"}
GOALS = {"@5": 0.65, "@10": 0.76, "session @5": 0.88}
WAYS = ("both", "meaning", "words")
YARDSTICK = Path(__file__).with_name("yardstick.txt")
NAMES = (
    *("Adele", "Boris", "Carmen", "Dieter", "Esther", "Frida", "Gustavo", "Hannes", "Ivana", "Jolanta", "Kenji"),
    *("Lorena", "Milan", "Nadia", "Oscar", "Paula", "Quentin", "Ronja", "Silvio", "Teresa"),
)
OTHERS = (
    ("mails", "{name} asks whether the meeting on {day} May could begin an hour earlier."),
    ("mails", "Invoice {number} of {name} and Sons is paid."),
    ("tasks", "Call {name} about the keys of the office."),
    ("chat", "{name} thinks that the garden needs more roses."),
    ("findings", "{name} compared two kinds of paint and found no difference, see ticket OPS-{number}."),
    ("notes", "The oven of {name} takes ten minutes longer than ours."),
    ("chat", "{name} brings bread and cheese on Sunday."),
    ("tasks", "Remind {name} of the library books by {day} June."),
    ("mails", "Photos of the trip with {name} are attached."),
    ("notes", "{name} has the second key of the bicycle shed."),
    ("mails", "{name} schickt die Rechnung {number} erst nächste Woche."),
    ("tasks", "Mit {name} über die Miete der Garage sprechen."),
    ("chat", "{name} kommt am {day}. Juli mit dem Zug."),
    ("notes", "{name} wohnt jetzt im zweiten Stock."),
    ("findings", "Der Lieferant von {name} ist im Winter oft zu spät."),
    ("tasks", "Das Paket {number} für {name} abholen."),
    ("chat", "{name} trinkt den Tee lieber ohne Zucker."),
    ("mails", "{name} pregunta por la reunión del {day} de mayo."),
    ("tasks", "Llamar a {name} por las entradas del teatro."),
    ("notes", "El coche de {name} está en el taller."),
    ("chat", "A {name} le gusta el café muy fuerte."),
    ("findings", "La tienda de {name} cierra en agosto, pedido {number}."),
)
"""What is kept beside the answers, to be mistaken for them."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its kind, and the keys of the atoms that answer it."""

    text: str
    kind: str
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns in their order, each with a key that begins with its session, and questions about them."""

    turns: Sequence[tuple[str, str]]
    questions: Sequence[Question]


async def retrieval(stage: Stage, path: Path | None = None) -> list[Row]:
    """With a path the conversations of that file on which nothing was tuned, else the questions that ship."""
    return await _locomo(stage, path) if path else await _yardstick(stage)


async def _yardstick(stage: Stage) -> list[Row]:
    lines = [line for line in YARDSTICK.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    asked = [tuple(part.strip() for part in line.split("|")) for line in lines]
    scores: dict[tuple[str, str], list[tuple[bool, bool, bool]]] = defaultdict(list)
    async with stage.house() as house:
        evidence = await put_yardstick(house, asked)
        for _, (kind, _, _, question) in zip(stage.track(asked, "questions", len(asked)), asked, strict=True):
            for way in WAYS:
                found = [atom.id for atom in await house.spaces.search(OWNER, question, by=way, limit=10)]
                wanted = evidence[question]
                scores[way, kind].append((wanted in found[:5], wanted in found, found[:1] == [wanted]))
    return list(_yardstick_rows(scores))


async def put_yardstick(house: House, asked: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Put what the questions ask for among what resembles it; returns the id of the answer to each question."""
    others = list(_others())
    apart = max(1, len(others) // len(asked))
    spaces = {name: await house.spaces.create(name) for name in sorted({space for _, space, *_ in asked})}
    found = {}
    for _, space, kept, question in asked:
        for text in kept.split(">>"):
            found[question] = (await spaces[space].put(text.strip())).id
        for name, text in [others.pop() for _ in range(min(apart, len(others)))]:
            await spaces[name].put(text)
    await house.spaces.embed_waiting(list(spaces))
    return found


def _others() -> Iterator[tuple[str, str]]:
    for n, (name, (space, text)) in enumerate(itertools.product(NAMES, OTHERS)):
        yield space, text.format(name=name, number=3_000 + 17 * n, day=1 + n % 28)


def _yardstick_rows(scores: dict[tuple[str, str], list[tuple[bool, bool, bool]]]) -> Iterator[Row]:
    for way in WAYS:
        every = [score for (by, _), some in scores.items() if by == way for score in some]
        share = sum(score[0] for score in every) / len(every)
        yield Row(f"questions, by={way}: @5", share, "", None, 0.85 if way == "both" else None, most=False)
        yield Row(f"questions, by={way}: @1", sum(score[2] for score in every) / len(every), "")
        for (by, kind), some in sorted(scores.items()):
            if by == way:
                yield Row(f"questions, by={way}, {kind}: @5", sum(score[0] for score in some) / len(some), "")


async def _locomo(stage: Stage, path: Path) -> list[Row]:
    scores: dict[tuple[str, str], list[tuple[bool, bool, bool]]] = defaultdict(list)
    held_out = read_locomo(path)[TUNED_CONVERSATIONS:]
    async with stage.house() as house:
        for number, conversation in enumerate(stage.track(held_out, "conversations", len(held_out))):
            space = await house.spaces.create(f"conversation-{number}")
            keys = await _put(house, space, conversation)
            for question in conversation.questions:
                for way in WAYS:
                    found = await space.search(question.text, by=way, limit=10)
                    scores[way, question.kind].append(_score(question, [keys[atom.id] for atom in found]))
    return list(_rows(scores))


def read_locomo(path: Path) -> list[Conversation]:
    return [_conversation(one) for one in json.loads(path.read_text("utf-8"))]


async def _put(house: House, space: Space, conversation: Conversation) -> dict[str, str]:
    atoms = list[tuple[Atom, str]]()
    for key, text in conversation.turns:  # one after the other: their order is part of what they say
        atoms.append((await space.put(text), key))
    await house.spaces.embed_waiting([space.id])
    return {atom.id: key for atom, key in atoms}


def _conversation(told: dict[str, Any]) -> Conversation:
    sessions = [name for name, turns in told["conversation"].items() if isinstance(turns, list)]
    sessions.sort(key=lambda name: int(name.removeprefix("session_")))
    turns = [turn for name in sessions for turn in told["conversation"][name]]
    questions = [
        Question(one["question"], CATEGORIES[one["category"]], frozenset(_keys(one["evidence"])))
        for one in told["qa"]
        if one["evidence"] and one["category"] != UNANSWERABLE
    ]
    return Conversation([(turn["dia_id"], f"{turn['speaker']}: {turn['text']}") for turn in turns], questions)


def _keys(evidence: Sequence[str]) -> Iterator[str]:
    for one in evidence:
        yield from one.replace(";", " ").split()


def _score(question: Question, found: Sequence[str]) -> tuple[bool, bool, bool]:
    sessions = {key.partition(":")[0] for key in question.evidence}
    in_session = any(key.partition(":")[0] in sessions for key in found[:5])
    return bool(question.evidence & set(found[:5])), bool(question.evidence & set(found)), in_session


def _rows(scores: dict[tuple[str, str], list[tuple[bool, bool, bool]]]) -> Iterator[Row]:
    for way in WAYS:
        every = [score for (by, _), some in scores.items() if by == way for score in some]
        for n, (measure, goal) in enumerate(GOALS.items()):
            share = sum(score[n] for score in every) / len(every)
            yield Row(f"LoCoMo, by={way}: {measure}", share, "", None, goal if way == "both" else None, most=False)
        for (by, kind), some in sorted(scores.items()):
            if by == way:
                yield Row(f"LoCoMo, by={way}, {kind}: @5", sum(score[0] for score in some) / len(some), "")
