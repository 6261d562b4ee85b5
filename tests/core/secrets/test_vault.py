"""What the vault keeps is noise without its key, and the key is where only the owner can read it."""

import os
from pathlib import Path

import pytest

from core.errors import InvalidInput, NotFound
from core.secrets.vault import KEY_FILE, SECRETS_FOLDER, Vault

VALUE = "hunter2-hunter2"


class Chain:
    """A keyring that works."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, user: str) -> str | None:
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self.kept[service, user] = password


class Locked:
    """A keyring that cannot be opened."""

    def get_password(self, service: str, user: str) -> str | None:
        raise OSError("locked")

    def set_password(self, service: str, user: str, password: str) -> None:
        raise OSError("locked")


def vault(home: Path) -> Vault:
    return Vault(home, Locked())


def everything(home: Path) -> bytes:
    """All that lies in the data directory, names included."""
    files = [file for file in home.rglob("*") if file.is_file()]
    return b"".join(file.name.encode() + file.read_bytes() for file in files)


def test_a_secret_is_read_back_by_whoever_has_the_key_and_never_lies_open(tmp_path: Path) -> None:
    vault(tmp_path).put("BANK", VALUE)
    assert vault(tmp_path).read() == {"BANK": VALUE}
    assert VALUE.encode() not in everything(tmp_path)


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    vault(home).put("BANK", VALUE)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.rglob("*"))}
    assert modes == {"home": 0o700, SECRETS_FOLDER: 0o700, KEY_FILE: 0o600, "BANK": 0o600}


def test_the_same_value_twice_looks_different(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    kept.put("ONE", VALUE)
    kept.put("TWO", VALUE)
    assert (tmp_path / SECRETS_FOLDER / "ONE").read_bytes() != (tmp_path / SECRETS_FOLDER / "TWO").read_bytes()


def test_a_secret_that_is_set_again_or_removed_is_gone(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    kept.put("BANK", VALUE)
    marks = [kept.mark()]
    kept.put("BANK", "another value")
    marks.append(kept.mark())
    assert kept.read() == {"BANK": "another value"}
    kept.remove("BANK")
    marks.append(kept.mark())
    assert kept.read() == {}
    assert len(set(marks)) == 3
    with pytest.raises(NotFound, match="There is no secret BANK here"):
        kept.remove("BANK")


def test_the_key_lies_in_the_keyring_where_there_is_one_that_works(tmp_path: Path) -> None:
    chain = Chain()
    Vault(tmp_path, chain).put("BANK", VALUE)
    assert not (tmp_path / KEY_FILE).exists()
    assert Vault(tmp_path, chain).read() == {"BANK": VALUE}
    with pytest.raises(InvalidInput, match="The key of your secrets is gone"):
        vault(tmp_path).read()


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    vault(tmp_path).put("BANK", VALUE)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(InvalidInput, match="chmod 600"):
        vault(tmp_path).read()


def test_another_key_or_a_damaged_file_opens_nothing_and_says_which(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    kept.put("BANK", VALUE)
    sealed = (tmp_path / SECRETS_FOLDER / "BANK").read_bytes()
    for damaged in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:5], b""):
        (tmp_path / SECRETS_FOLDER / "BANK").write_bytes(damaged)
        with pytest.raises(InvalidInput, match="The secret BANK cannot be opened"):
            kept.read()


def test_a_secret_cannot_pass_for_another_by_its_file_being_renamed(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    kept.put("BANK", VALUE)
    os.rename(tmp_path / SECRETS_FOLDER / "BANK", tmp_path / SECRETS_FOLDER / "MAIL")
    with pytest.raises(InvalidInput, match="The secret MAIL cannot be opened"):
        kept.read()


def test_a_home_without_secrets_is_asked_for_no_key(tmp_path: Path) -> None:
    assert vault(tmp_path).read() == {}
    assert vault(tmp_path).names() == []
    assert list(tmp_path.iterdir()) == []
