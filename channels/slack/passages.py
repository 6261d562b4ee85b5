"""Others' words within a Slack message: forwarded messages, unfurled links, boxes, and quoted lines."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.contract import InboundPassage, InboundPassageKind

MAX_MESSAGE_BOXES = 50
"""Slack allows a message 100 attachments; more than these nobody reads."""
_QUOTED = re.compile(r"&gt;(?!&gt;) ?")
_QUOTED_TO_THE_END = re.compile(r"&gt;&gt;&gt;\s*")


def own_words(text: str) -> tuple[str, tuple[InboundPassage, ...]]:
    """The text as Slack writes it without the lines that its writer quotes, and those lines as passages."""
    own, quoted, found = list[str](), list[str](), list[InboundPassage]()
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if whole := _QUOTED_TO_THE_END.match(line):
            quoted.append("\n".join([line[whole.end() :], *lines[number + 1 :]]))
            break
        if mark := _QUOTED.match(line):
            quoted.append(line[mark.end() :])
            continue
        found += _quote(quoted)
        quoted = []
        own.append(line)
    return "\n".join(own).strip("\n"), (*found, *_quote(quoted))


def _quote(lines: list[str]) -> list[InboundPassage]:
    text = "\n".join(lines)
    return [InboundPassage(text, kind="quoted")] if text.strip() else []


def attached(event: Mapping[str, Any]) -> tuple[InboundPassage, ...]:
    """The texts in the boxes under a message, each with its author."""
    found = (_passage(one) for one in _list(event, "attachments")[:MAX_MESSAGE_BOXES])
    return tuple(passage for passage in found if passage.text)


def _passage(box: Mapping[str, Any]) -> InboundPassage:
    host = _host(_text(box, "from_url") or _text(box, "original_url"))
    kind: InboundPassageKind = "attachment"
    if box.get("is_share") or box.get("is_msg_unfurl") or box.get("is_reply_unfurl"):
        kind = "forwarded"
    elif host:
        kind = "link"
    author = _text(box, "author_name") or _text(box, "author_subname") or _text(box, "service_name") or host
    texts = list(_texts(box))
    return InboundPassage("\n".join(texts) or _text(box, "fallback"), author, kind)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _texts(box: Mapping[str, Any]) -> Iterator[str]:
    """Every text in a box that people see, in the order in which they see it; each once."""
    seen = set[str]()
    parts = [_text(box, name) for name in ("pretext", "title", "text")]
    for field in _list(box, "fields"):
        parts.append(": ".join(filter(None, (_text(field, "title"), _text(field, "value")))))
    parts += [_text(file, "name") or _text(file, "title") for file in _list(box, "files")]
    if not _text(box, "text"):
        parts += [text for block in _list(box, "blocks") for text in _block_texts(block)]
    parts.append(_text(box, "footer"))
    for part in parts:
        if part and part not in seen:
            seen.add(part)
            yield part


def _block_texts(block: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a layout block: its own, and those of its fields and elements."""
    for one in (block.get("text"), *_list(block, "fields"), *_list(block, "elements")):
        if isinstance(one, Mapping) and (text := _text(one, "text")):
            yield text


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    return text.strip() if isinstance(text, str) else ""


def _list(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = value.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
