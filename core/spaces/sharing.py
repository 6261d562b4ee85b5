"""Sharing: rights in a space, their duration, and who is told of its changes."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.atoms.atoms import OWNER, Value, new_id
from core.atoms.permissions import Permission
from core.atoms.validation import checked_metadata, checked_moment, checked_principal
from core.errors import InvalidInput, NotFound
from core.spaces.handles import Handle
from core.store.codec import milliseconds, pack, token
from core.store.spaces import Cursors, SpaceRegistry

MAX_DIGEST_SECONDS = 7 * 86_400.0

SubscriptionFilter = Mapping[str, Value]
"""The metadata a changed atom must have; a list means any of its members."""


def subscription(wake: str | float, metadata: SubscriptionFilter) -> str | bytes:
    """A subscription as the Function library keeps it; raises `InvalidInput`."""
    if isinstance(wake, bool) or (wake not in ("now", "never") and not isinstance(wake, int | float)):
        raise InvalidInput(f'wake is {wake!r}; give "now", "never", or the seconds of a digest')
    if not isinstance(wake, str) and not 0 < wake <= MAX_DIGEST_SECONDS:
        raise InvalidInput(f"wake is {wake!r}; a digest comes every 1 to {MAX_DIGEST_SECONDS:.0f} seconds")
    values = metadata.values() if isinstance(metadata, Mapping) else [None]
    if any(isinstance(value, Mapping) or value is None or value == [] for value in values):
        raise InvalidInput('metadata asks for values, such as {"status": "done"} or {"status": ["open", "late"]}')
    if isinstance(wake, str) and not metadata:
        return wake
    asked = [token(key, value) for key, value in checked_metadata(metadata).items() if value is not None]
    return pack([wake if isinstance(wake, str) else max(1, round(wake * 1000)), asked])


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """The terms of a grant: its end, whether it is only to be passed on, and an id of its own."""

    until: datetime | str | None = None
    delegate: bool = False
    id: str = ""


class Shared(Handle):
    """A handle as far as it gives and takes rights."""

    async def permission(self, *, passing: bool = False) -> Permission:
        """The holder's right here at this moment, or with `passing` the most it may give to others."""
        if passing:
            command = self._store.reading("stoa_passable", self.id, self.holder.credentials)
            return Permission(await self._store.run(*command))
        level, *_ = await self._store.run(*self._store.reading("stoa_level", self.id, self.holder.credentials))
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

        With `delegate` it may be passed on but not used. A grant until a time, or to pass on only, lies beside a
        standing one; each new one replaces the giver's own of the same kind. One with a `grant` id of its own lies
        beside all others, and can be taken back alone.
        """
        given = Permission.parse(permission)
        comment = comment or f"shared {given} with {principal}"
        await self._share(principal, (given, Permission.GRANT), comment, GrantTerms(until, delegate, grant))

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
        await self._share(child, (level, level), comment, GrantTerms(until, delegate, grant))

    async def revoke(self, principal: str, *, comment: str = "", grant: str = "") -> None:
        """Take back what you gave someone; with grant, all that anyone gave. A `grant` id means that one alone.

        Raises `NotFound` if there was nothing to take back.
        """
        comment = comment or f"took {principal}'s access back"
        await self._share(principal, (Permission.NONE, Permission.READ), comment, GrantTerms(id=grant))

    async def revoke_any(self, principal: str, *, comment: str = "", grant: str = "") -> None:
        """Like `revoke`, and nothing happens if there was nothing to take back."""
        with contextlib.suppress(NotFound):
            await self.revoke(principal, comment=comment, grant=grant)

    async def subscribe(self, wake: str | float = "now", metadata: SubscriptionFilter | None = None) -> None:
        """Be told of changes from now on; needs read. Subscribing again changes how.

        An agent gets a turn for each change ("now"), for all of so many seconds together (a number), or is shown them
        when it has a turn anyway ("never"). `metadata` bounds that to changes after which the atom has it:
        {"status": "done"}, or {"status": ["open", "late"]} for any of these.
        """
        seq = await self._store.subscribe(self.id, self.holder.id, subscription(wake, metadata or {}))
        await Cursors(self._store).begin(self.holder.id, self.id, seq)

    async def unsubscribe(self) -> None:
        """Be told no more."""
        await self._store.subscribe(self.id, self.holder.id, "")
        await Cursors(self._store).forget(self.holder.id, self.id)

    async def _share(
        self, principal: str, levels: tuple[Permission, Permission], comment: str, terms: GrantTerms
    ) -> None:
        principal, (given, needed) = checked_principal(principal), levels
        if principal == OWNER.id:
            raise InvalidInput("the owner holds every space already; name another principal")
        ends = 0 if terms.until is None else milliseconds(checked_moment(terms.until, "until"))
        if ends and ends <= self._store.now():
            raise InvalidInput(f"until {terms.until} is past; give a time to come, or none for a standing grant")
        call = self._call(new_id(), comment)
        if given and await self.permission(passing=True) >= max(given, needed):
            await SpaceRegistry(self._store).add_holder(self.id, principal)  # where to look first, then the right
        what = (principal, int(given), int(needed), ends, int(terms.delegate), terms.id)
        await self._store.mutate("stoa_share", self.id, *call, *what)
