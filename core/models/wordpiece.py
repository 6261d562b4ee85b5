"""BERT's lower-case WordPiece: text to the token ids that MiniLM was trained on."""

import unicodedata
from functools import lru_cache
from pathlib import Path

UNKNOWN, BEGIN, END = 100, 101, 102
LONGEST_WORD = 100
IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """A tokenizer over the vocabulary that is shipped beside this file."""

    def __init__(self) -> None:
        lines = Path(__file__).with_name("minilm_vocab.txt").read_text(encoding="utf-8").split("\n")
        self._ids = {token: number for number, token in enumerate(lines) if token}
        self._pieces = lru_cache(20_000)(self._split)

    def encode(self, text: str, limit: int) -> list[int]:
        """At most `limit` ids, the first marking the beginning and the last the end, even of an empty text."""
        ids = [BEGIN]
        for word in _words(text):
            ids += self._pieces(word)
            if len(ids) >= limit - 1:
                break
        return [*ids[: limit - 1], END]

    def _split(self, word: str) -> tuple[int, ...]:
        """The longest known piece from the left, again and again; a word with an unknown rest is unknown."""
        if len(word) > LONGEST_WORD:
            return (UNKNOWN,)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                piece = self._ids.get(prefix + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return (UNKNOWN,)
        return tuple(pieces)


def _words(text: str) -> list[str]:
    """Lower case without accents, cut at spaces; each punctuation mark and each ideograph is a word of its own."""
    spaced = "".join(_spaced(character) for character in unicodedata.normalize("NFD", text.lower()))
    return [word for word in spaced.split(" ") if word]


def _spaced(character: str) -> str:
    code, category = ord(character), unicodedata.category(character)
    if character in "\t\n\r" or category == "Zs":
        return " "
    if category[0] == "C" or category == "Mn" or code == 0xFFFD:
        return ""
    if category[0] == "P" or _ascii_mark(code) or any(first <= code <= last for first, last in IDEOGRAPHS):
        return f" {character} "
    return character


def _ascii_mark(code: int) -> bool:
    """BERT takes ASCII signs such as $, + and ^ for punctuation, which Unicode does not."""
    return 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
