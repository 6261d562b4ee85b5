"""A person at a terminal, as far as a test can be one: a real `stoa run` in a process, lines in, lines out."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path


class Person:
    """Types lines to Stoa and reads what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.read: list[str] = []

    def type(self, line: str) -> None:
        """Type a line."""
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")

    async def until(self, words: str, seconds: float = 120) -> str:
        """Read on until a line holds these words; answers that line."""
        assert self.process.stdout
        async with asyncio.timeout(seconds):
            while line := (await self.process.stdout.readline()).decode():
                self.read.append(line.rstrip("\n"))
                if words in line:
                    return line.rstrip("\n")
        raise AssertionError(f"Stoa ended without saying {words!r}; it said {self.read}")

    async def pull_the_plug(self) -> None:
        """kill -9."""
        self.process.kill()
        await self.process.wait()

    async def leave(self) -> list[str]:
        """End the input, wait for Stoa to end, and answer what it still said."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        async with asyncio.timeout(120):
            rest = (await self.process.stdout.read()).decode().splitlines()
            assert await self.process.wait() == 0
        return rest


def environment(home: Path, **settings: str) -> dict[str, str]:
    """What a new user has: a data directory of their own, and no settings but those that are given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOA_", "REDIS_"))}
    ports = {"STOA_WEB_PORT": "0", "STOA_WEBHOOK_PORT": "0"}
    return kept | {"STOA_HOME": str(home), "STOA_TIMEZONE": "Europe/Paris"} | ports | settings


@contextlib.asynccontextmanager
async def someone_at(home: Path, **settings: str) -> AsyncIterator[Person]:
    """A person at a terminal with Stoa running; whatever happens, it is not left behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bots", "run"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(home, **settings),
    )
    try:
        yield Person(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


async def stoa(home: Path, *arguments: str, **settings: str) -> str:
    """What a `stoa` command prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *("-m", "bots", *arguments), stdout=asyncio.subprocess.PIPE, env=environment(home, **settings)
    )
    async with asyncio.timeout(120):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed
    return printed.decode()
