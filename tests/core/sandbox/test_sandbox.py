"""What code in the sandbox can do, what it is told, and how many sessions share few processes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from core.atoms.atoms import Atom, Origin
from core.errors import NotFound, PermissionDenied
from core.sandbox.runs import Call, Deferred, RunResult
from core.sandbox.sandbox import CodeSession, Host, Sandbox

READ = frozenset({"get", "search", "history"})
APPEND = READ | {"put"}
NOW = datetime(2026, 11, 22, 14, 30, tzinfo=timezone(timedelta(hours=1)))
MILK = Atom("k3", "tasks", "buy milk", {"status": "pending"}, {"about": ["k1"]}, created=NOW, origin=Origin.OWNER)


class House:
    """A host that answers by name and remembers what it was asked."""

    def __init__(self, **replies: object) -> None:
        self.replies = replies
        self.calls: list[Call] = []
        self.asked = asyncio.Condition()

    async def __call__(self, call: Call) -> object:
        self.calls.append(call)
        async with self.asked:
            self.asked.notify_all()
        reply = self.replies.get(call.name)
        if isinstance(reply, Exception):
            raise reply
        answer = reply(call) if callable(reply) else reply
        return await answer if isinstance(answer, Awaitable) else answer

    async def until_asked(self, count: int) -> None:
        async with self.asked:
            await self.asked.wait_for(lambda: len(self.calls) >= count)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(processes=2, seconds=1) as opened:
        yield opened


def opened(
    sandbox: Sandbox,
    host: Host,
    objects: Mapping[str, frozenset[str]] | None = None,
    functions: frozenset[str] = frozenset(),
    values: Mapping[str, object] | None = None,
) -> AbstractAsyncContextManager[CodeSession]:
    """A session; the functions are those the house answers unless they are given."""
    given = functions or (frozenset(host.replies) if isinstance(host, House) else frozenset())
    return sandbox.session(objects or {}, given, values or {}, host)


async def ran(sandbox: Sandbox, code: str, house: House | None = None, **given: object) -> RunResult:
    house = house or House()
    async with opened(sandbox, house, **given) as session:  # type: ignore[arg-type]
        return await session.run(code)


async def printed(sandbox: Sandbox, code: str, house: House | None = None, **given: object) -> str:
    outcome = await ran(sandbox, code, house, **given)
    assert outcome.error is None, outcome.error
    return outcome.printed


def children() -> set[int]:
    """The processes below this one."""
    return {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def ticks(process: int) -> int:
    """How much a process has computed."""
    return int(Path(f"/proc/{process}/stat").read_text().split()[13])


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


# Code reaches the house.


async def test_a_space_is_reached_by_name_and_through_spaces(sandbox: Sandbox) -> None:
    house = House(put=MILK)
    code = 'a = tasks.put("x", comment="c", metadata={"n": 1})\nb = spaces["tasks"].put("y")\nprint(a.id, b.ref)'
    assert await printed(sandbox, code, house, objects={"tasks": APPEND}) == "k3 tasks/k3\n"
    assert house.calls[0] == Call(0, "tasks", "put", ["x"], {"comment": "c", "metadata": {"n": 1}})
    assert house.calls[1] == Call(1, "tasks", "put", ["y"], {})


async def test_a_space_whose_name_is_no_identifier_is_reached_through_spaces(sandbox: Sandbox) -> None:
    house = House(get=MILK)
    assert await printed(sandbox, 'print(spaces["dm-k3"].get("k3").content)', house, objects={"dm-k3": READ})
    assert house.calls[0].target == "dm-k3"


async def test_a_function_is_called_by_name(sandbox: Sandbox) -> None:
    house = House(search=[MILK])
    assert await printed(sandbox, 'print(search("milk", limit=3)[0].content)', house) == "buy milk\n"
    assert house.calls == [Call(0, "", "search", ["milk"], {"limit": 3})]


async def test_a_method_that_is_not_allowed_is_refused_with_those_that_are(sandbox: Sandbox) -> None:
    house = House()
    outcome = await ran(sandbox, 'tasks.update("k3", content="x")', house, objects={"tasks": READ})
    assert outcome.error is not None
    assert "PermissionError: 'update' is not allowed on 'tasks'; you may use get, history, search." in outcome.error
    assert "ask your coordinator" in outcome.error
    assert house.calls == []


async def test_an_unknown_name_is_answered_with_what_it_may_have_meant(sandbox: Sandbox) -> None:
    for code in ("serch('milk')", "x = serch"):
        outcome = await ran(sandbox, code, House(search=[]), objects={"tasks": READ})
        assert outcome.error is not None
        assert "name 'serch' is not defined. Did you mean search?" in outcome.error
        assert "spaces['tasks'] has get, history, search" in outcome.error


async def test_a_misspelt_method_is_answered_with_what_it_may_have_meant(sandbox: Sandbox) -> None:
    outcome = await ran(sandbox, "tasks.serch('milk')", objects={"tasks": READ})
    assert "Did you mean search?" in (outcome.error or "")


async def test_a_method_can_be_kept_in_a_variable(sandbox: Sandbox) -> None:
    house = House(get=MILK)
    assert await printed(sandbox, "get = tasks.get\nprint(get('k3').id)", house, objects={"tasks": READ}) == "k3\n"
    assert house.calls == [Call(0, "tasks", "get", ["k3"], {})]


async def test_a_function_can_be_kept_in_a_variable(sandbox: Sandbox) -> None:
    assert await printed(sandbox, "find = search\nprint(find('x'))", House(search="found")) == "found\n"


# Values cross.


@dataclass(frozen=True)
class Inner:
    text: str


@dataclass(frozen=True)
class Outer:
    inner: Inner
    parts: list[Inner] = field(default_factory=list)


async def test_a_dataclass_shows_its_fields_properties_and_nested_values(sandbox: Sandbox) -> None:
    code = (
        "print(atom.ref, atom.metadata['status'], atom.references['about'][0], atom.origin, atom.created.hour)\n"
        "print(outer.inner.text, outer.parts[0].text)"
    )
    values = {"atom": MILK, "outer": Outer(Inner("a"), [Inner("b")])}
    assert await printed(sandbox, code, values=values) == "tasks/k3 pending k1 owner 14\na b\n"


async def test_values_arrive_plain(sandbox: Sandbox) -> None:
    house = House(f=None)
    code = (
        "from datetime import datetime, date, timezone\n"
        "f(1, 2.5, 'x', True, None, [1, (2,)], {'a': {'b': {3}}}, {1: 2}, date(2026, 1, 2))\n"
        "f(datetime(2026, 1, 2, tzinfo=timezone.utc), at=datetime(2026, 1, 2))\n"
        "class Point:\n    def __init__(self):\n        self.x = 1\nf(Point(), atom, tasks)"
    )
    await printed(sandbox, code, house, values={"atom": Inner("t")}, objects={"tasks": READ})
    assert house.calls[0].args == [1, 2.5, "x", True, None, [1, [2]], {"a": {"b": [3]}}, {"1": 2}, "2026-01-02"]
    assert house.calls[1].args == [datetime(2026, 1, 2, tzinfo=UTC)]
    assert house.calls[1].kwargs == {"at": datetime(2026, 1, 2)}
    assert house.calls[2].args == [{"x": 1}, {"text": "t"}, "tasks"]


async def test_an_answer_that_may_not_enter_is_an_error_for_the_code(sandbox: Sandbox) -> None:
    outcome = await ran(sandbox, "f()", House(f=lambda _: object()))
    assert "TypeError: The answer is a object, which cannot enter the sandbox" in (outcome.error or "")


@pytest.mark.parametrize(
    "error, seen",
    [
        (PermissionDenied("holds read, needs write"), "PermissionError holds read, needs write"),
        (NotFound("no atom k9"), "LookupError no atom k9"),
        (KeyError("k9"), "KeyError 'k9'"),
        (ConnectionError("down"), "OSError down"),
        (ValueError("odd", "two"), "ValueError ('odd', 'two')"),
    ],
)
async def test_what_the_house_raises_keeps_its_builtin_type_and_message(
    sandbox: Sandbox, error: Exception, seen: str
) -> None:
    code = "try:\n    f()\nexcept Exception as error:\n    print(type(error).__name__, error)"
    assert await printed(sandbox, code, House(f=error)) == seen + "\n"


# Waiting.


async def test_calls_under_gather_run_at_the_same_time(sandbox: Sandbox) -> None:
    together = asyncio.Barrier(3)

    async def answer(call: Call) -> object:
        await together.wait()
        return call.args[0]

    code = "import asyncio\nprint(await asyncio.gather(*[f(i) for i in range(3)]))"
    assert await printed(sandbox, code, House(f=answer)) == "[0, 1, 2]\n"


@pytest.mark.parametrize(
    "code",
    [
        "print(await f(1))",
        "print(f(1))",
        "x = f(1)\nprint(await x)",
        "xs = [f(1)]\nfor x in xs:\n    print(await x)",
        "xs = []\nxs.append(f(1))\nimport asyncio\nprint((await asyncio.gather(*xs))[0])",
        "ds = {'a': f(1)}\nimport asyncio\nprint((await asyncio.gather(*ds.values()))[0])",
        "async def one():\n    return await f(1)\nimport asyncio\nprint((await asyncio.gather(one(), one()))[0])",
        "def one():\n    return f(1)\nprint(await one())",
        "import asyncio\nasync def main():\n    print(await f(1))\nasyncio.run(main())",
        "import asyncio\nt = asyncio.create_task(f(1))\nprint(await t)",
        "print(f'{await f(1)}')",
        "é = 'ü'\nprint(await f(len(é)))",
        "print(await f(f(1)))",
    ],
)
async def test_a_call_may_be_awaited_in_any_way_or_not_at_all(sandbox: Sandbox, code: str) -> None:
    assert await printed(sandbox, code, House(f=lambda call: call.args[0])) == "1\n"


async def test_a_function_of_an_earlier_run_may_await(sandbox: Sandbox) -> None:
    async with opened(sandbox, House(f=5)) as session:
        await session.run("x = (")
        await session.run("-" * 9000 + "1")
        await session.run("import asyncio\nasync def later():\n    return (await asyncio.gather(f(), f()))[1]")
        assert await session.run("print(await later())") == RunResult("5\n", None)


async def test_calls_have_the_same_numbers_however_fast_they_are_answered(sandbox: Sandbox) -> None:
    code = (
        "import asyncio\nasync def chain(n):\n    a = await f(n, 'first')\n    return await f(n, 'second')\n"
        "print(await asyncio.gather(chain(0), chain(1), chain(2)))"
    )

    async def asked(slow: int) -> list[tuple[int, list[object]]]:
        rest = asyncio.Event()

        async def answer(call: Call) -> None:
            if call.args[0] == slow:
                await rest.wait()
            elif call.number == 2 - (slow == 2):
                rest.set()

        house = House(f=answer)
        await printed(sandbox, code, house)
        return sorted((call.number, call.args) for call in house.calls)

    assert await asked(0) == await asked(2)


async def test_sleep_of_every_kind_asks_the_house(sandbox: Sandbox) -> None:
    house = House(sleep=None)
    code = (
        "import time, asyncio\nsleep(1)\ntime.sleep(2)\nawait asyncio.sleep(3)\nawait asyncio.gather(asyncio.sleep(4))"
    )
    await printed(sandbox, code, house)
    assert [(call.target, call.name, call.args) for call in house.calls] == [("", "sleep", [n]) for n in (1, 2, 3, 4)]


async def test_the_time_is_the_houses(sandbox: Sandbox) -> None:
    house = House(now=NOW.isoformat())
    code = (
        "import time\nfrom datetime import datetime, date, timezone\nprint(now(), datetime.now(), date.today())\n"
        "print(datetime.now(timezone.utc).isoformat(), time.time())"
    )
    assert await printed(sandbox, code, house) == (
        f"2026-11-22T14:30:00+01:00 2026-11-22 14:30:00 2026-11-22\n2026-11-22T13:30:00+00:00 {NOW.timestamp()}\n"
    )
    assert all(call == Call(call.number, "", "now", [], {}) for call in house.calls)


async def test_chance_is_the_same_for_the_same_code_and_values_and_else_another(sandbox: Sandbox) -> None:
    code = "import random\nprint(random.random())"
    first = await printed(sandbox, code, values={"turn": 1})
    assert await printed(sandbox, code, values={"turn": 1}) == first
    assert await printed(sandbox, code, values={"turn": 2}) != first


async def test_waiting_is_not_computing(sandbox: Sandbox) -> None:
    async with Sandbox(processes=1, seconds=0.2) as quick:
        house = House(f=lambda _: asyncio.sleep(0.1))
        assert (await ran(quick, "for i in range(4):\n    f()\nprint('done')", house)).printed == "done\n"


async def test_a_call_that_nobody_waits_for_is_still_carried_out(sandbox: Sandbox) -> None:
    done: list[object] = []

    async def answer(call: Call) -> None:
        await asyncio.sleep(0)
        done.append(call.args[0])

    code = "import asyncio\na = f(1)\ns = asyncio.sleep(1000)\nif False:\n    await a\n1 / 0"
    outcome = await ran(sandbox, code, House(f=answer, sleep=lambda _: asyncio.sleep(1000)))
    assert "ZeroDivisionError" in (outcome.error or "")
    assert done == [1]


# Runs.


async def test_variables_persist_from_run_to_run_and_end_with_the_session(sandbox: Sandbox) -> None:
    async with opened(sandbox, House()) as session:
        assert await session.run("x = 41") == RunResult("", None)
        assert await session.run("x += 1\nprint(x)") == RunResult("42\n", None)
    assert "NameError" in ((await ran(sandbox, "x")).error or "")


async def test_an_error_shows_the_line_and_leaves_the_variables(sandbox: Sandbox) -> None:
    async with opened(sandbox, House()) as session:
        outcome = await session.run("x = 1\nprint('before')\nprint(x / 0)")
        assert outcome.printed == "before\n"
        assert "line 3" in (outcome.error or "")
        assert "ZeroDivisionError: division by zero" in (outcome.error or "")
        assert (await session.run("print(x)")).printed == "1\n"


async def test_output_is_cut_with_a_note(sandbox: Sandbox) -> None:
    text = await printed(sandbox, "print('a' * 30_000)")
    assert text.startswith("a" * 20_000 + "\n[10001 more characters were printed")


async def test_calls_number_on_from_run_to_run(sandbox: Sandbox) -> None:
    house = House(f=1)
    async with opened(sandbox, house) as session:
        await session.run("f()")
        await session.run("f()")
    assert [call.number for call in house.calls] == [0, 1]


async def test_too_many_calls_are_refused_and_the_next_run_counts_anew(sandbox: Sandbox) -> None:
    house = House(f=1)
    async with opened(sandbox, house) as session:
        outcome = await session.run("for i in range(501):\n    f()")
        assert "RuntimeError: This run has made 500 calls" in (outcome.error or "")
        assert len(house.calls) == 500
        assert (await session.run("print(f())")).printed == "1\n"


async def test_code_that_is_too_long_is_refused(sandbox: Sandbox) -> None:
    assert "a run may have 64000" in ((await ran(sandbox, "#" * 64_001)).error or "")


# What Monty lacks.


@pytest.mark.parametrize(
    "code, told",
    [
        ("class B(dict):\n    pass", "keep one in an attribute"),
        ("def g():\n    with f() as x:\n        yield x", "append to a list instead"),
        ("class A:\n    def __new__(cls):\n        pass", "write a plain method and call it"),
        ("class A:\n    pass\na = A()\na.x = 1\ndel a.x", "assign None"),
        ("import requests", "There is no module 'requests' here. Code here has no network"),
        ("from zoneinfo import ZoneInfo", "local_time(text)"),
        ("any((x := f(n)) for n in [1])", "write a for loop"),
        ("next(n for n in [1] if await f(n))", "write a for loop"),
        ("raise ValueError('a', 2)", "An exception takes one text here"),
        ("class A:\n    def __str__(self):\n        return f(1)\nstr(A())", "Call it in a loop first"),
        ("await 5", "leave out the await"),
        ("open('notes.txt')", "There are no files here"),
        ("import os\nos.environ", "There is no environment here"),
        ("tasks.nothing", "spaces['tasks'] has get, history, search"),
        ("spaces['bus'].get('k1')", "spaces['tasks'] has get, history, search"),
        ("atom.put(1)", "a value has attributes only"),
        ("f(b'x')", "Bytes cannot be passed"),
        ("x = (1", "line 1"),
    ],
)
async def test_what_is_missing_is_named_with_what_to_write_instead(sandbox: Sandbox, code: str, told: str) -> None:
    outcome = await ran(sandbox, code, House(f=1), objects={"tasks": READ}, values={"atom": Inner("t")})
    assert told in (outcome.error or "")


@pytest.mark.parametrize(
    "code, shown",
    [
        ("xs = [1, 2, 3]\ndel xs[0]\nprint(xs)", "[2, 3]"),
        ("d = {'a': 1, 'b': 2}\ndel d['a'], d['b']\nprint(d)", "{}"),
        ("xs = [1, 2, 3]\ndel xs[:2]\nprint(xs)", "[3]"),
        ("x = 1\ndel x\ntry:\n    x\nexcept NameError:\n    print('gone')", "gone"),
        ("print(next(x for x in [5, 6]))", "5"),
        ("print(next((x for x in [] if x), 'none'))", "none"),
        ("print('é', next((x for x in [7])), 'del x')", "é 7 del x"),
    ],
)
async def test_small_gaps_are_bridged(sandbox: Sandbox, code: str, shown: str) -> None:
    assert await printed(sandbox, code) == shown + "\n"


# Sessions, processes and stopping.


@linux
async def test_no_process_is_started_before_the_first_run() -> None:
    before = children()
    async with Sandbox() as sandbox, opened(sandbox, House()) as session:
        assert children() == before
        await session.run("1")
        assert len(children() - before) == 1
    assert children() == before


@linux
async def test_twenty_sessions_share_two_processes_with_their_variables(sandbox: Sandbox) -> None:
    before = children()
    house = House(f=lambda call: asyncio.sleep(0.001, call.args[0]))

    async def one(number: int) -> None:
        async with opened(sandbox, house, values={"atom": MILK}) as session:
            await session.run(f"x = {number}\nimport random\nr = random.random()")
            for _ in range(3):
                code = "import asyncio\nx = f(x)\na, b = await asyncio.gather(f(x), f(2))\nprint(a, b, atom.ref)"
                assert await session.run(code) == RunResult(f"{number} 2 tasks/k3\n", None)

    async with asyncio.timeout(20):
        await asyncio.gather(*(one(number) for number in range(20)))
    assert len(children() - before) <= 2


async def test_sessions_that_wait_do_not_hold_up_others(sandbox: Sandbox) -> None:
    go = asyncio.Event()
    house = House(wait=lambda _: go.wait())
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(ran(sandbox, "wait()\nprint(tasks.name)", house, objects={"tasks": READ})) for _ in "1234"
        ]
        await house.until_asked(4)
        assert await printed(sandbox, "print('served')") == "served\n"
        go.set()
    assert [task.result().printed for task in waiting] == ["tasks\n"] * 4


async def test_sessions_at_rest_do_not_hold_up_others(sandbox: Sandbox) -> None:
    async with opened(sandbox, House()) as one, opened(sandbox, House()) as two, opened(sandbox, House()) as three:
        for number, session in enumerate((one, two, three)):
            await session.run(f"x = {number}")
        assert [(await session.run("print(x)")).printed for session in (one, two, three)] == ["0\n", "1\n", "2\n"]


async def test_processes_are_given_in_the_order_of_asking() -> None:
    order: list[int] = []
    house = House(f=lambda call: order.append(call.args[0]))
    async with Sandbox(processes=1, seconds=2) as sandbox, asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(ran(sandbox, f"for i in range(100000):\n    pass\nf({number})", house))
    assert order == list(range(6))


async def test_a_program_too_big_to_step_aside_is_stopped_for_others() -> None:
    async with Sandbox(processes=1) as sandbox, asyncio.TaskGroup() as group:
        house = House(wait=lambda _: asyncio.Event().wait())
        big = group.create_task(ran(sandbox, "x = 'a' * 20_000_000\nwait()", house))
        await house.until_asked(1)
        assert await printed(sandbox, "print('served')") == "served\n"
        big.cancel()


async def test_a_cancelled_run_is_stopped_while_it_waits(sandbox: Sandbox) -> None:
    ended = asyncio.Event()

    async def forever(_: Call) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    house = House(f=forever)
    running = asyncio.create_task(ran(sandbox, "f()", house))
    await house.until_asked(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()
    assert await printed(sandbox, "print(1)") == "1\n"


@linux
async def test_a_cancelled_run_is_stopped_while_it_computes() -> None:
    before = children()
    async with Sandbox(processes=1, seconds=60) as sandbox:
        house = House(f=1)
        async with opened(sandbox, house) as session:
            running = asyncio.create_task(session.run("f()\nwhile True:\n    pass"))
            await house.until_asked(1)
            (process,) = children() - before
            started = ticks(process)
            while ticks(process) - started < 3:
                await asyncio.sleep(0)
            running.cancel()
            async with asyncio.timeout(5):
                with pytest.raises(asyncio.CancelledError):
                    await running
                assert await session.run("print('again')") == RunResult("again\n", None)


async def test_a_cancelled_run_does_not_take_a_process_with_it() -> None:
    async with Sandbox(processes=1) as sandbox, opened(sandbox, House()) as session:
        for _ in range(20):
            running = asyncio.create_task(ran(sandbox, "print(1)"))
            queued = asyncio.create_task(session.run("print(2)"))
            await asyncio.sleep(0)
            queued.cancel()
            running.cancel()
            await asyncio.gather(queued, running, return_exceptions=True)
        async with asyncio.timeout(5):
            assert await session.run("print(3)") == RunResult("3\n", None)


@linux
@pytest.mark.parametrize("moment", ["between runs", "while it waits"])
async def test_a_process_that_dies_is_an_error_and_the_next_run_works(moment: str) -> None:
    before = children()

    def kill(_: object = None) -> None:
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)

    async with Sandbox(processes=1) as sandbox, opened(sandbox, House(f=kill)) as session:
        assert await session.run("x = 1") == RunResult("", None)
        if moment == "between runs":
            kill()
        outcome = await session.run("f()" if moment == "while it waits" else "print(x)")
        assert "The process this code ran in died. Run it again. The variables of this session" in (outcome.error or "")
        assert await session.run("print(1)") == RunResult("1\n", None)


@linux
async def test_a_process_that_dies_unused_is_replaced_unseen() -> None:
    before = children()
    async with Sandbox(processes=1) as sandbox:
        await printed(sandbox, "print(1)")
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)
        assert await printed(sandbox, "print(1)") == "1\n"


async def test_closing_the_sandbox_ends_what_still_runs() -> None:
    house = House(f=1)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group, Sandbox(processes=1, seconds=60) as sandbox:
        running = group.create_task(ran(sandbox, "f()\nwhile True:\n    pass", house))
        await house.until_asked(1)
    assert "The variables of this session are gone." in (running.result().error or "")


async def test_what_the_house_cannot_mend_stops_the_run_and_is_raised(sandbox: Sandbox) -> None:
    class Broken(BaseException):
        pass

    async def broken(_: Call) -> object:
        raise Broken

    async with opened(sandbox, broken, functions=frozenset({"f"})) as session:
        with pytest.raises(Broken):
            await session.run("try:\n    f()\nexcept BaseException:\n    print('went on')")
        assert await session.run("print(1)") == RunResult("1\n", None)


def test_a_program_that_used_a_sandbox_exits_cleanly() -> None:
    program = (
        "import asyncio\nfrom core.sandbox.sandbox import Sandbox\n"
        "async def host(call): return 1\n"
        "async def main():\n"
        "    async with Sandbox() as sandbox, sandbox.session({}, frozenset({'f'}), {}, host) as session:\n"
        "        assert (await session.run('print(await f())')).printed == '1\\n'\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    started = [
        subprocess.Popen([sys.executable, "-c", program], cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(5)
    ]
    assert [(process.communicate()[1], process.returncode) for process in started] == [("", 0)] * 5


# Nothing is computed before Python would compute it.

CLAIMS = {"tasks": frozenset({"claim"})}


@pytest.mark.parametrize(
    "code, shown, claimed",
    [
        ("print(next((t for t in 'abc' if spaces['tasks'].claim(t)), None))", "b", "ab"),
        ("print(next(t for t in 'abc' if tasks.claim(t)))", "b", "ab"),
        ("print(any(tasks.claim(t) for t in 'abc'))", "True", "ab"),
        ("print(all(tasks.claim(t) for t in 'abc'))", "False", "a"),
        ("for ok in (tasks.claim(t) for t in 'abc'):\n    if ok:\n        break\nprint(ok)", "True", "ab"),
        ("for ok in map(tasks.claim, 'abc'):\n    if ok:\n        break\nprint(ok)", "True", "ab"),
        ("print(any(map(lambda t: tasks.claim(t), 'abc')))", "True", "ab"),
        ("print(next(filter(tasks.claim, 'abc')))", "b", "ab"),
        ("won = (t for t in 'abc' if tasks.claim(t))\nprint('made')\nprint(next(won))", "made\nb", "ab"),
        ("print(True in (tasks.claim(t) for t in 'abc'))", "True", "ab"),
        ("print(next(a + b for a in 'ab' for b in 'bc' if tasks.claim(b)))", "ab", "b"),
        ("print(next(n for n, t in enumerate('abc') if tasks.claim(t)))", "1", "ab"),
        (
            "def free():\n    for t in 'abc':\n        if tasks.claim(t):\n            yield t\nprint(next(free()))",
            "b",
            "ab",
        ),
        ("print([t for t in 'abc' if tasks.claim(t)])", "['b', 'c']", "abc"),
        ("print(sorted('bca', key=lambda t: not tasks.claim(t)))", "['b', 'c', 'a']", "bca"),
        ("print(list(zip('ab', (tasks.claim(t) for t in 'abc'))))", "[('a', False), ('b', True)]", "ab"),
    ],
)
async def test_a_lazy_loop_asks_the_house_no_more_than_it_must(
    sandbox: Sandbox, code: str, shown: str, claimed: str
) -> None:
    house = House(claim=lambda call: call.args[0] != "a")
    assert await printed(sandbox, code, house, objects=CLAIMS) == shown + "\n"
    assert [call.args[0] for call in house.calls] == [*claimed]


async def test_a_generator_goes_on_after_the_program_was_written_down(sandbox: Sandbox) -> None:
    code = "def each():\n    for n in range(3):\n        yield f(n)\nfor n in each():\n    print(n)"
    async with opened(sandbox, House(f=Deferred())) as session:
        outcome = await session.run(code)
    assert outcome.image is not None
    async with opened(sandbox, House(f=lambda call: call.args[0])) as session:
        assert await session.go_on(outcome.image, frozenset()) == RunResult("0\n1\n2\n", None)


async def test_later_runs_know_the_classes_and_generators_of_earlier_ones(sandbox: Sandbox) -> None:
    async with opened(sandbox, House()) as session:
        await session.run("class A:\n    def f(self):\n        return 'A'\ndef two():\n    yield 1\n    yield 2")
        outcome = await session.run("class B(A):\n    pass\nprint(B().f(), isinstance(B(), A), list(two()))")
    assert outcome == RunResult("A True [1, 2]\n", None)


async def test_an_error_is_shown_with_the_lines_that_were_written(sandbox: Sandbox) -> None:
    code = "def gen():\n    yield 1\n\nfor x in gen():\n    y = x + 1\n    print(1 /\n          0)"
    error = (await ran(sandbox, code)).error or ""
    assert "line 6, in <module>\n    print(1 /" in error
    assert error.endswith("ZeroDivisionError: division by zero")
    assert "_py_" not in error


async def test_an_error_class_of_the_program_is_named_when_nobody_catches_it(sandbox: Sandbox) -> None:
    error = (await ran(sandbox, "class TooBig(ValueError):\n    pass\nraise TooBig('41 cm')")).error or ""
    assert error.endswith("TooBig: 41 cm")


async def test_a_class_called_capability_is_a_value_like_any_other(sandbox: Sandbox) -> None:
    house = House(f=None)
    code = "class Capability:\n    def __init__(self, name):\n        self.name = name\nf(Capability('bus'), tasks)"
    await printed(sandbox, code, house, objects={"tasks": READ})
    assert house.calls[0].args == [{"name": "bus"}, "tasks"]


async def test_what_a_program_names_like_the_builtins_is_its_own(sandbox: Sandbox) -> None:
    code = "def round(x):\n    return 'mine'\nany = lambda xs: 'ours'\nprint(round(2.675), any(f(x) for x in [1]))"
    assert await printed(sandbox, code, House(f=1)) == "mine ours\n"
