"""Tells who a mail is really from, by the owner's own mail server's Authentication-Results (RFC 8601).

Anybody can write that header into a mail, so it counts only where the owner has named the server that adds it
(`authserv`), only the topmost one of that server does, and none of the others may contradict it. The domain that it
vouches for has to be the one in From. Read strictly: a header that is not of the standard's shape vouches for nobody.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from channels.email.mime import Mail

MAX_RESULT_CHARS = 10_000
UNNAMED_SERVER = "unnamed"
"""The option for Microsoft's servers, which leave out their name and rename such headers in what comes in."""
DOMAIN_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ADDRESS = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@({DOMAIN_LABEL}(?:\.{DOMAIN_LABEL})+)")
"""An address as it is linked to a person: ASCII alone, so nothing can look like it."""
TOKEN = re.compile(r'\s*(?:(;)|([^\s;"=]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))|([^\s;"=]+))')
"""A semicolon, `name=value`, or a word."""
METHOD = re.compile(r"[a-z][a-z0-9-]*(?:/\d+)?")


@dataclass(frozen=True, slots=True)
class Result:
    """One method's result, such as `dkim=pass header.d=example.org`."""

    method: str
    verdict: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Results:
    """One Authentication-Results header."""

    server: str
    """The authserv-id; empty where there is none."""
    found: tuple[Result, ...]


def parse_results(header: str) -> Results | None:
    """The header taken apart; None if it is not of the standard's shape."""
    if len(header) > MAX_RESULT_CHARS or (bare := _without_comments(header)) is None:
        return None
    sections = _sections(bare)
    if sections is None:
        return None
    words = [name for name, value in sections[0] if value is None]
    if words:
        if len(words) != len(sections[0]) or not all(word.isdecimal() for word in words[1:]):
            return None
        sections = sections[1:]
    found = []
    for section in sections:
        if section in ([], [("none", None)]):
            continue
        result = _result(section)
        if result is None:
            return None
        found.append(result)
    return Results(words[0].lower() if words else "", tuple(found))


def _without_comments(header: str) -> str | None:
    """The header without what stands in parentheses, which may be nested; None if they do not match."""
    kept, depth, quoted, escaped = [], 0, False, False
    for letter in header:
        if escaped:
            escaped = False
        elif letter == "\\" and (quoted or depth):
            escaped = True
        elif letter == '"' and not depth:
            quoted = not quoted
        elif letter == "(" and not quoted:
            depth += 1
        elif letter == ")" and not quoted:
            depth -= 1
            if depth < 0:
                return None
            continue
        if not depth:
            kept.append(letter)
    return None if depth or quoted else "".join(kept)


def _sections(bare: str) -> list[list[tuple[str, str | None]]] | None:
    """The parts between semicolons: names with their values, and words, which have none."""
    sections: list[list[tuple[str, str | None]]] = [[]]
    at, bare = 0, bare.rstrip()
    while at < len(bare):
        token = TOKEN.match(bare, at)
        if token is None:
            return None
        at = token.end()
        if token[1]:
            sections.append([])
        elif token[2]:
            sections[-1].append((token[2].lower(), token[3] if token[3] is not None else token[4]))
        else:
            sections[-1].append((token[5], None))
    return sections


def _result(section: Sequence[tuple[str, str | None]]) -> Result | None:
    """`method=verdict name=value ...`"""
    pairs = [(name, value.lower()) for name, value in section if value is not None]
    if len(pairs) != len(section) or not METHOD.fullmatch(pairs[0][0]):
        return None
    if len({name for name, _ in pairs}) != len(pairs):  # a value said twice is said by nobody
        return None
    return Result(pairs[0][0].partition("/")[0], pairs[0][1], dict(pairs[1:]))


# Whose mail it is -------------------------------------------------------------------------------------------------


def proven_sender(mail: Mail, server: str) -> str:
    """The address that a mail is from if the server `server` vouches for that; empty for every other mail."""
    address = next(iter(mail.senders)).address if len(mail.senders) == 1 else ""
    named = ADDRESS.fullmatch(address)
    if not server or not named or any(rule(mail) for rule in AMBIGUOUS):
        return ""
    ours = _of_server(mail, server)
    if not ours or ours[0] is None or not _vouches(ours[0], named[1]):
        return ""
    if any(one is None or _denies(one, named[1]) for one in ours):
        return ""
    return address


def _of_server(mail: Mail, server: str) -> list[Results | None]:
    """The headers that bear the server's name, the topmost first; None for one that cannot be read."""
    found: list[Results | None] = []
    wanted = "" if server == UNNAMED_SERVER else server.lower()
    for header in mail.headers.get("authentication-results", ()):
        results = parse_results(header)
        if results is None:
            if not wanted or wanted in header.lower():
                found.append(None)
        elif results.server == wanted or (wanted.startswith(".") and results.server.endswith(wanted)):
            found.append(results)
    return found


def _vouches(results: Results, domain: str) -> bool:
    return any(_is_of(result, domain) for result in results.found if result.verdict == "pass")


def _is_of(result: Result, domain: str) -> bool:
    """True if the result is about the domain in From: the one that DMARC looked at, or that signed, or above it."""
    told = result.properties
    if result.method == "dmarc":
        return told.get("header.from", "").rpartition("@")[2] == domain
    if result.method == "dkim":
        signer = told.get("header.d") or told.get("header.i", "").rpartition("@")[2]
        return "." in signer and (domain == signer or domain.endswith(f".{signer}"))
    return False


def _denies(results: Results, domain: str) -> bool:
    """True if DMARC failed, or a signature of that very domain did while none was good."""
    if any(one.method == "dmarc" and one.verdict not in ("pass", "none", "bestguesspass") for one in results.found):
        return True
    signed = [one for one in results.found if one.method == "dkim"]
    return bool(signed) and all(one.verdict in ("fail", "permerror", "policy") for one in signed)


def _several_senders(mail: Mail) -> bool:
    return len(mail.headers.get("from", ())) != 1 or len(mail.senders) != 1


def _resent(mail: Mail) -> bool:
    return any(name.startswith("resent-") for name in mail.headers)


AMBIGUOUS: tuple[Callable[[Mail], bool], ...] = (_several_senders, _resent)
"""A mail that one of these fits has no sender that could be vouched for."""
