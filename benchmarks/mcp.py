"""The MCP server: one call at a time, and a hundred clients at once, each with a session of its own.

Clients and server share one process here, so the numbers hold the clients' own work, too.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from statistics import median

import httpx2
import uvicorn
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.rows import Row
from benchmarks.stages import FixedEmbedder, Stage
from bots.mcp_server import SpaceServer
from bots.tokens import Tokens
from core.atoms.permissions import Permission
from core.house import House

CALLS = 200
CLIENTS = 100
CALLS_EACH = 5


async def mcp(stage: Stage) -> list[Row]:
    """The median of `get` and `put` over HTTP, alone, and the time per call while a hundred clients ask at once."""
    async with stage.house(FixedEmbedder()) as house:
        await house.spaces.create("notes")
        atom = await house.spaces.open("notes").put("Milk")
        token = await Tokens(house.spaces).create("bench", {"notes": Permission.WRITE})
        async with _serving(house) as url, contextlib.AsyncExitStack() as stack:
            first, *others = [await stack.enter_async_context(_client(url, token)) for _ in range(CLIENTS)]
            gets = [await _timed(first, "get", id=atom.id) for _ in stage.track(range(CALLS), "MCP", CALLS)]
            puts = [await _timed(first, "put", content=f"Atom {number}") for number in range(CALLS)]
            begun = time.perf_counter()
            everybody = [_several(client, atom.id) for client in [first, *others]]
            at_once = [took for several in await asyncio.gather(*everybody) for took in several]
            whole = (time.perf_counter() - begun) * 1_000
        return [
            Row("MCP: get, the median", median(gets), "ms", goal=10.0),
            Row("MCP: put, the median", median(puts), "ms", goal=10.0),
            Row(f"MCP: {CLIENTS} clients at once, per call", whole / len(at_once), "ms", goal=10.0),
            Row(f"MCP: {CLIENTS} clients at once, the median wait of one", median(at_once), "ms"),
        ]


async def _several(client: Client, id: str) -> list[float]:
    return [await _timed(client, "get", id=id) for _ in range(CALLS_EACH)]


async def _timed(client: Client, tool: str, **arguments: object) -> float:
    begun = time.perf_counter()
    found = await client.call_tool(tool, {"space": "notes", **arguments})
    assert not found.is_error, found.content
    return (time.perf_counter() - begun) * 1_000


@contextlib.asynccontextmanager
async def _serving(house: House) -> AsyncIterator[str]:
    async with contextlib.aclosing(SpaceServer(house)) as spaces:
        server = uvicorn.Server(uvicorn.Config(spaces.http_app(), host="127.0.0.1", port=0, log_config=None))
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def _client(url: str, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http)) as connected,
    ):
        yield connected
