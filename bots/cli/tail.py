"""`stoa space tail`: the last changes of spaces, and each new one as it happens."""

import asyncio
import json
import signal
from dataclasses import asdict
from zoneinfo import ZoneInfo

import typer

from bots.cli.output import opened, when
from bots.cli.spaces import known
from channels.text import one_line
from core.atoms.atoms import Change
from core.errors import StoaError
from core.spaces.spaces import Space


async def tail(names: list[str], follow: bool, limit: int, as_json: bool) -> None:
    """Print the last `limit` changes of the spaces in the order of their times, then follow; Ctrl-C ends it quietly."""
    task = asyncio.current_task()
    assert task
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    try:
        async with opened() as house:
            spaces = [await known(house, name) for name in dict.fromkeys(names)]
            ends = [await space.newest() for space in spaces]
            past = [
                change
                for space, end in zip(spaces, ends, strict=True)
                if limit
                for change in await space.changes(max(0, end - limit), min(limit, end) or 1)
            ]
            past.sort(key=lambda change: change.at)
            for change in past[-limit:] if limit else []:
                _tell(change, house.clock.zone, as_json)
            if follow:
                async with asyncio.TaskGroup() as group:
                    for space, end in zip(spaces, ends, strict=True):
                        group.create_task(_follow(space, end, house.clock.zone, as_json))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGINT) from None
    except ExceptionGroup as error:
        raise next((one for one in error.exceptions if isinstance(one, StoaError)), error) from None


async def _follow(space: Space, after: int, zone: ZoneInfo, as_json: bool) -> None:
    async for change in space.follow(after):
        _tell(change, zone, as_json)


def _tell(change: Change, zone: ZoneInfo, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(change), ensure_ascii=False, default=lambda value: value.isoformat()))
    else:
        name = f"{change.space}/{change.atom}" if change.atom else change.space
        typer.echo(
            f"{when(change.at, zone)}  {change.author}  {change.operation}  {one_line(change.comment)}  [{name}]"
        )
