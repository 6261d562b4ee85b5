"""Telegram's HTML, as strictly as Telegram reads it."""

from html.parser import HTMLParser

KNOWN_TAGS = {"b", "i", "s", "u", "code", "pre", "a", "blockquote"}
NAMES = {"b": "bold", "i": "italic", "s": "strikethrough", "u": "underline"}


class UnreadableHTML(Exception):
    """Telegram's own complaint about a text."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities: list[dict[str, object]] = []
        self._open: list[tuple[str, int, dict[str, object]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _, _ in self._open]
        if tag not in KNOWN_TAGS:
            raise UnreadableHTML(f'can\'t parse entities: Unsupported start tag "{tag}"')
        if tag == "blockquote" and tag in names:
            raise UnreadableHTML("can't parse entities: Blockquotes can't be nested")
        given = dict(attrs)
        more: dict[str, object] = {}
        if tag == "a":
            more = {"url": given.get("href") or ""}
        elif tag == "code" and names[-1:] == ["pre"] and (language := given.get("class")):
            more = {"language": language.removeprefix("language-")}
        self._open.append((tag, utf16(self.text), more))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            raise UnreadableHTML(f'can\'t parse entities: Unmatched end tag "{tag}"')
        name, start, more = self._open.pop()
        kind = "text_link" if name == "a" else NAMES.get(name, name)
        length = utf16(self.text) - start
        if length and not (kind == "code" and any(one[0] == "pre" for one in self._open)):
            self.entities.append({"type": kind, "offset": start, "length": length, **more})

    def handle_data(self, data: str) -> None:
        self.text += data


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def read_html(text: str) -> tuple[str, list[dict[str, object]]]:
    """The text and its entities; raises `UnreadableHTML`."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader._open:
        raise UnreadableHTML(
            f"can't parse entities: Can't find end tag corresponding to start tag {reader._open[-1][0]}"
        )
    return reader.text, reader.entities
