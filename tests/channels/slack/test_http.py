"""Slack over signed HTTP: what it tells is taken, and what is forged, old or told a second time is refused."""

import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from channels.contract import OutboundMessage, Unusable
from channels.slack.channel import Slack
from core.trust.approvals import NO, ONCE
from tests.channels.slack_app import Heard, hearing, listening
from tests.rigs.slack.deliveries import signature
from tests.rigs.slack.rig import Rig
from tests.rigs.slack.workspace import TEAM


@dataclass
class Door:
    """The address at which a channel listens, and what it hears."""

    url: str
    slack: Slack
    heard: Heard
    http: aiohttp.ClientSession

    async def post(self, body: str | bytes, **headers: str) -> int:
        """Tell something; answers the status."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {"Content-Type": "application/json"}
        async with self.http.post(self.url, data=body, headers={**kind, **given}) as answer:
            return answer.status


@pytest_asyncio.fixture
async def door(rig: Rig) -> AsyncIterator[Door]:
    """A channel over HTTP that the stand-in tells what happens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    account = rig.account(mode="http", listen=address)
    async with Slack(account, rig.secrets()) as slack, hearing(slack) as heard, aiohttp.ClientSession() as http:
        url = f"http://{address}/slack/events"
        await rig.settle(http_to=url)
        yield Door(url, slack, heard, http)


async def test_everything_comes_over_http_as_over_the_socket(rig: Rig, door: Door) -> None:
    room = await rig.room("garden")
    dm = await rig.dm("alice")
    await rig.say("bob", room, f"{rig.mention} hello")
    message = await door.heard.next()
    assert (message.text, message.room) == ("hello", "garden")
    id = await door.slack.send(OutboundMessage(dm, "May I?", choices=(ONCE, NO)))
    await rig.click("alice", dm, id.partition(":")[2], "no")
    assert (await door.heard.next(2)).choice == "no"
    answer = await rig.slash("alice", room, "hello there")
    assert answer == {"response_type": "ephemeral", "text": "I'll answer in our direct messages."}
    assert (await door.heard.next(3)).text == "hello there"
    assert not (await rig.look())["sockets"]


async def test_slack_can_verify_the_address(rig: Rig, door: Door) -> None:
    await rig.say("alice", await rig.dm("alice"), "hello")
    await door.heard.next()
    body, stamp = json.dumps({"type": "url_verification", "challenge": "c-1", "token": "x"}), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(stamp, body),
    }
    async with door.http.post(door.url, data=body, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"challenge": "c-1"})


BODY = json.dumps(
    {
        "type": "event_callback",
        "event_id": "Ev1",
        "team_id": TEAM,
        "event": {
            "type": "message",
            "channel": "D1",
            "user": "U1",
            "text": "pay!",
            "ts": "1.000001",
            "channel_type": "im",
        },
    }
)


def forgeries() -> dict[str, tuple[str | bytes, dict[str, str]]]:
    """What somebody may try who does not know the secret, or heard one good request: body and headers."""
    now = int(time.time())
    good = signature(str(now), BODY)

    def signed(stamp: str, sign: str, body: str | bytes = BODY) -> tuple[str | bytes, dict[str, str]]:
        return body, {"X_Slack_Request_Timestamp": stamp, "X_Slack_Signature": sign}

    def at(stamp: str) -> tuple[str | bytes, dict[str, str]]:
        return signed(stamp, signature(stamp, BODY))

    def bare(**headers: str) -> tuple[str | bytes, dict[str, str]]:
        return BODY, headers

    return {
        "no headers": bare(),
        "no signature": bare(X_Slack_Request_Timestamp=str(now)),
        "no timestamp": bare(X_Slack_Signature=good),
        "an empty signature": signed(str(now), ""),
        "a signature of noughts": signed(str(now), "v0=" + "0" * 64),
        "another secret": signed(str(now), signature(str(now), BODY, "wrong")),
        "an empty secret": signed(str(now), signature(str(now), BODY, "")),
        "another body": signed(str(now), good, BODY.replace("pay!", "pay more!")),
        "a body with a space more": signed(str(now), good, BODY + " "),
        "another version": signed(str(now), good.replace("v0=", "v1=")),
        "no version": signed(str(now), good.removeprefix("v0=")),
        "capital letters": signed(str(now), "v0=" + good.removeprefix("v0=").upper()),
        "a shorter signature": signed(str(now), good[:-1]),
        "two signatures": signed(str(now), f"{good},{good}"),
        "letters outside of ASCII": signed(str(now), "v0=" + "é" * 64),
        "a timestamp of another second": signed(str(now - 1), good),
        "a timestamp six minutes old": at(str(now - 360)),
        "a timestamp six minutes ahead": at(str(now + 360)),
        "a timestamp of zero": at("0"),
        "a negative timestamp": at(str(-now)),
        "a timestamp that is no number": at("soon"),
        "a timestamp with a fraction": at(f"{now}.0"),
        "a timestamp in other digits": at(str(now).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))),
        "a very long timestamp": at("9" * 400),
        "a body that is no text": signed(str(now), good, b"\xff\xfe"),
        "a form that asks for an ssl check": signed(str(now), "v0=" + "0" * 64, "ssl_check=1&token=x"),
    }


async def test_twenty_forgeries_and_more_are_refused(rig: Rig, door: Door) -> None:
    await rig.say("alice", await rig.dm("alice"), "hello")
    await door.heard.next()
    answered = {}
    for name, (body, headers) in forgeries().items():
        try:
            answered[name] = await door.post(body, **headers)
        except ValueError:  # this client cannot even say it
            answered[name] = 401
    assert answered == dict.fromkeys(forgeries(), 401)
    assert len(answered) >= 20
    assert len(door.heard.messages) == 1


async def test_a_good_request_is_good_once(rig: Rig, door: Door) -> None:
    await rig.say("alice", await rig.dm("alice"), "hello")
    await door.heard.next()
    stamp = str(int(time.time()))
    headers = {"X_Slack_Request_Timestamp": stamp, "X_Slack_Signature": signature(stamp, BODY)}
    assert await door.post(BODY, **headers) == 200
    assert [await door.post(BODY, **headers) for _ in range(5)] == [401] * 5
    assert [message.text for message in door.heard.messages] == ["hello", "pay!"]


async def test_other_places_and_ways_are_not_there(rig: Rig, door: Door) -> None:
    await rig.say("alice", await rig.dm("alice"), "hello")
    await door.heard.next()
    async with door.http.get(door.url) as answer:
        assert answer.status == 405
    async with door.http.post(door.url.replace("/slack/events", "/")) as answer:
        assert answer.status == 404


async def test_a_port_that_is_taken_and_one_that_is_none_are_told(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for listen in (f"127.0.0.1:{taken.getsockname()[1]}", "nowhere", ""):
            async with Slack(rig.account(mode="http", listen=listen), rig.secrets()) as slack, hearing(slack) as heard:
                await heard.until(lambda heard=heard: heard.failure is not None)  # type: ignore[misc]
                assert isinstance(heard.failure, Unusable)


async def test_a_mode_that_there_is_not_is_told(rig: Rig) -> None:
    async with Slack(rig.account(mode="htpp"), rig.secrets()) as slack, hearing(slack) as heard:
        await heard.until(lambda: heard.failure is not None)
    assert "socket or http" in str(heard.failure)


async def test_a_ticket_opens_one_socket(rig: Rig) -> None:
    async with aiohttp.ClientSession() as http:
        bearer = {"Authorization": f"Bearer {rig.app_token}"}
        async with http.post(f"{rig.api_url}apps.connections.open", headers=bearer) as answer:
            url = (await answer.json())["url"]
        async with http.ws_connect(url) as first:
            assert (await first.receive_json())["type"] == "hello"
            for _ in range(3):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await http.ws_connect(url)
    async with listening(rig) as (_, heard):  # ours asks for a new one each time
        for number in range(3):
            await rig.drop()
            await rig.connected()
            await rig.say("alice", await rig.dm("alice"), f"number {number}")
            await heard.next(number + 1)
        asked = await rig.calls("apps.connections.open")
    assert len(asked) >= 4
