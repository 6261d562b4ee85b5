"""The page shows what is in the house, speaks in the chat, and says what was wrong."""

import asyncio

import pytest

from channels.web.rendering import html
from core.agents.agents import Agent
from core.atoms.atoms import OWNER
from core.atoms.permissions import Permission
from core.house import House
from tests.channels.web.browser import browsing
from tests.core.scenes import said, seat, working
from tests.core.turns.test_stopping import HeldLLM
from tests.core.turns.test_turns import code


async def test_a_message_is_put_into_the_chat_as_the_owners(house: House) -> None:
    chat = await house.spaces.create("chat")
    async with browsing(house) as browser:
        assert (await browser.post("/say", {"text": "hello\r\nStoa"})).status == 303
        assert "hello" in (await browser.get("/")).text
    (atom,) = await chat.search()
    assert (atom.content, atom.author, atom.metadata["role"]) == ("hello\nStoa", "owner", "user")


async def test_an_open_page_is_told_of_messages_questions_and_drafts(house: House) -> None:
    chat = await house.spaces.create("chat")
    await house.approvals.prepare()
    async with browsing(house) as browser:
        events = browser.events()
        first = asyncio.ensure_future(anext(events))
        while not first.done():  # until the stream follows the chat
            await chat.put("**answer**", metadata={"role": "assistant"})
            await asyncio.wait([first], timeout=0.1)
        assert first.result()[0] == "message-shown"
        assert "<strong>answer</strong>" in first.result()[1]
        await house.approvals.ask("May I?", asker="assistant")
        while (event := await anext(events))[0] != "questions":
            pass
        assert "May I?" in event[1]
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_question_is_answered_by_its_button_and_then_gone(house: House) -> None:
    await house.spaces.create("chat")
    asked = await house.approvals.ask("May I read *diary*?", asker="assistant")
    async with browsing(house) as browser:
        assert "May I read" in (await browser.get("/")).text
        assert (await browser.post("/answer", {"id": asked.id, "choice": "once"})).status == 303
        assert "May I read" not in (await browser.get("/")).text
        late = await browser.post("/answer", {"id": asked.id, "choice": "no"})
    assert late.status == 409
    assert "decided already: Yes, once" in late.text
    assert (await house.approvals.outcome(asked.id)).granted


async def test_the_stop_button_ends_what_is_under_way(house: House) -> None:
    await seat(house)
    model = HeldLLM(code('chat.put("one", comment="one")'), code('chat.put("two", comment="two")'))
    async with working(house, model), browsing(house) as browser:
        await browser.post("/say", {"text": "Write a lot"})
        await model.asked.get()
        model.let_through.release()
        await model.asked.get()
        assert (await browser.post("/stop", {})).status == 303
        model.let_through.release()
        atoms = await said(house, 2)
    assert [atom.content for atom in atoms][:1] == ["one"]
    assert atoms[1].content.startswith("I stopped.")


async def test_older_messages_are_read_page_by_page(house: House) -> None:
    chat = await house.spaces.create("chat")
    for number in range(60):
        await chat.put(f"message {number:02}", metadata={"role": "user"}, at_once=True)
    async with browsing(house) as browser:
        newest = (await browser.get("/")).text
        older = newest.partition('href="/?after=')[2].partition('"')[0]
        oldest = (await browser.get(f"/?after={older}")).text
    assert "message 59" in newest
    assert "message 00" not in newest
    assert "message 00" in oldest


async def test_spaces_atoms_their_history_references_and_search_are_shown(house: House) -> None:
    notes = await house.spaces.create("notes", description="# Notes\nWhat the owner wants kept.")
    first = await notes.put("The door code is 4711", comment="kept the code")
    second = await notes.put("Ana needs the code", references={"about": [first.id]})
    await notes.update(first.id, content="The door code is 4712", comment="it has changed")
    async with browsing(house) as browser:
        assert "What the owner wants kept." in (await browser.get("/spaces")).text
        found = (await browser.get("/spaces/notes?q=door+code")).text
        shown = (await browser.get(f"/spaces/notes/{first.id}?since=1")).text
        pointing = (await browser.get(f"/spaces/notes/{second.id}")).text
    assert "4712" in found
    assert "it has changed" in shown
    assert "-The door code is 4711" in shown
    assert "Ana needs the code" in shown
    assert f"/spaces/notes/{first.id}" in pointing


async def test_an_edit_on_the_page_is_a_new_version_and_a_stale_one_is_refused(house: House) -> None:
    notes = await house.spaces.create("notes")
    atom = await notes.put("draft")
    async with browsing(house) as browser:
        place = f"/spaces/notes/{atom.id}"
        saved = await browser.post(place, {"content": "better", "comment": "improved", "version": "1"})
        stale = await browser.post(place, {"content": "worse", "comment": "", "version": "1"})
    assert saved.status == 303
    assert stale.status == 409
    assert (await notes.get(atom.id)).content == "better"


async def test_agents_are_shown_as_a_tree_with_their_rights_and_can_be_ended(house: House) -> None:
    await house.spaces.create("notes")
    top = Agent(id="assistant", instructions="Help.", spawner=OWNER.id)
    child = Agent(id="reader-1", instructions="Read.", spawner="assistant", task="read the diary")
    await house.agents.seat(top, {"notes": Permission.WRITE})
    await house.agents.seat(child, {"notes": Permission.READ})
    async with browsing(house) as browser:
        tree = (await browser.get("/agents")).text
        one = (await browser.get("/agents/reader-1")).text
        assert (await browser.post("/agents/reader-1/end", {})).status == 303
    assert tree.index("assistant") < tree.index("read the diary")
    assert "notes (read)" in one
    assert (await house.agents.get("reader-1")).status == "dead"


async def test_timers_can_be_cancelled_and_the_log_and_people_are_shown(house: House) -> None:
    await house.spaces.create("timers")
    timer = await house.timers.set_timer("in 2 hours", "call Ana")
    async with browsing(house) as browser:
        assert "call Ana" in (await browser.get("/timers")).text
        assert "call Ana" in (await browser.get("/log")).text
        assert (await browser.get("/people")).status == 200
        assert (await browser.post(f"/timers/{timer.id}/cancel", {})).status == 303
        assert "No timers are pending" in (await browser.get("/timers")).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/spaces/nowhere", 404),
        ("/spaces/notes/nothing", 404),
        ("/agents/nobody", 404),
        ("/why/notes/nothing", 404),
        ("/spaces/notes?after=nonsense", 400),
        ("/static/pages.py", 404),
        ("/static/..%2faccess.py", 404),
        ("/static/../access.py", 404),
        ("/nowhere", 404),
    ],
)
async def test_a_page_that_is_not_there_says_so(house: House, path: str, status: int) -> None:
    await house.spaces.create("notes")
    async with browsing(house) as browser:
        assert (await browser.get(path)).status == status


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x1b"])
async def test_an_empty_message_is_refused_with_the_reason(house: House, text: str) -> None:
    await house.spaces.create("chat")
    async with browsing(house) as browser:
        answer = await browser.post("/say", {"text": text}, **{"X-Requested-With": "page"})
    assert answer.status == 400
    assert "Write something first" in answer.text


async def test_a_form_that_is_too_long_is_refused(house: House) -> None:
    await house.spaces.create("chat")
    async with browsing(house) as browser:
        answer = await browser.post("/say", {"text": "x" * 2_000_001})
    assert answer.status == 400
    assert "2,000,000 bytes" in answer.text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[press](javascript:alert(1))",
        "[press](JaVaScRiPt:alert(1))",
        "[press](data:text/html,<script>alert(1)</script>)",
        "[press](vbscript:x)",
        "[press](&#106;avascript:alert(1))",
        '[press](https://a.example/"onmouseover="alert(1))',
        "![picture](https://evil.example/track.png)",
        "`<script>`",
        "```html\n<script>alert(1)</script>\n```",
        "<https://evil.example/<script>>",
        "| a |\n|---|\n| <b onclick=alert(1)> |",
        "# <iframe src=//evil.example>",
        "<svg/onload=alert(1)>",
        "<!-- --><style>*{}</style>",
        '"><script>alert(1)</script>',
    ],
)
def test_text_brings_no_markup_of_its_own(text: str) -> None:
    shown = str(html(text)).lower()
    for tag in ("<script", "<img", "<iframe", "<svg", "<style", "<b ", 'href="javascript', 'href="data', 'href="vb'):
        assert tag not in shown
    assert '"onmouseover' not in shown
