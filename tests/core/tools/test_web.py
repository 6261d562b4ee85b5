"""Pages are read from a real server, within bounds; nothing that is not public is ever connected to."""

import asyncio
import contextlib
import gzip
import ipaddress
import re
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput, ToolFailed
from core.secrets.secrets import Secrets
from core.tools.arguments import PART_CHARS
from core.tools.engines import Engines
from core.tools.http import HttpClient, checked_url, is_public
from core.tools.web import Web

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """A web server on this machine; what each path answers, and which paths were asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer | Callable[[asyncio.StreamWriter], object]] = {}
        self.asked: list[str] = []
        self.headers: list[str] = []
        self.bodies: list[str] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ")[1]
            self.asked.append(path)
            self.headers.append(head)
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            self.bodies.append((await reader.readexactly(int(length[1]))).decode() if length else "")
            page = self.pages.get(path.partition("?")[0], (404, {}, b"not here"))
            if callable(page):
                page(writer)
            else:
                status, headers, body = page
                told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{told}Content-Length: {len(body)}\r\n".encode())
                writer.write(b"Connection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with await asyncio.start_server(site.answer, "127.0.0.1", 0) as server:
        site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield site


@pytest_asyncio.fixture
async def web() -> AsyncIterator[Web]:
    """The tools, with a client that may also connect to this machine."""
    client = HttpClient(passes=lambda address: address.is_loopback)
    yield Web(client, Engines(client, Secrets({})).named(""))
    await client.aclose()


HTML = {"Content-Type": "text/html; charset=utf-8"}


async def test_a_page_is_read_as_text_with_its_title(site: Site, web: Web) -> None:
    site.pages["/tea"] = (200, HTML, "<title>Tea &amp; cake</title><p>Grün, schwarz, weiß.</p>".encode())
    page = await web.web_fetch(f"{site.url}/tea")
    assert page == {"url": f"{site.url}/tea", "title": "Tea & cake", "text": page["text"], "next": None}
    assert "Grün, schwarz, weiß." in str(page["text"])


async def test_a_long_page_comes_in_parts(site: Site, web: Web) -> None:
    site.pages["/long"] = (200, {"Content-Type": "text/plain"}, b"x" * (PART_CHARS + 5))
    first = await web.web_fetch(f"{site.url}/long")
    assert first["next"] == PART_CHARS
    rest = await web.web_fetch(f"{site.url}/long", start=PART_CHARS)
    assert (rest["text"], rest["next"]) == ("xxxxx", None)


async def test_a_page_in_another_encoding_is_read_as_its_server_says(site: Site, web: Web) -> None:
    site.pages["/jp"] = (200, {"Content-Type": "text/plain; charset=shift_jis"}, "東京の天気".encode("shift_jis"))
    assert (await web.web_fetch(f"{site.url}/jp"))["text"] == "東京の天気"


async def test_a_zipped_page_is_read_and_a_zip_bomb_is_not(site: Site, web: Web) -> None:
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    site.pages["/zipped"] = (200, headers, gzip.compress(b"small"))
    site.pages["/bomb"] = (200, headers, gzip.compress(b"0" * 50_000_000))
    assert (await web.web_fetch(f"{site.url}/zipped"))["text"] == "small"
    with pytest.raises(ToolFailed, match="larger than 10 MB"):
        await web.web_fetch(f"{site.url}/bomb")


async def test_a_page_that_never_ends_is_given_up(site: Site, web: Web) -> None:
    def forever(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        writer.write(b"0" * 12_000_000)

    site.pages["/forever"] = forever
    with pytest.raises(ToolFailed, match="larger than 10 MB"):
        await web.web_fetch(f"{site.url}/forever")


async def test_redirects_are_followed_and_each_is_checked(site: Site, web: Web) -> None:
    site.pages["/old"] = (302, {"Location": "/new"}, b"")
    site.pages["/new"] = (200, {"Content-Type": "text/plain"}, b"here")
    site.pages["/loop"] = (302, {"Location": "/loop"}, b"")
    site.pages["/inside"] = (302, {"Location": "http://10.0.0.1/admin"}, b"")
    site.pages["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    assert (await web.web_fetch(f"{site.url}/old"))["url"] == f"{site.url}/new"
    with pytest.raises(ToolFailed, match="more than 5 times"):
        await web.web_fetch(f"{site.url}/loop")
    with pytest.raises(InvalidInput, match=r"leads to 10\.0\.0\.1"):
        await web.web_fetch(f"{site.url}/inside")
    with pytest.raises(InvalidInput, match="Only http and https"):
        await web.web_fetch(f"{site.url}/file")


async def test_a_site_that_asks_programs_to_stay_away_is_left_alone(site: Site, web: Web) -> None:
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private/")
    site.pages["/private/diary"] = (200, {"Content-Type": "text/plain"}, b"secret")
    with pytest.raises(InvalidInput, match=r"robots\.txt"):
        await web.web_fetch(f"{site.url}/private/diary")
    assert site.asked == ["/robots.txt"]


async def test_what_is_no_text_and_what_is_not_there_is_said(site: Site, web: Web) -> None:
    site.pages["/cat.png"] = (200, {"Content-Type": "image/png"}, b"\x89PNG")
    with pytest.raises(InvalidInput, match="image/png"):
        await web.web_fetch(f"{site.url}/cat.png")
    with pytest.raises(ToolFailed, match="status 404"):
        await web.web_fetch(f"{site.url}/nothing")


@pytest.mark.parametrize("charset", ["klingon", "punycode", "idna", "zip", "unicode_escape", "utf-16-le", '"'])
async def test_a_page_whose_server_names_an_odd_encoding_is_read_all_the_same(
    charset: str, site: Site, web: Web
) -> None:
    body = "<title>Tea</title><p>Grün</p>".encode("utf-16-le" if charset == "utf-16-le" else "utf-8")
    site.pages["/odd"] = (200, {"Content-Type": f"text/html; charset={charset}"}, body)
    assert "Grün" in str((await web.web_fetch(f"{site.url}/odd"))["text"])


async def test_a_host_is_looked_up_and_checked_again_for_each_connection(site: Site) -> None:
    answers = [["127.0.0.1"], ["10.0.0.7"]]

    async def rebinding(host: str, port: int) -> list[str]:
        return answers.pop(0)

    port = site.url.rpartition(":")[2]
    site.pages["/page"] = (302, {"Location": f"http://evil.example:{port}/again"}, b"")
    client = HttpClient(passes=lambda address: address.is_loopback, resolve=rebinding)
    with pytest.raises(InvalidInput, match=r"evil\.example leads to 10\.0\.0\.7"):
        await client.get(f"http://evil.example:{port}/page")
    assert site.asked == ["/page"]
    await client.aclose()


async def test_a_host_with_one_private_address_among_public_ones_is_refused() -> None:
    async def mixed(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "192.168.0.1"]

    client = HttpClient(resolve=mixed)
    with pytest.raises(InvalidInput, match=r"192\.168\.0\.1"):
        await client.get("http://mixed.example/")
    await client.aclose()


async def test_keys_in_headers_are_not_sent_on_to_another_site(site: Site) -> None:
    site.pages["/here"] = (302, {"Location": "/there"}, b"")
    site.pages["/there"] = (302, {"Location": site.url.replace("127.0.0.1", "localhost") + "/away"}, b"")
    site.pages["/away"] = (200, {"Content-Type": "text/plain"}, b"done")

    async def local(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    client = HttpClient(passes=lambda address: address.is_loopback, resolve=local)
    await client.get(f"{site.url}/here", headers=[("X-Key", "4711")])
    assert ["4711" in head for head in site.headers] == [True, True, False]
    with pytest.raises(ToolFailed, match="not for others"):
        await client.get(f"{site.url}/here", body=b"secret")
    await client.aclose()


PRIVATE = [
    *("127.0.0.1", "127.1", "0.0.0.0", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1."),
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ip6-localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1", "169.254.169.254"),
    *("100.64.0.1", "192.0.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[ff02::1]", "[2001:db8::1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::]", "[2001:0:7f00:1::]", "3232235777"),
    *("0xc0a80001", "192.168.0.0x1", "[::ffff:10.0.0.1]", "[::ffff:a9fe:a9fe]"),
]


@pytest.mark.parametrize("host", PRIVATE)
async def test_no_private_address_is_connected_to_however_it_is_written(host: str) -> None:
    client = HttpClient()
    with pytest.raises((InvalidInput, ToolFailed)) as refused:
        await client.get(f"http://{host}:9/")
    assert isinstance(refused.value, InvalidInput) or "is not known" in str(refused.value)
    await client.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com",
        "http://user:pass@example.com/",
        "http://example.com@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "http://example.com/\x00",
        "http://exam\nple.com/",
        "https://business.com／@evil.org/",
        "https://business.com＃@evil.org/",
        "http://[::1",
        "http://:80/",
        "http://example.com:99999/",
        "https://" + "a" * 3000,
        "",
    ],
)
def test_an_odd_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        checked_url(url)


def test_a_host_is_written_as_the_network_uses_it_and_not_folded() -> None:
    assert checked_url("https://bücher.example/straße?q=ä") == "https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%A4"
    assert checked_url("busineß.com") == "https://xn--busine-gta.com/"
    assert checked_url("HTTPS://Example.COM.:443/a#part") == "https://example.com:443/a"


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_a_private_address_stays_private_in_every_wrapping(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    assert not is_public(address)
    assert not is_public(ipaddress.IPv6Address(0xFFFF << 32 | number))
    assert not is_public(ipaddress.IPv6Address((0x64FF9B << 96) | number))
    assert not is_public(ipaddress.IPv6Address((0x2002 << 112) | number << 80))


def test_public_addresses_are_public() -> None:
    assert all(is_public(ipaddress.ip_address(one)) for one in ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"))
