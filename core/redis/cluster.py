"""The way to a Redis Cluster: each command goes to the node that holds its key, a search to all of them at once."""

import asyncio
from binascii import crc_hqx
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import chain, count
from typing import Any

from hiredis import ReplyError

from core.redis.link import COMMAND_SECONDS, RECONNECT_DELAYS_SECONDS, Argument, Link, LinkLost, repeatable
from core.redis.scatter import agreed, common, for_one_node, least_whole, merged
from core.redis.urls import Address, Endpoint, Kind

HASH_SLOTS = 16_384
NODE_SILENCE_SECONDS = 1.0
"""Seconds until a node that does not answer is looked for elsewhere."""
ANY_NODE_COMMANDS = frozenset(["COMMAND", "ECHO", "INFO", "PING", "PUBLISH", "TIME"])
"""Commands that every node carries out alike."""
ALL_NODES_COMMANDS = frozenset(["FUNCTION", "FT._LIST", "FT.CREATE", "FT.DROPINDEX", "FT.INFO", "FT.SEARCH", "KEYS"])
"""Commands for all primaries at once."""
FUNCTION_COMMANDS = frozenset(["FCALL", "FCALL_RO", "EVAL", "EVAL_RO"])
NOT_NOW_ERRORS = ("MOVED", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "TRYAGAIN", "LOADING")


class Cluster:
    """The primaries of a cluster, one link each; which of them holds what is learnt from them, and anew when it moves.

    The interface is a `Link`'s. A search goes to every primary and the answers are put together, unless the engine does
    that itself, as Redis 8 does. One that does not takes the name of an index for a key, so there each node has its own
    index, named with a tag that lies in one of its slots.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._links: dict[Endpoint, Link] = {}
        self._owners: list[Endpoint] = []
        self._tags: dict[Endpoint, str] = {}
        self._looking: asyncio.Task[None] | None = None
        self._turn = count()

    async def ask(self, *commands: Sequence[Argument]) -> list[Any]:
        """Send commands to the nodes they belong to, all at once; answers in order, as a `Link` gives them."""
        answers: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        pause = RECONNECT_DELAYS_SECONDS[0]
        async with asyncio.timeout(COMMAND_SECONDS):
            while True:
                while not self._owners:  # another task may have found them outdated meanwhile
                    await self._look()
                found = await self._once([commands[one] for one in left])
                for one, answer in zip(left, found, strict=True):
                    answers[one] = answer
                left = [one for one in left if _again(commands[one], answers[one])]
                if not left:
                    break
                self._owners = []
                await asyncio.sleep(pause)
                pause = min(pause * 2, RECONNECT_DELAYS_SECONDS[1])
        for answer in answers:
            if isinstance(answer, LinkLost):
                raise answer
        return answers

    async def find(self) -> Endpoint:
        """The next of the primaries in turn: a place to listen to what is published anywhere."""
        while not self._owners:
            await self._look()
        places = sorted(set(self._owners), key=str)
        return places[next(self._turn) % len(places)]

    async def url(self) -> str:
        """The cluster's address by a primary that lives."""
        return self.address.url(await self.find()).replace("://", "+cluster://", 1)

    async def aclose(self) -> None:
        if self._looking:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        for link in self._links.values():
            await link.aclose()

    async def _once(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        asked: dict[Endpoint, list[tuple[int, Sequence[Argument]]]] = defaultdict(list)
        for number, command in enumerate(commands):
            for place, own in self._targets(command):
                asked[place].append((number, own))
        given: list[list[Any]] = [[] for _ in commands]
        told = await asyncio.gather(*(self._told(place, [own for _, own in mine]) for place, mine in asked.items()))
        for mine, answers in zip(asked.values(), told, strict=True):
            for (number, _), answer in zip(mine, answers, strict=True):
                given[number].append(answer)
        return [_together(command, answers) for command, answers in zip(commands, given, strict=True)]

    def _targets(self, command: Sequence[Argument]) -> list[tuple[Endpoint, Sequence[Argument]]]:
        name = str(command[0]).upper()
        if name in ANY_NODE_COMMANDS or (name in ALL_NODES_COMMANDS and name.startswith("FT.") and not self._tags):
            return [(self._owners[0], command)]
        if name in ALL_NODES_COMMANDS:
            return [(place, for_one_node(command, self._tags.get(place, ""))) for place in dict.fromkeys(self._owners)]
        return [(self._owners[slot(command[3] if name in FUNCTION_COMMANDS else command[1])], command)]

    async def _told(self, place: Endpoint, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The answers of one node; for a slot that is being moved away, those of the node that has it already."""
        try:
            answers = await self._link(place).ask(*commands)
        except LinkLost as error:
            return [error] * len(commands)
        for number, answer in enumerate(answers):
            if isinstance(answer, ReplyError) and str(answer).startswith("ASK "):
                there = self._place(str(answer).split()[2])
                answers[number] = (await self._told(there, [("ASKING",), commands[number]]))[-1]
        return answers

    def _link(self, place: Endpoint) -> Link:
        if place not in self._links:
            node = replace(self.address, kind=Kind.SERVER, places=(place,))
            self._links[place] = Link(node, absence=NODE_SILENCE_SECONDS, replicated=True)
        return self._links[place]

    async def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._learn(), name=f"look at the cluster {self.address}")
        looking = self._looking
        await asyncio.wait([looking])
        if looking.cancelled():
            raise LinkLost("it was closed here")
        looking.result()

    async def _learn(self) -> None:
        why: Exception = LinkLost("no node of the cluster answers")
        for place in dict.fromkeys([*self._links, *self.address.places]):
            try:
                ranges, search = await self._link(place).ask(("CLUSTER", "SLOTS"), ("COMMAND", "INFO", "FT.SEARCH"))
            except LinkLost as error:
                why = error
                continue
            if isinstance(ranges, ReplyError):
                raise ranges
            if sum(high - low + 1 for low, high, *_ in ranges) == HASH_SLOTS:
                owners = [place] * HASH_SLOTS
                for low, high, (host, port, *_), *_ in ranges:
                    holder = Endpoint(host.decode() if host else place.host, port)
                    owners[low : high + 1] = [holder] * (high - low + 1)
                if search[0] and search[0][3] == 1:
                    self._tags = {node: await self._prepared(node, owners) for node in set(owners)}
                self._owners = owners
                return
            why = LinkLost("the cluster does not hold all slots at this moment")
        raise why

    async def _prepared(self, place: Endpoint, owners: Sequence[Endpoint]) -> str:
        """Make a node ready to be searched. Answers what stands in the names of its own indexes: a tag they have
        already, or the first that fits.
        """
        code = files("core.redis").joinpath("functions", "cluster.lua").read_bytes()
        names, _ = await self._link(place).ask(("FT._LIST",), ("FUNCTION", "LOAD", "REPLACE", code))
        there: list[str] = (
            [name.decode().rpartition("{")[2].rstrip("}") for name in names] if isinstance(names, list) else []
        )
        return next(tag for tag in chain(there, map(str, count())) if tag.isdigit() and owners[slot(tag)] == place)

    def _place(self, text: str) -> Endpoint:
        host, _, port = text.rpartition(":")
        return Endpoint(host, int(port))


def slot(key: Argument) -> int:
    """The hash slot of a key, or of the tag between its first braces."""
    name = key if isinstance(key, bytes) else str(key).encode()
    _, brace, rest = name.partition(b"{")
    tag, end, _ = rest.partition(b"}")
    return crc_hqx(tag if brace and end and tag else name, 0) % HASH_SLOTS


def _again(command: Sequence[Argument], answer: Any) -> bool:
    if isinstance(answer, LinkLost):
        return repeatable([command])
    return isinstance(answer, ReplyError) and str(answer).startswith(NOT_NOW_ERRORS)


def _together(command: Sequence[Argument], answers: list[Any]) -> Any:
    if len(answers) == 1 and str(command[0]).upper() != "FT._LIST":
        return answers[0]
    for answer in answers:
        if isinstance(answer, LinkLost) or (isinstance(answer, ReplyError) and str(answer).startswith(NOT_NOW_ERRORS)):
            return answer
    match str(command[0]).upper():
        case "FT.SEARCH":
            return merged(command, answers)
        case "FT.INFO":
            return least_whole(answers)
        case "FT._LIST":
            return common(answers)
        case "KEYS" if not any(isinstance(answer, ReplyError) for answer in answers):
            return [key for answer in answers for key in answer]
        case _:
            return agreed(answers)
