"""The command line, run in the test's own process against the Redis that all tests share: one namespace per home."""

import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis

from bots.__main__ import main

STOA = [sys.executable, "-m", "bots"]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class CommandLine:
    """Runs `stoa` on a data directory; without a Redis of the tests, on an embedded one."""

    redis_url: str = ""
    namespaces: set[str] = field(default_factory=set)

    def __call__(self, home: Path, *words: str, say: str = "", **more: str) -> Done:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with contextlib.ExitStack() as stack:
            stack.enter_context(environment(self.environment(home, **more)))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            stack.enter_context(standing_in(sys, argv=["stoa", *words], stdin=io.TextIOWrapper(_typed(say), "utf-8")))
            code = _exit_code()
        return Done(code, *(stream.buffer.getvalue().decode() for stream in _flushed(out, err)))  # type: ignore[attr-defined]

    def namespace(self, home: Path) -> str:
        name = f"test-{hashlib.sha1(str(home).encode()).hexdigest()[:12]}"
        self.namespaces.add(name)
        return name

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """The environment of a command, for one that has to run in a process of its own, too."""
        namespace = self.namespace(home)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOA_", "REDIS_"))}
        settings = {"STOA_HOME": str(home), "STOA_TIMEZONE": "Europe/Paris", "STOA_NAMESPACE": namespace}
        return kept | settings | {"REDIS_URL": self.redis_url} | more


@pytest.fixture
def stoa(redis_url: str) -> Iterator[CommandLine]:
    """Runs commands; what they leave in Redis is removed."""
    command_line = CommandLine(redis_url)
    yield command_line
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        for namespace in command_line.namespaces:
            if left := list(redis.scan_iter(f"{namespace}[-:]*", count=1000)):
                redis.unlink(*left)
            for index in redis.execute_command("FT._LIST"):
                if index.startswith(f"{namespace}:"):
                    redis.execute_command("FT.DROPINDEX", index)


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """These variables and no others."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def standing_in(owner: object, **values: object) -> Iterator[None]:
    """The owner with these attributes."""
    before = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def _typed(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def _flushed(*streams: io.TextIOWrapper) -> tuple[io.TextIOWrapper, ...]:
    for stream in streams:
        stream.flush()
    return streams


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
            return 1
        return ending.code or 0
    return 0
