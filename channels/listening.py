"""Serving an application over HTTP beside everything else in this process."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from core.errors import InvalidInput

MAX_CONNECTIONS = 200
CLOSING_SECONDS = 3.0
"""How long requests under way may take once the server is asked to end."""


def listening_at(host: str, port: int, name: str, setting: str) -> socket.socket:
    """A socket for the part of Stoa called `name`; raises `InvalidInput` where its port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InvalidInput(
            f"{name} cannot be served at {host}:{port} ({error.strerror}). {setting} names another port; 0 switches it "
            "off."
        ) from None
    return listening


async def serve_application(application: ASGIApp, listening: socket.socket) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=MAX_CONNECTIONS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait([serving], timeout=CLOSING_SECONDS)
        serving.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
