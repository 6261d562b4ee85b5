"""The rule of the guarded way out: after reading text from outside, only towards what the owner named.

It looks at what a tool declares, at what it is given, and at the owner's words and directory; no model is asked.
"""

from collections.abc import Iterable, Mapping, Sequence

from core.targets import named
from core.tools import Declaration, Effect

ANYWHERE = "anywhere"
"""Where a call leads that leaves the house and does not say where to."""


def leads_to(declared: Declaration, arguments: Mapping[str, object]) -> list[str]:
    """Where a call leads outside the house; nothing for one that stays inside, `ANYWHERE` where it does not say."""
    said = arguments if declared.targets is None else {name: arguments.get(name) for name in declared.targets}
    targets = list(dict.fromkeys(text for value in said.values() for text in _texts(value) if text.strip()))
    return targets or ([ANYWHERE] if declared.effect is Effect.LEAVES else [])


def unnamed(targets: Iterable[str], words: Sequence[str], listed: Iterable[str] = ()) -> list[str]:
    """Those of the targets that neither stand in the owner's words nor are listed in the owner's directory."""
    known = set(listed)
    return [one for one in targets if one == ANYWHERE or not (one in known or named(one, words))]


def _texts(value: object) -> list[str]:
    """Every text and every number in a value."""
    match value:
        case None | bool():
            return []
        case Mapping():
            return [text for one in value.values() for text in _texts(one)]
        case list() | tuple() | set() | frozenset():
            return [text for one in value for text in _texts(one)]
    return [str(value)]
