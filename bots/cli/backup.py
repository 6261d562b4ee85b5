"""`stoa export` and `stoa import`: everything, or some spaces, into a file and back."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import typer

from bots.cli.output import bar, opened
from channels.accounts import Account
from channels.bridge.bindings import Binding
from channels.people.people import Person, Room
from channels.people.registries import Registries
from channels.text import one_line
from core.backup.archive import AttachmentLine, ChangeLine, Header, Writer, read
from core.backup.checking import Contents, already_there, check, new_rights
from core.backup.exporting import export as lines_of
from core.backup.exporting import size
from core.backup.importing import restore
from core.errors import InvalidInput
from core.search.finder import MAX_EMBEDDED_FIRST

REGISTRIES = Registries({"person": Person, "room": Room, "channel_account": Account, "binding": Binding})


async def export(names: Sequence[str], target: str) -> None:
    """Write an export; the file appears when it is whole."""
    async with opened() as house:
        there = await house.spaces.names()
        if unknown := [name for name in names if name not in there]:
            raise InvalidInput(f"There is no space {unknown[0]!r}; `stoa space list` shows those there are.")
        if not names and target in there:
            raise InvalidInput(
                f"{target} is a space; give the file, too: `stoa export {target} {target}.jsonl`. Everything goes into "
                f"a file of that name by `stoa export ./{target}`."
            )
        wanted = list(dict.fromkeys(names)) or there
        with _writing(target) as file, bar("Exporting", await size(house.store, wanted)) as progress:
            writer, attached, missing = Writer(file), 0, 0
            header = Header(made=house.clock.now(), everything=not names, spaces=wanted)
            registries = REGISTRIES.lines(house.store)
            async for line in lines_of(house.store, house.attachments.files, header, registries):
                writer.write(line)
                if isinstance(line, ChangeLine):
                    progress(1)
                elif isinstance(line, AttachmentLine):
                    attached += line.last and not line.missing
                    missing += line.missing
            writer.finish()
    counts = {**writer.counts, "space": len(wanted), "attached file": attached}
    parts = [_many(counts.get(what, 0), what) for what in ("space", "atom", "change", "attached file", "agent")]
    typer.echo(f"Exported {parts[0]} with {', '.join(parts[1:-1])} and {parts[-1]}.", err=True)
    if missing:
        typer.echo(f"{_many(missing, 'attached file')} could not be found and is not in it.", err=True)


async def import_(source: str, trusted: bool) -> None:
    """Check a file as a whole, then write what is not here yet; the rights that it gives are asked about."""
    with _reading(source) as file:
        contents = check(file, REGISTRIES)  # before the store is touched
        async with opened() as house:
            there = await already_there(house.store, contents)
            if not trusted:
                _ask(await new_rights(house.store, REGISTRIES, contents, there))
            file.seek(0)
            with bar("Importing", contents.counts["atom"] + contents.counts["change"]) as progress:
                await restore(
                    house.store,
                    house.attachments.files,
                    read(file),
                    registry=REGISTRIES,
                    there=there,
                    progress=progress,
                )
    typer.echo(_told(contents, there))


def _ask(rights: Mapping[str, Sequence[str]]) -> None:
    """Raises `InvalidInput` where nobody says that these rights are wanted."""
    if not rights:
        return
    if not sys.stdin.isatty():
        who = ", ".join(map(one_line, sorted(rights)))
        raise InvalidInput(
            f"The file gives rights to {who}, so nothing was imported. Import it in a terminal to see which, or with "
            "--yes if it was made by you or somebody you trust."
        )
    typer.echo("The file gives these rights, which hold here once it is imported:", err=True)
    for who, words in sorted(rights.items()):
        typer.echo(f"  {one_line(who)}: {', '.join(map(one_line, dict.fromkeys(words)))}", err=True)
    if not typer.confirm("Was it made by you or somebody you trust?", err=True):
        raise InvalidInput("Nothing was imported.")


def _told(contents: Contents, there: set[str]) -> str:
    new = [name for name in contents.ends if name not in there]
    told = f"Imported {_many(len(new), 'space')}: {', '.join(new)}." if new else "Nothing was new."
    if new and contents.counts["atom"] > MAX_EMBEDDED_FIRST:
        told += " By meaning it is found bit by bit, while `stoa run` or `stoa serve` is at work."
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
        if path.exists() and not path.is_file():  # a pipe or a device is written to, and stays what it is
            with path.open("wb") as there:
                yield there
            return
        path = path.resolve()
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


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
