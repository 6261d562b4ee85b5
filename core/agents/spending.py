"""Spending: what was spent so far, by day, by first cause, by agent and by model; turns that said nothing, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from core.agents.budgets import Budgets
from core.atoms.atoms import OWNER
from core.errors import StoaError
from core.spaces.spaces import Spaces, first_words

FIELD_SEPARATOR = "\x1f"
SPENT_FIELDS = ("turns", "silent", "calls", "prompt", "completion", "cached")
MAX_ROOTS_LISTED = 1_000
"""How many first causes are remembered: those that were last spent on."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The spending of one day, cause, agent or model. A silent turn said nothing and changed nothing."""

    name: str
    turns: int = 0
    silent: int = 0
    calls: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    words: str = ""
    """What it was about, for a first cause."""

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.prompt + self.completion


class Spending:
    """The tables of what was spent."""

    def __init__(self, budgets: Budgets, spaces: Spaces) -> None:
        self._budgets = budgets
        self._store = spaces.store
        self._spaces = spaces

    async def by_day(self, days: int) -> list[Spent]:
        return [_spent(day, table.get("", {})) for day, table in await self._tables(days) if table]

    async def by_agent(self, days: int) -> list[Spent]:
        return await self._by("agent", days)

    async def by_model(self, days: int) -> list[Spent]:
        return await self._by("model", days)

    async def by_root(self, limit: int) -> list[Spent]:
        names = await self._store.run("ZREVRANGE", self._store.keys.roots(), 0, min(limit, MAX_ROOTS_LISTED) - 1)
        roots = [name.decode() for name in names]
        accounts = await self._budgets.accounts([f"root:{root}" for root in roots])
        return [
            Spent(
                root,
                turns=account.used.turns,
                prompt=account.used.tokens,
                dollars=account.used.dollars,
                seconds=account.used.seconds,
                words=await self._words(root),
            )
            for root, account in zip(roots, accounts, strict=True)
        ]

    async def _by(self, kind: str, days: int) -> list[Spent]:
        sums: dict[str, dict[str, int]] = {}
        for _, table in await self._tables(days):
            for who, amounts in table.items():
                named, _, name = who.partition(FIELD_SEPARATOR)
                if named == kind:
                    known = sums.setdefault(name, {})
                    for what, amount in amounts.items():
                        known[what] = known.get(what, 0) + amount
        found = [_spent(name, amounts) for name, amounts in sums.items()]
        return sorted(found, key=lambda one: (-one.dollars, -one.tokens, -one.turns, one.name))

    async def _tables(self, days: int) -> list[tuple[str, dict[str, dict[str, int]]]]:
        names = [str(day) for day in _last(self._store.clock.now().date(), days)]
        stored = await self._store.together(*(["HGETALL", self._store.keys.spending(name)] for name in names))
        return [(name, _table(fields)) for name, fields in zip(names, stored, strict=True)]

    async def _words(self, root: str) -> str:
        space, _, seq = root.rpartition("/")
        try:
            (change,) = await self._spaces.open(space, OWNER).changes(int(seq) - 1, 1)
        except (StoaError, ValueError):
            return ""
        return first_words(change.comment, 80)


def _last(today: date, days: int) -> Sequence[date]:
    return [today - timedelta(days=n) for n in range(days)]


def _table(fields: Mapping[bytes, bytes]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for field, amount in fields.items():
        who, _, what = field.decode().rpartition(FIELD_SEPARATOR)
        table.setdefault(who, {})[what] = int(amount)
    return table


def _spent(name: str, amounts: Mapping[str, int]) -> Spent:
    turns, silent, calls, prompt, completion, cached = (amounts.get(what, 0) for what in SPENT_FIELDS)
    dollars, seconds = amounts.get("dollars", 0) / 1e9, amounts.get("seconds", 0) / 1e3
    return Spent(name, turns, silent, calls, prompt, completion, cached, dollars, seconds)
