"""Files on Telegram, both ways."""

from collections.abc import Awaitable, Callable
from typing import Any

from telegram import InputFile, Message

from channels.contract import File, Undeliverable
from channels.telegram.api import UPLOAD_SECONDS, BotAPI, Place, RefusedCall

MAX_UPLOAD_BYTES = 50_000_000
MAX_PHOTO_BYTES = 10_000_000
MAX_BOT_DOWNLOAD_BYTES = 20_000_000
PHOTO_TYPES = {"image/jpeg", "image/png", "image/webp"}
VOICE_TYPES = {"audio/ogg", "audio/opus"}
AUDIO_TYPES = {"audio/mpeg", "audio/mp4", "audio/x-m4a"}


async def read_file(api: BotAPI, file: File) -> bytes:
    """The bytes of a file; raises `Undeliverable` saying why there are none."""
    if file.size > MAX_BOT_DOWNLOAD_BYTES:
        raise Undeliverable(f"{file.name!r} is larger than 20 MB, the most that Telegram hands to a bot.")
    found = await api.ask(api.bot.get_file(file.place))
    if (found.file_size or 0) > MAX_BOT_DOWNLOAD_BYTES or not found.file_path:
        raise Undeliverable(f"{file.name!r} is larger than 20 MB, the most that Telegram hands to a bot.")
    return bytes(await api.ask(found.download_as_bytearray(read_timeout=UPLOAD_SECONDS)))


async def send_file(api: BotAPI, conversation: str, name: str, media_type: str, data: bytes) -> str:
    """Show a file, pictures and recordings as such, and answer Telegram's name of the message."""
    if len(data) > MAX_UPLOAD_BYTES:
        raise Undeliverable(f"{name!r} is larger than 50 MB, the most that Telegram takes from a bot.")
    place = Place.of(conversation)
    shown = _as_itself(api, media_type, len(data))
    if shown:
        way, kind = shown
        try:
            return _name(await api.ask(way(**place.arguments, **{kind: InputFile(data, filename=name)})))
        except RefusedCall:  # a picture of odd proportions, say: as a document it is taken
            pass
    return _name(await api.ask(api.bot.send_document(**place.arguments, document=InputFile(data, filename=name))))


def _as_itself(api: BotAPI, media_type: str, size: int) -> tuple[Callable[..., Awaitable[Any]], str] | None:
    if media_type in PHOTO_TYPES and size <= MAX_PHOTO_BYTES:
        return api.bot.send_photo, "photo"
    if media_type in VOICE_TYPES:
        return api.bot.send_voice, "voice"
    return (api.bot.send_audio, "audio") if media_type in AUDIO_TYPES else None


def _name(message: Message) -> str:
    return f"{message.chat.id}:{message.message_id}"
