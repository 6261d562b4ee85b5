"""Sessions: an agent's working memory of its own past turns, bounded."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from core.atoms.labels import Label
from core.models.llm import Message
from core.store.store import Store

MAX_MESSAGE_CHARS = 6_000
"""The session keeps so much of one message."""
EARLIER = "Earlier, in short"
"""Notes begin like this that stand for turns which were taken out."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A session as a turn finds it: the transcript, the version of each atom last seen, and what was read."""

    messages: list[Message]
    ledger: dict[str, int]
    label: Label


class Session:
    """The session of one agent in the store. Older turns leave it; the atoms they wrote stay."""

    def __init__(self, store: Store, agent: str, max_chars: int = 0) -> None:
        self._store = store
        self._max_chars = max_chars
        self._transcript = store.keys.session(agent)
        self._ledger = store.keys.ledger(agent)
        self._label = store.keys.label(agent)

    async def recall(self, noted: bytes | None = None) -> Memory:
        """The whole session in one round trip; `noted` is what the turn under way has noted of its label."""
        entries, seen, label = await self._store.together(
            ["LRANGE", self._transcript, 0, -1], ["HGETALL", self._ledger], ["GET", self._label]
        )
        ledger = {atom.decode(): int(version) for atom, version in seen.items()}
        return Memory(self._fitting(entries), ledger, Label.kept(label, noted))

    async def messages(self) -> list[Message]:
        """The transcript, whole where possible, so that a provider's cache of it holds.

        It is made short after a turn (`core.turns.compaction`); it is cut here if that has failed for long.
        """
        return self._fitting(await self.entries())

    async def label(self) -> Label:
        return Label.kept(await self._store.run("GET", self._label), None)

    async def entries(self) -> list[bytes]:
        stored: list[bytes] = await self._store.run("LRANGE", self._transcript, 0, -1)
        return stored

    async def replace_oldest(self, old: Sequence[bytes], new: Sequence[bytes]) -> bool:
        """Put `new` in the place of the oldest entries; False if these are not `old` any more."""
        ends = (old[0], old[-1], len(old))
        return bool(await self._store.run("FCALL", "stoa_shorten", 1, self._transcript, *ends, *new))

    def _fitting(self, entries: Sequence[bytes]) -> list[Message]:
        return fitting([read_message(entry) for entry in entries], 2 * self._max_chars)


def write_message(message: Message) -> bytes:
    """A message as the session keeps it: the beginning and the end of a very long one."""
    return orjson.dumps([message.role, shortened(message.text, MAX_MESSAGE_CHARS)])


def read_message(entry: bytes) -> Message:
    role, text = orjson.loads(entry)
    return Message(role, text)


def shortened(text: str, max_chars: int) -> str:
    """The text, its middle left out where it is longer than that."""
    if len(text) <= max_chars:
        return text
    half = max(0, max_chars - 60) // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out here]\n{text[len(text) - half :]}"


def turns_of(messages: Sequence[Message]) -> list[list[Message]]:
    """The messages of each turn; notes of earlier turns are one of their own."""
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "user" and message.text.startswith(("Now: ", EARLIER)):
            turns.append([])
        if turns:
            turns[-1].append(message)
    return turns


def fitting(messages: Sequence[Message], max_chars: int) -> list[Message]:
    """The newest turns that fit, whole; the last one in any case, shortened if need be.

    A short first turn stays, too: what was said at the very beginning need not be said again.
    """
    turns = turns_of(messages)
    kept: list[list[Message]] = []
    room = max_chars
    for turn in reversed(turns):
        room -= size(turn)
        if room < 0:
            break
        kept.insert(0, turn)
    if turns and not kept:
        last = turns[-1]
        kept = [[Message(message.role, shortened(message.text, max_chars // len(last))) for message in last]]
    elif len(kept) < len(turns) and size(turns[0]) < max_chars // 4:
        kept.insert(0, turns[0])
    return [message for turn in kept for message in turn]


def size(messages: Sequence[Message]) -> int:
    return sum(len(message.text) for message in messages)
