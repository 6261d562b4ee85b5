"""`stoa agent` and `stoa why`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson, Id
from bots.cli.output import duty, many, print_json, print_table, say, when
from channels.text import one_line
from core.agents.agents import Agent
from core.agents.budgets import BudgetAccount, amount
from core.agents.rights import Held, Kind
from core.agents.traces import OriginStep, origin_steps
from core.atoms.atoms import OWNER
from core.atoms.permissions import Permission
from core.house import House
from core.tools.waits import Waits
from core.trust.access_requests import described

Levels = Mapping[str, Permission]
KINDS: tuple[Kind, ...] = ("tool", "secret", "model")


@dataclass(frozen=True, slots=True)
class Branch:
    """An agent in the tree, with its rights and spending."""

    agent: Agent
    levels: Levels
    held: Held
    account: BudgetAccount


async def agent_list(as_json: AsJson = False) -> None:
    """List agents, with their task and their spawner."""
    async with opened() as house:
        agents = await house.agents.list()
        zone = house.clock.zone
    if as_json:
        print_json([agent.model_dump(mode="json") for agent in agents])
    elif agents:
        print_table(
            [(agent.id, duty(agent), f"spawned by {agent.spawner}", when(agent.created, zone)) for agent in agents]
        )
    else:
        say("There are no agents yet; `stoa run` starts the first ones.")


async def agent_show(id: Id, as_json: AsJson = False) -> None:
    """Show an agent's task, model and rights.

    Agents that have ended are shown, too.
    """
    async with opened() as house:
        agent = await house.agents.get(id)
        levels = {name: str(level) for name, level in (await house.spaces.held(agent.principal)).items()}
        waiting = [(one.id, one.words(house.clock.now()), one.line) for one in await Waits(house.spaces).of(id)]
        zone, model = house.clock.zone, agent.model or house.settings.model
    if as_json:
        print_json({**agent.model_dump(mode="json"), "spaces": levels, "waits": waiting})
        return
    print_table(
        [
            ("agent", agent.id),
            ("status", agent.status),
            ("spawned by", f"{agent.spawner}, {when(agent.created, zone)}"),
            ("task", agent.task or "none; it is a coordinator"),
            ("instructions", agent.instructions_from or "given at the spawn"),
            ("model", model),
            ("spaces", ", ".join(f"{name} ({level})" for name, level in levels.items()) or "none"),
            ("speaks in", agent.speaks_in or "no space of its own"),
            ("tools", ", ".join(agent.tools) or "none"),
            ("secrets", ", ".join(agent.secrets) or "none"),
            *(("waits", f"{words}, at: {one_line(line, 60)}") for _, words, line in waiting),
        ]
    )
    say(f"\n{agent.instructions.strip()}")


async def agent_tree(as_json: AsJson = False) -> None:
    """Show which agent spawned which, with rights and costs."""
    async with opened() as house:
        agents = await house.agents.list()
        accounts = await house.budgets.accounts([f"agent:{agent.id}" for agent in agents])
        found = [
            Branch(agent, await house.spaces.held(agent.principal), await house.agents.held(agent), account)
            for agent, account in zip(agents, accounts, strict=True)
        ]
    if as_json:
        print_json([_branch_fields(branch) for branch in found])
        return
    say(OWNER.id)
    _print_branches(OWNER.id, found, "")


async def agent_end(id: Id) -> None:
    """End a spawned agent and every agent it spawned.

    Their sessions and rights are deleted; everything they wrote stays.
    """
    async with opened() as house:
        ended = await house.lifecycle.end(id)
    say(f"Ended: {', '.join(ended)}." if ended else f"{id} had already ended.")


def _print_branches(spawner: str, found: Sequence[Branch], indent: str) -> None:
    children = [branch for branch in found if branch.agent.spawner == spawner]
    for branch in children:
        agent, last = branch.agent, branch is children[-1]
        say(f"{indent}{'└─' if last else '├─'} {agent.id}  {duty(agent)}")
        under = f"{indent}{'   ' if last else '│  '}"
        more = any(other.agent.spawner == agent.id for other in found)
        for line in _branch_lines(branch):
            say(f"{under}{'│' if more else ' '}  {line}")
        _print_branches(agent.id, found, under)


def _branch_lines(branch: Branch) -> list[str]:
    limits = ", ".join(f"{amount(most)} {field}" for field, most in branch.account.limits.items())
    lines = [f"may use: {_rights(branch.levels, branch.held)}"]
    lines += [f"at most: {limits}"] if limits else []
    return [*lines, f"spent: {_spent(branch.account)}"]


def _rights(levels: Levels, held: Held) -> str:
    parts = [", ".join(f"{name} ({level})" for name, level in levels.items()) or "no spaces"]
    for kind in KINDS:
        names = held.names(kind)
        names += [f"{name} (to pass on)" for name in held.names(kind, passing=True) if name not in names]
        parts += [f"{kind}s {', '.join(names)}"] if names else []
    return "; ".join(parts)


def _spent(account: BudgetAccount) -> str:
    used = account.used
    counts = ((used.turns, "turn"), (used.spawns, "spawn"), (used.tokens, "token"))
    return f"{', '.join(many(count, noun) for count, noun in counts)}, ${used.dollars:.4f}"


def _branch_fields(branch: Branch) -> dict[str, object]:
    agent, account = branch.agent, branch.account
    return {
        "id": agent.id,
        "spawner": agent.spawner,
        "task": agent.task,
        "model": branch.held.model(),
        "spaces": {name: str(level) for name, level in branch.levels.items()},
        "tools": branch.held.names("tool"),
        "secrets": branch.held.names("secret"),
        "limits": dict(account.limits),
        "turns": account.used.turns,
        "spawns": account.used.spawns,
        "tokens": account.used.tokens,
        "dollars": account.used.dollars,
    }


async def why(atom: Annotated[str, typer.Argument(metavar="SPACE/ATOM")], as_json: AsJson = False) -> None:
    """Trace an atom back to the message that caused it.

    Each step shows the turn that wrote the atom, what that turn had read, and what it cost.
    """
    async with opened() as house:
        steps = await origin_steps(house.spaces, house.agents, atom)
        writers = {step.agent.id: await _writer_lines(house, step.agent) for step in steps if step.agent}
        roots = dict.fromkeys(step.trace.root for step in steps if step.trace)
        totals = await house.budgets.accounts([f"root:{root}" for root in roots])
        zone = house.clock.zone
    if as_json:
        print_json([_step_fields(step, writers) for step in steps])
        return
    for step in steps:
        _print_step(step, zone, last=step is steps[-1])
    for lines in writers.values():
        say("\n".join(["", *lines]))
    say("")
    for root, total in zip(roots, totals, strict=True):
        say(f"Everything that followed from {root}: {_spent(total)}, {total.used.seconds:,.1f} s")


def _print_step(step: OriginStep, zone: ZoneInfo, *, last: bool) -> None:
    atom, version, trace = step.atom, step.version, step.trace
    say(f"{atom.ref}  {one_line(atom.content, 80)!r}")
    writer = described(step.agent) if step.agent else version.author
    who = {"I": "the assistant", OWNER.id: "you"}.get(writer, writer)
    say(f"   written by {who}, {when(version.at, zone)}: {one_line(version.comment, 100)}")
    if trace:
        cost = f"{many(trace.calls, 'call')} of {trace.model or 'no model'}, {trace.tokens:,} tokens"
        say(f"   in a turn of {(trace.ended - trace.began).total_seconds():.1f} s: {cost}, ${trace.dollars:.4f}")
        if trace.read:
            say(f"   which had read {', '.join(trace.read)}")
        if len(trace.news) > 1:
            say(f"   and was also woken by {', '.join(trace.news[:-1])}")
    elif step.agent:
        say("   its turn is no longer on record")
    if not last:
        say("because of")


async def _writer_lines(house: House, agent: Agent) -> list[str]:
    """The agent and its rights, then its spawner's, up to a coordinator."""
    line = [agent]
    while not line[-1].coordinator:
        line.append(await house.agents.get(line[-1].spawner))
    lines = []
    for one in line:
        levels, held = await house.spaces.held(one.principal), await house.agents.held(one)
        ended = " (ended)" if one.status == "dead" else ""
        lines.append(f"{one.id}{ended}, spawned by {one.spawner}: {duty(one)}")
        if one.instructions_from:
            lines.append(f"   instructions: {one.instructions_from}")
        lines.append(f"   may use: {_rights(levels, held)}")
    return lines


def _step_fields(step: OriginStep, writers: Mapping[str, list[str]]) -> dict[str, object]:
    version, trace = step.version, step.trace
    return {
        "atom": step.atom.ref,
        "content": step.atom.content,
        "version": version.version,
        "author": version.author,
        "comment": version.comment,
        "at": version.at,
        "turn": asdict(trace) if trace else None,
        "agent": writers.get(step.agent.id) if step.agent else None,
    }
