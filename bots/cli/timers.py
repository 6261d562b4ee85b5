"""`stoa timer`."""

from datetime import datetime
from typing import Annotated

from typer import Argument, Option

from bots.cli.opening import opened
from bots.cli.options import AsJson, Id
from bots.cli.output import print_json, print_table, say, when
from channels.text import one_line
from core.atoms.atoms import Atom
from core.errors import InvalidInput, NotFound
from core.house import House
from core.times.formatting import format_time
from core.tools.timers import TIMERS_SPACE

When = Annotated[str, Argument(help="A time, or what repeats: 'tomorrow at 9', 'every Monday at 8', '30 8 * * 1-5'.")]


async def timer_list(
    as_json: AsJson = False, status: Annotated[str, Option(help="pending, fired, skipped or cancelled.")] = "pending"
) -> None:
    """List pending timers, the next one first."""
    async with opened() as house:
        known = TIMERS_SPACE in await house.spaces.names()
        timers = await house.timers.list_timers(status) if known else []
        zone = house.clock.zone
    if as_json:
        print_json([_plain(timer) for timer in timers])
    elif timers:
        print_table([(when(_due(timer), zone), timer.id, _what(timer)) for timer in timers])
    else:
        say(f"No timers are {status}.")


async def timer_show(id: Id) -> None:
    """Show a timer and each time it ran."""
    async with opened() as house:
        space = house.spaces.open(TIMERS_SPACE)
        timer = await _found(house, id)
        say(_what(timer))
        zone = timer.metadata.get("zone")
        say(f"{timer.metadata.get('status')}, due {when(_due(timer), house.clock.zone)}, zone {zone}")
        for name, refs in timer.references.items():
            say(f"{name}: {', '.join(refs)}")
        rows = [(when(one.at, house.clock.zone), one.author, one.comment) for one in await space.history(timer.id)]
    print_table([(moment, author, one_line(comment)) for moment, author, comment in rows])


async def timer_add(
    at: When,
    what: Annotated[str, Argument(help="What it is for.")],
    zone: Annotated[str, Option(help="A time zone such as America/New_York, if not yours.")] = "",
    if_late: Annotated[str, Option(help="tell, skip, or how late it may be, such as '2 hours'.")] = "tell",
) -> None:
    """Set a timer; you're reminded where you talk to Stoa."""
    async with opened() as house:
        await house.timers.prepare()
        timer = await house.timers.set_timer(at, what, zone=zone, if_late=if_late)
        _say_set(house, timer)


async def timer_move(id: Id, at: When) -> None:
    """Give a timer another time; one that has fired comes again."""
    async with opened() as house:
        await _found(house, id)
        _say_set(house, await house.timers.change_timer(id, at))


async def timer_cancel(id: Id) -> None:
    """Cancel a timer."""
    async with opened() as house:
        try:
            timer = await house.timers.cancel_timer(id)
        except (NotFound, InvalidInput):
            raise NotFound(f"No timer {id!r} is pending. `stoa timer list` shows pending timers.") from None
    say(f"Cancelled: {one_line(timer.content)}")


async def timer_undo(id: Id) -> None:
    """Take back the last change of a timer."""
    async with opened() as house:
        await _found(house, id)
        timer = await house.timers.undo_timer(id)
        if timer.metadata.get("status") == "pending":
            _say_set(house, timer)
        else:
            say(f"Cancelled: {one_line(timer.content)}")


async def _found(house: House, id: str) -> Atom:
    try:
        return await house.spaces.open(TIMERS_SPACE).get(id)
    except (NotFound, InvalidInput):
        raise NotFound(f"There is no timer {id!r}. `stoa timer list` shows pending timers.") from None


def _say_set(house: House, timer: Atom) -> None:
    due = _due(timer)
    say(
        f"{timer.id}: {_what(timer)}, {'next ' if 'repeats' in timer.metadata else ''}"
        + (format_time(due, house.clock.now()) if due else "")
    )


def _what(timer: Atom) -> str:
    repeats = timer.metadata.get("repeats")
    return one_line(timer.content) + (f" ({repeats})" if repeats else "")


def _plain(timer: Atom) -> dict[str, object]:
    known = ("status", "repeats", "zone", "last", "runs", "missed", "late_limit", "until")
    more = {name: timer.metadata[name] for name in known if name in timer.metadata}
    return {"id": timer.id, "due": _due(timer), "what": timer.content, **more}


def _due(timer: Atom) -> datetime | None:
    due = timer.metadata.get("due")
    return due if isinstance(due, datetime) else None
