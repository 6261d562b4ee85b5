"""Telegram: how answers are shown: growing, rich, cut, with files, and by the rules of its HTML."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.contract import File, OutboundMessage, Undeliverable
from channels.telegram.markdown import RICH_MARK, TelegramHTML, TelegramMarkup, rich_blocks
from tests.channels.telegram_app import telegram_listening
from tests.rigs.telegram.markup import read_html, utf16
from tests.rigs.telegram.rig import TelegramRig
from tests.rigs.telegram.server import plain_of

TABLE = "Here:\n\n| plant | litres |\n|---|--:|\n| rose | **2** |\n| fern | 1 |\n\nThat is all."
TASKS = "Today:\n\n- [x] buy *milk*\n- [ ] call <Ana>\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def test_an_answer_grows_as_a_draft_and_ends_as_a_message(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, _):
        await telegram.draft(chat, "assistant", "")
        await rig.until(lambda: rig.calls("sendMessageDraft"))
        await telegram.draft(chat, "assistant", "Once **upon**")
        await rig.until(lambda: len(rig.calls("sendMessageDraft")) == 2)
        await telegram.send(OutboundMessage(chat, "Once <b>upon</b> a time."))
        await telegram.draft(chat, "assistant", None)
    thinking, growing = rig.calls("sendMessageDraft")
    assert (thinking["text"], growing["text"]) == ("", "Once <b>upon</b>")
    assert thinking["draft_id"] == growing["draft_id"] != 0
    assert growing["can_stop"]
    assert rig.calls("sendChatAction")[0]["action"] == "typing"
    assert rig.texts(chat) == ["Once upon a time."]


async def test_a_draft_with_a_table_is_rich_as_the_answer_will_be(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, _):
        await telegram.draft(chat, "assistant", TABLE)
        (draft,) = await rig.until(lambda: rig.calls("sendRichMessageDraft"))
        (text,) = telegram.dialect.messages(TABLE)
        await telegram.send(OutboundMessage(chat, text))
    (final,) = rig.calls("sendRichMessage")
    assert draft["rich_message"] == final["rich_message"]


async def test_in_groups_only_typing_is_shown(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    room = rig.group("garden")
    async with telegram_listening(rig) as (telegram, _):
        await telegram.draft(room, "host", "Once upon")
        await rig.until(lambda: rig.calls("sendChatAction"))
        await telegram.draft(room, "host", None)
    assert not rig.calls("sendMessageDraft")


async def test_the_stop_button_under_a_draft_is_heard_from_its_chat_and_topic(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, heard):
        topic = await rig.topic("alice", chat, "the trip")
        await telegram.draft(topic, "assistant", "Once upon")
        await rig.until(lambda: rig.calls("sendMessageDraft"))
        await rig.stop("alice")
        stopped = await heard.next()
    assert "stopped_message_generation" in rig.bot.allowed
    assert (stopped.kind, stopped.conversation, stopped.parent) == ("stop", topic, chat)
    assert stopped.sender == rig.sender("alice")


async def test_where_drafts_are_unknown_the_answer_comes_all_the_same(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    rig.server.missing = {"sendMessageDraft", "sendRichMessageDraft", "sendRichMessage"}
    async with telegram_listening(rig) as (telegram, _):
        await telegram.draft(chat, "assistant", "")
        await rig.until(lambda: rig.calls("sendChatAction"))
        for part in telegram.dialect.messages(TABLE):
            await telegram.send(OutboundMessage(chat, part))
    (shown,) = rig.texts(chat)
    assert "plant  litres" in shown  # as columns of code


async def test_a_rich_message_that_is_refused_is_shown_as_html_in_as_many_messages_as_it_needs(
    telegram_rig: TelegramRig,
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    text = f"{TABLE}\n\n{'word ' * 2_000}"
    rig.fault("sendRichMessage", 400, "Bad Request: RICH_MESSAGE_INVALID")
    async with telegram_listening(rig) as (telegram, _):
        (part,) = telegram.dialect.messages(text)
        await telegram.send(OutboundMessage(chat, part))
        assert len(rig.texts(chat)) > 2
        assert "".join(rig.texts(chat)).count("word") == 2_000
        await telegram.send(OutboundMessage(chat, part))  # one refusal is no reason not to try the next one
    assert rig.messages(chat)[-1]["rich_message"]


async def test_what_was_sent_rich_can_be_changed_to_something_rich(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, _):
        id = await telegram.send(OutboundMessage(chat, "soon"))
        (text,) = telegram.dialect.messages(TASKS)
        assert await telegram.edit(id, OutboundMessage(chat, text))
        assert await telegram.edit(id, OutboundMessage(chat, text))  # the same again changes nothing
        assert not await telegram.edit(f"{chat}:999", OutboundMessage(chat, text))
    assert rig.texts(chat) == ["Today:\n☑ buy milk\n☐ call <Ana>"]


def test_a_table_and_tasks_are_blocks_with_what_was_said_letter_for_letter() -> None:
    _, table, _ = rich_blocks(TABLE)
    assert table["cells"][1] == [
        {"text": "rose", "align": "left", "valign": "top"},
        {"text": {"type": "bold", "text": "2"}, "align": "right", "valign": "top"},
    ]
    _, tasks = rich_blocks(TASKS)
    bought, waits = tasks["items"]
    assert (bought["is_checked"], waits["is_checked"]) == (True, False)
    assert waits["blocks"] == [{"type": "paragraph", "text": "call <Ana>"}]


def test_a_short_answer_without_structure_is_plain_html() -> None:
    assert TelegramMarkup().messages("5 < 6, *indeed*\n\n- one\n- two") == ["5 &lt; 6, <i>indeed</i>\n\n• one\n• two"]


def test_what_fits_no_rich_message_is_cut_into_html() -> None:
    wide = "|" + "a|" * 30 + "\n|" + "-|" * 30 + "\n|" + "b|" * 30
    assert not TelegramMarkup().messages(wide)[0].startswith(RICH_MARK)
    parts = TelegramMarkup().messages("x" * 40_000)
    assert all(utf16(read_html(part)[0]) <= 4_096 for part in parts)
    assert sum(len(part) for part in parts) == 40_000


def test_quotes_within_quotes_are_one_quote() -> None:
    (shown,) = TelegramHTML().messages("> she said\n>\n> > he said\n>\n> so")
    text, entities = read_html(shown)
    assert [one["type"] for one in entities] == ["blockquote"]
    assert "he said" in text


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1 \n>*_`~[](){}<&|-#.!\\🦊é"), max_size=300))
def test_whatever_is_written_is_html_that_telegram_takes_and_its_letters_stay(text: str) -> None:
    for part in TelegramHTML().messages(text):
        shown, _ = read_html(part)
        assert utf16(shown) <= 4_096
    for part in TelegramMarkup().messages(text):
        if part.startswith(RICH_MARK):
            assert plain_of(rich_blocks(part.removeprefix(RICH_MARK)))


async def test_a_long_answer_with_emoji_is_one_rich_message_and_more_than_that_several(
    telegram_rig: TelegramRig,
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, _):
        for count in (300, 1_500):
            for part in telegram.dialect.messages("\n\n".join(f"{n} 🦊🦊🦊🦊🦊 {'fox ' * 8}" for n in range(count))):
                await telegram.send(OutboundMessage(chat, part))
    rich, *rest = rig.messages(chat)
    assert "299 🦊" in plain_of(rich["rich_message"]["blocks"])
    assert len(rest) > 1


async def test_files_come_with_their_bytes_and_recordings_are_told_from_forwarded_ones(
    telegram_rig: TelegramRig,
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    origin = {"type": "hidden_user", "sender_user_name": "Eve", "date": 1_764_000_000}
    async with telegram_listening(rig) as (telegram, heard):
        await rig.attach("alice", chat, "v.ogg", b"sound", kind="voice", media_type="audio/ogg")
        await rig.attach("alice", chat, "v.ogg", b"sound", kind="voice", media_type="audio/ogg", forward_origin=origin)
        await rig.attach("alice", chat, "cat.jpg", PNG, kind="photo", caption="my cat")
        voice, forwarded, photo = [await heard.next(number) for number in (1, 2, 3)]
        assert (voice.files[0].recorded, forwarded.files[0].recorded) == (True, False)
        assert voice.files[0].media_type == "audio/ogg"
        assert (photo.text, photo.files[0].media_type) == ("my cat", "image/jpeg")
        assert await telegram.read(photo.files[0]) == PNG
        with pytest.raises(Undeliverable, match="20 MB"):
            await telegram.read(File("film.mp4", "video/mp4", 30_000_000, "F1"))
        with pytest.raises(Undeliverable, match="Wrong file_id"):
            await telegram.read(File("gone.txt", "text/plain", 3, "F1"))


async def test_pictures_and_recordings_are_shown_as_such_and_everything_else_as_a_document(
    telegram_rig: TelegramRig,
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    files = {"a.png": ("image/png", PNG), "odd.png": ("image/png", b"odd"), "v.ogg": ("audio/ogg", b"sound")}
    async with telegram_listening(rig) as (telegram, _):
        for name, (media_type, data) in {**files, "t.csv": ("text/csv", b"a,b")}.items():
            assert await telegram.send_file(chat, name, media_type, data, "chat/a:1")
        with pytest.raises(Undeliverable, match="50 MB"):
            await telegram.send_file(chat, "big.bin", "application/octet-stream", bytes(50_000_001), "chat/a:2")
    kinds = [next(kind for kind in ("photo", "voice", "document") if kind in one) for one in rig.messages(chat)]
    assert kinds == ["photo", "document", "voice", "document"]
