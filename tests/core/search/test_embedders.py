"""Embedders by setting: a provider's vectors over a real socket, and the change from one to another under searches."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.errors import ModelUnavailable, StoreUnavailable
from core.house import House, open_house
from core.models.embeddings import LocalEmbedder
from core.models.remote_embeddings import RemoteEmbedder
from core.search.embedders import EMBEDDER_GRACE_SECONDS, Embedders
from core.search.vectors import EmbedderChoice, Vectors
from core.settings import Settings
from core.testing import MovableClock

SIZE = 256
NAME = "openai/test-embedding"


def vector(text: str) -> list[float]:
    """Texts that share words are near each other."""
    numbers = [0.0] * SIZE
    for word in text.lower().split():
        numbers[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest()) % SIZE] += 1
    return numbers


@dataclass
class FakeEmbeddings:
    """OpenAI's embeddings endpoint."""

    url: str = ""
    failures: list[int] = field(default_factory=list)
    """Statuses to answer with first."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        asked = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.requests.append(asked)
        status = self.failures.pop(0) if self.failures else 200
        data = [{"object": "embedding", "index": n, "embedding": vector(t)} for n, t in enumerate(asked["input"])]
        answer: dict[str, Any] = {
            "object": "list",
            "data": data[::-1],
            "model": "test",
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        if status != 200:
            answer = {"error": {"message": "your key sk-12345678 is odd", "type": "error", "code": None}}
        if any("slow" in text for text in asked["input"]):
            self.reached.set()
            await self.gate.wait()
        body = json.dumps(answer).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n".encode()
        )
        writer.write(b"connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def fake_embeddings() -> AsyncIterator[FakeEmbeddings]:
    fake = FakeEmbeddings()
    fake.gate.set()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield fake
    finally:
        fake.gate.set()
        server.close()


def small(settings: Settings, **more: str) -> Settings:
    return settings.model_copy(update=more)


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """litellm keeps its connections for the loop that opened them; each test has a loop of its own."""
    yield
    import litellm

    litellm.in_memory_llm_clients_cache.flush_cache()  # type: ignore[no-untyped-call]


async def test_a_provider_s_vectors_are_made_many_a_call_and_of_unit_length() -> None:
    import numpy as np

    async with fake_embeddings() as fake:
        embedder = RemoteEmbedder(NAME, fake.url)
        await embedder.learn()
        vectors = await embedder.embed([f"word {number}" for number in range(100)] + [""])
    assert embedder.dimensions == SIZE
    assert [len(one["input"]) for one in fake.requests] == [1, 64, 37]
    rows = np.frombuffer(b"".join(vectors), "<f2").reshape(101, SIZE).astype(np.float32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=0.01)
    assert int(np.argmax(rows @ rows[7])) == 7  # in order, although they were answered backwards


@pytest.mark.parametrize(
    "status, words", [(401, "refused the key"), (404, "not known"), (400, "refused the request"), (429, "too many")]
)
async def test_what_a_provider_refuses_is_a_sentence_without_its_words(status: int, words: str) -> None:
    async with fake_embeddings() as fake:
        fake.failures = [status] * 20
        with pytest.raises(ModelUnavailable, match=words) as refused:
            await RemoteEmbedder(NAME, fake.url, SIZE, pause=0).embed(["text"])
    assert "sk-" not in str(refused.value)


async def test_a_passing_error_is_passed_over_and_nobody_there_is_said() -> None:
    async with fake_embeddings() as fake:
        fake.failures = [503, 429]
        assert len(await RemoteEmbedder(NAME, fake.url, SIZE, pause=0).embed(["text"])) == 1
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        await RemoteEmbedder(NAME, "http://127.0.0.1:1/v1", SIZE, pause=0).embed(["text"])


async def test_spaces_are_searched_by_the_embedder_that_the_settings_name(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    async with fake_embeddings() as fake:
        wanted = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(wanted, redis_url, clock=clock) as house:
            notes = await house.spaces.create("notes")
            await notes.put("the quick fox")
            await notes.put("a lazy dog")
            (found,) = await notes.search("quick fox", limit=1)
            assert found.content == "the quick fox"
            assert house.spaces.embedder
            assert house.spaces.embedder.dimensions == SIZE
        calls = len(fake.requests)
        async with open_house(wanted, redis_url, clock=clock) as house:
            await house.spaces.open("notes").search("quick fox")
        assert len(fake.requests) == calls  # all of it was known


async def test_a_changed_embedder_takes_over_when_everything_is_embedded_and_searches_go_on(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    async with open_house(settings, redis_url, clock=clock) as house:
        notes = await house.spaces.create("notes")
        await notes.put("a stray cat came by", metadata={"kind": "animal"})
        await notes.put("slow: the gardener is ill")
        long = await notes.put("It rained. " * 200 + "The key hangs behind the clock.")
        await house.spaces.embed_waiting(["notes"])
    async with fake_embeddings() as fake:
        fake.gate.clear()
        wanted = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(wanted, redis_url, clock=clock) as house:
            assert house.embedders.outdated
            notes, done = house.spaces.open("notes"), [0]
            renewing = asyncio.create_task(house.embedders.renew(lambda count: done.append(count)))
            await fake.reached.wait()
            (found,) = await notes.search("kitten", limit=1)  # by the old vectors, which know what a kitten is
            assert found.content == "a stray cat came by"
            await notes.put("put meanwhile: zebra")
            await notes.update(found.id, comment="", content="a stray cat stayed")
            await house.spaces.create("young")
            await house.spaces.open("young").put("young zebra")
            fake.gate.set()
            await renewing
            assert sum(done) >= 5
            clock.move(seconds=EMBEDDER_GRACE_SECONDS)
            await house.embedders.tidy()
            await searched_anew(house, long.id)
        async with open_house(wanted, redis_url, clock=clock) as house:
            assert not house.embedders.outdated
            await searched_anew(house, long.id)
        async with open_house(settings, redis_url, clock=clock) as house:
            await house.embedders.renew()
            (found,) = await house.spaces.open("notes").search("kitten", limit=1)
            assert found.content == "a stray cat stayed"


async def searched_anew(house: House, long: str) -> None:
    """Everything is found by the new vectors, and no old ones are left."""
    notes = house.spaces.open("notes")
    assert house.spaces.embedder
    assert house.spaces.embedder.dimensions == SIZE
    for query, content in (("zebra meanwhile: put", "put meanwhile: zebra"), ("cat stayed", "a stray cat stayed")):
        (found,) = await notes.search(query, limit=1)
        assert found.content == content
    (found,) = await notes.search('rained. "hangs behind the clock"', limit=1)
    assert found.id == long
    assert found.passage
    (found,) = await house.spaces.open("young").search("zebra")
    assert await house.store.run("HKEYS", house.store.keys.atom("notes", long)) != []
    assert b"v" not in await house.store.run("HKEYS", house.store.keys.atom("notes", long))


async def test_who_does_not_know_yet_of_a_changed_embedder_goes_on_and_what_it_puts_is_embedded_anew(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    async with fake_embeddings() as fake, open_house(settings, redis_url, clock=clock) as late:
        theirs = await late.spaces.create("notes")
        cat = await theirs.put("a stray dog went by")
        await theirs.put("a stray cat came by")
        wanted = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(wanted, redis_url, clock=clock) as house:
            await house.embedders.renew()
            await house.embedders.tidy()
            await theirs.put("put late: zebra")
            changed = await theirs.update(cat.id, comment="late", content="yellow submarine")
            await theirs.put("put late and long. " * 100)
            (found,) = await theirs.search("kitten", limit=1)  # by the old vectors still
            assert found.content == "a stray cat came by"
            clock.move(seconds=EMBEDDER_GRACE_SECONDS)
            await house.embedders.tidy()
            (submarine,) = await house.spaces.open("notes").search("yellow submarine", limit=1, by="meaning")
            assert submarine.id == changed.id
            assert submarine.score is not None
            assert submarine.score > 0.99
            found_anew = await house.spaces.open("notes").search("put late")
            assert [atom.content[:12] for atom in found_anew if "late" in atom.content] == [
                "put late and",
                "put late: ze",
            ]
            assert await house.store.run("HKEYS", house.store.keys.embedder()) == [
                *(b"name", b"url", b"id", b"field", b"dimensions")
            ]
            await theirs.put("much later: giraffe")
            (giraffe,) = await house.spaces.open("notes").search("giraffe", limit=1, by="meaning")
            assert giraffe.content == "much later: giraffe"
            await theirs.put("much later and long. " * 100)
            with pytest.raises(StoreUnavailable, match="start it again"):
                await theirs.search("kitten")
            young = await house.spaces.create("young")
            await late.spaces.open("young").put("young and late")
            assert [atom.content for atom in await young.search("late", by="meaning")] == ["young and late"]


async def test_what_is_under_way_while_an_embedder_takes_over_ends_with_the_one_it_began_with(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    async with fake_embeddings() as fake:
        theirs = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(theirs, redis_url, clock=clock) as house:
            notes = await house.spaces.create("notes")
            cat = await notes.put("a stray cat came by")
            long = await notes.put("slow rain. " * 200)
            fake.gate.clear()
            embedding = asyncio.create_task(house.spaces.embed_waiting(["notes"]))
            await fake.reached.wait()
            fake.reached.clear()
            searching = asyncio.create_task(notes.search("slow: a stray cat came by", limit=1, by="meaning"))
            await fake.reached.wait()
            async with open_house(settings, redis_url, clock=clock) as other:
                await other.embedders.renew()
            await house.embedders.open()
            fake.gate.set()
            await embedding
            (found,) = await searching
            assert found.id == cat.id
            size = 2 * house.embedders.current.dimensions
            assert await house.store.run("HSTRLEN", house.store.keys.atom("notes", long.id), "v1") == size


@pytest.mark.parametrize("hangs", [False, True])
async def test_words_are_found_while_no_vectors_can_be_made_for_a_file_that_waits(
    settings: Settings, redis_url: str, clock: MovableClock, hangs: bool
) -> None:
    async with fake_embeddings() as fake:
        wanted = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(wanted, redis_url, clock=clock) as house:
            notes = await house.spaces.create("notes")
            file = await house.attachments.keep("slow.txt", b"slow zebra")
            await notes.put("the giraffe", attachments=[file])
            fake.failures = [] if hangs else [401] * 9
            if hangs:
                fake.gate.clear()
            asked = len(fake.requests)
            async with asyncio.timeout(20):
                for _ in range(3):
                    (found,) = await notes.search("giraffe", by="words")
            assert found.content == "the giraffe"
            assert len(fake.requests) == asked + 1
            fake.failures.clear()
            fake.gate.set()
            clock.move(minutes=2)
            (found,) = await notes.search("zebra", by="words")
            assert found.passage


async def test_one_may_change_back_to_an_embedder_whose_vectors_are_still_there(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    async with fake_embeddings() as fake:
        wanted = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(settings, redis_url, clock=clock) as house:
            await (await house.spaces.create("notes")).put("a stray cat came by")
        for asked in (wanted, settings, wanted, settings):
            async with open_house(asked, redis_url, clock=clock) as house:
                await house.embedders.renew()
                await house.spaces.open("notes").put("a lazy dog")
                assert len(await house.spaces.open("notes").search("stray cat", by="meaning", limit=20)) > 1
        async with open_house(settings, redis_url, clock=clock) as house:
            (found,) = await house.spaces.open("notes").search("kitten", limit=1)
            assert found.content == "a stray cat came by"


class _Killed(Vectors):
    """A change of embedder that ends the moment it is written down, others having written until then."""

    meanwhile: Callable[[], Awaitable[object]]

    async def choose(self, choice: EmbedderChoice, before: EmbedderChoice | None = None, since: int = 0) -> None:
        if before:
            await self.meanwhile()
        await super().choose(choice, before, since)
        if before:
            raise RuntimeError("killed")


async def test_what_was_changed_while_an_embedder_was_changed_is_embedded_anew_after_a_kill(
    settings: Settings, redis_url: str, clock: MovableClock, embedder: LocalEmbedder
) -> None:
    async with fake_embeddings() as fake, open_house(settings, redis_url, clock=clock) as late:
        theirs = await late.spaces.create("notes")
        cat = await theirs.put("a stray cat came by")

        async def meanwhile() -> None:
            clock.move(seconds=1)
            await theirs.update(cat.id, comment="meanwhile", content="yellow submarine")
            clock.move(seconds=1)

        killed = Embedders(late.store, embedder, NAME, fake.url)
        killed._vectors = vectors = _Killed(late.store)
        vectors.meanwhile = meanwhile
        await killed.open()
        with pytest.raises(RuntimeError, match="killed"):
            await killed.renew()
        async with open_house(small(settings, embedder=NAME, embedder_url=fake.url), redis_url, clock=clock) as house:
            clock.move(seconds=EMBEDDER_GRACE_SECONDS)
            await house.embedders.tidy()
            (found,) = await house.spaces.open("notes").search("yellow submarine", limit=1, by="meaning")
            assert found.score is not None
            assert found.score > 0.99


async def test_a_change_cut_off_is_begun_again(
    settings: Settings, redis_url: str, clock: MovableClock, embedder: LocalEmbedder
) -> None:
    async with open_house(settings, redis_url, clock=clock) as house:
        notes = await house.spaces.create("notes")
        for number in range(40):
            await notes.put(f"text {number}")
    async with fake_embeddings() as fake:
        wanted = small(settings, embedder=NAME, embedder_url=fake.url)
        async with open_house(wanted, redis_url, clock=clock) as house:
            fake.failures = [200, 200, 200, 401]
            with pytest.raises(ModelUnavailable):
                await house.embedders.renew()
            assert await house.spaces.open("notes").search("text 7", limit=1)
            await house.embedders.renew()
            (found,) = await house.spaces.open("notes").search("text 7", limit=1)
            assert found.content == "text 7"
