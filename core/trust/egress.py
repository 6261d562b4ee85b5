"""The egress rule: after reading text from outside, an agent reaches only what the owner named.

It looks at what a tool declares, at what it is given, and at the owner's words and directory; no model is asked.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from core.atoms.text import nfc
from core.errors import InvalidInput
from core.tools.registry import Declaration, Effect
from core.trust.addresses import Words, links, parse, parse_loosely

ANYWHERE = "anywhere"
"""Where a call leads that leaves the house and does not say where to."""
MAX_NESTING = 20


def settled(declared: Declaration, arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments with each address in the form in which it is compared; raises `InvalidInput` for an odd one."""
    strict = declared.targets is not None
    return {
        name: _settled(value, strict, 0) if not strict or name in (declared.targets or ()) else value
        for name, value in arguments.items()
    }


def leads_to(declared: Declaration, arguments: Mapping[str, object]) -> list[str]:
    """Where a call leads outside the house; nothing for one that stays inside, `ANYWHERE` where it does not say.

    The links in what it carries are among it: whoever reads that may follow them.
    """
    names = arguments if declared.targets is None else declared.targets
    targets = [text for name in names for text in texts(arguments.get(name)) if text.strip()]
    if not targets:
        targets = [ANYWHERE] if declared.effect is Effect.LEAVES else []
    if targets:
        carried = (text for name, value in arguments.items() if name not in names for text in texts(value))
        targets += [link for text in carried for link in links(text)]
    return list(dict.fromkeys(targets))


def to_ask_about(
    declared: Declaration, arguments: Mapping[str, object], words: Sequence[str], listed: Iterable[str] = ()
) -> list[str]:
    """The targets and subjects of a call for which the owner has to be asked; nothing for one that may be made."""
    subjects = [text for name in declared.about for text in texts(arguments.get(name)) if text.strip()]
    strange = unnamed(subjects, words)
    own = len(strange) < len(subjects) or any(_dated(text, words) for text in subjects)
    return unnamed(leads_to(declared, arguments), words, listed) + ([] if own else strange)


def unnamed(targets: Iterable[str], words: Sequence[str], listed: Iterable[str] = ()) -> list[str]:
    """Those of the targets that neither stand in the owner's words nor are listed in the owner's directory."""
    wanted, known = list(targets), set(listed)
    said = Words(words if wanted else ())
    return [one for one in wanted if one == ANYWHERE or not (one in known or said.name(parse_loosely(one)))]


def texts(value: object, depth: int = 0) -> Iterator[str]:
    """Every text and every number in a value, the keys of dicts among them."""
    _check_depth(depth)
    match value:
        case None | bool():
            return
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case Mapping():
            for key, one in value.items():
                yield from texts(key, depth + 1)
                yield from texts(one, depth + 1)
        case list() | tuple() | set() | frozenset():
            for one in value:
                yield from texts(one, depth + 1)
        case _:
            yield str(value)


def _dated(text: str, words: Sequence[str]) -> bool:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        return False
    number, month = rf"0?{day.day}(?:st|nd|rd|th)?", f"(?:{day:%B}|{day:%b})"
    said = re.compile(rf"\b(?:{month}\.? {number}|{number}(?: of)? {month})\b", re.IGNORECASE)
    return any(text[:10] in one or said.search(one) for one in words)


def _settled(value: object, strict: bool, depth: int) -> object:
    _check_depth(depth)
    match value:
        case str():
            address = parse(value) if strict else parse_loosely(value)
            return address.form if strict or address.kind != "text" else nfc(value)
        case Mapping():
            return {_settled(key, strict, depth + 1): _settled(one, strict, depth + 1) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return type(value)(_settled(one, strict, depth + 1) for one in value)
    return value


def _check_depth(depth: int) -> None:
    if depth > MAX_NESTING:
        raise InvalidInput(f"An argument is nested more than {MAX_NESTING} levels deep. Make it flatter.")
