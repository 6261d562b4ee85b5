"""`stoa export` and `stoa import` as a person and a script use them."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from core.backup.archive import ChangeLine, Line, RegistryLine, SpaceLine, Writer, read
from tests.bots.conftest import STOA, CommandLine


def test_everything_can_be_moved_to_another_home(stoa: CommandLine, tmp_path: Path) -> None:
    one, two, file = tmp_path / "one", tmp_path / "two", tmp_path / "backup.jsonl"
    stoa(one, "space", "create", "recipes", "What we cook.")
    name = stoa(one, "space", "put", "recipes", "pumpkin soup", "--meta", "kind=soup", "-m", "from Ana").stdout.strip()
    (tmp_path / "photo.txt").write_text("a bowl of soup, steaming")
    assert "attached photo.txt" in stoa(one, "space", "attach", name, str(tmp_path / "photo.txt")).stdout.lower()
    done = stoa(one, "export", str(file))
    assert done.stderr == "Exported 1 space with 1 atom, 3 changes, 1 attached file and 0 agents.\n", done.stderr
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text().splitlines()[0])["kind"] == "stoa-export"
    assert stoa(two, "import", str(file)).stdout == "Imported 1 space: recipes.\n"
    assert stoa(two, "import", str(file)).stdout == "Nothing was new. Already here: recipes.\n"
    assert stoa(two, "space", "get", name).stdout == "pumpkin soup\n"
    stoa(two, "space", "save", name, "--to", str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "photo.txt").read_text() == "a bowl of soup, steaming"
    assert "from Ana" in stoa(two, "space", "history", name).stdout
    found = stoa(two, "space", "search", "steaming bowl").stdout
    assert "photo.txt, characters 0 to 24" in found
    assert f"[{name}]" in found


def test_an_export_can_be_piped(stoa: CommandLine, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    stoa(one, "space", "create", "recipes")
    data = stoa(one, "export", "recipes", "-").stdout
    assert "Imported 1 space" in stoa(two, "import", "-", say=data).stdout


def test_a_pipe_that_is_exported_to_stays_one(stoa: CommandLine, tmp_path: Path) -> None:
    stoa(tmp_path / "one", "space", "create", "recipes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [*STOA, "export", str(pipe)]
    with subprocess.Popen(command, env=stoa.environment(tmp_path / "one"), stderr=subprocess.PIPE) as export:
        data = pipe.read_text()
        assert export.wait() == 0
    assert pipe.is_fifo()
    assert "Imported 1 space" in stoa(tmp_path / "two", "import", "-", say=data).stdout


def test_what_is_exported_through_a_link_lies_where_it_leads(stoa: CommandLine, tmp_path: Path) -> None:
    stoa(tmp_path / "one", "space", "create", "recipes")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    stoa(tmp_path / "one", "export", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert "Imported 1 space" in stoa(tmp_path / "two", "import", str(tmp_path / "file")).stdout


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_backup_is_imported(stoa: CommandLine, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "backup"
    stoa(tmp_path / "one", "space", "create", "recipes")
    data = compress(stoa(tmp_path / "one", "export", "-").stdout.encode())
    file.write_bytes(data)
    assert stoa(tmp_path / "two", "import", str(file)).stdout == "Imported 1 space: recipes.\n"
    file.write_bytes(data[:-9])
    cut = stoa(tmp_path / "three", "import", str(file))
    assert (cut.returncode, cut.stderr.startswith("stoa: The file cannot be decompressed")) == (1, True)


@pytest.mark.parametrize(
    "touch",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data + b"\n \n\r\n",
        lambda data: b"\n\n" + data.rstrip(b"\n"),
        lambda data: data.replace(b"\n", b"\n\n"),
    ],
    ids=["a byte order mark", "carriage returns", "blank lines at the end", "no last newline", "blank lines between"],
)
def test_an_export_that_an_editor_saved_is_imported(
    stoa: CommandLine, tmp_path: Path, touch: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "backup.jsonl"
    stoa(tmp_path / "one", "space", "create", "recipes")
    stoa(tmp_path / "one", "space", "put", "recipes", "soup\r\nand bread\n\n")
    file.write_bytes(touch(stoa(tmp_path / "one", "export", "-").stdout.encode()))
    assert stoa(tmp_path / "two", "import", str(file)).stdout == "Imported 1 space: recipes.\n"
    (atom,) = json.loads(stoa(tmp_path / "two", "space", "show", "recipes", "--json").stdout)
    assert atom["content"] == "soup\r\nand bread\n\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("soup", "stew").encode(), "do not fit the checksum"),
        (lambda text: text.encode("utf-16"), "The file is UTF-16 text, as PowerShell writes it; convert it to UTF-8"),
        (lambda text: b"PK\x03\x04" + text.encode(), "The file is a zip archive; unpack it, then import that."),
        (lambda text: f"{text}{text}".encode(), "goes on after its last line"),
    ],
)
def test_an_export_that_was_changed_is_refused_by_what_happened_to_it(
    stoa: CommandLine, tmp_path: Path, change: Callable[[str], bytes], said: str
) -> None:
    file = tmp_path / "backup.jsonl"
    stoa(tmp_path / "one", "space", "create", "recipes", "soup")
    file.write_bytes(change(stoa(tmp_path / "one", "export", "-").stdout))
    refused = stoa(tmp_path / "two", "import", str(file))
    assert (refused.returncode, said in refused.stderr) == (1, True), refused.stderr


def imported_in_terminal(stoa: CommandLine, home: Path, file: Path, answer: str) -> str:
    """What is shown after the question was answered."""
    command = [*STOA[1:], "import", str(file)]
    screen = pexpect.spawn(STOA[0], command, env=stoa.environment(home), timeout=60, encoding="utf-8")
    screen.expect_exact("bot: write on 'recipes'")
    screen.expect_exact("you trust make this file? [y/N]")
    screen.sendline(answer)
    screen.expect(pexpect.EOF)
    return screen.before or ""


def test_what_a_file_gives_to_whom_is_asked_about(stoa: CommandLine, tmp_path: Path) -> None:
    one, two, file = tmp_path / "one", tmp_path / "two", tmp_path / "backup.jsonl"
    stoa(one, "space", "create", "recipes")
    stoa(one, "space", "share", "recipes", "bot", "write")
    stoa(one, "export", str(file))
    refused = stoa(two, "import", str(file))
    assert refused.returncode == 1
    assert "gives rights to bot, so nothing was imported" in refused.stderr
    assert "Nothing was imported." in imported_in_terminal(stoa, two, file, "n")
    assert "There are no spaces" in stoa(two, "space", "list").stdout
    assert "Imported 1 space: recipes." in imported_in_terminal(stoa, two, file, "y")
    assert stoa(two, "import", str(file)).stdout == "Nothing was new. Already here: recipes.\n"
    assert "Imported 1 space" in stoa(tmp_path / "three", "import", "--yes", "-", say=file.read_text()).stdout


def lines_of(file: Path) -> list[Line]:
    """What a file says, to be written otherwise."""
    with file.open("rb") as exported:
        return list(read(exported))


def test_no_right_is_left_out_however_many_a_file_gives(stoa: CommandLine, tmp_path: Path) -> None:
    one, file = tmp_path / "one", tmp_path / "backup.jsonl"
    stoa(one, "space", "create", "recipes")
    stoa(one, "space", "share", "recipes", "bot", "write")
    stoa(one, "export", "recipes", str(file))
    lines = lines_of(file)
    with file.open("wb") as many:
        writer = Writer(many)
        for line in lines:
            writer.write(line)
        for name in (f"recipes-{n}" for n in range(40)):
            for line in lines:
                if isinstance(line, SpaceLine):
                    writer.write(line.model_copy(update={"name": name}))
                elif isinstance(line, ChangeLine):
                    writer.write(line.model_copy(update={"space": name}))
        writer.finish()
    command = [*STOA[1:], "import", str(file)]
    screen = pexpect.spawn(STOA[0], command, env=stoa.environment(tmp_path / "two"), timeout=60, encoding="utf-8")
    screen.expect_exact("you trust make this file? [y/N]")
    assert all(f"write on 'recipes-{n}'" in (screen.before or "") for n in range(40))
    screen.sendline("n")
    screen.expect(pexpect.EOF)


def test_a_space_without_a_file_is_not_taken_for_a_file_in_which_everything_goes(
    stoa: CommandLine, tmp_path: Path
) -> None:
    stoa(tmp_path / "one", "space", "create", "recipes")
    done = stoa(tmp_path / "one", "export", "recipes")
    assert done.returncode == 1
    assert done.stderr.startswith("stoa: recipes is a space; name the file, too: `stoa export recipes recipes.jsonl`.")
    assert stoa(tmp_path / "one", "export", str(tmp_path / "recipes")).returncode == 0


def test_what_cannot_be_imported_or_exported_is_said_in_one_line(stoa: CommandLine, tmp_path: Path) -> None:
    cut, other = tmp_path / "cut.jsonl", tmp_path / "other.txt"
    stoa(tmp_path / "one", "space", "create", "recipes")
    cut.write_text(stoa(tmp_path / "one", "export", "-").stdout[:-20])
    other.write_text("Dear Ana,\n")
    for arguments, words in (
        (("import", str(cut)), "cut off"),
        (("import", str(other)), "not an export of Stoa"),
        (("import", str(tmp_path / "none")), "cannot be read"),
        (("export", "nowhere", "-"), "There is no space 'nowhere'"),
        (("export", str(tmp_path / "no" / "where.jsonl")), "cannot be written"),
    ):
        done = subprocess.run(
            [*STOA, *arguments], capture_output=True, text=True, env=stoa.environment(tmp_path / "two"), check=False
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_a_file_with_a_record_of_somebody_that_nobody_could_read_is_refused(stoa: CommandLine, tmp_path: Path) -> None:
    one, two, file = tmp_path / "one", tmp_path / "two", tmp_path / "backup.jsonl"
    stoa(one, "space", "create", "recipes")
    stoa(one, "export", str(file))
    lines = lines_of(file)
    with file.open("wb") as broken:
        writer = Writer(broken)
        for line in lines:
            writer.write(line)
        writer.write(RegistryLine(of="person", id="ana", record={"id": "ana", "accounts": "slack/T1:U7"}))
        writer.finish()
    refused = stoa(two, "import", "--yes", str(file))
    assert refused.returncode == 1
    assert "the record of person 'ana' cannot be read: accounts is wrong" in refused.stderr
    assert stoa(two, "people", "list").returncode == 0
