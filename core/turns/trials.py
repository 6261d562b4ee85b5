"""Trials: the recipes of a convention run on a copy of a space, before anybody is taught by them."""

from dataclasses import dataclass

from core.atoms.atoms import ATTACHMENTS_KEY, OWNER, Atom, Value, new_id
from core.atoms.permissions import Permission
from core.atoms.values import Moment, Notice
from core.errors import InvalidInput
from core.models.recipes import Convention, Recipe, asked_content, bind, names_used, parse
from core.sandbox.runs import Call
from core.sandbox.sandbox import Sandbox
from core.spaces.attachments import Attachments
from core.spaces.spaces import Space, Spaces
from core.store.spaces import SpaceRegistry
from core.times.parsing import iso_time, read_time
from core.turns.agent_files import AgentFiles
from core.turns.signatures import FILE_METHODS, methods

MAX_DESCRIPTION_CHARS = 1_200
"""Every agent that is connected to a space pays for its description in every turn."""
COPIED_ATOMS = 100
COPIED_CHARS = 1_000
TRIAL_PREFIX = "trial-"
RESERVED_KEYS = {"owner", "lease", ATTACHMENTS_KEY}


class _Untried(Exception):
    """Raised for what a trial leaves alone: whatever reaches beyond the copy."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One recipe's outcome: an error, or why it wasn't tried; both empty if it ran well."""

    title: str
    error: str = ""
    untried: str = ""


class Trials:
    """Tries conventions out on copies, in the sandbox."""

    def __init__(self, spaces: Spaces, sandbox: Sandbox, attachments: Attachments) -> None:
        self._spaces = spaces
        self._sandbox = sandbox
        self._attachments = attachments

    async def check(self, text: str, original: Space | None = None) -> None:
        """Raises `InvalidInput` naming the recipe that fails on a copy of `original`, or what else is wrong."""
        failed = [one for one in await self.results(text, original) if one.error]
        if failed:
            raise InvalidInput(f"The recipe {failed[0].title!r} fails: {failed[0].error}")

    async def results(self, text: str, original: Space | None = None) -> list[TrialResult]:
        """The outcome of each recipe, run one after the other on a copy. Raises `InvalidInput` for a malformed text."""
        convention = parsed(text)
        if len(convention.description) > MAX_DESCRIPTION_CHARS:
            raise InvalidInput(
                f"The description has {len(convention.description):,} characters and {MAX_DESCRIPTION_CHARS:,} are the "
                "most: every agent reads it in every turn. Say less, or show it in a recipe."
            )
        if not convention.recipes:
            return []
        name = f"{TRIAL_PREFIX}{new_id()}"
        copy = await self._spaces.create(name, description=text)
        try:
            for atom in reversed(await original.search(limit=COPIED_ATOMS) if original else []):
                await copy.put(atom.content[:COPIED_CHARS], metadata=_own(atom))
            return [await self._tried(copy, recipe) for recipe in convention.recipes]
        finally:
            changed = {change.atom for change in await copy.changes() if change.atom}
            await SpaceRegistry(self._spaces.store).remove(name, sorted(changed))

    async def _tried(self, copy: Space, recipe: Recipe) -> TrialResult:
        code = bind(recipe, copy.id).code
        if "change.metadata" in code:
            return TrialResult(recipe.title, untried="it needs a change with metadata of its own")
        change = await copy.put(asked_content(recipe), metadata={"role": "user"})
        notice = Notice(change.id, copy.id, "put", recipe.asks[0], OWNER.id, OWNER.origin, change.content, version=1)
        left: list[str] = []

        async def host(call: Call) -> object:
            try:
                return await self._answer(copy, call)
            except _Untried:
                left.append(call.name)
                raise PermissionError(f"{call.name} is left alone in a trial") from None

        objects = {copy.id: methods(Permission.GRANT)}
        values = {"change": notice, "changes": [notice], "me": "trial"}
        names = frozenset(names_used(code) | {"now", "local_time", "search", "sleep"})
        async with self._sandbox.session(objects, names, values, host) as session:
            ran = await session.run(code)
        await copy.deprecate(change.id, comment="tried")
        if left:
            return TrialResult(recipe.title, untried=f"it calls {left[0]}()")
        return TrialResult(recipe.title, (ran.error or "").strip().rpartition("\n")[2])

    async def _answer(self, copy: Space, call: Call) -> object:
        clock = self._spaces.clock
        if call.target:
            files = AgentFiles(copy, self._attachments, lambda text, start, end: text[start:end])
            return await getattr(files if call.name in FILE_METHODS else copy, call.name)(*call.args, **call.kwargs)
        match call.name:
            case "now":
                return clock.now().isoformat(timespec="seconds")
            case "local_time":
                text = str(call.args[0])
                found = iso_time(text, clock.zone) or read_time(text, clock.now(), clock.day_first)
                return Moment(found.iso(), found.words(clock.now()))
            case "search":
                return await copy.search(*map(str, call.args[:1]))
            case "sleep":
                return None
        raise _Untried


def parsed(text: str) -> Convention:
    """The convention in a description; one of plain words has no recipes."""
    return parse(text) if text.lstrip().startswith("#") else Convention("", text, ())


def _own(atom: Atom) -> dict[str, Value]:
    return {key: value for key, value in atom.metadata.items() if key not in RESERVED_KEYS}
