"""Renders what spaces hold as HTML. Everything is escaped, and no text can bring a script, a style or a picture."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from channels.inline import markdown_parser
from channels.markdown import MAX_MARKDOWN_CHARS

LINK_SCHEMES = ("http://", "https://", "mailto:")


def html(markdown: str) -> Markup:
    """Markdown as HTML; a text longer than `MAX_MARKDOWN_CHARS` as it was written."""
    if len(markdown) > MAX_MARKDOWN_CHARS:
        return Markup(f"<pre>{escape(markdown)}</pre>")
    return Markup(_parser().render(markdown))


@cache
def _parser() -> Any:
    parser = markdown_parser()
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("image", _picture)
    return parser


def _picture(renderer: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    """A picture elsewhere as a link: to load it would tell its server that, when and from where it was read."""
    name = escape(tokens[index].content) or "picture"
    return f"{_link_to(str(tokens[index].attrGet('src') or ''))}{name}</a>"


def _link(renderer: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return _link_to(str(tokens[index].attrGet("href") or ""))


def _link_to(target: str) -> str:
    if not target.lower().startswith(LINK_SCHEMES):
        return "<a>"
    return f'<a href="{escape(target)}" rel="noopener noreferrer" target="_blank">'


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %-d %b %Y, %H:%M}" if at else ""


def difference(diff: str) -> list[tuple[str, str]]:
    """The lines of a unified diff, each with its kind: added, removed, place or same."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [(kinds.get(line[:1], "same"), line) for line in diff.splitlines()]
