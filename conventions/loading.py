"""Finds conventions and instructions by name: ours are Markdown files here, a package may add its own."""

from importlib.metadata import entry_points
from importlib.resources import files

from core.errors import NotFound
from core.models.recipes import Convention, parse

GROUP = "stoa.conventions"


def names() -> list[str]:
    """The conventions there are: ours, and those that installed packages add by an entry point."""
    ours = [file.name.removesuffix(".md") for file in files("conventions").iterdir() if file.name.endswith(".md")]
    return sorted({*ours, *(point.name for point in entry_points(group=GROUP))})


def text(name: str) -> str:
    """The Markdown of a convention, as a space's description; raises `NotFound` naming those there are."""
    file = files("conventions") / f"{name}.md"
    if name.replace("-", "").isalnum() and file.is_file():
        return file.read_text("utf-8")
    for point in entry_points(group=GROUP):
        if point.name == name:  # it names a text, or a package with a file `name`.md
            found = point.load()
            return found if isinstance(found, str) else (files(found) / f"{name}.md").read_text("utf-8")
    raise NotFound(f"There is no convention {name!r}; there are {', '.join(names())}.")


def load(name: str) -> Convention:
    """The convention by this name, read."""
    return parse(text(name))


def prompts() -> dict[str, str]:
    """The instructions that come with Stoa, by name."""
    found = (files("conventions") / "instructions").iterdir()
    return {file.name.removesuffix(".md"): file.read_text("utf-8") for file in found if file.name.endswith(".md")}


def instructions(name: str) -> str:
    """The instructions of one of our agents: the words its context begins with."""
    return (files("conventions") / "instructions" / f"{name}.md").read_text("utf-8")
