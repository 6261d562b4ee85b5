"""`stoa mcp` and `stoa token`."""

import contextlib
import signal
from typing import Annotated

import typer

from bots.cli.opening import existing_space, opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, print_table, say, when
from bots.cli.supervision import logged, when_asked_to_end
from bots.tokens import Tokens, token_principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput
from core.house import House
from core.settings import load

TOKEN_SECRET = "MCP_TOKEN"
GRACE_SECONDS = 2
DEFAULT_PERMISSION = Permission.READ

TokenName = Annotated[str, typer.Argument(metavar="NAME", help="Who comes in with it, such as claude.")]
Granted = Annotated[
    list[str] | None,
    typer.Option("--space", metavar="SPACE[=PERMISSION]", help="A space it may use: read, append, write or grant."),
]
Address = Annotated[str, typer.Option("--http", metavar="[HOST:]PORT", help="Serve over HTTP at this address instead.")]


async def mcp(http: Address = "") -> None:
    """Let other assistants use your spaces, over MCP.

    An assistant starts this command and talks to it over standard input and output, with its token in the variable
    STOA_SECRET_MCP_TOKEN. With --http, any number of them connect to http://HOST:PORT/mcp and send their tokens as
    bearers. Make tokens with `stoa token create`.

    \b
    Examples:
      stoa token create claude --space notes=read --space tasks=write
      stoa mcp --http 8808
    """
    with logged(load(), "mcp.log"):
        async with opened() as house:
            await (_serve_http(house, http) if http else _serve_stdio(house))


async def token_create(name: TokenName, space: Granted = None) -> None:
    """Make a token for another assistant, and print it.

    It is shown this once. `stoa space share SPACE token:NAME read` gives it more spaces later.
    """
    granted: dict[str, Permission] = {}
    async with opened() as house:
        for one in space or ():
            place, _, level = one.partition("=")
            await existing_space(house, place)
            granted[place] = Permission.parse(level) if level else DEFAULT_PERMISSION
        token = await Tokens(house.spaces).create(name, granted)
    typer.echo(token)
    listed = ", ".join(f"{place} ({level})" for place, level in granted.items()) or "no space yet"
    say(f"The token of {name} may use {listed}. Keep it secret; it isn't shown again.", err=True)


async def token_list(as_json: AsJson = False) -> None:
    """List tokens and the spaces each may use."""
    async with opened() as house:
        zone, rows = house.clock.zone, []
        for atom in await Tokens(house.spaces).all():
            name = str(atom.metadata["name"])
            rows.append((name, await house.spaces.held(token_principal(name)), atom.created))
    if as_json:
        listed = [
            {"name": name, "spaces": {k: str(v) for k, v in held.items()}, "created": at} for name, held, at in rows
        ]
        print_json(listed)
    elif rows:
        shown = [
            (name, ", ".join(f"{place} ({level})" for place, level in held.items()) or "no space", when(at, zone))
            for name, held, at in rows
        ]
        print_table(shown)
    else:
        say("There are no tokens yet; make one with `stoa token create claude --space notes`.")


async def token_revoke(name: TokenName) -> None:
    """End a token, and take back every space it was granted."""
    async with opened() as house:
        await Tokens(house.spaces).revoke(name)
    say(f"The token of {name} is worth nothing any more.")


async def _serve_stdio(house: House) -> None:
    from bots.mcp_server import SpaceServer

    who = await Tokens(house.spaces).principal(house.secrets.value(TOKEN_SECRET))
    async with contextlib.aclosing(SpaceServer(house, who)) as serving:
        await serving.serve_stdio()


async def _serve_http(house: House, address: str) -> None:
    import uvicorn

    from bots.mcp_server import SpaceServer

    host, port = _host_and_port(address)
    async with contextlib.aclosing(SpaceServer(house)) as serving:
        config = uvicorn.Config(
            serving.http_app(), host=host, port=port, log_config=None, timeout_graceful_shutdown=GRACE_SECONDS
        )
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # ours are enough
        when_asked_to_end(lambda: setattr(server, "should_exit", True), signal.SIGINT)
        say(f"Serving MCP at http://{host}:{port}/mcp. Ctrl-C ends it.")
        await server.serve()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not 0 < int(port) <= 65_535:
        raise InvalidInput(f"{address!r} is not an address to serve at; give a port, or host and port: 127.0.0.1:8808")
    return host.strip("[]") or "127.0.0.1", int(port)
