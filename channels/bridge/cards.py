"""Cards: questions to the owner, shown in their conversation with choices, and marked when they are decided."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from channels.bridge.bridge import Bridge
from channels.bridge.delivery import Failed, attempted
from channels.bridge.outbox import NO_RECEIPT, ShownMessages
from channels.choices import meant, seeds
from channels.contract import Edits, InboundMessage, OutboundMessage, Reacts, Undeliverable
from channels.keys import channel_keys
from core.atoms.atoms import OWNER, Atom, Principal
from core.errors import Conflict, InvalidInput, NotFound
from core.spaces.spaces import first_words
from core.trust.approvals import APPROVALS_SPACE, NO, Approvals, Choice, deadline, offered, pick

COMMAND = re.compile(r"(/?)(approve|deny)\s+`?(\w{4,40})`?(?:\s+(.{1,80}))?", re.IGNORECASE)
"""An answer in words, from any conversation of the owner's: `approve k3v9w2m4q8zt always`."""
UNFINISHED = re.compile(r"/?(approve|deny)|/(approve|deny)\b.*", re.IGNORECASE | re.DOTALL)
"""Such an answer that does not say which question it means."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """An answer to a question."""

    question: str
    choice: str
    quietly: bool = False
    """True for a press: a question that is decided already is just marked so."""


class Cards:
    """The questions of one conversation of the owner's. Each is shown once for as long as the channel keeps it."""

    def __init__(
        self,
        bridge: Bridge,
        conversation: str,
        stands: Callable[[], Awaitable[bool]] | None = None,
        *,
        alone: bool = True,
    ) -> None:
        """`stands` says whether the conversation is still the owner's; nothing is shown where it is not. `alone` says
        that nobody else reads along; where somebody does, nothing is said about questions."""
        self._stands = stands
        self._alone = alone
        self._spaces = bridge.spaces
        self._channel = bridge.channel
        self._conversation = conversation
        self._approvals = Approvals(bridge.spaces)
        key = channel_keys(bridge.spaces.store).cards(bridge.subscriber(conversation))
        self._cards = ShownMessages(bridge.spaces.store, key)
        self._delivery = bridge.delivery(conversation)
        self._settling = asyncio.Lock()

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
        for id in set(await self._cards.all()) - before:  # decided while nobody looked
            await self._settle(await space.get(id))
        async for change in space.follow(after):
            if change.atom:
                atom = await space.get(change.atom)
                if atom.metadata.get("status") != "open":
                    await self._settle(atom)
                elif atom.id not in before:  # asked after we began, so not shown yet
                    await self._show(atom)

    async def forget(self) -> None:
        """Forget which messages show questions here."""
        await self._cards.clear()

    async def answer(self, message: InboundMessage, by: Principal) -> bool:
        """Take a message as an answer: a pressed choice, an emoji or a word to a card; False if it is none of these.

        Only the very message that shows the question can be answered. Raises what the person should read where the
        answer does not count; pressing twice is harmless.
        """
        for reading in (self._pressed, self._commanded, self._unfinished, self._under_the_card):
            if answer := await reading(message):
                await self._answer(answer, by)
                return True
        return False

    async def _pressed(self, message: InboundMessage) -> "CardAnswer | None":
        if message.kind != "message" or not message.choice:
            return None
        id, _, choice = message.choice.partition(":")
        shown = (await self._cards.all()).get(id, NO_RECEIPT)
        if message.reply_to and shown not in (NO_RECEIPT, message.reply_to):
            raise InvalidInput("That question was asked in another message. Please answer it there.")
        return CardAnswer(id, choice, quietly=True)

    async def _commanded(self, message: InboundMessage) -> "CardAnswer | None":
        """`approve k3v9w2m4q8zt always`"""
        command = COMMAND.fullmatch(message.text.strip()) if message.kind == "message" else None
        if command is None:
            return None
        slash, word, beginning, choice = command.groups()
        id = await self._meant(beginning)
        if not slash and id == beginning and id.isalpha():  # "approve vacation" is something to talk about
            return None
        self._check_alone()
        return CardAnswer(id, choice or ("no" if word.lower() == "deny" else "yes"))

    async def _unfinished(self, message: InboundMessage) -> None:
        """Such a command that does not say which question it answers."""
        begun = UNFINISHED.fullmatch(message.text.strip()) if message.kind == "message" else None
        if begun:
            self._check_alone()
            raise InvalidInput(await self._which((begun[1] or begun[2]).lower()))

    async def _under_the_card(self, message: InboundMessage) -> "CardAnswer | None":
        """An emoji on the message that shows the question, or a word under it."""
        names = {message.reply_to, message.conversation} - {"", self._conversation}
        if message.kind not in ("message", "reaction") or not names:
            return None
        pressed = message.kind == "reaction"
        for id, name in (await self._cards.all()).items():
            if name in names:
                choices = offered(await self._approvals.get(id))
                if chosen := meant(message.text, choices) if pressed else pick(message.text, choices):
                    return CardAnswer(id, chosen.id, quietly=pressed)
        return None

    def _check_alone(self) -> None:
        if not self._alone:
            raise InvalidInput("Others read along here, so please answer that in our direct messages.")

    async def _answer(self, answer: "CardAnswer", by: Principal) -> None:
        try:
            await self._approvals.answer(answer.question, answer.choice, by)
        except Conflict:
            if not answer.quietly:
                raise
            await self._settle(await self._approvals.get(answer.question))

    async def _which(self, word: str) -> str:
        """A message that says what to write for each open question."""
        waiting = await self._approvals.waiting()
        if not waiting:
            return "No question is waiting for your answer."
        ways = "".join(f"\n- `{word} {atom.id}`: {first_words(atom.content, 80)}" for atom in waiting)
        return f"Which question do you mean? Write{ways}"

    async def _meant(self, beginning: str) -> str:
        """The open question whose id begins like this, or the word itself."""
        found = [atom.id for atom in await self._approvals.waiting() if atom.id.startswith(beginning.lower())]
        return found[0] if len(found) == 1 else beginning

    async def _show(self, atom: Atom) -> None:
        """Show a question, unless the channel still shows it from before."""
        if self._stands and not await self._stands():
            return
        card = card_text(atom, self._spaces.clock.zone, self._conversation)
        if isinstance(self._channel, Reacts):
            card = replace(card, text=f"{card.text} Press one, or write `approve {atom.id}` or `deny {atom.id}`.")
        card = replace(card, text=self._dated(await self._written(card.text), atom))
        known = (await self._cards.all()).get(atom.id)
        if known and isinstance(self._channel, Edits) and await self._delivery.made_whole(known, card):
            return
        name = await self._delivery.find(card) if known == NO_RECEIPT else None
        if name is None:
            await self._cards.begin(atom.id)
            try:
                name = await self._delivery.tried(lambda: self._channel.send(card), card)
            except Undeliverable as error:  # the question stays open, `stoa approval list` shows it
                log.warning("%s did not take the question %s: %s", self._channel.name, atom.ref, error)
                await self._cards.forget(atom.id)
                return
        await self._cards.sent(atom.id, name)
        if isinstance(self._channel, Reacts):
            await self._seed(self._channel, name, offered(atom))

    async def _seed(self, channel: Reacts, message: str, choices: Sequence[Choice]) -> None:
        """Put the emojis to a question that answer it, until one fails: it can be answered in other ways, too."""
        for emoji in seeds(choices):
            reaction = await attempted(lambda: channel.react(self._conversation, message, emoji))  # noqa: B023 - at once
            if isinstance(reaction, Failed):
                log.info("%s did not put %s to a question: %r", self._channel.name, emoji, reaction.error)
                return

    async def _settle(self, atom: Atom) -> None:
        """Say on the card how the question was decided, and take its choices away."""
        async with self._settling:
            name = (await self._cards.all()).get(atom.id)
            if name is None or (self._stands and not await self._stands()):
                return
            label = next((one.label for one in offered(atom) if one.id == atom.metadata.get("choice")), "")
            text = f"{atom.content}\n\n{f'Answered: {label}.' if label else 'No answer came in time, so it is a no.'}"
            if name and isinstance(self._channel, Edits):  # the decision holds even where it cannot be shown
                await self._delivery.made_whole(name, OutboundMessage(self._conversation, await self._written(text)))
            await self._cards.forget(atom.id)

    def _dated(self, text: str, atom: Atom) -> str:
        """The text with its deadline as the platform shows times."""
        before, words, after = text.rpartition(_deadline_words(atom, self._spaces.clock.zone))
        return f"{before}{self._channel.dialect.moment(words, deadline(atom)) if words else ''}{after}"

    async def _written(self, markdown: str) -> str:
        """The text as the channel's dialect writes it; a question is short enough for one message."""
        return "\n\n".join((await self._delivery.rendered(markdown))[0])


def card_text(atom: Atom, zone: ZoneInfo, conversation: str = "") -> OutboundMessage:
    """A question as the owner reads it, in Markdown: what is asked, until when, and what may be answered."""
    when = _deadline_words(atom, zone)
    approval = any(choice.id == NO.id for choice in offered(atom))
    silence = f"I'll take no answer by {when} as a no." if approval else f"I'll wait for your answer until {when}."
    text = f"{atom.content}\n\n{silence}"
    choices = tuple(Choice(f"{atom.id}:{choice.id}", choice.label) for choice in offered(atom))
    return OutboundMessage(conversation, text, atom.id, choices)


def _deadline_words(atom: Atom, zone: ZoneInfo) -> str:
    until = deadline(atom).astimezone(zone)
    return f"{until:%a} {until.day} {until:%b}, {until:%H:%M}"
