"""What Slack shows besides text: questions with buttons, and the app's home."""

from collections.abc import Iterator, Sequence
from typing import Any

from channels.contract import Home, OutboundMessage
from channels.dialects import Mrkdwn
from core.approvals import Choice

SECTION, BUTTON, VALUE, ROW, HEADER = 3_000, 75, 2_000, 25, 150
"""What Slack takes at most: letters in a section, on a button and behind it, buttons in a row, letters in a heading."""
MOST = 100
"""Blocks on a page."""
Block = dict[str, Any]


def blocks(message: OutboundMessage) -> list[Block]:
    """The text, cut where it is too long, and a button for each choice; nothing for a text without choices."""
    if not message.choices:
        return []
    return [*_sections(message.text), *_rows(message.choices)]


def page(home: Home) -> dict[str, Any]:
    """The app's home: what waits for an answer first."""
    shown: list[Block] = []
    for question in home.questions:
        shown += [*blocks(question), {"type": "divider"}]
    for heading, lines in home.sections:
        shown.append({"type": "header", "text": {"type": "plain_text", "text": heading[:HEADER] or "…"}})
        shown += _sections("\n\n".join(Mrkdwn().messages("\n".join(lines)))) if lines else _sections("–")
    if not shown:
        shown = _sections("Nothing waits, and nothing runs.")
    if len(shown) > MOST:
        shown = [*shown[: MOST - 1], *_sections("… and more than Slack can show here.")]
    return {"type": "home", "blocks": shown}


def _sections(text: str) -> list[Block]:
    # verbatim: else Slack makes mentions of what only reads like one
    marked = {"type": "mrkdwn", "verbatim": True}
    return [{"type": "section", "text": {**marked, "text": part}} for part in _parts(text or "…")]


def _parts(text: str) -> Iterator[str]:
    while len(text) > SECTION:
        cut = text.rfind("\n", SECTION // 2, SECTION)
        cut = cut if cut > 0 else SECTION
        yield text[:cut]
        text = text[cut:].lstrip("\n")
    if text.strip():
        yield text


def _rows(choices: Sequence[Choice]) -> Iterator[Block]:
    for start in range(0, len(choices), ROW):
        buttons = [
            {
                "type": "button",
                "action_id": f"choice-{number}",
                "text": {"type": "plain_text", "text": choice.label[:BUTTON] or choice.id[:BUTTON]},
                "value": choice.id[:VALUE],
            }
            for number, choice in enumerate(choices[start : start + ROW], start)
        ]
        yield {"type": "actions", "elements": buttons}
