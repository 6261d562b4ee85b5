"""`stoa tool`."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from bots.cli.opening import opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, print_table, say
from core.errors import NotFound, StoaError
from core.house import House
from core.tools.builtin import opened_tools
from core.tools.mcp_tools import McpTools
from core.tools.registry import Effect, Tool, Tools, declaration
from core.trust.audit import Audit
from core.trust.grants import Grants
from core.turns.signatures import signature

ToolName = Annotated[str, typer.Argument(metavar="TOOL", help="The tool, as `stoa tool list` shows it.")]
AgentName = Annotated[str, typer.Argument(metavar="AGENT", help="The agent, such as assistant.")]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The tools of a house, and who holds each."""

    house: House
    tools: Tools
    served: McpTools
    holders: Mapping[str, list[str]]

    def tool(self, name: str) -> Tool:
        if name not in self.tools:
            raise NotFound(f"There is no tool {name!r}. `stoa tool list` shows those there are.")
        return self.tools[name]

    @property
    def grants(self) -> Grants:
        return Grants(self.house.spaces, self.house.agents, Audit(self.house.spaces))


async def tool_list(as_json: AsJson = False) -> None:
    """List tools, what each may do, and who holds it.

    Starts the MCP servers of your settings to see what they offer; nobody holds any of their tools until you grant it.
    """
    async with _shelf() as shelf:
        await _look_everywhere(shelf)
        rows = [(name, _effect(tool), shelf.holders.get(name, []), _summary(tool)) for name, tool in _loadable(shelf)]
    if as_json:
        print_json(
            [{"name": name, "effect": effect, "held_by": held, "does": does} for name, effect, held, does in rows]
        )
        return
    print_table([(name, effect, ", ".join(held) or "nobody", does) for name, effect, held, does in rows])


async def tool_show(name: ToolName, as_json: AsJson = False) -> None:
    """Show a tool's documentation and who holds it.

    For a tool of an MCP server that is what its server says, now and when you granted it.
    """
    async with _shelf() as shelf:
        known, changed = shelf.served.described(name), ""
        if known or name not in shelf.tools:
            now = await _look_at(shelf, name)
            changed = now if known and now != known.description else ""
        tool = shelf.tool(name)
    call = f"{signature(name, tool).partition('): ')[0]})"
    said = declaration(tool).described or inspect.getdoc(tool) or ""
    held = shelf.holders.get(name, [])
    if as_json:
        fields = {"name": name, "call": call, "effect": _effect(tool), "held_by": held, "says": said}
        print_json({**fields, "says_now": changed or said})
        return
    print_table([("call", call), ("effect", _effect(tool)), ("held by", ", ".join(held) or "nobody")])
    say(f"\n{said}")
    if changed:
        say(f"\nIts server describes it differently now; granting the tool again accepts that:\n{changed}")


async def tool_grant(name: ToolName, agent: AgentName) -> None:
    """Let an agent use a tool.

    It may pass the tool on to agents that it spawns. Granting a tool of an MCP server also accepts what its server says
    about it now; if that changes later, the tool stops working until you grant it again.
    """
    async with _shelf() as shelf:
        served = shelf.served.server_of(name) and name not in shelf.tools.own
        if served:
            await shelf.served.accept(name)
        shelf.tool(name)
        if not (served and agent in shelf.holders.get(name, ())):
            await shelf.grants.give_tool(name, agent)
    say(f"{agent} may use {name} from now on.")


async def tool_revoke(name: ToolName, agent: AgentName) -> None:
    """Take a tool back from an agent."""
    async with _shelf() as shelf:
        await shelf.grants.take_tool(name, agent)
    say(f"Revoked {name} from {agent}, and from the agents it was passed on to.")


@contextlib.asynccontextmanager
async def _shelf() -> AsyncIterator[Shelf]:
    async with opened() as house:
        opening = opened_tools(house.settings, house.secrets, house.clock, house.timers)
        async with opening as (tools, served):
            holders: dict[str, list[str]] = {}
            for agent in await house.agents.list():
                for name in (await house.agents.held(agent)).names("tool"):
                    holders.setdefault(name, []).append(agent.id)
            yield Shelf(house, tools, served, holders)


async def _look_everywhere(shelf: Shelf) -> None:
    servers = sorted(shelf.house.settings.mcp)
    for error in await asyncio.gather(*map(shelf.served.look, servers), return_exceptions=True):
        if isinstance(error, StoaError):
            say(str(error), err=True)
        elif isinstance(error, BaseException):
            raise error


async def _look_at(shelf: Shelf, name: str) -> str:
    """The description of a tool by its server, now; empty if there is none."""
    if not (server := shelf.served.server_of(name)):
        return ""
    return next((one.description for one in await shelf.served.look(server) if one.name == name), "")


def _loadable(shelf: Shelf) -> list[tuple[str, Tool]]:
    return [(name, shelf.tools[name]) for name in shelf.tools if name in shelf.tools]


def _effect(tool: Tool) -> str:
    declared = declaration(tool)
    if declared.targets is None:
        return "leaves: any argument may say where to"
    names = declared.targets or declared.about
    return (
        f"{declared.effect}: {', '.join(names)}" if names and declared.effect is not Effect.READS else declared.effect
    )


def _summary(tool: Tool) -> str:
    return " ".join((inspect.getdoc(tool) or "").split()).partition(". ")[0].rstrip(".:")
