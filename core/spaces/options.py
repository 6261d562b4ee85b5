"""Keyword options that several operations of a space share."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, TypeVar, get_args, get_type_hints

from core.atoms.atoms import References, Value

Function = TypeVar("Function", bound=Callable[..., Any])


class ChangeOptions(TypedDict, total=False):
    """New metadata and references of an atom, and a name for this very act."""

    metadata: Mapping[str, Value | None] | None
    references: References | None
    operation: str


class PutOptions(ChangeOptions, total=False):
    """The same for a new atom, with the comment that tells of it."""

    comment: str


def spelled_out(**defaults: object) -> Callable[[Function], Function]:
    """Shows the options of `**options: Unpack[...]` in the function's signature, from which agents learn its call.

    An option without a default is shown as None.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        *own, options = signature.parameters.values()
        named = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=hint)
            for name, hint in get_type_hints(get_args(options.annotation)[0]).items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *named])  # type: ignore[attr-defined]
        return function

    return decorate
