"""Search engines that `web_search` can ask: one function each, chosen by the setting `web_search`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from core.errors import ToolFailed
from core.secrets.secrets import Secrets
from core.tools.http import HttpClient

BRAVE_URL = "https://api.search.brave.com/res/v1/web/search"
TAVILY_URL = "https://api.tavily.com/search"
ENGINE_SECONDS = 15

Results = list[dict[str, str]]
Engine = Callable[[str, int], Awaitable[Results]]


class Engines:
    """The engines, each with what it needs: an address, or a key among the secrets."""

    def __init__(
        self, client: HttpClient, secrets: Secrets, *, brave_url: str = BRAVE_URL, tavily_url: str = TAVILY_URL
    ) -> None:
        self._client = client
        self._secrets = secrets
        self._brave_url = brave_url
        self._tavily_url = tavily_url

    def named(self, name: str) -> Engine:
        """The engine of a setting: a name, the address of a SearXNG server, or nothing for those without a key."""
        known: dict[str, Engine] = {"": self._ddgs, "ddgs": self._ddgs, "brave": self._brave, "tavily": self._tavily}
        return known.get(name) or (lambda query, limit: self._searxng(name, query, limit))

    async def _brave(self, query: str, limit: int) -> Results:
        headers = [("X-Subscription-Token", self._secrets.value("BRAVE_KEY")), ("Accept", "application/json")]
        found = await self._client.get(f"{self._brave_url}?q={quote_plus(query)}&count={limit}", headers=headers)
        web = _answer(found.data, "Brave").get("web")
        return _results(web if isinstance(web, dict) else {}, "description", limit)

    async def _tavily(self, query: str, limit: int) -> Results:
        headers = [
            ("Authorization", f"Bearer {self._secrets.value('TAVILY_KEY')}"),
            ("Content-Type", "application/json"),
        ]
        asked = json.dumps({"query": query, "max_results": limit}).encode()
        found = await self._client.get(self._tavily_url, headers=headers, body=asked)
        return _results(_answer(found.data, "Tavily"), "content", limit)

    async def _searxng(self, url: str, query: str, limit: int) -> Results:
        own = HttpClient(passes=lambda _: True)  # the owner named this server; it may well stand beside us
        try:
            found = await own.get(f"{url.rstrip('/')}/search?format=json&q={quote_plus(query)}")
        finally:
            await own.aclose()
        return _results(_answer(found.data, url), "content", limit)

    async def _ddgs(self, query: str, limit: int) -> Results:
        return await asyncio.to_thread(_without_key, query, limit)


def _without_key(query: str, limit: int) -> Results:
    """Search without a key; the library asks one search engine after the other."""
    from ddgs import DDGS
    from ddgs.exceptions import DDGSException

    try:
        results = DDGS(timeout=ENGINE_SECONDS).text(query, max_results=limit)
    except DDGSException as error:
        raise ToolFailed(f"No search engine answered ({error}). Try again later, or set STOA_WEB_SEARCH.") from None
    return [{"title": one["title"], "url": one["href"], "text": one["body"]} for one in results]


def _answer(data: bytes, engine: str) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        raise ToolFailed(f"{engine} did not answer with JSON; check STOA_WEB_SEARCH.") from None
    return answer if isinstance(answer, dict) else {}


def _results(answer: Mapping[str, Any], text: str, limit: int) -> Results:
    found = answer.get("results")
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [
        {"title": str(one.get("title") or ""), "url": str(one.get("url") or ""), "text": str(one.get(text) or "")}
        for one in listed[:limit]
    ]
