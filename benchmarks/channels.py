"""What lies between a platform and the model, and back, over the stand-in for Slack in a process of its own."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from zlib import crc32

from benchmarks.rows import Row
from benchmarks.stages import Stage, sentences
from bots.seed import seed
from bots.serving import serving
from channels.accounts import Account, Accounts
from channels.bridge.session import first
from channels.contract import OutboundMessage
from channels.people.people import People
from channels.people.rooms import Room
from channels.slack.channel import Slack
from conventions import loading
from core.models.frames import parse_changes
from core.models.llm import Message
from core.secrets.secrets import Secrets
from core.worker import Worker
from tests.rigs.slack.rig import Rig, program

ACCOUNT = "slack"
MESSAGES, WARMING = 200, 10
"""Messages that are measured in each conversation, one after the other, and those before them that are not."""
GAP = 0.3
"""Seconds between an answer and the next message, so that what an answer leaves to do is done."""


class Clocked:
    """A model that answers at once, and notes when it was asked and when its last word was out."""

    name = "clocked"

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        asked = time.time()
        yield f"Answer {len(self.calls)}."
        if parse_changes(messages[-1].text):  # else it writes the notes of a session
            self.calls.append((asked, time.time()))


class Told(Slack):
    """Slack, where it can be waited for that an answer has been sent."""

    def __init__(self, account: Account, secrets: Secrets) -> None:
        super().__init__(account, secrets)
        self.sent = asyncio.Event()

    async def send(self, message: OutboundMessage) -> str:
        try:
            return await super().send(message)
        finally:
            self.sent.set()


async def channels(stage: Stage) -> list[Row]:
    """From a platform's event to the model's being called, and from its last word to the platform's being called."""
    rows = []
    with program() as facts:
        async with Rig(facts) as rig, stage.house() as house:
            await seed(house)
            await house.approvals.prepare()
            await Accounts(house.store).save(rig.account(ACCOUNT))
            people = People(house.spaces, house.approvals)
            await people.persons.link("owner", f"{ACCOUNT}/{rig.sender('alice')}", "Alice")
            dm, room = await rig.dm("alice"), await rig.room("garden")
            await people.rooms.save(Room(id=f"{ACCOUNT}/{room}", name="garden"))
            channel, model = Told(rig.account(ACCOUNT), rig.secrets(ACCOUNT)), Clocked()
            worker = Worker(house, loading.instructions("agent"), loading.text("direct-message"), llm=model)
            accounts = serving(house, opens=lambda account, secrets: channel)
            working = asyncio.create_task(first(worker.run(), accounts.run()))
            try:
                await rig.connected()
                for name, where, mention in (("a direct message", dm, ""), ("a thread", room, rig.mention)):
                    rows += await _measured(stage, name, rig, channel, model, where, mention)
            finally:
                working.cancel()
                with suppress(asyncio.CancelledError):
                    await working
    return rows


async def _measured(
    stage: Stage, name: str, rig: Rig, channel: Told, model: Clocked, where: str, mention: str
) -> list[Row]:
    thread = ""
    texts = sentences(crc32(name.encode()), WARMING + MESSAGES)  # others in each, for vectors are kept
    for number, text in enumerate(stage.track(texts, f"{name} answered", len(texts))):
        if number == WARMING:
            model.calls.clear()
        channel.sent.clear()
        if mention and not thread:
            thread = await rig.say("alice", where, f"{mention} {text}")
        else:
            await rig.say("alice", where, text, thread=thread)
        async with asyncio.timeout(60):
            await channel.sent.wait()
        await asyncio.sleep(GAP)
    looked = await rig.look()
    events = [one["at"] for one in looked["log"] if one["type"] == "message"]
    posts = [one["at"] for one in looked["calls"] if one["method"] == "chat.postMessage"]
    before = [(asked - max(at for at in events if at < asked)) * 1000 for asked, _ in model.calls]
    after = [(min(at for at in posts if at > said) - said) * 1000 for _, said in model.calls]
    rows = []
    for way, times in (
        ("to the model's being called", before),
        ("the model's last word to Slack's being called", after),
    ):
        middle, late = statistics.median(times), statistics.quantiles(times, n=100)[98]
        label = f"{name}: from Slack's event {way}" if times is before else f"{name}: from {way}"
        rows += [Row(f"{label}, p50", middle, "ms", goal=30), Row("· p99", late, "ms", goal=150)]
    return rows
