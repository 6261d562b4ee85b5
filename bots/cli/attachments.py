"""`stoa space attach`, `save` and `detach`: files that atoms carry."""

from collections.abc import Sequence
from pathlib import Path

import typer

from bots.cli.arguments import atom_of
from bots.cli.output import opened
from bots.cli.spaces import known
from core.errors import InvalidInput
from core.spaces.attachments import check_size


async def attach(name: str, files: Sequence[str], comment: str) -> None:
    """Attach files to an atom, and say of which the text is searched."""
    space_name, id = atom_of(name)
    paths = [_path(file) for file in files]
    async with opened() as house:
        space = await known(house, space_name)
        for path in paths:
            atom = await house.attachments.attach(space, id, path.name, _bytes(path), comment=comment)
            attached = next(one for one in atom.attachments if one.name == path.name)
            text = await house.texts.of(attached)
            searched = "its text can be searched" if text else "no text was found in it"
            typer.echo(f"Attached {path.name} to {atom.ref}, version {atom.version}; {searched}.")


async def save(name: str, names: Sequence[str], to: str) -> None:
    """Save files of an atom into a directory."""
    space_name, id = atom_of(name)
    directory = _path(to)
    async with opened() as house:
        space = await known(house, space_name)
        wanted = names or [one.name for one in (await space.get(id)).attachments]
        if not wanted:
            typer.echo(f"{name} carries no file.")
        for one in wanted:
            data = await house.attachments.read(space, id, one)
            try:
                directory.mkdir(parents=True, exist_ok=True)
                with (directory / one).open("xb") as file:
                    file.write(data)
            except FileExistsError:
                raise InvalidInput(f"{directory / one} is there already; save with --to another directory.") from None
            except OSError as error:
                raise InvalidInput(f"{directory / one} cannot be written: {error.strerror}.") from None
            typer.echo(f"Saved {directory / one}, {len(data):,} bytes.")


async def detach(name: str, file: str, comment: str) -> None:
    """Take a file from an atom."""
    space_name, id = atom_of(name)
    async with opened() as house:
        await house.attachments.detach(await known(house, space_name), id, file, comment=comment)
    typer.echo(f"{name} carries {file} no more.")


def _path(text: str) -> Path:
    if not text.strip():
        raise InvalidInput("An empty name is no file and no directory; say which one is meant.")
    return Path(text).expanduser()


def _bytes(path: Path) -> bytes:
    try:
        check_size(path.name, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
