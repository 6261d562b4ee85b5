"""Rights: who gave which tool, secret, model or passing permission to whom, and what that is worth at this moment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

import orjson

from core.atoms.atoms import OWNER
from core.store.store import Store
from core.times.clock import Clock

Kind = Literal["space", "tool", "secret", "model"]
Scope = Literal["once", "turn", "task", "until", "standing"]
LASTING_SCOPES: frozenset[Scope] = frozenset({"task", "until", "standing"})
"""The scopes of what may be passed on; a single use or a single turn is for its holder alone."""
EPOCH_START = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """One right given to one agent. What it is worth follows from what its giver holds, at each use."""

    id: str
    to: str
    kind: Kind
    name: str
    giver: str = OWNER.id
    permission: str = ""
    """On a space only: read, append, write or grant."""
    scope: Scope = "task"
    until: datetime | None = None
    delegate: bool = False
    """Whether it may be passed on and not be used."""
    why: str = ""
    request: str = ""
    """The request it answers, `space/id`; empty for what an agent was born with."""
    created: datetime = EPOCH_START
    ended: datetime | None = None
    """When it was taken back. A grant that was is remembered, so that giving it again by the same act is refused."""

    def words(self) -> str:
        what = f"{self.permission} on {self.name!r}" if self.kind == "space" else f"the {self.kind} {self.name}"
        return f"{what}, to pass on only" if self.delegate else what

    def written(self) -> bytes:
        """As it is kept."""
        return orjson.dumps(asdict(self))

    @classmethod
    def read(cls, data: bytes) -> "Grant":
        """The grant that `written` wrote."""
        known = orjson.loads(data)
        for name in ("until", "created", "ended"):
            known[name] = known[name] and datetime.fromisoformat(known[name])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Owned:
    """The grants of one agent of a line, with what was used up of them."""

    agent: str
    grants: tuple[Grant, ...] = ()
    used: Mapping[str, str] = field(default_factory=dict)
    """Grant for one use -> the operation it was used by."""
    turns: Mapping[str, str] = field(default_factory=dict)
    """Grant for one turn -> that turn."""


@dataclass(frozen=True, slots=True)
class Held:
    """An agent's rights at one moment: its own grants, and those of the agents above it, nearest first."""

    line: tuple[Owned, ...]
    now: datetime
    turn: str = ""
    operation: str = ""
    """The act it is asked for: what this very act has used up counts as there, so that it can be done again."""

    def grants(self, kind: Kind, name: str = "", *, passing: bool = False) -> list[Grant]:
        """The agent's grants of this kind that are in force, lasting ones first; `passing` counts those to pass on."""
        found = [
            grant
            for grant in self.line[0].grants
            if grant.kind == kind and name in ("", grant.name) and self._counts(0, grant, passing)
        ]
        return sorted(found, key=lambda grant: (grant.scope not in LASTING_SCOPES, grant.created))

    def names(self, kind: Kind, *, passing: bool = False) -> list[str]:
        """The tools, secrets or models that the agent may use, or with `passing` may give to others."""
        return sorted({grant.name for grant in self.grants(kind, passing=passing) if not passing or lasts(grant)})

    def model(self) -> str:
        """The model that answers for the agent: the newest it was given, else that of who spawned it; empty if none."""
        for position, owned in enumerate(self.line):
            models = [
                grant
                for grant in owned.grants
                if grant.kind == "model" and (position == 0 or lasts(grant)) and self._counts(position, grant, False)
            ]
            if models:
                return max(models, key=lambda grant: grant.created).name
        return ""

    def _counts(self, position: int, grant: Grant, passing: bool) -> bool:
        owned = self.line[position]
        if grant.ended or (grant.until and grant.until <= self.now) or (grant.delegate and not passing):
            return False
        if grant.scope == "once" and owned.used.get(grant.id) not in (None, self.operation):
            return False
        if grant.scope == "turn" and owned.turns.get(grant.id) not in (None, self.turn):
            return False
        if grant.giver == OWNER.id or grant.kind == "space":  # of a space the store itself looks at who gave it
            return True
        return any(
            above.agent == grant.giver
            and any(
                given.kind == grant.kind
                and given.name == grant.name
                and lasts(given)
                and self._counts(position + 1 + n, given, True)
                for given in above.grants
            )
            for n, above in enumerate(self.line[position + 1 :])
        )


class Rights:
    """The register of grants. An agent's line, from who spawned it up to the owner's agent, is known from its birth."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def held(self, agent: str, line: Sequence[str] = (), turn: str = "", operation: str = "") -> Held:
        names = (agent, *line)
        stored = await self._store.together(*(["HGETALL", self._store.keys.rights(name)] for name in names))
        return Held(tuple(map(_read, names, stored)), self._clock.now(), turn, operation)

    async def give(self, grant: Grant) -> Grant:
        """Give a right; the same id again changes nothing. Answers the grant as it is kept, taken back perhaps."""
        key = self._store.keys.rights(grant.to)
        fresh = replace(grant, created=self._clock.now())
        if await self._store.run("HSETNX", key, f"g:{grant.id}", fresh.written()):
            return fresh
        return Grant.read(await self._store.run("HGET", key, f"g:{grant.id}"))

    async def kept(self, grant: Grant) -> Grant | None:
        """The grant with this id as it is kept, taken back perhaps; None if it was never given."""
        written = await self._store.run("HGET", self._store.keys.rights(grant.to), f"g:{grant.id}")
        return Grant.read(written) if written else None

    async def take(self, grant: Grant) -> None:
        """Take a right back; everybody its holder gave it to loses it at once, too."""
        ended = replace(grant, ended=self._clock.now())
        await self._store.run("HSET", self._store.keys.rights(grant.to), f"g:{grant.id}", ended.written())

    async def use(self, grant: Grant, operation: str) -> bool:
        """Use up a grant for one use; False when another operation did. The same operation again is the same use."""
        return await self._first(grant, "u", operation)

    async def begin(self, grant: Grant, turn: str) -> bool:
        """Tie a grant for one turn to this turn; False when it was for another."""
        return await self._first(grant, "t", turn)

    async def end(self, agent: str) -> None:
        """Forget all that an agent holds: it is dead, and whatever it passed on has no source any more."""
        await self._store.run("DEL", self._store.keys.rights(agent))

    async def all(self, agents: Sequence[str]) -> list[Owned]:
        stored = await self._store.together(*(["HGETALL", self._store.keys.rights(agent)] for agent in agents))
        return list(map(_read, agents, stored))

    async def _first(self, grant: Grant, mark: str, by: str) -> bool:
        key, mark = self._store.keys.rights(grant.to), f"{mark}:{grant.id}"
        _, first = await self._store.together(["HSETNX", key, mark, by], ["HGET", key, mark])
        return bool(first.decode() == by)


def lasts(grant: Grant) -> bool:
    return grant.scope in LASTING_SCOPES


def _read(agent: str, stored: Mapping[bytes, bytes]) -> Owned:
    fields = {name.decode(): value for name, value in stored.items()}
    marked = {mark: {n[2:]: v.decode() for n, v in fields.items() if n.startswith(mark)} for mark in ("u:", "t:")}
    grants = tuple(Grant.read(value) for name, value in fields.items() if name.startswith("g:"))
    return Owned(agent, grants, marked["u:"], marked["t:"])
