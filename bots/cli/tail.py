"""`stoa space tail`."""

import asyncio
import signal
from dataclasses import asdict
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bots.cli.opening import existing_space, opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, say, when
from channels.text import one_line
from core.atoms.atoms import Change
from core.errors import StoaError
from core.spaces.spaces import Space


async def space_tail(
    names: Annotated[list[str], typer.Argument(metavar="SPACE...", help="One or more spaces.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new changes until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, max=1000, help="Past changes to print first.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Print the latest changes; with -f, new ones as they happen.

    With --json, each line is an object.
    """
    task = asyncio.current_task()
    assert task
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    try:
        async with opened() as house:
            spaces = [await existing_space(house, name) for name in dict.fromkeys(names)]
            ends = [await space.newest() for space in spaces]
            for change in await _past(spaces, ends, limit):
                _print_change(change, house.clock.zone, as_json)
            if follow:
                async with asyncio.TaskGroup() as group:
                    for space, end in zip(spaces, ends, strict=True):
                        group.create_task(_follow(space, end, house.clock.zone, as_json))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGINT) from None
    except ExceptionGroup as error:
        raise next((one for one in error.exceptions if isinstance(one, StoaError)), error) from None


async def _past(spaces: list[Space], ends: list[int], limit: int) -> list[Change]:
    """The last changes of these spaces, oldest first."""
    found: list[Change] = []
    for space, end in zip(spaces, ends, strict=True):
        if count := min(limit, end):
            found += await space.changes(end - count, count)
    return sorted(found, key=lambda change: change.at)[-limit:] if limit else []


async def _follow(space: Space, after: int, zone: ZoneInfo, as_json: bool) -> None:
    async for change in space.follow(after):
        _print_change(change, zone, as_json)


def _print_change(change: Change, zone: ZoneInfo, as_json: bool) -> None:
    if as_json:
        print_json(asdict(change), indent=None)
        return
    name = f"{change.space}/{change.atom}" if change.atom else change.space
    cells = (when(change.at, zone), change.author, change.operation, change.comment, f"[{name}]")
    say("  ".join(map(one_line, cells)))
