"""`stoa timer`."""

from datetime import datetime

from bots.cli.opening import opened
from bots.cli.options import AsJson, Id
from bots.cli.output import print_json, print_table, say, when
from channels.text import one_line
from core.atoms.atoms import Atom
from core.errors import InvalidInput, NotFound


async def timer_list(as_json: AsJson = False) -> None:
    """List pending timers, the next one first."""
    async with opened() as house:
        timers = await house.timers.list_timers() if "timers" in await house.spaces.names() else []
        zone = house.clock.zone
    if as_json:
        print_json([{"id": timer.id, "due": _due(timer), "what": timer.content} for timer in timers])
    elif timers:
        print_table([(when(_due(timer), zone), timer.id, one_line(timer.content)) for timer in timers])
    else:
        say("No timers are pending.")


async def timer_cancel(id: Id) -> None:
    """Cancel a timer."""
    async with opened() as house:
        try:
            timer = await house.timers.cancel_timer(id)
        except (NotFound, InvalidInput):
            raise NotFound(f"No timer {id!r} is pending. `stoa timer list` shows pending timers.") from None
    say(f"Cancelled: {one_line(timer.content)}")


def _due(timer: Atom) -> datetime | None:
    due = timer.metadata.get("due")
    return due if isinstance(due, datetime) else None
