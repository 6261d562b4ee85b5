"""Choices where there are no buttons: answered by a number, a word or an emoji."""

from collections.abc import Sequence

from channels.contract import OutboundMessage
from core.trust.approvals import NO, Choice, pick

YES_EMOJIS = ("✅", "👍", "✔", "👌")
NO_EMOJIS = ("❌", "👎", "⛔", "🚫", "✖")
KEYCAP_MARK = "\ufe0f\u20e3"


def seeds(choices: Sequence[Choice]) -> list[str]:
    """The emojis that are put to a question so that people need only press one."""
    if any(choice.id == NO.id for choice in choices):
        return [YES_EMOJIS[0], NO_EMOJIS[0]]
    return [f"{number}{KEYCAP_MARK}" for number in range(1, len(choices) + 1)]


def meant(emoji: str, choices: Sequence[Choice]) -> Choice | None:
    """Which of the choices an emoji means: a yes is the first, the narrowest; a keycap is the one of that number."""
    bare = emoji.replace("\ufe0f", "")
    if bare.endswith("\u20e3"):
        return pick(bare[:-1], choices)
    return pick("yes" if bare in YES_EMOJIS else NO.id if bare in NO_EMOJIS else "", choices)


class Questions:
    """The questions a person at a terminal is asked, one after the other, so that a number has one meaning."""

    def __init__(self) -> None:
        self._open: dict[str, OutboundMessage] = {}

    def ask(self, id: str, message: OutboundMessage) -> str:
        """A new question: the text to show now, or nothing while another one waits."""
        self._open[id] = message
        return _text(message) if len(self._open) == 1 else ""

    def settle(self, id: str, message: OutboundMessage) -> str | None:
        """A question that has changed, or is decided: what to show of that; None if it was never asked here."""
        if id not in self._open:
            return None
        if message.choices:
            self._open[id] = message
            return ""
        first = next(iter(self._open)) == id
        del self._open[id]
        following = next(iter(self._open.values()), None)
        said = message.text.splitlines()[-1]
        return (f"{said}\n\n{_text(following)}" if following else said) if first else ""

    def amiss(self, text: str) -> str:
        """The words for a typed number that is none of the question's; empty for anything else."""
        for message in self._open.values():
            if text.strip().isdecimal() and not self.answer(text):
                return f"There are {len(message.choices)} choices; answer with 1 to {len(message.choices)}, or a word."
            return ""
        return ""

    def answer(self, text: str) -> str:
        """The id of the choice that a typed line means, for the question that is asked; empty if it means none."""
        for message in self._open.values():
            bare = [Choice(choice.id.partition(":")[2], choice.label) for choice in message.choices]
            chosen = pick(text, bare)
            return message.choices[bare.index(chosen)].id if chosen else ""
        return ""


def _text(message: OutboundMessage) -> str:
    choices = "\n".join(f"{n}. {choice.label}" for n, choice in enumerate(message.choices, 1))
    return f"{message.text}\n{choices}\n\nAnswer with a number or a word."
