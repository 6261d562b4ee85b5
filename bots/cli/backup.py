"""`stoa export` and `stoa import`."""

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from bots.cli.opening import opened
from bots.cli.output import bar, many, say
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
from core.house import House
from core.search.finder import MAX_EMBEDDED_FIRST

REGISTRIES = Registries({"person": Person, "room": Room, "channel_account": Account, "binding": Binding})
DECOMPRESSORS: Mapping[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
"""First bytes of a compressed file -> how it is read."""
UNREADABLE = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it with `zstd -d`",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"\xff\xfe": "UTF-16 text, as PowerShell writes it; convert it to UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it to UTF-8",
}
"""First bytes of files that an export may have become -> what they are, and what to do."""
MAX_MAGIC_BYTES = 6


async def export(
    arguments: Annotated[
        list[str], typer.Argument(metavar="[SPACE]... FILE", help="Only these spaces. - writes to standard output.")
    ],
) -> None:
    """Back up spaces, or everything, to a file.

    Spaces are exported with their whole history; without a SPACE, everything is, with the agents. Stoa may be running.
    The file is JSON Lines and holds what you wrote, so keep it as safe as your data. Secrets are not in it.

    \b
    Examples:
      stoa export backup.jsonl
      stoa export recipes notes - | gzip > two-spaces.jsonl.gz
    """
    names, target = arguments[:-1], arguments[-1]
    async with opened() as house:
        existing = await house.spaces.names()
        if unknown := [name for name in names if name not in existing]:
            raise InvalidInput(f"There is no space {unknown[0]!r}. `stoa space list` lists them.")
        if not names and target in existing:
            raise InvalidInput(
                f"{target} is a space; name the file, too: `stoa export {target} {target}.jsonl`. To export everything "
                f"to a file of that name: `stoa export ./{target}`."
            )
        with _writing(target) as file:
            exported, missing = await _export(house, list(dict.fromkeys(names)) or existing, not names, file)
    say(f"Exported {exported}.", err=True)
    if missing:
        say(f"{many(missing, 'attached file')} could not be found and is not in it.", err=True)


async def _export(house: House, names: Sequence[str], everything: bool, file: BinaryIO) -> tuple[str, int]:
    writer, attached, missing = Writer(file), 0, 0
    with bar("Exporting", await size(house.store, names)) as progress:
        header = Header(made=house.clock.now(), everything=everything, spaces=[*names])
        async for line in lines_of(house.store, house.attachments.files, header, REGISTRIES.lines(house.store)):
            writer.write(line)
            if isinstance(line, ChangeLine):
                progress(1)
            elif isinstance(line, AttachmentLine):
                attached += line.last and not line.missing
                missing += line.missing
        writer.finish()
    counts = {**writer.counts, "space": len(names), "attached file": attached}
    parts = [many(counts.get(what, 0), what) for what in ("space", "atom", "change", "attached file", "agent")]
    return f"{parts[0]} with {', '.join(parts[1:-1])} and {parts[-1]}", missing


async def import_(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="A file from `stoa export`, compressed or not. - is standard input.")
    ],
    trusted: Annotated[bool, typer.Option("--yes", help="Don't ask about the rights that the file gives.")] = False,
) -> None:
    """Restore a backup, here or on another machine.

    The file is checked before anything is written, so a damaged one changes nothing. Spaces you already have stay as
    they are; a space with the same name and another history is refused. If the file gives rights to others, you're
    asked first.

    \b
    Examples:
      stoa import backup.jsonl
      stoa import backup.jsonl.gz
      STOA_HOME=~/second stoa import backup.jsonl
    """
    with _reading(source) as file:
        say(await _import(file, trusted))


async def _import(file: BinaryIO, trusted: bool) -> str:
    contents = check(file, REGISTRIES)  # before the store is touched
    async with opened() as house:
        existing = await already_there(house.store, contents)
        if not trusted:
            _confirm(await new_rights(house.store, REGISTRIES, contents, existing))
        file.seek(0)
        files = house.attachments.files
        with bar("Importing", contents.counts["atom"] + contents.counts["change"]) as progress:
            await restore(house.store, files, read(file), registry=REGISTRIES, there=existing, progress=progress)
    return _imported(contents, existing)


def _confirm(rights: Mapping[str, Sequence[str]]) -> None:
    """Ask about the rights that a file gives; raises `InvalidInput` unless the answer is yes."""
    if not rights:
        return
    if not sys.stdin.isatty():
        who = ", ".join(map(one_line, sorted(rights)))
        raise InvalidInput(
            f"The file gives rights to {who}, so nothing was imported. Import it in a terminal to see them, or add "
            "--yes if you or somebody you trust made the file."
        )
    say("The file gives these rights, which will hold here once it is imported:", err=True)
    for who, words in sorted(rights.items()):
        say(f"  {one_line(who)}: {', '.join(map(one_line, dict.fromkeys(words)))}", err=True)
    if not typer.confirm("Did you or somebody you trust make this file?", err=True):
        raise InvalidInput("Nothing was imported.")


def _imported(contents: Contents, existing: set[str]) -> str:
    new = [name for name in contents.ends if name not in existing]
    told = f"Imported {many(len(new), 'space')}: {', '.join(new)}." if new else "Nothing was new."
    if new and contents.counts["atom"] > MAX_EMBEDDED_FIRST:
        told += " Search by meaning is ready bit by bit, while `stoa run` or `stoa serve` is running."
    if existing:
        told += f" Already here: {', '.join(sorted(existing))}."
    return told


@contextlib.contextmanager
def _writing(target: str) -> Iterator[BinaryIO]:
    """The file to write; it gets its name once it is whole and on disk, and only its owner can read it."""
    if target == "-":
        yield sys.stdout.buffer
        return
    path = Path(target).expanduser()
    try:
        if path.exists() and not path.is_file():  # a pipe or a device is written to, and stays what it is
            with path.open("wb") as device:
                yield device
            return
        path = path.resolve()
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.fchmod(descriptor, 0o600)  # whatever the umask
        with contextlib.ExitStack() as undo:
            undo.callback(os.unlink, name)
            with open(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
            undo.pop_all()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}. Choose another place.") from None


@contextlib.contextmanager
def _reading(source: str) -> Iterator[BinaryIO]:
    """The export to read, decompressed; it can be read twice."""
    with tempfile.TemporaryFile() as copied:
        if source == "-":
            shutil.copyfileobj(sys.stdin.buffer, copied)
            with _decompressed(copied) as file:
                yield file
            return
        try:
            opened_file = Path(source).expanduser().open("rb")
        except OSError as error:
            raise InvalidInput(f"{source} cannot be read: {error.strerror}.") from None
        with opened_file, _decompressed(opened_file) as file:
            yield file


@contextlib.contextmanager
def _decompressed(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file, or what it holds if its first bytes say that it is compressed."""
    file.seek(0)
    magic = file.read(MAX_MAGIC_BYTES)
    file.seek(0)
    for beginning, what in UNREADABLE.items():
        if magic.startswith(beginning):
            raise InvalidInput(f"The file is {what}, then import that.")
    opens = next((opens for beginning, opens in DECOMPRESSORS.items() if magic.startswith(beginning)), None)
    if opens is None:
        yield file
        return
    with tempfile.TemporaryFile() as whole:
        try:
            shutil.copyfileobj(opens(file), whole)
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            raise InvalidInput(f"The file cannot be decompressed ({error}). Copy it again.") from None
        whole.seek(0)
        yield whole
