"""Conventions are texts: a person's own and a package's count like ours; an edit is tried on a copy; the old stays."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conventions.loading import Library
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound
from core.house import House
from core.models.llm import Message
from core.testing import ScriptedLLM
from tests.conventions.conftest import at_work
from tests.core.scenes import said, seat, tell, working

DECISIONS = """# Decision log
Each atom is one decision, in a sentence. `status` is `open` or `decided`.

## Recipes for what agents write

### Decide
> decided: we paint the door blue
```python
kept = space.put("We paint the door blue.", metadata={"status": "decided"})
print(kept.ref)
```
"""


def own(house: House, name: str, text: str) -> None:
    folder = house.settings.home / "conventions"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(text, "utf-8")


def acting(*programs: str) -> ScriptedLLM:
    """An assistant that runs these programs one after the other and says what the last one printed."""
    script = iter(programs)

    def reply(messages: Sequence[Message]) -> str:
        program = next(script, "")
        printed = messages[-1].text.partition("<output>\n")[2].partition("\n</output>")[0]
        return f"```python\n{program}\n```" if program else printed

    return ScriptedLLM(reply)


async def test_a_file_in_the_data_directory_is_a_convention_like_ours(house: House) -> None:
    own(house, "decision-log", DECISIONS)
    library = Library(house.settings.home)
    assert library.load("decision log").name == "Decision log"
    assert library.sources()["decision-log"].endswith("conventions/decision-log.md")
    assert library.sources()["task-list"] == "Stoa"


async def test_a_package_brings_a_convention_by_an_entry_point_and_no_line_of_code(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "stoa_decisions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "decision-log.md").write_text(DECISIONS, "utf-8")
    info = tmp_path / "site" / "stoa_decisions-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stoa-decisions\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stoa.conventions]\ndecision-log = stoa_decisions\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    library = Library(house.settings.home)
    assert library.sources()["decision-log"] == "stoa_decisions"
    assert library.text("decision-log") == DECISIONS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Just words.", "begins with a line '# Name'"),
        (DECISIONS.replace("> decided: we paint the door blue\n", ""), "has no ask"),
        (DECISIONS.replace("kept = ", "kept = = "), "does not parse"),
        (DECISIONS.replace("```python", "```text"), "has 0 python blocks"),
    ],
)
def test_a_broken_file_is_told_by_its_name_and_the_others_go_on(text: str, why: str, house: House) -> None:
    own(house, "decision-log", text)
    library = Library(house.settings.home)
    with pytest.raises(InvalidInput, match=f"decision-log.*broken.*{why}"):
        library.text("decision-log")
    assert library.load("task-list")


def test_an_unknown_convention_is_answered_with_those_there_are(house: House) -> None:
    with pytest.raises(NotFound, match=r"no convention 'kanban'; there are .*task-list"):
        Library(house.settings.home).text("kanban")
    with pytest.raises(NotFound):
        Library(house.settings.home).text("../secrets")


async def test_a_new_convention_is_text_alone_and_two_agents_use_it(house: House) -> None:
    own(house, "decision-log", DECISIONS)
    await seat(house)

    def reply(messages: Sequence[Message]) -> str:
        head, tail = messages[0].text, messages[-1].text
        printed = tail.partition("<output>\n")[2].partition("\n</output>")[0]
        if printed:
            return printed
        if "Decide the colour" in head:
            recipe = next(m.text for m in messages if m.example and "We paint the door blue." in m.text)
            return recipe.replace("We paint the door blue.", "The door is red.")
        if "Go" in tail:
            return (
                '```python\nlog = create_space("decisions", convention="decision log")\n'
                'child = spawn("Decide the colour", spaces={"decisions": "append"})\n'
                "agents.result(child, timeout=60)\nprint(log.search()[0].content, log.search()[0].metadata)\n```"
            )
        return ""

    async with at_work(house, ScriptedLLM(reply)):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert "The door is red. {'status': 'decided'}" in answer.content


async def test_an_edit_by_an_agent_is_tried_on_a_copy_and_refused_where_a_recipe_fails(house: House) -> None:
    await seat(house)
    space = await house.spaces.create("log", description=DECISIONS)
    await space.share("assistant", Permission.GRANT)
    await space.put("We keep the cat.", metadata={"status": "decided"})
    broken = DECISIONS.replace("kept.ref", "kept.reference")
    better = DECISIONS.replace("print(kept.ref)", 'print(len(space.search(metadata={"status": "decided"})))')
    program = (
        f"try:\n    log.describe({broken!r})\nexcept Exception as error:\n    print(error)\n"
        f"log.describe({better!r})\nprint('accepted')"
    )
    async with working(house, acting(program)):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert re.search("The recipe 'Decide' fails: AttributeError.*reference.*\naccepted", answer.content)
    assert await space.description() == better
    assert [atom.content for atom in await space.search()] == ["We keep the cat."]
    assert not [name for name in await house.spaces.names() if name.startswith("trial-")]


async def test_an_earlier_description_is_kept_and_can_be_given_back(house: House) -> None:
    space = await house.spaces.create("log", description="First.")
    await space.describe("Second.")
    first, second = await space.descriptions()
    assert (first.number, first.text, second.number, second.text) == (1, "First.", 2, "Second.")
    await space.describe(first.text)
    assert [one.number for one in await space.descriptions()] == [1, 2, 3]
    assert await space.description() == "First."


async def test_an_agent_at_work_keeps_the_description_it_began_with_and_a_new_one_has_the_new(house: House) -> None:
    await seat(house)
    space = await house.spaces.create("log", description="Write in English.")
    await space.share("assistant", Permission.WRITE)
    heads: list[str] = []

    def reply(messages: Sequence[Message]) -> str:
        head, tail = messages[0].text, messages[-1].text
        if head.startswith("You are an agent."):
            heads.append(head)
            return "Done."
        if "Go" in tail:
            return "```python\nspawn('Write', spaces={'log': 'append'})\n```"
        if "Again" in tail:
            return "```python\nagents.tell(agents.list()[0], 'Write more')\nspawn('Too', spaces={'log': 'append'})\n```"
        return ""

    async with working(house, ScriptedLLM(reply)):
        await tell(house, "Go")
        while len(heads) < 1:
            await house.spaces.open("chat").search()
        await space.describe("Write in French.")
        await tell(house, "Again")
        while len(heads) < 3:
            await house.spaces.open("chat").search()
    old, new = sorted(heads[1:], key=lambda head: "# Your task\nToo" in head)
    assert "Write in English." in old
    assert "Write in French." in new
    assert "Write in English." not in new
