"""Moves values across the sandbox's wall: out as plain data and things with attributes, in as plain data only."""

import builtins
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import cache
from json import JSONDecodeError
from pathlib import PurePath
from typing import Any, get_args
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic_monty import ClassInstance, ClassType, ExcType, ExternalExceptionData, MontyClassProxy

MAX_PENDING_UNITS = 8_000_000
"""What a run's unanswered calls may carry together: characters, and 16 for each value."""
MAX_ARGUMENT_DEPTH = 40
MAX_MESSAGE_CHARS = 2_000
"""Of an error that enters the sandbox."""

GUEST_ERRORS = frozenset(get_args(ExcType))
GUEST_NAMES: Mapping[type, str] = {JSONDecodeError: "json.JSONDecodeError", re.error: "re.PatternError"}


@dataclass(frozen=True, slots=True)
class Capability:
    """The guest's handle on an object of the house: its name. Its methods are answered outside."""

    name: str


class Instance(ClassInstance):
    """A dataclass as the guest sees it: fields and properties, each converted, and no method."""

    def convert_value(self, /, name: str, value: Any) -> Any:
        return outward(value)


def outward(value: object) -> object:
    """The value as the guest sees it; raises `TypeError` for what has no business inside."""
    match value:
        case Enum():
            return outward(value.value)
        case None | bool() | int() | float() | str() | bytes() | date() | time() | timedelta():
            return value
        case Mapping():
            return {outward(key): outward(item) for key, item in value.items()}
        case Sequence() | Set():
            return [outward(item) for item in value]
        case ClassInstance():
            return value
        case _ if is_dataclass(value) and not isinstance(value, type):
            return Instance(value, class_type=identified(type(value)), eager_attrs=_attributes(type(value)))
    raise TypeError(
        f"The answer is a {type(value).__name__}, which cannot enter the sandbox; plain values and dataclasses can."
    )


class Arrival:
    """Makes plain data of what the guest passed and counts it, so that a small guest cannot fill a big host."""

    def __init__(self, size: int = 0, handles: Mapping[UUID, str] | None = None) -> None:
        """`size` is what the run's other calls carry, `handles` are the capabilities that were given out."""
        self.size = size
        self._handles = handles or {}

    def plain(self, value: object, depth: int = 0) -> object:
        """Text, numbers, booleans, None, moments, lists and dicts with text as keys; raises what the guest should see.

        A dataclass that comes back becomes a dict of its attributes, a capability its name.
        """
        self.size += 16 + (len(value) if isinstance(value, str) else 0)
        if self.size > MAX_PENDING_UNITS:
            raise ValueError(f"Calls may carry {MAX_PENDING_UNITS} characters at a time; pass less, or in parts.")
        if depth > MAX_ARGUMENT_DEPTH:
            raise ValueError(f"An argument is nested more than {MAX_ARGUMENT_DEPTH} deep; pass something flatter.")
        match value:
            case None | bool() | float() | str() | datetime():
                return value
            case int():
                if not -(2**63) <= value < 2**63:
                    raise ValueError("A number beyond 64 bits cannot be passed; pass it as text.")
                return value
            case date() | time():
                return value.isoformat()
            case list() | tuple():
                return [self.plain(item, depth + 1) for item in value]
            case set() | frozenset():  # in an order that does not depend on this process
                return [self.plain(item, depth + 1) for item in sorted(value, key=repr)]
            case dict():
                return {self._key(key): self.plain(item, depth + 1) for key, item in value.items()}
            case Capability():
                return value.name
            case MontyClassProxy():
                known = self._handles.get(value.id)  # a class may be called Capability, yet not be ours
                return known or self.plain(value.attributes, depth + 1)
            case PurePath() | BaseException():
                return self.plain(str(value), depth)
            case bytes():
                raise TypeError("Bytes cannot be passed; pass text, such as data.decode().")
            case _ if is_dataclass(value) and not isinstance(value, type):
                return self.plain({name: getattr(value, name) for name in _attributes(type(value))}, depth + 1)
        raise TypeError("A function or a class cannot be passed; pass text, numbers, times, lists or dicts.")

    def _key(self, key: object) -> str:
        if isinstance(key, str | int | float | None):
            return str(self.plain(key))
        raise TypeError(f"A dict with a {type(key).__name__} as key cannot be passed; use text as keys.")


def refusal(error: Exception) -> ExternalExceptionData:
    """The error as the guest sees it: the nearest builtin type it knows, and the message. Nothing else crosses."""
    names = [
        GUEST_NAMES.get(cls, cls.__name__ if cls.__module__ == builtins.__name__ else "") for cls in type(error).__mro__
    ]
    name: Any = next(name for name in names if name in GUEST_ERRORS)
    bare = len(error.args) == 1 and isinstance(error.args[0], str)  # str() of a KeyError is quoted
    return {"exc_type": name, "message": str(error.args[0] if bare else error)[:MAX_MESSAGE_CHARS]}


@cache
def identified(kind: type) -> ClassType:
    """The class with an identity that is the same in every process: what one wrote down, another reads."""
    return ClassType(kind, id=uuid5(NAMESPACE_URL, f"stoa:{kind.__module__}.{kind.__qualname__}"))


@cache
def _attributes(kind: type) -> tuple[str, ...]:
    named = [field.name for field in fields(kind)]
    named += [name for cls in kind.__mro__ for name, member in vars(cls).items() if isinstance(member, property)]
    return tuple(name for name in dict.fromkeys(named) if not name.startswith("_"))
