"""Encodings: bytes of text files as text, whatever program wrote them."""

import codecs
import re
from collections.abc import Callable

MAX_DECODED_BYTES = 8_000_000
SAMPLE_BYTES = 65_536
"""Looked at to tell the encoding."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NAMED_CHARSET = re.compile(
    rb"<(?:meta|\?xml)\b[^>]{0,300}?(?:charset|encoding)\s{0,5}=\s{0,5}[\"']?\s{0,5}([\w.:-]{2,40})", re.I
)
MEANT = {"ascii": "cp1252", "iso8859-1": "cp1252", "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030"}
"""A named encoding -> the larger one that browsers read in its place."""
JAPANESE = re.compile("[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]")
LONE = re.compile(r"[A-Za-z][^\x00-\x7f](?:[A-Za-z]|\b)")
"""A character from Japan within a Latin word: it was a typographic apostrophe."""
SYMBOL_IN_WORD = re.compile("[A-Za-z\xc0-\xff][\xa1-\xac\xae-\xb3\xb5\xb6\xb8-\xbf][A-Za-z\xc0-\xff]")
MAINFRAME = ["cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140"]
"""Nobody attaches files in these, and short texts look like them."""
UNUSUAL_CODECS = frozenset({"idna", "punycode", "undefined", "raw-unicode-escape", "unicode-escape", "utf-7"})
"""Python's own codecs that no page is written in; some take time that grows with the square of the length."""
CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")


def decoded(data: bytes, named: str = "") -> str | None:
    """The text, or None if the bytes are no text. `named` is the encoding that the file itself names.

    Takes time for long data in an unknown encoding; not to be called on the event loop.
    """
    data = data[:MAX_DECODED_BYTES]
    for rule in ENCODING_RULES:
        if (encoding := rule(data, named)) and (text := _strictly(data, encoding)) is not None:
            return None if _is_binary(text) else text
    return None


def known_charset(name: str) -> str:
    """The codec of a charset that a file or a server names; empty where it is none in which texts are written."""
    try:
        found = codecs.lookup(name) if name else None
    except (LookupError, ValueError):
        return ""
    usual = found is not None and found._is_text_encoding and found.name not in UNUSUAL_CODECS
    return found.name if found and usual else ""


def charset_of_html(data: bytes) -> str:
    found = NAMED_CHARSET.search(data[:4096])
    return found[1].decode() if found else ""


# Each rule proposes an encoding or none; the first one by which the bytes can be read is taken. -----------------------


def _marked(data: bytes, named: str) -> str | None:
    return next((encoding for mark, encoding in MARKS if data.startswith(mark)), None)


def _named(data: bytes, named: str) -> str | None:
    known = known_charset(named)
    if known.startswith(("utf-16", "utf-32")) and NAMED_CHARSET.search(data[:4096]):
        return "utf-8"  # it could be read without that, so it is not true
    return MEANT.get(known, known)


def _utf8(data: bytes, named: str) -> str | None:
    return None if b"\0" in data[:SAMPLE_BYTES] else "utf-8"


def _utf16(data: bytes, named: str) -> str | None:
    """Without a mark: every other byte of Latin text is zero."""
    sample = data[: SAMPLE_BYTES & ~1]
    low, high = sample[::2].count(0), sample[1::2].count(0)
    if max(low, high) * 4 < len(sample) // 2:
        return None
    return "utf-16-le" if high > low else "utf-16-be"


def _japanese(data: bytes, named: str) -> str | None:
    """All that is not ASCII is Japanese, and common; bytes of other languages give rare or other characters."""
    for encoding, first_rare in (("cp932", 0xE0), ("euc_jp", 0xD0)):
        text = (_strictly(data, encoding) or "")[:SAMPLE_BYTES]
        others = [one for one in text if not one.isascii()]
        if not others or LONE.search(text) or not all(JAPANESE.match(one) for one in others):
            continue
        rare = sum(one.encode(encoding)[0] >= first_rare for one in others)
        kana = sum("\u3041" <= one <= "\u30ff" for one in others)
        if kana * 5 > len(others) or (encoding == "cp932" and not rare):
            return encoding
    return None


def _western(data: bytes, named: str) -> str | None:
    """Letters beyond ASCII are few in Western languages."""
    text = _strictly(data[:SAMPLE_BYTES], "cp1252")
    letters = [one for one in text or "" if one.isalpha()]
    foreign = sum(not one.isascii() for one in letters) * 3 > max(len(letters), 8)
    if text is None or _is_binary(text) or SYMBOL_IN_WORD.search(text) or foreign:
        return None
    return "cp1252"


def _likeliest(data: bytes, named: str) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:SAMPLE_BYTES], threshold=0.3, cp_exclusion=MAINFRAME).best()
    return best.encoding if best else None


def _any(data: bytes, named: str) -> str | None:
    return "cp1252"


ENCODING_RULES: tuple[Callable[[bytes, str], str | None], ...] = (
    _marked,
    _named,
    _utf8,
    _utf16,
    _japanese,
    _western,
    _likeliest,
    _any,
)


def _strictly(data: bytes, encoding: str) -> str | None:
    """None if the bytes are not in this encoding; an end that was cut within a character does not count."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final=len(data) < MAX_DECODED_BYTES)
    except (UnicodeDecodeError, LookupError):
        return None


def _is_binary(text: str) -> bool:
    sample = text[:SAMPLE_BYTES]
    found = len(CONTROLS.findall(sample))
    return found > 2 and found * 50 > len(sample)
