"""Instructions as content: an atom in a prompt library says how an agent behaves."""

import difflib
import re
from dataclasses import dataclass

from core.errors import InvalidInput, NotFound, PermissionDenied
from core.spaces.spaces import Actor, Spaces

LIBRARY_SPACE = "prompts"
"""Where instructions are looked for that are named without a space."""
NAMED = re.compile(r"(?:(?P<space>[a-z0-9][a-z0-9_.-]*)/)?(?P<name>[a-z0-9][a-z0-9_-]*)")
MAX_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class Instructions:
    """The words an agent behaves by, and the version of the atom they come from."""

    text: str
    source: str = ""
    """`space/atom, version N`; empty for words that were given as they are."""


async def find_instructions(spaces: Spaces, actor: Actor, wanted: str) -> Instructions:
    """The instructions meant by a name (`research-guidelines`), by `space/atom`, or by the words themselves.

    Raises `NotFound` for a single word that names none, listing similar names, and `PermissionDenied` for a text that
    outside text had a hand in.
    """
    meant = NAMED.fullmatch(wanted.strip()) if isinstance(wanted, str) else None
    if meant is None:
        if not isinstance(wanted, str):
            raise InvalidInput("instructions: give the name of a prompt, space/atom, or the words themselves")
        return Instructions(wanted)
    space, name = meant["space"] or LIBRARY_SPACE, meant["name"]
    library = spaces.open(space, actor)
    found = await library.search(metadata={"name": name}, limit=1)
    if not found and meant["space"]:
        found = [await library.get(name)]
    if not found:
        raise NotFound(await _unknown(spaces, actor, name))
    (atom,) = found
    if atom.outside:
        raise PermissionDenied(
            f"instructions: {atom.ref} was written with outside text in mind, so no agent may follow it. Ask the owner "
            "to check it and put it there anew."
        )
    return Instructions(atom.content, f"{atom.ref}, version {atom.version}")


async def _unknown(spaces: Spaces, actor: Actor, name: str) -> str:
    known = [
        str(atom.metadata["name"])
        for atom in await spaces.open(LIBRARY_SPACE, actor).search(metadata={"kind": "instructions"}, limit=200)
        if "name" in atom.metadata
    ]
    near = difflib.get_close_matches(name, known, MAX_SUGGESTIONS, 0.4) or sorted(known)[:MAX_SUGGESTIONS]
    there = f"there are {', '.join(near)}" if near else "there are none yet"
    return f"instructions: no prompt is named {name!r}; {there}. Name one of these, or write sentences."
