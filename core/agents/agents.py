"""Agents: who lives in the house, each a record of what it was born with. What it may do is in the spaces' grants."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.agents.rights import Grant, Held, Kind, Rights
from core.atoms.atoms import OWNER, Origin, Principal, id_from
from core.atoms.permissions import Permission
from core.errors import NotFound
from core.spaces.spaces import Spaces
from core.store.records import Records, documents


class Agent(BaseModel):
    """An LLM with instructions, tools, a session and connected spaces. Wiping the session is its death."""

    model_config = ConfigDict(frozen=True)

    id: str
    instructions: str
    instructions_from: str = ""
    """Which version of which atom they were, as `space/atom, version N`; empty for words given at the spawn."""
    task: str = ""
    spawner: str = OWNER.id
    cause: str = ""
    """The first change of the chain it was spawned in; what serves one cause shares one place in the queue."""
    model: str = ""
    """Which LLM it was given; empty means that of its spawner, at last the one in the settings."""
    tools: tuple[str, ...] = ()
    """What it was born with, as are the secrets; what it may use now is in its rights."""
    secrets: tuple[str, ...] = ()
    """Names of secrets; the values never come near an agent."""
    delegate_only: tuple[str, ...] = ()
    """What of these it may pass on to agents of its own and not use itself."""
    line: tuple[str, ...] = ()
    """Its spawner, the spawner of that, and so on, up to an agent of the owner's."""
    injected: tuple[str, ...] = ()
    """Spaces whose newest atoms, and those nearest to what changed, are always in its context."""
    clean: bool = False
    """Whether it is told the owner's own words alone, and begins each turn without a past: what it writes can't carry
    text from outside."""
    accounts: tuple[str, ...] = ()
    """The accounts its spawners were bounded by, its own among them where it was given a budget."""
    speaks_in: str = ""
    """Where the prose at the end of its turns goes; an agent without one speaks by writing atoms."""
    guests: bool = False
    """Whether it talks with others than the owner, who are told nothing of how Stoa is run and what it spends."""
    status: Literal["alive", "dead"] = "alive"
    created: datetime = datetime.fromtimestamp(0, UTC)

    @property
    def principal(self) -> Principal:
        """As whom it acts."""
        return Principal(self.id, Origin.AGENT)

    @property
    def root(self) -> str:
        """The agent of the owner's that it goes back to; itself where it is one."""
        return self.line[-1] if self.line else self.id

    @property
    def coordinator(self) -> bool:
        return self.spawner == OWNER.id


class Agents:
    """The registry of agents."""

    def __init__(self, spaces: Spaces) -> None:
        self.rights = Rights(spaces.store, spaces.clock)
        self._spaces = spaces
        self._store = spaces.store
        self._records = Records(spaces.store, Agent, spaces.store.keys.agent)

    async def get(self, id: str) -> Agent:
        """The agent called `id`, dead or alive; raises `NotFound`."""
        record = await self._records.get(id)
        if record is None:
            raise NotFound(f"There is no agent {id!r}. `stoa agent list` shows them.")
        return record

    async def list(self) -> list[Agent]:
        """All living agents, oldest first."""
        ids = sorted(id.decode() for id in await self._store.run("SMEMBERS", self._store.keys.agents()))
        records = await documents(self._store, [self._store.keys.agent(id) for id in ids])
        return sorted((Agent.model_validate_json(record) for record in records if record), key=lambda a: a.created)

    async def states(self, ids: Sequence[str]) -> Sequence[str]:
        """Of each living agent: new (it had no turn yet), working, waiting (a program of its own does) or idle."""
        keys = self._store.keys
        stored = await self._store.together(
            *(["EXISTS", keys.journal(id)] for id in ids),
            *(["EXISTS", keys.waits(id)] for id in ids),
            *(["EXISTS", keys.traces(id)] for id in ids),
        )
        found = zip(stored[: len(ids)], stored[len(ids) : 2 * len(ids)], stored[2 * len(ids) :], strict=True)
        return [
            "working" if works else "waiting" if waits else "idle" if had_turns else "new"
            for works, waits, had_turns in found
        ]

    async def save(self, agent: Agent) -> None:
        """Keep the record; an agent that was not there is born."""
        await self._records.save(agent)
        change = "SADD" if agent.status == "alive" else "SREM"
        await self._store.run(change, self._store.keys.agents(), agent.id)
        if agent.status == "dead":
            await self._spaces.give_back(agent.principal)

    async def seat(self, agent: Agent, spaces: dict[str, Permission], subscriptions: tuple[str, ...] = ()) -> Agent:
        """Give an agent of the owner's its place: record, spaces, and what wakes it. Doing it again is harmless."""
        try:
            agent = agent.model_copy(update={"created": (await self.get(agent.id)).created})
        except NotFound:
            agent = agent.model_copy(update={"created": self._spaces.clock.now()})
        await self.save(agent)
        for name, permission in spaces.items():
            grant = _seated(agent, "space", name, str(permission))
            if await self.rights.kept(grant) is None:  # what was taken back since stays so, however it was
                await self._spaces.open(name).share(agent.id, permission)
                await self.rights.give(grant)
        await self.give_birthright(agent)
        for name in subscriptions:
            with contextlib.suppress(NotFound):  # it may not read there any more
                await self._spaces.open(name, agent.principal).subscribe()
        return agent

    async def give_birthright(self, agent: Agent) -> None:
        """Give an agent the tools, secrets and model that it is born with; what was taken back since stays so."""
        born: list[tuple[Kind, str]] = [("tool", name) for name in agent.tools]
        born += [("secret", name) for name in agent.secrets]
        born += [("model", agent.model)] if agent.model else []
        for kind, name in born:
            await self.rights.give(_seated(agent, kind, name))

    async def held(self, agent: Agent, turn: str = "", operation: str = "") -> Held:
        """The tools, secrets and models that the agent holds at this moment, in this turn, for this very act."""
        return await self.rights.held(agent.id, agent.line, turn, operation)


def _seated(agent: Agent, kind: Kind, name: str, permission: str = "") -> Grant:
    return Grant(
        id=id_from(f"{agent.id} is born with {kind} {name} {permission}".rstrip()),
        to=agent.id,
        kind=kind,
        name=name,
        giver=agent.spawner,
        permission=permission,
        scope="standing" if agent.coordinator else "task",
        delegate=name in agent.delegate_only,
    )
