"""The one running Stoa of a data directory: it keeps `stoa.pid` locked for as long as it lives."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from core.errors import InvalidInput, StoreUnavailable
from core.private import private as private

NAME = "stoa.pid"


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Be the only Stoa that runs on `home`; raises `InvalidInput` if another one does."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open(home / NAME, "a+", encoding="utf-8", opener=private)  # noqa: SIM115 - entered below
    except OSError as error:
        raise StoreUnavailable(
            f"The data directory {home} cannot be used: {error.strerror}. Set STOA_HOME to a directory that you own."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(
                f"Stoa is already running on {home} (process {running(home)}). Talk to it with `stoa chat`, or set "
                "STOA_HOME to another directory to run a second one."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def running(home: Path) -> str:
    """The process id of the Stoa running on `home`; empty if there is none."""
    try:
        with (home / NAME).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "unknown"
    except FileNotFoundError:
        pass
    return ""
