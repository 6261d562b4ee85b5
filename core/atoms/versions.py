"""Versions: an atom at any time in its past, and the difference between two times in words."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.atoms.atoms import Atom, Origin, Value, Version
from core.errors import InvalidInput

MAX_COMPARED_LINES = 4_000
"""With more lines than these the changed part is shown as one replaced block."""
GLIMPSE_CHARS = 300
CLAIM_KEYS = {"status", "owner", "lease"}


@dataclass(slots=True)
class State:
    """An atom as it was after one of its versions. Its content is None if it was not kept."""

    version: int = 0
    content: str | None = ""
    origin: Origin | None = None
    metadata: dict[str, Value] = field(default_factory=dict)
    references: dict[str, list[str]] = field(default_factory=dict)
    deprecated: bool = False
    claimed: bool = False
    """True while a claim lasted: its three keys come together, and the lease goes when it ends."""

    def take(self, version: Version) -> None:
        self.version = version.version
        told = version.metadata or {}
        if "lease" in told:
            self.claimed = version.operation == "update" and told.keys() >= CLAIM_KEYS and told["lease"] is not None
        if version.content is not None or version.forgotten:
            self.content, self.origin = version.content, version.origin
        for key, value in told.items():
            if value is None:
                self.metadata.pop(key, None)
            else:
                self.metadata[key] = value
        for name, ids in (version.references or {}).items():
            if ids:
                self.references[name] = list(ids)
            else:
                self.references.pop(name, None)
        self.deprecated = version.operation == "deprecate" or (self.deprecated and version.operation != "restore")

    def kept(self) -> str:
        """The content; raises `InvalidInput` if it was not kept."""
        if self.content is None:
            raise InvalidInput(
                f"The content of version {self.version} is not kept any more, its comment is. Choose a newer version."
            )
        return self.content

    def copy(self) -> "State":
        return replace(self, metadata=dict(self.metadata), references=dict(self.references))

    def metadata_to(self, other: "State") -> dict[str, Value | None]:
        """The patch of metadata that turns this state into the other, apart from claims.

        An old claim does not come back: a present one goes on, otherwise the atom is pending.
        """
        wanted: dict[str, Value | None] = {key: None for key in self.metadata if key not in other.metadata}
        wanted |= other.metadata
        if not other.claimed:
            return wanted
        free = {} if self.claimed else {"status": "pending", "owner": None, "lease": None}
        return {key: value for key, value in wanted.items() if key not in CLAIM_KEYS} | free

    def references_to(self, other: "State") -> dict[str, list[str]]:
        return {**{name: [] for name in self.references if name not in other.references}, **other.references}

    def lines(self) -> list[str]:
        described: Mapping[str, object] = {
            **self.metadata,
            **{f"{name} ->": ids for name, ids in self.references.items()},
        }
        return [
            *(f"{key}: {_shown(value)}" for key, value in sorted(described.items())),
            *["deprecated"][: self.deprecated],
        ]


def compare(old: State, new: State) -> str:
    """A unified diff of the content, then one of metadata and references."""
    names = (f"version {old.version}", f"version {new.version}")
    content = _unified(old.kept().splitlines(), new.kept().splitlines(), names)
    beside = _unified(old.lines(), new.lines(), (f"{names[0]}, metadata", f"{names[1]}, metadata"))
    return "\n".join([*content, *beside])


def changed(before: Sequence[Version], news: Sequence[Version], now: Atom) -> str:
    """A few sentences on what the versions `news` did to an atom; `before` are those known already."""
    told = "; ".join(f"{version.author} {version.comment!r}" for version in news[-3:])
    parts = [f"it is at version {now.version} now ({told})."]
    if any(version.content is not None or version.forgotten for version in news):
        known = [version.content for version in before if version.content is not None or version.forgotten]
        old = known[-1] if known else None
        parts.append(
            f"Its content is now {_part(now.content, 0, GLIMPSE_CHARS)}."
            if old is None
            else f"In its content {glimpse(old, now.content)}."
        )
    touched = sorted({key for version in news for key in version.metadata or {}})
    if touched:
        shown = (
            f"{key} is {_shown(now.metadata[key])!r}" if key in now.metadata else f"{key} is gone" for key in touched
        )
        parts.append(f"Of its metadata {', '.join(shown)}.")
    if any(version.references is not None for version in news):
        parts.append(f"Its references are {dict(now.references)}.")
    if now.deprecated:
        parts.append("It is deprecated.")
    return " ".join(parts)


def glimpse(old: str, new: str) -> str:
    """The part in which two texts differ, with a little of its surroundings."""
    start = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - start
    end = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    return f"{_part(old, start, len(old) - end)} became {_part(new, start, len(new) - end)}"


def _part(text: str, start: int, end: int) -> str:
    start, end = max(0, start - 20), min(len(text), end + 20)
    cut = min(end, start + GLIMPSE_CHARS)
    return repr(f"{'…' if start else ''}{text[start:cut]}{'…' if cut < len(text) else ''}")


def _shown(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _unified(old: Sequence[str], new: Sequence[str], names: tuple[str, str]) -> Iterable[str]:
    if len(old) + len(new) <= MAX_COMPARED_LINES:
        return difflib.unified_diff(old, new, *names, lineterm="")
    if old == new:
        return []
    head = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = min(len(old), len(new)) - head
    tail = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    place = f"@@ -{head + 1},{len(gone)} +{head + 1},{len(come)} @@"
    return [f"--- {names[0]}", f"+++ {names[1]}", place, *(f"-{line}" for line in gone), *(f"+{line}" for line in come)]
