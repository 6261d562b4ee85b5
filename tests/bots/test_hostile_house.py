"""Nothing that others have written commands the terminal, whichever command shows it."""

import asyncio
import contextlib
import inspect
import re
from datetime import datetime
from pathlib import Path

import pexpect
import pytest

from bots.cli import lazy, main
from channels.accounts import Account, Accounts
from channels.people.people import Room
from core.agents.agents import Agent
from core.atoms.atoms import Origin, Principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput
from core.house import House, open_house
from core.settings import load
from core.trust.approvals import NO, Choice
from core.trust.directory import Directory
from tests.bots.conftest import STOA, CommandLine, environment
from tests.channels.scenes import people_of, written

HOSTILE = "a\x1b[2Jb\x07c\x9b31md\u202ee\u2066f\x85g\x7fh\rgone\u200fi"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
READING: dict[tuple[str, ...], list[list[str]]] = {
    ("agent", "list"): [[]],
    ("agent", "show"): [["mallory"]],
    ("agent", "tree"): [[]],
    ("account", "list"): [[]],
    ("approval", "list"): [[]],
    ("budget", "list"): [[]],
    ("cost",): [["--by", "root"], ["--by", "agent"], ["--by", "model"], ["--by", "day"]],
    ("directory", "list"): [[]],
    ("grant", "list"): [[]],
    ("people", "list"): [[]],
    ("people", "group", "list"): [[]],
    ("room", "list"): [[]],
    ("room", "show"): [[f"slack/{HOSTILE}"]],
    ("secret", "list"): [[]],
    ("space", "list"): [[]],
    ("space", "show"): [["notes"], ["ATOM"]],
    ("space", "history"): [["notes"], ["ATOM"]],
    ("space", "search"): [["notes"], ["notes", "gone"]],
    ("space", "tail"): [["notes", "approvals"]],
    ("timer", "list"): [[]],
    ("tool", "list"): [[]],
    ("tool", "show"): [["web_fetch"]],
    ("token", "list"): [[]],
    ("convention", "list"): [[]],
    ("convention", "history"): [["notes"]],
    ("webhook", "list"): [[]],
    ("why",): [["ATOM"]],
}
"""Command -> the arguments it is tried with."""
CLEAN: set[tuple[str, ...]] = {
    *(("cost",), ("secret", "list"), ("people", "group", "list"), ("tool", "list"), ("tool", "show")),
    *(("token", "list"), ("convention", "list"), ("convention", "history"), ("webhook", "list")),
}
"""Commands that show nothing but names that cannot hold control characters, at least in some of the tries."""
WITHOUT_JSON: dict[tuple[str, ...], list[list[str]]] = {
    ("space", "diff"): [["ATOM"]],
    ("space", "describe"): [["notes"]],
    ("space", "get"): [["ATOM"]],
}
RAW: set[tuple[str, ...]] = {("space", "describe"), ("space", "get")}
"""Commands that print content unchanged into a pipe; on a terminal it is safe (see the last test)."""


async def furnish(house: House) -> str:
    """Put hostile text wherever the house takes it; answers the name of an atom that is full of it."""
    notes = await house.spaces.create("notes", description=HOSTILE)
    mallory = Agent(
        id="mallory", instructions=HOSTILE, task=HOSTILE, model=HOSTILE, tools=(HOSTILE,), speaks_in=HOSTILE
    )
    await house.agents.seat(mallory.model_copy(update={"spawner": "owner"}), {"notes": Permission.WRITE})
    await house.agents.save(Agent(id="mallet", instructions="", task=HOSTILE, spawner="mallory"))
    writer = house.spaces.open("notes", Principal("mallory", Origin.AGENT))
    atom = await writer.put(f"{HOSTILE}\n{HOSTILE}", comment=HOSTILE, metadata={"k": HOSTILE, "l": [HOSTILE]})
    seq = await notes.newest()
    await writer.update(atom.id, content=f"{HOSTILE}\nchanged\n{HOSTILE}", comment=HOSTILE)
    for name in (HOSTILE, f"{HOSTILE}.txt"):
        with contextlib.suppress(InvalidInput):
            await house.attachments.attach(notes, atom.id, name, b"gone", comment=HOSTILE)
    for principal in (HOSTILE, f"person:{HOSTILE}"):
        with contextlib.suppress(InvalidInput):
            await notes.share(principal, "read", comment=HOSTILE)
    await house.timers.prepare()
    await house.spaces.open("timers").put(
        HOSTILE,
        comment=HOSTILE,
        metadata={"kind": "timer", "status": "pending", "due": datetime(2099, 1, 1, tzinfo=house.clock.zone)},
    )
    await house.approvals.ask(HOSTILE, asker=HOSTILE, choices=[Choice("yes", HOSTILE), NO])
    await Directory(house.spaces).add(f"{HOSTILE}@example.com")
    people = people_of(house)
    await people.persons.add(HOSTILE, [f"slack/{HOSTILE}"])
    await people.request_admission("slack", written(HOSTILE, HOSTILE, name=HOSTILE, room=HOSTILE))
    await people.groups.join("friends", (await people.all())[0].id)
    await people.rooms.save(Room(id=f"slack/{HOSTILE}", name=HOSTILE))
    await Accounts(house.store).save(Account(id="slack", platform=HOSTILE, options={HOSTILE: HOSTILE}))
    await house.budgets.allow("agent:mallory", {"turns": 9})
    purse = house.budgets.purse("mallory", (), f"notes/{seq}", "t1", house.clock.now(), 1)
    await purse.begin()
    return atom.ref


@pytest.fixture
def atom(stoa: CommandLine, tmp_path: Path) -> str:
    async def furnished() -> str:
        async with open_house(load(), stoa.redis_url) as house:
            return await furnish(house)

    with environment(stoa.environment(tmp_path)):
        return asyncio.run(furnished())


def test_every_command_that_prints_json_is_tried_here() -> None:
    listing = {(*command.split(),) for command, (function, _) in main.COMMANDS.items() if prints_json(function)}
    assert listing - {("space", "put")} == set(READING)


def prints_json(function: str) -> bool:
    return "as_json" in inspect.signature(lazy.function(function)).parameters


def test_nothing_that_others_wrote_commands_the_terminal(stoa: CommandLine, tmp_path: Path, atom: str) -> None:
    for words, tries in (READING | WITHOUT_JSON).items():
        for arguments in tries:
            for extra in [[], ["--json"]] if words in READING else [[]]:
                named = [atom if argument == "ATOM" else argument for argument in arguments]
                done = stoa(tmp_path, *words, *named, *extra, TERM="dumb")
                assert done.returncode == 0, (words, done.stderr)
                shown = "" if words in RAW else done.stdout
                assert not UNSAFE.findall(shown + done.stderr), (words, extra, shown)
                assert "gone" in shown or extra or words in RAW | CLEAN, words


def test_what_is_typed_comes_back_without_control_characters(stoa: CommandLine, tmp_path: Path, atom: str) -> None:
    for words in (
        ("space", "show", HOSTILE),
        ("space", "show", f"notes/{HOSTILE}"),
        ("agent", "show", HOSTILE),
        ("timer", "cancel", HOSTILE),
        ("approval", "answer", HOSTILE, HOSTILE),
        ("people", "allow", HOSTILE),
        ("room", "set", HOSTILE),
        ("directory", "remove", HOSTILE),
        ("import", HOSTILE),
        ("budget", "allow", f"notes/{HOSTILE}", "--turns", "1"),
        ("space", "put", "notes", "text", "--meta", HOSTILE),
    ):
        done = stoa(tmp_path, *words)
        assert not UNSAFE.findall(done.stdout + done.stderr), (words, done)


@pytest.mark.parametrize("words", [["space", "get", "ATOM"], ["space", "describe", "notes"]])
def test_raw_content_is_whole_in_a_pipe_and_safe_on_a_terminal(
    words: list[str], stoa: CommandLine, tmp_path: Path, atom: str
) -> None:
    words = [atom if word == "ATOM" else word for word in words]
    assert HOSTILE.splitlines()[0] in stoa(tmp_path, *words).stdout
    screen = pexpect.spawn(STOA[0], [*STOA[1:], *words], env=stoa.environment(tmp_path), encoding="utf-8")
    screen.expect(pexpect.EOF)
    assert "gone" in screen.before
    assert not UNSAFE.findall(screen.before.replace("\r\n", "\n"))
