"""Incoming messages: each becomes an atom of the chat space, once, and is changed or withdrawn as its author does."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from channels.bridge.bindings import Binding
from channels.bridge.bridge import Bridge
from channels.bridge.passages import described, put_passages, readable, split_quotes
from channels.bridge.routing import SAID_IN, Routing
from channels.contract import InboundMessage, InboundPassage
from channels.text import clean, one_line
from core.agents.unread import PASSAGES
from core.atoms.atoms import OWNER, Principal, id_from
from core.atoms.labels import Label
from core.atoms.validation import MAX_CONTENT_BYTES
from core.errors import InvalidInput
from core.spaces.spaces import Actor

MAX_OPEN_MESSAGES = 500
"""So many messages are known to wait for an answer; of more the oldest are forgotten."""
ATOM_REFERENCE = re.compile(r"[^\s/]+/[^\s/]+")
"""An atom, as messages that show one are known by it; words of our own have other names."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person who says something in a conversation."""

    principal: Principal = OWNER
    name: str = ""
    """The name that agents are told; empty where nobody else could be meant."""


class IncomingMessages:
    """The messages that people write in one conversation."""

    def __init__(self, bridge: Bridge, binding: Binding, routing: Routing) -> None:
        self.binding = binding
        self.space = bridge.spaces.open(binding.space, OWNER)
        self.open: dict[str, str] = {}
        """Messages without an answer: atom -> the cause its answer will name."""
        self._bridge = bridge
        self._spaces = bridge.spaces
        self._routing = routing

    async def take(self, message: InboundMessage, speaker: Speaker) -> str:
        """Put what was written into the space, or change what was put; answers what of it could not be taken, if
        anything, and raises `InvalidInput` saying why nothing could."""
        if message.kind == "edit":
            return await self._change(message, speaker)
        if message.kind == "deletion":
            await self._withdraw(message, speaker)
        elif message.kind == "message":
            return await self._put(message, speaker)
        return ""

    def answered(self, atoms: Iterable[str], cause: str) -> None:
        """These messages, and those with this cause, have their answer."""
        for atom in [one for one, root in self.open.items() if one in atoms or root == cause]:
            del self.open[atom]

    async def _put(self, message: InboundMessage, speaker: Speaker) -> str:
        if (size := len(message.text.encode(errors="replace"))) > MAX_CONTENT_BYTES:
            raise InvalidInput(
                f"That message is too long for me ({size:,} bytes, {MAX_CONTENT_BYTES:,} at most), so I have not taken "
                "it. Please send it in parts."
            )
        atom = id_from(f"{self.space.id}/{self._operation(message.id)}")
        if message.addressed:  # nobody waits for an answer to what was said to others
            self.open[atom] = ""
            while len(self.open) > MAX_OPEN_MESSAGES:
                del self.open[next(iter(self.open))]
        taken = False
        try:
            trouble = await self._put_said(message, speaker)
            taken = True
        finally:
            if not taken:
                self.open.pop(atom, None)
        if self.binding.person:
            await self._routing.presence.used(self.binding.direct)
        return trouble

    async def _put_said(self, message: InboundMessage, speaker: Speaker) -> str:
        guest = speaker.principal != OWNER
        said_as = Actor(speaker.principal, label=(label := Label()))
        if message.files:  # no byte is kept of a message that would be refused
            await self._spaces.open(self.space.id, said_as).check_room(sum(file.size for file in message.files))
        received = await self._bridge.files.fetched(self._bridge.channel, message.files, guest=guest)
        own, passages = self._apart(message, speaker)
        passages = [*passages, *received.passages]
        text = "\n\n".join(filter(None, (own, *received.texts)))
        if not text.strip() and not received.files and not passages:
            raise InvalidInput(received.trouble or "There is no readable text in that message, so I have not taken it.")
        text = text if text.strip() else described(passages, received.files)
        operation = self._operation(message.id)
        told = await put_passages(self._spaces, self.space.id, speaker.principal, passages, operation)
        if received.files and not guest:  # their names may be anybody's words, and agents are shown them
            label.heard("the names of files")
        await self._spaces.open(self.space.id, said_as).put(
            text,
            comment=_comment(speaker, text),
            metadata={
                "role": "user",
                SAID_IN: self.binding.id,
                **({"from": one_line(speaker.name)} if speaker.name else {}),
                **({"addressed": message.addressed} if message.room else {}),
            },
            references=await self._above(message) | ({PASSAGES: told} if told else {}),
            operation=operation,
            attachments=received.files,
            at_once=True,
        )
        return received.trouble

    def _apart(self, message: InboundMessage, speaker: Speaker) -> tuple[str, list[InboundPassage]]:
        """The speaker's own words and the passages of others. A guest's quotes stay: all of it is from outside."""
        text = clean(message.text)
        own, quotes = split_quotes(text) if speaker.principal == OWNER else (text, [])
        return own, readable([*quotes, *message.passages])

    async def _above(self, message: InboundMessage) -> dict[str, list[str]]:
        """A reference to what was said in the message that this one was written under, such as a reminder."""
        if not message.reply_to:
            return {}
        around = self.binding.parent or self.binding.conversation
        shown = await self._bridge.outbox(around).atom(message.reply_to)
        if not shown and (atom := await self.space.find(f"{self._bridge.subscriber(around)}:{message.reply_to}")):
            shown = atom.ref
        return {"reply_to": [shown]} if ATOM_REFERENCE.fullmatch(shown) else {}

    async def _change(self, message: InboundMessage, speaker: Speaker) -> str:
        """Someone has edited what they wrote; only their own."""
        space = self._spaces.open(self.space.id, speaker.principal)
        atom = await space.find(self._operation(message.id))
        if atom is None and message.addressed:  # it names us only now
            return await self._put(message, speaker)
        text, passages = self._apart(message, speaker)
        if atom is not None and atom.author == speaker.principal.id and text.strip() and text != atom.content:
            operation = f"{self._operation(message.id)}:{message.version}"
            told = await put_passages(self._spaces, self.space.id, speaker.principal, passages, operation)
            comment = one_line(f"edited: {_comment(speaker, text)}")
            references = {PASSAGES: told} if told or PASSAGES in atom.references else None
            await space.update(atom.id, comment=comment, content=text, references=references, operation=operation)
        return ""

    async def _withdraw(self, message: InboundMessage, speaker: Speaker) -> None:
        """Someone has deleted what they wrote, or somebody else who may do that on the platform."""
        atom = await self.space.find(self._operation(message.id))
        if atom is not None and not atom.deprecated and atom.metadata.get("role") == "user":
            self.open.pop(atom.id, None)
            for id in [*atom.references.get(PASSAGES, ()), atom.id]:
                operation = f"{self._operation(message.id)}:deleted {id}"
                await self.space.deprecate(id, comment="deleted by its author", operation=operation)

    def _operation(self, message: str) -> str:
        return f"{self.binding.subscriber}:{message}"


def _comment(speaker: Speaker, text: str) -> str:
    return one_line(f"{speaker.name}: {text}" if speaker.name else text)
