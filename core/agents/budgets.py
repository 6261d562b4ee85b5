"""Budgets: what a chain of turns may spend, reserved before it is used and settled after, in shared accounts."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta

from core.atoms.atoms import new_id
from core.errors import BudgetSpent, InvalidInput, PermissionDenied
from core.models.llm import Message, Usage
from core.settings import Settings
from core.store.codec import pack
from core.store.store import Store

Counted = int | bytes | None
BUDGET_FIELDS = ("turns", "spawns", "tokens", "dollars", "seconds", "bytes")
FIELD_UNITS = (1, 1, 1, 1_000_000_000, 1_000, 1)
"""How many of what the store counts make one of each field: it counts in whole numbers."""
ACCOUNT_SECONDS = {"root": 40 * 86_400, "agent": 0, "guests": 40 * 86_400, "day": 40 * 86_400, "month": 400 * 86_400}
"""Seconds an account stays after it was last drawn from; an agent's stays as long as the agent."""
MAX_COUNTED = 10**15
"""The most a budget can name, as the store counts it: up to there its numbers are whole."""
GUESTS_ACCOUNT = "guests"
"""The account, one a day, of all that is done for people who are not the owner."""
FIELD_SEPARATOR = "\x1f"
CHARS_PER_TOKEN = 3
NEW_REPLY_TOKENS = 2_000
"""Tokens for which a reply is reserved that nobody has seen yet."""
IMAGE_TOKENS = 1_600
"""Tokens that are reserved for a picture: what Anthropic's documentation says that one takes at most, since larger ones
are scaled down first. A gpt-4o reads 1,105 at most in one; what it took in truth is settled after the reply."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts spent, or allowed."""

    turns: int = 0
    spawns: int = 0
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0
    bytes: int = 0

    def counted(self) -> list[int]:
        """The amounts as the store counts them."""
        return [round(one * unit) for one, unit in zip(astuple(self), FIELD_UNITS, strict=True)]

    @classmethod
    def read(cls, counted: Sequence[Counted]) -> "Amounts":
        """The amounts that the store counted."""
        turns, spawns, tokens, dollars, milliseconds, size = (int(one or 0) for one in counted)
        return cls(turns, spawns, tokens, dollars / FIELD_UNITS[3], milliseconds / FIELD_UNITS[4], size)


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """One account: spent, reserved at this moment, and allowed in all; no limit where none is named."""

    name: str
    used: Amounts
    held: Amounts
    limits: Mapping[str, float]


class Budgets:
    """The accounts: one for each first cause, with it one for each agent, each day and each month."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self._settings = settings

    def purse(
        self, agent: str, accounts: Sequence[str], root: str, turn: str, at: datetime, epoch: int | None
    ) -> "Allowance":
        """The hand in the accounts of a turn that began `at`: its agent's own, those above that its spawners were
        bounded by (`accounts`), that of the first cause, and those of the day and the month."""
        day = f"{at:%Y-%m-%d}"
        above = [
            f"{GUESTS_ACCOUNT}:{day}" if name == GUESTS_ACCOUNT else name
            for name in accounts
            if name != f"agent:{agent}"
        ]
        names = [f"agent:{agent}", *above, f"root:{root}", f"day:{day}", f"month:{at:%Y-%m}"]
        return Allowance(self, agent, names, turn, at, epoch or 0)

    def limits(self, account: str) -> dict[str, float]:
        kind = account.partition(":")[0]
        named = {field: getattr(self._settings, f"{kind}_{field}", None) for field in BUDGET_FIELDS}
        return {field: limit for field, limit in named.items() if limit is not None}

    async def accounts(self, names: Sequence[str]) -> list[BudgetAccount]:
        fields = [f"{kind}{n}" for kind in "uhl" for n in range(1, len(BUDGET_FIELDS) + 1)]
        stored = await self.store.together(*(["HMGET", self.store.keys.account(name), *fields] for name in names))
        found = []
        for name, values in zip(names, stored, strict=True):
            spent, reserved, limits = (values[n * len(BUDGET_FIELDS) : (n + 1) * len(BUDGET_FIELDS)] for n in range(3))
            given = {
                field: int(limit) / unit
                for field, limit, unit in zip(BUDGET_FIELDS, limits, FIELD_UNITS, strict=True)
                if limit is not None
            }
            used, held = Amounts.read(spent), Amounts.read(reserved)
            found.append(BudgetAccount(name, used, held, {**self.limits(name), **given}))
        return found

    async def is_open(self, account: str) -> bool:
        """True if anything was ever spent on the account or allowed to it."""
        return bool(await self.store.run("EXISTS", self.store.keys.account(account)))

    async def allow(self, account: str, limits: Mapping[str, float]) -> None:
        """Let an account spend so much in all; what is not named stays."""
        key = self.store.keys.account(account)
        await self.store.run("FCALL", "stoa_allow", 1, key, pack(counted_limits(limits)))
        await self.release(account)

    async def park(self, account: str, agent: str, changes: Sequence[str]) -> None:
        """Keep changes that an agent could not deal with, until the account that was used up can bear them."""
        key = self.store.keys.put_off(account)
        if changes:
            await self.store.run("SADD", key, *(f"{agent}{FIELD_SEPARATOR}{change}" for change in changes))
            await self.store.run("EXPIRE", key, ACCOUNT_SECONDS["root"])

    async def release(self, account: str) -> None:
        """Let agents take up what was parked on the account."""
        key, again = self.store.keys.put_off(account), new_id()
        for entry in await self.store.run("SMEMBERS", key):
            agent, _, change = entry.decode().partition(FIELD_SEPARATOR)
            await self.store.run("SADD", self.store.keys.parked(agent), f"{change}#{again}")
            await self.store.run("EXPIRE", self.store.keys.parked(agent), ACCOUNT_SECONDS["root"])
            await self.store.run("SREM", key, entry)

    async def close(self, agent: str) -> None:
        """Forget what an agent that has ended was given; what it spent stays in the tables of the days."""
        await self.store.run("EXPIRE", self.store.keys.account(f"agent:{agent}"), ACCOUNT_SECONDS["root"])


class Allowance:
    """One turn's hand in its accounts. Whatever it does under one name happens once, however often it is replayed."""

    def __init__(
        self, budgets: Budgets, agent: str, accounts: Sequence[str], turn: str, at: datetime, epoch: int
    ) -> None:
        self.agent = agent
        self.accounts = accounts
        self.turn = turn
        self.calls = 0
        """How many replies of a model the turn has paid for."""
        self.spent = Amounts()
        self.model = ""
        """Which model replied last."""
        self.silent = True
        """Whether the turn has said and changed nothing."""
        self._budgets = budgets
        self._store = budgets.store
        self._epoch = epoch
        self._since = self._store.clock.now()
        self._settlements: list[tuple[str, list[int], list[int]]] = []
        keys = self._store.keys
        self._keys = [keys.reservations(turn), keys.prices(), keys.spending(f"{at:%Y-%m-%d}"), keys.roots()]
        self._keys += [keys.account(name) for name in accounts]
        self._root = next(name for name in accounts if name.startswith("root:")).partition(":")[2]
        self._limits = pack([_listed(budgets.limits(name)) for name in accounts])
        self._lives = pack([ACCOUNT_SECONDS[name.partition(":")[0]] for name in accounts])

    async def begin(self) -> None:
        """The turn begins, which it may do once; raises `BudgetSpent` where an account has no turn left."""
        wanted, moment = pack(Amounts(turns=1).counted()), self._store.now()
        arguments = (self._epoch, self.turn, wanted, self._limits, self._lives, self._root, moment)
        self._check(await self._call("stoa_begin_turn", *arguments))

    async def reserve(self, name: str, model: str, messages: Sequence[Message]) -> None:
        """Set aside what a model's reply to these messages may take; raises `BudgetSpent` where an account lacks it."""
        characters = sum(len(message.text) for message in messages)
        pictures = sum(len(message.pictures) for message in messages)
        tokens = characters // CHARS_PER_TOKEN + pictures * IMAGE_TOKENS + NEW_REPLY_TOKENS if model != "offline" else 0
        wanted = pack(Amounts(tokens=tokens, seconds=1).counted())
        self._check(await self._call("stoa_reserve", self._epoch, self.turn, name, wanted, self._limits, model))

    async def store_bytes(self, name: str, size: int) -> None:
        """Take the bytes that are about to be stored; raises `BudgetSpent` where an account lacks them."""
        wanted = pack(Amounts(bytes=size).counted())
        self._check(await self._call("stoa_take", self._epoch, self.turn, f"{name}.bytes", wanted, self._limits))

    async def settle(self, name: str, usage: Usage) -> None:
        """Pay what was reserved under `name` with what it took, and give back the rest."""
        spent, counts = self.paid(name, usage)
        await self._call("stoa_settle", self.agent, usage.model, name, pack(spent), pack(counts))

    def paid(self, name: str, usage: Usage) -> tuple[list[int], list[int]]:
        """Count what a reply took; it is settled at the end of the turn at the latest."""
        elapsed, self._since = self._store.clock.now() - self._since, self._store.clock.now()
        tokens, dollars = usage.prompt + usage.completion, usage.dollars
        seconds = max(0.0, elapsed / timedelta(seconds=1))
        spent = Amounts(tokens=tokens, dollars=dollars, seconds=seconds).counted()
        counts = [1, usage.prompt, usage.completion, usage.cached]
        self.calls += 1
        self.spent = Amounts.read([a + b for a, b in zip(self.spent.counted(), spent, strict=True)])
        self.model = usage.model
        self._settlements.append((name, spent, counts))
        return spent, counts

    async def spawn(self, name: str, child: str, budget: Mapping[str, float]) -> None:
        """Take one spawn and open the account of the new agent, with a budget no wider than what is left here.

        Raises `PermissionDenied` naming the field that is wider, and `BudgetSpent` where no spawn is left.
        """
        wanted = (pack(Amounts(spawns=1).counted()), self._limits, pack(counted_limits(budget)))
        keys = [*self._keys, self._store.keys.account(f"agent:{child}")]
        arguments = (self._epoch, self.turn, name, *wanted)
        answer = await self._store.run("FCALL", "stoa_spawn", len(keys), *keys, *arguments)
        if answer and int(answer[0]) == 0:
            _, n, wide, left = (int(number) for number in answer)
            field, unit = BUDGET_FIELDS[n - 1], FIELD_UNITS[n - 1]
            raise PermissionDenied(
                f"budget: you asked {amount(wide / unit)} {field} for the new agent, and {amount(left / unit)} are "
                f"left to you. "
                f"Ask for no more {field} than that."
            )
        self._check(answer)

    async def finish(self) -> None:
        """The turn is over: settle what is not, and give back what was never used."""
        rest = max(0.0, (self._store.clock.now() - self._since) / timedelta(seconds=1))
        spent, settled = pack(Amounts(seconds=rest).counted()), pack(self._settlements)
        await self._call("stoa_finish", self.agent, self.model, spent, int(self.silent), settled, self._epoch)

    async def _call(self, function: str, *arguments: str | bytes | int) -> list[int] | None:
        answer: list[int] | None = await self._store.run("FCALL", function, len(self._keys), *self._keys, *arguments)
        return answer

    def _check(self, answer: list[int] | None) -> None:
        if not answer:
            return
        position, n, most, taken, wanted, tells = (int(number) for number in answer)
        account, field, unit = self.accounts[position - 1], BUDGET_FIELDS[n - 1], FIELD_UNITS[n - 1]
        spent = BudgetSpent(
            f"{field}: {_named(account)} may spend {amount(most / unit)} {field}, {amount(taken / unit)} are spent or "
            f"set aside, and this needs {amount(wanted / unit)} more. {_mended(account, field)}"
        )
        spent.account, spent.tells = account, bool(tells)
        raise spent


def amount(number: float) -> str:
    """A number as people read it: `3,000,000`, `0.25`."""
    return f"{number:,.4f}".rstrip("0").rstrip(".")


def counted_limits(budget: Mapping[str, float]) -> list[int]:
    """A budget as the store counts it, -1 where nothing is named; raises `InvalidInput` for what cannot be one."""
    if not isinstance(budget, Mapping) or not budget.keys() <= set(BUDGET_FIELDS):
        raise InvalidInput(
            f"budget: name some of {', '.join(BUDGET_FIELDS)} and how much of each, as in {{'turns': 20}}"
        )
    for field, most in budget.items():
        unit = FIELD_UNITS[BUDGET_FIELDS.index(field)]
        if isinstance(most, bool) or not isinstance(most, int | float) or not 0 <= most <= MAX_COUNTED / unit:
            raise InvalidInput(f"budget: {most!r} {field}; give a number from 0 to {amount(MAX_COUNTED / unit)}")
    return [
        round(budget[field] * unit) if field in budget else -1
        for field, unit in zip(BUDGET_FIELDS, FIELD_UNITS, strict=True)
    ]


def _listed(limits: Mapping[str, float]) -> list[int | bool]:
    return [
        round(limits[f] * unit) if f in limits else False for f, unit in zip(BUDGET_FIELDS, FIELD_UNITS, strict=True)
    ]


def _named(account: str) -> str:
    kind, _, name = account.partition(":")
    match kind:
        case "root":
            return f"all that follows from {name}"
        case "agent":
            return name
        case "guests":
            return f"what may be spent for guests on {name}"
        case _:
            return f"the {kind} {name}"


def _mended(account: str, field: str) -> str:
    kind, _, name = account.partition(":")
    if kind in ("day", "month", GUESTS_ACCOUNT):
        kind, period = kind.upper(), "day" if kind == GUESTS_ACCOUNT else kind
        return f"Wait for the next {period}, or let the owner raise STOA_{kind}_{field.upper()}."
    return f"The owner may allow more: `stoa budget allow {name} --{field} NUMBER`."
