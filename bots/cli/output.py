"""Printing. Data of others reaches the terminal only through these functions, which drop control characters."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import typer

from channels.text import RESET, columns, one_line, visible
from core.agents.agents import Agent

ADDED, REMOVED = "\x1b[32m", "\x1b[31m"
MAX_CELL_CHARS = 1_000
UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON allows unescaped and a terminal may obey."""


def say(text: str, *, err: bool = False) -> None:
    """Print text that may hold data of others."""
    typer.echo(visible(text), err=err)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be, the last one free; each cell on one line."""
    cells = [[one_line(cell, MAX_CELL_CHARS) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(padded).rstrip())


def print_json(found: object, indent: int | None = 2) -> None:
    """JSON for scripts, with times as ISO text."""
    text = json.dumps(found, ensure_ascii=False, indent=indent, default=_plain)
    typer.echo(UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def print_raw(content: str) -> None:
    """Print content byte for byte into a file or a pipe, and safely on a terminal."""
    end = "" if content.endswith("\n") else "\n"
    if sys.stdout.isatty():
        say(content.removesuffix("\n"))
    else:
        typer.echo(f"{content}{end}".encode(), nl=False)  # text would lose its escape sequences


def print_diff(lines: Iterator[str], *, err: bool = False) -> None:
    """The lines of a unified diff, in colour."""
    for line in map(visible, lines):
        mark = ADDED if line.startswith("+") else REMOVED if line.startswith("-") else ""
        typer.echo(f"{mark}{line}{RESET}" if mark else line, err=err)


def when(moment: datetime | None, zone: ZoneInfo) -> str:
    """A moment, the way listings show it."""
    if moment is None:
        return ""
    with contextlib.suppress(OverflowError):  # at the very ends of the calendar
        moment = moment.astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def many(count: int, noun: str) -> str:
    """`1 space`, `2 spaces`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duty(agent: Agent) -> str:
    """An agent's task in a listing; coordinators have none."""
    return one_line(agent.task, 80) or "coordinator"


@contextlib.contextmanager
def bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where that is a terminal that can draw one."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    with typer.progressbar(length=length, label=label, file=sys.stderr) as shown:
        yield shown.update


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
