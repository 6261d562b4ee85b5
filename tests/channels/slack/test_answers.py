"""Slack: questions with buttons, slash commands, the app's home, answers that grow, and files."""

import re
from pathlib import Path

import pytest

from channels.contract import File, Home, OutboundMessage, Undeliverable
from channels.slack.api import BOT_SCOPES
from channels.slack.channel import Slack
from core.trust.approvals import NO, ONCE, Choice
from tests.channels.slack_app import hearing, listening
from tests.rigs.slack.rig import Rig

QUESTION = "May I *pay* 10 €?"


async def test_a_pressed_button_comes_back_as_the_choice_it_stands_for(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        id = await slack.send(OutboundMessage(dm, QUESTION, choices=(ONCE, NO)))
        await rig.click("alice", dm, id.partition(":")[2], "Yes, once")
        pressed = await heard.next()
        assert (pressed.choice, pressed.reply_to, pressed.conversation) == ("once", id, dm)
        assert (pressed.text, pressed.sender) == ("Yes, once", rig.sender("alice"))
        assert await slack.edit(id, OutboundMessage(dm, f"{QUESTION} Yes, once."))
        (shown,) = await rig.messages(dm)
    assert shown["text"] == f"{QUESTION} Yes, once."
    assert not shown.get("blocks")


async def test_a_press_in_a_thread_belongs_to_the_thread(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} pay")
        asked = await heard.next()
        id = await slack.send(OutboundMessage(asked.conversation, QUESTION, choices=(ONCE, NO)))
        await rig.click("bob", room, id.partition(":")[2], "no")
        pressed = await heard.next(2)
    assert (pressed.conversation, pressed.parent, pressed.room) == (f"{room}:{ts}", room, "garden")


async def test_a_long_question_with_many_choices_is_shown_whole(rig: Rig) -> None:
    choices = tuple(Choice(f"c{number}", f"Choice {number}") for number in range(30))
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        await slack.send(OutboundMessage(dm, "x" * 3_900, choices=choices))
        (shown,) = await rig.messages(dm)
    assert all(block["text"]["verbatim"] for block in shown["blocks"] if block["type"] == "section")  # calls nobody
    assert sum(len(block["text"]["text"]) for block in shown["blocks"] if block["type"] == "section") == 3_900
    assert sum(len(block["elements"]) for block in shown["blocks"] if block["type"] == "actions") == 30


async def test_a_slash_command_is_a_message_in_the_direct_messages(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        answer = await rig.slash("alice", room, "approve k3v9 always")
        dm = await rig.dm("alice")
        message = await heard.next()
        assert (message.conversation, message.text, message.room) == (dm, "approve k3v9 always", "")
        assert answer == {"response_type": "ephemeral", "text": "I'll answer in our direct messages."}
        assert (await rig.look())["ephemerals"][-1]["user"] == rig.users["alice"]
        assert not await rig.slash("alice", dm, "")
        assert (await heard.next(2)).text == "help"


async def test_the_home_shows_what_waits_and_takes_answers(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        await rig.open_home("alice")
        looks = await heard.next()
        assert (looks.kind, looks.sender) == ("home", rig.sender("alice"))
        question = OutboundMessage("", QUESTION, key="q1", choices=(ONCE, NO))
        lines = ("09:00 call *Ana*", "[the plan](https://example.org)")
        await slack.home(looks.sender, Home((("Reminders", lines), ("Tasks", ())), (question,)))
        view = (await rig.look())["homes"][rig.users["alice"]]
        assert [block["type"] for block in view["blocks"]][:3] == ["section", "actions", "divider"]
        assert "<https://example.org|the plan>" in str(view)
        await rig.press_home("alice", "once")
        pressed = await heard.next(2)
        assert (pressed.choice, pressed.conversation, pressed.reply_to) == ("once", await rig.dm("alice"), "")


async def test_a_home_that_is_too_long_is_cut(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        sections = tuple((f"Part {number}", (f"line {number}", "")) for number in range(120))
        await slack.home(rig.sender("alice"), Home(sections))
        assert len((await rig.look())["homes"][rig.users["alice"]]["blocks"]) == 100


async def test_a_thread_is_shown_as_being_worked_on_until_the_turn_is_over(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        await slack.draft(thread, "coordinator", "")
        assert (await rig.look())["sessions"] == {thread: "processing"}
        await slack.draft(thread, "coordinator", "Hel")
        await slack.send(OutboundMessage(thread, "Hello."))
        await slack.draft(thread, "coordinator", "")
        assert (await rig.look())["sessions"] == {thread: "processing"}
        await slack.draft(thread, "coordinator", None)
        await slack.draft(thread, "coordinator", None)
        assert (await rig.look())["sessions"] == {thread: "active"}
        assert len(await rig.calls("agents.sessions.setStatus")) == 2
        assert not await rig.calls("assistant.threads.setStatus")


@pytest.mark.parametrize("error", ["unknown_method", "not_authorized"])
async def test_where_there_are_no_agent_sessions_the_older_status_is_shown(rig: Rig, error: str) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        await rig.fault("agents.sessions.setStatus", error, times=9)
        await slack.draft(thread, "coordinator", "")
        assert (await rig.look())["statuses"] == {thread: "is thinking…"}
        await slack.draft(thread, "coordinator", None)
        assert not (await rig.look())["statuses"]
        await slack.draft(thread, "coordinator", "")
        await slack.send(OutboundMessage(thread, "Hello."))
        await slack.draft(thread, "coordinator", None)
        assert not (await rig.look())["statuses"]
        assert len(await rig.calls("assistant.threads.setStatus")) == 3
        assert len(await rig.calls("agents.sessions.setStatus")) == 1


async def test_the_stop_button_is_heard_and_ends_what_is_shown_as_being_written(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        await slack.draft(thread, "coordinator", "")
        id = await slack.send(OutboundMessage(thread, "One", growing=True))
        await rig.stop("bob", room, ts)
        stop = await heard.next(2)
        assert (stop.kind, stop.conversation, stop.sender) == ("stop", thread, rig.sender("bob"))
        assert (await rig.look())["sessions"] == {thread: "active"}
        assert await slack.edit(id, OutboundMessage(thread, "One. I stopped there."))
        assert await rig.texts(room, ts) == ["One. I stopped there."]
        assert not await rig.calls("chat.stopStream")


async def test_a_status_that_comes_too_often_is_left_out_at_once(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        await rig.fault("agents.sessions.setStatus", after=600)
        await slack.draft(thread, "coordinator", "")
        await slack.send(OutboundMessage(thread, "Hello."))
        assert not await rig.calls("assistant.threads.setStatus")


async def test_prompts_are_suggested_in_the_newer_and_in_the_older_view(rig: Rig) -> None:
    account = rig.account().model_copy(update={"prompts": ("What is new?", "Plan my day")})
    wanted = [{"title": "What is new?", "message": "What is new?"}, {"title": "Plan my day", "message": "Plan my day"}]
    async with Slack(account, rig.secrets()) as slack, hearing(slack):
        for opens in (rig.open_assistant("alice"), rig.open_home("bob", "messages")):
            await opens

        async def suggested() -> bool:
            prompts = (await rig.look())["prompts"]
            return {await rig.dm("alice"), await rig.dm("bob")} == set(prompts)

        await rig.until(suggested)
        assert list((await rig.look())["prompts"].values()) == [wanted, wanted]


GROWING = (
    "I *think",
    "I *think* of ",
    "I *think* of\n\n```\na = 1\n```",
    "I *think* of\n\n```\na = 1\nb < 2\n```\n\nDone.",
)


async def test_an_answer_in_a_thread_grows_as_a_stream_and_ends_as_it_is_written(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        id = await slack.send(OutboundMessage(thread, GROWING[0], growing=True))
        for text in GROWING[1:]:
            assert await slack.edit(id, OutboundMessage(thread, text, growing=True))
        assert list((await rig.look())["streams"].values()) == ["I **think** of\n\n```\na = 1\nb < 2\n```\n\nDone."]
        assert not await rig.calls("chat.update")
        assert await slack.edit(id, OutboundMessage(thread, GROWING[-1]))
        assert await rig.texts(room, ts) == [GROWING[-1]]
        assert not (await rig.look())["streams"]


async def test_a_plain_answer_needs_no_edit_after_its_stream(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        id = await slack.send(OutboundMessage(thread, "Hello", growing=True))
        assert await slack.edit(id, OutboundMessage(thread, "Hello, Bob, how", growing=True))
        assert await slack.edit(id, OutboundMessage(thread, "Hello, Bob, how are you?"))
        assert await rig.texts(room, ts) == ["Hello, Bob, how are you?"]
        assert not await rig.calls("chat.update")
        (begun,) = await rig.calls("chat.startStream")
    assert begun["arguments"]["recipient_user_id"] == rig.users["bob"]


async def test_a_stream_that_dies_goes_on_by_edits(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        id = await slack.send(OutboundMessage(thread, "One", growing=True))
        await rig.expire_streams()
        assert await slack.edit(id, OutboundMessage(thread, "One two", growing=True))
        assert await rig.texts(room, ts) == ["One two"]
        assert await slack.edit(id, OutboundMessage(thread, "One two three", growing=True))
        assert await slack.edit(id, OutboundMessage(thread, "One two three."))
        assert await rig.texts(room, ts) == ["One two three."]
        assert len(await rig.calls("chat.appendStream")) == 1


async def test_an_answer_whose_beginning_changes_goes_on_by_edits(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        id = await slack.send(OutboundMessage(thread, "One", growing=True))
        assert await slack.edit(id, OutboundMessage(thread, "Two words", growing=True))
        assert await rig.texts(room, ts) == ["Two words"]


async def test_where_nothing_streams_answers_grow_by_edits(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        await rig.fault("chat.startStream", "unknown_method", times=5)
        for _ in range(2):
            id = await slack.send(OutboundMessage(thread, "One", growing=True))
            assert await slack.edit(id, OutboundMessage(thread, "One two", growing=True))
            assert await slack.edit(id, OutboundMessage(thread, "One two."))
        assert await rig.texts(room, ts) == ["One two.", "One two."]
        assert len(await rig.calls("chat.startStream")) == 1
        dm = await rig.dm("alice")
        id = await slack.send(OutboundMessage(dm, "One", growing=True))
        assert await slack.edit(id, OutboundMessage(dm, "One two"))
        assert await rig.texts(dm) == ["One two"]


async def test_the_next_process_ends_a_stream_that_one_before_it_began(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        id = await slack.send(OutboundMessage(thread, "One", growing=True))
    async with Slack(rig.account(), rig.secrets()) as slack:
        assert await slack.edit(id, OutboundMessage(thread, "One two."))
        assert await rig.texts(room, ts) == ["One two."]


async def test_a_growing_answer_can_be_taken_away(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        id = await slack.send(OutboundMessage(thread, "One", growing=True))
        await slack.remove(thread, id)
        await slack.remove(thread, id)
        assert await rig.texts(room, ts) == []
        assert not await slack.edit(id, OutboundMessage(thread, "Two"))


async def test_it_can_be_asked_whether_a_message_was_taken(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        await heard.next()
        for conversation in (await rig.dm("alice"), room, f"{room}:{ts}"):
            message = OutboundMessage(conversation, "Hello", key=f"atom:{conversation}")
            assert await slack.find(message) is None
            await rig.fault("chat.postMessage", "internal_error", late=True)
            with pytest.raises(ConnectionError):
                await slack.send(message)
            id = await slack.find(message)
            assert id
            assert id.partition(":")[0] == conversation.partition(":")[0]


async def test_files_are_read_with_the_token_that_never_leaves_slack(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        await rig.upload("alice", dm, "notes.txt", "water the roses")
        message = await heard.next()
        assert message.text == ""
        (file,) = message.files
        assert (file.name, file.media_type, file.size) == ("notes.txt", "text/plain", 15)
        assert await slack.read(file) == b"water the roses"
        elsewhere = rig.url.replace("127.0.0.1", "localhost") + "/elsewhere"
        await rig.settle(redirect=elsewhere)
        for asked in (
            file,
            File("x", "text/plain", 1, elsewhere),
            File("x", "text/plain", 1, "https://slack.com.evil:x/"),
        ):
            with pytest.raises(Undeliverable, match="outside of Slack"):
                await slack.read(asked)
        assert not (await rig.look())["elsewhere"]
        await rig.settle(redirect="")
        await rig.lack("files:read")
        with pytest.raises(Undeliverable, match="files:read"):
            await slack.read(file)


async def test_files_are_shown_in_their_conversation(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} the plan")
        thread = (await heard.next()).conversation
        id = await slack.send_file(thread, "plan.pdf", "application/pdf", b"%PDF-", "k:1")
        (_, shown) = await rig.messages(room, thread=ts)
    assert [(file["id"], file["name"], file["size"]) for file in shown["files"]] == [(id, "plan.pdf", 5)]


def test_the_manifest_asks_for_exactly_what_is_used() -> None:
    manifest = (Path(__file__).parents[3] / "deploy" / "slack-app.yaml").read_text("utf-8")
    _, _, scopes = manifest.partition("    bot:\n")
    assert re.findall(r"- (\S+)", scopes.partition("settings:")[0]) == sorted(BOT_SCOPES)
    assert "- agent_session_stopped\n" in manifest


async def test_without_prompts_of_the_account_there_are_some_to_begin_with(rig: Rig) -> None:
    async with listening(rig):
        await rig.open_home("alice", "messages")
        await rig.until(lambda: rig.calls("assistant.threads.setSuggestedPrompts"))
        (prompts,) = (await rig.look())["prompts"].values()
    assert "What can you do?" in [prompt["title"] for prompt in prompts]


async def test_a_question_that_slack_does_not_take_with_buttons_is_shown_as_text(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        await rig.fault("chat.postMessage", "invalid_blocks")
        await slack.send(OutboundMessage(dm, "May I?", choices=(ONCE, NO)))
        (shown,) = await rig.messages(dm)
        assert (shown["text"], shown.get("blocks") or []) == ("May I?", [])


async def test_what_was_edited_in_place_or_begun_as_a_stream_is_found_by_whoever_serves_next(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        dm = await rig.dm("alice")
        for conversation in (dm, thread):
            begun = OutboundMessage(conversation, "It *is*", key="growing host 1", growing=True)
            assert await slack.find(begun) is None
            id = await slack.send(begun)
            whole = OutboundMessage(conversation, "It *is* so.", key="growing host 1", growing=True)
            async with Slack(rig.account(), rig.secrets()) as next_one:
                assert await next_one.find(whole) == id
                assert await next_one.edit(id, OutboundMessage(conversation, "It *is* so.", key="chat/a:0"))
                assert await next_one.find(OutboundMessage(conversation, "", key="chat/a:0")) == id
                another = OutboundMessage(conversation, "It is so. And so on", key="growing host 2", growing=True)
                assert await next_one.find(another) is None
    assert await rig.texts(room, ts) == ["It *is* so."]
