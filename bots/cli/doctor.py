"""`stoa doctor`."""

import asyncio
import contextlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from bots.cli.opening import redis
from bots.cli.output import say
from bots.pidfile import running
from channels.accounts import Account, Accounts, open_channel
from channels.bridge.serving import ADMISSIONS_LEASE
from channels.contract import Unusable, Warns
from core.errors import StoaError
from core.house import open_house
from core.models.llm import Message, whole
from core.models.router import model_names, named_model
from core.redis.checks import check_server, memory_trouble
from core.redis.server import repair
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import Settings, load
from core.store.store import client

CONNECT_SECONDS = 10.0
MODEL_SECONDS = 60.0
LOW_DISK_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and how to mend it if it is a problem."""

    subject: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{'problem' if self.mend else 'ok':<9}{self.subject:<12}{self.found}"
        return f"{line}\n{'':<21}{self.mend}" if self.mend else line


async def doctor(
    mends: Annotated[bool, typer.Option("--repair", help="Repair damaged data of the embedded Redis.")] = False,
) -> None:
    """Check that everything works, and say how to fix it.

    Asks your model for a single word, and tries each account on its platform. Exits with 1 if there is a problem.
    """
    if mends:
        say(await repair(load().home))
    elif not await _check():
        raise typer.Exit(1)


async def _check() -> bool:
    try:
        settings = load()
    except StoaError as error:
        say(str(Finding("settings", "cannot be read", str(error))))
        return False
    checks = (_python, _data, _disk, _redis, _model, _accounts, _zone, _state)
    well = True
    for check in checks:
        finding = await check(settings)
        say(str(finding))
        well = well and not finding.mend
    return well


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
            return Finding("data", f"{home}, created at the first start")
        return Finding("data", f"{home} cannot be created", f"Make {nearest} writable, or set STOA_HOME elsewhere.")
    if not home.is_dir() or not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data", f"{home} cannot be used", "Set STOA_HOME to a directory that you own.")
    if home.stat().st_mode & 0o077:
        return Finding("data", f"{home} can be read by others", f"Close it: chmod 700 {home}")
    return Finding("data", str(home))


async def _disk(settings: Settings) -> Finding:
    nearest = next(place for place in (settings.home, *settings.home.parents) if place.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / 1e9:.1f} GB free"
    return Finding("disk", found, "" if free > LOW_DISK_BYTES else f"Free some space on the disk of {nearest}.")


async def _redis(settings: Settings) -> Finding:
    """Reach the configured Redis; an embedded one that isn't running is started for a moment."""
    try:
        async with redis(settings) as (url, server), contextlib.aclosing(client(url)) as connection:
            version = await check_server(connection)
            trouble = await memory_trouble(connection)
    except StoaError as error:
        return Finding("redis", "does not work", str(error))
    return Finding("redis", f"{version} with search, {'embedded' if server else 'from REDIS_URL'}", trouble)


async def _accounts(settings: Settings) -> Finding:
    try:
        async with redis(settings) as (url, _), open_house(settings, url) as house:
            accounts = await Accounts(house.store).all()
            served = await Accounts(house.store).served([account.id for account in accounts])
            secrets = Secrets(vault=Vault(settings.home))
            reported = await Accounts(house.store).troubles([account.id for account in accounts])
            troubles = await asyncio.gather(*(_trouble(account, secrets) for account in accounts))
    except StoaError:
        return Finding("accounts", "unknown while Redis does not work")
    found = ", ".join(f"{one.id} ({'' if here else 'not '}served)" for one, here in zip(accounts, served, strict=True))
    return Finding(
        "accounts",
        found or "none; `stoa setup` connects Slack, Discord or Telegram",
        " ".join(filter(None, [*reported, *troubles])),
    )


async def _trouble(account: Account, secrets: Secrets) -> str:
    try:
        async with asyncio.timeout(CONNECT_SECONDS), open_channel(account, secrets) as channel:
            return " ".join(channel.notes) if isinstance(channel, Warns) else ""
    except TimeoutError:
        return f"{account.platform} does not answer {account.id}. Check the network."
    except (Unusable, StoaError, OSError) as error:
        return str(error)


async def _model(settings: Settings) -> Finding:
    """Ask the configured models in turn, until one answers."""
    if settings.model == "offline":
        return Finding("model", "offline, built in; for a real one set STOA_MODEL=provider/name and the provider's key")
    chosen = model_names(settings)
    for name, url in zip(chosen, [settings.model_url, *[""] * len(chosen)], strict=False):
        finding = await _ask_model(name, url)
        if not finding.mend:
            break
    return finding


async def _ask_model(name: str, url: str) -> Finding:
    if name == "offline":
        return Finding("model", "offline answers")
    try:
        model = named_model(name, url, patience=MODEL_SECONDS / 2)
        async with asyncio.timeout(MODEL_SECONDS):
            said, _ = await whole(model, [Message("user", "Say the single word: here")])
    except TimeoutError:
        mend = "Check the network, or use another model."
        return Finding("model", f"{name} gave no answer in {MODEL_SECONDS:g} seconds", mend)
    except StoaError as error:
        return Finding("model", f"{name} does not answer", str(error))
    if not said.strip():
        return Finding("model", f"{name} gave an empty answer", "Choose another model with STOA_MODEL.")
    return Finding("model", f"{name} answers")


async def _zone(settings: Settings) -> Finding:
    zone = str(settings.zone)
    if settings.timezone or zone not in ("UTC", "Etc/UTC"):
        return Finding("time zone", zone)
    return Finding("time zone", "UTC; if you live elsewhere, set STOA_TIMEZONE, such as Europe/Paris")


async def _state(settings: Settings) -> Finding:
    if process := running(settings.home):
        return Finding("running", f"yes, process {process}")
    served = False
    with contextlib.suppress(StoaError):
        async with redis(settings) as (url, _), open_house(settings, url) as house:
            served = any(await Accounts(house.store).served([ADMISSIONS_LEASE]))
    return Finding("running", "yes, `stoa serve`" if served else "no; start it with `stoa run`")
