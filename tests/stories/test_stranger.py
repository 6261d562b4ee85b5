"""A new user connects Slack, is known there by a code, and decides by a button who else is talked to."""

import asyncio
from pathlib import Path

from tests.rigs.slack.rig import Rig, program
from tests.stories.workspace import serving, set_up, stoa


async def heard(rig: Rig, conversation: str, count: int) -> str:
    """The message of Stoa's that makes it so many, once it is there."""

    async def enough() -> str:
        return "".join((await rig.texts(conversation))[count - 1 : count])

    return await rig.until(enough, 40)


async def test_from_setup_to_a_stranger_who_is_let_in_by_a_button(tmp_path: Path) -> None:
    with program() as facts:
        async with Rig(facts) as rig:
            code = await asyncio.to_thread(set_up, tmp_path, rig)
            with serving(tmp_path):
                await rig.connected()
                olga, bob = await rig.dm("alice"), await rig.dm("bob")
                await rig.say("bob", bob, "remind me of the meeting")
                assert "I only talk to people my owner has let in" in await heard(rig, bob, 1)
                await rig.say("alice", olga, code)
                assert "linked now" in await heard(rig, olga, 1)
                assert "“bob”" in await heard(rig, olga, 2)
                card = next(one for one in await rig.messages(olga) if "“bob”" in one["text"])
                assert "```\nremind me of the meeting\n```" in card["text"]
                await rig.click("alice", olga, card["ts"], "Let them in")
                await heard(rig, bob, 2)  # an answer to what he wrote before
                people = await asyncio.to_thread(stoa, tmp_path, "people", "list")
                assert [line.split()[:2] for line in people.splitlines()] == [["owner", "alice"], ["bob", "bob"]]
