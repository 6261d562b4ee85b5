"""`stoa convention`: the texts that teach agents how a space is used."""

from pathlib import Path
from typing import Annotated

import typer

from bots.cli.opening import existing_space, opened
from bots.cli.options import AsJson, SpaceName
from bots.cli.output import print_json, print_raw, print_table, say, when
from channels.text import one_line
from conventions.loading import FILE_NAME, Library
from core.errors import InvalidInput, NotFound
from core.house import House
from core.models.recipes import Convention
from core.sandbox.sandbox import Sandbox
from core.settings import load
from core.spaces.spaces import Space
from core.turns.trials import TrialResult, Trials, parsed

TEMPLATE = """# {title}
What an atom here is, in a sentence. This text is read by every agent connected to such a space, in every turn.

- `status` is `open` or `decided`.

Say in each comment what changed: others are told the comment only.

## Recipes for what agents write

### Write something down
> note: we take the blue one
```python
kept = space.put("We take the blue one.", comment="noted: the blue one", metadata={{"status": "decided"}})
print(kept.ref)
```
"""

Name = Annotated[str, typer.Argument(metavar="NAME", help="A convention, such as task-list.")]
NameOrFile = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A convention, or a Markdown file.")]


async def convention_list(as_json: AsJson = False) -> None:
    """List conventions.

    Your own are the Markdown files in the folder `conventions` of the data directory; `stoa convention new` begins one.
    """
    library = Library(load().home)
    rows = []
    for name, source in library.sources().items():
        try:
            first = one_line(library.load(name).description.partition("\n")[0], 70)
        except InvalidInput as error:
            first = f"broken: {one_line(str(error), 70)}"
        rows.append((name, source, first))
    if as_json:
        print_json([{"name": name, "source": source, "about": about} for name, source, about in rows])
    else:
        print_table(rows)


async def convention_show(name: Name) -> None:
    """Print a convention's text."""
    print_raw(Library(load().home).text(name))


async def convention_new(name: Annotated[str, typer.Argument(metavar="NAME", help="Such as decision-log.")]) -> None:
    """Begin a convention of your own, as a file to edit.

    \b
    Examples:
      stoa convention new decision-log
      stoa convention check decision-log
      stoa space create decisions --convention decision-log
    """
    if not FILE_NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} can't be a convention's name: use up to 64 of a-z, 0-9 and dash.")
    folder = load().home / "conventions"
    file = folder / f"{name}.md"
    if file.exists():
        raise InvalidInput(f"{file} exists; edit it, or take another name.")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(TEMPLATE.format(title=name.replace("-", " ").capitalize()), "utf-8")
    say(f"Wrote {file}. Edit it, then try it with `stoa convention check {name}`.")


async def convention_check(name: NameOrFile) -> None:
    """Check a convention, and try its recipes on an empty space."""
    async with opened() as house:
        text = _text(house, name)
        results = await _results(house, text, None)
    _print_checked(parsed(text), results)


async def convention_apply(
    name: NameOrFile,
    space: SpaceName,
) -> None:
    """Describe a space by a convention.

    Its recipes are tried on a copy of the space first; if one fails, nothing is changed. Agents at work on a task keep
    the description they began with.
    """
    async with opened() as house:
        handle = await existing_space(house, space)
        text = _text(house, name)
        _print_checked(parsed(text), await _results(house, text, handle))
        await handle.describe(text)
    say(f"{space} is described by {name} now. `stoa convention history {space}` lists earlier descriptions.")


async def convention_history(space: SpaceName, as_json: AsJson = False) -> None:
    """List the descriptions a space had, the newest last."""
    async with opened() as house:
        found = await (await existing_space(house, space)).descriptions()
        zone = house.clock.zone
    if as_json:
        print_json([{"number": one.number, "at": one.at, "author": one.author, "text": one.text} for one in found])
    else:
        print_table([(str(o.number), when(o.at, zone), o.author, one_line(o.text.lstrip("# "), 60)) for o in found])


async def convention_restore(
    space: SpaceName,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `stoa convention history` lists it.")],
) -> None:
    """Give a space an earlier description back."""
    async with opened() as house:
        handle = await existing_space(house, space)
        found = {one.number: one for one in await handle.descriptions()}
        if number not in found:
            known = ", ".join(map(str, found)) or "none"
            raise NotFound(f"{space} has no description {number}; kept are {known}.")
        await handle.describe(found[number].text)
    say(f"{space} has its description {number} again.")


def _text(house: House, name: str) -> str:
    file = Path(name)
    if file.suffix != ".md":
        return Library(house.settings.home).text(name)
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{name} can't be read: {error}") from None


async def _results(house: House, text: str, original: Space | None) -> list[TrialResult]:
    async with Sandbox(1, zone=house.clock.zone.key) as sandbox:
        return await Trials(house.spaces, sandbox, house.attachments).results(text, original)


def _print_checked(convention: Convention, results: list[TrialResult]) -> None:
    """Say what came of each recipe; raises `InvalidInput` where one failed."""
    for one in results:
        say(f"{'fails' if one.error else 'not tried' if one.untried else 'ok':9}  {one.title}" + _why(one))
    if failed := sum(bool(one.error) for one in results):
        raise InvalidInput(f"{failed} of {len(results)} recipes fail, so nothing was changed.")
    say(f"{convention.name or 'Plain words'}: {len(convention.description):,} characters, {len(results)} recipes.")


def _why(one: TrialResult) -> str:
    return f": {one.error or one.untried}" if one.error or one.untried else ""
