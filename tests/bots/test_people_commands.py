"""People, rooms and accounts from the command line, and connecting to a platform."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

from channels.accounts import Account, Accounts
from channels.people.people import Room
from core.house import House, open_house
from core.secrets.vault import Vault
from core.settings import load
from tests.bots.conftest import CommandLine, environment
from tests.channels.pigeon import installed
from tests.channels.scenes import people_of, written

Meanwhile = Callable[[Callable[[House], Awaitable[Any]]], Any]
RING, SEAL = "ring-of-the-grey-one", "seal-of-wax-and-more"


@pytest.fixture
def meanwhile(stoa: CommandLine, home: Path) -> Meanwhile:
    """What happens on the platforms, with the same data."""

    def meanwhile(act: Callable[[House], Awaitable[Any]]) -> Any:
        async def done() -> Any:
            async with open_house(load(home=home), stoa.redis_url) as house:
                return await act(house)

        with environment(stoa.environment(home)):
            return asyncio.run(done())

    return meanwhile


@pytest.fixture(autouse=True)
def pigeons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform `pigeon`, installed as a package would be."""
    packages = str(installed(tmp_path / "packages"))
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH", "")])))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def code_in(text: str) -> str:
    return next(word for word in text.replace("*", "").split() if len(word) == 9 and word[4] == "-" and word.isupper())


def test_strangers_are_listed_let_in_linked_and_forgotten(stoa: CommandLine, meanwhile: Meanwhile, home: Path) -> None:
    assert "Stoa knows nobody yet" in stoa(home, "people", "list").stdout

    async def write_in(house: House) -> str:
        await people_of(house).request_admission("slack", written("Hi!\x1b[31m Is \u202eit me?"))
        return await people_of(house).request_admission("mail", written("From home", "ana@example.com"))

    told = meanwhile(write_in)
    listed = stoa(home, "people", "list").stdout
    assert "Ana (slack/T1:U7) in a direct message, code " in listed
    assert "    Hi![31m Is it me?" in listed
    waiting = json.loads(stoa(home, "people", "list", "--json").stdout)["waiting"]
    assert f"waits as {waiting[0]['id']}" in stoa(home, "people", "allow", "ana").stderr
    assert [(one["sender"], one["kind"]) for one in waiting] == [("T1:U7", "person"), ("ana@example.com", "person")]
    assert (
        stoa(home, "people", "allow", waiting[0]["id"], "--name", "Ana López").stdout
        == "ana-lopez may talk to Stoa now.\n"
    )
    assert (
        stoa(home, "people", "allow", code_in(told), "--as", "ana-lopez").stdout == "ana-lopez may talk to Stoa now.\n"
    )
    assert stoa(home, "people", "list").stdout.split() == [
        "ana-lopez",
        "Ana",
        "López",
        "slack/T1:U7,",
        "mail/ana@example.com",
    ]
    assert stoa(home, "approval", "list").stdout == "No questions are waiting for you.\n"
    assert "gets reminders on mail" in stoa(home, "people", "prefer", "ana-lopez", "mail").stdout
    assert stoa(home, "people", "forget", "mail/ana@example.com").stdout == (
        "Unlinked mail/ana@example.com from ana-lopez.\n"
    )
    assert "Forgot ana-lopez" in stoa(home, "people", "forget", "ana-lopez").stdout
    refused = stoa(home, "people", "allow", "nobody")
    assert (refused.returncode, refused.stderr) == (
        1,
        "stoa: There is no person 'nobody'. `stoa people list` shows them.\n",
    )


def test_a_code_links_the_owner_and_the_owner_cannot_be_blocked(
    stoa: CommandLine, meanwhile: Meanwhile, home: Path
) -> None:
    code = code_in(stoa(home, "people", "link").stdout)

    async def say(house: House) -> str | None:
        return await people_of(house).redeem("slack", written(code, "T1:U1", name="Olga"))

    assert "linked now" in str(meanwhile(say))
    assert stoa(home, "people", "list").stdout.split() == ["owner", "Olga", "slack/T1:U1"]
    refused = stoa(home, "people", "block", "slack/T1:U1")
    assert refused.stderr.startswith("stoa: The owner cannot be blocked.")


def test_groups_hold_what_is_shared_with_them(stoa: CommandLine, meanwhile: Meanwhile, home: Path) -> None:
    meanwhile(lambda house: people_of(house).persons.add("Ana", ["slack/T1:U7"]))
    stoa(home, "space", "create", "recipes")
    assert "group:family" in stoa(home, "people", "group", "add", "family", "ana").stdout
    assert stoa(home, "people", "group", "list").stdout.split() == ["family", "ana"]
    assert "may use write" in stoa(home, "space", "share", "recipes", "group:family", "write").stdout

    async def held(house: House) -> list[str]:
        return await house.spaces.names((await people_of(house).get("ana")).principal)

    assert meanwhile(held) == ["recipes"]
    stoa(home, "people", "group", "remove", "family", "ana")
    assert meanwhile(held) == []


def test_a_room_is_set_blocked_and_forgotten_by_its_name(stoa: CommandLine, meanwhile: Meanwhile, home: Path) -> None:
    meanwhile(lambda house: people_of(house).rooms.save(Room(id="slack/C9", name="garden")))
    assert stoa(home, "room", "set", "#garden", "--listen", "all", "--speakers", "known").stdout == (
        "garden: listens to everything, answers only people you let in.\n"
    )
    assert json.loads(stoa(home, "room", "list", "--json").stdout)[0]["listen"] == "all"
    assert (
        "--listen is all or threads or mentions or never, not 'sometimes'"
        in stoa(home, "room", "set", "garden", "--listen", "sometimes").stderr
    )
    assert stoa(home, "room", "show", "garden").stdout.splitlines()[-1].split(maxsplit=1) == [
        "stoa",
        "listens to everything, answers only people you let in",
    ]
    assert "listens only when mentioned" in stoa(home, "room", "set", "garden", "--listen", "mentions").stdout
    assert "Blocked garden" in stoa(home, "room", "set", "garden", "--listen", "never").stdout
    assert stoa(home, "room", "list").stdout.split() == ["slack/C9", "garden", "blocked"]
    assert "Forgot garden" in stoa(home, "room", "forget", "slack/C9").stdout
    assert "There is no room 'garden'" in stoa(home, "room", "set", "garden").stderr
    assert "Blocked slack/C8" in stoa(home, "room", "block", "slack/C8").stdout


def test_setup_tries_the_tokens_keeps_them_encrypted_and_says_how_to_be_known(
    stoa: CommandLine, meanwhile: Meanwhile, home: Path
) -> None:
    done = stoa(home, "setup", "pigeon", "--option", "loft=high", say=f"{RING}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pigeon works. Its tokens are stored, encrypted")
    assert done.stderr == "Connecting to pigeon, for 30 seconds at most...\n"
    assert "But: The loft has no ladder; put one there." in done.stdout
    assert "Now start Stoa: `stoa run`" in done.stdout
    code = code_in(done.stdout)
    assert RING.encode() not in b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert Vault(home).read() == {"PIGEON_RING": RING}
    assert stoa(home, "account", "list").stdout.split() == ["pigeon", "pigeon", "loft=high"]

    async def say(house: House) -> str | None:
        return await people_of(house).redeem("pigeon", written(code, "grey", name="Olga"))

    assert "linked now" in str(meanwhile(say))
    again = stoa(home, "setup", "pigeon", "--option", "mode=sealed", PIGEON_SEAL=SEAL)
    assert again.returncode == 0, again.stderr
    assert "code" not in again.stdout
    assert Vault(home).read() == {"PIGEON_RING": RING, "PIGEON_SEAL": SEAL}
    assert json.loads(stoa(home, "account", "list", "--json").stdout)[0]["options"] == {
        "loft": "high",
        "mode": "sealed",
    }
    Vault(home).put("PIGEON_RING", "another-ring")
    examined = stoa(home, "doctor")
    assert examined.returncode == 1
    assert "The ring is another pigeon's; take the one that begins with ring-." in examined.stdout
    assert "Removed pigeon and its tokens" in stoa(home, "account", "remove", "pigeon").stdout
    assert Vault(home).names() == []
    assert "There are no accounts yet" in stoa(home, "account", "list").stdout


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (
            ["pigeon"],
            "another-ring\n",
            "The ring is another pigeon's; take the one that begins with ring-. Nothing was",
        ),
        (
            ["pigeon"],
            "",
            "The ring of the pigeon is missing. Type it at the prompt, pipe it in as a line, or set",
        ),
        (["pigeon"], "ring\n", "cannot be kept out of logs"),
        (
            ["pigeon", "--option", "mode=sealed"],
            f"{RING}\nbroken-one\n",
            "The seal is broken; have a new one made. Nothing",
        ),
        (["grey"], "", "'grey' doesn't say which platform it is on. Add --platform, such as --platform discord"),
        (["grey", "--platform", "owl"], "", "There is no channel for 'owl'"),
        (["Pigeon", "--platform", "pigeon"], f"{RING}\n", "'Pigeon' is not a valid account name"),
        (["pigeon", "--option", "loft"], "", "should be NAME=VALUE"),
        (["pigeon", "--option", f"bot_token={RING}"], "", "bot_token is not an option. You're asked for tokens"),
    ],
)
def test_what_does_not_work_is_told_and_nothing_is_kept(
    stoa: CommandLine, home: Path, words: list[str], typed: str, said: str
) -> None:
    refused = stoa(home, "setup", *words, say=typed)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert Vault(home).names() == []
    assert "There are no accounts yet" in stoa(home, "account", "list").stdout


def test_a_second_account_on_a_platform_has_secrets_of_its_own(stoa: CommandLine, home: Path) -> None:
    stoa(home, "setup", "pigeon", say=f"{RING}\n")
    done = stoa(home, "setup", "pigeon-work", PIGEON_WORK_RING="ring-of-the-office")
    assert done.stdout.startswith("pigeon-work works")
    assert Vault(home).read() == {"PIGEON_RING": RING, "PIGEON_WORK_RING": "ring-of-the-office"}


def test_a_token_is_typed_without_being_shown_and_enter_keeps_the_one_there_is(stoa: CommandLine, home: Path) -> None:
    for typed in (RING, ""):
        person = pexpect.spawn(
            sys.executable, ["-m", "bots", "setup", "pigeon"], env=stoa.environment(home), timeout=60
        )
        person.expect("The ring of the pigeon")
        person.expect(":")
        person.sendline(typed)
        person.expect(pexpect.EOF)
        assert RING.encode() not in person.before
        assert b"pigeon works" in person.before
        person.close()
    assert Vault(home).read() == {"PIGEON_RING": RING}


def test_an_account_is_kept_as_it_was_when_a_new_token_does_not_work(
    stoa: CommandLine, meanwhile: Meanwhile, home: Path
) -> None:
    stoa(home, "setup", "pigeon", "--option", "loft=high", say=f"{RING}\n")
    refused = stoa(home, "setup", "pigeon", "--option", "loft=", say="another-ring\n")
    assert "Nothing was stored" in refused.stderr
    assert Vault(home).read() == {"PIGEON_RING": RING}

    async def accounts(house: House) -> list[Account]:
        return await Accounts(house.store).all()

    assert meanwhile(accounts) == [Account(id="pigeon", platform="pigeon", options={"loft": "high"})]
