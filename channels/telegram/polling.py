"""Long polling: we ask Telegram for updates. An update is confirmed by asking for the ones after it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from channels.contract import Later, Undeliverable
from channels.telegram.api import BotAPI, MissingMethod, OtherPoller
from channels.telegram.updates import ALLOWED_UPDATES, RawUpdate

POLL_PAUSES_SECONDS = (0.2, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Pauses after attempts that failed; the last one is repeated."""
STAND_BY_SECONDS = (5.0, 15.0, 30.0, 60.0)
"""For so long we leave the bot to another program that asks for its updates, before we look again."""
READ_SECONDS = 10.0
"""Telegram may take so much longer to answer than it was asked to wait."""
OTHER_POLLER_ADVICE = (
    "Another program asks Telegram for this bot's messages, so some or all of them do not reach Stoa. End it, or "
    "revoke its token with @BotFather and give Stoa the new one with `stoa setup {account}`."
)
OTHER_WEBHOOK_ADVICE = (
    "Another program has set a webhook for this bot, so its messages do not reach Stoa. End it; Stoa takes the webhook "
    "away when it starts."
)

log = logging.getLogger(__name__)


class Polling:
    """The updates of one bot, asked for."""

    def __init__(self, api: BotAPI, report: Callable[[str], None], pauses: Sequence[float] = STAND_BY_SECONDS) -> None:
        """`report` is told of trouble, and with an empty text that it is over."""
        self._api = api
        self._report = report
        self._pauses = pauses
        self._offset = 0
        self._failed = 0
        self._conflicts = 0

    async def open(self) -> None:
        """Take a webhook away that was set before: Telegram allows only one of the two ways."""
        while True:
            try:
                known = await self._api.ask(self._api.bot.get_webhook_info())
                if known.url:
                    log.warning("%s had a webhook, which is taken away, since it polls now", self._api.account)
                    await self._api.ask(self._api.bot.delete_webhook())
                return
            except Later as error:
                await asyncio.sleep(error.seconds)
            except OSError as error:
                await self._pause(error)

    async def close(self) -> None:
        return

    async def waiting(self, seconds: float) -> list[RawUpdate]:
        """The updates that are not confirmed yet, as soon as there are any; none after so many seconds.

        Raises `Unusable` when Telegram does not let us in any more.
        """
        while True:
            try:
                updates = await self._ask(seconds)
            except Later as error:
                await asyncio.sleep(error.seconds)
            except OtherPoller as error:
                await self._stand_by(str(error))
            except MissingMethod:
                await self._api.ask(self._api.bot.get_me())  # says why, if the token is no longer good
                await self._pause(ConnectionError("the server does not answer getUpdates"))
            except (OSError, Undeliverable) as error:
                await self._pause(error)
            else:
                self._heard()
                if not updates:
                    self._offset = 0  # all is confirmed, and Telegram may begin anew with smaller numbers
                return updates

    async def confirm(self, updates: Sequence[RawUpdate]) -> None:
        """These are taken: Telegram learns of it when it is asked next."""
        self._offset = max((int(update["update_id"]) for update in updates), default=self._offset - 1) + 1

    async def _ask(self, seconds: float) -> list[RawUpdate]:
        # Not by the library's own method: one update of a shape it does not know would hold up all that follow.
        asked: dict[str, Any] = {"timeout": int(seconds), "allowed_updates": ALLOWED_UPDATES}
        asked |= {"offset": self._offset} if self._offset else {}
        call = self._api.hasty.do_api_request("GetUpdates", asked, read_timeout=seconds + READ_SECONDS)
        found = await self._api.ask(call)
        return sorted((one for one in found if isinstance(one, dict)), key=lambda one: int(one["update_id"]))

    def _heard(self) -> None:
        self._failed = 0
        if self._conflicts:
            log.info("%s is alone with its bot again", self._api.account)
            self._conflicts = 0
            self._report("")

    async def _pause(self, error: Exception) -> None:
        log.warning("%s is not connected to Telegram: %s", self._api.account, error)
        await asyncio.sleep(POLL_PAUSES_SECONDS[min(self._failed, len(POLL_PAUSES_SECONDS) - 1)])
        self._failed += 1

    async def _stand_by(self, said: str) -> None:
        """Leave the bot to the other for a while: two that poll take the messages from each other."""
        log.warning("%s: another program polls with its token: %s", self._api.account, said)
        pause = self._pauses[min(self._conflicts, len(self._pauses) - 1)]
        self._conflicts += 1
        if self._conflicts > 1:  # once may be `stoa setup`, or a process of ours that has just ended
            advice = OTHER_WEBHOOK_ADVICE if "webhook" in said else OTHER_POLLER_ADVICE
            self._report(advice.format(account=self._api.account))
        await asyncio.sleep(pause)
