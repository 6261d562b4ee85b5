"""Accounts: the bots that Stoa is on the platforms, each a record without secrets, and how a channel opens for one."""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import NamedTuple, Protocol, cast

from pydantic import BaseModel, ConfigDict

from channels.contract import Channel
from channels.keys import channel_keys
from core.errors import InvalidInput, NotFound
from core.secrets.secrets import Secrets
from core.store.leases import ACCOUNT_LEASE_SECONDS, Lease
from core.store.records import Records, listed
from core.store.store import Store

ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_ACCOUNT_NAME_CHARS = 40
TROUBLE_SECONDS = 60
PLATFORMS = {
    "discord": "channels.discord.channel:Discord",
    "slack": "channels.slack.channel:Slack",
    "telegram": "channels.telegram.channel:Telegram",
    "email": "channels.email.channel:Email",
}
"""Platform -> what opens a channel to it; a package may add its own under the entry point `stoa.channels`."""


class Token(NamedTuple):
    """A secret that a platform needs to let a bot in, as `stoa setup` asks for it."""

    name: str
    """Such as `BOT_TOKEN`; the secret's own name has the account's before it."""
    label: str
    """Its name on the platform, and how it differs from others there."""
    begins: str = ""
    """The beginning of every such secret, where it is known."""


class Platform(Protocol):
    """Opens the channel of an account: a class that says what it needs."""

    @staticmethod
    def tokens(options: Mapping[str, str]) -> Sequence[Token]:
        """The secrets that an account with these options needs."""
        ...

    def __call__(self, account: "Account", secrets: Secrets) -> Channel: ...


class Account(BaseModel):
    """One bot on one platform. Its tokens are secrets, named after it: SLACK_WORK_BOT_TOKEN is of `slack-work`."""

    model_config = ConfigDict(frozen=True)

    id: str
    platform: str
    options: dict[str, str] = {}
    """Departures from the platform's usual ways, such as its addresses."""
    prompts: tuple[str, ...] = ()
    """Suggestions of what to ask first, where the platform can show them."""

    def secret(self, name: str) -> str:
        """The name of a secret of this account's, such as `BOT_TOKEN`."""
        return f"{self.id.replace('-', '_').upper()}_{name}"


class Accounts:
    """The registry of accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = channel_keys(store)
        self._records = Records(store, Account, self._keys.channel_account)

    async def all(self) -> list[Account]:
        return await listed(self._store, self._keys.channel_accounts(), self._keys.channel_account, Account)

    async def get(self, id: str) -> Account:
        """The account called `id`; raises `NotFound`."""
        record = await self._records.get(id)
        if record is None:
            raise NotFound(f"There is no account {id!r}. `stoa account list` shows them, `stoa setup` adds one.")
        return record

    async def save(self, account: Account) -> None:
        """Keep the account; raises `InvalidInput` for a name that cannot be one."""
        self.check(account)
        await self._records.save(account)
        await self._store.run("SADD", self._keys.channel_accounts(), account.id)

    def check(self, account: Account) -> None:
        """Raises `InvalidInput` for a name that cannot be one."""
        if not ACCOUNT_NAME.fullmatch(account.id) or len(account.id) > MAX_ACCOUNT_NAME_CHARS:
            raise InvalidInput(
                f"{account.id!r} is not a valid account name; use 1 to {MAX_ACCOUNT_NAME_CHARS} of a-z, 0-9 and "
                "dashes, such as slack-work"
            )

    async def served(self, names: Sequence[str]) -> list[bool]:
        """Which of these accounts a process serves at this moment."""
        found = await self._store.together(*(["EXISTS", self._keys.holder(name)] for name in names))
        return [bool(held) for held in found]

    async def report(self, name: str, trouble: str) -> None:
        """Note what keeps the account's messages from us, or with an empty text that nothing does."""
        key = self._keys.trouble(name)
        await self._store.run(*(("SET", key, trouble, "EX", TROUBLE_SECONDS) if trouble else ("DEL", key)))

    async def troubles(self, names: Sequence[str]) -> list[str]:
        """The trouble that each of these accounts has, as the process that serves it found; empty where it has none."""
        found = await self._store.together(*(["GET", self._keys.trouble(name)] for name in names))
        return [(said or b"").decode() for said in found]

    async def remove(self, id: str) -> None:
        """Forget the account; its conversations stay in their spaces."""
        await self.get(id)
        await self._store.run("SREM", self._keys.channel_accounts(), id)
        await self._store.run("DEL", self._keys.channel_account(id))


class AccountLease(Lease):
    """The right of one process to serve an account."""

    def __init__(self, store: Store, account: str, seconds: float = ACCOUNT_LEASE_SECONDS) -> None:
        super().__init__(store, channel_keys(store).holder(account), account, seconds)


def open_channel(account: Account, secrets: Secrets) -> Channel:
    """The channel of an account, not entered yet; raises `InvalidInput` for a platform that nobody knows."""
    return platform(account.platform)(account, secrets)


def platforms() -> dict[str, str]:
    """Every platform there is a channel for, and where it is; what comes with Stoa cannot be replaced."""
    return {point.name: point.value for point in entry_points(group="stoa.channels")} | PLATFORMS


def platform(name: str) -> Platform:
    """The opener of a platform's channels; raises `InvalidInput` if it is unknown or a package is missing."""
    places = platforms()
    if name not in places:
        known = ", ".join(sorted(places))
        raise InvalidInput(f"There is no channel for {name!r}; there is one for {known}.")
    module, _, opens = places[name].partition(":")
    try:
        return cast(Platform, getattr(import_module(module), opens))
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"The channel for {name} needs the package {error.name}: install Stoa with its extra, "
            f"stoa-assistant[{name}]."
        ) from None
