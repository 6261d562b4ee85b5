"""Tools of MCP servers: each server of the settings is started when one of its tools is first called.

Everything a server says is outside text, its descriptions, too: an agent's prompt shows the names alone, and a
description that changes after the owner has granted the tool is not believed.
"""

import asyncio
import hashlib
import inspect
import json
import keyword
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from core.errors import InvalidInput, NotFound, ToolFailed
from core.private import private
from core.secrets.secrets import Secrets
from core.settings import McpServer
from core.tools.registry import UNDECLARED, Declaration, Effect, Tool

if TYPE_CHECKING:
    from mcp_types import Tool as OfferedTool

    from core.tools.mcp_connection import McpConnection

MANIFEST_FOLDER = "mcp"
MAX_TOOLS = 200
"""Of one server; the others are left out."""
MAX_PARAMETERS = 40
MAX_DESCRIPTION_CHARS = 4_000
MAX_NAME_CHARS = 60
UNFIT_FOR_NAMES = re.compile(r"[^A-Za-z0-9_]")
SECRET_IN_SETTING = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")

log = logging.getLogger("stoa.mcp")


@dataclass(frozen=True, slots=True)
class McpSeconds:
    """The time that a server has to start and list its tools, to answer a call, and to end by itself."""

    start: float = 30.0
    call: float = 120.0
    stop: float = 2.0


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool as its server described it when it was first seen."""

    server: str
    tool: str
    description: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name by which agents call it."""
        return f"{self.server}_{UNFIT_FOR_NAMES.sub('_', self.tool)[:MAX_NAME_CHARS]}"

    @property
    def digest(self) -> str:
        return hashlib.blake2b(json.dumps(asdict(self)).encode(), digest_size=12).hexdigest()


ROWS = TypeAdapter(list[McpTool])


class McpTools(Mapping[str, Tool]):
    """The tools of all servers, by names such as `github_create_issue`. What was once seen is kept in the data
    directory, so that no server has to run for its tools to be known."""

    def __init__(
        self, servers: Mapping[str, McpServer], home: Path, secrets: Secrets, seconds: McpSeconds | None = None
    ) -> None:
        self._servers = servers
        self._folder = home / MANIFEST_FOLDER
        self._secrets = secrets
        self._seconds = seconds or McpSeconds()
        self._connections: dict[str, McpConnection] = {}
        self._starting: dict[str, asyncio.Lock] = {}
        self._seen: dict[str, tuple[int, dict[str, McpTool]]] = {}
        self._made: dict[str, tuple[str, Tool]] = {}

    async def aclose(self) -> None:
        """End every server that runs."""
        for connection in self._connections.values():
            await connection.aclose()

    def __getitem__(self, name: str) -> Tool:
        known = self._known(name)
        if known is None:
            raise KeyError(name)
        made = self._made.get(name)
        if made is None or made[0] != known.digest:
            made = self._made[name] = known.digest, self._function(known)
        return made[1]

    def __iter__(self) -> Iterator[str]:
        for server in sorted(self._servers):
            yield from self._manifest(server)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    async def look(self, server: str) -> list[McpTool]:
        """The tools that a server offers now and the owner wants. Those never seen before are kept as they are."""
        connection = await self._connected(server)
        offered: dict[str, McpTool] = {}
        for one in connection.tools[:MAX_TOOLS]:
            wanted = self._servers[server].tools
            if (not wanted or one.name in wanted) and (read := _read(server, one)):
                offered.setdefault(read.name, read)
        self._keep(server, offered | self._manifest(server))
        return list(offered.values())

    async def accept(self, name: str) -> McpTool:
        """Believe what a tool's server says about it now, in place of what it said before; raises `NotFound`."""
        server = self.server_of(name)
        found = next((one for one in await self.look(server) if one.name == name), None) if server else None
        if not server or not found:
            raise NotFound(f"There is no tool {name!r}. `stoa tool list` shows those there are.")
        self._keep(server, self._manifest(server) | {name: found})
        return found

    def described(self, name: str) -> McpTool | None:
        return self._known(name)

    async def call(self, known: McpTool, arguments: Mapping[str, object]) -> object:
        try:
            json.dumps(arguments)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"{known.name} takes plain values only: {error}") from None
        now = next((one for one in await self.look(known.server) if one.name == known.name), None)
        if now is None:
            raise ToolFailed(f"The server {known.server} no longer has the tool {known.tool}.")
        if now.digest != known.digest:
            raise ToolFailed(
                f"The server {known.server} describes {known.tool} differently from when it was granted, so I don't "
                f"call it. `stoa tool show {known.name}` shows what changed, and granting it again accepts that."
            )
        return await (await self._connected(known.server)).call(known.tool, arguments)

    async def _connected(self, server: str) -> "McpConnection":
        async with self._starting.setdefault(server, asyncio.Lock()):
            known = self._connections.get(server)
            if known is None or not known.alive:
                known = self._connections[server] = await self._connection(server)
                await known.start()
            return known

    async def _connection(self, server: str) -> "McpConnection":
        try:  # in a thread, since it takes a second and the loop has others to serve
            module = await asyncio.to_thread(import_module, "core.tools.mcp_connection")
        except ImportError:
            raise ToolFailed("MCP servers need the extra mcp: pip install 'stoa-assistant[mcp]'") from None
        given = self._servers[server]
        env = {name: self._filled(value) for name, value in given.env.items()}
        headers = {name: self._filled(value) for name, value in given.headers.items()}
        made: McpConnection = module.McpConnection(
            server, given.model_copy(update={"env": env, "headers": headers}), self._seconds
        )
        return made

    def _filled(self, value: str) -> str:
        return SECRET_IN_SETTING.sub(lambda match: self._secrets.value(match[1]), value)

    def _function(self, known: McpTool) -> Tool:
        async def call(*args: object, **kwargs: object) -> object:
            given = signature.bind(*args, **kwargs).arguments
            return await self.call(known, {original[name]: one for name, one in given.items() if one is not None})

        original = {_argument(name): name for name in (*known.required, *known.optional)}
        kind, needed = inspect.Parameter.POSITIONAL_OR_KEYWORD, set(map(_argument, known.required))
        signature = inspect.Signature(
            [
                inspect.Parameter(name, kind, default=inspect.Parameter.empty if name in needed else None)
                for name in original
            ]
        )
        call.__name__ = call.__qualname__ = known.name
        call.__doc__ = (
            f"A tool of the MCP server {known.server}; help({known.name!r}) tells what the server says of it."
        )
        only_reads = known.tool in self._servers[known.server].reads
        declared = Declaration(Effect.READS, (), outside=True) if only_reads else UNDECLARED
        call.__dict__.update(__signature__=signature, declared=replace(declared, described=known.description))
        return call

    def server_of(self, name: str) -> str:
        """The server that a tool of this name would be of; empty for none."""
        fitting = [server for server in self._servers if name.startswith(f"{server}_")]
        return max(fitting, key=len, default="")

    def _known(self, name: str) -> McpTool | None:
        server = self.server_of(name)
        return self._manifest(server).get(name) if server else None

    def _manifest(self, server: str) -> dict[str, McpTool]:
        """The tools once seen of a server. Other processes write the file, too, so a changed one is read again."""
        file = self._folder / f"{server}.json"
        try:
            mark = file.stat().st_mtime_ns
            if mark != self._seen.get(server, (-1,))[0]:
                read = ROWS.validate_json(file.read_bytes())
                self._seen[server] = mark, {one.name: one for one in read}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read, so the tools of %s are unknown: %s", file, server, error)
            return {}
        wanted = self._servers[server].tools
        return {name: one for name, one in self._seen[server][1].items() if not wanted or one.tool in wanted}

    def _keep(self, server: str, tools: Mapping[str, McpTool]) -> None:
        if tools == self._manifest(server):
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{server}.json"
        draft = file.with_suffix(".new")
        with open(draft, "w", encoding="utf-8", opener=private) as written:
            json.dump([asdict(one) for one in tools.values()], written)
        draft.replace(file)


def _read(server: str, offered: "OfferedTool") -> McpTool | None:
    """A tool as a server describes it; None where its parameters can't be made sense of."""
    given = offered.input_schema.get("properties")
    properties = given if isinstance(given, dict) else {}
    listed = offered.input_schema.get("required")
    required = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    arguments = {_argument(name): name for name in [*required, *properties]}
    if len(arguments) > MAX_PARAMETERS or not all(0 < len(name) <= MAX_NAME_CHARS for name in arguments):
        log.warning("The tool %s of %s is left out: its parameters are too many, or named oddly.", offered.name, server)
        return None
    told = f"{offered.description or ''}\nParameters: {json.dumps(properties, ensure_ascii=False)}"
    return McpTool(
        server,
        offered.name,
        told.strip()[:MAX_DESCRIPTION_CHARS],
        tuple(name for name in arguments.values() if name in required),
        tuple(name for name in arguments.values() if name not in required),
    )


def _argument(name: str) -> str:
    """The name of a parameter as Python can write it: `from` is `from_`, `per-page` is `per_page`."""
    plain = UNFIT_FOR_NAMES.sub("_", name)
    return f"{plain}_" if keyword.iskeyword(plain) else f"_{plain}" if plain[:1].isdigit() else plain
