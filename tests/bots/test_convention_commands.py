"""`stoa convention`, as a person uses it."""

from pathlib import Path

from tests.bots.conftest import CommandLine


def test_a_person_writes_tries_and_applies_a_convention_and_goes_back(tmp_path: Path, stoa: CommandLine) -> None:
    assert stoa(tmp_path, "convention", "new", "decision-log").returncode == 0
    checked = stoa(tmp_path, "convention", "check", "decision-log").stdout
    assert "ok         Write something down" in checked
    stoa(tmp_path, "space", "create", "decisions", "Ours.", "--convention", "decision log")
    assert "is described by document now" in stoa(tmp_path, "convention", "apply", "document", "decisions").stdout
    assert stoa(tmp_path, "convention", "history", "decisions").stdout.count("owner") == 2
    stoa(tmp_path, "convention", "restore", "decisions", "1")
    assert stoa(tmp_path, "space", "describe", "decisions").stdout.startswith("# Decision log\nOurs.")
    listed = stoa(tmp_path, "convention", "list").stdout
    assert "conventions/decision-log.md" in listed
    assert "task-list" in listed


def test_a_convention_with_a_failing_recipe_changes_nothing(tmp_path: Path, stoa: CommandLine) -> None:
    stoa(tmp_path, "convention", "new", "decision-log")
    file = tmp_path / "conventions" / "decision-log.md"
    file.write_text(file.read_text("utf-8").replace("kept.ref", "kept.reference"), "utf-8")
    stoa(tmp_path, "space", "create", "decisions", "Ours.")
    done = stoa(tmp_path, "convention", "apply", "decision-log", "decisions")
    assert done.returncode == 1
    assert "fails      Write something down: AttributeError" in done.stdout
    assert "1 of 1 recipes fail, so nothing was changed." in done.stderr
    assert stoa(tmp_path, "space", "describe", "decisions").stdout.strip() == "Ours."
