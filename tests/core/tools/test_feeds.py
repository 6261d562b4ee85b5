"""RSS and Atom are read from a real server; what is no feed is said to be none."""

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.errors import InvalidInput, ToolFailed
from core.tools.feeds import Feeds
from core.tools.http import HttpClient
from tests.core.tools.test_web import Site, site

__all__ = ["site"]

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>
<item><title>Rain &amp; wind</title><link>https://news.example/1</link><pubDate>Mon, 30 Nov 2026 09:00:00 GMT</pubDate>
<description>&lt;p&gt;It &lt;b&gt;rains&lt;/b&gt;.&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</description></item>
<item><title>Sun</title><link>https://news.example/2</link></item></channel></rss>"""


@pytest_asyncio.fixture
async def feeds() -> AsyncIterator[Feeds]:
    client = HttpClient(passes=lambda address: address.is_loopback)
    yield Feeds(client)
    await client.aclose()


async def test_entries_are_read_as_text_the_newest_first(site: Site, feeds: Feeds) -> None:
    site.pages["/rss"] = (200, {"Content-Type": "application/rss+xml"}, RSS.encode())
    first, second = await feeds.read_feed(f"{site.url}/rss")
    assert first == {
        "title": "Rain & wind",
        "url": "https://news.example/1",
        "published": "Mon, 30 Nov 2026 09:00:00 GMT",
        "text": "It rains.",
    }
    assert (second["title"], second["text"]) == ("Sun", "")
    assert len(await feeds.read_feed(f"{site.url}/rss", limit=1)) == 1


async def test_a_page_that_is_no_feed_is_said_to_be_none(site: Site, feeds: Feeds) -> None:
    site.pages["/page"] = (200, {"Content-Type": "text/html"}, b"<html><body>Hello</body></html>")
    with pytest.raises(InvalidInput, match="is not a feed"):
        await feeds.read_feed(f"{site.url}/page")
    with pytest.raises(InvalidInput, match="limit"):
        await feeds.read_feed(f"{site.url}/page", limit=0)


async def test_a_feed_of_many_entries_is_read_as_far_as_asked(site: Site, feeds: Feeds) -> None:
    item = "<item><title>One</title><description>&lt;b&gt;text&lt;/b&gt;</description></item>"
    body = f'<rss version="2.0"><channel>{item * 2_000}</channel></rss>'
    site.pages["/many"] = (200, {"Content-Type": "application/rss+xml"}, body.encode())
    found = await feeds.read_feed(f"{site.url}/many", limit=100)
    assert (len(found), found[99]["text"]) == (100, "text")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff" * 500,
        b"<rss" * 5_000,
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "&%c;&%c;&%c;&%c;&%c;&%c;&%c;&%c;">' % (n + 1, *[n] * 8) for n in range(97, 107))
        + b"]><rss version='2.0'><channel><item><title>&k;</title></item></channel></rss>",
    ],
    ids=["empty", "noise", "torn", "entities without end"],
)
async def test_a_hostile_feed_costs_little_and_harms_nobody(body: bytes, site: Site, feeds: Feeds) -> None:
    site.pages["/odd"] = (200, {"Content-Type": "application/rss+xml"}, body)
    found: list[dict[str, str]] = []
    with contextlib.suppress(InvalidInput, ToolFailed):
        found = await feeds.read_feed(f"{site.url}/odd")
    assert len(str(found)) < 10_000
