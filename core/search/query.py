"""A search request, and the query that is written for it from the spaces it looks through."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from core.atoms.text import nfc
from core.errors import InvalidInput, NotFound
from core.search.filters import (
    DUE_KEY,
    NUMBER_FIELDS,
    Filter,
    FilterScope,
    Query,
    States,
    checked_filter,
    checked_states,
    restrict,
)
from core.search.index import check_limit
from core.search.periods import Period

MAX_QUERY_CHARS = 4_000
MAX_AROUND = 10
SEARCH_WAYS = ("both", "meaning", "words")


class SearchOptions(TypedDict, total=False):
    """The options of a search, as keywords; `SearchRequest` has their defaults."""

    metadata: Filter | None
    references: States | None
    limit: int
    deprecated: bool
    by: str
    after: str
    explain: bool
    around: int


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search. Raises `InvalidInput` for what cannot be asked."""

    query: str = ""
    within: tuple[str, ...] | None = None
    """The spaces to look in; None for all that the reader may read."""
    metadata: Filter = field(default_factory=dict)
    references: States = field(default_factory=dict)
    limit: int = 10
    deprecated: bool = False
    by: str = "both"
    after: str = ""
    explain: bool = False
    around: int = 0
    """So many atoms before and after each hit."""
    period: Period | None = None
    """Only what was put, or is due, in that time."""

    def __post_init__(self) -> None:
        if not isinstance(self.query, str):
            raise InvalidInput(f"the query is {type(self.query).__name__}; it must be text")
        if self.by not in SEARCH_WAYS:
            raise InvalidInput(f"by={self.by!r} is not a way to search; use {', '.join(SEARCH_WAYS)}")
        check_limit(self.limit)
        if not isinstance(self.around, int) or not 0 <= self.around <= MAX_AROUND:
            raise InvalidInput(f"around is {self.around!r}; ask for 0 to {MAX_AROUND} atoms on each side")
        object.__setattr__(self, "metadata", checked_filter({} if self.metadata is None else self.metadata))
        object.__setattr__(self, "references", checked_states({} if self.references is None else self.references))

    @classmethod
    def of(cls, query: str, within: Sequence[str] | None, options: SearchOptions) -> "SearchRequest":
        return cls(query, None if within is None else tuple(within), **options)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The query in normal form C, without halves of characters that UTF-8 cannot express."""
        return nfc(self.query[:MAX_QUERY_CHARS].encode("utf-8", "replace").decode()).strip()

    @property
    def compared(self) -> list[str]:
        keys = [key for key, wanted in self.metadata.items() if isinstance(wanted, Mapping)]
        return [*keys, DUE_KEY] if self.period and DUE_KEY not in keys else keys

    @property
    def identity(self) -> str:
        """All that a page's token is bound to: everything but the limit."""
        within = self.within and list(self.within)
        return repr((self.text, self.metadata, self.references, self.deprecated, self.by, within))


@dataclass(frozen=True, slots=True)
class SpaceView:
    """A readable space, as far as a search must know it."""

    run: bytes
    """The run of the server in which it was seen."""
    own: str
    """The index of its own that the space has, or is being given."""
    numbers: Mapping[str, str]
    full: bool
    targets: Mapping[str, int]
    abroad: frozenset[str]


@dataclass(frozen=True, slots=True)
class SpaceViews:
    """The spaces a query is written from, and which of the spaces they refer to may be read.

    A search travels with the views of the last one and reads them anew, so that an answer counts only if its query was
    written from what is true at that moment.
    """

    names: tuple[str, ...] = ()
    views: Mapping[str, SpaceView | None] = field(default_factory=dict)
    abroad: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return bool(self.names) and self.views.keys() == set(self.names) and None not in self.abroad.values()

    @property
    def readable(self) -> dict[str, SpaceView]:
        return {name: view for name, view in self.views.items() if view}


@dataclass(frozen=True, slots=True)
class SeenSpaces:
    """The views as one round trip found them, and the work that was left in these spaces."""

    views: SpaceViews
    waiting: Mapping[str, int]
    """Space -> atoms that wait for vectors."""
    ended: Sequence[str]
    """Spaces with claims that have ended."""


def read_views(request: SearchRequest, before: SpaceViews, answers: Sequence[Any]) -> SeenSpaces:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    names = before.names
    if request.within is None:
        listed, *answers = answers
        names = tuple(sorted(name.decode() for name in listed))
    views: dict[str, SpaceView | None] = {}
    waiting, ended = dict[str, int](), list[str]()
    for name, (readable, *known) in zip(before.names, answers, strict=False):
        views[name] = _view(request, known) if readable else None
        if readable and known[0]:
            waiting[name] = int(known[0])
        if readable and known[1]:
            ended.append(name)
    levels = dict(zip(before.abroad, answers[len(before.names) :], strict=True))
    ended += [space for space, level in levels.items() if level[2]]
    abroad = sorted({space for view in views.values() if view for space in view.abroad})
    reads = {space: level[0] > 0 if (level := levels.get(space)) else None for space in abroad}
    return SeenSpaces(SpaceViews(names, {one: views[one] for one in names if one in views}, reads), waiting, ended)


def smallest(waiting: Mapping[str, int], most: int) -> list[str]:
    names = sorted(waiting, key=waiting.__getitem__)
    totals = itertools.accumulate(waiting[name] for name in names)
    return [name for name, total in zip(names, totals, strict=True) if total <= most]


def _view(request: SearchRequest, known: Sequence[Any]) -> SpaceView:
    _, _, (own, taken, *found), abroad, run = known
    fields, most = found[: len(request.compared)], found[len(request.compared) :]
    return SpaceView(
        run=run,
        own=(own or b"").decode(),
        numbers={key: held.decode() for key, held in zip(request.compared, fields, strict=True) if held},
        full=int(taken or 0) >= NUMBER_FIELDS,
        targets={name: int(count) for name, count in zip(request.references, most, strict=True) if count},
        abroad=frozenset(space.decode() for space in abroad),
    )


def check_readable(request: SearchRequest, views: SpaceViews) -> None:
    for name in request.within or ():
        if name in views.views and views.views[name] is None:
            raise NotFound(f"There is no space {name!r} that you may read. Check its name, or ask for access.")


def build_query(views: SpaceViews, request: SearchRequest, passages: bool) -> Query:
    """The filter over all readable spaces; those that look alike share a part of it."""
    alike: dict[tuple[object, ...], tuple[FilterScope, list[str]]] = {}
    for name, view in views.readable.items():
        missing = [key for key in request.compared if key not in view.numbers and key in request.metadata]
        if missing and view.full:
            raise InvalidInput(
                f"{name!r} already compares {NUMBER_FIELDS} keys and not {', '.join(missing)}; filter by other keys"
            )
        readable = frozenset(space for space in view.abroad if views.abroad[space])
        scope = FilterScope(view.numbers, view.targets, readable, view.abroad - readable)
        look = (*view.numbers.items(), *view.targets.items(), scope.open, scope.hidden)
        alike.setdefault(look, (scope, []))[1].append(name)
    query = Query()
    parts = [restrict(query, names, request, scope, passages=passages) for scope, names in alike.values()]
    query.filter = parts[0] if len(parts) == 1 else "(" + " | ".join(f"({part})" for part in parts) + ")"
    return query
