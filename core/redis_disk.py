"""The embedded Redis' data on the disk: what it writes is forced onto it once a second, by whoever runs it.

Redis could do so itself (`appendfsync everysec`), but while an earlier fsync is slow it then answers before it has
written, and what it has acknowledged is lost with its process. With `appendfsync no` it writes before it answers.
"""

import asyncio
import logging
import os
from pathlib import Path

EVERY = 1.0
"""Seconds: what a power cut can take, as with `everysec`."""

log = logging.getLogger(__name__)


async def force(directory: Path) -> None:
    """Force what is written into the append-only file onto the disk, again and again."""
    forced = (Path(), 0)
    while True:
        await asyncio.sleep(EVERY)
        try:
            forced = await asyncio.to_thread(force_once, directory, forced)
        except FileNotFoundError:
            continue  # a new file is about to take its place
        except OSError as error:
            log.error("The data in %s could not be forced onto the disk: %s", directory, error.strerror)


def force_once(directory: Path, forced: tuple[Path, int]) -> tuple[Path, int]:
    """Force the newest file onto the disk unless it is as it was `forced`: a file and its size; answers the same."""
    found = [(file.stat().st_mtime_ns, file) for file in (directory / "appendonlydir").glob("*.incr.aof")]
    if not found:
        return forced
    file = max(found)[1]
    now = (file, file.stat().st_size)
    if now != forced:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return now
