"""What every channel promises, whatever the platform: one suite, played on each of them against its stand-in."""

from collections.abc import AsyncIterator

import pytest

from channels.contract import (
    Channel,
    ChannelClosed,
    Confirms,
    Edits,
    OutboundMessage,
    Reacts,
    ReadsFiles,
    Remembers,
    SendsFiles,
    Undeliverable,
)
from core.trust.approvals import Choice
from tests.channels import stages
from tests.channels.stages import Stage, until_seen
from tests.rigs.discord.rig import DiscordRig
from tests.rigs.slack.rig import Rig
from tests.rigs.telegram.rig import TelegramRig

CHANNELS = ("loopback", "terminal", "slack", "telegram", "email", "discord")
ODD = "5 < 6 & 7 > 3, *not bold_, `~`, <!channel> <@U0> [a](b) 🦊 \\o/ # no heading"
LONG = "\n\n".join(f"Paragraph {number} has a sentence. And it has one more. " + "word " * 60 for number in range(100))


@pytest.fixture(params=CHANNELS)
async def stage(
    request: pytest.FixtureRequest, rig: Rig, telegram_rig: TelegramRig, discord_rig: DiscordRig
) -> AsyncIterator[Stage]:
    opens = {
        "loopback": stages.loopback(),
        "terminal": stages.pipe(),
        "slack": stages.slack(rig),
        "telegram": stages.telegram(telegram_rig),
        "email": stages.email(),
        "discord": stages.discord(discord_rig),
    }
    async with opens[request.param] as opened:
        yield opened


def able(channel: Channel, *abilities: type) -> None:
    """Skip what the platform has not; which those are is written down in `test_what_each_channel_can_do`."""
    for ability in abilities:
        if not isinstance(channel, ability):
            pytest.skip(f"{channel.name} has no such thing")


async def test_what_a_person_writes_is_heard_once_with_who_and_where(stage: Stage) -> None:
    await stage.says("hello there")
    await stage.says("and goodbye")
    await stage.heard.next(2)
    first, second = stage.heard.messages
    assert (first.text, second.text) == ("hello there", "and goodbye")
    assert (first.conversation, first.sender, first.room) == (stage.conversation, stage.person, "")
    assert first.addressed
    assert first.id
    assert first.id != second.id


async def test_what_is_sent_is_read_by_the_person_in_order(stage: Stage) -> None:
    names = [await stage.channel.send(OutboundMessage(stage.conversation, text)) for text in ("one", "two", "three")]
    assert len(set(names)) == 3
    seen = await until_seen(stage, lambda seen: "three" in seen)
    assert seen.index("one") < seen.index("two") < seen.index("three")


async def test_the_person_can_be_reached_where_they_wrote(stage: Stage) -> None:
    await stage.says("hello")
    heard = await stage.heard.next()
    assert await stage.channel.direct(heard.sender) in (heard.conversation, heard.parent)


async def test_a_text_full_of_marks_is_read_as_it_is_and_calls_nobody(stage: Stage) -> None:
    for part in stage.channel.dialect.messages(f"```\n{ODD}\n```"):
        await stage.channel.send(OutboundMessage(stage.conversation, part))
    seen = await until_seen(stage, lambda seen: "heading" in seen)
    readable = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert ODD in readable
    assert stage.channel.name != "slack" or "<!channel>" not in seen


async def test_a_text_of_any_length_is_read_whole_in_messages_that_fit(stage: Stage) -> None:
    parts = stage.channel.dialect.messages(LONG)
    for part in parts:
        await stage.channel.send(OutboundMessage(stage.conversation, part))
    seen = await until_seen(stage, lambda seen: "Paragraph 99 " in seen)
    assert [f"Paragraph {number} " in seen for number in range(100)] == [True] * 100
    assert len(LONG) > 30_000
    assert stage.channel.name != "slack" or len(parts) > 5


async def test_a_message_for_nobody_is_refused_and_the_next_one_is_shown(stage: Stage) -> None:
    if stage.channel.name == "terminal":
        pytest.skip("a terminal has one conversation, whatever it is called")
    with pytest.raises((Undeliverable, ChannelClosed)):
        await stage.channel.send(OutboundMessage("nowhere", "hello"))
    await stage.channel.send(OutboundMessage(stage.conversation, "hello"))
    await until_seen(stage, lambda seen: "hello" in seen)


async def test_a_choice_comes_back_by_its_id(stage: Stage) -> None:
    choices = (Choice("q7:once", "Yes, once"), Choice("q7:no", "No"))
    name = await stage.channel.send(OutboundMessage(stage.conversation, "May I?", choices=choices))
    await until_seen(stage, lambda seen: "May I?" in seen)
    await stage.presses("No")
    pressed = await stage.heard.next()
    assert (pressed.choice, pressed.sender, pressed.conversation) == ("q7:no", stage.person, stage.conversation)
    assert pressed.reply_to in (name, "")


async def test_what_was_sent_can_be_changed(stage: Stage) -> None:
    able(stage.channel, Edits)
    if stage.channel.name == "terminal":
        pytest.skip("what a terminal has shown stays; only an open question there is settled")
    assert isinstance(stage.channel, Edits)
    name = await stage.channel.send(OutboundMessage(stage.conversation, "before"))
    assert await stage.channel.edit(name, OutboundMessage(stage.conversation, "after"))
    seen = await until_seen(stage, lambda seen: "after" in seen)
    assert "before" not in seen


async def test_it_is_known_whether_a_message_was_taken(stage: Stage) -> None:
    able(stage.channel, Confirms)
    assert isinstance(stage.channel, Confirms)
    sent = OutboundMessage(stage.conversation, "hello", key="chat/a:0")
    name = await stage.channel.send(sent)
    assert await stage.channel.find(sent) == name
    assert await stage.channel.find(OutboundMessage(stage.conversation, "hello", key="chat/b:0")) is None


async def test_an_emoji_is_heard_and_our_own_is_not(stage: Stage) -> None:
    able(stage.channel, Reacts)
    assert isinstance(stage.channel, Reacts)
    name = await stage.channel.send(OutboundMessage(stage.conversation, "May I?"))
    await stage.channel.react(stage.conversation, name, "❌")
    await stage.reacts("✅")
    heard = await stage.heard.next()
    assert (heard.kind, heard.text, heard.reply_to, heard.sender) == ("reaction", "✅", name, stage.person)
    await stage.says("that is all")
    assert (await stage.heard.next(2)).text == "that is all"


async def test_a_file_comes_with_its_bytes(stage: Stage) -> None:
    able(stage.channel, ReadsFiles)
    assert isinstance(stage.channel, ReadsFiles)
    await stage.attaches("plan.txt", "we meet at nine")
    heard = await stage.heard.next()
    (file,) = heard.files
    assert (file.name, file.size) == ("plan.txt", 15)
    assert await stage.channel.read(file) == b"we meet at nine"


async def test_a_file_is_sent(stage: Stage) -> None:
    able(stage.channel, SendsFiles)
    assert isinstance(stage.channel, SendsFiles)
    assert await stage.channel.send_file(stage.conversation, "tasks.csv", "text/csv", b"a,b\n1,2\n", "chat/a:1")


async def test_what_was_said_while_nobody_listened_is_told_when_asked_for(stage: Stage) -> None:
    able(stage.channel, Remembers)
    assert isinstance(stage.channel, Remembers)
    for text in ("one", "two", "three"):
        await stage.says(text)
    first = await stage.heard.next()
    await stage.heard.next(3)
    missed = [one async for one in stage.channel.missed(stage.conversation, first.id)]
    assert [(one.text, one.id) for one in missed] == [(one.text, one.id) for one in stage.heard.messages[1:]]


def test_what_each_channel_can_do() -> None:
    from channels.discord.channel import Discord
    from channels.email.channel import Email
    from channels.loopback import Loopback
    from channels.slack.channel import Slack
    from channels.telegram.channel import Telegram
    from channels.terminal.pipe import Pipe

    abilities = {
        "edits": ("edit",),
        "confirms": ("find",),
        "reacts": ("react",),
        "reads files": ("read",),
        "sends files": ("send_file",),
        "remembers": ("missed",),
        "grows": ("edit", "remove", "pace"),
    }
    found = {
        kind.__name__: {name for name, needs in abilities.items() if all(hasattr(kind, need) for need in needs)}
        for kind in (Discord, Loopback, Pipe, Slack, Telegram, Email)
    }
    assert found == {
        "Discord": set(abilities),
        "Loopback": {"edits", "confirms"},
        "Pipe": {"edits"},
        "Slack": set(abilities),
        "Telegram": {"edits", "reads files", "sends files"},
        "Email": {"confirms", "reads files", "sends files"},
    }
