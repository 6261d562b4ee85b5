"""Attachments: files that atoms carry. To read the atom is to read its files; their text is searched with it."""

import mimetypes

from core.atoms.atoms import Atom, Attachment
from core.atoms.permissions import Permission
from core.atoms.text import nfc
from core.atoms.validation import MEDIA_TYPE
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from core.spaces.spaces import Space
from core.store.files import MAX_FILE_BYTES, Files

MAX_ATTACHMENTS = 50
"""Of one atom."""
MAX_FILE_NAME_CHARS = 200
MEDIA_TYPES = {".md": "text/markdown", ".csv": "text/csv", ".txt": "text/plain", ".log": "text/plain"}


class Attachments:
    """Attaches files to atoms and reads them."""

    def __init__(self, files: Files) -> None:
        self.files = files

    async def attach(
        self, space: Space, id: str, name: str, data: bytes, *, media_type: str = "", comment: str = ""
    ) -> Atom:
        """Attach a file to an atom; needs write. One of the same name is replaced; its old versions stay kept.

        Raises `InvalidInput` for a file too large or a name that cannot be one.
        """
        name = checked_name(name)
        await space.get(id)  # no file is kept for someone who may not read the atom
        if (held := await space.permission()) < Permission.WRITE:
            raise PermissionDenied(f"This needs write, you hold {held}. Whoever holds grant there can give it.")
        check_size(name, len(data))
        await space.check_room(len(data))
        added = await self.keep(name, data, media_type=media_type)
        while True:
            atom = await space.get(id)
            kept = [one for one in atom.attachments if one.name != name]
            if len(kept) >= MAX_ATTACHMENTS:
                raise InvalidInput(f"{atom.ref} already has {MAX_ATTACHMENTS} files; put a new atom that refers to it")
            try:
                return await space.carry(id, [*kept, added], comment=comment or f"attached {name}", new_bytes=len(data))
            except Conflict:
                continue  # two files at once: the second comes beside the first

    async def keep(self, name: str, data: bytes, *, media_type: str = "") -> Attachment:
        name = checked_name(name)
        check_size(name, len(data))
        kind = checked_media_type(media_type) or media_type_of(name)
        return Attachment(await self.files.put(data), name, kind, len(data))

    async def detach(self, space: Space, id: str, name: str, *, comment: str = "") -> Atom:
        """Remove a file from an atom; needs write. Its bytes stay, since older versions have it."""
        atom = await space.get(id)
        kept = [one for one in atom.attachments if one != attachment_named(atom, name)]
        return await space.carry(id, kept, comment=comment or f"took {name} away")

    async def read(self, space: Space, id: str, name: str) -> bytes:
        return await self.files.get(attachment_named(await space.get(id), name).sha256)


def check_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise InvalidInput(
            f"{name!r} has {size:,} bytes, an attachment holds {MAX_FILE_BYTES:,}; split it or keep it elsewhere"
        )


def media_type_of(name: str) -> str:
    ending = f".{name.lower().rpartition('.')[2]}"
    return MEDIA_TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def checked_media_type(media_type: str) -> str:
    """Without its parameters; raises `InvalidInput`."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind and not MEDIA_TYPE.fullmatch(kind):
        raise InvalidInput(f"{media_type!r} is no media type; give one such as text/plain, or none")
    return kind


def attachment_named(atom: Atom, name: str) -> Attachment:
    """Raises `NotFound`, naming the files there are."""
    found = [one for one in atom.attachments if one.name == nfc(name)]
    if not found:
        there = ", ".join(one.name for one in atom.attachments)
        raise NotFound(
            f"{atom.ref} carries no file {name!r}; it carries {there}." if there else f"{atom.ref} carries no file."
        )
    return found[0]


def checked_name(name: str) -> str:
    """Without folders; raises `InvalidInput`."""
    name = nfc(name).replace("\\", "/").rpartition("/")[2].strip()
    if not name or name in (".", "..") or len(name) > MAX_FILE_NAME_CHARS or not name.isprintable():
        raise InvalidInput(f"{name!r} cannot be a file's name; use 1 to {MAX_FILE_NAME_CHARS} printable characters")
    return name
