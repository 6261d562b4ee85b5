"""`stoa web`."""

from typing import Annotated

import typer

from bots.cli.opening import redis
from bots.cli.output import say
from channels.web.access import WebSessions, invitation
from core.house import open_house
from core.settings import load


async def web(
    sign_out: Annotated[bool, typer.Option("--sign-out", help="Sign all browsers out instead.")] = False,
) -> None:
    """Print a link that opens the web page in your browser.

    The link works once, within ten minutes; the browser then stays signed in for 30 days. The page is served by
    `stoa run` and `stoa serve`, on this machine only.

    \b
    Examples:
      stoa web
      stoa web --sign-out
    """
    settings = load()
    async with redis(settings, join=True) as (url, _), open_house(settings, url) as house:
        if sign_out:
            await WebSessions(house.store).sign_out_all()
            say("All browsers are signed out.")
        else:
            say(await invitation(house.store, settings))
