"""Slack: what people write there is heard, and what is written shows there, over real sockets."""

from channels.contract import OutboundMessage
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
