"""The stand-in's gateway: sessions that identify, beat, lose their socket, and resume or cannot."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import discord
from aiohttp import WSMsgType, web
from simcord import intents as gating
from simcord.backend import Backend, serializers

Json = dict[str, Any]
HEARTBEAT_MILLISECONDS = 41_250
CLOSE_BAD_TOKEN, CLOSE_DISALLOWED_INTENTS = 4004, 4014
MESSAGE_CONTENT_INTENT = discord.Intents(message_content=True).value


class Session:
    """One session of the bot's, with everything it was told, so that it can resume."""

    def __init__(self, id: str, intents: int) -> None:
        self.id = id
        self.intents = discord.Intents._from_value(intents)
        self.told: list[Json] = []
        self.socket: web.WebSocketResponse | None = None


class Gateway:
    """Sessions by their ids; an event goes to each that wants it, and is kept for those without a socket."""

    def __init__(self, backend: Backend, written: Callable[[Json], str]) -> None:
        self._backend = backend
        self._written = written
        self.sessions: dict[str, Session] = {}
        self.identified = self.resumed = 0
        self.token = ""
        self.url = ""
        self.content_allowed = True
        self.closed = False
        """True while nobody is let in."""
        self.deaf = False
        """True while events are told to nobody."""
        backend.subscribers.append(self.tell)

    def tell(self, event: str, payload: Mapping[str, Any], again: bool = False) -> None:
        for session in () if self.deaf else self.sessions.values():
            needed = gating.required_intent(event, payload)
            if needed is not None and not getattr(session.intents, needed):
                continue
            shown = copy.deepcopy(dict(payload))
            if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and not session.intents.message_content:
                gating.censor_message(shown, self._backend.bot_user.id, backend=self._backend)
            for _ in range(2 if again else 1):
                self._send(session, event, shown)

    def _send(self, session: Session, event: str, payload: Json) -> None:
        session.told.append({"op": 0, "t": event, "s": len(session.told) + 1, "d": payload})
        if session.socket is not None and not session.socket.closed:
            self._push(session.socket, session.told[-1])

    def _push(self, socket: web.WebSocketResponse, packet: Json) -> None:
        writer = socket._writer
        if writer is not None and writer.transport is not None and not writer.transport.is_closing():
            text = self._written(packet).encode()
            head = bytes([0x81]) + (
                bytes([len(text)])
                if len(text) < 126
                else bytes([126]) + len(text).to_bytes(2, "big")
                if len(text) < 65_536
                else bytes([127]) + len(text).to_bytes(8, "big")
            )
            writer.transport.write(head + text)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        if self.closed:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._push(socket, {"op": 10, "s": None, "t": None, "d": {"heartbeat_interval": HEARTBEAT_MILLISECONDS}})
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            packet = json.loads(message.data)
            match packet["op"]:
                case 1:
                    self._push(socket, {"op": 11, "s": None, "t": None, "d": None})
                case 2:
                    await self._identify(socket, packet["d"])
                case 6:
                    self._resume(socket, packet["d"])
        return socket

    async def _identify(self, socket: web.WebSocketResponse, asked: Json) -> None:
        if asked["token"] != self.token:
            await socket.close(code=CLOSE_BAD_TOKEN)
            return
        if asked["intents"] & MESSAGE_CONTENT_INTENT and not self.content_allowed:
            await socket.close(code=CLOSE_DISALLOWED_INTENTS)
            return
        self.identified += 1
        self.sessions.clear()
        session = self.sessions[f"s{self.identified}"] = Session(f"s{self.identified}", asked["intents"])
        session.socket = socket
        guilds = list(self._backend.guilds.values())
        ready = {
            "v": 10,
            "user": dict(serializers.user_payload(self._backend.bot_user)),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": asked.get("shard", [0, 1]),
            "application": {"id": str(self._backend.application_id), "flags": 0},
        }
        self._send(session, "READY", ready)
        for guild in guilds:
            told = copy.deepcopy(dict(serializers.guild_create_payload(self._backend, guild)))
            gating.prune_guild_create(told, session.intents, self._backend.bot_user.id)
            self._send(session, "GUILD_CREATE", told)

    def _resume(self, socket: web.WebSocketResponse, asked: Json) -> None:
        session = self.sessions.get(asked["session_id"])
        if session is None or asked["token"] != self.token:
            self._push(socket, {"op": 9, "s": None, "t": None, "d": False})
            return
        session.socket = socket
        for packet in session.told[asked["seq"] :]:
            self._push(socket, packet)
        self.resumed += 1
        self._send(session, "RESUMED", {})

    def drop(self) -> None:
        """Tear off every socket; sessions can resume."""
        for session in self.sessions.values():
            if session.socket is not None and session.socket._writer is not None:
                transport = session.socket._writer.transport
                if transport is not None:
                    transport.abort()

    def forget(self) -> None:
        """Lose every session, so that none can resume."""
        self.drop()
        self.sessions.clear()
