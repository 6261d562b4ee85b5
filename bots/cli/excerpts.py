"""Excerpts of search results: the words of a query that are in a text, or else the passage nearest in meaning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.models.embeddings import Embedder, nearest

EXCERPT_CHARS = 240
"""Roughly how much of a text is shown around what matched."""
PASSAGE = re.compile(r"[^\n]*?(?:[.!?](?=\s)|\n|$)")
MAX_PASSAGES = 60
STOP_WORDS = re.compile(
    "an?|and|are|at|be|by|did|do|does|for|from|how|in|is|it|my|of|on|or|that|the|to|was|what|when|where|which|who|will"
    "|with|you"
)
"""Words that are everywhere and don't tell why a text was found."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of a text, with what matched as ranges of characters in the piece."""

    text: str
    start: int
    """The piece's offset in the whole text."""
    matches: tuple[tuple[int, int], ...]


async def excerpt(query: str, text: str, embedder: Embedder) -> Excerpt:
    """The piece of `text` that best shows why `query` found it."""
    found = matches(query, text)
    if not found:
        passages = [match.span() for match in PASSAGE.finditer(text) if match[0].strip()][:MAX_PASSAGES]
        if len(passages) < 2:
            return _around(text, [])
        ((best, _),) = await nearest(embedder, query, [text[start:end] for start, end in passages], 1)
        start, end = passages[best]
        lead = len(text[start:end]) - len(text[start:end].lstrip())
        found = [(start + lead, start + len(text[start:end].rstrip()))]
    return _around(text, found)


def matches(query: str, text: str) -> list[tuple[int, int]]:
    """Ranges in the text that match words of the query, also with another ending."""
    words = [word for word in re.findall(r"\w+", query.lower()) if len(word) > 1 and not STOP_WORDS.fullmatch(word)]
    stems = [re.escape(word[:-1] if len(word) > 3 and word.endswith(("s", "e", "y")) else word) for word in words]
    if not stems:
        return []
    pattern = re.compile(rf"\b(?:{'|'.join(stems)})\w{{0,3}}\b", re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def _around(text: str, found: Sequence[tuple[int, int]]) -> Excerpt:
    """The piece of the text with the most matches, cut at spaces."""
    if len(text) <= EXCERPT_CHARS:
        return Excerpt(text, 0, tuple(found))
    starts = [at for at, _ in found]
    half = EXCERPT_CHARS // 2
    first = max(starts, key=lambda at: sum(at <= other < at + half for other in starts), default=0)
    start = max(0, first - EXCERPT_CHARS // 4)
    if start:
        start = next((at + 1 for at in range(start, first) if text[at].isspace()), start)
    end = min(len(text), max([start + EXCERPT_CHARS, *(end for at, end in found if at == first)]))
    if end < len(text):
        end = next((at for at in range(end, end - EXCERPT_CHARS // 4, -1) if text[at].isspace()), end)
    inside = tuple((at - start, min(until, end) - start) for at, until in found if start <= at < end)
    return Excerpt(text[start:end], start, inside)
