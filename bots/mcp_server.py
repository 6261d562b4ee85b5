"""The MCP server: other assistants read and change the spaces that their token was granted. Import it late."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY, ResourceUpdated, event_to_notification
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bots.tokens import Tokens
from core import __version__
from core.atoms.atoms import Atom, Principal
from core.errors import PermissionDenied, StoaError
from core.house import House
from core.spaces.spaces import Actor, Space

INSTRUCTIONS = """Shared spaces of a person's Stoa. A space holds atoms: texts with metadata, in versions. Begin with \
`spaces`; each has a description that says how it is used, which you should follow. Agents are told of every change by \
its comment, so write comments that help them."""
MAX_FOUND = 50
MAX_EXCERPT_CHARS = 2_000
"""Of each atom that a search finds; `get` gives the whole."""
MAX_SUBSCRIPTIONS = 100
"""Of one request, or one session."""
SCHEME = "stoa://"

Context = ServerRequestContext[Any, Any]
Fields = dict[str, object]
MetadataField: Any = Field({}, description="Text, numbers, true or false, or lists of text, by name.")


class Arguments(BaseModel):
    """Arguments of a tool; what it doesn't know is refused by name."""

    model_config = ConfigDict(extra="forbid")


class Spaces(Arguments):
    """List the spaces you may use, what you may do in each (read, append, write or grant), and how it is used."""


class Search(Arguments):
    """Find atoms by meaning and by their words, the best first; without a query the newest. Excerpts only: `get` gives
    the whole atom."""

    query: str = ""
    space: str = Field("", description="One space; empty for all that you may read.")
    metadata: dict[str, Any] = Field({}, description='Conditions, such as {"status": "open"} or {"n": {"gte": 3}}.')
    limit: int = Field(10, ge=1, le=MAX_FOUND)


class Get(Arguments):
    """Read one atom in full, with its version."""

    space: str
    id: str


class Put(Arguments):
    """Add an atom to a space; needs append."""

    space: str
    content: str
    metadata: dict[str, Any] = MetadataField
    comment: str = Field("", description="What others are told; without one, the first words of the content.")


class Update(Arguments):
    """Change an atom; needs write. What you leave out stays as it is. If it has changed since the version you read, you
    are told how, and nothing is changed."""

    space: str
    id: str
    version: int = Field(description="The version you read.", ge=1)
    comment: str = Field(description="What others are told.")
    content: str | None = None
    metadata: dict[str, Any] = MetadataField


class History(Arguments):
    """List the latest changes of an atom, the oldest first: who, when, and with which comment."""

    space: str
    id: str
    limit: int = Field(20, ge=1, le=100)


class SpaceServer:
    """The handlers of one server. Each request acts as the principal of its token, and the store checks its rights."""

    def __init__(self, house: House, fixed: Principal | None = None) -> None:
        """`fixed` acts in all requests where there is but one client; else each HTTP request says who acts."""
        self._house = house
        self._fixed = fixed
        self._tasks: set[asyncio.Task[None]] = set()
        self._tools: dict[type[Arguments], Callable[[Principal, Any], Awaitable[object]]] = {
            Spaces: self._spaces,
            Search: self._search,
            Get: self._get,
            Put: self._put,
            Update: self._update,
            History: self._history,
        }
        self._by_name = {kind.__name__.lower(): kind for kind in self._tools}
        self._listed = [_described(name, kind) for name, kind in self._by_name.items()]
        schemas = {tool.name: tool.input_schema for tool in self._listed}
        self.server: Server[Any] = Server(
            "stoa",
            version=__version__,
            instructions=INSTRUCTIONS,
            get_tool_input_schema=schemas.get,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_subscriptions_listen=self._listen,
        )
        self._subscribed: dict[tuple[int, str], asyncio.Task[None]] = {}

    async def serve_stdio(self) -> None:
        """Serve one client on standard input and output until it goes."""
        async with stdio_server() as (read, write):
            await self.server.run(read, write, self.server.create_initialization_options())

    def http_app(self) -> ASGIApp:
        """The same over streamable HTTP at `/mcp`, for clients that send their token as a bearer."""
        return BearerTokens(self.server.streamable_http_app(), Tokens(self._house.spaces))

    async def aclose(self) -> None:
        """End every subscription."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Tools -----------------------------------------------------------------------------------------------------------

    async def _list_tools(self, ctx: Context, params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._listed)

    async def _call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        kind = self._by_name.get(params.name)
        if kind is None:
            return _failed(f"There is no tool {params.name!r}; there are {', '.join(self._by_name)}.")
        try:
            answer = await self._tools[kind](self._principal(ctx), kind.model_validate(params.arguments or {}))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            return _failed(f"{params.name}: {wrong}")
        except StoaError as error:
            return _failed(str(error))
        fields = answer if isinstance(answer, dict) else {"result": answer}
        text = types.TextContent(type="text", text=json.dumps(fields, ensure_ascii=False))
        return types.CallToolResult(content=[text], structured_content=fields)

    async def _spaces(self, who: Principal, asked: Spaces) -> object:
        held = await self._house.spaces.held(who)
        told = await asyncio.gather(*(self._open(who, name).description() for name in held))
        return [
            {"space": name, "permission": str(held[name]), "description": text}
            for name, text in zip(held, told, strict=True)
        ]

    async def _search(self, who: Principal, asked: Search) -> object:
        within = [asked.space] if asked.space else None
        found = await self._house.spaces.search(
            who, asked.query, within=within, metadata=asked.metadata, limit=asked.limit
        )
        return [_fields(atom, MAX_EXCERPT_CHARS) for atom in found]

    async def _get(self, who: Principal, asked: Get) -> object:
        return _fields(await self._open(who, asked.space).get(asked.id))

    async def _put(self, who: Principal, asked: Put) -> object:
        space = self._open(who, asked.space)
        return _fields(await space.put(asked.content, metadata=asked.metadata, comment=asked.comment))

    async def _update(self, who: Principal, asked: Update) -> object:
        actor = Actor(who, ledger={f"{asked.space}/{asked.id}": asked.version})
        space = self._house.spaces.open(asked.space, actor)
        return _fields(
            await space.update(asked.id, comment=asked.comment, content=asked.content, metadata=asked.metadata)
        )

    async def _history(self, who: Principal, asked: History) -> object:
        return [
            {"version": one.version, "by": one.author, "at": one.at.isoformat(), "comment": one.comment}
            for one in await self._open(who, asked.space).history(asked.id, limit=asked.limit)
        ]

    # Resources: a space with its description, an atom with its text ---------------------------------------------------

    async def _list_resources(self, ctx: Context, params: object) -> types.ListResourcesResult:
        names = await self._house.spaces.held(self._principal(ctx))
        listed = [types.Resource(uri=_uri(name), name=name, mime_type="text/markdown") for name in names]
        return types.ListResourcesResult(resources=listed)

    async def _list_templates(self, ctx: Context, params: object) -> types.ListResourceTemplatesResult:
        atom = types.ResourceTemplate(uri_template=f"{SCHEME}{{space}}/{{id}}", name="atom", mime_type="text/markdown")
        return types.ListResourceTemplatesResult(resource_templates=[atom])

    async def _read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        space, id = _place(str(params.uri))
        opened = self._open(self._principal(ctx), space)
        try:
            text = (await opened.get(id)).content if id else await opened.description()
        except StoaError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None
        shown = types.TextResourceContents(uri=params.uri, text=text, mime_type="text/markdown")
        return types.ReadResourceResult(contents=[shown])

    # Subscriptions: in sessions by one request each, since 2026-07-28 by one request whose answer is the stream -------

    async def _subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        uri, who, session = str(params.uri), self._principal(ctx), ctx.session
        connection = session._connection  # the one thing that lives as long as its client
        mine = [key for key in self._subscribed if key[0] == id(connection)]
        if len(mine) >= MAX_SUBSCRIPTIONS:
            raise MCPError(types.INVALID_PARAMS, f"{MAX_SUBSCRIPTIONS} subscriptions are the most in one session.")
        after = await self._newest(who, uri)
        if not mine:
            connection.exit_stack.callback(self._drop, id(connection))
        key = (id(connection), uri)
        if key not in self._subscribed:
            tell = self._told(who, {uri: after}, lambda found: session.send_resource_updated(found))
            task = self._subscribed[key] = asyncio.create_task(tell, name=f"mcp subscription {uri}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return types.EmptyResult()

    async def _unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        if task := self._subscribed.pop((id(ctx.session._connection), str(params.uri)), None):
            task.cancel()
        return types.EmptyResult()

    def _drop(self, connection: int) -> None:
        for key in [key for key in self._subscribed if key[0] == connection]:
            self._subscribed.pop(key).cancel()

    async def _listen(
        self, ctx: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        who, request = self._principal(ctx), ctx.request_id
        uris = list(dict.fromkeys(map(str, params.notifications.resource_subscriptions or ())))[:MAX_SUBSCRIPTIONS]
        wanted = {uri: await self._newest(who, uri) for uri in uris}
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: request}
        told = types.SubscriptionsAcknowledgedNotificationParams(
            notifications=types.SubscriptionFilter(resource_subscriptions=uris or None), _meta=meta
        )
        acknowledged = types.SubscriptionsAcknowledgedNotification(params=told)
        await ctx.session.send_notification(acknowledged, related_request_id=request)

        async def send(uri: str) -> None:
            notification = event_to_notification(ResourceUpdated(uri), meta)
            await ctx.session.send_notification(notification, related_request_id=request)

        await self._told(who, wanted, send)
        return types.SubscriptionsListenResult(_meta=meta)

    async def _told(self, who: Principal, wanted: Mapping[str, int], tell: Callable[[str], Awaitable[None]]) -> None:
        """Tell of each change of these resources after change number so and so, for as long as they may be read."""

        async def follow(uri: str, after: int) -> None:
            space, id = _place(uri)
            with contextlib.suppress(StoaError):  # what may no longer be read is told of no longer
                async for change in self._open(who, space).follow(after):
                    if id in ("", change.atom):
                        await tell(uri)

        async with asyncio.TaskGroup() as group:
            for uri, after in wanted.items():
                group.create_task(follow(uri, after))

    async def _newest(self, who: Principal, uri: str) -> int:
        space, _ = _place(uri)
        try:
            return await self._open(who, space).newest()
        except StoaError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from None

    # -----------------------------------------------------------------------------------------------------------------

    def _principal(self, ctx: Context) -> Principal:
        if self._fixed:
            return self._fixed
        request = ctx.request
        assert isinstance(request, Request)
        principal: Principal = request.scope["stoa.principal"]
        return principal

    def _open(self, who: Principal, space: str) -> Space:
        return self._house.spaces.open(space, who)


class BearerTokens:
    """Lets an HTTP request in that carries a token we know, and notes whose it is."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kind, _, token = Request(scope).headers.get("authorization", "").partition(" ")
            try:
                scope["stoa.principal"] = await self._tokens.principal(token if kind.lower() == "bearer" else "")
            except PermissionDenied as error:
                refused = JSONResponse({"error": str(error)}, 401, headers={"WWW-Authenticate": "Bearer"})
                return await refused(scope, receive, send)
        return await self._app(scope, receive, send)


def _described(name: str, kind: type[Arguments]) -> types.Tool:
    return types.Tool(
        name=name,
        description=" ".join((kind.__doc__ or "").split()),
        input_schema=kind.model_json_schema(),
        annotations=types.ToolAnnotations(read_only_hint=kind not in (Put, Update), open_world_hint=False),
    )


def _fields(atom: Atom, most: int | None = None) -> Fields:
    fields: Fields = {
        "space": atom.space,
        "id": atom.id,
        "version": atom.version,
        "content": atom.content[:most],
        "metadata": {key: _plain(value) for key, value in atom.metadata.items()},
        "references": {name: list(ids) for name, ids in atom.references.items()},
        "author": atom.author,
        "updated": atom.updated.isoformat() if atom.updated else "",
    }
    return fields | ({"cut": True} if most and len(atom.content) > most else {})


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _failed(why: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=why)], is_error=True)


def _uri(space: str) -> str:
    return f"{SCHEME}{quote(space)}"


def _place(uri: str) -> tuple[str, str]:
    """The space and the atom that a resource's address names; the atom is empty for a whole space."""
    if not uri.startswith(SCHEME):
        raise MCPError(types.INVALID_PARAMS, f"{uri[:200]!r} is not a resource here; they look like {SCHEME}notes/ID")
    space, _, id = uri.removeprefix(SCHEME).partition("/")
    return unquote(space), unquote(id)
