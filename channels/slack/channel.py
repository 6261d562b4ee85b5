"""Slack as a channel: direct messages, rooms and threads, over Socket Mode or signed HTTP."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import aiohttp
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from channels.accounts import Account, Token
from channels.contract import File, Home, InboundMessage, Later, OutboundMessage, Undeliverable, Unusable
from channels.markdown import Dialect
from channels.slack.api import (
    ESSENTIAL_SCOPES,
    Refused,
    WebAPI,
    account_error,
    check_options,
    message_metadata,
    missing_scope,
)
from channels.slack.dispatch import bolt_dispatch
from channels.slack.events import BotIdentity, EventReader, SlackPayload, channel_and_thread, is_ours, payload_key
from channels.slack.files import SlackFiles
from channels.slack.formatting import emoji_name, home_view, message_blocks
from channels.slack.history import history
from channels.slack.intake import Intake
from channels.slack.listener import SignedHTTP
from channels.slack.markdown import Mrkdwn
from channels.slack.socket import SOCKET_PAUSES_SECONDS, Socket
from channels.slack.status import ThreadStatus
from channels.slack.streams import Streams, is_beginning
from core.errors import NotFound
from core.secrets.secrets import Secrets

API_BASE_URL = "https://slack.com/api/"
FIND_WITHIN_SECONDS = 86_400.0
"""A message that may have been sent before a crash is looked for among those of a day."""
COMMAND_REPLY_SECONDS = 2.5
"""Slack waits three seconds until a slash command is acknowledged."""
MAX_PROMPTS = 4
MAX_PROMPT_CHARS = 75
DEFAULT_PROMPTS = ("What can you do?", "Show my reminders", "What is on my task list?")
"""Suggestions to begin with, unless the account has its own."""
CALL_TIMEOUT = aiohttp.ClientTimeout(total=30)
COMMAND_TAKEN_REPLY = "I'll answer in our direct messages."
COMMAND_FAILED_REPLY = "I couldn't take that. Please try again in a moment."
OTHER_WORKSPACE_REPLY = "I'm not set up for this workspace."

log = logging.getLogger(__name__)


class Slack:
    """One bot in one workspace. Its secrets are BOT_TOKEN, and APP_TOKEN for Socket Mode or SIGNING_SECRET for HTTP.

    Options: `mode` (`socket` or `http`), `listen` (host:port, for HTTP), `api_url` (the base of the Web API).
    A conversation is `D1`, `C1`, or with a thread `C1:<ts>`; a sender is `T1:U1`; a message `C1:<ts>`.
    """

    dialect: Dialect = Mrkdwn()
    pace = 1.2
    absence = 60.0
    """Seconds without a connection after which Slack may have given up telling us something."""

    def __init__(self, account: Account, secrets: Secrets) -> None:
        self.name = account.id
        self.notes: tuple[str, ...] = ()
        """Parts of the account that do not work, each with how to mend it."""
        self._account = account
        self._secrets = secrets
        self._mode = account.options.get("mode", "socket")
        self._base = account.options.get("api_url", API_BASE_URL)
        self._intake = Intake()

    @staticmethod
    def tokens(options: Mapping[str, str]) -> tuple[Token, ...]:
        """The secrets that `stoa setup` asks for; raises `InvalidInput` for unknown options."""
        check_options(options)
        bot = Token("BOT_TOKEN", "Bot token (xoxb-..., on the app's page OAuth & Permissions)", "xoxb-")
        if options.get("mode", "socket") == "http":
            return bot, Token("SIGNING_SECRET", "Signing secret (on the app's page Basic Information)")
        return bot, Token("APP_TOKEN", "App-level token (xapp-..., on the app's page Basic Information)", "xapp-")

    def _secret(self, name: str) -> str:
        try:
            return self._secrets.value(self._account.secret(name))
        except NotFound as error:
            raise Unusable(f"{self.name} cannot be connected to Slack. {error}") from None

    # Connecting -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        token = self._secret("BOT_TOKEN")
        self._session = aiohttp.ClientSession(timeout=CALL_TIMEOUT, trust_env=True)
        try:
            self.api = WebAPI(self.name, self._client(token))
            self._hasty = self._client(token, retries=0)
            await self._introduce()
        except BaseException:
            await self._session.close()
            raise
        self._files = SlackFiles(self.api, self._session, token, self._base)
        self._streams = Streams(self.api)
        self._status = ThreadStatus(self.api, self._hasty)
        self._entered = time.monotonic()
        return self

    def _client(self, token: str | None, retries: int = 1) -> AsyncWebClient:
        # Only a refusal for haste is tried again: after a connection that broke, a message may have been taken.
        patient: list[AsyncRetryHandler] = [AsyncRateLimitErrorRetryHandler(max_retry_count=retries)]
        return AsyncWebClient(
            token=token, base_url=self._base, session=self._session, logger=_quiet(), retry_handlers=patient
        )

    async def _introduce(self) -> None:
        """Learn who we are, however long the network takes; raises `Unusable`."""
        attempt = 0
        while True:
            try:
                answer, missing = await self.api.scopes()
                break
            except Refused as error:  # this call needs no scope
                raise account_error(self.name, error.error) from None
            except (OSError, Later) as error:
                log.warning("%s cannot reach Slack: %s", self.name, type(error).__name__)
                attempt += 1
                await asyncio.sleep(SOCKET_PAUSES_SECONDS[min(attempt, len(SOCKET_PAUSES_SECONDS) - 1)])
        self._identity = BotIdentity(
            str(answer["team_id"]),
            str(answer["user_id"]),
            str(answer.get("bot_id") or ""),
            str(answer.get("enterprise_id") or ""),
        )
        self.reader = EventReader(self.api, self._identity)
        if ESSENTIAL_SCOPES & set(missing):
            raise Unusable(missing_scope(self.name, ",".join(missing)))
        self.notes = tuple(missing_scope(self.name, scope) for scope in missing)
        for note in self.notes:
            log.warning("%s", note)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._intake.close()
        await self._session.close()

    # What people write ------------------------------------------------------------------------------------------------

    async def listen(self) -> AsyncIterator[InboundMessage]:
        """Each message; the connection for it is held while this runs, so that a process that only writes has none."""
        connection = asyncio.ensure_future(self._connected())
        connection.add_done_callback(self._broke)
        try:
            async for message in self._intake.messages():
                if message.kind == "message":
                    self._streams.heard(message.conversation, message.sender)
                yield message
        finally:
            connection.cancel()
            await asyncio.gather(connection, return_exceptions=True)

    async def _connected(self) -> None:
        dispatch = bolt_dispatch(self.api.client, self._take)
        match self._mode:
            case "socket":
                token = self._secret("APP_TOKEN")
                await Socket(self.api, self._session, token, dispatch, self._back, self._entered).run()
            case "http":
                listen, secret = self._account.options.get("listen", ""), self._secret("SIGNING_SECRET")
                await SignedHTTP(listen, secret, dispatch).run()
            case other:
                raise Unusable(f"The option `mode` of {self.name} is {other!r}; use socket or http.")

    def _broke(self, connection: "asyncio.Task[None]") -> None:
        """Anything that ends the connection ends `listen`."""
        if not connection.cancelled() and (error := connection.exception()):
            self._intake.fail(error)

    def _back(self, seconds: float) -> None:
        if seconds >= self.absence:
            self._intake.add(InboundMessage("", "", "", f"back:{time.time()}", kind="back"))

    async def _take(self, payload: SlackPayload) -> tuple[bool, Any]:
        """Take in a payload, and only then acknowledge it; unknown ones, too, or Slack repeats them."""
        ours = is_ours(payload, self._identity)
        if ours:
            await self._heed(payload.get("event") or {})
        offered = self._intake.offer(payload_key(payload), self.reader.read(payload))
        if "command" in payload:
            return True, await self._commanded(payload, offered, ours)
        try:
            await offered
        except (OSError, Unusable):  # not acknowledged, so Slack tells it again
            return False, None
        return True, None

    async def _heed(self, event: SlackPayload) -> None:
        """Do what an event asks of the channel itself."""
        match event:
            case {"type": "tokens_revoked" | "app_uninstalled"}:
                await self._check()
            case {"type": "assistant_thread_started", "assistant_thread": {"channel_id": channel, "thread_ts": thread}}:
                await self._suggest(channel, thread)
            case {"type": "app_home_opened", "tab": "messages", "channel": channel}:
                await self._suggest(channel, "")
            case {"type": "agent_session_stopped", "channel": str(channel), "thread_ts": str(thread)}:
                self._streams.lost(channel, event.get("streaming_message_ts"))
                await self._status.stopped(f"{channel}:{thread}")

    async def _check(self) -> None:
        """Ask whether we are still let in; that we were not may be old news, told again."""
        try:
            await self.api.scopes()
        except Unusable as error:
            self._intake.fail(error)
        except (OSError, Later, Refused) as error:
            log.info("%s cannot ask whether its token is good: %s", self.name, error)

    async def _commanded(self, payload: SlackPayload, offered: Coroutine[Any, Any, None], ours: bool) -> Any:
        """The answer to a slash command, which only its writer sees; Slack does not tell one again."""
        taking = asyncio.ensure_future(offered)
        await asyncio.wait([taking], timeout=COMMAND_REPLY_SECONDS)
        text = COMMAND_TAKEN_REPLY if ours else OTHER_WORKSPACE_REPLY
        if taking.done() and taking.exception():
            log.warning("%s could not take a command: %r", self.name, taking.exception())
            text = COMMAND_FAILED_REPLY
        elif ours and taking.done() and payload.get("channel_id") == self.api.known(str(payload.get("user_id"))):
            return None
        return {"response_type": "ephemeral", "text": text}

    async def missed(self, conversation: str, after: str) -> AsyncIterator[InboundMessage]:
        """The messages of others there after the message `after`, oldest first."""
        channel, thread = channel_and_thread(conversation)
        found = [one async for one in history(self.api, channel, thread, channel_and_thread(after)[1])]
        for event in sorted(found, key=lambda one: float(one["ts"])):
            if thread and event["ts"] == thread:
                continue
            message = await self.reader.written({**event, "channel": channel})
            if message:
                yield message

    # What we write ----------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage) -> str:
        if message.growing and (id := await self._streams.start(message)):
            self._status.answered(message.conversation)
            return id
        channel, thread = channel_and_thread(message.conversation)
        asked: dict[str, Any] = {"channel": channel, "text": message.text, "thread_ts": thread or None}
        asked |= {"unfurl_links": False, "unfurl_media": False}  # nobody fetches what stands in it
        asked |= {"metadata": message_metadata(message.key)}
        posted = await self._as_built(self.api.client.chat_postMessage, message, asked)
        self._status.answered(message.conversation)
        return f"{posted['channel']}:{posted['ts']}"

    async def _as_built(self, call: Callable[..., Any], message: OutboundMessage, asked: dict[str, Any]) -> Any:
        """Show the message with its buttons; as plain text where Slack does not take it so."""
        built = message_blocks(message)
        try:
            return await self.api.ask(call(**asked, blocks=built))
        except Refused as error:
            if not built or error.error not in ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"):
                raise
            log.warning("%s: a message is shown as plain text: %s", self.name, error.error)
            return await self.api.ask(call(**asked, blocks=[]))

    async def direct(self, person: str) -> str:
        return await self.api.direct(self._identity.local_user(person))

    async def find(self, message: OutboundMessage) -> str | None:
        """Found by the key in its metadata, among what was written there within a day; a stream that was begun, which
        has none, by its beginning."""
        channel, thread = channel_and_thread(message.conversation)
        if not message.key:
            return None
        async for event in history(self.api, channel, thread, f"{time.time() - FIND_WITHIN_SECONDS:.6f}"):
            said = (event.get("metadata") or {}).get("event_payload") or {}
            streamed = message.growing and thread and not said and is_beginning(message.text, event.get("text") or "")
            if (said.get("key") == message.key or streamed) and event.get("user") == self._identity.user:
                return f"{channel}:{event['ts']}"
        return None

    async def edit(self, id: str, message: OutboundMessage) -> bool:
        if message.growing and await self._streams.grow(id, message.text):
            return True
        if not message.growing and not message.choices and await self._streams.finish(id, message):
            return True
        channel, ts = channel_and_thread(id)
        for attempt in (1, 2):
            asked: dict[str, Any] = {
                "channel": channel,
                "ts": ts,
                "text": message.text,
                "metadata": message_metadata(message.key),
            }
            try:
                await self._as_built(self.api.client.chat_update, message, asked)
            except Refused as error:
                if error.error in ("message_not_found", "cant_update_message", "edit_window_closed"):
                    return False
                if attempt == 2 or error.error != "streaming_state_conflict":
                    raise
                await self._streams.stop(id)  # begun by a process that is gone
            else:
                return True
        return False

    async def remove(self, conversation: str, id: str) -> None:
        await self._streams.leave(id)
        channel, ts = channel_and_thread(id)
        with suppress(Refused):
            await self.api.patiently(lambda: self.api.client.chat_delete(channel=channel, ts=ts))

    async def react(self, conversation: str, id: str, emoji: str) -> None:
        name, (channel, ts) = emoji_name(emoji), channel_and_thread(id)
        if not name:
            raise Undeliverable(f"Slack's name of {emoji} is not known here.")
        try:
            await self.api.patiently(lambda: self.api.client.reactions_add(channel=channel, timestamp=ts, name=name))
        except Refused as error:
            if error.error != "already_reacted":
                raise

    async def draft(self, conversation: str, agent: str, text: str | None) -> None:
        """A status under the thread until the turn is over; the words themselves grow in a message."""
        if not text:
            await self._status.show(conversation, text is not None)

    async def _suggest(self, channel: str, thread: str) -> None:
        """Suggest words to begin with. In the newer agent view no thread may be named, or the call fails silently."""
        suggested = (self._account.prompts or DEFAULT_PROMPTS)[:MAX_PROMPTS]
        prompts = [{"title": prompt[:MAX_PROMPT_CHARS], "message": prompt} for prompt in suggested]
        asked = {"channel_id": channel, "prompts": prompts} | ({"thread_ts": thread} if thread else {})
        await self._status.decorate(self._hasty.api_call("assistant.threads.setSuggestedPrompts", json=asked))

    async def read(self, file: File) -> bytes:
        return await self._files.read(file)

    async def send_file(self, conversation: str, name: str, media_type: str, data: bytes, key: str) -> str:
        return await self._files.send(conversation, name, data)

    async def home(self, person: str, home: Home) -> None:
        user = self._identity.local_user(person)
        await self.api.patiently(lambda: self.api.client.views_publish(user_id=user, view=home_view(home)))


def _quiet() -> logging.Logger:
    """A logger for Slack's library, which would log whole payloads."""
    quiet = logging.getLogger(f"{__name__}.library")
    quiet.setLevel(logging.ERROR)
    return quiet
