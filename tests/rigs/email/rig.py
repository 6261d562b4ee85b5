"""A mailbox with its servers, and the people who write to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from channels.accounts import Account
from channels.email.channel import Email
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets
from tests.rigs.email.certificates import certificate
from tests.rigs.email.imap import MailHost

ADDRESS = "helper@example.org"
OWNER_ADDRESS = "ada@example.com"
SERVER = "mx.example.org"
PASSWORD = "secret"


def authenticated(domain: str) -> str:
    """The header by which the owner's server vouches for a domain."""
    return f"{SERVER}; dkim=pass (2048-bit key) header.d={domain} header.s=s1; dmarc=pass header.from={domain}"


def mail_from(
    sender: str,
    text: str,
    subject: str = "",
    *,
    answers: EmailMessage | None = None,
    proven: bool = True,
    **headers: str,
) -> EmailMessage:
    """A mail as it lies in the mailbox."""
    mail = EmailMessage(policy=policy.SMTP)
    if proven:
        mail["Authentication-Results"] = authenticated(sender.rpartition("@")[2].rstrip(">"))
    mail["From"] = sender
    mail["To"] = headers.pop("To", ADDRESS)
    mail["Subject"] = subject or (f"Re: {answers['Subject']}" if answers else "")
    mail["Date"] = "Tue, 01 Dec 2026 09:00:00 +0100"
    mail["Message-ID"] = make_msgid(domain="people.example")
    if answers:
        mail["In-Reply-To"] = answers["Message-ID"]
        mail["References"] = f"{answers.get('References', '')} {answers['Message-ID']}".strip()
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


@dataclass
class MailRig:
    """The servers of one mailbox, and what was sent through them."""

    imap: MailHost = field(default_factory=lambda: MailHost(PASSWORD))
    sent: list[EmailMessage] = field(default_factory=list)
    refusal: str = ""
    """What the SMTP server answers to a mail, if it does not take it."""
    smtp_port: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refusal:
            return self.refusal
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.sent.append(mail)
        return "250 taken"

    def _lets_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object) -> AuthResult:
        good = isinstance(given, LoginPassword) and given.password == self.imap.password.encode()
        return AuthResult(success=good)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["MailRig"]:
        files = certificate()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.chain, files.key)
        loop = asyncio.get_running_loop()
        built = lambda: SMTP(self, authenticator=self._lets_in, auth_required=True, auth_require_tls=False)  # noqa: E731
        server = await loop.create_server(built, "localhost", 0, ssl=context)
        self.smtp_port = server.sockets[0].getsockname()[1]
        async with self.imap.serving():
            try:
                yield self
            finally:
                server.close()

    def account(self, **options: str) -> Account:
        known = {
            "address": ADDRESS,
            "imap": f"localhost:{self.imap.port}",
            "smtp": f"localhost:{self.smtp_port}",
            "authserv": SERVER,
            "ca": certificate().authority,
        }
        return Account(id="email", platform="email", options={**known, **options})

    def secrets(self, password: str = PASSWORD) -> Secrets:
        return Secrets({f"{SECRET_VARIABLE_PREFIX}EMAIL_PASSWORD": password})

    def channel(self, **options: str) -> Email:
        return Email(self.account(**options), self.secrets())

    async def arrives(self, mail: EmailMessage | bytes, folder: str = "INBOX") -> None:
        await self.imap.put(mail if isinstance(mail, bytes) else mail.as_bytes(), folder)

    async def until(self, fits: Callable[[], bool]) -> None:
        await self.imap.until(fits)

    async def answer(self, count: int = 1) -> EmailMessage:
        """The newest mail of ours, once there are so many."""
        await self.until(lambda: len(self.sent) >= count)
        return self.sent[count - 1]


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
