"""Serving: each account is served by one process at a time; another goes on where that one dies."""

import asyncio
import logging
import time
from collections.abc import Callable

from channels.accounts import Account, AccountLease, Accounts, open_channel
from channels.bridge.delivery import Failed, attempted
from channels.bridge.inbox import Inbox
from channels.bridge.reception import Parts, Reception
from channels.bridge.routing import Routing, tell_owner
from channels.contract import Channel, Reports, Unusable
from channels.state import KeepsState, StoredState
from core.atoms.atoms import id_from
from core.errors import InvalidInput, LeaseLost, NotFound, StoreUnavailable
from core.secrets.secrets import Secrets
from core.store.leases import ACCOUNT_LEASE_SECONDS

ACCOUNTS_POLL_SECONDS = 2.0
"""Seconds between two looks for accounts that were added or removed."""
ACCOUNT_RETRY_SECONDS = (1.0, 5.0, 30.0, 60.0)
"""Seconds until an account is tried again that could not be used; the last of them from then on."""
TROUBLE_POLL_SECONDS = 2.0
ADMISSIONS_LEASE = "people"
"""The holder of this lease plays the kept messages of those that the owner has let in."""

log = logging.getLogger(__name__)


class Serving:
    """Every account this process can serve, as long as nobody else does."""

    def __init__(
        self,
        parts: Parts,
        secrets: Secrets,
        lease: float = ACCOUNT_LEASE_SECONDS,
        opens: Callable[[Account, Secrets], Channel] = open_channel,
    ) -> None:
        """`lease` is for how many seconds an account stays with a process that has died."""
        self._opens = opens
        self._parts = parts
        self._secrets = secrets
        self._seconds = lease
        self._store = parts.spaces.store
        self._accounts = Accounts(self._store)
        self._receptions: dict[str, Reception] = {}

    async def run(self) -> None:
        """Serve until cancelled: the accounts there are, and those that are added meanwhile."""
        serving: dict[str, tuple[Account, asyncio.Task[None]]] = {}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._play(), name="people let in")
            while True:
                there = {account.id: account for account in await self._accounts.all()}
                for name, (account, task) in list(serving.items()):
                    if there.get(name) != account:
                        task.cancel()
                        del serving[name]
                for name, account in there.items():
                    if name not in serving:
                        task = group.create_task(self._serve(account), name=f"account {name}")
                        serving[name] = (account, task)
                await asyncio.sleep(ACCOUNTS_POLL_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Take no more messages, and finish those under way, for so many seconds at most."""
        await asyncio.gather(*(reception.drain(seconds) for reception in self._receptions.values()))

    async def _serve(self, account: Account) -> None:
        """Serve one account whenever nobody else does; whatever is wrong with it, the others go on."""
        pauses = iter(ACCOUNT_RETRY_SECONDS)
        while True:
            began = time.monotonic()
            ended = await attempted(lambda: self._serve_once(account))
            if isinstance(ended, Failed):
                log.error("%s could not be served, trying again", account.id, exc_info=ended.error)
            if time.monotonic() - began > ACCOUNT_RETRY_SECONDS[-1]:  # it worked for a while: this is another trouble
                pauses = iter(ACCOUNT_RETRY_SECONDS)
            await asyncio.sleep(next(pauses, ACCOUNT_RETRY_SECONDS[-1]))

    async def _serve_once(self, account: Account) -> None:
        gone: StoreUnavailable | None = None
        try:
            lease = AccountLease(self._store, account.id, self._seconds)
            async with lease.held():
                await self._attend(account, lease)
        except* LeaseLost as lost:
            log.info("%s", lost.exceptions[0])
        except* (Unusable, InvalidInput, NotFound) as broken:
            await self._tell(account, str(_first(broken)))
        except* StoreUnavailable as away:
            gone = StoreUnavailable(str(_first(away)))
        if gone:
            raise gone

    async def _attend(self, account: Account, lease: AccountLease) -> None:
        opened = self._opens(account, self._secrets)
        if isinstance(opened, KeepsState):
            opened.keep_in(StoredState(self._store, account.id))
        async with opened as channel:
            reception = self._receptions[account.id] = Reception(self._parts, channel, lease)
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(account, channel), name=f"trouble of {account.id}")
                try:
                    await reception.serve()
                finally:
                    watching.cancel()
                    del self._receptions[account.id]

    async def _watch(self, account: Account, channel: Channel) -> None:
        """Note what troubles a channel while it is served, for `stoa doctor`, and tell the owner."""
        told = ""
        while isinstance(channel, Reports):
            trouble = channel.trouble
            await self._accounts.report(account.id, trouble)
            if trouble and trouble != told:
                await self._tell(account, trouble)
            told = trouble
            await asyncio.sleep(TROUBLE_POLL_SECONDS)

    async def _tell(self, account: Account, reason: str) -> None:
        """Tell the owner, somewhere else and once a day, that an account cannot be used."""
        log.warning("%s: %s", account.id, reason)
        known = await Routing(self._parts.spaces, "chat").presence.known()
        here = [name for name in known if name.partition("/")[0] == account.id]
        day = f"{self._parts.spaces.clock.now():%Y-%m-%d}"
        said = f"I cannot use the account {account.id}: {reason}"
        await tell_owner(self._parts.spaces, said, f"unusable:{account.id}:{id_from(reason)}:{day}", here)

    async def _play(self) -> None:
        """Hand the kept messages of those that the owner let in to the inboxes of their accounts."""
        while True:
            ended = await attempted(self._play_once)
            if isinstance(ended, Failed):
                log.error("the owner's decisions about others were not carried out", exc_info=ended.error)
            await asyncio.sleep(self._seconds)

    async def _play_once(self) -> None:
        people = self._parts.people
        try:
            async with AccountLease(self._store, ADMISSIONS_LEASE, self._seconds).held():
                async for admitted in people.decisions():
                    for message in admitted.messages:
                        await Inbox(self._store, admitted.account).play(message)
                    await people.played(admitted)
        except LeaseLost as lost:
            log.info("%s", lost)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
