"""Slack: what people write there is heard, and what is written shows there, over real sockets."""

from channels.contract import InboundPassage, OutboundMessage
from tests.channels.slack_app import listening
from tests.rigs.slack.rig import Rig


async def test_a_direct_message_is_heard_with_who_wrote_it(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        ts = await rig.say("alice", dm, "Are you &lt;there&gt;?")
        message = await heard.next()
    assert (message.conversation, message.id, message.text) == (dm, f"{dm}:{ts}", "Are you <there>?")
    assert (message.sender, message.name) == (rig.sender("alice"), "alice")
    assert message.addressed
    assert not message.room
    assert message.sent
    assert message.sent.timestamp() == float(ts)


async def test_what_is_sent_shows_where_it_was_sent_to(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        id = await slack.send(OutboundMessage(dm, "Hello *Alice*", key="a:0"))
        (shown,) = await rig.messages(dm)
    assert (shown["text"], f"{dm}:{shown['ts']}") == ("Hello *Alice*", id)


async def test_a_mention_in_a_room_is_answered_in_a_thread_of_it(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} who waters?")
        message = await heard.next()
        assert (message.conversation, message.parent, message.room) == (f"{room}:{ts}", room, "garden")
        assert (message.text, message.addressed) == ("who waters?", True)
        await slack.send(OutboundMessage(message.conversation, "Alice."))
        assert (await rig.texts(room, thread=ts)) == ["Alice."]
        await rig.say("bob", room, "thanks", thread=ts)
        answer = await heard.next(2)
    assert (answer.conversation, answer.parent, answer.addressed) == (f"{room}:{ts}", room, False)
    assert len(heard.messages) == 2


async def test_a_mention_is_heard_once_though_slack_tells_it_twice(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        await rig.say("bob", room, f"{rig.mention} hello")
        await rig.say("bob", room, "and more")
        await heard.next(2)

        async def acknowledged() -> bool:
            log = (await rig.look())["log"]
            return len([one for one in log if one["type"] in ("message", "app_mention")]) == 3

        await rig.until(acknowledged)
    assert [message.text for message in heard.messages] == ["hello", "and more"]
    assert not heard.messages[1].addressed
    assert heard.messages[1].conversation == room


async def test_a_thread_in_a_direct_message_is_a_conversation_of_its_own(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        ts = await rig.say("alice", dm, "the trip")
        await rig.say("alice", dm, "when?", thread=ts)
        message = await heard.next(2)
        assert (message.conversation, message.parent, message.reply_to) == (f"{dm}:{ts}", dm, f"{dm}:{ts}")
        assert message.addressed
        await slack.send(OutboundMessage(message.conversation, "In May."))
        assert await rig.texts(dm, thread=ts) == ["In May."]


async def test_names_of_people_rooms_and_links_are_read_as_people_read_them(rig: Rig) -> None:
    room = await rig.room("garden", private=True)
    bob = rig.users["bob"]
    async with listening(rig) as (_, heard):
        await rig.say(
            "alice",
            room,
            f"{rig.mention} ask <@{bob}> in <#{room}> or <#{room}|here>, see <https://example.org/a|the plan>, "
            "<https://example.org>, <mailto:a@example.org|a@example.org> &amp; <!here>",
        )
        message = await heard.next()
    assert message.text == (
        "ask @bob in #garden or #here, see the plan (https://example.org/a), https://example.org, a@example.org & @here"
    )
    assert message.room == "garden"


async def test_a_mention_of_the_bot_within_a_sentence_is_read_by_its_name(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        await rig.say("bob", room, f"dear {rig.mention}, who waters?")
        message = await heard.next()
    assert (message.text, message.addressed) == ("dear @stoa, who waters?", True)


async def test_a_name_is_asked_for_once(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        for number in range(3):
            await rig.say("bob", room, f"number {number}")
        await heard.next(3)
        assert len(await rig.calls("users.info")) == 1
        assert len(await rig.calls("conversations.info")) == 1


async def test_a_group_message_is_a_room_named_after_who_is_in_it(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        group = await rig.group("alice", "bob")
        await rig.say("alice", group, f"{rig.mention} dinner?")
        message = await heard.next()
    assert message.conversation.startswith(f"{group}:")
    assert message.room


async def test_what_we_wrote_ourselves_is_not_heard(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        id = await slack.send(OutboundMessage(dm, "hello"))
        await slack.edit(id, OutboundMessage(dm, "hello again"))
        await slack.react(dm, id, "👍")
        await slack.remove(dm, id)
        await rig.say("alice", dm, "hm")
        await heard.next()
    assert [message.text for message in heard.messages] == ["hm"]


async def test_an_edit_is_heard_when_the_words_have_changed(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        ts = await rig.say("bob", room, f"{rig.mention} water the roses")
        await rig.edit("bob", room, ts, f"{rig.mention} water the roses")
        await rig.edit("bob", room, ts, f"{rig.mention} water the tulips")
        edit = await heard.next(2)
    assert (edit.kind, edit.id, edit.text) == ("edit", f"{room}:{ts}", "water the tulips")
    assert (edit.conversation, edit.sender) == (heard.messages[0].conversation, rig.sender("bob"))
    assert edit.version


async def test_a_deletion_names_what_was_deleted(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        ts = await rig.say("alice", dm, "oops")
        await rig.delete("alice", dm, ts)
        gone = await heard.next(2)
    assert (gone.kind, gone.id, gone.conversation) == ("deletion", f"{dm}:{ts}", dm)


async def test_a_reaction_is_heard_as_an_emoji_on_a_message(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        id = await slack.send(OutboundMessage(dm, "May I?"))
        ts = id.partition(":")[2]
        await slack.react(dm, id, "1️⃣")
        await slack.react(dm, id, "1️⃣")
        await rig.react("alice", dm, ts, "+1::skin-tone-4")
        reaction = await heard.next()
        assert "one" in await rig.reactions(dm, ts)
    assert (reaction.kind, reaction.text, reaction.reply_to) == ("reaction", "👍", id)
    assert reaction.sender == rig.sender("alice")
    assert len(heard.messages) == 1


async def test_a_program_is_known_as_one(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        await rig.event(
            type="message", subtype="bot_message", channel=room, ts="1.000001", bot_id="B9", username="ci", text="red"
        )
        message = await heard.next()
    assert (message.bot, message.name, message.text) == (True, "ci", "red")


async def test_what_was_passed_on_stands_beside_the_message_and_stays_when_it_is_edited(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        shared = {"is_share": True, "author_name": "Bob", "text": "the key is\nunder the mat"}
        who = rig.users["alice"]
        await rig.event(type="message", channel=dm, ts="1.000001", user=who, text="see", attachments=[shared])
        message = await heard.next()
        before = {"ts": "1.000001", "user": who, "text": "see", "attachments": [shared]}
        now = {**before, "text": "look", "edited": {"user": who, "ts": "2.000000"}}
        told = {"type": "message", "subtype": "message_changed", "channel": dm, "ts": "2.000001"}
        await rig.event(**told, message=now, previous_message=before)
        edit = await heard.next(2)
    passage = InboundPassage("the key is\nunder the mat", "Bob", "forwarded")
    assert (message.text, message.passages) == ("see", (passage,))
    assert (edit.text, edit.passages) == ("look", (passage,))


async def test_an_edit_that_names_us_only_now_is_meant_for_us(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        ts = await rig.say("bob", room, "water the roses")
        await rig.edit("bob", room, ts, f"{rig.mention} water the roses")
        edit = await heard.next(2)
    assert (edit.kind, edit.addressed, edit.conversation) == ("edit", True, f"{room}:{ts}")
    assert edit.text == "water the roses"
