"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from core.atoms.validation import MAX_COMMENT_CHARS

Id = Annotated[str, typer.Argument(metavar="ID", help="The id from the listing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Print at most this many.")]
SpaceName = Annotated[str, typer.Argument(metavar="SPACE", help="The space.")]
AtomName = Annotated[str, typer.Argument(metavar="SPACE/ATOM", help="The atom, as listings show it in brackets.")]
SpaceOrAtom = Annotated[str, typer.Argument(metavar="SPACE[/ATOM]", help="A space, or an atom in it.")]
Comment = Annotated[
    str,
    typer.Option(
        "--comment", "-m", metavar="TEXT", help=f"What subscribers are told; {MAX_COMMENT_CHARS} characters at most."
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--meta", metavar="KEY=VALUE", help="Metadata: text, a number, true, false or a time. May be repeated."
    ),
]
References = Annotated[
    list[str] | None,
    typer.Option("--ref", metavar="NAME=SPACE/ATOM", help="A reference to another atom. May be repeated."),
]
