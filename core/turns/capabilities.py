"""What an agent's code may call: its spaces, functions everybody has, and its tools. Each call is checked here."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from core.agents.agents import Agent
from core.agents.budgets import Allowance
from core.agents.lifecycle import Lifecycle
from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import Atom
from core.atoms.permissions import Permission
from core.atoms.values import Moment, Spawned
from core.errors import InvalidInput, NotFound, PermissionDenied, StoaError, ToolFailed
from core.models.llm import LLM, Message, whole
from core.sandbox.runs import Call
from core.search.filters import Filter
from core.secrets.secrets import Secrets
from core.spaces.attachments import Attachments
from core.spaces.spaces import Actor, Space, Spaces
from core.times.clock import Clock
from core.times.parsing import local_time, words
from core.tools.registry import Acting, Tool, acting, call_tool, declaration
from core.tools.waits import Wait, Waits, check_conditions
from core.trust.access_tools import AccessTools
from core.trust.egress_guard import EgressGuard, OutboundCall
from core.trust.enforcement import RightsInUse
from core.turns.agent_files import AgentFiles

LONGEST_SLEEP = 600.0
LONGEST_PAUSE = 10.0
"""Seconds an agent may sleep that people talk to: meanwhile it answers nobody."""

LONGEST_WAIT = 10 * 366 * 86_400.0

METHODS: dict[Permission, tuple[str, ...]] = {
    Permission.READ: (
        "get",
        "search",
        "history",
        "compare",
        "referrers",
        "traverse",
        "read",
        "subscribe",
        "unsubscribe",
    ),
    Permission.APPEND: ("put",),
    Permission.WRITE: ("update", "deprecate", "claim", "restore"),
    Permission.GRANT: ("share", "revoke", "describe"),
}

FILED = frozenset({"put", "read"})
"""The methods that have to do with files; all others are a space's own."""
PAST = frozenset({"history", "compare"})
"""The methods that answer with what an atom once said."""


def methods(permission: Permission) -> frozenset[str]:
    """What may be called on a space by who holds this permission there."""
    return frozenset(name for level, names in METHODS.items() if level <= permission for name in names)


@dataclass(slots=True)
class Capabilities:
    """One agent's capabilities during one turn; `answer` carries out a call its code made."""

    agent: Agent
    actor: Actor
    turn: str
    began: datetime
    """When the turn read what changed: "in two minutes" counts from there, however long the model thought."""
    connected: Mapping[str, Permission]
    spaces: Spaces
    spawner: Spawner
    clock: Clock
    llm: LLM
    tools: Mapping[str, Tool]
    secrets: Secrets
    egress: EgressGuard
    purse: Allowance
    lifecycle: Lifecycle
    uses: RightsInUse
    access: AccessTools
    waits: Waits
    attachments: Attachments
    heard: dict[str, int] = field(default_factory=dict)
    """For each space, the last change that the agent was told of, by the turn or by `wait_for`."""

    @property
    def objects(self) -> dict[str, frozenset[str]]:
        """The agent's spaces by name, with the methods its permission allows."""
        return {name: methods(permission) for name, permission in self.uses.with_short(self.connected).items()}

    @property
    def functions(self) -> dict[str, Tool]:
        """The functions its code may call by name; no tool takes the name of one that everybody has."""
        own = self._everyones
        names = self.uses.held.names("tool")
        return own | {name: self.tools[name] for name in names if name not in own and name in self.tools}

    @property
    def _everyones(self) -> dict[str, Tool]:
        """The functions that everybody has."""
        everyone: dict[str, Tool] = {
            "search": self.search,
            "spawn": self.spawn,
            "end": self.end,
            "now": self.now,
            "local_time": self.local_time,
            "llm": self.ask,
            "sleep": self.sleep,
            "wait_until": self.wait_until,
            "wait_for": self.wait_for,
            "stop_waiting": self.stop_waiting,
        }
        return everyone | self.access.functions(self.agent)

    async def answer(self, call: Call, made_in: str = "", waited: Wait | None = None) -> object:
        """Do what the code asked for; raises what the code shall see, or `Wait` where it is to be asked again later.

        One that is asked again was `made_in` an earlier turn and has `waited` for something. No secret's value passes,
        neither in what is asked nor in what is answered, be it an error.
        """
        call = replace(call, args=self.secrets.without(call.args), kwargs=self.secrets.without(call.kwargs))
        try:
            return self.secrets.without(await self._answered(call, f"{made_in or self.turn}.{call.number}", waited))
        except StoaError as error:
            told = self.secrets.redacted(str(error))
            if told == str(error):
                raise
            raise type(error)(told) from None

    async def _answered(self, call: Call, operation: str, waited: Wait | None) -> object:
        own = {} if call.target else self._everyones
        function: Tool = own.get(call.name) or (_method(call.name) if call.target else self.tools[call.name])
        try:
            if call.target:
                return await self._space(call, operation)
            _fits(call.name, function, call)
            if call.name in own:
                return await call_tool(
                    function, Acting(self.actor, operation, waited=waited), *call.args, **call.kwargs
                )
            async with self.uses.tool(call.name, operation) as secrets:
                who = Acting(self.actor, operation, secrets, self.secrets, waited)
                try:
                    return await self._tool(function, call, who)
                finally:
                    await self.uses.used_secrets(who.taken, operation)
        except PermissionDenied as refused:
            await self.uses.refused(f"{call.target}.{call.name}".lstrip("."), refused)
            raise
        except (TypeError, AttributeError, KeyError) as error:  # an argument of a kind nobody expected
            raise InvalidInput(
                f"{call.name}: {error}. It is called as {_signature(call.name, function)[2:]}"
            ) from error

    async def _tool(self, tool: Tool, call: Call, who: Acting) -> object:
        """Use a tool, if the way out is open to the call; what comes from outside by it falls to the label."""
        declared = declaration(tool)
        arguments = inspect.signature(tool).bind(*call.args, **call.kwargs).arguments
        await self.egress.check(
            self.actor, declared, OutboundCall(self.agent.id, self.agent.task, call.name, arguments, who.call)
        )
        try:
            return await call_tool(tool, who, *call.args, **call.kwargs)
        except (StoaError, Wait, TypeError, AttributeError, KeyError):
            raise
        except Exception as error:
            raise ToolFailed(f"{call.name} failed: {type(error).__name__}: {error}") from error
        finally:
            if declared.outside and self.actor.label:
                self.actor.label.heard(f"tool {call.name}")

    async def search(self, query: str = "", limit: int = 10) -> list[Atom]:
        """Find atoms by meaning in all spaces you may read, the best first; without a query the newest."""
        return await self.spaces.search(self.actor, query, limit=limit)

    async def spawn(
        self,
        task: str,
        instructions: str = "",
        spaces: dict[str, str] | None = None,
        tools: list[str] | None = None,
        secrets: list[str] | None = None,
        model: str = "",
        delegate_only: list[str] | None = None,
        budget: dict[str, float] | None = None,
    ) -> Spawned:
        """Create an agent that works on `task` on its own while you go on. `spaces` says what it may do where
        ({"notes": "read"}), never more than you may; the same holds for tools, secrets and model. What of it you name
        in `delegate_only` it may pass on to agents of its own and not use. `budget` bounds what it may use
        ({"turns": 20, "spawns": 0, "tokens": 100000, "dollars": 0.5, "seconds": 600}); without one it shares yours. It
        reports in the space named by the answer's .space, which wakes you."""
        request = SpawnRequest(
            task, instructions, spaces or {}, tools or (), secrets or (), model, delegate_only or (), budget or {}
        )
        return await self.spawner.spawn(self.actor, request, operation=acting().call, purse=self.purse)

    async def end(self, agent: str) -> list[str]:
        """End an agent that you spawned and are done with, by its .id, and all that it spawned; answers who ended. What
        they wrote stays, also in the direct-message space."""
        return await self.lifecycle.end(agent, self.actor.principal)

    async def now(self) -> str:
        """The present time, as ISO text with offset."""
        return self.clock.now().isoformat(timespec="seconds")

    async def local_time(self, text: str) -> Moment:
        """The moment that words such as "in 20 minutes" or "tomorrow at 9am" mean here: .at (ISO) and .words. Raises
        ValueError, saying why, for a time that is past, does not exist or is not understood. An exact ISO time with
        offset may be past, too."""
        moment = _exact(text, self.clock) or local_time(text, self.began)
        return Moment(moment.isoformat(timespec="seconds"), words(moment, self.began))

    async def ask(self, prompt: str, text: str = "") -> str:
        """Ask a model about a text, outside your own context; several at once with asyncio.gather."""
        question = Message("user", f"{prompt}\n\n{text}" if text else prompt)
        call = acting().call
        await self.purse.reserve(call, self.llm.name, [question])
        answer, usage = await whole(self.llm, [question])
        await self.purse.settle(call, usage)
        return answer

    async def sleep(self, seconds: float) -> None:
        """Wait, at most ten minutes; ten seconds where people wait for you. For longer ask for a timer, or spawn."""
        longest = LONGEST_PAUSE if self.agent.coordinator else LONGEST_SLEEP
        if not 0 <= seconds <= longest:
            raise InvalidInput(
                f"sleep({seconds}) is not between 0 and {longest:.0f} seconds; ask for a timer, or let an agent wait"
            )
        await self.clock.sleep(seconds)

    async def wait_until(self, time: str) -> None:
        """Let this program wait until a time ("tomorrow at 9am", ISO, or what local_time answered .at) and go on then,
        with its variables, be it in months. Meanwhile your turn goes on, and nothing is blocked: this is how to do
        something later. What the program prints then comes to you in a turn of its own."""
        if acting().waited is None:
            moment = _exact(time, self.clock) or local_time(time, self.began)
            if moment > self.clock.now():
                raise Wait(until=moment)

    async def wait_for(self, space: str, metadata: Filter | None = None, timeout: float | None = None) -> Atom | None:
        """Let this program wait until somebody else puts or changes an atom in `space` whose metadata are like
        `metadata`, and go on with that atom, or with None after `timeout` seconds. Otherwise like wait_until. In a loop
        it tells of each change that came since the one before."""
        wait = acting().waited
        if wait is None:
            check_conditions(metadata or {})
            until = None if timeout is None else self.clock.now() + timedelta(seconds=_seconds(timeout))
            room = self.spaces.open(space, self.actor)
            after = self.heard.setdefault(space, await room.newest())
            wait = Wait(space, until=until, metadata=metadata, after=after)
        atom, seq = await self.waits.found(self.actor.principal, wait)
        if atom is not None:
            self.heard[space] = seq
            self.actor.saw(atom)
        elif wait.until is None or wait.until > self.clock.now():
            raise Wait(space, until=wait.until, metadata=wait.metadata, after=seq)
        return atom

    async def stop_waiting(self, id: str) -> None:
        """End one of your programs that wait, by the id you were told."""
        if not await self.waits.forget(self.agent.id, id):
            raise NotFound(f"No program {id!r} of yours waits; it may have gone on already.")

    async def _space(self, call: Call, operation: str) -> object:
        space = self.spaces.open(call.target, self.actor)
        if call.name not in self.objects.get(call.target, ()):
            raise PermissionDenied(f"{call.name}() is not among what you may do in {call.target!r}")
        filed = AgentFiles(space, self.attachments, self.secrets.piece)
        method = getattr(filed if call.name in FILED else space, call.name)
        kwargs = dict(call.kwargs)
        if call.name in ("put", "update", "deprecate", "claim", "restore"):
            kwargs["operation"] = operation
        if call.name in ("update", "deprecate"):
            kwargs.setdefault("comment", "")
            kwargs["comment"] = kwargs["comment"] or f"{call.name}d by {self.agent.id}"
        _fits(f"{call.target}.{call.name}", method, Call(call.number, call.target, call.name, call.args, kwargs))
        needed = next(level for level, names in METHODS.items() if call.name in names)
        held = self.connected.get(call.target, Permission.NONE)
        async with self.uses.space(call.target, needed, held, operation):
            answer = await method(*call.args, **kwargs)
            if call.name in PAST:  # older text is trusted no more than the atom as it is, whose mark stays
                await space.get(str(inspect.signature(method).bind(*call.args, **kwargs).arguments["id"]))
            return answer


def _seconds(timeout: object) -> float:
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 <= timeout <= LONGEST_WAIT:
        return timeout
    raise InvalidInput(f"timeout={timeout!r} is no number of seconds between 0 and {LONGEST_WAIT:.0f}, or None")


def _exact(text: str, clock: Clock) -> datetime | None:
    """The moment an ISO time with offset names, in the owner's zone; None for any other text."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(clock.zone) if moment.tzinfo else None


def describe(connected: Mapping[str, Permission], functions: Mapping[str, Tool]) -> str:
    """The capabilities in words, for an agent's context."""
    lines = ['Spaces (`spaces["name"]`, or the name itself where it is a Python name):']
    for held in sorted(set(connected.values()), reverse=True):
        names = ", ".join(name for name, permission in connected.items() if permission == held)
        lines.append(f"- {names}: you hold {held} ({', '.join(sorted(methods(held)))})")
    lines += ["", "Their methods:"]
    most = max(connected.values(), default=Permission.NONE)
    lines += [_signature(name, _method(name)) for name in sorted(methods(most))]
    lines += ["", "Functions:"]
    lines += [_signature(name, getattr(function, "__func__", function)) for name, function in functions.items()]
    return "\n".join(lines)


def _method(name: str) -> Tool:
    """What a space is called with by this name, as it is written."""
    method: Tool = getattr(AgentFiles if name in FILED else Space, name)
    return method


@lru_cache(256)
def _signature(name: str, function: Tool) -> str:
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "operation")]
    shown = ", ".join(_parameter(p) for p in parameters)
    summary = " ".join((inspect.getdoc(function) or "").split())
    return f"- {name}({shown}): {summary}"


def _parameter(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is inspect.Parameter.empty else f"{parameter.name}={parameter.default!r}"


def _fits(name: str, function: Tool, call: Call) -> None:
    """Raises `InvalidInput` saying how `name` is called, where the arguments do not fit."""
    try:
        inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError as error:
        raise InvalidInput(f"{name}: {error}. It is called as {_signature(name, function)[2:]}") from None
