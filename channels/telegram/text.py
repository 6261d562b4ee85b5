"""Text as people write it on Telegram: its marks are told beside it, by positions in UTF-16 units."""

import re
from collections.abc import Iterable

from telegram import MessageEntity

COMMANDS = {
    "start": "hello",
    "help": "What can you do?",
    "ask": "",
    "remind": "remind me",
    "tasks": "What is on my task list?",
    "stop": "stop",
}
"""Command of the menu -> the words it stands for, before those that follow it."""
_COMMAND = re.compile(r"/(\w+)(?:@\w+)?(?:\s+|$)")
_OWN_MARKS = {MessageEntity.TEXT_LINK, MessageEntity.BLOCKQUOTE, MessageEntity.EXPANDABLE_BLOCKQUOTE}


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def readable_text(text: str, entities: Iterable[MessageEntity], username: str) -> str:
    """The text with addresses after the words that lead there, and quoted lines marked as such.

    That we are addressed at the beginning is left out.
    """
    data = text.encode("utf-16-le", "surrogatepass")
    marked = [one for one in entities if one.type in _OWN_MARKS]
    for mark in sorted(marked, key=lambda one: (one.offset, one.length), reverse=True):
        start, end = 2 * mark.offset, 2 * (mark.offset + mark.length)
        words = data[start:end].decode("utf-16-le", "replace")
        data = data[:start] + _shown(mark, words).encode("utf-16-le", "surrogatepass") + data[end:]
    shown = data.decode("utf-16-le", "replace")
    return re.sub(rf"^(?:\s*@{re.escape(username)}\b[\s:,]*)+", "", shown, flags=re.IGNORECASE)


def _shown(mark: MessageEntity, words: str) -> str:
    if mark.type == MessageEntity.TEXT_LINK:
        return words if not mark.url or words.rstrip("/") == mark.url.rstrip("/") else f"{words} ({mark.url})"
    return "\n".join(f"> {line}" for line in words.split("\n"))


def entity_text(text: str, entity: MessageEntity) -> str:
    """The part of the text that an entity marks."""
    data = text.encode("utf-16-le", "surrogatepass")
    return data[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le", "replace")


def command_words(text: str) -> str:
    """The words that a command of ours stands for; any other text as it is.

    `/approve ID` and `/deny ID` stay commands, since they are the same on every platform.
    """
    found = _COMMAND.match(text)
    if not found:
        return text
    name, rest = found[1].casefold(), text[found.end() :].strip()
    if name in ("approve", "deny"):
        return f"/{name} {rest}".strip()
    if name not in COMMANDS:
        return text
    if name == "start" and rest:  # a link such as t.me/our_bot?start=ABCD-EFGH
        return rest
    words = COMMANDS[name]
    return rest if rest.casefold().startswith("me ") and name == "remind" and not words else _joined(words, rest)


def _joined(words: str, rest: str) -> str:
    if words.endswith(" me") and rest.casefold().startswith("me "):
        rest = rest[3:]
    return f"{words} {rest}".strip() if words.endswith(" me") or not words else words
