"""`stoa agent`: which agents there are, and what each may do."""

import typer

from bots.cli.output import opened, print_json, print_table, when
from channels.text import one_line, visible
from core.tools.waits import Waits


async def list_all(as_json: bool) -> None:
    """The living agents, oldest first."""
    async with opened() as house:
        agents = await house.agents.list()
        zone = house.clock.zone
    if as_json:
        print_json([agent.model_dump(mode="json") for agent in agents])
    elif agents:
        print_table(
            [
                (agent.id, f"spawned by {agent.spawner}", when(agent.created, zone), one_line(agent.task, 80))
                for agent in agents
            ]
        )
    else:
        typer.echo("There are no agents yet; `stoa run` brings the first ones.")


async def show(id: str, as_json: bool) -> None:
    """One agent, dead or alive, with what it may do at this moment."""
    async with opened() as house:
        agent = await house.agents.get(id)
        connected = {name: str(level) for name, level in (await house.spaces.held(agent.principal)).items()}
        waiting = [(one.id, one.words(house.clock.now()), one.line) for one in await Waits(house.spaces).of(id)]
        zone, model = house.clock.zone, agent.model or house.settings.model
    if as_json:
        print_json({**agent.model_dump(mode="json"), "spaces": connected, "waits": waiting})
        return
    print_table(
        [
            ("agent", agent.id),
            ("status", agent.status),
            ("spawned by", f"{agent.spawner}, {when(agent.created, zone)}"),
            ("task", one_line(agent.task, 1_000) or "none of its own"),
            ("model", model),
            ("spaces", ", ".join(f"{name} ({level})" for name, level in connected.items()) or "none"),
            ("speaks in", agent.speaks_in or "no space of its own"),
            ("tools", ", ".join(agent.tools) or "none"),
            ("secrets", ", ".join(agent.secrets) or "none"),
            *(("waits", f"{words}, in: {one_line(line, 60)}") for _, words, line in waiting),
        ]
    )
    typer.echo(f"\n{visible(agent.instructions).strip()}")
