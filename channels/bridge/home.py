"""Home pages: each person has one where the platform shows such pages; the house is for the owner's eyes only."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from channels.bridge.rendering import Renderer, Unrenderable
from channels.contract import Channel, Home, Later, OutboundMessage, ShowsHome, Undeliverable

log = logging.getLogger(__name__)


class HomePages:
    """The pages of one channel."""

    def __init__(self, channel: Channel, owners_page: Callable[[], Awaitable[Home]]) -> None:
        self._channel = channel
        self._owners_page = owners_page

    async def show(self, person: str, *, owner: bool) -> None:
        """Show a person their page; an empty one to anybody but the owner."""
        if not isinstance(self._channel, ShowsHome):
            return
        page = await self._written(await self._owners_page()) if owner else Home()
        try:
            await self._channel.home(person, page)
        except (Undeliverable, Later, OSError) as error:
            log.info("%s did not show a page: %s", self._channel.name, error)

    async def _written(self, page: Home) -> Home:
        """The page with its questions as the channel's dialect writes them."""
        return replace(page, questions=tuple([await self._question(one) for one in page.questions]))

    async def _question(self, question: OutboundMessage) -> OutboundMessage:
        try:
            texts = await Renderer(self._channel.dialect).messages(question.text)
        except Unrenderable:
            texts = self._channel.dialect.unrendered(question.text)
        return replace(question, text="\n\n".join(texts))
