"""Turns: while something is unread, an agent takes one turn after the other in its lane."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.agents.agents import Agent
from core.agents.traces import trace
from core.agents.unread import News, forget_parked, gather
from core.atoms.atoms import Cause
from core.errors import LeaseLost, NotFound, StoreUnavailable
from core.models.llm import Message
from core.spaces.spaces import Actor
from core.turns.context import LABEL_FIELD, Services, TurnContext
from core.turns.lanes import Lane, TurnOutcome
from core.turns.programs import Program
from core.turns.sessions import Memory, Session, write_message
from core.turns.turn import Turn

log = logging.getLogger("stoa.turns")

NEWS_FIELD = "news"
ATTEMPTS_FIELD = "tries"
MAX_TURN_ATTEMPTS = 3
"""A turn that breaks so often is given up."""


class Turns:
    """Runs the turns of agents."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self, agent_id: str, lane: Lane) -> None:
        """Take turns for this agent until it has seen everything. The lane must have begun."""
        async with lane.kept():
            while await self._next(agent_id, lane):
                pass

    async def _next(self, agent_id: str, lane: Lane) -> bool:
        noted, agent = await asyncio.gather(lane.journal(), self._living(agent_id))
        if agent is None:
            return await lane.commit(TurnOutcome())
        news, program = await self._unread(agent, noted)
        idle = not news.notices and not program
        if idle:
            await forget_parked(self._services.spaces.store, agent, news)
            return await lane.commit(TurnOutcome(news.cursors))
        recalling = self._session(agent).recall(noted.get(LABEL_FIELD))
        noting = () if NEWS_FIELD in noted else (lane.note(NEWS_FIELD, news.written()),)
        memory, *_ = await asyncio.gather(recalling, *noting)
        await forget_parked(self._services.spaces.store, agent, news)
        return await self._take(self._context(agent, lane, news, program, memory), memory)

    async def _take(self, context: TurnContext, memory: Memory) -> bool:
        """Take this turn and commit what it leaves behind; True when there is more to do."""
        agent, actor, news = context.agent, context.actor, context.news
        turn = Turn(self._services, context)
        said = await self._tried(turn, memory.messages)
        await context.allowance.finish()
        keeps = not agent.clean
        seen = {atom: version for atom, version in actor.ledger.items() if memory.ledger.get(atom) != version}
        outcome = TurnOutcome(
            news.cursors,
            [write_message(one) for one in said] if keeps else (),
            seen if keeps else {},
            label=actor.label.written() if actor.label and keeps else b"",
            trace=trace(news, actor, context.allowance, self._services.clock.now()).written(),
            more=news.more,
            program="" if turn.put_off else news.program,
        )
        more = await context.lane.commit(outcome)
        if keeps:
            self._services.compaction.consider(agent, news, turn.llm, [*memory.messages, *said])
        return more

    async def _tried(self, turn: Turn, past: Sequence[Message]) -> list[Message]:
        """Run the turn; one of the edges that may catch broadly. One that breaks again and again is given up."""
        lane = turn.context.lane
        try:
            return await turn.run(past)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:
            attempts = int(lane.noted.get(ATTEMPTS_FIELD, b"0")) + 1
            log.exception("%s: a turn failed, attempt %s", lane.agent, attempts)
            if attempts < MAX_TURN_ATTEMPTS:
                await lane.note(ATTEMPTS_FIELD, str(attempts).encode())
                raise
            return await turn.give_up(error)

    def _context(self, agent: Agent, lane: Lane, news: News, program: Program | None, memory: Memory) -> TurnContext:
        seen = memory.ledger | {notice.ref: notice.version for notice in news.notices if notice.version}
        for notice in news.notices:
            memory.label.read(notice)
        return TurnContext(
            agent=agent,
            actor=Actor(agent.principal, Cause(news.root, news.depth + 1), lane.epoch, ledger=seen, label=memory.label),
            news=news,
            allowance=self._services.governor.allowance(agent, news, lane.epoch),
            lane=lane,
            began=news.now.astimezone(self._services.clock.zone),
            program=program,
        )

    async def _living(self, agent_id: str) -> Agent | None:
        try:
            agent = await self._services.agents.get(agent_id)
        except NotFound:
            return None
        return None if agent.status == "dead" else agent

    async def _unread(self, agent: Agent, noted: Mapping[str, bytes]) -> tuple[News, Program | None]:
        """The changes that the turn is about, or else a program that can go on; from its journal if it has begun."""
        news = News.read(noted[NEWS_FIELD]) if NEWS_FIELD in noted else await gather(self._services.spaces, agent)
        if news.notices:
            return news, None
        program = await self._woken(agent, news)
        if program and not news.program:
            name = f"{agent.id}:wait/{program.id}"
            news = replace(news, turn=name, program=program.id, root=program.root, depth=program.depth - 1)
        return news, program

    async def _woken(self, agent: Agent, news: News) -> Program | None:
        programs, waits = self._services.programs, self._services.waits
        if news.program:
            return await programs.load(agent.id, news.program)
        waiting = await waits.due(agent.id)
        program = await programs.load(agent.id, waiting.id) if waiting else None
        if waiting and not program:  # nothing is left of it that could go on
            await waits.forget(agent.id, waiting.id)
        return program

    def _session(self, agent: Agent) -> Session:
        return Session(self._services.spaces.store, agent.id, self._services.settings.session_characters)
