"""Taking files: what comes with a message is fetched, kept, and where it is speech written down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from channels.bridge.inbox import count_voice_note
from channels.contract import Channel, File, InboundPassage, Later, ReadsFiles, Undeliverable
from core.atoms.atoms import Attachment
from core.errors import InvalidInput, ModelUnavailable
from core.spaces.attachments import MAX_ATTACHMENTS, Attachments, check_size, checked_name
from core.spaces.spaces import Space
from core.store.store import Store

CONCURRENT_FETCHES = 4
"""Files of one message that are fetched at a time."""

MAX_GUEST_VOICE_NOTES = 50
"""Voice notes of guests that are written down in a day: each costs money, and no budget counts it."""

Transcribe = Callable[[bytes, str, str], Awaitable[str]]
"""Writes speech down: its bytes, a file's name and a media type -> text."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReceivedFiles:
    """The files that came with a message."""

    files: tuple[Attachment, ...] = ()
    texts: tuple[str, ...] = ()
    """Transcripts of the sender's own voice notes."""
    passages: tuple[InboundPassage, ...] = ()
    """Transcripts of other recordings."""
    trouble: str = ""
    """Which files could not be taken, and why."""


class FileTransfer:
    """Files on their way between messages and atoms."""

    def __init__(self, attachments: Attachments, store: Store, transcribe: Transcribe | None = None) -> None:
        self._attachments = attachments
        self._store = store
        self._transcribe = transcribe

    async def read(self, space: Space, atom: str, name: str) -> bytes:
        """The bytes of a file that an atom carries."""
        return await self._attachments.read(space, atom, name)

    async def fetched(self, channel: Channel, files: Sequence[File], *, guest: bool = False) -> ReceivedFiles:
        """Fetch and keep the files of a message, the first 50 of more; one that cannot be had is told of, the others
        stay unaffected. `guest` says that it is not the owner's."""
        if not files:
            return ReceivedFiles()
        slots = asyncio.Semaphore(CONCURRENT_FETCHES)
        taken = await asyncio.gather(*(self._one(channel, file, slots, guest) for file in files[:MAX_ATTACHMENTS]))
        kept: dict[str, Attachment] = {}
        texts, passages, trouble = [], [], []
        for file, (one, text, reason) in zip(files, taken, strict=False):
            if one:
                kept[one.name if one.name not in kept else f"{len(kept)} {one.name}"] = one
            if text and (guest or file.recorded):
                texts.append(f"(voice note) {text}")
            elif text:
                passages.append(InboundPassage(text, kind="attachment"))
            trouble.append(reason)
        if len(files) > MAX_ATTACHMENTS:
            trouble.append(
                f"I took the first {MAX_ATTACHMENTS} of the {len(files)} files; please send the rest in a new message."
            )
        named = (Attachment(one.sha256, name, one.media_type, one.size) for name, one in kept.items())
        return ReceivedFiles(tuple(named), tuple(texts), tuple(passages), " ".join(filter(None, trouble)))

    async def _one(
        self, channel: Channel, file: File, slots: asyncio.Semaphore, guest: bool
    ) -> tuple[Attachment | None, str, str]:
        """One file: kept, what is said in it, or why there is none."""
        async with slots:
            try:
                if not isinstance(channel, ReadsFiles):
                    raise Undeliverable(f"{channel.name} has no files")
                check_size(checked_name(file.name), file.size)
                data = await channel.read(file)
                one = await self._attachments.keep(file.name, data, media_type=file.media_type)
            except (InvalidInput, Undeliverable, Later) as error:
                return None, "", f"I could not take {file.name}: {str(error).rstrip('.')}."
            except OSError as error:
                log.warning("%s did not give the file %s: %r", channel.name, file.name, error)
                return (
                    None,
                    "",
                    f"I could not take {file.name}: it could not be fetched. Please send it again.",
                )
            try:
                return one, await self._written_down(one, data, guest), ""
            except ModelUnavailable as error:
                return one, "", f"I could not hear {file.name}: {error}"

    async def _written_down(self, file: Attachment, data: bytes, guest: bool) -> str:
        """The transcript of a recording; raises `ModelUnavailable`, also once too many of guests were heard today."""
        if self._transcribe is None or not file.media_type.startswith("audio/"):
            return ""
        if guest and await count_voice_note(self._store) > MAX_GUEST_VOICE_NOTES:
            raise ModelUnavailable("I've reached my limit of voice notes for today. Please write.", "refused")
        return (await self._transcribe(data, file.name, file.media_type)).strip()
