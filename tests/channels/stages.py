"""A stage for each channel: what a person sees and does there, so that one suite of tests can be played on all."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from channels.contract import Channel
from channels.email.threads import thread_digest
from channels.loopback import Loopback
from channels.terminal.pipe import Pipe
from tests.channels.discord_app import discord_listening
from tests.channels.slack_app import Heard, hearing, listening
from tests.channels.telegram_app import telegram_listening
from tests.rigs.discord.rig import DiscordRig
from tests.rigs.email.rig import OWNER_ADDRESS, MailRig, mail_from, text_of
from tests.rigs.slack.rig import Rig
from tests.rigs.telegram.rig import TelegramRig


class Stage(Protocol):
    """One person in a direct message with us."""

    heard: Heard
    conversation: str
    person: str

    @property
    def channel(self) -> Channel: ...

    async def says(self, text: str) -> None:
        """The person writes."""

    async def sees(self) -> str:
        """Everything the person can read of ours there, the messages one below the other."""

    async def presses(self, label: str) -> None:
        """The person presses the choice with this label on our last message."""

    async def reacts(self, emoji: str) -> None:
        """The person puts an emoji to our last message."""

    async def attaches(self, name: str, text: str) -> None:
        """The person sends a file."""


async def until_seen(stage: Stage, fits: Callable[[str], bool]) -> str:
    """What the person sees once it is so."""
    deadline = time.monotonic() + 20
    while not fits(seen := await stage.sees()):
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.01)
    return seen


class LoopbackStage:
    """The channel inside the process."""

    def __init__(self, channel: Loopback, heard: Heard) -> None:
        self.channel, self.heard, self._loopback = channel, heard, channel
        self.conversation, self.person = channel.conversation, "owner"

    async def says(self, text: str) -> None:
        await self._loopback.say(text)

    async def sees(self) -> str:
        edited = {id: message.text for id, message in self._loopback.edits}
        shown = enumerate(self._loopback.sent, 1)
        return "\n".join(edited.get(str(number), message.text) for number, message in shown)

    async def presses(self, label: str) -> None:
        pressed = next(one.id for one in self._loopback.sent[-1].choices if one.label == label)
        await self._loopback.say("", choice=pressed, reply_to=str(len(self._loopback.sent)))

    async def reacts(self, emoji: str) -> None:
        await self._loopback.say(emoji, kind="reaction", reply_to=str(len(self._loopback.sent)))

    async def attaches(self, name: str, text: str) -> None:
        raise AssertionError("nobody can do that here")


class PipeStage:
    """The conversation without a terminal."""

    def __init__(self, channel: Pipe, heard: Heard, stdin: int, stdout: int) -> None:
        self.channel, self.heard = channel, heard
        self.conversation, self.person = channel.conversation, "owner"
        self._stdin, self._stdout, self._seen, self._numbers = stdin, stdout, b"", dict[str, int]()

    async def says(self, text: str) -> None:
        os.write(self._stdin, f"{text}\n".encode())

    async def sees(self) -> str:
        try:
            while data := os.read(self._stdout, 65_536):
                self._seen += data
        except BlockingIOError:
            pass
        return self._seen.decode()

    async def presses(self, label: str) -> None:
        line = next(line for line in (await self.sees()).splitlines() if line.endswith(f". {label}"))
        await self.says(line.partition(".")[0])

    async def reacts(self, emoji: str) -> None:
        raise AssertionError("nobody can do that here")

    async def attaches(self, name: str, text: str) -> None:
        raise AssertionError("nobody can do that here")


class SlackStage:
    """Slack, in a direct message with Alice."""

    def __init__(self, rig: Rig, channel: Channel, heard: Heard, conversation: str) -> None:
        self.channel, self.heard, self.conversation = channel, heard, conversation
        self.person, self._rig = rig.sender("alice"), rig

    async def says(self, text: str) -> None:
        await self._rig.say("alice", self.conversation, text)

    async def sees(self) -> str:
        return "\n".join(await self._rig.texts(self.conversation))

    async def presses(self, label: str) -> None:
        await self._rig.click("alice", self.conversation, await self._last(), label)

    async def reacts(self, emoji: str) -> None:
        names = {"✅": "white_check_mark", "👍": "+1"}
        await self._rig.react("alice", self.conversation, await self._last(), names[emoji])

    async def attaches(self, name: str, text: str) -> None:
        await self._rig.upload("alice", self.conversation, name, text)

    async def _last(self) -> str:
        ours = [one for one in await self._rig.messages(self.conversation) if one.get("user") == self._rig.bot]
        return str(ours[-1]["ts"])


class TelegramStage:
    """Telegram, in a private chat with Alice."""

    def __init__(self, rig: TelegramRig, channel: Channel, heard: Heard) -> None:
        self.channel, self.heard, self._rig = channel, heard, rig
        self.conversation, self.person = rig.private("alice"), rig.sender("alice")

    async def says(self, text: str) -> None:
        await self._rig.say("alice", self.conversation, text)

    async def sees(self) -> str:
        return "\n".join(self._rig.texts(self.conversation))

    async def presses(self, label: str) -> None:
        await self._rig.press("alice", self._rig.last(self.conversation), label)

    async def reacts(self, emoji: str) -> None:
        await self._rig.react("alice", self._rig.last(self.conversation), emoji)

    async def attaches(self, name: str, text: str) -> None:
        await self._rig.attach("alice", self.conversation, name, text.encode())


class EmailStage:
    """A mailbox, in a thread with Ada."""

    def __init__(self, rig: MailRig, channel: Channel, heard: Heard) -> None:
        self.channel, self.heard, self._rig = channel, heard, rig
        self.person, self._first = OWNER_ADDRESS, mail_from(OWNER_ADDRESS, "")
        self.conversation = f"{OWNER_ADDRESS}/{thread_digest(self._first['Message-ID'])}"

    async def says(self, text: str) -> None:
        await self._rig.arrives(mail_from(OWNER_ADDRESS, text, answers=self._first))

    async def sees(self) -> str:
        return "\n".join(text_of(mail) for mail in self._rig.sent)

    async def presses(self, label: str) -> None:
        asked = self._rig.sent[-1]
        line = next(line for line in text_of(asked).splitlines() if line.endswith(f": {label}"))
        await self._rig.arrives(mail_from(OWNER_ADDRESS, line.split("`")[1], answers=asked))

    async def reacts(self, emoji: str) -> None:
        raise AssertionError("nobody can do that here")

    async def attaches(self, name: str, text: str) -> None:
        mail = mail_from(OWNER_ADDRESS, "", answers=self._first)
        mail.add_attachment(text.encode(), maintype="text", subtype="plain", filename=name)
        await self._rig.arrives(mail)


class DiscordStage:
    """Discord, in a direct message with Alice."""

    def __init__(self, rig: DiscordRig, channel: Channel, heard: Heard) -> None:
        self.channel, self.heard, self._rig = channel, heard, rig
        self.conversation, self.person = rig.dm("alice"), rig.sender("alice")

    async def says(self, text: str) -> None:
        self._rig.say("alice", self.conversation, text)

    async def sees(self) -> str:
        return "\n".join(self._rig.texts(self.conversation))

    async def presses(self, label: str) -> None:
        self._rig.press("alice", self.conversation, self._last(), label)

    async def reacts(self, emoji: str) -> None:
        self._rig.react("alice", self.conversation, self._last(), emoji)

    async def attaches(self, name: str, text: str) -> None:
        self._rig.say("alice", self.conversation, "", files=[(name, text.encode())])

    def _last(self) -> str:
        return str(self._rig.ours(self.conversation)[-1].id)


@asynccontextmanager
async def loopback() -> AsyncIterator[Stage]:
    channel = Loopback()
    async with channel, hearing(channel) as heard:
        yield LoopbackStage(channel, heard)


@asynccontextmanager
async def pipe() -> AsyncIterator[Stage]:
    reads, stdin = os.pipe()
    stdout, writes = os.pipe()
    os.set_blocking(stdout, False)
    channel = Pipe(source=reads, target=writes)
    async with channel, hearing(channel) as heard:
        yield PipeStage(channel, heard, stdin, stdout)
    for descriptor in (stdin, stdout, writes):
        os.close(descriptor)


@asynccontextmanager
async def slack(rig: Rig) -> AsyncIterator[Stage]:
    async with listening(rig) as (channel, heard):
        yield SlackStage(rig, channel, heard, await rig.dm("alice"))


@asynccontextmanager
async def telegram(rig: TelegramRig) -> AsyncIterator[Stage]:
    rig.private("alice")
    async with telegram_listening(rig) as (channel, heard):
        yield TelegramStage(rig, channel, heard)


@asynccontextmanager
async def email() -> AsyncIterator[Stage]:
    async with MailRig().serving() as rig, rig.channel() as channel, hearing(channel) as heard:
        yield EmailStage(rig, channel, heard)


@asynccontextmanager
async def discord(rig: DiscordRig) -> AsyncIterator[Stage]:
    async with discord_listening(rig) as (channel, heard):
        yield DiscordStage(rig, channel, heard)
