"""The prompt library: instructions as atoms, which people and agents fork and refine."""

import logging

from conventions.loading import instructions, prompts
from core.agents.instructions import LIBRARY_SPACE
from core.house import House

log = logging.getLogger("stoa.prompts")


async def seed_prompts(house: House) -> None:
    """Put the instructions that come with Stoa into the library, unless they are there."""
    library = house.spaces.open(LIBRARY_SPACE)
    for name, text in sorted(prompts().items()):
        operation = f"seed.{name}"
        if await library.find(operation) is None:
            await library.put(
                text,
                comment=f"new: {name}",
                metadata={"kind": "instructions", "name": name, "status": "current"},
                operation=operation,
                at_once=True,
            )


async def prompt(house: House, name: str) -> tuple[str, str]:
    """The instructions of one of our agents, and where they stand.

    It is the library's text, or the one that comes with Stoa where outside text had a hand in the library's.
    """
    found = await house.spaces.open(LIBRARY_SPACE).search(metadata={"name": name}, limit=1)
    if found and not found[0].outside:
        return found[0].content, f"{found[0].ref}, version {found[0].version}"
    if found:
        log.warning("The prompt %s was changed with outside text in mind, so it isn't used.", found[0].ref)
    return instructions(name), ""
