"""Everyday Python prints in the sandbox what it prints in CPython; `-s` shows how much of it does."""

import asyncio
import contextlib
import io
from pathlib import Path

from core.sandbox.runs import Call
from core.sandbox.sandbox import Sandbox

CORPUS = Path(__file__).with_name("corpus.txt").read_text().split("\n---\n")
LEAST_SNIPPETS = 120
LEAST_SAME_SHARE = 0.9


def printed_by_cpython(code: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})
    return output.getvalue()


async def sleeping(_: Call) -> None:
    """Answers the only thing that the snippets ask of the house."""


async def test_nine_of_ten_snippets_print_what_cpython_prints_and_the_others_fail_aloud() -> None:
    same, failed, different = 0, [], []
    async with Sandbox(processes=1, seconds=5) as sandbox:
        for code in CORPUS:
            expected = await asyncio.to_thread(printed_by_cpython, code)
            async with sandbox.session({}, frozenset(), {}, sleeping) as session:
                result = await session.run(code)
            if result.error:
                failed.append(f"{code}\n{result.error}")
            elif result.printed != expected:
                different.append(f"{code}\nCPython: {expected}\nsandbox: {result.printed}")
            else:
                same += 1
    print(f"\n{len(CORPUS)} snippets: {same} the same, {len(failed)} errors, {len(different)} different")
    assert len(CORPUS) >= LEAST_SNIPPETS
    assert different == []
    assert same >= LEAST_SAME_SHARE * len(CORPUS), "\n\n".join(failed)
