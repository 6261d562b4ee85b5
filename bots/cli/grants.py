"""`stoa grant`: which rights are in force, who gave them and for how long, and taking one back."""

from dataclasses import asdict

import typer

from bots.cli.output import opened, print_json, print_table, when
from channels.text import one_line
from core.house import House
from core.trust.audit import Audit
from core.trust.grants import Grants, InForce


async def list_all(as_json: bool) -> None:
    """Every grant in force, by who holds it."""
    async with opened() as house:
        found = await _grants(house).in_force()
        zone = house.clock.zone
    if as_json:
        print_json([asdict(grant) for grant in found])
    elif found:
        print_table(
            [
                (one.id, one.to, one_line(one.what), f"from {one.giver}", _lasting(one, when(one.until, zone)), one.why)
                for one in found
            ]
        )
    else:
        typer.echo("Nobody holds anything yet; `stoa run` brings the first agents.")


async def revoke(id: str) -> None:
    """Take one grant back."""
    async with opened() as house:
        grant = await _grants(house).revoke(id)
    typer.echo(f"Taken back from {grant.to}: {one_line(grant.what)}, and all that was passed on from it.")


def _grants(house: House) -> Grants:
    return Grants(house.spaces, house.agents, Audit(house.spaces))


def _lasting(grant: InForce, until: str) -> str:
    return f"until {until}" if until else grant.scope
