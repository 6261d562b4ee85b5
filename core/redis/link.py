"""The way to one Redis: any number of callers over one connection, which is made anew whenever it is lost."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import hiredis

from core.redis.connection import Argument as Argument
from core.redis.connection import LinkLost as LinkLost
from core.redis.connection import Wire, packed_together
from core.redis.urls import Address, Endpoint, Kind

COMMAND_SECONDS = 30.0
"""Seconds a command may take, and how long one waits for another server to take over."""
ABSENCE_SECONDS = 3.0
"""Seconds one waits for a server that nobody is to replace."""
CONNECT_SECONDS = 5.0
"""Seconds a connection may take to be made."""
RECONNECT_DELAYS_SECONDS = (0.01, 0.5)
"""Seconds between two attempts to connect: at first, and at most."""

READ_COMMANDS = frozenset(
    ["FCALL_RO", "EVAL_RO", "GET", "HGET", "HMGET", "HGETALL", "LRANGE", "SMEMBERS", "XRANGE", "FT.SEARCH", "EXISTS"]
)
"""Commands after which no replica needs to be waited for."""
NOT_HERE_ERRORS = (b"LOADING", b"READONLY", b"MASTERDOWN", b"CLUSTERDOWN", b"TRYAGAIN")
"""How an answer begins that says: not now, or not here. Nothing was carried out."""
NOT_IDEMPOTENT = re.compile(
    "APPEND|DECR(BY)?|[HZ]?INCR(BY)?(FLOAT)?|[LR]PUSH|[LRS]POP|ZPOP(MIN|MAX)|XADD", re.IGNORECASE
)
"""Commands that a second time do more than the first; our Functions do not, each mutation carries its operation."""


class Link:
    """The way to one Redis, found anew whenever it is lost; opened at its first use.

    A command that had no answer when a connection was lost is said again on the next one, unless it is one that must
    not be said twice. Safe for any number of tasks; a cancelled caller's answer is dropped when it comes.
    """

    def __init__(self, address: Address, absence: float | None = None, *, replicated: bool = False) -> None:
        """`absence`: how many seconds the server may be away; with Sentinels as long as another may need to follow.

        `replicated`, as with Sentinels: it has to be a master, and a change counts once a replica has it, too.
        """
        self.address = address
        self.find = _master(address) if address.kind is Kind.SENTINEL else _first(address)
        """Where the server is at this moment."""
        self._replaced = address.kind is Kind.SENTINEL
        self._replicated = replicated or self._replaced
        self._absence = absence or (COMMAND_SECONDS if self._replaced else ABSENCE_SECONDS)
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None

    async def ask(self, *commands: Sequence[Argument]) -> list[Any]:
        """Say commands in one round trip; their answers in order, a `hiredis.ReplyError` where Redis refused one.

        Raises `LinkLost` when no server can be reached, `TimeoutError` after `COMMAND_SECONDS` seconds.
        """
        packed = packed_together(commands)
        changing = self._replicated and any(command[0] not in READ_COMMANDS for command in commands)
        wire, heard = self._wire, 0
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                pause = RECONNECT_DELAYS_SECONDS[0]
                while True:
                    if wire is None or wire.lost:
                        wire = await self._opened()
                    heard = wire.heard
                    try:
                        answers = await wire.ask(packed, len(commands), changing)
                    except LinkLost:
                        if not repeatable(commands):
                            raise
                        continue
                    if not self._refused(answers) or not repeatable(commands):
                        return answers
                    wire.close("the server is not the one to ask at this moment")
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, RECONNECT_DELAYS_SECONDS[1])
        except TimeoutError:
            if wire and wire.heard == heard:  # nothing at all has come: the other side is gone without a word
                wire.close(f"no answer within {COMMAND_SECONDS:.0f} seconds")
            raise

    async def url(self) -> str:
        """The address for other Redis clients."""
        return self.address.text

    async def aclose(self) -> None:
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._wire:
            self._wire.close("it was closed here")
            self._wire = None

    async def _opened(self) -> Wire:
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name=f"connect to {self.address}")
            self._opening.add_done_callback(_looked_at)
        opening = self._opening
        await asyncio.wait([opening])
        if opening.cancelled():
            raise LinkLost("it was closed here")
        self._wire = opening.result()
        return self._wire

    def _refused(self, answers: Sequence[Any]) -> bool:
        return any(
            isinstance(one, hiredis.ReplyError)
            and _elsewhere(one)
            and (self._replaced or str(one).startswith("LOADING"))
            for one in answers
        )

    async def _open(self) -> Wire:
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._absence, RECONNECT_DELAYS_SECONDS[0]
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await connect(await self.find(), self.address, self._replicated)
            except (OSError, TimeoutError) as error:
                why = str(error) or "it does not answer"
                if loop.time() + pause > end:
                    raise LinkLost(why) from None
            await asyncio.sleep(pause)
            pause = min(pause * 2, RECONNECT_DELAYS_SECONDS[1])


async def connect(place: Endpoint, address: Address, replicated: bool = False) -> Wire:
    """A connection to the server at `place`, logged in; raises `OSError`, or the error of Redis."""
    loop = asyncio.get_running_loop()
    if place.path:
        _, wire = await loop.create_unix_connection(Wire, place.path)
    else:
        context = address.context()
        named = place.host if context else None
        _, wire = await loop.create_connection(Wire, place.host, place.port, ssl=context, server_hostname=named)
    try:
        await _greet(wire, address, replicated)
    except BaseException:
        wire.close("it was not let in")
        raise
    return wire


async def _greet(wire: Wire, address: Address, replicated: bool) -> None:
    """Log in, choose the database, and check that the server is ready and not a replica."""
    greeting: list[tuple[Argument, ...]] = [("CLIENT", "SETNAME", "stoa"), ("PING",)]
    if address.database:
        greeting.insert(0, ("SELECT", address.database))
    if address.password:
        login = (address.username, address.password) if address.username else (address.password,)
        greeting.insert(0, ("AUTH", *login))
    if replicated:
        greeting.append(("ROLE",))
    answers = await wire.ask(packed_together(greeting), len(greeting))
    for command, answer in zip(greeting, answers, strict=True):
        if isinstance(answer, hiredis.ReplyError) and command[0] != "CLIENT":
            raise LinkLost(str(answer)) if _elsewhere(answer) else answer
    if replicated:
        if answers[-1][0] != b"master":
            raise LinkLost("the server has become a replica")
        wire.count_replicas(answers[-1])


def _first(address: Address) -> Callable[[], Awaitable[Endpoint]]:
    async def find() -> Endpoint:
        return address.places[0]

    return find


def _master(address: Address) -> Callable[[], Awaitable[Endpoint]]:
    user, password = address.option("sentinel_username"), address.option("sentinel_password")
    watchers = Address(Kind.SERVER, address.places, user, password, 0, address.tls, address.options)

    async def find() -> Endpoint:
        why = ""
        for place in address.places:
            try:
                async with asyncio.timeout(1):
                    wire = await connect(place, watchers)
                    try:
                        question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)
                        (found,) = await wire.ask(packed_together([question]), 1)
                    finally:
                        wire.close("it has answered")
            except (OSError, TimeoutError) as error:
                why = f"{place}: {error or 'no answer'}"
                continue
            if isinstance(found, hiredis.ReplyError):
                raise found
            if found:
                return Endpoint(found[0].decode(), int(found[1]))
            why = f"{place} knows no master {address.master!r}"
        raise LinkLost(f"no Sentinel says where the master is; {why}")

    return find


def repeatable(commands: Sequence[Sequence[Argument]]) -> bool:
    return not any(NOT_IDEMPOTENT.fullmatch(str(command[0])) for command in commands)


def _elsewhere(error: Exception) -> bool:
    return str(error).encode().startswith(NOT_HERE_ERRORS)


def _looked_at(task: asyncio.Task[Wire]) -> None:
    if not task.cancelled():
        task.exception()
