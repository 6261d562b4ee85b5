"""Text that reads the same is the same: typographic marks, composed letters, line ends."""

import unicodedata

import pytest

from core.house import House

NUMBERS = range(2001, 2013)


@pytest.mark.parametrize("form", ['"INV-{}"', "“INV-{}”", "INV-{}…", "—INV-{}—", "INV\u2011{}"])
async def test_a_rare_name_is_found_first_whatever_marks_it_stands_in(house: House, form: str) -> None:
    space = await house.spaces.create("s")
    for number in NUMBERS:
        await space.put(f"The invoice {form.format(number)} of the garden shop is open")

    for number in NUMBERS[::2]:
        (found,) = await space.search(f"INV-{number}", limit=1)
        assert str(number) in found.content


async def test_metadata_is_found_by_the_other_spelling_of_its_letters(house: House) -> None:
    space = await house.spaces.create("m")
    await space.put("x", metadata={"who": unicodedata.normalize("NFD", "José")})

    assert len(await space.search(metadata={"who": "José"})) == 1


@pytest.mark.parametrize(
    ("text", "old"),
    [(unicodedata.normalize("NFD", "café au lait"), "café"), ("line one\r\nline two\r\n", "one\nline")],
)
async def test_a_text_that_reads_the_same_is_replaced(house: House, text: str, old: str) -> None:
    space = await house.spaces.create("m")
    atom = await space.put(text)

    assert "tea" in (await space.update(atom.id, replace=(old, "tea"), comment="c")).content
