"""One connection to a Redis while it lives: commands leave a few together, replies come in order."""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

import hiredis

Argument = str | bytes | int | float

WRITE_BATCH = 8
"""So many callers' commands leave at once, fewer at the end of the loop's turn: the server works on them meanwhile.

With all of a turn in one write each side waits for the other, and 32 puts at a time take twice as long.
"""
REPLICA_WAIT_MS, REPLICA_RECHECK_SECONDS = 1000, 5.0
"""Milliseconds a replica has for taking over a change, and seconds until one is looked for again if it has not."""

log = logging.getLogger("stoa.link")


class LinkLost(ConnectionError):
    """The connection ended before the answer came, or none could be made."""


class Wire(asyncio.Protocol):
    """One connection while it lives: commands leave in order, and the replies belong to them in the same order."""

    def __init__(self) -> None:
        self.lost: str = ""
        """Why it is of no use any more; empty while it lives."""
        self.heard = 0
        """How many times something has arrived."""
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[_Batch] = deque()
        self._unwritten: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._guarded = False
        self._changes: list[_Batch] = []
        self._counting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        plain = transport.get_extra_info("socket")
        if plain is not None and plain.family != socket.AF_UNIX:
            _keep_alive(plain)

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not False:
                batch = waiting[0]
                batch.replies.append(reply)
                if len(batch.replies) == batch.count:
                    waiting.popleft()
                    if not batch.guarded:
                        batch.answer()
        except (hiredis.ProtocolError, IndexError):
            self.close("Redis sent an invalid reply")

    def connection_lost(self, error: Exception | None) -> None:
        self.close(str(error) if error else "the connection was closed")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def ask(self, packed: bytes, count: int, changing: bool = False) -> list[Any]:
        """Say `count` packed commands; their answers, errors among them. Raises `LinkLost`.

        The answers to `changing` ones are held back until a replica has them, too, where there is one.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        if self.lost:
            raise LinkLost(self.lost)
        batch = _Batch(count, self._loop.create_future())
        if changing and self._guarded:
            batch.guarded = True
            self._changes.append(batch)
        self._say(batch, packed)
        return await batch.answered

    def _say(self, batch: "_Batch", packed: bytes) -> None:
        self._waiting.append(batch)
        if not self._unwritten:
            self._loop.call_soon(self._write)
        self._unwritten.append(packed)
        if len(self._unwritten) >= WRITE_BATCH and not self._changes:  # these share the wait for a replica
            self._write()

    def close(self, why: str) -> None:
        """End the connection; those who wait are told `why`."""
        if self.lost:
            return
        self.lost = why
        self._unwritten.clear()
        self._writable.set()
        if self._transport:
            self._transport.abort()
        if self._counting:
            self._counting.cancel()
        held = [one for batch in self._waiting for one in batch.guards]
        for batch in (*self._waiting, *held):
            if not batch.answered.done():
                batch.answered.set_exception(LinkLost(why))
        self._waiting.clear()

    def count_replicas(self, role: Sequence[Any]) -> None:
        """Learn from an answer to ROLE if a replica must have each change; look again while there is none."""
        self._guarded = role[0] == b"master" and bool(role[2])
        if not self._guarded:
            self._counting = self._loop.call_later(REPLICA_RECHECK_SECONDS, self._ask_role)

    def _ask_role(self) -> None:
        batch = _Batch(1, self._loop.create_future())
        batch.answered.add_done_callback(self._told_role)
        self._say(batch, packed_together([("ROLE",)]))

    def _told_role(self, answered: "asyncio.Future[list[Any]]") -> None:
        if not answered.cancelled() and not answered.exception() and isinstance(answered.result()[0], list):
            self.count_replicas(answered.result()[0])

    def _guard(self) -> None:
        guard = _Batch(1, self._loop.create_future(), self._changes)
        guard.answered.add_done_callback(self._told_copies)
        self._changes = []
        self._waiting.append(guard)
        self._unwritten.append(packed_together([("WAIT", 1, REPLICA_WAIT_MS)]))

    def _told_copies(self, answered: "asyncio.Future[list[Any]]") -> None:
        if not answered.cancelled() and not answered.exception() and answered.result() == [0] and not self.lost:
            log.warning("No replica of Redis has taken over the last changes within %d ms.", REPLICA_WAIT_MS)
            self._guarded = False
            self._counting = self._loop.call_later(REPLICA_RECHECK_SECONDS, self._ask_role)

    def _write(self) -> None:
        if self._changes:
            self._guard()
        if self._unwritten and self._transport:
            self._transport.write(b"".join(self._unwritten))
            self._unwritten.clear()


class _Batch:
    """Commands that were said together and the replies that have come so far."""

    __slots__ = ("answered", "count", "guarded", "guards", "replies")

    def __init__(self, count: int, answered: asyncio.Future[list[Any]], guards: Sequence["_Batch"] = ()) -> None:
        self.count = count
        self.answered = answered
        self.guards = guards
        """Batches that are answered with this one, not before."""
        self.guarded = False
        self.replies: list[Any] = []

    def answer(self) -> None:
        """Give the replies to the caller, unless it is gone."""
        for batch in (*self.guards, self):
            if not batch.answered.done():
                batch.answered.set_result(batch.replies)


def packed_together(commands: Sequence[Sequence[Argument]]) -> bytes:
    return b"".join([hiredis.pack_command(tuple(command)) for command in commands])  # type: ignore[arg-type]


def _keep_alive(plain: socket.socket) -> None:
    """Notice within a minute that the other side is gone."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
