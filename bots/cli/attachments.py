"""`stoa space attach`, `save` and `detach`."""

from pathlib import Path
from typing import Annotated

import typer

from bots.cli.arguments import atom_parts
from bots.cli.opening import existing_space, opened
from bots.cli.options import AtomName, Comment
from bots.cli.output import say
from bots.pidfile import private
from core.errors import InvalidInput
from core.search.extraction import Unreadable
from core.spaces.attachments import attachment_named, check_size


async def space_attach(
    atom: AtomName,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of up to 50 MB.")],
    comment: Comment = "",
) -> None:
    """Attach files to an atom.

    Their text becomes searchable: plain text, Markdown, HTML, PDF, CSV and JSON.
    """
    space_name, id = atom_parts(atom)
    paths = [_path(file) for file in files]
    async with opened() as house:
        space = await existing_space(house, space_name)
        for path in paths:
            changed = await house.attachments.attach(space, id, path.name, _read(path), comment=comment)
            try:
                text = await house.texts.read(attachment_named(changed, path.name))
                searched = "its text can be searched." if text else "it is empty."
            except Unreadable as problem:
                searched = f"its text cannot be searched. {problem}"
            say(f"Attached {path.name} to {changed.ref}, version {changed.version}; {searched}")


async def space_save(
    atom: AtomName,
    names: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Only these files.")] = None,
    to: Annotated[str, typer.Option(metavar="DIRECTORY", help="Save them here.")] = ".",
) -> None:
    """Save the files attached to an atom.

    Existing files are never overwritten.

    \b
    Examples:
      stoa space save notes/k3v9w2m4q8zt
      stoa space save notes/k3v9w2m4q8zt manual.pdf --to ~/Downloads
    """
    space_name, id = atom_parts(atom)
    directory = _path(to)
    async with opened() as house:
        space = await existing_space(house, space_name)
        wanted = names or [one.name for one in (await space.get(id)).attachments]
        if not wanted:
            say(f"{atom} has no files.")
        for name in wanted:
            data = await house.attachments.read(space, id, name)
            _write(directory / name, data)
            say(f"Saved {directory / name}, {len(data):,} bytes.")


async def space_detach(
    atom: AtomName, name: Annotated[str, typer.Argument(metavar="FILE")], comment: Comment = ""
) -> None:
    """Remove a file from an atom.

    Earlier versions of the atom keep it.
    """
    space_name, id = atom_parts(atom)
    async with opened() as house:
        await house.attachments.detach(await existing_space(house, space_name), id, name, comment=comment)
    say(f"Removed {name} from {atom}.")


def _path(text: str) -> Path:
    if not text.strip():
        raise InvalidInput("The name of a file or directory is empty.")
    return Path(text).expanduser()


def _read(path: Path) -> bytes:
    try:
        check_size(path.name, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None


def _write(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb", opener=private) as file:
            file.write(data)
    except FileExistsError:
        raise InvalidInput(f"{path} already exists. Save to another directory with --to.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None
