"""What the commands of every group have in common: how a group looks, and the options they share."""

from typing import Annotated

import typer


def group(help: str) -> typer.Typer:
    """A group of commands that says what it is for."""
    return typer.Typer(
        help=help,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


Id = Annotated[str, typer.Argument(metavar="ID", help="As the listing shows it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many at most.")]
