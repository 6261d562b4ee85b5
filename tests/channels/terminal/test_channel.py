"""The terminal as a person meets it, on a real pseudo-terminal, and the pipe where there is none."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pexpect
import pytest

ECHO = ["-m", "tests.channels.echo"]


class Screen(Protocol):
    """What a pseudo-terminal can be asked, as far as these tests do."""

    before: str
    exitstatus: int | None

    def send(self, text: str) -> int: ...
    def expect(self, pattern: object) -> int: ...
    def expect_exact(self, text: str) -> int: ...
    def close(self) -> None: ...


def open_screen(home: Path, **environment: str) -> Screen:
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    screen: Screen = pexpect.spawn(
        sys.executable,
        [*ECHO, str(home)],
        env={**kept, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **environment},
        dimensions=(24, 80),
        timeout=15,
        encoding="utf-8",
    )
    screen.expect_exact("The echo is listening.")
    return screen


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    one = open_screen(tmp_path)
    one.expect_exact("›")
    yield one
    one.close()


def leave(screen: Screen, keys: str) -> int | None:
    screen.send(keys)
    screen.expect(pexpect.EOF)
    screen.close()
    return screen.exitstatus


def test_a_line_is_edited_and_sent(screen: Screen) -> None:
    screen.send("hello wrld\x1b[D\x1b[D\x1b[Do\r")
    screen.expect_exact("echo 'hello world'")


def test_alt_enter_and_a_paste_make_several_lines_one_message(screen: Screen) -> None:
    screen.send("one\x1b\rtwo\r")
    screen.expect_exact(r"echo 'one\ntwo'")
    screen.send("\x1b[200~three\nfour\x1b[201~\r")
    screen.expect_exact(r"echo 'three\nfour'")


def test_a_reminder_appears_above_what_is_being_typed(screen: Screen) -> None:
    screen.send("later\r")
    screen.expect_exact("I will.")
    screen.send("half a sen")
    screen.expect_exact("Reminder: it is time.")
    screen.expect_exact("half a sen")
    screen.send("tence\r")
    screen.expect_exact("echo 'half a sentence'")


def test_an_answer_shows_while_it_is_written_and_its_code_does_not(screen: Screen) -> None:
    screen.send("think\r")
    screen.expect_exact("assistant is thinking…")
    screen.send("write\r")
    screen.expect_exact("Half of")
    screen.expect_exact("an answer")
    assert "x = 1" not in screen.before


def test_earlier_messages_come_back_in_the_next_session(screen: Screen, tmp_path: Path) -> None:
    screen.send("remember me\r")
    screen.expect_exact("echo 'remember me'")
    assert leave(screen, "/quit\r") == 0
    again = open_screen(tmp_path)
    again.expect_exact("›")
    again.send("\x1b[A\x1b[A\r")
    again.expect_exact("echo 'remember me'")
    again.close()
    assert (tmp_path / "history").stat().st_mode & 0o077 == 0


def test_ctrl_c_clears_the_line_and_twice_leaves(screen: Screen) -> None:
    screen.send("not this\x03")
    screen.expect_exact("Ctrl-C again")
    assert leave(screen, "\x03") == 0
    assert "echo" not in screen.before


def test_ctrl_d_leaves(screen: Screen) -> None:
    assert leave(screen, "\x04") == 0


def test_help_lists_what_the_terminal_understands(screen: Screen) -> None:
    screen.send("/help\r")
    screen.expect_exact("Alt-Enter")
    screen.expect_exact("/quit")


def test_an_answer_cannot_command_the_terminal(screen: Screen) -> None:
    screen.send("attack\r")
    screen.expect_exact("a]0;owned31mb")


def test_markdown_is_shown_in_bold(screen: Screen) -> None:
    screen.send("bold\r")
    screen.expect_exact("\x1b[1mloud\x1b[0m")


def test_no_color_means_no_colour(tmp_path: Path) -> None:
    screen = open_screen(tmp_path, NO_COLOR="1")
    screen.send("bold\r")
    screen.expect_exact("**loud**")
    screen.close()


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    screen = open_screen(tmp_path, TERM="dumb")
    screen.send("bold\r")
    screen.expect_exact("**loud**")
    assert "\x1b" not in screen.before
    assert leave(screen, "\x04") == 0


def pipe(home: Path, said: bytes) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, *ECHO, str(home)], input=said, capture_output=True, timeout=30, check=False)


def test_each_line_of_a_pipe_is_a_message_and_each_answer_a_plain_line(tmp_path: Path) -> None:
    done = pipe(tmp_path, b"one\n\n  \ntwo\nbold")
    assert done.stdout.decode().splitlines() == ["echo 'one'", "echo 'two'", "**loud**"]
    assert done.returncode == 0


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    assert pipe(tmp_path, b"caf\xe9\n").stdout.decode() == "echo 'caf\ufffd'\n"


def test_a_very_long_line_is_one_message(tmp_path: Path) -> None:
    assert len(pipe(tmp_path, b"x" * 1_000_000).stdout) == 1_000_000 + len("echo ''\n")


def test_a_reader_who_leaves_ends_it_quietly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, *ECHO, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.wait(15) == 0
    assert process.stderr.read() == b"The echo is listening.\n"
    process.stdin.close()
    process.stderr.close()


def test_a_closed_window_ends_it_even_with_a_line_half_typed(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
    with subprocess.Popen(
        [sys.executable, *ECHO, str(tmp_path)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while "›".encode() not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, b"half a li")
        while b"half a li" not in shown:
            shown += os.read(ours, 1000)
        os.close(ours)
        assert process.wait(timeout=15) is not None
