"""`stoa setup` and `stoa account`."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, print_table, say
from bots.cli.supervision import logged
from bots.pidfile import running
from channels.accounts import Account, Accounts, Token, open_channel, platform, platforms
from channels.bridge.serving import ADMISSIONS_LEASE
from channels.contract import Explains, Unusable, Warns
from channels.people.people import People
from core.atoms.atoms import OWNER
from core.errors import InvalidInput, NotFound
from core.house import House
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets, check_value
from core.secrets.vault import Vault
from core.settings import load

CONNECT_SECONDS = 30.0
"""How long a platform may take to let the bot in."""
LISTEN_SECONDS = 3.0
"""How long to listen, to see that the platform allows it."""


async def account_list(as_json: AsJson = False) -> None:
    """List accounts and their options."""
    async with opened() as house:
        accounts = await Accounts(house.store).all()
    if as_json:
        print_json([account.model_dump() for account in accounts])
    elif accounts:
        print_table([(one.id, one.platform, " ".join(f"{k}={v}" for k, v in one.options.items())) for one in accounts])
    else:
        say("There are no accounts yet; `stoa setup slack` or `stoa setup telegram` connects Stoa to one.")


async def account_remove(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="A name from `stoa account list`.")],
) -> None:
    """Remove an account and its tokens.

    The conversations stay.
    """
    async with opened() as house:
        account = await Accounts(house.store).get(name)
        await Accounts(house.store).remove(name)
        vault = Vault(house.settings.home)
        for secret in sorted({*_secrets(account)} & {*vault.names()}):
            vault.remove(secret)
    say(f"Removed {name} and its tokens. Its conversations stay.")


def _secrets(account: Account) -> list[str]:
    """The names of the account's secrets; none if its platform is no longer installed."""
    try:
        return [account.secret(token.name) for token in platform(account.platform).tokens(account.options)]
    except InvalidInput:
        return []


async def setup(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as slack, or slack-work for another.")] = "slack",
    on: Annotated[str, typer.Option("--platform", help="Its platform, if the name doesn't tell.")] = "",
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="Set an option; NAME= removes it. May be repeated."),
    ] = None,
) -> None:
    """Connect Stoa to a platform such as Slack.

    Asks for the bot's tokens without showing them, tries them, and stores them encrypted. Tokens may also come from
    variables named after the secrets, such as SLACK_BOT_TOKEN, or be piped in, one per line, in the order of the
    questions. Nothing is stored unless it works. Run it again to change a token or an option.

    \b
    Examples:
      stoa setup
      stoa setup slack-work
      stoa setup telegram
      stoa setup slack --option mode=http < tokens.txt
    """
    given = _pairs(options or [])
    with logged(load(), "stoa.log"):
        async with opened() as house:
            await _connect(house, await _account(Accounts(house.store), name, on, given))


async def _connect(house: House, account: Account) -> None:
    vault = Vault(house.settings.home)
    tokens = platform(account.platform).tokens(account.options)
    values = _values(account, tokens, set(vault.names()))
    await _check_unshared(house, account, vault, values)
    secrets = Secrets({f"{SECRET_VARIABLE_PREFIX}{secret}": value for secret, value in values.items()}, vault)
    say(f"Connecting to {account.platform}, for {CONNECT_SECONDS:g} seconds at most...", err=True)
    notes, hints = await _try(account, secrets)
    for secret, value in values.items():
        vault.put(secret, value)
    await Accounts(house.store).save(account)
    say(f"{account.id} works. Its tokens are stored, encrypted, in {house.settings.home}.")
    for note in notes:
        say(f"But: {note}")
    for hint in hints:
        say(hint)
    await _introduce(house, account)


async def _check_unshared(house: House, account: Account, vault: Vault, values: Mapping[str, str]) -> None:
    """Raises `InvalidInput` for another account's token: two that ask with one take messages from each other."""
    secrets = Secrets(vault=vault)
    for other in await Accounts(house.store).all():
        known = [secrets.value(name) for name in _secrets(other) if name in vault.names()]
        if other.id != account.id and (shared := [name for name, value in values.items() if value in known]):
            raise InvalidInput(f"{shared[0]} is the token of {other.id}, too; each account needs a bot of its own.")


async def _account(accounts: Accounts, name: str, on: str, options: Mapping[str, str]) -> Account:
    """The account as it will be: its record, if there is one, with what was given now."""
    try:
        known = await accounts.get(name)
    except NotFound:
        known = Account(id=name, platform=on or _platform(name))
    merged = {key: value for key, value in {**known.options, **options}.items() if value}
    account = known.model_copy(update={"platform": on or known.platform, "options": merged})
    accounts.check(account)
    return account


def _platform(account: str) -> str:
    """The platform that an account's name begins with; raises `InvalidInput`."""
    found = account.partition("-")[0]
    if found not in platforms():
        raise InvalidInput(
            f"{account!r} doesn't say which platform it is on. Add --platform, such as "
            f"--platform {' or --platform '.join(sorted(platforms()))}."
        )
    return found


def _values(account: Account, tokens: Sequence[Token], stored: set[str]) -> dict[str, str]:
    """The secrets given by variables, by piped lines or at the prompt; what isn't given stays as it is stored.

    Raises `InvalidInput` for one that is neither given nor stored.
    """
    lines = iter(()) if sys.stdin.isatty() else _lines()
    values = {}
    for token in tokens:
        name = account.secret(token.name)
        value = os.environ.get(name) or os.environ.get(f"{SECRET_VARIABLE_PREFIX}{name}") or ""
        if not value and sys.stdin.isatty():
            keep = " (press Enter to keep the stored one)" if name in stored else ""
            value = typer.prompt(f"{token.label}{keep}", default="", hide_input=True, show_default=False)
        value = (value or next(lines, "")).strip()
        if value:
            values[name] = _checked(token, value)
        elif name not in stored:
            raise InvalidInput(f"{token.label} is missing. Type it at the prompt, pipe it in as a line, or set {name}.")
    return values


def _checked(token: Token, value: str) -> str:
    check_value(value)
    if not value.startswith(token.begins):
        raise InvalidInput(f"{token.label} must begin with {token.begins}; what you gave doesn't. Try again.")
    return value


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        yield line.strip()


async def _try(account: Account, secrets: Secrets) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Connect and listen for a moment; returns warnings and hints, and raises `InvalidInput` if it doesn't work."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            async with open_channel(account, secrets) as channel:
                listening = asyncio.ensure_future(anext(channel.listen(), None))  # not taken, so it will come again
                await asyncio.wait([listening], timeout=LISTEN_SECONDS)
                if listening.done():
                    listening.result()
                listening.cancel()
                await asyncio.wait([listening])
                notes = channel.notes if isinstance(channel, Warns) else ()
                return notes, channel.hints if isinstance(channel, Explains) else ()
    except Unusable as error:
        raise InvalidInput(f"{error} Nothing was stored.") from None
    except TimeoutError:
        reason = f"it did not answer within {CONNECT_SECONDS:g} seconds"
    except OSError as error:
        reason = str(error)
    raise InvalidInput(
        f"{account.platform} cannot be reached ({reason}). Nothing was stored; check the network and try again."
    )


async def _introduce(house: House, account: Account) -> None:
    """Say how the owner becomes known there, and what happens next."""
    people = People(house.spaces, house.approvals)
    mine = [one for person in await people.all() if person.id == OWNER.id for one in person.accounts]
    if not any(one.startswith(f"{account.id}/") for one in mine):
        say(
            "\nIt doesn't talk to anybody yet. To let it know who you are, write this code to the bot in a direct "
            f"message within an hour:\n\n    {await people.link_code()}\n\n`stoa people link` makes a new code. "
            "Everybody else has to wait until you let them in."
        )
    if pid := running(house.settings.home):
        say(f"\nStoa is running (process {pid}) and starts serving the account by itself.")
    elif any(await Accounts(house.store).served([ADMISSIONS_LEASE])):
        say("\n`stoa serve` is running and starts serving the account by itself.")
    else:
        say("\nNow start Stoa: `stoa run`, or `stoa serve` on a machine that is always on.")


def _pairs(options: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` as typed; raises `InvalidInput`."""
    pairs = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or not equals:
            raise InvalidInput(f"--option {option!r} should be NAME=VALUE, such as mode=http.")
        if "token" in name.casefold() or "secret" in name.casefold():
            raise InvalidInput(f"{name} is not an option. You're asked for tokens, to keep them off the command line.")
        pairs[name] = value
    return pairs
