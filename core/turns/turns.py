"""A turn: what changed goes in, the model answers with prose and code, the code acts, until there is no more code."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace

from core.agents.agents import Agent, Agents
from core.agents.budgets import Allowance
from core.agents.lifecycle import Lifecycle
from core.agents.spawning import Spawner
from core.agents.traces import trace
from core.agents.unread import News, gather
from core.atoms.atoms import Cause, Origin
from core.atoms.values import decode, encode
from core.errors import BudgetSpent, LeaseLost, ModelUnavailable, NotFound, StoreUnavailable
from core.models.frames import parse_output, render_now, render_output
from core.models.llm import LLM, Message, Usage
from core.sandbox.sandbox import Sandbox
from core.secrets.secrets import Secrets
from core.settings import Settings
from core.spaces.attachments import Attachments
from core.spaces.spaces import Actor, Spaces, first_words
from core.tools.registry import Tool
from core.tools.waits import Waiting, Waits, waiting_words
from core.trust.access_tools import AccessTools
from core.trust.egress_guard import EgressGuard
from core.turns.backlog import Postponed
from core.turns.capabilities import Capabilities
from core.turns.compaction import Compaction
from core.turns.context import Contexts
from core.turns.governor import Governor
from core.turns.images import NOTHING, Pictures, ShownImages
from core.turns.lanes import Lane
from core.turns.programs import Program, Programs
from core.turns.replies import Replies
from core.turns.sessions import Session, write_message
from core.turns.steps import LABEL, Steps, note_label

log = logging.getLogger("stoa.turns")

OPENED = re.compile(r"^```(?:python|py)\b", re.MULTILINE)
FENCE = re.compile(r"^```(?:python|py)[^\n]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
CUT_OFF = "Your reply ended inside a ```python fence, so nothing of it ran. Write less at once, and close the fence."
COUNTED = re.compile(r"python-input-\d+")
"""How the sandbox numbers programs in its errors."""
REPEATS = 3
"""How often a model may write the same code and see the same come of it, until its turn is ended."""
TRIES = 3
"""How often a turn that breaks is tried before it is given up."""
LATER = "I cannot go on with that at the moment. Please try again later."
"""What guests are told where the owner is told why."""


@dataclass(slots=True)
class Turns:
    """Runs the turns of agents, with everything a turn needs."""

    spaces: Spaces
    agents: Agents
    contexts: Contexts
    pictures: Pictures
    spawner: Spawner
    governor: Governor
    lifecycle: Lifecycle
    settings: Settings
    models: Callable[[str], LLM]
    tools: Mapping[str, Tool]
    secrets: Secrets
    egress: EgressGuard
    waits: Waits
    compaction: Compaction
    postponed: Postponed
    programs: Programs
    access: AccessTools
    attachments: Attachments
    people: Sandbox
    """Where the code of agents runs that people talk to; theirs alone, so that it is never full."""
    background: Sandbox

    async def run(self, agent_id: str, lane: Lane) -> None:
        """Take turns for this agent until nothing is left that it has not seen. The lane must have begun."""
        async with lane.kept():
            while await self._one(agent_id, lane):
                pass

    async def _one(self, agent_id: str, lane: Lane) -> bool:
        """One turn; True when there is more to do."""
        noted = await lane.journal()
        try:
            agent = await self.agents.get(agent_id)
        except NotFound:
            return await lane.commit({})
        if agent.status == "dead":
            return await lane.commit({})
        news = News.read(noted["news"]) if "news" in noted else await gather(self.spaces, agent)
        program = await self._woken(agent, news) if not news.notices else None
        if program and not news.program:
            name = f"{agent.id}:wait/{program.id}"
            news = replace(news, turn=name, program=program.id, root=program.root, depth=program.depth - 1)
        nothing = not news.notices and not program
        if not nothing and "news" not in noted:
            await lane.note("news", news.written())
        if news.taken_up:
            await self.spaces.store.run("SREM", self.spaces.store.keys.parked(agent.id), *news.taken_up)
        if nothing:
            return await lane.commit(news.cursors)
        session = Session(self.spaces.store, agent.id, self.settings.session_characters)
        known = await session.ledger()
        seen = known | {notice.ref: notice.version for notice in news.notices if notice.version}
        label = await session.label(noted.get(LABEL))
        for notice in news.notices:
            label.read(notice)
        actor = Actor(agent.principal, Cause(news.root, news.depth + 1), lane.epoch, dict(seen), label)
        purse = self.governor.purse(agent, news, lane.epoch)
        turn = Turn(self, agent, actor, lane, news, noted, purse, program)
        past = await session.messages()
        said = await self._taken(turn, lane, noted, past)
        await purse.finish()
        learned = {atom: version for atom, version in actor.ledger.items() if known.get(atom) != version}
        more = await lane.commit(
            news.cursors,
            [write_message(one) for one in said],
            learned,
            label=label.written(),
            trace=trace(news, actor, purse, self.spaces.clock.now()).written(),
            more=news.more,
            program="" if turn.put_off else news.program,
        )
        self.compaction.consider(agent, news, turn.llm, [*past, *said])
        return more

    async def _woken(self, agent: Agent, news: News) -> Program | None:
        """A program of the agent's that has waited and can go on."""
        if news.program:
            return await self.programs.load(agent.id, news.program)
        waiting = await self.waits.due(agent.id)
        program = await self.programs.load(agent.id, waiting.id) if waiting else None
        if waiting and not program:  # there is nothing of it that could go on
            await self.waits.forget(agent.id, waiting.id)
        return program

    async def _taken(
        self, turn: "Turn", lane: Lane, noted: Mapping[str, bytes], past: Sequence[Message]
    ) -> list[Message]:
        """Take the turn; one of the edges that may catch broadly. One that breaks is given up after some tries."""
        try:
            return await turn.run(past)
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:
            tries = int(noted.get("tries", b"0")) + 1
            log.exception("%s: a turn failed, attempt %s", lane.agent, tries)
            if tries < TRIES:
                await lane.note("tries", str(tries).encode())
                raise
            return await turn.give_up(error)


class Turn:
    """One turn of one agent, resumed from its journal where an earlier worker left it."""

    def __init__(
        self,
        turns: Turns,
        agent: Agent,
        actor: Actor,
        lane: Lane,
        news: News,
        noted: Mapping[str, bytes],
        purse: Allowance,
        program: Program | None = None,
    ) -> None:
        """`program` is one that waited; it goes on in this turn, which has no changes to tell of."""
        self.agent = agent
        self.actor = actor
        self.put_off = False
        """Whether the program that was to go on waits for a budget."""
        self._turns = turns
        self._lane = lane
        self._news = news
        self._noted = noted
        self._purse = purse
        self._program = program
        self._replies = Replies(agent, turns.spaces.notifications, turns.secrets, self._answered())
        self.llm = turns.models(agent.model)
        self._waiting: list[Waiting] = []

    async def run(self, past: Sequence[Message]) -> list[Message]:
        """Take the turn; answers what it adds to the session."""
        async with self._replies.shown():
            self._waiting = await self._turns.waits.of(self.agent.id)
            self._uses = await self._turns.access.uses(self.agent, self.actor, self._news.turn)
            self.llm = self._turns.models(self._uses.held.model())
            connected = await self._turns.spaces.held(self.agent.principal)
            capabilities = Capabilities(
                self.agent,
                self.actor,
                self._news.turn,
                self._news.now.astimezone(self._turns.spaces.clock.zone),
                connected,
                self._turns.spaces,
                self._turns.spawner,
                self._turns.spaces.clock,
                self.llm,
                self._turns.tools,
                self._turns.secrets,
                self._turns.egress,
                self._purse,
                self._turns.lifecycle,
                self._uses,
                self._turns.access,
                self._turns.waits,
                self._turns.attachments,
                dict(self._news.cursors),
            )
            added = [self._tail(await self._turns.pictures.shown(self.llm, self.actor, self._news.notices))]
            try:
                await self._purse.begin()
                before = await self._turns.contexts.before(
                    self.agent,
                    self.actor,
                    connected,
                    capabilities.objects,
                    capabilities.functions,
                    self._news.notices,
                    past,
                )
                async with self._code(capabilities) as code:
                    prose = await self._steps(code, before, added)
                await self._turns.postponed.told(self.agent.id, self._news.taken_up and self._news.changes)
            except ModelUnavailable as error:
                log.warning("%s: %s", self.agent.id, error)
                prose = await self._unanswered(error, added)
            except BudgetSpent as spent:
                self.put_off = self._program is not None and len(added) == 1
                prose = await self._stopped(spent, begun=len(added) > 1)
                added.append(Message("assistant", str(spent)))
                if self.put_off:
                    await self._turns.waits.put_off(self.agent.id, self._news.program)
                    added.clear()
            if prose:
                await self._say(prose)
            return added

    async def _unanswered(self, error: ModelUnavailable, added: list[Message]) -> str:
        """No model answers: what is to be said about it. What no person said is kept for when one does."""
        told = list(zip(self._news.changes, self._news.notices, strict=False))
        asked = any(notice.origin is Origin.OWNER for _, notice in told)
        if len(added) == 1:
            later = [change for change, notice in told if notice.origin is not Origin.OWNER]
            if await self._turns.postponed.keep(self.agent.id, later) and not asked:
                added.clear()
                return ""
        if self.agent.guests:
            await self._turns.governor.speak_for(self.agent, self._news, str(error))
        why = LATER if self.agent.guests else str(error)
        printed = parse_output(added[-1].text) if self._program else None
        prose = f"{printed[0]}\n\n{why}" if printed else why
        added.append(Message("assistant", prose))
        return prose

    async def _stopped(self, spent: BudgetSpent, *, begun: bool) -> str:
        """The budget has ended the turn: what is to be said about it where the agent speaks.

        Nothing where it is told already, or where nobody waits for this turn to say anything.
        """
        if not begun:
            await self._turns.governor.park(self.agent, self._news, spent)
        told = await self._turns.governor.tell(self.agent, self._news, spent)
        asked = any(notice.origin is Origin.OWNER for notice in self._news.notices)
        if told == self.agent.speaks_in or not (begun or asked):
            return ""
        return LATER if self.agent.guests else f"I stopped. {spent}"

    async def give_up(self, error: Exception) -> list[Message]:
        """End a turn that cannot be carried out with a word about it."""
        prose = f"Something went wrong while I worked on this ({type(error).__name__}); the log has the details."
        await self._say(prose)
        return [self._tail(), Message("assistant", prose)]

    def _tail(self, shown: ShownImages = NOTHING) -> Message:
        now = self._news.now.astimezone(self._turns.spaces.clock.zone)
        others = [waiting for waiting in self._waiting if waiting.id != self._news.program]
        above = [render_now(now), waiting_words(others, now)]
        above += [f"A program of yours, {self._news.program}, goes on." for _ in range(bool(self._news.program))]
        return self._turns.contexts.tail("\n\n".join(filter(None, above)), self._news.notices, shown)

    def _code(self, capabilities: Capabilities) -> Steps:
        turns = self._turns
        return Steps(
            turns.people if self.agent.coordinator else turns.background,
            capabilities,
            self._lane,
            self._news,
            self._noted,
            turns.waits,
            turns.programs,
            turns.governor,
            self._answered(),
            self._program,
        )

    async def _steps(self, code: Steps, before: Sequence[Message], added: list[Message]) -> str:
        """Ask, run, show, ask again, until a reply has no code; answers that reply's prose."""
        if self._program:
            printed = await code.go_on()
            if not printed:
                return ""
            added.append(Message("user", printed))
        seen: Counter[tuple[str, str]] = Counter()
        for step in range(self._turns.settings.steps):
            reply = await self._reply(step, [*before, *added])
            pieces = FENCE.findall(reply)
            if reply:
                added.append(Message("assistant", reply))
            if not pieces and not OPENED.search(reply):
                if not reply and step == 0 and self._person_waits():
                    raise ModelUnavailable(
                        f"The model {self.llm.name} answered nothing. Say it again, or choose another with STOA_MODEL."
                    )
                return reply
            shown = await code.output(step, pieces) if pieces else render_output("", CUT_OFF)
            added.append(Message("user", shown))
            seen[reply, came := COUNTED.sub("", shown)] += 1
            if seen[reply, came] == REPEATS:
                return await self._stuck()
        return f"I stopped after {self._turns.settings.steps} steps without finishing. Shall I go on?"

    async def _stuck(self) -> str:
        """End a turn in which the model says the same again and again, with a word to the owner."""
        log.warning("%s: the model %s repeats itself; the turn is ended", self.agent.id, self.llm.name)
        words = f"The model wrote the same {REPEATS} times over and got nowhere, so I stopped. Say it in other words?"
        if self.agent.speaks_in:
            return words
        await self._turns.governor.speak_for(self.agent, self._news, words)
        return ""

    def _person_waits(self) -> bool:
        """Whether the owner has just said something."""
        last = self._news.notices[-1] if self._news.notices else None
        return last is not None and last.origin is Origin.OWNER and last.operation == "put"

    async def _reply(self, step: int, messages: Sequence[Message]) -> str:
        """The model's reply, from the journal if it was given before a crash."""
        field = f"reply.{step}"
        if field in self._noted:
            noted, usage = decode(self._noted[field])
            self._purse.paid(field, Usage(*usage))
            return str(noted)
        await note_label(self._lane, self.actor)
        self.llm = self._turns.models((await self._uses.looked()).model())  # it may have been taken back meanwhile
        await self._purse.reserve(field, self.llm.name, messages)
        reply, usage = await self._replies.ask(self.llm, messages)
        await self._lane.note(field, encode([reply, astuple(usage)]))
        await self._purse.settle(field, usage)
        return reply

    async def _say(self, prose: str) -> None:
        """Put the turn's last prose where the agent speaks; one that speaks nowhere has none."""
        if not self.agent.speaks_in:
            return
        self._purse.silent = False
        answered = self._answered()
        report = not self.agent.coordinator
        await self._turns.spaces.open(self.agent.speaks_in, self.actor).put(
            prose,
            comment=f"report: {first_words(prose)}" if report else first_words(prose),
            metadata={"kind": "report"} if report else {"role": "assistant"},
            references={"reply_to": answered} if answered else {},
            operation=f"{self._news.turn}.say",
            at_once=not report,
        )

    def _answered(self) -> list[str]:
        """Which atoms of that space this turn goes back to: what was said there, or what a message is about."""
        if self._program:
            return self._program.about
        here = f"{self.agent.speaks_in}/"
        named = [notice.ref for notice in self._news.notices]
        named += [ref for notice in self._news.notices for ref in notice.references.get("about", ())]
        return list(dict.fromkeys(ref.removeprefix(here) for ref in named if ref.startswith(here)))
