"""Discord from setting it up, and Slack beside it: whoever is linked on both is one person."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.rigs.discord.rig import TOKEN, DiscordRig
from tests.rigs.slack.rig import Rig, program
from tests.stories.workspace import PATIENCE, Direct, serving, set_up, stoa


class DiscordDirect:
    """Alice's direct message with Stoa on Discord."""

    def __init__(self, rig: DiscordRig) -> None:
        self.rig, self.conversation = rig, rig.dm("alice")

    def says(self, text: str) -> str:
        return self.rig.say("alice", self.conversation, text)

    async def reads(self, part: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The newest message of Stoa's that has this in it, once there is one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [one for one in self.rig.ours(self.conversation) if part in (one.content or "") and fits(one)]
            if found:
                return found[-1]
            assert time.monotonic() < deadline, self.rig.texts(self.conversation)
            await asyncio.sleep(0.02)


def code_in(said: str) -> str:
    return next(word for word in said.split() if len(word) == 9 and word[4] == "-" and word.isupper())


def connect(home: Path, rig: DiscordRig) -> str:
    """What `stoa setup discord` says to a new user."""
    return stoa(home, "setup", "discord", "--option", f"api_url={rig.url}/api/v10", typed=f"{TOKEN}\n")


@asynccontextmanager
async def on_discord(home: Path) -> AsyncIterator[tuple[DiscordRig, DiscordDirect]]:
    async with DiscordRig() as rig:
        said = await asyncio.to_thread(connect, home, rig)
        sessions = rig.gateway.identified
        with serving(home):
            await rig.connected(sessions + 1)
            alice = DiscordDirect(rig)
            alice.says(code_in(said))
            await alice.reads("linked now")
            yield rig, alice


async def test_a_new_user_sets_discord_up_and_talks_decides_and_is_reminded_there(tmp_path: Path) -> None:
    async with on_discord(tmp_path) as (rig, alice):
        alice.says("hello")
        await alice.reads("Hello!")
        rig.say("bob", rig.dm("bob"), "hello, it's Bob")
        card = await alice.reads("Should I let them in?", lambda one: one.components)
        rig.press("alice", alice.conversation, str(card.id), "Let them in")
        settled = await alice.reads("Answered: Let them in.")
        assert (settled.id, settled.components) == (card.id, [])
        rig.slash("alice", rig.room("garden"), "remind", what="in 2 seconds to stretch")
        await alice.reads("I'll remind you")
        await alice.reads("Reminder: it is time to stretch.")


async def test_who_is_linked_on_slack_and_discord_is_one_person(tmp_path: Path) -> None:
    with program() as facts:
        async with Rig(facts) as slack, DiscordRig() as discord:
            code = await asyncio.to_thread(set_up, tmp_path, slack)
            await asyncio.to_thread(connect, tmp_path, discord)
            sessions = discord.gateway.identified
            with serving(tmp_path):
                await slack.connected()
                await discord.connected(sessions + 1)
                there, here = Direct(slack, "alice", await slack.dm("alice")), DiscordDirect(discord)
                await there.says(code)
                await there.reads("linked now")
                here.says(code_in(await asyncio.to_thread(stoa, tmp_path, "people", "link")))
                await here.reads("linked now")
                await there.says("add buy milk to my tasks")
                await there.reads("buy milk")
                here.says("what is on my task list?")
                await here.reads("buy milk")
                await slack.say("bob", await slack.dm("bob"), "hello, it's Bob")
                await there.reads("Should I let them in?")
                card = await here.reads("Should I let them in?", lambda one: one.components)
                discord.press("alice", here.conversation, str(card.id), "Let them in")
                await there.reads("Answered: Let them in.")
                await here.reads("Answered: Let them in.")
