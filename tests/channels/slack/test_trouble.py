"""Slack: dropped sockets, repeated events, haste, and what somebody has to mend."""

import asyncio
import logging
import re
import socket
import time

import aiohttp
import pytest

from channels.contract import File, Later, OutboundMessage, Undeliverable, Unusable
from channels.slack.channel import Slack
from channels.slack.files import SlackFiles
from core.errors import InvalidInput
from core.secrets.secrets import Secrets
from core.trust.approvals import Choice
from tests.channels.slack_app import hearing, listening
from tests.rigs.slack.rig import Rig
from tests.rigs.slack.workspace import BOT_TOKEN


async def test_slacks_library_is_quiet_and_stoas_own_log_is_not(rig: Rig) -> None:
    async with listening(rig):
        assert logging.getLogger("stoa").isEnabledFor(logging.ERROR)
        assert logging.getLogger("stoa.tools").isEnabledFor(logging.ERROR)


async def test_a_message_is_acknowledged_when_it_is_taken_and_not_before(rig: Rig) -> None:
    async with Slack(rig.account(), rig.secrets()) as slack:
        await rig.settle(patience=0.2)
        listening = slack.listen()
        first = asyncio.ensure_future(anext(listening))
        await rig.connected()
        dm = await rig.dm("alice")
        await rig.say("alice", dm, "hello")
        assert (await first).text == "hello"

        async def told_again() -> bool:
            return len((await rig.look())["log"]) > 1

        await rig.until(told_again)
        assert not any(one["acknowledged"] for one in (await rig.look())["log"] if one["type"] == "message")
        second = asyncio.ensure_future(anext(listening))

        async def acknowledged() -> bool:
            return any(one["acknowledged"] for one in (await rig.look())["log"] if one["type"] == "message")

        await rig.until(acknowledged)
        assert not second.done()  # told again and again, taken once
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)


async def test_what_was_not_taken_comes_again_to_the_next_who_listens(rig: Rig) -> None:
    dm = await rig.dm("alice")
    async with Slack(rig.account(), rig.secrets()) as slack:
        listening = slack.listen()
        first = asyncio.ensure_future(anext(listening))
        await rig.connected()
        await rig.say("alice", dm, "hello")
        await first
    async with Slack(rig.account(), rig.secrets()) as slack, hearing(slack) as heard:
        assert (await heard.next()).text == "hello"


async def test_everything_is_acknowledged_also_what_nobody_waits_for(rig: Rig) -> None:
    async with listening(rig):
        await rig.event(type="team_join", user={"id": "U9"})
        await rig.event(type="message", subtype="channel_topic", channel="C9", ts="1.000001", text="x")
        await rig.event(type="message", subtype="message_changed", channel="C9")  # not as Slack tells it
        await rig.event(type="something_new")

        async def told() -> bool:
            log = (await rig.look())["log"]
            return len(log) == 4 and all(one["acknowledged"] and one["attempt"] == 0 for one in log)

        await rig.until(told)


async def test_an_event_that_is_told_twice_is_heard_once(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        await rig.settle(duplicates=1.0)
        dm = await rig.dm("alice")
        for number in range(5):
            await rig.say("alice", dm, f"number {number}")
        await rig.again(3)
        await heard.next(5)
        await rig.say("alice", dm, "last")
        await heard.next(6)
    assert [message.text for message in heard.messages] == [*(f"number {number}" for number in range(5)), "last"]


async def test_a_dropped_socket_is_noticed_within_two_seconds(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        assert await rig.drop() == 1
        began = time.monotonic()
        await rig.connected()
        assert time.monotonic() - began < 2
        await rig.say("alice", dm, "still there?")
        assert (await heard.next()).text == "still there?"


async def test_a_socket_that_has_gone_silent_is_noticed_within_two_seconds(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        await rig.settle(frozen=True)
        began = time.monotonic()

        async def gone() -> bool:
            return bool((await rig.look())["sockets"] == 0)

        await rig.until(gone)
        assert time.monotonic() - began < 2.5
        await rig.settle(frozen=False)
        await rig.say("alice", dm, "still there?")
        assert (await heard.next()).text == "still there?"


async def test_slack_may_close_the_socket_as_it_does_every_few_hours(rig: Rig) -> None:
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        for number in range(3):
            await rig.disconnect("refresh_requested")
            await rig.say("alice", dm, f"number {number}")
        await heard.next(3)
    assert [message.text for message in heard.messages] == ["number 0", "number 1", "number 2"]


async def test_what_was_missed_can_be_asked_for_after_a_long_absence(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        slack.absence = 0
        dm = await rig.dm("alice")
        ts = await rig.say("alice", dm, "first")
        first = await heard.next()
        await rig.drop()
        assert (await heard.next(2)).kind == "back"
        await slack.send(OutboundMessage(dm, "ours"))
        for number in range(3):
            await rig.say("alice", dm, f"number {number}")
        await rig.say("alice", dm, "in a thread", thread=ts)
        found = [message async for message in slack.missed(dm, first.id)]
        assert [message.text for message in found] == ["number 0", "number 1", "number 2"]
        await heard.until(lambda: len(heard.messages) == 6)
        assert [message for message in heard.messages if message.text == "number 1"] == [found[1]]
        assert [one.text async for one in slack.missed(f"{dm}:{ts}", first.id)] == ["in a thread"]


async def test_what_was_missed_is_not_asked_for_after_a_press_or_a_command(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        await slack.send(OutboundMessage(dm, "May I?", choices=(Choice("q:yes", "Yes"),)))
        await rig.click("alice", dm, (await rig.messages(dm))[-1]["ts"], "Yes")
        await rig.slash("alice", dm, "hello")
        await rig.say("alice", dm, "good night")
        await heard.next(3)
    assert [one.passing for one in heard.messages] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"apiurl": "x"}, "Slack has no option 'apiurl'; it has mode, listen, api_url."),
        ({"mode": "sockets"}, "The option mode is socket or http, not 'sockets'."),
        ({"mode": "http", "listen": "3000"}, "The option listen is host:port"),
        ({"api_url": "slack.com"}, "The option api_url is a URL"),
    ],
)
def test_an_option_that_there_is_not_is_refused_before_any_token_is_asked_for(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        Slack.tokens(options)


async def test_a_page_in_place_of_an_answer_is_slacks_own_trouble(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        await rig.fault("chat.postMessage", "bad_gateway")
        with pytest.raises(ConnectionError, match="502"):
            await slack.send(OutboundMessage(dm, "hello"))


async def test_a_rate_limit_is_waited_for_and_a_second_one_is_told(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        await rig.fault("chat.postMessage", after=0)
        await slack.send(OutboundMessage(dm, "hello"))
        await rig.fault("chat.postMessage", times=2, after=0)
        with pytest.raises(Later):
            await slack.send(OutboundMessage(dm, "hello again"))
        await rig.fault("reactions.add", times=3, after=0)
        await slack.react(dm, await slack.send(OutboundMessage(dm, "hello")), "👍")
        assert await rig.texts(dm) == ["hello", "hello"]


async def test_trouble_on_slacks_side_is_trouble_of_the_network(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        dm = await rig.dm("alice")
        await rig.fault("chat.postMessage", "internal_error")
        with pytest.raises(OSError, match="internal_error"):
            await slack.send(OutboundMessage(dm, "hello"))


@pytest.mark.parametrize(
    ("token", "other", "told"),
    [
        ("BOT_TOKEN", "xoxb-mistyped", "Slack does not know its bot token (xoxb-...)."),
        ("APP_TOKEN", "xapp-mistyped", "Slack does not know its app-level token (xapp-...)."),
        ("APP_TOKEN", BOT_TOKEN, "what it has for its app-level token (xapp-...) is a token of another kind."),
    ],
)
async def test_it_is_said_which_of_its_tokens_slack_refuses(rig: Rig, token: str, other: str, told: str) -> None:
    given = {**rig.environment(), f"STOA_SECRET_SLACK_{token}": other}
    with pytest.raises(Unusable, match=re.escape(f"Slack does not let slack in: {told}")):
        async with Slack(rig.account(), Secrets(given)) as slack:
            await anext(slack.listen())


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth", "not_allowed_token_type"])
async def test_a_token_that_is_no_good_is_told_to_the_owner(rig: Rig, error: str) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        await rig.revoke(error)
        with pytest.raises(Unusable, match="stoa setup slack"):
            await slack.send(OutboundMessage(dm, "hello"))
        await heard.until(lambda: heard.failure is not None)
    assert isinstance(heard.failure, Unusable)
    with pytest.raises(Unusable, match="stoa setup slack"):
        async with Slack(rig.account(), rig.secrets()):
            pass


async def test_an_account_that_slack_refuses_for_a_reason_nobody_thought_of_is_told_with_it(rig: Rig) -> None:
    await rig.fault("auth.test", "two_factor_setup_required")
    with pytest.raises(Unusable, match=r"two_factor_setup_required.*stoa setup slack"):
        async with asyncio.timeout(20), Slack(rig.account(), rig.secrets()):
            pass


async def test_an_app_token_that_is_no_good_is_told_to_the_owner(rig: Rig) -> None:
    given = {**rig.environment(), "STOA_SECRET_SLACK_APP_TOKEN": rig.bot_token}
    async with Slack(rig.account(), Secrets(given)) as slack, hearing(slack) as heard:
        await heard.until(lambda: heard.failure is not None)
    assert isinstance(heard.failure, Unusable)
    assert "xapp-" in str(heard.failure)


async def test_a_missing_token_is_told_by_its_name(rig: Rig) -> None:
    with pytest.raises(Unusable, match="SLACK_BOT_TOKEN"):
        async with Slack(rig.account(), Secrets({})):
            pass


async def test_missing_scopes_are_told_and_only_the_essential_ones_keep_an_account_from_working(rig: Rig) -> None:
    await rig.lack("reactions:write", "users:read", "files:write")
    async with listening(rig) as (slack, heard):
        assert [scope for scope in ("reactions:write", "users:read", "files:write") if scope in str(slack.notes)]
        assert len(slack.notes) == 3
        dm = await rig.dm("alice")
        await rig.say("alice", dm, "hello")
        message = await heard.next()
        assert message.name == rig.users["alice"]
        with pytest.raises(Undeliverable, match="reactions:write"):
            await slack.react(dm, message.id, "👍")
        with pytest.raises(Undeliverable, match="files:write"):
            await slack.send_file(dm, "a.txt", "text/plain", b"a", "k")
        await rig.lack("chat:write")
        with pytest.raises(Unusable, match=r"chat:write.*OAuth & Permissions"):
            await slack.send(OutboundMessage(dm, "hello"))
    with pytest.raises(Unusable, match="chat:write"):
        async with Slack(rig.account(), rig.secrets()):
            pass


async def test_a_room_that_threw_us_out_is_told_and_the_others_go_on(rig: Rig) -> None:
    room, other = await rig.room("garden"), await rig.room("kitchen")
    async with listening(rig) as (slack, heard):
        await rig.kick(room)
        lost = await heard.next()
        assert (lost.kind, lost.conversation, lost.room) == ("lost", room, "garden")
        assert lost.text == "I was removed from the room"
        with pytest.raises(Undeliverable, match="invite"):
            await slack.send(OutboundMessage(room, "hello"))
        await slack.send(OutboundMessage(other, "hello"))
        await rig.archive(other)
        assert (await heard.next(2)).text == "the room was archived"
        with pytest.raises(Undeliverable, match="archived"):
            await slack.send(OutboundMessage(other, "hello"))


async def test_that_somebody_else_leaves_a_room_is_nothing_to_us(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        await rig.event(type="member_left_channel", user=rig.users["bob"], channel=room)
        await rig.say("alice", room, "bye")
        assert (await heard.next()).text == "bye"


async def test_a_deleted_thread_and_a_person_who_left_cannot_be_written_to(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        thread = (await heard.next()).conversation
        await rig.delete("bob", room, ts)
        with pytest.raises(Undeliverable, match="thread hangs on was deleted"):
            await slack.send(OutboundMessage(thread, "hello"))
        with pytest.raises(Undeliverable, match="thread hangs on was deleted"):
            await slack.send(OutboundMessage(thread, "hello", growing=True))
        assert await slack.direct(rig.sender("bob")) == await rig.dm("bob")
        await rig.leave("carol")
        with pytest.raises(Undeliverable, match="left the workspace"):
            await slack.direct(rig.sender("carol"))
        with pytest.raises(Undeliverable, match="no such person"):
            await slack.direct("T1:U404")
        with pytest.raises(Undeliverable, match="no such conversation"):
            await slack.send(OutboundMessage("C404", "hello"))


async def test_forty_thousand_letters_only_emoji_and_only_files_are_taken(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm = await rig.dm("alice")
        await rig.say("alice", dm, "x" * 40_000)
        await rig.say("alice", dm, "🎉🎉🎉")
        await rig.say("alice", dm, "", files=1)
        await rig.say("alice", dm, "", files=200)
        await heard.next(4)
        parts = slack.dialect.messages("word " * 8_000)
        for part in parts:
            await slack.send(OutboundMessage(dm, part))
        assert "".join(await rig.texts(dm)).count("word") == 8_000
    assert len(heard.messages[0].text) == 40_000
    assert heard.messages[1].text == "🎉🎉🎉"
    assert (heard.messages[2].text, len(heard.messages[2].files)) == ("", 1)
    assert len({file.place for file in heard.messages[3].files}) == 200


async def test_a_name_that_cannot_be_learnt_does_not_keep_a_message_from_being_heard(rig: Rig) -> None:
    await rig.fault("users.info", "internal_error", times=1)
    async with listening(rig) as (_, heard):
        dm = await rig.dm("alice")
        await rig.say("alice", dm, "one")
        await rig.say("alice", dm, "two")
        await heard.next(2)
    assert [message.text for message in heard.messages] == ["one", "two"]
    assert heard.messages[0].name == rig.users["alice"]


async def test_two_workspaces_are_two_accounts(rig: Rig) -> None:
    first, second = (Slack(rig.account(id), rig.secrets(id)) for id in ("slack", "slack-work"))
    async with first, second:
        assert (first.name, second.name) == ("slack", "slack-work")
        dm = await rig.dm("alice")
        await second.send(OutboundMessage(dm, "hello"))
        assert await rig.texts(dm) == ["hello"]


async def test_the_network_may_be_away_at_the_beginning(rig: Rig) -> None:
    await rig.fault("auth.test", "internal_error", times=1)
    await rig.fault("apps.connections.open", "internal_error", times=2)
    async with listening(rig) as (_, heard):
        await rig.say("alice", await rig.dm("alice"), "hello")
        assert (await heard.next()).text == "hello"


async def test_a_call_that_hangs_keeps_no_other_from_being_made(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        dm, other = await rig.dm("alice"), await rig.dm("bob")
        await rig.fault("chat.postMessage", "none", hang=1)
        slow = asyncio.ensure_future(slack.send(OutboundMessage(dm, "slow")))
        await rig.until(lambda: rig.begun("chat.postMessage"))
        await slack.send(OutboundMessage(other, "quick"))
        await rig.say("alice", dm, "hello")
        await heard.next()
        assert not slow.done()
        await slow
        assert await rig.texts(dm) == ["slow"]


async def test_what_cannot_be_read_for_now_is_not_taken_and_told_again(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (_, heard):
        await rig.fault("conversations.open", "internal_error")
        answer = await rig.slash("alice", room, "hello")
        assert answer
        assert "try again" in answer["text"]
        await rig.slash("alice", room, "hello again")
        assert (await heard.next()).text == "hello again"
        await rig.fault("files.info", "internal_error")
        await rig.settle(patience=0.2)
        file = {"id": "F1", "file_access": "check_file_info"}
        dm, who = await rig.dm("alice"), rig.users["alice"]
        await rig.event(type="message", subtype="file_share", channel=dm, ts="1.1", user=who, text="see", files=[file])
        await rig.say("alice", dm, "and this")
        await heard.next(3)
    assert {message.text for message in heard.messages} == {"hello again", "see", "and this"}


async def test_a_name_that_takes_long_does_not_hold_a_message_up(rig: Rig) -> None:
    await rig.fault("users.info", "none", hang=10)
    async with listening(rig) as (_, heard):
        await rig.say("alice", await rig.dm("alice"), "hello")
        began = time.monotonic()
        assert (await heard.next()).name == rig.users["alice"]
        assert time.monotonic() - began < 4


async def test_what_happens_in_another_workspace_is_nothing_to_us(rig: Rig) -> None:
    async with listening(rig) as (slack, heard):
        said = {"type": "message", "channel": "D9", "user": "U9", "text": "hello", "ts": "1.1"}
        other = {"type": "event_callback", "event_id": "Ev9", "authorizations": [{"team_id": "T9"}], "event": said}
        assert await slack.reader.read(other) is None
        await rig.say("alice", await rig.dm("alice"), "hi")
        assert (await heard.next()).text == "hi"


async def test_what_breaks_on_the_way_to_a_file_is_trouble_of_the_network(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    async with Slack(rig.account(), rig.secrets()) as slack, aiohttp.ClientSession() as session:
        files = SlackFiles(slack.api, session, "t", address)
        with pytest.raises(OSError, match="cannot be reached"):
            await files.read(File("a", "text/plain", 1, f"{address}/a"))


async def test_who_takes_long_until_the_first_connection_is_told_that_something_may_be_missed(rig: Rig) -> None:
    async with Slack(rig.account(), rig.secrets()) as slack:
        slack.absence = 0
        async with hearing(slack) as heard:
            assert (await heard.next()).kind == "back"
