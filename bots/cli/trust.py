"""`stoa approval`, `stoa grant`, `stoa directory` and `stoa secret`."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson, Id
from bots.cli.output import duty, print_json, print_table, say, when
from channels.text import one_line
from core.atoms.atoms import OWNER
from core.house import House
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets, check_name, check_value
from core.secrets.vault import Vault
from core.settings import load
from core.trust.addresses import parse_loosely
from core.trust.approvals import deadline, offered
from core.trust.audit import Audit
from core.trust.directory import Directory
from core.trust.grants import Grants

Addresses = Annotated[
    list[str], typer.Argument(metavar="ADDRESS...", help="An email address, an account, a host or a web page.")
]
SecretName = Annotated[str, typer.Argument(metavar="NAME", help="Capitals, digits and _, such as BANK_TOKEN.")]


async def approval_list(as_json: AsJson = False) -> None:
    """List the questions waiting for your answer."""
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
        say("No questions are waiting for you.")
    for atom in waiting:
        say(f"{atom.id}  until {when(deadline(atom), zone)}")
        for line in atom.content.splitlines():
            say(f"    {line}")
        say("    " + "   ".join(f"{choice.id}: {one_line(choice.label)}" for choice in offered(atom)))


async def approval_answer(
    id: Id, choice: Annotated[str, typer.Argument(metavar="CHOICE", help="Its number, id or label.")]
) -> None:
    """Answer a question with one of its choices."""
    async with opened() as house:
        atom = await house.approvals.answer(id, choice, OWNER)
        label = next(one.label for one in offered(atom) if one.id == atom.metadata["choice"])
    say(f"Answered: {one_line(label)}.")


async def grant_list(as_json: AsJson = False) -> None:
    """List who may use which spaces, tools, secrets and models."""
    async with opened() as house:
        found = await _grants(house).in_force()
        tasks = {agent.id: duty(agent) for agent in await house.agents.list() if not agent.coordinator}
        zone = house.clock.zone
    if as_json:
        print_json([asdict(grant) for grant in found])
    elif found:
        print_table(
            [
                (
                    grant.id,
                    f"{grant.to} ({tasks[grant.to]})" if grant.to in tasks else grant.to,
                    grant.what,
                    f"from {grant.giver}",
                    f"until {when(grant.until, zone)}" if grant.until else grant.scope,
                    grant.why,
                )
                for grant in found
            ]
        )
    else:
        say("Nobody holds any rights yet; `stoa run` starts the first agents.")


async def grant_revoke(id: Id) -> None:
    """Revoke a right and everything passed on from it."""
    async with opened() as house:
        grant = await _grants(house).revoke(id)
    say(f"Revoked from {grant.to}: {one_line(grant.what)}, and everything passed on from it.")


def _grants(house: House) -> Grants:
    return Grants(house.spaces, house.agents, Audit(house.spaces))


async def directory_list(as_json: AsJson = False) -> None:
    """List the addresses."""
    async with opened() as house:
        addresses = await Directory(house.spaces).all()
        zone = house.clock.zone
    if as_json:
        print_json([{"address": atom.content, "added": atom.created} for atom in addresses])
    elif addresses:
        print_table([(atom.content, f"since {when(atom.created, zone)}") for atom in addresses])
    else:
        say("There are no addresses yet; add one with `stoa directory add ana@example.com`.")


async def directory_add(addresses: Addresses) -> None:
    """Add addresses.

    A host covers all its pages; any other address covers only itself.
    """
    async with opened() as house:
        for address in addresses:
            added = (await Directory(house.spaces).add(address)).content
            shown = one_line(added)
            if parse_loosely(added).kind != "text":
                say(f"Agents may contact {shown}.")
            else:
                say(
                    f"Agents may contact what a tool calls exactly {shown!r}. That isn't an email address, a host or a "
                    f"page, such as ana@example.com or docs.python.org; `stoa directory remove` takes it out again."
                )


async def directory_remove(addresses: Addresses) -> None:
    """Remove addresses; agents have to ask again."""
    async with opened() as house:
        for address in addresses:
            await Directory(house.spaces).remove(address)
            say(f"Removed {one_line(address)} from the directory.")


def secret_set(name: SecretName) -> None:
    """Store a secret; you're asked for its value.

    The value may also be piped in. It never stands on a command line, where others could read it.
    """
    check_name(name)
    home = load().home
    if sys.stdin.isatty():
        value = typer.prompt(f"Value of {name} (not shown)", hide_input=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    check_value(value)
    vault = Vault(home)
    vault.put(name, value)
    say(f"Stored {name}, encrypted, in {home}. Tools of agents that hold {name} may use it from now on.")
    if name in Secrets(vault=vault).given():
        say(f"{SECRET_VARIABLE_PREFIX}{name} is set in this environment and takes precedence wherever Stoa sees it.")


def secret_list(as_json: AsJson = False) -> None:
    """List the names of secrets and where each one comes from."""
    secrets = Secrets(vault=Vault(load().home))
    rows = [(name, "environment" if name in secrets.given() else "encrypted") for name in secrets.names()]
    if as_json:
        print_json([{"name": name, "from": source} for name, source in rows])
    elif rows:
        print_table(rows)
    else:
        say("There are no secrets yet; store one with `stoa secret set BANK_TOKEN`.")


def secret_remove(name: SecretName) -> None:
    """Delete a secret."""
    check_name(name)
    Vault(load().home).remove(name)
    say(f"Deleted {name}.")
