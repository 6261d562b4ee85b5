"""A mail becomes an inbound message: who it is proven to be from, which words are new, and whose the others are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from channels.contract import File, InboundMessage, InboundPassage
from channels.email.authentication import proven_sender
from channels.email.folders import FoundMail
from channels.email.loops import automatic
from channels.email.mime import Mail, all_files
from channels.email.quoting import Understood, is_forward, is_reply, understand
from channels.email.settings import MailSettings
from channels.email.threads import Threading

MAX_INNER_MAILS = 40


@dataclass(slots=True)
class Words:
    """The words of a mail's sender, and the passages of others."""

    text: str
    passages: list[InboundPassage] = field(default_factory=list)


def inbound(found: FoundMail, settings: MailSettings, threading: Threading) -> InboundMessage:
    """The message. Its sender stays empty unless the owner's server vouches for it, and a person wrote it to us."""
    mail = found.mail
    sender = proven_sender(mail, settings.authserv)
    if automatic(mail) or not _to_us(mail, settings.address):
        sender = ""
    words = words_of(mail, threading)
    direct = sender or mail.sender.address or "unknown"
    return InboundMessage(
        conversation=f"{direct}/{threading.thread}",
        sender=sender,
        text=words.text,
        id=mail.id,
        name=mail.sender.name or mail.sender.address,
        parent=direct,
        files=_files(found),
        passages=tuple(words.passages),
        reply_to=mail.in_reply_to,
        sent=mail.sent,
        feed="mail",
        subject=mail.subject,
        about=(("thread", threading.thread), *_about(found)),
    )


def _to_us(mail: Mail, address: str) -> bool:
    """True for a mail that is written to this mailbox, and not only copied to it."""
    return any(_same_mailbox(box.address, address) for box in mail.to)


def _same_mailbox(one: str, other: str) -> bool:
    """True for an address and the same one with a tag, such as `helper+trips@example.org`."""
    name, _, domain = one.partition("@")
    return f"{name.partition('+')[0]}@{domain}" == other or one == other


def words_of(mail: Mail, threading: Threading) -> Words:
    """The words of a mail's sender, and of others in it."""
    answers = bool(mail.in_reply_to or mail.references) or is_reply(mail.subject)
    understood = understand(mail.text, mail.subject, answers=answers)
    fresh = mail.subject and not answers and not is_forward(mail.subject) and not understood.forwards and not mail.mails
    own = f"{mail.subject}\n\n{understood.new}".strip() if fresh else understood.new
    passages = _told(understood, threading)
    passages += [InboundPassage(said, str(mail.sender), "attachment") for said in mail.invitations]
    for inner in mail.mails:
        passages += _inner(inner)
    passages += [InboundPassage(note, "Stoa", "attachment") for note in mail.notes]
    return Words(own, passages[:MAX_INNER_MAILS])


def _told(understood: Understood, threading: Threading) -> list[InboundPassage]:
    """The passages, but for a quote under the answer of what is known anyway."""
    if threading.answers_known and not understood.inline:
        return [one for one in understood.passages if one.kind != "quoted"]
    return list(understood.passages)


def _inner(mail: Mail) -> list[InboundPassage]:
    """A mail that is attached, as it was sent, and what is in it."""
    head = [("From", str(mail.sender)), ("To", ", ".join(str(box) for box in mail.to[:10]))]
    head += [("Date", mail.sent.isoformat() if mail.sent else mail.header("date")), ("Subject", mail.subject)]
    lines = "\n".join(f"{label}: {value}" for label, value in head if value)
    understood = understand(mail.text, mail.subject, answers=bool(mail.in_reply_to))
    found = [
        InboundPassage(f"{lines}\n\n{understood.new}".strip(), str(mail.sender), "forwarded"),
        *understood.passages,
    ]
    found += [InboundPassage(said, str(mail.sender), "attachment") for said in mail.invitations]
    for inner in mail.mails:
        found += _inner(inner)
    return found


def _files(found: FoundMail) -> tuple[File, ...]:
    return tuple(
        File(file.name, file.media_type, len(file.data), f"{number}:{found.place}")
        for number, file in enumerate(all_files(found.mail))
    )


def _about(found: FoundMail) -> tuple[tuple[str, str], ...]:
    """Facts about a mail that its atom keeps."""
    mail = found.mail
    facts: Sequence[tuple[str, str]] = (
        ("address", mail.sender.address),
        ("recipients", ", ".join(box.address for box in (*mail.to, *mail.cc)[:20])),
        ("folder", found.folder),
        ("message_id", mail.message_id),
        ("automatic", automatic(mail)),
        ("unsubscribe", mail.header("list-unsubscribe")),
    )
    return tuple((name, value[:500]) for name, value in facts if value)
