"""Hands mails over to the owner's server for sending."""

import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import aiosmtplib

from channels.contract import Later, Undeliverable, Unusable
from channels.email.imap import Credentials, MailServer

CALL_SECONDS = 60.0
BUSY_SECONDS = 30.0
"""A server that refuses for now is asked again after so long."""


class Outgoing:
    """The server that sends for one account."""

    def __init__(self, server: MailServer, account: str, credentials: Callable[[], Awaitable[Credentials]]) -> None:
        self._server = server
        self._account = account
        self._credentials = credentials

    async def check(self) -> None:
        """Log in, and send nothing; raises as `send` does."""
        with self._errors():
            async with self._client() as client:
                await self._login(client)

    async def send(self, mail: EmailMessage) -> None:
        """Raises `Undeliverable`, `Later`, `Unusable`, or an `OSError` where the server cannot be reached."""
        with self._errors():
            async with self._client() as client:
                await self._login(client)
                await client.send_message(mail)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=not server.starttls,
            start_tls=server.starttls,
            tls_context=server.tls(),
            timeout=CALL_SECONDS,
        )

    async def _login(self, client: aiosmtplib.SMTP) -> None:
        credentials = await self._credentials()
        if credentials.token:
            await client.auth_xoauth2(self._server.login, credentials.secret)
        else:
            await client.login(self._server.login, credentials.secret)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns aiosmtplib's errors into ours."""
        host = self._server.host
        try:
            yield
        except aiosmtplib.SMTPAuthenticationError as error:
            raise self._refused(error.code, error.message) from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            raise _answered(first.code, f"{first.recipient}: {first.message}") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _answered(error.code, error.message) from None
        except aiosmtplib.SMTPException as error:
            if isinstance(cause := error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
                raise Unusable(
                    f"The certificate of {host} cannot be trusted: {cause.verify_message}. Check the option smtp."
                ) from None
            raise ConnectionError(f"{host} cannot be reached: {error}") from None

    def _refused(self, code: int, why: str) -> Exception:
        if code < 500:
            return ConnectionError(f"{self._server.host} lets nobody in at present: {why}")
        return Unusable(
            f"{self._server.host} does not let {self._account} send as {self._server.login}: {why}. Many providers "
            f"want an app password. Fix it with `stoa setup {self._account}`."
        )


def _answered(code: int, why: str) -> Exception:
    """A refusal as our error: 4xx passes, 5xx stays; a full mailbox is told as such."""
    said = " ".join(why.split())[:300]
    if code == 552 or "quota" in said.lower() or "mailbox full" in said.lower():
        return Undeliverable(f"the mailbox there is full, or the mail too large ({code} {said})")
    return Later(BUSY_SECONDS) if code < 500 else Undeliverable(f"the mail server refuses it ({code} {said})")
