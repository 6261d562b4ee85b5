"""The owner's page on a platform: reminders, tasks, agents at work, and open questions."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from channels.bridge.cards import card_text
from channels.contract import Home
from channels.markdown import literal
from channels.text import one_line
from core.atoms.atoms import Atom
from core.house import House

MAX_LINES = 15
"""Lines in each section."""


def home_page(house: House) -> Callable[[], Awaitable[Home]]:
    """A function that builds the page as of now."""

    async def build() -> Home:
        zone = house.clock.zone
        timers = await house.timers.list_timers()
        open_tasks = {"status": ["pending", "claimed", "open"]}
        tasks = await house.spaces.open("tasks").search(metadata=open_tasks, limit=MAX_LINES)
        agents = [agent for agent in await house.agents.list() if not agent.coordinator]
        questions = await house.approvals.waiting()
        return Home(
            sections=(
                ("Reminders", tuple(f"{_due(timer, zone)}: {_words(timer.content)}" for timer in timers[:MAX_LINES])),
                ("Tasks", tuple(f"{_words(task.content)} ({task.metadata['status']})" for task in tasks)),
                ("Agents at work", tuple(_words(agent.task or agent.id) for agent in agents[:MAX_LINES])),
            ),
            questions=tuple(card_text(atom, zone) for atom in questions[:MAX_LINES]),
        )

    return build


def _words(text: str) -> str:
    return literal(one_line(text))


def _due(timer: Atom, zone: ZoneInfo) -> str:
    due = timer.metadata.get("due")
    return f"{due.astimezone(zone):%a %d %b, %H:%M}" if isinstance(due, datetime) else ""
