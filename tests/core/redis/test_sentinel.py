"""A house over a master that Sentinels watch: it dies while many write, its replica follows, nobody loses anything."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from core.errors import StoreUnavailable
from core.house import open_house
from core.models.embeddings import LocalEmbedder
from core.redis.checks import check_server
from core.settings import load
from core.store.store import client
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working
from tests.core.servers import Server, free_port, server

SENTINEL = """
port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor main 127.0.0.1 {master} 1
sentinel down-after-milliseconds main 300
sentinel failover-timeout main 2000
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A master with its replica, and the Sentinel that watches them."""

    master: Server
    replica: Server
    sentinel: Server

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:1,127.0.0.1:{self.sentinel.port}/main"


@pytest_asyncio.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """Ready: the replica is in step and known to the Sentinel."""
    async with contextlib.AsyncExitStack() as stack:
        master = await stack.enter_async_context(server(tmp_path / "master", "--repl-diskless-sync-delay", "0"))
        follows = ("--replicaof", "127.0.0.1", str(master.port), "--repl-diskless-sync-delay", "0")
        replica = await stack.enter_async_context(server(tmp_path / "replica", *follows))
        directory, port = tmp_path / "sentinel", free_port()
        directory.mkdir()
        written = SENTINEL.format(port=port, directory=directory, master=master.port)
        (directory / "sentinel.conf").write_text(written)
        sentinel = Server(directory, port, (str(directory / "sentinel.conf"), "--sentinel"))
        stack.push_async_callback(sentinel.stop)
        await sentinel.start()
        async with asyncio.timeout(30):
            while b"state=online" not in await told(master, "INFO", "replication"):
                await asyncio.sleep(0.05)
            while b"slaves=1" not in await told(sentinel, "INFO", "sentinel"):
                await asyncio.sleep(0.05)
        yield Watched(master, replica, sentinel)


async def told(redis: Server, *command: str) -> bytes:
    answer = await redis.ask(*command)
    assert isinstance(answer, bytes)
    return answer


async def test_a_failover_while_many_write_loses_nothing_that_was_acknowledged(
    watched: Watched, tmp_path: Path, embedder: LocalEmbedder
) -> None:
    async with open_house(load(home=tmp_path), watched.url, embedder=embedder) as house:
        space = await house.spaces.create("ledger")
        acknowledged: set[str] = set()

        async def write(first: int) -> None:
            for number in range(first, 400, 8):
                atom = await space.put(f"entry {number}", operation=f"entry-{number}")
                acknowledged.add(atom.content)

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for first in range(8):
                group.create_task(write(first))
            while len(acknowledged) < 100:
                await asyncio.sleep(0.001)
            await watched.master.stop(signal.SIGKILL)

        kept = [atom.content for atom in await space.search(limit=1000)]
        assert len(acknowledged) == 400
        assert sorted(kept) == sorted(acknowledged), "each entry once, none lost"
        assert [change.seq for change in await space.changes(0, 1000)] == list(range(1, len(kept) + 2))
        assert b"role:master" in await told(watched.replica, "INFO", "replication")


async def test_readers_and_agents_go_on_after_a_failover(
    watched: Watched, tmp_path: Path, embedder: LocalEmbedder
) -> None:
    async with open_house(load(home=tmp_path), watched.url, embedder=embedder) as house:
        await seat(house)
        async with working(house, ScriptedLLM("Before.", "After."), lease=1.0), asyncio.timeout(60):
            before = await tell(house, "One")
            await said(house)
            await watched.master.stop(signal.SIGKILL)
            while True:
                try:
                    await tell(house, "Two")
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)
            answers = await said(house, 2)

    assert before.content == "One"
    assert [answer.content for answer in answers] == ["Before.", "After."]


async def test_without_its_replica_a_master_goes_on_alone(watched: Watched) -> None:
    async with contextlib.aclosing(client(watched.url)) as link:
        assert await link.ask(("SET", "one", 1)) == [b"OK"]
        await watched.replica.stop(signal.SIGKILL)

        async with asyncio.timeout(10):
            assert await link.ask(("SET", "two", 2)) == [b"OK"]
            assert [await link.ask(("GET", "two")) for _ in range(3)] == [[b"2"]] * 3


async def test_a_master_that_nobody_knows_and_a_sentinel_taken_for_a_server_are_said(watched: Watched) -> None:
    async with contextlib.aclosing(client(watched.sentinel.url)) as link:
        with pytest.raises(StoreUnavailable, match=r"REDIS_URL=redis\+sentinel://"):
            await check_server(link)
    async with contextlib.aclosing(client(watched.url.replace("/main", "/other"))) as link:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await link.ask(("PING",))
