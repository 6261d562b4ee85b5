"""Composes the mails we write: text and HTML, in the thread, marked so that no program answers them."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from channels.contract import Undeliverable
from channels.email.authentication import ADDRESS
from channels.email.loops import HOPS_HEADER
from channels.email.quoting import bare_subject
from channels.email.settings import MailSettings
from channels.email.threads import Thread
from channels.markdown import html
from channels.people.pairing import CODE_ALPHABET
from channels.text import one_line
from core.trust.approvals import Choice

MAX_SUBJECT_CHARS = 90
CODE_CHARS = 8
ONE_TIME_CODE = re.compile(rf"\b([{CODE_ALPHABET}]{{4}})-?([{CODE_ALPHABET}]{{4}})\b")
IMAGE = re.compile(r'<img src="([^"]*)" alt="([^"]*)"(?: title="[^"]*")? />')
PAGE = '<!DOCTYPE html>\n<html><body style="font-family: sans-serif">\n{body}\n</body></html>\n'
DEFAULT_SUBJECT = "A message from your assistant"


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be composed."""

    thread: Thread
    text: str
    """Markdown."""
    message_id: str
    choices: Sequence[Choice] = ()
    code: str = ""
    """The one-time code by which a choice is made."""
    files: Sequence[tuple[str, str, bytes]] = field(default=())
    """Name, media type, bytes."""


def message_id(secret: bytes, key: str, domain: str) -> str:
    """The Message-ID of the mail with this key, always the same."""
    return f"<stoa.{hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()[:40]}@{domain}>"


def one_time_code(secret: bytes, question: str) -> str:
    """The code that answers this very question, spelled as `KXQM-7TPZ`."""
    number = int.from_bytes(hmac.new(secret, f"answer {question}".encode(), hashlib.sha256).digest())
    letters = []
    for _ in range(CODE_CHARS):
        number, letter = divmod(number, len(CODE_ALPHABET))
        letters.append(CODE_ALPHABET[letter])
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


def compose(draft: Draft, settings: MailSettings) -> EmailMessage:
    """The mail, ready to be sent; raises `Undeliverable` for an address that cannot be one."""
    thread = draft.thread
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(settings.address, settings.name or "Stoa")
    mail["To"] = _address(thread.to)
    mail["Subject"] = subject_of(draft)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = draft.message_id
    if thread.references:
        mail["In-Reply-To"] = thread.references[-1]
        mail["References"] = " ".join(thread.references)
    mail["Auto-Submitted"] = "auto-replied" if thread.references else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail[HOPS_HEADER] = str(thread.hops + 1)
    mail.set_content(_plain(draft, settings))
    mail.add_alternative(_page(draft, settings), subtype="html")
    for name, media_type, data in draft.files:
        kind, _, subkind = media_type.partition("/")
        mail.add_attachment(data, maintype=kind or "application", subtype=subkind or "octet-stream", filename=name)
    return mail


def _address(address: str, name: str = "") -> Address:
    if not ADDRESS.fullmatch(address):
        raise Undeliverable(f"{one_line(address, 100)!r} is not an email address")
    return Address(one_line(name, 80), addr_spec=address)


def subject_of(draft: Draft) -> str:
    """The thread's subject; of a new thread the first line of the text."""
    if draft.thread.references and draft.thread.subject:
        return f"Re: {bare_subject(draft.thread.subject)}"[:400]
    if draft.thread.subject:
        return one_line(draft.thread.subject, MAX_SUBJECT_CHARS)
    first = next((line for line in draft.text.splitlines() if line.strip(" #*_>`-")), "")
    return one_line(re.sub(r"[#*_`>]+", "", first).strip(), MAX_SUBJECT_CHARS) or DEFAULT_SUBJECT


def _plain(draft: Draft, settings: MailSettings) -> str:
    parts = [draft.text.strip(), _answers(draft)]
    if settings.signature:
        parts.append(f"-- \n{settings.signature}")
    parts.append("\n".join(f"> {line}" for line in draft.thread.quote))
    return "\n\n".join(part for part in parts if part) + "\n"


def _page(draft: Draft, settings: MailSettings) -> str:
    """The text as HTML. Images are named and not shown: a page that is opened should tell nobody."""
    body = html(draft.text) + html(_answers(draft))
    body = IMAGE.sub(r"\2 (\1)", body)
    if settings.signature:
        body += html(f"\n\n---\n\n{settings.signature}")
    return PAGE.format(body=body)


def _answers(draft: Draft) -> str:
    """The lines that answer a question, each with the code."""
    if not draft.choices:
        return ""
    ways = "\n".join(f"- `{number} {draft.code}`: {choice.label}" for number, choice in enumerate(draft.choices, 1))
    return f"Answer this mail with one of these lines; the code counts for this question only:\n\n{ways}"
