"""Uses: a right is looked at when it is used, not when a turn begins; single uses and single turns are counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

from core.agents.agents import Agent, Agents
from core.agents.rights import Grant, Held, lasts
from core.atoms.atoms import OWNER, Principal
from core.atoms.permissions import Permission
from core.errors import PermissionDenied
from core.spaces.spaces import Actor, Spaces
from core.trust.audit import Audit, AuditDetails

OPEN = timedelta(minutes=1)
"""How long a space stays open for a single call, should the worker die in it."""


class RightsInUse:
    """What one agent uses in one turn."""

    def __init__(
        self, spaces: Spaces, agents: Agents, audit: Audit, agent: Agent, actor: Actor, turn: str, held: Held
    ) -> None:
        self.held = held
        self._spaces = spaces
        self._agents = agents
        self._audit = audit
        self._agent = agent
        self._actor = actor
        self._turn = turn
        self._noted: set[str] = set()
        self._alone = asyncio.Lock()

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
        """What the agent holds now, for this very act."""
        self.held = await self._agents.held(self._agent, self._turn, operation)
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
        if grant is None or (grant.scope == "once" and not await self._agents.rights.use(grant, operation)):
            have = ", ".join(held.names("tool")) or "none"
            raise PermissionDenied(
                f"tools: you called {name} and hold {have} now; it was taken back or used up. Ask for it "
                "with request()."
            )
        await self._note(grant)
        once = any(secret.scope == "once" for secret in held.grants("secret"))
        async with self._alone if once else contextlib.nullcontext():
            yield tuple((await self.looked(operation) if once else held).names("secret"))

    async def used_secrets(self, names: list[str], operation: str) -> None:
        """Write down, and count, the secrets that a tool has used."""
        for name in dict.fromkeys(names):
            for grant in self.held.grants("secret", name)[:1]:
                if grant.scope == "once":
                    await self._agents.rights.use(grant, operation)
                await self._note(grant)

    @contextlib.asynccontextmanager
    async def space(self, name: str, needed: Permission, held: Permission, operation: str) -> AsyncIterator[None]:
        """Use a space: what lasts the store looks at itself; for one use or one turn it is opened for this call."""
        if needed <= held:
            for grant in self.held.grants("space", name):
                if grant.request and lasts(grant):
                    await self._note(grant)
            yield
            return
        async with self._alone:
            grant = await self._short(name, needed, operation)
            giver = Actor(OWNER if grant.giver == OWNER.id else Principal(grant.giver), self._actor.cause)
            space, opened = self._spaces.open(name, giver), f"{grant.id}-open"
            until = self._spaces.clock.now() + OPEN
            await space.pass_on(self._agent.id, grant.permission, until=until, grant=opened)
            await self._note(grant)
            try:
                yield
            finally:
                await space.revoke_any(self._agent.id, grant=opened)

    async def refused(self, what: str, error: PermissionDenied) -> None:
        """Write down, once a turn, that the agent tried what it may not."""
        await self._once(f"refused {what}", "refusal", what, str(error))

    async def _short(self, name: str, needed: Permission, operation: str) -> Grant:
        for grant in (await self.looked(operation)).grants("space", name):
            short = not lasts(grant) and Permission.parse(grant.permission) >= needed
            if short and (grant.scope == "turn" or await self._agents.rights.use(grant, operation)):
                return grant
        raise PermissionDenied(
            f"space: this needs {needed} on {name!r} and you hold it no more; it was for one use, or was taken back. "
            "Ask for it with request()."
        )

    async def _note(self, grant: Grant) -> None:
        """Write down that a right is used that was asked for; one that an agent was born with is its daily bread."""
        if grant.request:
            await self._once(f"use {grant.id}", "use", grant.words(), grant.scope, (grant.request,))

    async def _once(self, mark: str, event: str, what: str, outcome: str, about: tuple[str, ...] = ()) -> None:
        if mark not in self._noted:
            self._noted.add(mark)
            await self._audit.note(
                event,
                self._agent.id,
                what,
                more=AuditDetails(outcome, about=about),
                by=Actor(self._actor.principal, self._actor.cause),
                operation=f"{self._turn} {mark}",
            )
