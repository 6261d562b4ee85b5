"""Markdown as Telegram's HTML, and as its rich messages where HTML cannot show it."""

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from channels.markdown import MAX_MARKDOWN_CHARS, Dialect, block_nodes, plain_text

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode as Node

RICH_MARK = "<rich>"
"""Begins a text that is sent as a rich message, as Markdown. Escaped HTML never begins so."""
MAX_RICH_CHARS = 32_768
MAX_RICH_BLOCKS = 500
MAX_RICH_COLUMNS = 20
_TASK = re.compile(r"\[([ xX])\](?=\s)")
_QUOTE_TAGS = re.compile(r"</?blockquote>")
_STYLES = {"strong": "bold", "em": "italic", "s": "strikethrough"}
RichBlock = dict[str, Any]


class TelegramHTML(Dialect):
    """The few elements of HTML that Telegram knows; it counts UTF-16 units."""

    limit = 4_096

    def size(self, text: str) -> int:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2

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
        """Quotes within quotes are one: Telegram refuses a message with any."""
        return f"<blockquote>{_QUOTE_TAGS.sub('', text)}</blockquote>"

    def link(self, shown: str, plain: str, url: str) -> str:
        return f'<a href="{escape(url)}">{shown or escape(url)}</a>'


class TelegramMarkup(TelegramHTML):
    """HTML; tables, lists of tasks and what is longer than one message as rich messages, still as Markdown here."""

    def messages(self, markdown: str) -> list[str]:
        plain = super().messages(markdown)
        if len(markdown) > MAX_MARKDOWN_CHARS:
            return plain
        nodes = block_nodes(markdown)
        if len(plain) < 2 and not any(_has_structure(node) for node in nodes):
            return plain
        return [f"{RICH_MARK}{part}" for part in _parts(markdown, nodes)] or plain

    def unrendered(self, markdown: str) -> list[str]:
        return super().unrendered(markdown.removeprefix(RICH_MARK))


def _has_structure(node: "Node") -> bool:
    """True for what only a rich message can show as it is meant."""
    return node.type == "table" or (node.type == "bullet_list" and any(_task(item) for item in node.children))


def _task(item: "Node") -> "re.Match[str] | None":
    first = item.children[0] if item.children else None
    return _TASK.match(first.children[0].content) if first and first.type == "paragraph" and first.children else None


def _parts(markdown: str, nodes: "list[Node]") -> list[str]:
    """The Markdown in as many parts as rich messages need; none where a part cannot be one."""
    lines, parts, used, first = markdown.split("\n"), list[str](), 0, 0
    for node in nodes:
        start, end = node.map or (0, len(lines))
        size = sum(TelegramHTML().size(line) + 1 for line in lines[start:end])
        if size > MAX_RICH_CHARS or not _fits(node):
            return []
        if used + size > MAX_RICH_CHARS:
            parts.append("\n".join(lines[first:start]))
            used, first = 0, start
        used += size
    parts = [*parts, "\n".join(lines[first:])]
    return parts if all(len(list(_all_blocks(part))) <= MAX_RICH_BLOCKS for part in parts) else []


def _fits(node: "Node") -> bool:
    rows = [row for part in node.children for row in part.children] if node.type == "table" else []
    return all(len(row.children) <= MAX_RICH_COLUMNS for row in rows)


def _all_blocks(markdown: str) -> Iterator[RichBlock]:
    waiting = rich_blocks(markdown)
    while waiting:
        block = waiting.pop()
        yield block
        waiting += [*block.get("blocks", ()), *block.get("items", ())]


def rich_blocks(markdown: str) -> list[RichBlock]:
    """The blocks of a rich message."""
    return [_block(node) for node in block_nodes(markdown)]


def _block(node: "Node") -> RichBlock:
    match node.type:
        case "heading":
            return {"type": "heading", "text": _rich_text(node), "size": int(node.tag[1])}
        case "bullet_list" | "ordered_list":
            return {"type": "list", "items": list(_items(node))}
        case "blockquote":
            return {"type": "blockquote", "blocks": [_block(child) for child in node.children]}
        case "fence" | "code_block":
            language = node.info.split(" ")[0]
            return {"type": "pre", "text": node.content.rstrip("\n")} | ({"language": language} if language else {})
        case "table":
            rows = [row for part in node.children for row in part.children]
            return {
                "type": "table",
                "cells": [[_cell(cell) for cell in row.children] for row in rows],
                "is_bordered": True,
            }
        case "hr":
            return {"type": "divider"}
    return {"type": "paragraph", "text": _rich_text(node) or node.content}


def _items(node: "Node") -> Iterator[RichBlock]:
    for mark, item in TelegramHTML().marked_items(node):
        task = _task(item)
        shown: RichBlock = {"blocks": [_block(child) for child in item.children] or [{"type": "paragraph", "text": ""}]}
        if task:
            shown["blocks"][0]["text"] = _without_task(shown["blocks"][0]["text"])
            shown |= {"has_checkbox": True, "is_checked": task[1] != " "}
        number = re.match(r"\d{1,9}", mark)
        yield shown | ({"value": int(number[0]), "type": "1"} if number else {})


def _without_task(text: Any) -> Any:
    if isinstance(text, list):
        return [_TASK.sub("", str(text[0]), count=1).lstrip(), *text[1:]]
    return _TASK.sub("", text, count=1).lstrip()


def _cell(node: "Node") -> RichBlock:
    aligned = re.search(r"text-align:\s*(left|center|right)", str(node.attrs.get("style", "")))
    header = {"is_header": True} if node.tag == "th" else {}
    return {"text": _rich_text(node), "align": aligned[1] if aligned else "left", "valign": "top"} | header


def _rich_text(node: "Node") -> Any:
    """The words of a line with what is marked in them: a text, or a list of texts and marked texts."""
    found: list[Any] = []
    for child in node.children:
        for piece in _pieces(child):
            if isinstance(piece, str) and found and isinstance(found[-1], str):
                found[-1] += piece
            elif piece:
                found.append(piece)
    return found[0] if len(found) == 1 else found or ""


def _pieces(node: "Node") -> Iterator[Any]:
    match node.type:
        case "softbreak" | "hardbreak":
            yield "\n"
        case "code_inline":
            yield {"type": "code", "text": node.content}
        case "strong" | "em" | "s":
            yield {"type": _STYLES[node.type], "text": _rich_text(node)}
        case "link" | "image":
            url = str(node.attrs.get("href") or node.attrs.get("src"))
            yield {"type": "url", "text": _rich_text(node) or plain_text(node) or url, "url": url}
        case "inline":
            for child in node.children:
                yield from _pieces(child)
        case _:
            yield node.content
