"""`stoa approval`: the questions that wait for the owner, and answering them."""

import typer

from bots.cli.output import opened, print_json, when
from channels.text import one_line, visible
from core.atoms.atoms import OWNER
from core.trust.approvals import deadline, offered


async def list_all(as_json: bool) -> None:
    """The open questions, the most pressing first."""
    async with opened() as house:
        waiting = await house.approvals.waiting()
        zone = house.clock.zone
    if as_json:
        print_json(
            [
                {
                    "id": atom.id,
                    "asker": atom.metadata["asker"],
                    "question": atom.content,
                    "choices": {choice.id: choice.label for choice in offered(atom)},
                    "deadline": deadline(atom),
                }
                for atom in waiting
            ]
        )
        return
    if not waiting:
        typer.echo("Nothing waits for you.")
    for atom in waiting:
        typer.echo(f"{atom.id}  until {when(deadline(atom), zone)}")
        for line in visible(atom.content).splitlines():
            typer.echo(f"    {line}")
        typer.echo("    " + "   ".join(f"{choice.id}: {choice.label}" for choice in offered(atom)))


async def answer(id: str, choice: str) -> None:
    """Answer one question for the owner."""
    async with opened() as house:
        atom = await house.approvals.answer(id, choice, OWNER)
        label = next(one.label for one in offered(atom) if one.id == atom.metadata["choice"])
    typer.echo(f"Answered: {one_line(label)}.")
