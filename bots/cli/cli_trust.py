"""The commands on trust: what waits for the owner, which rights are in force, addresses agents may reach, secrets."""

import asyncio
from typing import Annotated

import typer

from bots.cli.options import Id, Json, group

directory = group("Say which addresses agents may reach after they have read text from outside.")
secret = group("Keep what tools need to log in with: encrypted, and read by no agent.")

approval = group("See what agents ask you for, and answer.")
grant = group("See which rights are in force, and take one back.")

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="A mailbox, an account, a host or a page.")]


@directory.command("list")
def directory_list(json: Json = False) -> None:
    """List the addresses."""
    from bots.cli import directory

    asyncio.run(directory.list_all(json))


@directory.command("add")
def directory_add(addresses: Addresses) -> None:
    """Put addresses there. A host stands for all its pages, everything else for itself.

    \b
    Examples:
      stoa directory add ana@example.com
      stoa directory add docs.python.org
    """
    from bots.cli import directory

    asyncio.run(directory.add(addresses))


@directory.command("remove")
def directory_remove(addresses: Addresses) -> None:
    """Take addresses away; from then on the owner is asked again."""
    from bots.cli import directory

    asyncio.run(directory.remove(addresses))


@secret.command("set")
def secret_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Capitals, digits and _, such as BANK_TOKEN.")],
) -> None:
    """Keep a secret. You are asked for its value; it may also be piped in.

    \b
    Examples:
      stoa secret set BANK_TOKEN
      stoa secret set BANK_TOKEN < token.txt
    """
    from bots.cli import secrets

    secrets.put(name)


@secret.command("list")
def secret_list(json: Json = False) -> None:
    """List the names of the secrets, and where each comes from. Values are never shown."""
    from bots.cli import secrets

    secrets.list_all(json)


@secret.command("rm")
def secret_remove(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Forget a secret."""
    from bots.cli import secrets

    secrets.remove(name)


@approval.command("list")
def approval_list(json: Json = False) -> None:
    """List the questions that wait for you."""
    from bots.cli import approvals

    asyncio.run(approvals.list_all(json))


@approval.command("answer")
def approval_answer(id: Id, choice: Annotated[str, typer.Argument(metavar="CHOICE")]) -> None:
    """Answer the question ID with one of its choices, by number, word or label.

    \b
    Examples:
      stoa approval answer k3v9w2m4q8zt once
      stoa approval answer k3v9w2m4q8zt no
    """
    from bots.cli import approvals

    asyncio.run(approvals.answer(id, choice))


@grant.command("list")
def grant_list(json: Json = False) -> None:
    """List who may do what: on spaces, with tools, secrets and models; who gave it, and for how long."""
    from bots.cli import grants

    asyncio.run(grants.list_all(json))


@grant.command("revoke")
def grant_revoke(id: Id) -> None:
    """Take a grant back by the id that `stoa grant list` shows; what was passed on from it is gone at once, too."""
    from bots.cli import grants

    asyncio.run(grants.revoke(id))
