"""The repository of the search indexes: over all atoms, and over those of each big space."""

import contextlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.atoms.atoms import Atom, Passage
from core.errors import InvalidInput
from core.search.filters import NUMBER_FIELDS, Query
from core.store.codec import SEPARATOR, read_atom
from core.store.store import Argument, Store

INDEX_SCHEMA = 2
"""Raised when an index holds something else. Each schema has its own index, built from the atoms as they are."""
ATOM_FIELDS = ("ver", "c", "m", "f", "by", "o", "ct", "t", "sp", "l")
PASSAGE_FIELDS = ("ps", "pe", "pf")
"""First and last character of a passage, and its file."""
ATOM_FIELD_NAMES = [name.encode() for name in ATOM_FIELDS]
MAX_RARE_ATOMS = 50
"""A word in more atoms than this does not tell which one is meant."""


async def create_index(store: Store, embedder: str, dimensions: int, space: str = "", *, field: str = "v") -> None:
    """Create the index over all atoms, or over one space, unless it is there; the engine fills it in the background.

    An index of another schema is dropped. FLAT: it is exact, rebuilds in seconds and takes updates fifteen times
    faster than HNSW (docs/search.md has the measurements).
    """
    name = index_name(store, embedder, space)
    there = await index_names(store)
    if name in there:
        return
    for old in there if not space else ():
        if old.startswith(f"{store.keys.namespace}:atoms") and old.endswith(f":{embedder}"):
            with contextlib.suppress(InvalidInput):  # another process was faster
                await store.run("FT.DROPINDEX", old)
    tag = ["TAG", "SEPARATOR", SEPARATOR, "CASESENSITIVE"]
    schema: list[Argument] = [*("sp", *tag), *("kv", *tag), *("rt", *tag), *("rs", *tag), *("ra", *tag)]
    schema += [*("rp", *tag), *("fs", *tag), "c", "TEXT", "w", "TEXT", "b", "NUMERIC", "SORTABLE"]
    for number in range(NUMBER_FIELDS):
        schema += [f"n{number}", "NUMERIC"]
    vector: list[Argument] = ["TYPE", "FLOAT16", "DIM", dimensions, "DISTANCE_METRIC", "COSINE"]
    schema += [field, *(["AS", "v"] if field != "v" else []), "VECTOR", "FLAT", len(vector), *vector]
    prefix = store.keys.atom(space, "") if space else store.keys.atom("", "").partition("{")[0]
    try:
        await store.run("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, prefix, "STOPWORDS", 0, "SCHEMA", *schema)
    except InvalidInput:
        if name not in await index_names(store):  # another process was faster
            raise


async def is_whole(store: Store, index: str) -> bool:
    """True once an index is filled; a new one, or one of a server that was restarted, is not at first."""
    try:
        info = await store.run("FT.INFO", index)
    except InvalidInput:
        return False
    known = dict(zip(info[::2], info[1::2], strict=True))
    return int(known[b"indexing"]) == 0 and float(known[b"percent_indexed"]) == 1


def index_name(store: Store, embedder: str, space: str = "") -> str:
    keys = store.keys
    return keys.own_index(INDEX_SCHEMA, embedder, space) if space else keys.index(INDEX_SCHEMA, embedder)


async def drop_index(store: Store, name: str) -> None:
    if name in await index_names(store):
        await store.run("FT.DROPINDEX", name)


async def index_names(store: Store) -> list[str]:
    return [name.decode() for name in await store.run("FT._LIST")]


async def embedder_indexed(store: Store) -> str | None:
    prefix = store.keys.index(INDEX_SCHEMA, "")
    return next((name[len(prefix) :] for name in await index_names(store) if name.startswith(prefix)), None)


def check_limit(limit: object) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 1000:
        raise InvalidInput(f"limit is {limit!r}; ask for 1 to 1000")


def counting(index: str, query: Query, word: str = "") -> list[Argument]:
    """The number of those that pass the filter, and hold the word."""
    counted = Query(query.filter, list(query.parameters))
    if word:
        counted.filter += f" @c|w:({counted.parameter(word)})"
    given = ["PARAMS", len(counted.parameters), *counted.parameters] if counted.parameters else []
    return ["FT.SEARCH", index, counted.filter, *given, "LIMIT", 0, 0, "DIALECT", 2]


def by_meaning(index: str, query: Query, vector: bytes, limit: int, named: Sequence[str] = ()) -> list[Argument]:
    """The nearest of the atoms that pass the filter, which comes first; with `named` of those with all these words."""
    nearest = Query(query.filter, list(query.parameters))
    held = "".join(f" @c|w:({nearest.parameter(word)})" for word in named)
    way = " HYBRID_POLICY BATCHES" if query.much and not named else ""
    nearest.filter = f"({query.filter}{held})=>[KNN {limit} @v {nearest.parameter(vector)}{way} AS distance]"
    return _search(index, nearest, ["SORTBY", "distance", "ASC"], limit, ("distance", *PASSAGE_FIELDS))


def by_words(
    index: str, query: Query, words: Sequence[str], limit: int, language: str, *, vectors: bool = False
) -> list[Argument]:
    """The atoms with any of the words, however inflected, those with more and rarer ones first (BM25)."""
    wanted = Query(query.filter, list(query.parameters))
    wanted.filter = f"{query.filter} @c|w:({'|'.join(map(wanted.parameter, words))})"
    order: list[Argument] = ["SCORER", "BM25STD", "LANGUAGE", language]
    return _search(index, wanted, order, limit, (*PASSAGE_FIELDS, "v") if vectors else PASSAGE_FIELDS)


def newest(index: str, query: Query, limit: int, born: int | None = None) -> list[Argument]:
    older = "" if born is None else f" @b:[-inf {born}]"
    return _search(index, Query(query.filter + older, query.parameters), ["SORTBY", "b", "DESC"], limit, ("b",))


def _search(index: str, query: Query, order: list[Argument], limit: int, extra: tuple[str, ...]) -> list[Argument]:
    fields = [*ATOM_FIELDS, *extra]
    command: list[Argument] = ["FT.SEARCH", index, query.filter, "RETURN", len(fields), *fields, *order]
    if query.parameters:
        command += ["PARAMS", len(query.parameters), *query.parameters]
    return [*command, "LIMIT", 0, limit, "DIALECT", 2]


@dataclass(frozen=True, slots=True)
class Hit:
    """One atom, or a passage of one, that a search found."""

    key: str
    fields: Mapping[bytes, bytes]

    @property
    def distance(self) -> float:
        """Between its meaning and the query's: 0 the same, 1 nothing in common, 2 the opposite."""
        return float(self.fields[b"distance"])

    def compared(self, vector: bytes) -> "Hit":
        """With its distance from this vector; one whose vector is still to be made has nothing in common with it."""
        import numpy as np

        fields = dict(self.fields)
        one = np.frombuffer(fields.pop(b"v", b""), "<f2").astype(np.float32)
        other = np.frombuffer(vector, "<f2").astype(np.float32)
        near = (
            float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) or 1)) if len(one) == len(other) else 0.0
        )
        return replace(self, fields={**fields, b"distance": repr(1 - near).encode()})

    @property
    def text(self) -> str:
        return self.fields.get(b"c", b"").decode()

    @property
    def born(self) -> int:
        return int(float(self.fields[b"b"]))

    @property
    def ref(self) -> str:
        space, _, id = self.key[self.key.index("{") + 1 :].partition("}:")
        return f"{space}/{id.partition('#')[0] if b'ps' in self.fields else id}"

    @property
    def passage(self) -> Passage | None:
        fields = self.fields
        if b"ps" not in fields:
            return None
        return Passage(fields[b"c"].decode(), int(fields[b"ps"]), int(fields[b"pe"]), fields.get(b"pf", b"").decode())

    def atom(self) -> Atom | None:
        """None if it went while the engine looked."""
        space, _, id = self.ref.partition("/")
        distance = self.fields.get(b"distance")
        return read_atom(
            space, id, [*map(self.fields.get, ATOM_FIELD_NAMES)], 1 - float(distance) if distance else None
        )


def read_hits(answer: Sequence[Any]) -> list[Hit]:
    found = []
    for key, fields in zip(answer[1::2], answer[2::2], strict=True):
        flat = fields or ()
        found.append(Hit(key.decode(), dict(zip(flat[::2], flat[1::2], strict=True))))
    return found


LARGE_SHARE = 0.12
"""Share of the index from which neighbours are found first and filtered then, batch after batch. The engine by itself
goes through the filtered atoms for far too long: three times slower at a quarter of 60,000 (docs/search.md)."""
LARGE_SHARE_MIN_ATOMS = 2_000
SEARCHES_PER_COUNT = 50
MAX_CACHED_SHARES = 1_000

Filtering = tuple[object, ...]


class Shares:
    """Remembers which filters keep much of an index; a wrong guess costs time, never an answer."""

    def __init__(self) -> None:
        self._known: OrderedDict[Filtering, tuple[bool, int]] = OrderedDict()

    def asked(self, index: str, query: Query) -> tuple[Filtering, list[Sequence[Argument]]]:
        """Mark the query as far as its filter is known; returns the filter and the counts to ask for."""
        filtered = (index, query.filter, *query.parameters)
        query.much, uses = self._known.get(filtered, (False, SEARCHES_PER_COUNT))
        if uses >= SEARCHES_PER_COUNT:
            return filtered, [counting(index, query), counting(index, Query("*"))]
        self._known[filtered] = (query.much, uses + 1)
        return filtered, []

    def counted(self, filtered: Filtering, answers: Sequence[Any]) -> None:
        (kept, *_), (there, *_) = answers
        self._known[filtered] = (int(kept) >= max(LARGE_SHARE_MIN_ATOMS, LARGE_SHARE * int(there)), 1)
        self._known.move_to_end(filtered)
        if len(self._known) > MAX_CACHED_SHARES:
            self._known.popitem(last=False)


COMMON_SHARE = 0.1
"""Share of the atoms from which on a name says little."""
MIN_NAMED_ATOMS = 20
"""Among fewer atoms no name is common."""


class CommonNames:
    """Remembers which names stand in many of the atoms that a search looks through, and counts them again at times."""

    def __init__(self) -> None:
        self._known: OrderedDict[Filtering, tuple[bool, int]] = OrderedDict()

    def unknown(self, place: Filtering, names: Sequence[str]) -> list[str]:
        return [name for name in names if self._known.get((place, name), (False, 0))[1] <= 0]

    def counted(self, place: Filtering, names: Sequence[str], answers: Sequence[Any]) -> None:
        total, *held = [int(answer[0]) for answer in answers] or [0]
        for name, count in zip(names, held, strict=False):
            self._known[place, name] = (count >= COMMON_SHARE * total and total >= MIN_NAMED_ATOMS, SEARCHES_PER_COUNT)
            self._known.move_to_end((place, name))
        while len(self._known) > MAX_CACHED_SHARES:
            self._known.popitem(last=False)

    def common(self, place: Filtering, names: Sequence[str]) -> frozenset[str]:
        found = set()
        for name in names:
            common, uses = self._known.get((place, name), (False, 0))
            self._known[place, name] = (common, uses - 1)
            if common:
                found.add(name)
        return frozenset(found)
