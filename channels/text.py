"""Text made fit to be shown: control characters taken out, Markdown turned into what a terminal understands."""

import re
import unicodedata
from collections.abc import Iterator

BOLD, DIM, ITALIC, LINK, CODE = "\x1b[1m", "\x1b[2m", "\x1b[3m", "\x1b[4m", "\x1b[36m"
RESET = "\x1b[0m"

Span = tuple[str, str]
"""A style (escape sequences, perhaps none) and the text that has it."""

# Characters that turn the direction of what stands around them: a way to make text read as what it is not.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")

_FENCE = re.compile(r"\s*(```+|~~~+)")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_QUOTE = re.compile(r">\s?(.*)")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,3}[.)])\s+(.*)")
_INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`|\*\*(?P<bold>\S|\S.*?\S)\*\*|(?<![\w*])\*(?P<italic>[^\s*]|[^\s*][^*]*?[^\s*])\*(?![\w*])"
    r"|\[(?P<text>[^\]\n]+)\]\((?P<url>[^()\s]+)\)"
)


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


def styled(markdown: str, width: int) -> str:
    """Markdown as bold, colours and lines no wider than `width` columns, for a terminal that has them.

    Words are never broken, so that addresses stay whole; fenced code keeps its lines.
    """
    return "\n".join(_lines(visible(markdown).split("\n"), width))


def _lines(lines: list[str], width: int) -> Iterator[str]:
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            else:
                yield f"  {CODE}{line}{RESET}" if line.strip() else ""
        elif mark:
            fence = mark[1]
        elif found := _HEADING.fullmatch(line):
            yield from _wrap(_spans(found[1], BOLD), width)
        elif found := _QUOTE.fullmatch(line):
            yield from _wrap(_spans(found[1], DIM), width, "│ ", "│ ")
        elif found := _ITEM.fullmatch(line):
            mark_shown = "•" if found[2] in "-*+" else found[2]
            first = f"{found[1]}{mark_shown} "
            yield from _wrap(_spans(found[3]), width, first, " " * len(first))
        else:
            indent = line[: len(line) - len(line.lstrip())]
            yield from _wrap(_spans(line.strip()), width, indent, indent)


def _spans(text: str, style: str = "") -> Iterator[Span]:
    """Cut one line into spans; styles add up inside each other."""
    end = 0
    for found in _INLINE.finditer(text):
        if found.start() > end:
            yield style, text[end : found.start()]
        end = found.end()
        if found["code"]:
            yield style + CODE, found["code"]
        elif found["bold"]:
            yield from _spans(found["bold"], style + BOLD)
        elif found["italic"]:
            yield from _spans(found["italic"], style + ITALIC)
        else:
            yield style + LINK, found["text"]
            yield style, f" ({found['url']})"
    if end < len(text):
        yield style, text[end:]


def _wrap(spans: Iterator[Span], width: int, first: str = "", later: str = "") -> Iterator[str]:
    """Fill lines with the spans' words, `first` before the first line and `later` before the others."""
    line, used, gap = first, columns(first), ""
    for style, text in spans:
        for piece in re.split(r"(\s+)", text):
            if not piece:
                continue
            if piece.isspace():
                gap = " "
                continue
            if gap and used + 1 + columns(piece) > width and used > columns(later):
                yield line
                line, used, gap = later, columns(later), ""
            shown = f"{style}{piece}{RESET}" if style else piece
            line, used, gap = line + gap + shown, used + len(gap) + columns(piece), ""
    yield line.rstrip()


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
