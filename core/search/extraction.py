"""The text in files: plain text at once, HTML and PDF in a process of its own, since anybody may have written them."""

import asyncio
import logging
import resource
import sys

from core.atoms.atoms import Attachment
from core.errors import InvalidInput, NotFound
from core.store.files import FileDamaged, Files

PLAIN_TYPES = ("text/plain", "text/markdown", "text/csv", "application/json")
PARSED_TYPES = ("text/html", "application/xhtml+xml", "application/pdf")
MAX_TEXT_CHARS = 2_000_000
"""Characters of one file that are searched; what follows is not."""
PARSE_SECONDS = 60
"""Seconds one file may take."""
PARSE_MEMORY_BYTES = 2_000_000_000
"""Bytes of address space a parser may use."""

log = logging.getLogger("stoa.files")


class Texts:
    """The texts in kept files, each looked for once."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def of(self, attachment: Attachment) -> str:
        """The text in a file; empty where there is none, or the file is damaged, which is logged once."""
        if attachment.media_type not in (*PLAIN_TYPES, *PARSED_TYPES):
            return ""
        kind = attachment.media_type.rpartition("/")[2]  # the same bytes may be called a page once and a text once
        known = await self._files.text(attachment.sha256, kind)
        if known is not None:
            return known
        try:
            text = await text_in(attachment.media_type, await self._files.get(attachment.sha256))
        except (NotFound, FileDamaged) as error:
            log.warning("%s: %s", attachment.name, error)
            return ""  # it may be copied there yet, or brought back
        except InvalidInput as error:
            log.warning("%s: %s", attachment.name, error)
            text = ""
        await self._files.keep_text(attachment.sha256, kind, text)
        return text


async def text_in(media_type: str, data: bytes) -> str:
    """The text of a file; empty where there is none to be found in such files.

    Raises `InvalidInput` for a file that is damaged or takes too long.
    """
    if media_type in PLAIN_TYPES:
        return _clean(data.decode("utf-8-sig", "replace"))
    if media_type not in PARSED_TYPES:
        return ""
    parser = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _program(), media_type),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    try:
        async with asyncio.timeout(PARSE_SECONDS):
            text, complaint = await parser.communicate(data)
    except TimeoutError:
        raise InvalidInput(f"Reading the text took more than {PARSE_SECONDS} seconds, so it was given up.") from None
    finally:
        if parser.returncode is None:
            parser.kill()
            await parser.wait()
    if parser.returncode:
        why = complaint.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        raise InvalidInput(f"The file is damaged, so its text cannot be read ({why or 'the parser was ended'}).")
    return _clean(text.decode("utf-8", "replace"))


def parse(media_type: str) -> None:
    """Write the text of the file on standard input to standard output; what runs in the process of its own."""
    data = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_CPU, (PARSE_SECONDS, PARSE_SECONDS))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (PARSE_MEMORY_BYTES, PARSE_MEMORY_BYTES))
    text = _of_pdf(data) if media_type == "application/pdf" else _of_html(data)
    sys.stdout.buffer.write(text[:MAX_TEXT_CHARS].encode("utf-8", "replace"))


def _of_pdf(data: bytes) -> str:
    import io
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    pages: list[str] = []
    for page in PdfReader(io.BytesIO(data)).pages:
        pages.append(page.extract_text())
        if sum(map(len, pages)) > MAX_TEXT_CHARS:
            break
    return "\n\n".join(pages)


def _of_html(data: bytes) -> str:
    from inscriptis import get_text

    return str(get_text(data.decode("utf-8", "replace")))


def _program() -> str:
    """The parser's program: the same packages as ours, and no more of our environment."""
    return f"import sys; sys.path[:] = {sys.path!r}; from core.search.extraction import parse; parse(sys.argv[1])"


def _clean(text: str) -> str:
    return text[:MAX_TEXT_CHARS].replace("\x00", "").encode("utf-8", "replace").decode()
