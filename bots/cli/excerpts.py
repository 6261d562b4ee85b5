"""What in a text matched a query: the words of the query that stand in it, or else the passage nearest in meaning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.models.embeddings import Embedder, nearest

WIDTH = 240
"""About how many characters of a text are shown around what matched."""
PASSAGE = re.compile(r"[^\n]*?(?:[.!?](?=\s)|\n|$)")
MOST_PASSAGES = 60
IDLE = re.compile(
    "an?|and|are|at|be|by|did|do|does|for|from|how|in|is|it|my|of|on|or|that|the|to|was|what|when|where|which|who|will"
    "|with|you"
)
"""Words that stand everywhere and say nothing about why a text was found."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of a text and what in it matched, as ranges of characters within the piece."""

    text: str
    start: int
    """Where in the whole text the piece begins."""
    matches: tuple[tuple[int, int], ...]


async def excerpt(query: str, text: str, embedder: Embedder) -> Excerpt:
    """The piece of `text` that shows best why `query` found it."""
    found = matches(query, text)
    if not found:
        passages = [match.span() for match in PASSAGE.finditer(text) if match[0].strip()][:MOST_PASSAGES]
        if len(passages) < 2:
            return _around(text, [])
        ((best, _),) = await nearest(embedder, query, [text[start:end] for start, end in passages], 1)
        start, end = passages[best]
        lead = len(text[start:end]) - len(text[start:end].lstrip())
        found = [(start + lead, start + len(text[start:end].rstrip()))]
    return _around(text, found)


def matches(query: str, text: str) -> list[tuple[int, int]]:
    """Where words of the query stand in the text, a plural or another ending allowed."""
    words = [word for word in re.findall(r"\w+", query.lower()) if len(word) > 1 and not IDLE.fullmatch(word)]
    stems = [re.escape(word[:-1] if len(word) > 3 and word.endswith(("s", "e", "y")) else word) for word in words]
    if not stems:
        return []
    pattern = re.compile(rf"\b(?:{'|'.join(stems)})\w{{0,3}}\b", re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def _around(text: str, found: Sequence[tuple[int, int]]) -> Excerpt:
    """The piece of the text in which most of what was found lies, cut at blanks."""
    if len(text) <= WIDTH:
        return Excerpt(text, 0, tuple(found))
    first = max(
        (at for at, _ in found), key=lambda at: sum(at <= other < at + WIDTH // 2 for other, _ in found), default=0
    )
    start = max(0, first - WIDTH // 4)
    if start:
        start = next((at + 1 for at in range(start, first) if text[at].isspace()), start)
    end = min(len(text), max([start + WIDTH, *(end for at, end in found if at == first)]))
    if end < len(text):
        end = next((at for at in range(end, end - WIDTH // 4, -1) if text[at].isspace()), end)
    inside = tuple((at - start, min(until, end) - start) for at, until in found if start <= at < end)
    return Excerpt(text[start:end], start, inside)
