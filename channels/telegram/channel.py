"""Telegram as a channel: private chats, groups and their topics, by long polling or a webhook."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from telegram import LinkPreviewOptions, Message
from telegram.constants import ParseMode

from channels.accounts import Account, Token
from channels.contract import File, InboundMessage, Later, OutboundMessage, Undeliverable, Unusable
from channels.markdown import Dialect
from channels.telegram.api import BotAPI, MissingMethod, Place, RefusedCall, check_bot_options, message_ids, replying
from channels.telegram.files import read_file, send_file
from channels.telegram.keyboard import keyboard, menus
from channels.telegram.markdown import RICH_MARK, TelegramHTML, TelegramMarkup, rich_blocks
from channels.telegram.pieces import joined, more_may_come
from channels.telegram.polling import POLL_PAUSES_SECONDS, Polling
from channels.telegram.progress import Progress
from channels.telegram.updates import RawUpdate, TelegramIdentity, UpdateReader
from channels.telegram.webhook import Webhook
from core.errors import NotFound
from core.secrets.secrets import Secrets

POLL_SECONDS = 25.0
PIECE_SECONDS = 0.7
"""Pause in which the next piece of a long paste or an album arrives."""
MAX_PIECE_WAITS = 15
MAX_ASKED_ROOMS = 5_000
GONE_MESSAGE = ("message to edit not found", "message can't be edited", "message_id_invalid")
SAME_MESSAGE = ("message is not modified",)
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
PRIVACY_HINT = (
    "In groups Telegram shows it only commands, mentions and replies to it (privacy mode): enough to answer. To "
    "let it hear everything there: /setprivacy, Disable, with @BotFather, then add it to the group anew."
)

log = logging.getLogger(__name__)


class UpdateSource(Protocol):
    """Where updates come from."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def waiting(self, seconds: float) -> list[RawUpdate]: ...

    async def confirm(self, updates: Sequence[RawUpdate]) -> None: ...


class Telegram:
    """One bot. Its secret is BOT_TOKEN.

    Options: `mode` (`polling` or `webhook`), `webhook_url` and `listen` for the latter, `base_url` and
    `base_file_url` of the Bot API. A conversation is a chat's id, or with a topic `<chat>/<topic>`; a sender is a
    user's id; a message `<chat>:<message>`.
    """

    dialect: Dialect = TelegramMarkup()

    def __init__(self, account: Account, secrets: Secrets) -> None:
        self.name = account.id
        self.notes: tuple[str, ...] = ()
        """Parts of the account that do not work, each with how to mend it."""
        self.hints: tuple[str, ...] = ()
        """Good to know, though nothing is wrong."""
        self.trouble = ""
        """A sentence about what keeps messages from reaching us at the moment."""
        self._account = account
        self._secrets = secrets
        self._mode = account.options.get("mode", "polling")
        self._asked: OrderedDict[str, list[str]] = OrderedDict()
        self._has_rich = True

    @staticmethod
    def tokens(options: Mapping[str, str]) -> tuple[Token, ...]:
        """The secret that `stoa setup` asks for; raises `InvalidInput` for unknown options."""
        check_bot_options(options)
        return (Token("BOT_TOKEN", "Bot token (123456789:AA..., from @BotFather)"),)

    # Connecting -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            self._token = self._secrets.value(self._account.secret("BOT_TOKEN"))
        except NotFound as error:
            raise Unusable(f"{self.name} cannot be connected to Telegram. {error}") from None
        # In a thread, since reading the machine's certificates takes a while.
        self.api = await asyncio.to_thread(BotAPI, self.name, self._token, self._account.options)
        async with AsyncExitStack() as opened:
            opened.push_async_callback(self.api.leave)
            await self._introduce()
            self._progress = Progress(self.api, self.dialect)
            opened.push_async_callback(self._progress.close)
            self._opened = opened.pop_all()
        return self

    async def _introduce(self) -> None:
        """Learn who we are, however long the network takes; raises `Unusable`."""
        pauses = iter(POLL_PAUSES_SECONDS)
        while True:
            try:
                await self.api.enter()
                info = await self.api.ask(self.api.bot.get_webhook_info())
                break
            except (OSError, Later) as error:
                log.warning("%s cannot reach Telegram: %s", self.name, error)
                pause = next(pauses, POLL_PAUSES_SECONDS[-1])
                await asyncio.sleep(error.seconds if isinstance(error, Later) else pause)
        me = self.api.bot.bot
        self.reader = UpdateReader(self.api.bot, TelegramIdentity(me.id, me.username or ""))
        self.hints = () if me.can_read_all_group_messages else (PRIVACY_HINT,)
        if self._mode == "webhook" and info.last_error_message:
            self.notes = (f"Telegram could not call {info.url}: {info.last_error_message}.",)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    # What people write ------------------------------------------------------------------------------------------------

    async def listen(self) -> AsyncIterator[InboundMessage]:
        source = self._source()
        try:
            await source.open()
            for commands, scope in menus():
                await self.api.decorate(self.api.hasty.set_my_commands(commands, scope=scope))
            while True:
                updates = await self._whole(source)
                for message in joined([(update, self.reader.read(update)) for update in updates]):
                    await self._heed(message)
                    yield message
                await source.confirm(updates)
        finally:
            await source.close()

    def _source(self) -> UpdateSource:
        if self._mode != "webhook":
            return Polling(self.api, self._report)
        options = self._account.options
        return Webhook(self.api, self._token, options["webhook_url"], options["listen"])

    def _report(self, trouble: str) -> None:
        self.trouble = trouble

    async def _whole(self, source: UpdateSource) -> list[RawUpdate]:
        """The updates that wait, with all pieces of what arrives in pieces."""
        updates = await source.waiting(POLL_SECONDS)
        for _ in range(MAX_PIECE_WAITS):
            if not more_may_come(updates):
                break
            await asyncio.sleep(PIECE_SECONDS)
            before, updates = updates, await source.waiting(0)
            if len(updates) <= len(before):
                break
        return updates

    async def _heed(self, message: InboundMessage) -> None:
        """Do what a message asks of the channel itself."""
        if message.id.startswith("press:"):
            call = self.api.hasty.answer_callback_query(message.id.removeprefix("press:"))
            await self.api.decorate(call)
        elif message.room and message.addressed and message.kind == "message":
            self._asked.setdefault(message.conversation, []).append(message.id)
            if len(self._asked) > MAX_ASKED_ROOMS:
                self._asked.popitem(last=False)

    # What we write ----------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage) -> str:
        place = Place.of(message.conversation)
        asked = self._asked.pop(message.conversation, [])
        more: dict[str, Any] = {"reply_markup": keyboard(message.choices)}
        if len(asked) == 1:  # of several questions nobody can say which one is answered
            more["reply_parameters"] = replying(asked[0])
        sent = await self._shown(message.text, self.api.bot.send_message, "sendRichMessage", place.arguments | more)
        self._progress.answered(message.conversation)
        return sent

    async def _shown(
        self, text: str, plainly: Callable[..., Awaitable[Any]], richly: str, arguments: dict[str, Any]
    ) -> str:
        """Show a text as a rich message if it is one and Telegram takes it so, else as HTML; answers its first name."""
        if not text.startswith(RICH_MARK):
            return _sent(await self._html(plainly, text, arguments))
        markdown = text.removeprefix(RICH_MARK)
        if self._has_rich:
            try:
                return _sent(await self._rich(richly, markdown, arguments))
            except (MissingMethod, RefusedCall) as error:
                self._has_rich = not isinstance(error, MissingMethod)
                if isinstance(error, RefusedCall) and _says(error, (*GONE_MESSAGE, *SAME_MESSAGE)):
                    raise
                log.warning("%s: a rich message is shown as HTML: %s", self.name, error)
        parts = await asyncio.to_thread(TelegramHTML().messages, markdown)
        first = _sent(await self._html(plainly, parts[0], arguments))
        for part in parts[1:]:
            rest = {key: value for key, value in arguments.items() if key in ("chat_id", "message_thread_id")}
            await self._html(self.api.bot.send_message, part, rest)
        return first

    async def _html(self, call: Callable[..., Awaitable[Any]], text: str, arguments: dict[str, Any]) -> Any:
        return await self.api.ask(
            call(text=text, parse_mode=ParseMode.HTML, link_preview_options=NO_PREVIEW, **arguments)
        )

    async def _rich(self, method: str, markdown: str, arguments: dict[str, Any]) -> Any:
        """By its name, since the library does not know the method yet."""
        blocks = await asyncio.to_thread(rich_blocks, markdown)
        asked = {name: value for name, value in arguments.items() if value is not None}
        asked |= {"rich_message": {"blocks": blocks}}
        return await self.api.ask(self.api.bot.do_api_request(method, asked, return_type=Message))

    async def direct(self, person: str) -> str:
        if not person.isdecimal():  # a group or a channel in whose name somebody writes
            raise Undeliverable(f"Telegram has no private chat with {person!r}.")
        return person

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        chat, number = message_ids(id)
        arguments = {"chat_id": chat, "message_id": number, "reply_markup": keyboard(message.choices)}
        edit = self.api.bot.edit_message_text
        try:
            await self._shown(message.text, edit, "EditMessageText", arguments)
        except RefusedCall as error:
            if _says(error, GONE_MESSAGE):
                return False
            if not _says(error, SAME_MESSAGE):
                raise
        return True

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        self._progress.show(conversation, agent, text)

    async def read(self, file: File) -> bytes:
        return await read_file(self.api, file)

    async def send_file(self, conversation: str, name: str, media_type: str, data: bytes, key: str) -> str:
        return await send_file(self.api, conversation, name, media_type, data)


def _sent(message: Any) -> str:
    return f"{message.chat.id}:{message.message_id}" if isinstance(message, Message) else ""


def _says(error: RefusedCall, phrases: Sequence[str]) -> bool:
    return any(phrase in error.said.casefold() for phrase in phrases)
