"""A file's text is read in its own encoding, and a file without readable text says why."""

from io import BytesIO

import pytest
from pypdf import PdfWriter

from core.errors import InvalidInput
from core.house import House
from core.search.extraction import text_in
from core.turns.agent_files import AgentFiles

META = "<meta charset={}><p>{}</p>"
SHIFT_JIS = '<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS"><p>金曜日</p>'


@pytest.mark.parametrize(
    ("media_type", "data", "text"),
    [
        ("text/csv", "Name;Betrag\nMüller;5,50 €".encode("cp1252"), "Name;Betrag\nMüller;5,50 €"),
        ("text/plain", "Café — “soon”".encode("cp1252"), "Café — “soon”"),
        ("text/plain", "Käse und Brot".encode("utf-16"), "Käse und Brot"),
        ("text/html", META.format("iso-8859-1", "Müller, 5 Kühe").encode("latin-1"), "Müller, 5 Kühe"),
        ("text/html", META.format("windows-1251", "Встреча").encode("cp1251"), "Встреча"),
        ("text/html", SHIFT_JIS.encode("shift_jis"), "金曜日"),
    ],
)
async def test_a_text_is_read_as_it_was_saved(media_type: str, data: bytes, text: str) -> None:
    assert (await text_in(media_type, data)).strip() == text


def pdf(password: str = "") -> bytes:
    writer, out = PdfWriter(), BytesIO()
    writer.add_blank_page(200, 200)
    if password:
        writer.encrypt(user_password=password, owner_password="other", algorithm="AES-128")
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("locked.pdf", pdf("secret"), "locked with a password"),
        ("torn.pdf", pdf()[:-120], "damaged or cut off"),
        ("scan.pdf", pdf(), "no text"),
    ],
)
async def test_an_agent_is_told_why_a_file_has_no_text(house: House, name: str, data: bytes, reason: str) -> None:
    space = await house.spaces.create("s")
    atom = await space.put("files")
    await house.attachments.attach(space, atom.id, name, data)
    files = AgentFiles(space, house.attachments, lambda text, start, end: text[start:end])

    with pytest.raises(InvalidInput, match=reason):
        await files.read(atom.id, name)
