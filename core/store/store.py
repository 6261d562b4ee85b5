"""The one door to Redis: calls the Function library and translates its errors."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from hiredis import ReplyError
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection, UnixDomainSocketConnection, parse_url

from core.errors import StoreUnavailable
from core.redis.cluster import Cluster
from core.redis.link import Argument as Argument
from core.redis.link import Link
from core.redis.urls import Endpoint, Kind, parse
from core.store.errors import translated
from core.store.keys import Keys
from core.times.clock import Clock

CLAIMS_PER_CALL = 500
"""Given back in one call."""
FUNCTION_LIBRARIES = {
    "spaces": ("references", "spaces", "passages", "claims", "sharing", "errands", "reads", "moving"),
    "lanes": ("lanes",),
    "budgets": ("budgets",),
}
"""Each library is one text, made of these files of core/store/functions."""


class Store:
    """The Redis of one Stoa: its keys, its Function libraries, and the clock by which rights end."""

    def __init__(self, link: Link | Cluster, keys: Keys, clock: Clock) -> None:
        self.link = link
        self.keys = keys
        self.clock = clock

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(self.clock.now().timestamp() * 1000)

    async def load(self) -> None:
        for name, parts in FUNCTION_LIBRARIES.items():
            code = b"\n".join(files("core.store").joinpath("functions", f"{part}.lua").read_bytes() for part in parts)
            listed = await self.run("FUNCTION", "LIST", "LIBRARYNAME", f"stoa_{name}", "WITHCODE")
            if not listed or code not in listed[0]:
                await self.run("FUNCTION", "LOAD", "REPLACE", code)

    async def run(self, *command: Argument) -> Any:
        try:
            (answer,) = await self.link.ask(command)
        except (OSError, ReplyError) as error:
            raise translated(error) from error
        if isinstance(answer, ReplyError):
            raise translated(answer)
        return _shaped(command, answer)

    async def together(self, *commands: Sequence[Argument]) -> list[Any]:
        """Several commands in one round trip; raises the first error among the answers."""
        answers = await self.answers(*commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def answers(self, *commands: Sequence[Argument]) -> list[Any]:
        """Several commands in one round trip; an error is the answer to its own command only."""
        if not commands:
            return []
        try:
            found = await self.link.ask(*commands)
        except (OSError, ReplyError) as error:
            raise translated(error) from error
        return [
            translated(answer) if isinstance(answer, ReplyError) else _shaped(command, answer)
            for command, answer in zip(commands, found, strict=True)
        ]

    def reading(self, function: str, space: str, reader: str, *arguments: Argument) -> list[Argument]:
        """The command with which `reader` reads from a space."""
        return ["FCALL_RO", function, 1, self.keys.space(space), reader, self.now(), *arguments]

    async def names(self, key: Callable[[str], str]) -> list[str]:
        before, after = key("*").split("*")
        found = await self.run("KEYS", f"{_literal(before)}*{_literal(after)}")  # of all nodes, where there are several
        return sorted(name.decode()[len(before) : len(name.decode()) - len(after)] for name in found)

    async def give_back(self, spaces: Sequence[str], owner: str = "") -> None:
        """Give back the claims in these spaces that have ended, or all of an owner's."""
        while spaces:  # so many at a time hold up nobody else for long
            asked: tuple[Argument, ...] = (self.now(), owner, CLAIMS_PER_CALL)
            counts = await self.together(*(["FCALL", "stoa_give_back", 1, self.keys.space(n), *asked] for n in spaces))
            spaces = [one for one, count in zip(spaces, counts, strict=True) if count >= CLAIMS_PER_CALL and not owner]

    async def mutate(self, function: str, space: str, *arguments: Argument) -> tuple[int, list[bytes | None]]:
        """Change a space. Returns the change's number (0: this operation was done before) and the atom's fields."""
        _, seq, *rest = await self.run("FCALL", function, 1, self.keys.space(space), *arguments)
        fields, errand = (*rest, None, None)[:2]
        if errand:
            with contextlib.suppress(StoreUnavailable):  # the change is made; a worker does what is left
                await self.settle(space)
        return int(seq), fields or []

    async def subscribe(self, space: str, subscriber: str, subscription: str | bytes) -> int:
        """Subscribe to a space's changes, or with '' end that; returns the number of the newest change."""
        call = ("FCALL", "stoa_subscribe", 1, self.keys.space(space), subscriber, self.now(), subscription)
        return int(await self.run(*call))

    async def publish(self, topic: str, message: bytes) -> None:
        await self.run("PUBLISH", topic, message)

    async def settle(self, space: str, *, background: bool = False) -> None:
        """Do a space's errands: tell others of its atoms, fetch those it refers to.

        In the background also those that may take longer, until none is left.
        """
        while waiting := await self.run("FCALL_RO", "stoa_errands", 1, self.keys.space(space)):
            todo = [one for one in waiting if background or one[2] != b"~"]
            await asyncio.gather(*(self._settle(space, *one) for one in todo))
            if not background:
                return

    async def _settle(self, space: str, field: bytes, number: bytes, kind: bytes, *what: bytes) -> None:
        here = self.keys.space(space)
        match kind, *what:
            case b"+", reference:  # we refer to it: ask to be told, and what it is now
                there, _, id = reference.decode().partition("/")
                stand = await self.run("FCALL", "stoa_watch", 1, self.keys.space(there), id, space)
                await self.run("FCALL", "stoa_project", 1, here, reference, *stand)
            case b">", there, id, version, tokens, registration:  # it refers to us
                told = f"{space}/".encode() + id
                if not await self.run(
                    "FCALL", "stoa_project", 1, self.keys.space(there.decode()), told, version, tokens
                ):
                    await self.run("FCALL", "stoa_unwatch", 1, here, id, there, registration)
            case b"~", reference:
                done = b""
                while done := await self.run("FCALL", "stoa_refresh", 1, here, reference, done):
                    pass
        await self.run("FCALL", "stoa_done", 1, here, field, number)


def _literal(text: str) -> str:
    return "".join(f"\\{one}" if one in "*?[]\\" else one for one in text)


def _shaped(command: Sequence[Argument], answer: Any) -> Any:
    return dict(zip(answer[::2], answer[1::2], strict=True)) if command[0] == "HGETALL" else answer


def client(url: str) -> Link | Cluster:
    """Raises `InvalidInput` for a URL that does not name a Redis."""
    address = parse(url)
    return Cluster(address) if address.kind is Kind.CLUSTER else Link(address)


def waiting_client(link: Link | Cluster) -> Redis:
    """A client that waits for messages without a time limit, at the server that `link` finds."""
    options: dict[str, Any] = {**parse_url(link.address.url(link.address.places[0]))}
    made = options.pop("connection_class", Connection)
    options |= {"protocol": 2, "socket_timeout": None, "health_check_interval": 15}
    if made is UnixDomainSocketConnection:
        return Redis(connection_pool=ConnectionPool(connection_class=made, **options))

    class Found(made):  # type: ignore[valid-type, misc]
        """A connection to the server's present place."""

        async def _connect(self) -> None:
            place: Endpoint = await link.find()
            self.host, self.port = place.host, place.port
            await super()._connect()

    return Redis(connection_pool=ConnectionPool(connection_class=Found, **options))
