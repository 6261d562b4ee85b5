"""`stoa directory`: the addresses towards which agents may act after they have read text from outside."""

import typer

from bots.cli.output import opened, print_json, print_table, when
from channels.text import one_line
from core.trust.directory import Directory
from core.trust.egress import host


async def list_all(as_json: bool) -> None:
    """The addresses, in alphabetical order."""
    async with opened() as house:
        addresses = await Directory(house.spaces).all()
        zone = house.clock.zone
    if as_json:
        print_json([{"address": atom.content, "added": atom.created} for atom in addresses])
    elif addresses:
        print_table([(one_line(atom.content, 200), f"since {when(atom.created, zone)}") for atom in addresses])
    else:
        typer.echo("There are no addresses yet; `stoa directory add ana@example.com` puts one there.")


async def add(addresses: list[str]) -> None:
    """Put addresses there."""
    async with opened() as house:
        for address in addresses:
            added = await Directory(house.spaces).add(address)
            typer.echo(_reached(added.content))


async def remove(addresses: list[str]) -> None:
    """Take addresses away."""
    async with opened() as house:
        for address in addresses:
            await Directory(house.spaces).remove(address)
            typer.echo(f"{one_line(address, 200)} is not in the directory any more.")


def _reached(address: str) -> str:
    """Whom an address lets agents reach: what is no mailbox, host or page can only be a name that a tool uses."""
    shown = one_line(address, 200)
    if host(address) or "@" in address:
        return f"Agents may reach {shown}."
    return (
        f"Agents may reach whatever a tool names exactly {shown!r}. It is no mailbox, host or page, such as "
        "ana@example.com or docs.python.org; `stoa directory remove` takes it away."
    )
