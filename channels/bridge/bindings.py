"""Bindings: which conversation on a platform is which chat space, and whose it is."""

from pydantic import BaseModel, ConfigDict

from channels.keys import channel_keys
from core.atoms.atoms import OWNER
from core.store.records import Records, listed
from core.store.store import Store

WINDOW = f"{OWNER.id}-"
"""The names of terminals begin with this."""


class Binding(BaseModel):
    """One conversation of one account, and the chat space that it is."""

    model_config = ConfigDict(frozen=True)

    id: str
    """`account/conversation`."""
    account: str
    conversation: str
    space: str = "chat"
    person: str = OWNER.id
    """The person whose direct message it is; empty for a room or a thread that others read."""
    parent: str = ""
    """The conversation that this one is a thread of."""
    sender: str = ""
    """The platform's id of the person who is alone with us there; empty for a room, and for a terminal."""
    ours: bool = True
    """True if somebody has called us into the thread; where we only read along, messages must name us."""
    resting: bool = False
    """True for a thread of a direct message that is not followed until something is said in it again."""

    @property
    def asks(self) -> bool:
        """True where the owner is asked for decisions."""
        return self.person == OWNER.id and not self.parent

    @property
    def window(self) -> bool:
        """True for one of the owner's terminals, each of which is a conversation while it is open."""
        return not self.sender and self.conversation.startswith(WINDOW)

    def beside(self, place: str) -> bool:
        """True if `place` is another window of the same kind."""
        return place != self.id and place.startswith(f"{self.account}/{WINDOW}")

    @property
    def cursor(self) -> str:
        """As whom it remembers how far its space was shown; the owner's windows go on from one another."""
        return f"channel:{self.account}:{OWNER.id}" if self.window else self.subscriber

    @property
    def may_rest(self) -> bool:
        """True if the direct message that it is a thread of follows its space."""
        return bool(self.person and self.parent)

    @property
    def direct(self) -> str:
        """The name of the conversation that this is, or is a thread of: what is said unasked is shown there."""
        return f"{self.account}/{self.parent or self.conversation}"

    @property
    def subscriber(self) -> str:
        """As whom the conversation reads its space."""
        return f"channel:{self.account}:{self.conversation}"


def bound(
    account: str, conversation: str, space: str = "chat", person: str = OWNER.id, parent: str = "", sender: str = ""
) -> Binding:
    """A conversation of an account, and the space that it is."""
    return Binding(
        id=f"{account}/{conversation}",
        account=account,
        conversation=conversation,
        space=space,
        person=person,
        parent=parent,
        sender=sender,
    )


class Bindings:
    """The registry of bindings."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = channel_keys(store)
        self._records = Records(store, Binding, self._keys.binding)

    async def of(self, account: str) -> list[Binding]:
        return await listed(self._store, self._keys.bindings(account), self._keys.binding, Binding)

    async def save(self, binding: Binding) -> None:
        """Keep the binding."""
        await self._records.save(binding)
        await self._store.run("SADD", self._keys.bindings(binding.account), binding.id)

    async def remove(self, binding: Binding) -> None:
        """Forget the binding; what was said stays in its space."""
        await self._store.run("SREM", self._keys.bindings(binding.account), binding.id)
        await self._store.run("DEL", self._keys.binding(binding.id))
