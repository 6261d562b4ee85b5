"""Email as a channel: mail read over IMAP while it arrives, answered over SMTP in its thread."""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from channels.accounts import Account, Token
from channels.contract import File, InboundMessage, OutboundMessage, Undeliverable, Unusable
from channels.email.authentication import ADDRESS
from channels.email.folders import MAX_MAIL_BYTES, RECONNECT_SECONDS, FolderReader, FoundMail, Reading, begin_now
from channels.email.imap import IDLE_SECONDS, Credentials, Folder, FolderFull, IMAPConnection
from channels.email.mime import Mail, all_files, read_mail
from channels.email.oauth import OAuthApp, Tokens
from channels.email.reading import inbound
from channels.email.settings import MailSettings, check_options, mail_settings
from channels.email.smtp import Outgoing
from channels.email.threads import Threads
from channels.email.writing import ONE_TIME_CODE, Draft, compose, message_id, one_time_code
from channels.markdown import Dialect, Markdown
from channels.people.pairing import spelled
from channels.state import AccountState, PassingState
from core.errors import NotFound
from core.secrets.secrets import Secrets
from core.trust.approvals import Choice, pick

MAX_THREAD_MAILS = 20
THREAD_WINDOW_SECONDS = 3_600.0
"""So many mails go out in one thread within so long: two programs that answer each other end here."""
CODE_MISSING = "I take an answer to that question only with its code. Please answer with one of the lines under it."
NO_AUTHSERV = (
    "{name} has no option authserv, so no mail counts as yours: Stoa reads the mail and obeys none of it. Look for "
    "Authentication-Results in the headers of a mail you got; its first word is the name. Set it with `stoa setup "
    "{name} --option authserv=NAME`."
)
NO_SENT = (
    "{name} has no folder for sent mail, so no copies are filed. Name one with `stoa setup {name} --option sent=NAME`."
)

Connect = Callable[[], IMAPConnection]

log = logging.getLogger(__name__)


class Email:
    """One mailbox. Its secret is PASSWORD, or with `auth=xoauth2` REFRESH_TOKEN and CLIENT_SECRET.

    A person's conversation is their address, a thread in it `address/thread`; a message is its Message-ID.
    """

    dialect: Dialect = Markdown()
    idle_seconds = IDLE_SECONDS

    def __init__(self, account: Account, secrets: Secrets) -> None:
        self.name = account.id
        self.notes: tuple[str, ...] = ()
        self._account = account
        self._secrets = secrets
        self._settings: MailSettings = mail_settings(account.options)
        self.keep_in(PassingState())
        self._tokens: Tokens | None = None
        self._outgoing = Outgoing(self._settings.smtp, account.id, self._credentials)
        self._sent_folder = ""
        self._sent_at: dict[str, deque[float]] = defaultdict(partial(deque, maxlen=MAX_THREAD_MAILS))
        self._last_read: tuple[str, Mail] = ("", Mail())

    @staticmethod
    def tokens(options: Mapping[str, str]) -> tuple[Token, ...]:
        """The secrets that `stoa setup` asks for; raises `InvalidInput` for unknown options."""
        check_options(options)
        if options.get("auth") == "xoauth2":
            return Token("REFRESH_TOKEN", "Refresh token of OAuth"), Token("CLIENT_SECRET", "Client secret (or `none`)")
        return (Token("PASSWORD", "Password of the mailbox (with many providers an app password)"),)

    def keep_in(self, state: AccountState) -> None:
        self._state = state
        self._threads = Threads(state)

    # Connecting -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._secret = await self._state.secret()
        if self._settings.oauth_url:
            secret = self._value("CLIENT_SECRET")
            app = OAuthApp(
                self._settings.oauth_url,
                self._settings.oauth_client,
                "" if secret == "none" else secret,
                self._value("REFRESH_TOKEN"),
            )
            self._tokens = Tokens(self.name, app)
        attempt = 0
        while True:
            try:
                await self._introduce()
                return self
            except OSError as error:
                log.warning("%s cannot reach its mail server: %s", self.name, error)
                await asyncio.sleep(RECONNECT_SECONDS[min(attempt, len(RECONNECT_SECONDS) - 1)])
                attempt += 1

    def _value(self, name: str) -> str:
        try:
            return self._secrets.value(self._account.secret(name))
        except NotFound as error:
            raise Unusable(f"{self.name} cannot log in to its mailbox. {error}") from None

    async def _credentials(self) -> Credentials:
        return await self._tokens.credentials() if self._tokens else Credentials(self._value("PASSWORD"))

    async def _connect(self) -> Connect:
        return partial(IMAPConnection, self._settings.imap, await self._credentials(), self.name)

    async def _introduce(self) -> None:
        """See that the mailbox can be used; raises `Unusable`."""
        connect = await self._connect()
        for folder in await asyncio.to_thread(self._look_around, connect):
            await begin_now(self._state, folder, self._settings.days)
        await self._outgoing.check()

    def _look_around(self, connect: Connect) -> list[Folder]:
        """The folders as they are now; learns where sent mail is filed."""
        with closing(connect()) as connection:
            folders = connection.folders()
            self._choose_sent(folders)
            return [connection.select(name) for name in self._folders]

    @property
    def _folders(self) -> list[str]:
        return list(dict.fromkeys([*self._settings.folders, *filter(None, [self._sent_folder])]))

    def _choose_sent(self, folders: Mapping[str, frozenset[str]]) -> None:
        marked = next((name for name, uses in folders.items() if "\\Sent" in uses), "")
        usual = next((name for name in ("Sent", "INBOX.Sent", "Sent Items") if name in folders), "")
        wanted = self._settings.sent
        self._sent_folder = "" if wanted == "none" else wanted or marked or usual
        notes = [NO_AUTHSERV] if not self._settings.authserv else []
        notes += [NO_SENT] if not self._sent_folder and wanted != "none" else []
        self.notes = tuple(note.format(name=self.name) for note in notes)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    # What people write ------------------------------------------------------------------------------------------------

    async def listen(self) -> AsyncIterator[InboundMessage]:
        """Each mail of every folder, the next once the one before is taken."""
        found: asyncio.Queue[tuple[InboundMessage, asyncio.Event]] = asyncio.Queue(1)
        readers = [asyncio.create_task(self._read(name, found), name=f"{self.name} {name}") for name in self._folders]
        getting: asyncio.Future[tuple[InboundMessage, asyncio.Event]] | None = None
        try:
            while True:
                getting = asyncio.ensure_future(found.get())
                await asyncio.wait([getting, *readers], return_when=asyncio.FIRST_COMPLETED)
                for reader in readers:
                    if reader.done():
                        reader.result()  # it ends by an error only, and so does this
                message, taken = await getting
                yield message
                taken.set()
        finally:
            if getting:
                getting.cancel()
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self, folder: str, found: "asyncio.Queue[Any]") -> None:
        async def take(one: FoundMail) -> None:
            message = await self._message(one)
            if message is not None:
                taken = asyncio.Event()
                await found.put((message, taken))
                await taken.wait()

        reading = Reading(self.name, folder, self._connect, take, self._settings.days, self.idle_seconds)
        await FolderReader(reading, self._state).run()

    async def _message(self, found: FoundMail) -> InboundMessage | None:
        """The mail as a message; None for one of ours."""
        mail = found.mail
        if await self._threads.ours([mail.message_id]):
            return None
        if (report := mail.report) and report.failed and (ours := await self._threads.ours([report.mail])):
            return InboundMessage(ours["to"], ours["to"], report.reason, mail.id, kind="lost")
        threading = await self._threads.place(mail)
        message = inbound(found, self._settings, threading)
        self._last_read = (found.place, mail)
        if not message.sender:
            return message
        await self._threads.heard(message.conversation, mail, message.text)
        return await self._as_answer(message, mail)

    async def _as_answer(self, message: InboundMessage, mail: Mail) -> InboundMessage | None:
        """The message as a choice if it answers a question with its code, or as a code that links an account."""
        lines = [line.strip() for line in message.text.splitlines() if line.strip()]
        if code := next((line for line in lines[:3] if spelled(line)), ""):
            return replace(message, text=code, passages=())
        asked = await self._threads.ours([mail.in_reply_to])
        if not asked or not asked.get("choices") or not lines:
            return message
        choices = [Choice(id, label) for id, label in asked["choices"]]
        said = next((line for line in lines if ONE_TIME_CODE.search(line.upper())), "")
        given = ONE_TIME_CODE.search(said.upper())
        expected = one_time_code(self._secret, asked["key"])
        bare = [Choice(one.id.partition(":")[2], one.label) for one in choices]
        word = ONE_TIME_CODE.sub("", said.upper()).strip(" `:.-") if given else lines[0]
        chosen = pick(word, bare) or (pick(lines[0], bare) if given else None)
        if chosen is None:
            return replace(message, reply_to="")
        if not given or f"{given[1]}-{given[2]}" != expected:
            await self.send(OutboundMessage(message.conversation, CODE_MISSING))
            return None
        return replace(message, choice=choices[bare.index(chosen)].id, text="", passages=(), passing=True)

    # What we write ----------------------------------------------------------------------------------------------------

    async def send(self, message: OutboundMessage) -> str:
        return await self._deliver(message)

    async def send_file(self, conversation: str, name: str, media_type: str, data: bytes, key: str) -> str:
        return await self._deliver(OutboundMessage(conversation, f"`{name}`", key), ((name, media_type, data),))

    async def _deliver(self, message: OutboundMessage, files: tuple[tuple[str, str, bytes], ...] = ()) -> str:
        if not ADDRESS.fullmatch(message.conversation.partition("/")[0]):
            raise Undeliverable(f"{message.conversation!r} is not an email address")
        self._count(message.conversation)
        thread = await self._threads.get(message.conversation)
        id = message_id(self._secret, f"{message.conversation} {message.key or time.time_ns()}", self._settings.domain)
        code = one_time_code(self._secret, message.key) if message.choices else ""
        draft = Draft(thread, message.text, id, message.choices, code, files)
        mail = compose(draft, self._settings)
        await self._outgoing.send(mail)
        await self._threads.said(message, thread, id)
        await self._file(bytes(mail), id)
        return id

    def _count(self, conversation: str) -> None:
        """Raises `Undeliverable` where so much was sent of late that something must be going in circles."""
        sent, now = self._sent_at[conversation], time.monotonic()
        if len(sent) == MAX_THREAD_MAILS and now - sent[0] < THREAD_WINDOW_SECONDS:
            raise Undeliverable(f"I've sent {MAX_THREAD_MAILS} mails in this thread within an hour, so I stopped")
        sent.append(now)

    async def _file(self, mail: bytes, id: str) -> None:
        """File a copy, unless the server has done so by itself; the mail is sent in any case."""
        if not self._sent_folder:
            return
        try:
            await asyncio.to_thread(self._append, await self._connect(), mail, id)
        except (OSError, FolderFull, Unusable) as error:
            log.warning("%s could not file a sent mail: %s", self.name, error)

    def _append(self, connect: Connect, mail: bytes, id: str) -> None:
        with closing(connect()) as connection:
            connection.select(self._sent_folder)
            if not connection.uids_of(id):
                connection.append(self._sent_folder, mail)

    async def find(self, message: OutboundMessage) -> str | None:
        """Known by the note of it, or found among the sent mail by its Message-ID, which follows from its key."""
        if not message.key:
            return None
        id = message_id(self._secret, f"{message.conversation} {message.key}", self._settings.domain)
        if await self._threads.ours([id]):
            return id
        if not self._sent_folder:
            return None
        filed = await asyncio.to_thread(self._is_filed, await self._connect(), id)
        return id if filed else None

    def _is_filed(self, connect: Connect, id: str) -> bool:
        with closing(connect()) as connection:
            connection.select(self._sent_folder)
            return bool(connection.uids_of(id))

    async def direct(self, person: str) -> str:
        if not ADDRESS.fullmatch(person):
            raise Undeliverable(f"{person!r} is not an email address")
        return person

    # Files ------------------------------------------------------------------------------------------------------------

    async def read(self, file: File) -> bytes:
        """The bytes of a file, read again from where its mail lies."""
        number, _, place = file.place.partition(":")
        if self._last_read[0] != place:
            self._last_read = (place, await self._mail_at(place))
        found = list(all_files(self._last_read[1]))
        if int(number) >= len(found):
            raise Undeliverable(f"the mail with {file.name} is not there any more")
        return found[int(number)].data

    async def _mail_at(self, place: str) -> Mail:
        validity, uid, id, folder = place.split(":", 3)
        connect = await self._connect()

        def fetch() -> bytes | None:
            with closing(connect()) as connection:
                moved = connection.select(folder).validity != int(validity)
                return None if moved else connection.mail(int(uid), MAX_MAIL_BYTES)

        raw = await asyncio.to_thread(fetch)
        mail = await asyncio.to_thread(read_mail, raw) if raw else Mail()
        return mail if mail.id == id else Mail()
