"""`stoa agent tree` and `stoa agent end`: who spawned whom, what for, with which rights and at what price."""

from collections.abc import Mapping, Sequence

import typer

from bots.commands.opening import opened, print_json
from channels.rendering import one_line
from core.agents import Agent
from core.atoms import OWNER
from core.budgets import Account, amount
from core.house import House
from core.permissions import Permission

Rights = Mapping[str, Permission]


async def show(as_json: bool) -> None:
    """The living agents, each under who spawned it."""
    async with opened() as house:
        agents = await house.agents.list()
        rights = [await house.spaces.held(agent.principal) for agent in agents]
        accounts = await house.budgets.accounts([f"agent:{agent.id}" for agent in agents])
    found = list(zip(agents, rights, accounts, strict=True))
    if as_json:
        print_json([_plain(*one) for one in found])
        return
    typer.echo(OWNER.id)
    _branch(OWNER.id, found, "")


async def end(id: str) -> None:
    """End an agent and all that it spawned."""
    async with opened() as house:
        ended = await house.endings.end(id)
    typer.echo(f"Ended: {', '.join(ended)}." if ended else f"{id} has ended before.")


def _branch(spawner: str, found: Sequence[tuple[Agent, Rights, Account]], indent: str) -> None:
    children = [one for one in found if one[0].spawner == spawner]
    for agent, rights, account in children:
        last = agent is children[-1][0]
        typer.echo(f"{indent}{'└─' if last else '├─'} {agent.id}  {one_line(agent.task, 80) or 'a coordinator'}")
        under = f"{indent}{'   ' if last else '│  '}"
        more = any(one[0].spawner == agent.id for one in found)
        for line in _told(agent, rights, account):
            typer.echo(f"{under}{'│' if more else ' '}  {line}")
        _branch(agent.id, found, under)


def _told(agent: Agent, rights: Rights, account: Account) -> list[str]:
    lines = [f"may: {may(agent, rights)}"]
    if account.limits:
        lines.append(f"at most: {', '.join(f'{amount(most)} {field}' for field, most in account.limits.items())}")
    lines.append(f"spent: {spent(account)}")
    return lines


def may(agent: Agent, rights: Rights) -> str:
    """What an agent may do, on one line: its spaces with the permission, its tools, its secrets by name."""
    parts = [", ".join(f"{name} ({level})" for name, level in rights.items()) or "no spaces"]
    parts += [
        f"{kind} {', '.join(names)}" for kind, names in (("tools", agent.tools), ("secrets", agent.secrets)) if names
    ]
    return "; ".join(parts)


def spent(account: Account) -> str:
    """What an account has spent, on one line."""
    used = account.used
    counts = (("turn", used.turns), ("spawn", used.spawns), ("token", used.tokens))
    return f"{', '.join(f'{n:,} {word}' + 's' * (n != 1) for word, n in counts)}, ${used.dollars:.4f}"


def _plain(agent: Agent, rights: Rights, account: Account) -> dict[str, object]:
    return {
        "id": agent.id,
        "spawner": agent.spawner,
        "task": agent.task,
        "model": agent.model,
        "spaces": {name: str(level) for name, level in rights.items()},
        "tools": list(agent.tools),
        "secrets": list(agent.secrets),
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
