"""`python -m benchmarks.conversations`: many people talk at once while everything between them and Stoa breaks.

Processes are killed with -9, sockets torn off, events told twice or lost, calls refused. Prints what became of every
promise, keeps it in build/conversations.json, and ends with 1 if one was broken.
"""

import argparse
import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.chaos_worker import BOUNDS, Flat
from benchmarks.conversations_worker import QUICK, SLOW, process
from benchmarks.platforms import EVERYWHERE, PLATFORMS, Platform, Talk, until
from bots.seed import seed
from channels.accounts import Accounts
from channels.bridge.bindings import Bindings
from channels.bridge.inbox import Inbox
from channels.people.people import People
from channels.people.rooms import Room
from core.agents.unread import agents_due
from core.house import House, open_house
from core.redis.server import EmbeddedRedis
from core.settings import load

ROOT = Path(__file__).parent.parent
NAMESPACE = "conversations"
ANSWER = re.compile(r"answer (\d+)")
LINE = re.compile(r"answer (\d+)(, after a while)?")
READERS, WORKERS = 2, 1
"""Processes that read the platform, of which one holds the account, and those that take turns only."""
ROOMS = ("garden", "kitchen", "attic")
DIRECT = ("alice", "bob", "carol")
"""Whose direct messages there are; the first is the owner."""
KNOWN = 8
"""So many conversations, and with them every room, are known before anything breaks; what was missed in a place from
which nobody was ever heard, nobody asks for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run and of its chaos."""

    messages: int = 1_000
    conversations: int = 20
    pause: float = 0.15
    """Seconds between two messages, at most."""
    every: float = 5.0
    """Seconds between two killings, on average."""
    trouble: float = 3.0
    """Seconds between two other troubles, on average."""
    patience: float = 600.0
    """Seconds after which whatever is not answered counts as unanswered."""
    seed: int = 7
    platform: str = "slack"
    """A platform, or all of them at once."""
    growing: bool = True
    """Whether some answers are written slowly enough to be seen growing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counts of a run."""

    seconds: float
    messages: int
    conversations: int
    killed_readers: int
    killed_workers: int
    dropped: int
    repeated: int
    lost_events: int
    """What the platform told nobody, as nobody listened; what we said ourselves is among it."""
    refused: int
    answered_once: int
    unanswered: int
    answered_twice: int
    misplaced: int
    out_of_order: int
    strange: int
    """Messages of ours that are no whole answer."""

    @property
    def kept(self) -> bool:
        """True if every promise held."""
        broken = self.unanswered + self.answered_twice + self.misplaced + self.out_of_order + self.strange
        return not broken and self.answered_once == self.messages


async def run(plan: Plan, progress: Callable[[int, int], None] = lambda asked, answered: None) -> Outcome:
    """Carry out the plan on an embedded Redis and stand-ins of its own; `progress` is told of messages and answers."""
    async with contextlib.AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stoa-conversations-")))
        names = list(PLATFORMS) if plan.platform == EVERYWHERE else [plan.platform]
        platforms = [await stack.enter_async_context(PLATFORMS[name]()) for name in names]
        server = await stack.enter_async_context(EmbeddedRedis(home))
        settings = load(home=home, namespace=NAMESPACE, **BOUNDS)
        house = await stack.enter_async_context(open_house(settings, server.url, embedder=Flat()))
        talks = await _furnished(house, platforms, plan)
        chaos = Chaos(plan, platforms, server.url, home, Random(plan.seed))
        begun = time.monotonic()
        await _played(house, plan, talks, chaos, progress)
        outcome = await _judged(plan, talks, chaos, time.monotonic() - begun)
        if not outcome.kept:
            await _told(talks, home / "log")
            (ROOT / "build").mkdir(exist_ok=True)
            shutil.copy(home / "log", ROOT / "build" / "conversations.log")
        return outcome


async def _played(
    house: House, plan: Plan, talks: list[Talk], chaos: "Chaos", progress: Callable[[int, int], None]
) -> None:
    """Let people talk while everything breaks, until all is answered or nobody waits any longer."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(chaos.processes())
        troubling = group.create_task(chaos.troubles())
        await until(chaos.connected)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(plan.patience):
                await _talk(plan, talks, Random(plan.seed + 1), chaos.begun.set)
                chaos.over.set()
                await _finished(house, plan, talks, progress)
        working.cancel()
        troubling.cancel()


async def _furnished(house: House, platforms: list[Platform], plan: Plan) -> list[Talk]:
    """Set the accounts up, let the people in, allow the rooms; answers the conversations that there will be."""
    await seed(house)
    await house.approvals.prepare()
    people = People(house.spaces, house.approvals)
    owner, *guests = DIRECT
    for platform in platforms:
        await Accounts(house.store).save(platform.account())
        await people.persons.link("owner", f"{platform.name}/{platform.sender(owner)}", owner)
    for guest in guests:
        await people.persons.add(guest, [f"{platform.name}/{platform.sender(guest)}" for platform in platforms])
    share = plan.conversations // len(platforms)
    return [talk for platform in platforms for talk in await _talks(people, platform, share)]


async def _talks(people: People, platform: Platform, count: int) -> list[Talk]:
    """The conversations on one platform: direct messages, threads in them, and threads in rooms."""
    direct = {person: await platform.direct(person) for person in DIRECT}
    talks = [Talk(platform, channel, (person,)) for person, channel in direct.items()]
    if platform.threads_in_direct_messages:
        talks += [Talk(platform, direct[person], (person,), opens="direct") for person in DIRECT[:2]]
    rooms = [await platform.room(name) for name in ROOMS]
    for name, room in zip(ROOMS, rooms, strict=True):
        await people.rooms.save(Room(id=f"{platform.name}/{room}", name=name))
    for number in range(count - len(talks)):
        talks.append(Talk(platform, rooms[number % len(rooms)], DIRECT, opens=platform.mention))
    return talks[:count]


async def _talk(plan: Plan, talks: list[Talk], random: Random, known: Callable[[], None]) -> None:
    """People write, here and there; first where nothing breaks yet, so that every room is known."""
    first = [talk for number in range(KNOWN) for talk in _nth(talks, number)]
    for number in range(plan.messages):
        if number == len(first):
            known()
        talk = first[number] if number < len(first) else random.choice(talks)
        await talk.platform.say(talk, random.choice(talk.people), f"question {number}")
        talk.asked.append(number)
        await asyncio.sleep(random.uniform(0, plan.pause))


def _nth(talks: list[Talk], number: int) -> list[Talk]:
    """The `number`th talk of each platform."""
    by_platform: dict[str, list[Talk]] = defaultdict(list)
    for talk in talks:
        by_platform[talk.platform.name].append(talk)
    return [found[number] for found in by_platform.values() if number < len(found)]


class Chaos:
    """Everything that breaks."""

    def __init__(self, plan: Plan, platforms: list[Platform], url: str, home: Path, random: Random) -> None:
        self.begun = asyncio.Event()
        """Things may break from now on."""
        self.over = asyncio.Event()
        """Nothing more breaks."""
        self.count: Counter[str] = Counter()
        self._bags: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._plan = plan
        self.platforms = platforms
        self._url = url
        self._home = home
        self._random = random

    async def connected(self) -> bool:
        return all([await platform.connected() for platform in self.platforms])

    async def processes(self) -> None:
        """Keep the processes, and every few seconds kill one that is at work; kills all at the end."""
        async with contextlib.AsyncExitStack() as stack:

            async def start(reads: bool) -> tuple[bool, asyncio.subprocess.Process, asyncio.Task[bytes]]:
                environment = {} if self._plan.growing else {QUICK: "yes"}
                for platform in self.platforms:
                    environment |= platform.environment()
                made = process(self._url, NAMESPACE, self._home, reads, environment)
                worker = await stack.enter_async_context(made)
                assert worker.stdout
                return reads, worker, asyncio.create_task(worker.stdout.readline())

            running = [await start(number < READERS) for number in range(READERS + WORKERS)]
            while await self._after(self._plan.every):
                number = int(self._drawn(*map(str, range(len(running)))))
                reads, worker, said = running[number]
                if said.done():  # it is at work
                    worker.kill()
                    self.count["readers" if reads else "workers"] += 1
                    running[number] = await start(reads)
            await asyncio.Event().wait()

    async def troubles(self) -> None:
        """Tear sockets off, tell events again, and refuse calls or fail after they were done."""
        while await self._after(self._plan.trouble / len(self.platforms)):
            platform = self._random.choice(self.platforms)
            await platform.break_something(self._drawn(*platform.troubles), self._random)

    def _drawn(self, *kinds: str) -> str:
        """One of these, each as often as it stands there before any comes again."""
        if not (bag := self._bags[kinds]):
            bag += self._random.sample(kinds, len(kinds))
        return bag.pop()

    async def _after(self, seconds: float) -> bool:
        """Wait for about so long; False when it is over."""
        await self.begun.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(0.5, 1.5) * seconds):
                await self.over.wait()
        return not self.over.is_set()


async def _finished(house: House, plan: Plan, talks: list[Talk], progress: Callable[[int, int], None]) -> None:
    """Wait until all is answered and nothing is under way any more, so that nothing can be doubled later."""
    while True:
        answered = {number for found in (await _answers(talks)).values() for number in found}
        progress(sum(len(talk.asked) for talk in talks), len(answered))
        names = dict.fromkeys(talk.platform.name for talk in talks)
        if len(answered) >= plan.messages and all([await _quiet(house, name) for name in names]):
            return
        await asyncio.sleep(0.5)


async def _quiet(house: House, account: str) -> bool:
    if await Inbox(house.store, account).waiting() or await agents_due(house.spaces):
        return False
    for binding in await Bindings(house.store).of(account):
        shown = await house.notifications.cursor(binding.subscriber, binding.space)
        if (shown or 0) < await house.spaces.open(binding.space).newest():
            return False
    return True


async def _ours(talks: list[Talk]) -> list[tuple[str, str]]:
    """Each message of ours: where it stands, and what it says."""
    found = []
    for platform in {talk.platform.name: talk.platform for talk in talks}.values():
        channels = dict.fromkeys(talk.channel for talk in talks if talk.platform is platform)
        found += await platform.ours(list(channels))
    return found


async def _answers(talks: list[Talk]) -> dict[str, list[int]]:
    """The answers of each conversation, in order."""
    found: dict[str, list[int]] = {talk.place: [] for talk in talks}
    for place, text in await _ours(talks):
        found.setdefault(place, []).extend(int(number) for number in ANSWER.findall(text))
    return found


async def _judged(plan: Plan, talks: list[Talk], chaos: Chaos, seconds: float) -> Outcome:
    """Count what was kept and what was broken."""
    answers = await _answers(talks)
    own = {talk.place: set(talk.asked) for talk in talks}
    here = Counter(number for place, found in answers.items() for number in found if number in own.get(place, ()))
    troubles = [await platform.counted() for platform in chaos.platforms]
    shown = await _ours(talks)
    return Outcome(
        seconds=round(seconds, 1),
        messages=plan.messages,
        conversations=len(talks),
        killed_readers=chaos.count["readers"],
        killed_workers=chaos.count["workers"],
        dropped=sum(one.dropped for one in troubles),
        repeated=sum(one.repeated for one in troubles),
        lost_events=sum(one.lost_events for one in troubles),
        refused=sum(one.refused for one in troubles),
        answered_once=sum(count == 1 for count in here.values()),
        unanswered=plan.messages - len(here),
        answered_twice=sum(count > 1 for count in here.values()),
        misplaced=sum(number not in own.get(place, ()) for place, found in answers.items() for number in found),
        out_of_order=sum(_disorder([one for one in answers[talk.place] if one in own[talk.place]]) for talk in talks),
        strange=sum(not _whole(text, plan.growing) for _, text in shown),
    )


async def _told(talks: list[Talk], file: Path) -> None:
    """Write into the log what was asked and what was answered where, for whoever looks for the fault."""
    shown = await _ours(talks)
    with file.open("a") as log:
        for talk in talks:
            answers = [text for place, text in shown if place == talk.place]
            log.write(f"{talk.place}\n  asked {talk.asked}\n  answered {answers}\n")


def _whole(text: str, growing: bool) -> bool:
    """True if a message of ours is all that the model said."""
    return all(
        (found := LINE.fullmatch(line)) and bool(found[2]) == (growing and int(found[1]) % SLOW == 0)
        for line in text.split("\n")
    )


def _disorder(numbers: list[int]) -> int:
    return sum(after < before for before, after in pairwise(numbers))


def main() -> None:
    """Run the plan that the command line gives, show and keep what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conversations", description="Let everything break amid conversations."
    )
    for name, default in asdict(Plan()).items():
        choices = [*PLATFORMS, EVERYWHERE] if name == "platform" else None
        parser.add_argument(f"--{name}", type=type(default), default=default, choices=choices)
    plan = Plan(**vars(parser.parse_args()))
    console = Console()
    with Progress(console=console, transient=True) as bars:
        messages, answers = (bars.add_task(name, total=plan.messages) for name in ("messages", "answers"))

        def progress(asked: int, answered: int) -> None:
            bars.update(messages, completed=asked)
            bars.update(answers, completed=answered)

        outcome = asyncio.run(run(plan, progress))
    table = Table(title=f"{plan.platform}: {plan.messages} messages in {plan.conversations} conversations")
    table.add_column("what")
    table.add_column("how many", justify="right")
    for name, number in asdict(outcome).items():
        table.add_row(name.replace("_", " "), f"{number:g}")
    console.print(table)
    console.print("Every promise was kept." if outcome.kept else "A promise was BROKEN; see build/conversations.log.")
    file = ROOT / "build" / "conversations.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"plan": asdict(plan), **asdict(outcome), "kept": outcome.kept}, indent=2) + "\n")
    sys.exit(not outcome.kept)


if __name__ == "__main__":
    main()
