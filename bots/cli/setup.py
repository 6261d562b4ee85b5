"""`stoa setup`: a bot's tokens are asked for, tried, and kept, and its owner is told how to be known to it."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

import typer

from bots.cli.output import opened
from bots.cli.supervision import logged
from bots.pidfile import running
from channels.accounts import Account, Accounts, Token, open_channel, platform, platforms
from channels.bridge.serving import ADMISSIONS_LEASE
from channels.contract import Unusable, Warns
from channels.people.people import People
from core.atoms.atoms import OWNER
from core.errors import InvalidInput, NotFound
from core.house import House
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets, check_value
from core.secrets.vault import Vault
from core.settings import load

CONNECTING = 30.0
"""Seconds within which a platform has to let the bot in."""
LISTENING = 3.0
"""Seconds for which it is listened to, to see that it lets us."""


def setup(name: str, on: str, options: Sequence[str]) -> None:
    """Connect an account, or change what is known of one."""
    with logged(load().home / "stoa.log"):
        asyncio.run(_setup(name, on, _pairs(options)))


async def _setup(name: str, on: str, options: Mapping[str, str]) -> None:
    async with opened() as house:
        accounts = Accounts(house.store)
        account = await _account(accounts, name, on, options)
        vault = Vault(house.settings.home)
        tokens = platform(account.platform).tokens(account.options)
        values = _asked(account, tokens, set(vault.names()))
        given = {f"{SECRET_VARIABLE_PREFIX}{secret}": value for secret, value in values.items()}
        notes = await _tried(account, Secrets(given, vault))
        for secret, value in values.items():
            vault.put(secret, value)
        await accounts.save(account)
        typer.echo(f"{account.id} works, and its tokens are kept, encrypted, in {house.settings.home}.")
        for note in notes:
            typer.echo(f"But: {note}")
        await _introduce(house, account)


async def _account(accounts: Accounts, name: str, on: str, options: Mapping[str, str]) -> Account:
    """The account as it will be: what is known of it, and what was given now."""
    try:
        known = await accounts.get(name)
    except NotFound:
        known = Account(id=name, platform=on or _platform(name))
    kept = {**known.options, **options}
    made = known.model_copy(
        update={"platform": on or known.platform, "options": {key: value for key, value in kept.items() if value}}
    )
    accounts.check(made)
    return made


def _platform(account: str) -> str:
    """The platform that an account's name begins with; raises `InvalidInput` where it does not say one."""
    found = account.partition("-")[0]
    if found not in platforms():
        raise InvalidInput(
            f"{account!r} does not say which platform it is on; name it with --platform, such as "
            f"{' or '.join(sorted(platforms()))}."
        )
    return found


def _asked(account: Account, tokens: Sequence[Token], kept: set[str]) -> dict[str, str]:
    """The account's secrets that were given: by variables, by lines piped in, or typed unseen.

    What is not given stays as it was kept; raises `InvalidInput` where there is nothing kept.
    """
    lines = iter(()) if sys.stdin.isatty() else _lines()
    values = {}
    for token in tokens:
        name = account.secret(token.name)
        value = os.environ.get(name) or os.environ.get(f"{SECRET_VARIABLE_PREFIX}{name}") or ""
        if not value and sys.stdin.isatty():
            stays = " (press Enter to keep the one there is)" if name in kept else ""
            value = typer.prompt(f"{token.label}{stays}", default="", hide_input=True, show_default=False)
        value = (value or next(lines, "")).strip()
        if value:
            check_value(value)
            if not value.startswith(token.begins):
                raise InvalidInput(f"{token.label} begins with {token.begins}, and what was given does not; try again.")
            values[name] = value
        elif name not in kept:
            raise InvalidInput(
                f"{token.label} is missing. Type it when it is asked for, pipe it in as a line, or set {name}."
            )
    return values


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.strip()


async def _tried(account: Account, secrets: Secrets) -> tuple[str, ...]:
    """Connect as the account and listen for a moment; what does not work of it. Raises `InvalidInput` saying why
    nothing does."""
    try:
        async with asyncio.timeout(CONNECTING):
            async with open_channel(account, secrets) as channel:
                listening = asyncio.ensure_future(anext(channel.listen(), None))  # not taken, so it will come again
                await asyncio.wait([listening], timeout=LISTENING)
                if listening.done():
                    listening.result()
                listening.cancel()
                await asyncio.wait([listening])
                return channel.notes if isinstance(channel, Warns) else ()
    except Unusable as error:
        raise InvalidInput(f"{error} Nothing was kept.") from None
    except (TimeoutError, OSError) as error:
        why = "it does not answer" if isinstance(error, TimeoutError) else str(error)
        raise InvalidInput(
            f"{account.platform} cannot be reached ({why}). Nothing was kept; try again later."
        ) from None


async def _introduce(house: House, account: Account) -> None:
    """Say how the owner becomes known there, and what happens next."""
    people = People(house.spaces, house.approvals)
    mine = [one for person in await people.all() if person.id == OWNER.id for one in person.accounts]
    if not any(one.startswith(f"{account.id}/") for one in mine):
        typer.echo(
            "\nIt talks to nobody yet. So that it knows you, write this to the bot there, in a direct message, within "
            f"an hour:\n\n    {await people.link_code()}\n\n`stoa people link` makes a new code. Whoever else writes "
            "to it waits until you let them in."
        )
    if pid := running(house.settings.home):
        typer.echo(f"\nStoa runs (process {pid}) and takes the account up by itself.")
    elif any(await Accounts(house.store).served([ADMISSIONS_LEASE])):
        typer.echo("\n`stoa serve` is at work and takes the account up by itself.")
    else:
        typer.echo(
            "\nNow start Stoa, unless it runs already: `stoa run`, or `stoa serve` on a machine that is always on."
        )


def _pairs(options: Sequence[str]) -> dict[str, str]:
    """`name=value` as typed; raises `InvalidInput`."""
    pairs = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or not equals:
            raise InvalidInput(f"--option {option!r} should be NAME=VALUE, such as mode=http")
        if "token" in name.casefold() or "secret" in name.casefold():
            raise InvalidInput(f"{name} is no option: tokens are asked for, so that they stand on no command line.")
        pairs[name] = value
    return pairs
