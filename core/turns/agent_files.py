"""The files that atoms carry, as agents' code has them: it puts texts as files and reads the text in files."""

from collections.abc import Callable, Mapping

from core.atoms.atoms import Atom, Origin, References, Value
from core.atoms.permissions import Permission
from core.errors import InvalidInput, PermissionDenied
from core.search.extraction import Texts
from core.spaces.attachments import Attachments, attachment_named, checked_name
from core.spaces.spaces import Space

MAX_FILES_PER_PUT = 10
MAX_PUT_BYTES = 5_000_000
"""All files of one put together."""
MAX_READ_CHARS = 100_000
"""So much of a file is read at once."""


class AgentFiles:
    """The files of a space. Agents' code cannot name one by its hash, and passes text only."""

    def __init__(self, space: Space, attachments: Attachments, piece: Callable[[str, int, int], str]) -> None:
        """`piece` cuts a text from one character to another without showing half of a secret."""
        self._space = space
        self._attachments = attachments
        self._piece = piece

    async def put(
        self,
        content: str,
        *,
        comment: str = "",
        metadata: Mapping[str, Value] | None = None,
        references: References | None = None,
        files: Mapping[str, str] | None = None,
        operation: str = "",
    ) -> Atom:
        """Add an atom; needs append. Without a comment its first words stand for one. It carries the `files`, texts by
        their names ({"report.csv": "name,amount\\nAna,7"}), 5 MB in all; one that you put into a chat goes to the
        person with the message."""
        texts = _checked(files or {})
        if texts and (held := await self._space.permission()) < Permission.APPEND:  # nothing is kept for nobody
            raise PermissionDenied(f"This needs append, you hold {held}. Whoever holds grant there can give it.")
        await self._space.check_room(sum(map(len, texts.values())))
        carried = [await self._attachments.keep(name, data) for name, data in texts.items()]
        return await self._space.put(
            content,
            comment=comment,
            metadata=metadata,
            references=references,
            operation=operation,
            attachments=carried,
        )

    async def read(self, id: str, name: str, start: int = 0) -> str:
        """The text in a file that an atom carries (plain text, HTML or PDF), by its name as in atom.attachments; at
        most 100,000 characters, from character `start` on; needs read."""
        if not isinstance(start, int) or isinstance(start, bool) or start < 0:
            raise InvalidInput(f"start is {start!r}; give the position of the character to begin with, 0 for the first")
        atom = await self._space.get(id)
        text = await Texts(self._attachments.files).read(attachment_named(atom, name))
        if (label := self._space.actor.label) and atom.origin is not Origin.AGENT:  # anybody may have written a file
            label.heard(f"a file of {atom.ref}")
        return self._piece(text, start, start + MAX_READ_CHARS)


def _checked(files: object) -> dict[str, bytes]:
    if not isinstance(files, Mapping) or not all(isinstance(text, str) for text in files.values()):
        raise InvalidInput('files must be a dict of names and texts, such as {"report.csv": text}')
    if len(files) > MAX_FILES_PER_PUT:
        raise InvalidInput(
            f"{len(files)} files are too many for one put, which takes {MAX_FILES_PER_PUT}; put another atom"
        )
    kept = {checked_name(name): text.encode(errors="replace") for name, text in files.items()}
    if len(kept) < len(files):
        raise InvalidInput(f"two of the files have the same name: {', '.join(map(str, files))}")
    if (size := sum(map(len, kept.values()))) > MAX_PUT_BYTES:
        raise InvalidInput(
            f"{size:,} bytes are too many for one put, which takes {MAX_PUT_BYTES:,}; make the files smaller"
        )
    return kept
