"""The state of references: asked of all, any or none of the targets, over several keys, in this space and in others."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from core.atoms.atoms import Atom, Principal, Value
from core.errors import InvalidInput, StoreUnavailable
from core.house import House
from core.spaces.maintenance import Tending
from core.spaces.spaces import Space
from core.store.store import Argument, Store

ANN = Principal("ann")


@pytest_asyncio.fixture
async def here(house: House) -> Space:
    return await house.spaces.create("here")


@pytest_asyncio.fixture
async def there(house: House) -> Space:
    return await house.spaces.create("there")


async def found(space: Space, state: object) -> set[str]:
    atoms = await space.search(references={"of": state}, metadata={"kind": "asked"}, limit=1000)  # type: ignore[dict-item]
    return {atom.content for atom in atoms}


async def referring(space: Space, content: str, *targets: str) -> Atom:
    return await space.put(content, metadata={"kind": "asked"}, references={"of": list(targets)})


async def test_several_keys_of_any_ask_for_one_target_that_has_them_all(here: Space) -> None:
    red_big = await here.put("", metadata={"colour": "red", "size": "big"})
    red_small = await here.put("", metadata={"colour": "red", "size": "small"})
    blue_big = await here.put("", metadata={"colour": "blue", "size": "big"})
    await referring(here, "spread over two", red_small.id, blue_big.id)
    await referring(here, "one has both", red_small.id, red_big.id)
    await referring(here, "the only one", red_big.id)
    await referring(here, "none at all")
    wanted = {"colour": "red", "size": "big"}
    assert await found(here, {"any": wanted}) == {"one has both", "the only one"}
    assert await found(here, {"none": wanted}) == {"spread over two", "none at all"}
    assert await found(here, {"all": wanted}) == {"the only one", "none at all"}


async def test_a_list_of_values_is_asked_of_each_target_by_itself(here: Space) -> None:
    done = await here.put("", metadata={"status": "done"})
    dropped = await here.put("", metadata={"status": "dropped"})
    waiting = await here.put("", metadata={"status": "waiting"})
    await referring(here, "over", done.id, dropped.id)
    await referring(here, "not yet", done.id, waiting.id)
    assert await found(here, {"status": ["done", "dropped"]}) == {"over"}


async def test_the_state_of_a_target_in_another_space_counts_and_is_followed(here: Space, there: Space) -> None:
    target = await there.put("", metadata={"status": "open"})
    await referring(here, "asked", target.ref)
    assert await found(here, {"status": "done"}) == set()
    assert await found(here, {"any": {"status": "open"}}) == {"asked"}
    await there.update(target.id, comment="done", metadata={"status": "done"})
    assert await found(here, {"status": "done"}) == {"asked"}
    assert await found(here, {"none": {"status": "done"}}) == set()


async def test_a_target_that_is_put_only_later_counts_from_then_on(house: House, here: Space) -> None:
    await referring(here, "asked", "later/first")
    assert await found(here, {"status": "done"}) == set()
    later = await house.spaces.create("later")
    put = await later.put("", metadata={"status": "done"})
    await referring(here, "also", put.ref)
    assert await found(here, {"status": "done"}) == {"also"}


async def test_what_one_may_not_read_does_not_satisfy_and_is_not_told(house: House, here: Space, there: Space) -> None:
    target = await there.put("", metadata={"status": "done", "size": "big"})
    inside = await here.put("", metadata={"status": "done", "size": "big"})
    await referring(here, "hidden", target.ref)
    await referring(here, "half hidden", target.ref, inside.id)
    await referring(here, "open", inside.id)
    await here.share("ann", "read")
    hers = house.spaces.open("here", ANN)
    both = {"status": "done", "size": "big"}
    states: list[dict[str, object]] = [{**both}, {"status": ["done", "dropped"]}, {"status": "done"}]
    for state in states:
        assert await found(hers, state) == {"open"}
        assert await found(hers, {"any": state}) == {"open", "half hidden"}
        assert await found(hers, {"none": state}) == {"hidden"}
    await there.share("ann", "read")
    assert await found(hers, both) == {"open", "hidden", "half hidden"}
    assert await found(hers, {"none": both}) == set()
    await there.revoke("ann")
    assert await found(hers, {"any": both}) == {"open", "half hidden"}


async def test_a_reference_that_is_taken_away_leaves_nothing_behind(house: House, here: Space, there: Space) -> None:
    target = await there.put("", metadata={"status": "done"})
    put = await referring(here, "asked", target.ref)
    await here.update(put.id, comment="none", references={"of": []})
    await there.update(target.id, comment="again", metadata={"status": "open"})
    keys, run = house.store.keys, house.store.run
    left = [keys.projection("here", target.ref), keys.watchers("there", target.id), keys.abroad("here")]
    left += [keys.errands("here"), keys.errands("there"), keys.referrers("here", target.ref)]
    assert await run("EXISTS", *left) == 0


async def test_a_name_that_no_space_can_have_is_a_target_that_is_missing(house: House, here: Space) -> None:
    await referring(here, "asked", "No Space!/x", "/", "a/", "/b")
    assert await found(here, {"none": {"status": "done"}}) == {"asked"}
    assert await house.store.run("EXISTS", house.store.keys.errands("here")) == 0


async def test_an_atom_may_refer_to_itself(here: Space) -> None:
    put = await referring(here, "asked")
    await here.update(put.id, comment="itself", references={"of": [put.id, put.ref]})
    assert await found(here, {"kind": "asked"}) == {"asked"}


async def test_the_same_value_twice_in_a_list_counts_once(here: Space) -> None:
    one = await here.put("", metadata={"tags": ["a", "a"]})
    other = await here.put("", metadata={"tags": ["b"]})
    await referring(here, "asked", one.id, other.id)
    assert await found(here, {"tags": "a"}) == set()
    assert await found(here, {"any": {"tags": "a"}}) == {"asked"}


async def test_many_referrers_are_refreshed_by_a_worker_and_stall_nobody(
    house: House, here: Space, there: Space
) -> None:
    target = await there.put("", metadata={"status": "open"})
    inside = await here.put("", metadata={"status": "open"})
    await asyncio.gather(*(referring(here, f"{n}", target.ref, inside.id) for n in range(250)))
    await here.update(inside.id, comment="done", metadata={"status": "done"})
    await there.update(target.id, comment="done", metadata={"status": "done"})
    assert await found(here, {"status": "done"}) == set()
    await Tending(house.spaces).everywhere()
    assert len(await found(here, {"status": "done"})) == 250
    assert await house.store.run("EXISTS", house.store.keys.errands("here")) == 0


async def test_more_targets_than_can_be_told_apart_are_said(here: Space) -> None:
    targets = [await here.put("", metadata={"n": n, "status": "done"}) for n in range(65)]
    await referring(here, "asked", *(target.id for target in targets))
    assert await found(here, {"status": "done"}) == {"asked"}
    assert await found(here, {"any": {"n": 64}}) == {"asked"}
    with pytest.raises(InvalidInput, match="65 different targets under 'of'"):
        await found(here, {"any": {"n": 64, "status": "done"}})


async def test_a_comparison_of_targets_is_refused_saying_what_to_do(here: Space) -> None:
    with pytest.raises(InvalidInput, match="cannot be compared; ask for values"):
        await here.search(references={"of": {"n": {"lt": 3}}})


class CutOff(Store):
    """A store that can be reached a number of times more."""

    left = 0

    async def run(self, *command: Argument) -> Any:
        if self.left == 0:
            raise StoreUnavailable("gone")
        self.left -= 1
        return await super().run(*command)


@pytest.mark.parametrize("words", [1, 2, 3, 4])
async def test_what_a_crash_leaves_untold_a_worker_tells(house: House, here: Space, there: Space, words: int) -> None:
    """Each word to the store between two spaces may be the last one of a process."""
    target = await there.put("", metadata={"status": "open"})
    house.store.__class__ = CutOff
    assert isinstance(house.store, CutOff)
    house.store.left = words
    await referring(here, "asked", target.ref)
    house.store.left = -1
    await Tending(house.spaces).everywhere()
    house.store.left = words
    await there.update(target.id, comment="done", metadata={"status": "done"})
    house.store.left = -1
    await Tending(house.spaces).everywhere()
    assert await found(here, {"status": "done"}) == {"asked"}
    assert await house.store.run("EXISTS", house.store.keys.errands("here"), house.store.keys.errands("there")) == 0


async def test_a_target_named_in_another_way_stays_a_target(here: Space) -> None:
    target = await here.put("", metadata={"colour": "red"})
    atom = await referring(here, "one", target.ref)
    await here.update(atom.id, comment="shorter", references={"of": [target.id]})
    await here.update(target.id, comment="painted", metadata={"colour": "blue"})
    assert await found(here, {"colour": "blue"}) == {"one"}
    assert [one.id for one in await here.referrers(target.id)] == [atom.id]


HEAVY: dict[str, Value] = {f"k{n}": "é" * 150 for n in range(200)}
"""Metadata of which the index holds 180,000 bytes."""


async def test_what_has_too_much_metadata_to_ask_for_together_cannot_be_referred_to_by_one_atom(here: Space) -> None:
    targets = [await here.put("", metadata={**HEAVY, "n": n, "status": "done"}) for n in range(3)]
    await referring(here, "two", *(target.id for target in targets[:2]))
    newest = await here.newest()
    with pytest.raises(InvalidInput, match="over 524288 bytes of metadata in the atoms of its space that it refers to"):
        await referring(here, "three", *(target.id for target in targets))
    other = await referring(here, "other")
    with pytest.raises(InvalidInput, match="over 524288 bytes of metadata in the atoms of its space that it refers to"):
        await here.update(other.id, comment="refer", references={"of": [target.id for target in targets]})
    assert await here.newest() == newest + 1
    assert await found(here, {"any": {"status": "done"}}) == {"two"}


async def test_targets_that_have_grown_beyond_that_count_as_having_nothing_until_they_are_smaller(here: Space) -> None:
    targets = [await here.put("", metadata={"n": n, "status": "done"}) for n in range(3)]
    await referring(here, "all three", *(target.id for target in targets))
    await referring(here, "one", targets[0].id)
    for target in targets:
        await here.update(target.id, comment="grown", metadata=HEAVY)
    assert await found(here, {"status": "done"}) == {"one"}
    assert await found(here, {"none": {"status": "done"}}) == {"all three"}
    await here.update(targets[0].id, comment="smaller", metadata=dict.fromkeys(HEAVY))
    assert await found(here, {"status": "done"}) == {"all three", "one"}


async def test_much_to_be_made_anew_is_left_to_a_worker(house: House, here: Space) -> None:
    heavy = [(await here.put("", metadata={**HEAVY, "n": n})).id for n in range(2)]
    target = await here.put("", metadata={"status": "open"})
    await asyncio.gather(*(referring(here, f"{n}", target.id, *heavy) for n in range(5)))
    await here.update(target.id, comment="done", metadata={"status": "done"})
    assert 0 < len(await found(here, {"any": {"status": "done"}})) < 5
    await Tending(house.spaces).everywhere()
    assert len(await found(here, {"any": {"status": "done"}})) == 5
    assert await house.store.run("EXISTS", house.store.keys.errands("here")) == 0


async def test_how_much_there_is_where_nobody_may_look_is_not_told_by_what_there_is_room_for(
    house: House, here: Space, there: Space
) -> None:
    much = dict(list(HEAVY.items())[:150])
    mine = await here.put("", metadata={**much, "status": "done"})
    hers = await there.put("", metadata={**much, "status": "due"})
    secret = [await (await house.spaces.create("secret")).put("", metadata={**much, "n": n}) for n in range(3)]
    for name in ("at first", "when what is referred to is known here"):
        await referring(here, name, mine.id, hers.ref, *(atom.ref for atom in secret))
        assert name in await found(here, {"any": {"status": "done"}})
    assert len(await found(here, {"any": {"status": "due"}})) == 2
    assert await found(here, {"any": {"n": 1}}) == set()


async def test_what_refers_to_too_much_by_now_can_still_be_changed(here: Space) -> None:
    targets = [(await here.put("", metadata={"n": n})).id for n in range(5)]
    atom = await referring(here, "all", *targets)
    for target in targets:
        await here.update(target, comment="grown", metadata=HEAVY)
    await here.deprecate(atom.id, comment="done")
    await here.restore(atom.id, 1)
    await here.update(atom.id, comment="fewer", references={"of": targets[1:]})
    await here.update(atom.id, comment="few", references={"of": targets[3:]})
    assert await found(here, {"any": {"n": 4}}) == {"all"}


async def test_whether_there_is_what_one_may_not_read_is_not_told_by_how_many_things_are_referred_to(
    house: House, there: Space
) -> None:
    atom = await there.put("", metadata={"status": "done"})
    told = []
    for name, probed in (("one", atom.ref), ("two", "there/nothing")):
        hers = await house.spaces.create(name, ANN)
        ids = [(await hers.put("", metadata={"n": n})).id for n in range(63)]
        await referring(hers, "probe", *ids, "there/missing", probed)
        with pytest.raises(InvalidInput) as refused:
            await found(hers, {"any": {"n": 1, "colour": "red"}})
        told.append(str(refused.value))
    assert told[0] == told[1]
    assert "65 different targets" in told[0]
