"""Markdown as each platform writes it, and cut into messages that the platform takes.

Parsed by markdown-it-py, rendered here: the converters there are let `<!channel>` through or drop text.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode as Node

_JOINS = re.compile("[\u0300-\u036f\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
"""What must not be cut from the character before it, or joins it to the next."""
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
"""What a link leads to begins like this; anything else between Slack's angle brackets may call people."""
BOLD = re.compile(r"(`[^`\n]*`)|(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])")
LIKE_ADDRESS = re.compile(r"\W*(\w+://|\w[\w-]*(\.[\w-]+)+(/|[^\w/-]*$))")
_CUTS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s+"), re.compile(r"\s+"))
"""Where a long text is cut, the best places first: paragraph, line, sentence, word."""


class Dialect:
    """Plain text: how Markdown reads where nothing is styled; the platforms' own differ in what they override."""

    limit = 4_000
    """The most one message may hold, as `size` counts."""

    def size(self, text: str) -> int:
        """How long the platform finds the text."""
        return len(text)

    def messages(self, markdown: str) -> list[str]:
        """The text rendered and cut into messages within the limit; fences are closed and opened again."""
        found: list[str] = []
        for block in self._pieces(markdown):
            joined = f"{found[-1]}\n\n{block}" if found else block
            if found and self.size(joined) <= self.limit:
                found[-1] = joined
            else:
                found.append(block)
        return found

    def _pieces(self, markdown: str) -> Iterator[str]:
        """Each block of the text, or its parts where it is too long."""
        for source, node in _blocks(markdown):
            shown = self.block(node)
            if self.size(shown) <= self.limit:
                if shown.strip():
                    yield shown
            elif node.type in ("fence", "code_block", "table"):
                yield from self._code(self._table(node) if node.type == "table" else node.content, node.info)
            else:
                yield from self._cut(source)

    def _code(self, text: str, info: str) -> Iterator[str]:
        """Code in as many blocks as it needs, cut between lines where it can be."""
        lines: list[str] = []
        for line in text.rstrip("\n").split("\n"):
            if lines and self.size(self.fence("\n".join([*lines, line]), info)) > self.limit:
                yield self.fence("\n".join(lines), info)
                lines = []
            while self.size(self.fence(line, info)) > self.limit:
                head = self._head(line, lambda part: self.fence(part, info))
                yield self.fence(head, info)
                line = line[len(head) :]
            lines.append(line)
        yield self.fence("\n".join(lines), info)

    def _cut(self, source: str) -> Iterator[str]:
        """A block that is too long: the longest beginning that fits, and the rest as Markdown of its own."""
        head = self._head(source, lambda part: "\n\n".join(self.block(node) for _, node in _blocks(part)))
        for cut in _CUTS:
            ends = [found.end() for found in cut.finditer(head)]
            if ends and ends[-1] > len(head) // 3:
                head = head[: ends[-1]]
                break
        for part in (head, source[len(head) :]):
            yield from self._pieces(part)

    def _head(self, text: str, shown: Callable[[str], str]) -> str:
        """The longest beginning of the text that fits when it is shown, to within a tenth."""
        length = min(len(text) - 1, self.limit)
        while length > 1 and self.size(shown(text[:length])) > self.limit:
            length = length * 9 // 10
        whole = length
        while length > 1 and (_JOINS.match(text[length]) or text[length - 1] == "\u200d"):
            length -= 1
        return text[: length if length > 1 else whole]

    # Blocks -----------------------------------------------------------------------------------------------------------

    def block(self, node: "Node") -> str:
        """One block as this dialect writes it."""
        match node.type:
            case "heading":
                return self.heading(self.inline(node), int(node.tag[1]))
            case "paragraph":
                return self.inline(node)
            case "bullet_list" | "ordered_list":
                return "\n".join(self._items(node))
            case "blockquote":
                return self.quote("\n\n".join(self.block(child) for child in node.children))
            case "fence" | "code_block":
                return self.fence(node.content.rstrip("\n"), node.info.split(" ")[0])
            case "table":
                return self.fence(self._table(node), "")
            case "hr":
                return "—" * 10
        return self.text(node.content)

    def _items(self, node: "Node") -> Iterator[str]:
        first = int(node.attrs.get("start", 1))
        for number, item in enumerate(node.children, first):
            mark = f"{number}. " if node.type == "ordered_list" else self.bullet
            lines = "\n".join(self.block(child) for child in item.children).split("\n")
            yield mark + f"\n{' ' * len(mark)}".join(lines)

    def _table(self, node: "Node") -> str:
        """The cells as columns of plain text."""
        rows = [[_plain(cell) for cell in row.children] for part in node.children for row in part.children]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    def inline(self, node: "Node") -> str:
        """The words of a block with what is marked in them."""
        return "".join(self._inline(child) for child in node.children)

    def _inline(self, node: "Node") -> str:
        match node.type:
            case "text":
                return self.text(node.content)
            case "softbreak" | "hardbreak":
                return "\n"
            case "code_inline":
                return self.code(node.content)
            case "strong":
                return self.bold(self.inline(node))
            case "em":
                return self.italic(self.inline(node))
            case "s":
                return self.strike(self.inline(node))
            case "link":
                return self.link(self.inline(node), _plain(node), str(node.attrs["href"]))
            case "image":
                return self.link(self.text(_plain(node) or "image"), _plain(node), str(node.attrs["src"]))
            case "inline":
                return self.inline(node)
        return self.text(node.content)

    # What dialects differ in ------------------------------------------------------------------------------------------

    bullet = "• "

    def text(self, text: str) -> str:
        """Words that must be read as they are."""
        return text

    def bold(self, text: str) -> str:
        """Strong words."""
        return text

    def italic(self, text: str) -> str:
        """Stressed words."""
        return text

    def strike(self, text: str) -> str:
        """Words that no longer hold."""
        return text

    def code(self, text: str) -> str:
        """A piece of code within a line."""
        return text

    def fence(self, text: str, info: str) -> str:
        """Lines of code, in the language `info` if that is known."""
        return text

    def heading(self, text: str, level: int) -> str:
        """A title of level 1 to 6."""
        return self.bold(text)

    def quote(self, text: str) -> str:
        """What somebody else said."""
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))

    def link(self, shown: str, plain: str, url: str) -> str:
        """Words that lead somewhere; `plain` is how they read without any mark."""
        return url if plain in (url, "") else f"{shown} ({url})"


class Markdown(Dialect):
    """Markdown as it is, whole, for a channel that renders it by itself."""

    def messages(self, markdown: str) -> list[str]:
        return [markdown]


class DiscordMarkdown(Dialect):
    """Close to Markdown: tables become code, images links, and what is meant literally is escaped."""

    limit = 2_000
    bullet = "- "
    _MARKS = re.compile(r"([\\*_~`|<>#@\[\]-])")

    def text(self, text: str) -> str:
        return self._MARKS.sub(r"\\\1", text)

    def bold(self, text: str) -> str:
        return around("**", text)

    def italic(self, text: str) -> str:
        return around("*", text)

    def strike(self, text: str) -> str:
        return around("~~", text)

    def code(self, text: str) -> str:
        return f"`` {text} ``" if "`" in text else f"`{text}`"

    def fence(self, text: str, info: str) -> str:
        return f"```{info}\n{unfenced(text)}\n```"

    def heading(self, text: str, level: int) -> str:
        return f"{'#' * min(level, 3)} {text}"

    def link(self, shown: str, plain: str, url: str) -> str:
        return f"<{url}>" if plain in (url, "") else f"[{shown}](<{url}>)"


class TelegramHTML(Dialect):
    """The few elements of HTML that Telegram knows; it counts UTF-16 units."""

    limit = 4_096

    def size(self, text: str) -> int:
        return len(text.encode("utf-16-le")) // 2

    def text(self, text: str) -> str:
        return escape(text)

    def bold(self, text: str) -> str:
        return f"<b>{text}</b>"

    def italic(self, text: str) -> str:
        return f"<i>{text}</i>"

    def strike(self, text: str) -> str:
        return f"<s>{text}</s>"

    def code(self, text: str) -> str:
        return f"<code>{escape(text)}</code>"

    def fence(self, text: str, info: str) -> str:
        known = re.fullmatch(r"[\w+#-]+", info)
        inside = f'<code class="language-{info}">{escape(text)}</code>' if known else escape(text)
        return f"<pre>{inside}</pre>"

    def quote(self, text: str) -> str:
        return f"<blockquote>{text}</blockquote>"

    def link(self, shown: str, plain: str, url: str) -> str:
        return f'<a href="{escape(url)}">{shown or escape(url)}</a>'


def html(markdown: str) -> str:
    """The whole text as HTML for an email or a page; HTML in the text itself is shown, never obeyed."""
    return str(_parser().render(markdown))


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


def _blocks(markdown: str) -> Iterator[tuple[str, "Node"]]:
    """The blocks of the text, each with the Markdown it was written in."""
    from markdown_it.tree import SyntaxTreeNode

    lines = markdown.split("\n")
    for node in SyntaxTreeNode(_parser().parse(markdown)).children:
        first, end = node.map or (0, len(lines))
        yield "\n".join(lines[first:end]), node


def _plain(node: "Node") -> str:
    """The words of a node without any mark."""
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return "".join(map(_plain, node.children))


def around(mark: str, text: str) -> str:
    """The text between marks, which must touch it; nothing around nothing."""
    inner = text.strip()
    return text.replace(inner, f"{mark}{inner}{mark}", 1) if inner else text


def leads_there(words: str, url: str) -> bool:
    """Whether words that look like an address are the link's own, or its beginning."""
    shown, target = (re.sub(r"^\w+:(//)?", "", one) for one in (words.strip(), unquote(url)))
    return target == shown or target.startswith(f"{shown.rstrip('/')}/")


def unfenced(code: str) -> str:
    """Code in which nothing ends the fence around it."""
    return code.replace("```", "`\u200b``")
