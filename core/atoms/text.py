"""Text as Stoa compares it: in Unicode's form NFC, with typographic marks read as the plain ones on a keyboard."""

import re
import unicodedata

import regex

TYPOGRAPHIC = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u02bc\u2039\u203a\uff07",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d",
    " ": "\u00a0\u2007\u202f\u3000",
}
"""The plain mark -> those that programs and keyboards put in its place."""
PLAIN_MARKS = str.maketrans({mark: plain for plain, marks in TYPOGRAPHIC.items() for mark in marks})


MAX_UNSPLIT_CHARS = 1_000
MARK_FLOOD = regex.compile(r"(\P{M}?\p{M}{31,})")
"""More marks on one letter than any language has. To put them in order would take quadratic time."""


def nfc(text: str) -> str:
    """The text in normal form C, in which it is kept: "é" is one character however it was typed."""
    if text.isascii():
        return text
    if len(text) <= MAX_UNSPLIT_CHARS:
        return unicodedata.normalize("NFC", text)
    pieces = MARK_FLOOD.split(text)
    pieces[::2] = [unicodedata.normalize("NFC", piece) for piece in pieces[::2]]
    return "".join(pieces)


def folded(text: str) -> str:
    return text if text.isascii() else nfc(text).translate(PLAIN_MARKS)


def find_like(text: str, wanted: str) -> list[str]:
    """At most two pieces of `text` that differ from `wanted` only in typographic marks and line ends."""
    pattern = "".join(_alike(one) for one in folded(wanted).replace("\r\n", "\n"))
    return [match[0] for match, _ in zip(re.finditer(pattern, text), range(2), strict=False)]


def _alike(character: str) -> str:
    if character == "\n":
        return "\r?\n"
    return f"[{re.escape(character)}{TYPOGRAPHIC[character]}]" if character in TYPOGRAPHIC else re.escape(character)
