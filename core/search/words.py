"""The words of a text: split where Unicode says (UAX 29), and those of a query that say what it is about."""

import re
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

import regex

from core.atoms.text import folded

WORD_SEPARATORS = re.compile(r"[\s,./(){}\[\]:;\\~!@#$%^&*=+|'`\"<>?\0-]+")
"""The engine splits here, and only here."""
UNICODE_WORDS = regex.compile(r"\b(?=\S).+?\b", flags=regex.WORD | regex.DOTALL)
HAS_LETTERS = regex.compile(r"[\p{L}\p{N}\p{M}\p{So}]")
NAMES_SOMETHING = re.compile(r"\d|\B[A-Z]")
QUOTED = re.compile(r'"([^"]{1,200})"')
CAPITAL = regex.compile(r"\p{Lu}")
OUTER_MARKS = regex.compile(r"^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$")
NEGATIONS = frozenset(
    (
        "no",
        "not",
        "never",
        "nor",
        "none",
        "without",
        "nicht",
        "nie",
        "niemals",
        "kein",
        "keine",
        "keinen",
        "ohne",
        "ne",
        "pas",
        "jamais",
        "sans",
        "nunca",
        "sin",
        "non",
        "mai",
        "senza",
        "não",
        "nem",
        "sem",
        "niet",
        "geen",
        "nooit",
        "zonder",
        "inte",
        "aldrig",
        "utan",
        "не",
        "нет",
        "без",
    )
)
"""A question for what is not so means something else without them."""
MAX_QUERY_WORDS = 32
MAX_NAMED = 4
MAX_NAME_WORDS = 8
MAX_LANGUAGE_WORDS = 200
"""Words of a text from which its language is told."""


def words_of(text: str) -> list[str]:
    """The words of a query, each once, without regard to case."""
    return list(dict.fromkeys(_words(text)))[:MAX_QUERY_WORDS]


def content_words(text: str) -> list[str]:
    """The words of a query without those that any sentence may have; all, where it has no others."""
    idle = stop_words(language_of(text))
    found = list(dict.fromkeys(_words(text)))
    return ([word for word in found if word not in idle] or found)[:MAX_QUERY_WORDS]


def named_in(text: str) -> list[tuple[str, ...]]:
    """The names in a query: words with a digit or with capitals inside (`Q3`, `INV-2031`, `iPhone`), and quotations."""
    plain = folded(text)
    chunks = [*QUOTED.findall(plain), *(chunk for chunk in plain.split() if NAMES_SOMETHING.search(chunk))]
    named = (tuple(_words(chunk))[:MAX_NAME_WORDS] for chunk in chunks)
    return list(dict.fromkeys(filter(None, named)))[:MAX_NAMED]


def capitalised(text: str) -> list[str]:
    """The words of a query that may be names of people or places, as the engine keeps them."""
    return list(dict.fromkeys(word for chunk in _chunks(text) if (word := _bare(chunk)) and CAPITAL.match(chunk)))


def subject(text: str, common: Set[str]) -> str:
    """The query without question words and without the names that stand everywhere."""
    idle = stop_words(language_of(text)) - NEGATIONS
    kept = [
        chunk
        for chunk in _chunks(text)
        if (bare := _bare(chunk)) not in idle and not (bare in common and CAPITAL.match(chunk))
    ]
    said = any(_bare(chunk) not in NEGATIONS for chunk in kept)
    return " ".join(kept) if said else text


def language_of(text: str) -> str:
    """The language whose small words the text has most of; English where that is not clear."""
    words = text[: MAX_LANGUAGE_WORDS * 8].casefold().split()[:MAX_LANGUAGE_WORDS]
    found = [OUTER_MARKS.sub("", word) for word in words]
    return max(_stop_words(), key=lambda language: sum(word in _stop_words()[language] for word in found))


def stop_words(language: str) -> frozenset[str]:
    return _stop_words()[language]


def hidden_words(text: str) -> str:
    """The words that the engine would not find in the text by itself, to be indexed beside it."""
    if text.isascii():
        return ""
    found = {word for word in WORD_SEPARATORS.split(text.translate(ASCII_LOWER)) if word}
    return " ".join(word for word in dict.fromkeys(_words(text)) if word not in found)


@cache
def _stop_words() -> dict[str, frozenset[str]]:
    lines = Path(__file__).with_name("stopwords.txt").read_text(encoding="utf-8").splitlines()
    return {language: frozenset(words) for language, *words in map(str.split, lines)}


def _chunks(text: str) -> list[str]:
    return [bare for chunk in folded(text).split() if (bare := OUTER_MARKS.sub("", chunk))]


def _bare(chunk: str) -> str:
    """A word without case and without what follows an apostrophe."""
    return next(_words(chunk), "") if "'" in chunk else chunk.casefold()


def _words(text: str) -> Iterator[str]:
    plain = folded(text).casefold()
    pieces = [plain] if plain.isascii() else UNICODE_WORDS.findall(plain)
    for piece in pieces:
        yield from (word for word in WORD_SEPARATORS.split(piece) if HAS_LETTERS.search(word))


ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
