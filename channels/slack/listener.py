"""Signed HTTP: a server for the app's request URL. Anybody can reach it, so everything about a request is bounded."""

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from channels.contract import Unusable
from channels.slack.events import SlackPayload
from channels.slack.socket import SlackDispatch

MAX_FORM_FIELDS = 100
MAX_AGE_SECONDS = 300.0
"""The oldest request, or the one furthest ahead, that is taken."""
SIGNATURE_SECONDS = 2 * MAX_AGE_SECONDS + 60
"""A signature is good once; it is remembered for as long as its time could be taken."""


@dataclass(frozen=True, slots=True)
class ListenerBounds:
    """The most that the server spends on those who call it."""

    connections: int = 200
    connection_seconds: float = 10.0
    """A connection is closed that brings no whole head of a request for so long."""
    body_seconds: float = 10.0
    linger_seconds: float = 2.0
    """The rest of a refused request is thrown away for so long, so that the answer is read."""
    header_bytes: int = 8_190
    headers: int = 64
    request_bytes: int = 1_000_000
    """Per body; the longest message that Slack sends takes a quarter of it."""
    held_bytes: int = 16_000_000
    """All bodies together whose signature is not known yet."""

    def of_server(self) -> dict[str, Any]:
        """The bounds that aiohttp keeps itself."""
        return {
            "access_log": None,
            "logger": logging.getLogger(f"{__name__}.server"),
            "shutdown_timeout": 1.0,
            "keepalive_timeout": self.connection_seconds,
            "lingering_time": self.linger_seconds,
            "max_line_size": self.header_bytes,
            "max_field_size": self.header_bytes,
            "max_headers": self.headers,
            "auto_decompress": False,
        }


class SignedHTTP:
    """The server of one account."""

    def __init__(
        self, listen: str, secret: str, dispatch: SlackDispatch, bounds: ListenerBounds = ListenerBounds()
    ) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise Unusable(
                f"The option `listen` is {listen!r}; say where to listen as host:port, such as 0.0.0.0:3000."
            )
        self._host, self._port = host, int(port)
        self._verifier = SignatureVerifier(secret)
        self._dispatch = dispatch
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._bounds = bounds
        self._held = 0

    async def run(self) -> None:
        """Serve; raises `Unusable` when the port cannot be had."""
        application = web.Application(client_max_size=self._bounds.request_bytes)
        application.add_routes([web.post("/slack/events", self._post)])
        runner = web.AppRunner(application, **self._bounds.of_server())
        await runner.setup()
        server = runner.server
        assert server

        def connection() -> asyncio.BaseProtocol:
            return server() if len(server.connections) < self._bounds.connections else _Refusing()

        try:
            listening = await asyncio.get_running_loop().create_server(connection, self._host, self._port)
            async with listening:
                await asyncio.Event().wait()
        except OSError as error:
            raise Unusable(f"Slack cannot reach us on {self._host}:{self._port}: {error.strerror}.") from None
        finally:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        """Take one request. All that can be known without its body is checked before any of it is read."""
        stamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        length = request.content_length
        if not self._plausible(stamp, signature) or "Content-Encoding" in request.headers:
            return _closing(401)
        if length is None or length > self._bounds.request_bytes:
            return _closing(411 if length is None else 413)
        if self._held + length > self._bounds.held_bytes:
            return _closing(503)
        try:
            async with self._holding(length), asyncio.timeout(self._bounds.body_seconds):
                body = await request.read()
        except TimeoutError:
            return _closing(408)
        except (ConnectionError, web.RequestPayloadError):  # it left, or broke off
            return _closing(400)
        if not self._signed(body, stamp, signature):
            return _closing(401)
        payload = parsed(body, request.content_type)
        if payload is None:
            return web.Response(status=400)
        answer = await self._answered(payload)
        if answer.status == 200:
            self._remember(signature)
        return answer

    def _plausible(self, stamp: str, signature: str) -> bool:
        if not re.fullmatch(r"[0-9]{1,12}", stamp) or not re.fullmatch(r"v0=[0-9a-f]{64}", signature):
            return False
        return abs(time.time() - int(stamp)) <= MAX_AGE_SECONDS and signature not in self._seen

    def _signed(self, body: bytes, stamp: str, signature: str) -> bool:
        try:
            return self._verifier.is_valid(body, stamp, signature)
        except UnicodeDecodeError:  # Slack sends text
            return False

    @asynccontextmanager
    async def _holding(self, length: int) -> AsyncIterator[None]:
        self._held += length
        try:
            yield
        finally:
            self._held -= length

    async def _answered(self, payload: SlackPayload) -> web.Response:
        if payload.get("type") == "url_verification":
            return web.json_response({"challenge": str(payload.get("challenge") or "")})
        if payload.get("ssl_check"):
            return web.Response()
        taken, said = await self._dispatch(payload)
        if not taken:
            return web.Response(status=503)
        return web.json_response(said) if said else web.Response()

    def _remember(self, signature: str) -> None:
        now = time.monotonic()
        self._seen[signature] = now
        while next(iter(self._seen.values())) < now - SIGNATURE_SECONDS:
            self._seen.popitem(last=False)


def parsed(body: bytes, media_type: str) -> SlackPayload | None:
    """The payload that a signed body holds: JSON, or a form, perhaps with JSON in it; None for anything else."""
    try:
        payload: Any = (
            dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
            if media_type == "application/x-www-form-urlencoded"
            else json.loads(body)
        )
        if isinstance(payload, dict) and isinstance(payload.get("payload"), str):
            payload = json.loads(payload["payload"])
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _closing(status: int) -> web.Response:
    """An answer after which the connection is closed, with whatever of the body was not read."""
    return web.Response(status=status, headers={"Connection": "close"})


class _Refusing(asyncio.Protocol):
    """A connection beyond those that are served."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
