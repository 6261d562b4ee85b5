"""You open the page in a browser: what you say there is answered there, beside what was said elsewhere."""

import shutil
import socket
from pathlib import Path

import pytest

from tests.stories.people import someone_at, stoa

CHROMIUM = shutil.which("chromium")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def test_what_is_said_on_the_page_is_answered_there_beside_what_was_said_elsewhere(tmp_path: Path) -> None:
    from playwright.async_api import async_playwright, expect

    port = str(free_port())
    async with someone_at(tmp_path, STOA_WEB_PORT=port) as person, async_playwright() as player:
        person.type("add buy milk to my tasks")
        await person.until("Added to your tasks: buy milk")
        browser = await player.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = await browser.new_page(viewport={"width": 390, "height": 800})
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        await page.goto((await stoa(tmp_path, "web", STOA_WEB_PORT=port)).strip())
        await expect(page.locator(".message", has_text="Added to your tasks: buy milk")).to_be_visible(timeout=20_000)
        await page.fill("#text", "what is on my list?")
        await page.keyboard.press("Enter")
        answer = page.locator(".message.theirs:not(.draft)", has_text="You have 1 open task")
        await expect(answer).to_be_visible(timeout=20_000)
        await expect(page.locator("#text")).to_have_value("")
        await answer.get_by_text("Why?").click()
        await expect(page.locator(".trail")).to_contain_text("what is on my list?")
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert troubles == []
        await browser.close()
        await person.leave()
