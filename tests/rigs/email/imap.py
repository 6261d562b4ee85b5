"""The smallest honest IMAP server: enough of IMAP4rev1 with IDLE, ID, SPECIAL-USE and XOAUTH2, and it can misbehave."""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from tests.rigs.email.certificates import certificate

LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n$")
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\((?:[^()]|\([^()]*\))*\))|(\S+)')


@dataclass
class StoredMail:
    """A mail in a folder."""

    uid: int
    raw: bytes
    seen: bool = False
    day: str = "01-Dec-2026"
    told_size: int = 0
    """Told in place of its real size, for a mail that would take long to send."""


@dataclass
class StoredFolder:
    """A folder of the mailbox."""

    validity: int = 1
    use: str = ""
    mails: list[StoredMail] = field(default_factory=list)
    uids: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def next_uid(self) -> int:
        return (self.mails[-1].uid if self.mails else 0) + 1


class MailHost:
    """One mailbox, and the server in front of it."""

    def __init__(self, password: str = "secret", token: str = "") -> None:
        self.password = password
        self.token = token
        self.folders = {"INBOX": StoredFolder(), "Sent": StoredFolder(use="\\Sent")}
        self.capabilities = "IMAP4rev1 IDLE UIDPLUS ID SPECIAL-USE AUTH=PLAIN AUTH=XOAUTH2"
        self.frozen = False
        """While true, no command is answered and nothing is told."""
        self.full = False
        self.commands: list[str] = []
        self.port = 0
        self.idling = 0
        self.logins = 0
        self._connections: set[asyncio.StreamWriter] = set()
        self._told = asyncio.Condition()

    async def put(self, raw: bytes, folder: str = "INBOX", day: str = "01-Dec-2026") -> int:
        """Let a mail arrive; answers its UID."""
        where = self.folders[folder]
        uid = next(where.uids)
        where.mails.append(StoredMail(uid, raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), day=day))
        async with self._told:
            self._told.notify_all()
        return uid

    def rebuild(self, folder: str = "INBOX") -> None:
        """Give every mail a new UID, as a server does that has lost its index."""
        where = self.folders[folder]
        where.validity += 1
        where.uids = count(100)
        for mail in where.mails:
            mail.uid = next(where.uids)

    def cut(self) -> None:
        """Break every connection."""
        for writer in list(self._connections):
            writer.transport.abort()

    async def until(self, fits: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(60):
            while not fits():
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["MailHost"]:
        files = certificate()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.chain, files.key)
        server = await asyncio.start_server(self._serve, "localhost", self.port, ssl=context, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        session = _Session(self, reader, writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            await session.run()
        self._connections.discard(writer)
        writer.transport.abort()

    async def thaw(self) -> None:
        self.frozen = False
        async with self._told:
            self._told.notify_all()

    async def _change(self, seconds: float) -> None:
        """Wait for something to happen, for so long at most."""
        async with self._told:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._told.wait()


class _Session:
    """One connection."""

    def __init__(self, host: MailHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._folder: StoredFolder | None = None
        self._known = 0

    async def run(self) -> None:
        self._say(f"* OK [CAPABILITY {self._host.capabilities}] ready")
        while line := await self._line():
            while self._host.frozen:
                await asyncio.sleep(0.01)
            tag, _, rest = line.partition(b" ")
            name, _, rest = rest.partition(b" ")
            command = name.decode().upper()
            if command == "UID":
                name, _, rest = rest.partition(b" ")
                command = f"UID {name.decode().upper()}"
            self._host.commands.append(f"{command} {rest[:80].decode('utf-8', 'replace')}".strip())
            words = [one[0] or one[1] or one[2] for one in WORD.findall(rest)]
            act = getattr(self, f"_{command.lower().replace(' ', '_')}", None)
            answer = await act(words) if act else "BAD unknown command"
            self._say(f"{tag.decode()} {answer}")
            if command == "LOGOUT":
                return
            await self._writer.drain()

    async def _line(self) -> bytes:
        line = b""
        while True:
            line += await self._reader.readline()
            literal = LITERAL.search(line)
            if not literal:
                return line.rstrip(b"\r\n")
            if not literal[2]:
                self._say("+ go on")
            data = await self._reader.readexactly(int(literal[1]))
            line = line[: literal.start()] + b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")

    async def _capability(self, words: list[bytes]) -> str:
        self._say(f"* CAPABILITY {self._host.capabilities}")
        return "OK done"

    async def _login(self, words: list[bytes]) -> str:
        self._host.logins += 1
        good = words[1].decode() == self._host.password
        return "OK in" if good else "NO [AUTHENTICATIONFAILED] Invalid credentials"

    async def _authenticate(self, words: list[bytes]) -> str:
        self._say("+ ")
        told = base64.b64decode(await self._reader.readline())
        self._host.logins += 1
        if self._host.token and f"auth=Bearer {self._host.token}\x01".encode() in told:
            return "OK in"
        return "NO [AUTHENTICATIONFAILED] token has expired"

    async def _id(self, words: list[bytes]) -> str:
        self._say("* ID NIL")
        return "OK done"

    async def _noop(self, words: list[bytes]) -> str:
        self._tell()
        return "OK done"

    async def _logout(self, words: list[bytes]) -> str:
        self._say("* BYE")
        return "OK bye"

    async def _list(self, words: list[bytes]) -> str:
        for name, folder in self._host.folders.items():
            self._say(f'* LIST (\\HasNoChildren{f" {folder.use}" if folder.use else ""}) "/" "{name}"')
        return "OK done"

    async def _examine(self, words: list[bytes]) -> str:
        folder = self._host.folders.get(words[0].decode())
        if folder is None:
            return "NO [NONEXISTENT] no such mailbox"
        self._folder, self._known = folder, len(folder.mails)
        self._say(f"* {self._known} EXISTS")
        self._say("* 0 RECENT")
        self._say(f"* OK [UIDVALIDITY {folder.validity}] valid")
        self._say(f"* OK [UIDNEXT {folder.next_uid}] next")
        return "OK [READ-ONLY] done"

    _select = _examine

    def _tell(self) -> bool:
        if self._folder is None or len(self._folder.mails) == self._known:
            return False
        self._known = len(self._folder.mails)
        self._say(f"* {self._known} EXISTS")
        return True

    async def _idle(self, words: list[bytes]) -> str:
        self._say("+ idling")
        await self._writer.drain()
        done = asyncio.ensure_future(self._reader.readline())
        self._host.idling += 1
        try:
            while not done.done():
                if not self._host.frozen and self._tell():
                    await self._writer.drain()
                change = asyncio.ensure_future(self._host._change(0.05))
                await asyncio.wait([done, change], return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
        finally:
            self._host.idling -= 1
            done.cancel()
        while self._host.frozen:
            await asyncio.sleep(0.01)
        return "OK done"

    async def _uid_search(self, words: list[bytes]) -> str:
        assert self._folder is not None
        found = [mail.uid for mail in self._folder.mails if _fits(mail, words, self._folder)]
        self._say(f"* SEARCH {' '.join(map(str, found))}".rstrip())
        return "OK done"

    async def _uid_fetch(self, words: list[bytes]) -> str:
        assert self._folder is not None
        wanted = {int(one) for one in words[0].split(b",")}
        what = words[1].decode().upper()
        for number, mail in enumerate(self._folder.mails, 1):
            if mail.uid in wanted:
                await self._send(number, mail, what)
        return "OK done"

    async def _send(self, number: int, mail: StoredMail, what: str) -> None:
        told = [f"UID {mail.uid}"]
        if "RFC822.SIZE" in what:
            told.append(f"RFC822.SIZE {mail.told_size or len(mail.raw)}")
        asked = re.search(r"BODY(\.PEEK)?\[(HEADER)?\](?:<0\.(\d+)>)?", what)
        if asked is None:
            self._say(f"* {number} FETCH ({' '.join(told)})")
            return
        mail.seen = mail.seen or not asked[1]
        data = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if asked[2] else mail.raw
        data = data[: int(asked[3])] if asked[3] else data
        name = f"BODY[{asked[2] or ''}]" + ("<0>" if asked[3] else "")
        self._say(f"* {number} FETCH ({' '.join(told)} {name} {{{len(data)}}}")
        self._writer.write(data + b")\r\n")
        await self._writer.drain()

    async def _append(self, words: list[bytes]) -> str:
        folder = self._host.folders.get(words[0].decode())
        if folder is None:
            return "NO [TRYCREATE] no such mailbox"
        if self._host.full:
            return "NO [OVERQUOTA] mailbox is full"
        raw = re.sub(rb"\\(.)", rb"\1", words[-1], flags=re.DOTALL)
        folder.mails.append(StoredMail(next(folder.uids), raw, seen=True))
        async with self._host._told:
            self._host._told.notify_all()
        return "OK [APPENDUID 1 1] done"


def _fits(mail: StoredMail, words: list[bytes], folder: StoredFolder) -> bool:
    match words:
        case [b"UID", spread]:
            low, _, high = spread.decode().partition(":")
            last = folder.mails[-1].uid
            end = last if high == "*" else int(high or low)
            return min(int(low), end) <= mail.uid <= max(int(low), end)
        case [b"SINCE", day]:
            return _ordinal(mail.day) >= _ordinal(day.decode())
        case [b"HEADER", b"Message-ID", id]:
            return id.lower() in mail.raw.partition(b"\r\n\r\n")[0].lower()
    return True


def _ordinal(day: str) -> tuple[int, int, int]:
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    number, month, year = day.split("-")
    return int(year), months.index(month), int(number)
