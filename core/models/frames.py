"""The fixed frames in which data reaches a model, so that no text can pass for anything but its content."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

ATTRIBUTES = ("space", "author", "origin", "atom", "operation", "comment")
CHANGE = re.compile(
    r'<change n="(\d+)" '
    + " ".join(rf'{name}="([^"]*)"' for name in ATTRIBUTES)
    + r"(?: files=\"([^\"]*)\")?>\n(.*?)\n</change>",
    re.DOTALL,
)
OUTPUT = re.compile(r"<output>\n(.*?)\n</output>(?:\n<error>\n(.*?)\n</error>)?", re.DOTALL)
NOW = re.compile(r"^Now: (\S+) \(\w+, ([^)\s]+)\)$", re.MULTILINE)
TAG = re.compile(r"<(\\*)(?=\s*/?\s*(?:change|output|error)\b)", re.IGNORECASE)
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
    """The frame of one change."""
    attributes = " ".join(f'{name}="{_quoted(getattr(framed, name))}"' for name in ATTRIBUTES)
    attributes += f' files="{_quoted(framed.files)}"' if framed.files else ""
    return f'<change n="{framed.n}" {attributes}>\n{_neutral(framed.content)}\n</change>'


def parse_changes(text: str) -> list[Framed]:
    """Every change framed in `text`, exactly as it was put in."""
    found = []
    for match in CHANGE.finditer(text):
        *told, files, content = match.groups()
        n, space, author, origin, atom, operation, comment = map(_unquoted, told)
        carried = _unquoted(files or "")
        found.append(Framed(int(n), space, author, origin, atom, operation, comment, _literal(content), carried))
    return found


def render_output(printed: str, error: str | None) -> str:
    """The frame of what a program printed and, if it failed, of its error."""
    output = f"<output>\n{_neutral(printed)}\n</output>"
    return output if error is None else f"{output}\n<error>\n{_neutral(error)}\n</error>"


def parse_output(text: str) -> tuple[str, str | None] | None:
    """What the programs whose output is framed in `text` printed, and the last error; None without such a frame."""
    found = [match.groups() for match in OUTPUT.finditer(text)]
    if not found:
        return None
    errors = [_literal(error) for _, error in found if error is not None]
    return "\n".join(_literal(printed) for printed, _ in found), errors[-1] if errors else None


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
    return re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text)


def _neutral(text: str) -> str:
    """The text with a backslash in whatever looks like one of our tags."""
    return TAG.sub(r"<\\\1", text)


def _literal(text: str) -> str:
    """The reverse of `_neutral`."""
    return re.sub(rf"<\\(?={TAG.pattern[1:]})", "<", text, flags=re.IGNORECASE)
