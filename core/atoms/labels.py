"""Labels: the least trusted text that an agent's session has read, where that came from, and whose words it heard."""

from typing import Protocol

import orjson

from core.atoms.atoms import Origin, lower

MAX_LABEL_SOURCES = 100
"""How many sources, and how many of the owner's atoms, a session remembers: the newest."""


class Read(Protocol):
    """What can be read: an atom, or a change of one."""

    @property
    def ref(self) -> str: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def label(self) -> Origin: ...


class Label:
    """What a session has read. It only ever falls, and is clean again only with a new session."""

    def __init__(self) -> None:
        self.lowest = Origin.OWNER
        self._sources: dict[str, None] = {}
        self._words: dict[str, None] = {}
        self._told: list[str] = []

    @property
    def outside(self) -> bool:
        """Whether the session has read text from outside."""
        return self.lowest is Origin.OUTSIDE

    @property
    def sources(self) -> list[str]:
        """Where text from outside came from: atoms as `space/id`, tools as `tool name`, the newest last."""
        return list(self._sources)

    @property
    def words(self) -> list[str]:
        """The atoms it has read that are the owner's own words, as `space/id`, the newest last."""
        return list(self._words)

    def read(self, what: Read) -> None:
        """Remember an atom, or a change, that the session has been shown."""
        self.lowest = lower(self.lowest, what.label)
        if what.label is Origin.OUTSIDE:
            _remember(self._sources, what.ref)
        if what.origin is Origin.OWNER:
            _remember(self._words, what.ref)

    def heard(self, source: str) -> None:
        """Remember text from outside that is no atom, such as what a tool brought from the web."""
        self.lowest = Origin.OUTSIDE
        _remember(self._sources, source)

    def news(self) -> bytes:
        """The label as it is to be kept, if it has heard more from outside since it was last asked; else nothing."""
        if self.sources == self._told:
            return b""
        self._told = self.sources
        return self.written()

    def written(self) -> bytes:
        """The label as it is kept."""
        return orjson.dumps([self.lowest.value, list(self._sources), list(self._words)])

    @classmethod
    def kept(cls, *data: bytes | None) -> "Label":
        """The label that was kept in these pieces, each of them nothing or what `written` wrote, the newest last."""
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
