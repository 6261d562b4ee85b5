"""A person on Slack is a user of a workspace: nobody of another one is taken for one of ours."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from channels.contract import Home, OutboundMessage, Undeliverable
from channels.slack.api import WebAPI
from channels.slack.events import BotIdentity, EventReader
from tests.channels.slack_app import listening
from tests.rigs.slack.rig import Rig

OURS, BOT, THEIRS = "T1", "U0", "T9"


class Directory:
    """What Slack would say of users and rooms: U9 is of another workspace, C9 a room shared with it."""

    async def person(self, user: str) -> str:
        return user.lower()

    async def room(self, channel: str) -> str:
        return "" if channel.startswith("D") else channel.lower()

    async def is_shared(self, channel: str) -> bool:
        return channel == "C9"

    async def team(self, user: str) -> str:
        return THEIRS if user == "U9" else OURS

    async def direct(self, user: str) -> str:
        return f"D-{user}"

    def met(self, user: str, channel: str) -> None:
        pass


READER = EventReader(cast(WebAPI, Directory()), BotIdentity(OURS, BOT, "B0"))
SAID = {"type": "message", "channel": "C1", "user": "U1", "text": "pay", "ts": "1.1"}
PRESS = {"type": "button", "action_id": "c", "value": "yes", "action_ts": "1.2", "text": {"text": "Yes"}}


def told(event: Mapping[str, Any], **payload: Any) -> dict[str, Any]:
    return {"type": "event_callback", "event_id": "E1", "team_id": OURS, "event": event, **payload}


async def sender(payload: Mapping[str, Any]) -> str | None:
    """The person that a payload comes from; None where it is nothing to us."""
    message = await READER.read(payload)
    return message.sender if message else None


def pressed(user: Mapping[str, Any], **payload: Any) -> dict[str, Any]:
    place = {"channel": {"id": "C1"}, "message": {"ts": "1.0", "user": BOT}}
    return {"type": "block_actions", "user": {"id": "U1", **user}, "actions": [PRESS], **place, **payload}


def commanded(team: str) -> dict[str, Any]:
    return {"command": "/stoa", "user_id": "U1", "text": "pay", "channel_id": "C1", "trigger_id": "1", "team_id": team}


@pytest.mark.parametrize(
    "payload",
    [
        told(SAID, team_id=THEIRS),
        told(SAID, team_id=OURS, context_team_id=THEIRS),
        told(SAID, authorizations=[{"team_id": THEIRS}]),
        told({"type": "app_home_opened", "tab": "home", "user": "U1", "channel": "D1"}, team_id=THEIRS),
        told({"type": "reaction_added", "user": "U1", "reaction": "+1"}, authorizations=[{"team_id": THEIRS}]),
        {"type": "event_callback", "event": SAID},
        commanded(THEIRS),
        {**commanded(OURS), "team_id": None},
        pressed({"team_id": OURS}, message={"ts": "1.0", "user": "U5"}),
        pressed({"team_id": OURS}, message=None, view={"team_id": THEIRS}),
        pressed({"team_id": OURS}, message=None, view={"team_id": OURS, "app_installed_team_id": THEIRS}),
        pressed({}, team=None),
    ],
)
async def test_what_is_told_of_another_workspace_is_nothing_to_us(payload: dict[str, Any]) -> None:
    assert await sender(payload) is None


@pytest.mark.parametrize(
    ("payload", "person"),
    [
        (told(SAID), f"{OURS}:U1"),
        (told(SAID, team_id=THEIRS, context_team_id=OURS), f"{OURS}:U1"),
        (told(SAID, team_id=THEIRS, authorizations=[{"team_id": OURS}]), f"{OURS}:U1"),
        (told({**SAID, "user_team": THEIRS}), f"{THEIRS}:U1"),
        (told({**SAID, "source_team": THEIRS, "team": OURS}), f"{THEIRS}:U1"),
        (told({**SAID, "user_profile": {"team": THEIRS}, "team": OURS}), f"{THEIRS}:U1"),
        (told({**SAID, "team": THEIRS}), f"{THEIRS}:U1"),
        (told({**SAID, "user": "U9"}, is_ext_shared_channel=True), f"{THEIRS}:U9"),
        (told({**SAID, "user": "U9", "channel": "C9"}), f"{THEIRS}:U9"),
        (told({**SAID, "type": "app_mention", "user_team": THEIRS}), f"{THEIRS}:U1"),
        (
            told(
                {
                    "type": "message",
                    "subtype": "message_changed",
                    "channel": "C9",
                    "ts": "2.0",
                    "message": {"ts": "1.1", "user": "U9", "text": "new"},
                    "previous_message": {"ts": "1.1", "user": "U9", "text": "old"},
                }
            ),
            f"{THEIRS}:U9",
        ),
        (
            told(
                {
                    "type": "reaction_added",
                    "user": "U9",
                    "reaction": "+1",
                    "item": {"type": "message", "channel": "C9", "ts": "1.1"},
                }
            ),
            f"{THEIRS}:U9",
        ),
        (told({"type": "agent_session_stopped", "channel": "C9", "user": "U9", "thread_ts": "1.1"}), f"{THEIRS}:U9"),
        (commanded(OURS), f"{OURS}:U1"),
        (pressed({"team_id": OURS}), f"{OURS}:U1"),
        (pressed({"team_id": THEIRS}, team={"id": OURS}), f"{THEIRS}:U1"),
        (pressed({}, team={"id": OURS}), f"{OURS}:U1"),
        (pressed({"team_id": OURS}, message=None, view={"team_id": OURS}), f"{OURS}:U1"),
    ],
)
async def test_a_person_is_a_user_of_a_workspace(payload: dict[str, Any], person: str) -> None:
    assert await sender(payload) == person


async def test_nobody_of_another_workspace_is_written_to_as_if_they_were_of_ours(rig: Rig) -> None:
    async with listening(rig) as (slack, _):
        stranger = f"{THEIRS}:{rig.users['alice']}"
        with pytest.raises(Undeliverable, match="belongs to another"):
            await slack.direct(stranger)
        with pytest.raises(Undeliverable, match="belongs to another"):
            await slack.home(stranger, Home())
        assert not await rig.calls("views.publish")


async def test_an_answer_is_streamed_to_the_person_it_is_for(rig: Rig) -> None:
    room = await rig.room("garden")
    async with listening(rig) as (slack, heard):
        ts = await rig.say("bob", room, f"{rig.mention} hello")
        await heard.next()
        await slack.send(OutboundMessage(f"{room}:{ts}", "Hello", growing=True, to=f"{THEIRS}:U9"))
        (begun,) = await rig.calls("chat.startStream")
    assert (begun["arguments"]["recipient_team_id"], begun["arguments"]["recipient_user_id"]) == (THEIRS, "U9")
