"""Passages: long texts cut so that nothing is lost, and kept true to their atoms."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.atoms.atoms import Origin, Principal
from core.errors import ModelUnavailable
from core.house import House, open_house
from core.models.embeddings import LocalEmbedder
from core.search.indexing import PASSAGE_CHARS, passages
from core.settings import Settings
from core.testing import MovableClock


class Unreachable(LocalEmbedder):
    """An embedder whose provider does not answer."""

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        raise ModelUnavailable("nobody there")


PAGES = [
    f"Page {number}. " + "The weather was fair and nothing else is known of that day. " * 40 for number in range(30)
]


@given(st.text(st.sampled_from("ab .\n!é🐄"), min_size=1_001, max_size=6_000))
def test_every_character_of_a_long_text_is_in_a_passage(text: str) -> None:
    found = passages(text)
    assert all(text[one.start : one.end] == one.text and len(one.text) <= PASSAGE_CHARS for one in found)
    covered = {at for one in found for at in range(one.start, one.end)}
    assert all(text[at].isspace() for at in range(len(text)) if at not in covered)
    assert len(found) <= len(text) / (PASSAGE_CHARS / 2 - 120) + 2


def test_a_short_content_has_no_passages_and_a_short_file_has_one() -> None:
    assert passages("short") == []
    assert [one.file for one in passages("short", "a.txt")] == ["a.txt"]
    assert passages(" \n" * 2_000) == []


async def stored(house: House, id: str) -> dict[bytes, bytes]:
    """The third passage of an atom, as it is kept."""
    found = await house.store.run("HGETALL", house.store.keys.atom("notes", f"{id}#3"))
    assert isinstance(found, dict)
    return found


async def test_passages_carry_what_filters_ask_and_follow_it(house: House) -> None:
    notes = await house.spaces.create("notes")
    task = await notes.put("a task", metadata={"status": "open"})
    atom = await notes.put("".join(PAGES), metadata={"n": 1}, references={"about": [task.id]})
    await house.spaces.embed_waiting(["notes"])
    first = await stored(house, atom.id)
    assert (first[b"sp"], first[b"kv"]) == (b"notes#", b"n=1")
    await notes.update(atom.id, comment="2", metadata={"n": "two"})
    second = await stored(house, atom.id)
    assert second[b"kv"] == b"n=two"
    assert b"n0" in first
    assert b"n0" not in second
    await notes.update(task.id, comment="done", metadata={"status": "done"})
    assert b"status=done" in (await stored(house, atom.id))[b"rs"]
    await notes.deprecate(atom.id, comment="old")
    assert (await stored(house, atom.id))[b"sp"] == b"notes~#"
    await notes.update(atom.id, comment="short now", content="short")
    assert await stored(house, atom.id) == {}


async def test_a_fact_on_page_thirty_is_found_and_the_hit_says_where(house: House) -> None:
    notes = await house.spaces.create("notes")
    for number in range(12):
        await notes.put(f"The gardener called on day {number}.")
    text = "".join(PAGES) + "The key to the cellar hangs behind the clock in the hall. " + PAGES[0] * 2
    atom = await notes.put(text, metadata={"kind": "diary"})
    (found,) = await notes.search("where is the cellar key?", limit=1)
    assert (found.id, found.content) == (atom.id, text)
    assert found.passage
    assert "behind the clock" in found.passage.text
    assert text[found.passage.start : found.passage.end] == found.passage.text
    assert await notes.search("where is the cellar key?", metadata={"kind": "letter"}) == []
    everything = await notes.search("cellar key", limit=20)
    assert sorted(one.id for one in everything) == sorted({one.id for one in everything})
    assert len(everything) == 13
    pages = await notes.search("cellar key", limit=5)
    while pages[-1].cursor:
        pages += await notes.search("cellar key", limit=5, after=pages[-1].cursor)
    assert [one.id for one in pages] == [one.id for one in everything]


async def test_a_file_s_text_is_found_with_its_atom_by_meaning_and_by_words(house: House) -> None:
    notes = await house.spaces.create("notes")
    await notes.put("The gardener called.")
    atom = await notes.put("the manual")
    text = "Boiler BX-7741. " + "".join(PAGES[:3]) + "To bleed the radiator turn the valve."
    await house.attachments.attach(notes, atom.id, "manual.txt", text.encode())
    (found,) = await notes.search("how to get air out of the heating", limit=1)
    assert found.id == atom.id
    assert found.passage
    assert found.passage.file == "manual.txt"
    assert "radiator" in found.passage.text
    for by in ("both", "words"):
        (named,) = await notes.search("BX-7741", limit=1, by=by)
        assert named.id == atom.id
    (again,) = await house.spaces.search(Principal("owner", Origin.OWNER), "bleed the radiator", limit=1)
    assert again.attachments[0].name == "manual.txt"


async def test_a_file_is_found_by_words_as_soon_as_it_is_attached(house: House) -> None:
    notes = await house.spaces.create("notes")
    await notes.put("long. " * 300)  # waits for its vectors, too
    atom = await notes.put("the manual")
    await house.attachments.attach(notes, atom.id, "manual.txt", b"To bleed the radiator turn the valve.")
    (found,) = await notes.search("radiator", by="words")
    assert (found.id, found.passage and found.passage.file) == (atom.id, "manual.txt")
    await house.attachments.attach(notes, atom.id, "manual.txt", b"Call the plumber.")
    assert await notes.search("radiator", by="words") == []


async def test_words_are_found_while_no_embedder_can_be_reached(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    async with open_house(settings, redis_url, clock=clock, embedder=Unreachable()) as house:
        notes = await house.spaces.create("notes")
        atom = await notes.put("the manual of the boiler. " * 100)
        await house.attachments.attach(notes, atom.id, "manual.txt", b"To bleed the radiator turn the valve.")
        assert [one.id for one in await notes.search("boiler", by="words")] == [atom.id]
        with pytest.raises(ModelUnavailable):
            await notes.search("boiler")


async def test_passages_take_little_memory_however_much_is_known_of_what_their_atom_refers_to(house: House) -> None:
    space = await house.spaces.create("notes")
    targets = [(await space.put("", metadata={f"k{i}": f"{n}" for i in range(250)} | {"n": n})).id for n in range(64)]
    references = {"x" * 100: targets, "y" * 100: targets}  # the names stand before each of 16,000 entries
    early = await space.put("It rained. " * 2_000, references=references)
    late = await space.put("It snowed. " * 2_000)
    await house.spaces.embed_waiting(["notes"])
    await space.update(late.id, comment="also", references=references)
    await house.spaces.embed_waiting(["notes"])
    for atom in (early, late):
        key = house.store.keys.atom("notes", atom.id)
        count = int(await house.store.run("HGET", key, "pn"))
        carried = sum([await house.store.run("HSTRLEN", key, name) for name in ("ra", "rp")])
        assert carried > 5_000_000
        assert 1 <= count <= 64 * 1024 * 1024 / carried
        assert await house.store.run("EXISTS", house.store.keys.atom("notes", f"{atom.id}#{count + 1}")) == 0
    (found,) = await space.search("It rained.", limit=1, references={"x" * 100: {"any": {"n": 5}}})
    assert found.id == early.id


async def test_passages_leak_nothing(house: House) -> None:
    notes = await house.spaces.create("notes")
    await notes.put("".join(PAGES) + "The key to the cellar hangs behind the clock.")
    await house.spaces.create("public")
    await house.spaces.open("public").share("bot", "read")
    assert await house.spaces.search(Principal("bot"), "where is the cellar key?") == []


@pytest.mark.parametrize("query", ["", "nothing is known of that day"])
async def test_an_atom_with_passages_is_listed_once(house: House, query: str) -> None:
    notes = await house.spaces.create("notes")
    await notes.put("".join(PAGES))
    await notes.put("another")
    assert sorted(len(atom.content) > 1_000 for atom in await notes.search(query)) == [False, True]
