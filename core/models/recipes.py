"""Conventions as they stand in Markdown: prose that agents are given, and recipes they act after."""

import ast
import asyncio
import builtins
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Protocol

from core.atoms.atoms import Origin
from core.errors import InvalidInput
from core.models.embeddings import Embedder
from core.models.embeddings import nearest as nearest_in_meaning
from core.models.fences import fenced_code
from core.models.frames import Framed, render_change
from core.models.llm import Message
from core.models.templates import recognise, slots

Speaker = Literal["owner", "agent", "guest"]

SECTIONS: dict[str, tuple[Speaker, ...]] = {
    "Recipes": ("owner",),
    "Recipes for what agents write": ("agent",),
    "Recipes for everybody": ("owner", "guest"),
}
"""The sections of a convention that hold recipes, and whose words ask for them."""
WELL_SAID = 1.5
"""From this score on the words of a request leave little doubt which recipe is meant."""
MEANT = {True: 3, False: 12}
"""How many asks stand for the meaning of a recipe with or without slots; further ones are there for their wording."""
ALWAYS = frozenset(
    {"spaces", "changes", "change", "me", "coordinator", "agents"}
    | {name for name in dir(builtins) if not name.startswith("_")}
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Code that shows how something is done, and the words that ask for it, with the same values in both."""

    title: str
    asks: tuple[str, ...]
    code: str
    speaker: Speaker = "owner"
    """Whose words the asks are: the owner's or another person's message, or the comment on an agent's change."""
    space: str = ""
    """The space it is bound to; empty while `space` in the code still stands for any."""


@dataclass(frozen=True, slots=True)
class Convention:
    """The use of a space: its name, what everybody connected to it is told, and its recipes."""

    name: str
    description: str
    recipes: tuple[Recipe, ...]


class ConventionLibrary(Protocol):
    """Finds conventions by name."""

    def text(self, name: str) -> str:
        """The Markdown of a convention; raises `NotFound` naming those there are."""

    def offline(self) -> Mapping[str, Convention]:
        """By its name, each convention as the offline model is shown it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A recipe with that ask of it which is nearest to a request."""

    recipe: Recipe
    ask: str
    code: str
    score: float


def parse(markdown: str) -> Convention:
    """The convention that a Markdown text describes; raises `InvalidInput` naming the recipe that is malformed."""
    name = re.match(r"# +(\S.*)\n", markdown)
    if name is None:
        raise InvalidInput("A convention begins with a line '# Name'; this text does not.")
    description: list[str] = []
    recipes: list[Recipe] = []
    for section in re.split(r"^(?=## )", markdown[name.end() :], flags=re.MULTILINE):
        title, _, body = section.removeprefix("## ").partition("\n")
        if section.startswith("## ") and title.strip() in SECTIONS:
            texts = re.split(r"^### ", body, flags=re.MULTILINE)[1:]
            recipes += [_recipe(text, speaker) for speaker in SECTIONS[title.strip()] for text in texts]
        else:
            description.append(section.strip())
    return Convention(name[1].strip(), "\n\n".join(filter(None, description)), tuple(recipes))


def with_purpose(markdown: str, purpose: str) -> str:
    """A convention's text for one space, which tells first what the space is for."""
    title, _, rest = markdown.partition("\n")
    return f"{title}\n{purpose}\n\n{rest.lstrip()}" if purpose else markdown


@lru_cache(maxsize=4_000)
def bind(recipe: Recipe, space: str) -> Recipe:
    """The recipe for one space: `space` in its code becomes that space by name, and nothing else changes."""
    lines = recipe.code.encode().splitlines(keepends=True)
    for node in sorted(_names(recipe.code, "space"), key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line, start, end = lines[node.lineno - 1], node.col_offset, node.end_col_offset
        lines[node.lineno - 1] = line[:start] + f'spaces["{space}"]'.encode() + line[end:]
    return replace(recipe, code=b"".join(lines).decode(), space=space)


def usable(recipe: Recipe, objects: Mapping[str, frozenset[str]], functions: frozenset[str]) -> bool:
    """True if an agent holds everything the recipe's code names: the spaces, the methods on them, the functions."""
    needs = _needs(recipe.code)
    return (
        needs.names <= ALWAYS | functions | objects.keys()
        and needs.spaces <= objects.keys()
        and all(method in objects.get(space, frozenset()) for space, method in needs.methods)
    )


def meant(recipe: Recipe) -> tuple[str, ...]:
    """The asks that stand for what a recipe means."""
    return recipe.asks[: MEANT[bool(slots(recipe.code))]]


async def nearest(recipes: Sequence[Recipe], text: str, embedder: Embedder, limit: int = 8) -> list[Example]:
    """For each recipe the ask nearest to the text, the nearest recipes first; recipes that teach the same once.

    Asks that say the same with other values (score above 1) are nearer than any that only mean alike.
    """
    different = list({(recipe.code, recipe.asks): recipe for recipe in recipes}.values())
    found = await asyncio.to_thread(_recognised, different, text)  # some hundred patterns: not on the event loop
    found.sort(key=lambda example: -example.score)
    if found and found[0].score > WELL_SAID:  # meaning has nothing to add, and the first time costs seconds
        return found[:limit]
    said = {example.code for example in found}
    others = [recipe for recipe in different if recipe.code not in said]
    asks = [(recipe, ask) for recipe in others for ask in recipe.asks[: MEANT[bool(slots(recipe.code))]]]
    best: dict[str, Example] = {}
    for position, cosine in await nearest_in_meaning(embedder, text, [ask for _, ask in asks], len(asks)):
        recipe, ask = asks[position]
        best.setdefault(recipe.code, Example(recipe, ask, recipe.code, cosine))
    return [*found, *best.values()][:limit]


async def examples(
    recipes: Sequence[Recipe], changed: Sequence[Framed], embedder: Embedder, limit: int = 8
) -> list[Message]:
    """Example turns for what changed: of the recipes for its speakers, the nearest to each change, the best first."""
    ranked = []
    for framed in changed:
        speaker, text = asked(framed)
        ranked.append(await nearest([r for r in recipes if r.speaker == speaker], text, embedder, limit))
    chosen: dict[tuple[str, str], list[Message]] = {}
    for rank in range(limit):
        for framed, found in zip(changed, ranked, strict=True):
            if rank < len(found) and (rank == 0 or len(chosen) < limit):
                chosen.setdefault((found[rank].code, found[rank].ask), as_messages(found[rank], framed.space))
    return [message for pair in chosen.values() for message in pair]


def asked(framed: Framed) -> tuple[Speaker, str]:
    """The words that ask for something in a change, and their speaker: a person's message, or an agent's comment."""
    if framed.origin != Origin.AGENT:
        return "owner" if framed.origin == Origin.OWNER else "guest", framed.content
    kind, colon, _ = framed.comment.partition(": ")
    return "agent", f"task: {framed.content}" if colon and kind == "task" else framed.comment


def as_messages(example: Example, space: str) -> list[Message]:
    """The example as a turn that never happened: what somebody said, a person in `space`, and the code that does it."""
    speaker = example.recipe.speaker
    space = example.recipe.space if speaker == "agent" else space
    content = asked_content(replace(example.recipe, asks=(example.ask,)))
    origin = Origin.OUTSIDE if speaker == "guest" else speaker
    framed = Framed(0, space, speaker, origin, "example", "put", example.ask, content)
    return [
        Message("user", render_change(framed), example=True),
        Message("assistant", f"```python\n{example.code.rstrip()}\n```", example=True),
    ]


def asked_content(recipe: Recipe) -> str:
    """The content of a change that asks for the recipe."""
    ask = recipe.asks[0]
    return ask.partition(": ")[2] or ask if recipe.speaker == "agent" else ask


def names_used(code: str) -> frozenset[str]:
    """The functions that a recipe's code calls by name, beside Python's own."""
    return _needs(code).names - ALWAYS


def _recognised(recipes: Sequence[Recipe], text: str) -> list[Example]:
    """The recipes with an ask that says word by word what the text says, each with the ask that explains most of it."""
    found = []
    for recipe in recipes:
        matches = [(ask, recognise(ask, recipe.code, text, recipe.speaker)) for ask in recipe.asks]
        scored = [Example(recipe, ask, recipe.code, 1 + match.explained) for ask, match in matches if match]
        if scored:
            found.append(max(scored, key=lambda example: example.score))
    return found


def _recipe(text: str, speaker: Speaker) -> Recipe:
    title, _, body = text.partition("\n")
    title = title.strip()
    asks = tuple(ask.strip() for ask in re.findall(r"^> *(\S.*)$", body, flags=re.MULTILINE))
    blocks = fenced_code(body).pieces
    if not asks:
        raise InvalidInput(f"The recipe {title!r} has no ask; write at least one line '> what somebody says'.")
    if len(blocks) != 1:
        raise InvalidInput(f"The recipe {title!r} has {len(blocks)} python blocks; write exactly one.")
    try:
        ast.parse(blocks[0])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two where it nests too deep
        raise InvalidInput(f"The code of the recipe {title!r} does not parse: {error}.") from None
    for string in (node for node in ast.walk(ast.parse(blocks[0])) if isinstance(node, ast.JoinedStr)):
        if any(isinstance(node, ast.Name) and node.id == "space" for node in ast.walk(string)):
            raise InvalidInput(f"The recipe {title!r} uses `space` inside an f-string; give it a name before.")
    _check_slots(title, asks, blocks[0])
    return Recipe(title, asks, blocks[0], speaker)


def _check_slots(title: str, asks: Sequence[str], code: str) -> None:
    """Every ask holds the same values, so that each is a template for the code."""
    for name, value in slots(code).items():
        holding = [ask for ask in asks if str(value) in ask]
        if holding and len(holding) < len(asks):
            without = next(ask for ask in asks if ask not in holding)
            raise InvalidInput(f"In the recipe {title!r} the ask {without!r} lacks {value!r}, the value of {name}.")


def _names(code: str, id: str) -> list[ast.Name]:
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and node.id == id]


@dataclass(frozen=True, slots=True)
class _Needs:
    names: frozenset[str]
    spaces: frozenset[str]
    methods: frozenset[tuple[str, str]]


@lru_cache(maxsize=4_000)
def _needs(code: str) -> _Needs:
    names, spaces, methods = set[str](), set[str](), set[tuple[str, str]]()
    tree = ast.parse(code)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name):
                names.add(name)
            case ast.Subscript() if space := _space_named(node):
                spaces.add(space)
            case ast.Attribute(value=value, attr=method) if space := _space_named(value):
                methods.add((space, method))
    return _Needs(frozenset(names - _assigned(tree)), frozenset(spaces), frozenset(methods))


def _assigned(tree: ast.AST) -> set[str]:
    """Every name the code itself gives a meaning: variables, functions and their parameters, imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add(alias or name.partition(".")[0])
    return names


def _space_named(node: ast.expr) -> str | None:
    match node:
        case ast.Subscript(value=ast.Name(id="spaces"), slice=ast.Constant(value=str(name))):
            return name
    return None
