"""Equal text is equal: however a letter, a quote, a dash or a line end was typed, it is found and replaced."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms.atoms import Principal
from core.atoms.permissions import Permission
from core.atoms.text import TYPOGRAPHIC, find_like, folded, nfc
from core.errors import InvalidInput, NotFound
from core.house import House
from core.search.words import MAX_QUERY_WORDS, hidden_words, words_of

words = st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=12)
typed = st.text(st.sampled_from("aé 'ü\"-ß" + "".join(TYPOGRAPHIC.values())), max_size=30)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


async def test_metadata_are_found_however_their_letters_were_typed(house: House) -> None:
    space = await house.spaces.create("m")
    one = await space.put("x", metadata={"who": nfd("José"), "tags": [nfd("é"), "b"], nfd("größe"): 5})
    assert one.metadata == {"who": "José", "tags": ["é", "b"], "größe": 5}
    for wanted in ({"who": "José"}, {"who": nfd("José")}, {"tags": "é"}, {"größe": {"gt": 4}}, {nfd("größe"): 5}):
        assert [a.id for a in await space.search(metadata=wanted)] == [one.id], wanted


async def test_typographic_marks_match_plain_ones_and_are_kept_as_they_were(house: House) -> None:
    space = await house.spaces.create("m")
    one = await space.put("x", metadata={"who": "O’Brien", "range": "9–5"})
    assert (await space.get(one.id)).metadata == {"who": "O’Brien", "range": "9–5"}
    for wanted in ({"who": "O'Brien"}, {"who": "O’Brien"}, {"range": "9-5"}):
        assert [a.id for a in await space.search(metadata=wanted)] == [one.id]
    assert await space.search(metadata={"who": "OBrien"}) == []


async def test_references_lead_to_atoms_however_their_names_were_typed(house: House) -> None:
    space = await house.spaces.create("m")
    target = await space.put("target", metadata={"état": "fini"})
    one = await space.put("x", references={nfd("précède"): [target.id]})
    assert [a.id for a in await space.referrers(target.id, nfd("précède"))] == [one.id]
    assert [link.name for link in await space.traverse(one.id, "précède")] == ["précède"]
    assert len(await space.search(references={nfd("précède"): {"any": {nfd("état"): "fini"}}})) == 1


@pytest.mark.parametrize(
    ("text", "old", "new", "after"),
    [
        (nfd("café au lait"), "café", "tea", "tea au lait"),
        ("café au lait", nfd("café"), "tea", "tea au lait"),
        ("line one\r\nline two\r\n", "one\nline", "1\nrow", "line 1\r\nrow two\r\n"),
        ("She said “no” — twice", 'said "no" - twice', "left", "She left"),
        ("it’s 5\u00a0km", "it's 5 km", "far", "far"),
        ("plain 'quotes'", "‘quotes’", "marks", "plain marks"),
    ],
)
async def test_a_piece_is_replaced_however_it_was_typed(
    house: House, text: str, old: str, new: str, after: str
) -> None:
    space = await house.spaces.create("m")
    atom = await space.put(text)
    changed = await space.update(atom.id, comment="c", replace=(old, new))
    assert changed.content == after
    assert changed == await space.get(atom.id)


async def test_a_piece_that_is_alike_twice_or_never_is_refused(house: House) -> None:
    space = await house.spaces.create("m")
    atom = await space.put("“a” and «a»")
    with pytest.raises(InvalidInput, match="more than once"):
        await space.update(atom.id, comment="c", replace=('"a"', "b"))
    with pytest.raises(InvalidInput, match="does not occur"):
        await space.update(atom.id, comment="c", replace=("c", "b"))


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("The invoice “INV-2003” is open", "INV-2003"),
        ("—INV-2003— and INV\u20112003…", "inv 2003"),
        ("Er bestellt ÄPFEL und Straßenkarten", "äpfel"),
        ("金曜日に会議があります", "会議"),
        (nfd("Müller kommt"), "müller"),
        ("l’été à Paris", "été"),
    ],
)
async def test_words_are_found_where_unicode_divides_them(house: House, content: str, query: str) -> None:
    space = await house.spaces.create("w")
    await space.put("something else entirely")
    one = await space.put(content)
    assert [a.id for a in await space.search(query, by="words")] == [one.id]
    long = await space.put(f"{'word ' * 300} {content}")
    await house.spaces.embed_waiting(["w"])
    assert {a.id for a in await space.search(query, by="words")} == {one.id, long.id}
    await space.update(one.id, comment="c", content="gone")
    assert [a.id for a in await space.search(query, by="words")] == [long.id]


async def test_words_of_a_replaced_piece_are_found(house: House) -> None:
    space = await house.spaces.create("w")
    one = await space.put("It is here")
    await space.update(one.id, comment="c", replace=("here", "“INV-7”, ÄRGER"))
    assert [a.id for a in await space.search("inv ärger", by="words")] == [one.id]


async def test_a_person_is_the_same_however_their_name_was_typed(house: House) -> None:
    space = await house.spaces.create("m")
    await space.share(nfd("josé"), "read")
    assert await house.spaces.open("m", Principal("josé")).permission() == Permission.READ
    assert await house.spaces.names(Principal(nfd("josé"))) == ["m"]
    await space.revoke("josé")
    with pytest.raises(NotFound, match="nothing to take back"):
        await space.revoke(nfd("josé"))


async def test_a_file_is_found_by_its_name_however_it_was_typed(house: House) -> None:
    space = await house.spaces.create("m")
    atom = await house.attachments.attach(space, (await space.put("x")).id, nfd("Menü.txt"), b"soup")
    assert atom.attachments[0].name == "Menü.txt"
    assert await house.attachments.read(space, atom.id, "Menü.txt") == b"soup"
    assert await house.attachments.read(space, atom.id, nfd("Menü.txt")) == b"soup"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=words, value=words)
async def test_any_metadata_are_found_by_their_other_spelling(house: House, key: str, value: str) -> None:
    space = await house.spaces.create("any")
    try:
        one = await space.put("x", metadata={nfd(key): nfd(value)})
    except InvalidInput:
        return  # some marks cannot stand in a key
    assert one.id in [a.id for a in await space.search(metadata={key: value}, limit=1000)]


@given(st.text(max_size=60))
def test_one_form_is_made_of_all(text: str) -> None:
    assert nfc(nfd(text)) == nfc(text)
    assert folded(folded(text)) == folded(text)
    assert words_of(nfd(text)) == words_of(text)


@given(before=typed, piece=typed.filter(bool), after=typed)
def test_a_piece_is_found_in_any_text_that_has_it(before: str, piece: str, after: str) -> None:
    found = find_like(nfc(before + piece + after), piece)
    assert found
    assert all(folded(one) == folded(piece) for one in found)


@given(st.text(max_size=80))
def test_every_word_is_found_by_the_engine_or_beside_it(text: str) -> None:
    hidden = set(hidden_words(text).split(" "))
    engine = {word.lower() for word in nfc(text).split()}
    for word in words_of(text)[:MAX_QUERY_WORDS]:
        assert word in hidden or text.isascii() or any(word in one.casefold() for one in engine)
