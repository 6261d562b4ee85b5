"""`stoa space`: which spaces there are, and what is in them."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import typer

from bots.commands.opening import opened, print_json, print_table, when
from channels.rendering import one_line, visible
from core.atoms import Atom
from core.errors import NotFound
from core.house import House
from core.spaces import Space

LINES = 12
"""How many lines of an atom's content are shown."""


async def list_all(as_json: bool) -> None:
    """Every space, what it is for, and how often it changed."""
    async with opened() as house:
        names = await house.spaces.names()
        spaces = [house.spaces.open(name) for name in names]
        described = await asyncio.gather(*(space.description() for space in spaces))
        counts = await asyncio.gather(*(_changes(house, name) for name in names))
    if as_json:
        print_json(
            [
                {"name": name, "changes": count, "description": text}
                for name, count, text in zip(names, counts, described, strict=True)
            ]
        )
    elif names:
        print_table(
            [
                (name, f"{count} changes", _title(text))
                for name, count, text in zip(names, counts, described, strict=True)
            ]
        )
    else:
        typer.echo("There are no spaces yet; `stoa run` makes the first ones.")


async def show(name: str, limit: int, as_json: bool) -> None:
    """The newest atoms of a space, oldest first, each with the comment of its last change."""
    async with opened() as house:
        atoms = await (await _known(house, name)).search(limit=limit)
        atoms.sort(key=lambda atom: (atom.created is not None, atom.created))
        await _print(house, atoms, as_json, f"There is nothing in {name!r} yet.")


async def search(query: str, within: str | None, limit: int, as_json: bool) -> None:
    """The atoms that fit best, over all spaces or one, the best first."""
    async with opened() as house:
        spaces = house.spaces
        found = await (
            (await _known(house, within)).search(query, limit=limit)
            if within
            else spaces.search(spaces.open("chat").actor, query, limit=limit)
        )
        await _print(house, found, as_json, "Nothing was found.")


async def history(name: str, limit: int, as_json: bool) -> None:
    """What happened in a space, or to one of its atoms, oldest first."""
    async with opened() as house:
        zone = house.clock.zone
        space_name, _, atom = name.partition("/")
        space = await _known(house, space_name)
        if atom:
            versions = await space.history(atom, limit)
            found = [asdict(version) for version in versions]
            rows = [(when(v.at, zone), v.author, f"v{v.version}", v.operation, v.comment) for v in versions]
        else:
            last = await _changes(house, space_name)
            changes = await space.changes(max(0, last - limit), limit)
            found = [asdict(change) for change in changes]
            rows = [(when(c.at, zone), c.author, c.atom, c.operation, c.comment) for c in changes]
    if as_json:
        print_json(found)
    else:
        print_table([tuple(map(one_line, row)) for row in rows])


async def _known(house: House, name: str) -> Space:
    """The space called `name`; raises `NotFound` naming those there are."""
    names = await house.spaces.names()
    if name not in names:
        there = f"There are {', '.join(names)}." if names else "There are none yet; `stoa run` makes the first ones."
        raise NotFound(f"There is no space {name!r}. {there}")
    return house.spaces.open(name)


async def _changes(house: House, name: str) -> int:
    """How many changes a space has seen."""
    return int(await house.store.run("HGET", house.store.keys.space(name), "seq") or 0)


async def _print(house: House, atoms: Sequence[Atom], as_json: bool, nothing: str) -> None:
    histories = await asyncio.gather(*(house.spaces.open(atom.space).history(atom.id, limit=1) for atom in atoms))
    comments = [versions[-1].comment for versions in histories]
    if as_json:
        print_json([{**asdict(atom), "comment": comment} for atom, comment in zip(atoms, comments, strict=True)])
        return
    if not atoms:
        typer.echo(nothing)
    for atom, comment in zip(atoms, comments, strict=True):
        typer.echo(f"{when(atom.updated, house.clock.zone)}  {atom.author}  {one_line(comment)}  [{atom.ref}]")
        for line in _shown(atom.content, comment):
            typer.echo(f"    {line}")


def _shown(content: str, comment: str) -> list[str]:
    """The lines of the content, unless the comment has said it all."""
    lines = visible(content).splitlines()
    if len(lines) <= 1 and one_line(content) == one_line(comment):
        return []
    more = len(lines) - LINES
    return [*lines[:LINES], f"... and {more} more lines; --json shows all"] if more > 0 else lines


def _title(description: str) -> str:
    return one_line(description.strip().partition("\n")[0].lstrip("# "), 60)
