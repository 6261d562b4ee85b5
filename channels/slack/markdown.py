"""Markdown as Slack's mrkdwn."""

import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

from channels.inline import wide
from channels.markdown import HELD, Dialect, around, plain_text, unfenced

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode as Node

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
"""A link's target begins like this; anything else between Slack's angle brackets may call people."""
_LIKE_ADDRESS = re.compile(r"\W*(\w+://|\w[\w-]*(\.[\w-]+)+(/|[^\w/-]*$))")
_NESTED_BOLD = re.compile(r"(`[^`\n]*`)|(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])")
_WORD = re.compile(r"\S+")
_STYLES = {"strong": "*", "em": "_", "s": "~", "code_inline": "`"}


class Mrkdwn(Dialect):
    """Slack's own. A star cannot be escaped in it, so words with stars of their own are written as code."""

    limit = 3_900

    def inline(self, node: "Node") -> str:
        children, totals = node.children, self._marks(node)
        shown = []
        for index, child in enumerate(children):
            before, after = children[index - 1 : index], children[index + 1 : index + 2]
            if child.type in _STYLES and child.type != "code_inline":
                beside = "".join(map(plain_text, before))[-1:], "".join(map(plain_text, after))[:1]
                shown.append(self._styled(child, beside))
            elif child.type == "text":
                begins = not before or before[0].type == "softbreak"
                shown.append(self._words(child.content, totals, begins))
            else:
                shown.append(self.piece(child))
        return "".join(shown)

    def _marks(self, node: "Node") -> Counter[str]:
        """The marks in a line, those that we write and those in words that Slack could take for marks."""
        totals = Counter[str]()
        for child in node.children:
            if child.type == "text":
                totals.update(child.content[place] for place in _able(child.content))
            elif child.type in _STYLES:
                totals[_STYLES[child.type]] += 2
        around_it = "strong" if node.parent and node.parent.type == "heading" else node.type
        totals[_STYLES.get(around_it, "")] += 2
        return totals

    def _words(self, text: str, totals: Counter[str], begins: bool) -> str:
        """Words that are read as they are; as code where Slack would take stars of theirs for marks."""
        risky = [place for place in _able(text) if totals[text[place]] > 1]
        shown = self.text(text)
        if risky and "`" in text:
            return f"```{unfenced(shown)}```"
        if risky:
            parts, at = list[str](), 0
            for word in _WORD.finditer(text):
                start, end = word.start(), word.start() + len(word[0].rstrip(".,;:!?"))
                if bisect_left(risky, start) < bisect_left(risky, end):
                    parts += [self.text(text[at:start]), self.code(text[start:end])]
                    at = end
            shown = "".join([*parts, self.text(text[at:])])
        return f"{HELD}{shown}" if begins and text.startswith(">") else shown

    def _styled(self, node: "Node", beside: tuple[str, str]) -> str:
        """Marked words. Beside a letter the marks are set off by spaces without width, or Slack shows them."""
        mark, inner = _STYLES[node.type], self.inline(node)
        inner = _NESTED_BOLD.sub(r"\1\2", inner) if mark == "*" else inner
        if inner.strip() and any(letter.isalnum() or wide(letter) for letter in beside):
            return f"{HELD}{mark}{HELD}{inner.strip()}{HELD}{mark}{HELD}"
        return around(mark, inner)

    def text(self, text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def bracketed(self, url: str) -> str:
        return f"<{self.text(url).replace('|', '%7C')}>"

    def bold(self, text: str) -> str:
        return around("*", _NESTED_BOLD.sub(r"\1\2", text))  # in a heading, say: marks within marks end them

    def italic(self, text: str) -> str:
        return around("_", text)

    def strike(self, text: str) -> str:
        return around("~", text)

    def code(self, text: str) -> str:
        return f"```{unfenced(self.text(text))}```" if "`" in text else f"`{self.text(text)}`"

    def fence(self, text: str, info: str) -> str:
        return f"```\n{unfenced(self.text(text))}\n```"

    def link(self, shown: str, plain: str, url: str) -> str:
        if not _ADDRESS.match(url):
            return super().link(shown, plain, self.text(url))
        target = self.text(url).replace("|", "%7C")
        words = self.text(plain).replace("|", "\u00a6")
        if plain in (url, ""):
            return f"<{target}>"
        if _LIKE_ADDRESS.match(plain) and not leads_there(plain, url):
            return f"{words} (<{target}>)"
        return f"<{target}|{words}>"


def _able(text: str) -> list[int]:
    """Where marks stand that Slack could take for the beginning or the end of something, or one half of it."""
    found = []
    for mark in re.finditer(r"[*_~`]", text):
        place = mark.start()
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        opens = not before.isalnum() and bool(after) and not after.isspace()
        closes = not after.isalnum() and bool(before) and not before.isspace()
        if opens or closes or mark[0] == "`":
            found.append(place)
    return found


def leads_there(words: str, url: str) -> bool:
    """True if words that look like an address are the link's own, or its beginning."""
    shown, target = (re.sub(r"^\w+:(//)?", "", one) for one in (words.strip(), unquote(url)))
    return target == shown or target.startswith(f"{shown.rstrip('/')}/")
