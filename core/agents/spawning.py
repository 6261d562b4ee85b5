"""Spawning: a new agent with a task, and with no more than its spawner has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.agents.agents import Agent, Agents
from core.agents.budgets import Allowance
from core.agents.instructions import Instructions, find_instructions
from core.agents.rights import Held
from core.atoms.atoms import id_from, new_id
from core.atoms.permissions import Permission
from core.atoms.values import Spawned
from core.errors import InvalidInput, PermissionDenied
from core.settings import Settings
from core.spaces.spaces import Actor, Spaces, first_words

MAX_TASK_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """The task and access of a new agent: never more than its spawner has."""

    task: str
    instructions: str = ""
    """The name of a prompt, `space/atom`, or the words themselves."""
    spaces: Mapping[str, str] = field(default_factory=dict)
    tools: Sequence[str] = ()
    secrets: Sequence[str] = ()
    model: str = ""
    delegate_only: Sequence[str] = ()
    """Those of the spaces, tools and secrets that it may pass on and not use."""
    budget: Mapping[str, float] = field(default_factory=dict)


class Spawner:
    """Creates agents on behalf of agents; access only ever narrows."""

    def __init__(self, spaces: Spaces, agents: Agents, settings: Settings, guide: str, convention: str) -> None:
        self._spaces = spaces
        self._agents = agents
        self._settings = settings
        self._guide = guide
        """How a spawned agent behaves when its spawner says nothing else."""
        self._convention = convention
        """What is said about a direct-message space to those who share it."""

    async def spawn(
        self, actor: Actor, request: SpawnRequest, *, operation: str = "", purse: Allowance | None = None
    ) -> Spawned:
        """Create an agent and give it its task in a direct-message space; refuses what is wider than the spawner has.

        Nothing is created when anything is refused. The same `operation` twice is one agent. The spawning turn pays
        from `purse`; the new agent draws on the same accounts, and on one of its own where it gets a budget.
        """
        parent = await self._agents.get(actor.principal.id)
        wanted = {name: Permission.parse(permission) for name, permission in request.spaces.items()}
        await self._check(parent, request, wanted)
        instructions = await find_instructions(self._spaces, actor, request.instructions)
        id = f"agent-{id_from(operation or new_id())[:8]}"
        if purse:
            await purse.spawn(operation or id, id, request.budget)
        child = self._born(id, parent, request, instructions, parent.cause or actor.cause.root)
        await self._settle(actor, child, wanted)
        await self._spaces.open(child.speaks_in, actor).put(
            request.task,
            comment=f"task: {first_words(request.task)}",
            metadata={"kind": "task"},
            operation=f"{operation or id}.task",
        )
        return Spawned(id, child.speaks_in)

    async def _check(self, parent: Agent, request: SpawnRequest, wanted: Mapping[str, Permission]) -> None:
        if parent.status == "dead":
            raise PermissionDenied(f"{parent.id} has ended, so it can't spawn agents any more.")
        _check_task(request.task)
        await self._check_spaces(parent, wanted)
        held = await self._agents.held(parent)
        _check_names("tools", request.tools, held.names("tool", passing=True))
        _check_names("secrets", request.secrets, held.names("secret", passing=True))
        self._check_model(held, request.model)
        _check_delegated(request.delegate_only, (*wanted, *request.tools, *request.secrets))

    def _born(self, id: str, parent: Agent, request: SpawnRequest, instructions: Instructions, cause: str) -> Agent:
        return Agent(
            id=id,
            instructions=instructions.text or self._guide,
            instructions_from=instructions.source,
            task=request.task,
            spawner=parent.id,
            cause=cause,
            model=request.model,
            tools=tuple(request.tools),
            secrets=tuple(request.secrets),
            accounts=((f"agent:{id}", *parent.accounts) if request.budget else parent.accounts),
            delegate_only=tuple(request.delegate_only),
            line=(parent.id, *parent.line),
            speaks_in=f"dm-{id}",
            created=self._spaces.clock.now(),
        )

    async def _settle(self, actor: Actor, child: Agent, wanted: Mapping[str, Permission]) -> None:
        room = await self._spaces.create(child.speaks_in, description=self._convention)
        for one in (child.spawner, child.id):  # neither holds grant, so neither can let others in
            await room.share(one, Permission.WRITE, comment=f"{child.spawner} and {child.id}")
        for name, permission in wanted.items():
            await self._spaces.open(name, actor).pass_on(child.id, permission, delegate=name in child.delegate_only)
        await self._agents.give_birthright(child)
        await self._agents.save(child)
        for principal in (actor.principal, child.principal):
            await self._spaces.open(child.speaks_in, principal).subscribe()

    async def _check_spaces(self, parent: Agent, wanted: Mapping[str, Permission]) -> None:
        held = await self._spaces.passable(parent.principal)
        for name, permission in wanted.items():
            if permission > held.get(name, Permission.NONE):
                raise PermissionDenied(
                    f"spaces: you asked {permission} on {name!r} for the new agent and hold "
                    f"{held.get(name, Permission.NONE)} yourself. Ask for no more than you hold, or ask "
                    f"{parent.spawner} to give you {permission} first."
                )

    def _check_model(self, held: Held, model: str) -> None:
        own = [held.model() or self._settings.model]
        own += [name for name in held.names("model", passing=True) if name not in own]
        if model and model not in own:
            raise PermissionDenied(
                f"model: you asked for {model!r} and may use {', '.join(map(repr, own))}. Leave model out to pass your "
                "own on, or ask for more with request()."
            )


def _check_task(task: str) -> None:
    if not isinstance(task, str) or not task.strip():
        raise InvalidInput("task: say in a sentence or more what the new agent is to do")
    if len(task) > MAX_TASK_CHARS:
        raise InvalidInput(f"task: {len(task):,} characters, {MAX_TASK_CHARS:,} is the most; put the rest into a space")


def _check_names(field: str, wanted: Sequence[str], held: Sequence[str]) -> None:
    if isinstance(wanted, str):
        raise InvalidInput(f"{field}: give a list of names, not one text")
    if wider := sorted(set(wanted) - set(held)):
        have = ", ".join(held) or "none"
        asked = ", ".join(wider)
        raise PermissionDenied(f"{field}: you asked for {asked} and hold {have}. Pass on only what you hold yourself.")


def _check_delegated(wanted: Sequence[str], given: Sequence[str]) -> None:
    if isinstance(wanted, str):
        raise InvalidInput("delegate_only: give a list of names, not one text")
    if unknown := sorted(set(wanted) - set(given)):
        raise InvalidInput(
            f"delegate_only: {', '.join(unknown)} is not among the spaces, tools and secrets given; name it there, too"
        )
