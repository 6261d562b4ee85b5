"""Every recipe that teaches agents how to use a space runs in the real sandbox, in the order of its file."""

from collections.abc import Sequence

import pytest

from conventions.loading import load, names, text
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House
from core.models.frames import parse_output
from core.models.llm import Message
from core.models.recipes import Recipe, bind, parse
from core.testing import ScriptedLLM
from tests.core.scenes import said, tell, working

SPACE = "shared"
MAX_DESCRIPTION_CHARS = 1_200
"""Every agent that is connected to a space pays for its description in every turn."""
TAUGHT = (
    *("channel", "chat", "coordinator-bus", "document", "knowledge-base", "personal-memory", "prompt-library"),
    *("scratchpad", "task-list", "timers"),
)
"""The conventions whose recipes build on one another, from an empty space on."""


MAIL = ("mail", "mail-findings", "mail-rules")


async def outputs(
    house: House, recipes: list[Recipe], description: str, others: Sequence[str] = ()
) -> list[tuple[str, str | None]]:
    """What each recipe printed and its error, run one after the other by one agent."""
    await house.spaces.create("chat", description="Where people and the assistant talk.")
    await house.spaces.create(SPACE, description=description)
    for other in others:
        await house.spaces.create(other, description=text(other))
    agent = Agent(id="assistant", instructions="Help.", speaks_in="chat")
    held = {"chat": Permission.WRITE, SPACE: Permission.GRANT, **dict.fromkeys(others, Permission.WRITE)}
    await house.agents.seat(agent, held, ("chat",))
    script = iter([part for one in recipes for part in (f"```python\n{bind(one, SPACE).code}\n```", "Done.")])
    seen: list[str] = []

    def answer(messages: Sequence[Message]) -> str:
        if f"grant on {SPACE}" not in messages[0].text:  # an agent that a recipe has spawned
            return ""
        seen.append(messages[-1].text)
        return next(script)

    llm = ScriptedLLM(answer)
    async with working(house, llm):
        for number, recipe in enumerate(recipes):
            await tell(house, recipe.asks[0])
            await said(house, number + 1)
    return [parse_output(text) or ("", "nothing ran") for text in seen[1::2]]


@pytest.mark.parametrize("name", TAUGHT)
async def test_the_recipes_of_a_convention_run_one_after_the_other(name: str, house: House) -> None:
    whole = [one for one in load(name).recipes if "change.metadata" not in one.code and "timer" not in one.code]
    recipes = whole if name == "coordinator-bus" else list(load(name).recipes)
    found = await outputs(house, recipes, text(name))
    assert len(found) == len(recipes)
    for recipe, (printed, error) in zip(recipes, found, strict=True):
        assert error is None, f"{recipe.title}: {error}"
        assert printed.strip() or "print(" not in recipe.code, recipe.title


async def test_the_recipes_about_mail_run_in_its_spaces(house: House) -> None:
    recipes = [recipe for name in MAIL for recipe in load(name).recipes]
    findings = await house.spaces.create("mail-findings", description=text("mail-findings"))
    await findings.put("The hotel confirms.", metadata={"kind": "mail finding", "from": "Hotel"})
    found = await outputs(house, recipes, "Anything.", MAIL)
    assert "- Hotel: The hotel confirms." in [printed.strip() for printed, _ in found]
    assert [error for _, error in found] == [None] * len(recipes)
    assert all(printed.strip() for printed, _ in found)
    rules = await house.spaces.open("mail-rules").search()
    assert {rule.metadata["rule"] for rule in rules} == {"always", "mute"}


@pytest.mark.parametrize("name", names())
def test_a_description_is_short_enough_to_be_in_every_turn(name: str) -> None:
    assert len(load(name).description) <= MAX_DESCRIPTION_CHARS


def test_every_convention_can_be_read() -> None:
    for name in names():
        assert parse(text(name)).name
