"""Scores of texts by the words of a query: BM25 among the candidates themselves, so that no other text has a say."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from core.atoms.text import folded

MAX_SCORED_CHARS = 2_000
TYPICAL_WORDS = 20
"""Longer texts need more of the words for the same score."""
SATURATION, LENGTH_SHARE = 1.2, 0.3
"""The parameters k1 and b of BM25."""
MIN_STEM_CHARS = 3
ENDINGS: Mapping[str, tuple[str, ...]] = {
    "english": ("ingly", "ings", "edly", "ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y"),
    "german": ("ungen", "ung", "en", "er", "em", "es", "st", "e", "n", "s", "t"),
    "french": ("ements", "ement", "ées", "és", "ée", "er", "ez", "es", "é", "e", "s"),
    "spanish": ("aciones", "ación", "amos", "aron", "ado", "ada", "ar", "er", "ir", "os", "as", "es", "o", "a", "e"),
    "italian": ("azioni", "azione", "are", "ere", "ire", "ato", "ata", "o", "a", "i", "e"),
    "portuguese": ("ações", "ação", "ado", "ada", "ar", "er", "ir", "os", "as", "es", "o", "a", "e"),
    "dutch": ("ingen", "ing", "en", "e", "s", "t"),
    "swedish": ("arna", "erna", "orna", "ar", "er", "or", "en", "et", "a", "e", "n", "s"),
    "russian": (
        "ами",
        "ями",
        "ого",
        "ему",
        "ов",
        "ев",
        "ой",
        "ий",
        "ый",
        "ая",
        "ое",
        "ы",
        "и",
        "а",
        "я",
        "у",
        "е",
        "о",
    ),
}
UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts that are written without spaces."""
LETTER = r"[^\W_]"


def word_scores(words: Sequence[str], language: str, texts: Sequence[str]) -> list[float]:
    """The share of the query's words that each text holds, rare ones counting more: 0 to about 2 for many repeats."""
    stems = tuple(dict.fromkeys(_stem(folded(word), language) for word in words))
    pattern = _pattern(stems)
    counts = [[0] * len(stems) for _ in texts]
    lengths = []
    for text, row in zip(texts, counts, strict=True):
        plain = folded(text[:MAX_SCORED_CHARS]).casefold()
        lengths.append(plain.count(" ") + 1)
        for found in pattern.finditer(plain):
            row[(found.lastindex or 1) - 1] += 1
    held = [sum(1 for row in counts if row[n]) for n in range(len(stems))]
    weights = [math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for n in held]
    total = sum(weights) or 1.0  # with what no text holds: one word of many says little
    return [
        sum(weight * _saturated(count, length) for weight, count in zip(weights, row, strict=True) if count) / total
        for row, length in zip(counts, lengths, strict=True)
    ]


def held_words(words: Sequence[str], language: str, text: str) -> tuple[str, ...]:
    """The words of the query that a text holds, however inflected."""
    plain = folded(text[:MAX_SCORED_CHARS]).casefold()
    return tuple(word for word in words if _pattern((_stem(folded(word), language),)).search(plain))


def _saturated(count: int, words: int) -> float:
    damping = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * words / TYPICAL_WORDS)
    return count * (SATURATION + 1) / (count + damping)


def _stem(word: str, language: str) -> str:
    for ending in ENDINGS[language]:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM_CHARS:
            return word.removesuffix(ending)
    return word


@lru_cache(maxsize=256)
def _pattern(stems: tuple[str, ...]) -> re.Pattern[str]:
    """Finds words that begin with a stem and go on with no more than an ending; each stem is a group."""
    return re.compile("|".join(f"({_inflected(stem)})" for stem in stems))


def _inflected(stem: str) -> str:
    if UNSPACED.search(stem):
        return re.escape(stem)
    room = 1 if len(stem) < 4 else 3 if len(stem) < 6 else 5
    return rf"(?<!{LETTER}){re.escape(stem)}{LETTER}{{0,{room}}}(?!{LETTER})"
