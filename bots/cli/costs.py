"""`stoa cost` and `stoa budget`: what was spent, and what may be."""

from dataclasses import asdict

import typer

from bots.cli.output import opened, print_json, print_table
from channels.text import one_line
from core.agents.budgets import BUDGET_FIELDS, GUESTS_ACCOUNT, BudgetAccount, amount
from core.agents.spending import Spending, Spent
from core.errors import InvalidInput, NotFound
from core.house import House

BY = ("day", "root", "agent", "model")
ENDED = {
    "turns": "will not answer",
    "spawns": "will spawn no agent",
    "tokens": "will ask no model but the built-in one",
    "dollars": "will ask no model that costs anything",
    "seconds": "will not answer",
}
"""What comes of a limit that is used up."""


async def show(by: str, days: int, limit: int, as_json: bool) -> None:
    """What was spent, by day, root, agent or model."""
    if by not in BY:
        raise InvalidInput(f"--by is day, root, agent or model, not {by!r}.")
    async with opened() as house:
        spending = Spending(house.budgets, house.spaces)
        match by:
            case "root":
                found = await spending.by_root(limit)
            case "agent":
                found = await spending.by_agent(days)
            case "model":
                found = await spending.by_model(days)
            case _:
                found = await spending.by_day(days)
    found = found[:limit]
    if as_json:
        print_json([{**asdict(one), "tokens": one.tokens} for one in found])
    elif not found:
        typer.echo("Nothing has been spent yet.")
    else:
        print_table([_heading(by), *(_row(by, one) for one in found)])


async def budgets(as_json: bool) -> None:
    """The limits of the day, of guests in it, of the month, of agents that have some of their own, and of the first
    causes that were last spent on."""
    async with opened() as house:
        now = house.clock.now()
        roots = await Spending(house.budgets, house.spaces).by_root(20)
        day = f"{now:%Y-%m-%d}"
        periods = await house.budgets.accounts([f"day:{day}", f"{GUESTS_ACCOUNT}:{day}", f"month:{now:%Y-%m}"])
        agents = await house.budgets.accounts([f"agent:{agent.id}" for agent in await house.agents.list()])
        bounded = [account for account in agents if account.limits]
        accounts = [*periods, *bounded, *await house.budgets.accounts([f"root:{root.name}" for root in roots])]
    if as_json:
        print_json([asdict(account) for account in accounts])
        return
    words = [*([""] * (len(periods) + len(bounded))), *(root.words for root in roots)]
    print_table([_standing(account, about) for account, about in zip(accounts, words, strict=True)])


async def allow(name: str, limits: dict[str, float]) -> None:
    """Let what follows from a cause, or an agent, spend so much in all."""
    if not limits:
        raise InvalidInput(f"Say how much of what: {', '.join(f'--{field} NUMBER' for field in BUDGET_FIELDS)}.")
    async with opened() as house:
        account = await _account(house, name)
        await house.budgets.allow(account, limits)
        (stands,) = await house.budgets.accounts([account])
    print_table([_standing(stands, "")])
    for field in limits:
        if (taken := _taken(stands, field)) >= stands.limits[field]:
            typer.echo(
                f"That is used up already: {_whose(name)} {ENDED[field]} until you allow more {field} than "
                f"{amount(taken)}: `stoa budget allow {name} --{field} NUMBER`."
            )


async def _account(house: House, name: str) -> str:
    """The account that a person means by a cause (`space/number`) or by an agent's id."""
    if "/" not in name:
        return f"agent:{(await house.agents.get(name)).id}"
    account = f"root:{name}"
    if not await house.store.run("EXISTS", house.store.keys.account(account)):
        raise NotFound(f"Nothing was spent on {name!r}; `stoa cost --by root` shows the causes.")
    return account


def _whose(name: str) -> str:
    return f"whoever works on what follows from {name}" if "/" in name else name


def _heading(by: str) -> tuple[str, ...]:
    if by == "root":
        return (by, "turns", "tokens", "dollars", "seconds", "began with")
    return (by, "turns", "silent", "calls", "read", "cached", "written", "dollars", "seconds")


def _row(by: str, one: Spent) -> tuple[str, ...]:
    money, seconds = f"{one.dollars:.4f}", f"{one.seconds:.1f}"
    if by == "root":
        return (one.name, f"{one.turns:,}", f"{one.tokens:,}", money, seconds, one_line(one.words, 60))
    counts = (one.turns, one.silent, one.calls, one.prompt, one.cached, one.completion)
    return (one.name, *(f"{count:,}" for count in counts), money, seconds)


def _standing(account: BudgetAccount, words: str) -> tuple[str, ...]:
    kind, _, name = account.name.partition(":")
    stands = []
    for field in BUDGET_FIELDS:
        if field in account.limits:
            stands.append(f"{amount(_taken(account, field))} of {amount(account.limits[field])} {field}")
    return (kind, name, ", ".join(stands) or "no limits", one_line(words, 60))


def _taken(account: BudgetAccount, field: str) -> float:
    """What is spent or set aside."""
    return float(getattr(account.used, field) + getattr(account.held, field))
