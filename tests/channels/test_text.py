"""What is shown to people: nothing in it commands the terminal, and nothing of it is lost."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from channels.text import BOLD, CODE, ITALIC, LINK, RESET, clean, columns, one_line, prose, styled, visible

OURS = re.compile(r"\x1b\[[0-9]m|\x1b\[36m")
HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x07\x9b\r\n\t`*_[]()#>-0123456789;m\u202e\ud800")))


@given(HOSTILE)
def test_no_control_character_gets_through(text: str) -> None:
    for shown in (visible(text), OURS.sub("", styled(text, 40)), one_line(text)):
        assert all(letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs") for letter in shown)
        assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(HOSTILE)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()


@given(st.text(st.sampled_from("abc é漢 \n"), max_size=300), st.integers(4, 100))
def test_wrapping_keeps_every_word_and_breaks_none(text: str, width: int) -> None:
    assert styled(text, width).split() == text.split()


@given(st.lists(st.text("abcd", min_size=1, max_size=9)), st.integers(10, 100))
def test_no_line_is_wider_than_the_terminal(words: list[str], width: int) -> None:
    assert all(columns(line) <= width + 2 for line in styled("- " + " ".join(words), width + 2).split("\n"))


@given(HOSTILE)
def test_one_line_is_one_line_and_short_enough_for_a_comment(text: str) -> None:
    assert "\n" not in one_line(text)
    assert len(one_line(text)) <= 200


def test_bold_code_links_and_italics_are_styled() -> None:
    shown = styled("**Milk** and `x = 1`, see [the page](https://example.org) *now*", 100)
    assert f"{BOLD}Milk{RESET}" in shown
    assert f"{CODE}x{RESET} {CODE}={RESET}" in shown
    assert f"{LINK}the{RESET} {LINK}page{RESET} (https://example.org)" in shown
    assert f"{ITALIC}now{RESET}" in shown


def test_arithmetic_and_names_are_not_taken_for_italics() -> None:
    assert styled("2 * 3 * 4 and a*b*c and snake_case_name", 100) == "2 * 3 * 4 and a*b*c and snake_case_name"


def test_lists_hang_and_headings_are_bold() -> None:
    assert styled("## Tasks\n- buy milk and bread\n1. first", 14).split("\n") == [
        f"{BOLD}Tasks{RESET}",
        "• buy milk and",
        "  bread",
        "1. first",
    ]


def test_fenced_code_keeps_its_lines_and_its_stars() -> None:
    assert styled("so:\n```python\nif a ** b:\n    go()\n```\nthen", 8).split("\n") == [
        "so:",
        f"  {CODE}if a ** b:{RESET}",
        f"  {CODE}    go(){RESET}",
        "then",
    ]


def test_prose_leaves_code_out_while_it_is_still_being_written() -> None:
    assert prose("Let me look.\n```python\nspace.sea") == "Let me look."
    assert prose("One\n```\nx\n```\ntwo") == "One\ntwo"


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert columns("漢字") == 4
    assert columns("e\u0301") == 1
