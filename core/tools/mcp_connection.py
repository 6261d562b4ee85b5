"""A connection to one MCP server, over its standard input and output or over HTTP. Import it late: the SDK is heavy."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import httpx2
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from core.errors import ToolFailed
from core.settings import McpServer
from core.tools.mcp_tools import McpSeconds

MAX_MESSAGE_BYTES = 4_000_000
MAX_TOOL_PAGES = 20
MAX_ANSWER_CHARS = 100_000
MAX_REASON_CHARS = 500
STDERR_TAIL_BYTES = 2_000

log = logging.getLogger("stoa.mcp")

ReadStream = MemoryObjectReceiveStream[SessionMessage | Exception]
WriteStream = MemoryObjectSendStream[SessionMessage]
Streams = tuple[ReadStream, WriteStream]


class McpConnection:
    """One server while it runs. It ends with `aclose`, when the server dies, and after an answer that never came."""

    def __init__(self, name: str, server: McpServer, seconds: McpSeconds) -> None:
        self._name = name
        self._server = server
        self._seconds = seconds
        self._complaint = bytearray()
        self._session: ClientSession | None = None
        self._started = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.tools: list[types.Tool] = []
        """What the server offers, read once after the start."""

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Start the server and read its list of tools; raises `ToolFailed`."""
        self._task = task = asyncio.create_task(self._run(), name=f"mcp {self._name}")
        task.add_done_callback(self._note_end)
        waiting = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait({task, waiting}, timeout=self._seconds.start, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            if not self._started.is_set():
                await self.aclose()
        if not self._started.is_set():
            error = None if task.cancelled() else task.exception()
            late = f"it did not answer within {self._seconds.start:g} seconds"
            raise ToolFailed(
                f"The MCP server {self._name} cannot be used: {_reason(error) or late}.{self._last_words()}"
            )

    async def call(self, tool: str, arguments: Mapping[str, object]) -> object:
        """The answer of a tool, as structured data or as text. Raises `ToolFailed`; a server that hangs is ended."""
        assert self._session
        asked = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=dict(arguments)))
        try:
            async with asyncio.timeout(self._seconds.call):
                found = await self._session.send_request(asked, types.CallToolResult)
        except TimeoutError:
            await self.aclose()
            raise ToolFailed(
                f"{self._name} did not answer within {self._seconds.call:g} seconds; it may have done it all the same."
            ) from None
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED:
                await self.aclose()
            raise ToolFailed(f"{self._name} refused the call: {str(error)[:MAX_REASON_CHARS]}") from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self.aclose()
            raise ToolFailed(f"{self._name} died.{self._last_words()} The next call starts it again.") from None
        except ValidationError:
            raise ToolFailed(f"{self._name} answered in a form that the protocol doesn't have.") from None
        if found.is_error:
            raise ToolFailed(f"{self._name} failed: {_text(found)[:MAX_REASON_CHARS]}")
        return _answer(found)

    async def aclose(self) -> None:
        """End the server; harmless where it has ended."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        transport = self._stdio() if self._server.command else self._http()
        async with Client(transport) as client:
            self._session = client.session
            self.tools = await _listed(client)
            self._started.set()
            await asyncio.Event().wait()

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[Any]:
        timeout = httpx2.Timeout(self._seconds.call, connect=self._seconds.start)
        async with (
            httpx2.AsyncClient(headers=self._server.headers, timeout=timeout, transport=_Bounded()) as http,
            streamable_http_client(self._server.url, http_client=http) as streams,
        ):
            yield streams

    @contextlib.asynccontextmanager
    async def _stdio(self) -> AsyncIterator[Streams]:
        """The server as a child with an environment of its own: nothing of ours but the path and the home."""
        process = await asyncio.create_subprocess_exec(
            *self._server.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=get_default_environment() | self._server.env,
            start_new_session=True,
            limit=MAX_MESSAGE_BYTES,
        )
        read_in, read_out = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_in, write_out = anyio.create_memory_object_stream[SessionMessage](0)
        task = asyncio.current_task()
        assert task

        async def read() -> None:
            await _messages(process, read_in)
            if self._started.is_set():
                task.cancel()  # so that the next call finds no connection and starts the server again
            await _drain(process)

        pipes = [read(), _send(process, write_out), self._keep_complaint(process)]
        tasks = [asyncio.create_task(pipe, name=f"mcp {self._name}") for pipe in pipes]
        try:
            yield read_out, write_in
        finally:
            await _stop(process, self._seconds.stop)
            for one in tasks:
                one.cancel()
            await asyncio.wait(tasks)
            for stream in (read_in, read_out, write_in, write_out):
                stream.close()

    async def _keep_complaint(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr
        while chunk := await process.stderr.read(STDERR_TAIL_BYTES):
            self._complaint += chunk
            del self._complaint[:-STDERR_TAIL_BYTES]

    def _note_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        log.info("The MCP server %s has ended. %s", self._name, _reason(error))

    def _last_words(self) -> str:
        lines = bytes(self._complaint).decode("utf-8", "replace").strip().splitlines()
        return f" It said last: {lines[-1][:MAX_REASON_CHARS]}" if lines else ""


class _Bounded(httpx2.AsyncHTTPTransport):
    """Cuts off an answer that is larger than a message may be; a stream of events has bounds of its own."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_MESSAGE_BYTES
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"the answer is larger than {MAX_MESSAGE_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _messages(
    process: asyncio.subprocess.Process, into: MemoryObjectSendStream[SessionMessage | Exception]
) -> None:
    """Pass on what the server says until it ends, or says a line that is too long; what is no message is skipped."""
    assert process.stdout
    async with into:
        with contextlib.suppress(anyio.BrokenResourceError, ValueError):
            while line := await process.stdout.readline():
                with contextlib.suppress(ValidationError):
                    message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                    await into.send(SessionMessage(message))


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what is left: a pipe that is full would keep the server from ending."""
    assert process.stdout
    while await process.stdout.read(MAX_MESSAGE_BYTES):
        pass


async def _send(process: asyncio.subprocess.Process, messages: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin
    with contextlib.suppress(ConnectionError):
        async for one in messages:
            process.stdin.write(one.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await process.stdin.drain()


async def _stop(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Let the server end by itself for a moment, then end it and all it started."""
    assert process.stdin
    process.stdin.close()
    try:
        await _ended(process, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await _ended(process, seconds)


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait a moment for the end; it isn't noticed while a child of the server's holds the pipes."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await process.wait()


async def _listed(client: Client) -> list[types.Tool]:
    found, cursor = list[types.Tool](), None
    for _ in range(MAX_TOOL_PAGES):
        page = await client.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _reason(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ValidationError):
        return "it answers in a form that the protocol doesn't have"
    return f"{str(error)[:MAX_REASON_CHARS] or type(error).__name__}".rstrip(".") if error else ""


def _text(found: types.CallToolResult) -> str:
    parts = [
        one.text if isinstance(one, types.TextContent) else f"[{one.type}, not shown]" for one in found.content or ()
    ]
    return "\n".join(parts)


def _answer(found: types.CallToolResult) -> object:
    """Structured data where it is not too large, else the text, cut."""
    if found.structured_content is not None and len(json.dumps(found.structured_content)) <= MAX_ANSWER_CHARS:
        return found.structured_content
    text = _text(found) or json.dumps(found.structured_content)
    return text if len(text) <= MAX_ANSWER_CHARS else f"{text[:MAX_ANSWER_CHARS]}... ({len(text):,} characters)"
