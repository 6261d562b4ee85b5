"""Replies: what a model says in a turn, asked for with patience and shown while it comes."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from core.agents.agents import Agent
from core.errors import ModelUnavailable
from core.models.llm import LLM, Message, Usage
from core.secrets.secrets import Secrets
from core.spaces.notifications import Draft, Notifications

log = logging.getLogger("stoa.replies")

PATIENCE = (5.0, 15.0, 60.0, 300.0)
"""Seconds between attempts to reach a model for an agent that nobody waits for."""
DRAFT_EVERY = 0.1
"""Seconds between two looks at a reply that is still coming."""


class Replies:
    """Asks models for one agent."""

    def __init__(
        self, agent: Agent, notifications: Notifications, secrets: Secrets, answered: Sequence[str] = ()
    ) -> None:
        """`answered` are the atoms of the space the agent speaks in that its turn goes back to."""
        self._agent = agent
        self._answered = tuple(answered)
        self._notifications = notifications
        self._secrets = secrets

    async def ask(self, llm: LLM, messages: Sequence[Message]) -> tuple[str, Usage]:
        """Ask the model. Where nobody waits for the answer, an unreachable one is asked again for some minutes."""
        for pause in () if self._agent.coordinator and self._agent.speaks_in else PATIENCE:
            try:
                return await self._streamed(llm, messages)
            except ModelUnavailable as error:
                log.warning("%s: %s AccessTools again in %.0f s.", self._agent.id, error, pause)
                await asyncio.sleep(pause)
        try:
            return await self._streamed(llm, messages)
        except ModelUnavailable as error:
            if not error.begun:
                raise
            log.warning("%s: %s AccessTools again; what was said so far is forgotten.", self._agent.id, error)
            return await self._streamed(llm, messages)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show that a turn runs to whoever looks at the space the agent speaks in."""
        await self._draft("")
        try:
            yield
        finally:
            await self._draft(None)

    async def _streamed(self, llm: LLM, messages: Sequence[Message]) -> tuple[str, Usage]:
        """The reply, its prose shown while it comes to whoever looks at the space the agent speaks in."""
        pieces: list[str] = []
        usage = Usage(llm.name)
        shown = 0.0
        loop = asyncio.get_running_loop()
        texts = self._secrets.without([one.text for one in messages])  # all at once: each call looks at the vault
        hidden = [
            one if one.text == text else replace(one, text=text) for one, text in zip(messages, texts, strict=True)
        ]
        async for piece in llm.reply(hidden):
            if isinstance(piece, Usage):
                usage = piece
                continue
            pieces.append(piece)
            if loop.time() - shown > DRAFT_EVERY:
                shown = loop.time()
                await self._draft("".join(pieces).partition("```")[0])
        return "".join(pieces).strip(), usage

    async def _draft(self, text: str | None) -> None:
        if self._agent.speaks_in:
            await self._notifications.draft(self._agent.speaks_in, Draft(self._agent.id, text, self._answered))
