"""The command line as a person and a script meet it: real processes on a data directory of their own."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

import core
from bots.cli import lazy, main
from bots.pidfile import alone
from bots.seed import seed
from core.house import open_house
from core.redis.server import EmbeddedRedis
from core.settings import load
from tests.bots.conftest import STOA, CommandLine, Done

EMBEDDED = CommandLine()


def process(home: Path, *words: str, say: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    """A command in a process of its own."""
    variables = EMBEDDED.environment(home, **more)
    return subprocess.run(
        [*STOA, *words], input=say, capture_output=True, text=True, env=variables, timeout=110, check=False
    )


@dataclass
class Running:
    """A `stoa run` whose input stays open."""

    home: Path
    process: "subprocess.Popen[str]"

    def say(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def hear(self, words: str) -> str:
        """The first line from now on that contains the words."""
        assert self.process.stdout
        for line in self.process.stdout:
            if words in line:
                return line.strip()
        raise AssertionError(f"{words!r} was never said; {self.process.wait()=}")

    def ask(self, *words: str) -> Done:
        return EMBEDDED(self.home, *words)


def start(home: Path) -> Running:
    process = subprocess.Popen(
        [*STOA, "run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=EMBEDDED.environment(home),
    )
    return Running(home, process)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stoa")


@pytest.fixture(scope="module")
def piped(home: Path) -> "subprocess.CompletedProcess[str]":
    """What a run said whose input ended at once."""
    return process(home, "run", say="add buy honey to my tasks\n\nadd buy milk to my tasks")


@pytest.fixture(scope="module")
def running(home: Path, piped: object) -> Iterator[Running]:
    """A Stoa that runs; at the end its input ends, and so does it."""
    one = start(home)
    one.say("hello")
    one.hear("help")
    yield one
    assert one.process.stdin
    one.process.stdin.close()
    assert one.process.wait(60) == 0


def test_the_version_takes_less_than_a_third_of_a_second_of_cpu() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*STOA, "--version"], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == f"stoa {core.__version__}\n"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_says_what_its_listing_says_it_does(command: str, stoa: CommandLine, tmp_path: Path) -> None:
    words, (function, line) = command.split(), main.COMMANDS[command]
    done = stoa(tmp_path, *words, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: stoa {command}")
    assert (lazy.function(function).__doc__ or "").partition("\n")[0] == line
    assert f"  {words[-1]}" in (listing := stoa(tmp_path, *words[:-1], "--help").stdout)
    assert line in listing  # on a line of its own
    assert not list(tmp_path.iterdir())


def test_a_command_that_is_not_there_is_refused_with_one_that_sounds_like_it(stoa: CommandLine, tmp_path: Path) -> None:
    done = stoa(tmp_path, "spcae")
    assert done.returncode == 2
    assert "No such command 'spcae'. Did you mean 'space'?" in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("space", "--help"), ("people", "group", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from bots.cli.main import app; "
        f"app({list(words)}, prog_name='stoa')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "bots.cli.main" in loaded
    assert not {"redis", "litellm", "rich", "core.house"} & loaded


def test_spaces_can_be_looked_at_when_nothing_runs(tmp_path: Path) -> None:
    assert "no spaces yet" in EMBEDDED(tmp_path, "space", "list").stdout
    assert "no agents yet" in EMBEDDED(tmp_path, "agent", "list").stdout
    assert EMBEDDED(tmp_path, "timer", "list", "--json").stdout == "[]\n"


def test_what_cannot_be_meant_is_said_in_our_own_words(stoa: CommandLine, tmp_path: Path) -> None:
    assert stoa(tmp_path, "cost", "--by", "foo").stderr == "stoa: --by is day, root, agent or model, not 'foo'.\n"
    pending = "stoa: No timer 'xyz' is pending. `stoa timer list` shows pending timers.\n"
    assert stoa(tmp_path, "timer", "cancel", "xyz").stderr == pending


def test_what_is_not_there_is_named_in_one_line(stoa: CommandLine, tmp_path: Path) -> None:
    for command in "space show nowhere", "agent show nobody":
        done = stoa(tmp_path, *command.split())
        assert done.returncode == 1
        assert done.stderr.startswith("stoa: There is no ")
        assert done.stderr.count("\n") == 1


def test_a_variable_that_is_no_setting_is_pointed_out_with_the_one_that_was_meant(
    stoa: CommandLine, tmp_path: Path
) -> None:
    others = {
        "STOA_SECRET_BANK": "hunter2-hunter2",
        "STOA_SERVICE_HOST": "10.0.0.7",
        "STOA_PORT_6379_TCP": "tcp://10.0.0.7",
    }
    done = stoa(tmp_path, "timer", "list", STOA_MODLE="openai/gpt-5", STOA_COLOUR="red", **others)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "stoa: STOA_COLOUR is not a setting.",
        "stoa: STOA_MODLE is not a setting; did you mean STOA_MODEL?",
    ]


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = EMBEDDED(tmp_path, "space", "list", STOA_TIMEZONE="Mars/North")
    assert done.returncode == 1
    assert "'Mars/North' is not a time zone" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = EMBEDDED(tmp_path / "file" / "home", "run")
    assert done.returncode == 1
    assert str(tmp_path / "file" / "home") in done.stderr
    assert "Traceback" not in done.stderr


def test_chat_needs_a_stoa_that_runs(tmp_path: Path) -> None:
    done = EMBEDDED(tmp_path, "chat", "--once", "hello")
    assert done.returncode == 1
    assert "not running" in done.stderr


def test_an_unexpected_error_is_one_line_and_its_details_are_in_the_log(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from bots import __main__
        from bots.cli import timers
        def stumble() -> None:
            raise TypeError("odd")
        timers.timer_list = stumble
        sys.argv = ["stoa", "timer", "list"]
        __main__.main()
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=EMBEDDED.environment(tmp_path)
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "TypeError: odd" in done.stderr
    assert "Traceback" in (tmp_path / "stoa.log").read_text()
    assert (tmp_path / "stoa.log").stat().st_mode & 0o077 == 0


def test_doctor_finds_nothing_wrong_with_a_fresh_start(tmp_path: Path) -> None:
    done = EMBEDDED(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout
    assert "problem" not in done.stdout


def test_doctor_says_what_to_do_about_each_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    done = EMBEDDED(tmp_path, "doctor", REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 1
    assert f"chmod 700 {tmp_path}" in done.stdout
    assert "Check REDIS_URL" in done.stdout


def test_doctor_looks_at_the_rest_where_the_address_of_redis_is_none(tmp_path: Path) -> None:
    done = EMBEDDED(tmp_path, "doctor", REDIS_URL="nonsense")
    assert done.returncode == 1
    assert "problem  redis" in done.stdout
    assert "REDIS_URL does not name a Redis" in done.stdout
    assert "running" in done.stdout


def test_doctor_mends_a_damaged_file(tmp_path: Path) -> None:
    EMBEDDED(tmp_path, "space", "list")
    (log,) = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"no command\r\n" * 10)
    assert "stoa doctor --repair" in EMBEDDED(tmp_path, "doctor").stdout
    assert "cut back" in EMBEDDED(tmp_path, "doctor", "--repair").stdout
    assert EMBEDDED(tmp_path, "doctor").returncode == 0


def test_piped_lines_are_answered_before_it_ends(piped: "subprocess.CompletedProcess[str]") -> None:
    assert piped.returncode == 0, piped.stderr
    assert "Added to your tasks: buy honey." in piped.stdout
    assert "Added to your tasks: buy milk." in piped.stdout
    assert piped.stderr == ""


def test_a_piped_message_that_was_not_answered_in_time_is_said_and_ends_with_an_error(tmp_path: Path) -> None:
    done = process(tmp_path, "run", say="hello", STOA_LINGER="0.001")
    assert done.returncode == 1
    assert done.stderr.startswith("stoa: No answer came to a message within 0.001 seconds. What you wrote is kept")
    assert "Hello" in process(tmp_path, "run", say="hello again").stdout


@pytest.mark.parametrize("words", [("space", "diff"), ("space", "search")])
@pytest.mark.parametrize("variable", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_terminal_without_styles_gets_plain_text(
    stoa: CommandLine, tmp_path: Path, words: tuple[str, ...], variable: dict[str, str]
) -> None:
    stoa(tmp_path, "space", "create", "notes")
    name = stoa(tmp_path, "space", "put", "notes", "spoons").stdout.strip()
    stoa(tmp_path, "space", "edit", name, EDITOR="sed -i s/spoons/forks/")
    command = [*STOA[1:], *words, name if words[1] == "diff" else "forks"]
    for variables, styled in (variable, False), ({"TERM": "xterm"}, True):
        screen = pexpect.spawn(STOA[0], command, env=stoa.environment(tmp_path, **variables), encoding="utf-8")
        screen.expect(pexpect.EOF)
        assert "forks" in screen.before
        assert ("\x1b" in screen.before) == styled


def test_a_person_with_a_dumb_terminal_is_answered_in_plain_lines(tmp_path: Path) -> None:
    environment = EMBEDDED.environment(tmp_path, TERM="dumb")
    screen = pexpect.spawn(STOA[0], [*STOA[1:], "run"], env=environment, timeout=60, encoding="utf-8", echo=False)
    screen.sendline("add buy milk to my tasks")
    screen.expect_exact("Added to your tasks: buy milk.")
    screen.sendeof()
    screen.expect(pexpect.EOF)
    screen.close()
    assert (screen.exitstatus, "\x1b" in screen.before) == (0, False)


def test_a_message_by_chat_is_answered(running: Running) -> None:
    done = running.ask("chat", "--once", "what is on my list?")
    assert done.returncode == 0, done.stderr
    assert "buy milk" in done.stdout


async def test_chat_without_an_answer_ends_with_a_sentence(tmp_path: Path) -> None:
    with alone(tmp_path):  # as a Stoa whose agents say nothing
        async with (
            EmbeddedRedis(tmp_path) as redis,
            open_house(load(home=tmp_path, namespace=EMBEDDED.namespace(tmp_path)), redis.url) as house,
        ):
            await seed(house)
            done = await asyncio.to_thread(EMBEDDED, tmp_path, "chat", "--once", "hello", "--timeout", "0.1")
            assert [atom.content for atom in await house.spaces.open("chat").search()] == ["hello"]
    assert done.returncode == 1
    assert "Your message is kept" in done.stderr


def test_a_second_run_is_refused(running: Running) -> None:
    done = running.ask("run")
    assert done.returncode == 1
    assert f"process {running.process.pid}" in done.stderr
    assert "stoa chat" in done.stderr


def test_the_trail_of_a_task_can_be_read(running: Running) -> None:
    shown = running.ask("space", "show", "tasks").stdout
    assert "assistant" in shown
    assert "buy milk" in shown
    assert "added buy milk" in running.ask("space", "history", "tasks").stdout
    assert "buy milk" in running.ask("space", "search", "groceries", "--in", "tasks").stdout


def test_scripts_get_json(running: Running) -> None:
    task = json.loads(running.ask("space", "show", "tasks", "--limit", "1", "--json").stdout)[0]
    assert (task["content"], task["comment"], task["author"]) == ("buy milk", "added buy milk", "assistant")
    (version,) = json.loads(running.ask("space", "history", f"tasks/{task['id']}", "--json").stdout)
    assert version["operation"] == "put"
    (found,) = json.loads(running.ask("space", "search", "milk", "--in", "tasks", "--limit", "1", "--json").stdout)
    assert found["id"] == task["id"]
    names = [space["name"] for space in json.loads(running.ask("space", "list", "--json").stdout)]
    assert names == ["approvals", "audit", "briefing", "bus", "chat", "memory", "notes", "prompts", "tasks", "timers"]
    agents = [agent["id"] for agent in json.loads(running.ask("agent", "list", "--json").stdout)]
    assert sorted(agents) == ["assistant", "briefing", "memory-keeper", "scheduler"]
    assert json.loads(running.ask("agent", "show", "assistant", "--json").stdout)["spaces"]["timers"] == "read"


def test_a_timer_is_listed_and_cancelled(running: Running) -> None:
    running.say("remind me tomorrow at 9am to water the plants")
    running.hear("tomorrow at 09:00")
    (timer,) = json.loads(running.ask("timer", "list", "--json").stdout)
    assert timer["what"] == "water the plants"
    assert running.ask("timer", "cancel", timer["id"]).stdout == "Cancelled: water the plants\n"
    assert running.ask("timer", "list").stdout == "No timers are pending.\n"
    assert running.ask("timer", "cancel", timer["id"]).returncode == 1
    assert running.ask("timer", "cancel", "").stderr.startswith("stoa: No timer '' is pending.")


def test_a_reader_who_leaves_ends_it_quietly(running: Running) -> None:
    listing = subprocess.Popen(
        [*STOA, "space", "show", "chat", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=EMBEDDED.environment(running.home),
    )
    assert listing.stdout
    listing.stdout.close()
    _, complaints = listing.communicate(timeout=60)
    assert complaints == b""


def test_the_death_of_redis_is_said_and_survived(running: Running) -> None:
    os.kill(int((running.home / "redis" / "redis.pid").read_text()), signal.SIGKILL)
    assert "SIGKILL" in running.hear("Trying again")
    running.say("add buy bread to my tasks")
    assert running.hear("Added to your tasks: buy bread.")


def test_a_person_is_greeted_and_can_leave(tmp_path: Path) -> None:
    screen = pexpect.spawn(
        STOA[0],
        [*STOA[1:], "run"],
        env=EMBEDDED.environment(tmp_path, TERM="xterm-256color", PROMPT_TOOLKIT_NO_CPR="1"),
        timeout=30,
        encoding="utf-8",
    )
    screen.expect_exact(f"Stoa {core.__version__}, the built-in offline model.")
    screen.send("/quit\r")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0


@pytest.mark.parametrize("ending, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_orderly_and_quietly(tmp_path: Path, ending: signal.Signals, status: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it, and so do children
    one = start(tmp_path)
    while b"docket" not in ((tmp_path / "stoa.log").read_bytes() if (tmp_path / "stoa.log").exists() else b""):
        assert one.process.poll() is None
        time.sleep(0.05)
    one.process.send_signal(ending)
    said, _ = one.process.communicate(timeout=30)
    assert (one.process.returncode, said) == (status, "")
    assert not EmbeddedRedis(tmp_path).socket.exists()
