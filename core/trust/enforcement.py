"""Enforcement: each right is checked when it is used, not when a turn begins; single uses and turns are counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.agents.agents import Agent, Agents
from core.agents.rights import Grant, Held, lasts
from core.atoms.atoms import OWNER, Principal
from core.atoms.permissions import Permission
from core.errors import PermissionDenied
from core.spaces.spaces import Actor, Spaces
from core.trust.audit import Audit, AuditDetails

ONE_CALL_TIME = timedelta(minutes=1)
"""After this a grant for one call ends by itself, should the worker die during the call."""
ONE_CALL = "once:"
"""What the ids of such grants begin with: the store counts them only for a caller who shows the id."""


@dataclass(slots=True)
class RightsInUse:
    """The rights that one agent uses in one turn."""

    spaces: Spaces
    agents: Agents
    audit: Audit
    agent: Agent
    actor: Actor
    turn: str
    held: Held
    _noted: set[str] = field(default_factory=set)
    _one_secret: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def begin(
        cls, spaces: Spaces, agents: Agents, audit: Audit, agent: Agent, actor: Actor, turn: str
    ) -> "RightsInUse":
        """Look at what the agent holds as its turn begins; what it was given for one turn is given for this one."""
        held = await agents.held(agent, turn)
        for grant in held.line[0].grants:
            if grant.scope == "turn" and grant.id not in held.line[0].turns:
                await agents.rights.begin(grant, turn)
        return cls(spaces, agents, audit, agent, actor, turn, held)

    async def looked(self, operation: str = "") -> Held:
        """The agent's rights now, for this very act."""
        self.held = await self.agents.held(self.agent, self.turn, operation)
        return self.held

    def with_short(self, connected: Mapping[str, Permission]) -> dict[str, Permission]:
        """The spaces the agent may use, those included that it was given for one use or one turn."""
        found = dict(connected)
        for grant in self.held.grants("space"):
            if not lasts(grant):
                found[grant.name] = max(found.get(grant.name, Permission.NONE), Permission.parse(grant.permission))
        return found

    @contextlib.asynccontextmanager
    async def tool(self, name: str, operation: str) -> AsyncIterator[tuple[str, ...]]:
        """Use a tool, if the agent holds it at this moment; gives the names of the secrets it may have used with it."""
        held = await self.looked(operation)
        grant = next(iter(held.grants("tool", name)), None)
        if grant is None or (grant.scope == "once" and not await self.agents.rights.use(grant, operation)):
            have = ", ".join(held.names("tool")) or "none"
            raise PermissionDenied(
                f"tools: you called {name} and hold {have} now. It was taken back or used up; ask with request()."
            )
        await self._note(grant)
        once = any(secret.scope == "once" for secret in held.grants("secret"))
        async with self._one_secret if once else contextlib.nullcontext():
            yield tuple((await self.looked(operation) if once else held).names("secret"))

    async def used_secrets(self, names: list[str], operation: str) -> None:
        """Write down, and count, the secrets that a tool has used."""
        for name in dict.fromkeys(names):
            for grant in self.held.grants("secret", name)[:1]:
                if grant.scope == "once":
                    await self.agents.rights.use(grant, operation)
                await self._note(grant)

    @contextlib.asynccontextmanager
    async def space(self, name: str, needed: Permission, held: Permission, operation: str) -> AsyncIterator[Actor]:
        """Use a space as the actor that this gives.

        The store itself looks at what lasts. A right for one use or one turn is given to this call alone: only who
        shows its ticket can use it, so that nothing else the agent does meanwhile comes in by the same door.
        """
        if needed <= held:
            for grant in self.held.grants("space", name):
                if grant.request and lasts(grant):
                    await self._note(grant)
            yield self.actor
            return
        grant = await self._short(name, needed, operation)
        giver = Actor(OWNER if grant.giver == OWNER.id else Principal(grant.giver), self.actor.cause)
        space, ticket = self.spaces.open(name, giver), f"{ONE_CALL}{grant.id}:{operation}"
        until = self.spaces.clock.now() + ONE_CALL_TIME
        await space.pass_on(self.agent.id, grant.permission, until=until, grant=ticket)
        await self._note(grant)
        try:
            yield replace(self.actor, principal=replace(self.actor.principal, ticket=ticket))
        finally:
            await space.revoke_any(self.agent.id, grant=ticket)

    async def refused(self, what: str, error: PermissionDenied) -> None:
        """Write down, once a turn, that the agent tried what it may not."""
        await self._once(f"refused {what}", "refusal", what, AuditDetails(str(error)))

    async def _short(self, name: str, needed: Permission, operation: str) -> Grant:
        for grant in (await self.looked(operation)).grants("space", name):
            short = not lasts(grant) and Permission.parse(grant.permission) >= needed
            if short and (grant.scope == "turn" or await self.agents.rights.use(grant, operation)):
                return grant
        raise PermissionDenied(
            f"space: this needs {needed} on {name!r} and you no longer hold it; it was for one use, or was taken back. "
            "Ask for it with request()."
        )

    async def _note(self, grant: Grant) -> None:
        if grant.request:
            more = AuditDetails(grant.scope, about=(grant.request,))
            await self._once(f"use {grant.id}", "use", grant.words(), more)

    async def _once(self, mark: str, event: str, what: str, more: AuditDetails) -> None:
        if mark not in self._noted:
            self._noted.add(mark)
            by = Actor(self.actor.principal, self.actor.cause)
            await self.audit.note(event, self.agent.id, what, more=more, by=by, operation=f"{self.turn} {mark}")
