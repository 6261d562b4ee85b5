"""The command line of `stoa space`: the names, the options and the words of help."""

import asyncio
from typing import Annotated

import typer

from bots.cli.options import Json, Limit, group

space = group(
    "Look into the spaces in which people and agents work, and work there yourself.\n\n"
    "\b\n"
    "A space is named by its name, an atom in it by SPACE/ATOM, as every listing shows it in brackets."
)

Name = Annotated[str, typer.Argument(metavar="SPACE", help="A space.")]
AtomName = Annotated[str, typer.Argument(metavar="SPACE/ATOM", help="An atom, as listings show it.")]
Comment = Annotated[
    str, typer.Option("--comment", "-m", metavar="TEXT", help="What subscribers are told of it; 300 characters.")
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--meta", metavar="KEY=VALUE", help="Metadata; may be given several times. A number, true, a time or text."
    ),
]
References = Annotated[
    list[str] | None,
    typer.Option("--ref", metavar="NAME=ATOM", help="A reference to an atom; may be given several times."),
]


@space.command("list")
def space_list(json: Json = False) -> None:
    """List the spaces."""
    from bots.cli import spaces

    asyncio.run(spaces.list_all(json))


@space.command("show")
def space_show(
    name: Annotated[str, typer.Argument(metavar="SPACE[/ATOM]")], limit: Limit = 20, json: Json = False
) -> None:
    """Show the newest atoms of a space, the newest last, or everything about one atom.

    \b
    Examples:
      stoa space show bus
      stoa space show tasks/k3v9w2m4q8zt
      stoa space show tasks --json
    """
    from bots.cli import spaces

    asyncio.run(spaces.show(name, limit, json))


@space.command("get")
def space_get(
    atom: AtomName,
    version: Annotated[int | None, typer.Option(min=1, help="The content as it was in this version.")] = None,
) -> None:
    """Print the content of an atom and nothing else.

    \b
    Examples:
      stoa space get notes/k3v9w2m4q8zt > note.md
      stoa space get notes/k3v9w2m4q8zt --version 1
    """
    from bots.cli import spaces

    asyncio.run(spaces.get(atom, version))


@space.command("search")
def space_search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What it should mean, or words that stand in it.")],
    within: Annotated[str | None, typer.Option("--in", metavar="SPACE", help="Search this space only.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Only atoms with this metadata; also < <= > >= for =."),
    ] = None,
    limit: Limit = 10,
    deprecated: Annotated[bool, typer.Option("--deprecated", help="Deprecated atoms, too.")] = False,
    json: Json = False,
) -> None:
    """Find atoms by what QUERY means, the best first, with what matched made bold.

    \b
    Examples:
      stoa space search 'groceries'
      stoa space search 'what to review' --in tasks --meta status=open
      stoa space search 'dentist' --meta 'due<2026-12-01T00:00+01:00'
    """
    from bots.cli import spaces

    asyncio.run(spaces.search(query, within, metadata or [], limit, deprecated, json))


@space.command("history")
def space_history(
    name: Annotated[str, typer.Argument(metavar="SPACE[/ATOM]")], limit: Limit = 50, json: Json = False
) -> None:
    """Show what happened in a space or to one atom.

    \b
    Examples:
      stoa space history tasks
      stoa space history tasks/k3v9w2m4q8zt
    """
    from bots.cli import spaces

    asyncio.run(spaces.history(name, limit, json))


@space.command("diff")
def space_diff(
    atom: AtomName,
    old: Annotated[
        int | None, typer.Argument(metavar="OLD", min=1, help="A version; the one before NEW unless given.")
    ] = None,
    new: Annotated[int | None, typer.Argument(metavar="NEW", min=1, help="A version; the newest unless given.")] = None,
) -> None:
    """Show what changed between two versions of an atom.

    \b
    Examples:
      stoa space diff notes/k3v9w2m4q8zt        the last change
      stoa space diff notes/k3v9w2m4q8zt 1 4    from version 1 to version 4
    """
    from bots.cli import spaces

    asyncio.run(spaces.diff(atom, old, new))


@space.command("tail")
def space_tail(
    names: Annotated[list[str], typer.Argument(metavar="SPACE...", help="One space or several.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay and print changes as they happen.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, max=1000, help="How many past ones first.")] = 10,
    json: Json = False,
) -> None:
    """Print the last changes of spaces, and with -f each new one until Ctrl-C. With --json one object a line.

    \b
    Examples:
      stoa space tail bus
      stoa space tail -f chat bus timers
    """
    from bots.cli import tail as tailing

    asyncio.run(tailing.tail(names, follow, limit, json))


@space.command("create")
def space_create(
    name: Name,
    description: Annotated[
        str, typer.Argument(metavar="DESCRIPTION", help="What convention holds in it; - reads standard input.")
    ] = "",
) -> None:
    """Create a space that only you may use, until you share it.

    \b
    Examples:
      stoa space create recipes 'What we cook. One recipe an atom; kind is soup, main or cake.'
      stoa space create findings - < conventions/findings.md
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.create(name, description))


@space.command("describe")
def space_describe(
    name: Name,
    description: Annotated[
        str | None, typer.Argument(metavar="DESCRIPTION", help="What is to hold; - reads standard input.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Change it in $EDITOR.")] = False,
) -> None:
    """Print the description of a space, which agents read as its convention, or say it anew.

    \b
    Examples:
      stoa space describe recipes
      stoa space describe recipes 'What we cook, and where it came from.'
      stoa space describe recipes --edit
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.describe(name, description, edit))


@space.command("share")
def space_share(
    name: Name,
    principal: Annotated[str, typer.Argument(metavar="WHO", help="An agent, person:ANA or group:FAMILY.")],
    permission: Annotated[
        str, typer.Argument(metavar="PERMISSION", help="read, append, write or grant; each implies those before it.")
    ],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="When it ends, such as 2026-12-24T18:00.")] = None,
    delegate: Annotated[bool, typer.Option("--delegate", help="To be passed on to others, not to be used.")] = False,
    comment: Comment = "",
) -> None:
    """Give someone a permission on a space.

    \b
    Examples:
      stoa space share recipes assistant write
      stoa space share recipes guest read --until 2026-12-24T18:00
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.share(name, principal, permission, until, delegate, comment))


@space.command("revoke")
def space_revoke(
    name: Name,
    principal: Annotated[str, typer.Argument(metavar="WHO", help="Who shall lose it.")],
    comment: Comment = "",
) -> None:
    """Take all permissions on a space back from someone, and from everybody who had them from there.

    \b
    Example:
      stoa space revoke recipes assistant
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.revoke(name, principal, comment))


@space.command("put")
def space_put(
    name: Name,
    content: Annotated[str, typer.Argument(metavar="TEXT", help="The content; - reads standard input.")],
    comment: Comment = "",
    metadata: Metadata = None,
    references: References = None,
    json: Json = False,
) -> None:
    """Put an atom into a space; prints its name.

    \b
    Examples:
      stoa space put tasks 'buy milk' --meta status=open --meta due=2026-12-01T09:00+01:00
      stoa space put notes - -m 'what the plumber said' < plumber.txt
      stoa space put tasks 'pay him' --ref about=notes/k3v9w2m4q8zt
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.put(name, content, comment, metadata or [], references or [], json))


@space.command("edit")
def space_edit(
    atom: AtomName,
    comment: Comment = "",
    metadata: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="KEY=VALUE", help="Set metadata, or take it away with KEY= alone."),
    ] = None,
) -> None:
    """Change an atom in $EDITOR; with --meta change its metadata instead.

    If somebody else changes it while you write, you are shown what they did and asked what to do; what you have
    written is never lost.

    \b
    Examples:
      stoa space edit notes/k3v9w2m4q8zt
      stoa space edit tasks/m4q8zt3v9w2k --meta status=done -m 'bought it'
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.edit(atom, comment, metadata or []))


@space.command("deprecate")
def space_deprecate(atom: AtomName, comment: Comment = "") -> None:
    """Take an atom out of search. It can still be read by its name, with its history.

    \b
    Example:
      stoa space deprecate notes/k3v9w2m4q8zt -m 'no longer true'
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.deprecate(atom, comment))


@space.command("restore")
def space_restore(
    atom: AtomName,
    version: Annotated[
        int, typer.Argument(metavar="VERSION", min=1, help="As `stoa space history SPACE/ATOM` counts them.")
    ],
    comment: Comment = "",
) -> None:
    """Make an atom again what it was in a version, as a new version.

    \b
    Example:
      stoa space restore notes/k3v9w2m4q8zt 2
    """
    from bots.cli import space_changes

    asyncio.run(space_changes.restore(atom, version, comment))


@space.command("attach")
def space_attach(
    atom: AtomName,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, up to 50 MB each.")],
    comment: Comment = "",
) -> None:
    """Attach files to an atom. The text in them is searched with it: plain text, Markdown, HTML, PDF, CSV and JSON.

    \b
    Example:
      stoa space attach notes/k3v9w2m4q8zt manual.pdf
    """
    from bots.cli import attachments

    asyncio.run(attachments.attach(atom, files, comment))


@space.command("save")
def space_save(
    atom: AtomName,
    names: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Which; all unless named.")] = None,
    to: Annotated[str, typer.Option(metavar="DIRECTORY", help="Where to.")] = ".",
) -> None:
    """Save the files that an atom carries. One that is there already is not overwritten.

    \b
    Examples:
      stoa space save notes/k3v9w2m4q8zt
      stoa space save notes/k3v9w2m4q8zt manual.pdf --to ~/Downloads
    """
    from bots.cli import attachments

    asyncio.run(attachments.save(atom, names or [], to))


@space.command("detach")
def space_detach(atom: AtomName, name: Annotated[str, typer.Argument(metavar="FILE")], comment: Comment = "") -> None:
    """Take a file from an atom. Its older versions keep it.

    \b
    Example:
      stoa space detach notes/k3v9w2m4q8zt manual.pdf
    """
    from bots.cli import attachments

    asyncio.run(attachments.detach(atom, name, comment))


@space.command("reembed")
def space_reembed() -> None:
    """Embed everything anew with the model that STOA_EMBEDDER names, while searches go on over the old vectors.

    A running Stoa does so by itself after it was started with another STOA_EMBEDDER; here it is done at once and shown.

    \b
    Example:
      STOA_EMBEDDER=openai/text-embedding-3-small stoa space reembed
    """
    from bots.cli import reembedding

    asyncio.run(reembedding.reembed())
