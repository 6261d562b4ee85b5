"""What a search promises, in plain Python: which atoms it finds in which order, and an embedder that needs no model."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from core.atoms.atoms import Value
from core.search.filters import Filter, States

COMPARE = {
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
}
DIMENSIONS = 8


class Hashed:
    """Vectors made of a text's digest: the same for the same text, otherwise anywhere."""

    id = "hashed"
    dimensions = DIMENSIONS

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [vector(text).tobytes() for text in texts]


def vector(text: str) -> "np.ndarray[tuple[int], np.dtype[np.float16]]":
    """The unit vector of a text."""
    seed = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
    row = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (row / np.linalg.norm(row)).astype("<f2")


def distance(one: str, other: str) -> float:
    """The cosine distance of two texts."""
    a, b = vector(one).astype(float), vector(other).astype(float)
    return float(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@dataclass
class Kept:
    """An atom as the model has it."""

    ref: str
    content: str
    metadata: dict[str, Value] = field(default_factory=dict)
    references: dict[str, list[str]] = field(default_factory=dict)
    deprecated: bool = False

    @property
    def space(self) -> str:
        return self.ref.partition("/")[0]


@dataclass
class Model:
    """All atoms in the order in which they were put."""

    atoms: dict[str, Kept] = field(default_factory=dict)

    def search(
        self,
        readable: Sequence[str],
        within: Sequence[str],
        metadata: Filter,
        references: States,
        deprecated: bool,
        words: Sequence[str] | None = None,
    ) -> list[Kept]:
        """What passes the filter, the newest first; with words only what holds one of them."""
        return [
            atom
            for atom in reversed(self.atoms.values())
            if atom.space in within
            and (deprecated or not atom.deprecated)
            and all(_fits(atom.metadata.get(key), wanted) for key, wanted in metadata.items())
            and all(self._state(atom, name, state, readable) for name, state in references.items())
            and (words is None or set(words) & set(tokens(atom.content)))
        ]

    def _state(self, atom: Kept, name: str, state: Mapping[str, object], readable: Sequence[str]) -> bool:
        quantifier, wanted = "all", state
        for word in ("all", "any", "none"):
            if list(state) == [word] and isinstance(inside := state[word], Mapping):
                quantifier, wanted = word, inside
        found = [self._target(atom, reference, readable) for reference in atom.references.get(name, [])]
        fitting = [
            bool(one) and all(_fits(one.metadata.get(key), value) for key, value in wanted.items())
            for one in found
            if one
        ]
        if quantifier == "all":
            return len(fitting) == len(found) and all(fitting)
        return any(fitting) if quantifier == "any" else not any(fitting)

    def _target(self, atom: Kept, reference: str, readable: Sequence[str]) -> Kept | None:
        ref = reference if "/" in reference else f"{atom.space}/{reference}"
        space = ref.partition("/")[0]
        return self.atoms.get(ref) if space == atom.space or space in readable else None


def tokens(text: str) -> list[str]:
    """The words of a text as the engine parts them."""
    return [word for word in re.split(r"[^\w🙂]+", text.lower()) if word]


def named(query: str, content: str) -> int:
    """How many of the things that the query names the content holds."""
    chunks = {tuple(tokens(chunk)) for chunk in query.split() if re.search(r"\d|\B[A-Z]", chunk)}
    return sum(bool(chunk) and set(chunk) <= set(tokens(content)) for chunk in chunks)


def _fits(value: Value | None, wanted: object) -> bool:
    if value is None:
        return False
    if isinstance(wanted, Mapping):
        number = _number(value)
        return number is not None and all(COMPARE[how](number, _number(limit)) for how, limit in wanted.items())
    values = value if isinstance(value, list) else [value]
    return bool(
        {_said(one) for one in values} & {_said(one) for one in (wanted if isinstance(wanted, list) else [wanted])}
    )


def _number(value: object) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _said(value: object) -> str:
    """A value as text: 1 and 1.0 are the same, and so are the number 1 and the text "1"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
