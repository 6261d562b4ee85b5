"""Telegram: pieces, repeated updates, haste, a second poller, both modes, and what somebody has to mend."""

import asyncio
import logging

import aiohttp
import pytest

from channels.contract import Later, OutboundMessage, Undeliverable, Unusable
from channels.telegram.api import BotAPI
from channels.telegram.channel import Telegram
from channels.telegram.polling import Polling
from channels.telegram.webhook import webhook_secret
from core.errors import InvalidInput
from core.secrets.secrets import Secrets
from tests.channels.telegram_app import telegram_listening
from tests.core.servers import free_port
from tests.rigs.telegram.rig import TelegramRig


def webhook(port: int) -> dict[str, str]:
    """The options of an account that Telegram calls."""
    return {"mode": "webhook", "webhook_url": f"http://127.0.0.1:{port}/telegram", "listen": f"127.0.0.1:{port}"}


async def test_a_long_paste_that_arrives_in_pieces_is_one_message(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    text = "".join(f"{number} 🦊 " for number in range(5_000))
    async with telegram_listening(rig) as (_, heard):
        await rig.paste("alice", chat, text)
        await rig.say("alice", chat, "and this is another one")
        await heard.next(2)
    assert len(text) > 30_000
    assert [one.text for one in heard.messages] == [text, "and this is another one"]


async def test_the_files_of_an_album_come_in_one_message_and_two_hundred_files_in_twenty(
    telegram_rig: TelegramRig,
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, heard):
        for _ in range(20):
            await rig.album("alice", chat, 10)
        await heard.until(lambda: sum(len(one.files) for one in heard.messages) == 200)
        assert len(heard.messages) == 20
        assert await telegram.read(heard.messages[19].files[9]) == b"file 9"


async def test_only_emoji_only_a_file_and_a_sticker_are_messages(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    sticker = {"file_id": "S1", "file_unique_id": "S1", "type": "regular", "width": 9, "height": 9, "emoji": "🎉"}
    async with telegram_listening(rig) as (_, heard):
        await rig.say("alice", chat, "🦊🦊🦊")
        await rig.attach("alice", chat, "plan.txt", b"nine")
        await rig.say("alice", chat, "", sticker={**sticker, "is_animated": False, "is_video": False})
        await heard.next(3)
    assert [(one.text, len(one.files)) for one in heard.messages] == [("🦊🦊🦊", 0), ("", 1), ("🎉", 0)]


async def test_an_update_is_confirmed_when_it_is_taken_and_comes_again_to_the_next_who_listens(
    telegram_rig: TelegramRig,
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with Telegram(rig.account(), rig.secrets()) as telegram:
        listening = telegram.listen()
        first = asyncio.ensure_future(anext(listening))
        await rig.until(lambda: rig.bot.poller)
        await rig.say("alice", chat, "hello")
        assert (await first).text == "hello"
        await listening.aclose()  # type: ignore[attr-defined]
    assert len(rig.bot.queue) == 1
    async with telegram_listening(rig) as (_, heard):
        assert (await heard.next()).text == "hello"
        await rig.until(lambda: not rig.bot.queue)


async def test_an_update_of_an_unknown_shape_holds_up_none_that_follow(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (_, heard):
        rig.bot.queue.append({"update_id": 1, "message": {"message_id": "x", "chat": 7}})
        rig.bot.queue.append({"update_id": 2, "a_thing_of_tomorrow": {}})
        await rig.say("alice", chat, "hello")
        assert (await heard.next()).text == "hello"


async def test_a_second_poller_is_named_and_left_alone_until_it_ends(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    told: list[str] = []
    api = BotAPI("telegram", rig.bot.token, rig.account().options)
    await api.enter()
    polling = Polling(api, told.append, pauses=(0.01, 0.01, 3600))
    rig.fault("getUpdates", 409, "Conflict: terminated by other getUpdates request", count=3)
    waiting = asyncio.ensure_future(polling.waiting(5))
    await rig.until(lambda: len(rig.calls("getUpdates")) == 3)
    while not told:
        await asyncio.sleep(0)
    assert "Another program asks Telegram for this bot's messages" in told[0]
    assert "stoa setup telegram" in told[0]
    waiting.cancel()  # it stands by for an hour now
    await asyncio.gather(waiting, return_exceptions=True)
    await rig.say("alice", rig.private("alice"), "hello")
    assert len(await polling.waiting(5)) == 1
    assert told[-1] == ""
    await api.leave()


async def test_a_webhook_tells_updates_that_know_its_secret_and_nothing_else(telegram_rig: TelegramRig) -> None:
    rig, port = telegram_rig, free_port()
    chat = rig.private("alice")
    async with telegram_listening(rig, **webhook(port)) as (_, heard), aiohttp.ClientSession() as http:
        await rig.say("alice", chat, "hello")
        assert (await heard.next()).text == "hello"
        await rig.until(lambda: not rig.bot.queue)
        url, secret = rig.bot.hook["url"], webhook_secret(rig.bot.token)
        forged = {"update_id": 7, "message": {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}}
        for number in range(20):
            guess = f"{secret[:-1]}{'g' * number}"
            wrong = {"X-Telegram-Bot-Api-Secret-Token": guess} if number else {}
            async with http.post(url, json=forged, headers=wrong) as answer:
                assert answer.status == 401
        for body in (b"", b"[", b"[]", b'{"update_id": "x"}'):
            async with http.post(url, data=body, headers={"X-Telegram-Bot-Api-Secret-Token": secret}) as answer:
                assert answer.status == 400
        async with http.get(url) as answer:
            assert answer.status == 405
        await rig.paste("alice", chat, "x" * 9_000)
        assert len((await heard.next(2)).text) == 9_000
    assert len(heard.messages) == 2
    assert secret not in rig.bot.token


async def test_an_update_that_a_webhook_is_told_again_is_taken_once(telegram_rig: TelegramRig) -> None:
    rig, port = telegram_rig, free_port()
    chat = rig.private("alice")
    rig.server.forgets_acknowledgements = True
    async with telegram_listening(rig, **webhook(port)) as (_, heard):
        await rig.say("alice", chat, "one")
        await rig.say("alice", chat, "two")
        await heard.next(2)
        rig.server.forgets_acknowledgements = False
        await rig.until(lambda: not rig.bot.queue)
    assert [one.text for one in heard.messages] == ["one", "two"]


async def test_each_change_of_the_mode_leaves_nothing_of_the_other(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    modes: list[dict[str, str]] = [{}, webhook(free_port()), {}]
    for number, options in enumerate(modes):
        async with telegram_listening(rig, **options) as (_, heard):
            await rig.say("alice", chat, f"hello {number}")
            assert (await heard.next()).text == f"hello {number}"
            await rig.until(lambda: not rig.bot.queue)
    assert not rig.bot.hook


async def test_a_webhook_that_telegram_cannot_call_is_named(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    rig.bot.hook = {"url": "https://stoa.example.org/telegram", "last_error_message": "Connection refused"}
    async with Telegram(rig.account(**webhook(free_port())), rig.secrets()) as telegram:
        assert telegram.notes == ("Telegram could not call https://stoa.example.org/telegram: Connection refused.",)


async def test_a_webhook_that_telegram_refuses_or_whose_port_is_taken_says_what_to_do(
    telegram_rig: TelegramRig,
) -> None:
    rig = telegram_rig
    rig.fault("setWebhook", 400, "Bad Request: bad webhook: an HTTPS URL must be provided for webhook")
    async with Telegram(rig.account(**webhook(free_port())), rig.secrets()) as telegram:
        with pytest.raises(Unusable, match="port 443, 80, 88 or 8443"):
            await anext(telegram.listen())
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        async with Telegram(rig.account(**webhook(port)), rig.secrets()) as telegram:
            with pytest.raises(Unusable, match=f"127.0.0.1:{port}"):
                await anext(telegram.listen())


async def test_haste_is_named_with_the_time_to_wait(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    rig.fault("sendMessage", 429, after=7)
    async with telegram_listening(rig) as (telegram, _):
        with pytest.raises(Later) as later:
            await telegram.send(OutboundMessage(chat, "hello"))
        assert later.value.seconds == 7
        await telegram.send(OutboundMessage(chat, "hello"))
    assert rig.texts(chat) == ["hello"]


async def test_a_server_in_trouble_is_an_outage_and_listening_goes_on(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    rig.fault("getMe", 502)
    rig.fault("sendMessage", 500)
    async with telegram_listening(rig) as (telegram, heard):
        rig.fault("getUpdates", 502, count=2)
        rig.fault("getUpdates", 429, after=1)
        with pytest.raises(OSError, match="Telegram"):
            await telegram.send(OutboundMessage(chat, "hello"))
        await rig.say("alice", chat, "hello")
        assert (await heard.next()).text == "hello"


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("bot was blocked by the user", "has blocked the bot"),
        ("user is deactivated", "account was deleted"),
        ("bot can't initiate conversation with a user", "press Start"),
    ],
)
async def test_a_person_who_cannot_be_reached_is_named_with_the_reason(
    telegram_rig: TelegramRig, said: str, named: str
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("bob")
    async with telegram_listening(rig) as (telegram, heard):
        await rig.leave(chat, said)
        with pytest.raises(Undeliverable, match=named):
            await telegram.send(OutboundMessage(chat, "hello"))
        lost = await heard.next()
    assert (lost.kind, lost.conversation, lost.text) == ("lost", chat, "the bot was blocked there")


async def test_being_thrown_out_of_a_group_is_told(telegram_rig: TelegramRig) -> None:
    rig = telegram_rig
    room = rig.group("garden")
    async with telegram_listening(rig) as (telegram, heard):
        await rig.leave(room, "bot was kicked from the supergroup chat")
        lost = await heard.next()
        with pytest.raises(Undeliverable, match="removed from the group"):
            await telegram.send(OutboundMessage(room, "hello"))
    assert (lost.kind, lost.conversation, lost.room) == ("lost", room, "garden")


async def test_a_revoked_token_ends_the_account_with_what_to_do(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    async with telegram_listening(rig) as (telegram, heard):
        rig.bot.revoked = True
        with pytest.raises(Unusable, match="stoa setup telegram"):
            await telegram.send(OutboundMessage(chat, "hello"))
        await rig.say("alice", chat, "are you there?")  # the poll after it is refused
        await heard.until(lambda: isinstance(heard.failure, Unusable))
    with pytest.raises(Unusable, match="BotFather"):
        async with Telegram(rig.account(), rig.secrets()):
            raise AssertionError("let in")


async def test_an_account_without_a_token_or_with_odd_options_says_what_it_needs(telegram_rig: TelegramRig) -> None:
    with pytest.raises(Unusable, match="TELEGRAM_BOT_TOKEN"):
        async with Telegram(telegram_rig.account(), Secrets({})):
            raise AssertionError("let in")
    for options in ({"port": "7"}, {"mode": "socket"}, {"mode": "webhook"}):
        with pytest.raises(InvalidInput):
            Telegram.tokens(options)


async def test_the_token_is_in_no_log_and_in_no_message_that_says_what_went_wrong(
    telegram_rig: TelegramRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    caplog.set_level(logging.INFO)
    async with telegram_listening(rig) as (telegram, heard):
        rig.fault("sendMessage", 500)
        with pytest.raises(OSError, match="Telegram") as error:
            await telegram.send(OutboundMessage(chat, "hello"))
        rig.fault("sendMessage", 429, after=1)
        with pytest.raises(Later):
            await telegram.send(OutboundMessage(chat, "hello"))
        rig.fault("getUpdates", 502)
        await rig.say("alice", chat, "hello")
        await heard.next()
    secret = rig.bot.token.partition(":")[2]
    assert secret not in caplog.text
    assert secret not in repr(error.value)
