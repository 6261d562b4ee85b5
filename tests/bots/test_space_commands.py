"""`stoa space` as people and scripts use it, with a real editor (a script) and a real terminal."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pexpect
import pytest

from bots.cli.arguments import conditions_of, metadata_of
from bots.cli.editor import merge
from bots.cli.excerpts import matches
from bots.cli.supervision import logged
from bots.pidfile import alone
from core.errors import InvalidInput
from core.settings import load
from tests.bots.conftest import STOA, CommandLine, Done

Stoa = Callable[..., Done]
LOGS = ("stoa.log", "stoa.log.1", "stoa.pid")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(stoa: CommandLine, home: Path) -> Stoa:
    def run(*arguments: str, fails: bool = False, **more: str) -> Done:
        done = stoa(home, "space", *arguments, **more)
        assert (done.returncode != 0) == fails, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def space(run: Stoa, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-")[:60].lower()
    run("create", name, "# A test\nWhat a test puts.")
    return str(name)


def editor(path: Path, *commands: str, puts: str = "") -> str:
    """An editor that runs commands, once, and then replaces 'old' by `puts` in what it is given."""
    script = path / "editor.py"
    lines = ["import pathlib, subprocess, sys", "file, mark = pathlib.Path(sys.argv[1]), pathlib.Path(__file__ + '.x')"]
    lines += ["first = not mark.exists()", "mark.touch()"]
    lines += [f"first and subprocess.run({[*STOA, *command.split('|')]!r}, check=True)" for command in commands]
    lines += [f"file.write_text(file.read_text().replace('old', {puts!r}))"]
    script.write_text("\n".join(lines))
    return f"{sys.executable} {script}"


def test_what_is_put_can_be_got_shown_changed_and_traced(run: Stoa, space: str) -> None:
    name = run("put", space, "buy milk", "--meta", "status=open", "--meta", "count=2", "-m", "for tea").stdout.strip()
    assert run("get", name).stdout == "buy milk\n"
    assert run("edit", name, "--meta", "status=done", "--meta", "count=").stdout == f"Saved {name}, version 2.\n"
    shown = run("show", name).stdout
    assert "version 2" in shown
    assert "done" in shown
    assert "count" not in shown
    atom = json.loads(run("show", name, "--json").stdout)
    assert (atom["content"], atom["metadata"], atom["author"]) == ("buy milk", {"status": "done"}, "owner")
    assert "for tea" in run("history", name).stdout
    run("deprecate", name)
    assert run("show", space).stdout == f"{space} is empty.\n"
    assert run("get", name).stdout == "buy milk\n"


def test_text_comes_from_standard_input_too(run: Stoa, space: str) -> None:
    name = run("put", space, "-", say="two\nlines\n").stdout.strip()
    assert run("get", name).stdout == "two\nlines\n"


def test_a_space_is_described_and_described_anew(run: Stoa, space: str, tmp_path: Path) -> None:
    assert run("describe", space).stdout == "# A test\nWhat a test puts.\n"
    run("describe", space, "old ways")
    run("describe", space, "--edit", EDITOR=editor(tmp_path, puts="new"))
    assert run("describe", space).stdout == "new ways\n"
    assert "exists" in run("create", space, fails=True).stderr
    assert "cannot be a space's name" in run("create", "no blanks", fails=True).stderr


def test_a_space_is_shared_and_taken_back(run: Stoa, space: str) -> None:
    said = f"bot may use write on {space} now. There is no agent bot yet.\n"
    assert run("share", space, "bot", "write").stdout == said
    assert "There is no person 'zed'" in run("share", space, "person:zed", "read", fails=True).stderr
    assert "until 2999-01-01" in run("share", space, "guest", "read", "--until", "2999-01-01T00:00").stdout
    assert "is in the past" in run("share", space, "guest", "read", "--until", "1999-01-01T00:00", fails=True).stderr
    assert "There is no text." in run("put", space, " ", fails=True).stderr
    assert "Unknown permission" in run("share", space, "bot", "own", fails=True).stderr
    assert f"Revoked everything bot held on {space}" in run("revoke", space, "bot").stdout
    assert "'bott' was never given anything" in run("revoke", space, "bott", fails=True).stderr


def test_search_shows_what_matched(run: Stoa, space: str) -> None:
    run("put", space, f"{'Nothing to see here. ' * 40}The plumber's number is 555-0199. {'Or here. ' * 40}")
    run("put", space, "Grandmother's cake wants four eggs.\nMilk must be warm.")
    (found, _) = json.loads(run("search", "plumbers", "--in", space, "--json").stdout)
    piece = found["excerpt"]
    assert [piece["text"][a:b] for a, b in piece["matches"]] == ["plumber"]
    assert len(piece["text"]) < 400
    (cake,) = json.loads(run("search", "lukewarm liquid", "--in", space, "--limit", "1", "--json").stdout)
    (((start, end),), text) = cake["excerpt"]["matches"], cake["excerpt"]["text"]
    assert text[start:end] == "Milk must be warm."


def test_a_first_word_that_names_a_space_limits_the_search_to_it(run: Stoa, space: str) -> None:
    run("create", f"{space}-2")
    run("put", space, "buy milk")
    run("put", space, "call the plumber")
    run("put", f"{space}-2", "milk the goat")

    def found(*words: str) -> list[str]:
        return [atom["content"] for atom in json.loads(run("search", *words, "--json").stdout)]

    assert found(space, "milk", "-n", "1") == ["buy milk"]
    assert found(space, "who", "fixes", "pipes", "-n", "1") == ["call the plumber"]
    assert found(space) == ["call the plumber", "buy milk"]
    assert sorted(found("milk", "-n", "2")) == ["buy milk", "milk the goat"]
    assert found("--in", f"{space}-2", "milk") == ["milk the goat"]
    assert run("search", f"{space}-2", "--meta", "status=open").stdout == f"Found nothing in {space}-2.\n"
    assert "Say what to look for" in run("search", fails=True).stderr
    assert "There is no space 'nowhere'" in run("search", "milk", "--in", "nowhere", fails=True).stderr


@pytest.mark.parametrize("mask", [0, 0o777])
def test_files_that_commands_write_are_their_owners_alone_whatever_the_umask(
    mask: int, stoa: CommandLine, home: Path, run: Stoa, space: str, tmp_path: Path
) -> None:
    name = run("put", space, "manual").stdout.strip()
    (tmp_path / "manual.txt").write_text("Turn it off and on again.")
    run("attach", name, str(tmp_path / "manual.txt"))
    saved = tmp_path / "saved"
    saved.mkdir()
    before = os.umask(mask)
    try:
        run("save", name, "--to", str(saved))
        stoa(home, "export", str(tmp_path / "backup.jsonl"))
        with alone(home), logged(load(home=home), "stoa.log"):
            logging.getLogger("stoa").warning("a line")
            for handler in logging.getLogger().handlers:
                if isinstance(handler, RotatingFileHandler):
                    handler.doRollover()
    finally:
        os.umask(before)
    files = [saved / "manual.txt", tmp_path / "backup.jsonl", *(home / name for name in LOGS)]
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in files} == {file.name: "0o600" for file in files}


def test_what_matched_is_bold_in_a_terminal(stoa: CommandLine, home: Path, run: Stoa, space: str) -> None:
    run("put", space, "a drawer full of spoons and forks")
    screen = pexpect.spawn(STOA[0], [*STOA[1:], "space", "search", "spoon", "--in", space], env=stoa.environment(home))
    screen.expect_exact(b"\x1b[1mspoons\x1b[0m")
    screen.expect(pexpect.EOF)


def test_search_takes_conditions(run: Stoa, space: str) -> None:
    run("put", space, "pay the rent", "--meta", "status=open", "--meta", "due=2026-12-01T09:00+01:00")
    run("put", space, "pay the gas", "--meta", "status=open", "--meta", "due=2027-01-01T09:00+01:00")
    early = ("search", "pay", "--in", space, "--meta", "status=open", "--meta", "due<2026-12-24T00:00+01:00", "--json")
    assert [atom["content"] for atom in json.loads(run(*early).stdout)] == ["pay the rent"]
    assert "is not a condition" in run("search", "pay", "--meta", "status", fails=True).stderr


def test_an_atom_is_edited_in_the_editor(run: Stoa, space: str, tmp_path: Path) -> None:
    name = run("put", space, "the old plan").stdout.strip()
    with_editor = editor(tmp_path, puts="new")
    assert run("edit", name, "-m", "better", EDITOR=with_editor).stdout == f"Saved {name}, version 2.\n"
    assert run("get", name).stdout == "the new plan\n"
    assert run("edit", name, EDITOR=with_editor).stdout == "Nothing has changed.\n"
    assert "cannot be started" in run("edit", name, EDITOR="no-such-editor", fails=True).stderr
    assert run("get", name, "--version", "1").stdout == "the old plan\n"
    assert "-the old plan\n+the new plan" in run("diff", name).stdout
    assert "no version 7" in run("diff", name, "7", fails=True).stderr


def test_no_editor_is_opened_where_there_is_no_terminal(run: Stoa, space: str) -> None:
    name = run("put", space, "the old plan").stdout.strip()
    assert "There is no terminal for an editor" in run("edit", name, EDITOR="", VISUAL="", fails=True).stderr
    assert run("get", name).stdout == "the old plan\n"


def test_an_edit_that_came_second_keeps_what_was_written(run: Stoa, space: str, tmp_path: Path) -> None:
    name = run("put", space, "the old plan").stdout.strip()
    slow = editor(tmp_path, f"space|edit|{name}|--meta|seen=yes|-m|looked at it", puts="new")
    done = run("edit", name, EDITOR=slow, TMPDIR=str(tmp_path), fails=True)
    assert "looked at it" in done.stderr
    kept = done.stderr.partition("kept in ")[2].partition(";")[0]
    assert Path(kept).read_text() == "the new plan\n"
    assert run("get", name).stdout == "the old plan\n"


def test_both_changes_can_be_saved(stoa: CommandLine, home: Path, run: Stoa, space: str, tmp_path: Path) -> None:
    name = run("put", space, "the old plan\n\nand what follows").stdout.strip()
    (tmp_path / "theirs").mkdir()
    fast = tmp_path / "theirs" / "editor.py"
    fast.write_text("import pathlib, sys; f = pathlib.Path(sys.argv[1]); f.write_text(f.read_text() + 'a third line')")
    fast_edit = f"import os; os.environ['EDITOR'] = '{sys.executable} {fast}'; "
    fast_edit += f"import subprocess; subprocess.run({[*STOA, 'space', 'edit', name]!r}, check=True)"
    (tmp_path / "edit.py").write_text(fast_edit)
    slow = editor(tmp_path, puts="new")
    script = tmp_path / "editor.py"
    script.write_text(
        script.read_text() + f"\nfirst and subprocess.run([{sys.executable!r}, {str(tmp_path / 'edit.py')!r}])"
    )
    screen = pexpect.spawn(
        STOA[0],
        [*STOA[1:], "space", "edit", name],
        env=stoa.environment(home, EDITOR=slow),
        timeout=60,
        encoding="utf-8",
    )
    screen.expect_exact("You changed different lines")
    screen.expect_exact("What should be saved?")
    screen.sendline("b")
    screen.expect_exact(f"Saved {name}, version 3.")
    screen.expect(pexpect.EOF)
    assert run("get", name).stdout == "the new plan\n\nand what follows\na third line\n"


def test_tail_shows_what_happened(run: Stoa, space: str) -> None:
    name = run("put", space, "one", "-m", "the first").stdout.strip()
    run("put", space, "two", "-m", "the second")
    lines = run("tail", space).stdout.splitlines()
    assert [line.split("  ")[2] for line in lines] == ["create", "put", "put"]
    assert f"the first  [{name}]" in lines[1]
    (last,) = run("tail", space, "-n", "1", "--json").stdout.splitlines()
    assert json.loads(last)["comment"] == "the second"


def test_tail_follows_until_interrupted(stoa: CommandLine, home: Path, run: Stoa, space: str) -> None:
    following = subprocess.Popen(
        [*STOA, "space", "tail", "-f", space],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=stoa.environment(home),
    )
    assert following.stdout
    assert "created" in following.stdout.readline()
    run("put", space, "news", "-m", "something new")
    assert "something new" in following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, complaints = following.communicate(timeout=30)
    assert (following.returncode, complaints) == (130, "")


@pytest.mark.parametrize("name", ["nospace/abc", "get-me"])
def test_what_names_no_atom_is_refused_in_a_sentence(run: Stoa, name: str) -> None:
    complaint = run("get", name, fails=True).stderr
    assert complaint.startswith("stoa: ")
    assert complaint.count("\n") == 1


def test_an_empty_name_is_no_file(run: Stoa) -> None:
    complaint = run("attach", "notes/k3v9w2m4q8zt", "", fails=True).stderr
    assert complaint == "stoa: The name of a file or directory is empty.\n"


def test_metadata_is_read_as_what_it_looks_like() -> None:
    typed = metadata_of(
        ["n=2", "x=1.5", "done=true", "id='7", 'text="7"', "tag=a", "tag=b", "gone=", "when=2026-12-01"]
    )
    assert typed == {
        "n": 2, "x": 1.5, "done": True, "id": "'7", "text": "7", "tag": ["a", "b"], "gone": None, "when": "2026-12-01"
    }  # fmt: skip
    for account in ("12345678901234567890123", "9223372036854775808"):
        assert metadata_of([f"account={account}"]) == {"account": account}
    assert conditions_of(["a=b=c", "n>=2", "n<5"]) == {"a": "b=c", "n": {"gte": 2, "lt": 5}}
    with pytest.raises(InvalidInput, match="KEY=VALUE"):
        metadata_of(["status"])


def test_both_changes_of_a_text_are_merged_line_by_line() -> None:
    base = "a\nb\nc\nd\n"
    assert merge(base, "A\nb\nc\nd\n", "a\nb\nc\nD\n") == ("A\nb\nc\nD\n", False)
    assert merge(base, "a\nb\nc\nd\ne\n", "b\nc\nd\n") == ("b\nc\nd\ne\n", False)
    merged, clash = merge(base, "a\nB1\nc\nd\n", "a\nB2\nc\nd\n")
    assert clash
    assert merged == "a\n<<<<<<< theirs\nB1\n=======\nB2\n>>>>>>> yours\nc\nd\n"


def test_words_match_with_other_endings() -> None:
    text = "The berries; a berry. Merry!"
    assert [text[a:b] for a, b in matches("the berry", text)] == ["berries", "berry"]
