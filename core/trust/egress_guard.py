"""The guarded way out: every call of a tool passes here; where the rule does not let it, the owner is asked."""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from core.atoms.atoms import Atom, Origin, Value
from core.atoms.labels import Label
from core.errors import InvalidInput, NotFound, PermissionDenied
from core.search.filters import Filter
from core.spaces.spaces import Actor, Spaces
from core.tools.registry import Declaration
from core.tools.waits import Wait
from core.trust.approvals import ALWAYS, APPROVALS_SPACE, NO, ONCE, TASK, Approvals, Choice, QuestionDetails
from core.trust.directory import Directory
from core.trust.egress import ANYWHERE, leads_to, unnamed

ADD_TO_DIRECTORY = Choice(ALWAYS.id, "Yes, always: put it into the directory")
MAX_SHOWN_CHARS = 2_000
"""Characters of one argument that the owner is shown."""
MAX_TARGET_CHARS = 300
"""Characters of one target that the owner is shown and an approval is kept for."""
MAX_TARGETS_ASKED = 50
"""How many targets the owner is asked about at once."""
SOURCES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """A call that leaves the house: whose, for what, with which tool, and all that the tool is given."""

    agent: str
    task: str
    tool: str
    arguments: Mapping[str, object]
    operation: str
    """The name of this very call."""

    def words(self) -> str:
        """The call as it is put to the owner."""
        given = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments.items())
        return f"{self.tool}({given})"

    def digest(self) -> str:
        """What is approved: this tool with exactly these arguments."""
        whole = orjson.dumps([self.tool, dict(self.arguments)], option=orjson.OPT_NON_STR_KEYS, default=repr)
        return hashlib.blake2b(whole, digest_size=16).hexdigest()


class EgressGuard:
    """The gate that every call of a tool passes."""

    def __init__(self, spaces: Spaces, approvals: Approvals) -> None:
        self._spaces = spaces
        self._approvals = approvals
        self._directory = Directory(spaces)

    async def check(self, actor: Actor, declared: Declaration, going: OutboundCall) -> None:
        """Let the call pass, or raise: `Wait` while the owner is asked, `PermissionDenied` once they said no."""
        targets = leads_to(declared, going.arguments)
        if not targets or actor.label is None or not actor.label.outside:
            return
        words = await self._words(actor, actor.label)
        listed = await self._directory.among(one for one in targets if one != ANYWHERE)
        missing = unnamed(targets, words, listed)
        if missing and not await self._allowed_for_task(actor, going, missing):
            await self._ask(actor, actor.label, going, missing)

    async def _words(self, actor: Actor, label: Label) -> list[str]:
        """The owner's own words that this session has read, or that the chain of causes began with."""
        refs = dict.fromkeys(label.words)
        space, _, seq = actor.cause.root.rpartition("/")
        if space:
            with contextlib.suppress(NotFound):
                began = await self._spaces.open(space).changes(int(seq) - 1, 1)
                refs |= dict.fromkeys(f"{space}/{change.atom}" for change in began if change.atom)
        atoms = await asyncio.gather(*map(self._atom, refs))
        return [atom.content for atom in atoms if atom and atom.origin is Origin.OWNER]

    async def _atom(self, ref: str) -> Atom | None:
        """The atom as it is now: one that an agent wrote over since is not the owner's word any more."""
        space, _, id = ref.rpartition("/")
        with contextlib.suppress(NotFound):
            return await self._spaces.open(space).get(id)
        return None

    async def _allowed_for_task(self, actor: Actor, going: OutboundCall, missing: Sequence[str]) -> bool:
        """Whether the owner has allowed this tool towards these targets for all that goes back to the same cause."""
        wanted: Filter = {
            "status": "yes",
            "choice": TASK.id,
            "asker": going.agent,
            "tool": going.tool,
            "root": actor.cause.root,
        }
        try:
            found = await self._spaces.open(APPROVALS_SPACE).search(metadata=wanted, limit=100)
        except NotFound:
            return False
        allowed = [atom.metadata.get("targets") for atom in found]
        return any(isinstance(targets, list) and set(map(_kept, missing)) <= set(targets) for targets in allowed)

    async def _ask(self, actor: Actor, label: Label, going: OutboundCall, missing: Sequence[str]) -> None:
        if len(missing) > MAX_TARGETS_ASKED:
            raise InvalidInput(
                f"{going.tool} would reach {len(missing):,} places that the owner has to be asked about; call it for "
                f"{MAX_TARGETS_ASKED} at a time."
            )
        where = ", ".join(map(_place, missing))
        sources = ", ".join(label.sources[-SOURCES_SHOWN:])
        details: dict[str, Value] = {
            "tool": going.tool,
            "targets": [_kept(one) for one in missing],
            "call": going.digest(),
            "root": actor.cause.root,
            "sources": label.sources,
        }
        atom = await self._approvals.ask(
            f"May {going.agent} call {going.words()}? This reaches {where}, which is neither in your own words nor in "
            f"your directory, and {going.agent} has read text from outside ({sources}) that may be behind it.",
            asker=going.agent,
            choices=(ONCE, TASK, ADD_TO_DIRECTORY, NO) if all(map(_listable, missing)) else (ONCE, TASK, NO),
            more=QuestionDetails(going.task, [one for one in label.sources[-SOURCES_SHOWN:] if "/" in one], details),
            cause=actor.cause,
            operation=f"{going.operation}.way-out",
        )
        outcome = await self._approvals.outcome(atom.id)
        if outcome.status == "open":
            deadline = atom.metadata.get("deadline")
            raise Wait(APPROVALS_SPACE, atom.id, deadline if isinstance(deadline, datetime) else None)
        if not outcome.granted or atom.metadata.get("call") != details["call"]:
            raise PermissionDenied(
                f"{going.tool} towards {where} was put to the owner ({atom.ref}), and the answer was "
                f"{outcome.label or 'none, which means no'}. Do without it, or tell the owner what you could not do."
            )
        if outcome.choice == ADD_TO_DIRECTORY.id:
            for address in missing:
                await self._directory.add(address)


def _shown(value: object, most: int = MAX_SHOWN_CHARS) -> str:
    """An argument in quotes, as code writes it: nothing in it can pass for a word of ours."""
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def _place(target: str) -> str:
    """A target as the owner reads it."""
    return target if target == ANYWHERE else _shown(target, MAX_TARGET_CHARS)


def _kept(target: str) -> str:
    """A target as an approval names it: one that is too long by its beginning and its digest."""
    if len(target) <= MAX_TARGET_CHARS:
        return target
    return f"{target[:MAX_TARGET_CHARS]}... {hashlib.blake2b(target.encode(), digest_size=16).hexdigest()}"


def _listable(target: str) -> bool:
    """Whether the directory could name it."""
    return target != ANYWHERE and len(target) <= MAX_TARGET_CHARS
