"""Stoa on Slack as its owner has it: set up by the command, served by a process of its own, talked to by Alice."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.rigs.slack.rig import Rig, program
from tests.rigs.slack.workspace import Json

PATIENCE = 120


def environment(home: Path) -> dict[str, str]:
    """Nothing of the machine's but where programs are."""
    known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return known | {"STOA_HOME": str(home), "STOA_WEB_PORT": "0"}


def stoa(home: Path, *words: str, typed: str = "") -> str:
    """What `stoa` answers to these words."""
    command = [sys.executable, "-m", "bots", *words]
    done = subprocess.run(
        command, input=typed, capture_output=True, text=True, check=False, env=environment(home), timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def set_up(home: Path, rig: Rig) -> str:
    """Connect Slack as a new user does; answers the code that makes one known there."""
    tokens = f"{rig.bot_token}\n{rig.app_token}\n"
    said = stoa(home, "setup", "--option", f"api_url={rig.api_url}", typed=tokens)
    return next(word for word in said.split() if len(word) == 9 and word[4] == "-" and word.isupper())


@contextmanager
def serving(home: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`stoa serve` with these variables, asked to end after the block."""
    command = [sys.executable, "-m", "bots", "serve"]
    process = subprocess.Popen(command, env=environment(home) | settings, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


class Direct:
    """A person's direct message with Stoa."""

    def __init__(self, rig: Rig, person: str, conversation: str) -> None:
        self.rig, self.person, self.conversation = rig, person, conversation

    async def says(self, text: str) -> None:
        """Write."""
        await self.rig.say(self.person, self.conversation, text)

    async def reads(self, part: str) -> Json:
        """The newest message of Stoa's that has this in it, once there is one."""

        async def there() -> Json | None:
            found = [one for one in await self.rig.messages(self.conversation) if one.get("user") == self.rig.bot]
            return next((one for one in reversed(found) if part in one["text"]), None)

        found = await self.rig.until(there, PATIENCE)
        assert found
        return found


@asynccontextmanager
async def owned(home: Path, **settings: str) -> AsyncIterator[tuple[Rig, Direct]]:
    """A workspace in which Stoa is served, with these variables, and knows Alice as its owner."""
    with program() as facts:
        async with Rig(facts) as rig:
            code = await asyncio.to_thread(set_up, home, rig)
            with serving(home, **settings):
                await rig.connected()
                alice = Direct(rig, "alice", await rig.dm("alice"))
                await alice.says(code)
                await alice.reads("linked now")
                yield rig, alice
