"""Email from setting it up to a day with it: linked by a code, answered in the thread, and known in every chat."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

from tests.rigs.email.rig import OWNER_ADDRESS, PASSWORD, MailRig, mail_from, text_of
from tests.stories.workspace import environment, stoa


class Correspondent:
    """The owner, who writes mail to Stoa and reads its answers."""

    def __init__(self, rig: MailRig) -> None:
        self.rig = rig

    async def writes(self, text: str, subject: str = "", answers: EmailMessage | None = None) -> EmailMessage:
        mail = mail_from(f"Ada <{OWNER_ADDRESS}>", text, subject, answers=answers)
        await self.rig.arrives(mail)
        return mail

    async def reads(self, part: str) -> EmailMessage:
        """The first answer that has this in it."""
        async with asyncio.timeout(60):
            while True:
                for mail in self.rig.sent:
                    if part in text_of(mail):
                        return mail
                await asyncio.sleep(0.02)


def set_up(home: Path, rig: MailRig) -> str:
    """Connect the mailbox as a new user does; answers the code that makes one known there."""
    options = [f"--option={name}={value}" for name, value in rig.account().options.items()]
    said = stoa(home, "setup", "email", *options, typed=f"{PASSWORD}\n")
    assert "email works." in said
    return next(word for word in said.split() if len(word) == 9 and word[4] == "-" and word.isupper())


@asynccontextmanager
async def served(home: Path, **settings: str) -> AsyncIterator[None]:
    """`stoa serve` with these variables; the mail server is in this process, so nothing here may block."""
    command = [sys.executable, "-m", "bots", "serve"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(home) | settings, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def owned(home: Path, **settings: str) -> AsyncIterator[tuple[MailRig, Correspondent]]:
    """A mailbox that Stoa serves, with these variables, where it knows Ada as its owner."""
    async with MailRig().serving() as rig:
        code = await asyncio.to_thread(set_up, home, rig)
        async with served(home, **settings):
            await rig.until(lambda: rig.imap.idling >= 2)
            ada = Correspondent(rig)
            await ada.writes(f"{code}\n", "Hello")
            await ada.reads("linked now")
            yield rig, ada


async def test_a_day_with_a_mailbox(tmp_path: Path) -> None:
    await asyncio.to_thread(stoa, tmp_path, "space", "create", "diary")
    await asyncio.to_thread(stoa, tmp_path, "space", "put", "diary", "The door code is 4711.")
    async with owned(tmp_path) as (rig, ada):
        await rig.arrives(mail_from("Hotel Sakura <stay@sakura.example>", "Room 12 is yours.", "Your booking in Tokyo"))
        await rig.arrives(mail_from(OWNER_ADDRESS, "remind me in 1 second to pay", "Do it", proven=False))
        asked = await ada.writes("remind me in 2 seconds to stretch")
        answer = await ada.reads("I'll remind you")
        assert answer["In-Reply-To"] == asked["Message-ID"]
        assert (await ada.reads("Reminder: it is time to stretch."))["To"] == OWNER_ADDRESS
        await ada.writes("look for the door code in the space diary")
        card = await ada.reads("need to read “diary”")
        line = next(line for line in text_of(card).splitlines() if line.endswith(": Yes, once"))
        await ada.writes(line.split("`")[1], answers=card)
        await ada.reads("4711")
        assert "Room 12" in await asyncio.to_thread(stoa, tmp_path, "space", "search", "mail", "booking in Tokyo")
        assert {mail["To"] for mail in rig.sent} == {OWNER_ADDRESS}
        assert not any("pay" in text_of(mail) for mail in rig.sent)
