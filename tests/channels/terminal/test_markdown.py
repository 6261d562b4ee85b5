"""Markdown in a terminal: styled, wrapped, and with nothing in it that commands the terminal."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.markdown import literal
from channels.terminal.markdown import TerminalMarkdown
from channels.text import BOLD, CODE_STYLE, DIM, ITALIC, LINK_STYLE, RESET, columns, visible
from tests.channels.readers import read_terminal
from tests.channels.test_inline import DATA, TRICKY, lines_of
from tests.channels.test_text import HOSTILE

OURS = re.compile(r"\x1b\[[0-9]m|\x1b\[36m")


def styled(markdown: str, width: int) -> str:
    return "\n\n".join(TerminalMarkdown(width).messages(markdown))


@given(HOSTILE)
def test_nothing_but_our_own_styles_commands_the_terminal(text: str) -> None:
    shown = OURS.sub("", styled(text, 40))
    assert all(letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cs") for letter in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(TRICKY)
def test_what_is_marked_as_data_is_shown_letter_for_letter(data: str) -> None:
    shown = read_terminal(styled(literal(data), 1_000))
    assert lines_of(shown) == (lines_of(visible(data)) if shown else [""])


@pytest.mark.parametrize("data", DATA)
def test_data_that_nobody_marked_is_shown_letter_for_letter(data: str) -> None:
    assert read_terminal(styled(f"You noted: {data}", 1_000)) == f"You noted: {data}"
    assert read_terminal(styled(f"- {data}\n- other", 1_000)) == f"• {data}\n• other"


def test_spaces_between_words_and_blank_lines_between_blocks_stay() -> None:
    assert styled("a   b\n    c\n\n\nd\n\n- e\n\nf", 40) == "a   b\n    c\n\n\nd\n\n• e\n\nf"


def test_quotes_nest_lists_and_code_in_lists_are_shown() -> None:
    assert styled("> said **so**\n> twice\n\n- a\n  - b\n  ```\n  c\n  ```\n3. d\n7. e", 40).split("\n") == [
        f"│ {DIM}said{RESET} {DIM}{BOLD}so{RESET}",
        f"│ {DIM}twice{RESET}",
        "",
        "• a",
        "  • b",
        f"    {CODE_STYLE}c{RESET}",
        "3. d",
        "7. e",
    ]


@given(st.text(st.sampled_from("abc é漢 \n"), max_size=300), st.integers(4, 100))
def test_wrapping_keeps_every_word_and_breaks_none(text: str, width: int) -> None:
    assert styled(text, width).split() == text.split()


@given(st.lists(st.text("abcd", min_size=1, max_size=9)), st.integers(10, 100))
def test_no_line_is_wider_than_the_terminal(words: list[str], width: int) -> None:
    assert all(columns(line) <= width + 2 for line in styled("- " + " ".join(words), width + 2).split("\n"))


def test_bold_code_links_and_italics_are_styled() -> None:
    shown = styled("**Milk** and `x = 1`, see [the page](https://example.org) *now*", 100)
    assert f"{BOLD}Milk{RESET}" in shown
    assert f"{CODE_STYLE}x{RESET} {CODE_STYLE}={RESET}" in shown
    assert f"{LINK_STYLE}the{RESET} {LINK_STYLE}page{RESET} (https://example.org)" in shown
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
        f"  {CODE_STYLE}if a ** b:{RESET}",
        f"  {CODE_STYLE}    go(){RESET}",
        "then",
    ]
