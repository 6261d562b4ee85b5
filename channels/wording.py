"""Wording: what strangers are told, and what the owner is asked about them; their own words stand as quotations."""

import re

from channels.knocks import Kind, Knock
from channels.rendering import visible
from core.approvals import NO, Choice
from core.requests import plain, quoted

ALLOW = Choice("allow", "Let them in")
BLOCK = Choice("block", "Block them")
ROOM = Choice(ALLOW.id, "Let me into the room")
NEVER = Choice(BLOCK.id, "Never in this room")
CHOICES: dict[Kind, tuple[Choice, ...]] = {
    "person": (ALLOW, BLOCK, Choice(NO.id, "Not now")),
    "room": (ROOM, NEVER, Choice(NO.id, "Not now")),
}
"""What the owner may answer about each kind; yes means the first."""
LINKED = "That is right: this account is linked now, and I know you here as {name}."
WRONG = (
    "I do not know that code. A code holds for one hour and for one account; ask for a new one where you got it, and "
    "write it here as it is."
)
LOCKED = "There were too many wrong codes, so I look at none for an hour."
UNOWNED = (
    "If it is you who has set me up, write me the code that `stoa setup` said; `stoa people link` makes a new one."
)
TELLS = "They were told the code {code}: who says it to you is who wrote this."
SHOWN = 1_500


def told(knock: Knock, kept: bool) -> str:
    """What a stranger, or a room, is told once; a code only where nobody else reads it."""
    then = (
        "I have kept what you wrote, and answer it as soon as they agree."
        if kept
        else "What you wrote is too long for me to keep, so please send it again once they agree."
    )
    if knock.room:
        what = "whether I may talk in this room" if knock.kind == "room" else "whether I may talk to you"
        return f"Hello! I have asked my owner {what}. {then}"
    return (
        f"Hello! I only talk to people whom my owner has let in, so I have asked them about you. {then}\n\n"
        f"If you know them, tell them this code, so that they know it is you: **{knock.code}** (it holds for one hour)."
    )


def question(knock: Knock) -> str:
    """What the owner is asked: who, where, and what they wrote first, word for word."""
    name = quoted(knock.name) if knock.name else "Somebody without a name"
    who = f"{name} ({plain(f'{knock.account}/{knock.sender}', 200)})"
    place = f"the room {quoted(knock.room)} ({plain(f'{knock.account}/{knock.conversation}', 200)})"
    if knock.kind == "room":
        begins = f"{who} speaks to me in {place}, where I have never been."
        asks = (
            "Shall I take part there? I answer who mentions me, and see and tell nothing of your spaces. The code for "
            f"`stoa people allow` is {knock.code}."
        )
    else:
        begins = f"{who}, whom I do not know, writes to me {f'in {place}' if knock.room else 'directly'}."
        asks = "Shall I let them in? They may then talk to me, and see nothing of yours until you share it. " + (
            f"The code for `stoa people allow` is {knock.code}." if knock.room else TELLS.format(code=knock.code)
        )
    return f"{begins}\n\n{fenced(knock.text)}\n\n{asks}"


def fenced(text: str) -> str:
    """Somebody's words in a block that nothing in them can end or style."""
    shown = visible(text)
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
    ticks = max((len(found) for found in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}\n{shown or '(no text)'}\n{fence}"
