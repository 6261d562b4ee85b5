"""The egress guard: every call by which content may leave passes here; the owner is asked where the rule says no."""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from core.agents.agents import Agent, Agents
from core.atoms.atoms import Atom, Origin, Value
from core.atoms.labels import Label
from core.errors import InvalidInput, NotFound, PermissionDenied
from core.search.filters import Filter
from core.spaces.spaces import Actor, Spaces
from core.tools.registry import Declaration
from core.tools.waits import Wait
from core.trust.access_requests import described
from core.trust.addresses import parse, shown
from core.trust.approvals import ALWAYS, APPROVALS_SPACE, NO, ONCE, TASK, Approvals, Choice, QuestionDetails
from core.trust.audience import Audience
from core.trust.directory import Directory
from core.trust.egress import ANYWHERE, leads_to, settled, to_ask_about, unnamed

ADD_TO_DIRECTORY = Choice(ALWAYS.id, "Yes, always: put it into the directory")
MAX_ARGUMENT_CHARS = 2_000
"""Characters of one argument that the owner is shown."""
MAX_TARGET_CHARS = 300
"""Characters of one target that the owner is shown and an approval is kept for."""
MAX_TARGETS_ASKED = 50
MAX_SOURCES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """A call by which content may leave: whose, of what, and all that it is given."""

    agent: Agent
    name: str
    arguments: Mapping[str, object]
    operation: str
    """The name of this very call."""

    def words(self) -> str:
        """The call as it is put to the owner."""
        given = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments.items())
        return f"{self.name}({given})"

    def digest(self) -> str:
        whole = orjson.dumps([self.name, dict(self.arguments)], option=orjson.OPT_NON_STR_KEYS, default=repr)
        return hashlib.blake2b(whole, digest_size=16).hexdigest()


class EgressGuard:
    """The gate on every way out: tools, sharing, and writing where others read."""

    def __init__(self, spaces: Spaces, approvals: Approvals, agents: Agents) -> None:
        self._spaces = spaces
        self._approvals = approvals
        self._audience = Audience(spaces, agents)
        self._directory = Directory(spaces)

    async def check_tool(self, actor: Actor, declared: Declaration, call: OutboundCall) -> Mapping[str, object]:
        """Let the call of a tool pass, and answer the arguments to make it with: each address as it was compared.

        Raises `Wait` while the owner is asked, `PermissionDenied` once they said no, `InvalidInput` for an address
        that can be read in two ways.
        """
        if not (actor.label and actor.label.outside):
            return call.arguments
        call = replace(call, arguments=settled(declared, call.arguments))
        targets = leads_to(declared, call.arguments)
        if targets or declared.about:
            words = await self._words(actor, actor.label)
            listed = await self._directory.among(one for one in targets if one != ANYWHERE)
            missing = await asyncio.to_thread(to_ask_about, declared, call.arguments, words, listed)
            await self._pass(actor, call, missing, f"This reaches {_list(missing)}")
        return call.arguments

    async def check_spaces(
        self, actor: Actor, call: OutboundCall, spaces: Iterable[str], shared_with: str = ""
    ) -> None:
        """Let a call pass that writes in these spaces, or lets somebody in; raises as `check_tool` does."""
        if not (actor.label and actor.label.outside):
            return
        words = await self._words(actor, actor.label)
        reached = [shared_with] if shared_with and not await self._audience.is_in_line(call.agent, shared_with) else []
        if not await self._audience.serves_guests(call.agent):
            for space in await asyncio.to_thread(unnamed, list(spaces), words):
                reached += await self._audience.readers(call.agent, space)
        names = {one: {one, one.rpartition(":")[2]} for one in dict.fromkeys(reached)}
        listed = await self._directory.among(set().union(*names.values()))
        strange = set(await asyncio.to_thread(unnamed, set().union(*names.values()), words, listed))
        missing = [one for one, spelled in names.items() if spelled <= strange]
        await self._pass(actor, call, missing, f"Then {_list(missing)} can read it")

    async def _pass(self, actor: Actor, call: OutboundCall, missing: Sequence[str], reach: str) -> None:
        if missing and not await self._allowed_for_task(actor, call, missing):
            await self._ask(actor, call, missing, reach)

    async def _words(self, actor: Actor, label: Label) -> list[str]:
        refs = dict.fromkeys(label.words)
        space, _, seq = actor.cause.root.rpartition("/")
        if space:
            with contextlib.suppress(NotFound):
                began = await self._spaces.open(space).changes(int(seq) - 1, 1)
                refs |= dict.fromkeys(f"{space}/{change.atom}" for change in began if change.atom)
        atoms = await asyncio.gather(*map(self._atom, refs))
        return [atom.content for atom in atoms if atom and atom.origin is Origin.OWNER]

    async def _atom(self, ref: str) -> Atom | None:
        space, _, id = ref.rpartition("/")
        with contextlib.suppress(NotFound):
            return await self._spaces.open(space).get(id)
        return None

    async def _allowed_for_task(self, actor: Actor, call: OutboundCall, missing: Sequence[str]) -> bool:
        wanted: Filter = {
            "status": "yes",
            "choice": TASK.id,
            "asker": call.agent.id,
            "call_name": call.name,
            "root": actor.cause.root,
        }
        try:
            found = await self._spaces.open(APPROVALS_SPACE).search(metadata=wanted, limit=100)
        except NotFound:
            return False
        allowed = [atom.metadata.get("targets") for atom in found]
        return any(isinstance(targets, list) and set(map(_kept, missing)) <= set(targets) for targets in allowed)

    async def _ask(self, actor: Actor, call: OutboundCall, missing: Sequence[str], reach: str) -> None:
        if len(missing) > MAX_TARGETS_ASKED:
            raise InvalidInput(
                f"{call.name} would reach {len(missing):,} targets that the owner would have to approve. Call it for "
                f"{MAX_TARGETS_ASKED} at a time."
            )
        atom = await self._question(actor, call, missing, reach)
        outcome = await self._approvals.outcome(atom.id)
        if outcome.status == "open":
            deadline = atom.metadata.get("deadline")
            raise Wait(APPROVALS_SPACE, atom.id, deadline if isinstance(deadline, datetime) else None)
        if not outcome.granted or atom.metadata.get("call") != call.digest():
            raise PermissionDenied(
                f"{call.name} towards {_list(missing)} was put to the owner ({atom.ref}), and the answer was "
                f"{outcome.label or 'none, which means no'}. Do without it, or tell the owner what you could not do."
            )
        if outcome.choice == ADD_TO_DIRECTORY.id:
            for address in missing:
                await self._directory.add(address)

    async def _question(self, actor: Actor, call: OutboundCall, missing: Sequence[str], reach: str) -> Atom:
        sources = actor.label.sources if actor.label else []
        who, recent = described(call.agent), sources[-MAX_SOURCES_SHOWN:]
        metadata: dict[str, Value] = {
            "call_name": call.name,
            "targets": [_kept(one) for one in missing],
            "call": call.digest(),
            "root": actor.cause.root,
            "sources": sources,
        }
        return await self._approvals.ask(
            f"May {who} call {call.words()}? {reach}. Neither your own words nor your directory name that, and "
            f"{who} {'have' if who == 'I' else 'has'} read text from outside ({', '.join(recent)}) that may be behind "
            "it.",
            asker=call.agent.id,
            choices=(ONCE, TASK, ADD_TO_DIRECTORY, NO) if all(map(_listable, missing)) else (ONCE, TASK, NO),
            more=QuestionDetails(call.agent.task, [one for one in recent if "/" in one], metadata),
            cause=actor.cause,
            operation=f"{call.operation}.egress",
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_ARGUMENT_CHARS else f"{text[:MAX_ARGUMENT_CHARS]}... ({len(text):,} characters)"


def _list(targets: Sequence[str]) -> str:
    return ", ".join(one if one == ANYWHERE else shown(one) for one in targets)


def _kept(target: str) -> str:
    if len(target) <= MAX_TARGET_CHARS:
        return target
    return f"{target[:MAX_TARGET_CHARS]}... {hashlib.blake2b(target.encode(), digest_size=16).hexdigest()}"


def _listable(target: str) -> bool:
    if target == ANYWHERE or len(target) > MAX_TARGET_CHARS:
        return False
    try:
        parse(target)
    except InvalidInput:
        return False
    return True
