"""Passages: a long text cut into pieces that an embedder reads well, each with its place in the whole."""

import re
from collections.abc import Iterator

from core.atoms import Passage
from core.formats import LONG

SIZE = 900
"""Characters of a passage, at most."""
OVERLAP = 120
"""About how many characters two passages share, so that no sentence is only ever seen in halves."""
ENDINGS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?]\s"), re.compile(r"\s"))
"""Where a text is cut, the best place first."""


def passages(text: str, file: str = "") -> list[Passage]:
    """The passages of a text: none of a short content, which is looked at as a whole; at least one of a file."""
    if not text.strip() or (not file and len(text) <= LONG):
        return []
    return [Passage(text[start:end], start, end, file) for start, end in _cuts(text) if text[start:end].strip()]


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > SIZE:
        end = start + _last_ending(text[start : start + SIZE], SIZE // 2)
        yield start, end
        back = text[end - OVERLAP : end]
        start = end - OVERLAP + _first_word(back) if end - OVERLAP > start else end
    yield start, len(text)


def _last_ending(piece: str, least: int) -> int:
    """The end of the last paragraph, line, sentence or word in the piece, not before `least`."""
    for ending in ENDINGS:
        ends = [match.end() for match in ending.finditer(piece) if match.end() >= least]
        if ends:
            return ends[-1]
    return len(piece)


def _first_word(piece: str) -> int:
    """Where the first whole sentence begins in a piece, or else the first whole word."""
    for ending in (ENDINGS[2], ENDINGS[3]):
        if match := ending.search(piece):
            return match.end()
    return 0
