"""Where agents' code runs: it computes in a process of its own and reaches the house only by the calls we answer."""

import asyncio
import builtins
import difflib
import hashlib
import keyword
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic_monty import (
    ClassInstance,
    ExternalResult,
    ExternalSettledResult,
    FunctionSnapshot,
    FutureSnapshot,
    MontyComplete,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    NameLookupSnapshot,
)

from core.crossing import Arrival, Capability, outward, refusal
from core.dialect import Program, advice, missing, prepare
from core.errors import InvalidInput
from core.guests import DIED, MEMORY, Guest, Paused, Processes, Resume, Stopped

SOURCE = 64_000
"""Bytes of code in one run."""
PRINTED = 20_000
"""Characters of output that are kept; a run that prints FLOOD of them is stopped."""
FLOOD = 10_000_000
CALLS = 500
"""Host calls in one run. PAUSES counts all it asks of us, names and imports too."""
PAUSES = 5_000
ERROR = 6_000
"""Characters of an error that are shown."""
SLEEP = "sleep"
GONE = "The variables of this session are gone."


@dataclass(frozen=True, slots=True)
class Call:
    """One thing the guest asks of the house: a method of the object `target`, or the function `name` where it is "".

    Calls count from 0 within a session; the same code with the same answers makes the same calls in the same order.
    """

    number: int
    target: str
    name: str
    args: list[object]
    kwargs: dict[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run printed, and the traceback or sentence it ended with, if it did not end well."""

    printed: str
    error: str | None


Host = Callable[[Call], Awaitable[object]]
"""Answers one call on the event loop, raising what the guest shall see."""
Answer = asyncio.Task[ExternalSettledResult]


class Sandbox:
    """The few processes that all agents' code runs in; none is started before it is needed."""

    def __init__(self, processes: int = 4, *, seconds: float = 5.0, zone: str = "UTC") -> None:
        """A run may compute for `seconds`, waiting not counted; `zone` is what is local time inside."""
        self._processes = Processes(processes, seconds, zone)

    async def __aenter__(self) -> Self:
        await self._processes.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._processes.close()

    def session(
        self, objects: Mapping[str, frozenset[str]], functions: frozenset[str], values: Mapping[str, object], host: Host
    ) -> AbstractAsyncContextManager["Session"]:
        """A session whose code sees these objects with these methods, these functions and these values."""
        return _closing(Session(self._processes, objects, functions, values, host))


class Session:
    """One agent's code: runs follow one another and share their variables until the session ends."""

    def __init__(
        self,
        processes: Processes,
        objects: Mapping[str, frozenset[str]],
        functions: frozenset[str],
        values: Mapping[str, object],
        host: Host,
    ) -> None:
        self._objects = objects
        self._functions = functions
        self._values = values
        self._host = host
        self._seconds = processes.seconds
        self._capabilities = {name: ClassInstance(Capability(name), eager_attrs=["name"]) for name in objects}
        self._targets: dict[UUID, str] = {handle.id: name for name, handle in self._capabilities.items()}
        self._guest = Guest(processes)
        self._running = asyncio.Lock()
        self._number = 0
        self._run = _Run()

    async def run(self, code: str) -> Outcome:
        """Run code to its end. Whatever it does wrong is in the outcome; if we are cancelled, it is stopped at once."""
        async with self._running:
            self._run = run = _Run()
            data = code.encode(errors="replace")
            if len(data) > SOURCE:
                return Outcome("", f"The code has {len(data)} bytes, a run may have {SOURCE}; run it in parts.")
            try:
                error = await self._driven(prepare(data.decode()))
                self._guest.rest()
                await self._settle()
            except BaseException:
                await _cancel(run.calls.values())
                await self._guest.forget()
                raise
            return Outcome(run.output(), error)

    async def close(self) -> None:
        """Give the process back; the variables are gone."""
        await self._guest.forget()

    async def _driven(self, program: Program) -> str | None:
        """Answer the program until it ends; the error it ended with."""
        names, seed = None, ""
        if not self._guest.begun:
            names = self._names()  # chance differs from turn to turn, yet a replay throws the same dice
            seed = hashlib.blake2b(f"{program.source}{self._values!r}".encode(), digest_size=8).hexdigest()
        try:
            snapshot = await self._guest.feed(program, names, seed, self._run.show)
            while not isinstance(snapshot, MontyComplete):
                self._run.pauses += 1
                if self._run.pauses > PAUSES:
                    raise Stopped(f"The run asked for more than {PAUSES} things; do less in one run.")
                snapshot = await self._guest.resume(await self._answer(snapshot), self._run.show)
        except Stopped as stop:
            await self._guest.forget()
            return f"RuntimeError: {stop} {GONE}"
        except MontyError as error:
            return await self._explained(error)
        return None

    def _names(self) -> dict[str, object]:
        """What the guest finds bound: the values, `spaces`, and each object whose name can be written as one."""
        taken = self._functions | self._values.keys() | {"spaces", *vars(builtins)}
        spelled = {
            name: handle
            for name, handle in self._capabilities.items()
            if name.isidentifier() and not keyword.iskeyword(name) and name not in taken
        }
        return {name: outward(value) for name, value in self._values.items()} | {"spaces": self._capabilities} | spelled

    # What the guest asks.

    async def _answer(self, snapshot: Paused) -> Resume:
        """How the guest goes on from where it paused."""
        match snapshot:
            case FunctionSnapshot():
                result = await self._function(snapshot)
                return lambda paused: paused.resume(result)
            case FutureSnapshot():  # the earliest call first, however fast the others, so that a replay is the same
                first = min(snapshot.pending_call_ids)
                settled = await self._waited(self._run.calls.pop(first))
                return lambda paused: paused.resume({first: settled})
            case NameLookupSnapshot():
                return self._name(snapshot)

    def _name(self, snapshot: NameLookupSnapshot) -> Resume:
        """A function or a method that is read without being called; anything else is not defined."""
        name, target, known = snapshot.variable_name, "", self._functions
        if snapshot.object_id is not None:
            target = self._targets.get(snapshot.object_id, "")
            known = self._objects.get(target, frozenset())
        if name not in known:
            return lambda paused: paused.resume()

        def reference() -> None:
            """What the guest holds; its calls come to us under this function's name."""

        reference.__name__ = f"{target}.{name}" if target else name
        return lambda paused: paused.resume(value=reference)

    async def _function(self, snapshot: FunctionSnapshot) -> ExternalResult:
        name, target = str(snapshot.function_name), ""
        if snapshot.is_os_function:
            return await self._system(snapshot, name)
        if snapshot.object_id is None:
            target, _, name = name.rpartition(".")
        elif snapshot.object_id in self._targets:
            target = self._targets[snapshot.object_id]
        else:
            text = f"{name!r} cannot be called: a value has attributes only, methods are on the spaces."
            return refusal(AttributeError(f"{text} {self._available('')}"))
        if target and name not in self._objects.get(target, frozenset()):
            return refusal(PermissionError(self._allowed(target, name)))
        if not target and name not in self._functions:
            return refusal(NameError(f"name {name!r} is not defined. {self._available(name)}"))
        return await self._called(snapshot, target, name, self._guest.awaits(snapshot))

    async def _system(self, snapshot: FunctionSnapshot, name: str) -> ExternalResult:
        """What the guest's standard library asks: imports, sleep and the clock are answered, all else is refused."""
        match name:
            case "import":
                return refusal(ModuleNotFoundError(missing(str(snapshot.args[0]))))
            case "time.sleep" | "asyncio.sleep":
                return await self._called(snapshot, "", SLEEP, awaited=name == "asyncio.sleep")
            case "datetime.now" | "date.today" | "time.time":
                return await self._clock(snapshot, name)
            case "os.urandom":
                return refusal(PermissionError("There is no source of chance here but the module random."))
            case "os.environ" | "os.getenv":
                return refusal(PermissionError("There is no environment here; what you may use was given to you."))
        return refusal(PermissionError("There are no files here; keep text in a variable, or put it into a space."))

    async def _clock(self, snapshot: FunctionSnapshot, name: str) -> ExternalResult:
        """The house's clock under the names of the standard library."""
        answer = await self._waited(self._ask("", "now", [], {}))
        told = answer.get("return_value")
        if not isinstance(told, str | datetime):
            return answer
        moment = told if isinstance(told, datetime) else datetime.fromisoformat(told)
        if name == "time.time":
            return {"return_value": moment.timestamp()}
        if name == "date.today":
            return {"return_value": moment.date()}
        zone = snapshot.args[0] if snapshot.args else None
        return {"return_value": moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)}

    async def _called(self, snapshot: FunctionSnapshot, target: str, name: str, awaited: bool) -> ExternalResult:
        """Pass a call on to the house; a future if the guest awaits it, else the answer."""
        before = self._run.under_way()
        arrival = Arrival(before)
        try:
            if self._run.asked >= CALLS:
                raise RuntimeError(f"This run has made {CALLS} calls; do the rest in another run.")
            args = [arrival.plain(value) for value in snapshot.args]
            kwargs = {key: arrival.plain(value) for key, value in snapshot.kwargs.items()}
        except (RuntimeError, TypeError, ValueError) as error:
            return refusal(error)
        task = self._ask(target, name, args, kwargs)
        if not awaited:
            return await self._waited(task)
        self._run.calls[snapshot.call_id] = task
        self._run.carried[task] = arrival.size - before
        return {"future": ...}

    def _ask(self, target: str, name: str, args: list[object], kwargs: dict[str, object]) -> Answer:
        call = Call(self._number, target, name, args, kwargs)
        self._number += 1
        self._run.asked += 1
        return asyncio.create_task(self._answered(call), name=f"{target}.{name}" if target else name)

    async def _answered(self, call: Call) -> ExternalSettledResult:
        try:
            return {"return_value": outward(await self._host(call))}
        except Exception as error:  # noqa: BLE001 - whatever the house raises is for the guest to see
            return refusal(error)

    async def _waited(self, task: Answer) -> ExternalSettledResult:
        """The answer; until it is there, others may have the process."""
        self._guest.rest()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await _cancel([task])
            raise
        return task.result()

    async def _settle(self) -> None:
        """Let calls that the program did not wait for come to their end; only sleep is cut short."""
        left = self._run.calls.values()
        await _cancel(task for task in left if task.get_name() == SLEEP)
        await asyncio.gather(*(task for task in left if not task.done()))

    # What the guest is told.

    async def _explained(self, error: MontyError) -> str:
        """The error in words that say what to do; a guest that was stopped has lost its variables."""
        slow = (
            f"TimeoutError: The code computed for more than {self._seconds:g} s and was stopped. "
            "Do less in one run, or look for a loop that never ends."
        )
        if isinstance(error, MontyCrashedError):
            told = slow if error.timed_out else f"RuntimeError: {DIED}"
        elif isinstance(error, MontyRuntimeError) and not error.traceback() and "time limit" in str(error):
            told = slow
        elif isinstance(error.exception(), MemoryError):
            told = f"{_displayed(error)}\nThe code needed more than {MEMORY >> 20} MB; work in smaller pieces."
        else:
            if isinstance(error, MontySyntaxError) and error.traceback() and error.traceback()[0].filename == "main.py":
                self._guest.unread()
            return self._advised(_displayed(error))
        await self._guest.forget()
        return f"{told} {GONE}"

    def _advised(self, told: str) -> str:
        if undefined := re.search(r"NameError: name '(\w+)' is not defined$", told):
            return f"{told}. {self._available(undefined[1])}"
        if "'Capability' object has no attribute" in told or re.search(r"spaces\[.*\nKeyError: .*$", told, re.DOTALL):
            return f"{told}. {self._available('')}"
        return "\n".join(filter(None, (told, advice(told))))

    def _available(self, name: str) -> str:
        """What there is, with what the name may have meant."""
        named = [*sorted(self._functions), *self._values, "spaces"]
        near = difflib.get_close_matches(name, [*named, *self._objects], 1)
        methods = [f"spaces[{target!r}] has {', '.join(sorted(names))}" for target, names in self._objects.items()]
        return (
            (f"Did you mean {near[0]}? " if near else "") + "; ".join([f"Here are {', '.join(named)}", *methods]) + "."
        )

    def _allowed(self, target: str, name: str) -> str:
        allowed = sorted(self._objects.get(target, ()))
        near = difflib.get_close_matches(name, allowed, 1)
        return (
            f"{name!r} is not allowed on {target!r}; you may use {', '.join(allowed) or 'nothing there'}. "
            f"{f'Did you mean {near[0]}? ' if near else ''}If your task needs it, ask your coordinator."
        )


@dataclass(eq=False)
class _Run:
    """What belongs to one run: its output, its counts, and the calls whose answers it has not taken yet."""

    text: list[str] = field(default_factory=list)
    characters: int = 0
    asked: int = 0
    pauses: int = 0
    calls: dict[int, Answer] = field(default_factory=dict)
    carried: dict[Answer, int] = field(default_factory=dict)

    def show(self, _stream: str, text: str) -> None:
        """Keep the beginning; called on the thread that steps the guest."""
        if self.characters < PRINTED:
            self.text.append(text[: PRINTED - self.characters])
        self.characters += len(text)
        if self.characters > FLOOD:
            raise InvalidInput(f"More than {FLOOD} characters were printed; print a summary.")

    def output(self) -> str:
        cut = self.characters - PRINTED
        note = f"\n[{cut} more characters were printed and left out; print less at a time]" if cut > 0 else ""
        return "".join(self.text) + note

    def under_way(self) -> int:
        """How much the unanswered calls carry."""
        return sum(size for task, size in self.carried.items() if not task.done())


@asynccontextmanager
async def _closing(session: Session) -> AsyncIterator[Session]:
    try:
        yield session
    finally:
        await session.close()


async def _cancel(tasks: Iterable[Answer]) -> None:
    """Cancel the tasks and wait until they are over."""
    for task in (every := list(tasks)):
        task.cancel()
    await asyncio.gather(*every, return_exceptions=True)


def _displayed(error: MontyError) -> str:
    """The traceback, its middle left out where it is long."""
    text = error.display() if isinstance(error, MontyRuntimeError | MontySyntaxError) else str(error)
    return text if len(text) <= ERROR else f"{text[: ERROR // 2]}\n[...]\n{text[-ERROR // 2 :]}"
