"""`stoa why`: how an atom came to be, from the turn that wrote it back to the message that began it all."""

from dataclasses import asdict
from zoneinfo import ZoneInfo

import typer

from bots.cli.output import opened, print_json, when
from bots.cli.tree import above, may, spent
from channels.text import one_line
from core.agents.traces import OriginStep, origin_steps
from core.house import House


async def show(ref: str, as_json: bool) -> None:
    """The chain behind one atom."""
    async with opened() as house:
        chain = await origin_steps(house.spaces, house.agents, ref)
        rights = {link.agent.id: await _lines(house, link) for link in chain if link.agent}
        root = next((link.trace.root for link in chain if link.trace), "")
        whole = (await house.budgets.accounts([f"root:{root}"]))[0] if root else None
        zone = house.clock.zone
    if as_json:
        print_json([_plain(link, rights) for link in chain])
        return
    for link in chain:
        _tell(link, zone)
    for lines in rights.values():
        typer.echo("\n".join(["", *lines]))
    if whole:
        typer.echo(f"\nall that follows from {root}: {spent(whole)}, {whole.used.seconds:,.1f} s")


def _tell(link: OriginStep, zone: ZoneInfo) -> None:
    atom, version, trace = link.atom, link.version, link.trace
    typer.echo(f"{atom.ref}  {one_line(atom.content, 80)!r}")
    typer.echo(f"   written by {version.author}, {when(version.at, zone)}: {one_line(version.comment, 100)}")
    if not trace:
        if link.agent:
            typer.echo("   the turn it was written in is no longer known")
        return
    cost = f"{trace.calls:,} calls of {trace.model or 'no model'}, {trace.tokens:,} tokens, ${trace.dollars:.4f}"
    typer.echo(f"   in a turn of {(trace.ended - trace.began).total_seconds():.1f} s: {cost}")
    if trace.read:
        typer.echo(f"   that had read {', '.join(trace.read)}")
    if len(trace.news) > 1:
        typer.echo(f"   and was woken by {', '.join(trace.news[:-1])}, too")
    if trace.news:
        typer.echo("because of")


async def _lines(house: House, link: OriginStep) -> list[str]:
    """Who the agent is and what it may do, and the same of who spawned it, up to a coordinator."""
    lines = []
    if link.agent:
        for agent in await above(house, link.agent):
            rights, held = await house.spaces.held(agent.principal), await house.agents.held(agent)
            ended = " (has ended)" if agent.status == "dead" else ""
            lines.append(
                f"{agent.id}{ended}, spawned by {agent.spawner}: {one_line(agent.task, 80) or 'a coordinator'}"
            )
            lines.append(f"   may: {may(rights, held)}")
    return lines


def _plain(link: OriginStep, rights: dict[str, list[str]]) -> dict[str, object]:
    version, trace = link.version, link.trace
    return {
        "atom": link.atom.ref,
        "content": link.atom.content,
        "version": version.version,
        "author": version.author,
        "comment": version.comment,
        "at": version.at,
        "turn": asdict(trace) if trace else None,
        "agent": rights.get(link.agent.id) if link.agent else None,
    }
