"""Filters on metadata and on the targets of references, as text for the search engine."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Protocol

from core.atoms.atoms import Value
from core.atoms.validation import checked_metadata, checked_name
from core.errors import InvalidInput
from core.search.periods import Period
from core.store.codec import as_number, token
from core.store.store import Argument

Comparison = Mapping[str, Value]
Filter = Mapping[str, Value | Comparison]
State = Mapping[str, Value | Mapping[str, Value]]
"""The state of the targets of a reference: `{"status": "done"}` of all, `{"any": {...}}`, `{"none": {...}}`."""
States = Mapping[str, State]

DUE_KEY = "due"
"""The metadata key of the time by which something is to be done."""
NUMBER_FIELDS = 16
"""Metadata keys of a space that can be compared."""
MAX_COMPARED_TARGETS = 64
"""Different targets of one atom up to which several things can be asked of one of them."""
QUANTIFIERS = ("all", "any", "none")
BOUNDS = {"lt": ("-inf", "({}"), "lte": ("-inf", "{}"), "gt": ("({}", "+inf"), "gte": ("{}", "+inf")}


@dataclass(slots=True)
class Query:
    """The text of one FT.SEARCH under construction, and its parameters, so that nothing needs escaping."""

    filter: str = ""
    parameters: list[Argument] = field(default_factory=list)
    much: bool = False
    """True if the filter is known to keep much of the index."""

    def parameter(self, value: Argument) -> str:
        name = f"p{len(self.parameters) // 2}"
        self.parameters += [name, value]
        return f"${name}"

    def tag(self, name: str, words: Iterable[str]) -> str:
        return f"@{name}:{{{'|'.join(self.parameter(word) for word in words)}}}"


@dataclass(frozen=True, slots=True)
class FilterScope:
    """The parts of a filter that depend on the space and the reader."""

    numbers: Mapping[str, str] = field(default_factory=dict)
    """Compared key -> its number field."""
    targets: Mapping[str, int] = field(default_factory=dict)
    """Reference name -> the most targets of one atom, where one has several or some in another space."""
    open: frozenset[str] = frozenset()
    """Other spaces that are referred to and that the reader may read."""
    hidden: frozenset[str] = frozenset()
    """Those that it may not read."""


class Filtered(Protocol):
    """A request, as far as it filters."""

    @property
    def metadata(self) -> Filter: ...
    @property
    def references(self) -> States: ...
    @property
    def deprecated(self) -> bool: ...
    @property
    def period(self) -> Period | None: ...


def restrict(
    query: Query, spaces: Sequence[str], wanted: Filtered, scope: FilterScope, *, passages: bool = False
) -> str:
    """The filter for spaces of the same scope: atoms, and with `passages` also pieces of them."""
    names = [*spaces, *(f"{space}~" for space in spaces)] if wanted.deprecated else list(spaces)
    names += [f"{name}#" for name in names] if passages else []
    parts = [query.tag("sp", names)]
    for key, value in wanted.metadata.items():
        if isinstance(value, Mapping):
            parts += [_range(scope.numbers.get(key), operator, limit) for operator, limit in value.items()]
        else:
            parts.append(query.tag("kv", token(key, value)))
    parts += [_within(wanted.period, scope)] if wanted.period else []
    parts += [_Targets(query, name, scope).condition(state) for name, state in wanted.references.items()]
    return " ".join(parts)


def _within(period: Period, scope: FilterScope) -> str:
    """Put or due in that time; atoms are numbered by when they were put, 2,048 to a millisecond."""
    first, last = (int(moment.timestamp() * 1000) * 2048 for moment in (period.start, period.end))
    due = scope.numbers.get(DUE_KEY)
    created = f"@b:[{first} ({last}]"
    if due is None:
        return created
    return f"({created} | @{due}:[{period.start.timestamp()} ({period.end.timestamp()}])"


class _Targets:
    """Conditions on the targets of one reference name.

    A target in a space that the reader may not read counts as one without metadata.
    """

    def __init__(self, query: Query, name: str, scope: FilterScope) -> None:
        self._query = query
        self._name = name
        self._scope = scope

    def condition(self, state: State) -> str:
        quantifier, wanted = quantified(state)
        words = [token(key, value) for key, value in wanted.items()]
        if quantifier == "all":
            return self._all(words)
        return self._any(words) if quantifier == "any" else f"-({self._any(words)})"

    def _all(self, words: Sequence[Sequence[str]]) -> str:
        """No such reference at all, or none that is hidden, and each target has one word of each group."""
        each = " ".join(self._shared(group) for group in words)
        hidden = self._hidden()
        return f"((-{self._query.tag('rt', [self._name])}) | ({each}{hidden}))"

    def _shared(self, group: Sequence[str]) -> str:
        """All targets share one of these words, or each has another of them."""
        shared = self._query.tag("rs", self._tagged(group))
        if len(group) == 1 or not (most := self._most()):
            return shared
        each = " ".join(f"((-{self._slot(n)}) | {self._slot(n, group)})" for n in range(most))
        return f"({shared} | ({self._slot(0)} {each}))"

    def _any(self, words: Sequence[Sequence[str]]) -> str:
        """One and the same target, which the reader may read, has one word of each group."""
        if len(words) == 1:
            behind = ["", *(f"|{space}" for space in sorted(self._scope.open))]
            return self._query.tag("ra", [word + one for word in self._tagged(words[0]) for one in behind])
        # Where there is one target only, and that in this space, what all share is what it has.
        alone = " ".join(self._query.tag("rs", self._tagged(group)) for group in words)
        most = self._most()
        if not most:
            return f"({alone})"
        one = " | ".join(
            "(" + " ".join(self._slot(n, group) for group in words) + self._hidden(f"{n}|") + ")" for n in range(most)
        )
        return f"(({alone} -{self._slot(0)}) | {one})"

    def _most(self) -> int:
        most = self._scope.targets.get(self._name, 0)
        if most > MAX_COMPARED_TARGETS:
            raise InvalidInput(
                f"an atom has {most} different targets under {self._name!r}; only up to {MAX_COMPARED_TARGETS} can "
                "be asked for several keys, or for several values, at once. Ask for one key with one value, or look at "
                "the targets in your code"
            )
        return most

    def _hidden(self, before: str = "") -> str:
        """And no target, or not this one, lies in a space that the reader may not read."""
        hidden = sorted(self._scope.hidden)
        if not hidden:
            return ""
        field, mark = ("rp", "@") if before else ("fs", "|")
        return f" -{self._query.tag(field, [f'{before}{self._name}{mark}{space}' for space in hidden])}"

    def _slot(self, n: int, group: Sequence[str] = ()) -> str:
        """There is an n-th target, and it has one of these words."""
        return self._query.tag("rp", [f"{n}|{word}" for word in self._tagged(group)] or [f"{n}|{self._name}"])

    def _tagged(self, group: Sequence[str]) -> list[str]:
        return [f"{self._name}|{word}" for word in group]


def quantified(state: State) -> tuple[str, Mapping[str, Value]]:
    match list(state.items()):
        case [(quantifier, Mapping() as wanted)] if quantifier in QUANTIFIERS:
            return quantifier, wanted
    return "all", {key: value for key, value in state.items() if not isinstance(value, Mapping)}


def _range(name: str | None, operator: str, limit: Value) -> str:
    number = as_number(_moment(limit))
    if number is None or not isfinite(number):
        raise InvalidInput(f"{limit!r} cannot be compared; give a number, or a time with its offset")
    if name is None:
        return "@b:[+inf (-inf]"  # no atom of this space has a number under that key
    low, high = (bound.format(repr(number)) for bound in BOUNDS[operator])
    return f"@{name}:[{low} {high}]"


def _moment(limit: Value) -> Value:
    if isinstance(limit, str):
        with suppress(ValueError):
            limit = datetime.fromisoformat(limit)
    if isinstance(limit, datetime) and limit.tzinfo is None:
        raise InvalidInput(f"{limit} is a time without a zone; give it with its offset, as now() does")
    return limit


def checked_filter(metadata: Filter) -> Filter:
    if not isinstance(metadata, Mapping):
        raise InvalidInput('metadata and references are filters such as {"status": "done"}; give a dict')
    found: dict[str, Value | Comparison] = {}
    found |= _checked_equal({key: wanted for key, wanted in metadata.items() if not isinstance(wanted, Mapping)})
    for key, wanted in metadata.items():
        if isinstance(wanted, Mapping):
            if not wanted or any(operator not in BOUNDS for operator in wanted):
                raise InvalidInput(f"metadata {key!r} is compared by {dict(wanted)}; use lt, lte, gt or gte")
            for operator, limit in wanted.items():
                _range("", operator, limit)
            found[checked_name(key, "a metadata key")] = wanted
    return found


def checked_states(references: States) -> States:
    if not isinstance(references, Mapping):
        raise InvalidInput('metadata and references are filters such as {"status": "done"}; give a dict')
    found: dict[str, State] = {}
    for name, state in references.items():
        if not isinstance(state, Mapping):
            raise InvalidInput(f'references {name!r} needs a state such as {{"status": "done"}}')
        found[checked_name(name, "a reference's name")] = _checked_state(name, state)
    return found


def _checked_state(name: str, state: State) -> State:
    quantifier, wanted = quantified(state)
    compared = [key for key, value in (*state.items(), *wanted.items()) if isinstance(value, Mapping)]
    if any(key not in QUANTIFIERS for key in compared):
        raise InvalidInput(
            f"references {name!r} asks for {dict(state)}: numbers and times of targets cannot be compared; ask for "
            "values, several as a list, or search for the targets first"
        )
    if not wanted or (compared and len(state) > 1):
        raise InvalidInput(
            f'references {name!r} asks for {dict(state)}; give a state such as {{"status": "done"}}, or '
            '{"any": {"status": "done"}}, or {"none": ...}'
        )
    return {quantifier: _checked_equal(wanted)}


def _checked_equal(wanted: Mapping[str, Value]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in checked_metadata(wanted).items():
        if value is None or value == []:
            raise InvalidInput(f"metadata {key!r} cannot be asked to be {value}; leave the key out")
        found[key] = value
    return found
