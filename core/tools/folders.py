"""Tools that read and write files in the folders the owner named, and nowhere else."""

import asyncio
import contextlib
import mimetypes
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.atoms.text import nfc
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, ToolFailed
from core.search.extraction import text_in
from core.settings import Folder
from core.tools.arguments import check_start, part
from core.tools.registry import Effect, declares

MAX_READ_BYTES = 20_000_000
MAX_WRITTEN_BYTES = 5_000_000
MAX_LISTED = 1_000
MAX_FOUND = 50
MAX_SEARCHED_BYTES = 2_000_000
"""Larger files are found by their names only."""
SEARCH_SECONDS = 10.0
MAX_LINE_CHARS = 300
BINARY_SAMPLE_BYTES = 8_192

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """A path below a folder with all links in it resolved, so that it can be opened without following any."""

    shown: str
    root: Path
    parts: tuple[str, ...]

    @contextlib.contextmanager
    def opened_folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The descriptor of a folder: each step is taken from the one before, and none through a link."""
        folder = os.open(self.root, FOLDER_FLAGS)
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=folder)
                inner = os.open(part, FOLDER_FLAGS, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)


class Folders:
    """The owner's folders, as agents see them: a path begins with the folder's name, such as `notes/2026/plan.md`."""

    def __init__(self, folders: Mapping[str, Folder], home: Path) -> None:
        """`home`, Stoa's own data directory, stays closed even where it lies within one of the folders."""
        self._folders = folders
        self._home = home.resolve()

    @declares(Effect.READS, outside=True)
    async def list_files(self, path: str = "") -> list[dict[str, object]]:
        """The files in a folder of the owner's: [{"path", "kind", "bytes", "changed"}], `kind` being "file" or
        "folder". Without a path, the folders there are."""
        if not path:
            return [
                {"path": name, "kind": "folder", "may_write": folder.write}
                for name, folder in sorted(self._folders.items())
            ]
        return await asyncio.to_thread(self._listed, self._place(path))

    @declares(Effect.READS, outside=True)
    async def read_file(self, path: str, start: int = 0) -> dict[str, object]:
        """Read a text, HTML or PDF file of the owner's by its path: {"path", "text", "next"}. Long files come in parts
        of 20,000 characters; give `next` as `start` for the following part, until it is None."""
        check_start(start)
        place = self._place(path)
        data = await asyncio.to_thread(_contents, place)
        kind = mimetypes.guess_type(place.shown)[0] or "text/plain"
        text = await text_in(kind, data)
        return {"path": place.shown, **part(text, start)}

    @declares(Effect.READS, outside=True)
    async def search_files(self, text: str, path: str = "") -> dict[str, object]:
        """Find a text in the names and lines of the owner's files, in one folder or in all: {"found": [{"path", "line",
        "text"}], "complete"}. `complete` is False where there was more than one search looks at; name a folder then."""
        if not isinstance(text, str) or not text.strip():
            raise InvalidInput("text is empty; say what to look for")
        places = [self._place(name) for name in ([path] if path else sorted(self._folders))]
        found, complete = await asyncio.to_thread(self._search, places, nfc(text).casefold())
        return {"found": found, "complete": complete}

    @declares(Effect.CHANGES, about=("path",))
    async def write_file(self, path: str, text: str, replace: bool = False) -> dict[str, object]:
        """Write a text file into a folder that may be written: {"path", "bytes"}. Folders on the way are made. A file
        that is there already is only overwritten with replace=True."""
        place = self._place(path)
        if not isinstance(text, str):
            raise InvalidInput(f"text has to be a text, not {type(text).__name__}")
        if not self._folders[place.shown.partition("/")[0]].write or not place.parts:
            writable = ", ".join(name for name, folder in sorted(self._folders.items()) if folder.write) or "none"
            raise PermissionDenied(f"{place.shown} may not be written. Folders that may be: {writable}.")
        data = text.encode("utf-8", "replace")
        if len(data) > MAX_WRITTEN_BYTES:
            raise InvalidInput(f"The text has {len(data):,} bytes; {MAX_WRITTEN_BYTES:,} is the most for one file.")
        await asyncio.to_thread(_write, place, data, replace)
        return {"path": place.shown, "bytes": len(data)}

    def _place(self, path: str) -> Place:
        """Where a path leads; raises `PermissionDenied` for one that leads out of its folder."""
        if not isinstance(path, str) or not path.strip() or "\0" in path:
            raise InvalidInput(f"{path!r} is not a path such as notes/plan.md; list_files() shows the folders")
        name, *parts = path.strip().strip("/").split("/")
        if name not in self._folders:
            known = ", ".join(sorted(self._folders)) or "none; the owner can name some in stoa.toml under [folders]"
            raise NotFound(f"There is no folder {name!r}. There are: {known}.")
        parts = [part for part in parts if part not in ("", ".")]
        shown = "/".join([name, *parts])
        try:
            root = self._folders[name].path.expanduser().resolve(strict=True)
            real = root.joinpath(*parts).resolve()
        except (OSError, RuntimeError) as error:
            raise ToolFailed(f"The folder {name} cannot be opened: {getattr(error, 'strerror', error)}.") from None
        if ".." in parts or not real.is_relative_to(root):
            raise PermissionDenied(f"{shown} leads out of the folder {name}; only what is in it may be used.")
        inner = real.relative_to(root).parts
        if any(part.startswith(".") for part in (*parts, *inner)) or self._is_ours(real):
            raise PermissionDenied(f"{shown} is hidden or belongs to Stoa itself, so tools leave it alone.")
        return Place(shown, root, inner)

    def _is_ours(self, path: Path) -> bool:
        return path.is_relative_to(self._home)

    def _listed(self, place: Place) -> list[dict[str, object]]:
        with _in_our_words(place.shown), place.opened_folder(place.parts) as folder:
            names = sorted(name for name in os.listdir(folder) if not name.startswith("."))[:MAX_LISTED]
            return [entry for name in names if (entry := self._entry(f"{place.shown}/{name}", folder, name))]

    def _entry(self, path: str, folder: int, name: str) -> dict[str, object] | None:
        try:
            self._place(path)  # a link that leads out is not shown
            found = os.stat(name, dir_fd=folder)
        except (OSError, PermissionDenied, ToolFailed):
            return None
        kind = "folder" if stat.S_ISDIR(found.st_mode) else "file"
        changed = datetime.fromtimestamp(found.st_mtime).astimezone().isoformat(timespec="seconds")
        return {"path": path, "kind": kind, "bytes": found.st_size, "changed": changed}

    def _search(self, places: Sequence[Place], wanted: str) -> tuple[list[dict[str, object]], bool]:
        found: list[dict[str, object]] = []
        until = time.monotonic() + SEARCH_SECONDS
        for place in places:
            with _in_our_words(place.shown), place.opened_folder(place.parts) as top:
                for path, name, folder in self._files(place, top):
                    if time.monotonic() > until:
                        return found, False
                    found += _matches(path, name, folder, wanted)
                    if len(found) > MAX_FOUND:
                        return found[:MAX_FOUND], False
        return found, True

    def _files(self, place: Place, top: int) -> Iterator[tuple[str, str, int]]:
        for below, folders, names, folder in os.fwalk(".", dir_fd=top):
            inner = Path(*place.parts, below)
            folders[:] = sorted(
                one for one in folders if not one.startswith(".") and not self._is_ours(place.root / inner / one)
            )
            shown = "/".join([place.shown, *Path(below).parts])
            yield from ((f"{shown}/{name}", name, folder) for name in sorted(names) if not name.startswith("."))


def _matches(path: str, name: str, folder: int, wanted: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if wanted in nfc(name).casefold():
        found.append({"path": path, "line": 0, "text": ""})
    try:
        data = _regular(os.open(name, READ_FLAGS, dir_fd=folder), MAX_SEARCHED_BYTES)
    except (OSError, ToolFailed):  # a link, gone meanwhile, too large, or not readable by us: it has no lines to find
        return found
    if b"\0" in data[:BINARY_SAMPLE_BYTES]:
        return found
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        at = nfc(line).casefold().find(wanted)
        if at >= 0:
            begin = max(0, at - MAX_LINE_CHARS // 3)
            found.append({"path": path, "line": number, "text": line[begin : begin + MAX_LINE_CHARS].strip()})
            if len(found) > MAX_FOUND:
                break
    return found


def _contents(place: Place) -> bytes:
    with _in_our_words(place.shown), place.opened_folder(place.parts[:-1]) as folder:
        if not place.parts:
            raise InvalidInput(f"{place.shown} is a folder; list_files({place.shown!r}) shows what is in it")
        return _regular(os.open(place.parts[-1], READ_FLAGS, dir_fd=folder), MAX_READ_BYTES)


def _regular(descriptor: int, max_bytes: int) -> bytes:
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ToolFailed("That is not a regular file.")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ToolFailed(f"The file is larger than {max_bytes / 1e6:g} MB, so I didn't read it.")
    return data


def _write(place: Place, data: bytes, replace: bool) -> None:
    """Put the whole file in its place at once: a reader sees the old one or the new one."""
    *folders, name = place.parts
    with _in_our_words(place.shown), place.opened_folder(folders, make=True) as folder:
        with contextlib.suppress(FileNotFoundError):
            if _regular(os.open(name, READ_FLAGS, dir_fd=folder), MAX_READ_BYTES) == data:
                return
            if not replace:
                raise Conflict(f"{place.shown} is there already. Read it first; replace=True overwrites it.")
        draft = f".{secrets.token_hex(8)}"
        try:
            with open(os.open(draft, WRITE_FLAGS, 0o644, dir_fd=folder), "wb") as file:
                file.write(data)
            os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=folder)


@contextlib.contextmanager
def _in_our_words(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"There is no {path}. list_files() shows what there is.") from None
    except NotADirectoryError:
        raise InvalidInput(f"{path} is a file, not a folder; read_file reads it") from None
    except OSError as error:
        raise ToolFailed(f"{path} cannot be used: {error.strerror}.") from None
