"""Cards: questions to the owner, shown in their conversation with choices, and marked when they are decided."""

import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from channels.bridge.delivery import NO_RECEIPT, RETRY_SECONDS, Delivery, Outbox
from channels.choices import meant, seeds
from channels.contract import (
    Channel,
    ChannelClosed,
    Edits,
    InboundMessage,
    OutboundMessage,
    Reacts,
    Undeliverable,
    Unusable,
)
from channels.keys import channel_keys
from core.atoms.atoms import OWNER, Atom, Principal
from core.errors import Conflict, InvalidInput, NotFound, StoaError
from core.spaces.spaces import Spaces, first_words
from core.trust.approvals import APPROVALS_SPACE, Approvals, Choice, deadline, offered, pick

COMMAND = re.compile(r"(/?)(approve|deny)\s+`?(\w{4,40})`?(?:\s+(.{1,80}))?", re.IGNORECASE)
"""An answer in words, from any conversation of the owner's: `approve k3v9w2m4q8zt always`."""
UNFINISHED = re.compile(r"/?(approve|deny)|/(approve|deny)\b.*", re.IGNORECASE | re.DOTALL)
"""What was meant as one, and does not say to which question."""

log = logging.getLogger(__name__)


class Cards:
    """The questions of one conversation of the owner's. Each is shown once for as long as the channel keeps it."""

    def __init__(
        self,
        spaces: Spaces,
        channel: Channel,
        conversation: str,
        stands: Callable[[], Awaitable[bool]] | None = None,
        patience: Sequence[float] = RETRY_SECONDS,
        *,
        alone: bool = True,
    ) -> None:
        """`stands` says whether the conversation is the owner's still; nothing is shown where it is not. `alone` says
        that nobody else reads along; where somebody does, nothing is said about questions."""
        self._stands = stands
        self._alone = alone
        self._spaces = spaces
        self._channel = channel
        self._conversation = conversation
        self._approvals = Approvals(spaces)
        subscriber = f"channel:{channel.name}:{conversation}"
        self._key = channel_keys(spaces.store).cards(subscriber)
        self._delivery = Delivery(channel, conversation, Outbox(spaces.store, subscriber), patience)

    async def run(self) -> None:
        """Show every open question, then each new one, and what became of it."""
        await self._approvals.prepare()
        space = self._spaces.open(APPROVALS_SPACE, OWNER)
        after = await space.newest()
        before = set[str]()
        with contextlib.suppress(NotFound):  # no search index yet: nothing was ever asked
            waiting = await self._approvals.waiting()
            before = {atom.id for atom in waiting}
            for atom in waiting:
                await self._show(atom)
        for id in set(await self._shown()) - before:  # decided while nobody looked
            await self._settle(await space.get(id))
        async for change in space.follow(after):
            if change.atom:
                atom = await space.get(change.atom)
                if atom.metadata.get("status") != "open":
                    await self._settle(atom)
                elif atom.id not in before:  # asked after we began, so not shown yet
                    await self._show(atom)

    async def answer(self, message: InboundMessage, by: Principal) -> bool:
        """Take a message as an answer: a pressed choice, an emoji or a word to a card; False if it is none of these.

        Only the very message that shows the question can be answered. Raises what the person shall read where the
        answer does not count; pressing twice is harmless.
        """
        if message.kind == "message" and message.choice:
            id, _, choice = message.choice.partition(":")
            shown = await self._shown()
            if message.reply_to and shown.get(id, NO_RECEIPT) not in (NO_RECEIPT, message.reply_to):
                raise InvalidInput("That is not the message in which this was asked; answer there.")
            await self._answer(id, choice, by, quietly=True)
            return True
        if message.kind == "message" and (command := COMMAND.fullmatch(message.text.strip())):
            slash, word, beginning, choice = command.groups()
            id = await self._meant(beginning)
            if not slash and id == beginning and id.isalpha():  # "approve vacation" is something to talk about
                return False
            self._check_alone()
            await self._answer(id, choice or ("no" if word.lower() == "deny" else "yes"), by)
            return True
        if message.kind == "message" and (begun := UNFINISHED.fullmatch(message.text.strip())):
            self._check_alone()
            raise InvalidInput(await self._which((begun[1] or begun[2]).lower()))
        if message.kind not in ("message", "reaction"):
            return False
        names = {message.reply_to, message.conversation} - {"", self._conversation}
        for id, name in (await self._shown()).items() if names else ():
            if name in names:
                choices = offered(await self._approvals.get(id))
                pressed = message.kind == "reaction"
                if chosen := meant(message.text, choices) if pressed else pick(message.text, choices):
                    await self._answer(id, chosen.id, by, quietly=pressed)
                    return True
        return False

    def _check_alone(self) -> None:
        if not self._alone:
            raise InvalidInput("Others read along here, so please answer that in our direct messages.")

    async def _answer(self, id: str, choice: str, by: Principal, quietly: bool = False) -> None:
        """Answer a question; one that is decided already is marked so where it was only pressed again."""
        try:
            await self._approvals.answer(id, choice, by)
        except Conflict:
            if not quietly:
                raise
            await self._settle(await self._approvals.get(id))

    async def _which(self, word: str) -> str:
        """What to write instead of the bare word, for each open question."""
        waiting = await self._approvals.waiting()
        if not waiting:
            return "No question waits for your answer."
        ways = "".join(f"\n- `{word} {atom.id}`: {first_words(atom.content, 80)}" for atom in waiting)
        return f"To which question is that the answer? Write{ways}"

    async def _meant(self, beginning: str) -> str:
        """The open question whose id begins like this, or the word itself."""
        found = [atom.id for atom in await self._approvals.waiting() if atom.id.startswith(beginning.lower())]
        return found[0] if len(found) == 1 else beginning

    async def _show(self, atom: Atom) -> None:
        """Show a question, unless the channel still shows it from before."""
        if self._stands and not await self._stands():
            return
        card = asked(atom, self._spaces.clock.zone, self._conversation)
        if isinstance(self._channel, Reacts):
            card = replace(card, text=f"{card.text} Press one, or write `approve {atom.id}` or `deny {atom.id}`.")
        card = replace(card, text=self._written(card.text))
        known = (await self._shown()).get(atom.id)
        if known and isinstance(self._channel, Edits) and await self._delivery.made_whole(known, card):
            return
        name = await self._delivery.find(card) if known == NO_RECEIPT else None
        if name is None:
            await self._spaces.store.run("HSET", self._key, atom.id, NO_RECEIPT)
            try:
                name = await self._delivery.tried(lambda: self._channel.send(card), card)
            except Undeliverable as error:  # the question stays open, `stoa approval list` shows it
                log.warning("%s did not take the question %s: %s", self._channel.name, atom.ref, error)
                await self._spaces.store.run("HDEL", self._key, atom.id)
                return
        await self._spaces.store.run("HSET", self._key, atom.id, name)
        if isinstance(self._channel, Reacts):
            for emoji in seeds(offered(atom)):
                try:
                    await self._channel.react(self._conversation, name, emoji)
                except (ChannelClosed, Unusable, StoaError):
                    raise
                except Exception as error:  # noqa: BLE001 - the question is there, and can be answered in other ways
                    log.info("%s did not put %s to a question: %r", self._channel.name, emoji, error)
                    return

    async def _settle(self, atom: Atom) -> None:
        """Say on the card how the question was decided, and take its choices away."""
        name = (await self._shown()).get(atom.id)
        if name is None or (self._stands and not await self._stands()):
            return
        label = next((one.label for one in offered(atom) if one.id == atom.metadata.get("choice")), "")
        text = f"{atom.content}\n\n{f'Answered: {label}.' if label else 'No answer came in time, which means no.'}"
        if name and isinstance(self._channel, Edits):  # what was decided holds whether or not it can be shown
            await self._delivery.made_whole(name, OutboundMessage(self._conversation, self._written(text)))
        await self._spaces.store.run("HDEL", self._key, atom.id)

    def _written(self, markdown: str) -> str:
        """The text as the channel's dialect writes it; a question is short enough for one message."""
        return "\n\n".join(self._channel.dialect.messages(markdown))

    async def _shown(self) -> dict[str, str]:
        """Question -> what the channel calls the message that shows it."""
        stored = await self._spaces.store.run("HGETALL", self._key)
        return {id.decode(): name.decode() for id, name in stored.items()}


def asked(atom: Atom, zone: ZoneInfo, conversation: str = "") -> OutboundMessage:
    """A question as the owner reads it, in Markdown: what is asked, until when, and what may be answered."""
    until = deadline(atom).astimezone(zone)
    text = f"{atom.content}\n\nWithout an answer until {until:%A %d %B, %H:%M} it is a no."
    choices = tuple(Choice(f"{atom.id}:{choice.id}", choice.label) for choice in offered(atom))
    return OutboundMessage(conversation, text, atom.id, choices)
