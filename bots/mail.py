"""The mail reader: it reads what others wrote to the owner, and puts findings; nothing else is in its reach."""

from bots.prompts import prompt
from channels.bridge.feeds import OpenFeed, feed_writer
from conventions.loading import text
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House

FINDINGS = "mail-findings"
RULES = "mail-rules"
READER = "mail-reader"


def feeds(house: House) -> OpenFeed:
    """Gives a feed of mail its space and its reader, which is seated with the first mail.

    The reader holds read on the mail and on the owner's rules, and append on the findings: no tool, no secret, no bus.
    The assistant may search both, and is woken by what the owner should know today.
    """
    opened = set[tuple[str, str]]()

    async def open_feed(space: str, account: str) -> None:
        if (space, account) in opened:
            return
        for name, convention in ((space, "mail"), (FINDINGS, FINDINGS), (RULES, RULES)):
            await house.spaces.create(name, description=text(convention))
        await house.spaces.open(space).share(feed_writer(account).id, Permission.APPEND)
        words, source = await prompt(house, READER)
        reader = Agent(id=READER, instructions=words, instructions_from=source)
        held = {space: Permission.READ, RULES: Permission.READ, FINDINGS: Permission.APPEND}
        await house.agents.seat(reader, spaces=held, subscriptions=(space,))
        await _tell_assistant(house, space)
        opened.add((space, account))

    return open_feed


async def _tell_assistant(house: House, space: str) -> None:
    """Let the assistant search the mail and what was found in it."""
    assistant = await house.agents.get("assistant")
    held = {space: Permission.READ, FINDINGS: Permission.READ, RULES: Permission.WRITE}
    await house.agents.seat(assistant, spaces=held)
    await house.spaces.open(FINDINGS, assistant.principal).subscribe(metadata={"urgency": "today"})
