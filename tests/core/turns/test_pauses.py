"""A program that calls what has no answer yet is written down, and goes on from there in any process."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping

import pytest

from core.atoms.atoms import Atom
from core.sandbox.runs import Call, Deferred, Image, RunResult
from core.sandbox.sandbox import Sandbox

OBJECTS: Mapping[str, frozenset[str]] = {"tasks": frozenset({"search"}), "a-b": frozenset()}
FUNCTIONS = frozenset({"later", "f"})


class Host:
    """Answers what it has answers for; everything else has to wait."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[tuple[int, str]] = []

    async def __call__(self, call: Call) -> object:
        self.asked.append((call.number, call.name))
        name = f"{call.name}{''.join(map(str, call.args))}"
        if name not in self.answers:
            raise Deferred
        return self.answers[name]


async def paused(code: str, host: Host, first: int = 0) -> RunResult:
    async with Sandbox(1) as sandbox, sandbox.session(OBJECTS, FUNCTIONS, {"x": 40}, host, first) as session:
        return await session.run(code)


async def resumed(image: Image | None, host: Host, *then: str) -> list[RunResult]:
    assert image
    async with Sandbox(1) as sandbox, sandbox.session(OBJECTS, FUNCTIONS, {}, host) as session:
        return [await session.go_on(image, OBJECTS), *[await session.run(code) for code in then]]


async def test_a_program_goes_on_with_its_variables_and_prints_only_what_is_new() -> None:
    before = await paused("y = x + 2\nprint('before')\nprint(later(), y)", Host())
    assert (before.printed, before.error) == ("before\n", None)
    after, more = await resumed(before.image, Host(later="woke"), "print(y)")
    assert (after, more) == (RunResult("woke 42\n"), RunResult("42\n"))


async def test_it_may_wait_anywhere() -> None:
    code = "def g(n):\n    return n + later(n)\nfor n in range(3):\n    print(g(n))"
    first = await paused(code, Host(later0=10))
    assert first.printed == "10\n"
    (second,) = await resumed(first.image, Host(later1=10))
    assert second.printed == "11\n"
    (third,) = await resumed(second.image, Host(later2=10))
    assert third == RunResult("12\n")


async def test_calls_go_on_being_counted() -> None:
    first, second = Host(f=1), Host(f=1, later=2)
    image = (await paused("f()\nlater()\nf()", first, first=7)).image
    await resumed(image, second)
    assert first.asked == [(7, "f"), (8, "later")]
    assert second.asked == [(8, "later"), (9, "f")]


async def test_of_calls_made_together_each_is_answered_when_it_can_be() -> None:
    code = "import asyncio\nprint(await asyncio.gather(later(1), f(), later(2)))"
    first = await paused(code, Host(f="at once"))
    (second,) = await resumed(first.image, Host(later2="b"))
    assert second.image
    (third,) = await resumed(second.image, Host(later1="a"))
    assert third == RunResult("['a', 'at once', 'b']\n")


async def test_a_call_begun_before_the_pause_is_awaited_after_it() -> None:
    code = "async def go():\n    return await f(1)\nimport asyncio\nt = f(1)\nlater()\nprint(await t)"
    host = Host(f1="one")
    first = await paused(code, host)
    (second,) = await resumed(first.image, Host(f1="one", later=None))
    assert second == RunResult("one\n")


async def test_objects_are_the_same_ones_in_another_process_and_obey_what_is_allowed_now() -> None:
    task = Atom("k1", "tasks", "buy milk")
    code = "found = tasks.search()[0]\nlater()\nprint(found.content, tasks.search()[0].id, spaces['a-b'].name)"
    before = await paused(code, Host(search=[task]))
    assert before.image
    (after,) = await resumed(before.image, Host(later=1, search=[task]))
    assert after == RunResult("buy milk k1 a-b\n")
    async with Sandbox(1) as sandbox, sandbox.session({"tasks": frozenset()}, FUNCTIONS, {}, Host(later=1)) as session:
        refused = await session.go_on(before.image, OBJECTS)
    assert "'search' is not allowed on 'tasks'" in (refused.error or "")


async def test_a_space_given_meanwhile_is_there_once_the_program_is_over() -> None:
    before = await paused("later()", Host())
    assert before.image
    objects = {**OBJECTS, "plans": frozenset({"search"})}
    async with Sandbox(1) as sandbox, sandbox.session(objects, FUNCTIONS, {}, Host(later=1, search=[])) as session:
        await session.go_on(before.image, OBJECTS)
        assert await session.run("print(plans.search(), len(spaces))") == RunResult("[] 3\n")


async def test_an_error_after_the_pause_names_its_line() -> None:
    before = await paused("a = 1\nlater()\na / 0", Host())
    (after,) = await resumed(before.image, Host(later=1))
    assert "ZeroDivisionError" in (after.error or "")
    assert "line 3" in (after.error or "")


async def test_a_refusal_after_the_wait_is_raised_in_the_program() -> None:
    async def no(call: Call) -> object:
        raise PermissionError("the owner said no")

    before = await paused("try:\n    later()\nexcept PermissionError as error:\n    print(error)", Host())
    assert before.image
    async with Sandbox(1) as sandbox, sandbox.session(OBJECTS, FUNCTIONS, {}, no) as session:
        assert await session.go_on(before.image, OBJECTS) == RunResult("the owner said no\n")


async def test_what_was_printed_before_is_left_out_when_the_code_runs_again() -> None:
    code = "print('before')\nlater()\nprint('after')"
    before = await paused(code, Host())
    async with Sandbox(1) as sandbox, sandbox.session(OBJECTS, FUNCTIONS, {}, Host(later=1)) as session:
        assert await session.run(code, skip=before.characters) == RunResult("after\n")


async def test_a_state_that_is_none_is_an_error_and_no_harm() -> None:
    (after,) = await resumed(Image(b"nonsense", [frozenset()], 1, None, {}), Host())
    assert "RuntimeError" in (after.error or "")


@pytest.mark.parametrize("others", [0, 3])
async def test_a_program_that_pauses_leaves_its_process_to_others(others: int) -> None:
    async with Sandbox(1) as sandbox, asyncio.TaskGroup() as group:

        async def one() -> RunResult:
            async with sandbox.session(OBJECTS, FUNCTIONS, {}, Host()) as session:
                return await session.run("z = 5\nlater()\nprint(z)")

        tasks = [group.create_task(one()) for _ in range(others + 1)]
        images = [(await task).image for task in tasks]
        for image in images:
            assert image
            async with sandbox.session(OBJECTS, FUNCTIONS, {}, Host(later=1)) as session:
                assert await session.go_on(image, OBJECTS) == RunResult("5\n")


async def test_an_image_is_small_and_goes_on_in_another_python() -> None:
    image = (await paused("word = 'kept'\nlater()\nprint(word)", Host())).image
    assert image
    assert len(image.state) < 20_000
    program = f"""
import asyncio
from core.sandbox.runs import Call, Image
from core.sandbox.sandbox import Sandbox
async def host(call):
    return 1
async def main():
    call = Call(0, '', 'later', [], {{}})
    async with Sandbox(1) as sandbox, sandbox.session({{}}, frozenset(['later']), {{}}, host) as session:
        print((await session.go_on(Image({image.state!r}, [frozenset()], 1, call, {{}}), [])).printed)
asyncio.run(main())
"""
    printed = await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", program], text=True)
    assert printed.strip() == "kept"
