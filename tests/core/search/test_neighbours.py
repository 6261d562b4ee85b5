"""Hits come with what was put around them, as far as the reader may see it."""

import pytest

from core.atoms.atoms import OWNER, Principal
from core.errors import InvalidInput
from core.house import House

ANN = Principal("ann")


async def test_a_hit_brings_the_atoms_put_before_and_after_it(house: House) -> None:
    chat = await house.spaces.create("chat")
    other = await house.spaces.create("other")
    for text in ("the boiler leaks", "which plumber shall I call?", "Meier & Sons", "thanks", "bye"):
        await chat.put(text)
        await other.put("noise")
    (hit,) = await chat.search("Meier", limit=1, around=1)
    assert hit.content == "Meier & Sons"
    assert [atom.content for atom in (*hit.before, *hit.after)] == ["which plumber shall I call?", "thanks"]
    (hit,) = await house.spaces.search(OWNER, "Meier", limit=1, around=2)
    assert [atom.content for atom in hit.before] == ["the boiler leaks", "which plumber shall I call?"]
    assert [atom.content for atom in hit.after] == ["thanks", "bye"]


async def test_neighbours_are_those_in_use_in_spaces_that_the_reader_may_read(house: House) -> None:
    open_to_ann, secret = await house.spaces.create("open"), await house.spaces.create("secret")
    await open_to_ann.share("ann", "read")
    first = await open_to_ann.put("first")
    gone = await open_to_ann.put("gone")
    await open_to_ann.put("the wanted one")
    await secret.put("nobody knows the wanted one")
    await open_to_ann.deprecate(gone.id, comment="wrong")
    (hit,) = await house.spaces.search(ANN, "the wanted one", around=1, limit=1)
    assert ([atom.id for atom in hit.before], hit.after) == ([first.id], ())


async def test_too_wide_a_neighbourhood_is_refused(house: House) -> None:
    space = await house.spaces.create("space")
    with pytest.raises(InvalidInput, match="around"):
        await space.search("x", around=1_000)


async def test_an_answer_is_found_by_the_question_before_it(house: House) -> None:
    chat = await house.spaces.create("chat")
    for n in range(30):
        await chat.put(f"The tram was late again, number {n}.")
    await chat.put("What is the name of the dentist you liked so much?")
    answer = await chat.put("Dr. Okafor, and she never hurries.")
    await house.spaces.embed_waiting(["chat"])
    found = await chat.search("my dentist", limit=2)
    assert answer.id in {atom.id for atom in found}
