"""The platforms that `benchmarks.conversations` plays on, each a stand-in with people and troubles of its own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from channels.accounts import Account
from tests.rigs.discord.rig import DiscordRig, Fault
from tests.rigs.slack.rig import Rig, program
from tests.rigs.slack.workspace import Json

HELD_SECONDS = 2.5
"""An event waits so long for somebody who listens until the platform has lost it."""
DEAF_SECONDS = 0.5
"""Discord tells nobody anything for so long before it forgets a session."""
SLACK_TROUBLES = ("drop", "again", "haste", "haste", "late")
DISCORD_TROUBLES = ("drop", "again", "haste", "haste", "late", "gap")


@dataclass(slots=True)
class Talk:
    """One conversation: where it is, who speaks there, and what was asked so far."""

    platform: "Platform"
    channel: str
    people: tuple[str, ...]
    thread: str = ""
    opens: str = ""
    """How its first message begins: a thread in a room is begun by naming us, one in a direct message hangs on it."""
    asked: list[int] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.platform.name}/{self.channel}:{self.thread}"


@dataclass(frozen=True, slots=True)
class Troubles:
    """The troubles that the platform made."""

    dropped: int
    repeated: int
    lost_events: int
    refused: int


class Platform(Protocol):
    """A stand-in: its account, what people say there, what stands there, and what breaks."""

    name: str
    troubles: tuple[str, ...]
    threads_in_direct_messages: bool

    @property
    def mention(self) -> str: ...

    def account(self) -> Account: ...

    def environment(self) -> Mapping[str, str]: ...

    def sender(self, person: str) -> str: ...

    async def direct(self, person: str) -> str: ...

    async def room(self, name: str) -> str: ...

    async def connected(self) -> bool: ...

    async def say(self, talk: Talk, person: str, text: str) -> None:
        """Write in a conversation, which begins with its first message."""

    async def ours(self, channels: list[str]) -> list[tuple[str, str]]:
        """Each message of ours, oldest first: the place of its talk, and what it says."""

    async def break_something(self, what: str, random: Random) -> None: ...

    async def counted(self) -> Troubles: ...


class SlackPlatform:
    """Slack's stand-in, a process of its own."""

    name = "slack"
    troubles: tuple[str, ...] = SLACK_TROUBLES
    threads_in_direct_messages = True

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._dropped = 0

    @property
    def mention(self) -> str:
        return self._rig.mention

    def account(self) -> Account:
        return self._rig.account(self.name)

    def environment(self) -> Mapping[str, str]:
        return self._rig.environment(self.name)

    def sender(self, person: str) -> str:
        return self._rig.sender(person)

    async def direct(self, person: str) -> str:
        return await self._rig.dm(person)

    async def room(self, name: str) -> str:
        return await self._rig.room(name)

    async def connected(self) -> bool:
        return bool((await self._rig.look())["sockets"])

    async def say(self, talk: Talk, person: str, text: str) -> None:
        if talk.opens == "direct" and not talk.thread:  # hangs on what was said in the direct message first
            others = [one["ts"] for one in await self._rig.messages(talk.channel) if one["user"] != self._rig.bot]
            talk.thread = min(others)
        if talk.opens and not talk.thread:
            talk.thread = await self._rig.say(person, talk.channel, f"{talk.opens} {text}")
        else:
            await self._rig.say(person, talk.channel, text, thread=talk.thread)

    async def ours(self, channels: list[str]) -> list[tuple[str, str]]:
        found = []
        for channel in channels:
            for one in await self._rig.messages(channel):
                if one["user"] == self._rig.bot:
                    found.append((f"{self.name}/{channel}:{_thread(one)}", one["text"]))
        return found

    async def break_something(self, what: str, random: Random) -> None:
        match what:
            case "drop":
                self._dropped += await self._rig.drop()
            case "again":
                await self._rig.again(random.randint(1, 5))
            case "haste":
                method = random.choice(("chat.postMessage", "chat.update", "chat.postMessage", "*"))
                await self._rig.fault(method, times=random.randint(1, 3))
            case "late":
                await self._rig.fault("chat.postMessage", "internal_error", late=True)

    async def counted(self) -> Troubles:
        looked = await self._rig.look()
        told = [one for one in looked["log"] if "lost" not in one]
        return Troubles(
            self._dropped,
            len(told) - len({one["id"] for one in told}),
            len(looked["log"]) - len(told),
            sum(one["error"] in ("ratelimited", "internal_error") for one in looked["calls"]),
        )


class DiscordPlatform:
    """Discord's stand-in, in this process."""

    name = "discord"
    troubles: tuple[str, ...] = DISCORD_TROUBLES
    threads_in_direct_messages = False

    def __init__(self, rig: DiscordRig) -> None:
        self._rig = rig
        self._said: list[tuple[str, str]] = []
        self._refused = self._repeated = self._gaps = self._dropped = 0

    @property
    def mention(self) -> str:
        return self._rig.mention

    def account(self) -> Account:
        return self._rig.account(self.name)

    def environment(self) -> Mapping[str, str]:
        return self._rig.environment(self.name)

    def sender(self, person: str) -> str:
        return self._rig.sender(person)

    async def direct(self, person: str) -> str:
        return self._rig.dm(person)

    async def room(self, name: str) -> str:
        return self._rig.room(name)

    async def connected(self) -> bool:
        return bool(self._rig.gateway.sessions)

    async def say(self, talk: Talk, person: str, text: str) -> None:
        if talk.opens and not talk.thread:
            talk.thread = self._rig.thread(talk.channel, text, person)
            text = f"{talk.opens} {text}"
        place = talk.thread or talk.channel
        self._said.append((place, self._rig.say(person, place, text)))

    async def ours(self, channels: list[str]) -> list[tuple[str, str]]:
        found = []
        for channel in channels:
            here = [(channel, "")]
            threads = [one for one in self._rig.backend.channels.values() if str(one.parent_id) == channel]
            here += [(channel, str(one.id)) for one in threads]
            for parent, thread in here:
                found += [(f"{self.name}/{parent}:{thread}", text) for text in self._rig.texts(thread or parent)]
        return found

    async def break_something(self, what: str, random: Random) -> None:
        match what:
            case "drop":
                self._dropped += 1
                self._rig.gateway.drop()
            case "again":
                for place, message in self._said[-random.randint(1, 5) :]:
                    self._repeated += 1
                    self._rig.repeat(place, message)
            case "haste":
                self._refused += 1
                self._rig.faults.append(Fault(random.choice(("POST", "PATCH")), "/channels/*", 429, retry_after=0.5))
            case "late":
                self._refused += 1
                self._rig.faults.append(Fault("POST", "/channels/*/messages", 502, taken=True))
            case "gap":
                self._gaps += 1
                self._rig.gateway.deaf = True
                await asyncio.sleep(DEAF_SECONDS)
                self._rig.gateway.forget()
                self._rig.gateway.deaf = False

    async def counted(self) -> Troubles:
        return Troubles(self._dropped, self._repeated, self._gaps, self._refused)


@contextlib.asynccontextmanager
async def on_slack() -> AsyncIterator[Platform]:
    with program() as facts:
        async with Rig(facts) as rig:
            await rig.settle(hold=HELD_SECONDS, duplicates=0.1)
            yield SlackPlatform(rig)


@contextlib.asynccontextmanager
async def on_discord() -> AsyncIterator[Platform]:
    async with DiscordRig() as rig:
        yield DiscordPlatform(rig)


PLATFORMS: dict[str, Callable[[], contextlib.AbstractAsyncContextManager[Platform]]] = {
    "slack": on_slack,
    "discord": on_discord,
}
EVERYWHERE = "all"


def _thread(message: Json) -> str:
    thread = message.get("thread_ts") or ""
    return "" if thread == message["ts"] else thread


async def until(fits: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a coroutine function answers something true."""
    ends = time.monotonic() + seconds
    while not await fits():  # type: ignore[misc]
        if time.monotonic() > ends:
            raise TimeoutError("the platforms were not connected in time")
        await asyncio.sleep(0.05)
