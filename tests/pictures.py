"""Takes the pictures in docs/ anew, from real sessions: `make pictures`. Needs Debian's chromium."""

import asyncio
import contextlib
import io
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from html import escape
from pathlib import Path

from playwright.async_api import Browser, async_playwright
from rich.console import Console
from rich.text import Text

from channels.slack.formatting import read_mrkdwn
from tests.map import ROOT
from tests.rigs.slack.workspace import Json
from tests.stories.people import someone_at, stoa
from tests.stories.test_page import CHROMIUM, SWITCHES, free_port
from tests.stories.workspace import owned

DOCS = ROOT / "docs"
COLUMNS = 84
SECONDS = 90
SAID = (
    ("add review the Q3 report to my tasks", "Added to your tasks"),
    ("remind me every Monday at 8 to water the plants", "remind you"),
    ("look for the door code in the space diary", "Answer with a number"),
    ("once", "4711"),
)
"""Typed at the terminal, each with the last words of its answer."""
_STYLE = """
body { margin: 0; padding: 18px 24px; font: 15px/1.45 Lato, Helvetica, Arial, sans-serif;
  color: #1d1c1d; width: 720px; }
.row { display: grid; grid-template-columns: 36px 1fr; gap: 0 12px; margin: 10px 0; }
.face { width: 36px; height: 36px; border-radius: 6px; color: #fff; font-weight: 700; text-align: center;
  line-height: 36px; }
.name { font-weight: 700; } .app { font-size: 10px; color: #616061; }
.text { white-space: pre-wrap; } button { font: inherit; font-weight: 700; background: #fff; border: 1px solid #bbb;
border-radius: 4px; padding: 4px 12px; margin: 6px 8px 0 0; }
"""


async def main() -> None:
    if CHROMIUM is None:
        sys.exit("Chromium is missing; on Debian: apt install chromium")
    with tempfile.TemporaryDirectory() as folder:
        (DOCS / "terminal.svg").write_text(await _terminal(Path(folder) / "terminal"), "utf-8")
        await _slack_and_page(Path(folder) / "slack")


async def _terminal(home: Path) -> str:
    """A conversation at a terminal, as SVG."""
    await stoa(home, "space", "create", "diary")
    await stoa(home, "space", "put", "diary", "The door code is 4711.")
    shown = list[str]()
    async with someone_at(home) as person:
        for said, last_words in SAID:
            before = len(person.read)
            person.type(said)
            await person.until(last_words, SECONDS)
            shown += [f"› {said}", *person.read[before:], ""]
        await person.leave()
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("\n".join(shown).strip()))
    return console.export_svg(title="make run")


async def _slack_and_page(home: Path) -> None:
    """A direct message on Slack, and then the same chat and the agents on the page."""
    await stoa(home, "space", "create", "diary")
    await stoa(home, "space", "put", "diary", "The door code is 4711.")
    port = str(free_port())
    async with owned(home, STOA_WEB_PORT=port, STOA_TIMEZONE="Europe/Paris") as (rig, alice), _browser() as browser:
        await alice.says("remind me tomorrow at 9 to call Ana about the Q3 report")
        await alice.reads("I'll remind you")
        await alice.says("add buy milk to my tasks")
        await alice.reads("buy milk")
        await alice.says("have an agent look for the door code in the space diary")
        card = await alice.reads("needs to read")
        await _photograph_slack(browser, await rig.messages(alice.conversation), rig.bot)
        link = await stoa(home, "web", STOA_WEB_PORT=port)
        page = await browser.new_page(viewport={"width": 860, "height": 720})
        await page.goto(link.strip())
        await page.screenshot(path=DOCS / "page.png")
        await page.goto(link[: link.index("/enter")] + "/agents")
        await page.screenshot(path=DOCS / "agents.png")
        assert card


async def _photograph_slack(browser: Browser, messages: Sequence[Json], bot: str) -> None:
    rows = "".join(_row(message, bot) for message in messages[1:])
    page = await browser.new_page(viewport={"width": 768, "height": 400})
    await page.set_content(f"<style>{_STYLE}</style>{rows}")
    await page.screenshot(path=DOCS / "slack.png", full_page=True)


def _row(message: Json, bot: str) -> str:
    ours = message.get("user") == bot
    buttons = [
        element["text"]["text"]
        for block in message.get("blocks", [])
        if block["type"] == "actions"
        for element in block["elements"]
    ]
    text = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(read_mrkdwn(message["text"], {}, bot)))
    return (
        f'<div class="row"><div class="face" style="background:{"#4a6fa5" if ours else "#8d6b94"}">'
        f'{"S" if ours else "A"}</div><div><span class="name">{"Stoa" if ours else "Alice"}</span> '
        f'<span class="app">{"APP" if ours else ""}</span><div class="text">{text}</div>'
        f"{''.join(f'<button>{escape(button)}</button>' for button in buttons)}</div></div>"
    )


@contextlib.asynccontextmanager
async def _browser() -> AsyncIterator[Browser]:
    async with async_playwright() as player:
        browser = await player.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
