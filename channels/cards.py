"""Cards: questions to the owner, shown in their conversation with choices, and marked when they are decided."""

import contextlib
import logging

from channels.contract import Channel, ChannelClosed, Edits, InboundMessage, OutboundMessage
from core.approvals import SPACE, Approvals, Choice, deadline, offered, pick
from core.atoms import OWNER, Atom, Principal
from core.errors import NotFound, StoaError
from core.spaces import Spaces

log = logging.getLogger(__name__)


class Cards:
    """The questions of one conversation of the owner's. Each is shown once for as long as the channel keeps it."""

    def __init__(self, spaces: Spaces, channel: Channel, conversation: str, person: Principal) -> None:
        self._spaces = spaces
        self._channel = channel
        self._conversation = conversation
        self._person = person
        self._approvals = Approvals(spaces)
        self._key = spaces.store.keys.cards(f"channel:{channel.name}:{conversation}")

    async def run(self) -> None:
        """Show every open question, then each new one, and what became of it."""
        await self._approvals.prepare()
        space = self._spaces.open(SPACE, OWNER)
        after = await space.newest()
        asked = set[str]()
        with contextlib.suppress(NotFound):  # no search index yet: nothing was ever asked
            for atom in await self._approvals.waiting():
                await self._show(atom)
                asked.add(atom.id)
        async for change in space.follow(after):
            if change.atom:
                atom = await space.get(change.atom)
                if atom.metadata.get("status") != "open":
                    await self._settle(atom)
                elif atom.id not in asked:  # asked after we began, so not shown yet
                    await self._show(atom)

    async def answer(self, message: InboundMessage) -> bool:
        """Take a message as an answer: a pressed choice, or a word in reply to a card; False if it is neither.

        Raises what the person shall read where the answer does not count.
        """
        if message.kind != "message":
            return False
        if message.choice:
            id, _, choice = message.choice.partition(":")
            await self._approvals.answer(id, choice, self._person)
            return True
        shown = await self._shown() if message.reply_to else {}
        for id in (id for id, name in shown.items() if name == message.reply_to):
            if chosen := pick(message.text, offered(await self._approvals.get(id))):
                await self._approvals.answer(id, chosen.id, self._person)
                return True
        return False

    async def _show(self, atom: Atom) -> None:
        """Show a question, unless the channel still shows it from before."""
        until = deadline(atom).astimezone(self._spaces.clock.zone)
        text = f"{atom.content}\n\nWithout an answer until {until:%A %d %B, %H:%M} it is a no."
        choices = tuple(Choice(f"{atom.id}:{choice.id}", choice.label) for choice in offered(atom))
        card = OutboundMessage(self._conversation, self._written(text), atom.id, choices)
        try:
            name = (await self._shown()).get(atom.id, "")
            if name and isinstance(self._channel, Edits) and await self._channel.edit(name, card):
                return
            name = await self._channel.send(card)
        except (ChannelClosed, StoaError):
            raise
        except Exception as error:  # noqa: BLE001 - one delivery: the question stays open, `stoa approval list` shows it
            log.warning("%s did not take the question %s: %r", self._channel.name, atom.ref, error)
            return
        await self._spaces.store.run("HSET", self._key, atom.id, name)

    async def _settle(self, atom: Atom) -> None:
        """Say on the card how the question was decided, and take its choices away."""
        name = (await self._shown()).get(atom.id)
        if name is None:
            return
        label = next((one.label for one in offered(atom) if one.id == atom.metadata.get("choice")), "")
        text = f"{atom.content}\n\n{f'Answered: {label}.' if label else 'No answer came in time, which means no.'}"
        try:
            if isinstance(self._channel, Edits):
                await self._channel.edit(name, OutboundMessage(self._conversation, self._written(text)))
        except (ChannelClosed, StoaError):
            raise
        except Exception as error:  # noqa: BLE001 - one delivery: what was decided holds whether or not it is shown
            log.warning("%s did not mark the question %s: %r", self._channel.name, atom.ref, error)
        await self._spaces.store.run("HDEL", self._key, atom.id)

    def _written(self, markdown: str) -> str:
        """The text as the channel's dialect writes it; a question is short enough for one message."""
        return "\n\n".join(self._channel.dialect.messages(markdown))

    async def _shown(self) -> dict[str, str]:
        """Question -> what the channel calls the message that shows it."""
        stored = await self._spaces.store.run("HGETALL", self._key)
        return {id.decode(): name.decode() for id, name in stored.items()}
