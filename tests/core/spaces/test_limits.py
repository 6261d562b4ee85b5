"""Limits: a space holds so much, and what is refused for that leaves nothing behind."""

import pytest

from core.errors import InvalidInput
from core.house import House
from core.spaces.spaces import SpaceLimits, Spaces


def _bounded(house: House, **limits: int) -> Spaces:
    return Spaces(house.store, house.notifications, house.embedder, SpaceLimits(**limits))


async def test_a_space_holds_so_much_text_and_its_history(house: House) -> None:
    await house.spaces.create("small")
    space = _bounded(house, text_bytes=10_000).open("small")
    atom = await space.put("a" * 2_000)
    await space.update(atom.id, comment="c", content="b" * 2_000)
    with pytest.raises(InvalidInput, match=r"'small' holds 6,\d\d\d bytes of text .*STOA_SPACE_TEXT_BYTES"):
        await space.put("c" * 2_100)
    with pytest.raises(InvalidInput, match="nothing was written"):
        await space.update(atom.id, comment="c", content="d" * 2_100)
    assert (await space.get(atom.id)).content == "b" * 2_000
    assert len(await space.history(atom.id)) == 2
    await space.deprecate(atom.id, comment="a way out stays open")


async def test_contents_that_are_kept_no_longer_make_room(house: House) -> None:
    await house.spaces.create("small")
    space = _bounded(house, text_bytes=20_000, contents_kept=2).open("small")
    atom = await space.put("a" * 1_000)
    for n in range(40):
        await space.update(atom.id, comment="c", content="ab"[n % 2] * 1_000)


async def test_a_space_holds_so_many_bytes_of_files(house: House) -> None:
    await house.spaces.create("small")
    space = _bounded(house, file_bytes=1_000).open("small")
    atom = await space.put("files")
    await house.attachments.attach(space, atom.id, "a.txt", b"a" * 600)
    with pytest.raises(InvalidInput, match=r"600 bytes of files.*STOA_SPACE_FILE_BYTES"):
        await house.attachments.attach(space, atom.id, "b.txt", b"b" * 600)
    kept = [file for file in (house.settings.home / "files").rglob("*") if file.is_file() and file.suffix != ".txt"]
    assert len(kept) == 1  # nothing was kept of the refused one
    await house.attachments.attach(space, atom.id, "b.txt", b"b" * 400)
