"""The commands on what the owner trusts: `stoa directory` holds addresses that agents may reach."""

import asyncio
from typing import Annotated

import typer

from bots.options import Json, group

directory = group("Say which addresses agents may reach after they have read text from outside.")

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="A mailbox, an account, a host or a page.")]


@directory.command("list")
def directory_list(json: Json = False) -> None:
    """List the addresses."""
    from bots.commands import directory

    asyncio.run(directory.list_all(json))


@directory.command("add")
def directory_add(addresses: Addresses) -> None:
    """Put addresses there. A host stands for all its pages, everything else for itself.

    \b
    Examples:
      stoa directory add ana@example.com
      stoa directory add docs.python.org
    """
    from bots.commands import directory

    asyncio.run(directory.add(addresses))


@directory.command("remove")
def directory_remove(addresses: Addresses) -> None:
    """Take addresses away; from then on the owner is asked again."""
    from bots.commands import directory

    asyncio.run(directory.remove(addresses))
