"""A webhook takes what is meant for it, once, and refuses the rest with a sentence."""

import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from bots.seed import seed
from bots.webhooks import add_webhook, remove_webhook
from channels.webhook.hooks import Hook, Hooks
from channels.webhook.receiver import MAX_BODY_BYTES, MAX_REQUESTS_A_MINUTE, Receiver
from core.atoms.atoms import Atom, Origin
from core.errors import InvalidInput, NotFound
from core.house import House

NOW = 1_800_000_000.0


@dataclass
class Sender:
    """A program that sends to the webhooks of a house."""

    house: House
    client: httpx2.AsyncClient
    keys: dict[str, str]

    async def sends(self, name: str, body: Any, headers: dict[str, str] | None = None, **more: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        answer = await self.client.post(f"/hooks/{name}", content=data, headers=given, **more)
        return answer.status_code, answer.json()

    def token(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}

    def signature(self, name: str, body: bytes, stamp: str = "") -> dict[str, str]:
        signed = f"{stamp}.".encode() + body if stamp else body
        found = {"X-Hub-Signature-256": "sha256=" + hmac.new(self.keys[name].encode(), signed, sha256).hexdigest()}
        return found | ({"X-Stoa-Timestamp": stamp} if stamp else {})

    async def events(self, name: str) -> list[Atom]:
        return await self.house.spaces.open(f"hook-{name}").search(limit=500)


@pytest_asyncio.fixture
async def sender(house: House) -> AsyncIterator[Sender]:
    await seed(house)
    keys = {
        "door": await add_webhook(house, Hook(id="door")),
        "repo": await add_webhook(house, Hook(id="repo", template="github", signed=True)),
        "contact": await add_webhook(house, Hook(id="contact", template="form")),
        "dates": await add_webhook(house, Hook(id="dates", template="calendar")),
    }
    app = Receiver(house.spaces, house.secrets, now=lambda: NOW).app()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://stoa.test") as client:
        yield Sender(house, client, keys)


async def test_an_event_with_the_token_becomes_an_atom_from_outside(sender: Sender) -> None:
    status, answer = await sender.sends("door", {"text": "The bell rings"}, sender.token("door"))
    (event,) = await sender.events("door")
    assert (status, answer) == (202, {"atom": event.ref, "new": True})
    assert event.content.startswith("event: The bell rings")
    assert event.origin is Origin.OUTSIDE
    assert event.metadata == {"kind": "event", "hook": "door"}


async def test_what_is_told_twice_is_taken_once(sender: Sender) -> None:
    body = json.dumps({"action": "opened", "issue": {"number": 7, "title": "It breaks"}}).encode()
    signed = sender.signature("repo", body) | {"X-GitHub-Event": "issues"}
    first = await sender.sends("repo", body, signed | {"X-GitHub-Delivery": "1"})
    again = await sender.sends("repo", body, signed | {"X-GitHub-Delivery": "2"})
    assert (first[0], again[0], again[1]["new"]) == (202, 200, False)
    named = sender.token("door") | {"Idempotency-Key": "k1"}
    assert [(await sender.sends("door", {"text": "ding"}, named))[0] for _ in range(2)] == [202, 200]
    assert [(await sender.sends("door", {"text": "ding"}, sender.token("door")))[0] for _ in range(2)] == [202, 202]
    assert len(await sender.events("repo")) == 1
    assert len(await sender.events("door")) == 3


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("door", {}, 401),
        ("door", {"Authorization": "Bearer wrong"}, 401),
        ("repo", {}, 401),
        ("repo", {"X-Hub-Signature-256": "sha256=00"}, 401),
        ("nothing", {}, 404),
        ("A-B", {}, 404),
    ],
)
async def test_without_the_secret_nothing_is_taken(
    sender: Sender, name: str, headers: dict[str, str], status: int
) -> None:
    got, answer = await sender.sends(name, {"text": "x"}, headers)
    assert (got, bool(answer["error"])) == (status, True)
    assert await sender.events("door") == []


async def test_a_time_stamp_is_part_of_the_signature_and_grows_old(sender: Sender) -> None:
    body = b'{"action": "x"}'
    fresh, old = str(int(NOW) - 10), str(int(NOW) - 301)
    assert (await sender.sends("repo", body, sender.signature("repo", body, fresh)))[0] == 202
    assert (await sender.sends("repo", body, sender.signature("repo", body, old)))[0] == 401
    forged = sender.signature("repo", body, fresh) | {"X-Stoa-Timestamp": str(int(NOW))}
    assert (await sender.sends("repo", body, forged))[0] == 401


async def test_a_body_that_is_too_long_is_refused_before_it_is_read(sender: Sender) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100_000_000:
            read += 100_000
            yield b" " * 100_000

    status, answer = await sender.sends("door", {}, sender.token("door") | {"Content-Length": "100000000"})
    assert (status, "1,000,000 bytes" in answer["error"]) == (413, True)
    answer = await sender.client.post("/hooks/door", content=endless(), headers=sender.token("door"))
    assert answer.status_code == 413
    assert await sender.events("door") == []
    assert MAX_BODY_BYTES < 100_000_000


@pytest.mark.parametrize(
    ("body", "media_type", "said"),
    [
        (b"{", "application/json", "cannot be read"),
        (b"\xff\xfe", "text/plain", "cannot be read"),
        (b"[" * 100_000, "application/json", "cannot be read"),
        (b"a=1&" * 500, "application/x-www-form-urlencoded", "cannot be read"),
        (b"<x/>", "application/xml", "Unknown Content-Type"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_in_a_sentence(
    sender: Sender, body: bytes, media_type: str, said: str
) -> None:
    status, answer = await sender.sends("door", body, sender.token("door") | {"Content-Type": media_type})
    assert (status, said in answer["error"]) == (400, True)


async def test_too_many_requests_a_minute_are_refused(sender: Sender) -> None:
    named = sender.token("door") | {"Idempotency-Key": "the same"}
    answers = [(await sender.sends("door", {"text": "x"}, named))[0] for _ in range(MAX_REQUESTS_A_MINUTE + 1)]
    assert (answers[-2], answers[-1]) == (200, 429)


async def test_each_template_reads_its_senders(sender: Sender) -> None:
    push = json.dumps(
        {
            "commits": [{"message": "Mend the roof"}, {"message": "Paint it"}],
            "repository": {"full_name": "ada/house"},
            "sender": {"login": "ada"},
        }
    ).encode()
    await sender.sends("repo", push, sender.signature("repo", push) | {"X-GitHub-Event": "push"})
    form = sender.token("contact") | {"Content-Type": "application/x-www-form-urlencoded"}
    await sender.sends("contact", b"name=Bea&message=Call+me", form)
    when = {"summary": "Dentist", "start": {"dateTime": "2026-12-01T09:00:00Z"}, "status": "confirmed"}
    await sender.sends("dates", when, sender.token("dates"))
    (pushed,) = await sender.events("repo")
    (filled,) = await sender.events("contact")
    (dated,) = await sender.events("dates")
    assert pushed.content.startswith(
        "event: GitHub push of 2 commits in ada/house by ada\n\n- Mend the roof\n- Paint it"
    )
    assert (pushed.metadata["event"], pushed.metadata["repository"]) == ("push", "ada/house")
    assert filled.content == "event: Bea filled in a form\n\nname: Bea\nmessage: Call me"
    assert dated.content.startswith("event: calendar: Dentist at 2026-12-01T09:00:00Z (confirmed)")


async def test_a_removed_webhook_takes_nothing_and_its_name_is_free_again(sender: Sender) -> None:
    await remove_webhook(sender.house, "door")
    assert (await sender.sends("door", {"text": "x"}, sender.token("door")))[0] == 404
    with pytest.raises(NotFound, match="stoa webhook list"):
        await Hooks(sender.house.store).get("door")
    await add_webhook(sender.house, Hook(id="door"))
    with pytest.raises(InvalidInput, match="already"):
        await add_webhook(sender.house, Hook(id="door"))
    with pytest.raises(InvalidInput, match="not a valid webhook name"):
        await add_webhook(sender.house, Hook(id="../x"))


async def test_the_reader_is_a_coordinator_with_nothing_but_the_bus_and_the_events(sender: Sender) -> None:
    agent = await sender.house.agents.get("webhook")
    held = await sender.house.spaces.held(agent.principal)
    assert agent.coordinator
    assert {name: str(level) for name, level in held.items()} == {
        "bus": "write",
        **{f"hook-{name}": "read" for name in ("contact", "dates", "door", "repo")},
    }
