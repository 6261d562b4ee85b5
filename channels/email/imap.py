"""One IMAP connection, wrapped once: imaplib2 with a checked certificate and a time limit on every command.

Everything in here blocks, so it is called in a thread of its own. A lost connection is a `ConnectionError`.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import imaplib2

from channels.contract import Unusable

COMMAND_SECONDS = 60.0
"""So long may a server take for one answer."""
IDLE_SECONDS = 600
"""An IDLE is renewed so often: routers forget connections on which nothing is said."""

NEWS_CODES = ("exists", "recent")
"""Untagged responses that tell of new mail."""
UID_IN_FETCH = re.compile(rb"\bUID (\d+)")
SIZE_IN_FETCH = re.compile(rb"\bRFC822\.SIZE (\d+)")
BODY_WITHOUT_LITERAL = re.compile(rb'BODY\[[^\]]*\](?:<\d+>)? "((?:[^"\\]|\\.)*)"', re.DOTALL)
LISTED = re.compile(rb'\(([^)]*)\) (?:"(?:[^"\\]|\\.)*"|NIL) (.+)')


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where a server of the mailbox is, and how it is spoken to."""

    host: str
    port: int
    login: str
    starttls: bool = False
    ca: str = ""
    """The path of certificates to trust, where the system's do not do."""
    seconds: float = COMMAND_SECONDS

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca or None)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A password, or a token of OAuth."""

    secret: str
    token: bool = False

    def xoauth2(self, login: str) -> str:
        return f"user={login}\x01auth=Bearer {self.secret}\x01\x01"


class CheckedIMAP(imaplib2.IMAP4_SSL):  # type: ignore[misc]
    """imaplib2 accepts every certificate by itself."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        super().__init__(server.host, server.port, timeout=server.seconds)

    def _print_log(self) -> None:
        """imaplib2 would print the last commands, the password among them, whenever a connection ends."""

    def open(self, host: str | None = None, port: int | None = None) -> None:
        self.host, self.port = self.server.host, self.server.port
        self.sock = self.open_socket()
        if self.server.starttls:
            self.read_fd = self.sock.fileno()
        else:
            self.ssl_wrap_socket()

    def open_socket(self) -> Any:
        return socket.create_connection((self.server.host, self.server.port), timeout=self.server.seconds)

    def read(self, size: int) -> bytes:
        return bytes(self.sock.recv(size))

    def ssl_wrap_socket(self) -> None:
        self.sock.settimeout(self.server.seconds)
        self.sock = self.server.tls().wrap_socket(self.sock, server_hostname=self.server.host)
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.read_fd = self.sock.fileno()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is selected."""

    name: str
    validity: int
    """UIDs hold for as long as this stays the same."""
    next_uid: int


class IMAPConnection:
    """A connection that is logged in."""

    def __init__(self, server: MailServer, credentials: Credentials, account: str) -> None:
        self._server = server
        self._account = account
        with lost_connections(server), ExitStack() as failed:
            self._imap = CheckedIMAP(server)
            failed.callback(self.close)
            if server.starttls:
                self._imap.starttls()
            self._login(credentials)
            if "ID" in self._imap.capabilities:
                self._imap.id("name", "Stoa")
            failed.pop_all()

    def _login(self, credentials: Credentials) -> None:
        login = self._server.login
        try:
            if credentials.token:
                self._imap.authenticate("XOAUTH2", lambda _: credentials.xoauth2(login))
            elif credentials.secret.isascii() or "AUTH=PLAIN" not in self._imap.capabilities:
                self._imap.login(quoted(login), credentials.secret)
            else:
                self._imap.authenticate("PLAIN", lambda _: f"\0{login}\0{credentials.secret}".encode())
        except imaplib2.IMAP4.abort:
            raise
        except imaplib2.IMAP4.error as error:
            why = _said(error)
            if re.search(r"UNAVAILABLE|try again|temporar|too many", why, re.IGNORECASE):
                raise ConnectionError(f"{self._server.host} lets nobody in at present: {why}") from None
            raise Unusable(
                f"{self._server.host} does not let {self._account} in as {login}: {why}. Many providers want an app "
                f"password. Fix it with `stoa setup {self._account}`."
            ) from None

    def close(self) -> None:
        """Leave; a command that is under way in another thread ends with an error."""
        with suppress(OSError, AttributeError, imaplib2.IMAP4.error):
            self._imap.shutdown()

    # Folders ---------------------------------------------------------------------------------------------------------

    def folders(self) -> dict[str, frozenset[str]]:
        """Every folder, with its special uses such as `\\Sent`."""
        found: dict[str, frozenset[str]] = {}
        for line in self._asked(self._imap.list):
            if isinstance(line, tuple):
                line = b" ".join(line)
            if listed := LISTED.match(line or b""):
                name = listed[2].strip()
                if name.startswith(b"{"):
                    name = name.partition(b"}")[2].strip()
                plain = name.strip(b'"').replace(b'\\"', b'"').replace(b"\\\\", b"\\").decode("utf-8", "replace")
                found[plain] = frozenset(use.decode("ascii", "replace") for use in listed[1].split())
        return found

    def select(self, name: str) -> Folder:
        """Look into a folder without changing anything in it; raises `Unusable` if it is not there."""
        with lost_connections(self._server):
            status, answer = self._imap.select(quoted(name), readonly=True)
            if status != "OK":
                there = ", ".join(sorted(self.folders())) or "none"
                raise Unusable(
                    f"{self._account} has no folder {name!r} ({_text(answer)}). There are: {there}. Set the option "
                    f"folders with `stoa setup {self._account} --option folders=INBOX`."
                )
            validity = self._number("UIDVALIDITY")
            next_uid = self._number("UIDNEXT")
        return Folder(name, validity, next_uid or max(self.uids_after(0), default=0) + 1)

    def _number(self, code: str) -> int:
        found = self._imap.response(code)[1]
        return int(found[-1]) if found and found[-1] else 0

    def uids_after(self, uid: int) -> list[int]:
        """The UIDs above this one, ascending."""
        return [one for one in self._search("UID", f"{uid + 1}:*") if one > uid]

    def uids_since(self, day: str) -> list[int]:
        """The UIDs of what came on this day (`01-Dec-2026`) or later, ascending."""
        return self._search("SINCE", day)

    def uids_of(self, message_id: str) -> list[int]:
        """The UIDs of the mails with this Message-ID in the folder."""
        return self._search("HEADER", "Message-ID", quoted(message_id))

    def _search(self, *criteria: str) -> list[int]:
        found = self._asked(self._imap.uid, "SEARCH", *criteria)
        return sorted({int(one) for line in found if line for one in line.split()})

    def changed(self) -> bool:
        """True if the server has told of new mail since this was last asked."""
        told = [self._imap.response(code)[1] for code in NEWS_CODES]  # both are taken out
        return any(answer not in ([None], None) for answer in told)

    def idle(self, seconds: int = IDLE_SECONDS) -> None:
        """Wait until something changes, or for so long."""
        if "IDLE" in self._imap.capabilities:
            self._asked(self._imap.idle, seconds)
        else:
            time.sleep(min(seconds, 30))
            self._asked(self._imap.noop)

    # Mails -----------------------------------------------------------------------------------------------------------

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """UID -> bytes, of those that are still there."""
        found: dict[int, int] = {}
        for line in self._fetched(uids, "(UID RFC822.SIZE)"):
            text = b" ".join(part for part in line if part) if isinstance(line, tuple) else line or b""
            uid, size = UID_IN_FETCH.search(text), SIZE_IN_FETCH.search(text)
            if uid and size:
                found[int(uid[1])] = int(size[1])
        return found

    def headers(self, uid: int) -> bytes | None:
        """The headers of a mail; None if it is gone."""
        return self._body(uid, "(UID BODY.PEEK[HEADER])")

    def mail(self, uid: int, limit: int) -> bytes | None:
        """A mail, its first `limit` bytes; None if it is gone. It stays unread."""
        return self._body(uid, f"(UID BODY.PEEK[]<0.{limit}>)")

    def _body(self, uid: int, what: str) -> bytes | None:
        rest = b""
        for part in self._fetched([uid], what):
            if isinstance(part, tuple):
                return bytes(part[1])
            rest += part or b""
        found = BODY_WITHOUT_LITERAL.search(rest)
        return re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL) if found else None

    def _fetched(self, uids: Sequence[int], what: str) -> list[Any]:
        return self._asked(self._imap.uid, "FETCH", ",".join(map(str, uids)), what)

    def append(self, folder: str, mail: bytes) -> None:
        """File a mail as read; raises `FolderFull`."""
        with lost_connections(self._server):
            status, answer = self._imap.append(quoted(folder), "(\\Seen)", None, mail)
        if status != "OK":
            raise FolderFull(_text(answer))

    def _asked(self, command: Callable[..., Any], *arguments: object) -> list[Any]:
        with lost_connections(self._server):
            status, answer = command(*arguments)
        if status != "OK":
            raise ConnectionError(f"{self._server.host} refuses a command: {_text(answer)}")
        return list(answer or [])


class FolderFull(Exception):
    """A mail could not be filed: the folder is full, or not there."""


def quoted(text: str) -> str:
    """A string as IMAP writes it."""
    bare = text.replace("\r", "").replace("\n", "").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{bare}"'


@contextmanager
def lost_connections(server: MailServer) -> Iterator[None]:
    """Turns imaplib2's and TLS's errors into ours."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Unusable(
            f"The certificate of {server.host} cannot be trusted: {error.verify_message}. Check the server's name, or "
            "name the certificate to trust with --option ca=PATH."
        ) from None
    except imaplib2.IMAP4.error as error:
        raise ConnectionError(f"The connection to {server.host} was lost: {_said(error)}") from None


def _said(error: Exception) -> str:
    told = error.args[0] if error.args else error
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)


def _text(answer: Any) -> str:
    parts = answer if isinstance(answer, list) else [answer]
    return " ".join(part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in parts if part)
