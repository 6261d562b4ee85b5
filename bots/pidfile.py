"""Which process is the one Stoa of a data directory: it holds `stoa.pid` locked for as long as it lives."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.errors import InvalidInput, StoreUnavailable

NAME = "stoa.pid"


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Be the one Stoa of `home`; raises `InvalidInput` if another is."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open_private(home / NAME)
    except OSError as error:
        raise StoreUnavailable(
            f"The data directory {home} cannot be used: {error.strerror}. Set STOA_HOME to a directory that you own."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(
                f"Stoa already runs with the data in {home} (process {running(home)}). Talk to it with `stoa chat`, "
                "or set STOA_HOME to another directory to run a second one."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def open_private(path: Path) -> IO[str]:
    """The file opened for appending; if it has to be made, only its owner can read it."""
    return open(path, "a+", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


def running(home: Path) -> str:
    """The process id of the Stoa that runs on `home`; empty if none does."""
    try:
        with (home / NAME).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "unknown"
    except FileNotFoundError:
        pass
    return ""
