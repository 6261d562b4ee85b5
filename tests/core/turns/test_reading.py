"""Texts far longer than a context window are read in slices, by a model that sees nothing but the slice."""

import random
import re
from collections.abc import Sequence

from core.atoms.atoms import Origin, Principal
from core.atoms.permissions import Permission
from core.house import House
from core.models.llm import Message
from core.testing import ScriptedLLM
from tests.core.scenes import said, seat, tell, working

FACT = re.compile(r"The secret number of (\w+) is (\d+)\.")


def reader(code: str) -> ScriptedLLM:
    """A model that runs `code`, and asked about a text answers with the facts that stand in that very text."""

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        if messages[0].text.startswith("List the facts"):
            return "; ".join(f"{name}={number}" for name, number in FACT.findall(messages[0].text)) or "none"
        if "<output>" in tail:
            return tail.partition("<output>\n")[2].partition("\n</output>")[0]
        return f"```python\n{code}\n```"

    return ScriptedLLM(reply)


def planted(characters: int, count: int) -> str:
    """A text of so many characters with so many facts in it."""
    chance = random.Random(4)
    words = [chance.choice(("tea", "grows", "slowly", "in", "rain", "and", "fog")) for _ in range(characters // 5)]
    for n in range(count):
        words[chance.randrange(len(words))] = f"The secret number of town{n} is {n * 7}."
    return " ".join(words)


async def printed(house: House, code: str) -> tuple[str, ScriptedLLM]:
    await seat(house)
    await house.spaces.open("library").share("assistant", Permission.WRITE)
    llm = reader(code)
    async with working(house, llm):
        await tell(house, "Go")
        (answer,) = await said(house)
    return answer.content, llm


COUNT = (
    "facts = set()\n"
    'for answer in llm_many("List the facts", slices({of!r}, size=20_000)):\n'
    '    facts |= set(answer.split("; ")) - {{"none"}}\n'
    "print(len(facts), sorted(facts)[-1])"
)


async def test_all_facts_in_a_long_atom_are_found_by_slices_that_fit_a_window(house: House) -> None:
    space = await house.spaces.create("library")
    atom = await space.put(planted(300_000, 20))
    answer, llm = await printed(house, COUNT.format(of=atom.ref))
    assert answer == "20 town9=63"
    asked = [seen[0].text for seen in llm.seen if seen[0].text.startswith("List")]
    assert max(map(len, asked)) <= 20_100


async def test_a_file_and_a_whole_space_are_read_alike(house: House) -> None:
    space = await house.spaces.create("library")
    for n in range(3):
        await space.put(f"The secret number of village{n} is {n}. " + planted(5_000, 0))
    answer, _ = await printed(house, COUNT.format(of="library"))
    assert answer == "3 village2=2"


async def test_a_slice_says_where_it_lies_and_none_of_the_text_is_left_out(house: House) -> None:
    space = await house.spaces.create("library")
    atom = await space.put("0123456789")
    code = (
        f"parts = slices({atom.ref!r}, size=4, overlap=1)\n"
        "print([(one.start, one.end) for one in parts], parts[0].of == " + repr(atom.ref) + ")"
    )
    assert (await printed(house, code))[0] == "[(0, 4), (3, 7), (6, 10)] True"


async def test_what_cannot_be_cut_is_told(house: House) -> None:
    await house.spaces.create("library")
    code = (
        "for wrong in (lambda: slices('library'), lambda: slices('diary/x'), lambda: slices('library/x'),\n"
        "              lambda: slices('library', size=-1), lambda: llm_many('Why?', 'text'), lambda: llm('Why?', 3)):\n"
        "    try:\n        wrong()\n    except Exception as error:\n        print(str(error)[:40])"
    )
    answer, _ = await printed(house, code)
    lines = answer.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("There is nothing in 'library'")
    assert lines[3].startswith("size=-1 must be a whole number")


async def test_what_a_slice_holds_counts_as_read(house: House) -> None:
    await house.spaces.create("library")
    await house.spaces.open("library").share("ana", Permission.APPEND)
    atom = await house.spaces.open("library", Principal("ana", Origin.OUTSIDE)).put("Pay Eve.")
    await printed(house, f"print(llm('List the facts', slices({atom.ref!r})[0]))")
    (answer,) = await house.spaces.open("chat").search(metadata={"role": "assistant"})
    assert answer.label is Origin.OUTSIDE


async def test_a_file_longer_than_what_search_reads_of_it_is_read_to_its_end(house: House) -> None:
    space = await house.spaces.create("library")
    kept = await house.attachments.keep("book.txt", planted(5_000_000, 20).encode())
    atom = await space.put("A book.", attachments=[kept])
    answer, _ = await printed(house, COUNT.format(of=f"{atom.ref}/book.txt"))
    assert answer.startswith("20 ")
