"""Mending what a crash or a bad disk left of the embedded Redis' append-only file."""

import asyncio
import logging
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from core.errors import StoreUnavailable
from core.private import private
from core.redis.binaries import wheels

AOF_REPORT = re.compile(r"AOF analyzed: filename=(.+), size=(\d+), ok_up_to=(\d+), .*diff=(\d+)")


def mend(directory: Path, at_most: int | None = None) -> str:
    """Cut the newest append-only file back to its last whole command; "" if it is whole or more would be lost."""
    files = directory / "appendonlydir"
    if not (files / "appendonly.aof.manifest").exists():
        return ""
    ended, report = _check(files)
    if ended == 0:
        return ""
    checked = AOF_REPORT.findall(report)
    name, size, good, lost = checked[-1] if checked else ("", "0", "0", "0")
    if not name.endswith(".incr.aof") or lost == "0":
        raise StoreUnavailable(
            f"The data in {files} is damaged where cutting cannot mend it: {report.splitlines()[-1]}. "
            f"Put a backup back, or move {directory} away to begin with nothing."
        )
    if at_most is not None and int(lost) > at_most:
        return ""
    kept = files / f"{name}.cut-{time.strftime('%Y%m%d-%H%M%S')}"
    with (files / name).open("rb") as whole, open(kept, "wb", opener=private) as rest:
        whole.seek(int(good))
        shutil.copyfileobj(whole, rest)
    ended, report = _check(files, "--fix")
    if ended:
        raise StoreUnavailable(f"{files / name} could not be repaired: {report.splitlines()[-1]}.")
    return f"{files / name} was cut back to its last whole command: {lost} of its {size} bytes are now in {kept.name}."


def _check(files: Path, *options: str) -> tuple[int, str]:
    server, _ = wheels(files.parent)
    done = subprocess.run(
        ["redis-check-aof", *options, "appendonly.aof.manifest"],
        executable=server,
        cwd=files,
        input="y\n",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip() or "redis-check-aof said nothing"


FSYNC_SECONDS = 1.0
"""Seconds: what a power cut can take, as with `everysec`."""

log = logging.getLogger(__name__)


async def force(directory: Path) -> None:
    """Force new data in the append-only file onto the disk, every second."""
    forced = (Path(), 0)
    while True:
        await asyncio.sleep(FSYNC_SECONDS)
        try:
            forced = await asyncio.to_thread(force_once, directory, forced)
        except FileNotFoundError:
            continue  # a new file is about to take its place
        except OSError as error:
            log.error("The data in %s could not be forced onto the disk: %s", directory, error.strerror)


def force_once(directory: Path, forced: tuple[Path, int]) -> tuple[Path, int]:
    """Force the newest file onto the disk, unless it is as it was `forced`: a file and its size. Returns the same."""
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
