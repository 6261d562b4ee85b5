"""The words of a text: split where Unicode says (UAX 29), and further where the search engine splits by itself."""

import re
from collections.abc import Iterator

import regex

from core.atoms.text import folded

WORD_SEPARATORS = re.compile(r"[\s,./(){}\[\]:;\\~!@#$%^&*=+|'`\"<>?\0-]+")
"""The engine splits here, and only here."""
UNICODE_WORDS = regex.compile(r"\b(?=\S).+?\b", flags=regex.WORD | regex.DOTALL)
HAS_LETTERS = regex.compile(r"[\p{L}\p{N}\p{M}\p{So}]")
NAMES_SOMETHING = re.compile(r"\d|\B[A-Z]")
MAX_QUERY_WORDS = 32
MAX_NAMED = 4
MAX_NAME_WORDS = 8


def words_of(text: str) -> list[str]:
    """The words of a query, each once, without regard to case."""
    return list(dict.fromkeys(_words(text)))[:MAX_QUERY_WORDS]


def named_in(text: str) -> list[tuple[str, ...]]:
    """The names in a query: words with a digit, or with capitals beyond a first letter (`Q3`, `INV-2031`, `iPhone`)."""
    chunks = (chunk for chunk in folded(text).split() if NAMES_SOMETHING.search(chunk))
    named = (tuple(_words(chunk))[:MAX_NAME_WORDS] for chunk in chunks)
    return list(dict.fromkeys(filter(None, named)))[:MAX_NAMED]


def hidden_words(text: str) -> str:
    """The words that the engine would not find in the text by itself, to be indexed beside it."""
    if text.isascii():
        return ""
    found = {word for word in WORD_SEPARATORS.split(text.translate(ASCII_LOWER)) if word}
    return " ".join(word for word in dict.fromkeys(_words(text)) if word not in found)


def _words(text: str) -> Iterator[str]:
    plain = folded(text).casefold()
    pieces = [plain] if plain.isascii() else UNICODE_WORDS.findall(plain)
    for piece in pieces:
        yield from (word for word in WORD_SEPARATORS.split(piece) if HAS_LETTERS.search(word))


ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
