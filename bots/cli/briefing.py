"""`stoa briefing`."""

from typing import Annotated

from typer import Argument, Option

from bots.briefing import briefing_now, briefing_off, briefing_on
from bots.cli.opening import opened
from bots.cli.output import say
from bots.seed import seed


async def on(
    at: Annotated[str, Argument(metavar="TIME", help="The time of day, such as 8:00.")] = "8:00",
    feed: Annotated[list[str] | None, Option(help="The address of an RSS or Atom feed. May be repeated.")] = None,
) -> None:
    """Have a briefing every morning."""
    async with opened() as house:
        await seed(house)
        timer = await briefing_on(house, at, feed or [])
    say(f"On: {timer.metadata['repeats']}. `stoa briefing now` brings one at once.")


async def off() -> None:
    """Stop the daily briefing."""
    async with opened() as house:
        was_on = await briefing_off(house)
    say("Off." if was_on else "The briefing is off already.")


async def now() -> None:
    """Bring a briefing at once."""
    async with opened() as house:
        await seed(house)
        await briefing_now(house)
    say("Asked for. It comes where you talk to Stoa; `stoa run` or `stoa serve` has to be running.")
