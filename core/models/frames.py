"""The fixed frames in which data reaches a model, so that no text can pass for anything but its content."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

ATTRIBUTES = ("space", "author", "origin", "atom", "operation", "comment")
OPENING_TAG = re.compile(
    r'<change n="(\d{1,9})" ' + " ".join(rf'{name}="([^"]*+)"' for name in ATTRIBUTES) + r"(?: files=\"([^\"]*+)\")?>\n"
)
NOW = re.compile(r"^Now: (\S{1,40}) \(\w{1,20}, ([^)\s]{1,80})\)$", re.MULTILINE)
LIKE_TAG = r"(\\*+)(?=\s*+(?:/\s*+)?(?:change|output|error)\b)"
"""Possessive, since text from others must not make it try one long row of spaces again and again."""
NEUTRALIZED = re.compile(f"<{LIKE_TAG}", re.IGNORECASE)
LITERAL = re.compile(rf"<\\{LIKE_TAG}", re.IGNORECASE)
SPECIAL = re.compile(r'[&<>"\x00-\x1f\x7f-\x9f\u2028\u2029]')


@dataclass(frozen=True, slots=True)
class Framed:
    """A change as a model sees it: who did what where, and the atom's content, which is data whatever it says."""

    n: int
    space: str
    author: str
    origin: str
    atom: str
    operation: str
    comment: str
    content: str
    files: str = ""
    """The files that the atom carries: of each its name, media type and size."""


def render_change(framed: Framed) -> str:
    attributes = " ".join(f'{name}="{_quoted(getattr(framed, name))}"' for name in ATTRIBUTES)
    attributes += f' files="{_quoted(framed.files)}"' if framed.files else ""
    return f'<change n="{framed.n}" {attributes}>\n{_neutral(framed.content)}\n</change>'


def parse_changes(text: str) -> list[Framed]:
    """Every change framed in `text`, exactly as it was put in."""
    found, at = [], text.find("<change ")
    while at >= 0:
        if opening := OPENING_TAG.match(text, at):
            content = _between(text, opening.end(), "\n</change>")
            if content is None:
                break
            n, *told, files = opening.groups()
            named = dict(zip(ATTRIBUTES, map(_unquoted, told), strict=True))
            found.append(Framed(int(n), content=_literal(content), files=_unquoted(files or ""), **named))
            at = opening.end() + len(content)
        at = text.find("<change ", at + 1)
    return found


def render_output(printed: str, error: str | None) -> str:
    """The frame of what a program printed and, if it failed, of its error."""
    output = f"<output>\n{_neutral(printed)}\n</output>"
    return output if error is None else f"{output}\n<error>\n{_neutral(error)}\n</error>"


def parse_output(text: str) -> tuple[str, str | None] | None:
    """The printed text in all output frames of `text`, and the last error; None without such a frame."""
    outputs, error, at = [], None, text.find("<output>\n")
    last = text.rfind("\n</error>")
    while at >= 0 and (printed := _between(text, at + len("<output>\n"), "\n</output>")) is not None:
        outputs.append(_literal(printed))
        at += len("<output>\n") + len(printed) + len("\n</output>")
        if text.startswith("\n<error>\n", at) and last >= 0:
            told = _between(text, at + len("\n<error>\n"), "\n</error>")
            error = error if told is None else _literal(told)
        at = text.find("<output>\n", at)
    return ("\n".join(outputs), error) if outputs else None


def render_now(now: datetime) -> str:
    """The line that tells a model the time: `Now: 2026-11-22T14:30:00+01:00 (Sunday, Europe/Paris)`."""
    return f"Now: {now.isoformat(timespec='seconds')} ({now:%A}, {now.tzinfo})"


def parse_now(text: str) -> datetime | None:
    """The moment that the time line in `text` tells, in its zone where that is a known one."""
    match = NOW.search(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1])
    except ValueError:
        return None
    try:
        return moment.astimezone(ZoneInfo(match[2]))
    except (LookupError, ValueError, OSError):
        return moment if moment.tzinfo else None


def _quoted(text: str) -> str:
    return SPECIAL.sub(lambda match: f"&#{ord(match[0])};", text)


def _unquoted(text: str) -> str:
    return re.sub(r"&#(\d{1,6});", lambda match: chr(int(match[1])), text)


def _neutral(text: str) -> str:
    return NEUTRALIZED.sub(r"<\\\1", text)


def _literal(text: str) -> str:
    return LITERAL.sub(r"<\1", text)


def _between(text: str, start: int, end: str) -> str | None:
    found = text.find(end, start)
    return None if found < 0 else text[start:found]
