"""RSS and Atom are read from a real server; what is no feed is said to be none."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.errors import InvalidInput
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
