"""Reads what Discord tells a bot: messages, edits, deletions and reactions as the contract has them.

A conversation is the id of a direct message, a channel, a thread or a forum post; a message `channel:message`; a sender
the person's id, which is the same in every server.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime

import discord

from channels.contract import File, InboundMessage, InboundPassage

WRITTEN_TYPES = {
    discord.MessageType.default,
    discord.MessageType.reply,
    discord.MessageType.chat_input_command,
    discord.MessageType.context_menu_command,
}
"""The types of a message that somebody wrote; the others tell of what happened."""
_PERSON = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_ROOM = re.compile(r"<#(\d{1,20})>")
_EMOJI = re.compile(r"<a?:(\w{1,40}):\d{1,20}>")
_MOMENT = re.compile(r"<t:(-?\d{1,12})(?::[tTdDfFR])?>")


def message_name(channel: int, message: int) -> str:
    return f"{channel}:{message}"


def place(channel: object, guild: discord.Guild | None) -> tuple[str, str]:
    """The name of the room and the conversation it is a thread of; both empty where the person is alone with us."""
    if isinstance(channel, discord.Thread):
        return (channel.parent.name if channel.parent else channel.name), str(channel.parent_id)
    if isinstance(channel, discord.abc.GuildChannel):
        return channel.name, ""
    return (guild.name, "") if guild else ("", "")


def read_message(message: discord.Message, me: int) -> InboundMessage | None:
    """The message, or None for our own and for what nobody wrote."""
    if message.author.id == me or message.type not in WRITTEN_TYPES:
        return None
    room, parent = place(message.channel, message.guild)
    replied = _replied(message)
    return InboundMessage(
        conversation=str(message.channel.id),
        sender=str(message.author.id),
        text=_text(message, me),
        id=message_name(message.channel.id, message.id),
        name=message.author.display_name,
        room=room,
        parent=parent,
        addressed=not room or me in message.raw_mentions or (replied is not None and replied.author.id == me),
        bot=message.author.bot or message.webhook_id is not None,
        files=tuple(map(_file, message.attachments)),
        passages=(*_forwarded(message), *_quoted(message, replied, me), *_unfurled(message)),
        reply_to=_answered(message),
        sent=message.created_at,
    )


def read_edit(message: discord.Message, me: int) -> InboundMessage | None:
    """The edit, or None where only what Discord shows of a link has changed."""
    read = read_message(message, me)
    if read is None or message.edited_at is None:
        return None
    return replace(read, kind="edit", version=message.edited_at.isoformat())


def read_reaction(
    event: discord.RawReactionActionEvent, channel: object, guild: discord.Guild | None
) -> InboundMessage:
    name = message_name(event.channel_id, event.message_id)
    room, parent = place(channel, guild)
    return InboundMessage(
        conversation=str(event.channel_id),
        sender=str(event.user_id),
        text=event.emoji.name if event.emoji.id is None else f":{event.emoji.name}:",
        id=f"{name}:{event.user_id}:{event.emoji}",
        name=event.member.display_name if event.member else "",
        room=room,
        parent=parent,
        addressed=False,
        kind="reaction",
        reply_to=name,
    )


def _replied(message: discord.Message) -> discord.Message | None:
    resolved = message.reference.resolved if message.reference else None
    return resolved if isinstance(resolved, discord.Message) else None


def _answered(message: discord.Message) -> str:
    reference = message.reference
    if reference is None or reference.message_id is None or message.type is not discord.MessageType.reply:
        return ""
    return message_name(reference.channel_id, reference.message_id)


def _text(message: discord.Message, me: int) -> str:
    """The sender's own words, with names for ids; that we are addressed at the beginning is left out."""
    text = re.sub(rf"\A\s*(?:<@!?{me}>[\s:,]*)+", "", message.content)
    names = {person.id: person.display_name for person in message.mentions}
    guild = message.guild
    text = _PERSON.sub(lambda found: f"@{names.get(int(found[1]), found[1])}", text)
    text = _ROLE.sub(lambda found: f"@{_name(guild and guild.get_role(int(found[1])), found[1])}", text)
    text = _ROOM.sub(lambda found: f"#{_name(guild and guild.get_channel_or_thread(int(found[1])), found[1])}", text)
    text = _MOMENT.sub(_moment, _EMOJI.sub(r":\1:", text))
    return "\n".join(filter(None, [text, *(f"[sticker: {one.name}]" for one in message.stickers)]))


def _name(found: object, otherwise: str) -> str:
    return str(getattr(found, "name", otherwise))


def _moment(found: re.Match[str]) -> str:
    try:
        return f"{datetime.fromtimestamp(int(found[1]), UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return found[0]


def _file(one: discord.Attachment) -> File:
    kind = (one.content_type or "application/octet-stream").partition(";")[0]
    return File(one.filename, kind, one.size, one.url, recorded=one.is_voice_message())


def _forwarded(message: discord.Message) -> list[InboundPassage]:
    found = []
    for one in message.message_snapshots:
        shown = [one.content, *(f"[file: {file.filename}]" for file in one.attachments)]
        if text := "\n".join(filter(None, shown)):
            found.append(InboundPassage(text))
    return found


def _quoted(message: discord.Message, replied: discord.Message | None, me: int) -> list[InboundPassage]:
    if replied is None or replied.author.id in (me, message.author.id) or not replied.content:
        return []
    return [InboundPassage(replied.content, replied.author.display_name, "quoted")]


def _unfurled(message: discord.Message) -> list[InboundPassage]:
    texts = ("\n".join(filter(None, (one.title, one.description))) for one in message.embeds)
    return [InboundPassage(text, kind="link") for text in texts if text]
