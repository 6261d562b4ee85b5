"""The two values that a turn hands on: the parts of the house that serve every turn, and the turn itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from core.agents.agents import Agent, Agents
from core.agents.budgets import Allowance
from core.agents.lifecycle import Lifecycle
from core.agents.spawning import Spawner
from core.agents.stopping import Stopping
from core.agents.unread import News
from core.atoms.atoms import Origin
from core.models.llm import LLM
from core.models.recipes import ConventionLibrary
from core.sandbox.sandbox import Sandbox
from core.secrets.secrets import Secrets
from core.settings import Settings
from core.spaces.attachments import Attachments
from core.spaces.spaces import Actor, Spaces
from core.times.clock import Clock
from core.tools.registry import Tool
from core.tools.waits import Waits
from core.trust.access_tools import AccessTools
from core.trust.egress_guard import EgressGuard
from core.turns.backlog import Backlog
from core.turns.compaction import Compaction
from core.turns.governor import Governor
from core.turns.images import Images
from core.turns.lanes import Lane
from core.turns.programs import Program, Programs
from core.turns.prompts import Prompts
from core.turns.trials import Trials

LABEL_FIELD = "label"
"""The field of a turn's journal that holds what the session has read by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the house that turns work with."""

    settings: Settings
    spaces: Spaces
    agents: Agents
    secrets: Secrets
    attachments: Attachments
    tools: Mapping[str, Tool]
    models: Callable[[str], LLM]
    """The model of this name; of the empty name, the one in the settings."""
    prompts: Prompts
    library: ConventionLibrary | None
    images: Images
    governor: Governor
    compaction: Compaction
    backlog: Backlog
    spawner: Spawner
    lifecycle: Lifecycle
    stopping: Stopping
    access: AccessTools
    egress: EgressGuard
    waits: Waits
    programs: Programs
    trials: Trials
    people: Sandbox
    """Runs the code of agents that people talk to, and of no others, so that it always has room."""
    background: Sandbox

    @property
    def clock(self) -> Clock:
        return self.spaces.clock

    def sandbox(self, agent: Agent) -> Sandbox:
        return self.people if agent.coordinator else self.background


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnContext:
    """One turn: who takes it, what changed, what it may spend, and its lane with the journal."""

    agent: Agent
    actor: Actor
    news: News
    allowance: Allowance
    lane: Lane
    began: datetime
    """When the turn read what changed, in the owner's zone: "in two minutes" counts from here."""
    program: Program | None = None
    """A program that waited and goes on in this turn, which then has no changes to tell of."""

    @property
    def answered(self) -> list[str]:
        """The atoms this turn goes back to in the space the agent speaks in: what was said there or is told about."""
        if self.program:
            return self.program.about
        here = f"{self.agent.speaks_in}/"
        named = [notice.ref for notice in self.news.notices]
        named += [ref for notice in self.news.notices for ref in notice.references.get("about", ())]
        return list(dict.fromkeys(ref.removeprefix(here) for ref in named if ref.startswith(here)))

    @property
    def owner_asked(self) -> bool:
        return any(notice.origin is Origin.OWNER for notice in self.news.notices)

    @property
    def owner_waits(self) -> bool:
        """True if the owner has just said something."""
        last = self.news.notices[-1] if self.news.notices else None
        return last is not None and last.origin is Origin.OWNER and last.operation == "put"

    @property
    def answers_people(self) -> bool:
        """True if the turn is about something that a person said where the agent speaks."""
        return any(
            notice.space == self.agent.speaks_in and notice.metadata.get("role") == "user"
            for notice in self.news.notices
        )

    async def note_label(self) -> None:
        """Write down what the session has read by now, for a worker that resumes the turn."""
        if self.actor.label and (read := self.actor.label.news()):
            await self.lane.note(LABEL_FIELD, read)
