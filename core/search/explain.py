"""Explanations: the reason why a search found an atom, in words."""

from collections.abc import Iterator, Mapping, Sequence

from core.atoms.atoms import Value
from core.search.filters import Filter, Filtered, States, quantified
from core.search.ranking import Ranked

COMPARISON_WORDS = {"lt": "below", "lte": "at most", "gt": "above", "gte": "at least"}


def explain(one: Ranked, place: int, passed: str) -> str:
    """Says how this atom came to this place, and which filter it passed.

    Its word score is left out: that would tell how rare words are in spaces that the reader may not read.
    """
    return f"{_reason(one)}: number {place} of the answer. It passed the filter: {passed}."


def _reason(one: Ranked) -> str:
    if b"distance" in one.hit.fields:
        meaning = f"distance {one.hit.distance:.3f} in meaning (0 is the same, 1 nothing in common)"
        words = f", and by the words it holds, {_quoted(one.words)}" if one.words else ""
        if not one.named:
            return f"Found by meaning, {meaning}{words}"
        return f"Found by the rare {_quoted(one.named)} it holds, then by {meaning}{words}"
    return "Found as one of the newest" if b"b" in one.hit.fields else "Found by words"


def _quoted(words: Sequence[str]) -> str:
    return " and ".join(map(repr, words))


def filter_in_words(spaces: Sequence[str], wanted: Filtered) -> str:
    where = f"in {spaces[0]}" if len(spaces) == 1 else f"in one of the {len(spaces)} spaces you searched"
    in_use = [] if wanted.deprecated else ["in use"]
    when = [f"put or due {wanted.period}"] if wanted.period else []
    return "; ".join([where, *when, *_metadata(wanted.metadata), *_references(wanted.references), *in_use])


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
        }[quantifier] + " (targets you may not read count as without it)"


def _is(key: str, wanted: Value) -> str:
    if isinstance(wanted, list):
        return f"{key} is one of {', '.join(wanted)}"
    return f"{key} is {wanted}"
