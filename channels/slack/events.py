"""What Slack tells, made messages: its events, presses of buttons and slash commands."""

import asyncio
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from channels.contract import File, InboundMessage, Undeliverable
from channels.slack.api import WebAPI
from channels.slack.formatting import emoji, mentioned_rooms, mentioned_users, mentions, readable, shared_messages

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
SlackPayload = Mapping[str, Any]

log = logging.getLogger(__name__)


def channel_and_thread(conversation: str) -> tuple[str, str]:
    """The channel and the thread, if it is one, of a conversation or of a message's id."""
    channel, _, thread = conversation.partition(":")
    return channel, thread


def payload_key(payload: SlackPayload) -> str:
    """What a payload is told from others by, so that the same thing told twice is taken once."""
    event = payload.get("event") or {}
    written = event.get("type") == "app_mention" or (
        event.get("type") == "message" and event.get("subtype", "") in WRITTEN_SUBTYPES
    )
    if written:
        return f"{event.get('channel')}:{event.get('ts')}"
    action = (payload.get("actions") or [{}])[0]
    return str(payload.get("event_id") or payload.get("trigger_id") or action.get("action_ts") or "")


class EventReader:
    """Reads what is told to one bot."""

    def __init__(self, api: WebAPI, team: str, user: str, bot: str) -> None:
        self._api = api
        self._team = team
        self._user = user
        self._bot = bot

    async def read(self, payload: SlackPayload) -> InboundMessage | None:
        """The message, or None for what nobody needs to hear."""
        if "command" in payload:
            return await self._command(payload)
        if payload.get("type") == "block_actions":
            return await self._press(payload)
        if self._for_others(payload):
            log.warning("Slack tells of another workspace; each needs an app of its own (docs/slack.md)")
            return None
        event = payload.get("event") or {}
        match event.get("type"):
            case "message":
                return await self._happened(event)
            case "app_mention":
                return await self.written(event)
            case "reaction_added":
                return await self._reaction(event)
            case "app_home_opened" if event.get("tab") == "home":
                return await self._home(event)
            case str(kind) if kind in LOSS_REASONS:
                return await self._lost(event)
            case "channel_rename" | "group_rename":
                self._api.forget(event["channel"]["id"])
        return None

    def _for_others(self, payload: SlackPayload) -> bool:
        """Whether an app that is installed in several workspaces hears of another one."""
        teams = {one.get("team_id") for one in payload.get("authorizations") or ()} - {None}
        return bool(teams) and self._team not in teams

    def _sender(self, user: str) -> str:
        return f"{self._team}:{user}"

    def _own(self, event: SlackPayload) -> bool:
        return event.get("user") == self._user or event.get("bot_id") == self._bot

    async def _happened(self, event: SlackPayload) -> InboundMessage | None:
        match event.get("subtype", ""):
            case "message_changed":
                return await self._changed(event)
            case "message_deleted":
                return await self._deleted(event)
            case kind if kind in WRITTEN_SUBTYPES:
                return await self.written(event)
        return None

    async def written(self, event: SlackPayload) -> InboundMessage | None:
        """A message that somebody wrote."""
        if self._own(event):
            return None
        return await self._message(event, event, _said(event))

    async def _changed(self, event: SlackPayload) -> InboundMessage | None:
        now, before = event["message"], event.get("previous_message") or {}
        if now.get("subtype") == "tombstone":
            return await self._deleted({**event, "deleted_ts": now["ts"]})
        if self._own(now) or now.get("text") == before.get("text"):
            return None
        version = (now.get("edited") or {}).get("ts") or event.get("event_ts") or event["ts"]
        both = f"{before.get('text') or ''} {now.get('text') or ''}"  # it may name us only now, or no longer
        origin = {**now, "text": both, "channel": event["channel"]}
        return await self._message(origin, now, _said(now), kind="edit", version=str(version))

    async def _deleted(self, event: SlackPayload) -> InboundMessage | None:
        before = event.get("previous_message") or {}
        if self._own(before):
            return None
        origin = {**before, "ts": event["deleted_ts"], "channel": event["channel"]}
        return await self._message(origin, {}, "", kind="deletion")

    async def _message(
        self, origin: SlackPayload, shown: SlackPayload, text: str, kind: Any = "message", version: str = ""
    ) -> InboundMessage:
        """A message where it was first written (`origin`), with what it shows now."""
        channel, ts, thread = origin["channel"], origin["ts"], origin.get("thread_ts") or ""
        user = origin.get("user") or origin.get("bot_id") or ""
        alone = channel.startswith("D")
        mentioned = mentions(origin.get("text") or "", self._user)
        if thread == ts:
            thread = ""
        if not thread and mentioned and not alone:
            thread = ts
        name, room, text = await asyncio.gather(self._name(origin, user), self._api.room(channel), self._plain(text))
        return InboundMessage(
            conversation=f"{channel}:{thread}" if thread else channel,
            sender=self._sender(user),
            text=text,
            id=f"{channel}:{ts}",
            name=name,
            room=room,
            parent=channel if thread else "",
            addressed=alone or mentioned,
            bot=bool(origin.get("bot_id")) or origin.get("subtype") == "bot_message",
            kind=kind,
            version=version,
            files=await self._files(shown),
            reply_to=f"{channel}:{thread}" if thread and thread != ts else "",
            sent=event_time(ts),
        )

    async def _name(self, event: SlackPayload, user: str) -> str:
        return event.get("username") or (await self._api.person(user) if user else "")

    async def _plain(self, text: str) -> str:
        named = [*mentioned_users(text), *mentioned_rooms(text)]
        called = await asyncio.gather(*(self._called(id) for id in named))
        return readable(text, dict(zip(named, called, strict=True)), self._user)

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
                found.append(File(str(name), str(kind), int(one.get("size") or 0), str(url)))
        return tuple(found)

    async def _looked_up(self, file: str) -> SlackPayload:
        """A file that the event does not describe, such as one of another organisation's; nothing where it is gone."""
        try:
            found = await self._api.patiently(lambda: self._api.client.files_info(file=file))
        except Undeliverable as error:
            log.info("a file cannot be looked up: %s", error)
            return {}
        return dict(found["file"])

    async def _reaction(self, event: SlackPayload) -> InboundMessage | None:
        item = event.get("item") or {}
        if self._own(event) or item.get("type") != "message":
            return None
        channel, user, ts = item["channel"], event["user"], item["ts"]
        name, room = await asyncio.gather(self._api.person(user), self._api.room(channel))
        return InboundMessage(
            conversation=channel,
            sender=self._sender(user),
            text=emoji(event["reaction"]),
            id=f"{channel}:{ts}:{user}:{event['reaction']}:{event.get('event_ts', '')}",
            name=name,
            room=room,
            addressed=False,
            kind="reaction",
            reply_to=f"{channel}:{ts}",
            sent=event_time(event.get("event_ts", "")),
        )

    async def _home(self, event: SlackPayload) -> InboundMessage:
        user, channel = event["user"], event["channel"]
        self._api.met(user, channel)
        id = f"{channel}:home:{event.get('event_ts', '')}"
        name = await self._api.person(user)
        return InboundMessage(channel, self._sender(user), "", id, name=name, kind="home")

    async def _lost(self, event: SlackPayload) -> InboundMessage | None:
        kind, channel = event["type"], event["channel"]
        if kind == "member_left_channel" and event.get("user") != self._user:
            return None
        id = f"{channel}:{kind}:{event.get('event_ts', '')}"
        room = await self._api.room(channel)
        return InboundMessage(channel, "", LOSS_REASONS[kind], id, room=room, addressed=False, kind="lost")

    async def _press(self, payload: SlackPayload) -> InboundMessage | None:
        action, user = payload["actions"][0], payload["user"]["id"]
        if action.get("type") != "button":
            return None
        message, choice, room, parent = payload.get("message"), str(action.get("value") or ""), "", ""
        if message is None:
            conversation, asked = await self._api.direct(user), ""
        else:
            channel, thread = payload["channel"]["id"], message.get("thread_ts") or ""
            thread = "" if thread == message["ts"] else thread
            conversation, asked = f"{channel}:{thread}" if thread else channel, f"{channel}:{message['ts']}"
            room, parent = await self._api.room(channel), channel if thread else ""
        return InboundMessage(
            conversation=conversation,
            sender=self._sender(user),
            text=str((action.get("text") or {}).get("text") or choice),
            id=f"{asked or conversation}:{choice}:{user}:{action.get('action_ts', '')}",
            name=await self._api.person(user),
            room=room,
            parent=parent,
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
        return InboundMessage(direct, self._sender(user), plain, id, name=name, passing=True)


def _said(event: SlackPayload) -> str:
    """What a message says, with what it passes on."""
    return "\n\n".join(part for part in (event.get("text") or "", *shared_messages(event)) if part)


def event_time(ts: str) -> datetime | None:
    """When something happened, by Slack's name of it."""
    return datetime.fromtimestamp(float(ts), UTC) if re.fullmatch(r"\d{1,11}(\.\d+)?", ts) else None
