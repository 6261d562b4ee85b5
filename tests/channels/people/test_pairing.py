"""Codes: an account is linked by the right one, said once and in time, and by nothing else."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from channels.keys import channel_keys
from channels.people.pairing import CODE, CODE_ALPHABET, new_code, spelled
from channels.people.people import People
from core.atoms.atoms import OWNER
from core.house import House
from core.testing import MovableClock
from tests.channels.scenes import (
    ACCOUNT,
    linked_owner,
    next_admitted,
    people_of,
    written,
)

WRONG = "BBBB-BBBB"
Answer = TypeVar("Answer")


async def says(people: People, text: str, sender: str = "T1:U1", *, id: str = "", room: str = "") -> str | None:
    return await people.redeem(ACCOUNT, written(text, sender, id=id or f"{sender} {text}", room=room, name="Olga"))


def test_codes_have_no_vowels_and_differ() -> None:
    codes = {new_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(CODE.fullmatch(code) for code in codes)


@given(st.text(alphabet=CODE_ALPHABET, min_size=8, max_size=8), st.booleans(), st.booleans())
def test_a_code_is_read_however_it_is_written(code: str, dashed: bool, small: bool) -> None:
    text = f"{code[:4]}-{code[4:]}" if dashed else code
    assert spelled(f" {text.lower() if small else text}\n") == f"{code[:4]}-{code[4:]}"


@given(st.text(max_size=40))
def test_what_is_no_code_is_not_taken_for_one(text: str) -> None:
    found = spelled(text)
    letters = text.strip().upper().replace("-", "", 1)
    assert (found is not None) == (
        len(letters) == 8 and set(letters) <= set(CODE_ALPHABET) and _dash(text) in (None, 4)
    )


def _dash(text: str) -> int | None:
    return text.strip().index("-") if "-" in text else None


async def test_the_first_code_makes_the_owner_and_the_next_links_a_further_account(house: House) -> None:
    people = people_of(house)
    first = await people.link_code()
    assert await says(people, first) == "Thanks! This account is linked now, and I know you here as my owner."
    second = await people.link_code()
    await people.redeem("mail", written(second.lower(), "olga@example.com"))
    owner = await people.get("owner")
    assert (owner.name, owner.accounts) == ("Olga", ("slack/T1:U1", "mail/olga@example.com"))


async def test_a_code_holds_for_one_account_and_the_same_message_again_has_the_same_answer(house: House) -> None:
    people = people_of(house)
    code = await people.link_code()
    first = await says(people, code)
    assert await says(people, code) == first
    assert await says(people, code, "T1:U2") == (
        "I don't know that code. Each code works once and for an hour. Ask for a new one where you got it, and send it "
        "here as it is."
    )
    assert await people.find(ACCOUNT, "T1:U2") is None


async def test_of_many_who_say_a_code_at_once_one_is_linked(house: House) -> None:
    people = people_of(house)
    code = await people.link_code()
    await asyncio.gather(*(says(people, code, f"T1:U{n}") for n in range(10)))
    assert len((await people.get("owner")).accounts) == 1


async def test_a_code_is_over_after_an_hour(house: House, clock: MovableClock) -> None:
    people = people_of(house)
    code = await people.link_code()
    clock.move(hours=1)
    assert "don't know that code" in str(await says(people, code))
    assert await people.all() == []


async def test_codes_are_not_kept_as_they_are(house: House) -> None:
    code = await people_of(house).link_code()
    kept = str(await house.store.run("HGETALL", channel_keys(house.store).codes()))
    assert code not in kept
    assert code.replace("-", "") not in kept


async def test_a_code_counts_in_a_direct_message_only(house: House) -> None:
    people = people_of(house)
    code = await people.link_code()
    assert await says(people, code, room="garden") is None
    assert await people.redeem(ACCOUNT, written(code, bot=True)) is None
    assert await says(people, f"my code is {code}") is None
    assert await people.all() == []


async def test_after_five_wrong_codes_a_sender_is_ignored_without_a_word_for_an_hour(
    house: House, clock: MovableClock
) -> None:
    people = people_of(house)
    for n in range(5):
        assert "don't know that code" in str(await says(people, WRONG, id=f"m{n}"))
    code = await people.link_code()
    assert await says(people, code, id="right") == ""
    assert await people.find(ACCOUNT, "T1:U1") is None
    assert "linked now" in str(await says(people, code, "T1:U2"))
    clock.move(minutes=60)
    assert "linked now" in str(await says(people, await people.link_code(), id="later"))


async def test_many_wrong_codes_at_once_are_no_more_than_one_after_the_other(house: House) -> None:
    people = people_of(house)
    answers = await asyncio.gather(*(says(people, WRONG, id=f"m{n}") for n in range(30)))
    assert sum("don't know" in str(answer) for answer in answers) == 5


async def test_no_number_of_strangers_with_wrong_codes_keeps_the_owner_from_linking(house: House) -> None:
    people = people_of(house)
    code = await people.link_code()
    for n in range(40):
        await says(people, WRONG, f"T1:X{n % 4}", id=f"m{n}")
    assert "linked now" in str(await says(people, code))


async def test_right_codes_do_not_count_as_tries(house: House) -> None:
    people = people_of(house)
    for n in range(25):
        assert "linked now" in str(await says(people, await people.link_code(), f"T1:U{n}"))


async def test_a_known_person_may_write_what_looks_like_a_code(house: House) -> None:
    people = people_of(house)
    await linked_owner(people)
    assert [await says(people, WRONG, id=f"m{n}") for n in range(7)] == [None] * 7


async def test_an_account_of_another_person_is_not_taken_from_them(house: House) -> None:
    people = people_of(house)
    await people.persons.add("Ana", ["slack/T1:U7"])
    code = await people.link_code()
    refused = await says(people, code, "T1:U7")
    assert refused is not None
    assert "`stoa people forget slack/T1:U7`" in refused
    assert "linked now" in str(await says(people, code, "T1:U1"))


async def test_a_blocked_account_cannot_be_linked(house: House) -> None:
    people = people_of(house)
    await people.persons.add("Mallory", ["slack/T1:U7"], status="blocked")
    assert await says(people, await people.link_code(), "T1:U7") is None
    assert [person.id for person in await people.all()] == ["mallory"]


async def test_who_links_an_account_need_not_wait_for_what_was_written_from_there(house: House) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("first words", "T1:U1"))
    await says(people, await people.link_code())
    assert await house.approvals.waiting() == []
    admitted = await next_admitted(people)
    assert (admitted.person and admitted.person.id, [m.text for m in admitted.messages]) == ("owner", ["first words"])


async def test_the_owner_may_write_the_code_of_a_stranger_to_let_them_in(house: House) -> None:
    people = people_of(house)
    await linked_owner(people)
    await people.request_admission(ACCOUNT, written())
    (request,) = await people.waiting()
    assert await says(people, request.code, "T1:U9") is not None  # somebody else who has heard of it
    assert await people.find(ACCOUNT, "T1:U9") is None
    assert await says(people, request.code, "T1:U7") is not None  # the stranger
    assert await people.find(ACCOUNT, "T1:U7") is None
    assert await says(people, request.code) == "Ana is let in."
    assert (await next_admitted(people)).person == await people.find(ACCOUNT, "T1:U7")


@pytest.mark.parametrize("person", ["owner", "ana"])
async def test_nobody_is_let_in_without_a_right_code_or_the_owners_yes(
    house: House, clock: MovableClock, person: str
) -> None:
    """Whatever is issued, said, decided and waited for in whichever order."""
    loop = asyncio.get_running_loop()
    people = people_of(house)
    if person != "owner":
        await people.persons.add("Ana")
    count = iter(range(1_000_000))

    async def refuse(request: str) -> None:
        (asked,) = [one for one in await house.approvals.waiting() if one.metadata["admission"] == request]
        await house.approvals.answer(asked.id, "no", OWNER)
        await people.requests.drop(request)

    class Pairings(RuleBasedStateMachine):
        """Accounts by who may be known there, as told by codes and the owner's words alone."""

        def __init__(self) -> None:
            super().__init__()
            self.account = f"slack-{next(count)}"
            self.codes: list[tuple[str, float]] = []
            self.right: set[str] = set()

        def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

        @rule()
        def issue(self) -> None:
            self.codes.append((self.run(people.link_code(person)), clock.now().timestamp()))

        @rule(sender=st.integers(0, 2), which=st.integers(0, 3))
        def redeem(self, sender: int, which: int) -> None:
            code, at = self.codes[which] if which < len(self.codes) else (WRONG, 0.0)
            message = written(code, f"U{sender}", id=f"m{next(count)}")
            answer = self.run(people.redeem(self.account, message)) or ""
            if "linked now" in answer:
                assert clock.now().timestamp() - at < 3600
                self.codes[which] = (WRONG, 0.0)
                self.right.add(f"U{sender}")

        @rule(sender=st.integers(0, 2), choice=st.sampled_from(["allow", "no", "block", None]))
        def writes(self, sender: int, choice: str | None) -> None:
            message = written("hello", f"U{sender}", id=f"m{next(count)}")
            self.run(people.request_admission(self.account, message))
            waiting = [one for one in self.run(people.waiting()) if one.account == self.account]
            if choice and waiting:
                if choice == "allow":
                    self.right.add(waiting[0].sender)
                    self.run(people.allow(waiting[0].id))
                elif choice == "block":
                    self.run(people.block(waiting[0].id))
                else:
                    self.run(refuse(waiting[0].id))

        @rule(minutes=st.integers(1, 90))
        def wait(self, minutes: int) -> None:
            clock.move(minutes=minutes)

        def teardown(self) -> None:
            for sender in ("U0", "U1", "U2"):
                found = self.run(people.find(self.account, sender))
                assert (found is not None and found.status == "allowed") == (sender in self.right)

    bounded = tried(max_examples=10, stateful_step_count=12, deadline=None)
    await asyncio.to_thread(run_state_machine_as_test, Pairings, settings=bounded)
