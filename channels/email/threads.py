"""Exchanges of mails: which mail belongs to which, what an answer needs, and which mails are ours."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from channels.contract import OutboundMessage
from channels.email.loops import hops
from channels.email.mime import Mail
from channels.email.quoting import bare_subject, is_reply
from channels.state import AccountState

THREAD_SECONDS = 400 * 86_400.0
"""So long after its last mail a thread can be answered in."""
SENT_SECONDS = 30 * 86_400.0
"""So long a mail of ours is known as sent."""
SUBJECT_THREAD_SECONDS = 14 * 86_400.0
"""So long an answer without any reference is found a thread by its subject."""
MAX_REFERENCES = 20
MAX_QUOTE_LINES = 3
MAX_QUOTE_LINE_CHARS = 200


@dataclass(frozen=True, slots=True)
class Threading:
    """The thread that a mail belongs to, and what is known of the mail that it answers."""

    thread: str
    answers_known: bool = False
    """True if the mail that it answers is known here, so that a quote of it under the answer says nothing new."""


@dataclass(frozen=True, slots=True)
class Thread:
    """An exchange of mails, as far as it takes to write in it."""

    to: str
    subject: str = ""
    references: tuple[str, ...] = ()
    """The Message-IDs so far, the newest last."""
    quote: tuple[str, ...] = ()
    """The first lines of the mail that is answered."""
    hops: int = 0

    def heard(self, message_id: str) -> tuple[str, ...]:
        """The references with this one more; the first is always kept."""
        ids = [one for one in self.references if one != message_id] + [message_id]
        return tuple(ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[1 - MAX_REFERENCES :]])


class Threads:
    """The threads of one account."""

    def __init__(self, state: AccountState) -> None:
        self._state = state

    async def place(self, mail: Mail) -> Threading:
        """The thread by what the mail refers to, then by its subject; else a new one."""
        known = ""
        referred = [id for id in (mail.in_reply_to, *reversed(mail.references)) if id]
        for id in dict.fromkeys(referred):
            if known := await self._state.get(f"of {id}") or "":
                break
        answers_known = bool(known)
        bare = bare_subject(mail.subject).casefold()
        by_subject = f"subject {thread_digest(f'{mail.sender.address} {bare}')}"
        if not referred and is_reply(mail.subject) and bare:
            known = await self._state.get(by_subject) or ""
        thread = known or thread_digest(next(iter(mail.references), mail.in_reply_to or mail.message_id or mail.id))
        if mail.message_id and await self._state.get(f"of {mail.message_id}") is None:
            await self._state.put(f"of {mail.message_id}", thread, THREAD_SECONDS)
        if bare:
            await self._state.put(by_subject, thread, SUBJECT_THREAD_SECONDS)
        return Threading(thread, answers_known)

    async def get(self, conversation: str) -> Thread:
        """The thread of a conversation; nearly empty for one that is new."""
        kept = await self._state.get(f"thread {conversation}") or {}
        references, quote = tuple(kept.get("references", ())), tuple(kept.get("quote", ()))
        to = conversation.partition("/")[0]
        return Thread(to, kept.get("subject", ""), references, quote, kept.get("hops", 0))

    async def heard(self, conversation: str, mail: Mail, said: str) -> None:
        """Keep of a mail to us what an answer to it needs."""
        before = await self.get(conversation)
        references = Thread("", references=before.references or mail.references).heard(mail.message_id)
        lines = [line[:MAX_QUOTE_LINE_CHARS] for line in said.splitlines() if line.strip()]
        thread = Thread(before.to, mail.subject, references, tuple(lines[:MAX_QUOTE_LINES]), hops(mail))
        await self._keep(conversation, thread)

    async def _keep(self, conversation: str, thread: Thread) -> None:
        kept = {name: getattr(thread, name) for name in ("subject", "references", "quote", "hops")}
        await self._state.put(f"thread {conversation}", kept, THREAD_SECONDS)

    # Mails of ours ---------------------------------------------------------------------------------------------------

    async def said(self, message: OutboundMessage, thread: Thread, message_id: str) -> None:
        """Note that a mail of ours is sent, and what it asks."""
        asked = [[choice.id, choice.label] for choice in message.choices]
        await self._state.put(
            f"sent {message_id}", {"to": thread.to, "key": message.key, "choices": asked}, SENT_SECONDS
        )
        _, slash, name = message.conversation.partition("/")
        if slash:
            await self._state.put(f"of {message_id}", name, THREAD_SECONDS)
            kept = Thread(thread.to, thread.subject, thread.heard(message_id), (), thread.hops)
            await self._keep(message.conversation, kept)

    async def ours(self, message_ids: Sequence[str]) -> dict[str, Any] | None:
        """The note of the first of these mails that is ours."""
        for id in message_ids:
            if id and (sent := await self._state.get(f"sent {id}")) is not None:
                return dict(sent)
        return None


def thread_digest(text: str) -> str:
    """The name of the thread that begins with this Message-ID."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
