"""Answers that are seen growing: by Slack's own streams in threads, by edits everywhere else."""

import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from channels.contract import OutboundMessage, Undeliverable
from channels.slack.api import Refused, WebAPI, message_metadata
from channels.slack.events import channel_and_thread

MAX_RECENT_WRITERS = 5_000
MAX_APPEND_CHARS = 12_000
_FENCE_END = re.compile(r"\n```\s*$")
_LINK = re.compile(r"<([^<>|\n]+)\|([^<>\n]+)>")
_MARKUP = re.compile(r"[*_~`<>&\[\]#|\\]|^[ \t]*(?:[-+>•]|\d{1,9}[.)])", re.MULTILINE)

UNSUPPORTED_ERRORS = {"unknown_method", "method_deprecated", "feature_not_enabled", "not_allowed"}
"""Errors of a workspace that has no streams at all."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stream:
    """The beginning of an answer that Slack was given, as Markdown."""

    shown: str


class Streams:
    """The streams that are open."""

    def __init__(self, api: WebAPI) -> None:
        self._api = api
        self._open: dict[str, Stream] = {}
        self._able = True
        self._wrote: OrderedDict[str, str] = OrderedDict()

    def heard(self, conversation: str, person: str) -> None:
        """Remember who wrote in a conversation last: a stream is written for somebody."""
        self._wrote[conversation] = person
        self._wrote.move_to_end(conversation)
        if len(self._wrote) > MAX_RECENT_WRITERS:
            self._wrote.popitem(last=False)

    async def start(self, message: OutboundMessage) -> str | None:
        """Begin to stream an answer; None where it has to grow by edits."""
        channel, thread = channel_and_thread(message.conversation)
        team, _, person = (message.to or self._wrote.get(message.conversation, "")).rpartition(":")
        if not thread or not self._able or not (person or channel.startswith("D")):
            return None
        text = settled_markdown(message.text)
        to = {"recipient_team_id": team, "recipient_user_id": person} if person else {}
        begun: dict[str, Any] = {
            "channel": channel,
            "thread_ts": thread,
            "markdown_text": text[:MAX_APPEND_CHARS] or None,
            **to,
        }
        answer = await self._try(lambda: self._api.client.chat_startStream(**begun))
        if answer is None:
            return None
        id = f"{channel}:{answer['ts']}"
        self._open[id] = Stream(text[:MAX_APPEND_CHARS])
        return id

    async def grow(self, id: str, text: str) -> bool:
        """Show the text so far; False where it has to be shown by an edit."""
        stream = self._open.get(id)
        if stream is None:
            return False
        now = settled_markdown(text)
        if not now.startswith(stream.shown):
            await self.stop(id)
            return False
        more = now[len(stream.shown) :][:MAX_APPEND_CHARS]
        if not more:
            return True
        channel, ts = channel_and_thread(id)
        if await self._try(lambda: self._api.client.chat_appendStream(channel=channel, ts=ts, markdown_text=more)):
            stream.shown += more
            return True
        self._open.pop(id, None)
        return False

    async def finish(self, id: str, message: OutboundMessage) -> bool:
        """End the stream with the rest of the text; False where what is shown must still be edited to be it."""
        stream, text = self._open.get(id), message.text
        if stream is None:
            return False
        plain = not needs_edit(text) and text.startswith(stream.shown)
        rest = text[len(stream.shown) :] if plain else ""
        return await self.stop(id, rest[:MAX_APPEND_CHARS], message.key) and plain and len(rest) <= MAX_APPEND_CHARS

    def lost(self, channel: str, times: object) -> None:
        """Forget the streams that Slack has ended, as the stop button does."""
        for ts in times if isinstance(times, list) else ():
            self._open.pop(f"{channel}:{ts}", None)

    async def leave(self, id: str) -> None:
        """End the stream, if there is one."""
        if id in self._open:
            await self.stop(id)

    async def stop(self, id: str, rest: str = "", key: str = "") -> bool:
        """End the stream, as the message that is called `key`; False if it had ended already."""
        self._open.pop(id, None)
        channel, ts = channel_and_thread(id)
        ending: dict[str, Any] = {
            "channel": channel,
            "ts": ts,
            "markdown_text": rest or None,
            "metadata": message_metadata(key),
        }
        return await self._try(lambda: self._api.client.chat_stopStream(**ending)) is not None

    async def _try(self, call: Callable[[], Any]) -> dict[str, Any] | None:
        """Slack's answer, or None where it does not stream (any more)."""
        try:
            return await self._api.ask(call())
        except Undeliverable as error:
            self._able = self._able and not (isinstance(error, Refused) and error.error in UNSUPPORTED_ERRORS)
            log.info("%s cannot stream: %s", self._api.account, error)
            return None


def needs_edit(text: str) -> bool:
    """A stream takes Markdown; tells if it may show a text in another way than a message does."""
    return bool(_MARKUP.search(text))


def settled_markdown(text: str) -> str:
    """The beginning of a growing text that will stay as it is, as the Markdown that streams take.

    Left out are a fence that is closed only for now, and in the last line what follows a mark that is still open.
    """
    text = _FENCE_END.sub("", text)
    head, newline, last = text.rpartition("\n")
    if text.count("```") % 2:
        return (from_mrkdwn(head + newline) + last).rstrip()
    return from_mrkdwn(head + newline + last[: _open_mark(last)]).rstrip()


def _open_mark(line: str) -> int:
    """Where in a line the first mark stands that has not found its other half."""
    waiting: dict[str, int] = {}
    for index, letter in enumerate(line):
        if letter in "*_~`":
            if letter in waiting:
                del waiting[letter]
            else:
                waiting[letter] = index
        elif letter == "<":
            waiting["<"] = index
        elif letter == ">":
            waiting.pop("<", None)
    return min(waiting.values(), default=len(line))


def from_mrkdwn(text: str) -> str:
    """Slack's marks as Markdown; code is left as it is."""
    parts = re.split(r"(```[\s\S]*?(?:```|$)|`[^`\n]*`)", text)
    return "".join(part if number % 2 else _marks(part) for number, part in enumerate(parts))


def _marks(text: str) -> str:
    text = _LINK.sub(r"[\2](\1)", text)
    text = re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"**\1**", text)
    return re.sub(r"(?<![\w~])~([^~\n]+)~(?![\w~])", r"~~\1~~", text)


def is_beginning(text: str, shown: str) -> bool:
    """True if a stream shows the beginning of a text, marks aside."""
    letters, seen = (re.sub(r"\W+", "", one) for one in (text, shown))
    return bool(seen) and letters.startswith(seen)
