"""Command groups that import a command's module only when the command is called."""

import asyncio
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from channels.text import visible

KUBERNETES_VARIABLE = re.compile(r"STOA_(.+_)?(SERVICE_(HOST|PORT).*|PORT(_.*)?)")
"""Kubernetes sets these where a service is called stoa."""


class LazyGroup(TyperGroup):
    """Lists its commands from tables, so that `--help` imports none of them."""

    def __init__(self, path: str, groups: Mapping[str, str], commands: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(name=path.rpartition(" ")[2], help=groups[path], no_args_is_help=True, rich_markup_mode=None)
        self._path = path
        self._tables = groups, commands
        entries = {name: line for name, (_, line) in commands.items()} | dict(groups)
        self._lines = {
            name.removeprefix(path).strip(): line.partition("\n")[0]
            for name, line in entries.items()
            if name and name.rpartition(" ")[0] == path
        }
        self.commands = dict.fromkeys(self._lines)  # type: ignore[assignment]  # for "did you mean"

    def get_command(self, ctx: object, cmd_name: str) -> Any:
        path = f"{self._path} {cmd_name}".strip()
        groups, commands = self._tables
        if path in groups:
            return LazyGroup(path, groups, commands)
        return _command(cmd_name, function(commands[path][0])) if path in commands else None

    def format_commands(self, ctx: object, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*self._lines.items()])


def function(name: str) -> Callable[..., Any]:
    """The function `module.function` below `bots.cli`."""
    module, _, attribute = name.partition(".")
    found: Callable[..., Any] = getattr(import_module(f"bots.cli.{module}"), attribute)
    return found


def _command(name: str, function: Callable[..., Any]) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(_synchronous(function))
    return typer.main.get_command(app)


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
