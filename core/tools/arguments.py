"""Arguments that several tools take: a limit, and the part of a long text to begin at."""

from core.errors import InvalidInput

PART_CHARS = 20_000
"""Characters of a long text that one call answers."""


def check_limit(limit: object, most: int) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        raise InvalidInput(f"limit is {limit!r}; give 1 to {most}")


def check_start(start: object) -> None:
    if not isinstance(start, int) or isinstance(start, bool) or start < 0:
        raise InvalidInput(f"start is {start!r}; give 0, or what the part before answered as next")


def part(text: str, start: int) -> dict[str, object]:
    """One part of a text, and where the next one begins, if there is one."""
    end = start + PART_CHARS
    return {"text": text[start:end], "next": end if end < len(text) else None}
