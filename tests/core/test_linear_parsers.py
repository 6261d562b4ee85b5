"""What reads text from others takes time in proportion to the text, whatever the text is: it runs on the event loop."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from core.atoms.text import find_like, folded, nfc
from core.atoms.versions import State, compare
from core.errors import InvalidInput, StoaError
from core.models.calls import without_keys
from core.models.fences import fenced_code
from core.models.frames import Framed, parse_changes, parse_now, parse_output, render_change, render_output
from core.models.german import in_german, is_german
from core.models.intents import planned
from core.models.recipes import parse as parse_convention
from core.models.templates import recognise
from core.sandbox.diagnostics import Surroundings
from core.sandbox.lowering import Known
from core.sandbox.rewriting import prepare
from core.search.encodings import charset_of_html
from core.search.indexing import passages
from core.search.words import named_in, words_of
from core.secrets.secrets import Secrets
from core.spaces.handles import first_words
from core.times.parsing import find_time, local_time
from core.times.repeating import find_recurrence
from core.trust.addresses import Words, parse_loosely
from tests.timing import computing

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=ZoneInfo("Europe/Paris"))
SIZES = (2_000, 16_000, 128_000)
LARGEST = 1_000_000
"""Tried where the size before took next to nothing, so that the whole test stays short."""
MAX_GROWTH = 4.0
"""A larger text may take so many times what it would take if time grew as the text does."""
ALLOWED_SECONDS = 0.1
"""Any size may take so much, since short times are measured badly."""
SLOW_SECONDS = 0.005
"""A parser that takes longer for less is not tried with the largest text."""
SECRETS = Secrets({"STOA_SECRET_BANK": "aaaaaaab", "STOA_SECRET_MAIL": "<<<<<<<<</"})
HEADER = '<change n="0" space="a" author="b" origin="owner" atom="c" operation="put" comment="d">\n'

STARTS = {" ": "<", "\\": "<"}
"""What stands before a row of these: something that looks like a tag as long as they go on."""
PIECES = [
    "\\",
    " ",
    "<",
    "< ",
    "<\\",
    "<\\\\ ",
    "a",
    "a ",
    "a.",
    "a@",
    "A1",
    "\n",
    "\n ",
    "```python\n",
    "```\n",
    "~~~\n",
    "<output>\n",
    "<output>\n\n</output>\n<error>\n",
    "<change ",
    '<change n="0" space="',
    HEADER,
    "</change>",
    "Now: ",
    "Now: a (b, ",
    "# a\n",
    "## Recipes\n### a\n",
    "> ",
    "&#1",
    "[",
    "](",
    "spaces[",
    "KeyError: ",
    "at 9 ",
    "in 1 hour ",
    "every ",
    "https://",
    "mailto:",
    "sk-",
    "bearer ",
    "*",
    "-",
    "é",
    "\u0301",
    "\u0301\u0323",
    "\x00",
]


def surroundings(text: str) -> str:
    return Surroundings({"a": frozenset({"put"})}, frozenset({"now"}), ()).advised(text)


PARSERS: dict[str, Callable[[str], object]] = {
    "a frame's content": lambda text: render_change(Framed(0, "a", "b", "c", "d", "e", "f", text)),
    "a frame's comment": lambda text: render_change(Framed(0, "a", "b", "c", "d", "e", text, "g")),
    "an output": lambda text: render_output(text, text),
    "framed changes": lambda text: parse_changes(HEADER + text),
    "framed output": lambda text: parse_output("<output>\n" + text),
    "the time line": parse_now,
    "fenced code": fenced_code,
    "a convention": lambda text: parse_convention("# a\n" + text),
    "a provider's error": without_keys,
    "a program": lambda text: prepare(text, Known()),
    "a program's error": surroundings,
    "a query's words": words_of,
    "a query's names": named_in,
    "passages": passages,
    "a normal form": nfc,
    "a folded text": folded,
    "a piece like another": lambda text: find_like(text, "'a'" + text[:200]),
    "a page's encoding": lambda text: charset_of_html(text.encode()),
    "a text with secrets": SECRETS.redacted,
    "a comment": first_words,
    "a time": lambda text: local_time(text, NOW),
    "a sentence with a time": lambda text: find_time(text, NOW),
    "a sentence with what repeats": lambda text: find_recurrence(text, NOW),
    "a request": lambda text: planned(text, NOW),
    "an answer to be German": lambda text: in_german(text) + str(is_german([text])),
    "an address": parse_loosely,
    "a text that may name an address": lambda text: Words([text]).name(parse_loosely("example.org/a")),
    "a text that may name a person": lambda text: Words([text]).name(parse_loosely("Ana Bee")),
    "two versions": lambda text: compare(State(1, text), State(2, text[::-1])),
}


def seconds(parser: Callable[[str], object], text: str) -> float:
    with computing() as measured, contextlib.suppress(StoaError, SyntaxError):
        parser(text)
    return measured.seconds


@pytest.mark.parametrize("name", PARSERS)
def test_it_takes_time_in_proportion_to_the_text(name: str) -> None:
    for piece in PIECES:
        before, took = 1, 0.0
        for size in (*SIZES, LARGEST):
            if size == LARGEST and took > SLOW_SECONDS:
                break
            now = seconds(PARSERS[name], (STARTS.get(piece, "") + piece * (size // len(piece) + 1))[:size])
            allowed = ALLOWED_SECONDS + MAX_GROWTH * took * size / before
            assert now <= allowed, f"{piece!r}: {size:,} characters took {now:.2f} s, {before:,} took {took:.4f} s"
            before, took = size, now


async def test_a_long_request_is_compared_with_many_recipes_in_a_moment() -> None:
    asks = ["remind me in 5 minutes to call Ana", "please note that the plan is ready", "what are my tasks"]
    lines = "".join(f"> {ask}\n" for ask in asks)
    recipe = parse_convention(f'# a\n## Recipes\n### b\n{lines}\n```python\nprint("b")\n```\n').recipes[0]
    with computing() as measured:
        for piece in ("please ", "and then ", "-", "Now: ", " ", "!", "a "):
            request = f"remind me {piece * 4_000}"[:4_000]
            for ask in recipe.asks:
                recognise(ask, 'what = "call Ana"\nplan = "the plan"\nprint(what)\n', request, "owner")
    assert measured.seconds < 2


def test_code_that_nests_too_deep_is_no_recipe() -> None:
    with pytest.raises(InvalidInput, match="does not parse"):
        parse_convention(f"# a\n## Recipes\n### b\n> c\n\n```python\n{'-' * 100_000}1\n```\n")
