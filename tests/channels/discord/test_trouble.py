"""Discord: lost connections, gaps, repeated events, and what somebody has to mend."""

import asyncio
import re

import pytest

from channels.contract import File, Later, OutboundMessage, Undeliverable, Unusable
from channels.discord.channel import Discord
from channels.discord.client import MAX_EMPTY_RESUMES
from core.errors import InvalidInput
from core.secrets.secrets import Secrets
from core.trust.approvals import Choice
from tests.channels.discord_app import discord_listening
from tests.channels.slack_app import Heard, hearing
from tests.rigs.discord.rig import DiscordRig, Fault


def texts(heard: Heard) -> list[str]:
    return [one.text for one in heard.messages if one.kind == "message"]


async def resumed(rig: DiscordRig, times: int) -> None:
    async with asyncio.timeout(20):
        while rig.gateway.resumed < times:
            await asyncio.sleep(0.01)


async def test_a_torn_socket_is_resumed_and_the_bridge_is_told_of_the_gap(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with discord_listening(discord_rig) as (_, heard):
        discord_rig.say("alice", dm, "one")
        await heard.next()
        discord_rig.gateway.drop()
        discord_rig.say("alice", dm, "two")
        await heard.until(lambda: "two" in texts(heard) and any(one.kind == "back" for one in heard.messages))
    assert texts(heard) == ["one", "two"]


async def test_what_a_gap_swallowed_is_fetched_since_the_last_known_message(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with discord_listening(discord_rig) as (discord, heard):
        discord_rig.say("alice", dm, "one")
        last = await heard.next()
        discord_rig.gateway.deaf = True
        discord_rig.say("alice", dm, "lost")
        discord_rig.gateway.deaf = False
        discord_rig.gateway.drop()
        await heard.until(lambda: heard.messages[-1].kind == "back")
        missed = [one async for one in discord.missed(dm, last.id)]
    assert texts(heard) == ["one"]
    assert [one.text for one in missed] == ["lost"]


async def test_a_thread_that_was_begun_in_a_gap_is_found_in_its_room(discord_rig: DiscordRig) -> None:
    room = discord_rig.room("garden")
    async with discord_listening(discord_rig) as (discord, heard):
        discord_rig.say("alice", room, "hello")
        last = await heard.next()
        discord_rig.gateway.deaf = True
        thread = discord_rig.thread(room, "roses")
        discord_rig.say("bob", thread, "which ones?")
        found = [one async for one in discord.missed(room, last.id)]
    assert [(one.text, one.conversation, one.parent, one.room) for one in found] == [
        ("which ones?", thread, room, "garden")
    ]


async def test_a_session_that_discord_has_forgotten_begins_anew_at_the_same_address(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with discord_listening(discord_rig) as (discord, heard):
        discord.client.identify_pause = 0
        discord_rig.gateway.forget()
        await discord_rig.connected(2)
        discord_rig.say("alice", dm, "still there?")
        await heard.until(lambda: "still there?" in texts(heard))
    assert heard.messages[0].kind == "back"


async def test_a_session_that_only_ever_resumes_is_given_up(discord_rig: DiscordRig) -> None:
    async with discord_listening(discord_rig) as (_, heard):
        for times in range(1, MAX_EMPTY_RESUMES + 2):
            discord_rig.gateway.drop()
            await resumed(discord_rig, times)
        await heard.until(lambda: heard.failure is not None)
    assert isinstance(heard.failure, ConnectionError)


async def test_it_is_known_when_there_is_no_session_although_the_process_lives(discord_rig: DiscordRig) -> None:
    async with discord_listening(discord_rig) as (discord, heard):
        discord.absence = 0
        assert discord.trouble == ""
        discord_rig.gateway.closed = True
        discord_rig.gateway.drop()
        async with asyncio.timeout(10):
            while not discord.trouble:
                await asyncio.sleep(0.01)
        assert re.match(
            r"discord has no session with Discord; it last heard something at \d\d:\d\d UTC", discord.trouble
        )
        discord_rig.gateway.closed = False
        await heard.until(lambda: any(one.kind == "back" for one in heard.messages))
        assert discord.trouble == ""


async def test_an_event_that_is_told_twice_has_the_same_name(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with discord_listening(discord_rig) as (_, heard):
        id = discord_rig.say("alice", dm, "once")
        discord_rig.repeat(dm, id)
        await heard.next(2)
    assert {one.id for one in heard.messages} == {f"{dm}:{id}"}


async def test_a_refused_token_is_explained_before_and_after_connecting(discord_rig: DiscordRig) -> None:
    wrong = Secrets(dict.fromkeys(discord_rig.environment(), "no.such.token"))
    with pytest.raises(Unusable, match=r"Reset Token .* run `stoa setup discord`"):
        async with Discord(discord_rig.account(), wrong):
            pass
    async with Discord(discord_rig.account(), discord_rig.secrets()) as discord:
        discord_rig.gateway.token = "another"
        async with hearing(discord) as heard:
            await heard.until(lambda: heard.failure is not None)
        with pytest.raises(Unusable, match="Reset Token"):
            await discord.send(OutboundMessage(discord_rig.dm("alice"), "hello"))
    assert isinstance(heard.failure, Unusable)


async def test_a_missing_token_and_an_unknown_option_are_named(discord_rig: DiscordRig) -> None:
    with pytest.raises(Unusable, match="DISCORD_BOT_TOKEN"):
        async with Discord(discord_rig.account(), Secrets({})):
            pass
    with pytest.raises(InvalidInput, match="no option 'mode'"):
        Discord.tokens({"mode": "http"})


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (50_007, 403, "they have blocked the bot"),
        (50_001, 403, "View Channel"),
        (50_013, 403, "lacks a permission"),
        (10_003, 404, "the channel is gone"),
        (50_035, 400, "the stand-in was told to fail"),
    ],
)
async def test_a_refusal_says_what_to_mend(discord_rig: DiscordRig, code: int, status: int, reason: str) -> None:
    dm = discord_rig.dm("alice")
    async with Discord(discord_rig.account(), discord_rig.secrets()) as discord:
        discord_rig.faults.append(Fault("POST", f"/channels/{dm}/messages", status, code=code))
        with pytest.raises(Undeliverable, match=reason):
            await discord.send(OutboundMessage(dm, "hello"))
        await discord.send(OutboundMessage(dm, "hello"))


async def test_a_long_wait_is_left_to_the_bridge(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with Discord(discord_rig.account(), discord_rig.secrets()) as discord:
        discord_rig.faults.append(Fault("POST", f"/channels/{dm}/messages", 429, retry_after=90))
        with pytest.raises(Later, match="90"):
            await discord.send(OutboundMessage(dm, "hello"))


async def test_a_deleted_channel_and_a_server_that_throws_us_out_are_lost(discord_rig: DiscordRig) -> None:
    room, other = discord_rig.room("garden"), discord_rig.room("kitchen")
    async with discord_listening(discord_rig) as (discord, heard):
        discord_rig.backend.delete_channel(int(room))
        gone = await heard.next()
        with pytest.raises(Undeliverable, match="the channel is gone"):
            await discord.send(OutboundMessage(room, "hello"))
        discord_rig.backend.remove_guild(discord_rig.guild.id)
        await heard.until(lambda: other in [one.conversation for one in heard.messages])
    assert (gone.kind, gone.conversation, gone.text) == ("lost", room, "the channel was deleted")
    assert heard.messages[-1].text == "I was removed from the server"


async def test_an_edit_of_a_message_that_is_gone_says_so(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with Discord(discord_rig.account(), discord_rig.secrets()) as discord:
        name = await discord.send(OutboundMessage(dm, "hello"))
        await discord.remove(dm, name)
        await discord.remove(dm, name)
        assert not await discord.edit(name, OutboundMessage(dm, "again"))


async def test_a_file_that_is_kept_elsewhere_is_not_fetched(discord_rig: DiscordRig) -> None:
    async with Discord(discord_rig.account(), discord_rig.secrets()) as discord:
        for place in ("https://evil.test/a", "https://discord.com.evil.test/a", "file:///etc/passwd", "http://[::1"):
            with pytest.raises(Undeliverable, match="outside of Discord"):
                await discord.read(File("a", "text/plain", 1, place))
        with pytest.raises(Undeliverable, match="HTTP 404"):
            await discord.read(File("a", "text/plain", 1, f"{discord_rig.url}/cdn/gone"))


async def test_odd_messages_are_read(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with discord_listening(discord_rig) as (_, heard):
        discord_rig.say("alice", dm, "x" * 2_000)
        discord_rig.say("alice", dm, "🎉🎉")
        discord_rig.say("alice", dm, "", files=[("a.txt", b"a")] * 10)
        discord_rig.say("alice", dm, "at <t:1764625560:R> or <t:999999999999> <:rose:123>")
        await heard.next(4)
    assert [len(one.files) for one in heard.messages] == [0, 0, 10, 0]
    assert heard.messages[3].text == "at 2025-12-01 21:46 UTC or <t:999999999999> :rose:"


async def test_a_question_with_names_too_long_for_buttons_is_shown_without_them(discord_rig: DiscordRig) -> None:
    dm = discord_rig.dm("alice")
    async with Discord(discord_rig.account(), discord_rig.secrets()) as discord:
        await discord.send(OutboundMessage(dm, "Which?", choices=(Choice("q" * 200, "That"),)))
    assert discord_rig.ours(dm)[0].components == []
