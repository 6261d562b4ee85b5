"""`stoa agent tree` and `stoa agent end`: who spawned whom, what for, with which rights and at what price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

from bots.cli.output import opened, print_json
from channels.text import one_line
from core.agents.agents import Agent
from core.agents.budgets import BudgetAccount, amount
from core.agents.rights import Held, Kind
from core.atoms.atoms import OWNER
from core.atoms.permissions import Permission
from core.house import House

Rights = Mapping[str, Permission]


@dataclass(frozen=True, slots=True)
class Shown:
    """An agent with what it may do at this moment and what it has spent."""

    agent: Agent
    rights: Rights
    held: Held
    account: BudgetAccount


async def show(as_json: bool) -> None:
    """The living agents, each under who spawned it."""
    async with opened() as house:
        agents = await house.agents.list()
        accounts = await house.budgets.accounts([f"agent:{agent.id}" for agent in agents])
        found = [
            Shown(agent, await house.spaces.held(agent.principal), await house.agents.held(agent), account)
            for agent, account in zip(agents, accounts, strict=True)
        ]
    if as_json:
        print_json([_plain(one) for one in found])
        return
    typer.echo(OWNER.id)
    _branch(OWNER.id, found, "")


async def end(id: str) -> None:
    """End an agent and all that it spawned."""
    async with opened() as house:
        ended = await house.lifecycle.end(id)
    typer.echo(f"Ended: {', '.join(ended)}." if ended else f"{id} has ended before.")


def _branch(spawner: str, found: Sequence[Shown], indent: str) -> None:
    children = [one for one in found if one.agent.spawner == spawner]
    for one in children:
        agent, last = one.agent, one is children[-1]
        typer.echo(f"{indent}{'└─' if last else '├─'} {agent.id}  {one_line(agent.task, 80) or 'a coordinator'}")
        under = f"{indent}{'   ' if last else '│  '}"
        more = any(other.agent.spawner == agent.id for other in found)
        for line in _told(one):
            typer.echo(f"{under}{'│' if more else ' '}  {line}")
        _branch(agent.id, found, under)


def _told(one: Shown) -> list[str]:
    lines = [f"may: {may(one.rights, one.held)}"]
    if one.account.limits:
        lines.append(f"at most: {', '.join(f'{amount(most)} {field}' for field, most in one.account.limits.items())}")
    lines.append(f"spent: {spent(one.account)}")
    return lines


def may(rights: Rights, held: Held) -> str:
    """What an agent may do at this moment, on one line: its spaces with the permission, its tools, secrets, models."""
    parts = [", ".join(f"{name} ({level})" for name, level in rights.items()) or "no spaces"]
    kinds: tuple[Kind, ...] = ("tool", "secret", "model")
    for kind in kinds:
        names = held.names(kind)
        names += [f"{name} (to pass on)" for name in held.names(kind, passing=True) if name not in names]
        parts += [f"{kind}s {', '.join(names)}"] if names else []
    return "; ".join(parts)


def spent(account: BudgetAccount) -> str:
    """What an account has spent, on one line."""
    used = account.used
    counts = (("turn", used.turns), ("spawn", used.spawns), ("token", used.tokens))
    return f"{', '.join(f'{n:,} {word}' + 's' * (n != 1) for word, n in counts)}, ${used.dollars:.4f}"


def _plain(one: Shown) -> dict[str, object]:
    agent, account = one.agent, one.account
    return {
        "id": agent.id,
        "spawner": agent.spawner,
        "task": agent.task,
        "model": one.held.model(),
        "spaces": {name: str(level) for name, level in one.rights.items()},
        "tools": one.held.names("tool"),
        "secrets": one.held.names("secret"),
        "limits": dict(account.limits),
        "turns": account.used.turns,
        "spawns": account.used.spawns,
        "tokens": account.used.tokens,
        "dollars": account.used.dollars,
    }


async def above(house: House, agent: Agent) -> list[Agent]:
    """An agent and those it was spawned by, up to a coordinator."""
    chain = [agent]
    while not chain[-1].coordinator:
        chain.append(await house.agents.get(chain[-1].spawner))
    return chain
