"""A page that is served, and a browser that knows nothing but HTTP."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from channels.web.access import WebSessions
from channels.web.serving import serve_at
from core.house import House


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


class Browser:
    """One browser: it keeps cookies, and says where a form comes from."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.port, self._http = port, http
        self.origin = f"http://127.0.0.1:{port}"

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._ask("GET", path, headers)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        return await self._ask("POST", path, {"Origin": self.origin, **headers}, fields)

    async def events(self) -> AsyncIterator[tuple[str, str]]:
        """The name and the data of each event."""
        async with self._http.get(f"{self.origin}/events", timeout=aiohttp.ClientTimeout(60)) as answer:
            name, data = "", list[str]()
            async for line in answer.content:
                field, _, value = line.decode().rstrip("\r\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif not field and data:
                    yield name, "\n".join(data)
                    data = []

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], fields: dict[str, str] | None = None
    ) -> Answer:
        url = f"{self.origin}{path}"
        async with self._http.request(method, url, headers=headers, data=fields, allow_redirects=False) as answer:
            return Answer(
                answer.status, await answer.text(), {name.lower(): value for name, value in answer.headers.items()}
            )


@contextlib.asynccontextmanager
async def served(house: House) -> AsyncIterator[int]:
    """The port at which the house's page is served."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(serve_at(house, listening))
        try:
            yield listening.getsockname()[1]
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@contextlib.asynccontextmanager
async def browsing(house: House, *, signed_in: bool = True) -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)  # addresses instead of names keep cookies, too
    async with served(house) as port, aiohttp.ClientSession(cookie_jar=jar) as http:
        browser = Browser(port, http)
        if signed_in:
            assert (await browser.get(f"/enter/{await WebSessions(house.store).invite()}")).status == 303
        yield browser
