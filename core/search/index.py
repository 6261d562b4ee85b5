"""Search: the index over all atoms, the commands that ask it, and what it answers as hits."""

import contextlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.atoms.atoms import Atom, Passage
from core.errors import InvalidInput
from core.search.filters import NUMBER_FIELDS, Query
from core.store.codec import SEPARATOR, read_atom
from core.store.store import Argument, Store

INDEX_SCHEMA = 2
"""Counts the changes to what an index holds; each has an index of its own, built from the atoms as they are."""
ATOM_FIELDS = ("ver", "c", "m", "f", "by", "o", "ct", "t", "sp", "l")
PASSAGE_FIELDS = ("ps", "pe", "pf")
"""What a passage has instead: from which character to which it goes, and in which file."""
ATOM_FIELD_NAMES = [name.encode() for name in ATOM_FIELDS]
WORD_SEPARATORS = re.compile(r"[\s,./(){}\[\]:;\\~!@#$%^&*=+|'`\"<>?\0-]+")
"""Where the engine parts words."""
NAMES_SOMETHING = re.compile(r"\d|\B[A-Z]")
MAX_RARE_ATOMS = 50
"""Words in more atoms than this say nothing about which one is meant."""
MAX_NAMED = 4
MAX_QUERY_WORDS = 32


async def create_index(store: Store, embedder: str, dimensions: int, space: str = "", *, field: str = "v") -> None:
    """Make the search index over all atoms, or the one of a single space, unless it is there.

    One over all atoms of another schema is dropped. The engine fills a new one in the background. FLAT: it is exact,
    rebuilds in seconds and takes updates fifteen times faster than HNSW (docs/search.md has the measurements).
    """
    name = index_name(store, embedder, space)
    there = [one.decode() for one in await store.run("FT._LIST")]
    if name in there:
        return
    for old in there if not space else ():
        if old.startswith(f"{store.keys.namespace}:atoms") and old.endswith(f":{embedder}"):
            with contextlib.suppress(InvalidInput):  # another process was faster
                await store.run("FT.DROPINDEX", old)
    tag = ["TAG", "SEPARATOR", SEPARATOR, "CASESENSITIVE"]
    schema: list[Argument] = [*("sp", *tag), *("kv", *tag), *("rt", *tag), *("rs", *tag), *("ra", *tag)]
    schema += [*("rp", *tag), *("fs", *tag), "c", "TEXT", "b", "NUMERIC", "SORTABLE"]
    for number in range(NUMBER_FIELDS):
        schema += [f"n{number}", "NUMERIC"]
    vector: list[Argument] = ["TYPE", "FLOAT16", "DIM", dimensions, "DISTANCE_METRIC", "COSINE"]
    schema += [field, *(["AS", "v"] if field != "v" else []), "VECTOR", "FLAT", len(vector), *vector]
    prefix = store.keys.atom(space, "") if space else store.keys.atom("", "").partition("{")[0]
    try:
        await store.run("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, prefix, "STOPWORDS", 0, "SCHEMA", *schema)
    except InvalidInput:
        if name.encode() not in await store.run("FT._LIST"):  # another process was faster
            raise


async def is_whole(store: Store, index: str) -> bool:
    """Whether an index is there and holds all that it should; one that is new, or restarted, is filled first."""
    try:
        info = await store.run("FT.INFO", index)
    except InvalidInput:
        return False
    known = dict(zip(info[::2], info[1::2], strict=True))
    return int(known[b"indexing"]) == 0 and float(known[b"percent_indexed"]) == 1


def index_name(store: Store, embedder: str, space: str = "") -> str:
    """What the index over all atoms is called, or the one of a single space."""
    keys = store.keys
    return keys.own_index(INDEX_SCHEMA, embedder, space) if space else keys.index(INDEX_SCHEMA, embedder)


def check_limit(limit: object) -> None:
    """Raises `InvalidInput` for what is no number of things to ask for."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 1000:
        raise InvalidInput(f"limit is {limit!r}; ask for 1 to 1000")


def counting(index: str, query: Query) -> list[Argument]:
    """How many atoms pass the filter."""
    given = ["PARAMS", len(query.parameters), *query.parameters] if query.parameters else []
    return ["FT.SEARCH", index, query.filter, *given, "LIMIT", 0, 0, "DIALECT", 2]


def by_meaning(index: str, query: Query, vector: bytes, limit: int, named: Sequence[str] = ()) -> list[Argument]:
    """The nearest atoms among those that pass the filter, which is applied before neighbours are looked for.

    With `named` only those that hold all of these words.
    """
    nearest = Query(query.filter, list(query.parameters))
    held = "".join(f" @c:({_word(nearest, word)})" for word in named)
    way = " HYBRID_POLICY BATCHES" if query.much and not named else ""
    text = f"({query.filter}{held})=>[KNN {limit} @v {nearest.parameter(vector)}{way} AS distance]"
    return _search(index, text, nearest, ["SORTBY", "distance", "ASC"], limit, ("distance", *PASSAGE_FIELDS))


def by_words(index: str, query: Query, words: Sequence[str], limit: int) -> list[Argument]:
    """The atoms that hold any of the words, those that hold more and rarer ones first (BM25)."""
    wanted = Query(query.filter, list(query.parameters))
    text = f"{query.filter} @c:({'|'.join(_word(wanted, word) for word in words)})"
    return _search(index, text, wanted, ["SCORER", "BM25"], limit, PASSAGE_FIELDS)


def newest(index: str, query: Query, limit: int, born: int | None = None) -> list[Argument]:
    """The atoms that pass the filter, the newest first; none that is newer than `born`."""
    text = query.filter if born is None else f"{query.filter} @b:[-inf {born}]"
    return _search(index, text, query, ["SORTBY", "b", "DESC"], limit, ("b",))


def _word(query: Query, word: str) -> str:
    """A word; the engine knows upper and lower case of ASCII only, so others are asked for in each."""
    forms = [word] if word.isascii() else list(dict.fromkeys([word.lower(), word, word.title(), word.upper()]))
    return "|".join(query.parameter(form) for form in forms)


def _search(
    index: str, text: str, query: Query, order: list[Argument], limit: int, extra: tuple[str, ...]
) -> list[Argument]:
    fields = [*ATOM_FIELDS, *extra]
    command: list[Argument] = ["FT.SEARCH", index, text, "RETURN", len(fields), *fields, *order]
    if query.parameters:
        command += ["PARAMS", len(query.parameters), *query.parameters]
    return [*command, "LIMIT", 0, limit, "DIALECT", 2]


@dataclass(frozen=True, slots=True)
class Hit:
    """One atom that a search found, and by what."""

    key: str
    fields: Mapping[bytes, bytes]

    @property
    def distance(self) -> float:
        """How far its meaning is from the query's: 0 the same, 1 nothing in common, 2 the opposite."""
        return float(self.fields[b"distance"])

    @property
    def born(self) -> int:
        """Where it stands in the order in which atoms were put."""
        return int(float(self.fields[b"b"]))

    @property
    def ref(self) -> str:
        """The atom it is, or is a part of: `space/id`."""
        space, _, id = self.key[self.key.index("{") + 1 :].partition("}:")
        return f"{space}/{id.partition('#')[0] if b'ps' in self.fields else id}"

    @property
    def passage(self) -> Passage | None:
        """The piece of the atom that it is; None where it is the atom itself."""
        fields = self.fields
        if b"ps" not in fields:
            return None
        return Passage(fields[b"c"].decode(), int(fields[b"ps"]), int(fields[b"pe"]), fields.get(b"pf", b"").decode())

    def atom(self) -> Atom | None:
        """The atom itself; None if it went while the engine looked."""
        space, _, id = self.ref.partition("/")
        distance = self.fields.get(b"distance")
        return read_atom(
            space, id, [*map(self.fields.get, ATOM_FIELD_NAMES)], 1 - float(distance) if distance else None
        )


def read_hits(answer: Sequence[Any]) -> list[Hit]:
    """What FT.SEARCH answered."""
    found = []
    for key, fields in zip(answer[1::2], answer[2::2], strict=True):
        flat = fields or ()
        found.append(Hit(key.decode(), dict(zip(flat[::2], flat[1::2], strict=True))))
    return found


def words_of(text: str) -> list[str]:
    """The words of a query, lower case, each once, at most 32."""
    return list(dict.fromkeys(word for word in WORD_SEPARATORS.split(text.lower()) if word))[:MAX_QUERY_WORDS]


def named_in(text: str) -> list[tuple[str, ...]]:
    """What a query names: words with a digit, or with capitals beyond a first letter (`Q3`, `INV-2031`, `iPhone`).

    Each as the words that the engine makes of it; at most 4.
    """
    chunks = (chunk for chunk in text.split() if NAMES_SOMETHING.search(chunk))
    named = (tuple(word for word in WORD_SEPARATORS.split(chunk.lower()) if word)[:8] for chunk in chunks)
    return list(dict.fromkeys(filter(None, named)))[:MAX_NAMED]


LARGE_SHARE = 0.12
"""From which share on neighbours are looked for first and filtered then, batch after batch. The engine by itself goes
through what the filter keeps far too long: three times slower at a quarter of 60,000 (docs/search.md)."""
LARGE_SHARE_MIN_ATOMS = 2_000
SEARCHES_PER_COUNT = 50
"""How many searches a count serves."""
MAX_CACHED_SHARES = 1_000

Filtered = tuple[object, ...]


class Shares:
    """The filters of late and whether each keeps much; a wrong guess costs time, never an answer."""

    def __init__(self) -> None:
        self._known: OrderedDict[Filtered, tuple[bool, int]] = OrderedDict()

    def asked(self, index: str, query: Query) -> tuple[Filtered, list[Sequence[Argument]]]:
        """Say in the query whether its filter keeps much, if that is known; answers it and what is to be counted."""
        filtered = (index, query.filter, *query.parameters)
        query.much, uses = self._known.get(filtered, (False, SEARCHES_PER_COUNT))
        if uses >= SEARCHES_PER_COUNT:
            return filtered, [counting(index, query), counting(index, Query("*"))]
        self._known[filtered] = (query.much, uses + 1)
        return filtered, []

    def counted(self, filtered: Filtered, answers: Sequence[Any]) -> None:
        """Remember what was counted for a filter."""
        (kept, *_), (there, *_) = answers
        self._known[filtered] = (int(kept) >= max(LARGE_SHARE_MIN_ATOMS, LARGE_SHARE * int(there)), 1)
        self._known.move_to_end(filtered)
        if len(self._known) > MAX_CACHED_SHARES:
            self._known.popitem(last=False)
