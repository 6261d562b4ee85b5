"""Steps: the code of a turn runs once, even if a worker dies in between; a program that waits is kept."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from core import errors
from core.atoms.atoms import Atom, id_from
from core.atoms.values import NewSpace, decode, encode
from core.errors import BudgetSpent, InvalidInput, LeaseLost, StoaError, StoreUnavailable
from core.models.frames import render_output
from core.sandbox.runs import Call, Deferred, Image
from core.sandbox.sandbox import CodeSession
from core.tools.waits import MAX_WAITING_PROGRAMS, Wait, Waiting
from core.turns.capabilities import Capabilities
from core.turns.context import Services, TurnContext
from core.turns.programs import Program
from core.turns.signatures import CHANGING_METHODS

PAUSED_NOTE = (
    "The program waits {words}. It goes on by itself then, with its variables, and what it prints comes to you in a "
    "turn of its own. Its id is {id}. Don't write it again; say what there is to say now, or nothing."
)
LOST_PROGRAM_ERROR = (
    "RuntimeError: The program can't go on, because Stoa's sandbox changed while it waited. Start again if needed."
)
TOO_MANY_WAITING = f"{MAX_WAITING_PROGRAMS} of your programs wait. End some with stop_waiting(id) and try again."
WAIT_MARK = "Wait"
MAX_LINE_CHARS = 100


class Interrupted(BaseException):
    """The turn cannot go on here: the store is away, or another worker has the lane."""

    def __init__(self, error: StoaError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class _Ran:
    printed: str = ""
    error: str | None = None
    at: int = 0
    characters: int = 0
    image: Image | None = None


class Steps:
    """Runs the code of a turn, resumed from the turn's journal where an earlier worker left it."""

    def __init__(self, services: Services, context: TurnContext, capabilities: Capabilities) -> None:
        self._services = services
        self._context = context
        self._capabilities = capabilities
        self.done: Counter[str] = Counter()
        """The changes and calls of tools that were carried out, by name."""
        self._noted = context.lane.noted
        self._lane = context.lane
        self._program = context.program
        self._guest: CodeSession | None = None
        self._stack = AsyncExitStack()
        self._first = 0
        self._ran: list[list[str]] = []
        self._answers: dict[int, bytes] = {}
        self._waiting: dict[int, tuple[str, Wait]] = {}
        if program := context.program:
            self._answers.update(program.answers)
            self._waiting.update(program.waits)
            capabilities.heard.update(program.heard)
        self._heard = dict(capabilities.heard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def go_on(self) -> str:
        """Let the program that waited go on; answers what it printed, framed, or nothing if that is nothing."""
        assert self._program
        if "output.woken" in self._noted:
            self._catch_up("woken", None)
            return self._noted["output.woken"].decode()
        ran = await self._open()
        shown = await self._kept("woken", self._program.code, ran, self._program)
        told = shown if ran.printed.strip() or ran.error else ""
        await self._lane.note("output.woken", told.encode())
        return told

    async def output(self, step: int, code: Sequence[str]) -> str:
        """Run a step's code and frame what it printed; done once, even if a crash comes between."""
        field, pieces = f"output.{step}", list(code)
        if field in self._noted:
            self._catch_up(str(step), pieces)
            return self._noted[field].decode()
        if self._guest is None:
            await self._open()
            for earlier in self._ran:
                await self._run(earlier)
        ran = await self._run(pieces)
        shown = await self._kept(str(step), pieces, ran, None)
        await self._lane.note(field, shown.encode())
        return shown

    def _catch_up(self, step: str, code: list[str] | None) -> None:
        if after := self._noted.get(f"paused.{step}"):
            self._begin_anew(int(after))
        elif code is not None:
            self._ran.append(code)

    def _begin_anew(self, first: int) -> None:
        """Let the program that waits have all that has run; the next code begins without its variables."""
        self._program, self._guest, self._ran, self._first = None, None, [], first
        self._answers.clear()
        self._waiting.clear()

    async def _open(self) -> _Ran:
        """A sandbox for the turn's code; the program that waited, if any, is gone on with in it."""
        capabilities, program = self._capabilities, self._program
        notices = program.notices if program else self._context.news.notices
        values = {"changes": notices, "me": self._context.agent.id} | ({"change": notices[0]} if notices else {})
        objects = capabilities.objects
        if program:  # what it has lost since is still there, and refuses
            objects = {name: frozenset[str]() for name in program.objects} | objects
        session = self._services.sandbox(self._context.agent).session(
            objects, frozenset(capabilities.functions), values, self._answer, program.first if program else self._first
        )
        self._guest = await self._stack.enter_async_context(session)
        if not program:
            return _Ran()
        if program.image:
            return await self._woken(program, program.image)
        if not program.answers and program.first < min(program.waits, default=0):
            return _Ran(error=LOST_PROGRAM_ERROR)
        for earlier in program.ran:
            await self._run(earlier)
        return await self._run(program.code, shown_from=program.at, skip=program.characters)

    async def _woken(self, program: Program, image: Image) -> _Ran:
        assert self._guest
        try:
            outcome = await self._guest.go_on(image, program.objects)
        except Interrupted as interrupted:
            raise interrupted.error from None
        ran = _Ran(outcome.printed, outcome.error, program.at, outcome.characters, outcome.image)
        if ran.error or ran.image:
            return ran
        rest = await self._run(program.code, begin=program.at + 1)
        rest.printed = ran.printed + rest.printed
        return rest

    async def _run(self, code: Sequence[str], begin: int = 0, shown_from: int = 0, skip: int = 0) -> _Ran:
        """Run the pieces of one step until one fails or waits; what the first `skip` characters were is known."""
        assert self._guest
        ran = _Ran(at=begin)
        for at, piece in enumerate(code[begin:], begin):
            try:
                outcome = await self._guest.run(piece, skip if at == shown_from else 0)
            except Interrupted as interrupted:
                raise interrupted.error from None
            printed = ran.printed + outcome.printed if at >= shown_from else ""
            ran = _Ran(printed, outcome.error, at, outcome.characters, outcome.image)
            if ran.error or ran.image:
                break
        return ran

    async def _kept(self, step: str, code: list[str], ran: _Ran, before: Program | None) -> str:
        hide = self._services.secrets.redacted  # a program may have pieced a value together
        shown = hide(render_output(ran.printed.rstrip("\n"), ran.error))
        if ran.image is None:
            if before is None:
                self._ran.append(code)
            return shown
        program = self._paused(code, ran, ran.image, before)
        line = " ".join(code[ran.at].split())[:MAX_LINE_CHARS]
        waiting = Waiting(program.id, tuple(wait for _, wait in program.waits.values()), line)
        sealed = self._services.programs.sealed(self._lane.agent, program)
        number = str(ran.image.number).encode()
        await self._lane.keep(f"paused.{step}", number, program.id, waiting.written(), sealed)
        self._services.waits.changed.set()
        self._begin_anew(ran.image.number)
        return f"{shown}\n{PAUSED_NOTE.format(words=waiting.words(self._context.began), id=program.id)}"

    def _paused(self, code: list[str], ran: _Ran, image: Image, before: Program | None) -> Program:
        """The program as it stands now. `before` is what it was when this turn began, if it has gone on in it."""
        session = self._program
        here = {call.number for call in [*image.calls.values(), *([image.standing] if image.standing else [])]}
        again = before is not None and ran.at == before.at
        cause = self._context.actor.cause
        return Program(
            id=id_from(f"{self._context.news.turn}~{image.number}"),
            root=cause.root,
            depth=cause.depth,
            about=self._context.answered,
            first=session.first if session else self._first,
            notices=session.notices if session else self._context.news.notices,
            objects=sorted({*self._capabilities.objects, *(session.objects if session else ())}),
            ran=[*(session.ran if session else ()), *([session.code] if session and not before else ()), *self._ran],
            code=code,
            at=ran.at,
            characters=ran.characters + (before.characters if before and again else 0),
            answers={number: answer for number, answer in self._answers.items() if number not in self._waiting},
            waits={number: made for number, made in self._waiting.items() if number in here},
            heard=dict(self._capabilities.heard),
            image=image,
        )

    async def _answer(self, call: Call) -> object:
        """Answer one call of the agent's code: from the journal, or by doing it and noting the answer."""
        answer = await self._answered(call)
        if isinstance(answer, NewSpace) and self._guest:
            return self._guest.connect(answer.name, self._capabilities.objects.get(answer.name, frozenset()))
        return answer

    async def _answered(self, call: Call) -> object:
        name, number = f"{call.target}.{call.name}", call.number
        made_in, waited = self._waiting.get(number, (self._context.news.turn, None))
        if written := self._noted.get(f"call.{number}"):
            return self._told(call, made_in, written, now=True)
        if number in self._answers:
            return self._told(call, made_in, self._answers[number], now=False)
        try:
            answer = await self._capabilities.answer(call, made_in, waited)
        except (LeaseLost, StoreUnavailable) as error:
            raise Interrupted(error) from error  # past the agent's code, which must not catch it
        except Wait as wait:
            if waited is None and len(await self._services.waits.of(self._lane.agent)) >= MAX_WAITING_PROGRAMS:
                await self._note(number, name, None, [InvalidInput.__name__, TOO_MANY_WAITING])
                raise InvalidInput(TOO_MANY_WAITING) from None
            await self._note(number, name, None, [WAIT_MARK, wait.written()])
            self._waiting[number] = made_in, wait
            raise Deferred from None
        except StoaError as refused:
            if isinstance(refused, BudgetSpent):
                await self._services.governor.tell(self._context.agent, self._context.news, refused)
            await self._note(number, name, None, [type(refused).__name__, str(refused)])
            raise
        await self._note(number, name, answer, None)
        self._count(call)
        return answer

    def _count(self, call: Call) -> None:
        changes = call.name in CHANGING_METHODS
        self._context.allowance.silent &= not changes
        if changes or not call.target:
            self.done[f"{call.target}.{call.name}".lstrip(".")] += 1

    async def _note(self, number: int, name: str, answer: object, error: list[object] | None) -> None:
        heard = dict(self._capabilities.heard)
        written = encode([name, answer, error, *([heard] if heard != self._heard else [])])
        self._heard = heard
        await self._context.note_label()
        await self._lane.note(f"call.{number}", written)
        self._settle(number, written)

    def _told(self, call: Call, made_in: str, written: bytes, *, now: bool) -> object:
        name, (made, answer, error, *heard) = f"{call.target}.{call.name}", decode(written)
        if made != name:
            raise RuntimeError(f"call {call.number} was {made} before the interruption and is {name} now")
        self._settle(call.number, written)
        if now:
            for places in heard:
                self._capabilities.heard.update(places)
                self._heard = dict(self._capabilities.heard)
        if error:
            kind, text = error
            if kind == WAIT_MARK:
                self._waiting[call.number] = made_in, Wait.read(text)
                raise Deferred
            raise getattr(errors, kind)(text)
        if now:
            self._count(call)
        for atom in answer if isinstance(answer, list) else [answer]:
            if now and isinstance(atom, Atom):
                self._context.actor.saw(atom)
        return answer

    def _settle(self, number: int, written: bytes) -> None:
        self._waiting.pop(number, None)
        self._answers[number] = written
