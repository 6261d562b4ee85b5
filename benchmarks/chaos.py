"""`python -m benchmarks.chaos`: many agents work off tasks that depend on each other while workers are killed.

Prints what became of every promise, keeps it in build/chaos.json, and ends with 1 if one was broken.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.chaos_worker import BOUNDS, Flat, process
from core.agents.agents import Agent
from core.atoms.atoms import OWNER
from core.atoms.permissions import Permission
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import load

ROOT = Path(__file__).parent.parent
COORDINATORS = 10
"""One agent in so many has a person to answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much chaos."""

    agents: int = 200
    tasks: int = 500
    messages: int = 200
    workers: int = 4
    every: float = 3.0
    """Seconds between two killings, on average."""
    patience: float = 900.0
    """Seconds after which whatever is not done counts as lost."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    seconds: float
    kills: int
    tasks: int
    done_once: int
    lost: int
    doubled: int
    out_of_order: int
    results: int
    messages: int
    answered_once: int
    unanswered: int
    answered_twice: int
    behind: int
    """Agents that have not yet seen everything they are to see."""

    @property
    def kept(self) -> bool:
        """Whether every promise held."""
        broken = self.lost + self.doubled + self.out_of_order + self.unanswered + self.answered_twice + self.behind
        return not broken and self.done_once == self.results == self.tasks and self.answered_once == self.messages


async def run(plan: Plan, progress: Callable[[int, int], None] = lambda done, answered: None) -> Outcome:
    """Carry out the plan on an embedded Redis of its own; `progress` is told of tasks done and messages answered."""
    with tempfile.TemporaryDirectory(prefix="stoa-chaos-") as home:
        async with EmbeddedRedis(Path(home)) as server:
            settings = load(home=Path(home), namespace="chaos", **BOUNDS)
            async with open_house(settings, server.url, embedder=Flat()) as house:
                random = Random(plan.seed)
                await _tasks(house, plan, random)
                rooms = await _people(house, plan)
                begun = time.monotonic()
                kills = 0

                def killed() -> None:
                    nonlocal kills
                    kills += 1

                async with asyncio.TaskGroup() as group:
                    chaos = group.create_task(_workers(server.url, Path(home), plan, random, killed))
                    group.create_task(_talk(house, plan, rooms, Random(plan.seed + 1)))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(plan.patience):
                            await _finished(house, plan, rooms, progress)
                    chaos.cancel()
                return await _judged(house, plan, rooms, time.monotonic() - begun, kills)


async def _people(house: House, plan: Plan) -> list[str]:
    """Seat the agents and let them begin; answers the rooms in which people are answered."""
    await house.spaces.create("results")
    rooms = []
    for number in range(plan.agents):
        spaces = {"tasks": Permission.WRITE, "results": Permission.APPEND}
        agent = Agent(id=f"agent-{number:03}", instructions=f"You are agent-{number:03}.", spawner="agent-000")
        if number % COORDINATORS == 0:
            room = f"room-{number:03}"
            await house.spaces.create(room)
            rooms.append(room)
            agent = agent.model_copy(update={"spawner": OWNER.id, "speaks_in": room})
            spaces = {room: Permission.WRITE, "results": Permission.APPEND}
            await house.agents.seat(agent, spaces, (room,))
        else:
            await house.agents.seat(agent, spaces)
            await house.spaces.open("tasks", agent.principal).subscribe(metadata={"status": ["said", "done"]})
    await house.spaces.open("tasks").put("begin", metadata={"status": "said"})
    return rooms


async def _tasks(house: House, plan: Plan, random: Random) -> None:
    """The tasks, each waiting for up to three that were put before it."""
    space = await house.spaces.create("tasks")
    known: list[str] = []
    for number in range(plan.tasks):
        waits = random.sample(known[-40:], min(len(known), random.randint(0, 3)))
        task = await space.put(
            f"task {number}", metadata={"status": "pending"}, references={"blocked_by": waits} if waits else {}
        )
        known.append(task.id)


async def _talk(house: House, plan: Plan, rooms: list[str], random: Random) -> None:
    """People speak now and then, in every room."""
    for number in range(plan.messages):
        await asyncio.sleep(random.uniform(0, 0.3))
        await house.spaces.open(random.choice(rooms)).put(f"question {number}", metadata={"role": "user"})


async def _workers(url: str, home: Path, plan: Plan, random: Random, killed: Callable[[], None]) -> None:
    """Keep so many workers, and every few seconds kill one that is at work; kills the rest at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start() -> tuple[asyncio.subprocess.Process, asyncio.Task[bytes]]:
            worker = await stack.enter_async_context(process(url, "chaos", home, "rules"))
            assert worker.stdout
            return worker, asyncio.create_task(worker.stdout.readline())

        workers = [await start() for _ in range(plan.workers)]
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5) * plan.every)
            if at_work := [number for number, (_, said) in enumerate(workers) if said.done()]:
                number = random.choice(at_work)
                workers[number][0].kill()
                killed()
                workers[number] = await start()


async def _finished(house: House, plan: Plan, rooms: list[str], progress: Callable[[int, int], None]) -> None:
    """Wait until all is done and answered, and until every agent has seen it, so that nothing can be doubled later."""
    await _until(lambda: _progress(house, plan, rooms, progress))

    async def seen() -> bool:
        return not await _behind(house)

    await _until(seen)


async def _behind(house: House) -> int:
    """How many of the agents at work have changes before them."""
    newest = await house.spaces.open("tasks").newest()
    workers = [agent.id for agent in await house.agents.list() if not agent.speaks_in]
    return sum([(await house.notifications.cursor(agent, "tasks") or 0) < newest for agent in workers])


async def _progress(house: House, plan: Plan, rooms: list[str], progress: Callable[[int, int], None]) -> bool:
    done = await house.spaces.open("tasks").search(metadata={"status": "done"}, limit=1000)
    answered = sum((await _answers(house, rooms)).values())
    progress(len(done), answered)
    return len(done) >= plan.tasks and answered >= plan.messages


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    while not await true():
        await asyncio.sleep(0.5)


async def _answers(house: House, rooms: list[str]) -> Counter[str]:
    """How often each message was answered."""
    said: Counter[str] = Counter()
    for room in rooms:
        for atom in await house.spaces.open(room).search(metadata={"role": "assistant"}, limit=1000):
            said.update(f"{room}/{message}" for message in atom.references.get("reply_to", []))
    return said


async def _judged(house: House, plan: Plan, rooms: list[str], seconds: float, kills: int) -> Outcome:
    """Count from the change logs what was kept and what was broken."""
    tasks = house.spaces.open("tasks")
    begun: dict[str, list[int]] = {}
    done: dict[str, list[int]] = {}
    after = 0
    while changes := await tasks.changes(after):
        for change in changes:
            if change.comment.startswith("begun"):
                begun.setdefault(change.atom, []).append(change.seq)
            elif change.comment.startswith("done"):
                done.setdefault(change.atom, []).append(change.seq)
        after = changes[-1].seq
    atoms = [*await tasks.search(limit=1000)]
    early = sum(
        any(not done.get(blocker) or done[blocker][0] > begun[task.id][0] for blocker in task.references["blocked_by"])
        for task in atoms
        if task.id in begun and "blocked_by" in task.references
    )
    results = Counter(ref for atom in await _all(house, "results") for ref in atom)
    asked = [
        f"{room}/{atom.id}"
        for room in rooms
        for atom in await house.spaces.open(room).search(metadata={"role": "user"}, limit=1000)
    ]
    answers = await _answers(house, rooms)
    return Outcome(
        seconds=round(seconds, 1),
        kills=kills,
        tasks=plan.tasks,
        done_once=sum(len(times) == 1 for times in done.values()),
        lost=plan.tasks - len(done),
        doubled=sum(len(times) > 1 for times in done.values()) + sum(count > 1 for count in results.values()),
        out_of_order=early,
        results=len(results),
        messages=plan.messages,
        answered_once=sum(answers[message] == 1 for message in asked),
        unanswered=plan.messages - sum(answers[message] > 0 for message in asked),
        answered_twice=sum(answers[message] > 1 for message in asked),
        behind=await _behind(house),
    )


async def _all(house: House, name: str) -> list[list[str]]:
    """The targets of every result."""
    space = house.spaces.open(name)
    found, after = [], 0
    while changes := await space.changes(after):
        found += [(await space.get(change.atom)).references.get("of", []) for change in changes if change.atom]
        after = changes[-1].seq
    return found


def main() -> None:
    """Run the plan that the command line gives, show and keep what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Kill workers while agents work.")
    for name, default in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    plan = Plan(**vars(parser.parse_args()))
    console = Console()
    with Progress(console=console, transient=True) as bars:
        tasks, messages = bars.add_task("tasks done", total=plan.tasks), bars.add_task("answers", total=plan.messages)

        def progress(done: int, answered: int) -> None:
            bars.update(tasks, completed=done)
            bars.update(messages, completed=answered)

        outcome = asyncio.run(run(plan, progress))
    table = Table(title=f"{plan.workers} workers, {plan.agents} agents, {plan.tasks} tasks, {plan.messages} messages")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name, number in asdict(outcome).items():
        table.add_row(name.replace("_", " "), f"{number:g}")
    console.print(table)
    console.print("Every promise was kept." if outcome.kept else "A promise was BROKEN.")
    file = ROOT / "build" / "chaos.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"plan": asdict(plan), **asdict(outcome), "kept": outcome.kept}, indent=2) + "\n")
    sys.exit(not outcome.kept)


if __name__ == "__main__":
    main()
