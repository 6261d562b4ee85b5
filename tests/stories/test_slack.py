"""Slack from setting it up to a day with it: answers, approvals by button and by emoji, reminders, rooms, the page."""

import asyncio
import json
from pathlib import Path

from tests.core.fake_openai import Answer, fake_openai
from tests.rigs.slack.workspace import Json
from tests.stories.workspace import Direct, owned, stoa


async def test_the_owner_asks_in_slack_and_answers_what_only_the_owner_may_decide(tmp_path: Path) -> None:
    await asyncio.to_thread(stoa, tmp_path, "space", "create", "diary")
    await asyncio.to_thread(stoa, tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with owned(tmp_path) as (rig, alice):
        await alice.says("hello")
        await alice.reads("Hello!")
        thread = await rig.say("alice", alice.conversation, "hello again")
        await rig.say("alice", alice.conversation, "look for the door code in the space diary", thread)
        card = await alice.reads("need to read “diary”")
        await rig.click("alice", alice.conversation, card["ts"], "Yes, once")
        assert (await alice.reads("4711"))["thread_ts"] == thread  # where it was asked
        settled = await alice.reads("Answered: Yes, once.")
        assert settled["ts"] == card["ts"]
        assert not [block for block in settled.get("blocks", []) if block["type"] == "actions"]
        await alice.says("look for the door code in the space diary")
        again = await alice.reads("I'll take no answer by")
        assert again["ts"] != card["ts"]
        await rig.react("alice", alice.conversation, again["ts"], "x")
        await alice.reads("because the owner said no")
        assert (await alice.reads("Answered: No."))["ts"] == again["ts"]


async def test_a_reminder_comes_as_a_direct_message(tmp_path: Path) -> None:
    async with owned(tmp_path) as (_, alice):
        await alice.says("remind me in 2 seconds to stretch")
        await alice.reads("I'll remind you")
        await alice.reads("Reminder: it is time to stretch.")


async def test_in_a_room_a_mention_is_answered_in_its_thread_and_sees_nothing_private(tmp_path: Path) -> None:
    await asyncio.to_thread(stoa, tmp_path, "space", "create", "diary")
    await asyncio.to_thread(stoa, tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with owned(tmp_path) as (rig, alice):
        room = rig.rooms["home"]
        thread = await rig.say("alice", room, f"{rig.mention} hello")

        async def answered(count: int) -> list[str]:
            texts = await rig.texts(room, thread)
            return texts if len(texts) >= count else []

        (greeting,) = await rig.until(lambda: answered(1), 60)
        assert "Mention me when you need me" in greeting
        await rig.say("bob", room, "what can you do?", thread)  # in a thread of ours nobody need mention us again
        _, answer = await rig.until(lambda: answered(2), 60)
        assert "nothing private" in answer
        for host in [name for name in (await _agents(tmp_path)) if name.startswith("host-")]:
            assert "diary" not in await asyncio.to_thread(stoa, tmp_path, "agent", "show", host)
        ours = [one for one in await rig.messages(room) if one.get("user") == rig.bot]
        assert {one["thread_ts"] for one in ours} == {thread}
        await alice.says("hello")
        await alice.reads("I keep your reminders")


async def _agents(home: Path) -> list[str]:
    return [agent["id"] for agent in json.loads(await asyncio.to_thread(stoa, home, "agent", "list", "--json"))]


async def test_the_page_shows_reminders_tasks_and_questions_to_the_owner_only(tmp_path: Path) -> None:
    async with owned(tmp_path) as (rig, alice):
        await alice.says("add buy milk to my tasks")
        await alice.reads("buy milk")
        await alice.says("remind me tomorrow at 9 to call Ana")
        await alice.reads("I'll remind you")
        bob = Direct(rig, "bob", await rig.dm("bob"))
        await bob.says("hello")
        await alice.reads("Should I let them in?")
        await rig.open_home("bob")
        await rig.open_home("alice")

        async def page() -> str:
            calls = [call for call in await rig.calls("views.publish") if call["ok"]]
            mine = [call for call in calls if call["arguments"]["user_id"] == rig.users["alice"]]
            return str(mine[-1]["arguments"]["view"]) if mine else ""

        shown = await rig.until(page, 60)
        for text in ("buy milk", "call Ana", "Should I let them in?", "I'll take no answer by", "Let them in"):
            assert text in shown
        others = [c for c in await rig.calls("views.publish") if c["arguments"]["user_id"] != rig.users["alice"]]
        assert "buy milk" not in str(others)
        await rig.press_home("alice", "Let them in")
        await bob.reads("Hello!")


async def test_a_slash_command_is_answered_in_the_direct_message(tmp_path: Path) -> None:
    async with owned(tmp_path) as (rig, alice):
        said = await rig.slash("alice", rig.rooms["general"], "add buy bread to my tasks")
        assert said
        await alice.reads("Added to your tasks: buy bread.")


async def test_a_slow_answer_is_seen_growing_and_is_one_message_in_the_end(tmp_path: Path) -> None:
    async with (
        fake_openai(Answer(("Once upon a time",), hangs=True)) as model,
        owned(tmp_path, STOA_MODEL="openai/fake", STOA_MODEL_URL=model.url, OPENAI_API_KEY="sk-test-of-growing") as (
            rig,
            alice,
        ),
    ):
        thread = await rig.say("alice", rig.rooms["home"], f"{rig.mention} tell us a story")
        await alice.says("tell me a story")
        begun = await alice.reads("Once upon a time")

        async def streamed() -> list[Json]:
            return await rig.calls("chat.startStream")

        (stream,) = await rig.until(streamed, 60)
        assert stream["arguments"]["thread_ts"] == thread
        model.over.set()

        async def stopped() -> list[Json]:
            return await rig.calls("chat.stopStream")

        await rig.until(stopped, 60)

        async def edited() -> list[Json]:
            return [call for call in await rig.calls("chat.update") if call["arguments"]["ts"] == begun["ts"]]

        await rig.until(edited, 60)
        assert await rig.texts(rig.rooms["home"], thread) == ["Once upon a time"]
        stories = [text for text in await rig.texts(alice.conversation) if "Once" in text]
        assert stories == ["Once upon a time"]
