"""A search request, and what it has to know of the spaces it looks through."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import InvalidInput, NotFound
from core.search.filters import NUMBER_FIELDS, Filter, FilterScope, Query, States, check_filter, restrict
from core.search.index import (
    check_limit,
)

MAX_QUERY_CHARS = 4_000


SEARCH_WAYS = ("both", "meaning", "words")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What one search asks for. Raises `InvalidInput` where that cannot be asked."""

    query: str = ""
    metadata: Filter = field(default_factory=dict)
    references: States = field(default_factory=dict)
    limit: int = 10
    deprecated: bool = False
    by: str = "both"
    after: str = ""
    explain: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.query, str):
            raise InvalidInput(f"the query is {type(self.query).__name__}; it must be text")
        if self.by not in SEARCH_WAYS:
            raise InvalidInput(f"by={self.by!r} is no way to search; use {', '.join(SEARCH_WAYS)}")
        check_limit(self.limit)
        check_filter(self.metadata, self.references)

    @property
    def text(self) -> str:
        """The query as it is looked for, without the halves of characters that UTF-8 cannot say."""
        return self.query[:MAX_QUERY_CHARS].encode("utf-8", "replace").decode().strip()

    @property
    def compared(self) -> list[str]:
        """The metadata keys that numbers are compared under."""
        return [key for key, wanted in self.metadata.items() if isinstance(wanted, Mapping)]

    def identity(self, within: Sequence[str] | None) -> str:
        """What a page's token belongs to: all of it but how many are asked for."""
        return repr((self.text, self.metadata, self.references, self.deprecated, self.by, within and list(within)))


@dataclass(frozen=True, slots=True)
class SpaceView:
    """What a search has to know of a space that the reader may read."""

    run: bytes
    """Which run of the server this was."""
    own: str
    """The index of its own that the space has, or is being given."""
    numbers: Mapping[str, str]
    full: bool
    targets: Mapping[str, int]
    abroad: frozenset[str]


@dataclass(frozen=True, slots=True)
class SpaceViews:
    """What a query is written from: which spaces there are, how they look, which spaces referred to may be read.

    It is what the last search saw; it travels along with the next and is read anew there, so that an answer is only
    given to a query that was written from what is so.
    """

    names: tuple[str, ...] = ()
    views: Mapping[str, SpaceView | None] = field(default_factory=dict)
    abroad: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether a query can be written from it."""
        return bool(self.names) and self.views.keys() == set(self.names) and None not in self.abroad.values()

    @property
    def readable(self) -> dict[str, SpaceView]:
        """The spaces that the reader may read."""
        return {name: view for name, view in self.views.items() if view}


def read_views(
    within: Sequence[str] | None, asked: SearchRequest, before: SpaceViews, answers: Sequence[Any]
) -> tuple[SpaceViews, dict[str, int], list[str]]:
    """What the commands of `_looking` answered, how many atoms wait for vectors where, and where claims have ended."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    names = before.names
    if within is None:
        listed, *answers = answers
        names = tuple(sorted(name.decode() for name in listed))
    views: dict[str, SpaceView | None] = {}
    waiting, ended = dict[str, int](), list[str]()
    for name, (readable, *known) in zip(before.names, answers, strict=False):
        views[name] = _view(asked, known) if readable else None
        if readable and known[0]:
            waiting[name] = int(known[0])
        if readable and known[1]:
            ended.append(name)
    levels = dict(zip(before.abroad, answers[len(before.names) :], strict=True))
    ended += [space for space, level in levels.items() if level[2]]
    abroad = sorted({space for view in views.values() if view for space in view.abroad})
    reads = {space: level[0] > 0 if (level := levels.get(space)) else None for space in abroad}
    return SpaceViews(names, {name: views[name] for name in names if name in views}, reads), waiting, ended


def smallest(waiting: Mapping[str, int], most: int) -> list[str]:
    """The spaces in which the fewest wait, as many as have together no more than `most`."""
    names = sorted(waiting, key=waiting.__getitem__)
    totals = itertools.accumulate(waiting[name] for name in names)
    return [name for name, total in zip(names, totals, strict=True) if total <= most]


def _view(asked: SearchRequest, known: Sequence[Any]) -> SpaceView:
    _, _, (own, taken, *found), abroad, run = known
    fields, most = found[: len(asked.compared)], found[len(asked.compared) :]
    return SpaceView(
        run=run,
        own=(own or b"").decode(),
        numbers={key: held.decode() for key, held in zip(asked.compared, fields, strict=True) if held},
        full=int(taken or 0) >= NUMBER_FIELDS,
        targets={name: int(count) for name, count in zip(asked.references, most, strict=True) if count},
        abroad=frozenset(space.decode() for space in abroad),
    )


def check_readable(within: Sequence[str], sight: SpaceViews) -> None:
    """Raises `NotFound` for a named space that the reader may not read."""
    for name in within:
        if name in sight.views and sight.views[name] is None:
            raise NotFound(f"There is no space {name!r} that you may read. Check its name, or ask for access.")


def build_query(sight: SpaceViews, asked: SearchRequest, passages: bool) -> Query:
    """The filter over all readable spaces; those that look alike share a part of it."""
    alike: dict[tuple[object, ...], tuple[FilterScope, list[str]]] = {}
    for name, view in sight.readable.items():
        missing = [key for key in asked.compared if key not in view.numbers]
        if missing and view.full:
            raise InvalidInput(
                f"{name!r} already compares {NUMBER_FIELDS} keys and not {', '.join(missing)}; filter by other keys"
            )
        readable = frozenset(space for space in view.abroad if sight.abroad[space])
        terrain = FilterScope(view.numbers, view.targets, readable, view.abroad - readable)
        look = (*view.numbers.items(), *view.targets.items(), terrain.open, terrain.hidden)
        alike.setdefault(look, (terrain, []))[1].append(name)
    query = Query()
    parts = [
        restrict(query, names, asked.metadata, asked.references, asked.deprecated, terrain, passages=passages)
        for terrain, names in alike.values()
    ]
    query.filter = parts[0] if len(parts) == 1 else "(" + " | ".join(f"({part})" for part in parts) + ")"
    return query
