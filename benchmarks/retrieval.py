"""Retrieval: the share of questions for which a search finds a piece of evidence, by kind of question.

Reads LoCoMo's published file (CC BY-NC, so it is measured and never kept here), and the questions that ship.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from benchmarks.stages import Stage
from core.atoms.atoms import Atom
from core.house import House
from core.spaces.spaces import Space

TUNED_CONVERSATIONS = 5
"""The weights were chosen on so many, the first; the others are reported."""
UNANSWERABLE = 5
"""The category of questions that have no evidence."""
CATEGORIES = {1: "several turns", 2: "time", 3: "inference", 4: "one turn"}
GOALS = {"@5": 0.65, "@10": 0.76, "session @5": 0.88}
WAYS = ("both", "meaning", "words")


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
    return await _locomo(stage, path) if path else []


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
