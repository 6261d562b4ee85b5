"""A worker: carries out agents' turns, makes missing vectors, fires timers. Any number may run over one Redis."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

from docket import Docket
from docket import Worker as Engine

from core.agents.spawning import Spawner
from core.agents.stopping import Stopping
from core.agents.unread import agents_due
from core.errors import LeaseLost, StoaError
from core.house import House
from core.models.llm import LLM
from core.models.recipes import ConventionLibrary
from core.models.router import connect
from core.sandbox.sandbox import Sandbox
from core.spaces.maintenance import Tending
from core.store.errors import in_our_words
from core.tools.builtin import opened_tools
from core.tools.registry import Tools
from core.tools.waits import Waits
from core.trust.access_tools import AccessTools
from core.trust.audit import Audit
from core.trust.egress_guard import EgressGuard
from core.turns.backlog import Backlog
from core.turns.compaction import Compaction
from core.turns.context import Services
from core.turns.governor import Governor
from core.turns.images import Images
from core.turns.lanes import LEASE_SECONDS, Lane, next_in_queue, queue, wake, without_turn
from core.turns.programs import Programs
from core.turns.prompts import Prompts
from core.turns.trials import Trials
from core.turns.turns import Turns
from core.watchdog import watch_the_loop

log = logging.getLogger("stoa.worker")

PEOPLE, BACKGROUND = "people", "background"
"""Two dockets, so that a person's message never waits behind background work."""
MAX_CONCURRENT_TURNS = 32
SANDBOX_PROCESSES = {PEOPLE: 4, BACKGROUND: 16}
"""So many programs may run at once for each queue; a process starts when it is first needed."""
REDELIVERY_TIME = timedelta(seconds=30)
CHECK_INTERVAL = timedelta(milliseconds=100)
MAINTENANCE_DELAY_SECONDS = 0.2
"""What a change leaves to be done in its space is done so much later."""


class Worker:
    """Turns changes into turns: each agent that a change wakes gets one, on any worker that is free.

    Publishing names the agents to wake at once; what a lost message or a dead worker leaves behind, the reconciler
    finds by comparing cursors with the change logs.
    """

    def __init__(
        self,
        house: House,
        guide: str,
        convention: str,
        *,
        library: ConventionLibrary | None = None,
        llm: LLM | None = None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        """`guide` and `convention` are what a spawned agent and its direct-message space are told by default;
        `library` has the conventions that agents may name; `llm` answers for every agent, instead of the models they
        name."""
        self._house = house
        self._store = house.store
        self._guide = guide
        self._convention = convention
        self._library = library
        self._llm = llm
        self._lease = lease
        self._access = AccessTools(house.spaces, house.agents, house.approvals, Audit(house.spaces), convention)
        self._engines: list[asyncio.Task[Any]] = []
        self._prompts = Prompts(
            house.spaces, house.embedder, house.settings.injected_tokens, library.offline() if library else None
        )
        self._waits = Waits(house.spaces)
        self._governor = Governor(house.budgets, house.spaces, house.agents)
        self._compaction = Compaction(
            house.store, self._governor, house.secrets, max_chars=house.settings.session_characters
        )
        self._backlog = Backlog(house.store)
        self._models: dict[str, LLM] = {}
        self._dockets: dict[str, Docket] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._tending = Tending(house.spaces)
        self._changed: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is taken up by the next worker."""
        zone = self._house.clock.zone.key
        async with contextlib.AsyncExitStack() as stack:
            people = await stack.enter_async_context(Sandbox(SANDBOX_PROCESSES[PEOPLE], zone=zone))
            background = await stack.enter_async_context(Sandbox(SANDBOX_PROCESSES[BACKGROUND], zone=zone))
            house = self._house
            tools, _ = await stack.enter_async_context(
                opened_tools(house.settings, house.secrets, house.clock, house.timers)
            )
            self._turns = Turns(self._services(people, background, tools))
            engines = [await stack.enter_async_context(self._engine(queue)) for queue in (PEOPLE, BACKGROUND)]
            async with asyncio.TaskGroup() as group:
                self._engines = [
                    group.create_task(engine.run_forever(), name=f"docket {engine.docket.name}") for engine in engines
                ]
                group.create_task(self._stop_turns(), name="stop turns")
                group.create_task(watch_the_loop(), name="watchdog")
                group.create_task(self._dispatch(), name="dispatch")
                group.create_task(self._tend(), name="tend")
                group.create_task(self._reconcile(), name="reconcile")
                group.create_task(self._look_at_waits(), name="waits")
                group.create_task(self._compaction.run(), name="compaction")
                group.create_task(self._house.timers.run(), name="timers")
                group.create_task(self._house.embedders.run(), name="embedders")
                group.create_task(self._house.lifecycle.run(), name="lifecycle")
                group.create_task(self._governor.run(), name="governor")
                group.create_task(self._house.approvals.run(), name="approvals")
                group.create_task(self._access.decisions.run(), name="decisions")

    async def drain(self, seconds: float) -> None:
        """Begin no turn any more, and wait until those under way have ended, `seconds` at most.

        What is not done by then is taken up by the next worker where it stood.
        """
        for engine in self._engines:
            engine.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def idle(self) -> bool:
        """True while no turn runs or is due. Timers and programs that wait are no work."""
        due, _ = await self._waits.look()
        return not self._running and not due and not await agents_due(self._house.spaces)

    def _services(self, people: Sandbox, background: Sandbox, tools: Tools) -> Services:
        house = self._house
        return Services(
            spaces=house.spaces,
            agents=house.agents,
            prompts=self._prompts,
            library=self._library,
            images=Images(house.spaces, house.attachments.files),
            governor=self._governor,
            lifecycle=house.lifecycle,
            stopping=Stopping(house.store),
            access=self._access,
            attachments=house.attachments,
            spawner=Spawner(house.spaces, house.agents, house.settings, self._guide, self._convention),
            settings=house.settings,
            models=self._model,
            tools=tools,
            secrets=house.secrets,
            egress=EgressGuard(house.spaces, house.approvals, house.agents),
            waits=self._waits,
            compaction=self._compaction,
            backlog=self._backlog,
            trials=Trials(house.spaces, background, house.attachments),
            programs=Programs(house.store, house.settings.home),
            people=people,
            background=background,
        )

    def _model(self, name: str) -> LLM:
        if self._llm:
            return self._llm
        name = name or self._house.settings.model
        if name not in self._models:
            settings = self._house.settings.model_copy(update={"model": name})
            self._models[name] = connect(settings, self._house.embedder)
        return self._models[name]

    @contextlib.asynccontextmanager
    async def _engine(self, queue: str) -> AsyncIterator[Engine]:
        url = await self._store.link.url()
        mark = "&" if "?" in url else "?"
        async with Docket(
            name=self._store.keys.docket(queue),
            url=f"{url}{mark}max_connections=500",
            execution_ttl=timedelta(0),
        ) as docket:
            docket.register(self._turn, names=["turn"])
            docket.register(self._next_turn, names=["next"])
            self._dockets[queue] = docket
            async with Engine(
                docket,
                concurrency=MAX_CONCURRENT_TURNS,
                redelivery_timeout=REDELIVERY_TIME,
                minimum_check_interval=CHECK_INTERVAL,
                scheduling_resolution=CHECK_INTERVAL,
                reconnection_delay=timedelta(seconds=1),
            ) as engine:
                yield engine

    async def _turn(self, agent: str) -> None:
        """Take an agent's turns, if nobody else does. One of the edges that may catch broadly: the worker goes on."""
        lane = Lane(self._store, agent, self._lease)
        if not await lane.begin():
            return
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._turns.run(agent, lane)
        except LeaseLost as error:
            log.info("%s", error)
        except asyncio.CancelledError:
            await lane.release()
            raise
        except Exception:
            log.exception("A turn of %s failed; it is tried again.", agent)
        finally:
            self._running.discard(task)

    async def _next_turn(self) -> None:
        """Take the turn of whichever background agent stands first: what was queued is a place, not an agent."""
        if agent := await next_in_queue(self._store):
            await self._turn(agent)

    async def _stop_turns(self) -> None:
        """When the worker stops, end the turns under way: docket would wait for them, their journals need not."""
        try:
            await asyncio.Event().wait()
        finally:
            for turn in self._running:
                turn.cancel()

    async def _dispatch(self) -> None:
        """Queue a turn for each agent that a change wakes, and fill in vectors while at it."""
        async for change in self._house.notifications.wakes():
            for agent in change.subscribers:
                with contextlib.suppress(StoaError):  # the reconciler finds what is missed here
                    await self._wake(agent)
            self._changed.put_nowait((change.space, bool(change.subscribers)))
            if change.space in self._waits.watched:
                self._waits.changed.set()

    async def _tend(self) -> None:
        """Do what changes leave to be done in their spaces; when the first agent is woken, learn the recipes, too.

        A moment later, and once for many changes: answers come first.
        """
        learned = False
        while True:
            changed = [await self._changed.get()]
            await asyncio.sleep(MAINTENANCE_DELAY_SECONDS)
            while not self._changed.empty():
                changed.append(self._changed.get_nowait())
            for space in dict.fromkeys(space for space, _ in changed):
                await _tried(self._tending.space(space))
            if not learned and any(woken for _, woken in changed):
                learned = await _tried(self._prompts.learn(self._model("").name))

    async def _reconcile(self) -> None:
        """Find agents that are behind and have no turn, and give back what was claimed for a time that is over."""
        while True:
            try:
                await self._house.spaces.give_back()
                await self._backlog.take_up_due()
                late = await agents_due(self._house.spaces, await without_turn(self._store, self._lease))
                await asyncio.gather(*(self._wake(agent, lost_after=self._lease) for agent in late))
                await self._tending.everywhere()
            except StoaError as error:
                log.warning("%s", error)
            await asyncio.sleep(self._lease / 3)

    async def _look_at_waits(self) -> None:
        while True:
            self._waits.changed.clear()
            moment = None
            try:
                due, moment = await self._waits.look()
                for agent in due:
                    await self._wake(agent, lost_after=self._lease)
            except StoaError as error:
                log.warning("%s", error)
            await self._waits.rest(moment, self._lease / 3)

    async def _wake(self, agent: str, lost_after: float | None = None) -> None:
        number = await wake(self._store, agent, lost_after)
        if number is None:
            return
        record = await self._house.agents.get(agent)
        key = f"turn:{agent}:{number}"
        if not record.coordinator:
            await queue(self._store, record.cause, agent)
        with in_our_words():
            if record.coordinator:
                await self._dockets[PEOPLE].add("turn", key=key)(agent)
            else:
                await self._dockets[BACKGROUND].add("next", key=key)()


async def _tried(work: Awaitable[object]) -> bool:
    try:
        await work
    except StoaError as error:
        log.warning("%s", error)
        return False
    return True
