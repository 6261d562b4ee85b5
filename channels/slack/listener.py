"""Signed HTTP: a server for the app's request URL. Anybody can reach it, so everything about a request is bounded."""

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from channels.contract import Unusable
from channels.slack.events import SlackPayload
from channels.slack.socket import SlackDispatch

MAX_REQUEST_BYTES = 1_000_000
"""The largest body that is read; the longest message Slack sends takes a quarter of it."""
MAX_HELD_BYTES = 16_000_000
"""All bodies together that are being read and whose signature is not known yet."""
MAX_CONNECTIONS = 200
MAX_HEADER_BYTES = 8_190
MAX_HEADERS = 64
MAX_FORM_FIELDS = 100
CONNECTION_SECONDS = 10.0
"""A connection is closed that brings no whole head of a request for so long."""
BODY_SECONDS = 10.0
LINGER_SECONDS = 2.0
"""What is left of a refused request is thrown away for so long, so that the answer is read."""
MAX_AGE_SECONDS = 300.0
"""The oldest request, or the one furthest ahead, that is taken."""
SIGNATURE_SECONDS = 2 * MAX_AGE_SECONDS + 60
"""A signature is good once; it is remembered for as long as its time could be taken."""

_BOUNDS: dict[str, Any] = {
    "access_log": None,
    "logger": logging.getLogger(f"{__name__}.server"),
    "shutdown_timeout": 1.0,
    "keepalive_timeout": CONNECTION_SECONDS,
    "lingering_time": LINGER_SECONDS,
    "max_line_size": MAX_HEADER_BYTES,
    "max_field_size": MAX_HEADER_BYTES,
    "max_headers": MAX_HEADERS,
    "auto_decompress": False,
}


class SignedHTTP:
    """The server of one account."""

    def __init__(self, listen: str, secret: str, dispatch: SlackDispatch) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise Unusable(
                f"The option `listen` is {listen!r}; say where to listen as host:port, such as 0.0.0.0:3000."
            )
        self._host, self._port = host, int(port)
        self._verifier = SignatureVerifier(secret)
        self._dispatch = dispatch
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._held = 0

    async def run(self) -> None:
        """Serve; raises `Unusable` when the port cannot be had."""
        application = web.Application(client_max_size=MAX_REQUEST_BYTES)
        application.add_routes([web.post("/slack/events", self._post)])
        runner = web.AppRunner(application, **_BOUNDS)
        await runner.setup()
        server = runner.server
        assert server

        def connection() -> asyncio.BaseProtocol:
            return server() if len(server.connections) < MAX_CONNECTIONS else _Refusing()

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
        if length is None or length > MAX_REQUEST_BYTES:
            return _closing(411 if length is None else 413)
        if self._held + length > MAX_HELD_BYTES:
            return _closing(503)
        try:
            async with self._holding(length), asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return _closing(408)
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
