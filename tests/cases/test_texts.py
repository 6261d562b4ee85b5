"""Text reaches a platform letter for letter, and emphasis never shows its marks."""

import re
from html import unescape

import pytest

from channels.markdown import Dialect, DiscordMarkdown
from channels.slack.markdown import Mrkdwn
from channels.telegram.markdown import TelegramHTML

LITERAL = """
the job is rm /var/*/log/*.gz
2*3*4=24
match ^a.*b.*$
see https://github.com/o/r/blob/main/pkg/__init__.py#L3
fix core/__init__.py
https://x.example/a*b*c
""".strip().splitlines()
DIALECTS = (Dialect(), Mrkdwn(), DiscordMarkdown(), TelegramHTML())


@pytest.mark.parametrize("text", LITERAL)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: type(dialect).__name__)
def test_globs_products_and_addresses_stay_as_they_were_written(dialect: Dialect, text: str) -> None:
    (shown,) = dialect.messages(text)

    seen = unescape(re.sub(r"<(?:a|/a|code|/code)\b[^>]*>", "", shown))
    assert text in re.sub(r"\\([*_~`|\\.])", r"\1", seen.replace("`", ""))


@pytest.mark.parametrize("text", ["這是**粗體**文字", "**重要：**请注意", "un**believ**able", "**20%**off"])
def test_slack_shows_no_star_beside_a_letter(text: str) -> None:
    (shown,) = Mrkdwn().messages(text)

    assert not re.search(r"\w\*|\*\*|\*\w+\*\w", shown.replace("\u200b", " "))
