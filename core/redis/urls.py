"""Where a Redis is: what the URLs of one server, of a cluster and of a master watched by Sentinels say."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from core.errors import InvalidInput


class Kind(StrEnum):
    """One server, a cluster of them, or a master that Sentinels name."""

    SERVER = "redis"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


DEFAULT_PORTS = {Kind.SERVER: 6379, Kind.CLUSTER: 6379, Kind.SENTINEL: 26379}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One socket to connect to: a path, or a host and a port."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return (
            self.path or f"[{self.host}]:{self.port}" if ":" in self.host else self.path or f"{self.host}:{self.port}"
        )


@dataclass(frozen=True, slots=True)
class Address:
    """The contents of a Redis URL. Its text never shows the password."""

    kind: Kind
    places: tuple[Endpoint, ...]
    """The server; some nodes of the cluster; the Sentinels."""
    username: str = ""
    password: str = ""
    database: int = 0
    tls: bool = False
    options: tuple[tuple[str, str], ...] = ()
    """What stands behind the question mark, such as `ssl_ca_certs`."""
    master: str = ""
    """The name the Sentinels know the master by."""
    text: str = field(default="", compare=False, repr=False)
    """The URL itself, password and all."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.places))

    def option(self, name: str) -> str:
        return dict(self.options).get(name, "")

    def url(self, place: Endpoint) -> str:
        """The URL of one server of this address, for clients that know only such."""
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.password else ""
        options = [(name, value) for name, value in self.options if not name.startswith("sentinel_")]
        if place.path:
            query = urlencode([("db", str(self.database)), *options])
            return f"unix://{login}{quote(place.path)}?{query}"
        query = f"?{urlencode(options)}" if options else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}{place}/{self.database}{query}"

    def context(self) -> ssl.SSLContext | None:
        """None without TLS. The certificate is checked unless the URL says `ssl_cert_reqs=none`."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.option("ssl_ca_certs") or None)
        if self.option("ssl_cert_reqs") == "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.option("ssl_check_hostname").lower() in ("false", "0", "no"):
            context.check_hostname = False
        if certificate := self.option("ssl_certfile"):
            context.load_cert_chain(certificate, self.option("ssl_keyfile") or None)
        return context


def parse(url: str) -> Address:
    """The address that a URL spells; raises `InvalidInput`, without the URL's own words: a password may be in them.

    `redis://user:password@host:port/0`, `rediss://` for TLS, `unix:///path?db=0`; several servers as
    `redis+cluster://host:port,host:port` and `redis+sentinel://host:port,host:port/master/0`.
    """
    try:
        return _parsed(url)
    except ValueError:
        raise InvalidInput(
            "REDIS_URL does not name a Redis; it looks like redis://user:password@host:6379/0, rediss:// for TLS, "
            "redis+cluster://host:6379,host:6379 or redis+sentinel://host:26379,host:26379/mastername"
        ) from None


def _parsed(url: str) -> Address:
    scheme, separator, rest = url.partition("://")
    first, _, kind = scheme.partition("+")
    if not separator or first not in ("redis", "rediss", "unix") or (first == "unix" and kind):
        raise ValueError(scheme)
    split = urlsplit(f"//{rest.replace('[', '%5B').replace(']', '%5D')}")
    login, _, hosts = split.netloc.rpartition("@")
    username, _, password = login.partition(":")
    options = tuple(parse_qsl(split.query))
    known = Kind(kind or "redis")
    parts = [unquote(part) for part in split.path.split("/") if part]
    master = parts.pop(0) if known is Kind.SENTINEL and parts else ""
    if first == "unix":
        places: tuple[Endpoint, ...] = (Endpoint(path=unquote(split.path)),)
    else:
        places = tuple(_place(unquote(one), DEFAULT_PORTS[known]) for one in (hosts or "localhost").split(",") if one)
        too_many = len(parts) > 1 or (known is Kind.SERVER and len(places) > 1)
        if not places or too_many or (known is Kind.SENTINEL and not master):
            raise ValueError(hosts)
    return Address(
        known,
        places,
        username=unquote(username),
        password=unquote(password),
        database=int(parts[0] if parts and first != "unix" else dict(options).get("db", "0")),
        tls=first == "rediss",
        options=tuple(option for option in options if option[0] != "db"),
        master=master,
        text=url,
    )


def _place(host: str, port: int) -> Endpoint:
    split = urlsplit(f"//{host}")
    return Endpoint(split.hostname or "localhost", split.port or port)
