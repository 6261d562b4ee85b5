"""Inline Markdown: which characters are markup, and which belong to a path, an address, a product or other data.

CommonMark reads `/var/*/log/*.gz` as emphasis and `&amp;` as `&`. Here a mark counts only at the edge of a word, links
and escapes only where they cannot be data, and everything else is text. Each rule looks at bounded surroundings, so
that the time grows with the length of the text and no faster.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from types import FunctionType, GeneratorType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

EMPHASIS_MARKS = "*_~"
ESCAPABLE = frozenset("\\`*_~[]<>#|!&+?{")
"""A backslash may stand before these anywhere, and before a few more where a line could begin a block."""
MAX_RUN_MARKS = 3
MAX_INLINE_URL_CHARS = 2_000
MAX_SCHEME_CHARS = 12
MAX_DUNDER_CHARS = 40

_OPENS_AFTER = frozenset("([{\"'“‘«‹„‚—–|>`")
"""These may stand before a mark that opens, besides white space, wide letters and other marks."""
_OPENS_BEFORE = frozenset("([{\"'“‘«‹„‚`!$#@<")
"""These may stand after a single mark that opens, besides letters and other marks."""
_ENDS = frozenset(".,;:!?)]}\"'”’»›…—–-|>/`")
"""These may stand after a mark that closes, besides white space, wide letters and other marks."""
_NAME_GOES_ON = re.compile(r"[.,;:!?)\]}'\"/]{1,8}[^\W]", re.ASCII)
"""Punctuation after which a name goes on, as in `__init__.py`."""
_DUNDER = re.compile(rf"__([A-Za-z][A-Za-z0-9_]{{0,{MAX_DUNDER_CHARS}}}?)__(?!\w)")
_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf"
    "\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uffef"
)
_URL = re.compile(
    rf"(?<![A-Za-z0-9.+-])[A-Za-z][A-Za-z0-9.+-]{{0,{MAX_SCHEME_CHARS}}}://[^\s<>\"`{{}}|\\^{_WIDE}]{{1,{MAX_INLINE_URL_CHARS}}}"
)
_TERMINATOR = re.compile(r"[\n\\`*_~\[]|!(?=\[)|:(?=//)")
"""Everything else is plain text for sure."""
_BRACKETED = re.compile(rf"[^\s<>]{{0,{MAX_INLINE_URL_CHARS}}}+(?=>)")
"""The rest of an address between angle brackets."""
_TARGET = re.compile(
    r"\(\s{0,9}+(?:<([^<>\n]{0,2000})>|((?:[^\s()<>]|\([^\s()<>]{0,500}+\)){0,2000}+))"
    r"(?:\s{1,9}+(?:\"[^\"\n]{0,500}+\"|'[^'\n]{0,500}+'))?+\s{0,9}+\)"
)
"""Where a link leads to, and perhaps a title."""
_LEADS_OUT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[/#]|\.{0,2}/|www\.")
"""The target of a link that is one even right after a word."""
_OTHER_DUNDERS = """
    main name file all path version author enter exit aenter aexit aiter anext await post_init slots call del get set
    set_name missing import debug builtins proto dirname filename construct invoke to_string
"""
_NUMBERED = re.compile(r"\d{1,9}\\[.)]")


def wide(letter: str) -> bool:
    """True for letters of scripts that put no spaces between words, and for marks as wide as they are."""
    return bool(letter) and letter > "\u10ff" and unicodedata.east_asian_width(letter) in "WF"


def flanks(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Tells of the run of marks from `start` to `end` if it can open emphasis, and if it can close it."""
    mark, length = text[start], end - start
    before, after = text[start - 1] if start else " ", text[end] if end < len(text) else " "
    double = length == 2 and mark != "_"
    if length > MAX_RUN_MARKS or (mark == "~" and length != 2):
        return False, False
    if _in_word(before) and _in_word(after):
        split = double and text[start - 2 : start].isalpha() and text[end : end + 2].isalpha() and start > 1
        return split and len(text) > end + 1, split
    opens = not after.isspace() and (before.isspace() or wide(before) or before in _OPENS_AFTER or _other(before, mark))
    closes = not before.isspace() and before not in "([{/\\"
    if double:
        opens = opens or (before in ",;:/=" and after.isalpha())
        return opens and after not in ",;:!?)]}", closes and not (before in ",=" and after.isalnum())
    opens = opens and (after.isalnum() or not after.isascii() or after in _OPENS_BEFORE or _other(after, mark))
    ends = after.isspace() or wide(after) or after in _ENDS or _other(after, mark)
    return opens, closes and ends and not _NAME_GOES_ON.match(text, end)


def _in_word(letter: str) -> bool:
    return letter.isalnum() and not wide(letter)


def _other(letter: str, mark: str) -> bool:
    return letter in EMPHASIS_MARKS and letter != mark


class InlineIndex:
    """The addresses, brackets and escapes of one text, found in one pass each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.addresses = {text.index(":", start): (start, end) for start, end in addresses(text)}
        """By the position of the colon."""
        self.brackets = _matching_brackets(text) if "](" in text else {}
        self.escapes = escapes(text)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where the addresses in a text begin and end, without punctuation that belongs to the sentence."""
    for found in _URL.finditer(text) if "://" in text else ():
        yield found.start(), found.start() + _url_length(found[0])


def _url_length(url: str) -> int:
    end, nested = len(url), url.count("(") - url.count(")")
    while end > 4 and (url[end - 1] in ".,;:!?'*_~]" or (url[end - 1] == ")" and nested < 0)):
        nested += url[end - 1] == ")"
        end -= 1
    return end


def without_addresses(text: str) -> str:
    """The text with spaces in place of addresses."""
    parts, at = list[str](), 0
    for start, end in addresses(text):
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*parts, text[at:]])


def _matching_brackets(text: str) -> dict[int, int]:
    """Position of `[` -> position of its `]`."""
    found, waiting = dict[int, int](), list[int]()
    for bracket in re.finditer(r"\\.|[\[\]]", text):
        if bracket[0] == "[":
            waiting.append(bracket.start())
        elif bracket[0] == "]" and waiting:
            found[waiting.pop()] = bracket.start()
    return found


def escapes(text: str) -> frozenset[int]:
    """The positions of backslashes that escape something. In a path or a pattern none does."""
    words = re.finditer(r"\S+", without_addresses(text)) if "\\" in text else ()
    return frozenset(word.start() + index for word in words if "\\" in word[0] for index in _escapes_of(word[0]))


def _escapes_of(word: str) -> list[int]:
    if _NUMBERED.fullmatch(word):
        return [len(word) - 2]
    found, index = list[int](), 0
    while index < len(word):
        if word[index] in "*[`":  # somebody who escapes one mark escapes all
            return []
        if word[index] == "\\":
            following, quantifier = word[index + 1 : index + 2], word[index + 2 : index + 3]
            at_start = index == 0 and following in ("-", "=", ":")
            if (following not in ESCAPABLE and not at_start) or quantifier in ("+", "*", "?", "{"):
                return []
            found.append(index)
            index += 1
        index += 1
    return found


@cache
def dunders() -> frozenset[str]:
    """The names between double underscores that Python, JavaScript and PHP give a meaning."""
    types = (object, int, str, dict, list, type, set, BaseException, FunctionType, GeneratorType, ModuleType)
    return frozenset(_OTHER_DUNDERS.split()).union(
        name[2:-2] for one in types for name in dir(one) if name.startswith("__")
    )


# Rules of the parser --------------------------------------------------------------------------------------------------


def markdown_parser() -> "MarkdownIt":
    """A parser of Markdown with these rules. HTML, entities, references and underlined headings are text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.disable(["lheading", "reference", "html_block", "html_inline", "entity", "autolink", "image"])
    for name, rule in (
        ("text", _text),
        ("newline", _newline),
        ("escape", _escape),
        ("strikethrough", _emphasis),
        ("emphasis", _emphasis),
        ("link", _link),
    ):
        parser.inline.ruler.at(name, rule)
    parser.inline.ruler.before("newline", "address", _address)
    parser.block.ruler.at("heading", _heading, {"alt": ["paragraph", "blockquote"]})
    parser.block.ruler.at("hr", _rule, {"alt": ["paragraph", "blockquote", "list"]})
    parser.block.ruler.at("list", _list, {"alt": ["paragraph", "blockquote"]})
    return parser


def _index(state: "StateInline") -> InlineIndex:
    index = state.env.get("inline")
    if not isinstance(index, InlineIndex) or index.text is not state.src:
        index = state.env["inline"] = InlineIndex(state.src)
    return index


def _text(state: "StateInline", silent: bool) -> bool:
    found = _TERMINATOR.search(state.src, state.pos, state.posMax)
    end = found.start() if found else state.posMax
    if end == state.pos:
        return False
    state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _newline(state: "StateInline", silent: bool) -> bool:
    """A new line, with the spaces that indent it."""
    if state.src[state.pos] != "\n":
        return False
    state.push("softbreak", "br", 0)
    state.pos += 1
    return True


def _escape(state: "StateInline", silent: bool) -> bool:
    if state.src[state.pos] != "\\" or state.pos not in _index(state).escapes:
        return False
    state.append_pending(state.src[state.pos + 1])
    state.pos += 2
    return True


def _address(state: "StateInline", silent: bool) -> bool:
    """An address that nobody marked as a link stays as it is."""
    start, end = _index(state).addresses.get(state.pos, (0, 0)) if state.src[state.pos] == ":" else (0, 0)
    scheme = state.src[start : state.pos]
    if not end or end > state.posMax or not state.pending.endswith(scheme):
        return False
    bracketed = _BRACKETED.match(state.src, end, state.posMax) if state.src[start - 1 : start] == "<" else None
    end = bracketed.end() if bracketed else end
    url, state.pos = state.src[start:end], end
    state.pending = state.pending[: -len(scheme)]
    if state.linkLevel:
        state.append_pending(url)
        return True
    opening = state.push("link_open", "a", 1)
    opening.attrs, opening.markup = {"href": url}, "autolink" if bracketed else "linkify"
    state.push("text", "", 0).content = url
    state.push("link_close", "a", -1).markup = opening.markup
    return True


def _emphasis(state: "StateInline", silent: bool) -> bool:
    from markdown_it.rules_inline.state_inline import Delimiter

    start, mark = state.pos, state.src[state.pos]
    if mark not in EMPHASIS_MARKS:
        return False
    end = start
    while end < state.posMax and state.src[end] == mark:
        end += 1
    name = _DUNDER.match(state.src, start, state.posMax) if mark == "_" else None
    if name and (name[1] in dunders() or name[1].isupper()):
        state.append_pending(name[0])
        state.pos = name.end()
        return True
    opens, closes = flanks(state.src, start, end)
    state.pos = end
    if not opens and not closes:
        state.append_pending(state.src[start:end])
        return True
    step = 2 if mark == "~" else 1
    for _ in range(start, end, step):
        state.push("text", "", 0).content = mark * step
        length = 0 if mark == "~" else end - start
        state.delimiters.append(Delimiter(ord(mark), length, len(state.tokens) - 1, -1, opens, closes))
    return True


def _link(state: "StateInline", silent: bool) -> bool:
    """A link, or a picture, which is shown as one."""
    start = state.pos
    picture = state.src.startswith("![", start)
    bracket = start + picture
    if state.src[bracket] != "[" or state.linkLevel:
        return False
    end = _index(state).brackets.get(bracket, state.posMax)
    target = _TARGET.match(state.src, end + 1, state.posMax) if end < state.posMax else None
    if target is None:
        return False
    url = state.md.normalizeLink(target[1] or target[2] or "")
    indexed = start > 0 and (_in_word(state.src[start - 1]) or state.src[start - 1] in "_])")
    is_target = _LEADS_OUT.match(url) or (not indexed and re.search(r"[./:#@!?=&%]", url)) or target[1]
    if not is_target or not state.md.validateLink(url):
        return False
    _push_link(state, url, bracket + 1, end, picture)
    state.pos = target.end()
    return True


def _push_link(state: "StateInline", url: str, start: int, end: int, picture: bool) -> None:
    from markdown_it.token import Token

    if picture:
        token = state.push("image", "img", 0)
        token.attrs, token.content = {"src": url, "alt": ""}, state.src[start:end]
        token.children = [Token("text", "", 0, content=token.content)]
        return
    limit = state.posMax
    state.push("link_open", "a", 1).attrs = {"href": url}
    state.pos, state.posMax, state.linkLevel = start, end, state.linkLevel + 1
    state.md.inline.tokenize(state)
    state.linkLevel, state.posMax = state.linkLevel - 1, limit
    state.push("link_close", "a", -1)


def _line(state: "StateBlock", number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _heading(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
    """A title; a line of a list that begins with # is none."""
    from markdown_it.rules_block import heading

    return state.parentType != "list" and heading(state, start, end, silent)


def _rule(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
    """A line across the page, by itself and without spaces: with them it may be a schedule."""
    from markdown_it.rules_block import hr

    return not silent and " " not in _line(state, start).rstrip() and hr(state, start, end, silent)


def _list(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
    """A list; `* * * * *` is a schedule."""
    from markdown_it.rules_block import list_block

    return not re.match(r"\* +\*( |$)", _line(state, start)) and list_block(state, start, end, silent)
