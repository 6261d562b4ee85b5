"""`stoa people` and `stoa people group`."""

from typing import Annotated

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, print_table, say, when
from channels.people.people import People, Person, Room
from channels.people.requests import AdmissionRequest
from channels.text import one_line
from core.house import House

Who = Annotated[str, typer.Argument(metavar="WHO", help="A code, or an id from `stoa people list`.")]
PersonId = Annotated[str, typer.Argument(metavar="PERSON", help="An id from `stoa people list`.")]
GroupName = Annotated[str, typer.Argument(metavar="GROUP", help="The group's name.")]


async def people_list(as_json: AsJson = False) -> None:
    """List people, and strangers waiting to be let in."""
    async with opened() as house:
        known, waiting = await _people(house).all(), await _people(house).waiting()
        zone = house.clock.zone
    if as_json:
        strangers = [request.model_dump(exclude={"status", "first"}) for request in waiting]
        print_json({"people": [person.model_dump() for person in known], "waiting": strangers})
        return
    if known:
        print_table([_row(person) for person in known])
    else:
        say("Stoa knows nobody yet. `stoa setup` connects a platform; `stoa people link` tells Stoa who you are there.")
    if waiting:
        say("\nWaiting for you; answer with `stoa people allow ID` or `stoa people block ID`:")
    for request in waiting:
        say(f"{request.id}  {_stranger(request)}, code {request.code}, until {when(request.until, zone)}")
        say(f"    {one_line(request.text, 1_000) or '(no text)'}")


async def people_link(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose account it is.")] = "owner",
) -> None:
    """Print a code that links another account of a person.

    Write the code to the bot in a direct message, from the account to link. A code works for one hour and one account.
    All accounts of a person share what is theirs.
    """
    async with opened() as house:
        code = await _people(house).link_code(person)
    say(f"{code}\n\nWrite this code to the bot in a direct message, from the account to link to {person}.")
    say("It works for one hour and for one account.")


async def people_allow(
    who: Who,
    person: Annotated[str, typer.Option("--as", metavar="PERSON", help="It is another account of this person.")] = "",
    name: Annotated[str, typer.Option(help="What to call a new person.")] = "",
) -> None:
    """Let a person or a room in.

    This works for strangers who wait and for people you blocked. What they wrote meanwhile is answered then.

    \b
    Examples:
      stoa people allow KXQM-7TPZ --name 'Ana from work'
      stoa people allow k3v9w2m4q8zt --as ana
    """
    async with opened() as house:
        say(f"{_name(await _people(house).allow(who, person=person, name=name))} may talk to Stoa now.")


async def people_block(who: Who) -> None:
    """Block a person, an account or a stranger.

    Stoa ignores everything they write and revokes everything they held.

    \b
    Examples:
      stoa people block mallory
      stoa people block slack/T1:U666
    """
    async with opened() as house:
        say(f"Blocked {_name(await _people(house).block(who))}; what they write is ignored.")


async def people_forget(
    who: Annotated[str, typer.Argument(metavar="WHO", help="A person, or one of their accounts.")],
) -> None:
    """Forget a person, or unlink one of their accounts.

    A forgotten person loses everything that was shared with them. What they wrote stays.
    """
    async with opened() as house:
        person = await _people(house).forget(who)
    if "/" in who:
        say(f"Unlinked {one_line(who)} from {person.id}.")
    else:
        say(f"Forgot {person.id} and everything that was shared with them.")


async def people_prefer(
    person: PersonId,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Leave out for the one used last.")] = "",
) -> None:
    """Choose the account on which a person gets reminders.

    The same goes for everything else they didn't just ask for.
    """
    async with opened() as house:
        found = await _people(house).prefer(person, account)
    say(f"{found.id} gets reminders on {account or 'the account they used last'}.")


async def group_list(as_json: AsJson = False) -> None:
    """List groups and their members."""
    async with opened() as house:
        groups = await _people(house).groups.all()
    if as_json:
        print_json(groups)
    elif groups:
        print_table([(name, ", ".join(members)) for name, members in groups.items()])
    else:
        say("There are no groups yet; `stoa people group add family ana` creates one.")


async def group_add(group: GroupName, person: PersonId) -> None:
    """Add a person to a group; the first one creates it.

    They may use everything that is shared with the group.

    \b
    Examples:
      stoa people group add family ana
      stoa space share recipes group:family write
    """
    async with opened() as house:
        await _people(house).groups.join(group, person)
    say(f"{person} is in {group} now. `stoa space share SPACE group:{group} PERMISSION` shares with all of them.")


async def group_remove(group: GroupName, person: PersonId) -> None:
    """Remove a person from a group.

    They lose what they held through it.
    """
    async with opened() as house:
        await _people(house).groups.leave(group, person)
    say(f"Removed {person} from {group}, with everything they held through it.")


def _people(house: House) -> People:
    return People(house.spaces, house.approvals)


def _row(person: Person) -> tuple[str, ...]:
    notes = (
        "blocked" if person.status == "blocked" else "",
        f"in {', '.join(person.groups)}" if person.groups else "",
        f"prefers {person.preferred}" if person.preferred else "",
    )
    accounts = ", ".join(person.accounts) or "no account"
    return person.id, person.name, accounts, "; ".join(filter(None, notes))


def _stranger(request: AdmissionRequest) -> str:
    name = f"{one_line(request.name or 'somebody', 80)} ({one_line(f'{request.account}/{request.sender}')})"
    room = f"the room {one_line(request.room, 80)} ({one_line(f'{request.account}/{request.conversation}')})"
    if request.kind == "room":
        return f"{room}, where {name} spoke to me"
    return f"{name} in {room if request.room else 'a direct message'}"


def _name(found: Person | Room) -> str:
    return one_line(f"the room {found.name or found.id}" if isinstance(found, Room) else found.id)
