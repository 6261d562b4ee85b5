"""A webhook: a server that Telegram calls. Anybody can reach it, so each request is bounded and must know a secret."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from channels.contract import Later, Unusable
from channels.telegram.api import BotAPI, RefusedCall
from channels.telegram.updates import ALLOWED_UPDATES, RawUpdate

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
MAX_UPDATE_BYTES = 1_000_000
MAX_UPDATE_HEADER_BYTES = 16_000
MAX_WAITING_UPDATES = 200
UPDATE_SECONDS = 30.0
"""An update that nobody takes within so long is refused, and Telegram tells it again."""
BODY_SECONDS = 10.0
PARALLEL_UPDATES = 10
"""So many updates Telegram tells at a time: more than one, so that the pieces of a long paste come together."""
MAX_TAKEN_UPDATES = 5_000
"""An update that is told again within so many is not taken again."""

log = logging.getLogger(__name__)


def webhook_secret(token: str) -> str:
    """The secret that Telegram sends with each update: the same in every process, and no way back to the token."""
    return hmac.new(token.encode(), b"stoa webhook", hashlib.sha256).hexdigest()


class Webhook:
    """The updates of one bot, as Telegram tells them."""

    def __init__(self, api: BotAPI, token: str, url: str, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._api, self._url = api, url
        self._host, self._port = host, int(port)
        self._secret = webhook_secret(token)
        self._told: dict[int, tuple[RawUpdate, asyncio.Future[None]]] = {}
        self._taken: OrderedDict[int, None] = OrderedDict()
        self._changed = asyncio.Event()
        self._server: HTTPServer | None = None

    async def open(self) -> None:
        """Serve, and tell Telegram where; raises `Unusable` when the port cannot be had or the address is refused."""
        application = Application([(r".*", UpdateHandler, {"webhook": self})], log_function=lambda _: None)
        self._server = HTTPServer(
            application,
            max_body_size=MAX_UPDATE_BYTES,
            max_buffer_size=MAX_UPDATE_BYTES + MAX_UPDATE_HEADER_BYTES,
            max_header_size=MAX_UPDATE_HEADER_BYTES,
            body_timeout=BODY_SECONDS,
            idle_connection_timeout=BODY_SECONDS,
        )
        try:
            self._server.listen(self._port, self._host)
        except OSError as error:
            raise Unusable(f"Telegram cannot reach us on {self._host}:{self._port}: {error.strerror}.") from None
        await self._set()

    async def _set(self) -> None:
        while True:
            call = self._api.bot.set_webhook(
                self._url,
                secret_token=self._secret,
                allowed_updates=ALLOWED_UPDATES,
                max_connections=PARALLEL_UPDATES,
            )
            try:
                await self._api.ask(call)
                return
            except RefusedCall as error:
                raise Unusable(
                    f"Telegram does not take the webhook {self._url} of {self._api.account}: {error.said}. It has to "
                    "be an HTTPS address that Telegram can reach, on port 443, 80, 88 or 8443."
                ) from None
            except Later as error:
                await asyncio.sleep(error.seconds)
            except OSError as error:
                log.warning("%s cannot tell Telegram of its webhook: %s", self._api.account, error)
                await asyncio.sleep(BODY_SECONDS)

    async def close(self) -> None:
        """Stop serving. The webhook stays: what Telegram cannot tell now it tells to the next who serves."""
        for _, taken in self._told.values():
            taken.cancel()
        self._told.clear()
        if self._server:
            self._server.stop()
            await self._server.close_all_connections()

    def is_forged(self, request_secret: str) -> bool:
        return not hmac.compare_digest(request_secret.encode(), self._secret.encode())

    async def offer(self, update: RawUpdate) -> bool:
        """Offer an update; True once it is taken, False where nobody took it in time."""
        number = int(update["update_id"])
        if number in self._taken:
            return True
        if number not in self._told:
            if len(self._told) >= MAX_WAITING_UPDATES:
                return False
            self._told[number] = update, asyncio.get_running_loop().create_future()
            self._changed.set()
        try:
            async with asyncio.timeout(UPDATE_SECONDS):
                await asyncio.shield(self._told[number][1])
        except TimeoutError:
            return False
        return True

    async def waiting(self, seconds: float) -> list[RawUpdate]:
        """The updates that nobody has taken yet, as soon as there are any; none after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not self._told:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []
        return [self._told[number][0] for number in sorted(self._told)]

    async def confirm(self, updates: Sequence[RawUpdate]) -> None:
        """These are taken, so Telegram is told that we have them."""
        for update in updates:
            number = int(update["update_id"])
            _, taken = self._told.pop(number)
            self._taken[number] = None
            if len(self._taken) > MAX_TAKEN_UPDATES:
                self._taken.popitem(last=False)
            if not taken.done():
                taken.set_result(None)


class UpdateHandler(RequestHandler):
    """One request."""

    def initialize(self, webhook: Webhook) -> None:
        self._webhook = webhook

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    async def post(self) -> None:
        if self._webhook.is_forged(self.request.headers.get(SECRET_HEADER, "")):
            self._finish(401)
        elif (update := _parsed(self.request.body)) is None:
            self._finish(400)
        else:
            self._finish(200 if await self._webhook.offer(update) else 503)

    def _finish(self, status: int) -> None:
        self.set_status(status)
        if status != 200:
            self.set_header("Connection", "close")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error of any kind has no body."""


def _parsed(body: bytes) -> RawUpdate | None:
    try:
        update = json.loads(body)
    except (ValueError, RecursionError):
        return None
    known = isinstance(update, dict) and re.fullmatch(r"\d{1,18}", str(update.get("update_id")))
    return update if known else None
