"""How platforms show what is written to them, as far as the tests need it: marks taken away, the letters left."""

import re
from html import unescape

from channels.markdown import HELD, Dialect

Dialect().messages("")  # loads the parser before anything is timed


def read_plain(text: str) -> str:
    return text.replace(HELD, "")


ADDRESS = r"(https?://[^\s<>()*_]*(?:[^\s<>()]*[^\s<>().,])?)"


class Kept:
    """Parts that are shown as they are, whatever stands around them."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def keep(self, found: re.Match[str]) -> str:
        self.parts.append(found[1])
        return f"\ue000{len(self.parts) - 1}\ue001"

    def restore(self, text: str) -> str:
        return re.sub("\ue000(\\d+)\ue001", lambda found: self.parts[int(found[1])], text)


def read_slack(text: str) -> str:
    """Slack takes code and addresses as they are, and else any pair of marks at the edges of words for markup."""
    kept = Kept()
    text = re.sub(r"```\n?(.*?)\n?```", kept.keep, text, flags=re.DOTALL)
    text = re.sub(r"`([^`\n]+)`", kept.keep, text)
    text = re.sub(r"<([^<>|\n]*)\|([^<>\n]*)>", r"\2", text)
    text = re.sub(r"<([^<>|\n]*)>", r"\1", text)
    text = re.sub(ADDRESS, kept.keep, text)
    text = re.sub(r"^(>|&gt;) ?", "", text, flags=re.MULTILINE)
    for mark in "*_~":
        star = re.escape(mark)
        text = re.sub(rf"(?<!\w){star}(?=[^\s{star}])([^{star}\n]*[^\s{star}]){star}(?!\w)", r"\1", text)
    return unescape_three(kept.restore(text)).replace(HELD, "")


def unescape_three(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def read_telegram(text: str) -> str:
    return unescape(re.sub(r"</?[a-z][^<>]*>", "", text)).replace(HELD, "")


def read_discord(text: str) -> str:
    """Discord takes marks anywhere, unless a backslash stands before them."""
    kept = Kept()
    text = re.sub(r"```\w*\n(.*?)\n```", kept.keep, text, flags=re.DOTALL)
    text = re.sub(r"\\([^\sA-Za-z0-9])", kept.keep, text)
    text = re.sub(r"<(https?://[^<>\s]*)>", kept.keep, text)
    text = re.sub(ADDRESS, kept.keep, text)
    text = re.sub(r"\*\*|\*|__|_|~~|\|\||^> ", "", text, flags=re.MULTILINE)
    return kept.restore(text).replace(HELD, "")


def read_terminal(text: str) -> str:
    return re.sub(r"\x1b\[\d*m", "", text).replace(HELD, "")
