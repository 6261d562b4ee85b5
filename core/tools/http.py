"""An HTTP client for addresses that others chose: public hosts only, checked where the connection is made."""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpcore2 as httpcore
import idna

from core.errors import InvalidInput, ToolFailed

USER_AGENT = "Stoa/0.1 (personal assistant; reads single pages for its owner)"
MAX_BYTES = 10_000_000
"""Bytes of a body that are read; a longer one is refused."""
FETCH_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_REDIRECTS = 5
MAX_URL_CHARS = 2_000
MAX_ROBOTS_HOSTS = 500
ROBOTS_BYTES = 500_000
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolver = Callable[[str, int], Awaitable[list[str]]]
Headers = Sequence[tuple[str, str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body and where it came from in the end."""

    url: str
    media_type: str
    charset: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Request:
    url: str
    robots: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    max_bytes: int = MAX_BYTES
    body: bytes = b""

    def redirected(self, location: str) -> "_Request":
        """The same asked elsewhere, without the headers on another site, which may hold keys."""
        url = checked_url(urljoin(self.url, location))
        if self.body:
            raise ToolFailed(f"{self.url} sends us on to {url}, and what is sent there is not for others.")
        same = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        return replace(self, url=url, headers=self.headers if same else ())


def is_public(address: Address) -> bool:
    """True if an address belongs to the public internet, however it is written or wrapped."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(one is not None and not is_public(one) for one in wrapped):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def checked_url(url: str) -> str:
    """The address in the form it will be used in: http or https, the host as IDNA A-labels, no user, no fragment.

    Raises `InvalidInput` saying what is wrong.
    """
    if not isinstance(url, str) or not url.strip():
        raise InvalidInput("url is missing; give a web address such as https://example.com/page")
    text = url.strip()
    if len(text) > MAX_URL_CHARS:
        raise InvalidInput(f"The address has {len(text):,} characters; {MAX_URL_CHARS:,} is the most.")
    if "\\" in text or any(character.isspace() or not character.isprintable() for character in text):
        raise InvalidInput(f"The address {text[:200]!r} holds a blank, a control character or a backslash.")
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"{url[:200]!r} is not a web address: {error}.") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidInput(f"Only http and https can be fetched, not {parts.scheme!r}.")
    if "@" in parts.netloc:
        raise InvalidInput("An address must not hold a user name or password; leave out everything up to the @.")
    host = _a_labels(parts.hostname or "")
    path = _percent_encoded(parts.path or "/")
    query = f"?{_percent_encoded(parts.query)}" if parts.query else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{path}{query}"


def _a_labels(host: str) -> str:
    host = host.rstrip(".").lower()
    if not host:
        raise InvalidInput("The address names no host; give one such as https://example.com/page")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=False).decode()
    except idna.IDNAError as error:
        raise InvalidInput(f"{host[:200]!r} is not a host name: {error}.") from None


def _percent_encoded(text: str) -> str:
    return "".join(one if one.isascii() else "".join(f"%{byte:02X}" for byte in one.encode()) for one in text)


async def resolved(host: str, port: int) -> list[str]:
    """The addresses that the system finds for a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves names itself and connects only to addresses that pass, so no second answer of a name server counts."""

    def __init__(self, passes: Callable[[Address], bool], resolve: Resolver) -> None:
        self._passes = passes
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except httpcore.ConnectError as refused:
                error = refused
        raise error

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """Every address of a host; raises `InvalidInput` if one of them is not public."""
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known: {error}") from None
        addresses = [ipaddress.ip_address(one.partition("%")[0]) for one in found]
        if private := [one for one in addresses if not self._passes(one)]:
            raise InvalidInput(
                f"{host} leads to {private[0]}, which is not on the public internet, so I don't go there."
            )
        return list(dict.fromkeys(addresses))


class HttpClient:
    """Fetches public addresses within bounds; obeys robots.txt where a page is read."""

    def __init__(self, passes: Callable[[Address], bool] = is_public, resolve: Resolver = resolved) -> None:
        """`passes` decides which addresses may be connected to, and `resolve` finds those of a host name; tests let
        their own server through."""
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=20, keepalive_expiry=15, network_backend=_CheckedBackend(passes, resolve)
        )
        self._robots: dict[str, RobotFileParser] = {}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def get(
        self, url: str, *, robots: bool = False, headers: Headers = (), max_bytes: int = MAX_BYTES, body: bytes = b""
    ) -> Fetched:
        """The body behind an address, redirects followed and checked; with a `body`, what a POST of it answers.

        Raises `InvalidInput` for an address that may not be fetched, `ToolFailed` for a server that does not answer,
        answers too much or too late.
        """
        asked = _Request(checked_url(url), robots, tuple(headers), max_bytes, body)
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._follow(asked)
        except TimeoutError:
            raise ToolFailed(f"{url[:200]} did not answer within {FETCH_SECONDS:.0f} seconds.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise ToolFailed(f"{url[:200]} cannot be fetched: {error or type(error).__name__}.") from None

    async def _follow(self, asked: "_Request") -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            if asked.robots and not await self._allowed(asked.url):
                raise InvalidInput(f"{asked.url} asks programs not to read it (robots.txt). Look for another source.")
            async with self._stream(asked) as response:
                if response.status in REDIRECTS and (location := _header(response, b"location")):
                    asked = asked.redirected(location)
                    continue
                if response.status >= 400:
                    raise ToolFailed(f"{asked.url} answered with status {response.status}.")
                return await _read(asked.url, response, asked.max_bytes)
        raise ToolFailed(f"{asked.url} redirects more than {MAX_REDIRECTS} times.")

    @asynccontextmanager
    async def _stream(self, asked: "_Request") -> AsyncIterator[httpcore.Response]:
        sent = [("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Accept-Encoding", "gzip"), *asked.headers]
        timeouts = {"connect": CONNECT_SECONDS, "read": FETCH_SECONDS, "write": CONNECT_SECONDS, "pool": FETCH_SECONDS}
        method, body = ("POST", asked.body) if asked.body else ("GET", None)
        extensions = {"timeout": timeouts}
        async with self._pool.stream(method, asked.url, headers=sent, content=body, extensions=extensions) as response:
            yield response

    async def _allowed(self, url: str) -> bool:
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            if len(self._robots) >= MAX_ROBOTS_HOSTS:
                self._robots.clear()
            self._robots[site] = await self._rules(site)
        return self._robots[site].can_fetch("Stoa", url)

    async def _rules(self, site: str) -> RobotFileParser:
        rules = RobotFileParser()
        try:
            found = await self._follow(_Request(f"{site}/robots.txt", max_bytes=ROBOTS_BYTES))
            await asyncio.to_thread(rules.parse, found.data.decode("utf-8", "replace").splitlines())
        except ToolFailed:  # a site without rules has none against us
            rules.parse([])
        return rules


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


async def _read(url: str, response: httpcore.Response, max_bytes: int) -> Fetched:
    encoding = _header(response, b"content-encoding").lower().strip()
    if encoding not in ("", "identity", "gzip"):
        raise ToolFailed(f"{url} answered in the encoding {encoding!r}, which was not asked for.")
    unzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    data = bytearray()
    async for chunk in response.aiter_stream():
        try:
            data += unzip.decompress(chunk, max_bytes + 1 - len(data)) if unzip else chunk
        except zlib.error as error:
            raise ToolFailed(f"{url} sent damaged data: {error}.") from None
        if len(data) > max_bytes:
            raise ToolFailed(f"{url} is larger than {max_bytes / 1e6:g} MB, so I stopped reading.")
    media_type, _, rest = _header(response, b"content-type").partition(";")
    charset = next((part.partition("=")[2].strip(" \"'") for part in rest.split(";") if "charset=" in part.lower()), "")
    return Fetched(url, media_type.strip().lower(), charset, bytes(data))
