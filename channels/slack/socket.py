"""The two ways in which Slack reaches us: Socket Mode, where we call, and signed HTTP, where it calls.

The socket is kept here, on aiohttp, as slack-sdk's own goes on trying with a ticket that is used up and with a token
that is no longer good, and writes tickets into logs.
"""

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from channels.contract import Later, Undeliverable, Unusable
from channels.slack.api import WebAPI, account_error

PING_SECONDS = 1.0
"""Seconds between two pings; a socket that does not answer one within half of that is dead."""
RECONNECT_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before each attempt to connect, the last of them from then on."""
STEADY_SECONDS = 5.0
"""Seconds after which a connection counts as a good one, after which the next is made at once."""
CONNECT_SECONDS = 10.0
"""Seconds until an attempt to connect is given up."""
MAX_FRAME_BYTES = 16_000_000
"""The largest payload that is read from a socket, in bytes."""
MAX_REQUEST_BYTES = 4_000_000
"""The same of a request, which anybody may send."""
SIGNATURE_SECONDS = 660.0
"""Seconds for which a signature is remembered; each is good once, for five minutes before or after its time."""

SlackPayload = dict[str, Any]
SlackDispatch = Callable[[SlackPayload, Mapping[str, str]], Awaitable[tuple[bool, Any]]]
"""Takes a payload in; answers whether it may be acknowledged, and with what."""

log = logging.getLogger(__name__)


class Socket:
    """Socket Mode: one socket, made anew whenever it breaks."""

    def __init__(
        self,
        api: WebAPI,
        session: aiohttp.ClientSession,
        token: str,
        dispatch: SlackDispatch,
        back: Callable[[float], None],
        since: float,
    ) -> None:
        """`back` is told for how many seconds nothing was heard, when a connection is made: at first from `since` on,
        a moment of the monotonic clock."""
        self._api = api
        self._session = session
        self._token = token
        self._dispatch = dispatch
        self._back = back
        self._attempt = 0
        self._lost = since

    async def run(self) -> None:
        """Stay connected; raises `Unusable` when Slack does not let us in any more."""
        while True:
            await asyncio.sleep(RECONNECT_SECONDS[min(self._attempt, len(RECONNECT_SECONDS) - 1)])
            self._attempt += 1
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    url = await self._url()
                    socket = await self._session.ws_connect(url, heartbeat=PING_SECONDS, max_msg_size=MAX_FRAME_BYTES)
                began = time.monotonic()
                try:
                    async with socket:
                        await self._serve(socket)
                finally:
                    self._lost = time.monotonic()
                    self._attempt = 0 if self._lost - began > STEADY_SECONDS else self._attempt
            except Later as error:
                await asyncio.sleep(error.seconds)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                log.warning("%s is not connected to Slack: %s", self._api.account, type(error).__name__)

    async def _url(self) -> str:
        try:
            answer = await self._api.ask(self._api.client.apps_connections_open(app_token=self._token))
        except Undeliverable as error:
            raise Unusable(f"{self._api.account} cannot be connected to Slack with its app token. {error}") from None
        return str(answer["url"])

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take what comes until the socket ends. What is not acknowledged by then Slack tells again."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            async for message in socket:
                if message.type != aiohttp.WSMsgType.TEXT:
                    continue
                frame = json.loads(message.data)
                if frame.get("type") == "hello":
                    log.info("%s is connected to Slack", self._api.account)
                    self._back(time.monotonic() - self._lost)
                elif frame.get("type") == "disconnect":
                    if frame.get("reason") == "link_disabled":
                        raise account_error(self._api.account, "link_disabled")
                    if frame.get("reason") != "warning":
                        return
                elif frame.get("envelope_id"):
                    task = asyncio.ensure_future(self._answer(socket, frame))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse, frame: SlackPayload) -> None:
        headers = {}
        if frame.get("retry_attempt"):
            headers = {"x-slack-retry-num": str(frame["retry_attempt"])}
        good, said = await self._dispatch(frame.get("payload") or {}, headers)
        if good:
            answer = {"envelope_id": frame["envelope_id"]} | ({"payload": said} if said else {})
            with suppress(ConnectionError, aiohttp.ClientError):  # told again then
                await socket.send_str(json.dumps(answer))


class SignedHTTP:
    """Signed HTTP: a server of our own for the app's request URL."""

    def __init__(self, listen: str, secret: str, dispatch: Callable[[web.Request], Awaitable[web.Response]]) -> None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise Unusable(
                f"The option `listen` is {listen!r}; say where to listen as host:port, such as 0.0.0.0:3000."
            )
        self._host, self._port = host, int(port)
        self._verifier = SignatureVerifier(secret)
        self._dispatch = dispatch
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def run(self) -> None:
        """Serve; raises `Unusable` when the port cannot be had."""
        application = web.Application(client_max_size=MAX_REQUEST_BYTES)
        application.add_routes([web.post("/slack/events", self._post)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            await asyncio.Event().wait()
        except OSError as error:
            raise Unusable(f"Slack cannot reach us on {self._host}:{self._port}: {error.strerror}.") from None
        finally:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        """Refuse what is not signed as Slack signs, or comes a second time, before anything else reads it."""
        stamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        shaped = re.fullmatch(r"[0-9]{1,12}", stamp) and re.fullmatch(r"v0=[0-9a-f]{64}", signature)
        if not shaped or signature in self._seen or not self._signed(await request.read(), stamp, signature):
            return web.Response(status=401)
        answer = await self._dispatch(request)
        if answer.status == 200:
            now = time.monotonic()
            self._seen[signature] = now
            while next(iter(self._seen.values())) < now - SIGNATURE_SECONDS:
                self._seen.popitem(last=False)
        return answer

    def _signed(self, body: bytes, stamp: str, signature: str) -> bool:
        try:
            return self._verifier.is_valid(body, stamp, signature)
        except UnicodeDecodeError:  # Slack sends text
            return False
