"""Socket Mode: a socket that we open to Slack.

It is kept here, on aiohttp, as slack-sdk's own goes on trying with a ticket that is used up and with a token that is no
longer good, and writes tickets into logs.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp

from channels.contract import Later, Undeliverable, Unusable
from channels.slack.api import WebAPI, account_error
from channels.slack.events import SlackPayload

PING_SECONDS = 1.0
"""A socket that does not answer a ping within half of that is dead."""
SOCKET_PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Pauses before each attempt to connect; the last one is repeated."""
STEADY_SECONDS = 5.0
"""After a connection that held for so long the next one is made at once."""
SOCKET_CONNECT_SECONDS = 10.0
MAX_FRAME_BYTES = 16_000_000

SlackDispatch = Callable[[SlackPayload], Awaitable[tuple[bool, Any]]]
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
            await asyncio.sleep(SOCKET_PAUSES_SECONDS[min(self._attempt, len(SOCKET_PAUSES_SECONDS) - 1)])
            self._attempt += 1
            try:
                async with asyncio.timeout(SOCKET_CONNECT_SECONDS):
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
        good, said = await self._dispatch(frame.get("payload") or {})
        if good:
            answer = {"envelope_id": frame["envelope_id"]} | ({"payload": said} if said else {})
            with suppress(ConnectionError, aiohttp.ClientError):  # told again then
                await socket.send_str(json.dumps(answer))
