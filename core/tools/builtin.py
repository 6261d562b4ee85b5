"""The tools that come with Stoa; a new one is one more line here."""

import contextlib
from collections.abc import AsyncIterator

from core.secrets.secrets import Secrets
from core.settings import Settings
from core.times.clock import Clock
from core.tools.calendar import Calendars
from core.tools.engines import Engines
from core.tools.feeds import Feeds
from core.tools.folders import Folders
from core.tools.http import HttpClient
from core.tools.mcp_tools import McpTools
from core.tools.registry import Tool, Tools
from core.tools.timers import Timers
from core.tools.web import Web


@contextlib.asynccontextmanager
async def opened_tools(
    settings: Settings, secrets: Secrets, clock: Clock, timers: Timers
) -> AsyncIterator[tuple[Tools, McpTools]]:
    """Every tool there is, and those of MCP servers again by themselves."""
    async with (
        contextlib.aclosing(HttpClient()) as client,
        contextlib.aclosing(McpTools(settings.mcp, settings.home, secrets)) as served,
    ):
        yield Tools(builtin_tools(client, settings, secrets, clock, timers), served=served), served


def builtin_tools(
    client: HttpClient, settings: Settings, secrets: Secrets, clock: Clock, timers: Timers
) -> tuple[Tool, ...]:
    """Every tool of Stoa's own."""
    web = Web(client, Engines(client, secrets).named(settings.web_search))
    calendars = Calendars(client, clock, settings.calendars)
    folders = Folders(settings.folders, settings.home)
    return (
        timers.set_timer,
        timers.change_timer,
        timers.cancel_timer,
        timers.undo_timer,
        timers.list_timers,
        web.web_fetch,
        web.web_search,
        Feeds(client).read_feed,
        calendars.calendar_events,
        calendars.calendar_free,
        folders.list_files,
        folders.read_file,
        folders.search_files,
        folders.write_file,
    )
