"""Time, as agents' code has it: what time it is, what words mean, and waiting for a time or for a change."""

from core.atoms.atoms import Atom
from core.atoms.values import Moment
from core.errors import InvalidInput, NotFound
from core.search.filters import Filter
from core.times.parsing import FoundTime, iso_time, read_time
from core.tools.registry import Tool, acting
from core.tools.waits import Wait, check_conditions, wait_end
from core.turns.context import Services, TurnContext

MAX_SLEEP_SECONDS = 600.0
MAX_COORDINATOR_SLEEP_SECONDS = 10.0
"""An agent that people talk to answers nobody while it sleeps."""


class Pausing:
    """The functions by which one agent's code tells the time and waits, during one turn."""

    def __init__(self, services: Services, context: TurnContext, heard: dict[str, int]) -> None:
        """`heard` has for each space the last change the agent was told of; `wait_for` moves it on."""
        self._services = services
        self._context = context
        self._heard = heard

    @property
    def functions(self) -> dict[str, Tool]:
        named = (self.now, self.local_time, self.sleep, self.wait_until, self.wait_for, self.stop_waiting)
        return {function.__name__: function for function in named}

    async def now(self) -> str:
        """The present time, as ISO text with offset."""
        return self._services.clock.now().isoformat(timespec="seconds")

    async def local_time(self, text: str) -> Moment:
        """The moment that words such as "in 20 minutes" or "tomorrow at 9am" mean here: .at (ISO) and .words. Raises
        ValueError, saying why, for a time that is past, does not exist or is not understood. An exact ISO time with
        offset may be past, too."""
        found = self._read(text)
        return Moment(found.iso(), found.words(self._context.began))

    async def sleep(self, seconds: float) -> None:
        """Wait, at most ten minutes; ten seconds where people wait for you. For longer ask for a timer, or spawn."""
        longest = MAX_COORDINATOR_SLEEP_SECONDS if self._context.agent.coordinator else MAX_SLEEP_SECONDS
        if not 0 <= seconds <= longest:
            raise InvalidInput(
                f"sleep({seconds}) is not between 0 and {longest:.0f} seconds; ask for a timer, or let an agent wait"
            )
        await self._services.clock.sleep(seconds)

    async def wait_until(self, time: str) -> None:
        """Let this program wait until a time ("tomorrow at 9am", ISO, or what local_time answered .at) and go on then,
        with its variables, be it in months. Meanwhile your turn goes on, and nothing is blocked: this is how to do
        something later. What the program prints then comes to you in a turn of its own."""
        if acting().waited is None:
            found = self._read(time)
            if found.moment > self._services.clock.now():
                raise Wait(until=found.moment)

    async def wait_for(self, space: str, metadata: Filter | None = None, timeout: float | None = None) -> Atom | None:
        """Let this program wait until somebody else puts or changes an atom in `space` whose metadata are like
        `metadata`, and go on with that atom, or with None after `timeout` seconds. Otherwise like wait_until. In a loop
        it tells of each change that came since the one before."""
        actor, wait = self._context.actor, acting().waited
        if wait is None:
            check_conditions(metadata or {})
            until = wait_end(self._services.clock.now(), timeout)
            newest = await self._services.spaces.open(space, actor).newest()
            wait = Wait(space, until=until, metadata=metadata, after=self._heard.setdefault(space, newest))
        atom, seq = await self._services.waits.found(actor.principal, wait)
        if atom is not None:
            self._heard[space] = seq
            actor.saw(atom)
        elif wait.until is None or wait.until > self._services.clock.now():
            raise Wait(space, until=wait.until, metadata=wait.metadata, after=seq)
        return atom

    async def stop_waiting(self, id: str) -> None:
        """End one of your programs that wait, by the id you were told."""
        if not await self._services.waits.forget(self._context.agent.id, id):
            raise NotFound(f"No program {id!r} of yours waits; it may have gone on already.")

    def _read(self, text: str) -> FoundTime:
        clock = self._services.clock
        return iso_time(text, clock.zone) or read_time(text, self._context.began, clock.day_first)
