"""`stoa timer`: what is going to happen at a time."""

from datetime import datetime

import typer

from bots.cli.output import opened, print_json, print_table, when
from channels.text import one_line
from core.atoms.atoms import Atom
from core.errors import InvalidInput, NotFound


async def list_all(as_json: bool) -> None:
    """The pending timers, the next first."""
    async with opened() as house:
        timers = await house.timers.list_timers() if "timers" in await house.spaces.names() else []
        zone = house.clock.zone
    if as_json:
        print_json([{"id": timer.id, "due": _due(timer), "what": timer.content} for timer in timers])
    elif timers:
        print_table([(when(_due(timer), zone), timer.id, one_line(timer.content)) for timer in timers])
    else:
        typer.echo("No timers are pending.")


async def cancel(id: str) -> None:
    """Cancel one pending timer."""
    async with opened() as house:
        try:
            timer = await house.timers.cancel_timer(id)
        except (NotFound, InvalidInput):
            raise NotFound(f"No timer {id!r} is pending. `stoa timer list` shows those that are.") from None
    typer.echo(f"Cancelled: {one_line(timer.content)}")


def _due(timer: Atom) -> datetime | None:
    due = timer.metadata.get("due")
    return due if isinstance(due, datetime) else None
