"""The briefing: its coordinator, and the timers by which it comes every morning."""

from datetime import datetime, timedelta

from conventions.loading import instructions, text
from core.agents.agents import Agent
from core.atoms.atoms import HOUSE, Atom, Value
from core.atoms.permissions import Permission
from core.errors import InvalidInput
from core.house import House
from core.tools.timers import TIMERS_SPACE
from core.trust.directory import Directory

BRIEFING_SPACE = "briefing"
GATHER, DELIVER = "gather the briefing", "deliver the briefing"
"""The timers' words, by which the scheduler knows them."""
GATHERING_TIME = timedelta(hours=2)
LATE_LIMIT = "6 hours"
OPTIONAL_SPACES = ("mail-findings",)


async def seat_briefing(house: House) -> Agent:
    """Seat the coordinator; the bus is its outside interface, and its parts' tools are only for passing on."""
    known = set(await house.spaces.names())
    if BRIEFING_SPACE not in known:
        await house.spaces.create(BRIEFING_SPACE, description=text("briefing"))
        await house.spaces.open(BRIEFING_SPACE).share("assistant", Permission.READ)
        await house.spaces.open(BRIEFING_SPACE).share(HOUSE.id, Permission.WRITE)
    reads = {name: Permission.READ for name in ("tasks", "timers", *OPTIONAL_SPACES) if name in known}
    return await house.agents.seat(
        Agent(
            id="briefing",
            instructions=instructions("briefing"),
            tools=("calendar_events", "read_feed"),
            delegate_only=("calendar_events", "read_feed"),
        ),
        spaces={"bus": Permission.WRITE, BRIEFING_SPACE: Permission.WRITE, **reads},
        subscriptions=("bus", BRIEFING_SPACE),
    )


async def briefing_on(house: House, at: str, feeds: list[str]) -> Atom:
    """Have a briefing delivered every day at a time, and gathered two hours before; answers the delivery's timer."""
    try:
        clock = datetime.strptime(at, "%H:%M")
    except ValueError:
        raise InvalidInput(f"{at!r} is not a time of day. Give it like 8:00.") from None
    await seat_briefing(house)
    await briefing_off(house)
    for feed in feeds:  # the owner has named them
        await Directory(house.spaces).add(feed)
    plan: dict[str, Value] = {"kind": "plan", **({"feeds": feeds} if feeds else {})}
    await house.spaces.open(BRIEFING_SPACE, HOUSE).put("the plan", comment="plan: changed", metadata=plan)
    await house.timers.set_timer(f"every day at {clock - GATHERING_TIME:%H:%M}", GATHER, if_late=LATE_LIMIT)
    return await house.timers.set_timer(f"every day at {clock:%H:%M}", DELIVER, if_late=LATE_LIMIT)


async def briefing_off(house: House) -> bool:
    """Stop the daily briefing; False if there was none."""
    known = TIMERS_SPACE in await house.spaces.names()
    timers = [one for one in (await house.timers.list_timers() if known else []) if one.content in (GATHER, DELIVER)]
    for timer in timers:
        await house.timers.cancel_timer(timer.id)
    return bool(timers)


async def briefing_now(house: House) -> None:
    """Ask for a briefing at once; it comes where the owner talks to Stoa."""
    await seat_briefing(house)
    await house.spaces.open("bus").put(
        DELIVER, comment=f"asks to {DELIVER}", metadata={"kind": "briefing wanted", "step": "deliver", "anew": True}
    )
