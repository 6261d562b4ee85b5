"""Files: bytes kept once each under their SHA-256, in the data directory or in an object store.

The store is called from threads of ours, which the end of the event loop waits for. obstore's own asynchronous calls
answer from threads that nobody waits for, and one that is still awake when Python ends aborts the process.
"""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InvalidInput, NotFound, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MAX_FILE_BYTES = 50_000_000
"""Bytes one file may have."""
RETRY_CONFIG = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
OBJECT_STORE_SCHEMES = ("s3://", "gs://", "az://", "https://")


class FileDamaged(StoreUnavailable):
    """The bytes that are kept are not those that were put."""


class Files:
    """The files of one Stoa. Nothing is connected before the first is read or written."""

    def __init__(self, home: Path, url: str = "") -> None:
        self.place = url or str(home / "files")
        self._directory = home / "files"
        self._url = url
        self._opened: ObjectStore | None = None

    async def put(self, data: bytes) -> str:
        """Keep these bytes; answers their SHA-256, under which they are kept once however often they come.

        Where they are kept damaged these take their place.
        """
        digest = hashlib.sha256(data).hexdigest()
        if await self._read(digest) != data:
            await self._write(digest, data)
        return digest

    async def get(self, digest: str) -> bytes:
        """The bytes; raises `NotFound` where they are not kept, `StoreUnavailable` where they cannot be read,
        `FileDamaged` where they are others."""
        data = await self._read(digest)
        if data is None:
            raise NotFound(f"The file {digest[:12]} is not in {self.place}; it was moved away or never copied there.")
        if hashlib.sha256(data).hexdigest() != digest:
            raise FileDamaged(f"The file {digest[:12]} in {self.place} is damaged; bring it back from a backup.")
        return data

    async def text(self, digest: str, kind: str) -> str | None:
        """The text that was extracted from the file as of this kind; None before it was."""
        data = await self._read(f"{digest}.{kind}.txt")
        return None if data is None else data.decode()

    async def keep_text(self, digest: str, kind: str, text: str) -> None:
        """Keep the text extracted from a file as of this kind, such as `pdf`."""
        await self._write(f"{digest}.{kind}.txt", text.encode())

    async def _read(self, name: str) -> bytes | None:
        import obstore

        try:
            return await asyncio.to_thread(lambda: bytes(obstore.get(self._store(), _path(name)).bytes()))
        except FileNotFoundError:
            return None
        except obstore.exceptions.BaseError as error:
            raise self._unavailable(error) from None

    async def _write(self, name: str, data: bytes) -> None:
        import obstore

        try:
            await asyncio.to_thread(obstore.put, self._store(), _path(name), data)
            if not self._url:
                (self._directory / _path(name)).chmod(0o600)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise self._unavailable(error) from None

    def _store(self) -> "ObjectStore":
        if self._opened is None:
            import obstore
            from obstore.store import LocalStore, from_url

            try:
                if not self._url:
                    self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._opened = LocalStore(self._directory)
                elif self._url.startswith(OBJECT_STORE_SCHEMES):
                    self._opened = from_url(self._url, retry_config=RETRY_CONFIG, client_options={"allow_http": True})  # type: ignore[call-overload]
                else:
                    raise InvalidInput(
                        f"STOA_FILES is {self._url!r}; it must be the address of an object store, such as "
                        "s3://bucket/stoa, or empty for the data directory."
                    )
            except (obstore.exceptions.BaseError, OSError, ValueError) as error:
                raise self._unavailable(error) from None
        return self._opened

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        if isinstance(error, InvalidInput):
            raise error
        first = str(error).partition("\n")[0][:200]
        return StoreUnavailable(
            f"Files cannot be read or written in {self.place} ({first}). Check STOA_FILES, and for an object store its "
            "credentials in the environment, such as AWS_ACCESS_KEY_ID."
        )


def _path(name: str) -> str:
    return f"{name[:2]}/{name}"
