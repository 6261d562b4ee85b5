"""Code fences: the Python that a model's reply asks to be run, found in one pass whatever the reply is."""

from dataclasses import dataclass

FENCE = "```"


@dataclass(frozen=True, slots=True)
class FencedCode:
    """The pieces of Python in a text, and whether another one is begun and not closed."""

    pieces: list[str]
    unclosed: bool


def fenced_code(text: str) -> FencedCode:
    """The code between each line ```python (or ```py) and the next line that is only ```."""
    pieces: list[str] = []
    begun: list[str] | None = None
    for line in text.split("\n"):
        if begun is None:
            begun = [] if _opens(line) else None
        elif line.startswith(FENCE) and not line[len(FENCE) :].strip(" \t\r"):
            pieces.append("".join(f"{one}\n" for one in begun))
            begun = None
        else:
            begun.append(line)
    return FencedCode(pieces, begun is not None)


def _opens(line: str) -> bool:
    if not line.startswith(FENCE):
        return False
    language = line[len(FENCE) :].strip().partition(" ")[0]
    return language in ("python", "py", "python3")
