"""The commands on what the owner entrusts: addresses that agents may reach, and secrets that their tools may use."""

import asyncio
from typing import Annotated

import typer

from bots.options import Json, group

directory = group("Say which addresses agents may reach after they have read text from outside.")
secret = group("Keep what tools need to log in with: encrypted, and read by no agent.")

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


@secret.command("set")
def secret_set(name: Annotated[str, typer.Argument(help="Capitals, digits and _, such as BANK_TOKEN.")]) -> None:
    """Keep a secret. You are asked for its value; it may also be piped in.

    \b
    Examples:
      stoa secret set BANK_TOKEN
      stoa secret set BANK_TOKEN < token.txt
    """
    from bots.commands import secrets

    secrets.put(name)


@secret.command("list")
def secret_list(json: Json = False) -> None:
    """List the names of the secrets, and where each comes from. Values are never shown."""
    from bots.commands import secrets

    secrets.list_all(json)


@secret.command("rm")
def secret_remove(name: str) -> None:
    """Forget a secret."""
    from bots.commands import secrets

    secrets.remove(name)
