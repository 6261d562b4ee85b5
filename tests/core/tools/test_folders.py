"""Files are read and written in the folders the owner named; every way out of them is closed."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, StoaError, ToolFailed
from core.house import House
from core.settings import Folder, load
from core.testing import ScriptedLLM
from core.tools import folders as limits
from core.tools.arguments import PART_CHARS
from core.tools.folders import Folders
from core.tools.registry import Effect, declaration
from tests.core.scenes import said, seat, tell, working


@pytest.fixture
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `notes`, which may be written, beside secrets that are nobody's business."""
    notes = tmp_path_factory.mktemp("files") / "notes"
    (notes / "2026").mkdir(parents=True)
    (notes / "plan.md").write_text("Milk\nTea from Tokyo\n")
    (notes / "2026" / "trip.txt").write_text("Flight to tokyo at nine")
    (notes / ".env").write_text("KEY=4711")
    (notes.parent / "secret.txt").write_text("Tokyo secret")
    return notes


@pytest.fixture
def folders(owned: Path, tmp_path: Path) -> Folders:
    given = {"notes": Folder(path=owned, write=True), "papers": Folder(path=owned / "2026")}
    return Folders(given, tmp_path / "home")


async def test_folders_and_files_are_listed_without_hidden_ones(folders: Folders) -> None:
    assert [(one["path"], one["may_write"]) for one in await folders.list_files()] == [
        ("notes", True),
        ("papers", False),
    ]
    found = await folders.list_files("notes")
    assert [(one["path"], one["kind"]) for one in found] == [("notes/2026", "folder"), ("notes/plan.md", "file")]
    assert found[1]["bytes"] == 20


async def test_a_file_is_read_in_parts(folders: Folders, owned: Path) -> None:
    (owned / "long.txt").write_text("x" * (PART_CHARS + 3))
    assert await folders.read_file("notes/plan.md") == {
        "path": "notes/plan.md",
        "text": "Milk\nTea from Tokyo\n",
        "next": None,
    }
    assert (await folders.read_file("notes/long.txt"))["next"] == PART_CHARS
    assert (await folders.read_file("notes/long.txt", PART_CHARS))["text"] == "xxx"


async def test_a_text_is_found_in_names_and_lines(folders: Folders, owned: Path) -> None:
    (owned / "TOKYO.bin").write_bytes(b"\0tokyo")
    found = await folders.search_files("tokyo", "notes")
    assert found == {
        "found": [
            {"path": "notes/TOKYO.bin", "line": 0, "text": ""},
            {"path": "notes/plan.md", "line": 2, "text": "Tea from Tokyo"},
            {"path": "notes/2026/trip.txt", "line": 1, "text": "Flight to tokyo at nine"},
        ],
        "complete": True,
    }


async def test_a_search_that_finds_too_much_says_so(folders: Folders, owned: Path) -> None:
    (owned / "many.txt").write_text("tea\n" * 500)
    found = await folders.search_files("tea", "notes")
    assert (len(list(found["found"])), found["complete"]) == (limits.MAX_FOUND, False)  # type: ignore[call-overload]


async def test_a_file_is_written_as_a_whole_and_not_over_another_unasked(folders: Folders, owned: Path) -> None:
    assert await folders.write_file("notes/new/todo.md", "Call Ana") == {"path": "notes/new/todo.md", "bytes": 8}
    await folders.write_file("notes/new/todo.md", "Call Ana")  # the same again changes nothing
    with pytest.raises(Conflict, match="is there already"):
        await folders.write_file("notes/new/todo.md", "Call Bob")
    await folders.write_file("notes/new/todo.md", "Call Bob", replace=True)
    assert (owned / "new" / "todo.md").read_text() == "Call Bob"
    assert os.listdir(owned / "new") == ["todo.md"]


async def test_only_folders_that_may_be_written_are(folders: Folders) -> None:
    for path in ("papers/new.txt", "notes"):
        with pytest.raises(PermissionDenied, match="Folders that may be: notes"):
            await folders.write_file(path, "text")


@pytest.mark.parametrize(
    "path",
    [
        *("../secret.txt", "notes/../secret.txt", "notes/2026/../../secret.txt", "/etc/passwd", "notes//../secret.txt"),
        *("notes/out", "notes/away/secret.txt", "notes/away", "notes/.env", "notes/hidden", "notes/./.env", "etc", ""),
        *("notes/plan.md\0.txt", "~/x", "notes/2026/up/secret.txt", "notes/loop", "home/secrets.key"),
    ],
)
async def test_no_path_leads_out_of_a_folder(path: str, folders: Folders, owned: Path) -> None:
    (owned / "out").symlink_to("../secret.txt")
    (owned / "away").symlink_to("..")
    (owned / "hidden").symlink_to(".env")
    (owned / "2026" / "up").symlink_to(owned.parent)
    (owned / "loop").symlink_to("loop")
    for attempt in (folders.read_file(path), folders.write_file(path, "x", replace=True)):
        with pytest.raises(StoaError):
            await attempt
    assert (owned.parent / "secret.txt").read_text() == "Tokyo secret"
    assert "secret" not in str(await folders.search_files("tokyo"))
    listed = {str(one["path"]) for one in await folders.list_files("notes")}
    assert listed == {"notes/2026", "notes/plan.md"}


async def test_a_link_that_stays_within_its_folder_is_followed(folders: Folders, owned: Path) -> None:
    (owned / "latest").symlink_to("2026/trip.txt")
    assert (await folders.read_file("notes/latest"))["text"] == "Flight to tokyo at nine"


async def test_stoas_own_data_stays_closed_within_a_folder(owned: Path) -> None:
    (owned / "stoa").mkdir()
    (owned / "stoa" / "secrets.key").write_text("tokyo")
    folders = Folders({"notes": Folder(path=owned, write=True)}, owned / "stoa")
    for attempt in (folders.read_file("notes/stoa/secrets.key"), folders.write_file("notes/stoa/x", "y")):
        with pytest.raises(PermissionDenied, match="belongs to Stoa itself"):
            await attempt
    assert "stoa" not in str(await folders.search_files("tokyo"))


async def test_pipes_large_files_and_what_is_not_there_are_refused(folders: Folders, owned: Path) -> None:
    os.mkfifo(owned / "pipe")
    (owned / "huge.txt").touch()
    os.truncate(owned / "huge.txt", 500_000_000)
    with pytest.raises(ToolFailed, match="not a regular file"):
        await folders.read_file("notes/pipe")
    with pytest.raises(ToolFailed, match="larger than 20 MB"):
        await folders.read_file("notes/huge.txt")
    with pytest.raises(NotFound, match="There is no notes/gone"):
        await folders.read_file("notes/gone")
    with pytest.raises(InvalidInput, match="is a folder"):
        await folders.read_file("notes")
    with pytest.raises(InvalidInput, match="5,000,000 is the most"):
        await folders.write_file("notes/big.txt", "x" * 5_000_001)
    assert (await folders.search_files("tea"))["complete"]


def test_the_tools_say_that_files_may_hold_text_from_outside(folders: Folders) -> None:
    reading = [declaration(tool) for tool in (folders.list_files, folders.read_file, folders.search_files)]
    assert {(one.effect, one.outside) for one in reading} == {(Effect.READS, True)}
    assert declaration(folders.write_file).about == ("path",)


def test_a_folder_is_set_by_its_path_alone_or_with_the_right_to_write(tmp_path: Path) -> None:
    settings = load(home=tmp_path, folders={"notes": "~/Notes", "drafts": {"path": "~/Drafts", "write": True}})
    assert [(one.path, one.write) for one in settings.folders.values()] == [
        (Path("~/Notes"), False),
        (Path("~/Drafts"), True),
    ]
    with pytest.raises(InvalidInput, match="folders"):
        load(home=tmp_path, folders={"../x": "~/Notes"})


async def test_an_agent_that_read_a_file_asks_before_it_writes_where_the_owner_did_not_say(
    house: House, owned: Path
) -> None:
    given = house.settings.model_copy(update={"folders": {"notes": Folder(path=owned, write=True)}})
    house = replace(house, settings=given)
    await seat(house, tools=("read_file", "write_file"))
    llm = ScriptedLLM(
        '```python\nprint(read_file("notes/plan.md")["text"])\nwrite_file("notes/evil.sh", "x")\n```', "Waiting."
    )
    async with working(house, llm):
        await tell(house, "Sum up notes/plan.md")
        await said(house)
        (question,) = await house.approvals.waiting()
    assert "notes/evil.sh" in question.content
    assert not (owned / "evil.sh").exists()
