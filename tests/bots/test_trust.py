"""What the owner entrusts, from the command line: addresses in the directory, and secrets that nothing shows again."""

import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.bots.conftest import CommandLine

VALUE = "hunter2-hunter2"


def everything(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_a_secret_is_piped_in_listed_by_name_and_forgotten(stoa: CommandLine, tmp_path: Path) -> None:
    kept = stoa(tmp_path, "secret", "set", "BANK", say=f"{VALUE}\n")
    assert "Stored BANK, encrypted" in kept.stdout
    listed = stoa(tmp_path, "secret", "list", STOA_SECRET_MAIL="another-value")
    assert listed.stdout.split() == ["BANK", "encrypted", "MAIL", "environment"]
    assert VALUE not in kept.stdout + listed.stdout
    assert VALUE.encode() not in everything(tmp_path)
    assert stoa(tmp_path, "secret", "rm", "BANK").stdout == "Deleted BANK.\n"
    assert stoa(tmp_path, "secret", "rm", "BANK").stderr.startswith("stoa: There is no secret BANK here.")


def test_a_secret_is_asked_for_without_being_shown(stoa: CommandLine, tmp_path: Path) -> None:
    person = pexpect.spawn(
        sys.executable, ["-m", "bots", "secret", "set", "BANK"], env={**os.environ, "STOA_HOME": str(tmp_path)}
    )
    person.expect("Value of BANK")
    person.expect(":")
    person.sendline(VALUE)
    person.expect(pexpect.EOF)
    assert VALUE.encode() not in person.before
    assert b"Stored BANK" in person.before
    person.close()


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (["set", "BANK", VALUE], "", "unexpected extra argument"),
        (["set", "bank"], VALUE, "'bank' cannot name a secret"),
        (["set", "../bank"], VALUE, "cannot name a secret"),
        (["set", "BANK"], "short", "cannot be kept out of logs"),
        (["set", "BANK"], "", "The value has 0 characters"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(
    stoa: CommandLine, tmp_path: Path, words: list[str], typed: str, said: str
) -> None:
    refused = stoa(tmp_path, "secret", *words, say=typed)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert stoa(tmp_path, "secret", "list").stdout.startswith("There are no secrets yet")


def test_an_error_does_not_show_a_value(stoa: CommandLine, tmp_path: Path) -> None:
    stoa(tmp_path, "secret", "set", "BANK", say=VALUE)
    for environment in ({}, {"STOA_SECRET_MAIL": VALUE}):
        refused = stoa(tmp_path, "secret", "rm", VALUE, **environment)
        assert refused.stderr.startswith("stoa: '[secret ")
        assert VALUE not in refused.stderr


def test_an_unexpected_error_shows_no_value_and_logs_none(stoa: CommandLine, tmp_path: Path) -> None:
    stoa(tmp_path, "secret", "set", "BANK", say=VALUE)
    (tmp_path / "stoa.toml").mkdir()
    program = (
        "import sys, bots.__main__ as m, bots.cli.main as c\n"
        f"def fail(**_):\n    raise ValueError('token {VALUE}')\n"
        "c.app = fail\nm.main()"
    )
    known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    failed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=known | {"STOA_HOME": str(tmp_path)},
    )
    assert "token [secret BANK]" in failed.stderr
    assert VALUE not in failed.stderr
    assert VALUE not in (tmp_path / "stoa.log").read_text()


def test_addresses_are_added_listed_and_removed(stoa: CommandLine, tmp_path: Path) -> None:
    assert "There are no addresses yet" in stoa(tmp_path, "directory", "list").stdout
    added = stoa(tmp_path, "directory", "add", "ana@example.com", "docs.python.org")
    assert added.stdout == "Agents may contact ana@example.com.\nAgents may contact docs.python.org.\n"
    told = stoa(tmp_path, "directory", "add", "not an address").stdout
    assert told.startswith("Agents may contact what a tool calls exactly 'not an address'. That isn't an email address")
    assert "Removed not an address from the directory" in stoa(tmp_path, "directory", "remove", "not an address").stdout
    listed = stoa(tmp_path, "directory", "list").stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["ana@example.com", "docs.python.org"]
    assert "Removed ANA@example.com from" in stoa(tmp_path, "directory", "remove", "ANA@example.com").stdout
    refused = stoa(tmp_path, "directory", "remove", "ana@example.com")
    assert (refused.returncode, "is not in the directory" in refused.stderr) == (1, True)
