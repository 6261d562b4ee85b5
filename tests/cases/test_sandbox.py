"""Agents' code prints what Python prints, and a lazy expression calls no more than it needs."""

import pytest

from core.sandbox.runs import Call
from core.sandbox.sandbox import Sandbox

CLAIMING = [
    ("print(next((t for t in ['a', 'b', 'c'] if spaces['tasks'].claim(t)), None), calls())", "a ['a']"),
    ("print(next(t for t in ['a', 'b'] if spaces['tasks'].claim(t)), calls())", "a ['a']"),
    ("print(any(spaces['tasks'].claim(t) for t in ['a', 'b']), calls())", "True ['a']"),
    ("for t in (x for x in 'ab' if spaces['tasks'].claim(x)):\n    break\nprint(t, calls())", "a ['a']"),
]
PRINTING = [
    ("d = {'a': 3, 'b': 1}\nprint(max(d, key=d.get))", "a"),
    ("print(sorted(['b', 'A'], key=str.lower))", "['A', 'b']"),
    ("xs = []\nadd = xs.append\nadd(1)\nprint(xs)", "[1]"),
    ("print(round(2.675, 2), round(1.115, 2), f'{2.675:.2f}')", "2.67 1.11 2.67"),
]


@pytest.mark.parametrize(("code", "printed"), [*CLAIMING, *PRINTING])
async def test_code_does_what_python_does(code: str, printed: str) -> None:
    claimed: list[object] = []

    async def host(call: Call) -> object:
        if call.name == "calls":
            return list(claimed)
        claimed.append(call.args[0])
        return True

    async with (
        Sandbox(processes=1, seconds=5) as sandbox,
        sandbox.session({"tasks": frozenset({"claim"})}, frozenset({"calls"}), {}, host) as session,
    ):
        result = await session.run(code)

    assert (result.printed.strip(), result.error) == (printed, None)
