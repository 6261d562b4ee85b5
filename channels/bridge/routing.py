"""Routing: which of the conversations bound to a chat space shows what is said there.

An answer goes where it was asked for. What nobody has just asked for, such as a reminder, goes to the person: on the
account they prefer, else where they last wrote.
"""

from collections.abc import Sequence

from channels.bridge.presence import Presence, account
from channels.people.persons import Persons
from core.agents.unread import CONVERSATION_KEY
from core.atoms.atoms import HOUSE, OWNER, Atom, Change, Origin
from core.atoms.permissions import Permission
from core.errors import NotFound
from core.spaces.spaces import Space, Spaces, first_words
from core.trust.approvals import APPROVALS_SPACE
from core.trust.decisions import approval_of

SHOW_IN, SAID_IN = "to", CONVERSATION_KEY
"""The metadata in which an atom says where it is to be shown, and where it was written."""


class Routing:
    """Where what is said in one chat space is shown."""

    def __init__(self, spaces: Spaces, space: str, person: str = OWNER.id) -> None:
        """`person` is whose direct messages are bound to the space; nobody's for a room."""
        self.presence = Presence(spaces.store, space)
        self._spaces = spaces
        self._space = spaces.open(space, OWNER)
        self._person = person
        self._persons = Persons(spaces.store)

    async def places(self, change: Change, atom: Atom, here: str) -> list[str]:
        """The conversations in which this atom is shown; the same whoever asks, `here` being one that can show it."""
        if change.author == HOUSE.id and (to := atom.metadata.get(SHOW_IN)):  # what an agent writes there moves nothing
            return [str(to)]
        if asked := await self._asked(change, atom):
            return asked
        known = await self.presence.route(atom.id)
        return [known or await self.presence.decide(atom.id, next(iter(await self.reachable()), here))]

    async def reachable(self, without: Sequence[str] = ()) -> list[str]:
        """Where the person can be reached, the best place first: accounts that nobody serves come last."""
        names = [name for name in await self.presence.known() if name not in without]
        if not names:
            return []
        served, preferred = await self.presence.able(names), await self._preferred()
        return sorted(served, key=lambda name: (not served[name], account(name) != preferred))

    async def _preferred(self) -> str:
        try:
            return (await self._persons.get(self._person)).preferred
        except NotFound:  # the owner, before they have linked anything
            return ""

    async def _asked(self, change: Change, atom: Atom) -> list[str]:
        """Where that was written which the atom answers, if that is what the chain of causes began with."""
        space, _, seq = change.cause.root.rpartition("/")
        if space and space != self._space.id:
            space, _, seq = (await self._led_to(space, int(seq))).rpartition("/")
            if space != self._space.id:
                return []
        refs = [ref.rpartition("/")[2] for ref in atom.references.get("reply_to", [])]
        if space and not refs:
            began = await self._space.changes(int(seq) - 1, 1)
            refs = [one.atom for one in began if one.atom]
        found: dict[str, None] = {}
        for ref in refs:
            try:
                asked = await self._space.get(ref)
            except NotFound:
                continue
            said = asked.origin is not Origin.AGENT and asked.metadata.get(SAID_IN)
            found |= {str(said): None} if said else {}
        return list(found)

    async def _led_to(self, space: str, seq: int) -> str:
        """The first cause of a decided request, as Stoa noted it when it asked the owner."""
        try:
            decided = await self._spaces.open(space, OWNER).changes(seq - 1, 1)
            asked = [await self._spaces.open(APPROVALS_SPACE, OWNER).find(approval_of(one.atom)) for one in decided]
        except NotFound:
            return ""
        return next((str(atom.metadata.get("root", "")) for atom in asked if atom), "")


async def as_house(spaces: Spaces, name: str) -> Space:
    """A chat space as Stoa itself writes in it, which no agent can pass itself off as."""
    space = spaces.open(name, HOUSE)
    if await space.permission() < Permission.APPEND:
        await spaces.open(name).share(HOUSE.id, Permission.APPEND, comment="Stoa tells what could not be shown")
    return space


async def tell_owner(spaces: Spaces, text: str, operation: str, without: Sequence[str] = ()) -> None:
    """Say something about Stoa itself to the owner, once, where they can be reached, `without` these places."""
    space = await as_house(spaces, "chat")
    places = await Routing(spaces, "chat").reachable(without)
    to = {SHOW_IN: places[0]} if places and without else {}
    await space.put(text, comment=first_words(text), metadata={"role": "assistant", **to}, operation=operation)
