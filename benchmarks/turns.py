"""What a turn adds to the model's own time, and whether people are answered as fast while many agents work.

The house is furnished as `stoa run` furnishes it, with the real embedder; only the model is a stand-in.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from benchmarks.models import BACKGROUND, DividedLLM, PacedLLM
from benchmarks.rows import Row
from benchmarks.stages import Stage, sentences
from bots.seed import seed
from conventions import loading
from core.agents.spawning import Spawner, SpawnRequest
from core.atoms.atoms import OWNER
from core.house import House
from core.models.llm import LLM
from core.spaces.spaces import Actor
from core.testing import ScriptedLLM
from core.worker import Worker

AGENTS = 20
Ask = Callable[[str], Awaitable[tuple[float, float, float]]]
"""Write in the chat; answers when the put began, when it was done, and when the answer was seen."""
CODE = """```python
note = spaces["notes"].put(change.content, comment="noted")
print("noted", note.id)
```"""


async def turns(stage: Stage) -> list[Row]:
    """The time from a message to its answer that is not the model's."""
    rows = []
    for name, steps in (("of one step, prose", 1), ("of two steps, the first with code", 2)):
        script = ScriptedLLM(lambda messages, steps=steps: _step(messages[-1].text, steps))  # type: ignore[misc]
        model = PacedLLM(script, 0.05)
        async with stage.house() as house, _working(house, model), _asking(house) as ask:
            texts = iter(sentences(6, 100))
            sent, _, seen = await ask(next(texts))
            first = seen - sent - _thinking(model)
            for _ in range(5):
                await ask(next(texts))
            before, after, whole = [], [], []
            for _ in stage.track(range(40), f"a turn {name}", 40):
                model.calls.clear()
                _, put, seen = await ask(next(texts))
                before.append((model.calls[0][0] - put) * 1000)
                after.append((seen - model.calls[-1][1]) * 1000)
                whole.append((seen - put - _thinking(model)) * 1000)
            middle = statistics.median
            rows.append(Row(f"a turn {name}, outside the model", middle(whole), "ms", goal=50))
            rows.append(Row("· from its wake-up to the model's first call", middle(before), "ms"))
            rows.append(Row("· from the model's last word to the answer in the chat", middle(after), "ms"))
    rows.append(Row("the first turn of a new Stoa: models loaded, recipes embedded", first, "s"))
    return rows


def _thinking(model: PacedLLM) -> float:
    return sum(ended - begun for begun, ended in model.calls)


def _step(last: str, steps: int) -> str:
    return "It is done." if steps == 1 or last.startswith("<output>") else CODE


async def load(stage: Stage) -> list[Row]:
    """Answers to a person while 20 agents work in the background, against answers while they only wait."""
    model = DividedLLM(PacedLLM(ScriptedLLM(lambda _: "It is done."), 0.3), sentences(8, 4_000))
    async with stage.house(steps=100_000) as house, _working(house, model), _asking(house) as ask:
        await _spawn(house)
        texts = iter(sentences(7, 200))
        for _ in range(3):
            await ask(next(texts))
        model.open.set()
        await model.busy.wait()
        times: dict[bool, list[float]] = {True: [], False: []}
        own: dict[bool, list[float]] = {True: [], False: []}
        worked, since = 0, 0.0
        for one in stage.track(range(10), f"answers while {AGENTS} agents work", 10):
            loaded = one % 2 == 1
            if loaded:
                model.open.set()
            else:
                model.open.clear()
            await asyncio.sleep(1)
            replies, begun = model.replies, time.perf_counter()
            for _ in range(8):
                model.people.calls.clear()
                sent, _, seen = await ask(next(texts))
                times[loaded].append((seen - sent) * 1000)
                own[loaded].append((seen - sent - _thinking(model.people)) * 1000)
            if loaded:
                worked, since = worked + model.replies - replies, since + time.perf_counter() - begun
        model.open.clear()
    idle, busy = statistics.median(times[False]), statistics.median(times[True])
    own_idle, own_busy = statistics.median(own[False]), statistics.median(own[True])
    return [
        Row(f"an answer while {AGENTS} agents work, a model of 0.3 s", busy, "ms", idle, 1.2),
        Row("· outside the model", own_busy, "ms", own_idle),
        Row("· steps of those agents", worked / since, "/s"),
    ]


async def _spawn(house: House) -> None:
    """Have the assistant spawn agents that never end."""
    spawner = Spawner(house.spaces, house.agents, house.settings, "You work.", "A direct-message space.")
    assistant = Actor((await house.agents.get("assistant")).principal)
    for number in range(AGENTS):
        await spawner.spawn(
            assistant, SpawnRequest(f"{BACKGROUND} You are number {number}.", spaces={"notes": "write"})
        )


@asynccontextmanager
async def _working(house: House, model: LLM) -> AsyncIterator[None]:
    """The house furnished, and a worker at work in it."""
    await seed(house)
    worker = Worker(house, loading.instructions("agent"), loading.text("direct-message"), llm=model)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _asking(house: House) -> AsyncIterator[Ask]:
    """A way to write in the chat and to see the answer as whoever follows the chat sees it."""
    chat = house.spaces.open("chat")
    answers: asyncio.Queue[float] = asyncio.Queue()

    async def follow() -> None:
        async for change in chat.follow():
            if change.operation == "put" and change.author != OWNER.id:
                answers.put_nowait(time.perf_counter())

    async def ask(text: str) -> tuple[float, float, float]:
        sent = time.perf_counter()
        await chat.put(text, metadata={"role": "user"})
        put = time.perf_counter()
        async with asyncio.timeout(60):
            return sent, put, await answers.get()

    task = asyncio.create_task(follow())
    try:
        yield ask
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
