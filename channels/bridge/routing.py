"""Routing: which of the conversations bound to a chat space shows what is said there.

An answer goes where it was asked for. What nobody has just asked for, such as a reminder, goes to the person: on the
account they prefer, else where they last wrote.
"""

from collections.abc import Sequence

from channels.keys import channel_keys
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
PRESENCE_SECONDS = 15
"""Seconds for which somebody at a terminal counts as present after they were last seen to be."""
ROUTE_SECONDS = 30 * 86_400
"""Seconds for which it is remembered where something was shown."""
DECIDE = "return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'EX', ARGV[2]) or ARGV[1]"


class Routing:
    """Where what is said in one chat space is shown."""

    def __init__(self, spaces: Spaces, space: str, person: str = OWNER.id) -> None:
        """`person` is whose direct messages are bound to the space; nobody's for a room."""
        self._store = spaces.store
        self._spaces = spaces
        self._space = spaces.open(space, OWNER)
        self._person = person
        self._persons = Persons(spaces.store)

    async def used(self, conversation: str) -> None:
        """The person has just written in this conversation."""
        await self._store.run("ZADD", channel_keys(self._store).used(self._space.id), self._store.now(), conversation)

    async def opened(self, conversation: str) -> None:
        """The person can be reached in this conversation, where they have not written yet."""
        await self._store.run("ZADD", channel_keys(self._store).used(self._space.id), "NX", 0, conversation)

    async def known(self) -> list[str]:
        """The conversations in which the person can be reached, if they are served; the one last written in first."""
        names = await self._store.run("ZREVRANGE", channel_keys(self._store).used(self._space.id), 0, -1)
        return [name.decode() for name in names]

    async def unused(self, conversation: str) -> None:
        """The person cannot be reached in this conversation any more."""
        await self._store.run("ZREM", channel_keys(self._store).used(self._space.id), conversation)

    async def present(self, conversation: str) -> None:
        """Somebody sits at this terminal, which is no account on a platform, and so can be reached there."""
        await self._store.run("SET", channel_keys(self._store).present(conversation), 1, "EX", PRESENCE_SECONDS)

    async def gone(self, conversation: str) -> None:
        """Nobody sits there any more."""
        await self._store.run("DEL", channel_keys(self._store).present(conversation))

    async def places(self, change: Change, atom: Atom, here: str) -> list[str]:
        """The conversations in which this atom is shown; the same whoever asks, `here` being one that can show it."""
        if change.author == HOUSE.id and (to := atom.metadata.get(SHOW_IN)):  # what an agent writes there moves nothing
            return [str(to)]
        if asked := await self._asked(change, atom):
            return asked
        key = channel_keys(self._store).route(self._space.id, atom.id)
        known = await self._store.run("GET", key)
        if known is None:
            found = next(iter(await self.reachable()), here)
            known = await self._store.run("EVAL", DECIDE, 1, key, found, ROUTE_SECONDS)
        return [known.decode()]

    async def reachable(self, without: Sequence[str] = ()) -> list[str]:
        """Where the person can be reached, the best place first: accounts that nobody serves come last."""
        keys = channel_keys(self._store)
        names = [name for name in await self.known() if name not in without]
        if not names:
            return []
        accounts = {name.decode() for name in await self._store.run("SMEMBERS", keys.channel_accounts())}
        preferred = await self._preferred()
        looked = [[keys.present(name), keys.holder(_account(name))] for name in names]
        there = await self._store.together(*(["EXISTS", key] for pair in looked for key in pair))
        able = [
            (not (here or served), _account(name) != preferred, name)
            for name, here, served in zip(names, there[::2], there[1::2], strict=True)
            if here or _account(name) in accounts
        ]
        return [name for *_, name in sorted(able, key=lambda one: one[:2])]

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
        """What began that which led to a decided request, as Stoa itself noted when it asked the owner about it."""
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


def _account(conversation: str) -> str:
    return conversation.partition("/")[0]
