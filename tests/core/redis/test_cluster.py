"""A house over a real cluster of three nodes: nothing needs two slots at once, a search finds what each node has."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from core.atoms.atoms import Principal
from core.errors import NotFound, StoreUnavailable
from core.house import House, open_house
from core.models.embeddings import LocalEmbedder
from core.redis.checks import check_server
from core.redis.cluster import Cluster, slot
from core.redis.urls import Endpoint, Kind, parse
from core.settings import load
from core.store.store import client
from core.testing import ScriptedLLM
from tests.core.backup.test_backup import exported, imported
from tests.core.scenes import said, seat, tell, working
from tests.core.servers import Server, server

NODES = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Server]]:
    """Three primaries that share the slots evenly."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--appendonly", "yes"]
    async with contextlib.AsyncExitStack() as stack:
        directory = tmp_path_factory.mktemp("cluster")
        nodes = [await stack.enter_async_context(server(directory / str(n), *options)) for n in range(NODES)]
        bounds = [16_384 * n // NODES for n in range(NODES + 1)]
        for number, node in enumerate(nodes):
            await node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            await nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        async with asyncio.timeout(20):
            while not all([await joined(node) for node in nodes]):
                await asyncio.sleep(0.05)
        yield nodes


async def joined(node: Server) -> bool:
    facts = await node.ask("CLUSTER", "INFO")
    assert isinstance(facts, bytes)
    return b"cluster_state:ok" in facts and f"cluster_known_nodes:{NODES}".encode() in facts


@pytest.fixture
def url(nodes: list[Server]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def house(url: str, tmp_path: Path, embedder: LocalEmbedder) -> AsyncIterator[House]:
    """An empty house, emptied again."""
    async with open_house(load(home=tmp_path), url, embedder=embedder) as house:
        yield house
        indexes = await house.store.run("FT._LIST")
        for index in indexes:
            await house.store.run("FT.DROPINDEX", index)
    for place in parse(url).places:
        await Server(tmp_path, place.port, ()).ask("FLUSHALL")


async def test_spaces_lie_on_all_nodes_and_each_works_as_on_one(house: House, nodes: list[Server]) -> None:
    names = [f"room-{number}" for number in range(12)]
    for name in names:
        space = await house.spaces.create(name, description=f"About {name}.")
        await space.share("anna", "write")
        first = await space.put("Paint the kitchen", metadata={"status": "open", "size": 3})
        second = await space.put("Sell the flat", references={"after": [first.id]})
        await space.update(first.id, comment="painted", metadata={"status": "done"})
        found = await space.search("flat", references={"after": {"any": {"status": "done"}}})
        assert [atom.id for atom in found] == [second.id]
        assert [version.version for version in await space.history(first.id)] == [1, 2]
        assert await space.description() == f"About {name}."

    assert all([await node.ask("DBSIZE") for node in nodes]), "some node holds nothing"
    assert await house.spaces.names(Principal("anna")) == sorted(names)
    with pytest.raises(NotFound):
        await house.spaces.open("room-1", Principal("ben")).search()


async def test_one_search_over_all_spaces_is_the_same_as_over_one_server(
    house: House, redis_url: str, namespace: str, tmp_path: Path, embedder: LocalEmbedder
) -> None:
    texts = [
        f"{who} {does} the {what}"
        for who in ("Anna", "Ben", "Clara")
        for does in ("paints", "sells", "draws")
        for what in ("kitchen", "invoice R2", "garden", "boat")
    ]
    random.Random(1).shuffle(texts)
    alone = load(home=tmp_path, namespace=namespace)
    async with open_house(alone, redis_url, embedder=embedder) as single:
        for number, text in enumerate(texts):
            for there in (house, single):
                space = await there.spaces.create(f"room-{number % 9}")
                await space.put(text, metadata={"number": number}, operation=text)

        async def both(query: str, **asked: object) -> tuple[list[str], list[str]]:
            one = await single.spaces.search(house.spaces.open("x").holder, query, **asked)  # type: ignore[arg-type]
            many = await house.spaces.search(house.spaces.open("x").holder, query, **asked)  # type: ignore[arg-type]
            return [atom.content for atom in one], [atom.content for atom in many]

        for query in ("who improves the house", "something green", "a vessel on the sea"):
            one, many = await both(query, limit=12)
            assert many == one
        one, many = await both("", limit=20)
        assert set(many) == set(one)
        one, many = await both("", metadata={"number": {"gte": 30}}, limit=20)
        assert sorted(many) == sorted(one)
        assert len(many) == len(texts) - 30
        one, many = await both("R2", limit=9)
        assert sorted(many) == sorted(one)


async def test_changes_are_told_whichever_node_the_space_lies_on(house: House) -> None:
    heard: list[str] = []

    async def listen(name: str) -> None:
        async for change in house.spaces.open(name).follow():
            if change.operation == "put":
                heard.append(f"{name}: {change.comment}")
                return

    names = [f"room-{number}" for number in range(6)]
    for name in names:
        await house.spaces.create(name)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(listen(name))
        for name in names:
            await house.spaces.open(name).put("news")

    assert sorted(heard) == [f"{name}: news" for name in names]


async def test_an_agent_takes_its_turns_over_a_cluster(house: House) -> None:
    await seat(house, "assistant")
    await seat(house, "scribe", speaks_in="chat")
    async with working(house, ScriptedLLM("Good evening.", "Again."), lease=2.0):
        await tell(house, "Hello")
        (answer, *_) = await said(house, 1)

    assert answer.content in ("Good evening.", "Again.")


async def test_everything_on_all_nodes_is_in_an_export_and_comes_back(
    house: House, url: str, tmp_path: Path, embedder: LocalEmbedder
) -> None:
    for number in range(6):
        space = await house.spaces.create(f"room-{number}")
        atom = await space.put(f"what lies in room {number}. " * 60, references={"see": [f"room-{number - 1}/first"]})
        await house.attachments.attach(space, atom.id, "list.txt", b"hammer and nails")
        await seat(house, f"agent-{number}")
    data = await exported(house)
    async with open_house(load(home=tmp_path / "2", namespace="second"), url, embedder=embedder) as other:
        await imported(other, data)
        assert await exported(other) == data
        assert len(await other.agents.list()) == 6
        (found,) = await other.spaces.open("room-3").search("what lies in room 3?", limit=1)
        assert found.passage
        for index in await other.store.run("FT._LIST"):
            if index.startswith(b"second:"):
                await other.store.run("FT.DROPINDEX", index)


async def test_what_moves_to_another_node_is_found_there(house: House, nodes: list[Server], url: str) -> None:
    space = await house.spaces.create("wanderer")
    atom = await space.put("I was here")
    moved = slot("{wanderer}")
    ids = [await node.ask("CLUSTER", "MYID") for node in nodes]
    holder = next(n for n in range(NODES) if 16_384 * n // NODES <= moved < 16_384 * (n + 1) // NODES)
    target = (holder + 1) % NODES
    await nodes[target].ask("CLUSTER", "SETSLOT", moved, "IMPORTING", text(ids[holder]))
    await nodes[holder].ask("CLUSTER", "SETSLOT", moved, "MIGRATING", text(ids[target]))
    keys = await nodes[holder].ask("CLUSTER", "GETKEYSINSLOT", moved, 1000)
    assert isinstance(keys, list)
    for key in keys:
        await nodes[holder].ask("MIGRATE", "127.0.0.1", nodes[target].port, key, 0, 5000)
    try:
        assert (await space.get(atom.id)).content == "I was here"
    finally:
        for node in nodes:
            await node.ask("CLUSTER", "SETSLOT", moved, "NODE", text(ids[target]))

    assert (await space.get(atom.id)).content == "I was here"
    assert [found.id for found in await space.search("here")] == [atom.id]
    await space.update(atom.id, comment="moved", content="I am there")
    assert (await house.spaces.open("wanderer").get(atom.id)).version == 2


async def test_a_node_of_a_cluster_named_alone_is_refused_with_what_to_write(nodes: list[Server]) -> None:
    async with aclosing(client(nodes[0].url)) as link:
        with pytest.raises(StoreUnavailable, match=r"REDIS_URL=redis\+cluster://"):
            await check_server(link)


async def test_one_node_that_is_known_is_enough_to_find_the_others(nodes: list[Server]) -> None:
    async with aclosing(client(f"redis+cluster://127.0.0.1:1,127.0.0.1:{nodes[1].port}")) as cluster:
        assert isinstance(cluster, Cluster)
        answers = await cluster.ask(*(("SET", f"test:{number}", number) for number in range(30)))
        assert answers == [b"OK"] * 30
        assert {await cluster.find() for _ in range(6)} == {Endpoint("127.0.0.1", node.port) for node in nodes}
        assert parse(await cluster.url()).kind is Kind.CLUSTER


def text(found: object) -> str:
    assert isinstance(found, bytes)
    return found.decode()


async def test_after_any_node_began_anew_a_search_asks_first_whether_its_index_is_whole(
    house: House, nodes: list[Server]
) -> None:
    for number in range(12):
        await (await house.spaces.create(f"room-{number}")).put("paint the kitchen")
    owner = Principal("owner")

    async def looks() -> int:
        """How often anybody asked a node about an index."""
        told = [await node.ask("INFO", "commandstats") for node in nodes]
        found = [
            re.search(rb"cmdstat_FT.INFO:calls=(\d+)", one, re.IGNORECASE) for one in told if isinstance(one, bytes)
        ]
        return sum(int(one[1]) for one in found if one)

    await house.spaces.search(owner, "kitchen")
    before = await looks()
    await house.spaces.search(owner, "kitchen")
    assert await looks() == before
    for node in nodes:
        libraries = await node.ask("FUNCTION", "DUMP")
        assert isinstance(libraries, bytes)
        await node.ask("FUNCTION", "RESTORE", libraries, "FLUSH")  # as after a restart, they have a new memory
        await house.spaces.search(owner, "kitchen")
        assert await looks() > before
        before = await looks()
