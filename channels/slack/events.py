"""Reads what Slack tells an app: events, presses of buttons and slash commands become messages.

A person is a user of a workspace: the same user id in another workspace is somebody else.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from channels.contract import File, InboundMessage, InboundPassage, Undeliverable
from channels.slack.api import WebAPI
from channels.slack.formatting import emoji, mentioned_rooms, mentioned_users, mentions, read_mrkdwn
from channels.slack.passages import attached, own_words

WRITTEN_SUBTYPES = {"", "file_share", "thread_broadcast", "bot_message", "me_message"}
"""The subtypes of a message that somebody wrote; the others tell of what happened in the room."""
LOSS_REASONS = {
    "channel_archive": "the room was archived",
    "group_archive": "the room was archived",
    "channel_deleted": "the room was deleted",
    "group_deleted": "the room was deleted",
    "channel_left": "I was removed from the room",
    "group_left": "I was removed from the room",
    "member_left_channel": "I was removed from the room",
}
VOICE_SUBTYPES = {"slack_audio", "slack_video"}
"""The subtypes of files that people record in Slack itself."""
SlackPayload = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Our bot in one workspace."""

    team: str
    user: str
    bot: str = ""
    enterprise: str = ""

    def wrote(self, event: SlackPayload) -> bool:
        """True if the bot itself did what an event tells of."""
        return event.get("user") == self.user or (bool(self.bot) and event.get("bot_id") == self.bot)

    def local_user(self, person: str) -> str:
        """The user id of a person of this workspace; raises `Undeliverable` for anybody else."""
        team, _, user = person.rpartition(":")
        if team != self.team:
            raise Undeliverable(
                f"Slack knows no such person in this workspace ({self.team}): {person} belongs to another one."
            )
        return user


def channel_and_thread(conversation: str) -> tuple[str, str]:
    """The channel and the thread, if it is one, of a conversation or of a message's id."""
    channel, _, thread = conversation.partition(":")
    return channel, thread


def payload_key(payload: SlackPayload) -> str:
    """Tells one payload from another, so that what is told twice is taken once."""
    event = _part(payload, "event")
    written = event.get("type") == "app_mention" or (
        event.get("type") == "message" and str(event.get("subtype") or "") in WRITTEN_SUBTYPES
    )
    if written:
        return f"{event.get('channel')}:{event.get('ts')}"
    action = _action(payload)
    return str(payload.get("event_id") or payload.get("trigger_id") or action.get("action_ts") or "")


def is_ours(payload: SlackPayload, identity: BotIdentity) -> bool:
    """True if a payload is meant for our bot's workspace, as an app can be installed in several. The first rule that
    applies decides."""
    installed = [one for one in payload.get("authorizations") or () if isinstance(one, Mapping)]
    if installed:
        return any(
            one.get("team_id") == identity.team
            or (one.get("is_enterprise_install") is True and one.get("enterprise_id") == (identity.enterprise or None))
            for one in installed
        )
    if "command" in payload:
        return payload.get("team_id") == identity.team
    if view := _part(payload, "view"):
        return (view.get("app_installed_team_id") or view.get("team_id")) == identity.team
    if message := _part(payload, "message"):  # a press: our messages carry our buttons
        return identity.wrote(message)
    return (payload.get("context_team_id") or payload.get("team_id")) == identity.team


class EventReader:
    """Reads what one bot is told."""

    def __init__(self, api: WebAPI, identity: BotIdentity) -> None:
        self._api = api
        self._identity = identity

    async def read(self, payload: SlackPayload) -> InboundMessage | None:
        """The message, or None where there is nothing to say."""
        if not is_ours(payload, self._identity):
            log.warning("Slack tells of another workspace; each needs an app of its own (docs/slack.md)")
            return None
        if "command" in payload:
            return await self._command(payload)
        if payload.get("type") == "block_actions":
            return await self._press(payload)
        event = {**_part(payload, "event"), "is_shared": payload.get("is_ext_shared_channel") is True}
        return await self._event(event)

    async def _event(self, event: SlackPayload) -> InboundMessage | None:
        match event.get("type"):
            case "message":
                return await self._happened(event)
            case "app_mention":
                return await self.written(event)
            case "reaction_added":
                return await self._reaction(event)
            case "agent_session_stopped":
                return await self._stop(event)
            case "app_home_opened" if event.get("tab") == "home":
                return await self._home(event)
            case str(kind) if kind in LOSS_REASONS:
                return await self._lost(event)
            case "channel_rename" | "group_rename":
                self._api.forget(event["channel"]["id"])
        return None

    async def _sender(self, event: SlackPayload, user: str) -> str:
        """The person behind a user id. Slack names the workspace in most events; in shared rooms it has to be asked."""
        profile = _part(event, "user_profile")
        named = event.get("user_team") or event.get("source_team") or profile.get("team") or event.get("team")
        if named:
            return f"{named}:{user}"
        if event.get("is_shared") or await self._api.is_shared(str(event.get("channel") or "")):
            return f"{await self._api.team(user)}:{user}"
        return f"{self._identity.team}:{user}"

    # Messages ---------------------------------------------------------------------------------------------------------

    async def _happened(self, event: SlackPayload) -> InboundMessage | None:
        match str(event.get("subtype") or ""):
            case "message_changed":
                return await self._changed(event)
            case "message_deleted":
                return await self._deleted(event)
            case kind if kind in WRITTEN_SUBTYPES:
                return await self.written(event)
        return None

    async def written(self, event: SlackPayload) -> InboundMessage | None:
        """A message that somebody wrote."""
        if self._identity.wrote(event):
            return None
        return await self._with_words(await self._message(event), event)

    async def _changed(self, event: SlackPayload) -> InboundMessage | None:
        now, before = event["message"], _part(event, "previous_message")
        if now.get("subtype") == "tombstone":
            return await self._deleted({**event, "deleted_ts": now["ts"]})
        if self._identity.wrote(now) or now.get("text") == before.get("text"):
            return None
        version = (now.get("edited") or {}).get("ts") or event.get("event_ts") or event["ts"]
        both = f"{before.get('text') or ''} {now.get('text') or ''}"  # it may name us only now, or no longer
        origin = {**now, "text": both, "channel": event["channel"], "is_shared": event.get("is_shared")}
        message = await self._with_words(await self._message(origin), now)
        return replace(message, kind="edit", version=str(version))

    async def _deleted(self, event: SlackPayload) -> InboundMessage | None:
        before = _part(event, "previous_message")
        if self._identity.wrote(before):
            return None
        moved = {"ts": event["deleted_ts"], "channel": event["channel"], "is_shared": event.get("is_shared")}
        return replace(await self._message({**before, **moved}), kind="deletion")

    async def _message(self, event: SlackPayload) -> InboundMessage:
        """Where and by whom a message was written."""
        channel, ts, thread = event["channel"], event["ts"], event.get("thread_ts") or ""
        user = event.get("user") or event.get("bot_id") or ""
        alone = channel.startswith("D")
        mentioned = mentions(event.get("text") or "", self._identity.user)
        if thread == ts:
            thread = ""
        if not thread and mentioned and not alone:
            thread = ts
        name, room = await asyncio.gather(self._name(event, user), self._api.room(channel))
        return InboundMessage(
            conversation=f"{channel}:{thread}" if thread else channel,
            sender=await self._sender(event, user),
            text="",
            id=f"{channel}:{ts}",
            name=name,
            room=room,
            parent=channel if thread else "",
            addressed=alone or mentioned,
            bot=bool(event.get("bot_id")) or event.get("subtype") == "bot_message",
            reply_to=f"{channel}:{thread}" if thread and thread != ts else "",
            sent=event_time(ts),
        )

    async def _with_words(self, message: InboundMessage, event: SlackPayload) -> InboundMessage:
        """The message with its sender's own words, with what others wrote in it, and its files."""
        text, quoted = own_words(event.get("text") or "")
        passages = (*quoted, *attached(event))
        if message.bot and not text.strip():  # a program says in boxes what people write as text
            text = "\n\n".join(one.text for one in passages if one.kind == "attachment")
            passages = tuple(one for one in passages if one.kind != "attachment")
        shown, *others = await asyncio.gather(self._plain(text), *(self._plain(one.text) for one in passages))
        read = (InboundPassage(words, one.author, one.kind) for words, one in zip(others, passages, strict=True))
        return replace(message, text=shown, passages=tuple(read), files=await self._files(event))

    async def _name(self, event: SlackPayload, user: str) -> str:
        return event.get("username") or (await self._api.person(user) if user else "")

    async def _plain(self, text: str) -> str:
        named = [*mentioned_users(text), *mentioned_rooms(text)]
        called = await asyncio.gather(*(self._called(id) for id in named))
        return read_mrkdwn(text, dict(zip(named, called, strict=True)), self._identity.user)

    async def _called(self, id: str) -> str:
        return await (self._api.room(id) if id[0] in "CGD" else self._api.person(id))

    async def _files(self, shown: SlackPayload) -> tuple[File, ...]:
        found = []
        for one in shown.get("files") or ():
            if one.get("file_access") == "check_file_info":
                one = await self._looked_up(one["id"])
            if url := one.get("url_private"):
                kind = one.get("mimetype") or "application/octet-stream"
                name = one.get("name") or one.get("title") or one["id"]
                voice = one.get("subtype") in VOICE_SUBTYPES and one.get("user") == shown.get("user")
                found.append(File(str(name), str(kind), int(one.get("size") or 0), str(url), recorded=voice))
        return tuple(found)

    async def _looked_up(self, file: str) -> SlackPayload:
        """A file that the event does not describe, such as one of another organisation's; nothing where it is gone."""
        try:
            found = await self._api.patiently(lambda: self._api.client.files_info(file=file))
        except Undeliverable as error:
            log.info("a file cannot be looked up: %s", error)
            return {}
        return dict(found["file"])

    # Everything else --------------------------------------------------------------------------------------------------

    async def _reaction(self, event: SlackPayload) -> InboundMessage | None:
        item = _part(event, "item")
        if self._identity.wrote(event) or item.get("type") != "message":
            return None
        channel, user, ts = item["channel"], event["user"], item["ts"]
        name, room = await asyncio.gather(self._api.person(user), self._api.room(channel))
        return InboundMessage(
            conversation=channel,
            sender=await self._sender({**event, "channel": channel}, user),
            text=emoji(event["reaction"]),
            id=f"{channel}:{ts}:{user}:{event['reaction']}:{event.get('event_ts', '')}",
            name=name,
            room=room,
            addressed=False,
            kind="reaction",
            reply_to=f"{channel}:{ts}",
            sent=event_time(event.get("event_ts", "")),
        )

    async def _stop(self, event: SlackPayload) -> InboundMessage:
        """The stop button under an answer that is being written."""
        channel, user, thread = event["channel"], event["user"], event.get("thread_ts") or ""
        name, room = await asyncio.gather(self._api.person(user), self._api.room(channel))
        return InboundMessage(
            conversation=f"{channel}:{thread}" if thread else channel,
            sender=await self._sender(event, user),
            text="",
            id=f"{channel}:stop:{event.get('event_ts', '')}",
            name=name,
            room=room,
            parent=channel if thread else "",
            kind="stop",
            sent=event_time(event.get("event_ts", "")),
        )

    async def _home(self, event: SlackPayload) -> InboundMessage:
        user, channel = event["user"], event["channel"]
        self._api.met(user, channel)
        id = f"{channel}:home:{event.get('event_ts', '')}"
        name = await self._api.person(user)
        return InboundMessage(channel, await self._sender(event, user), "", id, name=name, kind="home")

    async def _lost(self, event: SlackPayload) -> InboundMessage | None:
        kind, channel = event["type"], event["channel"]
        if kind == "member_left_channel" and event.get("user") != self._identity.user:
            return None
        id = f"{channel}:{kind}:{event.get('event_ts', '')}"
        room = await self._api.room(channel)
        return InboundMessage(channel, "", LOSS_REASONS[kind], id, room=room, addressed=False, kind="lost")

    async def _press(self, payload: SlackPayload) -> InboundMessage | None:
        action, presser = _action(payload), payload["user"]
        user, team = presser["id"], presser.get("team_id") or _part(payload, "team").get("id")
        if action.get("type") != "button" or not team:
            return None
        message, choice = _part(payload, "message"), str(action.get("value") or "")
        channel, thread = _part(payload, "channel").get("id", ""), message.get("thread_ts") or ""
        thread = "" if thread == message.get("ts") else thread
        asked = f"{channel}:{message['ts']}" if message else ""
        conversation = f"{channel}:{thread}" if thread else channel
        if not message:
            conversation = await self._api.direct(self._identity.local_user(f"{team}:{user}"))
        return InboundMessage(
            conversation=conversation,
            sender=f"{team}:{user}",
            text=str((action.get("text") or {}).get("text") or choice),
            id=f"{asked or conversation}:{choice}:{user}:{action.get('action_ts', '')}",
            name=await self._api.person(user),
            room=await self._api.room(channel) if message else "",
            parent=channel if thread else "",
            choice=choice,
            reply_to=asked,
            passing=True,
            sent=event_time(str(action.get("action_ts") or "")),
        )

    async def _command(self, payload: SlackPayload) -> InboundMessage:
        user = payload["user_id"]
        direct = await self._api.direct(user)
        text = (payload.get("text") or "").strip() or "help"
        id = f"{direct}:command:{payload.get('trigger_id', '')}"
        plain, name = await asyncio.gather(self._plain(text), self._api.person(user))
        return InboundMessage(direct, f"{payload['team_id']}:{user}", plain, id, name=name, passing=True)


def _part(payload: SlackPayload, name: str) -> SlackPayload:
    """An object within a payload; empty where it is missing or something else."""
    part = payload.get(name)
    return part if isinstance(part, Mapping) else {}


def _action(payload: SlackPayload) -> SlackPayload:
    actions = payload.get("actions")
    return actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], Mapping) else {}


def event_time(ts: str) -> datetime | None:
    """The time that a ts of Slack's stands for."""
    return datetime.fromtimestamp(float(ts), UTC) if re.fullmatch(r"\d{1,11}(\.\d+)?", ts) else None
