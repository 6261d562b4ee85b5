"""`stoa people`: who may talk to Stoa, who waits for that, and the groups they are in."""

from collections.abc import Sequence

import typer

from bots.cli.output import opened, print_json, print_table, when
from channels.people.people import People, Person, Room
from channels.people.requests import AdmissionRequest
from channels.text import one_line
from core.house import House


async def list_all(as_json: bool) -> None:
    """Everybody, and then who waits."""
    async with opened() as house:
        people = People(house.spaces, house.approvals)
        known, waiting, zone = await people.all(), await people.waiting(), house.clock.zone
    if as_json:
        print_json(
            {
                "people": [person.model_dump() for person in known],
                "waiting": [request.model_dump(exclude={"status", "first"}) for request in waiting],
            }
        )
        return
    if not known:
        typer.echo("Nobody is known yet. `stoa setup` connects a platform, `stoa people link` makes you known there.")
    if known:
        print_table([_row(person) for person in known])
    if waiting:
        typer.echo("\nWaiting for you (`stoa people allow ID`, or block):")
    for request in waiting:
        typer.echo(f"{request.id}  {_who(request)}, code {request.code}, until {when(request.until, zone)}")
        typer.echo(f"    {one_line(request.text, 1_000) or '(no text)'}")


async def link(person: str) -> None:
    """A code for a further account."""
    async with opened() as house:
        code = await _people(house).link_code(person)
    typer.echo(
        f"{code}\n\nWrite this to the bot in a direct message, from the account that is to be linked to {person}."
    )
    typer.echo("It holds for one hour and for one account.")


async def allow(who: str, person: str, name: str) -> None:
    """Let somebody, or a room, in."""
    async with opened() as house:
        _say("is let in", await _people(house).allow(who, person=person, name=name))


async def block(who: str) -> None:
    """Never hear of somebody again."""
    async with opened() as house:
        _say("is blocked, and what comes from there is dropped", await _people(house).block(who))


async def forget(who: str) -> None:
    """Forget a person, or unlink one account."""
    async with opened() as house:
        person = await _people(house).forget(who)
    if "/" in who:
        typer.echo(f"{one_line(who)} is not {person.id}'s account any more.")
    else:
        typer.echo(f"{person.id} is forgotten, with all that was shared with them.")


async def prefer(who: str, account: str) -> None:
    """Where somebody is told what they did not just ask for."""
    async with opened() as house:
        person = await _people(house).prefer(who, account)
    typer.echo(f"{person.id} is told such things on {account or 'the account they used last'}.")


async def list_groups(as_json: bool) -> None:
    """The groups and their members."""
    async with opened() as house:
        groups = await _people(house).groups.all()
    if as_json:
        print_json(groups)
    elif groups:
        print_table([(name, ", ".join(members)) for name, members in groups.items()])
    else:
        typer.echo("There are no groups yet; `stoa people group add family ana` begins one.")


async def join(group: str, person: str) -> None:
    """Put somebody into a group."""
    async with opened() as house:
        await _people(house).groups.join(group, person)
    typer.echo(f"{person} is in {group}. `stoa space share SPACE group:{group} PERMISSION` shares with all of them.")


async def leave(group: str, person: str) -> None:
    """Take somebody out of a group."""
    async with opened() as house:
        await _people(house).groups.leave(group, person)
    typer.echo(f"{person} is not in {group} any more, and holds nothing by it.")


def _people(house: House) -> People:
    return People(house.spaces, house.approvals)


def _row(person: Person) -> tuple[str, ...]:
    notes: Sequence[str] = (
        "blocked" if person.status == "blocked" else "",
        f"in {', '.join(person.groups)}" if person.groups else "",
        f"prefers {person.preferred}" if person.preferred else "",
    )
    accounts = ", ".join(one_line(account) for account in person.accounts) or "no account"
    return person.id, one_line(person.name), accounts, "; ".join(filter(None, notes))


def _who(request: AdmissionRequest) -> str:
    name = f"{one_line(request.name or 'somebody', 80)} ({one_line(f'{request.account}/{request.sender}')})"
    place = f"the room {one_line(request.room, 80)} ({one_line(f'{request.account}/{request.conversation}')})"
    if request.kind == "room":
        return f"{place}, where {name} speaks to me"
    return f"{name} in {place if request.room else 'a direct message'}"


def _say(what: str, whom: Person | Room) -> None:
    name = f"The room {whom.name or whom.id}" if isinstance(whom, Room) else whom.id
    typer.echo(f"{one_line(name)} {what}.")
