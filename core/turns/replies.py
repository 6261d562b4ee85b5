"""Replies: what a model says in a turn, asked for patiently and shown while it arrives."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from core.errors import ModelUnavailable
from core.models.llm import LLM, Message, Usage
from core.spaces.notifications import Draft
from core.turns.context import Services, TurnContext

log = logging.getLogger("stoa.replies")

BACKGROUND_RETRY_SECONDS = (5.0, 15.0, 60.0, 300.0)
"""The pauses between attempts to reach a model for an agent that nobody waits for."""
DRAFT_SECONDS = 0.1
"""A reply that is still arriving is shown anew so often."""


class Replies:
    """Asks models on behalf of one turn."""

    def __init__(self, services: Services, context: TurnContext) -> None:
        self._services = services
        self._agent = context.agent
        self._answered = tuple(context.answered)

    async def ask(self, llm: LLM, messages: Sequence[Message]) -> tuple[str, Usage]:
        """Ask the model. Where nobody waits for the answer, an unreachable one is asked again for some minutes."""
        for pause in () if self._agent.coordinator and self._agent.speaks_in else BACKGROUND_RETRY_SECONDS:
            try:
                return await self._streamed(llm, messages)
            except ModelUnavailable as error:
                log.warning("%s: %s Asking again in %.0f s.", self._agent.id, error, pause)
                await asyncio.sleep(pause)
        try:
            return await self._streamed(llm, messages)
        except ModelUnavailable as error:
            if not error.begun:
                raise
            log.warning("%s: %s Asking again; what was said so far is forgotten.", self._agent.id, error)
            return await self._streamed(llm, messages)

    async def show_running(self) -> None:
        """Show in the space the agent speaks in that a turn runs."""
        await self._draft("")

    async def show_ended(self) -> None:
        await self._draft(None)

    async def _streamed(self, llm: LLM, messages: Sequence[Message]) -> tuple[str, Usage]:
        pieces: list[str] = []
        usage = Usage(llm.name)
        shown = 0.0
        loop = asyncio.get_running_loop()
        async for piece in llm.reply(self._without_secrets(messages)):
            if isinstance(piece, Usage):
                usage = piece
                continue
            pieces.append(piece)
            if loop.time() - shown > DRAFT_SECONDS:
                shown = loop.time()
                await self._draft("".join(pieces).partition("```")[0])
        return "".join(pieces).strip(), usage

    def _without_secrets(self, messages: Sequence[Message]) -> list[Message]:
        texts = self._services.secrets.without([one.text for one in messages])  # all at once: each call reads the vault
        return [one if one.text == text else replace(one, text=text) for one, text in zip(messages, texts, strict=True)]

    async def _draft(self, text: str | None) -> None:
        if self._agent.speaks_in:
            draft = Draft(self._agent.id, text, self._answered)
            await self._services.spaces.notifications.draft(self._agent.speaks_in, draft)
