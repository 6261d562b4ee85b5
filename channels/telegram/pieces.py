"""Messages that arrive in pieces: a long paste, which people's apps cut at 4,096 units, and the files of an album."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from channels.contract import InboundMessage
from channels.telegram.text import utf16_length
from channels.telegram.updates import RawUpdate

CUT_UNITS = 4_096
"""One less where the next letter takes two units."""
NEARLY_CUT_UNITS = 3_000
"""An app cuts between words where it can; a message shorter than this was not cut."""
PIECES_SECONDS = 3.0
"""Pieces are sent at once, one after the other: a later message is another one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A message in an update, as far as it tells whether it is part of a larger one."""

    author: tuple[Any, Any, Any]
    seconds: int
    units: int
    album: str

    @classmethod
    def of(cls, update: RawUpdate) -> "Piece | None":
        message = update.get("message")
        if not isinstance(message, dict) or "forward_origin" in message:
            return None
        sent, text, album = message.get("date"), message.get("text"), message.get("media_group_id")
        author = _id(message.get("chat")), message.get("message_thread_id"), _id(message.get("from"))
        units = utf16_length(text) if isinstance(text, str) else 0
        return cls(author, sent if isinstance(sent, int) else 0, units, str(album or ""))

    @property
    def open(self) -> bool:
        """True if more of it may come."""
        return self.units >= NEARLY_CUT_UNITS or bool(self.album)

    def goes_on_in(self, other: "Piece") -> bool:
        if self.author != other.author or other.seconds - self.seconds > PIECES_SECONDS:
            return False
        if self.album or other.album:
            return self.album == other.album
        return self.units >= NEARLY_CUT_UNITS and other.units > 0


def _id(shown: object) -> object:
    return shown.get("id") if isinstance(shown, dict) else None


def more_may_come(updates: Sequence[RawUpdate]) -> bool:
    """True if the last message of somebody in these updates may be continued by one that is still on its way."""
    last = {piece.author: piece for update in updates if (piece := Piece.of(update))}
    return any(piece.open for piece in last.values())


def joined(read: Iterable[tuple[RawUpdate, Sequence[InboundMessage]]]) -> list[InboundMessage]:
    """The messages of these updates; what arrived in pieces as one message, which is called as its first piece is."""
    found: list[InboundMessage] = []
    last: dict[tuple[Any, Any, Any], tuple[Piece, int]] = {}
    for update, messages in read:
        piece = Piece.of(update)
        if piece is None or len(messages) != 1:
            found += messages
            continue
        before = last.get(piece.author)
        if before and before[0].goes_on_in(piece):
            place = before[1]
            found[place] = _together(found[place], before[0], messages[0])
        else:
            place = len(found)
            found.append(messages[0])
        last[piece.author] = piece, place
    return found


def _together(first: InboundMessage, last: Piece, more: InboundMessage) -> InboundMessage:
    between = "" if last.units >= CUT_UNITS - 1 else "\n"  # cut anywhere, or at a space that the app took away
    text = between.join(filter(None, (first.text, more.text)))
    return replace(
        first,
        text=text,
        files=(*first.files, *more.files),
        passages=(*first.passages, *more.passages),
        addressed=first.addressed or more.addressed,
    )
