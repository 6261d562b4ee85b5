"""The rule of the guarded way out: after reading text from outside, only towards what the owner named.

It looks at what a tool declares, at what it is given, and at the owner's words and directory; no model is asked.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from core.tools.registry import Declaration, Effect

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


WEB = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[\w-]+(?::\d+)?)([/?#][^\s\\]*)?", re.IGNORECASE)
BEFORE = r"(?<![\w.@+%/\\&#$!^*=~|{}`?-])(?<!\w')"
AFTER = r"(?![\w@/%&=#+~*^$|{}`\\-])(?![.?!:']+[\w@/%&=#+~\\-])"
"""What may not stand beside an address: it would be a piece of another one, such as `a@b.com` in `a@b.com.evil`."""


def normal(address: str) -> str:
    """The address in its one spelling: no scheme, hosts, mailboxes and names in lower case; a page's path as it is."""
    text = " ".join(unicodedata.normalize("NFKC", address).split())
    text = re.sub(r"^mailto:", "", text, flags=re.IGNORECASE)
    if web := WEB.fullmatch(text):
        rest = web[2] or ""
        return web[1].casefold() + ("" if rest == "/" else rest)
    return text.casefold()


def host(address: str) -> str:
    """The host of a page's address, in lower case; empty for whatever is none."""
    web = WEB.fullmatch(normal(address))
    return web[1].casefold() if web else ""


def named(address: str, texts: Iterable[str]) -> bool:
    """Whether the address stands in one of the texts as it is: whole, and not as a piece of another address."""
    wanted = normal(address)
    if not wanted:
        return False
    web = WEB.fullmatch(wanted)
    if web:
        pattern = f"(?i:(?:https?://)?{re.escape(web[1])})" + (re.escape(web[2]) if web[2] else "/?")
    else:
        pattern = f"(?i:{re.escape(wanted)})".replace(r"\ ", r"\s+")
    found = re.compile(BEFORE + pattern + AFTER)
    return any(found.search(unicodedata.normalize("NFKC", text)) for text in texts)
