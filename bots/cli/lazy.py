"""Command groups that import a command's module only when the command is called."""

import asyncio
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from channels.text import visible

KUBERNETES_VARIABLE = re.compile(r"STOA_(.+_)?(SERVICE_(HOST|PORT).*|PORT(_.*)?)")
"""Kubernetes sets these where a service is called stoa."""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command in a table: its function, as `module.function` below `bots.cli`, and its line of help."""

    function: str
    help: str


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A group in a table: its help, of which the first line is listed, and its commands."""

    help: str
    commands: "Mapping[str, CommandEntry | GroupEntry]"


class LazyGroup(TyperGroup):
    """Lists its commands from a table, so that `--help` imports none of them."""

    def __init__(self, name: str, entry: GroupEntry, **more: Any) -> None:
        super().__init__(name=name, help=entry.help, no_args_is_help=True, rich_markup_mode=None, **more)
        self.entries = entry.commands
        self.commands = dict.fromkeys(entry.commands)  # type: ignore[assignment]  # for "did you mean"

    def get_command(self, ctx: object, cmd_name: str) -> Any:
        entry = self.entries.get(cmd_name)
        if isinstance(entry, GroupEntry):
            return LazyGroup(cmd_name, entry)
        return command(cmd_name, entry) if entry else None

    def format_commands(self, ctx: object, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help.partition("\n")[0]) for name, entry in self.entries.items()])


def command(name: str, entry: CommandEntry) -> Any:
    """The command itself, its module imported."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(_synchronous(function(entry)))
    return typer.main.get_command(app)


def function(entry: CommandEntry) -> Callable[..., object]:
    """The function behind a command."""
    module, _, name = entry.function.partition(".")
    found: Callable[..., object] = getattr(import_module(f"bots.cli.{module}"), name)
    return found


def _synchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        for warning in unknown_variables():
            typer.echo(f"stoa: {warning}", err=True)
        done = function(*arguments, **options)
        return asyncio.run(done) if inspect.iscoroutine(done) else done

    return run


def unknown_variables() -> Iterator[str]:
    """A sentence for each variable that is named like a setting and isn't one."""
    from core.secrets.secrets import SECRET_VARIABLE_PREFIX
    from core.settings import Settings, nearest_setting

    known = {f"STOA_{field.upper()}" for field in Settings.model_fields if field != "redis_url"}
    for name in sorted(os.environ):
        variable = name.upper()
        if not variable.startswith("STOA_") or variable in known or KUBERNETES_VARIABLE.fullmatch(variable):
            continue
        if not variable.startswith(SECRET_VARIABLE_PREFIX):
            near = nearest_setting(variable)
            yield f"{visible(name)} is not a setting" + (f"; did you mean {near}?" if near else ".")
