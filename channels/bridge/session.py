"""A terminal's session: one conversation of the owner's, joined to the chat for as long as somebody sits there.

The accounts on platforms have many conversations, and a reception for them (channels/bridge/reception.py).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from channels.bridge.bindings import Binding
from channels.bridge.bridge import Bridge
from channels.bridge.conversation import Conversation
from channels.bridge.incoming import Speaker
from channels.contract import ChannelClosed, OutboundMessage
from core.atoms.atoms import OWNER
from core.errors import ModelUnavailable, StoaError, StoreUnavailable

SESSION_POLL_SECONDS = 0.2
"""Seconds between two looks whether anything is still under way."""
UNANSWERED_LOOKS = 10
"""Looks in a row that must find everybody idle before a message counts as left unanswered on purpose."""
PRESENCE_EVERY_SECONDS = 5.0
"""Seconds between two signs that somebody still sits at the terminal."""

log = logging.getLogger(__name__)


class TerminalSession:
    """A terminal joined to a chat space."""

    def __init__(self, bridge: Bridge, binding: Binding) -> None:
        self.channel = bridge.channel
        self.conversation = Conversation(bridge, binding)

    async def serve(self, wait: float = 0, idle: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Carry messages both ways until the channel has no more to say.

        Then wait, up to `wait` seconds, until each message is answered or left unanswered on purpose, `idle` says that
        nothing is under way any more, and all that was said is shown. Ends quietly when nobody reads any more. Raises
        `ModelUnavailable` if a message was not answered in time.
        """
        here = self.conversation
        try:
            await first(
                self._converse(wait, idle),
                here.deliver(),
                here.show_drafts(),
                here.show_cards(),
                self._stay(),
            )
        except ChannelClosed:
            log.info("nobody reads %s any more", self.channel.name)
        finally:
            await here.leave()

    async def receive(self) -> None:
        """Take what people write, until the channel ends. What cannot be taken is answered with the reason."""
        async for message in self.channel.listen():
            try:
                if await self.conversation.cards.answer(message, OWNER):
                    continue
                if said := await self.conversation.take(message, Speaker()):
                    await self.channel.send(OutboundMessage(message.conversation, said))
            except StoreUnavailable:
                raise
            except StoaError as error:
                await self.channel.send(OutboundMessage(message.conversation, str(error)))

    async def _stay(self) -> None:
        """Let it be known that somebody can be reached here."""
        while True:
            await self.conversation.routing.presence.present(self.conversation.binding.id)
            await asyncio.sleep(PRESENCE_EVERY_SECONDS)

    async def _settle(self, idle: Callable[[], Awaitable[bool]] | None) -> None:
        """Return once all is answered, or left unanswered by agents that have nothing more to do, and shown."""
        here, quiet_looks = self.conversation, 0
        while quiet_looks < (UNANSWERED_LOOKS if here.open else 1):
            async with here.progress:
                await here.progress.wait_for(lambda: not here.writing and (idle is not None or not here.open))
            quiet = (idle is None or await idle()) and await here.shown()
            quiet_looks = quiet_looks + 1 if quiet else 0
            await asyncio.sleep(SESSION_POLL_SECONDS)

    async def _converse(self, wait: float, idle: Callable[[], Awaitable[bool]] | None) -> None:
        await self.receive()
        here = self.conversation
        try:
            async with asyncio.timeout(wait):
                await self._settle(idle)
        except TimeoutError:
            if wait and here.open:
                messages = "a message" if len(here.open) == 1 else f"{len(here.open)} messages"
                raise ModelUnavailable(
                    f"No answer came to {messages} within {wait:g} seconds. What you wrote is kept and will be "
                    "answered when Stoa runs again; STOA_LINGER sets how long to wait."
                ) from None
            log.info("left while agents were still at work, after %s s", wait)


async def first(*work: Coroutine[object, object, None]) -> None:
    """Run all of it until the first part ends, stop the rest, and raise what ended it if that was an error."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*done)
    finally:
        while running := [task for task in tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=0.2)  # and again: asyncio.wait_for in 3.11 can swallow a cancellation
