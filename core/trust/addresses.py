"""Addresses: mailboxes, pages, hosts and phone numbers, each read once into the very form that a tool is given.

Nothing is folded: a letter that only looks like another stays another, and hosts become IDNA2008 A-labels.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import idna

from core.atoms.text import nfc
from core.errors import InvalidInput

MAX_ADDRESS_CHARS = 500
MAX_SHOWN_CHARS = 300
MAX_HOST_CHARS = 253
MAX_PORT = 65_535
LOOKALIKE_SCRIPTS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
DEFAULT_PORTS = {"http": "80", "https": "443"}
URL_SAFE = "-._~:/?#[]@!$&'()*+,;=%"

SCHEME = re.compile(r"(https?):", re.ASCII | re.IGNORECASE)
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
NUMBERED = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
PORT = re.compile(r"[1-9]\d{0,4}", re.ASCII)
LOCAL_PART = re.compile(r"[\w+'&~=-]+(?:\.[\w+'&~=-]+)*")
NAMED_MAILBOX = re.compile(r"[^<>@]*<([^<>\s]+)>")
PHONE = re.compile(r"(?:tel:)?(\+[0-9][0-9 ()./-]{5,24})", re.ASCII)
PHONES = re.compile(r"(?<![\w+])\+[0-9](?:[ ()./-]{0,3}[0-9]){6,14}(?![\w@-]|[ ()./]{0,3}[0-9])", re.ASCII)
BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
LINK = re.compile(r"(?:https?:|www\.)[^\s<>\"]{1,2000}", re.IGNORECASE | re.ASCII)

PLAIN = re.compile(r"[\x21-\x7e]*")
PLAIN_PATH = re.compile(r"[\w.~:/?#\[\]@!$&'()*+,;=-]*", re.ASCII)
ADDRESSED = re.compile(r"\w\.\w|\w@\w|://")
BETWEEN = re.compile(r"[,;<>()\[\]{}\"“”„«»|]")
AROUND = "'‘’*_~`"
AFTERWARDS = AROUND + ".,;:!?…"
PREFIXED = re.compile(r"[^\W\d_]{1,20}:(?!//)(.+)")
BEFORE = r"(?<![\w.@+%/\\&#$!^*=~|{}`?-])(?<!\w')"
AFTER = r"(?![\w@/%&=#+~*^$|{}`\\-])(?![.?!:']+[\w@/%&=#+~\\-])"
"""What may not stand beside a name: it would be a piece of something else, such as `ana` in `ana@evil.org`."""


@dataclass(frozen=True, slots=True)
class Address:
    """A text read as a target. `form` is what a tool is given, `key` what is compared."""

    kind: Literal["mailbox", "page", "phone", "text"]
    form: str
    key: str
    host: str = ""
    """The key of the page's host, which stands for all its pages."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys that somebody who names this address allows: `business.com` also means https://business.com."""
        if self.kind != "page":
            return frozenset({self.key})
        bare = SCHEME.sub("", self.key).removeprefix("//")
        if self.key.startswith("https:"):
            return frozenset({bare, self.key})
        return frozenset({bare, f"http://{bare}", f"https://{bare}"})


class OddAddressError(ValueError):
    """An address that some programs would read as another one."""


def parse(text: str) -> Address:
    """The address in a text; raises `InvalidInput` for one that others might read differently."""
    try:
        return _parsed(text)
    except OddAddressError as odd:
        raise InvalidInput(f"{shown(text)} is not a safe address: {odd}. Write it plainly.") from None


def parse_loosely(text: str) -> Address:
    """The same for a text that may be anything: one that is no plain address is just text."""
    try:
        return _parsed(text)
    except OddAddressError:
        return _text(text)


def links(text: str) -> Iterator[str]:
    """The links in a text."""
    for found in LINK.finditer(text):
        yield found[0].rstrip(AFTERWARDS + ")]}")


def shown(text: str) -> str:
    """A target in quotes, with a note on letters that look like others."""
    plain = text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
    odd = [one for one in dict.fromkeys(plain) if not one.isascii() and _easily_mistaken(one, plain)]
    note = ", ".join(f"U+{ord(one):04X}" for one in odd[:5])
    return f"{plain!r} (with the unusual {note})" if note else repr(plain)


class Words:
    """The texts in which somebody may have named addresses."""

    def __init__(self, texts: Iterable[str]) -> None:
        whole = [nfc(text) for text in texts]
        self._keys = frozenset(key for text in whole for address in _mentioned(text) for key in address.keys)
        self._texts = [" ".join(text.split()).lower() for text in whole]

    def name(self, address: Address) -> bool:
        if address.kind != "text":
            return address.key in self._keys
        if not 0 < len(address.key) <= MAX_ADDRESS_CHARS:
            return False
        wanted = re.compile(BEFORE + re.escape(address.key) + AFTER)
        return any(wanted.search(text) for text in self._texts)


def _mentioned(text: str) -> Iterator[Address]:
    for chunk in dict.fromkeys(text.split()):
        if len(chunk) <= MAX_ADDRESS_CHARS * 4 and ADDRESSED.search(chunk):
            for piece in filter(ADDRESSED.search, dict.fromkeys(_pieces(chunk))):
                address = parse_loosely(piece)
                if address.kind != "text":
                    yield address
    for phone in PHONES.finditer(text):
        yield parse_loosely(phone[0])


def _pieces(chunk: str) -> Iterator[str]:
    for part in (chunk, *BETWEEN.split(chunk)):
        piece = part.lstrip(AROUND)
        yield piece
        yield (bare := piece.rstrip(AFTERWARDS))
        if prefixed := PREFIXED.fullmatch(bare):
            yield prefixed[1]


def _parsed(text: str) -> Address:
    given = text.strip()
    if len(given) <= MAX_ADDRESS_CHARS * 4:
        for read in (_page, _mailbox, _phone):
            if address := read(given):
                return address
    return _text(text)


def _text(text: str) -> Address:
    form = " ".join(nfc(text).split())
    return Address("text", form, form.lower())


def _phone(text: str) -> Address | None:
    found = PHONE.fullmatch(text)
    number = re.sub(r"[^+0-9]", "", found[1]) if found else ""
    return Address("phone", number, number) if 8 <= len(number) <= 16 else None


def _mailbox(text: str) -> Address | None:
    given = re.sub(r"^mailto:", "", text, flags=re.IGNORECASE | re.ASCII)
    if named := NAMED_MAILBOX.fullmatch(given):
        given = named[1]
    local, at, domain = given.partition("@")
    if not at or not local or re.search(r"\s", given):
        return None
    _check_letters(local)
    if not LOCAL_PART.fullmatch(local):
        raise OddAddressError(f"{local!r} has signs that a mailbox can't have")
    form = f"{nfc(local).lower()}@{_host(domain)}"
    return Address("mailbox", form, form)


def _page(text: str) -> Address | None:
    scheme = SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    if scheme:
        if not rest.startswith("//"):
            raise OddAddressError(f"after {scheme[0]} come exactly two slashes and a host")
        rest = rest[2:]
    elif "." not in text or "@" in text or "://" in text or re.search(r"\s", text):
        return None
    end = re.search(r"[/?#]", rest)
    place, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    try:
        host = _place(place, scheme[1].lower() if scheme else "")
    except OddAddressError:
        if scheme or not place.isascii():
            raise
        return None
    begin = f"{scheme[1].lower()}://" if scheme else ""
    path = _path(path)
    return Address("page", f"{begin}{host}{path}", f"{begin}{host}{'' if path == '/' else path}", f"{begin}{host}")


def _place(place: str, scheme: str) -> str:
    if "@" in place:
        raise OddAddressError("it has a user name in front of the host")
    bracketed = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::(.*))?", place)
    host, colon, port = (
        (bracketed[1], ":" if bracketed[2] is not None else "", bracketed[2] or "")
        if bracketed
        else (place.partition(":"))
    )
    if colon and not (PORT.fullmatch(port) and int(port) <= MAX_PORT):
        raise OddAddressError(f"{port!r} is no port")
    if bracketed:
        try:
            host = f"[{ipaddress.IPv6Address(host).compressed}]"
        except ValueError:
            raise OddAddressError(f"{host!r} is no IPv6 address") from None
    else:
        host = _host(host, dotted=not scheme)
    return host if not colon or DEFAULT_PORTS.get(scheme) == port else f"{host}:{port}"


def _host(text: str, *, dotted: bool = False) -> str:
    if not text or len(text) > MAX_HOST_CHARS:
        raise OddAddressError("it has no host, or one that is too long")
    _check_letters(text)
    host = nfc(text).lower()
    if not host.isascii():
        try:
            host = idna.encode(host, strict=True).decode()
        except (idna.IDNAError, UnicodeError):
            raise OddAddressError(f"{text!r} is no host name") from None
    labels = host.split(".")
    if len(labels) < (2 if dotted else 1) or not all(map(_is_label, labels)):
        raise OddAddressError(f"{text!r} is no host name")
    if NUMBERED.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise OddAddressError(f"{text!r} is no IP address of four plain numbers") from None
    return host


def _is_label(label: str) -> bool:
    if not LABEL.fullmatch(label):
        return False
    if label[2:4] != "--":
        return True
    try:
        return idna.encode(idna.decode(label)).decode() == label
    except (idna.IDNAError, UnicodeError):
        return False


def _path(path: str) -> str:
    if PLAIN_PATH.fullmatch(path):
        return path if path[:1] != "?" else f"/{path}"
    if "\\" in path or any(one.isspace() or unicodedata.category(one)[0] == "C" for one in path):
        raise OddAddressError("it has a backslash, a space or an invisible sign")
    if BAD_ESCAPE.search(path):
        raise OddAddressError("it has a % that two hexadecimal digits don't follow")
    return quote(path if path[:1] != "?" else f"/{path}", safe=URL_SAFE)


def _check_letters(text: str) -> None:
    """Refuses signs that are written in two ways, and words that mix alphabets which look alike."""
    if PLAIN.fullmatch(text):
        return
    for one in text:
        if unicodedata.normalize("NFC", one) != one or unicodedata.category(one)[0] in "CZ":
            raise OddAddressError(f"it has the sign U+{ord(one):04X}")
        if not one.isascii() and unicodedata.normalize("NFKC", one) != one:
            raise OddAddressError(f"it has the sign U+{ord(one):04X}, which looks like another")
    for word in re.split(r"[.@]", text):
        if len(_scripts(word)) > 1:
            raise OddAddressError(f"{word!r} mixes letters of several alphabets")


def _scripts(text: str) -> set[str]:
    return {unicodedata.name(one, "").partition(" ")[0] for one in text if one.isalpha()} & LOOKALIKE_SCRIPTS


def _easily_mistaken(one: str, text: str) -> bool:
    if unicodedata.normalize("NFKC", one) != one or unicodedata.category(one)[0] == "C":
        return True
    return len(_scripts(text)) > 1 and bool(_scripts(one) - {"LATIN"})
