"""`stoa space`: what people change in spaces, with the same care as agents: nothing of others is overwritten unseen."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

import typer

from bots.cli.arguments import atom_of, metadata_of, moment_of, references_of
from bots.cli.editor import Draft, both, difference
from bots.cli.output import opened, print_json, when
from bots.cli.spaces import known
from channels.people.groups import Groups, group_of
from channels.people.persons import Persons
from core.atoms.atoms import Atom, Principal
from core.atoms.permissions import Permission
from core.errors import Conflict, InvalidInput, NotFound
from core.house import House
from core.spaces.spaces import Space


async def create(name: str, description: str) -> None:
    """A new space; one that is there already is refused, not taken over."""
    text = _given(description)
    async with opened() as house:
        if name in await house.spaces.names():
            raise InvalidInput(
                f"There is a space {name!r} already; see it with `stoa space show {name}`, or choose another name."
            )
        await house.spaces.create(name, description=text)
    typer.echo(f"Created {name}. Only you may use it; `stoa space share {name} WHO PERMISSION` lets others in.")


async def describe(name: str, description: str | None, in_editor: bool) -> None:
    """Print the convention of a space, or say it anew."""
    async with opened() as house:
        space = await known(house, name)
        before = await space.description()
        if description is None and not in_editor:
            typer.echo(before or f"{name} has no description yet.")
            return
        if in_editor:
            draft = Draft(name, before)
            text = await draft.edit()
            draft.close()
        else:
            text = _given(description or "")
        if text == before:
            typer.echo("Nothing was changed.")
            return
        await space.describe(text)
    typer.echo(f"{name} is described anew.")


async def share(name: str, principal: str, permission: str, until: str | None, delegate: bool, comment: str) -> None:
    """Give a permission, and say what was given; a time without an offset is the owner's own."""
    level = Permission.parse(permission)
    async with opened() as house:
        end = moment_of(until, house.clock.zone) if until else None
        if end and end <= house.clock.now():
            raise InvalidInput(f"{when(end, house.clock.zone)} is past; say a time to come, or none.")
        space = await known(house, name)
        note = await _stranger(house, principal)
        await space.share(principal, level, until=end, delegate=delegate, comment=comment)
        if group := group_of(principal):
            await Groups(house.spaces, Persons(house.store)).settle(group)
        last = f", until {when(end, house.clock.zone)}" if end else ""
    typer.echo(f"{principal} may {'pass on' if delegate else 'use'} {level} on {name} now{last}.{note}")


async def _stranger(house: House, principal: str) -> str:
    """What is to be said where nobody is meant yet; raises `NotFound` where there is no such person."""
    kind, colon, id = principal.partition(":")
    if kind == "person" and colon:
        await Persons(house.store).get(id)
    elif kind == "group" and colon:
        if id not in await Groups(house.spaces, Persons(house.store)).all():
            return f" There is nobody in {id} yet; `stoa people group add {id} ana` puts somebody there."
    elif principal not in [agent.id for agent in await house.agents.list()]:
        return f" There is no agent {principal} yet."
    return ""


async def revoke(name: str, principal: str, comment: str) -> None:
    """Take everything back from a principal."""
    async with opened() as house:
        space = await known(house, name)
        if name not in await house.spaces.held_ever(Principal(principal)):
            raise NotFound(f"{principal!r} was never given anything on {name}; `stoa grant list` shows who holds what.")
        await space.revoke(principal, comment=comment)
    typer.echo(f"{principal} holds nothing on {name} any more, nor does who had it from there.")


async def put(
    name: str, content: str, comment: str, metadata: Sequence[str], references: Sequence[str], as_json: bool
) -> None:
    """A new atom; prints its name, which scripts can use."""
    values = {key: value for key, value in metadata_of(metadata).items() if value is not None}
    targets, text = references_of(references), _given(content)
    if not text.strip():
        raise InvalidInput("There is no text to put; give some, or - and it on standard input.")
    async with opened() as house:
        space = await known(house, name)
        atom = await space.put(text, comment=comment, metadata=values, references=targets)
    if as_json:
        print_json(asdict(atom))
    else:
        typer.echo(atom.ref)


async def edit(name: str, comment: str, metadata: Sequence[str]) -> None:
    """Change an atom by metadata given, or its content in the editor."""
    space_name, id = atom_of(name)
    async with opened() as house:
        space = await known(house, space_name)
        atom = await space.get(id)
        if metadata:
            said = comment or f"set {', '.join(metadata)}"[:300]
            _saved(await space.update(id, comment=said, metadata=metadata_of(metadata)))
            return
        draft = Draft(atom.id, atom.content)
        text = await draft.edit()
        if text == atom.content:
            draft.close()
            typer.echo("Nothing was changed.")
            return
        while True:
            try:
                changed = await space.update(id, comment=comment or "edited by hand", content=text)
                break
            except Conflict:
                atom, text = await _settled(space, atom, draft, text)
            except InvalidInput as error:
                raise InvalidInput(f"{error}. What you wrote is kept in {draft.file}") from None
        draft.close()
        _saved(changed)


async def deprecate(name: str, comment: str) -> None:
    """Take an atom out of search."""
    space_name, id = atom_of(name)
    async with opened() as house:
        space = await known(house, space_name)
        await space.get(id)
        await space.deprecate(id, comment=comment or "deprecated by hand")
    typer.echo(f"{name} is out of search; `stoa space show {name}` still shows it.")


async def restore(name: str, version: int, comment: str) -> None:
    """Make an atom again what it was."""
    space_name, id = atom_of(name)
    async with opened() as house:
        space = await known(house, space_name)
        await space.get(id)
        _saved(await space.restore(id, version, comment or f"back to version {version}"))


async def _settled(space: Space, seen: Atom, draft: Draft, mine: str) -> tuple[Atom, str]:
    """What to save although somebody else was faster, as the person decides; what they wrote stays in the file."""
    draft.write(mine)
    now = await space.get(seen.id)
    last = (await space.history(seen.id, limit=1))[-1]
    typer.echo(f"While you were writing, {last.author} made it version {now.version}: {last.comment}", err=True)
    for line in difference(seen.content, now.content, f"version {seen.version}", f"version {now.version}"):
        typer.echo(line, err=True)
    merged, clash = both(seen.content, now.content, mine)
    if not sys.stdin.isatty():
        raise Conflict(
            f"{now.ref} has changed while you were writing, so nothing was saved. What you wrote is kept in "
            f"{draft.file}; edit again and take it over."
        )
    typer.echo("You changed the same lines." if clash else "Your changes and theirs touch different lines.", err=True)
    choices = "[b]oth, in the editor; [m]ine alone; [n]othing"
    answer = typer.prompt(f"What shall be saved? {choices}", default="b", show_default=False, err=True).strip().lower()
    match answer[:1]:
        case "b":
            draft.write(merged)
            return now, await draft.edit()
        case "m":
            return now, mine
    raise Conflict(f"Nothing was saved. What you wrote is kept in {draft.file}.")


def _saved(atom: Atom) -> None:
    typer.echo(f"Saved {atom.ref}, version {atom.version}.")


def _given(text: str) -> str:
    """The text itself, or standard input for a dash."""
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("Standard input is not UTF-8 text; convert it, or attach it as a file.") from None
