"""What only the owner may decide is asked once, answered once, and no answer means no."""

import asyncio
from datetime import timedelta

import pytest

from core.atoms.atoms import OWNER, Atom, Origin, Principal
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, StoaError
from core.house import House
from core.testing import MovableClock
from core.trust.approvals import ALWAYS, NO, ONCE, TASK, Choice, QuestionDetails, pick

AGENT = Principal("agent-1")
QUESTION = "agent-1 asks to read the space “diary”."


async def asked(house: House, question: str = QUESTION, **given: object) -> Atom:
    return await house.approvals.ask(question, asker="agent-1", **given)  # type: ignore[arg-type]


async def test_a_question_waits_with_its_choices_until_the_owner_answers(house: House) -> None:
    question = await asked(house, more=QuestionDetails("find the door code", ["chat/abc"]))
    assert (await house.approvals.outcome(question.id)).status == "open"
    assert [atom.id for atom in await house.approvals.waiting()] == [question.id]
    assert (question.author, question.metadata["asker"], question.metadata["for"]) == (
        "house",
        "agent-1",
        "find the door code",
    )
    await house.approvals.answer(question.id, "2", OWNER)
    outcome = await house.approvals.outcome(question.ref)
    assert (outcome.status, outcome.choice, outcome.label, outcome.granted) == (
        "yes",
        "task",
        "Yes, for this task",
        True,
    )
    assert await house.approvals.waiting() == []
    (_, answered) = await house.spaces.open("approvals").history(question.id)
    assert (answered.author, answered.comment) == ("owner", "the owner answers: Yes, for this task")


@pytest.mark.parametrize(
    "somebody", [AGENT, Principal("owner", Origin.AGENT), Principal("owner", Origin.OUTSIDE), Principal("house")]
)
async def test_nobody_but_the_owner_can_answer(house: House, somebody: Principal) -> None:
    question = await asked(house)
    with pytest.raises(PermissionDenied, match="only the owner"):
        await house.approvals.answer(question.id, "once", somebody)
    assert (await house.approvals.outcome(question.id)).status == "open"


async def test_an_agent_can_neither_read_nor_write_where_approvals_are_kept(house: House) -> None:
    question = await asked(house)
    space = house.spaces.open("approvals", AGENT)
    with pytest.raises(StoaError):
        await space.get(question.id)
    with pytest.raises(StoaError):
        await space.put("The owner has approved everything.", metadata={"status": "yes"})
    with pytest.raises(StoaError):
        await space.update(question.id, comment="approved", metadata={"status": "yes"})
    assert (await house.approvals.outcome(question.id)).status == "open"


async def test_of_many_answers_at_once_one_wins_and_the_others_are_told_how_it_was_decided(house: House) -> None:
    question = await asked(house)
    answers = await asyncio.gather(
        *(house.approvals.answer(question.id, choice, OWNER) for choice in ("once", "no", "always", "task")),
        return_exceptions=True,
    )
    (won,) = [answer for answer in answers if isinstance(answer, Atom)]
    lost = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(lost) == 3
    assert all("decided already" in str(error) for error in lost)
    assert (await house.approvals.outcome(question.id)).choice == won.metadata["choice"]


async def test_no_answer_by_the_deadline_means_no_also_before_a_worker_has_noticed(
    house: House, clock: MovableClock
) -> None:
    question = await asked(house, more=QuestionDetails(answer_time=timedelta(hours=1)))
    clock.move(hours=1)
    assert (await house.approvals.outcome(question.id)).status == "expired"
    with pytest.raises(Conflict, match="time to answer was over"):
        await house.approvals.answer(question.id, "once", OWNER)
    assert not (await house.approvals.outcome(question.id)).granted


async def test_deadlines_fire_by_the_clock_late_ones_too(house: House, clock: MovableClock) -> None:
    first = await asked(house, more=QuestionDetails(answer_time=timedelta(hours=1)))
    clock.move(hours=2)  # while nothing ran
    second = await asked(house, "Another?", more=QuestionDetails(answer_time=timedelta(hours=1)))
    running = asyncio.create_task(house.approvals.run())
    space = house.spaces.open("approvals")
    async with asyncio.timeout(20):
        while (await space.get(first.id)).metadata["status"] == "open":
            await asyncio.sleep(0.01)
        assert (await space.get(second.id)).metadata["status"] == "open"
        clock.move(hours=1)
        while (await space.get(second.id)).metadata["status"] == "open":
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])


async def test_the_same_question_is_asked_once_and_too_many_are_refused(house: House) -> None:
    question = await asked(house)
    assert (await asked(house)).id == question.id
    for n in range(4):
        await asked(house, f"And this, {n}?")
    with pytest.raises(InvalidInput, match="5 of your questions wait"):
        await asked(house, "And one more?")
    await house.approvals.answer(question.id, "no", OWNER)
    assert (await asked(house, "And one more?")).metadata["status"] == "open"


async def test_a_question_without_a_no_is_answered_with_one_of_its_choices(house: House) -> None:
    question = await asked(house, "Which colour?", choices=[Choice("1", "red"), Choice("2", "blue")])
    with pytest.raises(InvalidInput, match=r"they are 1 \(red\), 2 \(blue\)"):
        await house.approvals.answer(question.id, "green", OWNER)
    await house.approvals.answer(question.id, "Blue", OWNER)
    outcome = await house.approvals.outcome(question.id)
    assert (outcome.status, outcome.label, outcome.granted) == ("answered", "blue", False)
    with pytest.raises(NotFound, match="stoa approval list"):
        await house.approvals.answer("nothing", "1", OWNER)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        *[("1", "once"), ("2", "task"), ("4", "no"), ("5", None), ("0", None), ("-1", None), ("1" * 5000, None)],
        *[("yes", "once"), ("Yes.", "once"), ("NO!", "no"), ("always", "always"), ("yes, for  this task", "task")],
        *[("yes please delete everything", None), ("", None), ("note that I say yes", None), ("²", None)],
    ],
)
def test_what_a_person_says_is_a_choice_only_if_it_is_nothing_else(said: str, meant: str | None) -> None:
    chosen = pick(said, [ONCE, TASK, ALWAYS, NO])
    assert (chosen.id if chosen else None) == meant


def test_yes_does_not_mean_the_first_choice_where_no_is_none() -> None:
    assert pick("yes", [Choice("1", "red"), Choice("2", "blue")]) is None


def test_choices_that_are_numbers_are_meant_by_what_they_say() -> None:
    counts = [Choice("2", "2"), Choice("3", "3"), Choice("12", "12")]
    for said, meant in (("2", "2"), ("3", "3"), ("12", "12"), ("1", "2")):
        chosen = pick(said, counts)
        assert chosen is not None
        assert chosen.id == meant
