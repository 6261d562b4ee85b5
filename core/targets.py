"""Targets: whether a place that something is to be sent to is the very one that the owner named."""

import re
import unicodedata
from collections.abc import Iterable

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
