"""What people ask on an ordinary day, as conversations with the built-in model; `-s` prints what went otherwise.

An answer is right if it says what the table expects. It is wrong if it does not, and yet claims to have done something.
"""

import asyncio
import re
from itertools import groupby
from pathlib import Path

from tests.conventions.conftest import Person

TABLE = Path(__file__).with_name("everyday.tsv").read_text("utf-8").splitlines()[1:]
ROWS = [line.split("\t") for line in TABLE]
LEAST_RIGHT_SHARE = 0.7
MOST_WRONG_SHARE = 0.02
ANSWER_SECONDS = 30
DEEDS = re.compile(
    r"^(?:I'll remind|Done|Added|Noted|Thrown away|Deleted|Cancelled|Taken off|Open again|High priority"
    r"|Ich erinnere|Ich melde mich|Erledigt|Auf deiner|Notiert|Notiz gelöscht|Abgesagt|Von deiner|Wieder offen)"
)


async def judged(person: Person, request: str, expected: list[str]) -> tuple[str, str]:
    """Whether the answers are right, wrong or a question, and the answers."""
    answers: list[str] = []
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            answers.append(await person.says(request))
            while len(answers) < len(expected) and DEEDS.match(answers[-1]):
                answers.append(await person.hears())
    except TimeoutError:
        answers.append("(no answer)")
    told = "\n".join(answers)
    if all(any(re.search(pattern, answer) for answer in answers) for pattern in expected):
        return "right", told
    return "wrong" if any(map(DEEDS.match, answers)) else "asked", told


async def test_seven_of_ten_requests_are_done_as_meant_and_hardly_any_otherwise(person: Person) -> None:
    counts = {"right": 0, "wrong": 0, "asked": 0}
    for _, rows in groupby(ROWS, key=lambda row: row[0]):
        for _, request, expected in rows:
            verdict, told = await judged(person, request, expected.split(" // "))
            counts[verdict] += 1
            if verdict != "right":
                print(f"\n{verdict}: {request}\n  {told!r}")
    print(f"\n{len(ROWS)} requests: {counts}")
    assert counts["right"] >= LEAST_RIGHT_SHARE * len(ROWS)
    assert counts["wrong"] <= MOST_WRONG_SHARE * len(ROWS)
