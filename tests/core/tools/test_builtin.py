"""Agents hold Stoa's own tools by name and use them from their code."""

from core.house import House
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working
from tests.core.tools.test_web import Site, site

__all__ = ["site"]


async def test_an_agent_that_holds_a_tool_is_told_of_it_and_one_that_does_not_cannot_call_it(house: House) -> None:
    await seat(house, tools=("web_fetch",))
    llm = ScriptedLLM('```python\nread_feed("https://news.example")\n```', "Done.")
    async with working(house, llm):
        await tell(house, "What is new?")
        await said(house)
    assert "web_fetch(url, start=0): Read a public web page" in llm.seen[0][0].text
    assert "NameError" in llm.seen[1][-1].text


async def test_code_that_asks_for_a_page_inside_the_house_reads_why_not(house: House, site: Site) -> None:
    await seat(house, tools=("web_fetch",))
    llm = ScriptedLLM(f'```python\nprint(web_fetch("{site.url}/admin"))\n```', "No.")
    async with working(house, llm):
        await tell(house, "Look there")
        await said(house)
    assert "127.0.0.1, which is not on the public internet" in llm.seen[1][-1].text
    assert site.asked == []
