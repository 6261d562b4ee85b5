"""`stoa cost` and `stoa budget`."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson, Limit
from bots.cli.output import duty, print_json, print_table, say
from channels.text import one_line
from core.agents.budgets import BUDGET_FIELDS, GUESTS_ACCOUNT, BudgetAccount, amount
from core.agents.spending import Spending, Spent
from core.errors import InvalidInput, NotFound
from core.house import House

GROUPINGS = ("day", "root", "agent", "model")
ROOTS_LISTED = 20
ONCE_USED_UP = {
    "turns": "won't answer",
    "spawns": "can't spawn agents",
    "tokens": "can use no model but the built-in one",
    "dollars": "can use no model that costs money",
    "seconds": "won't answer",
}
"""Limit -> what happens once it is used up."""


async def cost(
    by: Annotated[
        str,
        typer.Option(
            metavar="|".join(GROUPINGS), help="Group by this; a root is the message or timer that started the work."
        ),
    ] = "day",
    days: Annotated[int, typer.Option(min=1, max=400, help="Look back this many days.")] = 30,
    limit: Limit = 30,
    as_json: AsJson = False,
) -> None:
    """Show what agents have spent.

    Counts turns, model calls, tokens, dollars and seconds at work. A silent turn neither said nor changed anything.
    """
    if by not in GROUPINGS:
        raise InvalidInput(f"--by is day, root, agent or model, not {by!r}.")
    async with opened() as house:
        found = (await _spent(Spending(house.budgets, house.spaces), by, days, limit))[:limit]
        tasks = {agent.id: duty(agent) for agent in await house.agents.list()} if by == "agent" else {}
    if as_json:
        print_json([{**asdict(one), "tokens": one.tokens} for one in found])
    elif not found:
        say("Nothing has been spent yet.")
    else:
        print_table([_heading(by), *(_row(by, one, tasks.get(one.name, "")) for one in found)])


async def _spent(spending: Spending, by: str, days: int, limit: int) -> list[Spent]:
    match by:
        case "root":
            return await spending.by_root(limit)
        case "agent":
            return await spending.by_agent(days)
        case "model":
            return await spending.by_model(days)
    return await spending.by_day(days)


def _with_limits(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command with an option for each field of a budget."""
    own = [one for one in inspect.signature(function).parameters.values() if one.kind is not one.VAR_KEYWORD]
    for field in BUDGET_FIELDS:
        kind: Any = float if field in ("dollars", "seconds") else int
        option = Annotated[kind | None, typer.Option(min=0, help=f"{field.capitalize()} in all.")]
        own.append(inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option))
    function.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return function


async def budget_list(as_json: AsJson = False) -> None:
    """List limits: today's, this month's, agents' and recent work's."""
    async with opened() as house:
        now = house.clock.now()
        roots = await Spending(house.budgets, house.spaces).by_root(ROOTS_LISTED)
        day = f"{now:%Y-%m-%d}"
        abouts = {f"day:{day}": "", f"{GUESTS_ACCOUNT}:{day}": "", f"month:{now:%Y-%m}": ""}
        accounts = await house.budgets.accounts([*abouts])
        tasks = {f"agent:{agent.id}": agent.task for agent in await house.agents.list()}
        accounts += [account for account in await house.budgets.accounts([*tasks]) if account.limits]
        work = {f"root:{root.name}": root.words for root in roots}
        accounts += await house.budgets.accounts([*work])
    if as_json:
        print_json([asdict(account) for account in accounts])
    else:
        about = abouts | tasks | work
        print_table([_budget_row(account, about[account.name]) for account in accounts])


@_with_limits
async def budget_allow(
    name: Annotated[str, typer.Argument(metavar="ROOT|AGENT", help="A root from `stoa cost --by root`, or an agent.")],
    **given: float | None,
) -> None:
    """Set what an agent, or one piece of work, may spend in all.

    Amounts include what has been spent already.

    \b
    Examples:
      stoa budget allow chat/12 --turns 400
      stoa budget allow agent-3fk2v9qd --dollars 2.5
    """
    limits = {field: limit for field, limit in given.items() if limit is not None}
    if not limits:
        raise InvalidInput(f"Give at least one limit: {', '.join(f'--{field} NUMBER' for field in BUDGET_FIELDS)}.")
    async with opened() as house:
        known = await _account_name(house, name)
        await house.budgets.allow(known, limits)
        (account,) = await house.budgets.accounts([known])
    print_table([_budget_row(account, "")])
    _warn(name, account, limits)


def _warn(name: str, account: BudgetAccount, limits: Mapping[str, float]) -> None:
    """Say which of these limits are used up already."""
    agents = f"agents working on {name}" if "/" in name else name
    for field in limits:
        taken = _taken(account, field)
        if taken >= account.limits[field]:
            say(
                f"That is used up already: {agents} {ONCE_USED_UP[field]} until you allow more {field} than "
                f"{amount(taken)}: `stoa budget allow {name} --{field} NUMBER`."
            )


async def _account_name(house: House, name: str) -> str:
    """The account of a root (`space/number`) or of an agent."""
    if "/" not in name:
        return f"agent:{(await house.agents.get(name)).id}"
    account = f"root:{name}"
    if not await house.budgets.is_open(account):
        raise NotFound(f"Nothing was spent on {name!r}. `stoa cost --by root` lists the roots.")
    return account


def _heading(by: str) -> tuple[str, ...]:
    if by == "root":
        return (by, "turns", "tokens", "dollars", "seconds", "began with")
    heading = (by, "turns", "silent", "calls", "read", "cached", "written", "dollars", "seconds")
    return (*heading, "task") if by == "agent" else heading


def _row(by: str, one: Spent, task: str) -> tuple[str, ...]:
    money, seconds = f"{one.dollars:.4f}", f"{one.seconds:.1f}"
    if by == "root":
        return (one.name, f"{one.turns:,}", f"{one.tokens:,}", money, seconds, one_line(one.words, 60))
    counts = (one.turns, one.silent, one.calls, one.prompt, one.cached, one.completion)
    row = (one.name, *(f"{count:,}" for count in counts), money, seconds)
    return (*row, task) if by == "agent" else row


def _budget_row(account: BudgetAccount, about: str) -> tuple[str, ...]:
    kind, _, name = account.name.partition(":")
    stands = [
        f"{amount(_taken(account, field))} of {amount(account.limits[field])} {field}"
        for field in BUDGET_FIELDS
        if field in account.limits
    ]
    return (kind, name, ", ".join(stands) or "no limits", one_line(about, 60))


def _taken(account: BudgetAccount, field: str) -> float:
    """The amount spent or reserved."""
    return float(getattr(account.used, field) + getattr(account.held, field))
