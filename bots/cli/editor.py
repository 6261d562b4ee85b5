"""Text in the person's editor, and merging what two people wrote at once."""

import asyncio
import difflib
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from channels.text import clean
from core.errors import InvalidInput


class Draft:
    """A text being edited, in a file that is kept until its content has been saved."""

    def __init__(self, name: str, text: str) -> None:
        directory = Path(tempfile.mkdtemp(prefix="stoa-"))  # only its owner can enter it
        self.file = directory / f"{name}.md"
        self._ends_with_newline = text.endswith("\n")
        self.write(text)

    async def edit(self) -> str:
        """The text as the person leaves it; raises `InvalidInput` if there is no editor or it fails."""
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not command and not sys.stdin.isatty():
            self.close()
            raise InvalidInput("There is no terminal for an editor here. Set EDITOR to a program that needs none.")
        command = command or "vi"
        try:
            editor = await asyncio.create_subprocess_exec(*shlex.split(command), str(self.file))
        except (OSError, ValueError) as error:
            raise InvalidInput(
                f"The editor {command!r} cannot be started: {_reason(error)}. Set EDITOR to the one you use."
            ) from None
        if status := await editor.wait():
            raise InvalidInput(
                f"The editor {command!r} exited with {status}, so nothing was saved. Your text is in {self.file}."
            )
        try:
            text = self.file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self.file}, which the editor saved, cannot be read: {_reason(error)}.") from None
        return text if self._ends_with_newline else text.removesuffix("\n")  # editors add one

    def write(self, text: str) -> None:
        """Replace the text."""
        self.file.write_text(text if text.endswith("\n") else f"{text}\n", "utf-8")

    def close(self) -> None:
        """Delete the file: its content has been saved."""
        self.file.unlink(missing_ok=True)
        self.file.parent.rmdir()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error).lower()


def difference(before: str, after: str, old: str, new: str) -> Iterator[str]:
    """The lines of a unified diff."""
    return difflib.unified_diff(clean(before).splitlines(), clean(after).splitlines(), old, new, lineterm="")


def merge(base: str, theirs: str, mine: str) -> tuple[str, bool]:
    """Both changes of `base` in one text, and whether they clash.

    Lines that both changed appear twice, between the usual conflict marks.
    """
    lines = [text.splitlines(keepends=True) for text in (base, theirs, mine)]
    merged: list[str] = []
    clash = False
    for kept, ours, yours in _regions(*lines):
        if ours == yours or yours == kept:
            merged += ours
        elif ours == kept:
            merged += yours
        else:
            clash = True
            marks = ("<<<<<<< theirs\n", "=======\n", ">>>>>>> yours\n")
            merged += [marks[0], *_closed(ours), marks[1], *_closed(yours), marks[2]]
    return "".join(merged), clash


def _regions(base: list[str], theirs: list[str], mine: list[str]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """The three texts, cut at lines of `base` that both kept: pieces that correspond."""
    kept_by_them, kept_by_me = _kept(base, theirs), _kept(base, mine)
    at, in_theirs, in_mine = 0, 0, 0
    for line in range(len(base) + 1):
        end = line == len(base)
        if not end and not (line in kept_by_them and line in kept_by_me):
            continue
        until_theirs = len(theirs) if end else kept_by_them[line]
        until_mine = len(mine) if end else kept_by_me[line]
        yield base[at:line], theirs[in_theirs:until_theirs], mine[in_mine:until_mine]
        if not end:
            yield [base[line]], [base[line]], [base[line]]
        at, in_theirs, in_mine = line + 1, until_theirs + 1, until_mine + 1


def _kept(base: list[str], other: list[str]) -> dict[int, int]:
    """Line number in `base` -> its line number in `other`, for lines that are in both."""
    blocks = difflib.SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return {block.a + step: block.b + step for block in blocks for step in range(block.size)}


def _closed(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1] if lines[-1].endswith("\n") else f"{lines[-1]}\n"] if lines else []
