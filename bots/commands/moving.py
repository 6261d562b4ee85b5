"""`stoa export` and `stoa import`: everything, or some spaces, into a file and back."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import typer

from bots.commands.opening import opened
from core.archives import ChangeLine, Writer, read
from core.errors import InvalidInput
from core.exports import export as lines_of
from core.exports import size
from core.imports import Contents, Progress, already_there, check, restore


async def export(names: Sequence[str], target: str) -> None:
    """Write an export; the file appears when it is whole."""
    async with opened() as house:
        there = await house.spaces.names()
        if unknown := [name for name in names if name not in there]:
            raise InvalidInput(f"There is no space {unknown[0]!r}; `stoa space list` shows those there are.")
        wanted = list(dict.fromkeys(names)) or there
        with _writing(target) as file, _bar("Exporting", await size(house.store, wanted)) as progress:
            writer = Writer(file)
            async for line in lines_of(house.store, wanted, not names, house.clock.now()):
                writer.write(line)
                if isinstance(line, ChangeLine):
                    progress(1)
            writer.finish()
    counts = writer.counts
    typer.echo(
        f"Exported {_many(counts['space'], 'space')} with {_many(counts['atom'], 'atom')}, "
        f"{_many(counts['change'], 'change')} and {_many(counts['agent'], 'agent')}.",
        err=True,
    )


async def import_(source: str) -> None:
    """Check a file as a whole, then write what is not here yet."""
    with _reading(source) as file:
        contents = check(file)  # before the store is touched
        async with opened() as house:
            there = await already_there(house.store, contents)
            file.seek(0)
            with _bar("Importing", contents.counts["atom"] + contents.counts["change"]) as progress:
                await restore(house.store, read(file), there, progress)
    typer.echo(_told(contents, there))


def _told(contents: Contents, there: set[str]) -> str:
    new = [name for name in contents.ends if name not in there]
    told = f"Imported {_many(len(new), 'space')}: {', '.join(new)}." if new else "Nothing was new."
    if there:
        told += f" Here already: {', '.join(sorted(there))}."
    return told


@contextlib.contextmanager
def _writing(target: str) -> Iterator[BinaryIO]:
    """The file to write; under its own name once it is whole and on disk, readable by its owner alone."""
    if target == "-":
        yield sys.stdout.buffer
        return
    path = Path(target).expanduser()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file  # type: ignore[misc]
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}. Give another place.") from None


@contextlib.contextmanager
def _reading(source: str) -> Iterator[BinaryIO]:
    """The file to read, twice; what comes by standard input is set down first."""
    if source != "-":
        try:
            file = Path(source).expanduser().open("rb")
        except OSError as error:
            raise InvalidInput(f"{source} cannot be read: {error.strerror}.") from None
        with file:
            yield file
        return
    with tempfile.TemporaryFile() as spooled:
        shutil.copyfileobj(sys.stdin.buffer, spooled)
        spooled.seek(0)
        yield spooled


@contextlib.contextmanager
def _bar(label: str, length: int) -> Iterator[Progress]:
    """A progress bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with typer.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
