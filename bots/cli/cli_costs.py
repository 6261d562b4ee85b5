"""The commands about money and other limits, `stoa cost` and `stoa budget`: names, options and the words of help."""

import asyncio
from typing import Annotated

import typer

from bots.cli.options import Json, Limit, group

budget = group("See what may be spent, and allow more.")


def cost(
    by: Annotated[
        str,
        typer.Option(
            metavar="day|root|agent|model",
            help="What to add up by; a root is the message or timer that began it all.",
        ),
    ] = "day",
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days back.")] = 30,
    limit: Limit = 30,
    json: Json = False,
) -> None:
    """Show what agents have spent: turns, calls of a model, tokens, dollars, seconds at work.

    A silent turn is one that neither said nor changed anything.

    \b
    Examples:
      stoa cost
      stoa cost --by agent --days 7
    """
    from bots.cli import costs

    asyncio.run(costs.show(by, days, limit, json))


@budget.command("list")
def budget_list(json: Json = False) -> None:
    """List the limits of the day and the month, of single agents, and of what was last worked on."""
    from bots.cli import costs

    asyncio.run(costs.budgets(json))


@budget.command("allow")
def budget_allow(
    name: Annotated[str, typer.Argument(metavar="ROOT|AGENT")],
    turns: Annotated[int | None, typer.Option(min=0, help="How many turns in all.")] = None,
    spawns: Annotated[int | None, typer.Option(min=0, help="How many agents may be spawned in all.")] = None,
    tokens: Annotated[int | None, typer.Option(min=0, help="How many tokens in all.")] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="How many dollars in all.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="How many seconds at work in all.")] = None,
) -> None:
    """Let what follows from one cause, or one agent, spend so much in all, the amounts spent already included.

    \b
    Examples:
      stoa budget allow chat/12 --turns 400
      stoa budget allow agent-3fk2v9qd --dollars 2.5
    """
    from bots.cli import costs

    named = {"turns": turns, "spawns": spawns, "tokens": tokens, "dollars": dollars, "seconds": seconds}
    asyncio.run(costs.allow(name, {field: amount for field, amount in named.items() if amount is not None}))
