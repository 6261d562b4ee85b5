"""Guests: Monty programs, each in a process while it computes and written down while others need the process."""

import asyncio
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from pydantic_monty import (
    FunctionSnapshot,
    FutureSnapshot,
    Monty,
    MontyComplete,
    MontyCrashedError,
    MontyError,
    MontySession,
    NameLookupSnapshot,
    SyncSnapshot,
)

from core.sandbox.rewriting import RewrittenCode, Span
from core.sandbox.standard import external_modules
from core.sandbox.statements import needed

MEMORY_BYTES = 64 << 20
"""A program may hold as much."""
MAX_IMAGE_BYTES = 16 << 20
"""Of a waiting program's state."""
MAX_RECURSION_DEPTH = 500
UNLIMITED_SUSPENSIONS = 1_000_000_000
DIED = "The process this code ran in died. Run it again."

T = TypeVar("T")
Paused = FunctionSnapshot | NameLookupSnapshot | FutureSnapshot
Resume = Callable[[Any], SyncSnapshot]
Show = Callable[[str, str], None]


class Stopped(Exception):
    """A program had to be ended from outside; the text is for the agent."""


class Processes:
    """Monty's processes and a thread for each, as seats: given out in the order of asking.

    A guest that only waits keeps its seat until another asks; then it is written down and leaves.
    """

    def __init__(self, count: int, seconds: float, zone: str) -> None:
        self.seconds = seconds
        self.closed = False
        self.used: set[int] = set()
        """Ids of the processes that are checked out."""
        self.zone = zone
        self._modules = external_modules()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="sandbox")
        self._pool = Monty(min_processes=0, max_processes=count, request_timeout=seconds + 5)
        self._free = count
        self._asking: deque[asyncio.Future[None]] = deque()
        self._resting: dict[Guest, None] = {}

    async def open(self) -> None:
        """Be ready; no process is started yet."""
        await self.on_thread(self._pool.__enter__)

    async def close(self) -> None:
        """End the processes and the threads; a guest that is still in one is killed."""
        self.closed = True
        for process in self.used:
            kill(process)
        await _over(self.on_thread(partial(self._pool.__exit__, None, None, None)))
        self._threads.shutdown()

    def on_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Work on one of the threads; who has a seat finds one free."""
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    def check_out(self, seed: str) -> MontySession:
        """On a thread: a process with nothing in it."""
        try:
            return self._entered(seed)
        except MontyCrashedError:  # it had died while nobody used it
            return self._entered(seed)

    def _entered(self, seed: str) -> MontySession:
        return self._pool.checkout(
            limits={
                "max_feed_duration_secs": self.seconds,  # its clock stands while the guest waits for us
                "max_memory": MEMORY_BYTES,
                "max_recursion_depth": MAX_RECURSION_DEPTH,
                "max_suspensions": UNLIMITED_SUSPENSIONS,  # Monty counts a whole session, we a run
            },
            os_policy={
                "datetime": "call_host",
                "sleep": "call_host",
                "timezone": self.zone,
                "random_start": {"seed": seed},
            },
            external_modules=self._modules,
        ).__enter__()

    async def take(self) -> None:
        """Wait for a seat."""
        if self._free and not self._asking:
            self._free -= 1
            return
        seat: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.append(seat)
        if self._resting:
            guest = next(iter(self._resting))
            self.wake(guest)
            guest.park()
        try:
            await seat
        except asyncio.CancelledError:
            if not seat.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Pass one's seat on."""
        while self._asking:
            seat = self._asking.popleft()
            if not seat.done():
                seat.set_result(None)
                return
        self._free += 1

    def rest(self, guest: "Guest") -> None:
        """The guest computes nothing for now; its seat is for whoever asks."""
        if any(not seat.done() for seat in self._asking):
            guest.park()
        else:
            self._resting[guest] = None

    def wake(self, guest: "Guest") -> None:
        """The guest is about to compute, or to leave."""
        self._resting.pop(guest, None)


class Guest:
    """The programs of one session, which share their variables."""

    def __init__(self, processes: Processes) -> None:
        self.begun = False
        """Whether there are variables, so that the first names are bound."""
        self._processes = processes
        self._session: MontySession | None = None
        self._process: int | None = None
        self._seated = False
        self._paused: Paused | None = None
        self._image: bytes | None = None
        self._restoring = False
        self._parking: asyncio.Task[None] | None = None
        self._lost = ""
        self.programs: list[RewrittenCode] = []
        """Those of the session, by Monty's numbers."""
        self._equipped: set[str] = set()

    async def feed(
        self, program: RewrittenCode, names: dict[str, object] | None, seed: str, show: Show
    ) -> SyncSnapshot:
        """Begin to run a program; in a guest that has not begun, `names` are bound and chance starts from `seed`."""
        session = await self._sit(seed, show)
        self.begun = True
        if missing := needed(program.source, self._equipped):
            self.programs.append(RewrittenCode(missing, library=True))
            await self._step(partial(session.feed_run, missing))
        self.programs.append(program)
        return await self._stepped(partial(session.feed_start, program.source, inputs=names, print_callback=show))

    async def resume(self, answer: Resume, show: Show) -> SyncSnapshot:
        """Go on from where the program paused."""
        await self._sit("", show)
        return await self._stepped(partial(answer, self._paused))

    def awaits(self, call: FunctionSnapshot) -> bool:
        """True if the program awaits this call, wherever in the session's programs it stands."""
        number = re.fullmatch(r"<python-input-(\d+)>", call.position.filename)
        return call.allow_eager_await or (
            number is not None
            and int(number[1]) < len(self.programs)
            and (call.position.start, call.position.end) in self.programs[int(number[1])].awaited
        )

    def unread(self) -> None:
        """The last program was refused before Monty gave it a number."""
        self.programs.pop()

    def awaited(self) -> list[frozenset[Span]]:
        """Of each program of the session, the calls it awaits."""
        return [program.awaited for program in self.programs]

    async def written(self) -> bytes:
        """The state of the program where it paused; the guest has left and forgotten it. Raises `Stopped`."""
        await self._awake()
        if self._session is not None:
            await self._park()
        image, lost = self._image, self._lost
        await self.forget()
        if image is None:
            raise Stopped(lost or DIED)
        return image

    async def woken(self, image: bytes, awaited: Sequence[frozenset[Span]], show: Show) -> Paused:
        """Take up a program where it paused when it was written down; this guest has run nothing yet."""
        self.begun, self._image = True, image
        self.programs = [RewrittenCode("", spans) for spans in awaited]
        self._restoring = True
        await self._sit("", show)
        assert self._paused is not None
        return self._paused

    def rest(self) -> None:
        """There is nothing to compute for now."""
        if self._session is not None:
            self._processes.rest(self)

    def park(self) -> None:
        """Begin to write the program down and leave; whoever needs the guest again waits for that."""
        self._parking = asyncio.create_task(self._park())

    async def forget(self) -> None:
        """Leave, and keep neither program nor variables."""
        await self._awake()
        self._paused, self._image, self._lost, self.begun = None, None, "", False
        self.programs.clear()
        self._equipped.clear()
        await self._leave()

    async def _stepped(self, work: Callable[[], SyncSnapshot]) -> SyncSnapshot:
        self._paused = None
        snapshot = await self._step(work)
        if not isinstance(snapshot, MontyComplete):
            self._paused = snapshot
        return snapshot

    async def _sit(self, seed: str, show: Show) -> MontySession:
        await self._awake()
        if self._lost or self._processes.closed:
            raise Stopped(self._lost or "The sandbox is closed.")
        if self._session is None:
            await self._processes.take()
            self._seated = True
            try:
                await self._step(partial(self._open, seed, show))
            except MontyError:
                raise Stopped(DIED) from None
        assert self._session is not None
        return self._session

    async def _awake(self) -> None:
        self._processes.wake(self)
        if self._parking is not None:
            await _over(self._parking)
            self._parking = None

    def _open(self, seed: str, show: Show) -> None:
        """On a thread: a process, with the state brought back if there is one."""
        session = self._session = self._processes.check_out(seed)
        self._process = session.worker_pid
        if self._process is not None:
            self._processes.used.add(self._process)
        image, self._image = self._image, None
        if image is None:
            return
        if self._paused is None and not self._restoring:
            session.load_session(image)
        else:
            restored = session.load_snapshot(image, print_callback=show)
            assert not isinstance(restored, MontyComplete)
            self._paused, self._restoring = restored, False

    async def _park(self) -> None:
        assert self._session is not None
        try:
            self._image = await self._step((self._paused or self._session).dump)
            if len(self._image) > MAX_IMAGE_BYTES:
                self._image = None
                self._lost = (
                    f"The program held more than {MAX_IMAGE_BYTES >> 20} MB while it waited and others needed its "
                    "process; keep less in variables."
                )
        except (MontyError, RuntimeError):
            self._lost = DIED
        finally:
            await self._leave()

    async def _leave(self) -> None:
        try:
            if self._session is not None and not self._processes.closed:
                await self._step(partial(self._session.__exit__, None, None, None))
        finally:
            if self._process is not None:
                self._processes.used.discard(self._process)
            self._session = self._process = None
            if self._seated:
                self._seated = False
                self._processes.leave()

    async def _step(self, work: Callable[[], T]) -> T:
        """One piece of work with the process; if we are cancelled it is killed, which ends the work."""
        step = self._processes.on_thread(work)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            if not step.done() and self._process is not None:
                kill(self._process)
            with suppress(MontyError, RuntimeError):
                await _over(step)
            raise


def kill(process: int) -> None:
    """End a process that is checked out, whatever it does."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


async def _over(work: asyncio.Future[T]) -> T:
    """Its result, once it is over; a cancellation of ours waits until then."""
    interrupted = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            interrupted = True
    if interrupted:
        work.cancelled() or work.exception()
        raise asyncio.CancelledError
    return work.result()
