"""`stoa space`: changing. Nothing that others wrote is overwritten unseen."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from bots.cli.arguments import atom_parts, metadata_of, moment_of, references_of
from bots.cli.editor import Draft, difference, merge
from bots.cli.opening import existing_space, opened
from bots.cli.options import AsJson, AtomName, Comment, Metadata, References, SpaceName
from bots.cli.output import bar, print_diff, print_json, print_raw, say, when
from channels.people.groups import Groups, group_of
from channels.people.persons import Persons
from conventions.loading import Library
from core.atoms.atoms import Atom, Principal
from core.atoms.permissions import Permission
from core.atoms.validation import MAX_COMMENT_CHARS
from core.errors import Conflict, InvalidInput, NotFound
from core.house import House
from core.models.recipes import with_purpose
from core.spaces.spaces import Space


async def space_create(
    name: SpaceName,
    description: Annotated[
        str, typer.Argument(metavar="DESCRIPTION", help="How it is used; - reads standard input.")
    ] = "",
    convention: Annotated[
        str, typer.Option(metavar="NAME", help="Describe it by a convention of `stoa convention list`.")
    ] = "",
) -> None:
    """Create a space that only you may use.

    Agents that use the space read its description. Share it with `stoa space share`.

    \b
    Examples:
      stoa space create recipes 'What we cook. One recipe per atom; kind is soup, main or cake.'
      stoa space create garden 'What we grow.' --convention 'task list'
    """
    text = _text(description)
    async with opened() as house:
        if convention:
            text = with_purpose(Library(house.settings.home).text(convention), text)
        if name in await house.spaces.names():
            raise InvalidInput(
                f"The space {name!r} exists; show it with `stoa space show {name}`, or take another name."
            )
        await house.spaces.create(name, description=text)
    say(f"Created {name}. Only you may use it; `stoa space share {name} WHO PERMISSION` lets others in.")


async def space_describe(
    name: SpaceName,
    description: Annotated[
        str | None, typer.Argument(metavar="DESCRIPTION", help="The new description; - reads standard input.")
    ] = None,
    in_editor: Annotated[bool, typer.Option("--edit", help="Edit it in $EDITOR.")] = False,
) -> None:
    """Print or replace a space's description.

    Agents read the description as the space's convention.
    """
    async with opened() as house:
        space = await existing_space(house, name)
        before = await space.description()
        if description is None and not in_editor:
            print_raw(before or f"{name} has no description yet.")
            return
        text = await _edited(name, before) if in_editor else _text(description or "")
        if text == before:
            say("Nothing has changed.")
            return
        await space.describe(text)
    say(f"Changed the description of {name}.")


async def space_share(
    name: SpaceName,
    principal: Annotated[str, typer.Argument(metavar="WHO", help="An agent, person:ANA or group:FAMILY.")],
    permission: Annotated[
        str, typer.Argument(metavar="PERMISSION", help="read, append, write or grant; each includes those before it.")
    ],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="When it ends, such as 2026-12-24T18:00.")] = None,
    delegate: Annotated[bool, typer.Option("--delegate", help="They may pass it on, but not use it.")] = False,
    comment: Comment = "",
) -> None:
    """Give someone a permission on a space.

    \b
    Examples:
      stoa space share recipes assistant write
      stoa space share recipes guest read --until 2026-12-24T18:00
    """
    level = Permission.parse(permission)
    async with opened() as house:
        end = moment_of(until, house.clock.zone) if until else None
        if end and end <= house.clock.now():
            raise InvalidInput(f"{when(end, house.clock.zone)} is in the past; give a later time, or none.")
        space = await existing_space(house, name)
        note = await _unknown(house, principal)
        await space.share(principal, level, until=end, delegate=delegate, comment=comment)
        if group := group_of(principal):
            await Groups(house.spaces, Persons(house.store)).settle(group)
        last = f", until {when(end, house.clock.zone)}" if end else ""
    say(f"{principal} may {'pass on' if delegate else 'use'} {level} on {name} now{last}.{note}")


async def space_revoke(
    name: SpaceName,
    principal: Annotated[str, typer.Argument(metavar="WHO", help="Principal to revoke from.")],
    comment: Comment = "",
) -> None:
    """Take back someone's permissions on a space.

    Everybody who got theirs from them loses it, too.
    """
    async with opened() as house:
        space = await existing_space(house, name)
        if name not in await house.spaces.held_ever(Principal(principal)):
            raise NotFound(f"{principal!r} was never given anything on {name}. `stoa grant list` shows who holds what.")
        await space.revoke(principal, comment=comment)
    say(f"Revoked everything {principal} held on {name}, and what others got from them.")


async def space_put(
    name: SpaceName,
    content: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads standard input.")],
    comment: Comment = "",
    metadata: Metadata = None,
    references: References = None,
    as_json: AsJson = False,
) -> None:
    """Put a new atom into a space and print its name.

    \b
    Examples:
      stoa space put tasks 'buy milk' --meta status=open --meta due=2026-12-01T09:00+01:00
      stoa space put notes - -m 'what the plumber said' < plumber.txt
      stoa space put tasks 'pay him' --ref about=notes/k3v9w2m4q8zt
    """
    values = {key: value for key, value in metadata_of(metadata or []).items() if value is not None}
    targets, text = references_of(references or []), _text(content)
    if not text.strip():
        raise InvalidInput("There is no text. Give some, or give - and pipe it in.")
    async with opened() as house:
        space = await existing_space(house, name)
        atom = await space.put(text, comment=comment, metadata=values, references=targets)
    if as_json:
        print_json(asdict(atom))
    else:
        say(atom.ref)


async def space_edit(
    atom: AtomName,
    comment: Comment = "",
    metadata: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Set metadata instead; KEY= removes it. May be repeated."),
    ] = None,
) -> None:
    """Edit an atom's text, or set its metadata.

    The text opens in $EDITOR. If somebody else changes the atom meanwhile, you see what they did and decide; what you
    wrote is never lost.
    """
    space_name, id = atom_parts(atom)
    async with opened() as house:
        space = await existing_space(house, space_name)
        seen = await space.get(id)
        if metadata:
            said = comment or f"set {', '.join(metadata)}"[:MAX_COMMENT_CHARS]
            _print_saved(await space.update(id, comment=said, metadata=metadata_of(metadata)))
            return
        changed = await _edit(space, seen, comment or "edited by hand")
    if changed:
        _print_saved(changed)
    else:
        say("Nothing has changed.")


async def space_deprecate(atom: AtomName, comment: Comment = "") -> None:
    """Hide an atom from search.

    It can still be read by its name, with its history.
    """
    space_name, id = atom_parts(atom)
    async with opened() as house:
        space = await existing_space(house, space_name)
        await space.get(id)
        await space.deprecate(id, comment=comment or "deprecated by hand")
    say(f"{atom} is hidden from search; `stoa space show {atom}` still shows it.")


async def space_restore(
    atom: AtomName,
    version: Annotated[
        int, typer.Argument(metavar="VERSION", min=1, help="Its number in `stoa space history SPACE/ATOM`.")
    ],
    comment: Comment = "",
) -> None:
    """Go back to an earlier version of an atom.

    This makes a new version; nothing is lost.
    """
    space_name, id = atom_parts(atom)
    async with opened() as house:
        space = await existing_space(house, space_name)
        await space.get(id)
        _print_saved(await space.restore(id, version, comment or f"back to version {version}"))


async def space_reembed() -> None:
    """Rebuild search for another embedding model.

    Uses the model in STOA_EMBEDDER; searches use the old one until the new one is ready. A running Stoa does this by
    itself after a start with another STOA_EMBEDDER.
    """
    async with opened() as house:
        embedders = house.embedders
        if not embedders.outdated:
            say(f"Search already uses {embedders.wanted}.")
            return
        with bar(f"Embedding with {embedders.wanted}", await embedders.count()) as progress:
            await embedders.renew(progress)
    say(f"Search uses {embedders.wanted} now. Restart other processes with STOA_EMBEDDER set to it, too.")


async def _unknown(house: House, principal: str) -> str:
    """A note where the principal doesn't exist yet; raises `NotFound` for an unknown person."""
    kind, colon, id = principal.partition(":")
    if kind == "person" and colon:
        await Persons(house.store).get(id)
    elif kind == "group" and colon:
        if id not in await Groups(house.spaces, Persons(house.store)).all():
            return f" Nobody is in {id} yet; `stoa people group add {id} ana` adds somebody."
    elif principal not in [agent.id for agent in await house.agents.list()]:
        return f" There is no agent {principal} yet."
    return ""


async def _edited(name: str, text: str) -> str:
    draft = Draft(name, text)
    text = await draft.edit()
    draft.close()
    return text


async def _edit(space: Space, seen: Atom, comment: str) -> Atom | None:
    """The atom as the person saved it; None if they changed nothing."""
    draft = Draft(seen.id, seen.content)
    text = await draft.edit()
    changed = await _save(space, seen, draft, text, comment) if text != seen.content else None
    draft.close()
    return changed


async def _save(space: Space, seen: Atom, draft: Draft, text: str, comment: str) -> Atom:
    """Save what was written, settling with the person what others changed meanwhile."""
    while True:
        try:
            return await space.update(seen.id, comment=comment, content=text)
        except Conflict:
            seen, text = await _settle(space, seen, draft, text)
        except InvalidInput as error:
            raise InvalidInput(f"{error}. What you wrote is kept in {draft.file}.") from None


async def _settle(space: Space, seen: Atom, draft: Draft, mine: str) -> tuple[Atom, str]:
    """The newest version and what to save instead, after somebody else was faster."""
    draft.write(mine)
    now = await space.get(seen.id)
    last = (await space.history(seen.id, limit=1))[-1]
    say(f"While you were writing, {last.author} saved version {now.version}: {last.comment}", err=True)
    print_diff(difference(seen.content, now.content, f"version {seen.version}", f"version {now.version}"), err=True)
    merged, clash = merge(seen.content, now.content, mine)
    if not sys.stdin.isatty():
        raise Conflict(
            f"{now.ref} changed while you were writing, so nothing was saved. What you wrote is kept in {draft.file}; "
            "edit the atom again and copy it from there."
        )
    say("You both changed the same lines." if clash else "You changed different lines.", err=True)
    choices = "[b]oth, in the editor; only [m]ine; [n]othing"
    answer = typer.prompt(f"What should be saved? {choices}", default="b", show_default=False, err=True).strip().lower()
    match answer[:1]:
        case "b":
            draft.write(merged)
            return now, await draft.edit()
        case "m":
            return now, mine
    raise Conflict(f"Nothing was saved. What you wrote is kept in {draft.file}.")


def _print_saved(atom: Atom) -> None:
    say(f"Saved {atom.ref}, version {atom.version}.")


def _text(given: str) -> str:
    """The text itself, or standard input for a dash."""
    if given != "-":
        return given
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("Standard input is not UTF-8 text. Convert it, or attach it as a file.") from None
