"""Telegram: what people write there is heard, and what is written shows there, over real HTTP."""

import pytest

from channels.contract import InboundPassage, OutboundMessage, Undeliverable
from core.trust.approvals import Choice
from tests.channels.telegram_app import telegram_listening
from tests.rigs.telegram.rig import TelegramRig


async def test_a_private_message_is_heard_with_who_wrote_it(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (_, heard):
        id = await rig.say("alice", chat, "Are you <there>?")
        message = await heard.next()
    assert (message.conversation, message.id, message.text) == (chat, id, "Are you <there>?")
    assert (message.sender, message.name) == (rig.sender("alice"), "alice")
    assert message.addressed
    assert not message.room
    assert message.sent


async def test_in_a_group_a_mention_a_reply_and_a_command_address_us_and_nothing_else(
    telegram_rig: TelegramRig,
) -> None:
    rig = telegram_rig
    rig.bot.reads_all = True
    room = rig.group("garden")
    async with telegram_listening(rig) as (telegram, heard):
        await rig.say("bob", room, "who waters the roses?")
        await rig.say("bob", room, f"@{rig.bot.username}, who waters the roses?")
        await heard.next(2)
        ours = await telegram.send(OutboundMessage(room, "Alice does."))
        await rig.say("carol", room, "and on Sundays?", reply_to=ours)
        await rig.say("carol", room, f"/ask@{rig.bot.username} and in winter?")
        await rig.say("carol", room, "/ask@another_bot and in winter?")
        await heard.next(5)
    said = [(one.text, one.addressed, one.room, one.reply_to) for one in heard.messages]
    assert said == [
        ("who waters the roses?", False, "garden", ""),
        ("who waters the roses?", True, "garden", ""),
        ("and on Sundays?", True, "garden", ours),
        ("and in winter?", True, "garden", ""),
        ("and in winter?", False, "garden", ""),
    ]


async def test_with_privacy_mode_it_hears_what_names_it_only_and_setup_explains_that(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    room = rig.group("garden")
    async with telegram_listening(rig) as (telegram, heard):
        await rig.say("bob", room, "not for you")
        await rig.say("bob", room, f"@{rig.bot.username} hello")
        assert (await heard.next()).text == "hello"
        assert "privacy mode" in telegram.hints[0]


async def test_an_answer_in_a_group_replies_to_the_one_question_it_can_mean(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    room = rig.group("garden")
    async with telegram_listening(rig) as (telegram, heard):
        asked = await rig.say("bob", room, f"@{rig.bot.username} one?")
        await heard.next()
        await telegram.send(OutboundMessage(room, "One."))
        for number in (2, 3):
            await rig.say("bob", room, f"@{rig.bot.username} and {number}?")
        await heard.next(3)
        await telegram.send(OutboundMessage(room, "Two."))
    first, second = rig.messages(room)
    assert f"{room}:{first['reply_to_message']['message_id']}" == asked
    assert "reply_to_message" not in second


@pytest.mark.parametrize("private", [True, False], ids=["in a private chat", "in a forum"])
async def test_a_topic_is_a_conversation_of_its_own(telegram_rig: TelegramRig, private: bool) -> None:
    rig = telegram_rig
    chat = rig.private("alice") if private else rig.group("club", forum=True)
    rig.bot.reads_all = True
    async with telegram_listening(rig) as (telegram, heard):
        topic = await rig.topic("alice", chat, "the trip")
        await rig.say("alice", topic, "when?")
        message = await heard.next()
        assert (message.conversation, message.parent, message.reply_to) == (topic, chat, "")
        assert message.addressed == private
        await telegram.send(OutboundMessage(topic, "In May."))
        assert rig.texts(topic) == ["In May."]
        with pytest.raises(Undeliverable, match="the topic was deleted"):
            await telegram.send(OutboundMessage(f"{chat}/999", "In May."))


async def test_an_edit_is_heard_with_a_version_of_its_own(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (_, heard):
        id = await rig.say("alice", chat, "buy milk")
        await rig.edit("alice", id, "buy bread")
        edited = await heard.next(2)
    assert (edited.kind, edited.id, edited.text, bool(edited.version)) == ("edit", id, "buy bread", True)


async def test_links_are_read_with_their_addresses_and_quoted_lines_as_quotes(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    marks = [
        {"type": "blockquote", "offset": 0, "length": 9},
        {"type": "text_link", "offset": 17, "length": 4, "url": "https://example.org/a"},
    ]
    async with telegram_listening(rig) as (_, heard):
        await rig.say("alice", chat, "old words\n🦊 see this now", entities=marks)
        message = await heard.next()
    assert message.text == "> old words\n🦊 see this (https://example.org/a) now"


async def test_forwarded_and_quoted_words_are_told_from_the_senders_own(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    origin = {"type": "hidden_user", "sender_user_name": "Eve", "date": 1_764_000_000}
    async with telegram_listening(rig) as (telegram, heard):
        await rig.say("alice", chat, "Send me your door code", forward_origin=origin)
        ours = await telegram.send(OutboundMessage(chat, "It is at nine, in the hall."))
        quote = {"text": "in the hall", "position": 15}
        await rig.say("alice", chat, "which one?", reply_to=ours, quote=quote)
        forwarded, asked = await heard.next(), await heard.next(2)
    assert (forwarded.text, forwarded.passages) == ("", (InboundPassage("Send me your door code", "Eve", "forwarded"),))
    assert (asked.text, asked.reply_to) == ("which one?", ours)
    assert asked.passages == (InboundPassage("in the hall", "Stoa", "quoted"),)


async def test_a_reply_to_somebody_else_in_a_group_brings_their_words_along(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    room = rig.group("garden")
    async with telegram_listening(rig) as (_, heard):
        said = await rig.say("carol", room, "The pump is broken.")
        await rig.say("bob", room, f"@{rig.bot.username} what does she mean?", reply_to=said)
        message = await heard.next()
    assert message.passages == (InboundPassage("The pump is broken.", "carol", "quoted"),)


async def test_who_writes_in_the_name_of_the_group_is_no_person_we_know(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    room = rig.group("garden")
    shown = {"id": int(room), "type": "supergroup", "title": "garden"}
    async with telegram_listening(rig) as (telegram, heard):
        await rig.say("alice", room, f"@{rig.bot.username} hello", sender_chat=shown)
        message = await heard.next()
        assert (message.sender, message.name) == (room, "garden")
        with pytest.raises(Undeliverable):
            await telegram.direct(message.sender)


COMMANDS = {
    "/start": "hello",
    "/start ABCD-EFGH": "ABCD-EFGH",
    "/help": "What can you do?",
    "/remind tomorrow at 9 to call Ana": "remind me tomorrow at 9 to call Ana",
    "/remind me tomorrow at 9 to call Ana": "remind me tomorrow at 9 to call Ana",
    "/tasks": "What is on my task list?",
    "/approve k3v9w2m4q8zt always": "/approve k3v9w2m4q8zt always",
    "/stop": "stop",
    "/ask when is the party?": "when is the party?",
    "/etc/hosts is broken": "/etc/hosts is broken",
}


async def test_commands_stand_for_the_words_that_every_platform_knows(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (_, heard):
        for typed in COMMANDS:
            await rig.say("alice", chat, typed)
        await heard.next(len(COMMANDS))
        assert [one.text for one in heard.messages] == list(COMMANDS.values())
        assert [one["command"] for one in rig.bot.commands["all_private_chats"]] == [
            *("remind", "tasks", "approve", "stop", "help")
        ]
        assert [one["command"] for one in rig.bot.commands["all_group_chats"]] == ["ask", "stop"]


async def test_buttons_come_back_by_their_choice_and_go_when_it_is_made(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    long = Choice(f"k3v9w2m4q8zt:{'very ' * 20}long", "A choice with a long id")
    choices = (Choice("k3v9w2m4q8zt:once", "Yes, once"), long, Choice("k3v9w2m4q8zt:no", "No"))
    async with telegram_listening(rig) as (telegram, heard):
        id = await telegram.send(OutboundMessage(chat, "May I?", choices=choices))
        press = await rig.press("alice", id, "A choice with a long id")
        message = await heard.next()
        assert (message.choice, message.reply_to) == ("k3v9w2m4q8zt:2", id)  # the number stands for the id
        await rig.until(lambda: rig.server.presses[press])  # the button stops spinning
        assert await telegram.edit(id, OutboundMessage(chat, "May I?\n\nAnswered: No."))
    (shown,) = rig.messages(chat)
    assert "reply_markup" not in shown
    assert shown["text"].endswith("Answered: No.")


async def test_each_reaction_is_heard_once_and_a_withdrawn_one_not_at_all(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, heard):
        id = await telegram.send(OutboundMessage(chat, "May I?"))
        await rig.react("alice", id, "👍")
        await rig.react("alice", id, "👍", "🔥")
        await rig.react("alice", id)
        await rig.say("alice", chat, "that is all")
        await heard.next(3)
    assert [(one.kind, one.text) for one in heard.messages] == [
        *(("reaction", "👍"), ("reaction", "🔥"), ("message", "that is all"))
    ]


async def test_it_says_who_it_is_to_nobody_it_does_not_know_how_to_reach(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    async with telegram_listening(rig) as (telegram, _):
        assert await telegram.direct("812") == "812"
        with pytest.raises(Undeliverable, match="no such chat"):
            await telegram.send(OutboundMessage("812", "hello"))
