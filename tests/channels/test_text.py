"""What is shown to people: nothing in it commands the terminal, and nothing of it is lost."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from channels.text import clean, columns, one_line, prose, visible

HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x07\x9b\r\n\t`*_[]()#>-0123456789;m\u202e\ud800")))


@given(HOSTILE)
def test_no_control_character_gets_through(text: str) -> None:
    for shown in (visible(text), one_line(text)):
        assert all(letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs") for letter in shown)
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(HOSTILE)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@given(HOSTILE)
def test_one_line_is_one_line_and_short_enough_for_a_comment(text: str) -> None:
    assert "\n" not in one_line(text)
    assert len(one_line(text)) <= 200


def test_prose_leaves_code_out_while_it_is_still_being_written() -> None:
    assert prose("Let me look.\n```python\nspace.sea") == "Let me look."
    assert prose("One\n```\nx\n```\ntwo") == "One\ntwo"


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert columns("漢字") == 4
    assert columns("e\u0301") == 1
