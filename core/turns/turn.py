"""One turn: what changed goes in, the model answers with prose and code, the code acts, until there is no more code."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple

from core.agents.stopping import Stopped
from core.atoms.atoms import Origin
from core.atoms.values import decode, encode
from core.errors import BudgetSpent, ModelUnavailable
from core.models.fences import fenced_code
from core.models.frames import parse_output, render_now, render_output
from core.models.llm import Message, Usage
from core.spaces.spaces import first_words
from core.tools.waits import Waiting, waiting_words
from core.turns.capabilities import Capabilities
from core.turns.context import Services, TurnContext
from core.turns.images import NO_IMAGES, ShownImages
from core.turns.replies import Replies
from core.turns.steps import Steps

log = logging.getLogger("stoa.turns")

UNCLOSED_FENCE_NOTE = (
    "Your reply ended inside a ```python fence, so none of it ran. Write less at a time, and close the fence."
)
PROGRAM_NUMBER = re.compile(r"python-input-\d+")
"""How the sandbox numbers programs in its errors."""
MAX_IDENTICAL_STEPS = 3
"""A turn ends when the model has written the same so often and seen the same come of it."""
GUEST_APOLOGY = "I can't go on with that right now. Please try again later."
"""Said to guests where the owner hears the reason."""


class Turn:
    """One turn of one agent, resumed from its journal where an earlier worker left it."""

    def __init__(self, services: Services, context: TurnContext) -> None:
        self.context = context
        self.llm = services.models(context.agent.model)
        self.put_off = False
        """Whether the program that was to go on waits for a budget."""
        self._services = services
        self._agent = context.agent
        self._news = context.news
        self._noted = context.lane.noted
        self._replies = Replies(services, context)
        self._waiting: list[Waiting] = []
        self._done: Counter[str] = Counter()

    async def run(self, past: Sequence[Message]) -> list[Message]:
        """Take the turn; answers what it adds to the session."""
        try:
            capabilities, _ = await asyncio.gather(self._capabilities(), self._replies.show_running())
            images = await self._services.images.shown(self.llm, self.context.actor, self._news.notices)
            added = [self._tail(images)]
            answered = False
            try:
                prose = await self._answer(capabilities, past, added)
                answered = True
            except ModelUnavailable as error:
                log.warning("%s: %s", self._agent.id, error)
                prose = await self._unanswered(error, added)
            except BudgetSpent as spent:
                prose = await self._stopped(spent, added)
            except Stopped:
                prose = self._halted(added)
            await asyncio.gather(self._say(prose), self._settle_backlog(answered=answered))
            return added
        finally:
            await self._replies.show_ended()

    async def give_up(self, error: Exception) -> list[Message]:
        """End a turn that can't be carried out with a word about it."""
        prose = f"Something went wrong while I worked on this ({type(error).__name__}); the log has the details."
        await self._say(prose)
        return [self._tail(), Message("assistant", prose)]

    async def _capabilities(self) -> Capabilities:
        services, agent = self._services, self._agent
        self._waiting, self._rights, connected = await asyncio.gather(
            services.waits.of(agent.id),
            services.access.uses(agent, self.context.actor, self._news.turn),
            services.spaces.held(agent.principal),
        )
        self.llm = services.models(self._rights.held.model())
        return Capabilities(
            services=services,
            context=self.context,
            rights=self._rights,
            connected=connected,
            llm=self.llm,
            heard=dict(self._news.cursors),
        )

    async def _answer(self, capabilities: Capabilities, past: Sequence[Message], added: list[Message]) -> str:
        """The turn's last prose. What the model reads and says on the way is `added`."""
        reading = self._services.prompts.before(
            self._agent,
            self.context.actor,
            capabilities.reach,
            notices=self._news.notices,
            past=past,
            model=self.llm.name,
        )
        _, before = await asyncio.gather(self.context.allowance.begin(), reading)
        async with Steps(self._services, self.context, capabilities) as code:
            self._done = code.done
            return await self._steps(code, before, added)

    async def _steps(self, code: Steps, before: Sequence[Message], added: list[Message]) -> str:
        """Ask, run, show, ask again, until a reply has no code; answers that reply's prose."""
        if self.context.program:
            printed = await code.go_on()
            if not printed:
                return ""
            added.append(Message("user", printed))
        seen: Counter[tuple[str, str]] = Counter()
        for step in range(self._services.settings.steps):
            reply = await self._reply(step, [*before, *added])
            asked = fenced_code(reply)
            if reply:
                added.append(Message("assistant", reply))
            if not asked.pieces and not asked.unclosed:
                if not reply and step == 0 and self.context.owner_waits:
                    raise ModelUnavailable(
                        f"The model {self.llm.name} gave an empty answer. Ask again, or choose another model with "
                        "STOA_MODEL."
                    )
                return reply
            shown = await code.output(step, asked.pieces) if asked.pieces else render_output("", UNCLOSED_FENCE_NOTE)
            added.append(Message("user", shown))
            seen[reply, came := PROGRAM_NUMBER.sub("", shown)] += 1
            if seen[reply, came] == MAX_IDENTICAL_STEPS:
                return await self._stuck()
        return f"I stopped after {self._services.settings.steps} steps without finishing. Should I go on?"

    async def _reply(self, step: int, messages: Sequence[Message]) -> str:
        field, allowance = f"reply.{step}", self.context.allowance
        if field in self._noted:
            noted, usage = decode(self._noted[field])
            allowance.paid(field, Usage(*usage))
            return str(noted)
        asked = self._services.stopping.asked(self._news.root)
        held, _, stopped = await asyncio.gather(self._rights.looked(), self.context.note_label(), asked)
        if stopped:
            raise Stopped
        self.llm = self._services.models(held.model())  # it may have been taken back meanwhile
        await allowance.reserve(field, self.llm.name, messages)
        reply, usage = await self._replies.ask(self.llm, messages)
        noting = self.context.lane.note(field, encode([reply, astuple(usage)]))
        asked = self._services.stopping.asked(self._news.root)
        _, _, stopped = await asyncio.gather(noting, allowance.settle(field, usage), asked)
        if stopped and fenced_code(reply).pieces:  # a reply without code ends the turn anyhow
            raise Stopped
        return reply

    async def _stuck(self) -> str:
        log.warning("%s: the model %s repeats itself; the turn is ended", self._agent.id, self.llm.name)
        words = (
            f"The model wrote the same thing {MAX_IDENTICAL_STEPS} times and got nowhere, so I stopped. "
            "Could you put it another way?"
        )
        if self._agent.speaks_in:
            return words
        await self._services.governor.speak_for(self._agent, self._news, words)
        return ""

    async def _unanswered(self, error: ModelUnavailable, added: list[Message]) -> str:
        """The words about a model that doesn't answer. What no person said is kept for when one does."""
        if len(added) == 1 and await self._kept_for_later() and not self.context.owner_asked:
            added.clear()
            return ""
        if self._agent.guests:
            await self._services.governor.speak_for(self._agent, self._news, str(error))
        why = GUEST_APOLOGY if self._agent.guests else str(error)
        printed = parse_output(added[-1].text) if self.context.program else None
        prose = f"{printed[0]}\n\n{why}" if printed else why
        added.append(Message("assistant", prose))
        return prose

    async def _kept_for_later(self) -> bool:
        told = list(zip(self._news.changes, self._news.notices, strict=False))
        said = {change for change, notice in told if notice.origin is Origin.OWNER}
        later = [change for change, _ in told if change not in said]
        return await self._services.backlog.keep(self._agent.id, later)

    async def _stopped(self, spent: BudgetSpent, added: list[Message]) -> str:
        """The words with which a used-up budget ends the turn, where the agent speaks.

        None where they are said already, or where nobody waits for this turn to say anything.
        """
        begun = len(added) > 1
        self.put_off = self.context.program is not None and not begun
        added.append(Message("assistant", str(spent)))
        if not begun:
            await self._services.governor.park(self._agent, self._news, spent)
        told = await self._services.governor.tell(self._agent, self._news, spent)
        if self.put_off:
            await self._services.waits.put_off(self._agent.id, self._news.program)
            added.clear()
        if told == self._agent.speaks_in or not (begun or self.context.owner_asked):
            return ""
        return GUEST_APOLOGY if self._agent.guests else f"I stopped. {spent}"

    def _halted(self, added: list[Message]) -> str:
        """The words with which a turn ends that a person has stopped: what was done by then."""
        begun = len(added) > 1
        done = ", ".join(f"`{call}`" + (f" {times} times" if times > 1 else "") for call, times in self._done.items())
        prose = "I stopped before I began." if not begun else f"I stopped. Done by then: {done or 'nothing yet'}."
        added.append(Message("assistant", prose))
        return prose if begun or self.context.answers_people else ""

    async def _settle_backlog(self, *, answered: bool) -> None:
        """A model has answered, so that nothing needs to be put off any longer."""
        if answered:
            await self._services.backlog.told(self._agent.id, self._news.taken_up and self._news.changes)

    async def _say(self, prose: str) -> None:
        if not prose or not self._agent.speaks_in:
            return
        self.context.allowance.silent = False
        answered = self.context.answered
        report = not self._agent.coordinator
        await self._services.spaces.open(self._agent.speaks_in, self.context.actor).put(
            prose,
            comment=f"report: {first_words(prose)}" if report else first_words(prose),
            metadata={"kind": "report"} if report else {"role": "assistant"},
            references={"reply_to": answered} if answered else {},
            operation=f"{self._news.turn}.say",
            at_once=not report,
        )

    def _tail(self, images: ShownImages = NO_IMAGES) -> Message:
        now = self.context.began
        others = [waiting for waiting in self._waiting if waiting.id != self._news.program]
        above = [render_now(now), waiting_words(others, now)]
        if self._news.program:
            above.append(f"Your program {self._news.program} goes on.")
        return self._services.prompts.tail("\n\n".join(filter(None, above)), self._news.notices, images)
