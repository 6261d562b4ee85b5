"""Telegram from setting it up to a day with it, alone and beside Slack: one person is one person on both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.rigs.telegram.rig import TelegramRig
from tests.rigs.telegram.server import Json, running
from tests.stories.workspace import PATIENCE, owned, serving, stoa


class Private:
    """A person's private chat with Stoa."""

    def __init__(self, rig: TelegramRig, person: str) -> None:
        self.rig, self.person, self.conversation = rig, person, rig.private(person)

    async def says(self, text: str) -> str:
        return await self.rig.say(self.person, self.conversation, text)

    async def reads(self, part: str) -> Json:
        return await self.rig.reads(self.conversation, part, PATIENCE)

    def id(self, message: Json) -> str:
        return f"{self.conversation}:{message['message_id']}"


def set_up_telegram(home: Path, rig: TelegramRig, account: str = "telegram") -> str:
    """Connect Telegram as a new user does; answers the code that makes one known there."""
    options = [f"--option={name}={value}" for name, value in rig.account().options.items()]
    said = stoa(home, "setup", account, *options, typed=f"{rig.bot.token}\n")
    assert "privacy mode" in said
    return next(word for word in said.split() if len(word) == 9 and word[4] == "-" and word.isupper())


@asynccontextmanager
async def on_telegram(home: Path) -> AsyncIterator[tuple[TelegramRig, str]]:
    """A Telegram on which Stoa is set up, and the code that links an account there."""
    async with running() as server:
        rig = TelegramRig(server)
        yield rig, await asyncio.to_thread(set_up_telegram, home, rig)


async def linked(rig: TelegramRig, code: str) -> Private:
    """Alice, once Stoa knows her there."""
    alice = Private(rig, "alice")
    await alice.says(f"/start {code}")
    await alice.reads("linked now")
    return alice


@pytest.mark.soak
async def test_the_owner_asks_on_telegram_and_answers_by_button_and_by_reaction(tmp_path: Path) -> None:
    await asyncio.to_thread(stoa, tmp_path, "space", "create", "diary")
    await asyncio.to_thread(stoa, tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with on_telegram(tmp_path) as (rig, code):
        with serving(tmp_path):
            alice = await linked(rig, code)
            topic = await rig.topic("alice", alice.conversation, "doors")
            await rig.say("alice", topic, "look for the door code in the space diary")
            card = await alice.reads("need to read “diary”")
            await rig.forge_press("bob", alice.id(card), _first_choice(card))  # nobody hears of it
            await rig.press("alice", alice.id(card), "Yes, once")
            await rig.press("alice", alice.id(card), "Yes, once")  # twice is harmless
            await rig.reads(topic, "4711", PATIENCE)  # where it was asked
            settled = await alice.reads("Answered: Yes, once.")
            assert settled["message_id"] == card["message_id"]
            assert "reply_markup" not in settled
            await alice.says("look for the door code in the space diary")
            again = await alice.reads("I'll take no answer by")
            await rig.react("alice", alice.id(again), "👎")
            await alice.reads("because the owner said no")
            assert (await alice.reads("Answered: No."))["message_id"] == again["message_id"]
            await alice.says("/remind in 2 seconds to stretch")
            await alice.reads("Reminder: it is time to stretch.")
        with pytest.raises(AssertionError, match="is the token of telegram, too"):
            await asyncio.to_thread(set_up_telegram, tmp_path, rig, "telegram-two")
        printed = await asyncio.to_thread(stoa, tmp_path, "doctor")
        assert "telegram (not served)" in printed


def _first_choice(card: Json) -> str:
    return str(card["reply_markup"]["inline_keyboard"][0][0]["callback_data"])


async def test_a_person_on_slack_and_telegram_is_one_person(tmp_path: Path) -> None:
    await asyncio.to_thread(stoa, tmp_path, "space", "create", "diary")
    await asyncio.to_thread(stoa, tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with owned(tmp_path) as (_, on_slack), on_telegram(tmp_path) as (rig, code):
        alice = await linked(rig, code)
        await on_slack.says("remind me tomorrow at 9 to water the plants")
        await on_slack.reads("I'll remind you")
        await alice.says("snooze the water reminder for 30 minutes")
        assert "water the plants" in (await alice.reads("I'll remind you"))["text"]
        timers = [
            one for one in (await asyncio.to_thread(stoa, tmp_path, "timer", "list")).splitlines() if "water" in one
        ]
        assert len(timers) == 1
        assert "09:00" not in timers[0]
        await on_slack.says("look for the door code in the space diary")
        there = await on_slack.reads("need to read “diary”")
        here = await alice.reads("need to read “diary”")
        await rig.press("alice", alice.id(here), "Yes, once")
        await on_slack.reads("4711")
        assert (await alice.reads("Answered: Yes, once."))["message_id"] == here["message_id"]
        assert (await on_slack.reads("Answered: Yes, once."))["ts"] == there["ts"]
        assert not [text for text in rig.texts(alice.conversation) if "4711" in text]
