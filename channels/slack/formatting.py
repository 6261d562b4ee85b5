"""Slack's own way of writing messages, read as plain text; its names for emoji; and its blocks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from channels.contract import Home, OutboundMessage
from channels.slack.markdown import Mrkdwn
from core.trust.approvals import Choice

EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "white_check_mark": "✅",
    "heavy_check_mark": "✔️",
    "ballot_box_with_check": "☑️",
    "x": "❌",
    "heavy_multiplication_x": "✖️",
    "negative_squared_cross_mark": "❎",
    "no_entry": "⛔",
    "no_entry_sign": "🚫",
    "ok_hand": "👌",
    "ok": "🆗",
    "eyes": "👀",
    "heart": "❤️",
    "tada": "🎉",
    "pray": "🙏",
    "wave": "👋",
    "clap": "👏",
    "fire": "🔥",
    "rocket": "🚀",
    "question": "❓",
    "exclamation": "❗",
    "warning": "⚠️",
    "hourglass_flowing_sand": "⏳",
    "bell": "🔔",
    "100": "💯",
    "slightly_smiling_face": "🙂",
    "thinking_face": "🤔",
    "joy": "😂",
    "cry": "😢",
    "zero": "0️⃣",
    "one": "1️⃣",
    "two": "2️⃣",
    "three": "3️⃣",
    "four": "4️⃣",
    "five": "5️⃣",
    "six": "6️⃣",
    "seven": "7️⃣",
    "eight": "8️⃣",
    "nine": "9️⃣",
    "keycap_ten": "🔟",
}
"""Slack's name -> the emoji; only those that mean something to us or are often used."""
EMOJI_ALIASES = {"thumbsup": "+1", "thumbsdown": "-1", "hourglass": "hourglass_flowing_sand"}
_NAMES = {emoji.replace("\ufe0f", ""): name for name, emoji in EMOJI.items()}
_SKIN = re.compile("::skin-tone-[2-6]$")
_TONES = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")
_SHORT = re.compile(r"(?<!\w):([a-z+-][a-z0-9_+-]*|-1|\+1)(?:::skin-tone-[2-6])?:(?!\w)")
"""An emoji as Slack writes it into a message; not the middle of a time."""
_CODE = re.compile(r"(```[\s\S]*?```|`[^`\n]*`)")

_MARK = re.compile(r"<([^<>\n]*)>")
_PERSON = re.compile(r"<@([UWB][A-Z0-9]+)(?:\|[^<>]*)?>")
_ROOM = re.compile(r"<#([CGD][A-Z0-9]+)(?:\|([^<>]*))?>")


def emoji(name: str) -> str:
    """The emoji that Slack calls `name`, of whatever skin; `:name:` for one of a workspace's own."""
    plain = _SKIN.sub("", name)
    return EMOJI.get(EMOJI_ALIASES.get(plain, plain), f":{plain}:")


def emoji_name(emoji: str) -> str:
    """Slack's name for an emoji; empty where we do not know it."""
    return _NAMES.get(_TONES.sub("", emoji), emoji[1:-1] if re.fullmatch(r":[a-z0-9_+'-]+:", emoji) else "")


def mentions(text: str, user: str) -> bool:
    """True if the text as Slack writes it names this user."""
    return any(found[1] == user for found in _PERSON.finditer(text))


def mentioned_users(text: str) -> set[str]:
    """The users that a text as Slack writes it names."""
    return {found[1] for found in _PERSON.finditer(text)}


def mentioned_rooms(text: str) -> set[str]:
    """The rooms that it names by their ids alone."""
    return {found[1] for found in _ROOM.finditer(text) if not found[2]}


def read_mrkdwn(text: str, names: Mapping[str, str], me: str) -> str:
    """The text as people read it: names for ids, addresses behind the words that lead there.

    `names` has users and rooms by their ids; that we are addressed at the beginning is left out.
    """
    called = re.compile(rf"\s*(?:<@{re.escape(me)}(?:\|[^<>]*)?>[\s:,]*)+")
    if found := called.match(text):
        text = text[found.end() :]
    parts = _CODE.split(text)
    shown = (part if number % 2 else _SHORT.sub(_emoji, part) for number, part in enumerate(parts))
    return _unescaped(_MARK.sub(lambda mark: _read(mark[1], names), "".join(shown)))


def _emoji(found: re.Match[str]) -> str:
    shown = emoji(found[1])
    return found[0] if shown.startswith(":") else shown


def _unescaped(text: str) -> str:
    """The three characters that Slack escapes, as they are."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _read(mark: str, names: Mapping[str, str]) -> str:
    target, _, words = mark.partition("|")
    match target[:1]:
        case "@":
            return f"@{names.get(target[1:]) or words or target[1:]}"
        case "#":
            return f"#{words or names.get(target[1:]) or target[1:]}"
        case "!":
            kind = target[1:].partition("^")[0]
            return words if words and kind not in ("here", "channel", "everyone") else f"@{kind}"
    plain = re.sub(r"^(https?://|mailto:|tel:)", "", target).rstrip("/")
    if not words or words.rstrip("/") in (target, plain):
        return target if not words or target.startswith("http") else words
    return f"{words} ({target})"


MAX_SECTION_CHARS, MAX_LABEL_CHARS, MAX_BUTTON_VALUE_CHARS, MAX_ROW_BUTTONS, MAX_HEADER_CHARS = (
    3_000,
    75,
    2_000,
    25,
    150,
)
"""Slack's limits."""
MAX_HOME_BLOCKS = 100
"""Blocks on a page."""
Block = dict[str, Any]


def message_blocks(message: OutboundMessage) -> list[Block]:
    """The text, cut where it is too long, and a button for each choice; nothing for a text without choices."""
    if not message.choices:
        return []
    return [*_sections(message.text), *_rows(message.choices)]


def home_view(home: Home) -> dict[str, Any]:
    """The app's home: what waits for an answer first."""
    shown: list[Block] = []
    for question in home.questions:
        shown += [*message_blocks(question), {"type": "divider"}]
    for heading, lines in home.sections:
        shown.append({"type": "header", "text": {"type": "plain_text", "text": heading[:MAX_HEADER_CHARS] or "…"}})
        shown += _sections("\n\n".join(Mrkdwn().messages("\n".join(lines)))) if lines else _sections("–")
    if not shown:
        shown = _sections("Nothing waits, and nothing runs.")
    if len(shown) > MAX_HOME_BLOCKS:
        shown = [*shown[: MAX_HOME_BLOCKS - 1], *_sections("… and more than Slack can show here.")]
    return {"type": "home", "blocks": shown}


def _sections(text: str) -> list[Block]:
    # verbatim: else Slack makes mentions of what only reads like one
    marked = {"type": "mrkdwn", "verbatim": True}
    return [{"type": "section", "text": {**marked, "text": part}} for part in _parts(text or "…")]


def _parts(text: str) -> Iterator[str]:
    while len(text) > MAX_SECTION_CHARS:
        cut = text.rfind("\n", MAX_SECTION_CHARS // 2, MAX_SECTION_CHARS)
        cut = cut if cut > 0 else MAX_SECTION_CHARS
        yield text[:cut]
        text = text[cut:].lstrip("\n")
    if text.strip():
        yield text


def _rows(choices: Sequence[Choice]) -> Iterator[Block]:
    for start in range(0, len(choices), MAX_ROW_BUTTONS):
        buttons = [
            {
                "type": "button",
                "action_id": f"choice-{number}",
                "text": {"type": "plain_text", "text": choice.label[:MAX_LABEL_CHARS] or choice.id[:MAX_LABEL_CHARS]},
                "value": choice.id[:MAX_BUTTON_VALUE_CHARS],
            }
            for number, choice in enumerate(choices[start : start + MAX_ROW_BUTTONS], start)
        ]
        yield {"type": "actions", "elements": buttons}
