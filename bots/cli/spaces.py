"""`stoa space`: reading. What changes spaces is in `space_changes.py`."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from bots.cli.arguments import atom_parts, conditions_of
from bots.cli.excerpts import Excerpt, excerpt
from bots.cli.opening import existing_space, opened
from bots.cli.options import AsJson, AtomName, Limit, SpaceOrAtom
from bots.cli.output import many, print_diff, print_json, print_raw, print_table, say, when
from channels.text import BOLD, RESET, clean, one_line, visible
from core.atoms.atoms import OWNER, Atom, Passage, Value
from core.errors import InvalidInput
from core.house import House

MAX_SHOWN_LINES = 12
"""Lines of an atom's content in a listing."""


async def space_list(as_json: AsJson = False) -> None:
    """List spaces."""
    async with opened() as house:
        names = await house.spaces.names()
        spaces = [house.spaces.open(name) for name in names]
        titles = [_title(text) for text in await asyncio.gather(*(space.description() for space in spaces))]
        counts = await asyncio.gather(*(space.newest() for space in spaces))
    found = list(zip(names, counts, titles, strict=True))
    if as_json:
        print_json([{"name": name, "changes": count, "title": title} for name, count, title in found])
    elif found:
        print_table([(name, many(count, "change"), title) for name, count, title in found])
    else:
        say("There are no spaces yet; `stoa run` creates the first ones.")


async def space_show(name: SpaceOrAtom, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show a space's newest atoms, or one atom in full.

    The newest atom comes last.

    \b
    Examples:
      stoa space show bus
      stoa space show tasks/k3v9w2m4q8zt
      stoa space show tasks --json
    """
    space_name, _, id = name.partition("/")
    async with opened() as house:
        space = await existing_space(house, space_name)
        if id:
            _print_atom(house, await space.get(id), as_json)
            return
        atoms = await space.search(limit=limit)
        atoms.sort(key=lambda atom: (atom.created is not None, atom.created))
        await _print_atoms(house, atoms, as_json)
        if not atoms and not as_json:
            say(f"{name} is empty.")


async def space_get(
    atom: AtomName, version: Annotated[int | None, typer.Option(min=1, help="Print the text of this version.")] = None
) -> None:
    """Print an atom's text and nothing else."""
    space_name, id = atom_parts(atom)
    async with opened() as house:
        space = await existing_space(house, space_name)
        content = (await space.get(id)).content if version is None else (await space.at(id, version)).kept()
    print_raw(content)


async def space_search(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[SPACE] [QUERY]...", help="The space to search, what to look for.")
    ] = None,
    within: Annotated[str, typer.Option("--in", metavar="SPACE", help="Search this space; QUERY is all words.")] = "",
    metadata: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Only atoms with this metadata; also <, <=, > and >=."),
    ] = None,
    limit: Limit = 10,
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Include deprecated atoms.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find atoms by meaning or by their words.

    The best match comes first, and what matched is bold. A first word that names a space limits the search to it;
    without a QUERY the newest atoms come first.

    \b
    Examples:
      stoa space search groceries
      stoa space search tasks 'what to review' --meta status=open
      stoa space search notes
      stoa space search dentist --meta 'due<2026-12-01T00:00+01:00'
    """
    conditions = conditions_of(metadata or [])
    async with opened() as house:
        space, query = await _meant(house, within, words or [])
        if not (space or query or conditions):
            raise InvalidInput("Say what to look for: a SPACE, a QUERY or --meta. See `stoa space search --help`.")
        names = [(await existing_space(house, space)).id] if space else None
        found = await house.spaces.search(
            OWNER, query, within=names, metadata=conditions, limit=limit, deprecated=deprecated
        )
        texts = [clean(atom.passage.text if atom.passage else atom.content) for atom in found] if query else []
        await _print_atoms(house, found, as_json, [await excerpt(query, text, house.embedder) for text in texts])
    if not found and not as_json:
        say(f"Found nothing in {space}." if space else "Found nothing.")


async def _meant(house: House, within: str, words: Sequence[str]) -> tuple[str, str]:
    """The space to search (empty: all) and the query, from what was typed."""
    if not within and words and words[0] in await house.spaces.names():
        within, words = words[0], words[1:]
    return within, " ".join(words).strip()


async def space_history(name: SpaceOrAtom, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the changes to a space or an atom."""
    space_name, _, atom = name.partition("/")
    async with opened() as house:
        zone = house.clock.zone
        space = await existing_space(house, space_name)
        if atom:
            versions = await space.history(atom, limit)
            found = [asdict(version) for version in versions]
            rows = [(when(v.at, zone), v.author, f"v{v.version}", v.operation, v.comment) for v in versions]
        else:
            changes = await space.changes(max(0, await space.newest() - limit), limit)
            found = [asdict(change) for change in changes]
            rows = [(when(c.at, zone), c.author, c.atom, c.operation, c.comment) for c in changes]
    if as_json:
        print_json(found)
    else:
        print_table(rows)


async def space_diff(
    atom: AtomName,
    old: Annotated[int | None, typer.Argument(metavar="OLD", min=1, help="A version; default: before NEW.")] = None,
    new: Annotated[int | None, typer.Argument(metavar="NEW", min=1, help="A version; default: the newest.")] = None,
) -> None:
    """Compare two versions of an atom.

    \b
    Examples:
      stoa space diff notes/k3v9w2m4q8zt        the last change
      stoa space diff notes/k3v9w2m4q8zt 1 4    from version 1 to version 4
    """
    space_name, id = atom_parts(atom)
    async with opened() as house:
        space = await existing_space(house, space_name)
        new = (await space.get(id)).version if new is None else new
        old = max(1, new - 1) if old is None else old
        text = await space.compare(id, old, new)
    print_diff(iter(text.splitlines()))


async def _print_atoms(house: House, atoms: Sequence[Atom], as_json: bool, excerpts: Sequence[Excerpt] = ()) -> None:
    histories = await asyncio.gather(*(house.spaces.open(atom.space).history(atom.id, limit=1) for atom in atoms))
    comments = [versions[-1].comment for versions in histories]
    if as_json:
        found = [{**asdict(atom), "comment": comment} for atom, comment in zip(atoms, comments, strict=True)]
        for one, piece in zip(found, excerpts, strict=False):
            one["excerpt"] = asdict(piece)
        print_json(found)
        return
    for number, (atom, comment) in enumerate(zip(atoms, comments, strict=True)):
        said = "" if _repeats(atom.content, comment) and not excerpts else f"{one_line(comment)}  "
        say(f"{when(atom.updated, house.clock.zone)}  {one_line(atom.author)}  {said}[{atom.ref}]")
        if excerpts:
            _print_excerpt(excerpts[number], atom.passage)
            continue
        for line in _lines(atom.content, comment):
            say(f"    {line}")


def _print_atom(house: House, atom: Atom, as_json: bool) -> None:
    if as_json:
        print_json(asdict(atom))
        return
    zone = house.clock.zone
    state = f"version {atom.version}" + (", deprecated" if atom.deprecated else "")
    rows: list[tuple[str, ...]] = [("atom", atom.ref), ("state", state), ("author", f"{atom.author} ({atom.origin})")]
    rows += [("created", when(atom.created, zone)), ("updated", when(atom.updated, zone))]
    rows += [(key, _value_text(value)) for key, value in sorted(atom.metadata.items())]
    rows += [(name, " ".join(ids)) for name, ids in sorted(atom.references.items())]
    rows += [("file", f"{one.name}, {one.media_type}, {one.size:,} bytes") for one in atom.attachments]
    print_table(rows)
    say(f"\n{atom.content}")


def _print_excerpt(piece: Excerpt, passage: Passage | None) -> None:
    """An excerpt, with what matched in bold."""
    if passage:
        say(f"    {one_line(passage.file) or 'content'}, characters {passage.start:,} to {passage.end:,}:")
    marked, done = [], 0
    for start, end in piece.matches:
        marked += [visible(piece.text[done:start]), BOLD, visible(piece.text[start:end]), RESET]
        done = end
    marked.append(visible(piece.text[done:]))
    for line in "".join(marked).splitlines():
        if line.strip():
            typer.echo(f"    {line}")


def _value_text(value: Value) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _lines(content: str, comment: str) -> list[str]:
    """The first lines of the content, unless the comment says it all."""
    lines = visible(content).splitlines()
    if len(lines) <= 1 and one_line(content) == one_line(comment):
        return []
    more = len(lines) - MAX_SHOWN_LINES
    return [*lines[:MAX_SHOWN_LINES], f"... and {many(more, 'more line')}"] if more > 0 else lines


def _repeats(content: str, comment: str) -> bool:
    """True if the comment only repeats how the lines below it begin."""
    beginning = one_line(comment).rstrip("… ")
    return bool(beginning) and len(visible(content).splitlines()) > 1 and one_line(content).startswith(beginning)


def _title(description: str) -> str:
    return one_line(description.strip().partition("\n")[0].lstrip("# "), 60)
