"""Grants in force: who may do what where and with what, who gave it and for how long; and taking one back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.agents.agents import Agent, Agents
from core.agents.rights import Grant, lasts
from core.atoms.atoms import OWNER, Principal, id_from, new_id
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound
from core.spaces.spaces import Spaces
from core.store.codec import read_time
from core.store.spaces import SpaceRegistry
from core.trust.audit import Audit
from core.trust.enforcement import ONE_CALL


@dataclass(frozen=True, slots=True)
class InForce:
    """One grant as the owner is shown it."""

    id: str
    to: str
    what: str
    giver: str
    scope: str
    until: datetime | None = None
    why: str = ""
    space: str = ""
    """The space it is on, where the store itself keeps it."""


class Grants:
    """All grants of the house, those on spaces from the store and all others from the register of rights."""

    def __init__(self, spaces: Spaces, agents: Agents, audit: Audit) -> None:
        self._spaces = spaces
        self._agents = agents
        self._audit = audit

    async def in_force(self) -> list[InForce]:
        """Every grant that is in force, by who holds it."""
        agents = await self._agents.list()
        known = {one.id: one for owned in await self._agents.rights.all([a.id for a in agents]) for one in owned.grants}
        found = [grant for name in await self._spaces.names() for grant in await self._on_space(name, known)]
        for agent in agents:
            found += await self._of_agent(agent)
        return sorted(found, key=lambda grant: (grant.to, grant.what))

    async def revoke(self, id: str) -> InForce:
        """Take the grant with this id back, and with it all that was passed on from it; raises `NotFound`."""
        grant = next((one for one in await self.in_force() if one.id == id), None)
        if grant is None:
            raise NotFound(f"No grant {id!r} is in force; `stoa grant list` shows those that are.")
        (owned,) = await self._agents.rights.all([grant.to])
        if grant.space:
            space = self._spaces.open(grant.space)
            if grant.giver in ("", OWNER.id) or any(one.id == id for one in owned.grants):
                tagged = id if any(one.id == id for one in owned.grants) else ""
                await space.revoke_any(grant.to, grant=tagged, comment="the owner took it back")
            else:
                await self._spaces.open(grant.space, Principal(grant.giver)).revoke_any(grant.to)
        for one in owned.grants:
            seated = grant.space and one.kind == "space" and one.name == grant.space and not one.request
            if one.id == id or (seated and grant.giver == OWNER.id):
                await self._agents.rights.take(one)
        await self._audit.note("revocation", OWNER.id, f"{grant.what} of {grant.to}")
        return grant

    async def give_tool(self, tool: str, agent: str) -> None:
        """Give an agent a tool until it is taken back; raises `InvalidInput` if it holds it already."""
        record = await self._agents.get(agent)
        if record.status == "dead":
            raise InvalidInput(f"{agent} has ended, so it can't be given anything.")
        if tool in (await self._agents.held(record)).names("tool"):
            raise InvalidInput(f"{agent} holds the tool {tool} already.")
        await self._agents.rights.give(Grant(new_id(), to=agent, kind="tool", name=tool, scope="standing"))
        await self._audit.note("grant", OWNER.id, f"the tool {tool} to {agent}")

    async def take_tool(self, tool: str, agent: str) -> None:
        """Take a tool back, and with it all that was passed on from it; raises `NotFound` if it isn't held."""
        record = await self._agents.get(agent)
        held = (await self._agents.held(record)).grants("tool", tool, passing=True)
        if not held:
            raise NotFound(f"{agent} does not hold the tool {tool}; `stoa tool show {tool}` says who does.")
        for grant in held:
            await self._agents.rights.take(grant)
        await self._audit.note("revocation", OWNER.id, f"the tool {tool} of {agent}")

    async def _of_agent(self, agent: Agent) -> list[InForce]:
        held = await self._agents.held(agent)
        every = [grant for kind in ("tool", "secret", "model", "space") for grant in held.grants(kind, passing=True)]
        return [
            InForce(one.id, one.to, one.words(), one.giver, one.scope, one.until, one.why)
            for one in every
            if one.kind != "space" or not lasts(one)
        ]

    async def _on_space(self, name: str, known: dict[str, Grant]) -> list[InForce]:
        found: list[InForce] = []
        for to, entries in (await SpaceRegistry(self._spaces.store).grants(name)).items():
            for entry in entries:
                if grant := await self._entry(name, to, entry, known):
                    found.append(grant)
        return found

    async def _entry(self, name: str, to: str, entry: Sequence[Any], known: dict[str, Grant]) -> InForce | None:
        giver, level, ends, delegate, tag = entry
        by, id = giver.decode(), tag.decode()
        until = read_time(str(ends).encode()) if ends else None
        if id.startswith(ONE_CALL) or (until and until <= self._spaces.clock.now()) or to == OWNER.id:
            return None
        if by not in ("", OWNER.id):
            passable = await self._spaces.open(name, Principal(by)).permission(passing=True)
            level = min(level, passable)
        if level == Permission.NONE:
            return None
        what = f"{Permission(level)} on {name!r}" + (", to pass on only" if delegate else "")
        asked = known.get(id)
        scope = asked.scope if asked else "until" if until else "standing"
        id = id or id_from(f"{name} {by} {to} {ends} {delegate}")[:8]
        return InForce(id, to, what, by or f"{to} (made it)", scope, until, asked.why if asked else "", name)
