"""Reads Telegram's updates: messages, edits, reactions, presses and what happens to the bot in a chat."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from telegram import (
    Bot,
    CallbackQuery,
    Chat,
    ChatMember,
    Message,
    MessageEntity,
    MessageOrigin,
    MessageReactionUpdated,
    ReactionTypeEmoji,
    TextQuote,
    Update,
    User,
)

from channels.contract import File, InboundMessage, InboundPassage
from channels.telegram.text import COMMANDS, command_words, entity_text, readable_text

STOPPED_UPDATE = "stopped_message_generation"
"""The stop button under a draft; newer than the library, so it is read from the raw update."""
ALLOWED_UPDATES = [
    Update.MESSAGE,
    Update.EDITED_MESSAGE,
    Update.CALLBACK_QUERY,
    Update.MESSAGE_REACTION,
    Update.MY_CHAT_MEMBER,
    STOPPED_UPDATE,
]
"""The updates we ask for. Reactions are never sent unless they are named."""
GROUP_TYPES = {Chat.GROUP, Chat.SUPERGROUP}
GONE_STATUSES = {ChatMember.LEFT, ChatMember.BANNED}

RawUpdate = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TelegramIdentity:
    """Our bot."""

    id: int
    username: str


class UpdateReader:
    """Reads what one bot is told."""

    def __init__(self, bot: Bot, identity: TelegramIdentity) -> None:
        self._bot = bot
        self._identity = identity

    def read(self, raw: RawUpdate) -> list[InboundMessage]:
        """The messages in an update; none where there is nothing to say, or its shape is unknown."""
        try:
            return list(self._read(raw))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            log.warning("Telegram sent an update of an unknown shape: %r", error)
            return []

    def _read(self, raw: RawUpdate) -> Iterator[InboundMessage]:
        update = Update.de_json(dict(raw), self._bot)
        if update.message:
            yield from self._arrived(update.message)
        elif update.edited_message:
            edited = self._written(update.edited_message)
            if edited and update.edited_message.edit_date:
                yield replace(edited, kind="edit", version=str(int(update.edited_message.edit_date.timestamp())))
        elif update.callback_query:
            yield from self._press(update.callback_query)
        elif update.message_reaction:
            yield from self._reactions(update.message_reaction, update.update_id)
        elif update.my_chat_member:
            member = update.my_chat_member
            if member.new_chat_member.status in GONE_STATUSES and member.old_chat_member.status not in GONE_STATUSES:
                yield _lost(member.chat, update.update_id)
        elif STOPPED_UPDATE in raw:
            yield self._stop(raw[STOPPED_UPDATE], update.update_id)

    # Messages ---------------------------------------------------------------------------------------------------------

    def _arrived(self, message: Message) -> Iterator[InboundMessage]:
        if message.migrate_to_chat_id:
            reason = "the group has become a supergroup, which is a new room to me; mention me there to let me in again"
            yield replace(_lost(message.chat, message.message_id), text=reason)
        elif written := self._written(message):
            yield written

    def _written(self, message: Message) -> InboundMessage | None:
        """A message that somebody wrote; None for what only happened in the chat, and for channels."""
        sender, name = _author(message)
        if not sender or (message.chat.type != Chat.PRIVATE and message.chat.type not in GROUP_TYPES):
            return None
        if sender == str(self._identity.id):
            return None
        files, text = _files(message), message.text or message.caption or _described(message)
        if not text and not files:
            return None
        entities = message.entities or message.caption_entities
        own, passages = self._words(message, text, entities)
        return InboundMessage(
            conversation=_conversation(message.chat, message.message_thread_id if message.is_topic_message else None),
            sender=sender,
            text=own,
            id=f"{message.chat.id}:{message.message_id}",
            name=name,
            room=_room(message.chat),
            parent=str(message.chat.id) if message.is_topic_message else "",
            addressed=message.chat.type == Chat.PRIVATE or self._names_us(message, text, entities),
            bot=bool(message.from_user and message.from_user.is_bot and not message.sender_chat)
            or bool(message.is_automatic_forward),
            files=files,
            passages=passages,
            reply_to=self._replied(message),
            sent=message.date,
        )

    def _words(
        self, message: Message, text: str, entities: tuple[MessageEntity, ...]
    ) -> tuple[str, tuple[InboundPassage, ...]]:
        """The sender's own words, and what others wrote in the message."""
        shown = readable_text(text, entities, self._identity.username)
        if origin := message.forward_origin:
            return "", (InboundPassage(shown, _origin_name(origin)),) if shown else ()
        return command_words(shown), tuple(self._quoted(message))

    def _quoted(self, message: Message) -> Iterator[InboundPassage]:
        """The part of a message that a reply quotes; in a group the whole of it, as we may never have seen it."""
        above, quote = message.reply_to_message, message.quote
        author = _author(above)[1] if above else ""
        if isinstance(quote, TextQuote):
            by = _origin_name(message.external_reply.origin) if message.external_reply else author
            yield InboundPassage(quote.text, by, "quoted")
        elif above and message.chat.type in GROUP_TYPES and not self._is_ours(above):
            words = above.text or above.caption
            yield from (InboundPassage(words, author, "quoted"),) if words else ()

    def _replied(self, message: Message) -> str:
        above = message.reply_to_message
        return f"{message.chat.id}:{above.message_id}" if above and not above.forum_topic_created else ""

    def _is_ours(self, message: Message) -> bool:
        return bool(message.from_user and message.from_user.id == self._identity.id)

    def _names_us(self, message: Message, text: str, entities: tuple[MessageEntity, ...]) -> bool:
        """True for a mention, a reply to us, and a command of ours."""
        above = message.reply_to_message
        if above and self._is_ours(above) and not above.forum_topic_created:
            return True
        return any(self._calls_us(entity, entity_text(text, entity).casefold()) for entity in entities)

    def _calls_us(self, entity: MessageEntity, words: str) -> bool:
        us = f"@{self._identity.username}".casefold()
        match entity.type:
            case MessageEntity.MENTION:
                return words == us
            case MessageEntity.TEXT_MENTION:
                return bool(entity.user and entity.user.id == self._identity.id)
            case MessageEntity.BOT_COMMAND:
                name, at, _ = words.lstrip("/").partition("@")
                return words.endswith(us) if at else name in COMMANDS or name in ("approve", "deny")
        return False

    # Everything else --------------------------------------------------------------------------------------------------

    def _press(self, query: CallbackQuery) -> Iterator[InboundMessage]:
        message, choice = query.message, query.data or ""
        if message is None or not choice or _is_forged(message.chat, query.from_user.id):
            return
        topic = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else None
        yield InboundMessage(
            conversation=_conversation(message.chat, topic),
            sender=str(query.from_user.id),
            text=_label(message, choice) if isinstance(message, Message) else choice,
            id=f"press:{query.id}",
            name=query.from_user.full_name,
            room=_room(message.chat),
            parent=str(message.chat.id) if topic else "",
            choice=choice,
            reply_to=f"{message.chat.id}:{message.message_id}",
            passing=True,
        )

    def _reactions(self, event: MessageReactionUpdated, update: int) -> Iterator[InboundMessage]:
        """Each emoji that was added. Who reacts as a channel or unseen is nobody we could know."""
        before = {one.emoji for one in event.old_reaction if isinstance(one, ReactionTypeEmoji)}
        for one in event.new_reaction:
            if not isinstance(one, ReactionTypeEmoji) or one.emoji in before or not isinstance(event.user, User):
                continue
            if event.user.id == self._identity.id or _is_forged(event.chat, event.user.id):
                continue
            yield InboundMessage(
                conversation=str(event.chat.id),
                sender=str(event.user.id),
                text=str(one.emoji),
                id=f"{event.chat.id}:{event.message_id}:{event.user.id}:{one.emoji}:{update}",
                name=event.user.full_name,
                room=_room(event.chat),
                addressed=False,
                kind="reaction",
                reply_to=f"{event.chat.id}:{event.message_id}",
                sent=event.date,
            )

    def _stop(self, stopped: RawUpdate, update: int) -> InboundMessage:
        """The stop button under a draft; drafts are in private chats only."""
        chat, topic = Chat.de_json(stopped["chat"], self._bot), stopped.get("message_thread_id")
        return InboundMessage(
            conversation=_conversation(chat, topic),
            sender=str(chat.id),
            text="",
            id=f"{chat.id}:stop:{update}",
            name=chat.full_name or "",
            parent=str(chat.id) if topic else "",
            kind="stop",
        )


def _conversation(chat: Chat, topic: int | None) -> str:
    return f"{chat.id}/{topic}" if topic else str(chat.id)


def _is_forged(chat: Chat, user: int) -> bool:
    """True for what somebody else seems to do in a person's private chat."""
    return chat.type == Chat.PRIVATE and user != chat.id


def _room(chat: Chat) -> str:
    return (chat.title or str(chat.id)) if chat.type in GROUP_TYPES else ""


def _author(message: Message) -> tuple[str, str]:
    """The id and the name of who wrote: a group or a channel, where somebody writes in its name, is no person."""
    if message.sender_chat:
        return str(message.sender_chat.id), message.sender_chat.title or message.sender_chat.full_name or ""
    user = message.from_user
    return (str(user.id), user.full_name) if user else ("", "")


def _origin_name(origin: MessageOrigin) -> str:
    for named in ("sender_user", "sender_chat", "chat"):
        if found := getattr(origin, named, None):
            return str(getattr(found, "title", "") or getattr(found, "full_name", "") or "")
    return str(getattr(origin, "sender_user_name", "") or "")


def _lost(chat: Chat, number: int) -> InboundMessage:
    private = chat.type == Chat.PRIVATE
    reason = "the bot was blocked there" if private else "I was removed from the group"
    return InboundMessage(
        str(chat.id), "", reason, f"{chat.id}:lost:{number}", room=_room(chat), addressed=False, kind="lost"
    )


def _label(message: Message, choice: str) -> str:
    rows = message.reply_markup.inline_keyboard if message.reply_markup else ()
    return next((button.text for row in rows for button in row if button.callback_data == choice), choice)


def _described(message: Message) -> str:
    """The words for a message that has none of its own, where it can be told in some."""
    if message.sticker:
        return message.sticker.emoji or ""
    if message.venue:
        return f"{message.venue.title}, {message.venue.address}"
    if message.location:
        return f"My location: {message.location.latitude:.5f}, {message.location.longitude:.5f}"
    if message.contact:
        return (
            f"A contact: {message.contact.first_name} {message.contact.last_name or ''}, {message.contact.phone_number}"
        )
    if message.poll:
        return f"A poll: {message.poll.question} " + " / ".join(option.text for option in message.poll.options)
    return message.dice.emoji if message.dice else ""


def _files(message: Message) -> tuple[File, ...]:
    """The file that a message carries, if any. Its place is the id that Telegram knows it by: its address holds the
    bot's token."""
    if message.photo:
        largest = message.photo[-1]
        name = f"photo-{largest.file_unique_id}.jpg"
        return (File(name, "image/jpeg", largest.file_size or 0, largest.file_id),)
    if voice := message.voice or message.video_note:
        recorded, media_type = not message.forward_origin, getattr(voice, "mime_type", None)
        kind, end = (media_type or "audio/ogg", "ogg") if message.voice else ("video/mp4", "mp4")
        return (File(f"voice-{voice.file_unique_id}.{end}", kind, voice.file_size or 0, voice.file_id, recorded),)
    for found in (message.animation, message.document, message.audio, message.video):
        if found:
            name = found.file_name or f"file-{found.file_unique_id}"
            kind = found.mime_type or "application/octet-stream"
            return (File(name, kind, int(found.file_size or 0), found.file_id),)
    return ()
