"""The server that anybody can reach: it reads little, waits briefly, and takes odd payloads calmly."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from channels.slack.events import SlackPayload
from channels.slack.listener import ListenerBounds, SignedHTTP, parsed
from tests.rigs.slack.deliveries import signature

SECRET = "a-secret"
GOOD = json.dumps({"type": "event_callback", "event": {"type": "message"}})


class Server:
    """A listener on a free port, and the payloads it let in."""

    def __init__(self, bounds: ListenerBounds) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.taken: list[SlackPayload] = []
        self._http = SignedHTTP(f"127.0.0.1:{self.port}", SECRET, self._take, bounds)

    async def _take(self, payload: SlackPayload) -> tuple[bool, Any]:
        self.taken.append(payload)
        return True, None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, *parts: str | bytes) -> int:
        """Send the parts as they are; answers the status, 0 where the connection is closed without one."""
        reader, writer = await self.open()
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part.encode() if isinstance(part, str) else part)
            await writer.drain()
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                line = await reader.readline()
                writer.close()
                return int(line.split()[1]) if line else 0
        return 0


@contextlib.asynccontextmanager
async def serving(**bounds: Any) -> AsyncIterator[Server]:
    server = Server(ListenerBounds(**bounds))
    running = asyncio.ensure_future(server._http.run())
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(ConnectionError):
                    _, writer = await server.open()
                    writer.close()
                    break
                await asyncio.sleep(0)
        yield server
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def head(
    body: str | bytes,
    length: int | None = None,
    kind: str = "application/json",
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The head of a signed request."""
    stamp = str(int(time.time()))
    signed = signature(stamp, body if isinstance(body, str) else body.decode("latin-1"), SECRET)
    headers = {
        "Host": "x",
        "Content-Type": kind,
        "Content-Length": str(len(body.encode() if isinstance(body, str) else body) if length is None else length),
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signed,
        **more,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return f"POST /slack/events HTTP/1.1\r\n{lines}\r\n"


async def test_a_good_request_is_let_in() -> None:
    async with serving() as server:
        assert await server.send(head(GOOD), GOOD) == 200
        assert server.taken == [json.loads(GOOD)]


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (401, {"X-Slack-Signature": "v0=abc"}),
        (401, {"X-Slack-Request-Timestamp": "1"}),
        (401, {"Content-Encoding": "gzip"}),
        (413, {"Content-Length": "1000001"}),
        (411, {"Content-Length": "", "Transfer-Encoding": "chunked"}),
    ],
)
async def test_what_cannot_be_good_is_refused_before_its_body_is_read(status: int, changes: dict[str, str]) -> None:
    async with serving() as server:
        assert await server.send(head(GOOD, more=changes)) == status  # no body was sent
        assert not server.taken


async def test_a_head_that_never_ends_is_not_waited_for() -> None:
    async with serving(connection_seconds=0.2) as server:
        reader, writer = await server.open()
        writer.write(b"POST /slack/events HTTP/1.1\r\nX-A: ")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert await server.send(head(GOOD), GOOD) == 200


async def test_a_body_that_never_ends_is_not_waited_for() -> None:
    async with serving(body_seconds=0.2) as server:
        assert await server.send(head(GOOD, length=1_000), GOOD) == 408
        assert not server.taken


async def test_a_head_that_is_too_long_is_refused() -> None:
    async with serving() as server:
        assert await server.send(head(GOOD, more={"X-Long": "a" * 20_000}), GOOD) in (0, 400, 431)
        assert await server.send(head(GOOD, more={f"X-{number}": "a" for number in range(200)}), GOOD) in (0, 400, 431)
        assert not server.taken


async def test_bodies_that_are_still_coming_take_no_more_memory_than_is_set_aside_for_them() -> None:
    async with serving(held_bytes=1_500) as server:
        _, writer = await server.open()
        writer.write(head(GOOD, length=1_000).encode())
        await writer.drain()
        status = 401
        while status != 503:  # until the first has been seen
            status = await server.send(
                head(GOOD, length=1_000, more={"X-Slack-Signature": "v0=" + "0" * 64}), "x" * 1_000
            )
        writer.close()
        while await server.send(head(GOOD), GOOD) != 200:
            await asyncio.sleep(0)


async def test_no_more_connections_are_served_than_are_set_aside() -> None:
    async with serving(connections=3) as server:
        held = [await server.open() for _ in range(3)]
        assert await server.send(head(GOOD), GOOD) == 0
        for _, writer in held:
            writer.close()
        while await server.send(head(GOOD), GOOD) != 200:
            await asyncio.sleep(0)


ODD = [
    "",
    "{",
    "[]",
    "1",
    "null",
    '"text"',
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 10_000,
    '{"event": []}',
    '{"event": {"type": ["message"], "subtype": {}}}',
    '{"type": 1, "event_id": {}, "event": 5}',
    '{"actions": [], "type": "block_actions"}',
    '{"actions": [1], "type": "block_actions", "user": 3}',
    '{"command": null}',
    '{"text": "\\ud800"}',
    "\x00",
]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
async def test_an_odd_payload_is_answered_without_a_traceback(body: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        for kind, sent in (
            ("application/json", body),
            ("application/x-www-form-urlencoded", f"payload={body}"),
            ("application/x-www-form-urlencoded", body),
            ("text/plain", body),
        ):
            assert await server.send(head(sent, kind=kind), sent) in (200, 400, 401)
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


def test_a_form_with_many_fields_is_no_payload() -> None:
    assert parsed(b"&".join(b"a=1" for _ in range(1_000)), "application/x-www-form-urlencoded") is None
