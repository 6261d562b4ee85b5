"""Whatever goes wrong, a sentence says what and what to do; nothing is lost and the rest goes on."""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from tests.stories.people import environment, someone_at


async def test_times_that_cannot_be_are_refused_with_the_reason(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("remind me on 24 December 2020 to call Ana")
        await person.until("is in the past")
        person.type("remind me on 30 February at 9 to call Ana")
        await person.until("there is no such day")
        person.type("remind me at 25:00 to call Ana")
        await person.until("a day has no 25:00")
        person.type("show my reminders")
        await person.until("no reminders")
        await person.leave()


async def test_long_and_odd_messages_are_taken_or_refused_with_a_word_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("x" * 1_000_000)
        await person.until("4,000")
        person.type("y" * 1_100_000)
        await person.until("1,048,576 at most")
        person.type("note that \x1b[31mred\x07 alert\x00 is here")
        noted = await person.until("alert")
        assert not set(noted) & set("\x1b\x07\x00")
        person.type("add buy milk to my tasks")
        await person.until("Added to your tasks: buy milk")
        await person.leave()


async def test_a_full_disk_is_said_and_what_was_typed_is_done_once_there_is_room(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("add buy milk to my tasks")
        await person.until("buy milk")
        redis = server_of(tmp_path)
        resource.prlimit(redis, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        person.type("add buy honey to my tasks")
        await person.until("free some space")
        resource.prlimit(redis, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await person.until("Added to your tasks: buy honey")
        person.type("what is on my list?")
        await person.until("2 open tasks")
        await person.leave()


async def test_a_dead_redis_is_said_and_started_again_with_nothing_lost(tmp_path: Path) -> None:
    async with someone_at(tmp_path) as person:
        person.type("add buy milk to my tasks")
        await person.until("buy milk")
        os.kill(server_of(tmp_path), signal.SIGKILL)
        await person.until("was ended by SIGKILL")
        person.type("what is on my list?")
        await person.until("- buy milk")
        await person.leave()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"STOA_TIMEZONE": "Paris"}, "'Paris' is not a time zone"),
        ({"STOA_STEPS": "many"}, "steps"),
        ({"REDIS_URL": "redis://127.0.0.1:9"}, "Check REDIS_URL"),
        ({"REDIS_URL": "nonsense"}, "does not name a Redis"),
        ({"STOA_HOME": "/dev/null"}, "/dev/null"),
    ],
)
async def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, setting: dict[str, str], said: str) -> None:

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bots", "run"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path) | setting,
    )
    async with asyncio.timeout(60):
        _, error = await process.communicate()
    lines = error.decode().splitlines()
    assert process.returncode == 1
    assert said in lines[0]
    assert len(lines) == 1


def server_of(home: Path) -> int:
    """The pid of the embedded Redis whose data lies in this home."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and b"redis-server" in (process / "cmdline").read_bytes():
            try:
                if (process / "cwd").resolve().is_relative_to(home):
                    return int(process.name)
            except OSError:
                continue
    raise AssertionError(f"no redis-server runs in {home}")
