"""Admission: who may speak where, and in which chat space. Strangers are told that the owner is asked about them."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from channels.bridge.bindings import Binding, Bindings, bound
from channels.bridge.incoming import Speaker
from channels.bridge.routing import Routing
from channels.contract import InboundMessage
from channels.people.pairing import spelled
from channels.people.people import People, Person, Room
from channels.people.rules import NEVER_HEARD, ROOM_RULES, Arrival, verdict
from core.atoms.atoms import OWNER, Origin, Principal
from core.atoms.permissions import Permission
from core.errors import NotFound
from core.spaces.spaces import Spaces

MAX_ROOM_NAME_CHARS = 24
"""Letters of a room's name in its space's, so that the names that hosts' spaces get from it are not too long."""

OpenConversation = Callable[[Binding, str, Principal | None], Awaitable[None]]
"""Gives a conversation that is not the owner's its space and its agent, again and again without harm. The second is the
space of the room that a thread belongs to, if it belongs to one, the last whose direct message it is."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a message belongs, and who says it."""

    binding: Binding
    speaker: Speaker
    ours: bool = True
    """True if it is meant for us."""


class Admission:
    """Decides who may speak in the conversations of one account."""

    def __init__(
        self, spaces: Spaces, account: str, people: People, bindings: Bindings, seat: OpenConversation
    ) -> None:
        self.bound: dict[str, Binding] = {}
        """The conversations of the account that are bound to a space, by name."""
        self._spaces = spaces
        self._account = account
        self._people = people
        self._bindings = bindings
        self._seat = seat
        self._binding = asyncio.Lock()

    async def load(self) -> None:
        """Learn which conversations are bound already."""
        self.bound = {binding.conversation: binding for binding in await self._bindings.of(self._account)}

    async def stands(self, binding: Binding) -> bool:
        """True while its space may be shown there: the account is still that person's, the room still let in."""
        if not binding.person:
            room = await self._people.room(self._account, binding.parent or binding.conversation)
            return room is not None and room.status == "allowed"
        person = await self._people.find(self._account, binding.sender)
        return person is not None and person.id == binding.person and person.status == "allowed"

    async def admit(self, message: InboundMessage) -> Placement | str:
        """Where the message belongs; or what is to be said instead of taking it, perhaps nothing."""
        person = await self._people.find(self._account, message.sender)
        if message.room:
            return await self._in_room(message, person)
        if any(rule(Arrival(message, person)) for rule, _ in NEVER_HEARD):
            return ""
        said = await self._people.redeem(self._account, message)
        if said is not None:
            if linked := await self._people.find(self._account, message.sender):
                binding = await self._direct(message, linked)  # what the owner is asked is shown there from now on
                await Routing(self._spaces, binding.space, binding.person).presence.used(binding.direct)
            return said
        if person is None:
            return await self._people.request_admission(self._account, message)
        name = "" if person.principal == OWNER else person.name
        return await self._placed(await self._direct(message, person), Speaker(person.principal, name))

    async def is_item(self, message: InboundMessage) -> bool:
        """True for an item of a feed that nobody we know wrote to us; a stranger's code is a message."""
        if not message.feed or message.kind != "message":
            return False
        return not message.sender or (
            spelled(message.text) is None and await self._people.find(self._account, message.sender) is None
        )

    async def unreached(self) -> list[str]:
        """The owner's names on the account by which they cannot be told anything in a direct message yet."""
        try:
            owner = await self._people.get(OWNER.id)
        except NotFound:  # nothing is linked yet
            return []
        used = await Routing(self._spaces, owner.chat).presence.known()
        known = {one.sender for one in self.bound.values() if one.asks and one.id in used}
        here = [key.partition("/") for key in owner.accounts]
        return [sender for account, _, sender in here if account == self._account and sender not in known]

    async def reach(self, sender: str, conversation: str) -> None:
        """This is the owner's direct message, though they never wrote in it: what they are asked is shown there, and
        what they are reminded of where they prefer that account, or can be reached nowhere else."""
        binding = await self._bind(bound(self._account, conversation, sender=sender))
        await Routing(self._spaces, binding.space).presence.opened(binding.id)

    async def _in_room(self, message: InboundMessage, person: Person | None) -> Placement | str:
        room = await self._people.room(self._account, message.parent or message.conversation)
        known = self.bound.get(message.conversation)
        if known and known.person:  # of one who was alone with us there
            known = None
        called = known is not None and known.ours and bool(message.parent)  # into this thread, before
        ours = message.addressed or (called and room is not None and room.listen != "mentions")
        decided = verdict(ROOM_RULES, Arrival(message, person, room, known is not None, ours))
        if decided == "ask":
            return await self._people.request_admission(self._account, message)
        if decided == "ignore" or room is None:
            return ""
        stranger = Principal(f"{self._account}/{message.sender}", Origin.OUTSIDE)
        speaker = Speaker(person.principal if person else stranger, person.name if person else message.name)
        binding = known if known and known.ours >= ours else await self._room(message, room)
        return await self._placed(binding, speaker, ours)

    async def _placed(self, binding: Binding, speaker: Speaker, ours: bool = True) -> Placement:
        """The place, where the speaker may write from now on."""
        if speaker.principal != OWNER:
            space = self._spaces.open(binding.space, speaker.principal)
            if await space.permission() < Permission.WRITE:
                await self._spaces.open(binding.space).share(speaker.principal.id, Permission.WRITE)
        return Placement(binding, speaker, ours)

    async def _direct(self, message: InboundMessage, person: Person) -> Binding:
        """The binding of somebody's direct message; all of one person's are one space.

        With a thread in it the direct message itself is bound: reminders and questions are shown there.
        """
        binding = bound(self._account, message.conversation, person.chat, person.id, message.parent, message.sender)
        if person.principal != OWNER:
            await self._seat(binding, "", person.principal)
        if message.parent:
            await self._bind(bound(self._account, message.parent, person.chat, person.id, sender=message.sender))
        return await self._bind(binding)

    async def _room(self, message: InboundMessage, room: Room) -> Binding:
        """The binding of a room or of a thread in it; a thread's agent may read what was said in the room."""
        top = message.parent or message.conversation
        name = space_of_room(self._account, room.name or message.room, top)
        around = await self._bind(bound(self._account, top, name, ""))
        if not message.parent:
            return around
        name = space_of_thread(around.space, message.conversation)
        thread = bound(self._account, message.conversation, name, "", message.parent)
        return await self._bind(thread.model_copy(update={"ours": message.addressed}), around.space)

    async def _bind(self, binding: Binding, room: str = "") -> Binding:
        """The binding that is there, or else this one from now on: one of somebody else's is replaced by it."""
        async with self._binding:
            known = self.bound.get(binding.conversation)
            of_same = known and (known.person, known.sender) == (binding.person, binding.sender)
            if known and of_same and known.ours >= binding.ours:
                return known
            if not binding.person:
                await self._seat(binding, room, None)
            space = self._spaces.open(binding.space)  # what was said in it before is not shown here
            await self._spaces.notifications.advance(binding.subscriber, binding.space, await space.newest())
            await self._bindings.save(binding)
            self.bound[binding.conversation] = binding
            return binding


def space_of_room(account: str, name: str, conversation: str) -> str:
    """The name of a room's space; its end tells it from others of that name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:MAX_ROOM_NAME_CHARS].strip("-")
    return "-".join(filter(None, (account[:12].strip("-"), plain, _short(f"{account}/{conversation}", 3))))


def space_of_thread(room: str, conversation: str) -> str:
    """The name of a thread's space; a room may have very many."""
    return f"{room}-{_short(conversation, 5)}"


def _short(name: str, size: int) -> str:
    return hashlib.blake2b(name.encode(), digest_size=size).hexdigest()
