"""A worker as a process of its own, which takes turns until it is killed, with a model whose time does not count."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from core.house import open_house
from core.models.frames import parse_changes
from core.models.llm import LLM, Message
from core.settings import load
from core.worker import Worker

LEASE = 2.0
"""Seconds until another worker takes over what a killed one had begun."""
BOUNDS = {f"{account}_tokens": 10**12 for account in ("root", "day", "month")} | {
    f"root_{what}": 10**9 for what in ("turns", "seconds")
}
"""What would otherwise end a chain that is meant to be 500 tasks long."""
NAME = re.compile(r"You are (agent-(\d+))\.")
WORK = """```python
for _ in range(3):
    free = tasks.search(metadata={{"status": "pending"}}, references={{"blocked_by": {{"status": "done"}}}}, limit=20)
    if not free:
        break
    task = free[{number} % len(free)]
    try:
        tasks.claim(task.id, lease=600, comment="begun by {name}")
    except Exception:
        continue
    results.put(task.content, comment="result of " + task.content, references={{"of": [task.ref]}})
    tasks.update(task.id, comment="done by {name}", metadata={{"status": "done"}})
```"""
NOTE = """```python
results.put("heard", comment="heard: " + change.content)
```"""


class Flat:
    """Vectors that say nothing: nobody searches by meaning here."""

    id = "flat"
    dimensions = 2

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [b"\x00\x3c\x00\x00"] * len(texts)


class Announcing:
    """Says once, on standard output, that the worker is at work."""

    _said = False

    def announce(self) -> None:
        if not self._said:
            self._said = True
            print("at work", flush=True)


class Rules(Announcing):
    """Works when a task has changed, answers when a person has spoken, and is quiet after its work."""

    name = "rules"

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        self.announce()
        given = [message.text for message in messages if message.role == "user" and not message.text.startswith("<out")]
        asked = [change.content for change in parse_changes(given[-1]) if change.origin == "owner"]
        asked = [text for text in asked if text.startswith("question")]
        acted = messages[-1].text.startswith("<output>")
        if asked:
            yield "I heard " + ", ".join(asked) if acted else NOTE
        elif not acted:
            found = NAME.search(messages[0].text)
            yield WORK.format(name=found[1], number=int(found[2])) if found else "It did tasks."  # notes of a session


class AtOnce(Announcing):
    """Answers without thinking."""

    name = "at once"

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        self.announce()
        yield "It is done."


MODELS: dict[str, LLM] = {model.name: model for model in (Rules(), AtOnce())}


@contextlib.asynccontextmanager
async def process(url: str, namespace: str, home: Path, model: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Such a worker, gone at the end; it writes a line when its model is asked for the first time."""
    arguments = ("-m", "benchmarks.chaos_worker", url, namespace, str(home), model)
    worker = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        await worker.wait()


async def work(url: str, namespace: str, home: Path, model: str) -> None:
    """Work until killed."""
    settings = load(home=home, namespace=namespace, **BOUNDS)
    async with open_house(settings, url, embedder=Flat()) as house:
        await Worker(house, "", "", llm=MODELS[model], lease=LEASE).run()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
