"""Finds conventions and instructions by name: ours are Markdown files here, a person or a package may add others."""

import re
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from core.errors import InvalidInput, NotFound
from core.models.recipes import Convention, parse

GROUP = "stoa.conventions"
FOLDER = "conventions"
"""The folder of a data directory in which a person's own conventions lie."""
OFFLINE_SECTION = re.compile(r"^## Offline (recipes[^\n]*)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
"""Sections of our files that only the offline model is shown: phrasings it recognises, word by word."""
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Library:
    """The conventions there are: those of a data directory first, then ours, then those of installed packages."""

    def __init__(self, home: Path | None = None) -> None:
        self.folder = home / FOLDER if home else None

    def sources(self) -> dict[str, str]:
        """Each convention's name, and where it comes from."""
        found = {point.name: point.value.partition(":")[0] for point in entry_points(group=GROUP)}
        found |= dict.fromkeys(_markdown_names(files("conventions")), "Stoa")
        if self.folder and self.folder.is_dir():
            found |= {name: str(self.folder / f"{name}.md") for name in _markdown_names(self.folder)}
        return dict(sorted(found.items()))

    def text(self, name: str) -> str:
        """The Markdown of a convention, called `task-list` or `task list`.

        Raises `NotFound` naming those there are, and `InvalidInput` for one that can't be read.
        """
        key = "-".join(str(name).lower().split())
        try:
            text = self._found(key) if FILE_NAME.fullmatch(key) else None
            if text is not None:
                parse(text)
        except (InvalidInput, UnicodeDecodeError) as error:
            raise InvalidInput(f"The convention {key!r} ({self.sources().get(key)}) is broken: {error}") from None
        if text is None:
            raise NotFound(f"There is no convention {name!r}; there are {', '.join(self.sources())}.")
        return text

    def load(self, name: str) -> Convention:
        """The convention by this name, read."""
        return parse(self.text(name))

    def offline(self) -> dict[str, Convention]:
        """For each of our conventions by its title, what the offline model is shown of it: the recipes written for it,
        and those for agents, or for speakers that these leave out."""
        return {convention.name: convention for convention in map(_offline, _markdown_names(files("conventions")))}

    def _found(self, key: str) -> str | None:
        if self.folder and (own := self.folder / f"{key}.md").is_file():
            return own.read_text("utf-8")
        if (file := files("conventions") / f"{key}.md").is_file():
            return OFFLINE_SECTION.sub("", file.read_text("utf-8")).rstrip() + "\n"
        for point in entry_points(group=GROUP):
            if point.name == key:  # it names a text, or a package with a file `key`.md
                found = point.load()
                return found if isinstance(found, str) else (files(found) / f"{key}.md").read_text("utf-8")
        return None


OURS = Library()


def names() -> list[str]:
    """The conventions that come with Stoa and with installed packages."""
    return list(OURS.sources())


def text(name: str) -> str:
    """The Markdown of one of them, as a space's description."""
    return OURS.text(name)


def load(name: str) -> Convention:
    """One of them, read."""
    return OURS.load(name)


def prompts() -> dict[str, str]:
    """The instructions that come with Stoa, by name."""
    found = (files("conventions") / "instructions").iterdir()
    return {file.name.removesuffix(".md"): file.read_text("utf-8") for file in found if file.name.endswith(".md")}


def instructions(name: str) -> str:
    """The instructions of one of our agents: the words its context begins with."""
    return (files("conventions") / "instructions" / f"{name}.md").read_text("utf-8")


def _markdown_names(folder: Traversable) -> list[str]:
    return [file.name.removesuffix(".md") for file in folder.iterdir() if file.name.endswith(".md")]


@cache
def _offline(name: str) -> Convention:
    raw = (files("conventions") / f"{name}.md").read_text("utf-8")
    title = raw.partition("\n")[0]
    taught = parse(OFFLINE_SECTION.sub("", raw))
    sections = [f"## {heading.capitalize()}\n{body}" for heading, body in OFFLINE_SECTION.findall(raw)]
    own = parse("\n".join([title, "", *sections])).recipes
    speakers, titles = {recipe.speaker for recipe in own} - {"agent"}, {recipe.title for recipe in own}
    shared = [one for one in taught.recipes if one.speaker not in speakers and one.title not in titles]
    return replace(taught, recipes=(*own, *shared))
