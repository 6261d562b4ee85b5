"""A tool says what it does and where it leads; one that says nothing is taken to leave the house."""

import logging
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from core.errors import InvalidInput
from core.house import House
from core.tools.registry import UNDECLARED, Declaration, Effect, Tools, declaration, declares


@declares(Effect.LEAVES, "to")
async def send(to: str, text: str = "") -> None:
    """Send a text."""


async def shout(text: str) -> None:
    """Say it to everybody."""


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "stoa.tools")


def test_a_tool_keeps_what_it_declares() -> None:
    assert declaration(send) == Declaration(Effect.LEAVES, ("to",), outside=True)


def test_a_tool_that_declares_nothing_leaves_by_every_text_it_is_given() -> None:
    assert declaration(shout) is UNDECLARED
    assert (UNDECLARED.effect, UNDECLARED.targets, UNDECLARED.outside) == (Effect.LEAVES, None, True)


def test_a_tool_that_claims_a_declaration_of_its_own_making_has_none() -> None:
    async def forged(text: str) -> None: ...

    forged.__dict__["declared"] = {"effect": "reads"}
    assert declaration(forged) is UNDECLARED


def test_a_target_that_is_no_parameter_is_refused_when_the_tool_is_written() -> None:
    with pytest.raises(InvalidInput, match="shout declares 'to', which is none of its parameters"):
        declares(Effect.LEAVES, "to")(shout)


def test_the_tools_of_the_house_declare_what_they_do(house: House) -> None:
    timers = house.timers
    declared = [declaration(tool).effect for tool in (timers.set_timer, timers.cancel_timer, timers.list_timers)]
    assert declared == [Effect.CHANGES, Effect.CHANGES, Effect.READS]


def test_tools_of_packages_are_found_by_name_with_their_declaration_and_loaded_when_asked_for() -> None:
    tools = Tools([shout], [point("send", f"{__name__}:send"), point("broken", "nowhere:send")])
    assert list(tools) == ["broken", "send", "shout"]
    assert tools["send"] is send
    assert declaration(tools["send"]).targets == ("to",)


def test_a_package_adds_a_tool_by_an_entry_point_in_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fax.py").write_text('async def send_fax(to: str) -> str: "Send a fax."')
    (tmp_path / "fax-1.dist-info").mkdir()
    (tmp_path / "fax-1.dist-info" / "METADATA").write_text("Name: fax\nVersion: 1\n")
    (tmp_path / "fax-1.dist-info" / "entry_points.txt").write_text("[stoa.tools]\nsend_fax = fax:send_fax\n")
    monkeypatch.syspath_prepend(tmp_path)
    tools = Tools([shout])
    assert "fax" not in sys.modules
    assert tools["send_fax"].__doc__ == "Send a fax."
    assert declaration(tools["send_fax"]) is UNDECLARED


def test_a_package_cannot_take_the_name_of_a_tool_of_the_house() -> None:
    assert Tools([shout], [point("shout", f"{__name__}:send")])["shout"] is shout


def test_a_tool_that_cannot_be_loaded_is_not_there_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    tools = Tools([shout], [point("broken", "nowhere.at_all:send"), point("gone", f"{__name__}:gone")])
    with caplog.at_level(logging.ERROR):
        assert [name in tools for name in ("broken", "gone", "shout")] == [False, False, True]
    assert "The tool broken of nowhere.at_all:send cannot be loaded" in caplog.text
