"""Sharing: who may do what in a space, for how long, and who is told of its changes."""

from collections.abc import Mapping
from datetime import datetime

from core.atoms.atoms import OWNER, Value, new_id
from core.atoms.permissions import Permission
from core.atoms.validation import check_metadata, check_principal, checked_moment
from core.errors import InvalidInput
from core.spaces.handles import Handle
from core.store.codec import milliseconds, pack, token

MAX_DIGEST_SECONDS = 7 * 86_400.0
"""Seconds."""

SubscriptionFilter = Mapping[str, Value]
"""The metadata a changed atom must have; a list means any of its members."""


def subscription(wake: str | float, metadata: SubscriptionFilter) -> str | bytes:
    """A subscription as the Function library keeps it; raises `InvalidInput` for one that cannot be."""
    if isinstance(wake, bool) or (wake not in ("now", "never") and not isinstance(wake, int | float)):
        raise InvalidInput(f'wake is {wake!r}; give "now", "never", or the seconds of a digest')
    if not isinstance(wake, str) and not 0 < wake <= MAX_DIGEST_SECONDS:
        raise InvalidInput(f"wake is {wake!r}; a digest comes every 1 to {MAX_DIGEST_SECONDS:.0f} seconds")
    values = metadata.values() if isinstance(metadata, Mapping) else [None]
    if any(isinstance(value, Mapping) or value is None or value == [] for value in values):
        raise InvalidInput('metadata asks for values, such as {"status": "done"} or {"status": ["open", "late"]}')
    check_metadata(metadata)
    if isinstance(wake, str) and not metadata:
        return wake
    asked = [token(key, value) for key, value in metadata.items()]
    return pack([wake if isinstance(wake, str) else max(1, round(wake * 1000)), asked])


class Shared(Handle):
    """A handle as far as it gives and takes rights."""

    async def permission(self, *, passing: bool = False) -> Permission:
        """What the holder may do here at this moment, or with `passing` may give to others."""
        if passing:
            command = self._store.reading("stoa_passable", self.id, self.holder.id)
            return Permission(await self._store.run(*command))
        level, *_ = await self._store.run(*self._store.reading("stoa_level", self.id, self.holder.id))
        return Permission(level)

    async def share(
        self,
        principal: str,
        permission: Permission | str,
        *,
        until: datetime | str | None = None,
        delegate: bool = False,
        comment: str = "",
        grant: str = "",
    ) -> None:
        """Give someone a permission here; needs grant. It lasts while the giver's own right does, at most `until`.

        With `delegate` it may be passed on and not be used. A grant until a time, or to pass on only, lies beside a
        standing one; each new one replaces the giver's own of the same kind. One with a `grant` id of its own lies
        beside all others, and can be taken back alone.
        """
        given = Permission.parse(permission)
        await self._share(principal, given, Permission.GRANT, comment, until=until, delegate=delegate, grant=grant)

    async def pass_on(
        self,
        child: str,
        permission: Permission | str,
        *,
        until: datetime | str | None = None,
        delegate: bool = False,
        grant: str = "",
    ) -> None:
        """Give an agent that one spawns no more than one holds, or may pass on, oneself; needs that permission."""
        level = Permission.parse(permission)
        comment = f"passed {level} on to {child}"
        await self._share(child, level, level, comment, until=until, delegate=delegate, grant=grant)

    async def revoke(self, principal: str, *, comment: str = "", grant: str = "") -> None:
        """Take back what this holder gave; with grant, all that anyone gave. A `grant` id means that one alone."""
        comment = comment or f"took {principal}'s access back"
        await self._share(principal, Permission.NONE, Permission.READ, comment, grant=grant)

    async def subscribe(self, wake: str | float = "now", metadata: SubscriptionFilter | None = None) -> None:
        """Be told of changes from now on; needs read. Subscribing again changes how.

        An agent gets a turn for each change ("now"), for all of so many seconds together (a number), or is shown them
        when it has a turn anyway ("never"). `metadata` bounds that to changes after which the atom has it:
        {"status": "done"}, or {"status": ["open", "late"]} for any of these.
        """
        seq = await self._subscribe(subscription(wake, metadata or {}))
        await self._store.run("HSETNX", self._store.keys.cursors(self.holder.id), self.id, seq)

    async def unsubscribe(self) -> None:
        """Be told no more."""
        await self._subscribe("")
        await self._store.run("HDEL", self._store.keys.cursors(self.holder.id), self.id)

    async def _subscribe(self, policy: str | bytes) -> int:
        key = self._store.keys.space(self.id)
        call = ("FCALL", "stoa_subscribe", 1, key, self.holder.id, self._store.now(), policy)
        return int(await self._store.run(*call))

    async def _share(
        self,
        principal: str,
        given: Permission,
        needed: Permission,
        comment: str,
        *,
        until: datetime | str | None = None,
        delegate: bool = False,
        grant: str = "",
    ) -> None:
        check_principal(principal)
        if principal == OWNER.id:
            raise InvalidInput("the owner holds every space already; name another principal")
        ends = 0 if until is None else milliseconds(checked_moment(until, "until"))
        if ends and ends <= self._store.now():
            raise InvalidInput(f"until {until} is past; give a time to come, or none for a standing grant")
        call = self._call(new_id(), comment or f"shared {given} with {principal}")
        passable = self._store.reading("stoa_passable", self.id, self.holder.id)
        if given and await self._store.run(*passable) >= max(given, needed):  # where to look first, then the right
            await self._store.run("SADD", self._store.keys.held(principal), self.id)
        what = (principal, int(given), int(needed), ends, int(delegate), grant)
        await self._store.mutate("stoa_share", self.id, *call, *what)
