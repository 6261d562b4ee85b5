"""The text of an HTML mail, with quotes marked as plain mails mark them."""

import re

MAX_HTML_CHARS = 1_000_000
"""Of a longer page the rest is not read."""
_OPEN, _CLOSE = "\ue000", "\ue001"
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all|font-size\s*:\s*0", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")


def text_of_html(page: str) -> str:
    """The readable text; quoted blocks get `> ` before each line, and hidden text is left out."""
    from inscriptis import Inscriptis
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig
    from lxml import etree, html

    page = re.sub(f"[{_OPEN}{_CLOSE}]", "", page[:MAX_HTML_CHARS])
    page = re.sub(r"^\s*<\?xml[^>]{0,200}\?>", "", page)
    if not page.strip():
        return ""
    try:
        tree = html.fromstring(page)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return _without_tags(page)
    if tree.tag is etree.Comment or not isinstance(tree.tag, str):
        return ""
    _prepare(tree)
    try:
        text = str(Inscriptis(tree, ParserConfig(css=CSS_PROFILES["relaxed"])).get_text())
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):  # nested beyond what it can follow
        text = " ".join(tree.itertext())
    return _BLANK_LINES.sub("\n\n", _marked(text.replace("\xa0", " ")))


def _prepare(tree: object) -> None:
    """Take out what is hidden, and mark where quotes begin and end."""
    from lxml import etree

    assert isinstance(tree, etree._Element)
    for element in list(tree.iter("*")):
        if element.tag in ("script", "style", "head", "title") or _HIDDEN.search(element.get("style", "")[:2_000]):
            _remove(element)
        elif element.tag == "blockquote" and element.getparent() is not None:
            before, after = etree.Element("div"), etree.Element("div")
            before.text, after.text = _OPEN, _CLOSE
            after.tail, element.tail = element.tail, None
            element.tag = "div"
            element.addprevious(before)
            element.addnext(after)


def _remove(element: object) -> None:
    from lxml import etree

    assert isinstance(element, etree._Element)
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _marked(text: str) -> str:
    """Turn the marks around quotes into `> ` before each line within."""
    depth, lines = 0, []
    for line in text.split("\n"):
        opened, closed = line.count(_OPEN), line.count(_CLOSE)
        bare = line.translate({ord(_OPEN): None, ord(_CLOSE): None}).rstrip()
        depth += opened
        if bare or not (opened or closed):
            lines.append(f"{'>' * min(depth, 40)} {bare.strip()}".rstrip() if depth else bare)
        depth = max(0, depth - closed)
    return "\n".join(lines)


def _without_tags(page: str) -> str:
    return re.sub(r"<[^<>]{0,2000}>", " ", page)
