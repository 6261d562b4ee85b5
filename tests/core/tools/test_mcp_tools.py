"""Tools of MCP servers: started late, held and guarded like any other, and whatever a server does stays there."""

import asyncio
import inspect
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from core.errors import InvalidInput, NotFound, ToolFailed
from core.house import House
from core.secrets.secrets import Secrets
from core.settings import McpServer, load
from core.testing import ScriptedLLM
from core.tools.mcp_tools import McpSeconds, McpTools
from core.tools.registry import Effect, Tools, declaration
from tests.core.scenes import said, seat, tell, working

SERVER = Path(__file__).parent.parent.parent / "rigs" / "mcp_server.py"

Opened = Callable[..., McpTools]


def rig(*ways: str, **given: object) -> McpServer:
    return McpServer.model_validate({"command": (sys.executable, str(SERVER), *ways), **given})


@pytest_asyncio.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """The tools of one server named `rig`, started with these ways."""
    every: list[McpTools] = []

    def open_one(*ways: str, seconds: McpSeconds | None = None, **given: object) -> McpTools:
        secrets = Secrets({"STOA_SECRET_RIG_KEY": "key-4711"})
        every.append(McpTools({"rig": rig(*ways, **given)}, tmp_path, secrets, seconds or McpSeconds(stop=0.2)))
        return every[-1]

    yield open_one
    for one in every:
        await one.aclose()


async def test_a_tool_is_called_by_name_and_its_server_started_only_then(opened: Opened) -> None:
    await opened().look("rig")
    again = opened()
    echo = again["rig_echo"]
    assert str(inspect.signature(echo)) == "(text, times=None)"
    assert not again._connections
    assert await echo("tea", times=2) == '{"text": "tea", "times": 2}'
    assert await echo("tea") == '{"text": "tea"}'


async def test_only_the_tools_that_the_owner_wants_are_there(opened: Opened) -> None:
    tools = opened(tools=("echo",))
    await tools.look("rig")
    assert list(Tools([], [], tools)) == ["rig_echo"]
    assert "rig_die" not in tools


async def test_parameters_that_python_cannot_name_are_renamed_and_sent_as_they_were(opened: Opened) -> None:
    tools = opened()
    await tools.look("rig")
    assert await tools["rig_from_to"](from_="Ana", per_page="3") == '{"from": "Ana", "per-page": "3"}'
    with pytest.raises(TypeError, match="missing a required argument: 'from_'"):
        await tools["rig_from_to"]()
    with pytest.raises(InvalidInput, match="takes plain values only"):
        await tools["rig_echo"](b"bytes")


async def test_a_server_sees_none_of_our_variables_but_what_it_is_given(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-4711")
    monkeypatch.setenv("STOA_SECRET_BANK", "secret-4711")
    tools = opened(env={"RIG_TOKEN": "${RIG_KEY}"})
    await tools.look("rig")
    seen = str(await tools["rig_env"]()).split()
    assert "RIG_TOKEN" in seen
    assert not {"OPENAI_API_KEY", "STOA_SECRET_BANK"} & set(seen)
    assert set(seen) <= {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "RIG_TOKEN", "LC_CTYPE"}


async def test_what_a_tool_does_is_taken_to_leave_the_house_unless_the_owner_says_that_it_only_reads(
    opened: Opened,
) -> None:
    tools = opened(reads=("env",))
    await tools.look("rig")
    assert [declaration(tools[name]).effect for name in ("rig_echo", "rig_env")] == [Effect.LEAVES, Effect.READS]
    assert declaration(tools["rig_echo"]).targets is None
    assert all(declaration(tools[name]).outside for name in ("rig_echo", "rig_env"))


async def test_a_prompt_never_shows_what_a_server_says_about_its_tools(opened: Opened) -> None:
    tools = opened("changed")
    await tools.look("rig")
    assert "evil.example" not in (tools["rig_echo"].__doc__ or "")
    assert "evil.example" in declaration(tools["rig_echo"]).described


async def test_a_description_that_changes_after_the_grant_is_not_believed_until_it_is_accepted(opened: Opened) -> None:
    await opened().look("rig")
    tools = opened("changed")
    with pytest.raises(ToolFailed, match="describes echo differently from when it was granted"):
        await tools["rig_echo"]("tea")
    await tools.accept("rig_echo")
    assert await tools["rig_echo"]("tea") == '{"text": "tea"}'
    with pytest.raises(NotFound, match="no tool 'rig_none'"):
        await tools.accept("rig_none")


async def test_a_server_that_dies_is_an_error_and_is_started_again(opened: Opened) -> None:
    tools = opened()
    await tools.look("rig")
    with pytest.raises(ToolFailed, match="rig"):
        await tools["rig_die"]()
    assert await tools["rig_echo"]("tea") == '{"text": "tea"}'


async def test_a_server_that_hangs_is_ended_and_started_again(opened: Opened) -> None:
    tools = opened(seconds=McpSeconds(call=1, stop=0.1))
    await tools.look("rig")
    with pytest.raises(ToolFailed, match="did not answer within 1 seconds; it may have done it all the same"):
        await tools["rig_hang"]()
    assert await tools["rig_echo"]("tea") == '{"text": "tea"}'


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("dead", "no licence key"),
        ("silent", "did not answer within"),
        ("unfit", "a form that the protocol doesn't have"),
    ],
)
async def test_a_server_that_does_not_start_is_an_error_that_says_why(way: str, told: str, opened: Opened) -> None:
    seconds = McpSeconds(start=0.5 if way == "silent" else 30, stop=0.1)
    with pytest.raises(ToolFailed, match=f"The MCP server rig cannot be used: .*{told}"):
        await opened(way, seconds=seconds).look("rig")


async def test_a_server_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    tools = McpTools({"rig": rig(command=("no-such-program-4711",))}, tmp_path, Secrets({}))
    with pytest.raises(ToolFailed, match="no-such-program-4711"):
        await tools.look("rig")


@pytest.mark.parametrize(
    ("tool", "told"),
    [("fail", "rig failed: no such repository"), ("odd", "a form that the protocol doesn't have"), ("huge", "rig")],
)
async def test_a_call_that_fails_says_so_and_the_next_one_works(tool: str, told: str, opened: Opened) -> None:
    tools = opened()
    await tools.look("rig")
    with pytest.raises(ToolFailed, match=told):
        await tools[f"rig_{tool}"]()
    assert await tools["rig_echo"]("tea") == '{"text": "tea"}'


async def test_an_answer_that_breaks_the_servers_own_promise_is_given_as_it_came(opened: Opened) -> None:
    tools = opened()
    await tools.look("rig")
    assert await tools["rig_lie"]() == {"m": 7}


async def test_a_server_may_lie_about_its_tools_without_end(opened: Opened) -> None:
    tools = opened("lies", "junk", "endless")
    offered = {one.name for one in await tools.look("rig")}
    assert all(name.isidentifier() and len(name) <= 64 for name in offered)
    assert "rig_many" not in offered
    assert max(len(declaration(tools[name]).described) for name in offered) <= 4_000
    assert await tools["rig_echo"]("tea") == '{"text": "tea"}'


async def test_two_calls_at_once_start_one_server(opened: Opened) -> None:
    tools = opened()
    await tools.look("rig")
    await tools.aclose()
    answers = await asyncio.gather(*(tools["rig_echo"](str(n)) for n in range(5)))
    assert answers == [f'{{"text": "{n}"}}' for n in range(5)]


async def test_an_agent_is_given_such_a_tool_like_any_other_and_asks_after_reading_what_it_answers(
    house: House, tmp_path: Path
) -> None:
    settings = house.settings.model_copy(update={"mcp": {"rig": rig("changed")}})
    house = replace(house, settings=settings)
    looking = McpTools(settings.mcp, settings.home, house.secrets)
    await looking.look("rig")
    await looking.aclose()
    await seat(house, tools=("rig_echo", "rig_env"))
    code = 'print(help("rig_echo"))\nprint(rig_echo(text="tea"))'
    llm = ScriptedLLM(f"```python\n{code}\n```", "Waiting.")
    async with working(house, llm):
        await tell(house, "Ask the rig")
        await said(house)
        (question,) = await house.approvals.waiting()
    assert "rig_echo(text, times=None): A tool of the MCP server rig" in llm.seen[0][0].text
    assert "evil.example" not in llm.seen[0][0].text
    assert "rig_echo(text='tea')" in question.content
    assert "the description of rig_echo" in question.content


def test_a_server_has_a_command_or_an_address() -> None:
    for given in ({}, {"command": ["x"], "url": "https://x.example"}, {"url": "file:///etc/passwd"}):
        with pytest.raises(InvalidInput, match="mcp"):
            load(mcp={"rig": given})


def test_the_heavy_sdk_is_not_loaded_before_a_server_is_used() -> None:
    program = (
        "import sys, core.worker, core.tools.builtin, bots.cli.main\n"
        "print([name for name in ('mcp', 'mcp_types', 'httpx2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "[]"
