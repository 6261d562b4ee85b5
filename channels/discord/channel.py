"""Discord as a channel: direct messages, servers' channels, threads and forum posts."""

import asyncio
import hashlib
import io
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from channels.accounts import Account, Token
from channels.contract import File, InboundMessage, Later, OutboundMessage, Undeliverable, Unusable
from channels.discord.client import DiscordClient
from channels.discord.components import buttons
from channels.discord.errors import missing_content_intent, translated
from channels.discord.events import message_name, read_message
from channels.discord.typing import Typing
from channels.markdown import Dialect, DiscordMarkdown
from core.errors import InvalidInput, NotFound
from core.secrets.secrets import Secrets

API_BASE_URL = "https://discord.com/api/v10"
CDN_HOSTS = (".discordapp.com", ".discordapp.net", ".discord.com")
"""Where Discord keeps files."""
OPTIONS = {"api_url"}
MAX_MESSAGE_CHARS = 2_000
MAX_DOWNLOAD_BYTES = 100_000_000
TRANSFER_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_read=30)
FIND_WITHIN_SECONDS = 3_600.0
"""A message that may have been sent before a crash is looked for among those of the last hour."""
MAX_FIND_MESSAGES = 100
MAX_MISSED_MESSAGES = 1_000
MAX_KNOWN_KEYS = 5_000
CONNECT_PAUSES_SECONDS = (1.0, 5.0, 15.0, 60.0)

log = logging.getLogger(__name__)


class Discord:
    """One bot. Its secret is BOT_TOKEN; the option `api_url` is the base of the REST calls, for a stand-in."""

    dialect: Dialect = DiscordMarkdown()
    pace = 1.5
    absence = 60.0
    """Seconds without a session after which `stoa doctor` says so."""

    def __init__(self, account: Account, secrets: Secrets) -> None:
        self.name = account.id
        self.notes: tuple[str, ...] = ()
        self._account = account
        self._secrets = secrets
        self._known: OrderedDict[str, str] = OrderedDict()
        """The messages this process has sent, and the key of each."""

    @staticmethod
    def tokens(options: Mapping[str, str]) -> tuple[Token, ...]:
        """The secret that `stoa setup` asks for; raises `InvalidInput` for unknown options."""
        if unknown := sorted({*options} - OPTIONS):
            raise InvalidInput(f"Discord has no option {unknown[0]!r}; it has {', '.join(sorted(OPTIONS))}.")
        return (Token("BOT_TOKEN", "Bot token (on the app's page Bot, Reset Token)"),)

    # Connecting -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            token = self._secrets.value(self._account.secret("BOT_TOKEN"))
        except NotFound as error:
            raise Unusable(f"{self.name} cannot be connected to Discord. {error}") from None
        Route.BASE = self._account.options.get("api_url", API_BASE_URL)
        self.client = await self._introduced(token)
        self._session = aiohttp.ClientSession(timeout=TRANSFER_TIMEOUT, trust_env=True)
        self._typing = Typing(self.client, self.name)
        return self

    async def _introduced(self, token: str) -> DiscordClient:
        """A client that knows who it is, however long the network takes; raises `Unusable`."""
        pauses = iter(CONNECT_PAUSES_SECONDS)
        while True:
            try:
                client = await self._logged_in(token, content=True)
                break
            except (OSError, Later) as error:
                log.warning("%s cannot reach Discord: %s", self.name, error)
                await asyncio.sleep(next(pauses, CONNECT_PAUSES_SECONDS[-1]))
        flags = client.application_flags
        if flags.gateway_message_content or flags.gateway_message_content_limited:
            return client
        self.notes = (missing_content_intent(self.name),)
        log.warning("%s", self.notes[0])
        await client.close()
        return await self._logged_in(token, content=False)

    async def _logged_in(self, token: str, *, content: bool) -> DiscordClient:
        async with AsyncExitStack() as stack:
            client = DiscordClient(self.name, content=content)
            stack.push_async_callback(client.close)
            with translated(self.name):
                await client.login(token)
            stack.pop_all()
            return client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._typing.close()
        await self._session.close()
        await self.client.close()

    @property
    def trouble(self) -> str:
        """Why nothing is heard at this moment; empty while there is a session."""
        away = self.client.away_since
        if away is None or time.monotonic() - away < self.absence:
            return ""
        return (
            f"{self.name} has no session with Discord; it last heard something at {self.client.last_event:%H:%M} UTC. "
            "It goes on trying; if this lasts, look at https://discordstatus.com and at this machine's network."
        )

    # What people write ------------------------------------------------------------------------------------------------

    async def listen(self) -> AsyncIterator[InboundMessage]:
        """Each message; the connection is held while this runs, so that a process that only writes has none."""
        connection = asyncio.ensure_future(self._connected())
        try:
            async for message in self.client.messages():
                yield message
        finally:
            connection.cancel()
            await asyncio.gather(connection, return_exceptions=True)

    async def _connected(self) -> None:
        try:
            with translated(self.name):
                if "api_url" in self._account.options:  # a new session begins at the library's own address otherwise
                    _, gateway, _ = await self.client.http.get_bot_gateway()
                    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
                await self.client.connect()
            raise ConnectionError("Discord has ended the connection")
        except (OSError, Unusable, Undeliverable, Later) as error:
            self.client.fail(error if isinstance(error, OSError | Unusable) else ConnectionError(str(error)))

    async def missed(self, conversation: str, after: str) -> AsyncIterator[InboundMessage]:
        """The messages of others there after the message `after`, and in threads begun there since, oldest first."""
        since = discord.Object(_number(after.rpartition(":")[2]))
        with translated(self.name):
            place = self.client.get_channel(_number(conversation)) or await self.client.fetch_channel(
                _number(conversation)
            )
            threads: list[discord.Thread] = []
            if isinstance(place, discord.TextChannel | discord.ForumChannel):
                active = await place.guild.active_threads()
                threads = [one for one in active if one.parent_id == place.id and one.id > since.id]
            for channel in (place, *sorted(threads, key=lambda one: one.id)):
                if not isinstance(channel, discord.abc.Messageable):
                    continue
                async for message in channel.history(after=since, oldest_first=True, limit=MAX_MISSED_MESSAGES):
                    self.client.know(message)
                    if read := read_message(message, self.client.me):
                        yield read

    # What we write ----------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage) -> str:
        *before, last = _parts(message.text)
        channel = self._place(message.conversation)
        view = buttons(message.choices)
        given: dict[str, Any] = {"view": view} if view else {}
        with translated(self.name):
            for number, part in enumerate(before):
                await channel.send(part, suppress_embeds=True, nonce=_nonce(message.key and f"{message.key}:{number}"))
            sent = await channel.send(last, suppress_embeds=True, nonce=_nonce(message.key), **given)
        self._typing.answered(message.conversation)
        return self._knows(sent, message.key)

    def _knows(self, sent: discord.Message, key: str) -> str:
        name = message_name(sent.channel.id, sent.id)
        self._known[name] = key
        if len(self._known) > MAX_KNOWN_KEYS:
            self._known.popitem(last=False)
        return name

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        text = _parts(message.text)[-1]
        try:
            with translated(self.name):
                await self._message(id).edit(content=text, view=buttons(message.choices))
        except Undeliverable:
            return False
        return True

    async def remove(self, conversation: str, id: str) -> None:
        with suppress(Undeliverable), translated(self.name):
            await self._message(id).delete()

    async def react(self, conversation: str, id: str, emoji: str) -> None:
        with translated(self.name):
            await self._message(id).add_reaction(emoji)

    async def direct(self, person: str) -> str:
        with translated(self.name):
            channel = int((await self.client.http.start_private_message(_number(person)))["id"])
        self.client.directs[channel] = person
        return str(channel)

    async def find(self, message: OutboundMessage) -> str | None:
        """Found by its key among what this process has sent; else, by its words among what a process before it sent
        there within the hour. Sending it again within minutes is harmless, too: Discord knows its nonce."""
        known = next((name for name, key in self._known.items() if message.key and key == message.key), None)
        if known or not message.key:
            return known
        text = _parts(message.text)[-1]
        since = discord.utils.utcnow().timestamp() - FIND_WITHIN_SECONDS
        with translated(self.name):
            async for one in self._place(message.conversation).history(limit=MAX_FIND_MESSAGES):
                name = message_name(one.channel.id, one.id)
                if one.created_at.timestamp() < since:
                    return None
                same = one.content == text or (message.growing and bool(one.content) and text.startswith(one.content))
                if one.author.id == self.client.me and same and name not in self._known:
                    return name
        return None

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        """Typing until the turn is over; the words themselves grow in a message."""
        self._typing.show(conversation, agent, text is not None)

    # Files ------------------------------------------------------------------------------------------------------------

    async def read(self, file: File) -> bytes:
        if not self._from_discord(file.place):
            raise Undeliverable(f"{file.name!r} is kept outside of Discord, where the bot does not fetch it.")
        with translated(self.name):
            async with self._session.get(file.place, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Undeliverable(f"Discord did not hand over {file.name!r}: HTTP {answer.status}.")
                data = bytearray()
                async for part in answer.content.iter_chunked(1 << 16):
                    data += part
                    if len(data) > MAX_DOWNLOAD_BYTES:
                        raise Undeliverable(
                            f"{file.name!r} is larger than {MAX_DOWNLOAD_BYTES:,} bytes, the most that is read."
                        )
        return bytes(data)

    def _from_discord(self, url: str) -> bool:
        try:
            asked, home = urlsplit(url), urlsplit(Route.BASE)
            same = (asked.scheme, asked.netloc) == (home.scheme, home.netloc)
            return same or (asked.scheme == "https" and f".{asked.hostname}".endswith(CDN_HOSTS))
        except ValueError:
            return False

    async def send_file(self, conversation: str, name: str, media_type: str, data: bytes, key: str) -> str:
        file = discord.File(io.BytesIO(data), filename=name)
        with translated(self.name):
            sent = await self._place(conversation).send(file=file, nonce=_nonce(key))
        return self._knows(sent, key)

    # ------------------------------------------------------------------------------------------------------------------

    def _place(self, conversation: str) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(_number(conversation))

    def _message(self, id: str) -> discord.PartialMessage:
        channel, _, message = id.partition(":")
        return self._place(channel).get_partial_message(_number(message))


def _number(id: str) -> int:
    if not id.isdecimal() or len(id) > 20:
        raise Undeliverable(f"Discord knows no {id!r}.")
    return int(id)


def _nonce(key: str) -> str:
    """Tells Discord that two calls mean one message, as discord.py repeats a call that failed."""
    return hashlib.blake2b(key.encode() or os.urandom(12), digest_size=12).hexdigest()


def _parts(text: str) -> list[str]:
    """The text in pieces that fit: only a question can be longer, and its buttons stand under the last piece."""
    found = []
    while len(text) > MAX_MESSAGE_CHARS:
        cut = text.rfind("\n", MAX_MESSAGE_CHARS // 2, MAX_MESSAGE_CHARS)
        cut = cut if cut > 0 else MAX_MESSAGE_CHARS
        found.append(text[:cut])
        text = text[cut:].lstrip("\n")
    return [*found, text]
