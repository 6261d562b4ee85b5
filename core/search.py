"""Search: one query text for meaning, words, metadata and reference state, and the index that answers it."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from core.atoms import Atom, Value
from core.checks import check_metadata, check_name
from core.errors import InvalidInput
from core.store import SEPARATOR, Argument, Store, as_number, read_atom, token

Comparison = Mapping[str, Value]
Filter = Mapping[str, Value | Comparison]
State = Mapping[str, Value | Mapping[str, Value]]
"""What is asked of the targets of a reference: `{"status": "done"}` of all, `{"any": {...}}`, `{"none": {...}}`."""
States = Mapping[str, State]

FIELDS = ("ver", "c", "m", "f", "by", "o", "ct", "t", "sp", "l")
RETURNED = [name.encode() for name in FIELDS]
IDENTIFIER = re.compile(r"\b\w*?(?:\d|\B[A-Z])\w*")
SCHEMA = 1
"""Counts the changes to what an index holds; each has an index of its own, built from the atoms as they are."""
NUMBERS = 16
RARE = 50
"""Words in more atoms than this say nothing about which one is meant."""
BOUNDS = {"lt": ("-inf", "({}"), "lte": ("-inf", "{}"), "gt": ("({}", "+inf"), "gte": ("{}", "+inf")}


@dataclass(slots=True)
class Query:
    """The text of one FT.SEARCH under construction, and its parameters, so that nothing needs escaping."""

    filter: str = ""
    parameters: list[Argument] = field(default_factory=list)

    def parameter(self, value: Argument) -> str:
        """The name under which `value` may stand in the query."""
        name = f"p{len(self.parameters) // 2}"
        self.parameters += [name, value]
        return f"${name}"


async def create_index(store: Store, embedder: str, dimensions: int) -> None:
    """Make the search index over all atoms unless it is there, and drop one whose schema is another.

    The engine fills it in the background from the atoms that are there.

    FLAT: it is exact, rebuilds in seconds and takes updates fifteen times faster than HNSW (facts of this engine).
    """
    name = store.keys.index(SCHEMA, embedder)
    there = [one.decode() for one in await store.run("FT._LIST")]
    if name in there:
        return
    for old in there:
        if old.startswith(f"{store.keys.namespace}:atoms") and old.endswith(f":{embedder}"):
            await store.run("FT.DROPINDEX", old)
    tag = ["TAG", "SEPARATOR", SEPARATOR, "CASESENSITIVE"]
    schema: list[Argument] = [*("sp", *tag), *("kv", *tag), *("rt", *tag), *("rs", *tag), *("ra", *tag)]
    schema += ["c", "TEXT", "t", "NUMERIC", "SORTABLE"]
    for number in range(NUMBERS):
        schema += [f"n{number}", "NUMERIC"]
    vector: list[Argument] = ["TYPE", "FLOAT16", "DIM", dimensions, "DISTANCE_METRIC", "COSINE"]
    schema += ["v", "VECTOR", "FLAT", len(vector), *vector]
    prefix = store.keys.atom("", "").partition("{")[0]
    await store.run("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, prefix, "STOPWORDS", 0, "SCHEMA", *schema)


def restrict(
    query: Query,
    space: str,
    metadata: Filter,
    references: States,
    deprecated: bool,
    numbers: Mapping[str, str],
) -> str:
    """The filter for one space. `numbers` says which number field holds which key there."""
    spaces = [space, f"{space}~"] if deprecated else [space]
    parts = [_tag(query, "sp", spaces)]
    for key, wanted in metadata.items():
        if isinstance(wanted, Mapping):
            parts += [_range(numbers.get(key), operator, limit) for operator, limit in wanted.items()]
        else:
            parts.append(_tag(query, "kv", token(key, wanted)))
    parts += [_state(query, name, state) for name, state in references.items()]
    return " ".join(parts)


def _state(query: Query, name: str, state: State) -> str:
    """All targets are in the state, or any of them, or none."""
    quantifier, wanted = _quantified(state)
    field = "rs" if quantifier == "all" else "ra"
    asked = " ".join(_tag(query, field, [f"{name}|{word}" for word in token(k, v)]) for k, v in wanted.items())
    match quantifier:
        case "any":
            return asked
        case "none":
            return f"-{asked}"
    return f"(({asked})|(-{_tag(query, 'rt', [name])}))"


def _quantified(state: State) -> tuple[str, Mapping[str, Value]]:
    """The quantifier of a state, `all` where none is given, and the state itself."""
    match list(state.items()):
        case [(("all" | "any" | "none") as quantifier, Mapping() as wanted)]:
            return quantifier, wanted
    return "all", {key: value for key, value in state.items() if not isinstance(value, Mapping)}


def _tag(query: Query, name: str, words: Sequence[str]) -> str:
    return f"@{name}:{{{'|'.join(query.parameter(word) for word in words)}}}"


def _range(name: str | None, operator: str, limit: Value) -> str:
    if operator not in BOUNDS:
        raise InvalidInput(f"{operator!r} is no comparison; use lt, lte, gt or gte")
    number = as_number(_moment(limit))
    if number is None or not isfinite(number):
        raise InvalidInput(f"{limit!r} cannot be compared; give a number, or a time with its offset")
    if name is None:
        return "@t:[+inf (-inf]"  # no atom of this space has a number under that key
    low, high = (bound.format(repr(number)) for bound in BOUNDS[operator])
    return f"@{name}:[{low} {high}]"


def _moment(limit: Value) -> Value:
    """A time given as ISO text, as `now()` and `local_time()` give it, as a time."""
    if isinstance(limit, str):
        with suppress(ValueError):
            limit = datetime.fromisoformat(limit)
    if isinstance(limit, datetime) and limit.tzinfo is None:
        raise InvalidInput(f"{limit} is a time without a zone; give it with its offset, as now() does")
    return limit


def check_limit(limit: object) -> None:
    """Raises `InvalidInput` for what is no number of things to ask for."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 1000:
        raise InvalidInput(f"limit is {limit!r}; ask for 1 to 1000")


def check_filter(metadata: Filter, references: States) -> None:
    """Raises `InvalidInput` for what cannot be asked of metadata, or of the targets of references."""
    if not isinstance(metadata, Mapping) or not isinstance(references, Mapping):
        raise InvalidInput('metadata and references are filters such as {"status": "done"}; give a dict')
    _check_equal({key: wanted for key, wanted in metadata.items() if not isinstance(wanted, Mapping)})
    for name, state in references.items():
        check_name(name, "a reference's name")
        if not isinstance(state, Mapping):
            raise InvalidInput(f'references {name!r} asks for no state; give one such as {{"status": "done"}}')
        quantifier, wanted = _quantified(state)
        if not wanted or (quantifier == "all" and len(wanted) < len(state) and "all" not in state):
            raise InvalidInput(
                f'references {name!r} asks for {dict(state)}; give a state such as {{"status": "done"}}, or '
                '{"any": {"status": "done"}}, or {"none": ...}'
            )
        if quantifier != "all" and len(wanted) > 1:
            raise InvalidInput(f"references {name!r}: any and none ask for one key at a time")
        _check_equal(wanted)


def _check_equal(wanted: Mapping[str, Value | Comparison]) -> None:
    check_metadata(wanted)  # type: ignore[arg-type]
    for key, value in wanted.items():
        if value is None or value == []:
            raise InvalidInput(f"metadata {key!r} cannot be asked to be {value}; leave the key out")


def by_meaning(index: str, query: Query, vector: bytes, limit: int) -> list[Argument]:
    """The nearest atoms among those that pass the filter, which is applied before neighbours are looked for."""
    nearest = Query(query.filter, list(query.parameters))
    text = f"({query.filter})=>[KNN {limit} @v {nearest.parameter(vector)} AS distance]"
    return _search(index, text, nearest, ["SORTBY", "distance", "ASC"], limit, ("distance",))


def by_words(index: str, query: Query, words: Sequence[str], limit: int) -> list[Argument]:
    """The atoms that hold any of the words, those that hold more and rarer ones first (BM25)."""
    wanted = Query(query.filter, list(query.parameters))
    text = f"{query.filter} @c:({'|'.join(wanted.parameter(word) for word in words)})"
    return _search(index, text, wanted, ["SCORER", "BM25"], limit, ())


def newest(index: str, query: Query, limit: int) -> list[Argument]:
    """The atoms that pass the filter, last changed first."""
    return _search(index, query.filter, query, ["SORTBY", "t", "DESC"], limit, ())


def _search(
    index: str, text: str, query: Query, order: list[Argument], limit: int, extra: tuple[str, ...]
) -> list[Argument]:
    fields = [*FIELDS, *extra]
    command: list[Argument] = ["FT.SEARCH", index, text, "RETURN", len(fields), *fields, *order]
    if query.parameters:
        command += ["PARAMS", len(query.parameters), *query.parameters]
    return [*command, "LIMIT", 0, limit, "DIALECT", 2]


def read_hits(answer: Sequence[Any]) -> tuple[int, list[Atom]]:
    """How many atoms matched, and those that were asked for."""
    found = []
    for key, flat in zip(answer[1::2], answer[2::2], strict=True):
        space, _, id = key[key.index(b"{") + 1 :].decode().partition("}:")
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        distance = fields.get(b"distance")
        atom = read_atom(space, id, [*map(fields.get, RETURNED)], 1 - float(distance) if distance else None)
        if atom:
            found.append(atom)
    return int(answer[0]), found


def words_of(text: str) -> list[str]:
    """The words of a query, lower case, each once, at most 32."""
    return list(dict.fromkeys(re.findall(r"\w+", text.lower())))[:32]


def identifiers_of(text: str) -> list[str]:
    """The words that name something: with a digit, or capitals beyond a first letter (`Q3`, `INV-2031`, `iPhone`)."""
    return list(dict.fromkeys(word.lower() for word in IDENTIFIER.findall(text)))[:8]


def fuse(meaning: Sequence[Atom], words: Sequence[Atom], limit: int) -> list[Atom]:
    """One ranking of two: reciprocal rank fusion (Cormack et al., 2009), each atom once."""
    points: dict[str, float] = {}
    for ranking in (meaning, words):
        for rank, atom in enumerate(ranking):
            points[atom.ref] = points.get(atom.ref, 0.0) + 1 / (60 + rank)
    atoms = {atom.ref: atom for atom in (*words, *meaning)}
    return [atoms[ref] for ref in sorted(points, key=lambda ref: -points[ref])[:limit]]
