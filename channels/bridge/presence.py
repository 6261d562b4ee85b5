"""Presence: where each person can be reached, and which conversation shows what nobody has just asked for."""

from collections.abc import Sequence

from channels.keys import channel_keys
from core.store.store import Store

PRESENCE_SECONDS = 15
"""Somebody at a terminal counts as present for so long after the last sign of them."""
ROUTE_SECONDS = 30 * 86_400
"""It is remembered for so long where something was shown."""
DECIDE_ROUTE = "return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'EX', ARGV[2]) or ARGV[1]"


class Presence:
    """The conversations in which the people of one chat space can be reached."""

    def __init__(self, store: Store, space: str) -> None:
        self._store = store
        self._keys = channel_keys(store)
        self._space = space

    async def used(self, conversation: str) -> None:
        """The person has just written in this conversation."""
        await self._store.run("ZADD", self._keys.used(self._space), self._store.now(), conversation)

    async def opened(self, conversation: str) -> None:
        """The person can be reached in this conversation, where they have not written yet."""
        await self._store.run("ZADD", self._keys.used(self._space), "NX", 0, conversation)

    async def known(self) -> list[str]:
        """The conversations in which the person can be reached, if they are served; the one last written in first."""
        names = await self._store.run("ZREVRANGE", self._keys.used(self._space), 0, -1)
        return [name.decode() for name in names]

    async def unused(self, conversation: str) -> None:
        """The person cannot be reached in this conversation any more."""
        await self._store.run("ZREM", self._keys.used(self._space), conversation)

    async def present(self, conversation: str) -> None:
        """Somebody sits at this terminal, which is no account on a platform, and so can be reached there."""
        await self._store.run("SET", self._keys.present(conversation), 1, "EX", PRESENCE_SECONDS)

    async def gone(self, conversation: str) -> None:
        """Nobody sits there any more."""
        await self._store.run("DEL", self._keys.present(conversation))

    async def route(self, atom: str) -> str:
        """The conversation that shows the atom; empty while that is undecided."""
        return (await self._store.run("GET", self._keys.route(self._space, atom)) or b"").decode()

    async def decide(self, atom: str, conversation: str) -> str:
        """Let the conversation show the atom, unless another was decided on before; answers which it is."""
        key = self._keys.route(self._space, atom)
        return str((await self._store.run("EVAL", DECIDE_ROUTE, 1, key, conversation, ROUTE_SECONDS)).decode())

    async def able(self, conversations: Sequence[str]) -> dict[str, bool]:
        """Those of the conversations that have somebody present or an account; True where somebody serves them now."""
        accounts = {name.decode() for name in await self._store.run("SMEMBERS", self._keys.channel_accounts())}
        looked = [key for name in conversations for key in (self._keys.present(name), self._keys.holder(account(name)))]
        there = await self._store.together(*(["EXISTS", key] for key in looked))
        return {
            name: bool(here or served)
            for name, here, served in zip(conversations, there[::2], there[1::2], strict=True)
            if here or account(name) in accounts
        }


def account(conversation: str) -> str:
    """The account of a conversation named `account/conversation`."""
    return conversation.partition("/")[0]
