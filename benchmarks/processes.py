"""What Stoa costs as a process: its command line's CPU, its memory before and after the first message, its start."""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.stages import Stage
from core.redis.server import EmbeddedRedis

STOA = Path(sys.executable).with_name("stoa")
PROC = Path("/proc")
QUESTION = "add buy milk to my tasks"


async def processes(stage: Stage) -> list[Row]:
    """`stoa --version`, the embedded Redis, and `stoa run`; memory is read where there is a /proc."""
    rows = [
        Row("stoa --version, CPU", statistics.median(_seconds(stage)), "s", goal=0.3),
        Row("the embedded Redis, from nothing to ready", statistics.median(await _starts(stage)), "ms", goal=100),
    ]
    return rows + (await _memory(stage) if PROC.joinpath("self/stat").exists() else [])


def _seconds(stage: Stage) -> Iterator[float]:
    """CPU seconds of `stoa --version`, user and system, several times over."""
    for _ in stage.track(range(9), "stoa --version", 9):
        child = os.posix_spawn(STOA, [str(STOA), "--version"], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 1)])
        _, _, usage = os.wait4(child, 0)
        yield usage.ru_utime + usage.ru_stime


async def _starts(stage: Stage) -> list[float]:
    """Milliseconds until an embedded Redis with no data answers."""
    times = []
    for _ in stage.track(range(5), "start of Redis", 5):
        with tempfile.TemporaryDirectory(prefix="stoa-bench-") as home:
            begun = time.perf_counter()
            async with EmbeddedRedis(Path(home)):
                times.append((time.perf_counter() - begun) * 1000)
    return times


async def _memory(stage: Stage) -> list[Row]:
    """Resident memory of `stoa run` with the offline model, and what it does while nobody says anything."""
    with tempfile.TemporaryDirectory(prefix="stoa-bench-") as home:
        async with _running(Path(home)) as stoa:
            steps = stage.track(range(3), "stoa run", 3)
            next(steps)
            await _rest(stoa.pid)
            waiting = _resident(stoa.pid)
            next(steps)
            assert stoa.stdin
            assert stoa.stdout
            stoa.stdin.write(f"{QUESTION}\n".encode())
            begun = time.perf_counter()
            async with asyncio.timeout(60):
                await stoa.stdout.readline()
            answered = time.perf_counter() - begun
            await _rest(stoa.pid)
            after, sandbox = _resident(stoa.pid), sum(map(_resident, _guests(stoa.pid)))
            next(steps)
            ticks = _ticks(stoa.pid)
            await asyncio.sleep(5)
            busy = (_ticks(stoa.pid) - ticks) / os.sysconf("SC_CLK_TCK") / 5
            next(steps, None)
    return [
        Row("stoa run waiting for its first message, without Redis", waiting, "MB", goal=120),
        Row("stoa run after its first message, without Redis", after, "MB", goal=450),
        Row("· the processes of its sandbox besides", sandbox, "MB"),
        Row("· CPU while nobody says anything", busy * 100, "%"),
        Row("· from its first message to the answer, models loaded for it", answered, "s"),
    ]


@contextlib.asynccontextmanager
async def _running(home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`stoa run` with its standard input held open."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("STOA_", "REDIS_"))}
    with (home / "errors").open("wb") as errors:
        stoa = await asyncio.create_subprocess_exec(
            STOA,
            "run",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=quiet | {"STOA_HOME": str(home), "STOA_MODEL": "offline"},
        )
    try:
        yield stoa
    finally:
        with contextlib.suppress(ProcessLookupError):
            stoa.terminate()
        await stoa.wait()


async def _rest(process: int) -> None:
    """Wait until the process and its children have hardly computed for two seconds; at most half a minute."""
    since, ticks = time.monotonic(), 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            while time.monotonic() - since < 2:
                await asyncio.sleep(0.5)
                now = _ticks(process)
                if now - ticks > 3:
                    since = time.monotonic()
                ticks = now


def _resident(process: int) -> float:
    pages = int(PROC.joinpath(str(process), "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _ticks(process: int) -> int:
    fields = PROC.joinpath(str(process), "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _guests(process: int) -> list[int]:
    """The children of a process that are not its Redis."""
    tasks = PROC.joinpath(str(process), "task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [child for child in children if "redis" not in PROC.joinpath(str(child), "comm").read_text()]
