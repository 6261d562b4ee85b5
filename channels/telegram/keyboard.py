"""Buttons under a message, and the menu of commands."""

from collections.abc import Sequence

from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
)

from core.trust.approvals import Choice

MAX_CALLBACK_BYTES = 64
MAX_CAPTION_CHARS = 60
WIDE_CAPTION_CHARS = 14
"""Longer captions have a row of their own, so that a phone shows them whole."""
PRIVATE_MENU = {
    "remind": "Set a reminder: /remind tomorrow at 9 to call Ana",
    "tasks": "Show your task list",
    "approve": "Answer a question: /approve ID",
    "stop": "Stop what is under way",
    "help": "What Stoa can do",
}
GROUP_MENU = {"ask": "Ask something: /ask when is the party?", "stop": "Stop what is under way"}


def keyboard(choices: Sequence[Choice]) -> InlineKeyboardMarkup | None:
    """A button for each choice; none for a message without any."""
    rows: list[list[InlineKeyboardButton]] = []
    for number, choice in enumerate(choices, 1):
        caption = choice.label[:MAX_CAPTION_CHARS] or str(number)
        button = InlineKeyboardButton(caption, callback_data=callback_data(choice, number))
        narrow = len(caption) <= WIDE_CAPTION_CHARS
        if narrow and rows and len(rows[-1]) < 3 and len(rows[-1][0].text) <= WIDE_CAPTION_CHARS:
            rows[-1].append(button)
        else:
            rows.append([button])
    return InlineKeyboardMarkup(rows) if rows else None


def callback_data(choice: Choice, number: int) -> str:
    """The choice's id where Telegram takes it whole, else its question's with the number of the choice."""
    if len(choice.id.encode()) <= MAX_CALLBACK_BYTES:
        return choice.id
    return f"{choice.id.partition(':')[0]}:{number}"


def menus() -> list[tuple[list[BotCommand], BotCommandScope]]:
    """The commands that people are shown, by where they are."""
    scopes = ((PRIVATE_MENU, BotCommandScopeAllPrivateChats()), (GROUP_MENU, BotCommandScopeAllGroupChats()))
    return [([BotCommand(name, text) for name, text in menu.items()], scope) for menu, scope in scopes]
