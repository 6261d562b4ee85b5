"""Mail as bytes becomes a `Mail`: who wrote to whom, the text, the files, the mails and invitations within.

Read by the standard library's lenient policy: `policy.default` raises on headers that real programs send, and takes
more than linear time on some that were made to hurt. Nothing in here raises on any bytes.
"""

import binascii
import hashlib
import logging
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value, getaddresses, parsedate_to_datetime

from channels.email.html import text_of_html
from channels.email.invitations import described
from channels.text import clean, one_line
from core.search.encodings import charset_of_html, decoded

MAX_HEADER_CHARS = 20_000
MAX_REFERENCES = 100
MAX_PARTS = 300
MAX_NESTED_MAILS = 6
MAX_BODY_CHARS = 400_000
"""Of a longer text the rest is not read."""
MAX_FILE_NAME_CHARS = 120

MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
READ_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, MessageError)
"""Errors that libraries raise on mails of no shape they know."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address."""

    name: str = ""
    address: str = ""
    """In lower case; empty where there is none that could be."""

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name and self.address else self.name or self.address


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file in a mail."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A server's word on what became of a mail."""

    failed: bool = False
    """True if it will not be tried again."""
    mail: str = ""
    """The Message-ID of the mail it is about."""
    reason: str = ""


@dataclass(slots=True)
class Mail:
    """One mail, read."""

    message_id: str = ""
    senders: tuple[Mailbox, ...] = ()
    """Everybody that its From names; a sound mail has one."""
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    subject: str = ""
    sent: datetime | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Every header by its name in lower case, on one line as it was written, the topmost first."""
    text: str = ""
    files: list[MailFile] = field(default_factory=list)
    mails: list["Mail"] = field(default_factory=list)
    """Mails that are attached to it."""
    invitations: list[str] = field(default_factory=list)
    """Appointments in it, described in lines."""
    report: DeliveryReport | None = None
    notes: list[str] = field(default_factory=list)
    """Sentences about what could not be read."""

    @property
    def sender(self) -> Mailbox:
        return self.senders[0] if self.senders else Mailbox()

    def header(self, name: str) -> str:
        """The topmost header of this name, as people read it; empty if there is none."""
        return decoded_header(next(iter(self.headers.get(name.casefold(), ())), ""))

    @property
    def id(self) -> str:
        """The same wherever and however often this mail is found."""
        sender = str(self.sender.address)
        told = "\n".join((self.message_id, sender, self.header("date"), self.header("subject")))
        return hashlib.blake2b(told.encode("utf-8", "replace"), digest_size=16).hexdigest()


def read_mail(raw: bytes, depth: int = 0) -> Mail:
    """The mail in these bytes, whatever they are."""
    message = message_from_bytes(raw, policy=policy.compat32)
    return _mail(message, depth)


def read_headers(raw: bytes) -> Mail:
    """A mail of which only the headers are given."""
    return _headed(message_from_bytes(raw, policy=policy.compat32))


def _mail(message: "Message", depth: int) -> Mail:
    mail = _headed(message)
    parts = _Parts(mail, depth)
    try:
        parts.take(message)
    except (*READ_ERRORS, RecursionError) as error:
        log.warning("a mail could only be read in part: %r", error)
        mail.notes.append("Part of this mail is damaged and could not be read.")
    mail.text = clean("\n\n".join(filter(None, parts.texts)))[:MAX_BODY_CHARS].strip("\n")
    return mail


def _headed(message: "Message") -> Mail:
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in message.raw_items():
        key = str(name).casefold()
        if len(headers.get(key, ())) < 50:
            headers[key] = (*headers.get(key, ()), unfolded(value))

    def first(name: str) -> str:
        return next(iter(headers.get(name, ())), "")

    return Mail(
        message_id=next(iter(MESSAGE_ID.findall(first("message-id"))), ""),
        senders=tuple(box for value in headers.get("from", ()) for box in mailboxes(value)),
        to=tuple(box for value in headers.get("to", ()) for box in mailboxes(value)),
        cc=tuple(box for value in headers.get("cc", ()) for box in mailboxes(value)),
        subject=one_line(decoded_header(first("subject")), 500),
        sent=moment(first("date")),
        in_reply_to=next(iter(MESSAGE_ID.findall(first("in-reply-to"))), ""),
        references=tuple(MESSAGE_ID.findall(first("references"))[-MAX_REFERENCES:]),
        headers=headers,
    )


# Headers ---------------------------------------------------------------------------------------------------------


def unfolded(value: object) -> str:
    """A header as it was written, on one line."""
    text = str(value)[:MAX_HEADER_CHARS].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(text.split())


def decoded_header(value: object) -> str:
    """A header as people read it, on one line; what it encodes in an unknown way stands as it is."""
    text = unfolded(value)
    if "=?" not in text:
        return text
    try:
        parts = decode_header(text)
    except (HeaderParseError, binascii.Error, *READ_ERRORS):
        return text
    return " ".join("".join(_decoded_word(word, charset) for word, charset in parts).split())


def _decoded_word(word: bytes | str, charset: str | None) -> str:
    if isinstance(word, str):
        return word
    return text_of_bytes(word, charset or "ascii")


def mailboxes(value: str) -> list[Mailbox]:
    """The names and addresses in a header as it was written; only names are decoded, after the addresses are found."""
    try:
        found = getaddresses([value[:MAX_HEADER_CHARS]])
    except READ_ERRORS:
        return [Mailbox(one_line(value, 200))]
    named = [(decoded_header(name), address.strip().lower()) for name, address in found[:500] if name or address]
    return [Mailbox(one_line(name, 200), address) for name, address in named]


def moment(value: str) -> datetime | None:
    """The time that a Date header names, with its zone."""
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).astimezone(at.tzinfo or UTC)
    except (*READ_ERRORS, OverflowError):
        return None


def text_of_bytes(data: bytes, charset: str) -> str:
    """Text in the charset that is named, or in the one it is really in."""
    try:
        return data.decode(charset)
    except (LookupError, ValueError):
        pass
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return decoded(data, charset) or data.decode("latin-1")


# Parts -----------------------------------------------------------------------------------------------------------


class _Parts:
    """Goes through the parts of one mail, and fills it."""

    def __init__(self, mail: Mail, depth: int) -> None:
        self.texts: list[str] = []
        self._mail = mail
        self._depth = depth
        self._count = 0

    def take(self, part: "Message", within: str = "") -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            if self._count == MAX_PARTS + 1:
                self._mail.notes.append(f"This mail has more than {MAX_PARTS} parts; I read the first {MAX_PARTS}.")
            return
        kind = _kind(part)
        if kind == "multipart/alternative" and part.is_multipart():
            self._alternative(part)
        elif kind == "message/rfc822" or (kind == "message/global" and part.is_multipart()):
            self._attached_mail(part)
        elif kind == "message/delivery-status":
            self._mail.report = _status(part, self._mail)
        elif part.is_multipart():
            for inner in _children(part):
                self.take(inner, kind)
        else:
            self._leaf(part, kind, within)

    def _alternative(self, part: "Message") -> None:
        """The best of several forms of one text; an invitation is never one of the worse."""
        forms = _children(part)
        plain = next((one for one in forms if _kind(one) == "text/plain"), None)
        for one in forms:
            if _kind(one) in ("text/calendar", "application/ics"):
                self._calendar(_data(one), _file_name(one))
        others = [one for one in forms if one is not plain and _kind(one) != "text/calendar"]
        said = self._text(plain) if plain is not None else ""
        if plain is not None and (not others or _says_enough(said)):
            self.texts.append(said)
            for one in others:
                self._files_of(one)
            return
        before = len(self.texts)
        for one in reversed(others):
            self.take(one)
            if any(text.strip() for text in self.texts[before:]):
                return
        if said:
            self.texts.append(said)

    def _files_of(self, part: "Message") -> None:
        """The files in a form that is not shown."""
        for one in part.walk():
            if not one.is_multipart() and _is_file(one, _kind(one)):
                self._leaf(one, _kind(one), "multipart/related")

    def _leaf(self, part: "Message", kind: str, within: str) -> None:
        name = _file_name(part)
        if kind in ("text/calendar", "application/ics") or name.lower().endswith(".ics"):
            self._calendar(_data(part), name or "invitation.ics")
        elif kind == "text/rfc822-headers":
            about = read_headers(_data(part)).message_id
            report = self._mail.report or DeliveryReport()
            self._mail.report = DeliveryReport(report.failed, report.mail or about, report.reason)
        elif kind in ("application/ms-tnef", "application/vnd.ms-tnef") or name.lower() == "winmail.dat":
            self._tnef(_data(part))
        elif kind in ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"):
            return
        elif kind in ("application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"):
            self._mail.notes.append("This mail is encrypted or sealed, so I cannot read it.")
        elif kind.startswith("text/") and not _is_file(part, kind):
            self.texts.append(self._text(part))
        elif not (kind.startswith("image/") and within == "multipart/related" and part.get("Content-ID")):
            self._mail.files.append(MailFile(name or _invented_name(kind, len(self._mail.files)), kind, _data(part)))

    def _text(self, part: "Message") -> str:
        data, kind = _data(part), _kind(part)
        charset = _charset(part)
        if kind == "text/html":
            page = text_of_bytes(data, charset or charset_of_html(data) or "utf-8")
            return text_of_html(page)
        text = text_of_bytes(data[: MAX_BODY_CHARS * 4], charset or "utf-8")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        flowed = str(part.get_param("format", "")).lower() == "flowed"
        return _unflowed(text, str(part.get_param("delsp", "")).lower() == "yes") if flowed else text

    def _calendar(self, data: bytes, name: str) -> None:
        said = described(data)
        if said and said not in self._mail.invitations:
            self._mail.invitations.append(said)
        if not any(file.data == data for file in self._mail.files):
            self._mail.files.append(MailFile(name or "invitation.ics", "text/calendar", data))

    def _attached_mail(self, part: "Message") -> None:
        inner = next(iter(_children(part)), None)
        if inner is None:  # encoded, which the standard forbids and programs do
            inner = message_from_bytes(_data(part), policy=policy.compat32)
        if self._mail.report is not None or _kind_of_report(self._mail):
            about = _headed(inner).message_id
            report = self._mail.report or DeliveryReport()
            self._mail.report = DeliveryReport(report.failed, report.mail or about, report.reason)
        elif self._depth >= MAX_NESTED_MAILS:
            self._mail.notes.append("Mails are attached within mails too deeply for me to read them all.")
        else:
            self._mail.mails.append(_mail(inner, self._depth + 1))

    def _tnef(self, data: bytes) -> None:
        """Unpack a winmail.dat, into which Outlook wraps text and files."""
        from tnefparse import TNEF

        try:
            wrapped = TNEF(data, do_checksum=False)
            body = wrapped.body or ""
            page = wrapped.htmlbody or ""
            files = [(one.long_filename() or one.name, one.data) for one in wrapped.attachments]
        except (*READ_ERRORS, struct.error, MemoryError) as error:
            log.info("a winmail.dat could not be read: %r", error)
            self._mail.files.append(MailFile("winmail.dat", "application/ms-tnef", data))
            return
        text = page if page else body
        text = text_of_bytes(text, "utf-8") if isinstance(text, bytes) else str(text)
        if text.strip() and not any(said.strip() for said in self.texts):
            self.texts.append(text_of_html(text) if page else text)
        for name, inner in files[:MAX_PARTS]:
            self._mail.files.append(MailFile(_checked_name(str(name)) or "file", _guessed(str(name)), bytes(inner)))


def _children(part: "Message") -> list["Message"]:
    inner = part.get_payload()
    return [one for one in inner if isinstance(one, Message)] if isinstance(inner, list) else []


def _kind(part: "Message") -> str:
    try:
        return part.get_content_type().lower()
    except READ_ERRORS:
        return "application/octet-stream"


def _charset(part: "Message") -> str:
    try:
        return part.get_content_charset() or ""
    except READ_ERRORS:
        return ""


def _data(part: "Message") -> bytes:
    try:
        data = part.get_payload(decode=True)
    except (*READ_ERRORS, binascii.Error):
        data = None
    return data if isinstance(data, bytes) else b""


def _is_file(part: "Message", kind: str) -> bool:
    disposition = str(part.get("Content-Disposition") or "").strip().lower()
    return disposition.startswith("attachment") or (bool(_file_name(part)) and kind not in ("text/plain", "text/html"))


def _file_name(part: "Message") -> str:
    try:
        told = part.get_param("filename", None, "content-disposition") or part.get_param("name", "", "content-type")
        name = decoded_header(collapse_rfc2231_value(told)) if told else ""
    except READ_ERRORS:
        name = ""
    return _checked_name(name)


def _checked_name(name: str) -> str:
    """A name without folders, controls and characters that turn the direction of others."""
    bare = one_line(name.replace("\\", "/").rpartition("/")[2].replace("\0", ""), 2 * MAX_FILE_NAME_CHARS).strip(". ")
    stem, dot, ending = bare.rpartition(".")
    if len(bare) > MAX_FILE_NAME_CHARS and dot and len(ending) <= 10:
        return f"{stem[: MAX_FILE_NAME_CHARS - len(ending) - 1]}.{ending}"
    return bare[:MAX_FILE_NAME_CHARS]


def _guessed(name: str) -> str:
    from mimetypes import guess_type

    return guess_type(name)[0] or "application/octet-stream"


def _invented_name(kind: str, number: int) -> str:
    from mimetypes import guess_extension

    return f"file-{number + 1}{guess_extension(kind) or ''}"


def _says_enough(text: str) -> bool:
    """False for a text that only says that the mail should be read as HTML."""
    said = " ".join(text.split()).casefold()
    return len(said) > 160 or (bool(said) and not ("html" in said and ("view" in said or "support" in said)))


def _unflowed(text: str, joined: bool) -> str:
    """Lines that `format=flowed` has broken, put together again."""
    lines: list[str] = []
    open_line = False
    for line in text.split("\n"):
        quoted = line.startswith(">")
        stuffed = line[1:] if line.startswith(" ") and not quoted else line
        if open_line and not quoted and stuffed.rstrip("\n") != "-- " and lines and not lines[-1].startswith(">"):
            lines[-1] += stuffed
        else:
            lines.append(stuffed)
        open_line = stuffed.endswith(" ") and stuffed != "-- " and not quoted
        if open_line and joined:
            lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _kind_of_report(mail: Mail) -> bool:
    return "report-type=delivery-status" in mail.header("content-type").replace('"', "").lower()


def _status(part: "Message", mail: Mail) -> DeliveryReport:
    """The delivery report, about the last recipient that failed."""
    failed, reason = False, ""
    for inner in _children(part):
        action = str(inner.get("Action") or "").strip().lower()
        status = str(inner.get("Status") or "").strip()
        if action == "failed" or status.startswith("5"):
            failed = True
            who = decoded_header(inner.get("Final-Recipient") or inner.get("Original-Recipient") or "")
            why = decoded_header(inner.get("Diagnostic-Code") or status)
            reason = one_line(f"{who.rpartition(';')[2].strip()} cannot be reached: {why}", 300)
    known = mail.report or DeliveryReport()
    return DeliveryReport(failed or known.failed, known.mail, reason or known.reason)


def all_files(mail: Mail) -> Iterator[MailFile]:
    """The files of a mail and of the mails that are attached to it, always in the same order."""
    yield from mail.files
    for inner in mail.mails:
        yield from all_files(inner)
