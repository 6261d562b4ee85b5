"""Tells the words that a mail's writer has newly written from quotes, forwards and the signature.

It reads lines, each once and none longer than a bound, so a hostile mail takes linear time. Where a line could be
either, it counts as somebody else's: taking a stranger's words for the writer's is the graver mistake.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from channels.contract import InboundPassage, InboundPassageKind

MAX_LABEL_CHARS = 28
MAX_PHRASE_LINE_CHARS = 200
MAX_ATTRIBUTION_CHARS = 320
MAX_ATTRIBUTION_LINES = 3
MAX_HEADER_BLOCK_LINES = 24
MAX_NESTED_FORWARDS = 8
MIN_BROKEN_LINE_CHARS = 60
"""Programs break off the end of quoted lines that are longer, and forget to mark it."""

PHRASES = {
    name: tuple(words)
    for name, words in tomllib.loads((files("channels.email") / "phrases.toml").read_text("utf-8")).items()
}
HEADER_LABELS = {
    label: kind
    for kind, name in (("other", "other"), ("subject", "subject"), ("sent", "sent"), ("sender", "from"))
    for label in PHRASES[f"{name}_labels"]
}
"""Label -> which part of a header block it is."""
REPLY_PREFIXES, FORWARD_PREFIXES = frozenset(PHRASES["reply_prefixes"]), frozenset(PHRASES["forward_prefixes"])

QUOTED = re.compile(r"\s{0,3}>")
LABELLED = re.compile(rf"[\s*_\u200e\u200f]*([^:：\n]{{1,{MAX_LABEL_CHARS}}}?)[\s*_]*[:：][\s*_]*(.*)", re.DOTALL)
RULE_LINE = re.compile(r"\s*[-_=*—–─]{3,}\s*")
DASHED = re.compile(r"[-_=*—–─>\s]+")
SUBJECT_PREFIX = re.compile(r"\s*(?:\[[^\]]{1,40}\]\s*)?([^\W\d_]{1,14})\s?(?:\[\d+\]|\(\d+\))?\s?[:：]\s*")


@dataclass(slots=True)
class HeaderBlock:
    """The headers that a mail program writes above a mail it forwards or quotes."""

    sender: str = ""
    sent: str = ""
    subject: str = ""
    others: int = 0
    end: int = 0
    """The first line after it."""

    @property
    def convincing(self) -> bool:
        return bool(self.sender) and (bool(self.sent) + bool(self.subject) + bool(self.others)) >= 2

    def lines(self) -> str:
        named = (("From", self.sender), ("Date", self.sent), ("Subject", self.subject))
        return "\n".join(f"{label}: {value}" for label, value in named if value)


@dataclass(slots=True)
class Understood:
    """A mail's text, taken apart."""

    new: str = ""
    """The words of its writer, without the signature."""
    passages: list[InboundPassage] = field(default_factory=list)
    signature: str = ""
    inline: bool = False
    """True if something new stands below a quote."""

    @property
    def forwards(self) -> list[InboundPassage]:
        return [one for one in self.passages if one.kind == "forwarded"]


@dataclass(slots=True)
class _Foreign:
    """Where somebody else's text begins, and what is known of it."""

    kind: InboundPassageKind
    body: int
    """The first line of the text itself."""
    block: HeaderBlock | None = None
    author: str = ""
    quoted: bool = False
    """True if it ends with the run of lines that begin with `>`."""


def understand(text: str, subject: str = "", *, answers: bool = False) -> Understood:
    """Take a mail's text apart. `answers` says that its headers name a mail that it answers."""
    forwarding = is_forward(subject) or not answers
    found = Understood()
    own: list[str] = []
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n")]
    at = 0
    while at < len(lines):
        foreign = _foreign_at(lines, at, forwarding)
        if foreign is None:
            own.append(lines[at])
            found.inline = found.inline or bool(found.passages and lines[at].strip())
            at += 1
            continue
        end = _end_of_quote(lines, foreign.body) if foreign.quoted else len(lines)
        body = lines[foreign.body : end]
        found.passages += _passages(_unquoted(body) if foreign.quoted else body, foreign)
        while own and (not own[-1].strip() or RULE_LINE.fullmatch(own[-1])):
            own.pop()
        own.append("")
        at = end
    found.new, found.signature = _without_signature(own)
    return found


def is_forward(subject: str) -> bool:
    """True if the subject says that a mail is forwarded."""
    return _prefix(subject) in FORWARD_PREFIXES


def is_reply(subject: str) -> bool:
    """True if the subject says that a mail answers another."""
    return _prefix(subject) in REPLY_PREFIXES


def _folded(text: str) -> str:
    """In lower case, the Turkish dotted capital, too."""
    return text.casefold().replace("i\u0307", "i")


def _prefix(subject: str) -> str:
    found = SUBJECT_PREFIX.match(subject[:80])
    return _folded(found[1]) if found else ""


def bare_subject(subject: str) -> str:
    """The subject without the prefixes of answers and forwards."""
    for _ in range(20):
        prefix = SUBJECT_PREFIX.match(subject[:80])
        if not prefix or _folded(prefix[1]) not in FORWARD_PREFIXES | REPLY_PREFIXES:
            break
        subject = subject[prefix.end() :]
    return subject.strip()


# Where others' words begin -------------------------------------------------------------------------------------------


def _foreign_at(lines: Sequence[str], at: int, forwarding: bool) -> _Foreign | None:
    """The foreign text that begins at this line, if one does."""
    line = lines[at]
    if QUOTED.match(line):
        return _quoted_run(lines, at)
    if not line.strip() or len(line) > MAX_ATTRIBUTION_CHARS:
        return None
    if separated := _after_separator(lines, at):
        return separated
    block = header_block(lines, at) if _label(lines, at) else HeaderBlock()
    if block.convincing:
        return _Foreign("forwarded" if forwarding else "quoted", block.end, block, block.sender)
    return _attribution(lines, at)


def _quoted_run(lines: Sequence[str], at: int) -> _Foreign:
    """A run of quoted lines: a forward if a separator, or headers alone, begin it."""
    inner = _unquoted(lines[at : at + MAX_HEADER_BLOCK_LINES])
    first = next((number for number, line in enumerate(inner) if line.strip()), 0)
    if inner and (separated := _after_separator(inner, first)):
        separated.body += at
        separated.quoted = True
        return separated
    block = header_block(inner, first) if _label(inner, first) else HeaderBlock()
    if block.convincing:
        block.end += at
        return _Foreign("forwarded", block.end, block, block.sender, quoted=True)
    return _Foreign("quoted", at, quoted=True)


def _after_separator(lines: Sequence[str], at: int) -> _Foreign | None:
    """A line such as "---------- Forwarded message ----------", with the headers under it."""
    kind = _separator(lines[at])
    if not kind:
        return None
    start = next((n for n in range(at + 1, min(at + 5, len(lines))) if lines[n].strip()), at + 1)
    quoted = start < len(lines) and bool(QUOTED.match(lines[start]))
    if quoted:
        run = _unquoted(lines[start : start + MAX_HEADER_BLOCK_LINES])
        lead = next((number for number, line in enumerate(run) if line.strip()), 0)
        block = header_block(run, lead)
        block.end += start
    else:
        block = header_block(lines, start)
    if not block.sender and not (kind == "forwarded" and (block.subject or block.sent)):
        # a phrase that somebody may say; with dashes around it is a separator all the same
        if not RULE_LINE.match(lines[at][:4]):
            return None
        return _Foreign(kind, at + 1, quoted=quoted)
    return _Foreign(kind, block.end, block, block.sender, quoted)


def _separator(line: str) -> InboundPassageKind | None:
    if len(line) > MAX_PHRASE_LINE_CHARS:
        return None
    bare = _folded(line.strip())
    dashed = bool(RULE_LINE.match(bare[:6]))
    said = DASHED.sub(" ", bare).strip(" :：*") if dashed else bare.rstrip(" *").strip("*")
    if not dashed and not said.endswith((":", "：")):
        return None
    if _begins_with(said, PHRASES["forwarded"]):
        return "forwarded"
    return "quoted" if _begins_with(said, PHRASES["original"]) else None


def _begins_with(said: str, phrases: Sequence[str]) -> bool:
    """True if one of the phrases stands at the beginning, but for a few words such as "Begin" or "Anfang der"."""
    return any(phrase in said[: len(phrase) + 24] for phrase in phrases)


def header_block(lines: Sequence[str], at: int) -> HeaderBlock:
    """The headers from this line on, in any of the languages; `convincing` tells whether they are some."""
    block, blanks, number, labelled = HeaderBlock(end=at), 0, at, False
    while number < min(at + MAX_HEADER_BLOCK_LINES, len(lines)):
        line = lines[number]
        if not line.strip():
            blanks += 1
            if blanks > 1 or (block.convincing and not _label(lines, number + 1)):
                break
        elif name := _label(lines, number):
            blanks, labelled, value = 0, True, _value(line)
            if not value and number + 1 < len(lines) and not _label(lines, number + 1):
                number += 1
                value = lines[number].strip()
            _note(block, name, value)
            block.end = number + 1
        elif labelled and not blanks and _continues(line):
            block.end = number + 1
        else:
            break
        number += 1
    return block


def _note(block: HeaderBlock, name: str, value: str) -> None:
    value = value.strip()[:500]
    if name == "other":
        block.others += 1
    elif not getattr(block, name):
        setattr(block, name, value)


def _label(lines: Sequence[str], at: int) -> str:
    """Which header stands in a line: sender, sent, subject or other; empty if none."""
    if at >= len(lines) or len(lines[at]) > 2_000:
        return ""
    found = LABELLED.match(lines[at])
    if not found:
        return ""
    return HEADER_LABELS.get(_folded(found[1].strip()), "")


def _value(line: str) -> str:
    found = LABELLED.match(line)
    return found[2].strip() if found else ""


def _continues(line: str) -> bool:
    """True for the second line of a long header, such as a list of addresses."""
    return len(line) < 500 and ("@" in line or line.strip().endswith((";", ",", ">")) or line.startswith((" ", "\t")))


def _attribution(lines: Sequence[str], at: int) -> _Foreign | None:
    """A line such as "On Monday Ada wrote:", which may be broken into several, above a quote."""
    said = ""
    for number in range(at, min(at + MAX_ATTRIBUTION_LINES, len(lines))):
        line = lines[number].strip()
        if not line or QUOTED.match(line) or (number > at and (_opens(line) or not _opens(lines[at].strip()))):
            break
        said = f"{said} {line}".strip()
        if len(said) > MAX_ATTRIBUTION_CHARS:
            break
        if said.endswith((":", "：")) and _wrote(said):
            body = next((n for n in range(number + 1, len(lines)) if lines[n].strip()), len(lines))
            quoted = body < len(lines) and bool(QUOTED.match(lines[body]))
            return _Foreign("quoted", body, author=_writer(said), quoted=quoted) if quoted or _dated(said) else None
    return None


def _opens(line: str) -> bool:
    """True if a line could be the first of an attribution."""
    return _folded(line).startswith(PHRASES["attribution_openers"]) or sum(one.isdigit() for one in line) >= 6


def _wrote(said: str) -> bool:
    return any(phrase in _folded(said) for phrase in PHRASES["wrote"]) or said.endswith((">:", ">："))


def _dated(said: str) -> bool:
    """True if it names a day or an address, as a mail program does and people rarely do."""
    return "@" in said or sum(one.isdigit() for one in said) >= 4


def _writer(said: str) -> str:
    """The writer's name or address in an attribution, as far as it can be told."""
    address = re.search(r"[^\s<>\"(),;:]{1,64}@[^\s<>\"(),;:]{1,255}", said)
    return address[0] if address else ""


# Their text ----------------------------------------------------------------------------------------------------------


def _end_of_quote(lines: Sequence[str], at: int) -> int:
    """The first line after a run of quoted lines. A line that a program has broken off and not marked belongs to it,
    and so do blank lines between quoted ones."""
    end = at
    while end < len(lines):
        if QUOTED.match(lines[end]):
            end += 1
            continue
        following = next((n for n in range(end, min(end + 3, len(lines))) if QUOTED.match(lines[n])), None)
        between = lines[end:following] if following is not None else []
        broken_off = len(between) == 1 and end > at and len(lines[end - 1]) >= MIN_BROKEN_LINE_CHARS
        if following is None or not (broken_off or not any(line.strip() for line in between)):
            break
        end = following
    return end


def _unquoted(lines: Sequence[str]) -> list[str]:
    """The lines without their first mark of quoting."""
    bare = []
    for line in lines:
        mark = QUOTED.match(line)
        bare.append(line[mark.end() :].removeprefix(" ") if mark else line)
    return bare


def _passages(body: Sequence[str], foreign: _Foreign, depth: int = 0) -> Iterator[InboundPassage]:
    """The passage, and for a forward each mail that was forwarded within it, the outermost first."""
    inner, at = None, len(body)
    if foreign.kind == "forwarded" and depth < MAX_NESTED_FORWARDS:
        for at in range(len(body)):
            inner = _nested(body, at)
            if inner:
                break
        else:
            at = len(body)
    head = f"{foreign.block.lines()}\n\n" if foreign.block and foreign.block.lines() else ""
    text = (head + "\n".join(body[:at]).strip()).strip()
    if text:
        yield InboundPassage(text, foreign.author, foreign.kind)
    if inner:
        rest = body[inner.body :]
        yield from _passages(_unquoted(rest) if inner.quoted else rest, inner, depth + 1)


def _nested(body: Sequence[str], at: int) -> _Foreign | None:
    """A forward that begins at this line of a forwarded text."""
    line = body[at]
    if not line.strip() or len(line) > MAX_PHRASE_LINE_CHARS:
        return None
    if QUOTED.match(line):
        found = _quoted_run(body, at)
        return found if found.kind == "forwarded" else None
    found_here = _after_separator(body, at)
    return found_here if found_here and found_here.kind == "forwarded" else None


def _without_signature(own: Sequence[str]) -> tuple[str, str]:
    """The writer's text, and the signature under it."""
    for number, line in enumerate(own):
        if line in ("--", "-- ", "—") and number:
            return "\n".join(own[:number]).strip(), "\n".join(own[number + 1 :]).strip()
    kept = list(own)
    while kept and (not kept[-1].strip() or _sent_from(kept[-1]) or RULE_LINE.fullmatch(kept[-1])):
        kept.pop()
    return "\n".join(kept).strip(), "\n".join(own[len(kept) :]).strip()


def _sent_from(line: str) -> bool:
    said = _folded(line.strip())
    return len(said) < 120 and said.startswith(PHRASES["sent_from"])
