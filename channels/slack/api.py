"""Slack's Web API: its errors in our words, names of people and rooms, and the scopes an account needs."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from channels.contract import Later, Undeliverable, Unusable
from core.errors import InvalidInput

BOT_SCOPES = {
    "app_mentions:read": "hear when somebody mentions it",
    "assistant:write": "suggest what to ask and show that it is thinking",
    "channels:history": "hear the rooms it is in",
    "channels:read": "know how rooms are called",
    "chat:write": "write",
    "commands": "take /stoa",
    "files:read": "read the files it is sent",
    "files:write": "send files",
    "groups:history": "hear the private rooms it is in",
    "groups:read": "know how private rooms are called",
    "im:history": "hear direct messages",
    "im:read": "see its direct messages",
    "im:write": "begin a direct message, such as a reminder",
    "mpim:history": "hear group messages it is in",
    "mpim:read": "know who is in a group message",
    "reactions:read": "take a reaction as an answer",
    "reactions:write": "react",
    "users:read": "know how people are called",
}
"""Scope that the app asks for (deploy/slack-app.yaml) -> what it is for."""
ESSENTIAL_SCOPES = {"chat:write", "im:history"}
REINSTALL_ADVICE = (
    "add it at https://api.slack.com/apps under OAuth & Permissions, or create the app from deploy/slack-app.yaml, and "
    "install the app again"
)

ACCOUNT_ERRORS = {
    "invalid_auth": "Slack does not know its {token}",
    "not_authed": "it has no {token}",
    "token_revoked": "its {token} was revoked",
    "token_expired": "its {token} has expired",
    "account_inactive": "its bot was removed from the workspace",
    "not_allowed_token_type": "what it has for its {token} is a token of another kind",
    "app_uninstalled": "the app was removed from the workspace",
    "org_login_required": "the workspace has moved into an organisation",
    "team_access_not_granted": "the app was not admitted to the workspace",
    "link_disabled": "Socket Mode is switched off for the app",
    "no_permission": "its app token lacks the scope connections:write",
}
"""Slack's error -> why the whole account cannot be used, with that token which Slack was shown."""
BOT_TOKEN_WORDS, APP_TOKEN_WORDS = "bot token (xoxb-...)", "app-level token (xapp-...)"
CALL_ERRORS = {
    "channel_not_found": "Slack has no such conversation, or does not show it to the bot",
    "is_archived": "the room is archived",
    "not_in_channel": "the bot is not in that room (any more); invite it with /invite",
    "user_not_found": "Slack knows no such person",
    "users_not_found": "Slack knows no such person",
    "user_disabled": "that person has left the workspace",
    "user_not_visible": "that person is hidden from the bot",
    "cannot_dm_bot": "bots cannot write to each other",
    "thread_not_found": "the message that the thread hangs on was deleted",
    "cannot_reply_to_message": "that message cannot be answered in a thread",
    "message_not_found": "that message was deleted",
    "cant_update_message": "that message is not the bot's",
    "cant_delete_message": "that message is not the bot's",
    "edit_window_closed": "that message is too old to be changed",
    "msg_too_long": "the message is too long for Slack",
    "msg_blocks_too_long": "the message is too long for Slack",
    "no_text": "the message is empty",
    "invalid_blocks": "Slack does not take the message as it is built",
    "restricted_action": "an admin does not let the bot write there",
    "restricted_action_read_only_channel": "only some may write in that room",
    "restricted_action_thread_only_channel": "that room takes answers in threads only",
    "restricted_action_non_threadable_channel": "that room takes no threads",
    "messages_tab_disabled": "the app takes no direct messages; switch its messages tab on",
    "file_not_found": "the file was deleted",
    "file_deleted": "the file was deleted",
    "invalid_name": "Slack has no such emoji",
    "too_many_reactions": "the message has too many reactions",
}
"""Slack's error -> why this cannot be done, now or later."""
ACCOUNT_OPTIONS = {
    "mode": ("socket|http", "socket or http"),
    "listen": (r"[^\s/]+:\d{1,5}", "host:port, such as 127.0.0.1:3000"),
    "api_url": (r"https?://[^\s/]+(/\S*)?", "a URL, such as https://slack.com/api/"),
}
"""Option of an account -> how it is spelled, as a pattern and in words."""
TRANSIENT_ERRORS = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
"""Errors of Slack's own, which pass."""
NAME_SECONDS = 2.0
"""Seconds that a message waits for the names in it."""
MAX_NAMES = 10_000

METADATA_TYPE = "stoa_message"
"""The type of the metadata that names our messages."""

log = logging.getLogger(__name__)


@contextmanager
def network_errors() -> Iterator[None]:
    """Turns aiohttp's errors into `ConnectionError`."""
    try:
        yield
    except aiohttp.ClientError as error:
        raise ConnectionError(f"Slack cannot be reached: {type(error).__name__}") from None


def check_options(options: Mapping[str, str]) -> None:
    """Raises `InvalidInput` for an unknown option of an account, or a value that it cannot have."""
    if unknown := sorted(set(options) - set(ACCOUNT_OPTIONS)):
        raise InvalidInput(f"Slack has no option {unknown[0]!r}; it has {', '.join(ACCOUNT_OPTIONS)}.")
    for name, value in options.items():
        if not re.fullmatch(ACCOUNT_OPTIONS[name][0], value):
            raise InvalidInput(f"The option {name} is {ACCOUNT_OPTIONS[name][1]}, not {value!r}.")


def account_error(account: str, error: str, token: str = BOT_TOKEN_WORDS) -> Unusable:
    """The error that an account cannot be used any more, for the owner."""
    why = ACCOUNT_ERRORS.get(error, error).format(token=token)
    return Unusable(f"Slack does not let {account} in: {why}. Fix it with `stoa setup {account}`.")


def missing_scope(account: str, scope: str) -> str:
    """The sentence that a right is missing."""
    what = "; ".join(BOT_SCOPES[one] for one in scope.split(",") if one in BOT_SCOPES) or "do that"
    return f"{account} lacks the scope {scope} and so cannot {what}: {REINSTALL_ADVICE}."


class WebAPI:
    """The calls of one account."""

    def __init__(self, account: str, client: AsyncWebClient) -> None:
        self.account = account
        self.client = client
        self._names: dict[str, str] = {}
        self._asking: dict[str, asyncio.Task[str]] = {}
        self._direct: dict[str, str] = {}
        self._teams: dict[str, str] = {}
        self._shared: set[str] = set()
        """Rooms that other organisations are in, too."""

    async def ask(self, call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
        """Slack's answer to a call.

        Raises `Unusable`, `Later`, `Refused` for any other no, and `ConnectionError` where Slack cannot be reached or
        has trouble of its own.
        """
        answer = await self._asked(call)
        return answer.data if isinstance(answer.data, dict) else {}

    async def patiently(self, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> dict[str, Any]:
        """Slack's answer, after waiting for as long as it asks to."""
        while True:
            try:
                return await self.ask(call())
            except Later as error:
                await asyncio.sleep(error.seconds)

    async def _asked(self, call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
        with network_errors():
            try:
                return await call
            except SlackApiError as error:
                raise self._ours(error.response) from None

    def _ours(self, response: Any) -> Exception:
        told = isinstance(response, AsyncSlackResponse) and isinstance(response.data, dict)  # else a page of some proxy
        error = str(response.get("error") or "") if told else ""
        status = response.status_code if isinstance(response, AsyncSlackResponse) else 0
        if status == 429:
            return Later(float(_headers(response).get("retry-after", 1)))
        if error == "missing_scope":
            scope = str(response.get("needed") or "")
            return (Unusable if ESSENTIAL_SCOPES & set(scope.split(",")) else Undeliverable)(
                missing_scope(self.account, scope)
            )
        if error in ACCOUNT_ERRORS:
            token = APP_TOKEN_WORDS if response.api_url.endswith("apps.connections.open") else BOT_TOKEN_WORDS
            return account_error(self.account, error, token)
        if error in TRANSIENT_ERRORS or not error or status >= 500:
            return ConnectionError(f"Slack has trouble of its own: {error or status}")
        return Refused(error)

    async def scopes(self) -> tuple[dict[str, Any], list[str]]:
        """Our identity there, and the scopes that we lack; raises `Unusable`."""
        answer = await self._asked(self.client.auth_test())
        held = _headers(answer).get("x-oauth-scopes")
        known = {one.strip() for one in held.split(",")} if held is not None else set(BOT_SCOPES)
        return dict(answer.data), sorted(set(BOT_SCOPES) - known)  # type: ignore[arg-type]

    async def person(self, user: str) -> str:
        """A user's name; the id where Slack does not tell."""
        return await self._named(user, self._person)

    async def room(self, channel: str) -> str:
        """A room's name; the id where Slack does not tell, nothing for a direct message."""
        return "" if channel.startswith("D") else await self._named(channel, self._room)

    async def is_shared(self, channel: str) -> bool:
        """True if another organisation is in the room, too."""
        await self.room(channel)
        return channel in self._shared

    async def team(self, user: str) -> str:
        """The workspace that a user in a shared room belongs to."""
        if user not in self._teams:
            asked = self.client.bots_info(bot=user) if user.startswith("B") else self.client.users_info(user=user)
            found = await self.ask(asked)
            team = (found.get("user") or found.get("bot") or {}).get("team_id")
            self._teams[user] = str(team or "unknown")
        return self._teams[user]

    async def _named(self, id: str, ask: Callable[[str], Awaitable[str]]) -> str:
        if id in self._names:
            return self._names[id]
        if id not in self._asking:
            self._asking[id] = asyncio.ensure_future(self._learn(id, ask))
        try:
            async with asyncio.timeout(NAME_SECONDS):
                return await asyncio.shield(self._asking[id])
        except TimeoutError:  # what was written counts more than how its writer is called
            return id

    async def _learn(self, id: str, ask: Callable[[str], Awaitable[str]]) -> str:
        try:
            name = await ask(id)
        except (Later, OSError) as error:
            log.info("Slack does not tell how %s is called: %r", id, error)
            return id
        except Undeliverable:
            name = id
        finally:
            del self._asking[id]
        if len(self._names) > MAX_NAMES:
            self._names.clear()
        self._names[id] = name
        return name

    async def _person(self, user: str) -> str:
        if user.startswith("B"):
            return str((await self.ask(self.client.bots_info(bot=user)))["bot"].get("name") or user)
        found = (await self.ask(self.client.users_info(user=user)))["user"]
        profile = found.get("profile") or {}
        return str(profile.get("display_name") or profile.get("real_name") or found.get("name") or user)

    async def _room(self, channel: str) -> str:
        found = (await self.ask(self.client.conversations_info(channel=channel)))["channel"]
        name = str(found.get("name") or channel)
        if found.get("is_ext_shared"):
            self._shared.add(channel)
        if found.get("is_mpim"):
            return ", ".join(name.removeprefix("mpdm-").rpartition("-")[0].split("--")) or name
        return name

    def forget(self, id: str) -> None:
        """Ask for this name again when it is next needed."""
        self._names.pop(id, None)

    async def direct(self, user: str) -> str:
        """The direct message with a user; raises `Undeliverable` where there is none."""
        if user not in self._direct:
            opened = await self.patiently(lambda: self.client.conversations_open(users=user))
            self._direct[user] = str(opened["channel"]["id"])
        return self._direct[user]

    def known(self, user: str) -> str:
        """The direct message with a user, if it was opened already."""
        return self._direct.get(user, "")

    def met(self, user: str, channel: str) -> None:
        """Remember the direct message with a user."""
        self._direct[user] = channel


class Refused(Undeliverable):
    """Slack refuses a call, by its own word for why."""

    def __init__(self, error: str) -> None:
        why = f"{CALL_ERRORS[error]} ({error})" if error in CALL_ERRORS else error
        super().__init__(f"Slack refuses it: {why}.")
        self.error = error


def _headers(answer: AsyncSlackResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def message_metadata(key: str) -> dict[str, Any] | None:
    """The metadata that names a message of ours."""
    return {"event_type": METADATA_TYPE, "event_payload": {"key": key}} if key else None
