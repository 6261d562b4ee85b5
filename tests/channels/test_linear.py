"""Text of others is read in time that grows with its length and no faster, however it is made."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.markdown import Dialect, html, literal
from channels.slack.formatting import mentions, read_mrkdwn
from channels.slack.listener import parsed
from channels.slack.markdown import Mrkdwn
from channels.slack.passages import own_words
from channels.slack.streams import from_mrkdwn, is_beginning, needs_edit, settled_markdown
from channels.telegram.markdown import TelegramHTML
from channels.terminal.markdown import TerminalMarkdown
from channels.text import clean, columns, one_line, prose, visible
from tests.timing import computing

Work = Callable[[str], object]


def narrow(dialect: type[Dialect]) -> Dialect:
    """A dialect that cuts long before a test takes long."""
    narrowed: Dialect = type(f"Narrow{dialect.__name__}", (dialect,), {"limit": 400})()
    return narrowed


RENDERERS: dict[str, Work] = {
    "Slack": narrow(Mrkdwn).messages,
    "Telegram": narrow(TelegramHTML).messages,
    "terminal": TerminalMarkdown(80).messages,
    "HTML": html,
}
SCANNERS: dict[str, Work] = {
    "literal": literal,
    "unrendered": Mrkdwn().unrendered,
    "unrendered for Telegram": TelegramHTML().unrendered,
    "readable": partial(read_mrkdwn, names={}, me="U0"),
    "mentions": partial(mentions, user="U0"),
    "own words": own_words,
    "settled": settled_markdown,
    "from mrkdwn": from_mrkdwn,
    "needs edit": needs_edit,
    "is beginning": lambda text: is_beginning(text, text),
    "payload": lambda text: parsed(text.encode(), "application/x-www-form-urlencoded"),
    "JSON": lambda text: parsed(text.encode(), "application/json"),
    "prose": prose,
    "clean": clean,
    "visible": visible,
    "one line": one_line,
    "columns": columns,
}
UNITS = [
    *("[", "[a](", "![", "*", "*a ", "**a ", "~~a ", "_*a ", "x**y", "漢**字**", "`` ` ", "```\n", "\\*", "> x\n"),
    *("&gt; a\n", "- a\n", "|a|b|\n|-|-|\n", "<", "<" + " " * 50, "https://x)))", ":a_b:", "\n ", "a\n\n", "word "),
]
MIXED = "".join(UNITS)


def seconds(work: Work, unit: str, size: int) -> float:
    text = (unit * (size // len(unit) + 1))[:size]
    with computing() as measured:
        work(text)
    return measured.seconds


def grows_linearly(work: Work, unit: str, size: int) -> bool:
    """Four times the text takes four times as long, not sixteen; measured again where something else got in between."""
    return any(seconds(work, unit, 4 * size) <= 10 * max(seconds(work, unit, size), 0.01) for _ in range(3))


@pytest.mark.parametrize("name", RENDERERS)
def test_rendering_takes_linear_time(name: str) -> None:
    assert not [unit for unit in UNITS if not grows_linearly(RENDERERS[name], unit, 2_000)]


@pytest.mark.parametrize("name", SCANNERS)
def test_reading_takes_linear_time(name: str) -> None:
    assert not [unit for unit in UNITS if not grows_linearly(SCANNERS[name], unit, 8_000)]


@settings(max_examples=3, deadline=None)
@given(st.text(alphabet="*_~`[]()<>#|-+=:.!&\\/ \na1漢", min_size=1, max_size=8))
def test_no_made_up_pattern_takes_longer(unit: str) -> None:
    for name, work in {**RENDERERS, **SCANNERS}.items():
        assert grows_linearly(work, unit, 2_000), name


def test_a_megabyte_of_anything_is_dealt_with() -> None:
    text = (MIXED * (1_000_000 // len(MIXED) + 1))[:1_000_000]
    for dialect in (Mrkdwn(), TelegramHTML(), TerminalMarkdown(80)):
        assert dialect.messages(text)
    for work in SCANNERS.values():
        work(text)
