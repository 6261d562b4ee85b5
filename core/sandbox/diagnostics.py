"""Errors as the author of a program reads them: the error, what there is instead, and what to write."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic_monty import MontyCrashedError, MontyError, MontyRuntimeError, MontySyntaxError

from core.sandbox.pool import DIED, MEMORY_BYTES
from core.sandbox.rewriting import RewrittenCode

MAX_ERROR_CHARS = 6_000
ADVICE = (
    ("yield", "Append to a list and return it."),
    ("async with", "Await the calls directly, or with asyncio.gather(...)."),
    ("async for", "Write a plain for loop over a list."),
    ("except*", "Write a plain except."),
    ("Wildcard imports", "Name what you import."),
    ("gather() does not yet support keyword", "Write try/except inside an async def around each call instead."),
    (
        "synchronous context",
        "Call it in a loop first, such as found = [f(x) for x in xs], then sort or filter the list.",
    ),
    ("object can't be awaited", "This is no call that waits: leave out the await."),
    ("'coroutine' and", "Put await in front of the call."),
    ("'coroutine' object", "Put await in front of the call."),
    ("module 'asyncio' has no attribute", "asyncio has gather, sleep and run here."),
    ("is not JSON serializable", "Write json.dumps(value, default=str), or build a dict of what you need first."),
    ("'datetime.datetime' and 'datetime.datetime'", "One has a time zone and one has none: add tzinfo=timezone.utc."),
    ("offset-naive and offset-aware", "One has a time zone and one has none: add tzinfo=timezone.utc to the other."),
    ("exceptions can only be called with", "An exception takes one text here: write ValueError(f'...')."),
    ("zero or one string argument", "An exception takes one text here: write ValueError(f'...')."),
    ("has no attribute '__cause__'", "Keep what you need of the first error in a variable."),
    ("name 'vars' is not defined", "Write the attributes you want by name, or use dataclasses.asdict."),
    ("name 'bytearray' is not defined", "Use bytes, or a list of numbers."),
    ("has no attribute '__dict__'", "Write the attributes you want by name, or use dataclasses.asdict."),
    ("module 're' has no attribute 'X'", "Begin the pattern with (?x) instead."),
    ("module 're' has no attribute 'VERBOSE'", "Begin the pattern with (?x) instead."),
    ("module 'sys' has no attribute 'exit'", "Let the code end by itself; use if and else."),
    ("_io.TextIOWrapper", "Use print(...)."),
    ("takes exactly one argument", "Write it in steps, with one argument in each."),
)
AVAILABLE_MODULES = (
    "abc, asyncio, base64, binascii, bisect, calendar, collections, contextlib, copy, csv, dataclasses, datetime, "
    "decimal, difflib, enum, functools, hashlib, heapq, html, io, itertools, json, math, operator, pathlib, random, "
    "re, statistics, string, sys, textwrap, time, tomllib, typing, unicodedata, urllib.parse, uuid"
)
INSTEAD_OF_MODULES = {
    "zoneinfo": "now() and local_time(text) give local times with their offset; timezone(timedelta(hours=2)) is one.",
    "pytz": "now() and local_time(text) give local times with their offset; timezone(timedelta(hours=2)) is one.",
    "dateutil": "Use datetime.fromisoformat or datetime.strptime.",
    "fractions": "Use decimal, or keep numerator and denominator.",
    "numpy": "Use lists, sum and the module statistics.",
    "pandas": "Use lists of dicts, csv.DictReader and collections.defaultdict.",
    "requests": "Code here has no network; ask your coordinator for a web tool.",
    "os": "Code here has no files and no environment; keep text in a variable, or put it into a space.",
    "logging": "Use print(...).",
    "traceback": "Use print(repr(error)).",
    "pprint": "Use print(json.dumps(value, indent=2)).",
}


OWN_OBJECT = ":"
"""What the name of an object begins with that is no space."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The names a program finds: objects with their methods, functions, and values."""

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
        """Lists what there is, with what the name may have meant."""
        named = [*sorted(self.functions), *self.values, "spaces"]
        near = difflib.get_close_matches(name, [*named, *(one.removeprefix(OWN_OBJECT) for one in self.objects)], 1)
        methods = [f"{_spelled(target)} has {', '.join(sorted(names))}" for target, names in self.objects.items()]
        return (
            (f"Did you mean {near[0]}? " if near else "") + "; ".join([f"Here are {', '.join(named)}", *methods]) + "."
        )

    def allowed(self, target: str, name: str) -> str:
        """Why this method cannot be called on this object."""
        allowed, shown = sorted(self.objects.get(target, ())), target.removeprefix(OWN_OBJECT)
        near = difflib.get_close_matches(name, allowed, 1)
        return (
            f"{name!r} is not allowed on {shown!r}; you may use {', '.join(allowed) or 'nothing there'}. "
            f"{f'Did you mean {near[0]}? ' if near else ''}If your task needs it, ask your coordinator."
        )


def _spelled(target: str) -> str:
    return target[1:] if target.startswith(OWN_OBJECT) else f"spaces[{target!r}]"


def ending(error: MontyError, seconds: float) -> str:
    """Says how a program was stopped that may compute for `seconds`; empty if it failed by itself and goes on."""
    slow = (
        f"TimeoutError: The code computed for more than {seconds:g} s and was stopped. "
        "Do less in one run, or look for a loop that never ends."
    )
    if isinstance(error, MontyCrashedError):
        return slow if error.timed_out else f"RuntimeError: {DIED}"
    if isinstance(error, MontyRuntimeError) and not error.traceback() and "time limit" in str(error):
        return slow
    if isinstance(error.exception(), MemoryError):
        return f"{displayed(error)}\nThe code needed more than {MEMORY_BYTES >> 20} MB; work in smaller pieces."
    return ""


def unreadable(error: MontyError) -> bool:
    """True if the program itself is no Python that can be run here."""
    return (
        isinstance(error, MontySyntaxError) and bool(error.traceback()) and error.traceback()[0].filename == "main.py"
    )


def advice(error: str) -> str:
    """Says what to write instead, where the error is about Python that is missing here; else empty."""
    return next((sentence for sign, sentence in ADVICE if sign in error), "")


def missing_module(name: str) -> str:
    """The error for an import that cannot be served."""
    instead = INSTEAD_OF_MODULES.get(name.partition(".")[0], "")
    return " ".join(filter(None, (f"There is no module {name!r} here.", instead, f"There are {AVAILABLE_MODULES}.")))


def displayed(error: MontyError, programs: Sequence[RewrittenCode] = ()) -> str:
    """The traceback by the author's lines, its middle left out where it is long."""
    if isinstance(error, MontyRuntimeError) and any(program.original for program in programs):
        text = _by_the_authors_lines(error, programs)
    else:
        text = error.display() if isinstance(error, MontyRuntimeError | MontySyntaxError) else str(error)
    text = re.sub(r"\b\w+: \x00\d+\x00", "", text)  # an error of the program's own class
    half = MAX_ERROR_CHARS // 2
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:half]}\n[...]\n{text[-half:]}"


def _by_the_authors_lines(error: MontyRuntimeError, programs: Sequence[RewrittenCode]) -> str:
    lines = ["Traceback (most recent call last):"]
    for frame in error.traceback():
        number = re.fullmatch(r"<python-input-(\d+)>", frame.filename)
        program = programs[int(number[1])] if number and int(number[1]) < len(programs) else RewrittenCode("")
        line, shown = frame.line, frame.source_line
        if program.library:
            continue
        if program.lines and frame.line < len(program.lines) and program.lines[frame.line]:
            line = program.lines[frame.line]
            shown = program.original[line - 1]
        lines.append(f'  File "{frame.filename}", line {line}, in {frame.function_name or "<module>"}')
        if shown:
            lines.append(f"    {shown.strip()}")
    return "\n".join([*dict.fromkeys(lines), error.display("type-msg")])
