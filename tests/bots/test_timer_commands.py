"""`stoa timer`: set, shown, moved, cancelled and undone from the command line."""

import json
from pathlib import Path

import pytest

from tests.bots.conftest import CommandLine


def test_a_timer_is_set_moved_cancelled_and_everything_is_undone(stoa: CommandLine, tmp_path: Path) -> None:
    made = stoa(tmp_path, "timer", "add", "every Monday at 8", "water the plants")
    assert "water the plants (every Monday at 08:00), next " in made.stdout
    id = made.stdout.partition(":")[0]
    assert "every Friday at 10:00" in stoa(tmp_path, "timer", "move", id, "every Friday at 10").stdout
    assert "every Monday at 08:00" in stoa(tmp_path, "timer", "undo", id).stdout
    assert stoa(tmp_path, "timer", "cancel", id).stdout == "Cancelled: water the plants\n"
    assert "every Monday at 08:00" in stoa(tmp_path, "timer", "undo", id).stdout
    (timer,) = json.loads(stoa(tmp_path, "timer", "list", "--json").stdout)
    assert (timer["id"], timer["status"], timer["repeats"]) == (id, "pending", "every Monday at 08:00")
    history = stoa(tmp_path, "timer", "show", id).stdout
    assert history.index("timer set for every Monday") < history.index("timer cancelled") < history.rindex("undone")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("every 0 seconds", "x"), "never stop"),
        (("yesterday", "x"), "in the past"),
        (("31 February", "x"), "no such day"),
        (("tomorrow", "x", "--zone", "Mars/Olympus"), "Unknown time zone 'Mars/Olympus'"),
        (("0 0 30 2 *", "x"), "not a valid cron line"),
        (("tomorrow", ""), "what is missing"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    stoa: CommandLine, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = stoa(tmp_path, "timer", "add", *words)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert json.loads(stoa(tmp_path, "timer", "list", "--json").stdout) == []
