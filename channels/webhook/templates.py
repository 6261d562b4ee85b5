"""Templates: the body of a request as the words of an atom. Nothing in a body is trusted, so all of it is bounded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from channels.text import clean, one_line
from core.errors import InvalidInput

MAX_SUMMARY_CHARS = 200
MAX_DETAIL_CHARS = 3_000
MAX_FORM_FIELDS = 100
MAX_LISTED_FIELDS = 40

GITHUB_SUBJECTS = ("pull_request", "issue", "release", "workflow_run")

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a program told of."""

    summary: str
    details: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> str:
        return f"event: {self.summary}" + (f"\n\n{self.details}" if self.details else "")


def parsed_body(body: bytes, media_type: str) -> Body:
    """The body as fields; raises `InvalidInput` for what is neither JSON, a form nor text."""
    try:
        text = body.decode("utf-8")
        if media_type == "application/x-www-form-urlencoded":
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
        if media_type == "application/json" or media_type.endswith("+json"):
            read = json.loads(text)
            return read if isinstance(read, dict) else {"data": read}
    except (ValueError, RecursionError):
        raise InvalidInput("The body cannot be read; send JSON, a form or UTF-8 text, as Content-Type says.") from None
    if media_type in ("text/plain", ""):
        return {"text": text}
    raise InvalidInput(f"Unknown Content-Type {media_type!r}. Send application/json, a form or text/plain.")


def event_of(template: str, body: Body, kind: str = "") -> Event:
    """The event that a body tells of; `kind` is what the sender's header calls it."""
    return _TEMPLATES[template](body, kind)


def _plain(body: Body, kind: str) -> Event:
    said = next((body[name] for name in ("title", "subject", "text", "message", "summary") if body.get(name)), "")
    summary = _line(said) or _line(", ".join(list(map(str, body))[:5])) or "something without a word"
    return Event(summary, _listed(body), {"event": kind} if kind else {})


def _form(body: Body, kind: str) -> Event:
    sender = _line(body.get("name") or body.get("email") or "somebody")
    return Event(f"{sender} filled in a form", _listed(body), {"event": "form"})


def _github(body: Body, kind: str) -> Event:
    where, who = _line(_at(body, "repository", "full_name")), _line(_at(body, "sender", "login"))
    action, number = _line(body.get("action")), ""
    subject: Any = next(
        (body[name] for name in ("pull_request", "issue", "release", "workflow_run") if body.get(name)), {}
    )
    title = _line(_at(subject, "title") or _at(subject, "name"))
    number = f" #{_at(subject, 'number')}" if _at(subject, "number") else ""
    commits = body.get("commits") if isinstance(body.get("commits"), list) else []
    lines = [_line(_at(commit, "message")) for commit in commits[:MAX_LISTED_FIELDS]] if commits else []
    outcome = _line(_at(subject, "conclusion"))
    words = f"GitHub {kind or 'event'} {action}{number}".rstrip()
    if lines:
        words += f" of {len(commits or [])} commits"
    summary = f"{words} in {where or 'a repository'} by {who or 'somebody'}" + (f": {title}" if title else "")
    details = [*(f"- {line}" for line in lines), clean(str(_at(subject, "body") or ""))[:MAX_DETAIL_CHARS]]
    link = _line(_at(subject, "html_url") or body.get("compare"))
    known = {"event": kind or "event", "repository": where, "action": action, "conclusion": outcome, "link": link}
    return Event(
        summary[: 2 * MAX_SUMMARY_CHARS],
        "\n".join(filter(None, [*details, link])),
        {name: value for name, value in known.items() if value},
    )


def _calendar(body: Body, kind: str) -> Event:
    title = _line(body.get("summary") or body.get("title") or "an event")
    start, end = _moment(body.get("start")), _moment(body.get("end"))
    when = f" from {start} to {end}" if start and end else f" at {start}" if start else ""
    status = _line(body.get("status") or kind or "changed")
    known = {"event": "calendar", "status": status, "start": start, "end": end}
    return Event(f"calendar: {title}{when} ({status})", _listed(body), {name: v for name, v in known.items() if v})


_TEMPLATES: Mapping[str, Callable[[Body, str], Event]] = {
    "plain": _plain,
    "form": _form,
    "github": _github,
    "calendar": _calendar,
}


def _line(value: object) -> str:
    return one_line(clean(str(value)))[:MAX_SUMMARY_CHARS] if isinstance(value, str | int | float) else ""


def _at(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _moment(value: object) -> str:
    return _line(_at(value, "dateTime") or _at(value, "date") or value)


def _listed(body: Body) -> str:
    lines = []
    for name, value in list(body.items())[:MAX_LISTED_FIELDS]:
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        lines.append(f"{_line(name)}: {clean(said)[:MAX_DETAIL_CHARS]}")
    return "\n".join(lines)[:MAX_DETAIL_CHARS]
