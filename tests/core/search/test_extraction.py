"""The text in files: a file that cannot be read says why, to people and to agents, and is never an empty text."""

import io

import pytest
from pypdf import PdfWriter

from core.errors import InvalidInput
from core.house import House
from core.search.extraction import Unreadable, text_in
from core.turns.agent_files import AgentFiles
from tests.core.spaces.test_attachments import pdf


def _blank(password: str = "") -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    if password:
        writer.encrypt(user_password=password, owner_password="other", algorithm="AES-128")
    writer.write(out)
    return out.getvalue()


UNREADABLE = [
    ("locked.pdf", _blank("secret"), "locked with a password"),
    ("torn.pdf", _blank()[:-120], "damaged or cut off"),
    ("half.pdf", pdf("The first page.", "Ana is seven.")[:-20], "damaged or cut off"),
    ("short.pdf", b"%PDF-1.4 and no more", "damaged or cut off"),
    ("scan.pdf", _blank(), "probably a scan"),
    ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200), "not a text file"),
    ("photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200), "No text can be read from image/png"),
    ("empty.html", b"<script>render()</script>", "has no text"),
]


@pytest.mark.parametrize(("name", "data", "reason"), UNREADABLE)
async def test_an_agent_is_told_why_a_file_cannot_be_read(house: House, name: str, data: bytes, reason: str) -> None:
    space = await house.spaces.create("s")
    atom = await space.put("files")
    await house.attachments.attach(space, atom.id, name, data)
    files = AgentFiles(space, house.attachments, lambda text, start, end: text[start:end])
    for _ in range(2):  # the second time from what is kept
        with pytest.raises(InvalidInput, match=reason):
            await files.read(atom.id, name)
    await house.spaces.embed_waiting(["s"])
    assert (await space.search("files"))[0].id == atom.id


@pytest.mark.parametrize(
    ("media_type", "data", "text"),
    [
        ("text/csv", "Name;Betrag\nMüller;5,50 €".encode("cp1252"), "Name;Betrag\nMüller;5,50 €"),
        ("text/html", '<meta charset="windows-1251"><p>Встреча</p>'.encode("cp1251"), "Встреча"),
        ("text/x-python", "# Größe".encode("utf-16"), "# Größe"),
        ("text/plain", b"", ""),
    ],
)
async def test_a_file_is_read_in_its_own_encoding(media_type: str, data: bytes, text: str) -> None:
    assert (await text_in(media_type, data)).strip() == text


async def test_a_file_that_cannot_be_read_is_told_by_its_name(house: House) -> None:
    space = await house.spaces.create("s")
    atom = await house.attachments.attach(space, (await space.put("x")).id, "locked.pdf", _blank("secret"))
    with pytest.raises(Unreadable, match=r"^locked\.pdf: It is locked"):
        await house.texts.read(atom.attachments[0])
