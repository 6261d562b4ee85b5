"""What people do in the workspace, each as one act that a test asks for."""

import json
import secrets
import time
from typing import Any

from tests.rigs.slack.deliveries import Deliveries
from tests.rigs.slack.workspace import APP, BOT, TEAM, Json, Workspace


class People:
    """Acts as people: writes, reacts, presses, leaves, and tells the app of what `emulate` does not tell by itself."""

    def __init__(self, workspace: Workspace, deliveries: Deliveries) -> None:
        self.workspace = workspace
        self.deliveries = deliveries

    async def say(self, person: str, channel: str, text: str, thread: str = "", files: int = 0) -> str:
        """Write a message, with so many small files; answers its ts."""
        place: Json = {"channel": channel, "text": text, **({"thread_ts": thread} if thread else {})}
        if not files:
            return str((await self.workspace.act(person, "chat.postMessage", **place))["ts"])
        uploads = [await self._uploaded(person, f"file-{number}.txt", b"%d" % number) for number in range(files)]
        await self.share(person, channel, uploads, text, thread)
        return max(self.workspace.messages[channel])

    async def share(self, person: str, channel: str, uploads: list[str], text: str = "", thread: str = "") -> None:
        """Put uploaded files into a conversation."""
        asked: Json = {"files": [{"id": one, "title": one} for one in uploads], "channel_id": channel}
        asked |= {"initial_comment": text} if text else {}
        asked |= {"thread_ts": thread} if thread else {}
        await self.workspace.act(person, "files.completeUploadExternal", **asked)

    async def upload(self, person: str, channel: str, name: str, content: str, thread: str = "") -> str:
        """Share one file with this text in it; answers the ts of its message."""
        await self.share(person, channel, [await self._uploaded(person, name, content.encode())], thread=thread)
        return max(self.workspace.messages[channel])

    async def _uploaded(self, person: str, name: str, data: bytes) -> str:
        asked = await self.workspace.act(person, "files.getUploadURLExternal", filename=name, length=len(data))
        url = asked["upload_url"].replace(self.workspace.url, self.workspace.inner)
        async with self.workspace.http.post(url, data=data) as answer:
            answer.raise_for_status()
        return str(asked["file_id"])

    async def edit(self, person: str, channel: str, ts: str, text: str) -> None:
        await self.workspace.act(person, "chat.update", channel=channel, ts=ts, text=text)

    async def delete(self, person: str, channel: str, ts: str) -> None:
        await self.workspace.act(person, "chat.delete", channel=channel, ts=ts)

    async def react(self, person: str, channel: str, ts: str, emoji: str) -> None:
        await self.workspace.act(person, "reactions.add", channel=channel, timestamp=ts, name=emoji)

    async def dm(self, person: str) -> str:
        """The conversation in which this person is alone with the app."""
        opened = await self.workspace.act(person, "conversations.open", users=BOT)
        return str(opened["channel"]["id"])

    async def group(self, people: list[str]) -> str:
        """A group DM of these people and the app."""
        users = ",".join([BOT, *(self.workspace.users[name] for name in people[1:])])
        return str((await self.workspace.act(people[0], "conversations.open", users=users))["channel"]["id"])

    async def room(self, name: str, private: bool = False) -> str:
        """A new room with everybody in it."""
        made = await self.workspace.act("alice", "conversations.create", name=name, is_private=private)
        room = str(made["channel"]["id"])
        if private:
            self.workspace.state.private.add(room)
        users = ",".join([BOT, *(id for person, id in self.workspace.users.items() if person != "alice")])
        await self.workspace.act("alice", "conversations.invite", channel=room, users=users)
        self.workspace.rooms[name] = room
        return room

    async def kick(self, channel: str) -> None:
        """Throw the app out of a room."""
        self.workspace.state.outside.add(channel)
        await self.event({"type": "member_left_channel", "user": BOT, "channel": channel, "channel_type": "C"})

    async def archive(self, channel: str) -> None:
        await self.workspace.act("alice", "conversations.archive", channel=channel)
        await self.event({"type": "channel_archive", "channel": channel, "user": self.workspace.users["alice"]})

    async def leave(self, person: str) -> None:
        """Deactivate a person's account."""
        self.workspace.state.left |= {self.workspace.users[person], await self.dm(person)}

    async def revoke(self, error: str = "token_revoked") -> None:
        """Take the app's token away."""
        self.workspace.state.revoked = error
        await self.event({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [BOT]}})

    async def open_home(self, person: str, tab: str = "home") -> None:
        """Look at the app's home, or at its messages."""
        user, channel = self.workspace.users[person], await self.dm(person)
        await self.event({"type": "app_home_opened", "user": user, "channel": channel, "tab": tab})

    async def open_assistant(self, person: str) -> str:
        """Open a thread of the older assistant view; answers its ts."""
        channel = await self.dm(person)
        opened = await self.workspace.act("bot", "chat.postMessage", channel=channel, text="New assistant thread")
        thread = {"user_id": self.workspace.users[person], "channel_id": channel, "thread_ts": opened["ts"]}
        await self.event({"type": "assistant_thread_started", "assistant_thread": {**thread, "context": {}}})
        return str(opened["ts"])

    async def stop(self, person: str, channel: str, thread: str) -> None:
        """Press the stop button under a thread, which ends the streams in it."""
        streams = [ts for ts in self.workspace.state.streams if self.workspace.messages[channel].get(ts)]
        for ts in streams:
            del self.workspace.state.streams[ts]
        place = {"channel": channel, "thread_ts": thread, "user": self.workspace.users[person]}
        await self.event({"type": "agent_session_stopped", **place, "streaming_message_ts": streams})

    async def event(self, event: Json) -> None:
        """Tell the app of anything."""
        stamp = f"{time.time():.6f}"
        await self.tell(
            {
                "type": "event_callback",
                "team_id": TEAM,
                "api_app_id": APP,
                "event_id": f"Ev{secrets.token_hex(5).upper()}",
                "event_time": int(time.time()),
                "event": {"event_ts": stamp, **event},
            }
        )

    async def tell(self, payload: Json) -> None:
        """Tell the app of an event as it is; replaced by whoever delivers."""
        raise NotImplementedError

    async def click(self, person: str, channel: str, ts: str, value: str) -> Json | None:
        """Press the button of a message that has this value or text."""
        message = self.workspace.messages[channel][ts]
        container = {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": False}
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        pressed = _pressed(message.get("blocks", []), value)
        place = {"channel": {"id": channel, "name": "home"}, "message": message, "container": container}
        return await self._interact(person, pressed, **place)

    async def press_home(self, person: str, value: str, number: int = 0) -> Json | None:
        """Press a button on the app's home; the `number`th of those with this value or text."""
        view = self.workspace.state.homes[self.workspace.users[person]]
        pressed = _pressed(view["blocks"], value, number)
        shown = {**view, "id": "V1", "team_id": TEAM, "app_id": APP, "bot_id": "B0STOA"}
        return await self._interact(person, pressed, view=shown, container={"type": "view", "view_id": "V1"})

    async def _interact(self, person: str, pressed: Json, **place: Any) -> Json | None:
        user = {"id": self.workspace.users[person], "username": person, "name": person, "team_id": TEAM}
        payload = {
            "type": "block_actions",
            "user": user,
            "api_app_id": APP,
            "token": "x",
            "trigger_id": f"{time.time_ns()}.1.stand-in",
            "team": {"id": TEAM, "domain": "home"},
            "enterprise": None,
            "is_enterprise_install": False,
            "state": {"values": {}},
            "actions": [{**pressed, "action_ts": f"{time.time():.6f}"}],
            **place,
        }
        return await self.deliveries.tell("interactive", payload)

    async def slash(self, person: str, channel: str, text: str, command: str = "/stoa") -> Json | None:
        """Type a slash command; answers what the app acknowledged it with, which only this person sees."""
        payload = {
            "token": "x",
            "team_id": TEAM,
            "team_domain": "home",
            "channel_id": channel,
            "channel_name": "directmessage" if channel[0] == "D" else "home",
            "user_id": self.workspace.users[person],
            "user_name": person,
            "command": command,
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": f"{self.workspace.url}/actions/{secrets.token_hex(8)}",
            "trigger_id": f"{time.time_ns()}.1.stand-in",
        }
        answer = await self.deliveries.tell("slash_commands", payload)
        if answer and answer.get("text"):
            seen = {"channel": channel, "user": self.workspace.users[person], "text": answer["text"]}
            self.workspace.state.ephemerals.append(seen)
        return answer


def _pressed(blocks: list[Json] | str, value: str, number: int = 0) -> Json:
    """The action of a button; raises `LookupError` when nobody can see such a button."""
    blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
    buttons = [(block, one) for block in blocks for one in block.get("elements", []) if one["type"] == "button"]
    found = [(block, one) for block, one in buttons if value in (one.get("value"), one["text"]["text"])]
    if len(found) <= number:
        raise LookupError(f"there is no button {value!r}, only {[one['text']['text'] for _, one in buttons]}")
    block, button = found[number]
    return {
        "type": "button",
        "block_id": block.get("block_id", "made-up"),
        **{name: button[name] for name in ("action_id", "text", "value", "style") if name in button},
    }
