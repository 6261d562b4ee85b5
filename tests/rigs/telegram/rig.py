"""What a test does with the stand-in: `await rig.say("alice", chat, "hello")`, `await rig.until(...)`."""

import itertools
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

from channels.accounts import Account
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets
from tests.rigs.telegram.markup import utf16
from tests.rigs.telegram.server import REACTION_EMOJI, BotServer, Chat, Fault, Json, Refusal, plain_of

Found = TypeVar("Found")


class TelegramRig:
    """A test's hold on the stand-in: what people do there, and what they see."""

    def __init__(self, server: BotServer) -> None:
        self.server = server
        self.bot = server.bot
        self._ids = itertools.count(812_000_000)
        for name in ("alice", "bob", "carol"):
            self.user(name)

    # The bot that is tested -------------------------------------------------------------------------------------------

    def account(self, id: str = "telegram", **options: str) -> Account:
        urls = {"base_url": f"{self.server.url}/bot", "base_file_url": f"{self.server.url}/file/bot"}
        return Account(id=id, platform="telegram", options={**urls, **options})

    def secrets(self, id: str = "telegram") -> Secrets:
        return Secrets({f"{SECRET_VARIABLE_PREFIX}{self.account(id).secret('BOT_TOKEN')}": self.bot.token})

    # People and places ------------------------------------------------------------------------------------------------

    def user(self, name: str) -> Json:
        id = next(self._ids)
        self.server.users[name] = {"id": id, "is_bot": False, "first_name": name, "username": name}
        return self.server.users[name]

    def sender(self, person: str) -> str:
        return str(self.server.users[person]["id"])

    def private(self, person: str) -> str:
        """The chat in which this person is alone with the bot."""
        user = self.server.users[person]
        shown = {"id": user["id"], "type": "private", "first_name": person, "username": person}
        self.server.chats.setdefault(user["id"], Chat(shown))
        return str(user["id"])

    def group(self, title: str, *, forum: bool = False) -> str:
        id = -1_001_000_000_000 - next(self._ids)
        shown = {"id": id, "type": "supergroup", "title": title} | ({"is_forum": True} if forum else {})
        self.server.chats[id] = Chat(shown)
        return str(id)

    async def topic(self, person: str, chat: str, name: str) -> str:
        """A new topic; answers the conversation in it."""
        where = self._chat(chat)
        user = self.server.users[person]
        made = self.server.put(where, user, forum_topic_created={"name": name, "icon_color": 7_322_096})
        number = made["message_id"]
        made |= {"message_thread_id": number, "is_topic_message": True}
        where.topics[number] = name
        await self._tell("message", made)
        return f"{chat}/{number}"

    def _chat(self, conversation: str) -> Chat:
        return self.server.chats[int(conversation.partition("/")[0])]

    # What people do ---------------------------------------------------------------------------------------------------

    async def say(self, person: str, conversation: str, text: str, **more: Any) -> str:
        """Write a message; answers its id, as the channel has it. `reply_to` is such an id."""
        content: Json = {"text": text, "entities": _entities(text)} if text else {}
        return await self._write(person, conversation, content, more)

    async def paste(self, person: str, conversation: str, text: str) -> None:
        """Write a text of any length, as people's apps do: in pieces of 4,096 units, one after the other."""
        while text:
            piece = text
            while utf16(piece) > 4_096:
                piece = piece[: len(piece) - max(1, (utf16(piece) - 4_096) // 2)]
            await self.say(person, conversation, piece)
            text = text[len(piece) :]

    async def attach(self, person: str, conversation: str, name: str, data: bytes, **more: Any) -> str:
        """Send a file; `kind` is document, photo, voice or audio."""
        kind, media_type = more.pop("kind", "document"), more.pop("media_type", "text/plain")
        file = self.server.keep(data, name, media_type)
        return await self._write(person, conversation, {kind: self.server.file_shown(file, kind)}, more)

    async def album(self, person: str, conversation: str, count: int) -> None:
        """Send several files at once."""
        album = secrets.token_hex(6)
        for number in range(count):
            name, data = f"file-{number}.txt", f"file {number}".encode()
            await self.attach(person, conversation, name, data, media_group_id=album)

    async def _write(self, person: str, conversation: str, content: Json, more: Json) -> str:
        chat, user = self._chat(conversation), self.server.users[person]
        _, _, topic = conversation.partition("/")
        if topic:
            content |= {"message_thread_id": int(topic), "is_topic_message": True}
        if above := more.pop("reply_to", ""):
            found = chat.messages[int(above.partition(":")[2])]
            content["reply_to_message"] = {key: value for key, value in found.items() if key != "reply_to_message"}
        elif topic:
            content["reply_to_message"] = chat.messages[int(topic)]
        message = self.server.put(chat, user, **{**content, **more})
        await self._tell("message", message)
        return f"{chat.shown['id']}:{message['message_id']}"

    async def edit(self, person: str, message: str, text: str) -> None:
        chat, _, number = message.partition(":")
        found = self._chat(chat).messages[int(number)]
        found |= {"text": text, "edit_date": int(time.time())}
        await self._tell("edited_message", found)

    async def react(self, person: str, message: str, *emoji: str) -> None:
        """Put these emoji to a message, instead of the person's others."""
        chat, _, number = message.partition(":")
        where, user = self._chat(chat), self.server.users[person]
        if set(emoji) - REACTION_EMOJI:
            raise Refusal(400, "Telegram has no such reaction")
        new = [{"type": "emoji", "emoji": one} for one in emoji]
        old = where.reactions.setdefault(int(number), {}).get(user["id"], [])
        where.reactions[int(number)][user["id"]] = new
        event = {"chat": where.shown, "message_id": int(number), "user": user, "date": int(time.time())}
        await self._tell("message_reaction", event | {"old_reaction": old, "new_reaction": new})

    async def press(self, person: str, message: str, label: str) -> str:
        """Press the button with this label; answers the press's id."""
        chat, _, number = message.partition(":")
        found = self._chat(chat).messages[int(number)]
        buttons = [one for row in found.get("reply_markup", {}).get("inline_keyboard", []) for one in row]
        data = next(one["callback_data"] for one in buttons if one["text"] == label)
        return await self.forge_press(person, message, data)

    async def forge_press(self, person: str, message: str, data: str) -> str:
        """Press a button with this data, whether the message has it or not."""
        chat, _, number = message.partition(":")
        id = secrets.token_hex(8)
        self.server.presses[id] = None
        query = {"id": id, "from": self.server.users[person], "chat_instance": chat, "data": data}
        await self._tell("callback_query", query | {"message": self._chat(chat).messages[int(number)]})
        return id

    async def stop(self, person: str) -> None:
        """Press the stop button under the newest draft in this person's chat."""
        chat = self.private(person)
        draft = next(given for name, given in reversed(self.server.calls) if name.endswith("Draft"))
        stopped = {"chat": self._chat(chat).shown, "draft_id": draft["draft_id"]}
        if draft.get("message_thread_id"):
            stopped["message_thread_id"] = draft["message_thread_id"]
        await self._tell("stopped_message_generation", stopped)

    async def leave(self, chat: str, reason: str) -> None:
        """Let the bot be blocked or thrown out, with Telegram's words for it."""
        where = self._chat(chat)
        where.refusal = reason
        private = where.shown["type"] == "private"
        person = next(iter(self.server.users.values()))
        status = {"status": "kicked" if private else "left", "user": self.bot.shown} | (
            {"until_date": 0} if private else {}
        )
        event = {"chat": where.shown, "from": person, "date": int(time.time()), "new_chat_member": status}
        await self._tell("my_chat_member", event | {"old_chat_member": {"status": "member", "user": self.bot.shown}})

    async def _tell(self, kind: str, body: Json) -> None:
        self.server.tell_bot(kind, body)
        await self.server.tell()

    # What people see --------------------------------------------------------------------------------------------------

    def messages(self, conversation: str) -> list[Json]:
        """The bot's messages in a conversation."""
        _, _, topic = conversation.partition("/")
        found = [one for one in self._chat(conversation).messages.values() if one["from"]["id"] == self.bot.id]
        return [one for one in found if str(one.get("message_thread_id", "")) == topic]

    def texts(self, conversation: str) -> list[str]:
        return [shown_text(one) for one in self.messages(conversation)]

    def last(self, conversation: str) -> str:
        """The id of the bot's newest message there."""
        chat = conversation.partition("/")[0]
        return f"{chat}:{self.messages(conversation)[-1]['message_id']}"

    def calls(self, method: str) -> list[Json]:
        return [given for name, given in self.server.calls if name == method]

    async def until(self, looked: Callable[[], Found], seconds: float = 20) -> Found:
        found: Found = await self.server.until(looked, seconds)
        return found

    async def reads(self, conversation: str, part: str, seconds: float = 20) -> Json:
        """The newest message of the bot's that has this in it, once there is one."""

        def there() -> Json | None:
            return next((one for one in reversed(self.messages(conversation)) if part in shown_text(one)), None)

        try:
            found = await self.until(there, seconds)
        except TimeoutError:
            raise AssertionError(f"{part!r} is in none of {self.texts(conversation)}") from None
        assert found
        return found

    def fault(self, method: str, code: int, text: str = "", count: int = 1, after: int = 0, late: bool = False) -> None:
        """Let the next calls of a method fail."""
        self.server.faults.append(Fault(method, code, text or "Internal Server Error", count, after, late))


def shown_text(message: Json) -> str:
    """What a message says, however it is made."""
    if rich := message.get("rich_message"):
        return plain_of(rich["blocks"])
    return str(message.get("text") or message.get("caption") or "")


def _entities(text: str) -> list[Json] | None:
    """The marks that Telegram itself finds in a text: commands at its beginning, and mentions."""
    found: list[Json] = []
    at = 0
    for word in text.split(" "):
        kind = "bot_command" if word.startswith("/") and at == 0 else "mention" if word.startswith("@") else ""
        bare = word.rstrip(",:.?!")
        if kind and len(bare) > 1:
            found.append({"type": kind, "offset": utf16(text[:at]), "length": utf16(bare)})
        at += len(word) + 1
    return found or None
