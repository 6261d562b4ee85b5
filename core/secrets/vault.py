"""The vault: secrets encrypted in the data directory, their key in the system's keyring or in a file beside them."""

import base64
import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from core.errors import InvalidInput, NotFound
from core.private import private

SECRETS_FOLDER, KEY_FILE = "secrets", "secrets.key"
KEY_BYTES, NONCE_BYTES = 32, 12
KEYRING_SERVICE = "stoa"


class Keyring(Protocol):
    """The system's keyring, as the package `keyring` has it."""

    def get_password(self, service: str, user: str) -> str | None: ...
    def set_password(self, service: str, user: str, password: str) -> None: ...


class Vault:
    """One file a secret, readable by the owner alone; without the key it is noise.

    The key is a file (0600) unless the package `keyring` is installed and the system has a keyring that works.
    """

    def __init__(self, home: Path, keyring: Keyring | None = None) -> None:
        self._folder = home / SECRETS_FOLDER
        self._key_file = home / KEY_FILE
        self._user = str(home)
        self._keyring = keyring

    def mark(self) -> int:
        """A number that changes whenever a secret does; 0 where none was ever kept."""
        try:
            return self._folder.stat().st_mtime_ns
        except OSError:
            return 0

    def names(self) -> list[str]:
        try:
            return sorted(file.name for file in self._folder.iterdir() if not file.name.startswith("."))
        except OSError:
            return []

    def read(self) -> dict[str, str]:
        """All secrets with their values; raises `InvalidInput` if the key is gone or does not fit."""
        names = self.names()
        return {name: self._opened(name, self._known_key()) for name in names} if names else {}

    def put(self, name: str, value: str) -> None:
        """Keep a secret, in place of one of the same name."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = self._found_key() or self._made_key()
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, value.encode(), name.encode())
        with _private(self._folder, sealed) as written:
            os.replace(written, self._folder / name)

    def remove(self, name: str) -> None:
        """Raises `NotFound`."""
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            raise NotFound(f"There is no secret {name} here. `stoa secret list` shows the names.") from None

    def _opened(self, name: str, key: bytes) -> str:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = (self._folder / name).read_bytes()
        try:
            return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode()).decode()
        except (InvalidTag, ValueError):
            raise InvalidInput(
                f"The secret {name} cannot be opened: it is damaged, or sealed with another key than the one in use. "
                f"Set it again with `stoa secret set {name}`."
            ) from None

    def _known_key(self) -> bytes:
        key = self._found_key()
        if key is None:
            raise InvalidInput(
                f"The key of your secrets is gone: it is neither in {self._key_file} nor in the system's keyring. "
                "Bring it back, or set the secrets again after `stoa secret rm`."
            )
        return key

    def _found_key(self) -> bytes | None:
        try:
            mode = self._key_file.stat().st_mode & 0o777
            text: str | None = self._key_file.read_text()
        except FileNotFoundError:
            mode, text = 0o600, self._from_keyring()
        if text is None:
            return None
        if mode & 0o077:
            raise InvalidInput(f"{self._key_file} can be read by others; make it yours alone: chmod 600")
        key = base64.b64decode(text)
        if len(key) != KEY_BYTES:
            raise InvalidInput(f"{self._key_file} holds no key of {KEY_BYTES} bytes; bring the right one back.")
        return key

    def _made_key(self) -> bytes:
        """A new key, kept in the keyring if one works, else in a file; the first of two at once counts."""
        key = secrets.token_bytes(KEY_BYTES)
        text = base64.b64encode(key).decode()
        keyring = self._system_keyring()
        if keyring:
            with contextlib.suppress(*_refusals()):
                keyring.set_password(KEYRING_SERVICE, self._user, text)
                if keyring.get_password(KEYRING_SERVICE, self._user) == text:
                    return key
        with _private(self._key_file.parent, text.encode()) as written, contextlib.suppress(FileExistsError):
            os.link(written, self._key_file)
        return self._known_key()

    def _from_keyring(self) -> str | None:
        keyring = self._system_keyring()
        if keyring:
            with contextlib.suppress(*_refusals()):
                return keyring.get_password(KEYRING_SERVICE, self._user)
        return None

    def _system_keyring(self) -> Keyring | None:
        if self._keyring:
            return self._keyring
        try:
            import keyring
        except ImportError:
            return None
        return cast(Keyring, keyring)


def _refusals() -> tuple[type[Exception], ...]:
    try:
        from keyring.errors import KeyringError
    except ImportError:
        return (OSError,)
    return (OSError, KeyringError)


@contextlib.contextmanager
def _private(folder: Path, data: bytes) -> Iterator[Path]:
    """A private file with these bytes, removed afterwards unless it was moved away."""
    path = folder / f".{secrets.token_hex(8)}"
    with open(path, "xb", opener=private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
