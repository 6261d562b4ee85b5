"""The commands on who is let in: people and rooms, and the accounts through which they reach Stoa."""

import asyncio
from typing import Annotated

import typer

from bots.cli.options import Json, group

people = group("Say who may talk to Stoa, and see who waits for that.")
membership = group("Put people into groups, so that a space is shared with all of them at once.")
room = group("Say in which rooms Stoa takes part, and how.")
account = group("See the bots that Stoa is on the platforms, and remove one.")
people.add_typer(membership, name="group")

Who = Annotated[str, typer.Argument(metavar="WHO", help="A code, or an id as `stoa people list` shows it.")]
RoomName = Annotated[str, typer.Argument(metavar="ROOM", help="As `stoa room list` shows it, or its name.")]


@people.command("list")
def people_list(json: Json = False) -> None:
    """List people with their accounts and groups, and who waits for your word: what they wrote, and until when."""
    from bots.cli import people

    asyncio.run(people.list_all(json))


@people.command("link")
def people_link(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose account it will be.")] = "owner",
) -> None:
    """Print a code that links a further account: whoever writes it to the bot there, in a direct message, is PERSON.

    The code holds for one hour and one account. Accounts of one person share everything that is theirs.

    \b
    Examples:
      stoa people link          your own next account
      stoa people link ana      a further account of ana's
    """
    from bots.cli import people

    asyncio.run(people.link(person))


@people.command("allow")
def people_allow(
    who: Who,
    person: Annotated[str, typer.Option("--as", metavar="PERSON", help="A further account of somebody known.")] = "",
    name: Annotated[str, typer.Option(help="How to call somebody new.")] = "",
) -> None:
    """Let somebody in who waits, or a room, or somebody who was blocked. What they wrote meanwhile is taken then.

    \b
    Examples:
      stoa people allow KXQM-7TPZ
      stoa people allow KXQM-7TPZ --name 'Ana from work'
      stoa people allow k3v9w2m4q8zt --as ana
    """
    from bots.cli import people

    asyncio.run(people.allow(who, person, name))


@people.command("block")
def people_block(who: Who) -> None:
    """Never hear of somebody again: what they write is dropped, what they held is taken back.

    \b
    Examples:
      stoa people block mallory
      stoa people block slack/T1:U666
      stoa people block k3v9w2m4q8zt
    """
    from bots.cli import people

    asyncio.run(people.block(who))


@people.command("forget")
def people_forget(
    who: Annotated[str, typer.Argument(metavar="WHO", help="A person, or one account of theirs.")],
) -> None:
    """Forget a person with all that was shared with them, or unlink one account. What they wrote stays.

    \b
    Examples:
      stoa people forget ana
      stoa people forget slack/T1:U7
    """
    from bots.cli import people

    asyncio.run(people.forget(who))


@people.command("prefer")
def people_prefer(
    person: Annotated[str, typer.Argument(metavar="PERSON")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Nothing: the one they used last.")] = "",
) -> None:
    """Say on which account somebody is told what they did not just ask for, such as reminders.

    \b
    Examples:
      stoa people prefer owner slack-work
      stoa people prefer owner
    """
    from bots.cli import people

    asyncio.run(people.prefer(person, account))


@membership.command("list")
def group_list(json: Json = False) -> None:
    """List the groups and who is in them."""
    from bots.cli import people

    asyncio.run(people.list_groups(json))


@membership.command("add")
def group_add(name: str, person: str) -> None:
    """Put somebody into a group, which begins with its first. They get what is shared with it.

    \b
    Examples:
      stoa people group add family ana
      stoa space share recipes group:family write
    """
    from bots.cli import people

    asyncio.run(people.join(name, person))


@membership.command("remove")
def group_remove(name: str, person: str) -> None:
    """Take somebody out of a group, and back what they held by it."""
    from bots.cli import people

    asyncio.run(people.leave(name, person))


@room.command("list")
def room_list(json: Json = False) -> None:
    """List the rooms that were decided about: how Stoa listens there, and whom it answers."""
    from bots.cli import rooms

    asyncio.run(rooms.list_all(json))


@room.command("set")
def room_set(
    name: RoomName,
    listen: Annotated[str, typer.Option(metavar="mentions|all", help="What is taken of what is said there.")] = "",
    speakers: Annotated[str, typer.Option(metavar="anyone|known", help="Whom it answers.")] = "",
) -> None:
    """Say how Stoa behaves in a room, and let it in if it was not.

    With `mentions` it takes what mentions it and what is said in its own threads; with `all` everything is kept and
    read, and it speaks up when it has something to say. With `known` it answers only people you have let in.

    \b
    Examples:
      stoa room set garden --listen all
      stoa room set slack/C024BE91L --speakers known
    """
    from bots.cli import rooms

    asyncio.run(rooms.change(name, listen, speakers))


@room.command("block")
def room_block(name: RoomName) -> None:
    """Never take part in a room, and never ask about it again."""
    from bots.cli import rooms

    asyncio.run(rooms.block(name))


@room.command("forget")
def room_forget(name: RoomName) -> None:
    """Forget what was decided about a room; the next who mentions Stoa there makes it ask you."""
    from bots.cli import rooms

    asyncio.run(rooms.forget(name))


@account.command("list")
def account_list(json: Json = False) -> None:
    """List the accounts, and what differs there from the platform's usual ways."""
    from bots.cli import accounts

    asyncio.run(accounts.list_all(json))


@account.command("remove")
def account_remove(name: str) -> None:
    """Leave a platform: forget the account and its tokens. What was said stays."""
    from bots.cli import accounts

    asyncio.run(accounts.remove(name))


def setup(
    account: Annotated[
        str, typer.Argument(metavar="ACCOUNT", help="Such as slack, or slack-work for a second.")
    ] = "slack",
    platform: Annotated[str, typer.Option(help="Which platform it is on, where the name does not say.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="What differs there; NAME= takes it away."),
    ] = None,
) -> None:
    """Connect Stoa to a platform: ask for the tokens of a bot, try them, and keep them encrypted.

    Tokens are asked for without being shown. They may also come from variables named as the secrets are, such as
    SLACK_BOT_TOKEN, or piped in, one a line, in the order they would be asked for. Nothing is kept unless it works.
    Run it again to change a token or an option.

    \b
    Examples:
      stoa setup
      stoa setup slack-work
      stoa setup slack --option mode=http < tokens.txt
    """
    from bots.cli import setup

    setup.setup(account, platform, option or [])
