"""Redis away for five seconds, by its death or by a network that is gone: nothing is lost, nothing comes twice."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from core.errors import StoreUnavailable
from core.house import open_house
from core.redis.server import EmbeddedRedis
from core.settings import load
from core.spaces.notifications import Notifications
from core.spaces.spaces import Space
from tests.core.mortal_worker import Flat
from tests.core.spaces.test_notifications import mortal_house, take

OUTAGE = 5.0
"""Seconds."""
READERS = 20


class Network:
    """The only way to a Redis, which can be cut in the middle of an answer and mended again."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._listening: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self._listening = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def cut(self) -> None:
        assert self._listening
        self._listening.close()
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_unix_connection(str(self._socket))
        ends = {writer, to_redis}
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, to_redis))
                group.create_task(self._pass_on(from_redis, writer))
        finally:
            self._open -= ends

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def persist(space: Space, names: list[str]) -> None:
    """Put each of these, again and again until it is said to be done."""
    for name in names:
        while True:
            with contextlib.suppress(StoreUnavailable):
                await space.put(name, operation=name)
                break


async def be_away(notifications: Notifications, space: Space) -> None:
    """Let the time of an outage pass while a reader tries to read."""
    loop = asyncio.get_running_loop()
    end = loop.time() + OUTAGE
    while loop.time() < end:
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout_at(end):
                await notifications.changes(space.id, space.holder, 0)


@contextlib.asynccontextmanager
async def followed(space: Space, names: list[str]) -> AsyncIterator[None]:
    """Many read the space all the while; in the end each was told of every one of these, once and in order."""
    count = 1 + len(names)
    readers = [asyncio.create_task(take(space, 0, count)) for _ in range(READERS)]
    yield
    for found in await asyncio.wait_for(asyncio.gather(*readers), 20):
        assert [change.seq for change in found] == list(range(1, count + 1))
        atoms = Counter(change.atom for change in found if change.operation == "put")
        assert set(atoms.values()) == {1}
        assert len(atoms) == len(names)
    put = await space.search(limit=1000)
    assert sorted(atom.content for atom in put) == sorted(names)


async def killed(home: Path) -> None:
    names = [f"{number}" for number in range(400)]
    async with mortal_house(home) as (server, house):
        space = await house.spaces.create("news")
        async with followed(space, names):
            writing = asyncio.create_task(persist(space, names))
            while await space.newest() < 50:
                await asyncio.sleep(0)
            os.kill(server.pid, signal.SIGKILL)
            await server.died()
            await be_away(house.notifications, space)
            assert not writing.done()
            await server.restart()
            await writing


async def cut_off(home: Path) -> None:
    """Those on the far side of the network miss what others write meanwhile, until it is there again."""
    near, far = [f"near {number}" for number in range(200)], [f"far {number}" for number in range(400)]
    async with EmbeddedRedis(home) as server:
        network = Network(server.socket)
        await network.mend()
        async with (
            open_house(load(home=home), server.url, embedder=Flat()) as here,
            open_house(load(home=home), network.url, embedder=Flat()) as there,
        ):
            space = await here.spaces.create("news")
            async with followed(there.spaces.open("news"), near + far):
                writing = asyncio.create_task(persist(there.spaces.open("news"), far))
                while await space.newest() < 50:
                    await asyncio.sleep(0)
                network.cut()
                await persist(space, near)
                await be_away(there.notifications, there.spaces.open("news"))
                assert not writing.done()
                await network.mend()
                await writing
        network.cut()


async def test_nothing_is_lost_or_doubled_in_five_seconds_without_redis_or_without_the_network(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(killed(tmp_path / "killed"))
        group.create_task(cut_off(tmp_path / "cut"))
