"""Reads one folder for as long as the account is served: what has come, then what comes, each mail once.

A UID counts as done once its mail was taken, and that is written down. When the server has given the folder new UIDs
(another UIDVALIDITY), the mails since the day before the last reading are looked at again, and those that were taken
are known by their own id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from channels.email.imap import IDLE_SECONDS, Folder, IMAPConnection
from channels.email.mime import Mail, read_headers, read_mail
from channels.state import AccountState

MAX_MAIL_BYTES = 60_000_000
"""Of a larger mail only the beginning is read."""
LARGE_MAIL_BYTES = 2_000_000
"""So much of it."""
KNOWN_MAIL_SECONDS = 90 * 86_400
"""A mail is known again for so long by its own id, under whatever UID."""
SIZES_AT_ONCE = 200
PROGRESS_MAILS = 500
"""After so many mails of a long catching-up a line is logged."""
RECONNECT_SECONDS = (0.2, 1.0, 5.0, 15.0, 60.0)

Returned = TypeVar("Returned")
Given = ParamSpec("Given")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoundMail:
    """A mail, and where it was found."""

    mail: Mail
    folder: str
    validity: int
    uid: int

    @property
    def place(self) -> str:
        """Where its files can be read from again."""
        return f"{self.validity}:{self.uid}:{self.mail.id}:{self.folder}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The way into one folder."""

    account: str
    folder: str
    connect: Callable[[], Awaitable[Callable[[], IMAPConnection]]]
    """Gets what is needed to log in, and answers the blocking call that does."""
    take: Callable[[FoundMail], Awaitable[None]]
    """Returns once the mail is taken."""
    days: int = 0
    """How many days back the first reading begins."""
    idle_seconds: int = IDLE_SECONDS


class FolderReader:
    """One folder. `run` goes on until it is cancelled, or the account cannot be used."""

    def __init__(self, reading: Reading, state: AccountState) -> None:
        self._reading = reading
        self._state = state
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"mail {reading.account}")
        self._connection: IMAPConnection | None = None
        self._ended = False
        self._done = 0
        self._renumbered = 0
        """Mails up to this UID may have been taken under another."""

    async def run(self) -> None:
        attempt = 0
        try:
            while True:
                try:
                    await self._session()
                except OSError as error:
                    log.info(
                        "%s: the connection for %s was lost: %s", self._reading.account, self._reading.folder, error
                    )
                    attempt = 0 if self._connection else attempt + 1
                finally:
                    self._close()
                await asyncio.sleep(RECONNECT_SECONDS[min(attempt, len(RECONNECT_SECONDS) - 1)])
        finally:
            self._ended = True
            self._close()
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _open(self, connect: Callable[[], IMAPConnection]) -> IMAPConnection:
        """Log in, in this folder's thread; nobody may wait for it any more."""
        connection = self._connection = connect()
        if self._ended:
            connection.close()
        return connection

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    async def _call(self, call: Callable[Given, Returned], *args: Given.args, **kwargs: Given.kwargs) -> Returned:
        """Make a blocking call in this folder's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: call(*args, **kwargs))

    async def _session(self) -> None:
        """Read over one connection, until it is lost."""
        connection = await self._call(self._open, await self._reading.connect())
        folder = await self._call(connection.select, self._reading.folder)
        await self._begin(connection, folder)
        while True:
            await self._call(connection.changed)  # what was told before the search is in it
            uids = await self._call(connection.uids_after, self._done)
            if uids:
                await self._read(connection, folder, uids)
            elif not await self._call(connection.changed):
                await self._call(connection.idle, self._reading.idle_seconds)

    # Where to go on --------------------------------------------------------------------------------------------------

    async def _begin(self, connection: IMAPConnection, folder: Folder) -> None:
        """Find the UID to go on after."""
        known = await self._state.get(_position(folder.name))
        if known and known["validity"] == folder.validity:
            self._done = known["uid"]
            return
        if known:
            log.warning("%s: the server has numbered %s anew", self._reading.account, folder.name)
            since = datetime.fromisoformat(known["day"]) - timedelta(days=1)
            self._renumbered = folder.next_uid
        else:
            since = datetime.now(UTC) - timedelta(days=self._reading.days)
        self._done = folder.next_uid - 1
        if known or self._reading.days:
            uids = await self._call(connection.uids_since, since.strftime("%d-%b-%Y"))
            self._done = min([uid - 1 for uid in uids], default=self._done)
        await self._save(folder, self._done)

    async def _save(self, folder: Folder, uid: int) -> None:
        self._done = uid
        await _save_position(self._state, folder, uid)

    # Mails -----------------------------------------------------------------------------------------------------------

    async def _read(self, connection: IMAPConnection, folder: Folder, uids: list[int]) -> None:
        for begin in range(0, len(uids), SIZES_AT_ONCE):
            part = uids[begin : begin + SIZES_AT_ONCE]
            sizes = await self._call(connection.sizes, part)
            for number, uid in enumerate(part, begin + 1):
                if uid in sizes:  # else it was deleted meanwhile
                    await self._one(connection, folder, uid, sizes[uid])
                await self._save(folder, uid)
                if number % PROGRESS_MAILS == 0:
                    log.info("%s: read %d of %d mails in %s", self._reading.account, number, len(uids), folder.name)

    async def _one(self, connection: IMAPConnection, folder: Folder, uid: int, size: int) -> None:
        if uid < self._renumbered:
            head = await self._call(connection.headers, uid)
            if head is not None and await self._is_known((await asyncio.to_thread(read_headers, head)).id):
                return
        limit = MAX_MAIL_BYTES if size <= MAX_MAIL_BYTES else LARGE_MAIL_BYTES
        raw = await self._call(connection.mail, uid, limit)
        if raw is None:
            return
        mail = await asyncio.to_thread(read_mail, raw)
        if size > limit:
            mail.notes.append(f"This mail has {size / 1e6:,.0f} MB; I read only its first {limit / 1e6:,.0f} MB.")
            mail.files.clear()
        if await self._is_known(mail.id):
            return
        await self._reading.take(FoundMail(mail, folder.name, folder.validity, uid))
        await self._state.put(f"taken {mail.id}", 1, KNOWN_MAIL_SECONDS)

    async def _is_known(self, id: str) -> bool:
        return await self._state.get(f"taken {id}") is not None


async def begin_now(state: AccountState, folder: Folder, days: int) -> None:
    """Let the first reading of a folder begin with what comes from now on, unless it goes some days back."""
    if not days and await state.get(_position(folder.name)) is None:
        await _save_position(state, folder, folder.next_uid - 1)


def _position(folder: str) -> str:
    return f"position {folder}"


async def _save_position(state: AccountState, folder: Folder, uid: int) -> None:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    await state.put(_position(folder.name), {"validity": folder.validity, "uid": uid, "day": day})
