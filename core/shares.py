"""Shares: which part of an index a filter keeps, which decides how the engine had best look for neighbours in it."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from core.filters import Query
from core.search import counting
from core.store import Argument

MUCH = 0.12
"""From which share on neighbours are looked for first and filtered then, batch after batch. The engine by itself goes
through what the filter keeps far too long: three times slower at a quarter of 60,000 (docs/search.md)."""
FEWEST = 2_000
FRESH = 50
"""How many searches a count serves."""
REMEMBERED = 1_000

Filtered = tuple[object, ...]


class Shares:
    """The filters of late and whether each keeps much; a wrong guess costs time, never an answer."""

    def __init__(self) -> None:
        self._known: OrderedDict[Filtered, tuple[bool, int]] = OrderedDict()

    def asked(self, index: str, query: Query) -> tuple[Filtered, list[Sequence[Argument]]]:
        """Say in the query whether its filter keeps much, if that is known; answers it and what is to be counted."""
        filtered = (index, query.filter, *query.parameters)
        query.much, uses = self._known.get(filtered, (False, FRESH))
        if uses >= FRESH:
            return filtered, [counting(index, query), counting(index, Query("*"))]
        self._known[filtered] = (query.much, uses + 1)
        return filtered, []

    def counted(self, filtered: Filtered, answers: Sequence[Any]) -> None:
        """Remember what was counted for a filter."""
        (kept, *_), (there, *_) = answers
        self._known[filtered] = (int(kept) >= max(FEWEST, MUCH * int(there)), 1)
        self._known.move_to_end(filtered)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
