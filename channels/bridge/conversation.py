"""A conversation joined to its chat space: what people write there becomes atoms, what agents answer is shown."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from shlex import quote

from channels.bridge.bindings import Binding
from channels.bridge.bridge import Bridge
from channels.bridge.cards import Cards
from channels.bridge.delivery import Part
from channels.bridge.incoming import IncomingMessages, Speaker
from channels.bridge.routing import SAID_IN, SHOW_IN, Routing, as_house, tell_owner
from channels.bridge.streaming import StreamedAnswers, turn_of
from channels.contract import (
    InboundMessage,
    Later,
    OutboundMessage,
    SendsFiles,
    ShowsDrafts,
    Undeliverable,
)
from channels.text import one_line
from core.atoms.atoms import OWNER, Atom, Attachment, Change
from core.errors import InvalidInput, NotFound
from core.spaces.notifications import Draft

LATE_AFTER = timedelta(minutes=5)
"""Older answers say when they were said."""
SHOWN_POLL_SECONDS = 0.05
"""Seconds between two looks whether an answer has been shown."""
MAX_QUESTION_CHARS = 300
"""Of a question in another window so much is quoted."""
MAX_LATE_ANSWERS = 5
"""So many late answers are shown one by one; of more only the beginnings are."""
STOP_WORD = re.compile(r"/?stop[.!]*", re.IGNORECASE)
STOPPING_REPLY = "I'll stop after the step that's under way."
NOTHING_TO_STOP_REPLY = "Nothing is under way here."

log = logging.getLogger(__name__)


class Conversation:
    """One conversation of a channel and its chat space.

    Towards the space a message is taken once, whatever the platform repeats. Towards people every answer is shown at
    least once and in order: the cursor moves after the send, so whoever comes late is shown what was missed.
    """

    def __init__(
        self,
        bridge: Bridge,
        binding: Binding,
        stands: Callable[[], Awaitable[bool]] | None = None,
        wake: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`stands` says whether the conversation is still that person's, or that room's; nothing is shown where it is
        not. A terminal is the owner's for as long as it is there. `wake` is told of each other place where a change of
        the space is shown, before the change counts as looked at here."""
        spaces = bridge.spaces
        self.channel = bridge.channel
        self.binding = binding
        self.space = spaces.open(binding.space, OWNER)
        self.cards = Cards(bridge, binding.parent or binding.conversation, stands, alone=bool(binding.person))
        self.writing: set[str] = set()
        """The agents that have a turn under way in the space."""
        self.progress = asyncio.Condition()
        self.routing = Routing(spaces, binding.space, binding.person)
        self.incoming = IncomingMessages(bridge, binding, self.routing)
        self._bridge = bridge
        self._stands = stands
        self._wake = wake
        self._spaces = spaces
        self._clock = spaces.clock
        self._growing = StreamedAnswers(bridge, binding.conversation, self.shown)
        self._delivery = bridge.delivery(binding.conversation)
        self._looked_at: int | None = None
        """The last change of the space that was dealt with here."""
        self._skipped = 0

    async def take(self, message: InboundMessage, speaker: Speaker) -> str:
        """Take what was written, as `IncomingMessages.take` does; a word or a button may stop what is under way."""
        if message.kind == "stop" or (message.kind == "message" and STOP_WORD.fullmatch(message.text.strip())):
            if roots := await self._under_way():
                for root in roots:
                    await self._bridge.stopping.ask(root)
                return STOPPING_REPLY
            if message.kind == "stop":
                return NOTHING_TO_STOP_REPLY
        if message.kind == "message":
            self._growing.to = message.sender
        return await self.incoming.take(message, speaker)

    @property
    def open(self) -> dict[str, str]:
        """Messages without an answer: atom -> the cause its answer will name."""
        return self.incoming.open

    async def _under_way(self) -> list[str]:
        """The causes of what is under way here: messages without an answer, and turns for what was said here."""
        waiting = {root for root in self.open.values() if root}
        for root in await self._bridge.stopping.under_way(self.space.id):
            began = await self.space.changes(int(root.rpartition("/")[2]) - 1, 1)
            asked = [await self._found(change.atom) for change in began if change.atom]
            waiting |= {root for atom in asked if atom and atom.metadata.get(SAID_IN) == self.binding.id}
        return sorted(waiting)

    async def deliver(self) -> None:
        """Show what agents say in the space: first what was missed, then each answer as it comes."""
        after = await self._spaces.notifications.cursor(self.binding.cursor, self.space.id)
        self._looked_at = after
        async for change in self.space.follow(after or 0):
            if change.operation == "put":
                await self._look_at(change)
            await self._spaces.notifications.advance(self.binding.cursor, self.space.id, change.seq)
            self._looked_at = change.seq

    async def show_drafts(self) -> None:
        """Let the channel show answers while they are being written, if it can."""
        try:
            async for draft in self._spaces.notifications.drafts(self.space.id):
                await self._show(draft)
                async with self.progress:
                    (self.writing.discard if draft.text is None else self.writing.add)(draft.agent)
                    self.progress.notify_all()
                if draft.text is None:
                    await self._fall_silent(draft)
        finally:
            await self._growing.stop()

    async def show_cards(self) -> None:
        """Put what only the owner may decide to them, in a conversation of theirs."""
        if self.binding.asks:
            await self.cards.run()
        else:
            await asyncio.Event().wait()

    async def leave(self) -> None:
        """Forget a terminal that nobody sits at any more."""
        await self.routing.presence.gone(self.binding.id)
        if self.binding.window:
            await self.routing.presence.unused(self.binding.id)
            await self.cards.forget()

    async def shown(self) -> bool:
        """True once everything in the space has been looked at."""
        return self._looked_at is not None and self._looked_at >= await self.space.newest()

    # What agents say --------------------------------------------------------------------------------------------------

    async def _show(self, draft: Draft) -> None:
        """Show that an answer to somebody here is being written, and the answer as it grows."""
        mine = self._waited_for(draft) and await self._theirs()
        if isinstance(self.channel, ShowsDrafts) and (mine or (draft.text is None and draft.agent in self.writing)):
            try:
                await self.channel.draft(self.binding.conversation, draft.agent, draft.text)
            except (OSError, Later, Undeliverable) as error:
                log.info("%s did not show that somebody writes: %r", self.channel.name, error)
        if draft.text and mine and self._waited_for(draft):  # it may have been answered meanwhile
            self._growing.show(turn_of(draft.agent, draft.answers), draft.text)

    def _waited_for(self, draft: Draft) -> bool:
        """True if somebody here waits for this answer."""
        return any(asked in self.open for asked in draft.answers)

    async def _fall_silent(self, draft: Draft) -> None:
        """A turn is over: if it had nothing to say in the end, the beginning that was shown goes."""
        turn = turn_of(draft.agent, draft.answers)
        if not await self._growing.begun(turn):
            return
        while not await self.shown():  # noqa: ASYNC110 - the answer may be on its way
            await asyncio.sleep(SHOWN_POLL_SECONDS)
        await self._growing.drop(turn)

    async def _look_at(self, change: Change) -> None:
        if change.atom in self.open:
            self.open[change.atom] = change.cause.root or f"{change.space}/{change.seq}"
            return
        atom = await self.space.get(change.atom)
        if atom.metadata.get("role") != "assistant":
            return
        places = await self.routing.places(change, atom, self.binding.id)
        if self._wake:
            for place in places:
                if place != self.binding.id:
                    await self._wake(place)
        if self._shows(places):
            await self._show_here(atom, change, self.binding.id not in places)
        answered = _answered(atom)
        self.incoming.answered(answered, change.cause.root)  # at once, so that no late piece grows beside the answer
        async with self.progress:
            self.progress.notify_all()

    def _shows(self, places: Sequence[str]) -> bool:
        """True for what is shown here; a window shows what the owner's other windows show, too."""
        return self.binding.id in places or (self.binding.window and any(map(self.binding.beside, places)))

    async def _show_here(self, atom: Atom, change: Change, elsewhere: bool) -> None:
        if change.seq <= self._skipped:  # told in sum
            return
        if await self._theirs():
            await self._deliver(atom, change, await self._asked_elsewhere(atom) if elsewhere else "")
        elif self.binding.person == OWNER.id:
            await self.routing.presence.unused(self.binding.id)
            await self._tell_elsewhere(atom, atom.content, "that account is not yours any more")

    async def _theirs(self) -> bool:
        """True while it is the conversation of those that the space is for."""
        return self._stands is None or await self._stands()

    async def _asked_elsewhere(self, atom: Atom) -> str:
        """The question in another window that the atom answers, as a quote above the answer."""
        asked = [await self._found(id) for id in sorted(_answered(atom))]
        said = [one.content for one in asked if one and one.metadata.get("role") == "user"]
        return "".join(f"> {one_line(text, MAX_QUESTION_CHARS)}\n\n" for text in said)

    async def _found(self, id: str) -> Atom | None:
        with contextlib.suppress(NotFound, InvalidInput):
            return await self.space.get(id)
        return None

    async def _deliver(self, atom: Atom, change: Change, asked: str = "") -> None:
        """Send one answer, trying again for a while; what nobody could be shown is told elsewhere."""
        text = f"{asked}{atom.content}"
        if self._clock.now() - change.at > LATE_AFTER:
            late = await self._late(change)
            if len(late) > MAX_LATE_ANSWERS:
                await self._sum_up(late)
                return
            text = f"*(said {change.at.astimezone(self._clock.zone):%A %d %B at %H:%M})*\n{text}"
        turn = turn_of(atom.author, _answered(atom))
        begun = await self._growing.begun(turn, text)
        files = [self._sending(one, atom) for one in atom.attachments]
        try:
            if plain := await self._delivery.show(atom.ref, text, begun, files):
                await self._note(atom, f"shown as plain text in {self.channel.name}", plain)
        except Undeliverable as error:
            await self._tell_elsewhere(atom, text, str(error))
        await self._growing.whole(turn)

    async def _note(self, atom: Atom, what: str, reason: str) -> None:
        """Keep a note of how an answer fared; it is shown nowhere."""
        space = await as_house(self._spaces, self.space.id)
        await space.put(
            f"This answer was {what}: {reason}",
            comment=f"an answer was {what}",
            metadata={"role": "note"},
            references={"about": [atom.ref]},
            operation=self._undelivered(atom),
        )

    def _undelivered(self, atom: Atom) -> str:
        return f"undelivered:{self.binding.subscriber}:{atom.id}"

    def _sending(self, file: Attachment, atom: Atom) -> Part:
        async def send(key: str) -> str:
            if isinstance(self.channel, SendsFiles):
                data = await self._bridge.files.read(self.space, atom.id, file.name)
                return await self.channel.send_file(self.binding.conversation, file.name, file.media_type, data, key)
            said = f"[{file.name}, {file.size:,} bytes: `stoa space save {atom.ref} {quote(file.name)}`]"
            return await self.channel.send(OutboundMessage(self.binding.conversation, said, key))

        return send

    async def _late(self, change: Change) -> list[tuple[Change, Atom]]:
        """The answers from this one on that are old by now and were to be shown here."""
        found: list[tuple[Change, Atom]] = []
        for later in await self.space.changes(change.seq - 1):
            if later.operation != "put" or self._clock.now() - later.at <= LATE_AFTER:
                continue
            atom = await self.space.get(later.atom)
            if atom.metadata.get("role") != "assistant":
                continue
            if self._shows(await self.routing.places(later, atom, self.binding.id)):
                found.append((later, atom))
        return found

    async def _sum_up(self, late: Sequence[tuple[Change, Atom]]) -> None:
        """Show the beginnings of many old answers in one message."""
        lines = [
            f"- {change.at.astimezone(self._clock.zone):%A at %H:%M}: {one_line(atom.content, 120)}"
            for change, atom in late[-20:]
        ]
        text = f"While nothing could be shown here I said {len(late)} things. The newest of them:\n\n" + "\n".join(
            lines
        )
        last = late[-1]
        try:
            await self._delivery.show(f"{last[1].ref} and before", text)
        except Undeliverable as error:
            await self._tell_elsewhere(last[1], text, str(error))
        self._skipped = last[0].seq

    async def _tell_elsewhere(self, atom: Atom, text: str, reason: str) -> None:
        """Say it in the next place where the person can be reached; note it where there is none."""
        tried = atom.metadata.get("tried")
        been = [*(tried if isinstance(tried, list) else []), self.binding.id]
        places = await self.routing.reachable(without=been) if self.binding.person else []
        if places:
            space = await as_house(self._spaces, self.space.id)
            await space.put(
                f"*(I could not show this in {self.channel.name}: {reason})*\n{text}",
                comment=one_line(text),
                metadata={"role": "assistant", SHOW_IN: places[0], "tried": been},
                references={"about": [atom.ref]},
                operation=self._undelivered(atom),
                attachments=atom.attachments,
            )
            return
        await self._note(atom, f"not shown in {self.channel.name}", reason)
        if self.binding.person != OWNER.id:
            said = f"I could not answer in {self.binding.space} ({self.channel.name}): {reason}"
            await tell_owner(self._spaces, said, f"{self._undelivered(atom)}:owner")


def _answered(atom: Atom) -> set[str]:
    """The atoms that this one answers."""
    return {reference.rpartition("/")[2] for reference in atom.references.get("reply_to", [])}
