"""Access to the page: a one-time link opens it, a cookie keeps it open, and nothing else gets in."""

import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from channels.keys import channel_keys
from core.errors import InvalidInput
from core.settings import Settings
from core.store.store import Store

LINK_SECONDS = 600
"""How long a one-time link works."""
SESSION_SECONDS = 30 * 86_400
"""How long a browser stays signed in."""
COOKIE = "stoa"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class WebSessions:
    """The repository of one-time links and signed-in browsers; both are kept as hashes only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = channel_keys(store)

    async def invite(self) -> str:
        """A code that opens the page once, within `LINK_SECONDS`."""
        code = secrets.token_urlsafe(24)
        await self._store.run("SET", self._keys.web_code(_digest(code)), 1, "EX", LINK_SECONDS)
        return code

    async def redeem(self, code: str) -> str | None:
        """A new browser's token for a code that was not used before, else None."""
        if not await self._store.run("GETDEL", self._keys.web_code(_digest(code))):
            return None
        token = secrets.token_urlsafe(32)
        await self._store.run("HSET", self._keys.web_sessions(), _digest(token), self._store.now() // 1000)
        return token

    async def known(self, token: str) -> bool:
        began = await self._store.run("HGET", self._keys.web_sessions(), _digest(token)) if token else None
        return began is not None and self._store.now() // 1000 - int(began) < SESSION_SECONDS

    async def sign_out(self, token: str) -> None:
        await self._store.run("HDEL", self._keys.web_sessions(), _digest(token))

    async def sign_out_all(self) -> None:
        await self._store.run("DEL", self._keys.web_sessions())


async def invitation(store: Store, settings: Settings) -> str:
    """A link that opens the page once; raises `InvalidInput` where the page is switched off."""
    if not settings.web_port:
        raise InvalidInput("The page is switched off. Set STOA_WEB_PORT to a port, such as 8484, and start Stoa again.")
    url = settings.web_url.rstrip("/") or f"http://{LOOPBACK_NAMES[0]}:{settings.web_port}"
    return f"{url}/enter/{await WebSessions(store).invite()}"


@dataclass(frozen=True, slots=True)
class Door:
    """Which requests may come in at all, whoever sends them."""

    port: int
    public_url: str = ""
    """The address at which a proxy of the owner's shows the page; empty where there is none."""

    def refusal(self, method: str, headers: Headers) -> str:
        """The reason to refuse a request; empty if there is none."""
        return next((said for rule in (self._host, self._origin) if (said := rule(method, headers))), "")

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https:")

    def _host(self, method: str, headers: Headers) -> str:
        """A page of another name that leads to this address must not read ours (DNS rebinding)."""
        hosts = {f"{name}:{self.port}" for name in LOOPBACK_NAMES} | {urlsplit(self.public_url).netloc}
        if headers.get("host", "").lower() in hosts - {""}:
            return ""
        return f"This page is at http://{LOOPBACK_NAMES[0]}:{self.port} only. Set STOA_WEB_URL for another address."

    def _origin(self, method: str, headers: Headers) -> str:
        """Only our own pages may change anything (cross-site requests)."""
        if method in ("GET", "HEAD"):
            return ""
        origin = urlsplit(headers.get("origin", ""))
        ours = origin.scheme in ("http", "https") and origin.netloc == headers.get("host", "").lower()
        return "" if ours else "This was sent by another site's page, so nothing was done."


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
