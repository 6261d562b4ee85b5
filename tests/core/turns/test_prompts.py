"""An agent's head: short, the same in every turn, and with help for what it leaves out."""

from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House
from core.testing import ScriptedLLM
from core.turns.prompts import MAX_CONVENTION_CHARS
from tests.core.scenes import said, seat, tell, working
from tests.core.turns.test_turns import code

LONG = "Each atom is one log entry.\n\n" + "Every entry names the day. " * 100


async def seated(house: House) -> Agent:
    agent = await seat(house)
    for name in ("archive", "log"):
        space = await house.spaces.create(name, description=f"About the {name}. {LONG}")
        await space.share(agent.id, Permission.READ)
    return agent


async def test_descriptions_stand_in_full_while_there_is_room_and_then_as_one_paragraph(house: House) -> None:
    await seated(house)
    model = ScriptedLLM("Hello.")
    async with working(house, model):
        await tell(house, "Hi")
        await said(house)
    head = model.seen[0][0].text
    assert head.count("Every entry names the day. ") == 100 <= MAX_CONVENTION_CHARS / 30
    assert 'About the log. Each atom is one log entry. help("log") says more.' in head
    assert head.index("## chat") < head.index("## archive") < head.index("## log")


async def test_help_says_all_about_a_space(house: House) -> None:
    await seated(house)
    model = ScriptedLLM(code('print(help("log"))'), "Read.")
    async with working(house, model):
        await tell(house, "Hi")
        await said(house)
    assert "Every entry names the day." in model.seen[1][-1].text


async def test_the_head_is_the_same_in_every_turn(house: House) -> None:
    await seated(house)
    model = ScriptedLLM("One.", "Two.")
    async with working(house, model):
        for count, text in enumerate(("Hi", "Hi again"), 1):
            await tell(house, text)
            await said(house, count)
    assert model.seen[0][0] == model.seen[1][0]
