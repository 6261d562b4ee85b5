"""The standard library that runs outside the sandbox: functions of plain values, with CPython's own answers."""

import calendar
import difflib
import html
import json
import math
import statistics
import string
import textwrap
import unicodedata
import urllib.parse
import uuid
from collections import namedtuple
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_monty import ExternalModule

MAX_ARGUMENT_UNITS = 200_000
"""Characters, and 16 for each value, that one call may carry: its work is done on the host's time."""
MAX_RESULT_CHARS = 1_000_000
MAX_WIDTH = 1_000
MAX_DEPTH = 20
LIMITS = {
    "difflib": 2_000,
    "textwrap": 20_000,
}
"""Units, where the time grows faster than the arguments."""
MULTIPLYING = frozenset({"textwrap.indent", "textwrap.wrap", "textwrap.fill", "textwrap.shorten", "str.translate"})
"""Functions whose result may be as long as two of their texts multiplied."""
PLAIN = (str, int, float, bool, bytes, date, time, timedelta, Decimal, tzinfo, type(None))
NAMED = {
    "statistics": "mean median mode stdev pstdev variance pvariance fmean quantiles median_low median_high"
    " harmonic_mean geometric_mean multimode correlation linear_regression",
    "textwrap": "wrap fill shorten dedent indent",
    "string": "capwords",
    "html": "escape unescape",
    "unicodedata": "normalize name category combining lookup numeric",
    "calendar": "monthrange isleap leapdays weekday monthcalendar timegm month calendar",
    "difflib": "get_close_matches unified_diff",
}
CONSTANTS = {
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation whitespace"
    " printable",
    "calendar": "month_name month_abbr day_name day_abbr MONDAY SUNDAY",
}
QUOTING = "quote quote_plus unquote unquote_plus urlencode parse_qs parse_qsl urljoin urlparse urlsplit urlunparse"
MODULES: dict[str, Any] = {
    "statistics": statistics,
    "textwrap": textwrap,
    "string": string,
    "html": html,
    "unicodedata": unicodedata,
    "calendar": calendar,
    "difflib": difflib,
}
METHODS = {
    str: "translate maketrans encode",
    bytes: "translate maketrans decode",
    int: "as_integer_ratio bit_count bit_length conjugate from_bytes to_bytes",
    bool: "bit_length",
    float: "as_integer_ratio conjugate fromhex hex is_integer",
    date: "ctime fromisocalendar fromordinal isocalendar toordinal fromisoformat timetuple",
    datetime: "ctime fromisocalendar fromordinal isocalendar toordinal strptime timetuple",
}
STRUCT_TIME = "year mon mday hour min sec wday yday isdst"
NAMED_RESULTS = {
    "IsoCalendarDate": ("year", "week", "weekday"),
    "struct_time": tuple(
        f"tm_{name}" for name in ["year", "mon", "mday", "hour", "min", "sec", "wday", "yday", "isdst"]
    ),
}
QUALIFIED = {"IsoCalendarDate": "datetime.IsoCalendarDate", "struct_time": "time.struct_time"}
CALLED = "_py_hosted"


def hosted_functions() -> dict[str, Callable[..., object]]:
    """By dotted name."""
    found: dict[str, Callable[..., object]] = {
        f"{module}.{name}": getattr(MODULES[module], name) for module, names in NAMED.items() for name in names.split()
    }
    found |= {f"urllib.parse.{name}": getattr(urllib.parse, name) for name in QUOTING.split()}
    for kind, names in METHODS.items():
        found |= {f"{kind.__name__}.{name}": getattr(kind, name) for name in names.split()}
    found["json.loads"] = json.loads
    found["timedelta"] = timedelta
    found |= {"datetime.fromtimestamp": datetime.fromtimestamp, "date.fromtimestamp": date.fromtimestamp}
    found["math.cbrt"] = math.cbrt
    found["uuid.uuid5"] = lambda namespace, name: uuid.uuid5(uuid.UUID(namespace), name).hex
    found["str.ascii"] = lambda text: ascii(text)[1:-1]
    return found


FUNCTIONS = hosted_functions()
METHOD_NAMES = frozenset(name for names in METHODS.values() for name in names.split()) | {"fromtimestamp"}


def external_modules() -> dict[str, ExternalModule]:
    """The modules the sandbox imports from us: constants, and functions answered here by their dotted names."""

    def declared() -> None:
        """A call of it comes to the host under the name of the module and its own."""

    modules: dict[str, ExternalModule] = {}
    for module in MODULES:
        names: dict[str, Any] = dict.fromkeys(NAMED[module].split(), declared)
        for name in CONSTANTS.get(module, "").split():
            value = getattr(MODULES[module], name)
            names[name] = value if isinstance(value, str | int) else list(value)
        modules[module] = ExternalModule(names)
    parse = ExternalModule(dict.fromkeys(QUOTING.split(), declared))
    return modules | {"urllib": ExternalModule({"parse": parse})}


def answered(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], zone: str) -> object:
    """The result of a call; raises what CPython raises, or `ValueError` for more than may be done here."""
    if name == CALLED:
        name, *rest = args
        args = tuple(rest)
    if name.endswith(".fromtimestamp"):
        return _from_timestamp(name, *args, **kwargs, local=ZoneInfo(zone))
    load = Load(LIMITS.get(name.partition(".")[0], MAX_ARGUMENT_UNITS))
    load.add([*args, kwargs])
    longest = sorted(load.texts, reverse=True)[:2]
    if name in MULTIPLYING and math.prod(longest) > MAX_RESULT_CHARS:
        raise ValueError(f"The result of {name}() might be too long; pass shorter texts.")
    if any(isinstance(each, int) and abs(each) > MAX_WIDTH and name in WIDE for each in (*args, *kwargs.values())):
        raise ValueError(f"{name}() takes numbers up to {MAX_WIDTH} here.")
    return crossing(FUNCTIONS[name](*args, **kwargs))


def _from_timestamp(name: str, stamp: float, tz: tzinfo | None = None, *, local: tzinfo) -> date:
    """A moment of the sandbox's local time where no zone is named."""
    moment = datetime.fromtimestamp(stamp, tz or local)
    naive = moment if tz else moment.replace(tzinfo=None)
    return naive.date() if name.startswith("date.") else naive


WIDE = frozenset({"textwrap.wrap", "textwrap.fill", "textwrap.shorten"}) | {
    "int.to_bytes",
    "calendar.month",
    "calendar.calendar",
    "statistics.quantiles",
    "calendar.leapdays",
}


class Load:
    """Counts what a call carries, and raises as soon as it is too much."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.units = 0
        self.texts: list[int] = []
        """How long each text is."""

    def add(self, value: object, depth: int = 0) -> None:
        """Raises `TypeError` for what is no plain value, `ValueError` for too much."""
        self.units += 16 + (value.bit_length() // 8 if isinstance(value, int) else 0)
        if isinstance(value, str | bytes):
            self.units += len(value)
            self.texts.append(len(value))
        if self.units > self.limit or depth > MAX_DEPTH:
            raise ValueError(f"This function takes {self.limit} characters, or {self.limit // 16} values; pass less.")
        if isinstance(value, dict):
            value = [part for pair in value.items() for part in pair]
        if isinstance(value, list | tuple | set | frozenset):
            for each in value:
                self.add(each, depth + 1)
        elif not isinstance(value, PLAIN):
            raise TypeError("This function takes text, numbers, times, lists and dicts here; call your own in a loop.")


def crossing(value: object) -> object:
    """The result as the sandbox takes it."""
    if type(value).__name__ in NAMED_RESULTS:
        fields = NAMED_RESULTS[type(value).__name__]
        assert isinstance(value, tuple)
        value = namedtuple(type(value).__name__, fields)(*value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value).__name__
        plain: Any = namedtuple(kind, value._fields)  # type: ignore[misc]
        plain.__module__, plain.__name__ = "builtins", QUALIFIED.get(kind, kind)
        return plain(*value)
    if isinstance(value, (*PLAIN, list, dict, set, tuple)):
        return value
    return list(value) if isinstance(value, Iterable) else value
