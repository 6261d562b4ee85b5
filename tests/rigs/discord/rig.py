"""The stand-in with a server, three people and the bot, and everything people can do there."""

import asyncio
import fnmatch
import io
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from simcord import interactions
from simcord._clock import Clock
from simcord.backend import Backend, serializers
from simcord.backend.cdn import CDN_BASE
from simcord.backend.errors import BackendError
from simcord.components import walk_components
from simcord.enums import ChannelType
from simcord.http import router

from channels.accounts import Account
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets
from tests.rigs.discord.gateway import Gateway, Json

TOKEN = "stand-in.discord.token"
PEOPLE = ("alice", "bob", "carol")
MESSAGE_CONTENT_FLAG = 1 << 19


@dataclass
class Fault:
    """Calls that fail: `taken` ones after they were carried out."""

    method: str
    path: str
    status: int
    times: int = 1
    taken: bool = False
    retry_after: float = 0.0
    code: int = 0


@dataclass
class Called:
    method: str
    path: str
    body: Any = None
    at: float = field(default_factory=time.monotonic)


class WallClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)


class DiscordRig:
    """Discord, for one bot in one server."""

    def __init__(self) -> None:
        self.backend = Backend(clock=WallClock())
        self.gateway = Gateway(self.backend, self._written)
        self.gateway.token = TOKEN
        self.faults: list[Fault] = []
        self.called: list[Called] = []
        self.users = {name: self.backend.make_user(name, global_name=name.title()).id for name in PEOPLE}
        self.guild = self.backend.create_guild("Home")
        for user in (*self.users.values(), self.backend.bot_user.id):
            if user not in self.guild.members:
                self.backend.add_member(self.guild.id, user)
        self._nonces: dict[str, Any] = {}

    async def __aenter__(self) -> "DiscordRig":
        app = web.Application(client_max_size=200_000_000)
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_get("/cdn/{path:.*}", self._cdn)
        app.router.add_route("*", "/api/v10/{path:.*}", self._call)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}"
        self.gateway.url = f"ws://127.0.0.1:{port}/gateway/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gateway.drop()
        await self._runner.cleanup()

    # The bot that is tested -------------------------------------------------------------------------------------------

    def account(self, id: str = "discord", **options: str) -> Account:
        return Account(id=id, platform="discord", options={"api_url": f"{self.url}/api/v10", **options})

    def environment(self, id: str = "discord") -> dict[str, str]:
        return {SECRET_VARIABLE_PREFIX + self.account(id).secret("BOT_TOKEN"): TOKEN}

    def secrets(self, id: str = "discord") -> Secrets:
        return Secrets(self.environment(id))

    @property
    def mention(self) -> str:
        return f"<@{self.backend.bot_user.id}>"

    def sender(self, person: str) -> str:
        return str(self.users[person])

    async def connected(self, sessions: int = 1) -> None:
        """Wait until the bot has so many times begun a session."""
        async with asyncio.timeout(20):
            while self.gateway.identified < sessions:
                await asyncio.sleep(0.005)

    # Discord's own part -----------------------------------------------------------------------------------------------

    def _written(self, value: Any) -> str:
        return json.dumps(value, default=str).replace(CDN_BASE, f"{self.url}/cdn")

    async def _cdn(self, request: web.Request) -> web.Response:
        data = self.backend.cdn.get(f"{CDN_BASE}/{request.match_info['path']}")
        return web.Response(body=data) if data is not None else web.Response(status=404)

    def _answer(self, value: Any, status: int = 200, **headers: str) -> web.Response:
        if value is None:
            return web.Response(status=204, headers=headers)
        body = self._written(value).encode()
        # discord.py wants exactly this content type
        return web.Response(body=body, status=status, headers={"Content-Type": "application/json", **headers})

    async def _call(self, request: web.Request) -> web.Response:
        path, method = f"/{request.match_info['path']}", request.method
        hooked = path.startswith(("/interactions/", "/webhooks/"))
        if not hooked and request.headers.get("Authorization") != f"Bot {self.gateway.token}":
            return self._answer({"message": "401: Unauthorized", "code": 0}, 401)
        body, files = await _read(request)
        self.called.append(Called(method, path, body))
        fault = next((one for one in self.faults if one.method == method and fnmatch.fnmatch(path, one.path)), None)
        if fault:
            fault.times -= 1
            if fault.times == 0:
                self.faults.remove(fault)
            if fault.taken:
                self._carry_out(method, path, body, files, dict(request.query))
            told = {"message": "the stand-in was told to fail", "code": fault.code, "retry_after": fault.retry_after}
            return self._answer(told, fault.status, Via="stand-in")
        return self._carry_out(method, path, body, files, dict(request.query))

    def _carry_out(self, method: str, path: str, body: Any, files: list[Any], query: dict[str, str]) -> web.Response:
        if path == "/gateway/bot":
            limits = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
            return self._answer({"url": self.gateway.url, "shards": 1, "session_start_limit": limits})
        nonce = body.get("nonce") if isinstance(body, dict) and body.get("enforce_nonce") else None
        if nonce in self._nonces:
            return self._answer(self._nonces[nonce])
        try:
            answer = router.dispatch(self.backend, method, path, json=body, params=query, files=files)
        except BackendError as error:
            return self._answer(error.to_json(), error.status)
        if path == "/oauth2/applications/@me":
            answer = {**answer, "flags": MESSAGE_CONTENT_FLAG if self.gateway.content_allowed else 0}
        if nonce:
            self._nonces[nonce] = answer
        return self._answer(answer)

    def calls(self, method: str, path: str) -> list[Called]:
        return [one for one in self.called if one.method == method and fnmatch.fnmatch(one.path, path)]

    # What people do ---------------------------------------------------------------------------------------------------

    def dm(self, person: str) -> str:
        return str(self.backend.get_dm_channel(self.users[person]).id)

    def room(self, name: str, **given: Any) -> str:
        return str(self.backend.create_channel(self.guild.id, name, **given).id)

    def thread(self, room: str, name: str, person: str = "alice") -> str:
        return str(self.backend.create_thread(int(room), name, self.users[person]).id)

    def forum_post(self, person: str, name: str, text: str) -> tuple[str, str]:
        """A post in a new forum; answers the forum and the post."""
        forum = self.backend.create_channel(self.guild.id, f"{name}-forum", type=ChannelType.FORUM)
        post = self.backend.create_thread(forum.id, name, self.users[person])
        self.say(person, str(post.id), text)
        return str(forum.id), str(post.id)

    def say(self, person: str, channel: str, text: str, reply_to: str = "", **given: Any) -> str:
        """Write a message; answers its id."""
        reference = None
        if reply_to:
            wanted = {"channel_id": channel, "message_id": reply_to}
            reference = self.backend.normalize_message_reference(int(channel), wanted)
        files = self.backend.store_attachments(int(channel), given.pop("files", ()))
        said = self.backend.create_message(
            int(channel), self.users[person], text, reference=reference, attachments=files, **given
        )
        return str(said.id)

    def repeat(self, channel: str, message: str) -> None:
        """Tell of a message once more."""
        stored = self.backend.get_message(int(channel), int(message))
        payload = dict(serializers.message_payload(self.backend, stored))
        self.gateway.tell("MESSAGE_CREATE", payload)

    def edit(self, channel: str, message: str, text: str) -> None:
        self.backend.edit_message(int(channel), int(message), {"content": text})

    def delete(self, channel: str, message: str) -> None:
        self.backend.delete_message(int(channel), int(message))

    def react(self, person: str, channel: str, message: str, emoji: str) -> None:
        self.backend.set_reaction(int(channel), int(message), emoji, self.users[person], True)

    def press(self, person: str, channel: str, message: str, label: str) -> str:
        """Press a button; answers the id of the interaction."""
        stored = self.backend.get_message(int(channel), int(message))
        buttons = [one for one in walk_components(stored.components) if one.get("type") == 2]
        button = next(one for one in buttons if one["label"] == label)
        data = {"custom_id": button["custom_id"], "component_type": 2}
        extra = {"message": dict(serializers.message_payload(self.backend, stored))}
        return self._interact(person, channel, 3, data, extra, stored.id)

    def slash(self, person: str, channel: str, name: str, **options: str) -> str:
        """Use a command; answers the id of the interaction."""
        command = self.backend.commands[None][name, 1]
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        return self._interact(
            person, channel, 2, {"id": command["id"], "name": name, "type": 1, "options": given}, {}, 0
        )

    def on_message(self, person: str, channel: str, name: str, message: str) -> str:
        """Use a command of a message's menu; answers the id of the interaction."""
        command = self.backend.commands[None][name, 3]
        stored = dict(serializers.message_payload(self.backend, self.backend.get_message(int(channel), int(message))))
        data = {"id": command["id"], "name": name, "type": 3, "target_id": message}
        return self._interact(person, channel, 2, {**data, "resolved": {"messages": {message: stored}}}, {}, 0)

    def submit(self, person: str, channel: str, interaction: str, text: str) -> str:
        """Fill the modal that answered an interaction; answers the id of the new one."""
        shown = self.backend.interactions[int(interaction)].modal
        assert shown is not None
        field = next(one for one in walk_components(shown["components"]) if one.get("type") == 4)
        filled = {"type": 1, "components": [{"type": 4, "custom_id": field["custom_id"], "value": text}]}
        source = self.backend.interactions[int(interaction)].source_message_id
        extra = {}
        if source:
            stored = self.backend.get_message(int(channel), source)
            extra = {"message": dict(serializers.message_payload(self.backend, stored))}
        data = {"custom_id": shown["custom_id"], "components": [filled]}
        return self._interact(person, channel, 5, data, extra, source or 0)

    def _interact(self, person: str, channel: str, type: int, data: Json, extra: Json, source: int) -> str:
        guild = self.backend.get_channel(int(channel)).guild_id
        record, payload = interactions.base_payload(
            self.backend,
            type=type,
            channel_id=int(channel),
            guild_id=guild,
            user_id=self.users[person],
            data=data,
        )
        if source:
            record.source_message_id = source
        self.backend.emit("INTERACTION_CREATE", {**payload, **extra})
        return str(record.id)

    # What people see --------------------------------------------------------------------------------------------------

    def messages(self, channel: str) -> list[Any]:
        return sorted(self.backend.messages[int(channel)].values(), key=lambda one: one.id)

    def ours(self, channel: str) -> list[Any]:
        return [one for one in self.messages(channel) if one.author_id == self.backend.bot_user.id]

    def texts(self, channel: str) -> list[str]:
        return [one.content or "" for one in self.ours(channel)]


async def _read(request: web.Request) -> tuple[Any, list[Any]]:
    """The JSON of a call and its files."""
    if not request.content_type.startswith("multipart/"):
        text = await request.text()
        return (json.loads(text) if text else None), []
    body, files = None, []
    async for part in await request.multipart():
        data = await part.read()  # type: ignore[union-attr]
        if part.name == "payload_json":  # type: ignore[union-attr]
            body = json.loads(data)
        else:
            name = part.filename  # type: ignore[union-attr]
            files.append(SimpleNamespace(fp=io.BytesIO(bytes(data)), filename=name, description=None))
    return body, files
