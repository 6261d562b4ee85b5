"""Markdown as bold, colours and wrapped lines, for a terminal that has them."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from channels.markdown import MAX_MARKDOWN_CHARS, Dialect, block_nodes, plain_text
from channels.text import BOLD, CODE_STYLE, DIM, ITALIC, LINK_STYLE, RESET, columns, visible

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode as Node

StyledSpan = tuple[str, str]
"""A style (escape sequences, perhaps none) and the text that has it."""

MIN_COLUMNS = 10
_STYLES = {"strong": BOLD, "em": ITALIC, "code_inline": CODE_STYLE}
_BREAK = "\n"


class TerminalMarkdown(Dialect):
    """Lines no wider than `width` columns, but that words are never broken and code keeps its lines."""

    def __init__(self, width: int) -> None:
        self.width = width

    def messages(self, markdown: str) -> list[str]:
        """All of it as one text, with as many blank lines between blocks as were written."""
        if len(markdown) > MAX_MARKDOWN_CHARS:
            return [visible(markdown)]
        return [self.shown(visible(markdown))]

    def shown(self, markdown: str) -> str:
        """The lines of a text that holds nothing to command a terminal with."""
        lines, written = list[str](), markdown.split("\n")
        end = 0
        for node in block_nodes(markdown):
            first, after = node.map or (end, end)
            lines += [""] * (first - end)
            lines += self.lines(node, self.width)
            while after > first + 1 and not written[after - 1].strip():
                after -= 1
            end = after
        return "\n".join(lines)

    def block(self, node: "Node") -> str:
        return "\n".join(self.lines(node, self.width))

    def lines(self, node: "Node", width: int, style: str = "") -> Iterator[str]:
        """The lines of one block."""
        width = max(width, MIN_COLUMNS)
        match node.type:
            case "heading":
                yield from wrapped(self._spans(node, style + BOLD), width)
            case "bullet_list" | "ordered_list":
                yield from self._list(node, width, style)
            case "blockquote":
                for child in node.children:
                    yield from (f"│ {line}" for line in self.lines(child, width - 2, style + DIM))
            case "fence" | "table":
                code = node.content if node.type == "fence" else self._table(node)
                yield from (f"  {CODE_STYLE}{line}{RESET}" if line.strip() else "" for line in _code_lines(code))
            case "code_block":
                yield from (f"    {line}".rstrip() for line in _code_lines(node.content))
            case "hr":
                yield "—" * 10
            case _:
                yield from wrapped(self._spans(node, style), width)

    def _list(self, node: "Node", width: int, style: str) -> Iterator[str]:
        for mark, item in self.marked_items(node):
            inner = [line for child in item.children for line in self.lines(child, width - columns(mark), style)]
            yield from (f"{' ' * len(mark) if number else mark}{line}" for number, line in enumerate(inner or [""]))

    def _spans(self, node: "Node", style: str) -> Iterator[StyledSpan]:
        for child in node.children:
            match child.type:
                case "softbreak" | "hardbreak":
                    yield style, _BREAK
                case "text" | "code_inline":
                    yield style + _STYLES.get(child.type, ""), child.content
                case "link" if child.markup in ("linkify", "autolink"):
                    yield style + LINK_STYLE, str(child.attrs["href"])
                case "link" | "image":
                    yield style + LINK_STYLE, plain_text(child)
                    yield style, f" ({child.attrs.get('href') or child.attrs.get('src')})"
                case _:
                    yield from self._spans(child, style + _STYLES.get(child.type, ""))


def _code_lines(code: str) -> list[str]:
    return code.rstrip("\n").split("\n")


def wrapped(spans: Iterable[StyledSpan], width: int) -> Iterator[str]:
    """Lines filled with the words of the spans; the spaces between words stay as they are, but at the end of a line."""
    line, used, gap = list[str](), 0, ""
    for style, text in spans:
        for piece in re.findall(r"\n|[^\S\n]+|\S+", text):
            if piece.isspace() and piece != _BREAK:
                gap += piece
                continue
            if piece == _BREAK or (gap and used and used + len(gap) + columns(piece) > width):
                yield "".join(line)
                line, used, gap = [], 0, ""
            if piece != _BREAK:
                line += [gap, f"{style}{piece}{RESET}" if style else piece]
                used, gap = used + len(gap) + columns(piece), ""
    yield "".join(line)
