"""Encodings: what any program saved as text is read as it was written, and what is no text is not read as one."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.search.encodings import charset_of_html, decoded

WRITTEN = [
    ("cp1252", "Name;Betrag\nMüller;5,50 €"),
    ("cp1252", "Café — “soon”"),
    ("cp1252", "I don’t know, we’re late"),
    ("cp1252", "été"),
    ("cp1252", "¿Qué tal? ¡Mañana!"),
    ("latin-1", "naïve façade, piñata, smörgåsbord"),
    ("utf-8-sig", "Grüße"),
    ("utf-16", "Ärger in Notepad"),
    ("utf-16-le", "Ärger ohne Marke"),
    ("utf-16-be", "Ärger ohne Marke"),
    ("cp932", "金曜日の会議は3時です。"),
    ("cp932", "東京, 金曜日"),
    ("euc_jp", "金曜日の会議は3時です。"),
    ("cp1251", "Встреча в пятницу в три часа, принеси документы"),
    ("cp1250", "Zażółć gęślą jaźń, spotkanie w piątek o trzeciej"),
    ("gb18030", "星期五的会议在三点钟开始，请带文件。谢谢大家的配合"),
    ("big5", "星期五的會議在三點鐘開始，請帶文件。謝謝大家的配合"),
    ("euc_kr", "금요일 회의는 세 시에 시작합니다"),
]


@pytest.mark.parametrize(("encoding", "text"), WRITTEN)
def test_text_is_read_in_the_encoding_it_was_written_in(encoding: str, text: str) -> None:
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "latin-1"),
        ("<META CHARSET=windows-1251>", "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">', "cp932"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>', "iso-8859-2"),
        ('<meta charset="utf-16">', "utf-8"),
        ('<meta charset="no-such-thing">', "utf-8"),
    ],
)
def test_a_page_is_read_in_the_encoding_it_names(head: str, encoding: str) -> None:
    page = f"{head}<p>{dict(WRITTEN)['cp1251'] if encoding == 'cp1251' else 'plain'}</p>"
    if encoding == "latin-1":
        page = f"{head}<p>Müller, 5 Kühe</p>"
    data = page.encode(encoding)
    assert decoded(data, charset_of_html(data)) == page


@given(st.text())
def test_utf8_is_never_taken_for_anything_else(text: str) -> None:
    clean = text.replace("\x00", "").encode("utf-8", "ignore").decode().lstrip("\ufeff")
    assert decoded(clean.encode()) in (clean, None)


def test_pictures_and_noise_are_no_text() -> None:
    assert decoded(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200)) is None
    assert decoded(os.urandom(500)) is None


@pytest.mark.parametrize("data", [b"\xe9" * 4_000_000, "日".encode("cp932") * 2_000_000, b"<meta " * 200_000])
def test_large_odd_files_take_seconds_at_most(data: bytes) -> None:
    began = time.monotonic()
    decoded(data, charset_of_html(data))
    assert time.monotonic() - began < 10
