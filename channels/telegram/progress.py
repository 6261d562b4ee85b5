"""Shows that an answer is being written: "typing…", and in private chats the words so far as a draft.

Drafts are decoration: they vanish by themselves, and the answer is always sent as a message of its own.
"""

import asyncio
import logging
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

from telegram.constants import ChatAction, ParseMode

from channels.contract import Later, Undeliverable
from channels.markdown import Dialect
from channels.telegram.api import BotAPI, MissingMethod, Place, RefusedCall
from channels.telegram.markdown import RICH_MARK, rich_blocks

TYPING_SECONDS = 4.0
"""Telegram shows "typing…" for five seconds."""
DRAFT_PACE_SECONDS = 1.0
DRAFT_REFRESH_SECONDS = 20.0
"""Telegram shows a draft for thirty seconds."""
MAX_DRAFT_CHARS = 20_000
"""A longer text does not grow any more; its answer is whole soon."""
STOPPABLE = {"can_stop": True, "keep_on_stop": True}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Writing:
    """An answer that is being written in a conversation."""

    text: str = ""
    shown: str | None = None
    shown_at: float = float("-inf")
    typed_at: float = float("-inf")
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Progress:
    """The conversations in which we are writing."""

    def __init__(self, api: BotAPI, dialect: Dialect) -> None:
        self._api = api
        self._dialect = dialect
        self._writing: dict[tuple[str, str], Writing] = {}
        self._has_drafts = True

    def show(self, conversation: str, agent: str, text: str | None) -> None:
        """Show the text so far from now on; None ends it."""
        key = (conversation, agent)
        if text is None:
            self._end(key)
            return
        writing = self._writing.get(key)
        if writing is None:
            place, draft = Place.of(conversation), zlib.crc32(f"{agent} {conversation}".encode()) or 1
            writing = self._writing[key] = Writing()
            work = self._keep_showing(writing, place, draft)
            writing.task = asyncio.create_task(work, name=f"draft in {conversation}")
        writing.text = text
        writing.changed.set()

    def answered(self, conversation: str) -> None:
        """Note that a message of ours stands there now, which takes drafts and "typing…" away."""
        for key in [key for key in self._writing if key[0] == conversation]:
            self._end(key)

    async def close(self) -> None:
        tasks = [writing.task for writing in self._writing.values() if writing.task]
        for key in list(self._writing):
            self._end(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: tuple[str, str]) -> None:
        writing = self._writing.pop(key, None)
        if writing and writing.task:
            writing.task.cancel()

    async def _keep_showing(self, writing: Writing, place: Place, draft: int) -> None:
        while True:
            writing.changed.clear()
            now = time.monotonic()
            if now - writing.typed_at >= TYPING_SECONDS:
                writing.typed_at = now
                await self._api.decorate(self._api.hasty.send_chat_action(action=ChatAction.TYPING, **place.arguments))
            stale = now - writing.shown_at >= DRAFT_REFRESH_SECONDS
            if place.private and self._has_drafts and (stale or writing.text != writing.shown):
                await self._draft(writing, place, draft)
            await asyncio.sleep(DRAFT_PACE_SECONDS)
            try:
                async with asyncio.timeout(TYPING_SECONDS - DRAFT_PACE_SECONDS):
                    await writing.changed.wait()
            except TimeoutError:
                continue

    async def _draft(self, writing: Writing, place: Place, draft: int) -> None:
        text = writing.text
        if len(text) > MAX_DRAFT_CHARS:
            return
        writing.shown, writing.shown_at = text, time.monotonic()
        try:
            await self._send(await asyncio.to_thread(self._dialect.messages, text), place, draft)
        except Later as error:
            await asyncio.sleep(error.seconds)
        except MissingMethod:
            self._has_drafts = False
            log.info("%s: this server of Telegram's shows no drafts", self._api.account)
        except (Undeliverable, OSError) as error:
            log.info("%s goes without a draft: %s", self._api.account, error)

    async def _send(self, parts: list[str], place: Place, draft: int) -> None:
        """Show the last part of what is written; an empty text is shown as "Thinking…"."""
        part = parts[-1] if parts else ""
        asked: dict[str, Any] = {**place.arguments, "draft_id": draft, **STOPPABLE}
        if not part.startswith(RICH_MARK):
            call = self._api.hasty.do_api_request(
                "SendMessageDraft", asked | {"text": part, "parse_mode": ParseMode.HTML}
            )
            await self._api.ask(call)
            return
        blocks = await asyncio.to_thread(rich_blocks, part.removeprefix(RICH_MARK))
        try:
            await self._api.ask(
                self._api.hasty.do_api_request("sendRichMessageDraft", asked | {"rich_message": {"blocks": blocks}})
            )
        except (MissingMethod, RefusedCall) as error:
            log.info("%s shows no rich draft: %s", self._api.account, error)
