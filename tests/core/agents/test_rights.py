"""Whatever is given, passed on and taken back over a tree of agents: nobody can use more than who spawned it holds."""

import contextlib
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.agents.agents import Agent
from core.agents.rights import Grant, Kind, Scope
from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import OWNER, Principal, new_id
from core.atoms.permissions import Permission
from core.errors import StoaError
from core.house import House
from core.spaces.spaces import Actor
from core.testing import MovableClock

NAMES = ["alpha", "beta"]
acts = st.lists(
    st.tuples(
        st.sampled_from(["spawn", "give", "give", "take", "pass time"]),
        st.integers(0, 9),  # which agent acts, or is given something
        st.sampled_from(NAMES),
        st.sampled_from(["read", "write"]),
        st.sampled_from(["task", "until", "once", "turn"]),
        st.booleans(),
    ),
    max_size=12,
)


@dataclass
class Tree:
    """A house with one agent of the owner's, and all that it and the agents below it spawn."""

    house: House
    spawner: Spawner
    agents: list[Agent]
    given: list[Grant] = field(default_factory=list)
    spaces: dict[str, str] = field(default_factory=dict)

    async def spawn(self, parent: Agent, name: str, permission: str, *, delegate: bool) -> None:
        """Ask for everything by this name, whether or not the parent holds it."""
        for tools, secrets, spaces in (
            ([name], [], {}),
            ([], [name.upper()], {}),
            ([], [], {self.space(name): permission}),
        ):
            only = [*tools, *secrets, *spaces] if delegate else []
            with contextlib.suppress(StoaError):
                made = await self.spawner.spawn(
                    Actor(parent.principal),
                    SpawnRequest("work", spaces=spaces, tools=tools, secrets=secrets, delegate_only=only),
                )
                self.agents.append(await self.house.agents.get(made.id))

    async def give(self, agent: Agent, name: str, permission: str, scope: Scope, *, delegate: bool) -> None:
        """Let who spawned the agent give it more, as far as it can; the owner gives to its own agent anything."""
        until = self.house.clock.now() + timedelta(hours=1) if scope == "until" else None
        kinds: list[tuple[Kind, str]] = [("tool", name), ("secret", name.upper()), ("model", f"model/{name}")]
        for kind, called in kinds:
            grant = Grant(
                new_id(),
                agent.id,
                kind,
                called,
                agent.spawner,
                scope=scope,
                until=until,
                delegate=delegate,
            )
            self.given.append(await self.house.agents.rights.give(grant))
        giver = OWNER if agent.coordinator else Principal(agent.spawner)
        with contextlib.suppress(StoaError):
            space = self.house.spaces.open(self.space(name), giver)
            await space.pass_on(agent.id, permission, until=until, delegate=delegate, grant=new_id())

    def space(self, name: str) -> str:
        return self.spaces[name]

    async def hold(self) -> None:
        """Every right an agent can use is one that who spawned it may pass on, at this very moment."""
        for agent in self.agents:
            mine = await self.house.agents.held(agent)
            if agent.line:
                above = await self.house.agents.held(await self.house.agents.get(agent.spawner))
                for kind in ("tool", "secret", "model"):
                    assert set(mine.names(kind)) <= set(above.names(kind, passing=True))
                passable = await self.house.spaces.passable(Principal(agent.spawner))
                held = await self.house.spaces.held(agent.principal)
                for space in held.keys() & set(self.spaces.values()):  # those it made itself are its own
                    permission = held[space]
                    assert permission <= passable.get(space, Permission.NONE)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts)
async def test_no_right_of_any_kind_ever_exceeds_what_the_spawner_may_pass_on(
    house: House, clock: MovableClock, history: list[tuple[str, int, str, str, Scope, bool]]
) -> None:
    root = Agent(id=f"root-{new_id()}", instructions="Help.", tools=("alpha",), secrets=("ALPHA",))
    spaces = {name: f"{name}-{new_id()}" for name in NAMES}
    for space in spaces.values():
        await house.spaces.create(space)
    root = await house.agents.seat(root, {spaces["alpha"]: Permission.WRITE})
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    tree = Tree(house, spawner, [root], spaces=spaces)
    await tree.spawn(root, "alpha", "write", delegate=False)
    for act, which, name, permission, scope, delegate in history:
        agent = tree.agents[which % len(tree.agents)]
        match act:
            case "spawn":
                await tree.spawn(agent, name, permission, delegate=delegate)
            case "give":
                await tree.give(agent, name, permission, scope, delegate=delegate)
            case "take" if tree.given and delegate:
                await house.agents.rights.take(tree.given[which % len(tree.given)])
            case "take":
                (owned,) = await house.agents.rights.all([agent.id])
                for grant in owned.grants[:1]:
                    await house.agents.rights.take(grant)
                await house.spaces.open(spaces[name]).revoke_any(agent.id)
            case _:
                clock.move(minutes=40)
        await tree.hold()


async def test_what_is_held_to_pass_on_only_cannot_be_used(house: House) -> None:
    root = await house.agents.seat(
        Agent(id="root", instructions="Help.", tools=("send",), secrets=("KEY",), delegate_only=("send", "KEY")), {}
    )
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    made = await spawner.spawn(Actor(root.principal), SpawnRequest("send it", tools=["send"], secrets=["KEY"]))
    above, below = await house.agents.held(root), await house.agents.held(await house.agents.get(made.id))
    assert (above.names("tool"), above.names("tool", passing=True)) == ([], ["send"])
    assert (below.names("tool"), below.names("secret")) == (["send"], ["KEY"])


async def test_a_model_taken_back_is_followed_by_that_of_the_spawner(house: House) -> None:
    root = await house.agents.seat(Agent(id="root", instructions="Help.", model="offline"), {})
    big = await house.agents.rights.give(Grant("big", "root", "model", "big/one"))
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    made = await spawner.spawn(Actor(root.principal), SpawnRequest("think", model="big/one"))
    child = await house.agents.get(made.id)
    assert (await house.agents.held(child)).model() == "big/one"
    await house.agents.rights.take(big)
    assert (await house.agents.held(child)).model() == "offline"


async def test_an_agent_that_has_ended_holds_nothing_and_neither_does_what_it_gave(house: House) -> None:
    root = await house.agents.seat(Agent(id="root", instructions="Help.", tools=("send",)), {})
    spawner = Spawner(house.spaces, house.agents, house.settings, "You are an agent.", "A direct-message space.")
    made = await spawner.spawn(Actor(root.principal), SpawnRequest("send it", tools=["send"]))
    child = await house.agents.get(made.id)
    assert (await house.agents.held(child)).names("tool") == ["send"]
    await house.lifecycle.end(made.id)
    assert (await house.agents.held(child)).names("tool", passing=True) == []


async def test_a_tool_taken_from_an_agent_of_the_owners_stays_taken_over_a_restart(house: House) -> None:
    root = Agent(id="root", instructions="Help.", tools=("send",))
    await house.agents.seat(root, {})
    (grant,) = (await house.agents.held(root)).grants("tool")
    await house.agents.rights.take(grant)
    await house.agents.seat(root, {})
    assert (await house.agents.held(root)).names("tool") == []


async def test_what_the_owner_took_back_from_an_agent_of_theirs_stays_so_over_a_restart(house: House) -> None:
    await house.spaces.create("notes")
    agent = Agent(id="assistant", instructions="")
    for _ in range(2):  # at the first start, and at the next
        await house.agents.seat(agent, {"notes": Permission.WRITE}, ("notes",))
        await house.spaces.open("notes").revoke_any(agent.id)
    await house.agents.seat(agent, {"notes": Permission.WRITE}, ("notes",))
    assert await house.spaces.names(agent.principal) == []
