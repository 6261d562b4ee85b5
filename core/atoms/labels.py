"""Labels: the least trusted text that an agent's session has read, and the sources of it."""

from typing import Protocol

import orjson

from core.atoms.atoms import Origin, lower

MAX_LABEL_SOURCES = 100
"""Sources, and atoms of the owner's, that a session remembers; older ones are forgotten."""


class Read(Protocol):
    """An atom, or a change of one."""

    @property
    def ref(self) -> str: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def label(self) -> Origin: ...


class Label:
    """The record of what a session has read. It only ever falls; only a new session begins clean."""

    def __init__(self) -> None:
        self.lowest = Origin.OWNER
        self._sources: dict[str, None] = {}
        self._words: dict[str, None] = {}
        self._told: list[str] = []

    @property
    def outside(self) -> bool:
        return self.lowest is Origin.OUTSIDE

    @property
    def sources(self) -> list[str]:
        """Sources of outside text: atoms as `space/id`, tools as `tool name`, the newest last."""
        return list(self._sources)

    @property
    def words(self) -> list[str]:
        return list(self._words)

    def read(self, what: Read) -> None:
        self.lowest = lower(self.lowest, what.label)
        if what.label is Origin.OUTSIDE:
            _remember(self._sources, what.ref)
        if what.origin is Origin.OWNER:
            _remember(self._words, what.ref)

    def heard(self, source: str) -> None:
        self.lowest = Origin.OUTSIDE
        _remember(self._sources, source)

    def news(self) -> bytes:
        """The label to be kept, if there are new sources since the last call; else nothing."""
        if self.sources == self._told:
            return b""
        self._told = self.sources
        return self.written()

    def written(self) -> bytes:
        return orjson.dumps([self.lowest.value, list(self._sources), list(self._words)])

    @classmethod
    def kept(cls, *data: bytes | None) -> "Label":
        """Joins labels as `written` wrote them, the newest last; empty pieces are skipped."""
        label = cls()
        for piece in filter(None, data):
            lowest, sources, words = orjson.loads(piece)
            label.lowest = lower(label.lowest, Origin(lowest))
            for source in sources:
                _remember(label._sources, source)
            for word in words:
                _remember(label._words, word)
        label._told = label.sources
        return label


def _remember(names: dict[str, None], name: str) -> None:
    names.pop(name, None)
    names[name] = None
    if len(names) > MAX_LABEL_SOURCES:
        del names[next(iter(names))]
