"""The methods that each permission allows on a space, and how an agent reads what it may call."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from core.atoms.permissions import Permission
from core.errors import InvalidInput
from core.sandbox.runs import Call
from core.spaces.spaces import Space
from core.tools.registry import Tool
from core.turns.agent_files import AgentFiles

SPACE_METHODS: dict[Permission, tuple[str, ...]] = {
    Permission.READ: (
        "get",
        "search",
        "history",
        "compare",
        "referrers",
        "traverse",
        "read",
        "subscribe",
        "unsubscribe",
    ),
    Permission.APPEND: ("put",),
    Permission.WRITE: ("update", "deprecate", "claim", "restore"),
    Permission.GRANT: ("share", "revoke", "describe"),
}
CHANGING_METHODS = frozenset({"put", *SPACE_METHODS[Permission.WRITE]})
"""The methods that change atoms, and take an operation id so that a repeated call changes them once."""
FILE_METHODS = frozenset({"put", "read"})
"""The methods of `AgentFiles`; all others are a space's own."""
NEEDED_PERMISSION = re.compile(r"; needs \w+")
"""Left out where methods are listed under the permission they need."""
HISTORY_METHODS = frozenset({"history", "compare"})
"""The methods that answer with what an atom once said."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything an agent can call in a turn."""

    connected: Mapping[str, Permission]
    objects: Mapping[str, frozenset[str]]
    """Its spaces with their methods, also those that it may use just this once."""
    functions: Mapping[str, Tool]
    own: Mapping[str, Tool] = field(default_factory=dict)
    """The methods of its objects that are no spaces, as `agents.tell`."""


def methods(permission: Permission) -> frozenset[str]:
    return frozenset(name for level, names in SPACE_METHODS.items() if level <= permission for name in names)


def needed_for(method: str) -> Permission:
    return next(level for level, names in SPACE_METHODS.items() if method in names)


def method_named(name: str) -> Tool:
    method: Tool = getattr(AgentFiles if name in FILE_METHODS else Space, name)
    return method


def describe(reach: Reach) -> str:
    """The capabilities for an agent's prompt, in one sentence each: every word is read in every turn."""
    connected = reach.connected
    holds = [
        f"{held} on {', '.join(name for name, permission in connected.items() if permission == held)}"
        for held in sorted(set(connected.values()), reverse=True)
    ]
    lines = [f'Spaces (`spaces["name"]`, or just the name where it is a Python name): you hold {"; ".join(holds)}.']
    for level, names in SPACE_METHODS.items():
        if level <= max(connected.values(), default=Permission.NONE):
            lines += ["", f"Methods of a space that need {level}:"]
            lines += [f"- {brief(name, method_named(name))}" for name in sorted(names)]
    lines += ["", "Functions:"]
    lines += [f"- {brief(name, plain(tool))}" for name, tool in reach.functions.items()]
    known = {plain(tool) for tool in reach.functions.values()}
    lines += [f"- {brief(name, plain(tool))}" for name, tool in reach.own.items() if plain(tool) not in known]
    same = [f"`{name}`" for name, tool in reach.own.items() if plain(tool) in known]
    return "\n".join([*lines, *([f"{' and '.join(same)} are the functions of these names."] if same else [])])


def plain(tool: Tool) -> Tool:
    """The function behind a bound method, which is the same in every turn."""
    found: Tool = getattr(tool, "__func__", tool)
    return found


@lru_cache(256)
def brief(name: str, function: Tool) -> str:
    """The signature with the first sentence of the documentation; `help` gives the rest."""
    shown, _, told = signature(name, function).partition("): ")
    sentence = re.split(r"(?<=[.!?])\s", told, maxsplit=1)[0]
    return f"{shown}): {NEEDED_PERMISSION.sub('', sentence)}"


@lru_cache(256)
def signature(name: str, function: Tool) -> str:
    """The call and its documentation in one line: `now(): The present time.`"""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "operation")]
    shown = ", ".join(_parameter(p) for p in parameters)
    summary = " ".join((inspect.getdoc(function) or "").split())
    return f"{name}({shown}): {summary}"


def check_arguments(name: str, function: Tool, call: Call) -> None:
    """Raises `InvalidInput` saying how `name` is called, where the arguments do not fit."""
    try:
        inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError as error:
        raise InvalidInput(f"{name}: {error}. Call it as {signature(name, function)}") from None


def _parameter(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is inspect.Parameter.empty else f"{parameter.name}={parameter.default!r}"
