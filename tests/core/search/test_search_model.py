"""Whatever is put and whatever is asked, a search finds what a plain reading of its promises says, page by page."""

import base64
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms.atoms import OWNER, Atom, Principal, new_id
from core.errors import InvalidInput
from core.house import House, open_house
from core.search.paging import Page, mark, read_page
from core.search.scoring import held_words
from core.search.words import content_words, language_of, subject
from core.settings import load
from core.store.store import Argument, Store
from core.testing import MovableClock
from tests.core.search_model import Hashed, Kept, Model, distance, named

ANN = Principal("ann")
SPACES = ("one", "two", "dark")
"""Ann may not read the dark one."""
NASTY = [
    "",
    "a",
    "a,b",
    "a|b",
    '"',
    "'",
    "{x}",
    "(",
    "@sp:{*}",
    "$p0",
    "\\",
    " a ",
    "\0",
    "\x1f",
    "🙂",
    "é",
    "x" * 500,
    "-1",
    "*",
]
VALUES = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=8).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text)),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0, True, False, 10**15, datetime(2026, 1, 1, tzinfo=UTC)]),
    st.lists(st.sampled_from(NASTY[:8]), min_size=1, max_size=3),
)
KEYS = st.sampled_from(["k", "a key", "n", "tags"])
NAMES = st.sampled_from(["of", "by"])
METADATA = st.dictionaries(KEYS, VALUES, max_size=3)
TEXTS = st.sampled_from(
    ["milk", "buy milk INV-7", "A3 paper", "a3", "INV 7 paid", "🙂 smile", "", "quotes \" and 'these'", "milk 7"]
)
TARGETS = st.lists(st.tuples(st.sampled_from(["", *SPACES]), st.integers(0, 9)), max_size=4)
PUT = st.tuples(st.just("put"), st.sampled_from(SPACES), TEXTS, METADATA, st.dictionaries(NAMES, TARGETS, max_size=2))
CHANGE = st.tuples(
    st.just("change"), st.integers(0, 20), METADATA, st.none() | st.dictionaries(NAMES, TARGETS, max_size=1)
)
DROP = st.tuples(st.just("drop"), st.integers(0, 20))
HISTORY = st.lists(st.one_of(PUT, PUT, PUT, CHANGE, DROP), min_size=3, max_size=25)

EQUAL = st.dictionaries(KEYS, VALUES, min_size=1, max_size=2)
LIMITS = st.dictionaries(
    st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from([-1, 0, 0.5, 2]), min_size=1, max_size=2
)
FILTERS = st.dictionaries(KEYS, VALUES | LIMITS, max_size=2)
STATES = st.dictionaries(
    NAMES,
    st.one_of(EQUAL, st.builds(lambda how, state: {how: state}, st.sampled_from(["all", "any", "none"]), EQUAL)),
    max_size=2,
)
QUERIES = st.one_of(
    st.just(""),
    TEXTS,
    st.sampled_from(["A3 and INV-7", "(", "@c:milk", "x" * 9000, "\ud800", "\0", "=>[KNN 1 @v $x]"]),
    st.text(max_size=12),
)
QUESTION = st.fixed_dictionaries(
    {
        "reader": st.sampled_from([OWNER, ANN]),
        "within": st.none() | st.lists(st.sampled_from(SPACES[:2]), unique=True, min_size=1),
        "query": QUERIES,
        "metadata": FILTERS,
        "references": STATES,
        "deprecated": st.booleans(),
        "by": st.sampled_from(["both", "both", "meaning", "words"]),
        "limit": st.sampled_from([1, 2, 3, 7, 100]),
        "explain": st.booleans(),
    }
)


@pytest_asyncio.fixture
async def hashed(tmp_path: Path, namespace: str, redis_url: str, clock: MovableClock) -> AsyncIterator[House]:
    """A house whose vectors cost nothing."""
    async with open_house(load(home=tmp_path, namespace=namespace), redis_url, clock=clock, embedder=Hashed()) as house:
        yield house


class Counting(Store):
    """A store that counts how often it is spoken to."""

    trips = 0

    async def answers(self, *commands: Sequence[Argument]) -> list[Any]:
        self.trips += bool(commands)
        return await super().answers(*commands)

    async def run(self, *command: Argument) -> Any:
        self.trips += 1
        return await super().run(*command)


class World:
    """A model, and spaces in a house that are told the same. Their names end in what sets this world apart."""

    def __init__(self, house: House, clock: MovableClock) -> None:
        self.house = house
        self.clock = clock
        self.model = Model()
        self.mark = new_id()

    async def live(self, history: list[tuple[Any, ...]]) -> None:
        for name in SPACES:
            space = await self.house.spaces.create(self.name(name))
            if name != "dark":
                await space.share("ann", "read")
        for act in history:
            match act:
                case ("put", name, text, metadata, references):
                    await self._put(self.name(name), text, metadata, references)
                case ("change", n, metadata, references) if n < len(self.model.atoms):
                    await self._change(self._nth(n), metadata, references)
                case ("drop", n) if n < len(self.model.atoms):
                    atom = self._nth(n)
                    await self.house.spaces.open(atom.space).deprecate(atom.ref, comment="dropped")
                    atom.deprecated = True

    def name(self, space: str) -> str:
        return f"{space}-{self.mark}"

    def _nth(self, n: int) -> Kept:
        return list(self.model.atoms.values())[n]

    def _targets(self, space: str, references: dict[str, list[tuple[str, int]]]) -> dict[str, list[str]]:
        """The n-th atom, wherever it lies; or one that is not there, in the named space or in this."""
        found: dict[str, list[str]] = {}
        for name, targets in references.items():
            for where, n in targets:
                atoms = list(self.model.atoms.values())
                missing = f"{self.name(where)}/nowhere{n}" if where else f"nowhere{n}"
                one = atoms[n].ref if n < len(atoms) else missing
                found.setdefault(name, []).append(
                    one.partition("/")[2] if one.startswith(f"{space}/") and n % 2 else one
                )
        return found

    async def _put(self, space: str, text: str, metadata: dict[str, Any], references: dict[str, Any]) -> None:
        targets = self._targets(space, references)
        self.clock.move(seconds=0.001)
        atom = await self.house.spaces.open(space).put(text, metadata=metadata, references=targets)
        self.model.atoms[atom.ref] = Kept(atom.ref, text, metadata, targets)

    async def _change(self, atom: Kept, metadata: dict[str, Any], references: dict[str, Any] | None) -> None:
        targets = self._targets(atom.space, references or {})
        given = targets if references is not None else None
        space = self.house.spaces.open(atom.space)
        await space.update(atom.ref, comment="changed", metadata=metadata, references=given)
        atom.metadata = {**atom.metadata, **metadata}
        atom.references = {**atom.references, **targets}

    async def pages(self, asked: dict[str, Any]) -> list[Atom]:
        """All pages of an answer, one after the other."""
        found: list[Atom] = []
        reader, within, after = asked["reader"], asked["within"], ""
        names = [self.name(name) for name in within] if within else [self.name(name) for name in self.readable(reader)]
        rest = {key: value for key, value in asked.items() if key not in ("reader", "within")}
        while True:
            page = await self.house.spaces.search(reader, within=names, after=after, **rest)
            assert len(page) <= asked["limit"]
            assert all(not atom.cursor for atom in page[:-1])
            found += page
            if not page or not page[-1].cursor:
                return found
            after = page[-1].cursor

    def readable(self, reader: Principal) -> list[str]:
        return list(SPACES if reader == OWNER else SPACES[:2])


@pytest.mark.timeout(400)
@settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck))
@given(HISTORY, st.lists(QUESTION, min_size=20, max_size=40))
async def test_a_search_finds_what_its_promises_say(
    hashed: House, clock: MovableClock, history: list[tuple[Any, ...]], questions: list[dict[str, Any]]
) -> None:
    world = World(hashed, clock)
    await world.live(history)
    for asked in questions:
        found = await world.pages(asked)
        readable = [world.name(name) for name in world.readable(asked["reader"])]
        within = [world.name(name) for name in asked["within"]] if asked["within"] else readable
        text = asked["query"][:4_000].encode("utf-8", "replace").decode().strip()
        words = content_words(text) if text and asked["by"] == "words" else None
        if words is not None and any(not word.isascii() for word in words):
            continue  # how the engine parts and folds other alphabets is its own
        expected = world.model.search(
            readable, within, asked["metadata"], asked["references"], asked["deprecated"], words
        )
        refs = [atom.ref for atom in found]
        assert len(refs) == len(set(refs))
        assert set(refs) == {atom.ref for atom in expected}, asked
        if not text:
            assert refs == [atom.ref for atom in expected], asked
        elif words is None:
            check_order(text, found) if asked["by"] == "both" else check_nearness(text, found)
        assert all(bool(atom.explanation) == asked["explain"] for atom in found)


def check_nearness(text: str, found: list[Atom]) -> None:
    near = [distance(subject(text, frozenset()), atom.content) for atom in found]
    assert all(one - 0.002 <= following for one, following in pairwise(near))
    assert [atom.score for atom in found] == pytest.approx([1 - one for one in near], abs=0.002)


def check_order(text: str, found: list[Atom]) -> None:
    """What is named stands first; then nothing without a word of the query stands before what is nearer."""
    names = [named(text, atom.content) for atom in found]
    assert names == sorted(names, reverse=True)
    wanted, language = content_words(text), language_of(text)
    none = [not held_words(wanted, language, atom.content) for atom in found]
    for number in set(names):
        near = [
            atom.score or 0 for atom, count, bare in zip(found, names, none, strict=True) if count == number and bare
        ]
        assert all(one >= following - 0.002 for one, following in pairwise(near))
    for (atom, without), (following, _) in pairwise(zip(found, none, strict=True)):
        if without and named(text, atom.content) == named(text, following.content):
            assert (atom.score or 0) >= (following.score or 0) - 0.002


async def test_over_all_spaces_nothing_unreadable_is_found(hashed: House, clock: MovableClock) -> None:
    world = World(hashed, clock)
    await world.live([("put", name, f"milk {name}", {}, {}) for name in SPACES])
    hers = await hashed.spaces.search(ANN, "milk")
    assert {atom.space for atom in hers} == {world.name("one"), world.name("two")}
    await hashed.spaces.open(world.name("two")).revoke("ann")
    assert {atom.space for atom in await hashed.spaces.search(ANN, "milk")} == {world.name("one")}
    await hashed.spaces.create("hers", by=ANN)
    await hashed.spaces.open("hers", ANN).put("milk")
    assert {atom.space for atom in await hashed.spaces.search(ANN, "")} == {world.name("one"), "hers"}


@pytest.mark.parametrize("query", ["", "milk", "INV-7"])
async def test_pages_stay_in_step_while_others_write(hashed: House, clock: MovableClock, query: str) -> None:
    space = await hashed.spaces.create("busy")
    there = [await space.put(f"INV-7 milk {n // 3}", metadata={"n": n}) for n in range(30)]
    read: list[str] = []
    after = ""
    for n in range(100):
        page = await space.search(query, limit=4, after=after)
        read += [atom.id for atom in page]
        if not page or not (after := page[-1].cursor):
            break
        clock.move(seconds=1)
        await space.put(query or "new", comment=f"new {n}")  # newer than all, and nearer
        await space.update(there[n].id, comment="changed", metadata={"n": -n})
    assert len(read) == len(set(read))
    assert {atom.id for atom in there} <= set(read)


async def test_a_cursor_of_another_search_is_refused(hashed: House) -> None:
    space = await hashed.spaces.create("pages")
    for n in range(5):
        await space.put(f"milk {n}")
    cursor = (await space.search("milk", limit=2))[-1].cursor
    for query, after in (
        ("tea", cursor),
        ("milk", "nonsense"),
        ("milk", cursor[:-3]),
        ("milk", "é"),
        ("milk", "A" * 99),
    ):
        with pytest.raises(InvalidInput, match="does not belong to this search"):
            await space.search(query, limit=2, after=after)


async def test_an_explanation_says_in_words_why_an_atom_was_found(hashed: House) -> None:
    space = await hashed.spaces.create("why")
    done = await space.put("a blocker", metadata={"status": "done"})
    await space.put("pay INV-7", metadata={"n": 3}, references={"of": [done.id]})
    (atom,) = await space.search(
        "INV-7?", metadata={"n": {"gte": 2}}, references={"of": {"status": "done"}}, explain=True
    )
    assert "Found by the rare 'inv 7' it holds, then by" in atom.explanation
    assert "distance" in atom.explanation
    assert "n is at least 2; all its of that there are have status is done" in atom.explanation
    (newest, _) = await space.search(explain=True)
    assert (
        newest.explanation
        == "Found as one of the newest: number 1 of the answer. It passed the filter: in why; in use."
    )


async def test_a_search_is_one_round_trip_once_the_spaces_are_known(hashed: House) -> None:
    other = await hashed.spaces.create("other")
    space = await hashed.spaces.create("here")
    target = await other.put("x", metadata={"status": "done"})
    await space.put("milk", metadata={"n": 1}, references={"of": [target.ref]})
    for asked in ({}, {"metadata": {"n": {"gt": 0}}}, {"references": {"of": {"any": {"status": "done"}}}}):
        await hashed.spaces.search(OWNER, "milk", **asked)
        store = hashed.store
        store.__class__ = Counting
        assert isinstance(store, Counting)
        store.trips = 0
        assert await hashed.spaces.search(OWNER, "milk", **asked)
        assert store.trips == 1


async def test_an_explanation_tells_nothing_of_what_one_may_not_read(hashed: House) -> None:
    secret, space = await hashed.spaces.create("secret"), await hashed.spaces.create("mine")
    await space.share("ann", "append")
    mine = hashed.spaces.open("mine", Principal("ann"))
    await mine.put("the merger is near")

    async def told(by: str) -> list[str]:
        return [atom.explanation for atom in await mine.search("merger Q3", by=by, explain=True)]

    before = [await told("words"), await told("both")]
    for n in range(5):
        await secret.put(f"merger {n}")
    assert [await told("words"), await told("both")] == before


@pytest.mark.parametrize(("rank", "seen"), [(float("nan"), 1), (float("inf"), 1), (1.0, float("inf")), (1.0, 2**30)])
async def test_a_forged_cursor_is_refused(hashed: House, rank: float, seen: float) -> None:
    space = await hashed.spaces.create("list")
    for n in range(3):
        await space.put(f"{n}")
    cursor = (await space.search(limit=1))[0].cursor
    digest, *_ = msgpack.unpackb(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    forged = base64.urlsafe_b64encode(msgpack.packb([digest, (rank,), [], seen, []])).decode()
    with pytest.raises(InvalidInput, match="does not belong to this search"):
        await space.search(after=forged)


def test_a_page_that_ten_thousand_equals_were_read_before_can_be_gone_on_from() -> None:
    page = Page((0.0,), frozenset(mark(f"a-space-with-a-name/{n:012}") for n in range(10_000)), 10_000)
    assert read_page(page.token("asked"), "asked") == page
