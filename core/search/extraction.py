"""The text in files: plain text in a thread, HTML and PDF in a process of its own, since anybody may have made them."""

import asyncio
import io
import logging
import sys

from core.atoms.atoms import Attachment
from core.confined import confine, run_confined
from core.errors import InvalidInput, NotFound
from core.search.encodings import charset_of_html, decoded
from core.store.files import FileDamaged, Files

PLAIN_TYPES = ("text/plain", "text/markdown", "text/csv", "application/json")
PARSED_TYPES = ("text/html", "application/xhtml+xml", "application/pdf")
NEVER_TEXT = ("image", "audio", "video", "font")
MAX_TEXT_CHARS = 2_000_000
"""Of one file; the rest is neither read nor searched."""
PARSE_SECONDS = 60
PARSE_MEMORY_BYTES = 2_000_000_000
"""Address space of the parser."""
PROBLEM_MARK = "\0"
"""Begins a kept text that is the reason why there is none; no text has it."""

NOT_TEXT = "It is not a text file, whatever its name says."
NO_TEXT_IN_KIND = "No text can be read from {media_type}; only plain text, HTML and PDF have text."
LOCKED = "It is locked with a password, so its text cannot be read. Remove the password and attach it again."
SCANNED = "Its pages have no text; it is probably a scan. Attach a version with text, or describe what it shows."
TORN = "It is damaged or cut off, so its text cannot be read. Attach the whole file again."
WITHOUT_TEXT = "The page has no text."
PROBLEMS = {11: LOCKED, 12: SCANNED, 13: TORN, 14: WITHOUT_TEXT, 15: NOT_TEXT}
"""The exit codes of the parser."""
EXIT_CODES = {problem: code for code, problem in PROBLEMS.items()}

log = logging.getLogger("stoa.files")


class Unreadable(InvalidInput):
    """A file whose text cannot be read, with the reason."""


class Texts:
    """The texts in kept files, each extracted once."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def read(self, attachment: Attachment) -> str:
        """The text in a file. Raises `Unreadable` with the reason, never empty text in its place."""
        kind = attachment.media_type.rpartition("/")[2]  # the same bytes may be called a page once and a text once
        text = await self._files.text(attachment.sha256, kind)
        if text is None:
            try:
                data = await self._files.get(attachment.sha256)
            except (NotFound, FileDamaged) as error:
                raise Unreadable(str(error)) from None  # it may be copied there yet, or brought back
            try:
                text = await text_in(attachment.media_type, data)
            except Unreadable as problem:
                text = f"{PROBLEM_MARK}{problem}"
            await self._files.keep_text(attachment.sha256, kind, text)
        if text.startswith(PROBLEM_MARK):
            raise Unreadable(f"{attachment.name}: {text.removeprefix(PROBLEM_MARK)}")
        return text

    async def found_in(self, attachment: Attachment) -> str:
        """The text as far as it can be searched; an unreadable file is logged."""
        if attachment.media_type not in (*PLAIN_TYPES, *PARSED_TYPES):
            return ""
        try:
            return await self.read(attachment)
        except Unreadable as problem:
            log.warning("%s", problem)
            return ""


async def text_in(media_type: str, data: bytes) -> str:
    if media_type in PARSED_TYPES:
        return _clean(await _parsed(media_type, data))
    may_be_text = media_type.partition("/")[0] not in NEVER_TEXT
    text = await asyncio.to_thread(decoded, data) if may_be_text else None
    if text is None:
        raise Unreadable(NOT_TEXT if media_type in PLAIN_TYPES else NO_TEXT_IN_KIND.format(media_type=media_type))
    return _clean(text)


async def _parsed(media_type: str, data: bytes) -> str:
    try:
        done = await run_confined("core.search.extraction:parse", media_type, data=data, seconds=PARSE_SECONDS)
    except TimeoutError:
        raise Unreadable(f"Reading the text took more than {PARSE_SECONDS} seconds, so I stopped.") from None
    if done.status:
        log.debug("The parser ended with %s: %s", done.status, done.complaint[-1000:])
        raise Unreadable(PROBLEMS.get(done.status, TORN))
    return done.output.decode("utf-8", "replace")


def parse(media_type: str) -> None:
    """The main function of the parser's process: a file on standard input, its text on standard output."""
    data = sys.stdin.buffer.read()
    confine(PARSE_SECONDS, PARSE_MEMORY_BYTES)
    try:
        text = _of_pdf(data) if media_type == "application/pdf" else _of_html(data)
    except Unreadable as problem:
        sys.exit(EXIT_CODES[str(problem)])
    sys.stdout.buffer.write(text[:MAX_TEXT_CHARS].encode("utf-8", "replace"))


def _of_pdf(data: bytes) -> str:
    from pypdf import PasswordType, PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise Unreadable(LOCKED)
    pages: list[str] = []
    for page in reader.pages:
        pages.append(page.extract_text())
        if sum(map(len, pages)) > MAX_TEXT_CHARS:
            break
    text = "\n\n".join(pages)
    if not text.strip():
        raise Unreadable(SCANNED)
    return text


def _of_html(data: bytes) -> str:
    from inscriptis import get_text

    page = decoded(data, charset_of_html(data))
    if page is None:
        raise Unreadable(NOT_TEXT)
    text = str(get_text(page)) if page.strip() else ""
    if data and not text.strip():
        raise Unreadable(WITHOUT_TEXT)
    return text


def _clean(text: str) -> str:
    return text[:MAX_TEXT_CHARS].replace("\x00", "").encode("utf-8", "replace").decode()
