"""`stoa doctor`: is everything there that Stoa needs, and if not, what to do."""

import asyncio
import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import typer

from bots.cli.output import redis
from bots.pidfile import running
from channels.accounts import Account, Accounts, open_channel
from channels.bridge.serving import ADMISSIONS_LEASE
from channels.contract import Unusable, Warns
from core.errors import StoaError
from core.house import open_house
from core.models.llm import Message, whole
from core.models.router import named, names
from core.redis.server import check_search, repair
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import Settings, load
from core.store.store import client

PATIENCE = 10.0
"""Seconds within which a platform has to let an account in."""
LOW = 500_000_000
"""Bytes of free disk below which we warn."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found, and what to do if it is a problem."""

    subject: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{'problem' if self.mend else 'ok':<9}{self.subject:<12}{self.found}"
        return f"{line}\n{'':<21}{self.mend}" if self.mend else line


async def examine() -> bool:
    """Look at everything, print what was found; answers whether all is well."""
    try:
        settings = load()
    except StoaError as error:
        typer.echo(Finding("settings", "cannot be read", str(error)))
        return False
    looks: list[Callable[[Settings], Awaitable[Finding]]] = [
        _python,
        _data,
        _disk,
        _redis,
        _model,
        _accounts,
        _zone,
        _state,
    ]
    well = True
    for look in looks:
        finding = await look(settings)
        typer.echo(finding)
        well = well and not finding.mend
    return well


async def mend() -> bool:
    """Mend damaged data, as far as that can be done, and say what was done."""
    typer.echo(await repair(load().home))
    return True


async def _python(settings: Settings) -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("python", found)
    return Finding("python", found, "Use Python 3.11, 3.12 or 3.13: make PYTHON=python3.11")


async def _data(settings: Settings) -> Finding:
    home = settings.home
    if not home.exists():
        nearest = next(parent for parent in home.parents if parent.exists())
        if os.access(nearest, os.W_OK):
            return Finding("data", f"{home} (made at the first start)")
        return Finding("data", f"{home} cannot be made", f"Make {nearest} writable, or set STOA_HOME elsewhere.")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data", f"{home} cannot be used", "Set STOA_HOME to a directory that you own.")
    if home.stat().st_mode & 0o077:
        return Finding("data", f"{home} can be read by others", f"Close it: chmod 700 {home}")
    return Finding("data", str(home))


async def _disk(settings: Settings) -> Finding:
    nearest = next(place for place in (settings.home, *settings.home.parents) if place.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / 1e9:.1f} GB free"
    return Finding("disk", found, "" if free > LOW else f"Free some space on the disk of {nearest}.")


async def _redis(settings: Settings) -> Finding:
    """Reach the Redis that would be used; an embedded one that is not running is started for a moment."""
    try:
        async with redis(settings) as (url, server), contextlib.aclosing(client(url)) as connection:
            version = await check_search(connection)
    except StoaError as error:
        return Finding("redis", "does not work", str(error))
    return Finding("redis", f"{version} with search, {'embedded' if server else 'from REDIS_URL'}")


async def _accounts(settings: Settings) -> Finding:
    """Which accounts there are, and whether any process serves them at this moment."""
    try:
        async with redis(settings) as (url, _), open_house(settings, url) as house:
            accounts = await Accounts(house.store).all()
            names = [account.id for account in accounts]
            served = await Accounts(house.store).served(names)
            troubles = await asyncio.gather(
                *(_trouble(account, Secrets(vault=Vault(settings.home))) for account in accounts)
            )
    except StoaError:
        return Finding("accounts", "not known as long as Redis does not work")
    found = ", ".join(f"{name} ({'' if here else 'not '}served)" for name, here in zip(names, served, strict=True))
    return Finding("accounts", found or "none; `stoa setup` connects Slack", " ".join(filter(None, troubles)))


async def _trouble(account: Account, secrets: Secrets) -> str:
    """Why an account cannot be used, or what of it; empty where all is well."""
    try:
        async with asyncio.timeout(PATIENCE), open_channel(account, secrets) as channel:
            return " ".join(channel.notes) if isinstance(channel, Warns) else ""
    except TimeoutError:
        return f"{account.platform} does not answer {account.id}; look at the network."
    except (Unusable, StoaError, OSError) as error:
        return str(error)


async def _model(settings: Settings) -> Finding:
    if settings.model == "offline":
        return Finding("model", "offline, built in; for a real one set STOA_MODEL=provider/name and the provider's key")
    chosen = names(settings)
    for name, url in zip(chosen, [settings.model_url, *[""] * len(chosen)], strict=False):
        found = await _asked(name, url)
        if found.mend or name == chosen[-1]:
            break
    return found


async def _asked(name: str, url: str) -> Finding:
    if name == "offline":
        return Finding("model", "offline answers")
    try:
        model = named(name, url, patience=30)
        async with asyncio.timeout(60):
            said, _ = await whole(model, [Message("user", "Say the single word: here")])
    except TimeoutError:
        return Finding("model", f"{name} gave no answer in a minute", "Check the network, or another model.")
    except StoaError as error:
        return Finding("model", f"{name} does not answer", str(error))
    if not said.strip():
        return Finding("model", f"{name} gave an empty answer", "Choose another model with STOA_MODEL.")
    return Finding("model", f"{name} answers")


async def _zone(settings: Settings) -> Finding:
    zone = str(settings.zone)
    if settings.timezone or zone not in ("UTC", "Etc/UTC"):
        return Finding("time zone", zone)
    return Finding("time zone", "UTC; if you live elsewhere set STOA_TIMEZONE, such as Europe/Paris")


async def _state(settings: Settings) -> Finding:
    if process := running(settings.home):
        return Finding("running", f"yes, process {process}")
    served = False
    with contextlib.suppress(StoaError):
        async with redis(settings) as (url, _), open_house(settings, url) as house:
            served = any(await Accounts(house.store).served([ADMISSIONS_LEASE]))
    return Finding("running", "yes, `stoa serve`" if served else "no; start it with `stoa run`")
