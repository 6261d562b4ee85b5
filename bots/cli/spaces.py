"""`stoa space`: which spaces there are, and what is in them."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import typer

from bots.cli.arguments import atom_of, conditions_of
from bots.cli.editor import ADDED, REMOVED
from bots.cli.excerpts import Excerpt, excerpt
from bots.cli.output import opened, print_json, print_table, when
from channels.text import BOLD, RESET, clean, one_line, visible
from core.atoms.atoms import OWNER, Atom, Passage, Value
from core.errors import NotFound
from core.house import House
from core.spaces.spaces import Space

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
                {"name": name, "changes": count, "title": _title(text)}
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
    """The newest atoms of a space, oldest first, each with the comment of its last change; or one atom."""
    space_name, _, id = name.partition("/")
    async with opened() as house:
        space = await known(house, space_name)
        if id:
            _show_one(house, await space.get(id), as_json)
            return
        atoms = await space.search(limit=limit)
        atoms.sort(key=lambda atom: (atom.created is not None, atom.created))
        await _print(house, atoms, as_json, f"There is nothing in {name!r} yet.")


async def get(name: str, version: int | None) -> None:
    """The content of an atom, now or as a version had it."""
    space_name, id = atom_of(name)
    async with opened() as house:
        space = await known(house, space_name)
        content = (await space.get(id)).content if version is None else (await space.at(id, version)).kept()
    typer.echo(content, nl=not content.endswith("\n"))


async def search(
    query: str, within: str | None, metadata: Sequence[str], limit: int, deprecated: bool, as_json: bool
) -> None:
    """The atoms that fit best, over all spaces or one, the best first, with what in them matched."""
    conditions = conditions_of(metadata)
    async with opened() as house:
        names = [(await known(house, within)).id] if within else None
        found = await house.spaces.search(
            OWNER, query, within=names, metadata=conditions, limit=limit, deprecated=deprecated
        )
        excerpts = [
            await excerpt(query, clean(atom.passage.text if atom.passage else atom.content), house.embedder)
            for atom in found
        ]
        await _print(house, found, as_json, "Nothing was found.", excerpts)


async def diff(name: str, old: int | None, new: int | None) -> None:
    """What changed between two versions of an atom."""
    space_name, id = atom_of(name)
    async with opened() as house:
        space = await known(house, space_name)
        new = (await space.get(id)).version if new is None else new
        old = max(1, new - 1) if old is None else old
        text = await space.compare(id, old, new)
    for line in text.splitlines():
        mark = ADDED if line.startswith("+") else REMOVED if line.startswith("-") else ""
        typer.echo(f"{mark}{visible(line)}{RESET}" if mark else visible(line))


async def history(name: str, limit: int, as_json: bool) -> None:
    """What happened in a space, or to one of its atoms, oldest first."""
    async with opened() as house:
        zone = house.clock.zone
        space_name, _, atom = name.partition("/")
        space = await known(house, space_name)
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


async def known(house: House, name: str) -> Space:
    """The space called `name`; raises `NotFound` naming those there are."""
    names = await house.spaces.names()
    if name not in names:
        there = f"There are {', '.join(names)}." if names else "There are none yet; `stoa run` makes the first ones."
        raise NotFound(f"There is no space {name!r}. {there}")
    return house.spaces.open(name)


async def _changes(house: House, name: str) -> int:
    """How many changes a space has seen."""
    return int(await house.store.run("HGET", house.store.keys.space(name), "seq") or 0)


async def _print(
    house: House, atoms: Sequence[Atom], as_json: bool, nothing: str, excerpts: Sequence[Excerpt] = ()
) -> None:
    histories = await asyncio.gather(*(house.spaces.open(atom.space).history(atom.id, limit=1) for atom in atoms))
    comments = [versions[-1].comment for versions in histories]
    if as_json:
        found = [{**asdict(atom), "comment": comment} for atom, comment in zip(atoms, comments, strict=True)]
        for one, piece in zip(found, excerpts, strict=False):
            one["excerpt"] = asdict(piece)
        print_json(found)
        return
    if not atoms:
        typer.echo(nothing)
    for number, (atom, comment) in enumerate(zip(atoms, comments, strict=True)):
        said = "" if _repeated(atom.content, comment) and not excerpts else f"{one_line(comment)}  "
        typer.echo(f"{when(atom.updated, house.clock.zone)}  {atom.author}  {said}[{atom.ref}]")
        if excerpts and atom.passage:
            typer.echo(f"    {_place(atom.passage)}:")
        for line in _marked(excerpts[number]) if excerpts else _shown(atom.content, comment):
            typer.echo(f"    {line}")


def _show_one(house: House, atom: Atom, as_json: bool) -> None:
    if as_json:
        print_json(asdict(atom))
        return
    zone = house.clock.zone
    state = f"version {atom.version}" + (", deprecated" if atom.deprecated else "")
    rows: list[tuple[str, ...]] = [("atom", atom.ref), ("state", state), ("author", f"{atom.author} ({atom.origin})")]
    rows += [("created", when(atom.created, zone)), ("updated", when(atom.updated, zone))]
    rows += [(key, one_line(_said(value))) for key, value in sorted(atom.metadata.items())]
    rows += [(name, " ".join(ids)) for name, ids in sorted(atom.references.items())]
    rows += [("file", f"{one.name}, {one.media_type}, {one.size:,} bytes") for one in atom.attachments]
    print_table(rows)
    typer.echo(f"\n{visible(atom.content)}")


def _said(value: Value) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _shown(content: str, comment: str) -> list[str]:
    """The lines of the content, unless the comment has said it all."""
    lines = visible(content).splitlines()
    if len(lines) <= 1 and one_line(content) == one_line(comment):
        return []
    more = len(lines) - LINES
    return [*lines[:LINES], f"... and {more} more lines; --json shows all"] if more > 0 else lines


def _repeated(content: str, comment: str) -> bool:
    """Whether the comment is no more than the beginning of the lines that follow it."""
    beginning = one_line(comment).rstrip("… ")
    return bool(beginning) and len(visible(content).splitlines()) > 1 and one_line(content).startswith(beginning)


def _marked(piece: Excerpt) -> list[str]:
    """The lines of an excerpt, what matched in bold where the terminal can."""
    marked, done = [], 0
    for start, end in piece.matches:
        marked += [visible(piece.text[done:start]), BOLD, visible(piece.text[start:end]), RESET]
        done = end
    marked.append(visible(piece.text[done:]))
    return [line for line in "".join(marked).splitlines() if line.strip()]


def _place(passage: Passage) -> str:
    return f"{passage.file or 'content'}, characters {passage.start:,} to {passage.end:,}"


def _title(description: str) -> str:
    return one_line(description.strip().partition("\n")[0].lstrip("# "), 60)
