"""How Slack brings what happened to the app: by socket or by signed HTTP, again and again until it is acknowledged."""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import secrets
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.rigs.slack.workspace import APP, APP_TOKEN, SIGNING_SECRET, Json, Workspace

ATTEMPTS = 12
"""How often an event is told; more often than Slack does, as the stand-in's tries follow at once."""


def signature(timestamp: str, body: str, secret: str = SIGNING_SECRET) -> str:
    """What Slack writes into `X-Slack-Signature`."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()


class Deliveries:
    """The sockets of the app, and what was told through them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.sockets: list[web.WebSocketResponse] = []
        self.patience = 3.0
        """Seconds until an unacknowledged payload is told again."""
        self.http_to = ""
        """The app's request URL, if it has one."""
        self.hold = 0.0
        """Seconds after which an event is lost while the app has no socket; 0 means never."""
        self.log: list[Json] = []
        self.tickets: set[str] = set()
        self.frozen = False
        self._pending: dict[str, tuple[web.WebSocketResponse, asyncio.Future[Json | None]]] = {}
        self._turns = itertools.count()
        self._opened = asyncio.Event()
        self._era = 0

    def ticket(self, bearer: str) -> Json:
        """The answer of `apps.connections.open`."""
        if bearer != APP_TOKEN:
            return {"ok": False, "error": "not_allowed_token_type" if bearer.startswith("xoxb") else "invalid_auth"}
        ticket = secrets.token_hex(8)
        self.tickets.add(ticket)
        url = self.workspace.url.replace("http", "ws", 1)
        return {"ok": True, "url": f"{url}/link/?ticket={ticket}&app_id={APP}"}

    async def link(self, request: web.Request) -> web.StreamResponse:
        """A socket of the app; a ticket is good for one."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=403, text="this ticket is not good, or no longer")
        self.tickets.remove(ticket)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        socket["transport"] = request.transport
        info = {"type": "hello", "num_connections": len(self.sockets) + 1, "connection_info": {"app_id": APP}}
        await socket.send_json(info)
        self.sockets.append(socket)
        self._opened.set()
        await self.workspace.tell()
        try:
            async for message in socket:
                if self.frozen:
                    continue
                if message.type == WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    self._acknowledged(json.loads(message.data))
        finally:
            self.lose(socket)
            await self.workspace.tell()
        return socket

    def _acknowledged(self, frame: Json) -> None:
        _, future = self._pending.get(frame.get("envelope_id", ""), (None, None))
        if future and not future.done():
            future.set_result(frame.get("payload") or {})

    def lose(self, socket: web.WebSocketResponse) -> None:
        """Forget a socket; what was told through it and not acknowledged is told again."""
        if socket in self.sockets:
            self.sockets.remove(socket)
        if not self.sockets:
            self._opened.clear()
        for holder, future in self._pending.values():
            if holder is socket and not future.done():
                future.set_result(None)

    def reset(self) -> None:
        """Give up what is under way, and every socket."""
        self._era += 1
        self.log.clear()
        self.http_to, self.patience, self.frozen, self.hold = "", 3.0, False, 0.0
        self.drop()

    def drop(self) -> int:
        """Tear every connection off, as when a cable is cut."""
        sockets = list(self.sockets)
        for socket in sockets:
            self.lose(socket)
            socket["transport"].abort()
        return len(sockets)

    async def disconnect(self, reason: str) -> None:
        """Say that the sockets will be closed, as Slack does every few hours, and close them."""
        for socket in list(self.sockets):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {}})
            if reason != "warning":
                self.lose(socket)

    async def tell(self, kind: str, payload: Json) -> Json | None:
        """Tell the app, and answer what it acknowledged with, or None if it never did."""
        era, began = self._era, time.time()
        told = payload.get("event", {}).get("type") or payload.get("type") or payload.get("command")
        for attempt in range(ATTEMPTS if kind == "events_api" else 1):
            way: Callable[..., Any] = self._by_http if self.http_to else self._by_socket
            if not self.http_to and not await self._somebody():
                self.log.append({"kind": kind, "type": told, "lost": True, "id": payload.get("event_id", "")})
                return None
            answer: Json | None = await way(kind, payload, attempt)
            if era != self._era:
                return None
            entry = {"kind": kind, "type": told, "attempt": attempt, "acknowledged": answer is not None}
            self.log.append({**entry, "id": payload.get("event_id", ""), "at": began})
            await self.workspace.tell()
            if answer is not None:
                return answer
        return None

    async def _somebody(self) -> bool:
        """Whether the app has a socket, once it has waited for one for as long as Slack would."""
        try:
            async with asyncio.timeout(self.hold or None):
                await self._opened.wait()
        except TimeoutError:
            return False
        return True

    async def _by_socket(self, kind: str, payload: Json, attempt: int) -> Json | None:
        await self._opened.wait()
        envelope = secrets.token_hex(12)
        frame = {"envelope_id": envelope, "payload": payload, "type": kind, "accepts_response_payload": True}
        if kind == "events_api":
            reason = "timeout" if attempt else ""
            frame |= {"accepts_response_payload": False, "retry_attempt": attempt, "retry_reason": reason}
        socket = self.sockets[next(self._turns) % len(self.sockets)]
        future: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._pending[envelope] = socket, future
        try:
            async with asyncio.timeout(self.patience):
                await socket.send_json(frame)
                return await future
        except (TimeoutError, ConnectionError):
            return None
        finally:
            del self._pending[envelope]

    async def _by_http(self, kind: str, payload: Json, attempt: int) -> Json | None:
        if kind == "events_api":
            body, media_type = json.dumps(payload), "application/json"
        else:
            form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
            body, media_type = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        stamp = str(int(time.time()))
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(stamp, body)}
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        limit = aiohttp.ClientTimeout(total=self.patience)
        request: Json = {"data": body, "headers": headers | {"Content-Type": media_type}, "timeout": limit}
        with contextlib.suppress(TimeoutError, aiohttp.ClientError):
            async with self.workspace.http.post(self.http_to, **request) as answer:
                if answer.status == 200:
                    text = await answer.text()
                    is_json = answer.content_type == "application/json" and text
                    said: Json = json.loads(text) if is_json else {"text": text} if text else {}
                    return said
        await asyncio.sleep(0.05)
        return None
