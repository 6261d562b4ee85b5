"""Reasons: why a search found an atom, in words for whoever asked."""

from collections.abc import Iterator, Mapping, Sequence

from core.atoms.atoms import Value
from core.search.filters import Filter, States, quantified
from core.search.ranking import Ranked

COMPARISON_WORDS = {"lt": "below", "lte": "at most", "gt": "above", "gte": "at least"}


def explain(one: Ranked, place: int, passed: str) -> str:
    """How this atom came to this place, and which filter it passed.

    Its word score is not told: that says how rare the words are in all spaces, also those one may not read.
    """
    return f"{_why(one)}: number {place} of the answer. It passed the filter: {passed}."


def _why(one: Ranked) -> str:
    if b"distance" in one.hit.fields:
        meaning = f"distance {one.hit.distance:.3f} in meaning (0 is the same, 1 nothing in common)"
        if not one.named:
            return f"Found by meaning, {meaning}"
        names = " and ".join(repr(name) for name in one.named)
        return f"Found by the rare {names} it holds, then by {meaning}"
    return "Found as one of the newest" if b"b" in one.hit.fields else "Found by words"


def filter_in_words(spaces: Sequence[str], metadata: Filter, references: States, deprecated: bool) -> str:
    """The whole filter of a search."""
    where = f"in {spaces[0]}" if len(spaces) == 1 else f"in one of the {len(spaces)} spaces you searched"
    return "; ".join([where, *_metadata(metadata), *_references(references), *([] if deprecated else ["in use"])])


def _metadata(metadata: Filter) -> Iterator[str]:
    for key, wanted in metadata.items():
        if isinstance(wanted, Mapping):
            yield f"{key} is {' and '.join(f'{COMPARISON_WORDS[how]} {limit}' for how, limit in wanted.items())}"
        else:
            yield _is(key, wanted)


def _references(references: States) -> Iterator[str]:
    for name, state in references.items():
        quantifier, wanted = quantified(state)
        each = " and ".join(_is(key, value) for key, value in wanted.items())
        yield {
            "all": f"all its {name} that there are have {each}",
            "any": f"one of its {name} has {each}",
            "none": f"none of its {name} has {each}",
        }[quantifier] + " (what you may not read counts as not)"


def _is(key: str, wanted: Value) -> str:
    if isinstance(wanted, list):
        return f"{key} is one of {', '.join(wanted)}"
    return f"{key} is {wanted}"
