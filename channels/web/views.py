"""The pages' contents: what each template shows, read from the house with the owner's rights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from channels.text import one_line
from channels.web.rendering import difference, html, moment
from core.agents.agents import Agent
from core.agents.budgets import BudgetAccount
from core.agents.traces import Trace, origin_steps, traces
from core.agents.unread import CONVERSATION_KEY
from core.atoms.atoms import OWNER, Atom, Change, Link, Version
from core.atoms.permissions import Permission
from core.errors import NotFound
from core.house import House
from core.spaces.spaces import Actor
from core.trust.approvals import Choice, deadline, offered

PAGE_ATOMS = 50
LOG_CHANGES = 100
LOG_SPACES = 200
"""Spaces whose newest changes the log reads."""
TURNS_SHOWN = 20
CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Message:
    """An atom of the chat as it is shown."""

    atom: Atom
    body: Markup
    at: str
    mine: bool
    place: str
    """Where it was said, if that was not here."""


@dataclass(frozen=True, slots=True)
class Question:
    """An approval that waits for the owner."""

    id: str
    body: Markup
    until: str
    choices: Sequence[Choice]


@dataclass(slots=True)
class Branch:
    """An agent in the tree, and those that it spawned."""

    agent: Agent
    rights: str
    account: BudgetAccount
    children: "list[Branch]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """One atom with all that belongs to it."""

    atom: Atom
    body: Markup
    leads_to: Sequence[Link]
    led_from: Sequence[Atom]
    versions: Sequence[Version]
    differences: Sequence[tuple[str, str]]
    writable: bool


class Views:
    """Reads what the pages show. Errors of the house pass through; the pages say them."""

    def __init__(self, house: House, here: str) -> None:
        """`here` is the conversation that this page is, as the chat's atoms name it."""
        self._house = house
        self._here = here
        self.zone = house.clock.zone

    async def chat(self, after: str = "") -> dict[str, Any]:
        found = await self._house.spaces.open(CHAT).search(limit=PAGE_ATOMS, after=after)
        shown = [self.message(atom) for atom in reversed(found) if shows(atom)]
        return {"messages": shown, "older": found[-1].cursor if found else "", "questions": await self.questions()}

    def message(self, atom: Atom) -> Message:
        said_in = str(atom.metadata.get(CONVERSATION_KEY, ""))
        return Message(
            atom,
            html(atom.content),
            moment(atom.created, self.zone),
            mine=atom.metadata.get("role") == "user",
            place="" if said_in in ("", self._here) else said_in.partition("/")[0],
        )

    async def questions(self) -> list[Question]:
        return [
            Question(atom.id, html(atom.content), moment(deadline(atom), self.zone), offered(atom))
            for atom in await self._house.approvals.waiting()
        ]

    async def spaces(self) -> dict[str, Any]:
        held = await self._house.spaces.held()
        handles = [self._house.spaces.open(name) for name in held]
        about = [one_line((await space.description()).lstrip("# "), 120) for space in handles]
        changes = [await space.newest() for space in handles]
        return {"rows": list(zip(held, held.values(), about, changes, strict=True))}

    async def space(self, name: str, query: str, after: str) -> dict[str, Any]:
        space = await self._existing(name)
        found = await space.search(query, limit=PAGE_ATOMS, after=after, explain=bool(query), deprecated=not query)
        return {
            "name": name,
            "query": query,
            "description": html(await space.description()),
            "atoms": found,
            "more": found[-1].cursor if found else "",
            "readers": await self._house.spaces.readers(name),
        }

    async def look(self, name: str, id: str, old: int = 0) -> Look:
        """An atom; with `old`, also what has changed since that version."""
        space = await self._existing(name)
        atom = await space.get(id)
        return Look(
            atom,
            html(atom.content),
            await space.traverse(id, limit=PAGE_ATOMS) if atom.references else [],
            await space.referrers(id, limit=PAGE_ATOMS),
            list(reversed(await space.history(id))),
            difference(await space.compare(id, old)) if old else (),
            writable=await space.permission() >= Permission.WRITE,
        )

    async def save(self, name: str, id: str, content: str, *, version: int, comment: str) -> Atom:
        """A new version of an atom; raises `Conflict` if it has changed since `version` was read."""
        actor = Actor(OWNER, ledger={f"{name}/{id}": version})
        return await self._house.spaces.open(name, actor).update(id, content=content, comment=comment)

    async def agents(self) -> list[Branch]:
        """The coordinators, with the trees of agents below them."""
        agents = await self._house.agents.list()
        accounts = await self._house.budgets.accounts([f"agent:{agent.id}" for agent in agents])
        branches = {
            agent.id: Branch(agent, await self._rights(agent), account)
            for agent, account in zip(agents, accounts, strict=True)
        }
        for branch in branches.values():
            if (above := branches.get(branch.agent.spawner)) and above is not branch:
                above.children.append(branch)
        return [one for one in branches.values() if one.agent.spawner not in branches]

    async def agent(self, id: str) -> dict[str, Any]:
        agent = await self._house.agents.get(id)
        (turns,) = await traces(self._house.store, [id], TURNS_SHOWN)
        (account,) = await self._house.budgets.accounts([f"agent:{id}"])
        return {
            "agent": agent,
            "instructions": html(agent.instructions),
            "rights": await self._rights(agent),
            "account": account,
            "turns": turns,
        }

    async def _rights(self, agent: Agent) -> str:
        levels, held = await self._house.spaces.held(agent.principal), await self._house.agents.held(agent)
        spaces = [f"{name} ({level})" for name, level in levels.items()]
        return ", ".join([*spaces, *(f"{name}()" for name in held.names("tool"))]) or "nothing"

    async def log(self) -> list[Change]:
        """The newest changes of all spaces, the newest first."""
        found: list[Change] = []
        for name in (await self._house.spaces.names())[:LOG_SPACES]:
            space = self._house.spaces.open(name)
            newest = await space.newest()
            found += await space.changes(max(0, newest - LOG_CHANGES), LOG_CHANGES)
        return sorted(found, key=lambda change: change.at, reverse=True)[:LOG_CHANGES]

    async def why(self, ref: str) -> list[tuple[Atom, Version, Trace | None]]:
        steps = await origin_steps(self._house.spaces, self._house.agents, ref)
        return [(step.atom, step.version, step.trace) for step in steps]

    async def _existing(self, name: str) -> Any:
        if name not in await self._house.spaces.names():
            raise NotFound(f"There is no space {name!r}.")
        return self._house.spaces.open(name)


def shows(atom: Atom) -> bool:
    """True for what people and agents say to each other in the chat."""
    return atom.metadata.get("role") in ("user", "assistant")
