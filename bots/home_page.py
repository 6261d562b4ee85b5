"""At a glance: what the owner's page on a platform shows, from what is in the spaces at this moment."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from channels.bridge.cards import asked
from channels.contract import Home
from channels.text import one_line
from core.atoms.atoms import Atom
from core.house import House

MOST = 15
"""Lines of each kind."""


def glance(house: House) -> Callable[[], Awaitable[Home]]:
    """What puts the page together: reminders, tasks, agents at work, and questions that wait for the owner."""

    async def put_together() -> Home:
        zone = house.clock.zone
        timers = await house.timers.list_timers()
        tasks = await house.spaces.open("tasks").search(metadata={"status": ["pending", "claimed", "open"]}, limit=MOST)
        agents = [agent for agent in await house.agents.list() if not agent.coordinator]
        questions = await house.approvals.waiting()
        return Home(
            sections=(
                ("Reminders", tuple(f"{_due(timer, zone)}: {one_line(timer.content)}" for timer in timers[:MOST])),
                ("Tasks", tuple(f"{one_line(task.content)} ({task.metadata['status']})" for task in tasks)),
                ("Agents at work", tuple(f"{agent.id}: {one_line(agent.task)}" for agent in agents[:MOST])),
            ),
            questions=tuple(asked(atom, zone) for atom in questions[:MOST]),
        )

    return put_together


def _due(timer: Atom, zone: ZoneInfo) -> str:
    due = timer.metadata.get("due")
    return f"{due.astimezone(zone):%a %d %b, %H:%M}" if isinstance(due, datetime) else ""
