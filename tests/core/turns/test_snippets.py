"""A corpus of what models write at first try: names, arguments and errors are what they guess."""

import re
from collections.abc import Sequence
from pathlib import Path

from core.agents.instructions import LIBRARY_SPACE
from core.atoms.permissions import Permission
from core.house import House
from core.models.llm import Message
from core.testing import ScriptedLLM
from tests.conventions.conftest import at_work
from tests.core.scenes import seat, tell

LINES = Path(__file__).with_name("snippets.txt").read_text("utf-8").splitlines()
SNIPPETS = [line.rpartition(" => ") for line in LINES if line and not line.startswith("#")]
STEP_SNIPPETS = 15
END = "<end>"


def program(number: int, codes: Sequence[str]) -> str:
    parts = []
    for n, code in enumerate(codes, number):
        body = code.replace("; ", "\n    ")
        parts.append(f"print('<{n}>')\ntry:\n    {body}\nexcept Exception as error:\n    print(error)")
    return "\n".join([*parts, f"print({END!r})"])


async def test_what_models_guess_at_first_try_does_what_they_meant_or_says_what_to_write(house: House) -> None:
    await seat(house)
    library = await house.spaces.create(LIBRARY_SPACE, description="Prompts.")
    await library.share("assistant", Permission.APPEND)
    codes = [code for code, _, _ in SNIPPETS]
    steps = [program(n, codes[n : n + STEP_SNIPPETS]) for n in range(0, len(codes), STEP_SNIPPETS)]
    script, outputs = iter(steps), list[str]()

    def reply(messages: Sequence[Message]) -> str:
        if messages[0].text.startswith("Answer yes."):
            return "yes"
        if messages[0].text.startswith("You are an agent") or messages[0].text.startswith("Be brief"):
            return "Done."
        if "<output>" in messages[-1].text:
            outputs.append(messages[-1].text)
        step = next(script, "")
        return f"```python\n{step}\n```" if step else ""

    async with at_work(house, ScriptedLLM(reply)):
        await tell(house, "Go")
        while len(outputs) < len(steps):
            await house.spaces.open("chat").search()
    printed = dict(re.findall(r"<(\d+)>\n(.*?)(?=\n<(?:\d+|end)>)", "\n".join(outputs), re.DOTALL))
    wrong = [
        f"{code}\n  wanted {pattern}\n  got {printed.get(str(n), 'nothing')[:200]}"
        for n, (code, _, pattern) in enumerate(SNIPPETS)
        if not re.search(pattern, printed.get(str(n), ""))
    ]
    assert not wrong, "\n".join(wrong)
    assert len(SNIPPETS) >= 60
