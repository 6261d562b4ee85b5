"""The one door to Redis: calls the Function library, and turns what it answers into our values and errors."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgpack
import orjson
from hiredis import ReplyError
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection, UnixDomainSocketConnection, parse_url

from core.addresses import Kind, Place, parse
from core.atoms import ATTACHED, Atom, Cause, Change, Origin, Value, Version, read_attachment
from core.checks import LARGEST_METADATA, check_metadata_size
from core.clock import Clock
from core.cluster import Cluster
from core.errors import StoreUnavailable
from core.keys import Keys
from core.link import Argument as Argument
from core.link import Link
from core.refusals import translated

SEPARATOR = "\x1f"
LONGEST_TAG = 200
GIVEN_BACK = 500
"""Claims of one space that are given back in one call."""
LIBRARIES = {
    "spaces": ("references", "spaces", "passages", "claims", "sharing", "errands", "reads", "moving"),
    "lanes": ("lanes",),
    "budgets": ("budgets",),
}
"""The Function libraries, each of one text from these files of core/functions."""
ORIGINS = {origin.value.encode(): origin for origin in Origin}


class Store:
    """The Redis of one Stoa: its keys, its Function libraries, and the clock by which rights end."""

    def __init__(self, link: Link | Cluster, keys: Keys, clock: Clock) -> None:
        self.link = link
        self.keys = keys
        self.clock = clock

    def now(self) -> int:
        """The present moment in milliseconds, as the Function library is told it."""
        return int(self.clock.now().timestamp() * 1000)

    async def load(self) -> None:
        """Bring the Function libraries into the server if it has others or none."""
        for name, parts in LIBRARIES.items():
            code = b"\n".join(files("core").joinpath("functions", f"{part}.lua").read_bytes() for part in parts)
            listed = await self.run("FUNCTION", "LIST", "LIBRARYNAME", f"stoa_{name}", "WITHCODE")
            if not listed or code not in listed[0]:
                await self.run("FUNCTION", "LOAD", "REPLACE", code)

    async def run(self, *command: Argument) -> Any:
        """One command, one round trip; raises one of our errors."""
        try:
            (answer,) = await self.link.ask(command)
        except (OSError, ReplyError) as error:
            raise translated(error) from error
        if isinstance(answer, ReplyError):
            raise translated(answer)
        return _shaped(command, answer)

    async def together(self, *commands: Sequence[Argument]) -> list[Any]:
        """Several commands in one round trip; the first error among the answers is raised."""
        answers = await self.answers(*commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def answers(self, *commands: Sequence[Argument]) -> list[Any]:
        """Several commands in one round trip, an error being the answer to its own command only."""
        if not commands:
            return []
        try:
            found = await self.link.ask(*commands)
        except (OSError, ReplyError) as error:
            raise translated(error) from error
        return [
            translated(answer) if isinstance(answer, ReplyError) else _shaped(command, answer)
            for command, answer in zip(commands, found, strict=True)
        ]

    def reading(self, function: str, space: str, reader: str, *arguments: Argument) -> list[Argument]:
        """The command by which `reader` reads from a space."""
        return ["FCALL_RO", function, 1, self.keys.space(space), reader, self.now(), *arguments]

    async def names(self, key: Callable[[str], str]) -> list[str]:
        """Everything that has such a key, in alphabetical order; looks at every key there is."""
        before, after = key("*").split("*")
        found = await self.run("KEYS", f"{_literal(before)}*{_literal(after)}")  # of all nodes, where there are several
        return sorted(name.decode()[len(before) : len(name.decode()) - len(after)] for name in found)

    async def give_back(self, spaces: Sequence[str], owner: str = "") -> None:
        """Give back the claims in these spaces whose time is over, or all of an owner's."""
        while spaces:  # so many at a time hold up nobody else for long
            asked: tuple[Argument, ...] = (self.now(), owner, GIVEN_BACK)
            counts = await self.together(*(["FCALL", "stoa_give_back", 1, self.keys.space(n), *asked] for n in spaces))
            spaces = [one for one, count in zip(spaces, counts, strict=True) if count >= GIVEN_BACK and not owner]

    async def mutate(self, function: str, space: str, *arguments: Argument) -> tuple[int, list[bytes | None]]:
        """Change a space: the change's number (0: this operation was done before) and the atom's fields, if told."""
        _, seq, *rest = await self.run("FCALL", function, 1, self.keys.space(space), *arguments)
        fields, errand = (*rest, None, None)[:2]
        if errand:
            with contextlib.suppress(StoreUnavailable):  # the change is made; a worker does what is left
                await self.settle(space)
        return int(seq), fields or []

    async def settle(self, space: str, *, background: bool = False) -> None:
        """Carry out what a space owes others: tell them of its atoms, fetch what it refers to.

        In the background also what may take longer, until nothing is left.
        """
        while waiting := await self.run("FCALL_RO", "stoa_errands", 1, self.keys.space(space)):
            todo = [one for one in waiting if background or one[2] != b"~"]
            await asyncio.gather(*(self._settle(space, *one) for one in todo))
            if not background:
                return

    async def _settle(self, space: str, field: bytes, number: bytes, kind: bytes, *what: bytes) -> None:
        here = self.keys.space(space)
        match kind, *what:
            case b"+", reference:  # we refer to it: ask to be told, and what it is now
                there, _, id = reference.decode().partition("/")
                stand = await self.run("FCALL", "stoa_watch", 1, self.keys.space(there), id, space)
                await self.run("FCALL", "stoa_project", 1, here, reference, *stand)
            case b">", there, id, version, tokens, registration:  # it refers to us
                told = f"{space}/".encode() + id
                if not await self.run(
                    "FCALL", "stoa_project", 1, self.keys.space(there.decode()), told, version, tokens
                ):
                    await self.run("FCALL", "stoa_unwatch", 1, here, id, there, registration)
            case b"~", reference:
                done = b""
                while done := await self.run("FCALL", "stoa_refresh", 1, here, reference, done):
                    pass
        await self.run("FCALL", "stoa_done", 1, here, field, number)


def _literal(text: str) -> str:
    """Text for a pattern of Redis that means itself."""
    return "".join(f"\\{one}" if one in "*?[]\\" else one for one in text)


def _shaped(command: Sequence[Argument], answer: Any) -> Any:
    """The answer to HGETALL as a dict; every other one as Redis gave it."""
    return dict(zip(answer[::2], answer[1::2], strict=True)) if command[0] == "HGETALL" else answer


def client(url: str) -> Link | Cluster:
    """The way to the Redis at `url`; raises `InvalidInput` for what names none."""
    address = parse(url)
    return Cluster(address) if address.kind is Kind.CLUSTER else Link(address)


def waiting_client(link: Link | Cluster) -> Redis:
    """A client for waiting on messages, for as long as it takes, that finds its server wherever `link` does."""
    options: dict[str, Any] = {**parse_url(link.address.url(link.address.places[0]))}
    made = options.pop("connection_class", Connection)
    options |= {"protocol": 2, "socket_timeout": None, "health_check_interval": 15}
    if made is UnixDomainSocketConnection:
        return Redis(connection_pool=ConnectionPool(connection_class=made, **options))

    class Found(made):  # type: ignore[valid-type, misc]
        """A connection to wherever the server is when it connects."""

        async def _connect(self) -> None:
            place: Place = await link.find()
            self.host, self.port = place.host, place.port
            await super()._connect()

    return Redis(connection_pool=ConnectionPool(connection_class=Found, **options))


# Values to and from what Redis keeps ----------------------------------------------------------------------------------


def pack(value: object) -> bytes:
    """Messagepack as Redis' Lua reads it, which knows no binary type."""
    packed: bytes = msgpack.packb(value, use_bin_type=False)
    return packed


def unpack(data: bytes) -> Any:
    """What `pack` or Redis' Lua packed; text comes back as bytes."""
    return msgpack.unpackb(data, raw=True, strict_map_key=False)


def token(key: str, value: Value) -> list[str]:
    """The exact-match words of one metadata entry: `key=value`, one for each member of a list.

    Values are percent-encoded, since the engine trims and unescapes tags; long ones stand as their hash.
    """
    values = value if isinstance(value, list) else [value]
    return [f"{key}={_encoded(as_text(one))}" for one in values]


def _encoded(text: str) -> str:
    if text.isascii() and text.isalnum() and len(text) <= LONGEST_TAG:
        return text
    if len(text) > LONGEST_TAG:
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return quote(text, safe="")


def as_text(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))  # 1.0 and 1 are the same number
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return str(value)


def as_number(value: object) -> float | None:
    """What comparisons compare: numbers as they are, times as seconds since 1970."""
    match value:
        case bool():
            return None
        case int() | float():
            return float(value)
        case datetime():
            return value.timestamp()
        case _:
            return None


def metadata_patch(metadata: Mapping[str, Value | None]) -> bytes:
    """Metadata as the Function library takes it; None removes a key."""
    if not metadata:
        return b""
    entries: list[list[object]] = []
    for key, value in metadata.items():
        if value is None:
            entries.append([key, False, [], False])
            continue
        if isinstance(value, str):
            entries.append([key, orjson.dumps(value), [f"{key}={_encoded(value)}"], False])
            continue
        number = as_number(value)
        entries.append([key, json_of(value), token(key, value), repr(number) if number is not None else False])
    return pack(entries)


def bounded_patch(metadata: Mapping[str, Value | None]) -> bytes:
    """Metadata as the Function library takes it; raises `InvalidInput` for what is too much for one atom by itself."""
    patch = metadata_patch(metadata)
    if len(patch) > LARGEST_METADATA:  # it holds each entry at least once
        given = {key: value for key, value in metadata.items() if value is not None}
        check_metadata_size({key: len(key.encode()) + len(json_of(value)) for key, value in given.items()})
    return patch


def json_of(value: Value) -> bytes:
    """A value of metadata as it is kept."""
    return orjson.dumps({"time": value.isoformat()} if isinstance(value, datetime) else value)


def _value(data: bytes) -> Value:
    value = orjson.loads(data)
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value


def read_metadata(data: bytes | None) -> dict[str, Value]:
    return {key.decode(): _value(value) for key, value in unpack(data).items()} if data else {}


def read_references(data: bytes | None) -> dict[str, list[str]]:
    return {name.decode(): [one.decode() for one in ids] for name, ids in unpack(data).items()} if data else {}


def milliseconds(moment: datetime) -> int:
    """A moment as the Function library counts time."""
    return round(moment.timestamp() * 1000)


def read_time(milliseconds: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def read_atom(space: str, id: str, fields: Sequence[bytes | None], score: float | None = None) -> Atom | None:
    """An atom from the stored fields ver, c, m, f, by, o, ct, t, sp, l; None where there is none."""
    version, content, metadata, references, author, origin, created, updated, tag, label = fields
    if version is None or content is None or author is None or origin is None or tag is None:
        return None
    if created is None or updated is None:
        return None
    born = read_time(created)
    known = read_metadata(metadata)
    attached = known.pop(ATTACHED, None)
    return Atom(
        id,
        space,
        content.decode(),
        known,
        read_references(references),
        int(version),
        author.decode(),
        ORIGINS[origin],
        born,
        born if updated == created else read_time(updated),
        tag.endswith(b"~"),
        score,
        bool(label),
        attachments=tuple(map(read_attachment, attached)) if isinstance(attached, list) else (),
    )


def read_change(space: str, entry: Sequence[Any]) -> Change:
    """A change from one entry of a space's log."""
    seq, flat = entry
    fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    return Change(
        space=space,
        seq=int(seq.partition(b"-")[0]),
        operation=fields[b"op"].decode(),
        atom=fields[b"id"].decode(),
        version=int(fields[b"ver"]),
        author=fields[b"by"].decode(),
        origin=Origin(fields[b"o"].decode()),
        comment=fields[b"c"].decode(),
        at=read_time(fields[b"t"]),
        cause=Cause(fields[b"r"].decode(), int(fields[b"d"])),
        outside=bool(fields.get(b"l")),
    )


def read_version(data: bytes) -> Version:
    """One entry of an atom's history."""
    version, at, author, operation, comment, content, metadata, references, *origin = unpack(data)
    patch = unpack(metadata) if metadata else None
    return Version(
        version=int(version),
        operation=operation.decode(),
        author=author.decode(),
        comment=comment.decode(),
        at=read_time(at),
        content=content.decode() if isinstance(content, bytes) else None,
        metadata=_patch(patch) if patch is not None else None,
        references=read_references(references) if references else None,
        forgotten=content is True,
        origin=ORIGINS[origin[0]] if origin and origin[0] else None,
    )


def _patch(entries: Sequence[Any]) -> dict[str, Value | None]:
    return {key.decode(): _value(value) if value else None for key, value, *_ in entries}
