"""A stand-in for Telegram's Bot API, at the HTTP boundary: polling and webhooks, topics, files, reactions, 409 and 429.

Unknown methods and parameters are refused, as recorded in methods.json; a soak test holds that record, and all that is
said here, against aiogram's models.
"""

import asyncio
import itertools
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.rigs.telegram.markup import UnreadableHTML, read_html, utf16

Json = dict[str, Any]
METHODS = json.loads((Path(__file__).parent / "methods.json").read_text("utf-8"))
BY_NAME = {name.lower(): (name, known) for name, known in METHODS.items()}
NOT_SENT_UNASKED = {"message_reaction", "message_reaction_count", "chat_member"}
REDELIVERY_SECONDS = 0.1
MAX_FILE_BYTES = 20_000_000
REACTION_EMOJI = set("👍👎❤🔥🎉👏😁🤔🤯😱😢🙏👌🤝👀💯⚡🏆")


class Refusal(Exception):
    """An answer that is not ok."""

    def __init__(self, code: int, text: str, **parameters: Any) -> None:
        super().__init__(text)
        self.code, self.text, self.parameters = code, text, parameters


@dataclass
class Chat:
    """A chat as everybody sees it, and what stands in it."""

    shown: Json
    topics: dict[int, str] = field(default_factory=dict)
    messages: dict[int, Json] = field(default_factory=dict)
    reactions: dict[int, dict[int, list[Json]]] = field(default_factory=dict)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    refusal: str = ""
    """The reason why the bot may not write here any more."""


@dataclass
class Fault:
    """An answer to the next calls of a method."""

    method: str
    code: int
    text: str
    count: int = 1
    after: int = 0
    late: bool = False
    """True for a call that is carried out before it fails."""


class Bot:
    """The one bot, and what waits for it."""

    def __init__(self) -> None:
        self.id = 700_000_001
        self.token = f"{self.id}:{secrets.token_urlsafe(26)[:35]}"
        self.username = "stoa_test_bot"
        self.reads_all = False
        self.revoked = False
        self.queue: list[Json] = []
        self.hook: Json = {}
        self.allowed: list[str] = []
        self.commands: dict[str, list[Json]] = {}
        self.changed = asyncio.Event()
        self.poller: asyncio.Event | None = None

    @property
    def shown(self) -> Json:
        return {"id": self.id, "is_bot": True, "first_name": "Stoa", "username": self.username}


class BotServer:
    """The server of the Bot API."""

    def __init__(self) -> None:
        self.bot = Bot()
        self.users: dict[str, Json] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, tuple[bytes, str, str]] = {}
        self.presses: dict[str, Json | None] = {}
        self.faults: list[Fault] = []
        self.calls: list[tuple[str, Json]] = []
        self.log: list[Json] = []
        """What was asked, answered and told, to be checked by aiogram."""
        self.missing: set[str] = set()
        """Methods that this server is too old for."""
        self.forgets_acknowledgements = False
        self._updates = itertools.count(1_000)
        self._changed = asyncio.Condition()
        self.url = ""

    # The Bot API ------------------------------------------------------------------------------------------------------

    async def call(self, request: web.Request) -> web.Response:
        """One call of a method."""
        name = request.match_info["method"].lower()
        try:
            if request.match_info["token"] != self.bot.token or self.bot.revoked:
                raise Refusal(401, "Unauthorized")
            if name not in BY_NAME or name in {one.lower() for one in self.missing}:
                raise Refusal(404, "Not Found")
            given, uploads = await _given(request)
            method, known = BY_NAME[name]
            self._check(known, given)
            self.log.append({"kind": "call", "method": method, "body": _without_uploads(given, uploads)})
            self.calls.append((method, given))
            fault = self._fault(method)
            if fault and not fault.late:
                self._raise(fault)
            answer = await getattr(self, f"do_{name}")(given, uploads)
            self.log.append({"kind": "answer", "method": method, "body": answer})
            if fault:
                self._raise(fault)
            return web.json_response({"ok": True, "result": answer})
        except Refusal as error:
            said: Json = {"ok": False, "error_code": error.code, "description": error.text}
            said |= {"parameters": error.parameters} if error.parameters else {}
            return web.json_response(said, status=error.code)
        finally:
            await self.tell()

    def _check(self, known: Json, given: Json) -> None:
        if unknown := set(given) - set(known["parameters"]):
            raise Refusal(400, f"Bad Request: unknown parameters {sorted(unknown)}")
        if missing := set(known["required"]) - set(given):
            raise Refusal(400, f"Bad Request: parameters {sorted(missing)} are required")

    def _fault(self, method: str) -> Fault | None:
        fault = next((one for one in self.faults if one.count > 0 and one.method == method), None)
        if fault:
            fault.count -= 1
        return fault

    def _raise(self, fault: Fault) -> None:
        if fault.code == 429:
            raise Refusal(429, f"Too Many Requests: retry after {fault.after}", retry_after=fault.after)
        raise Refusal(fault.code, fault.text)

    async def tell(self) -> None:
        """Let those look again who wait for something to happen."""
        async with self._changed:
            self._changed.notify_all()

    async def until(self, looked: "Any", seconds: float = 20) -> Any:
        """The first true answer of `looked`, asked whenever something happened."""
        async with asyncio.timeout(seconds), self._changed:
            while not (found := looked()):
                await self._changed.wait()
        return found

    async def do_getme(self, given: Json, uploads: Json) -> Json:
        can = {"can_join_groups": True, "can_read_all_group_messages": self.bot.reads_all}
        return {**self.bot.shown, **can, "supports_inline_queries": False}

    async def do_getupdates(self, given: Json, uploads: Json) -> list[Json]:
        bot = self.bot
        if bot.hook:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
        if "allowed_updates" in given:
            bot.allowed = given["allowed_updates"]
        if bot.poller:
            bot.poller.set()
        mine = bot.poller = asyncio.Event()
        if int(given.get("offset") or 0) > 0:
            bot.queue[:] = [one for one in bot.queue if one["update_id"] >= int(given["offset"])]
        end = time.monotonic() + int(given.get("timeout") or 0)
        await self.tell()
        while not bot.queue and time.monotonic() < end and not mine.is_set():
            bot.changed.clear()
            waits = [asyncio.ensure_future(one.wait()) for one in (bot.changed, mine)]
            try:
                await asyncio.wait(waits, timeout=end - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waits:
                    one.cancel()
        if mine.is_set():
            raise Refusal(
                409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
            )
        bot.poller = None
        return bot.queue[: int(given.get("limit") or 100)]

    async def do_setwebhook(self, given: Json, uploads: Json) -> bool:
        if self.bot.poller:
            self.bot.poller.set()
        self.bot.hook = dict(given)
        self.bot.allowed = given.get("allowed_updates") or []
        return True

    async def do_deletewebhook(self, given: Json, uploads: Json) -> bool:
        self.bot.hook = {}
        if given.get("drop_pending_updates"):
            self.bot.queue.clear()
        return True

    async def do_getwebhookinfo(self, given: Json, uploads: Json) -> Json:
        url, said = str(self.bot.hook.get("url") or ""), self.bot.hook.get("last_error_message")
        found: Json = {"url": url, "has_custom_certificate": False, "pending_update_count": len(self.bot.queue)}
        return found | ({"last_error_message": said, "last_error_date": int(time.time())} if said else {})

    async def do_setmycommands(self, given: Json, uploads: Json) -> bool:
        self.bot.commands[str((given.get("scope") or {}).get("type", "default"))] = given["commands"]
        return True

    async def do_sendchataction(self, given: Json, uploads: Json) -> bool:
        self._chat(given)
        return True

    async def do_sendmessage(self, given: Json, uploads: Json) -> Json:
        text, entities = self._text(given, "text")
        return self._post(given, text=text, entities=entities or None)

    async def do_sendmessagedraft(self, given: Json, uploads: Json) -> bool:
        self._check_draft(given)
        if given.get("text"):
            self._text(given, "text")
        return True

    async def do_sendrichmessagedraft(self, given: Json, uploads: Json) -> bool:
        self._check_draft(given)
        self._rich(given["rich_message"])
        return True

    def _check_draft(self, given: Json) -> None:
        if self._chat(given).shown["type"] != "private":
            raise Refusal(400, "Bad Request: drafts can be sent in private chats only")
        if not int(given["draft_id"]):
            raise Refusal(400, "Bad Request: draft_id must be non-zero")

    async def do_sendrichmessage(self, given: Json, uploads: Json) -> Json:
        return self._post(given, rich_message=self._rich(given["rich_message"]))

    def _rich(self, given: Json) -> Json:
        """The blocks as Telegram shows them; a list's items have labels then."""
        blocks = given.get("blocks")
        if not blocks:
            raise Refusal(400, "Bad Request: rich message must be non-empty")
        if utf16(plain_of(blocks)) > 32_768 or len(blocks) > 500:
            raise Refusal(400, "Bad Request: rich message is too long")
        return {"blocks": [_shown_block(block) for block in blocks]}

    async def do_senddocument(self, given: Json, uploads: Json) -> Json:
        return self._send_file(given, uploads, "document")

    async def do_sendphoto(self, given: Json, uploads: Json) -> Json:
        if uploads and not uploads["photo"].file.read(4).startswith((b"\x89PNG", b"\xff\xd8")):
            raise Refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
        if uploads:
            uploads["photo"].file.seek(0)
        return self._send_file(given, uploads, "photo")

    async def do_sendvoice(self, given: Json, uploads: Json) -> Json:
        return self._send_file(given, uploads, "voice")

    async def do_sendaudio(self, given: Json, uploads: Json) -> Json:
        return self._send_file(given, uploads, "audio")

    def _send_file(self, given: Json, uploads: Json, kind: str) -> Json:
        upload = next(iter(uploads.values()), None)
        if upload is None:
            raise Refusal(400, "Bad Request: there is no file in the request")
        id = self.keep(upload.file.read(), upload.filename, upload.content_type)
        return self._post(given, **{kind: self.file_shown(id, kind)})

    async def do_getfile(self, given: Json, uploads: Json) -> Json:
        if given["file_id"] not in self.files:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        size = len(self.files[given["file_id"]][0])
        if size > MAX_FILE_BYTES:
            raise Refusal(400, "Bad Request: file is too big")
        id = given["file_id"]
        return {"file_id": id, "file_unique_id": id[:13], "file_size": size, "file_path": f"documents/{id}"}

    async def download(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != self.bot.token:
            return web.Response(status=401)
        found = self.files.get(request.match_info["id"])
        return web.Response(body=found[0]) if found else web.Response(status=404)

    async def do_editmessagetext(self, given: Json, uploads: Json) -> Json:
        message = self._chat(given).messages.get(int(given["message_id"]))
        if message is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        if message["from"]["id"] != self.bot.id:
            raise Refusal(400, "Bad Request: message can't be edited")
        new: Json = {}
        if rich := given.get("rich_message"):
            new["rich_message"] = self._rich(rich)
        else:
            new["text"], entities = self._text(given, "text")
            new |= {"entities": entities} if entities else {}
        new |= {"reply_markup": given["reply_markup"]} if given.get("reply_markup") else {}
        if all(message.get(key) == new.get(key) for key in ("text", "rich_message", "reply_markup")):
            raise Refusal(400, "Bad Request: message is not modified: specified new message content is the same")
        for key in ("text", "entities", "rich_message", "reply_markup"):
            message.pop(key, None)
        message.update({**new, "edit_date": int(time.time())})
        return message

    async def do_answercallbackquery(self, given: Json, uploads: Json) -> bool:
        if given["callback_query_id"] not in self.presses:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.presses[given["callback_query_id"]] = given
        return True

    def _chat(self, given: Json) -> Chat:
        try:
            chat = self.chats[int(given["chat_id"])]
        except (KeyError, ValueError):
            raise Refusal(400, "Bad Request: chat not found") from None
        if chat.refusal:
            raise Refusal(403, f"Forbidden: {chat.refusal}")
        return chat

    def _text(self, given: Json, key: str) -> tuple[str, list[Json]]:
        text = str(given.get(key) or "")
        entities: list[Json] = []
        if given.get("parse_mode") == "HTML":
            try:
                text, entities = read_html(text)
            except UnreadableHTML as error:
                raise Refusal(400, f"Bad Request: {error}") from None
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if utf16(text) > 4_096:
            raise Refusal(400, "Bad Request: message is too long")
        return text, entities

    def _post(self, given: Json, **content: Any) -> Json:
        chat, topic = self._chat(given), given.get("message_thread_id")
        if topic and int(topic) not in chat.topics:
            raise Refusal(400, "Bad Request: message thread not found")
        for row in (given.get("reply_markup") or {}).get("inline_keyboard", ()):
            if any(len(button["callback_data"].encode()) > 64 for button in row):
                raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
        above = chat.messages.get(int((given.get("reply_parameters") or {}).get("message_id") or 0))
        if above:
            content["reply_to_message"] = {key: value for key, value in above.items() if key != "reply_to_message"}
        if topic:
            content |= {"message_thread_id": int(topic), "is_topic_message": True}
        return self.put(chat, self.bot.shown, reply_markup=given.get("reply_markup"), **content)

    # What happens in chats --------------------------------------------------------------------------------------------

    def put(self, chat: Chat, author: Json, **content: Any) -> Json:
        """A new message in a chat."""
        number = next(chat.ids)
        message = {"message_id": number, "date": int(time.time()), "chat": chat.shown, "from": author}
        message |= {key: value for key, value in content.items() if value is not None}
        chat.messages[number] = message
        return message

    def keep(self, data: bytes, name: str, media_type: str) -> str:
        id = f"F{secrets.token_hex(12)}"
        self.files[id] = data, name, media_type
        return id

    def file_shown(self, id: str, kind: str) -> Any:
        data, name, media_type = self.files[id]
        shown: Json = {"file_id": id, "file_unique_id": id[:13], "file_size": len(data)}
        if kind == "photo":
            return [{**shown, "width": 90, "height": 60}]
        if kind in ("voice", "audio"):
            return shown | {"duration": 2, "mime_type": media_type}
        return shown | {"file_name": name, "mime_type": media_type}

    def tell_bot(self, kind: str, body: Json) -> None:
        """Tell the bot of something, where it asked for such updates and privacy mode lets it know."""
        bot = self.bot
        if kind == "message" and not self._may_see(body):
            return
        if kind not in bot.allowed if bot.allowed else kind in NOT_SENT_UNASKED:
            return
        update = {"update_id": next(self._updates), kind: json.loads(json.dumps(body))}
        self.log.append({"kind": "update", "body": update})
        bot.queue.append(update)
        bot.changed.set()

    def _may_see(self, message: Json) -> bool:
        text, above = str(message.get("text") or message.get("caption") or ""), message.get("reply_to_message") or {}
        private = message["chat"]["type"] == "private"
        named = f"@{self.bot.username}" in text or text.startswith("/")
        return private or self.bot.reads_all or named or above.get("from", {}).get("id") == self.bot.id

    async def deliver(self) -> None:
        """Call the webhook, several updates at a time, until each is taken."""
        async with aiohttp.ClientSession() as http:
            while True:
                if not self.bot.hook:
                    self.bot.changed.clear()
                    await self.bot.changed.wait()
                waiting = self.bot.queue[: int(self.bot.hook.get("max_connections") or 40)]
                taken = await asyncio.gather(*(self._told(http, update) for update in waiting))
                done = [one["update_id"] for one, good in zip(waiting, taken, strict=True) if good]
                if not self.forgets_acknowledgements:
                    self.bot.queue[:] = [one for one in self.bot.queue if one["update_id"] not in done]
                await self.tell()
                await asyncio.sleep(REDELIVERY_SECONDS)

    async def _told(self, http: aiohttp.ClientSession, update: Json) -> bool:
        headers = {"X-Telegram-Bot-Api-Secret-Token": str(self.bot.hook.get("secret_token") or "")}
        try:
            async with http.post(str(self.bot.hook.get("url")), json=update, headers=headers) as answer:
                good = answer.status < 300
                said = "" if good else f"Wrong response from the webhook: {answer.status} {answer.reason}"
        except aiohttp.ClientError as error:
            good, said = False, str(error) or type(error).__name__
        if self.bot.hook:
            self.bot.hook["last_error_message"] = said
        return good


async def _given(request: web.Request) -> tuple[Json, Json]:
    """The parameters of a call and its files."""
    given, uploads = dict(request.query), dict[str, Any]()
    if request.content_type == "application/json":
        given |= await request.json()
    elif request.method == "POST":
        for key, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                uploads[key] = value
            else:
                given[key] = str(value)
    for key in [key for key, value in given.items() if str(value).startswith("attach://")]:
        uploads[key] = uploads.pop(given[key].removeprefix("attach://"), None)
    for key in uploads:
        given.setdefault(key, f"attach://{key}")
    return {key: _value(key, value) for key, value in given.items()}, uploads


def _value(key: str, value: Any) -> Any:
    if (
        isinstance(value, str)
        and (value[:1] in ("{", "[") or value in ("true", "false"))
        and key not in ("text", "caption")
    ):
        return json.loads(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) and key.endswith("_id") else value


def _without_uploads(given: Json, uploads: Json) -> Json:
    return {key: "attach://file" if key in uploads else value for key, value in given.items()}


def plain_of(blocks: Any) -> str:
    """The words of rich blocks, one block below the other."""
    if isinstance(blocks, str):
        return blocks
    if isinstance(blocks, list):
        words = [isinstance(one, str) or (isinstance(one, dict) and one.get("type") in INLINE_TYPES) for one in blocks]
        return ("" if all(words) else "\n").join(plain_of(one) for one in blocks)
    box = ("☑ " if blocks.get("is_checked") else "☐ ") if blocks.get("has_checkbox") else ""
    return box + "\n".join(plain_of(blocks[key]) for key in ("text", "blocks", "items", "cells") if key in blocks)


INLINE_TYPES = {"url", "bold", "italic", "strikethrough", "code"}


def _shown_block(block: Json) -> Json:
    shown = dict(block)
    if block["type"] == "list":
        items = enumerate(block["items"], 1)
        shown["items"] = [{"label": f"{item.get('value', number)}.", **_shown_item(item)} for number, item in items]
    elif "blocks" in block:
        shown["blocks"] = [_shown_block(one) for one in block["blocks"]]
    return shown


def _shown_item(item: Json) -> Json:
    return {**item, "blocks": [_shown_block(one) for one in item["blocks"]]}


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[BotServer]:
    """The stand-in, while the block lasts."""
    server = BotServer()
    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/bot{token}/{method}", server.call)
    application.router.add_get("/file/bot{token}/documents/{id}", server.download)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    delivering = asyncio.create_task(server.deliver())
    try:
        yield server
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await runner.cleanup()
