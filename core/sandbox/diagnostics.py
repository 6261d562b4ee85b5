"""What the author of a program is told when it fails: the error, what there is instead, and what to write."""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic_monty import MontyCrashedError, MontyError, MontyRuntimeError, MontySyntaxError

from core.sandbox.pool import DIED, MEMORY
from core.sandbox.rewriting import advice

ERROR = 6_000
"""Characters of an error that are shown."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a program finds around it: objects with their methods, functions, and the names of values."""

    objects: Mapping[str, frozenset[str]]
    functions: frozenset[str]
    values: Collection[str]

    def advised(self, told: str) -> str:
        """The error with what helps to mend it."""
        if undefined := re.search(r"NameError: name '(\w+)' is not defined$", told):
            return f"{told}. {self.available(undefined[1])}"
        if "'Capability' object has no attribute" in told or "\nKeyError: " in told.partition("spaces[")[2]:
            return f"{told}. {self.available('')}"
        return "\n".join(filter(None, (told, advice(told))))

    def available(self, name: str) -> str:
        """What there is, with what the name may have meant."""
        named = [*sorted(self.functions), *self.values, "spaces"]
        near = difflib.get_close_matches(name, [*named, *self.objects], 1)
        methods = [f"spaces[{target!r}] has {', '.join(sorted(names))}" for target, names in self.objects.items()]
        return (
            (f"Did you mean {near[0]}? " if near else "") + "; ".join([f"Here are {', '.join(named)}", *methods]) + "."
        )

    def allowed(self, target: str, name: str) -> str:
        """Why this method cannot be called on this object."""
        allowed = sorted(self.objects.get(target, ()))
        near = difflib.get_close_matches(name, allowed, 1)
        return (
            f"{name!r} is not allowed on {target!r}; you may use {', '.join(allowed) or 'nothing there'}. "
            f"{f'Did you mean {near[0]}? ' if near else ''}If your task needs it, ask your coordinator."
        )


def ending(error: MontyError, seconds: float) -> str:
    """How a program was stopped that may compute for `seconds`, in words; empty if it failed by itself and goes on."""
    slow = (
        f"TimeoutError: The code computed for more than {seconds:g} s and was stopped. "
        "Do less in one run, or look for a loop that never ends."
    )
    if isinstance(error, MontyCrashedError):
        return slow if error.timed_out else f"RuntimeError: {DIED}"
    if isinstance(error, MontyRuntimeError) and not error.traceback() and "time limit" in str(error):
        return slow
    if isinstance(error.exception(), MemoryError):
        return f"{displayed(error)}\nThe code needed more than {MEMORY >> 20} MB; work in smaller pieces."
    return ""


def unreadable(error: MontyError) -> bool:
    """Whether the program itself is no Python that can be run here."""
    return (
        isinstance(error, MontySyntaxError) and bool(error.traceback()) and error.traceback()[0].filename == "main.py"
    )


def displayed(error: MontyError) -> str:
    """The traceback, its middle left out where it is long."""
    text = error.display() if isinstance(error, MontyRuntimeError | MontySyntaxError) else str(error)
    return text if len(text) <= ERROR else f"{text[: ERROR // 2]}\n[...]\n{text[-ERROR // 2 :]}"
