"""`stoa account`: the bots that Stoa is on the platforms."""

import typer

from bots.cli.output import opened, print_json, print_table
from channels.accounts import Account, Accounts, platform
from channels.text import one_line
from core.errors import InvalidInput
from core.secrets.vault import Vault


async def list_all(as_json: bool) -> None:
    """Every account."""
    async with opened() as house:
        accounts = await Accounts(house.store).all()
    if as_json:
        print_json([account.model_dump() for account in accounts])
    elif accounts:
        print_table([(account.id, account.platform, _options(account)) for account in accounts])
    else:
        typer.echo("There are no accounts yet; `stoa setup` connects Stoa to Slack.")


async def remove(name: str) -> None:
    """Forget an account and its tokens."""
    async with opened() as house:
        account = await Accounts(house.store).get(name)
        await Accounts(house.store).remove(name)
        vault = Vault(house.settings.home)
        for secret in sorted({*_secrets(account)} & {*vault.names()}):
            vault.remove(secret)
    typer.echo(f"{name} is removed, and its tokens with it. What was said there stays.")


def _secrets(account: Account) -> list[str]:
    """The names of the account's secrets, as far as its platform can still say them."""
    try:
        return [account.secret(token.name) for token in platform(account.platform).tokens(account.options)]
    except InvalidInput:
        return []


def _options(account: Account) -> str:
    return one_line(" ".join(f"{name}={value}" for name, value in account.options.items()))
