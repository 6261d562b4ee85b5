"""What the commands share: the house opened for a look, and ways to print what is in it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import typer

from core.errors import StoreUnavailable
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import Settings, load


@contextlib.asynccontextmanager
async def redis(settings: Settings, *, join: bool = False) -> AsyncIterator[tuple[str, EmbeddedRedis | None]]:
    """The address of the Redis the settings mean, and the embedded server if it is one.

    An embedded one that runs is used; otherwise one is started for as long as this is open, unless `join` is asked.
    """
    if settings.redis_url:
        yield settings.redis_url, None
    else:
        async with EmbeddedRedis(settings.home, join=join) as server:
            yield server.url, server


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[House]:
    """The house for a look, whether Stoa runs or not."""
    settings = load()
    async with redis(settings) as (url, _), open_house(settings, url) as house:
        yield house


async def until_death(server: EmbeddedRedis | None) -> None:
    """Raise `StoreUnavailable` when the embedded Redis dies; without one wait for ever."""
    if server is None:
        await asyncio.Event().wait()
    else:
        raise StoreUnavailable(await server.died())


def when(moment: datetime | None, zone: ZoneInfo) -> str:
    """A moment as people read it in a list."""
    if moment is None:
        return ""
    with contextlib.suppress(OverflowError):  # at the very ends of the calendar
        moment = moment.astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def print_json(found: object) -> None:
    """The one form for scripts: JSON, times as ISO text."""
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2, default=_plain))


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as they need to be, the last one free."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


@contextlib.contextmanager
def bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with typer.progressbar(length=length, label=label, file=sys.stderr) as shown:
        yield shown.update


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
