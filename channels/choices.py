"""Choices where there are no buttons: one question at a time, answered by its number or by a word."""

from channels.contract import OutboundMessage
from core.approvals import Choice, pick


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
