"""Markdown reads right on every platform, says nothing it did not say, and is never longer than a message may be."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.markdown import Dialect, DiscordMarkdown, html
from channels.slack.markdown import Mrkdwn
from channels.telegram.markdown import TelegramHTML

DIALECTS = [Dialect(), Mrkdwn(), DiscordMarkdown(), TelegramHTML()]
TEXT = """# Title

Some **bold**, *slanted*, ~~gone~~ and `code`, a [link](https://example.org/?a=1&b=2).

1. one
   - inner
2. two

> said

```py
x < 1
```

| a | b |
|---|---|
| 1 | <2> |
"""
WILD = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("*_`~[]()<>#|-\n @!&")), max_size=400
)


class Narrow(Dialect):
    limit = 40


class NarrowTelegram(TelegramHTML):
    limit = 60


class NarrowDiscord(DiscordMarkdown):
    limit = 40


def test_slack_gets_its_own_marks() -> None:
    assert Mrkdwn().messages(TEXT) == [
        "*Title*\n\nSome *bold*, _slanted_, ~gone~ and `code`, a <https://example.org/?a=1&amp;b=2|link>.\n\n"
        "1. one\n   • inner\n2. two\n\n> said\n\n```\nx &lt; 1\n```\n\n```\na  b\n-  ---\n1  &lt;2&gt;\n```"
    ]


def test_telegram_gets_the_html_it_knows() -> None:
    (shown,) = TelegramHTML().messages(TEXT)
    assert '<b>bold</b>, <i>slanted</i>, <s>gone</s> and <code>code</code>, a <a href="https://example.org/' in shown
    assert '<pre><code class="language-py">x &lt; 1</code></pre>' in shown
    assert "<blockquote>said</blockquote>" in shown


def test_discord_gets_markdown_with_tables_as_code() -> None:
    (shown,) = DiscordMarkdown().messages(TEXT)
    assert shown.startswith("# Title\n\nSome **bold**, *slanted*, ~~gone~~ and `code`, a [link](<https://example.org/")
    assert "```\na  b\n-  ---\n1  <2>\n```" in shown


def test_plain_text_keeps_addresses() -> None:
    (shown,) = Dialect().messages(TEXT)
    assert "Some bold, slanted, gone and code, a link (https://example.org/?a=1&b=2)." in shown


@pytest.mark.parametrize("mention", ["<!channel>", "<@U123>", "<!here|here>", "<https://evil.example|bank.example>"])
def test_nothing_in_a_text_calls_people_or_hides_an_address_in_slack(mention: str) -> None:
    (shown,) = Mrkdwn().messages(f"hello {mention}")
    assert "<!" not in shown
    assert "<@" not in shown
    assert "|bank" not in shown


@given(WILD)
def test_no_text_calls_anybody_in_slack(text: str) -> None:
    assert not [shown for shown in Mrkdwn().messages(f"{text}\n[a]({text})") if re.search("<[!@#]", shown)]


@pytest.mark.parametrize("link", ["[hi](!channel)", "![hi](!here)", "[hi](@U123)", "[hi](#C123)", "[hi](notes.md)"])
def test_a_link_that_leads_to_no_address_calls_nobody_in_slack(link: str) -> None:
    (shown,) = Mrkdwn().messages(link)
    assert shown.startswith("hi (")
    assert "<" not in shown


@pytest.mark.parametrize(
    ("words", "url", "shown"),
    [
        ("https://bank.org", "https://evil.org", "https://bank.org (<https://evil.org>)"),
        ("\u00a0bank.org", "https://evil.org", "\u00a0bank.org (<https://evil.org>)"),
        ("(bank.org)", "https://evil.org", "(bank.org) (<https://evil.org>)"),
        ("\u00a0bank.org", "https://bank.org", "<https://bank.org|\u00a0bank.org>"),
        ("bank.org", "https://bank.org.evil.org/", "bank.org (<https://bank.org.evil.org/>)"),
        ("bank.org/login", "https://evil.org/?bank.org/login", "bank.org/login (<https://evil.org/?bank.org/login>)"),
        ("bank.org", "https://bank.org/login", "<https://bank.org/login|bank.org>"),
        ("https://bank.org/ö", "https://bank.org/ö", "<https://bank.org/%C3%B6|https://bank.org/ö>"),
        ("my bank", "https://bank.org", "<https://bank.org|my bank>"),
    ],
)
def test_words_that_read_like_an_address_do_not_hide_another_in_slack(words: str, url: str, shown: str) -> None:
    assert Mrkdwn().messages(f"[{words}]({url})") == [shown]


@pytest.mark.parametrize("dialect", [Mrkdwn(), DiscordMarkdown()])
def test_nothing_in_code_ends_the_fence_around_it(dialect: Dialect) -> None:
    (shown,) = dialect.messages("````\n```\n*Stoa says:* let them in\n```\n````")
    assert shown.count("```") == 2
    assert shown.endswith("\n```")


def test_marks_within_marks_do_not_end_them_in_slack() -> None:
    assert Mrkdwn().messages("# A **bold** title\n\n**all __of__ it** and 2 * 3 * 4\n\n# Read `*args*` first") == [
        "*A bold title*\n\n*all of it* and 2 * 3 * 4\n\n*Read `*args*` first*"
    ]


def test_html_of_the_text_itself_is_shown_and_not_obeyed() -> None:
    assert "<script>" not in html("<script>alert(1)</script> [x](javascript:alert(1))")
    assert "javascript:" not in re.sub(r"\(javascript:[^)]*\)", "", html("[x](javascript:alert(1))"))


@given(WILD)
def test_no_message_is_longer_than_the_platform_takes(text: str) -> None:
    for dialect in (Narrow(), NarrowTelegram(), NarrowDiscord()):
        assert all(dialect.size(message) <= dialect.limit for message in dialect.messages(text))


@given(st.lists(st.text("abcdé漢🎉", min_size=1, max_size=12), max_size=60))
def test_cutting_loses_no_word_and_breaks_none(words: list[str]) -> None:
    assert " ".join(Narrow().messages(" ".join(words))).split() == words


def test_a_text_is_cut_between_paragraphs_before_lines_sentences_and_words() -> None:
    assert Narrow().messages("one one one one\n\ntwo two two two\n\nthree three three") == [
        "one one one one\n\ntwo two two two",
        "three three three",
    ]
    sentences = Narrow().messages("A first sentence here. A second sentence is there. And a third.")
    assert [sentence.strip() for sentence in sentences] == [
        "A first sentence here.",
        "A second sentence is there. And a third.",
    ]


def test_a_fence_that_is_cut_is_closed_and_opened_again() -> None:
    code = "\n".join(f"line {number}" for number in range(1_000))
    messages = Mrkdwn().messages(f"```py\n{code}\n```")
    assert len(messages) > 1
    assert all(message.startswith("```\n") and message.endswith("\n```") for message in messages)
    assert "\n".join(message[4:-4] for message in messages) == code


@given(st.text("ab <&>\n\"'", max_size=300))
def test_what_is_code_is_shown_as_it_is(text: str) -> None:
    shown = "".join(NarrowTelegram().messages(f"~~~\n{text}\n~~~"))
    assert unescape(re.sub(r"</?pre>", "", shown)).replace("\n", "").strip() == text.replace("\n", "").strip()
