"""Each search engine is asked as it wants to be, with its key; what it answers in another shape harms nobody."""

import json

import pytest

from core.errors import InvalidInput, NotFound, ToolFailed
from core.secrets.secrets import Secrets
from core.settings import load
from core.tools.engines import Engines
from core.tools.http import HttpClient
from core.tools.web import Web
from tests.core.tools.test_web import Site, site

__all__ = ["site"]

KEYS = {"STOA_SECRET_BRAVE_KEY": "brave-4711", "STOA_SECRET_TAVILY_KEY": "tavily-4711"}
TEA = {"title": "Tea", "url": "https://tea.example"}
FOUND = [{**TEA, "text": "All of it"}]
JSON = {"Content-Type": "application/json"}
ANSWERS = {
    "searxng": {"results": [{**TEA, "content": "All of it"}, {**TEA, "content": "More"}]},
    "brave": {"web": {"results": [{**TEA, "description": "All of it"}, "odd"]}},
    "tavily": {"results": [{**TEA, "content": "All of it", "score": 0.9}]},
}


def searching(site: Site, engine: str) -> Web:
    client = HttpClient(passes=lambda address: address.is_loopback)
    where = f"{site.url}/search"
    engines = Engines(client, Secrets(KEYS), brave_url=where, tavily_url=where)
    return Web(client, engines.named(site.url if engine == "searxng" else engine))


@pytest.mark.parametrize("engine", ANSWERS)
async def test_an_engine_is_asked_and_its_results_have_one_shape(engine: str, site: Site) -> None:
    site.pages["/search"] = (200, JSON, json.dumps(ANSWERS[engine]).encode())
    assert await searching(site, engine).web_search("green tea", limit=1) == FOUND
    asked = site.headers[0] + site.bodies[0]
    assert "green+tea" in asked or "green tea" in asked
    assert {"brave": "X-Subscription-Token: brave-4711", "tavily": "Bearer tavily-4711"}.get(engine, "") in asked


@pytest.mark.parametrize("answer", ["[]", "null", '{"results": 7, "web": []}', '{"results": [null], "web": {}}'])
@pytest.mark.parametrize("engine", ANSWERS)
async def test_an_answer_of_another_shape_holds_no_results(engine: str, answer: str, site: Site) -> None:
    site.pages["/search"] = (200, JSON, answer.encode())
    assert await searching(site, engine).web_search("tea") == []


@pytest.mark.parametrize("engine", ANSWERS)
async def test_an_answer_that_is_no_json_is_an_error(engine: str, site: Site) -> None:
    site.pages["/search"] = (200, JSON, b"<html>Down for maintenance")
    with pytest.raises(ToolFailed, match="did not answer with JSON; check STOA_WEB_SEARCH"):
        await searching(site, engine).web_search("tea")


async def test_a_missing_key_is_named_with_the_way_to_set_it(site: Site) -> None:
    client = HttpClient()
    with pytest.raises(NotFound, match="stoa secret set TAVILY_KEY"):
        await Web(client, Engines(client, Secrets({})).named("tavily")).web_search("tea")
    await client.aclose()


def test_an_engine_that_nobody_knows_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidInput, match="'google' is neither brave, tavily, ddgs nor"):
        load(web_search="google")
