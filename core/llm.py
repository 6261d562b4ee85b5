"""Asking a model: the one contract that every model meets."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what a model reads. `example` marks a turn made from a recipe, which never happened."""

    role: Literal["system", "user", "assistant"]
    text: str
    example: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What one reply took: tokens read, tokens written, those of the read ones that the provider had cached, and
    their price in dollars (0 where nobody knows a price)."""

    model: str
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    dollars: float = 0.0


class LLM(Protocol):
    """A model. Its reply is prose, code in ```python fences, or both; an empty reply means it has nothing to say."""

    name: str

    def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        """Stream the reply's text in pieces and, at most once and last, what it took; raises `ModelUnavailable`."""
        ...


async def whole(llm: LLM, messages: Sequence[Message]) -> tuple[str, Usage]:
    """A model's reply in one piece, and what it took."""
    pieces, usage = [], Usage(llm.name)
    async for piece in llm.reply(messages):
        if isinstance(piece, Usage):
            usage = piece
        else:
            pieces.append(piece)
    return "".join(pieces), usage
