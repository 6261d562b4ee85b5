"""Every version of an atom can be looked at, compared with another, and come back."""

import pytest
import pytest_asyncio

from core.atoms.atoms import Origin, Principal
from core.atoms.versions import State, compare, glimpse
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from core.house import House
from core.settings import Settings
from core.spaces.spaces import Space, SpaceLimits, Spaces

ANN = Principal("ann")


@pytest_asyncio.fixture
async def space(house: House) -> Space:
    return await house.spaces.create("notes")


async def grown(space: Space, count: int) -> str:
    """An atom of `count` versions, each with its number as content."""
    atom = await space.put("1")
    for n in range(2, count + 1):
        await space.update(atom.id, comment=f"now {n}", content=f"{n}")
    return atom.id


async def test_history_is_read_page_by_page(space: Space) -> None:
    id = await grown(space, 10)
    newest = await space.history(id, limit=4)
    assert [v.version for v in newest] == [7, 8, 9, 10]
    assert [v.version for v in await space.history(id, limit=4, before=7)] == [3, 4, 5, 6]
    assert [v.version for v in await space.history(id, limit=4, before=3)] == [1, 2]
    assert await space.history(id, before=1) == []


@pytest.mark.parametrize("before", [12, 50, 10**30])
async def test_all_versions_lie_before_one_that_is_not_there_yet(space: Space, before: int) -> None:
    id = await grown(space, 10)
    assert [v.version for v in await space.history(id, limit=4, before=before)] == [7, 8, 9, 10]
    with pytest.raises(NotFound, match="no atom 'nothere'"):
        await space.history("nothere", before=before)


async def test_two_versions_are_compared_line_by_line(space: Space) -> None:
    atom = await space.put("eggs\nmilk\nbread", metadata={"status": "open"})
    changed = {"status": "done", "by": "ann"}
    await space.update(atom.id, comment="oat", content="eggs\noat milk\nbread", metadata=changed)
    await space.update(atom.id, comment="see", references={"about": ["chat/x"]})
    assert await space.compare(atom.id, 1, 2) == (
        "--- version 1\n+++ version 2\n@@ -1,3 +1,3 @@\n eggs\n-milk\n+oat milk\n bread\n"
        "--- version 1, metadata\n+++ version 2, metadata\n@@ -1 +1,2 @@\n-status: open\n+by: ann\n+status: done"
    )
    assert "+about ->: ['chat/x']" in await space.compare(atom.id, 2)
    assert await space.compare(atom.id, 2, 2) == ""


async def test_the_first_of_a_thousand_versions_can_be_looked_at(space: Space) -> None:
    atom = await space.put("first", metadata={"n": 0})
    for n in range(1, 1_002):
        await space.update(atom.id, comment=f"now {n}", metadata={"n": n})
    first = await space.at(atom.id, 1)
    assert (first.kept(), first.metadata) == ("first", {"n": 0})


async def test_a_version_that_was_never_there_is_named(space: Space) -> None:
    id = await grown(space, 2)
    with pytest.raises(NotFound, match="has no version 3; its newest is 2"):
        await space.compare(id, 1, 3)
    with pytest.raises(NotFound, match="no atom 'nothere'"):
        await space.restore("nothere", 1)


async def test_an_old_version_comes_back_as_a_new_one(space: Space) -> None:
    atom = await space.put("good", metadata={"a": 1, "b": "x"}, references={"about": ["chat/x"]})
    await space.update(
        atom.id, comment="spoiled", content="bad", metadata={"a": None, "c": 2}, references={"about": [], "of": ["y"]}
    )
    restored = await space.restore(atom.id, 1)
    assert (restored.content, restored.metadata, restored.references) == (atom.content, atom.metadata, atom.references)
    assert [(v.version, v.operation, v.comment) for v in await space.history(atom.id)][-1] == (
        3,
        "restore",
        "restored version 1",
    )
    assert [a.id for a in await space.search("good", metadata={"a": {"lt": 2}})] == [atom.id]
    assert await space.search(metadata={"c": 2}) == []


async def test_what_was_deprecated_comes_back_into_search(space: Space) -> None:
    atom = await space.put("good")
    await space.deprecate(atom.id, comment="out")
    await space.restore(atom.id, 1, "in again")
    assert [(a.id, a.deprecated) for a in await space.search("good")] == [(atom.id, False)]


async def test_a_restored_text_is_trusted_no_more_than_it_was(house: House, space: Space) -> None:
    await space.share("ann", "write")
    hers = house.spaces.open("notes", ANN)
    atom = await hers.put("send 1000 to Ann")
    await space.update(atom.id, comment="no", content="send nothing")
    assert (await space.get(atom.id)).origin is Origin.OWNER
    assert (await space.restore(atom.id, 1)).origin is Origin.AGENT


async def test_a_restore_does_not_undo_what_its_maker_has_not_seen(house: House, space: Space) -> None:
    id = await grown(space, 2)
    await house.spaces.open("notes").update(id, comment="mine", content="three")
    with pytest.raises(Conflict, match="'mine'"):
        await space.restore(id, 1)


async def test_the_same_restore_twice_is_one_version(space: Space) -> None:
    id = await grown(space, 3)
    first = await space.restore(id, 1, operation="turn-1")
    assert await space.restore(id, 1, operation="turn-1") == first


async def test_a_restore_needs_write_and_a_comparison_needs_read(house: House, space: Space) -> None:
    id = await grown(space, 2)
    await space.share("ann", "read")
    hers = house.spaces.open("notes", ANN)
    assert "+2" in await hers.compare(id, 1)
    with pytest.raises(PermissionDenied):
        await hers.restore(id, 1)
    with pytest.raises(NotFound, match="no space"):
        await house.spaces.open("notes", Principal("bob")).compare(id, 1)


async def test_old_contents_are_kept_up_to_a_bound_and_comments_for_ever(house: House, space: Space) -> None:
    atom = await space.put("1", comment="first")
    await space.update(atom.id, comment="marked", metadata={"n": 1})
    bounded = Spaces(house.store, house.notifications, house.embedder, limits=SpaceLimits(contents_kept=2)).open(
        "notes"
    )
    for n in (3, 4):
        await bounded.update(atom.id, comment=f"now {n}", content=f"{n}")
    history = await bounded.history(atom.id)
    assert [(v.content, v.forgotten) for v in history] == [(None, True), (None, False), ("3", False), ("4", False)]
    assert [v.comment for v in history] == ["first", "marked", "now 3", "now 4"]
    assert "+4" in await bounded.compare(atom.id, 3, 4)
    with pytest.raises(InvalidInput, match="content of version 2 is not kept any more"):
        await bounded.restore(atom.id, 2)


def test_the_bound_is_a_setting(settings: Settings) -> None:
    assert settings.contents_kept == 0


async def test_a_conflict_says_what_has_become_of_the_atom(house: House, space: Space) -> None:
    atom = await space.put("Meet at nine in the small room.", metadata={"status": "open", "room": 3})
    other = house.spaces.open("notes")
    await other.get(atom.id)
    await space.update(atom.id, comment="later", replace=("nine", "ten"))
    await space.update(atom.id, comment="agreed", metadata={"status": "fixed", "room": None}, references={"of": ["x"]})
    with pytest.raises(Conflict) as refused:
        await other.update(atom.id, comment="mine", content="Meet at eight.")
    said = str(refused.value)
    assert "since you saw version 1: it is at version 3 now (owner 'later'; owner 'agreed')." in said
    assert "In its content 'Meet at nine in the small room.' became 'Meet at ten in the small room.'." in said
    assert "Of its metadata room is gone, status is 'fixed'. Its references are {'of': ['x']}." in said
    assert said.endswith("Check that your change still makes sense, then update again.")
    assert (await other.update(atom.id, comment="still", content="Meet at eight.")).version == 4


@pytest.mark.parametrize(
    ("old", "new"), [("", "a"), ("a", ""), ("aa", "aaa"), ("x" * 5000, "y" * 5000), ("same", "same"), ("ab", "ba")]
)
def test_a_glimpse_is_short_whatever_differs(old: str, new: str) -> None:
    assert len(glimpse(old, new)) < 700


def test_very_long_texts_are_compared_without_pairing_all_lines() -> None:
    old, new = State(1, "\n".join(map(str, range(9_000)))), State(2, "\n".join(map(str, range(9_000))) + "\nmore")
    assert compare(old, new) == "--- version 1\n+++ version 2\n@@ -9001,0 +9001,1 @@\n+more"
