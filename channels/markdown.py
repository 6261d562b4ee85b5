"""Markdown as each platform writes it, and cut into messages that the platform takes.

Parsed by markdown-it-py with the rules of channels/inline.py, rendered here: the converters there are let `<!channel>`
through or drop text. All of it is linear in the length of the text, which others may have written.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from channels.inline import ESCAPABLE, escapes, flanks, markdown_parser, without_addresses

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode as Node

MAX_MARKDOWN_CHARS = 100_000
"""A longer text is cut as it was written."""
MAX_CELL_COLUMNS = 60
"""Wider cells of a table are not aligned."""

_JOINS = re.compile("[\u0300-\u036f\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
"""Characters that must not be cut from the one before, or that join it to the next."""
_CUTS = (re.compile(r"\n[ \t]*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s+"), re.compile(r"\s+"))
"""Where a long text is cut, the best places first: paragraph, line, sentence, word."""
_BLOCK_START = re.compile(r"[-+*](?=\s|$)|([-*_])\1\1|#{1,6}(?=\s|$)|>|`{3}|~{3}|[|:-][-:| \t]+$|\d{1,9}([.)])(?=\s|$)")
"""The beginning of a line that would begin a block."""
_MAYBE_MARKED = re.compile(r"[\\`*_~\]]|^[-+#>|:\d\s]|^$(?<=\n)", re.MULTILINE)
"""A text without any of these is data as it stands."""
_RUN = re.compile(r"\*+|_+|~+")
_WORD = re.compile(r"\S+")
HELD = "\u200b"
"""A space without width."""


class Dialect:
    """Plain text: how Markdown reads where nothing is styled; the platforms' own differ in what they override."""

    limit = 4_000
    """The most one message may hold, as `size` counts."""

    def size(self, text: str) -> int:
        """The length of the text as the platform counts it."""
        return len(text)

    def messages(self, markdown: str) -> list[str]:
        """The text rendered and cut into messages within the limit; fences are closed and opened again."""
        if len(markdown) > MAX_MARKDOWN_CHARS:
            return self.unrendered(markdown)
        return self._joined(self._pieces(markdown), "\n\n")

    def unrendered(self, markdown: str) -> list[str]:
        """The text as it was written, cut into messages: for a text that cannot be rendered."""
        lines = (part for line in markdown.split("\n") for part in self._cut_words(line))
        return self._joined(lines, "\n")

    def _joined(self, parts: Iterator[str], between: str) -> list[str]:
        """As few messages as hold the parts."""
        found: list[list[str]] = []
        used, gap = 0, self.size(between)
        for part in parts:
            size = self.size(part)
            if found and used + gap + size <= self.limit:
                found[-1].append(part)
                used += gap + size
            else:
                found.append([part])
                used = size
        return [message for one in found if (message := between.join(one)).strip()]

    def _cut_words(self, line: str) -> Iterator[str]:
        while self.size(self.text(line)) > self.limit:
            head = self._head(line, self.text)
            yield self.text(head)
            line = line[len(head) :]
        yield self.text(line)

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
        lines, used, frame = list[str](), 0, self.size(self.fence("", info))
        for line in text.rstrip("\n").split("\n"):
            while (size := self.size(self.fence(line, info)) - frame + 1) > self.limit - frame:
                if lines:
                    yield self.fence("\n".join(lines), info)
                    lines, used = [], 0
                head = self._head(line, lambda part: self.fence(part, info))
                yield self.fence(head, info)
                line = line[len(head) :]
            if lines and used + size > self.limit - frame:
                yield self.fence("\n".join(lines), info)
                lines, used = [], 0
            lines.append(line)
            used += size
        yield self.fence("\n".join(lines), info)

    def _cut(self, source: str) -> Iterator[str]:
        """A block that is too long, in beginnings that fit, each read as Markdown of its own."""
        start = 0
        while start < len(source):
            window = source[start : start + self.limit + 1]
            head = self._head(window, lambda part: "\n\n".join(self.block(node) for _, node in _blocks(part)))
            if start + len(head) < len(source):
                head = _well_cut(head)
            for _, node in _blocks(head):
                yield from self._fitting(node)
            start += len(head)

    def _fitting(self, node: "Node") -> Iterator[str]:
        shown = self.block(node)
        if self.size(shown) > self.limit:  # grown by being cut where it was
            yield from self._cut_words(plain_text(node))
        elif shown.strip():
            yield shown

    def _head(self, text: str, shown: Callable[[str], str]) -> str:
        """The longest beginning of the text that fits when it is shown, to within a tenth; at least a character."""
        length = min(len(text), self.limit)
        while length > 1 and (size := self.size(shown(text[:length]))) > self.limit:
            length = max(min(length * 9 // 10, length * self.limit // size), 1)
        whole = length
        while 1 < length < len(text) and (_JOINS.match(text[length]) or text[length - 1] == "\u200d"):
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

    def marked_items(self, node: "Node") -> Iterator[tuple[str, "Node"]]:
        """The items of a list, each with the mark before it."""
        numbers = [item.info for item in node.children]
        if len(set(numbers)) == 1:  # 1. 1. 1. counts by itself
            numbers = [str(number) for number in range(int(numbers[0] or 0), int(numbers[0] or 0) + len(numbers))]
        for number, item in zip(numbers, node.children, strict=True):
            mark = f"{number}{item.markup} " if node.type == "ordered_list" else self.bullet
            yield mark, item

    def _items(self, node: "Node") -> Iterator[str]:
        for mark, item in self.marked_items(node):
            lines = "\n".join(self.block(child) for child in item.children).split("\n")
            yield mark + f"\n{' ' * len(mark)}".join(lines)

    def _table(self, node: "Node") -> str:
        """The cells as columns of plain text."""
        rows = [[plain_text(cell) for cell in row.children] for part in node.children for row in part.children]
        widths = [min(max(map(len, column)), MAX_CELL_COLUMNS) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    def inline(self, node: "Node") -> str:
        """The words of a block with what is marked in them."""
        return "".join(self.piece(child) for child in node.children)

    def piece(self, node: "Node") -> str:
        """One piece of a line: words, marked or not."""
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
            case "link" if node.markup == "linkify":
                return self.address(str(node.attrs["href"]))
            case "link" if node.markup == "autolink":
                return self.bracketed(str(node.attrs["href"]))
            case "link":
                return self.link(self.inline(node), plain_text(node), str(node.attrs["href"]))
            case "image":
                return self.link(self.text(plain_text(node) or "image"), plain_text(node), str(node.attrs["src"]))
            case "inline":
                return self.inline(node)
        return self.text(node.content)

    # What dialects differ in ------------------------------------------------------------------------------------------

    bullet = "• "

    def text(self, text: str) -> str:
        """Words that must be read as they are."""
        return text

    def address(self, url: str) -> str:
        """An address that stands in the text as it is."""
        return self.text(url)

    def bracketed(self, url: str) -> str:
        """An address within angle brackets, which are there already."""
        return self.address(url)

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

    def moment(self, words: str, at: datetime) -> str:
        """A time, which `words` say in the owner's zone, as every reader best understands it."""
        return words

    def heading(self, text: str, level: int) -> str:
        """A title of level 1 to 6."""
        return self.bold(text)

    def quote(self, text: str) -> str:
        """Somebody else's words."""
        return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))

    def link(self, shown: str, plain: str, url: str) -> str:
        """Words that lead somewhere; `plain` is how they read without any mark."""
        return url if plain in (url, "") else f"{shown} ({url})"


class Markdown(Dialect):
    """Markdown as it is, whole, for a channel that renders it by itself."""

    def messages(self, markdown: str) -> list[str]:
        return [markdown]

    unrendered = messages


class DiscordMarkdown(Dialect):
    """Close to Markdown: tables become code, images links, and what is meant literally is escaped."""

    limit = 2_000
    bullet = "- "
    _SPECIAL = re.compile(r"([\\*_~`|<>#@\[\]-]|:(?=[\w+-]{1,80}:)|(?<=\d)\.(?= ))")
    """Marks that mean something there, and are escaped to be read as they are."""

    def text(self, text: str) -> str:
        return self._SPECIAL.sub(r"\\\1", text)

    def address(self, url: str) -> str:
        return url

    def bracketed(self, url: str) -> str:
        return f"<{url}>"

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

    def moment(self, words: str, at: datetime) -> str:
        return f"<t:{int(at.timestamp())}:f> (<t:{int(at.timestamp())}:R>)"

    def heading(self, text: str, level: int) -> str:
        return f"{'#' * min(level, 3)} {text}"

    def link(self, shown: str, plain: str, url: str) -> str:
        return f"<{url}>" if plain in (url, "") else f"[{shown}](<{url}>)"


def _well_cut(text: str) -> str:
    """The text up to the last good place to cut it, where that leaves a third or more."""
    for cut in _CUTS:
        ends = [found.end() for found in cut.finditer(text)]
        if ends and ends[-1] > len(text) // 3:
            return text[: ends[-1]]
    return text


def html(markdown: str) -> str:
    """The whole text as HTML for an email or a page; HTML in the text itself is shown, never obeyed."""
    return str(_parser().render(markdown))


def literal(text: str) -> str:
    """Markdown that every dialect shows as exactly this text: for notes, names and whatever else is data.

    Blank lines and indents are held by a space without width.
    """
    if not _MAYBE_MARKED.search(text):
        return text
    return "\n".join(_literal_line(line) for line in text.split("\n"))


def _literal_line(line: str) -> str:
    if not line or line[0].isspace():
        return f"{HELD}{_literal_words(line)}"
    start = _BLOCK_START.match(line)
    if start is None:
        return _literal_words(line)
    first, rest = line[: start.end()], line[start.end() :]
    if start[2]:
        return f"{first[:-1]}\\{first[-1]}{_literal_words(rest)}"
    word = _WORD.match(line)
    assert word
    shown = _escaped(word[0])
    return ("" if shown.startswith("\\") else "\\") + shown + _literal_words(line[word.end() :])


def _literal_words(line: str) -> str:
    """A line with each word escaped in which something could be read as a mark."""
    able = {run.start() for run in _RUN.finditer(line) if any(flanks(line, run.start(), run.end()))}
    read = escapes(line)
    parts, at = list[str](), 0
    for word in _WORD.finditer(without_addresses(line)):
        start, end = word.span()
        if "`" in word[0] or "](" in word[0] or any(place in able or place in read for place in range(start, end)):
            parts += [line[at:start], _escaped(word[0])]
            at = end
    return "".join([*parts, line[at:]])


def _escaped(word: str) -> str:
    return "".join(f"\\{letter}" if letter in ESCAPABLE else letter for letter in word)


@cache
def _parser() -> "MarkdownIt":
    return markdown_parser()


def block_nodes(markdown: str) -> list["Node"]:
    """The blocks of the text, each with the lines it takes."""
    from markdown_it.tree import SyntaxTreeNode

    return SyntaxTreeNode(_parser().parse(markdown)).children


def _blocks(markdown: str) -> Iterator[tuple[str, "Node"]]:
    """The blocks of the text, each with the Markdown it was written in."""
    lines = markdown.split("\n")
    for node in block_nodes(markdown):
        first, end = node.map or (0, len(lines))
        yield "\n".join(lines[first:end]), node


def plain_text(node: "Node") -> str:
    """The words of a node without any mark."""
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return "".join(map(plain_text, node.children))


def around(mark: str, text: str) -> str:
    """The text between marks, which must touch it; nothing around nothing."""
    inner = text.strip()
    return text.replace(inner, f"{mark}{inner}{mark}", 1) if inner else text


def unfenced(code: str) -> str:
    """Code in which nothing ends the fence around it."""
    return code.replace("```", "`\u200b``")
