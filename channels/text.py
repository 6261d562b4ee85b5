"""Text made fit to be shown in a terminal, on one line, or without its code."""

import re
import unicodedata

BOLD, DIM, ITALIC, LINK_STYLE, CODE_STYLE = "\x1b[1m", "\x1b[2m", "\x1b[3m", "\x1b[4m", "\x1b[36m"
RESET = "\x1b[0m"

# Characters that turn the direction of what stands around them: a way to make text read as what it is not.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")

_FENCE = re.compile(r"\s*(```+|~~~+)")


def clean(text: str) -> str:
    """The text without control characters but newline and tab; lone surrogates become U+FFFD."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL).translate(_SURROGATES)


def visible(text: str) -> str:
    """The text as it may be written to a terminal: nothing in it moves the cursor, colours or turns anything."""
    return clean(text).translate(_TURNING)


def one_line(text: str, limit: int = 200) -> str:
    """The beginning of the text on one line, fit for a terminal and for a comment."""
    line = " ".join(visible(text[: limit * 4]).split())
    return line if len(line) <= limit and len(text) <= limit * 4 else line[: limit - 1].rstrip() + "…"


def prose(markdown: str) -> str:
    """The text without its fenced code, closed or still being written."""
    kept, fence = [], ""
    for line in markdown.splitlines():
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
        elif mark:
            fence = mark[1]
        else:
            kept.append(line)
    return "\n".join(kept).strip()


def columns(text: str) -> int:
    """The columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
