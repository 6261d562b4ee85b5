"""Telegram's Bot API: its errors in our words, the options of an account, and one client for all calls."""

import logging
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import Bot, ReplyParameters
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from channels.contract import Later, Undeliverable, Unusable
from core.errors import InvalidInput

BOT_API_URL = "https://api.telegram.org/bot"
BOT_FILE_URL = "https://api.telegram.org/file/bot"
BOT_OPTIONS = {
    "mode": ("polling|webhook", "polling or webhook"),
    "webhook_url": (
        r"https?://[^\s/]+/\S*",
        "the address that Telegram calls, such as https://stoa.example.org/telegram",
    ),
    "listen": (r"[^\s/]+:\d{1,5}", "host:port, such as 127.0.0.1:8443"),
    "base_url": (r"https?://\S+", f"a URL that the token is put after, such as {BOT_API_URL}"),
    "base_file_url": (r"https?://\S+", f"a URL that the token is put after, such as {BOT_FILE_URL}"),
}
"""Option of an account -> how it is spelled, as a pattern and in words."""
CALL_SECONDS = 20.0
UPLOAD_SECONDS = 120.0
CONNECTIONS = 32
REFUSALS = {
    "blocked by the user": "this person has blocked the bot",
    "user is deactivated": "this person's account was deleted",
    "can't initiate conversation": "this person has never started the bot; they have to press Start there once",
    "bot was kicked": "the bot was removed from the group",
    "bot is not a member": "the bot is not in that group (any more)",
    "chat not found": "Telegram has no such chat, or does not show it to the bot",
    "group chat was deleted": "the group was deleted",
    "have no rights to send": "the bot may not write in that group; an admin of it can change that",
    "not enough rights": "the bot may not do that in the group; an admin of it can change that",
    "chat_write_forbidden": "the bot may not write in that group; an admin of it can change that",
    "message thread not found": "the topic was deleted",
    "topic_closed": "the topic is closed",
    "topic_deleted": "the topic was deleted",
    "file is too big": "the file is larger than 20 MB, the most that Telegram hands to a bot",
    "message is too long": "the message is too long for Telegram",
}
"""Words in a refusal of Telegram's -> why this cannot be done, now or later."""
TOKEN_ADVICE = "its token was revoked, or is mistyped. Ask @BotFather for the token (/mybots, API Token)"

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class RefusedCall(Undeliverable):
    """Telegram refuses a call, by its own words for why."""

    def __init__(self, said: str) -> None:
        why = next((ours for theirs, ours in REFUSALS.items() if theirs in said.casefold()), "")
        super().__init__(f"Telegram refuses it: {why or said}.")
        self.said = said


class MissingMethod(Undeliverable):
    """This server of the Bot API does not know the method."""


class OtherPoller(Exception):
    """Somebody else asks for this bot's updates; the text is Telegram's."""


@dataclass(frozen=True, slots=True)
class Place:
    """A chat, and a topic in it or none."""

    chat: int
    topic: int | None = None

    @classmethod
    def of(cls, conversation: str) -> "Place":
        """The place that a conversation names; raises `Undeliverable` where it names none."""
        chat, _, topic = conversation.partition("/")
        if not re.fullmatch(r"-?\d{1,19}", chat) or not re.fullmatch(r"\d{0,19}", topic):
            raise Undeliverable(f"Telegram has no chat {conversation!r}; one is a number, such as 812345678.")
        return cls(int(chat), int(topic) if topic else None)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"chat_id": self.chat, "message_thread_id": self.topic}

    @property
    def private(self) -> bool:
        """True where a person is alone with the bot."""
        return self.chat > 0


def message_ids(id: str) -> tuple[int, int]:
    """The chat and the number of a message; raises `Undeliverable` where it is none of Telegram's."""
    chat, _, number = id.partition(":")
    if not re.fullmatch(r"-?\d{1,19}:\d{1,19}", id):
        raise Undeliverable(f"Telegram has no message {id!r}.")
    return int(chat), int(number)


def check_bot_options(options: Mapping[str, str]) -> None:
    """Raises `InvalidInput` for an unknown option of an account, or a value that it cannot have."""
    if unknown := sorted(set(options) - set(BOT_OPTIONS)):
        raise InvalidInput(f"Telegram has no option {unknown[0]!r}; it has {', '.join(BOT_OPTIONS)}.")
    for name, value in options.items():
        if not re.fullmatch(BOT_OPTIONS[name][0], value):
            raise InvalidInput(f"The option {name} is {BOT_OPTIONS[name][1]}, not {value!r}.")
    if options.get("mode") == "webhook" and not {"webhook_url", "listen"} <= set(options):
        raise InvalidInput(
            "A webhook needs two more options: --option webhook_url=https://YOUR-HOST/telegram, which Telegram calls, "
            "and --option listen=127.0.0.1:8443, where your reverse proxy passes that on to."
        )


class BotAPI:
    """The calls of one account."""

    def __init__(self, account: str, token: str, options: Mapping[str, str]) -> None:
        self.account = account
        for library in ("httpx", "telegram"):  # httpx logs each address, with the token in it
            logging.getLogger(library).setLevel(logging.CRITICAL)
        base, files = options.get("base_url", BOT_API_URL), options.get("base_file_url", BOT_FILE_URL)
        calls = HTTPXRequest(
            connection_pool_size=CONNECTIONS,
            read_timeout=CALL_SECONDS,
            write_timeout=CALL_SECONDS,
            connect_timeout=CALL_SECONDS,
            pool_timeout=CALL_SECONDS,
            media_write_timeout=UPLOAD_SECONDS,
        )
        self.bot: ExtBot[int] = ExtBot(token, base, files, calls, calls, rate_limiter=AIORateLimiter())
        self.hasty = Bot(token, base, files, calls, calls)
        """For what nobody would miss: it takes none of the messages that Telegram lets a bot send in a minute."""

    async def enter(self) -> None:
        """Learn who we are; raises `Unusable` for a token that is not good, `OSError`, and `Later`."""
        await self.ask(self.bot.initialize())
        await self.ask(self.hasty.initialize())

    async def leave(self) -> None:
        await self.hasty.shutdown()
        await self.bot.shutdown()

    async def ask(self, call: Awaitable[Answer]) -> Answer:
        """Telegram's answer.

        Raises `Unusable`, `Later`, `OtherPoller`, `MissingMethod`, `RefusedCall` for any other no, and
        `ConnectionError` where Telegram cannot be reached or has trouble of its own.
        """
        try:
            return await call
        except TelegramError as error:
            raise self._ours(error) from None

    def _ours(self, error: TelegramError) -> Exception:
        match error:
            case EndPointNotFound():
                return MissingMethod(error.message)
            case InvalidToken():
                return Unusable(
                    f"Telegram does not let {self.account} in: {TOKEN_ADVICE}, and run `stoa setup {self.account}`."
                )
            case RetryAfter():
                return Later(error._retry_after.total_seconds())  # the public property's type depends on a variable
            case Conflict():
                return OtherPoller(error.message)
            case ChatMigrated():
                return RefusedCall("the group has become a supergroup; mention the bot there to let it in again")
            case BadRequest() | Forbidden():
                return RefusedCall(error.message)
            case NetworkError():
                return ConnectionError(f"Telegram cannot be reached: {error.message}")
        return ConnectionError(f"Telegram has trouble of its own: {error.message}")

    async def decorate(self, call: Awaitable[Any]) -> Exception | None:
        """Make a call that may fail; answers why it did."""
        try:
            await self.ask(call)
        except (Undeliverable, Unusable, Later, OSError) as error:
            log.info("%s goes without a decoration: %s", self.account, error)
            return error
        return None


def replying(message: str) -> ReplyParameters:
    """A reply to a message, which may be gone by then."""
    return ReplyParameters(message_ids(message)[1], allow_sending_without_reply=True)
