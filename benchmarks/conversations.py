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
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.chaos_worker import BOUNDS, Flat
from benchmarks.conversations_worker import QUICK, SLOW, process
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
from tests.rigs.slack.rig import Rig, program
from tests.rigs.slack.workspace import Json

ROOT = Path(__file__).parent.parent
ACCOUNT = "slack"
NAMESPACE = "conversations"
ANSWER = re.compile(r"answer (\d+)")
LINE = re.compile(r"answer (\d+)(, after a while)?")
READERS, WORKERS = 2, 1
"""Processes that read the platform, of which one holds the account, and those that take turns only."""
DIRECT = ("alice", "bob", "carol")
"""Whose direct messages there are; the first is the owner."""
KNOWN = 8
"""So many conversations, and with them every room, are known before anything breaks; what was missed in a place from
which nobody was ever heard, nobody asks for."""
HELD = 2.5
"""Seconds that an event waits for somebody who listens until the platform has lost it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much chaos."""

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
    growing: bool = True
    """Whether some answers are written slowly enough to be seen growing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

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
        """Whether every promise held."""
        broken = self.unanswered + self.answered_twice + self.misplaced + self.out_of_order + self.strange
        return not broken and self.answered_once == self.messages


@dataclass(slots=True)
class Talk:
    """One conversation: where it is, who speaks there, and what was asked so far."""

    channel: str
    people: tuple[str, ...]
    thread: str = ""
    opens: str = ""
    """How its first message begins: a thread in a room is begun by naming us, one in a direct message hangs on it."""
    asked: list[int] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.channel}:{self.thread}"


async def run(plan: Plan, progress: Callable[[int, int], None] = lambda asked, answered: None) -> Outcome:
    """Carry out the plan on an embedded Redis and a stand-in of its own; `progress` is told of messages and answers."""
    with tempfile.TemporaryDirectory(prefix="stoa-conversations-") as place, program() as facts:
        home = Path(place)
        async with EmbeddedRedis(home) as server, Rig(facts) as rig:
            settings = load(home=home, namespace=NAMESPACE, **BOUNDS)
            async with open_house(settings, server.url, embedder=Flat()) as house:
                random = Random(plan.seed)
                talks = await _furnished(house, rig, plan)
                await rig.settle(hold=HELD, duplicates=0.1)
                chaos = Chaos(plan, rig, server.url, home, random)
                begun = time.monotonic()
                async with asyncio.TaskGroup() as group:
                    working = group.create_task(chaos.processes())
                    troubling = group.create_task(chaos.troubles())
                    await rig.until(chaos.connected)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(plan.patience):
                            await _talk(rig, plan, talks, Random(plan.seed + 1), chaos.begun.set)
                            chaos.over.set()
                            await _finished(house, rig, plan, talks, progress)
                    working.cancel()
                    troubling.cancel()
                outcome = await _judged(rig, plan, talks, chaos, time.monotonic() - begun)
                if not outcome.kept:
                    await _told(rig, talks, home / "log")
                    (ROOT / "build").mkdir(exist_ok=True)
                    shutil.copy(home / "log", ROOT / "build" / "conversations.log")
                return outcome


async def _furnished(house: House, rig: Rig, plan: Plan) -> list[Talk]:
    """Set the account up, let the people in, allow the rooms; answers the conversations that there will be."""
    await seed(house)
    await house.approvals.prepare()
    await Accounts(house.store).save(rig.account(ACCOUNT))
    people = People(house.spaces, house.approvals)
    owner, *guests = DIRECT
    await people.persons.link("owner", f"{ACCOUNT}/{rig.sender(owner)}", owner)
    for guest in guests:
        await people.persons.add(guest, [f"{ACCOUNT}/{rig.sender(guest)}"])
    direct = {person: await rig.dm(person) for person in DIRECT}
    talks = [Talk(channel, (person,)) for person, channel in direct.items()]
    talks += [Talk(direct[person], (person,), opens="direct") for person in DIRECT[:2]]
    rooms = [await rig.room(name) for name in ("garden", "kitchen", "attic")]
    for name, room in zip(("garden", "kitchen", "attic"), rooms, strict=True):
        await people.rooms.save(Room(id=f"{ACCOUNT}/{room}", name=name))
    for number in range(plan.conversations - len(talks)):
        talks.append(Talk(rooms[number % len(rooms)], DIRECT, opens=rig.mention))
    return talks[: plan.conversations]


async def _talk(rig: Rig, plan: Plan, talks: list[Talk], random: Random, known: Callable[[], None]) -> None:
    """People write, here and there."""
    for number in range(plan.messages):
        if number == KNOWN:
            known()
        talk = talks[number] if number < min(KNOWN, len(talks)) else random.choice(talks)
        person, text = random.choice(talk.people), f"question {number}"
        if talk.opens == "direct" and not talk.thread:  # hangs on what was said in the direct message first
            talk.thread = min(one["ts"] for one in await rig.messages(talk.channel) if one["user"] != rig.bot)
        if talk.opens and not talk.thread:
            talk.thread = await rig.say(person, talk.channel, f"{talk.opens} {text}")
        else:
            await rig.say(person, talk.channel, text, thread=talk.thread)
        talk.asked.append(number)
        await asyncio.sleep(random.uniform(0, plan.pause))


class Chaos:
    """Everything that breaks."""

    def __init__(self, plan: Plan, rig: Rig, url: str, home: Path, random: Random) -> None:
        self.begun = asyncio.Event()
        """Things may break from now on."""
        self.over = asyncio.Event()
        """Nothing more breaks."""
        self.count: Counter[str] = Counter()
        self._bags: dict[tuple[str, ...], list[str]] = defaultdict(list)
        self._plan = plan
        self._rig = rig
        self._url = url
        self._home = home
        self._random = random

    async def connected(self) -> bool:
        return bool((await self._rig.look())["sockets"])

    async def processes(self) -> None:
        """Keep the processes, and every few seconds kill one that is at work; kills all at the end."""
        async with contextlib.AsyncExitStack() as stack:

            async def start(reads: bool) -> tuple[bool, asyncio.subprocess.Process, asyncio.Task[bytes]]:
                environment = self._rig.environment(ACCOUNT) | ({} if self._plan.growing else {QUICK: "yes"})
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
        while await self._after(self._plan.trouble):
            match self._drawn("drop", "again", "haste", "haste", "late"):
                case "drop":
                    self.count["dropped"] += await self._rig.drop()
                case "again":
                    await self._rig.again(self._random.randint(1, 5))
                case "haste":
                    method = self._drawn("chat.postMessage", "chat.update", "chat.postMessage", "*")
                    await self._rig.fault(method, times=self._random.randint(1, 3))
                case "late":
                    await self._rig.fault("chat.postMessage", "internal_error", late=True)

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


async def _finished(
    house: House, rig: Rig, plan: Plan, talks: list[Talk], progress: Callable[[int, int], None]
) -> None:
    """Wait until all is answered and nothing is under way any more, so that nothing can be doubled later."""
    while True:
        answered = {number for found in (await _answers(rig, talks)).values() for number in found}
        progress(sum(len(talk.asked) for talk in talks), len(answered))
        if len(answered) >= plan.messages and await _quiet(house):
            return
        await asyncio.sleep(0.5)


async def _quiet(house: House) -> bool:
    if await Inbox(house.store, ACCOUNT).waiting() or await agents_due(house.spaces):
        return False
    for binding in await Bindings(house.store).of(ACCOUNT):
        shown = await house.notifications.cursor(binding.subscriber, binding.space)
        if (shown or 0) < await house.spaces.open(binding.space).newest():
            return False
    return True


async def _ours(rig: Rig, talks: list[Talk]) -> list[tuple[str, str]]:
    """Each message of ours, oldest first: where it stands, and what it says."""
    found = []
    for channel in dict.fromkeys(talk.channel for talk in talks):
        for one in await rig.messages(channel):
            if one["user"] == rig.bot:
                found.append((f"{channel}:{_thread(one)}", one["text"]))
    return found


def _thread(message: Json) -> str:
    thread = message.get("thread_ts") or ""
    return "" if thread == message["ts"] else thread


async def _answers(rig: Rig, talks: list[Talk]) -> dict[str, list[int]]:
    """What is answered where, in order."""
    found: dict[str, list[int]] = {talk.place: [] for talk in talks}
    for place, text in await _ours(rig, talks):
        found.setdefault(place, []).extend(int(number) for number in ANSWER.findall(text))
    return found


async def _judged(rig: Rig, plan: Plan, talks: list[Talk], chaos: Chaos, seconds: float) -> Outcome:
    """Count what was kept and what was broken."""
    answers = await _answers(rig, talks)
    own = {talk.place: set(talk.asked) for talk in talks}
    here = Counter(number for place, found in answers.items() for number in found if number in own.get(place, ()))
    looked = await rig.look()
    shown = await _ours(rig, talks)
    return Outcome(
        seconds=round(seconds, 1),
        messages=plan.messages,
        conversations=len(talks),
        killed_readers=chaos.count["readers"],
        killed_workers=chaos.count["workers"],
        dropped=chaos.count["dropped"],
        repeated=sum(count - 1 for count in Counter(one["id"] for one in looked["log"] if "lost" not in one).values()),
        lost_events=sum("lost" in one for one in looked["log"]),
        refused=sum(one["error"] in ("ratelimited", "internal_error") for one in looked["calls"]),
        answered_once=sum(count == 1 for count in here.values()),
        unanswered=plan.messages - len(here),
        answered_twice=sum(count > 1 for count in here.values()),
        misplaced=sum(number not in own.get(place, ()) for place, found in answers.items() for number in found),
        out_of_order=sum(_disorder([one for one in answers[talk.place] if one in own[talk.place]]) for talk in talks),
        strange=sum(not _whole(text, plan.growing) for _, text in shown),
    )


async def _told(rig: Rig, talks: list[Talk], file: Path) -> None:
    """Write into the log what was asked and what was answered where, for whoever looks for the fault."""
    shown = await _ours(rig, talks)
    with file.open("a") as log:
        for talk in talks:
            answers = [text for place, text in shown if place == talk.place]
            log.write(f"{talk.place}\n  asked {talk.asked}\n  answered {answers}\n")


def _whole(text: str, growing: bool) -> bool:
    """Whether a message of ours is what the model said, all of it."""
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
        parser.add_argument(f"--{name}", type=type(default), default=default)
    plan = Plan(**vars(parser.parse_args()))
    console = Console()
    with Progress(console=console, transient=True) as bars:
        messages, answers = (bars.add_task(name, total=plan.messages) for name in ("messages", "answers"))

        def progress(asked: int, answered: int) -> None:
            bars.update(messages, completed=asked)
            bars.update(answers, completed=answered)

        outcome = asyncio.run(run(plan, progress))
    table = Table(title=f"{plan.messages} messages in {plan.conversations} conversations")
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
