"""Slack's marks, names of emoji, and Markdown that grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.slack.formatting import EMOJI, emoji, emoji_name, mentioned_rooms, mentioned_users, mentions, read_mrkdwn
from channels.slack.streams import from_mrkdwn, settled_markdown

NAMES = {"U1": "Ana", "C1": "home"}


@pytest.mark.parametrize(
    "written, read",
    [
        ("<@U0> hello", "hello"),
        ("  <@U0>: <@U0|stoa>, hello", "hello"),
        ("ask <@U0> and <@U1>", "ask @U0 and @Ana"),
        ("<@U9|bob> <@U9>", "@bob @U9"),
        ("<#C1> <#C9|garden> <#C9|>", "#home #garden #C9"),
        ("<!here> <!subteam^S1|@team> <!date^1^{date}|today>", "@here @team today"),
        ("<https://a.org/x|https://a.org/x> <http://a.org|a.org>", "https://a.org/x http://a.org"),
        ("<https://evil.org|https://bank.org>", "https://bank.org (https://evil.org)"),
        ("<mailto:a@b.org|a@b.org> <tel:123|call>", "a@b.org call (tel:123)"),
        ("a &lt;b&gt; &amp;lt;", "a <b> &lt;"),
        (":tada: :+1::skin-tone-3: :party_parrot: :-1:", "🎉 👍 :party_parrot: 👎"),
        (":one::two: at 12:one:30 `:tada:`", "1️⃣2️⃣ at 12:one:30 `:tada:`"),
        ("", ""),
        ("<@U0>", ""),
    ],
)
def test_what_slack_writes_is_read_as_people_read_it(written: str, read: str) -> None:
    assert read_mrkdwn(written, NAMES, "U0") == read


@given(st.text())
def test_any_text_can_be_read_and_looked_through(text: str) -> None:
    read_mrkdwn(text, NAMES, "U0")
    mentions(text, "U0")
    assert mentioned_users(text) >= set()
    assert mentioned_rooms(text) >= set()


@given(st.text(alphabet="ab <>&@#|U1C:*\n"))
def test_what_slack_escapes_comes_back_as_it_was_typed(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert read_mrkdwn(escaped, NAMES, "U0") == text


@pytest.mark.parametrize("name", EMOJI)
def test_an_emoji_is_known_by_its_name_both_ways(name: str) -> None:
    assert emoji_name(emoji(name)) == name


def test_other_emoji_keep_their_names_and_skins_are_left_out() -> None:
    assert emoji("+1::skin-tone-6") == emoji("thumbsup") == "👍"
    assert emoji_name("👍🏿") == "+1"
    assert emoji("party_parrot") == ":party_parrot:"
    assert emoji_name(":party_parrot:") == "party_parrot"
    assert emoji_name("🦄") == ""


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain", "plain"),
        ("a *bold* word", "a **bold** word"),
        ("a *bo", "a"),
        ("_x_ ~y~ `*z*`", "_x_ ~~y~~ `*z*`"),
        ("see <https://a.org|the plan>", "see [the plan](https://a.org)"),
        ("see <https://a.org|the", "see"),
        ("```\na *b*\n```", "```\na *b*"),
        ("```\na *b*\n```\n\nthen *c*", "```\na *b*\n```\n\nthen **c**"),
        ("first\nsecond *thi", "first\nsecond"),
    ],
)
def test_of_a_growing_text_only_what_stays_is_streamed(text: str, shown: str) -> None:
    assert settled_markdown(text) == shown


@given(st.text(alphabet="ab *_~`<>|\n"))
def test_any_text_can_grow(text: str) -> None:
    settled_markdown(text)
    from_mrkdwn(text)
