"""Tools from the command line: those there are, who holds them, and giving and taking them."""

import asyncio
import json
import os
import sys
from pathlib import Path

from bots.seed import seed
from core.house import open_house
from core.models.embeddings import LocalEmbedder
from core.settings import load
from tests.bots.conftest import CommandLine

SERVER = Path(__file__).parent.parent / "rigs" / "mcp_server.py"


def begin(stoa: CommandLine, home: Path) -> None:
    """Seed the house, as each start does."""

    async def seeded() -> None:
        settings = load(home=home, namespace=stoa.namespace(home))
        async with open_house(settings, stoa.redis_url, embedder=LocalEmbedder()) as house:
            await seed(house)

    asyncio.run(seeded())


def settled(home: Path, *ways: str, tools: tuple[str, ...] = ()) -> None:
    command = json.dumps([sys.executable, str(SERVER), *ways])
    (home / "stoa.toml").write_text(f"[mcp.rig]\ncommand = {command}\ntools = {json.dumps(tools)}\n")


def test_tools_are_listed_with_what_they_do_and_who_holds_them(stoa: CommandLine, tmp_path: Path) -> None:
    begin(stoa, tmp_path)
    rows = {row["name"]: row for row in json.loads(stoa(tmp_path, "tool", "list", "--json").stdout)}
    assert rows["web_fetch"]["held_by"] == ["assistant"]
    assert rows["web_fetch"]["effect"] == "leaves: url"
    assert rows["write_file"] == {
        "name": "write_file",
        "effect": "changes: path",
        "held_by": [],
        "does": rows["write_file"]["does"],
    }
    assert rows["set_timer"]["held_by"] == ["scheduler"]
    assert "nobody" in stoa(tmp_path, "tool", "list").stdout


def test_a_tool_is_granted_shown_and_taken_back(stoa: CommandLine, tmp_path: Path) -> None:
    begin(stoa, tmp_path)
    assert stoa(tmp_path, "tool", "grant", "read_file", "assistant").stdout == (
        "assistant may use read_file from now on.\n"
    )
    shown = stoa(tmp_path, "tool", "show", "read_file").stdout
    assert "held by  assistant" in shown
    assert "Read a text, HTML or PDF file" in shown
    assert "the tool read_file" in stoa(tmp_path, "grant", "list").stdout
    assert "holds the tool read_file already" in stoa(tmp_path, "tool", "grant", "read_file", "assistant").stderr
    stoa(tmp_path, "tool", "revoke", "read_file", "assistant")
    assert "the tool read_file" not in stoa(tmp_path, "grant", "list").stdout
    assert "does not hold the tool read_file" in stoa(tmp_path, "tool", "revoke", "read_file", "assistant").stderr


def test_a_tool_that_was_taken_back_is_not_given_again_by_the_next_start(stoa: CommandLine, tmp_path: Path) -> None:
    begin(stoa, tmp_path)
    stoa(tmp_path, "tool", "revoke", "web_fetch", "assistant")
    begin(stoa, tmp_path)
    assert "held by  nobody" in stoa(tmp_path, "tool", "show", "web_fetch").stdout
    stoa(tmp_path, "tool", "grant", "web_fetch", "assistant")
    assert "held by  assistant" in stoa(tmp_path, "tool", "show", "web_fetch").stdout


def test_what_is_not_there_is_said(stoa: CommandLine, tmp_path: Path) -> None:
    assert "There is no tool 'shell'" in stoa(tmp_path, "tool", "show", "shell").stderr
    assert "There is no tool 'shell'" in stoa(tmp_path, "tool", "grant", "shell", "assistant").stderr
    assert "There is no agent 'nobody'" in stoa(tmp_path, "tool", "grant", "read_file", "nobody").stderr


def test_a_tool_of_an_mcp_server_is_listed_granted_and_granted_again_when_it_changes(
    stoa: CommandLine, tmp_path: Path
) -> None:
    settled(tmp_path, tools=("echo",))
    begin(stoa, tmp_path)
    rows = {row["name"]: row for row in json.loads(stoa(tmp_path, "tool", "list", "--json").stdout)}
    assert {name for name in rows if name.startswith("rig_")} == {"rig_echo"}
    assert rows["rig_echo"]["effect"] == "leaves: any argument may say where to"
    stoa(tmp_path, "tool", "grant", "rig_echo", "assistant")
    settled(tmp_path, "changed", tools=("echo",))
    changed = stoa(tmp_path, "tool", "show", "rig_echo").stdout
    assert "Says it again." in changed
    assert "describes it differently now" in changed
    assert stoa(tmp_path, "tool", "grant", "rig_echo", "assistant").returncode == 0
    assert "describes it differently now" not in stoa(tmp_path, "tool", "show", "rig_echo").stdout
    assert os.stat(tmp_path / "mcp" / "rig.json").st_mode & 0o077 == 0


def test_a_server_that_cannot_start_leaves_the_other_tools_listed(stoa: CommandLine, tmp_path: Path) -> None:
    settled(tmp_path, "dead")
    listed = stoa(tmp_path, "tool", "list")
    assert "The MCP server rig cannot be used" in listed.stderr
    assert "no licence key" in listed.stderr
    assert "web_fetch" in listed.stdout
