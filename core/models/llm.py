"""AccessTools a model: the one contract that every model meets."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a model is shown it. Its label says which one it is."""

    label: str
    media_type: str
    data: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of what a model reads. `example` marks a turn made from a recipe, which never happened.

    Pictures are for models that see; the others read the text only.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    example: bool = False
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of one reply: tokens read, tokens written, those of the read ones that the provider had cached, and
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


@runtime_checkable
class Sees(Protocol):
    """A model that can be asked whether it sees pictures; others see none."""

    async def sees(self) -> bool:
        """True if pictures are of use to it."""
        ...


async def sees(llm: LLM) -> bool:
    """True if pictures are of use to it."""
    return isinstance(llm, Sees) and await llm.sees()


async def whole(llm: LLM, messages: Sequence[Message]) -> tuple[str, Usage]:
    """A model's reply in one piece, and what it took."""
    pieces, usage = [], Usage(llm.name)
    async for piece in llm.reply(messages):
        if isinstance(piece, Usage):
            usage = piece
        else:
            pieces.append(piece)
    return "".join(pieces), usage
