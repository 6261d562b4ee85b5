"""A process that reads the platform and takes turns, or only takes turns, until it is killed; its model only echoes."""

import asyncio
import contextlib
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from benchmarks.chaos_worker import BOUNDS, LEASE, Flat
from bots.serving import serving
from channels.accounts import Account, open_channel
from channels.bridge.session import first
from channels.contract import Channel
from channels.slack.channel import Slack
from core.house import open_house
from core.models.frames import parse_changes
from core.models.llm import Message
from core.secrets.secrets import Secrets
from core.settings import load
from core.worker import Worker

ABSENCE = 1.0
"""Seconds without a socket after which is asked what was missed: the stand-in forgets sooner than Slack does."""
SLOW = 25
"""One answer in so many is written slowly enough to be seen growing."""
QUICK = "CONVERSATIONS_QUICK"
"""The variable with which none is."""
ASKED = re.compile(r"question (\d+)")


class Echo:
    """Answers each question of a turn with a line of its own."""

    name = "echo"

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        told = [message.text for message in messages if message.role == "user"]
        asked = [ASKED.search(change.content) for change in parse_changes(told[-1]) if change.operation == "put"]
        numbers = [int(found[1]) for found in asked if found]
        for number in numbers:
            yield f"answer {number}"
            if number % SLOW == 0 and QUICK not in os.environ:
                await asyncio.sleep(0.2)
                yield ", after"
                await asyncio.sleep(2)
                yield " a while"
            yield "\n"


@contextlib.asynccontextmanager
async def process(
    url: str, namespace: str, home: Path, reads: bool, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Such a process, gone at the end; it writes a line when it is at work."""
    arguments = ("-m", "benchmarks.conversations_worker", url, namespace, str(home), "reads" if reads else "works")
    known = {**os.environ, **environment}
    worker = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env=known)
    try:
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


def _opened(account: Account, secrets: Secrets) -> Channel:
    channel = open_channel(account, secrets)
    if isinstance(channel, Slack):
        channel.absence = ABSENCE
    return channel


async def _work(url: str, namespace: str, home: Path, reads: bool) -> None:
    settings = load(home=home, namespace=namespace, **BOUNDS)
    async with open_house(settings, url, embedder=Flat()) as house:
        worker = Worker(house, "", "", llm=Echo(), lease=LEASE)
        print("at work", flush=True)
        await first(worker.run(), *([serving(house, opens=_opened).run()] if reads else []))


if __name__ == "__main__":
    logging.basicConfig(
        filename=Path(sys.argv[3]) / "log", level=logging.INFO, format="%(asctime)s %(process)s %(name)s: %(message)s"
    )
    asyncio.run(_work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4] == "reads"))
