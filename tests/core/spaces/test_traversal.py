"""References are followed both ways, to a depth and across spaces, and show nothing that one may not read."""

import asyncio

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms.atoms import Link, Principal, new_id
from core.errors import InvalidInput, NotFound
from core.house import House
from core.spaces.spaces import Space

ANN = Principal("ann")
Graph = dict[tuple[str, str], set[tuple[str, str]]]
"""Which place refers to which, a place being a space's letter and the number of an atom in it."""

places = st.tuples(st.sampled_from("ab"), st.integers(0, 5))
graphs = st.dictionaries(places, st.sets(places, max_size=3), max_size=8)


@pytest_asyncio.fixture
async def space(house: House) -> Space:
    return await house.spaces.create("plans")


def shown(links: list[Link]) -> list[tuple[str, str, int, str | None]]:
    return [(link.source, link.target, link.depth, link.atom.content if link.atom else None) for link in links]


async def test_references_are_followed_step_by_step(space: Space) -> None:
    c = await space.put("c")
    b = await space.put("b", references={"of": [c.id]})
    a = await space.put("a", references={"of": [b.id], "see": ["nothere"]})
    assert shown(await space.traverse(a.id)) == [(a.ref, b.ref, 1, "b"), (a.ref, "plans/nothere", 1, None)]
    assert shown(await space.traverse(a.id, "of", 3)) == [(a.ref, b.ref, 1, "b"), (b.ref, c.ref, 2, "c")]
    assert [atom.content for atom in await space.referrers(c.id)] == ["b"]
    assert shown(await space.traverse(c.id, depth=9, reverse=True)) == [(b.ref, c.ref, 1, "b"), (a.ref, b.ref, 2, "a")]
    assert await space.referrers(c.id, "see") == []


async def test_a_circle_is_followed_once(space: Space) -> None:
    a = await space.put("a", references={"of": ["later"]})
    b = await space.put("b", references={"of": [a.id]})
    await space.update(a.id, comment="round", references={"of": [b.id, a.id]})
    links = await space.traverse(a.id, depth=20)
    assert shown(links) == [(a.ref, b.ref, 1, "b"), (a.ref, a.ref, 1, "a"), (b.ref, a.ref, 2, "a")]


async def test_who_refers_to_an_atom_from_a_space_one_may_not_read_is_not_shown(house: House, space: Space) -> None:
    plan = await space.put("the plan")
    diary = await house.spaces.create("diary")
    entry = await diary.put("what I think of it", references={"about": [plan.ref]})
    await space.share("ann", "read")
    hers = house.spaces.open("plans", ANN)
    assert [atom.ref for atom in await space.referrers(plan.id)] == [entry.ref]
    assert await hers.referrers(plan.id) == []
    await diary.share("ann", "read")
    assert [atom.ref for atom in await hers.referrers(plan.id)] == [entry.ref]


async def test_a_target_one_may_not_read_looks_like_one_that_is_not_there(house: House, space: Space) -> None:
    diary = await house.spaces.create("diary")
    entry = await diary.put("secret", references={"of": ["deeper"]})
    odd = ["nowhere/x", "a}{b/x", "x/", "/x", "diary/" + "y" * 150]
    plan = await space.put("the plan", references={"about": [entry.ref, *odd]})
    await space.share("ann", "read")
    links = await house.spaces.open("plans", ANN).traverse(plan.id, depth=3)
    assert shown(links) == [(plan.ref, target, 1, None) for target in [entry.ref, *odd]]


async def test_what_is_not_there_cannot_be_followed(house: House, space: Space) -> None:
    with pytest.raises(NotFound, match="no atom 'nothere'"):
        await space.traverse("nothere")
    with pytest.raises(NotFound, match="no space 'plans'"):
        await house.spaces.open("plans", ANN).traverse("nothere")
    with pytest.raises(InvalidInput, match="1 to 20 steps"):
        await space.traverse("nothere", depth=0)


async def test_no_more_is_followed_than_was_asked_for(space: Space) -> None:
    targets = [await space.put(f"{n}") for n in range(10)]
    hub = await space.put("hub", references={"of": [atom.id for atom in targets]})
    assert len(await space.traverse(hub.id, limit=4)) == 4
    for _ in range(5):
        await space.put("one more", references={"of": [hub.id]})
    assert len(await space.referrers(hub.id, limit=3)) == 3


async def test_many_who_refer_to_an_atom_are_read_page_by_page_though_others_come_and_go(
    house: House, space: Space
) -> None:
    hub = await space.put("hub")
    abroad = [space, *[await house.spaces.create(name) for name in ("aside", "notes", "zoo")]]
    made = [
        atom.ref
        for there in abroad
        for atom in await asyncio.gather(*(there.put("", references={"of": [hub.ref]}) for _ in range(320)))
    ]
    await space.put("", references={"see": [hub.id]})
    read, after = list[str](), ""
    while page := await space.referrers(hub.id, "of", 500, after):
        read += [atom.ref for atom in page]
        await space.put("", references={"of": [hub.id]})
        if not (after := page[-1].cursor):
            break
    assert len(read) == len(set(read))
    assert set(made) <= set(read)
    assert await space.referrers(hub.id, "see", 1000) == await space.referrers(hub.id, "see", 1)
    with pytest.raises(InvalidInput, match="does not belong to these referrers"):
        await space.referrers(hub.id, "see", 500, (await space.referrers(hub.id, "of", 5))[-1].cursor)
    for odd in ("x", "é", "gA", "/" * 40):
        with pytest.raises(InvalidInput, match="does not belong to these referrers"):
            await space.referrers(hub.id, after=odd)


async def test_a_page_shows_nothing_of_a_space_that_was_closed_to_the_reader_since_the_last(
    house: House, space: Space
) -> None:
    hub, zoo = await space.put("hub"), await house.spaces.create("zoo")
    for _ in range(3):
        await zoo.put("secret", references={"of": [hub.ref]})
    await space.share("ann", "read")
    await zoo.share("ann", "read")
    hers = house.spaces.open("plans", ANN)
    (first,) = await hers.referrers(hub.id, limit=1)
    await zoo.revoke("ann")
    assert first.space == "zoo"
    assert await hers.referrers(hub.id, after=first.cursor) == []


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_walk_says_whether_the_limit_cut_it_off(space: Space, reverse: bool) -> None:
    end = await space.put("end")
    mid = [await space.put("mid", references={"of": [end.id]}) for _ in range(3)]
    top = await space.put("top", references={"of": [one.id for one in mid]})
    start = (end if reverse else top).id
    for depth, limit, more in ((2, 6, False), (2, 5, True), (2, 3, True), (1, 3, False), (1, 2, True), (9, 6, False)):
        links = await space.traverse(start, depth=depth, reverse=reverse, limit=limit)
        assert [link.more for link in links] == [False] * (len(links) - 1) + [more], (depth, limit)


def walked(graph: Graph, start: tuple[str, str], depth: int, *, reverse: bool) -> set[tuple[str, str, int]]:
    """What following references must find, in plain Python."""
    edges = {(a, b) for a, ends in graph.items() for b in ends}
    seen, frontier, found = {start}, {start}, set[tuple[str, str, int]]()
    for step in range(1, depth + 1):
        here = {(a, b) for a, b in edges if (b if reverse else a) in frontier}
        found |= {("".join(map(str, a)), "".join(map(str, b)), step) for a, b in here}
        frontier = {a if reverse else b for a, b in here} - seen
        seen |= frontier
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs, places, st.integers(1, 4), st.booleans())
async def test_any_web_of_references_is_followed_as_a_plain_walk_would(
    house: House, graph: Graph, start: tuple[str, str], depth: int, reverse: bool
) -> None:
    names = {letter: f"{letter}-{new_id()}" for letter in "ab"}
    spaces = {letter: await house.spaces.create(name) for letter, name in names.items()}
    mentioned = {start, *graph, *(end for ends in graph.values() for end in ends)}
    ids = {place: (await spaces[place[0]].put("".join(map(str, place)))).ref for place in sorted(mentioned)}
    for place, ends in graph.items():
        targets = [ids[end] for end in sorted(ends)]
        await spaces[place[0]].update(ids[place], comment="refers", references={"of": targets})
    called = {ref: "".join(map(str, place)) for place, ref in ids.items()}
    links = await spaces[start[0]].traverse(ids[start], depth=depth, reverse=reverse, limit=1000)
    assert {(called[link.source], called[link.target], link.depth) for link in links} == walked(
        graph, start, depth, reverse=reverse
    )
    assert len({(link.source, link.target) for link in links}) == len(links)
    assert all(link.atom for link in links)
