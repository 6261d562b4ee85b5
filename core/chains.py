"""Chains: why an atom is as it is, from the turn that wrote it back to the message that began it all."""

from dataclasses import dataclass
from datetime import datetime

from core.agents import Agent, Agents
from core.atoms import OWNER, Atom, Version
from core.errors import InvalidInput, NotFound
from core.spaces import Spaces
from core.traces import Trace, traces

LONGEST = 50
"""How many atoms a chain may have."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link: an atom, the version meant, and, where an agent wrote that, the agent and its turn, if still known."""

    atom: Atom
    version: Version
    agent: Agent | None = None
    trace: Trace | None = None


async def behind(spaces: Spaces, agents: Agents, ref: str) -> list[Link]:
    """Why the atom `space/id` is as it is now: itself, the newest atom that woke the turn which wrote it, and so on
    back to what no agent wrote. Raises `NotFound`.
    """
    space, _, id = ref.partition("/")
    if not space or not id:
        raise InvalidInput(f"{ref!r} names no atom; say it as SPACE/ATOM, such as tasks/k3v9w2m4q8zt.")
    chain: list[Link] = []
    at: datetime | None = None
    seen: set[str] = set()
    while ref not in seen and len(chain) < LONGEST:
        seen.add(ref)
        try:
            link = await _link(spaces, agents, ref, at)
        except NotFound:
            if not chain:
                raise
            break
        chain.append(link)
        if not link.trace:
            break
        woken = link.trace.news or await _began(spaces, link.trace.root)
        if not woken:
            break
        ref, at = woken[-1], link.trace.began
    return chain


async def _began(spaces: Spaces, root: str) -> list[str]:
    """The atom of the change that began it all: what a turn goes back to that no change woke."""
    space, _, seq = root.rpartition("/")
    try:
        return [f"{space}/{change.atom}" for change in await spaces.open(space).changes(int(seq) - 1, 1)]
    except (NotFound, ValueError):
        return []


async def _link(spaces: Spaces, agents: Agents, ref: str, at: datetime | None) -> Link:
    """Why an atom was as it was at a moment, or is now."""
    name, _, id = ref.rpartition("/")
    space = spaces.open(name, OWNER)
    atom = await space.get(id)
    versions = await space.history(id)
    version = next((one for one in reversed(versions) if at is None or one.at <= at), versions[0])
    try:
        agent = await agents.get(version.author)
    except NotFound:  # a person, or a channel
        return Link(atom, version)
    operation = await spaces.store.run("HGET", spaces.store.keys.atom(name, id), "op") if version.version == 1 else None
    act = (operation or b"").decode()
    (known,) = await traces(spaces.store, [agent.id])
    named = next((trace for trace in known if act.startswith(f"{trace.turn}.")), None)
    during = next((trace for trace in known if trace.began <= version.at <= trace.ended), None)
    return Link(atom, version, agent, named or during)
