"""Traces: what each turn was woken by, read and took, kept for later questions about why something is as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.agents.agents import Agent, Agents
from core.agents.budgets import Allowance
from core.agents.unread import News
from core.atoms.atoms import CLOCK, HOUSE, OWNER, Atom, Version
from core.atoms.values import decode, encode
from core.errors import InvalidInput, NotFound
from core.spaces.spaces import Actor, Spaces
from core.store.store import Argument, Store

TRACES_KEPT = 200
"""How many turns of one agent are kept: the newest."""
MAX_READ_REFS = 100
"""How many of the atoms it read a trace names: the last ones."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One turn. Atoms are named as `space/id`, the root as the change (`space/number`) that began it all."""

    turn: str
    root: str
    began: datetime
    ended: datetime
    news: list[str]
    read: list[str]
    model: str
    calls: int
    tokens: int
    dollars: float

    def written(self) -> bytes:
        """The trace as it is kept."""
        return encode([getattr(self, name) for name in self.__slots__])


def trace(news: News, actor: Actor, purse: Allowance, ended: datetime) -> Trace:
    woken = [notice.ref for notice in news.notices]
    read = [ref for ref in actor.reads if ref not in woken][-MAX_READ_REFS:]
    spent = purse.spent
    return Trace(
        news.turn, news.root, news.now, ended, woken, read, purse.model, purse.calls, spent.tokens, spent.dollars
    )


async def traces(store: Store, agents: Sequence[str], most: int = TRACES_KEPT) -> list[list[Trace]]:
    """The turns of each of these agents, the newest first."""
    commands: list[list[Argument]] = [["LRANGE", store.keys.traces(agent), 0, most - 1] for agent in agents]
    kept = await store.together(*commands)
    return [[Trace(*decode(entry)) for entry in entries] for entries in kept]


MAX_ORIGIN_STEPS = 50
"""How many atoms a chain may have."""


MACHINERY = {HOUSE.id, CLOCK.id}
"""Authors that never act of themselves: what they write follows from what somebody else wrote."""


@dataclass(frozen=True, slots=True)
class OriginStep:
    """An atom in the version meant and, if an agent wrote that, the agent and its turn, as far as they are known."""

    atom: Atom
    version: Version
    agent: Agent | None = None
    trace: Trace | None = None


async def origin_steps(spaces: Spaces, agents: Agents, ref: str) -> list[OriginStep]:
    """Why the atom `space/id` is as it is: itself, the newest atom that woke the turn which wrote it, and so on.

    The last step is one that no agent wrote. Raises `NotFound`.
    """
    space, _, id = ref.partition("/")
    if not space or not id:
        raise InvalidInput(f"{ref!r} does not name an atom; write SPACE/ATOM, such as tasks/k3v9w2m4q8zt.")
    steps = [await _step(spaces, agents, ref, None)]
    seen = {(ref, steps[0].version.version)}
    while len(steps) < MAX_ORIGIN_STEPS and (cause := await _cause(spaces, steps[-1])):
        try:
            step = await _step(spaces, agents, *cause)
        except NotFound:
            break
        if (key := (step.atom.ref, step.version.version)) in seen:
            break
        seen.add(key)
        steps.append(step)
    return steps


async def _cause(spaces: Spaces, step: OriginStep) -> tuple[str, datetime] | None:
    version, trace = step.version, step.trace
    if trace:
        woken = trace.news or await _began(spaces, trace.root)
        return (woken[-1], trace.began) if woken else None
    if version.author not in MACHINERY:
        return None
    if version.version > 1:
        return step.atom.ref, version.at - timedelta(milliseconds=1)
    about = step.atom.references.get("about", [])
    return (about[-1], version.at) if about else None


async def _began(spaces: Spaces, root: str) -> list[str]:
    space, _, seq = root.rpartition("/")
    try:
        return [f"{space}/{change.atom}" for change in await spaces.open(space).changes(int(seq) - 1, 1)]
    except (NotFound, ValueError):
        return []


async def _step(spaces: Spaces, agents: Agents, ref: str, at: datetime | None) -> OriginStep:
    name, _, id = ref.rpartition("/")
    space = spaces.open(name, OWNER)
    atom = await space.get(id)
    versions = await space.history(id)
    version = next((one for one in reversed(versions) if at is None or one.at <= at), versions[0])
    try:
        agent = await agents.get(version.author)
    except NotFound:  # a person, a channel, or Stoa itself
        return OriginStep(atom, version)
    operation = await spaces.store.run("HGET", spaces.store.keys.atom(name, id), "op") if version.version == 1 else None
    act = (operation or b"").decode()
    (known,) = await traces(spaces.store, [agent.id])
    named = next((trace for trace in known if act.startswith(f"{trace.turn}.")), None)
    during = next((trace for trace in known if trace.began <= version.at <= trace.ended), None)
    return OriginStep(atom, version, agent, named or during)
