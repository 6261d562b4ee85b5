"""Sessions: an agent's working memory of its own past turns, bounded."""

from collections.abc import Sequence

import orjson

from core.atoms.labels import Label
from core.models.llm import Message
from core.store.store import Store

LONGEST_MESSAGE = 6_000
"""Characters of one message that the session keeps."""
EARLIER = "Earlier, in short"
"""How the notes begin that stand for turns which were taken out."""


class Session:
    """What an agent remembers of its own past turns, bounded; older turns leave it, their atoms stay."""

    def __init__(self, store: Store, agent: str, most: int) -> None:
        self._store = store
        self._agent = agent
        self._most = most

    async def messages(self) -> list[Message]:
        """The transcript, whole where it can be, so that what was read before is the same again.

        It is made short after a turn (`core.turns.compaction`); where that has failed for long it is cut here.
        """
        stored = await self._store.run("LRANGE", self._store.keys.session(self._agent), 0, -1)
        return fitting([read_message(entry) for entry in stored], 2 * self._most)

    async def ledger(self) -> dict[str, int]:
        """The version of each atom the agent last saw."""
        seen = await self._store.run("HGETALL", self._store.keys.ledger(self._agent))
        return {atom.decode(): int(version) for atom, version in seen.items()}

    async def label(self, noted: bytes | None = None) -> Label:
        """What the session has read so far, with what the turn under way has noted of that."""
        return Label.kept(await self._store.run("GET", self._store.keys.label(self._agent)), noted)


def write_message(message: Message) -> bytes:
    """A message as the session keeps it: of a very long one the beginning and the end."""
    return orjson.dumps([message.role, shortened(message.text, LONGEST_MESSAGE)])


def read_message(entry: bytes) -> Message:
    """The message that `write_message` wrote."""
    role, text = orjson.loads(entry)
    return Message(role, text)


def shortened(text: str, most: int) -> str:
    """The text, its middle left out where it has more than `most` characters."""
    if len(text) <= most:
        return text
    half = max(0, most - 60) // 2
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


def fitting(messages: Sequence[Message], most: int) -> list[Message]:
    """The newest turns that fit into `most` characters, whole; the last one in any case, shortened if need be.

    A short first turn stays, too: what was said at the very beginning need not be said again.
    """
    turns = turns_of(messages)
    kept: list[list[Message]] = []
    room = most
    for turn in reversed(turns):
        room -= sum(len(message.text) for message in turn)
        if room < 0:
            break
        kept.insert(0, turn)
    if turns and not kept:
        last = turns[-1]
        kept = [[Message(message.role, shortened(message.text, most // len(last))) for message in last]]
    elif len(kept) < len(turns) and sum(len(message.text) for message in turns[0]) < most // 4:
        kept.insert(0, turns[0])
    return [message for turn in kept for message in turn]
