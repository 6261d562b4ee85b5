"""Where agents' code runs: it computes in a process of its own and reaches the house only by the calls we answer."""

import asyncio
import builtins
import hashlib
import keyword
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Self
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic_monty import (
    ClassInstance,
    ExternalResult,
    ExternalSettledResult,
    FunctionSnapshot,
    FutureSnapshot,
    MontyComplete,
    MontyError,
    NameLookupSnapshot,
    SyncSnapshot,
)

from core.sandbox.diagnostics import OWN_OBJECT, Surroundings, displayed, ending, missing_module, unreadable
from core.sandbox.lowering import Known, Unsupported
from core.sandbox.marshalling import Arrival, Capability, identified, outward, refusal
from core.sandbox.pool import Guest, Paused, Processes, Resume, Stopped
from core.sandbox.rewriting import RewrittenCode, prepare
from core.sandbox.runs import Answer, Call, Deferred, Image, Run, RunResult
from core.sandbox.standard import CALLED, FUNCTIONS, MODULES, answered

MAX_SOURCE_BYTES = 64_000
MAX_CALLS = 500
"""Calls of the house in one run."""
MAX_PAUSES = 5_000
"""All that one run asks of us: calls, names, imports and the standard library."""
SLEEP = "sleep"
VARIABLES_GONE = "The variables of this session are gone."


Host = Callable[[Call], Awaitable[object]]
"""Answers one call on the event loop, raising what the guest should see."""


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
        self,
        objects: Mapping[str, frozenset[str]],
        functions: frozenset[str],
        values: Mapping[str, object],
        host: Host,
        first: int = 0,
    ) -> AbstractAsyncContextManager["CodeSession"]:
        """A session whose code sees these objects with these methods, these functions and these values.

        An object whose name begins with `:` is one of the house's own, found by the rest of its name; all others are
        spaces.

        Its calls are counted from `first`.
        """
        return _closing(CodeSession(self._processes, objects, functions, values, host, first))


class CodeSession:
    """One agent's code: runs follow one another and share their variables until the session ends."""

    def __init__(
        self,
        processes: Processes,
        objects: Mapping[str, frozenset[str]],
        functions: frozenset[str],
        values: Mapping[str, object],
        host: Host,
        first: int = 0,
    ) -> None:
        self._objects = objects
        self._functions = functions
        self._values = values
        self._host = host
        self._seconds, self._zone = processes.seconds, processes.zone
        self._around = Surroundings(objects, functions, values)
        self._capabilities = {name: _handle(name) for name in objects}
        self._targets: dict[UUID, str] = {handle.id: name for name, handle in self._capabilities.items()}
        self._unbound: dict[str, object] = {}
        self._known = Known()
        self._guest = Guest(processes)
        self._running = asyncio.Lock()
        self._number = first
        self._run = Run()

    async def run(self, code: str, skip: int = 0) -> RunResult:
        """Run code to its end, or to where it waits for what the host cannot answer yet; the session is over then.

        Whatever it does wrong is in the outcome; if we are cancelled, it is stopped at once. The first `skip`
        characters it prints are left out.
        """
        data = code.encode(errors="replace")
        if len(data) > MAX_SOURCE_BYTES:
            return RunResult("", f"The code has {len(data)} bytes, a run may have {MAX_SOURCE_BYTES}; run it in parts.")
        async with self._running:
            self._run = Run(skip=skip)
            try:
                program = await asyncio.to_thread(prepare, data.decode(), self._known)
            except Unsupported as error:
                return RunResult("", f"NotImplementedError: {error}")
            return await self._carried_out(lambda: self._begin(program))

    async def go_on(self, image: Image, known: Collection[str]) -> RunResult:
        """Go on with a program that was written down, as the first thing in this session.

        The calls it has no answers to are asked again. Objects that are not `known` to it are there for later runs.
        """
        async with self._running:
            self._run = Run()
            self._number = image.number
            before = {name.removeprefix(OWN_OBJECT) for name in known}
            self._unbound = {name: handle for name, handle in self._names().items() if name not in before}
            return await self._carried_out(lambda: self._wake(image))

    def connect(self, name: str, methods: frozenset[str]) -> object:
        """Let the code use one more object of the house; answers its handle. Later runs find it among `spaces`."""
        self._objects = {**self._objects, name: methods}
        self._around = Surroundings(self._objects, self._functions, self._values)
        handle = self._capabilities.setdefault(name, _handle(name))
        self._targets[handle.id] = name
        self._unbound |= {each: value for each, value in self._names().items() if each in ("spaces", name)}
        return handle

    async def close(self) -> None:
        """Give the process back; the variables are gone."""
        await self._guest.forget()

    async def _carried_out(self, begin: Callable[[], Awaitable[SyncSnapshot]]) -> RunResult:
        run = self._run
        try:
            error, image = await self._driven(begin)
            self._guest.rest()
            await self._settle()
        except BaseException:
            await _cancel(run.tasks())
            await self._guest.forget()
            raise
        return RunResult(run.output(), error, image, run.characters)

    async def _begin(self, program: RewrittenCode) -> SyncSnapshot:
        names, seed, self._unbound = self._unbound, "", {}
        if not self._guest.begun:
            names = self._names()  # chance differs from turn to turn, yet a replay throws the same dice
            seed = hashlib.blake2b(f"{program.source}{self._values!r}".encode(), digest_size=8).hexdigest()
        return await self._guest.feed(program, names or None, seed, self._run.show)

    async def _wake(self, image: Image) -> SyncSnapshot:
        snapshot = await self._guest.woken(image.state, image.awaited, self._run.show)
        self._run.calls = {id: (call, self._task(call)) for id, call in image.calls.items()}
        if image.standing is None:
            return snapshot
        result = await self._settled(image.standing, self._task(image.standing))
        return await self._guest.resume(lambda paused: paused.resume(result), self._run.show)

    async def _driven(self, begin: Callable[[], Awaitable[SyncSnapshot]]) -> tuple[str | None, Image | None]:
        """Answer the program until it ends or waits; the error it ended with, or its image."""
        try:
            snapshot = await begin()
            while not isinstance(snapshot, MontyComplete):
                self._run.pauses += 1
                if self._run.pauses > MAX_PAUSES:
                    raise Stopped(f"The run asked for more than {MAX_PAUSES} things; do less in one run.")
                snapshot = await self._guest.resume(await self._answer(snapshot), self._run.show)
        except Deferred:
            return await self._written()
        except Stopped as stop:
            await self._guest.forget()
            return f"RuntimeError: {stop} {VARIABLES_GONE}", None
        except MontyError as error:
            return await self._explained(error), None
        return None, None

    async def _written(self) -> tuple[str | None, Image | None]:
        await self._settle()
        awaited = self._guest.awaited()
        try:
            state = await self._guest.written()
        except Stopped as stop:
            return f"RuntimeError: {stop} {VARIABLES_GONE}", None
        calls = {id: call for id, (call, _) in self._run.calls.items()}
        return None, Image(state, awaited, self._number, self._run.standing, calls)

    def _names(self) -> dict[str, object]:
        values = {name: outward(value) for name, value in self._values.items()}
        return values | _spelled(self._capabilities, self._functions | self._values.keys())

    # What the guest asks.

    async def _answer(self, snapshot: Paused) -> Resume:
        match snapshot:
            case FunctionSnapshot() if self._imports_module(snapshot):
                return lambda paused: paused.resume_auto()
            case FunctionSnapshot():
                result = await self._function(snapshot)
                return lambda paused: paused.resume(result)
            case FutureSnapshot():
                first, settled = await self._earliest(snapshot.pending_call_ids)
                return lambda paused: paused.resume({first: settled})
            case NameLookupSnapshot():
                return self._name(snapshot)

    def _imports_module(self, snapshot: FunctionSnapshot) -> bool:
        return (
            snapshot.is_os_function
            and snapshot.function_name == "import"
            and str(snapshot.args[0]).partition(".")[0] in {"urllib", *MODULES}
        )

    def _name(self, snapshot: NameLookupSnapshot) -> Resume:
        """A function or a method that is read without being called; anything else is not defined."""
        name, target, known = snapshot.variable_name, "", self._functions
        if snapshot.object_id is not None:
            target = self._targets.get(snapshot.object_id, "")
            known = self._objects.get(target, frozenset())
        if name not in known:
            return lambda paused: paused.resume()

        def reference() -> None:
            """The guest's handle on a function; its calls come to us under this function's name."""

        reference.__name__ = f"{target}.{name}" if target else name
        return lambda paused: paused.resume(value=reference)

    async def _function(self, snapshot: FunctionSnapshot) -> ExternalResult:
        name, target = str(snapshot.function_name), ""
        if snapshot.is_os_function:
            return await self._system(snapshot, name)
        if snapshot.object_id is None and (name in FUNCTIONS or name == CALLED):
            return self._standard(snapshot, name)
        if snapshot.object_id is None:
            target, _, name = name.rpartition(".")
        elif snapshot.object_id in self._targets:
            target = self._targets[snapshot.object_id]
        else:
            text = f"{name!r} cannot be called: a value has attributes only, methods are on the spaces."
            return refusal(AttributeError(f"{text} {self._around.available('')}"))
        if target and name not in self._objects.get(target, frozenset()):
            return refusal(PermissionError(self._around.allowed(target, name)))
        if not target and name not in self._functions:
            return refusal(NameError(f"name {name!r} is not defined. {self._around.available(name)}"))
        return await self._called(snapshot, target, name, self._guest.awaits(snapshot))

    async def _system(self, snapshot: FunctionSnapshot, name: str) -> ExternalResult:
        match name:
            case "import":
                return refusal(ModuleNotFoundError(missing_module(str(snapshot.args[0]))))
            case "time.sleep" | "asyncio.sleep":
                return await self._called(snapshot, "", SLEEP, awaited=name == "asyncio.sleep")
            case "datetime.now" | "date.today" | "time.time":
                return await self._clock(snapshot, name)
            case "os.urandom":
                return refusal(PermissionError("There is no source of chance here but the module random."))
            case "os.environ" | "os.getenv":
                return refusal(PermissionError("There is no environment here; what you may use was given to you."))
        return refusal(PermissionError("There are no files here; keep text in a variable, or put it into a space."))

    def _standard(self, snapshot: FunctionSnapshot, name: str) -> ExternalResult:
        try:
            return {"return_value": answered(name, snapshot.args, snapshot.kwargs, self._zone)}
        except Exception as error:  # noqa: BLE001 - whatever the library raises is for the guest to see
            return refusal(error)

    async def _clock(self, snapshot: FunctionSnapshot, name: str) -> ExternalResult:
        answer = await self._settled(*self._ask("", "now", [], {}))
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
        arrival = Arrival(before, self._targets)
        try:
            if self._run.asked >= MAX_CALLS:
                raise RuntimeError(f"This run has made {MAX_CALLS} calls; do the rest in another run.")
            args = [arrival.plain(value) for value in snapshot.args]
            named = arrival.plain(snapshot.kwargs)
            assert isinstance(named, dict)
        except (RuntimeError, TypeError, ValueError) as error:
            return refusal(error)
        call, task = self._ask(target, name, args, named)
        if not awaited:
            return await self._settled(call, task)
        self._run.calls[snapshot.call_id] = call, task
        self._run.carried[snapshot.call_id] = arrival.size - before
        return {"future": ...}

    def _ask(self, target: str, name: str, args: list[object], kwargs: dict[str, object]) -> tuple[Call, Answer]:
        call = Call(self._number, target, name, args, kwargs)
        self._number += 1
        self._run.asked += 1
        return call, self._task(call)

    def _task(self, call: Call) -> Answer:
        return asyncio.create_task(self._answered(call), name=f"{call.target}.{call.name}".lstrip("."))

    async def _answered(self, call: Call) -> ExternalSettledResult | None:
        try:
            return {"return_value": outward(await self._host(call))}
        except Deferred:
            return None
        except Exception as error:  # noqa: BLE001 - whatever the house raises is for the guest to see
            return refusal(error)

    async def _earliest(self, pending: Iterable[int]) -> tuple[int, ExternalSettledResult]:
        """The earliest call that is answered, however fast the others, so that a replay is the same."""
        for id in sorted(pending):
            settled = await self._waited(self._run.calls[id][1])
            if settled is not None:
                del self._run.calls[id]
                self._run.carried.pop(id, None)
                return id, settled
        raise Deferred

    async def _settled(self, call: Call, task: Answer) -> ExternalSettledResult:
        settled = await self._waited(task)
        if settled is None:
            self._run.standing = call
            raise Deferred
        return settled

    async def _waited(self, task: Answer) -> ExternalSettledResult | None:
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
        left = self._run.tasks()
        await _cancel(task for task in left if task.get_name() == SLEEP)
        await asyncio.gather(*(task for task in left if not task.done()))

    async def _explained(self, error: MontyError) -> str:
        """The error in words that say what to do; a guest that was stopped has lost its variables."""
        if told := ending(error, self._seconds):
            await self._guest.forget()
            return f"{told} {VARIABLES_GONE}"
        if unreadable(error):
            self._guest.unread()
        return self._around.advised(displayed(error, self._guest.programs))


@asynccontextmanager
async def _closing(session: CodeSession) -> AsyncIterator[CodeSession]:
    try:
        yield session
    finally:
        await session.close()


def _spelled(handles: Mapping[str, ClassInstance], taken: Collection[str]) -> dict[str, object]:
    """The handles by the names that code writes: `spaces`, the house's own, and each space that is a free name."""
    spaces = {name: one for name, one in handles.items() if not name.startswith(OWN_OBJECT)}
    taken = {"spaces", *taken, *vars(builtins), *keyword.kwlist}
    found: dict[str, object] = {"spaces": spaces}
    found |= {name: one for name, one in spaces.items() if name.isidentifier() and name not in taken}
    return found | {name.removeprefix(OWN_OBJECT): one for name, one in handles.items() if name not in spaces}


def _handle(name: str) -> ClassInstance:
    return ClassInstance(
        Capability(name),
        id=uuid5(NAMESPACE_URL, f"stoa:{name}"),
        class_type=identified(Capability),
        eager_attrs=["name"],
    )


async def _cancel(tasks: Iterable[Answer]) -> None:
    for task in (every := list(tasks)):
        task.cancel()
    await asyncio.gather(*every, return_exceptions=True)
