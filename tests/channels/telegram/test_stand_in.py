"""The stand-in for Telegram is as Telegram is: held against aiogram's models, which come from Telegram's own page."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from channels.contract import OutboundMessage
from core.trust.approvals import Choice
from tests.channels.telegram_app import telegram_listening
from tests.rigs.telegram.rig import TelegramRig
from tests.rigs.telegram.server import METHODS

ROOT = Path(__file__).parents[3]
CHECK = ROOT / "tests" / "rigs" / "telegram" / "aiogram_check.py"
AIOGRAM = "aiogram==3.31.0"
EVERYTHING = (
    "# Title\n\n> quote\n\n1. [a](https://example.org)\n2. `b`\n\n- [ ] **task**\n\n"
    "|a|b|\n|:-:|--|\n|*c*|~~d~~|\n\n---\n\n```py\nx\n```"
)


def aiogram_python() -> Path:
    """A Python with aiogram, in an environment of its own: it needs an older pydantic than Stoa does."""
    place = ROOT / "build" / "aiogram"
    python = place / "bin" / "python"
    if not python.exists():
        for words in (["venv", str(place)], ["pip", "install", "--python", str(python), AIOGRAM]):
            subprocess.run([sys.executable, "-m", "uv", *words], check=True, capture_output=True)
    return python


@pytest.mark.soak
def test_the_recorded_parameters_are_those_of_telegram() -> None:
    said = subprocess.run([aiogram_python(), CHECK, "methods"], check=True, capture_output=True, text=True).stdout
    assert json.loads(said) == METHODS


@pytest.mark.soak
async def test_all_that_is_said_both_ways_is_as_telegrams_own_models_have_it(telegram_rig: TelegramRig) -> None:
    rig, chat = telegram_rig, telegram_rig.private("alice")
    room = rig.group("club", forum=True)
    async with telegram_listening(rig) as (telegram, heard):
        topic = await rig.topic("alice", room, "the trip")
        for where in (chat, topic):
            await rig.say("alice", where, f"@{rig.bot.username} hello 🦊")
        await rig.attach("alice", chat, "plan.txt", b"nine")
        await rig.attach("alice", chat, "v.ogg", b"sound", kind="voice", media_type="audio/ogg")
        await heard.next(4)
        choices = (Choice("q:once", "Yes, once"), Choice("q:no", "No"))
        id = await telegram.send(OutboundMessage(chat, "May <b>I</b>?", choices=choices))
        await rig.press("alice", id, "No")
        await rig.react("alice", id, "👍")
        await rig.edit("alice", await rig.say("alice", chat, "one"), "two")
        await telegram.edit(id, OutboundMessage(chat, "No."))
        text = EVERYTHING
        for part in telegram.dialect.messages(text):
            await telegram.send(OutboundMessage(topic, part))
            await telegram.edit(id, OutboundMessage(chat, part))
        for growing in ("", "Once", text):
            await telegram.draft(chat, "assistant", growing)
            await rig.until(lambda growing=growing: any(_drafted(call, growing) for call in rig.server.calls))  # type: ignore[misc]
        await rig.stop("alice")
        await telegram.send_file(chat, "t.csv", "text/csv", b"a,b", "chat/a:1")
        await telegram.read(next(one.files[0] for one in heard.messages if one.files))
        await rig.leave(room, "bot was kicked from the supergroup chat")
        await rig.leave(chat, "bot was blocked by the user")
        await heard.until(lambda: len([one for one in heard.messages if one.kind == "lost"]) == 2)
    lines = "\n".join(json.dumps(one) for one in rig.server.log)
    command = [str(aiogram_python()), str(CHECK)]
    done = await asyncio.to_thread(subprocess.run, command, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(rig.server.log) > 40


def _drafted(call: tuple[str, dict[str, object]], text: str) -> bool:
    method, given = call
    if len(text) > 10:
        return method == "sendRichMessageDraft"
    return method == "sendMessageDraft" and given["text"] == text
