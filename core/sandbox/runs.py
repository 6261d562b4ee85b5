"""One run of a program: what it asked and printed, where it stands, and how it ended."""

import asyncio
from dataclasses import dataclass, field

from pydantic_monty import ExternalSettledResult

from core.errors import InvalidInput
from core.sandbox.rewriting import Span

KEPT_OUTPUT_CHARS = 20_000
MAX_OUTPUT_CHARS = 10_000_000
"""A run that prints more is stopped."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing the guest asks of the house: a method of the object `target`, or the function `name` where it is "".

    Calls count from 0 within a session; the same code with the same answers makes the same calls in the same order.
    """

    number: int
    target: str
    name: str
    args: list[object]
    kwargs: dict[str, object]


class Deferred(Exception):
    """Raised by the host where a call has no answer yet: the program is written down until it has one."""


@dataclass(frozen=True, slots=True)
class Image:
    """A program that was written down while it waits, and what it takes to go on from there.

    `standing` is the call it stands at, `calls` are those it began and has not awaited, by Monty's ids. A state is
    only to be loaded by the executor that made it, and only if nobody else could have changed it.
    """

    state: bytes
    awaited: list[frozenset[Span]]
    number: int
    """The number of the next call."""
    standing: Call | None
    calls: dict[int, Call]


@dataclass(frozen=True, slots=True)
class RunResult:
    """The output of a run, the traceback or sentence it ended with if it did not end well, its image if it waits."""

    printed: str
    error: str | None = None
    image: Image | None = None
    characters: int = field(default=0, compare=False)
    """How much it printed, with what was left out."""


Answer = asyncio.Task[ExternalSettledResult | None]
"""None: there is no answer yet."""


@dataclass(eq=False)
class Run:
    """The state of one run: its output, its counts, and the calls whose answers it has not taken yet."""

    text: list[str] = field(default_factory=list)
    characters: int = 0
    asked: int = 0
    pauses: int = 0
    calls: dict[int, tuple[Call, Answer]] = field(default_factory=dict)
    carried: dict[int, int] = field(default_factory=dict)
    standing: Call | None = None
    skip: int = 0

    def show(self, _stream: str, text: str) -> None:
        """Keep the beginning; called on the thread that steps the guest."""
        skipped = min(self.skip, len(text))
        self.skip -= skipped
        text = text[skipped:]
        if self.characters < KEPT_OUTPUT_CHARS:
            self.text.append(text[: KEPT_OUTPUT_CHARS - self.characters])
        self.characters += len(text)
        if self.characters > MAX_OUTPUT_CHARS:
            raise InvalidInput(f"More than {MAX_OUTPUT_CHARS} characters were printed; print a summary.")

    def output(self) -> str:
        cut = self.characters - KEPT_OUTPUT_CHARS
        note = f"\n[{cut} more characters were printed and left out; print less at a time]" if cut > 0 else ""
        return "".join(self.text) + note

    def tasks(self) -> list[Answer]:
        """The calls under way, and those whose answers nobody has taken."""
        return [task for _, task in self.calls.values()]

    def under_way(self) -> int:
        """The size of the calls whose answers the program has not taken."""
        return sum(self.carried.values())
