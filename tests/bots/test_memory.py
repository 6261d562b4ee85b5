"""The memory keeper in its seat."""

from bots.seed import seed
from core.house import House
from core.testing import ScriptedLLM
from tests.core.scenes import said, tell, working


async def test_the_offline_model_is_not_asked_to_judge_what_to_remember(house: House) -> None:
    await seed(house)
    llm = ScriptedLLM(lambda messages: "Hello.")
    async with working(house, llm):
        await tell(house, "I live in Rome")
        await said(house)
    assert not any(seen[0].text.startswith("You keep the personal memory") for seen in llm.seen)
