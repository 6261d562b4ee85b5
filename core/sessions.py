"""Sessions: an agent's working memory of its own past turns, bounded."""

from collections.abc import Sequence

import orjson

from core.llm import Message
from core.store import Store


class Session:
    """What an agent remembers of its own past turns, bounded; older turns leave, what was said first stays."""

    def __init__(self, store: Store, agent: str, most: int) -> None:
        self._store = store
        self._agent = agent
        self._most = most

    async def messages(self) -> list[Message]:
        """The transcript as far as it fits."""
        stored = await self._store.run("LRANGE", self._store.keys.session(self._agent), 0, -1)
        return fitting([read_message(entry) for entry in stored], self._most)

    async def ledger(self) -> dict[str, int]:
        """The version of each atom the agent last saw."""
        seen = await self._store.run("HGETALL", self._store.keys.ledger(self._agent))
        return {atom.decode(): int(version) for atom, version in seen.items()}


def write_message(message: Message) -> bytes:
    return orjson.dumps([message.role, message.text])


def read_message(entry: bytes) -> Message:
    role, text = orjson.loads(entry)
    return Message(role, text)


def fitting(messages: Sequence[Message], most: int) -> list[Message]:
    """The newest turns that fit into `most` characters, after the very first one; turns are kept whole."""
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "user" and message.text.startswith("Now: "):
            turns.append([])
        if turns:
            turns[-1].append(message)
    kept: list[list[Message]] = []
    room = most
    for turn in reversed(turns):
        room -= sum(len(message.text) for message in turn)
        if room < 0:
            break
        kept.insert(0, turn)
    if len(kept) < len(turns) and turns and len(str(turns[0])) < most // 4:
        kept.insert(0, turns[0])
    return [message for turn in kept for message in turn]
