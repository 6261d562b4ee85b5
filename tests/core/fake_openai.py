"""A server on loopback that speaks as much of OpenAI's streaming protocol as the tests need."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

PHRASES = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Answer:
    """One scripted answer: a stream of pieces, an error with its message, or silence once the pieces are said."""

    pieces: tuple[str, ...] = ()
    status: int = 200
    message: str = ""
    hangs: bool = False
    retry_after: str = ""
    usage: dict[str, Any] | None = None


@dataclass
class FakeOpenAI:
    """What the server was asked, and where it listens."""

    answers: list[Answer]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        self.requests.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        self.keys.append(headers.get("authorization", ""))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            await self._answer(writer, answer)
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        kind = "text/event-stream" if answer.status == 200 else "application/json"
        phrase = PHRASES.get(answer.status, "Error")
        writer.write(f"HTTP/1.1 {answer.status} {phrase}\r\ncontent-type: {kind}\r\nconnection: close\r\n".encode())
        writer.write(f"retry-after: {answer.retry_after}\r\n\r\n".encode() if answer.retry_after else b"\r\n")
        if answer.status != 200:
            writer.write(json.dumps({"error": {"message": answer.message, "type": "error", "code": None}}).encode())
        else:
            for piece in answer.pieces:
                writer.write(b"data: " + json.dumps(_chunk({"content": piece}, None)).encode() + b"\n\n")
            if answer.hangs:
                await writer.drain()
                await self.over.wait()
            writer.write(b"data: " + json.dumps(_chunk({}, "stop")).encode() + b"\n\n")
            if answer.usage:
                last = {**_chunk({}, None), "choices": [], "usage": answer.usage}
                writer.write(b"data: " + json.dumps(last).encode() + b"\n\n")
            writer.write(b"data: [DONE]\n\n")
        await writer.drain()


def _chunk(delta: dict[str, str], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}


@asynccontextmanager
async def fake_openai(*answers: Answer) -> AsyncIterator[FakeOpenAI]:
    """A server that gives these answers in turn, the last one for ever."""
    fake = FakeOpenAI(list(answers))
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield fake
    finally:
        fake.over.set()
        server.close()
