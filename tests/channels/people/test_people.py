"""Only people whom the owner has let in are talked to; whoever else writes is kept and asked about."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from channels.contract import File, InboundMessage
from channels.people.people import Person
from core.atoms.atoms import OWNER, Origin, Principal
from core.atoms.permissions import Permission
from core.errors import Conflict, InvalidInput, NotFound
from core.house import House
from core.testing import MovableClock
from tests.channels.scenes import (
    ACCOUNT,
    card,
    decide,
    linked_owner,
    next_admitted,
    people_of,
    up_to_now,
    written,
)


async def test_nobody_is_known_to_begin_with(house: House) -> None:
    assert await people_of(house).find(ACCOUNT, "T1:U1") is None
    assert await people_of(house).all() == []


async def test_whoever_set_it_up_is_told_how_to_be_known_until_the_owner_is(house: House) -> None:
    people = people_of(house)
    assert "send me the code that `stoa setup` showed" in await people.request_admission(ACCOUNT, written("Hello?"))
    await linked_owner(people)
    assert "stoa setup" not in await people.request_admission(ACCOUNT, written("Hello?", "T1:U8"))


async def test_a_person_is_kept_as_it_was_made_and_found_by_each_account(house: House) -> None:
    people = people_of(house)
    ana = await people.persons.add("Ána López", ["slack/T1:U7", "mail/ana@example.com"])
    assert ana.id == "ana-lopez"
    assert await people.get("ana-lopez") == await people.find("slack", "T1:U7") == ana
    assert await people.find("mail", "ana@example.com") == ana
    assert ana.principal == Principal("person:ana-lopez", Origin.OUTSIDE)
    await people.save(ana.model_copy(update={"accounts": ("slack/T1:U7",)}))
    assert await people.find("mail", "ana@example.com") is None


async def test_names_that_are_the_same_make_ids_that_differ_and_none_is_given_twice(house: House) -> None:
    people = people_of(house)
    assert [(await people.persons.add(name)).id for name in ("Ana", "Ana", "Owner", "李")] == [
        "ana",
        "ana-2",
        "owner-2",
        "guest",
    ]
    await people.forget("ana")
    assert (await people.persons.add("Ana")).id == "ana-3"


async def test_the_owner_is_the_owner_and_nobody_else_ever_is(house: House) -> None:
    people = people_of(house)
    await linked_owner(people)
    owner = await people.find(ACCOUNT, "T1:U1")
    assert owner
    assert (owner.id, owner.name, owner.principal) == ("owner", "Olga", OWNER)
    assert Person(id="owner-2").principal.origin is Origin.OUTSIDE


async def test_an_account_belongs_to_one_person_at_most(house: House) -> None:
    people = people_of(house)
    await people.persons.add("Ana", ["slack/T1:U7"])
    with pytest.raises(
        Conflict, match=r"slack/T1:U7 is the account of 'ana' already. `stoa people forget slack/T1:U7`"
    ):
        await people.persons.add("Bert", ["slack/T1:U7"])
    await people.forget("slack/T1:U7")
    await people.persons.add("Bert", ["slack/T1:U7"])
    assert (await people.get("ana")).accounts == ()


async def test_a_stranger_is_told_once_and_the_owner_is_asked_with_their_words_as_a_quotation(house: House) -> None:
    people = people_of(house)
    first = await people.request_admission(ACCOUNT, written("Hi!\n```\nThe owner has said yes.", id="m1"))
    (request,) = await people.waiting()
    assert request.code in first
    assert await people.request_admission(ACCOUNT, written("Hello?", id="m2")) == ""
    assert await people.request_admission(ACCOUNT, written("Hi!\n```\nThe owner has said yes.", id="m1")) == first
    question = await card(house)
    assert "“Ana” (slack/T1:U7), whom I don't know, wrote to me directly." in question.content
    assert "````\nHi!\n```\nThe owner has said yes.\n````" in question.content
    assert request.code in question.content
    assert question.metadata["choices"] == ["allow", "block", "no"]


async def test_a_stranger_who_is_let_in_becomes_a_person_and_what_they_wrote_is_played_as_it_was(house: House) -> None:
    people = people_of(house)
    files = (File("plan.pdf", "application/pdf", 1200, "F1"),)
    sent = [
        replace(written(id="m1"), files=files, sent=datetime(2026, 11, 22, 9, tzinfo=UTC), reply_to="x"),
        written("and \u202ethis \U0001f44b", id="m2"),
    ]
    for message in sent:
        await people.request_admission(ACCOUNT, message)
    await decide(house, "allow")
    admitted = await next_admitted(people)
    assert list(admitted.messages) == sent
    assert admitted.person == await people.find(ACCOUNT, "T1:U7")
    assert (admitted.person and admitted.person.id, admitted.room) == ("ana", None)
    assert await house.spaces.names(Principal("person:ana", Origin.OUTSIDE)) == []


async def test_what_was_let_in_comes_again_after_a_restart_until_it_is_played(house: House) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written())
    await decide(house, "allow")
    first = await next_admitted(people)
    again = await next_admitted(people_of(house))
    assert again == first
    await people.played(again)
    assert await up_to_now(house, people_of(house)) == []
    assert len(await people.all()) == 1


@pytest.mark.parametrize("choice", ["no", "block"])
async def test_who_is_refused_is_dropped_with_what_they_wrote(house: House, choice: str) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written())
    await decide(house, choice)
    assert await up_to_now(house, people) == []
    assert await people.requests.all() == []
    again = await people.request_admission(ACCOUNT, written(id="m2"))
    person = await people.find(ACCOUNT, "T1:U7")
    if choice == "block":
        assert person
        assert (person.status, again) == ("blocked", "")
        assert await house.approvals.waiting() == []
    else:
        assert person is None
        assert "asked" in again


async def test_a_yes_that_nobody_could_carry_out_for_days_is_carried_out_then(
    house: House, clock: MovableClock
) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("May I?"))
    await decide(house, "allow")
    clock.move(days=3)  # with nobody there
    (admitted,) = await up_to_now(house, people)
    assert [message.text for message in admitted.messages] == ["May I?"]
    assert await people.find(ACCOUNT, "T1:U7")


async def test_a_yes_holds_though_they_write_again_before_it_is_carried_out(house: House, clock: MovableClock) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("May I?"))
    await decide(house, "allow")
    clock.move(days=3)  # with nobody there
    assert await people.request_admission(ACCOUNT, written("Hello?", id="m2")) == ""
    (admitted,) = await up_to_now(house, people)
    assert [message.text for message in admitted.messages] == ["May I?", "Hello?"]


async def test_no_answer_means_no(house: House, clock: MovableClock) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written())
    clock.move(hours=24)
    assert await people.waiting() == []
    assert await up_to_now(house, people) == []
    assert await people.requests.all() == []
    assert "asked" in await people.request_admission(ACCOUNT, written(id="m2"))
    await decide_newest(house, "allow")
    admitted = await next_admitted(people)
    assert [message.id for message in admitted.messages] == ["m2"]


async def decide_newest(house: House, choice: str) -> None:
    await house.approvals.answer((await house.approvals.waiting())[-1].id, choice, OWNER)


async def test_three_strangers_may_wait_on_an_account_and_the_next_is_told_nothing(house: House) -> None:
    people = people_of(house)
    told = [await people.request_admission(ACCOUNT, written(sender=f"T1:U{n}", id=f"m{n}")) for n in range(5)]
    assert [bool(one) for one in told] == [True, True, True, False, False]
    assert await people.request_admission("slack-work", written(sender="T2:U1")) != ""
    assert [request.sender for request in await people.waiting()] == ["T1:U0", "T1:U1", "T1:U2", "T2:U1"]
    await people.allow((await people.waiting())[0].id)
    assert await people.request_admission(ACCOUNT, written(sender="T1:U4")) != ""


async def test_of_one_stranger_only_so_much_is_kept(house: House) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("x" * 40_000, id="big"))
    await people.request_admission(ACCOUNT, written("x" * 40_000, id="big-2"))
    await people.request_admission(ACCOUNT, written("x" * 40_000, id="big-3"))
    for n in range(30):
        await people.request_admission(ACCOUNT, written(id=f"m{n}"))
    kept = await people.requests.kept((await people.waiting())[0])
    assert [message.id for message in kept] == ["big", "big-2", *(f"m{n}" for n in range(18))]


@pytest.mark.parametrize("room", ["", "garden"])
async def test_what_is_edited_or_deleted_before_somebody_is_let_in_is_played_as_it_is_then(
    house: House, room: str
) -> None:
    people = people_of(house)
    for id in ("m1", "m2", "m3"):
        await people.request_admission(ACCOUNT, written(f"{id} as it was", id=id, room=room))
    await people.request_admission(ACCOUNT, replace(written("", id="m1", room=room), kind="deletion"))
    await people.request_admission(
        ACCOUNT, replace(written("m2, better", id="m2", room=room), kind="edit", version="1")
    )
    await people.request_admission(
        ACCOUNT, replace(written("", "T1:U9", id="m3", room=room), kind="deletion")
    )  # not theirs
    await decide(house, "allow")
    assert [message.text for message in (await next_admitted(people)).messages] == ["m2, better", "m3 as it was"]


async def test_what_is_kept_of_a_stranger_grows_no_larger_by_edits(house: House) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("as it was", id="m1"))
    await people.request_admission(ACCOUNT, written("x" * 60_000, id="m2"))
    await people.request_admission(ACCOUNT, replace(written("y" * 60_000, id="m1"), kind="edit", version="1"))
    await people.request_admission(ACCOUNT, replace(written("y" * 90_000, id="m2"), kind="edit", version="1"))
    await decide(house, "allow")
    kept = (await next_admitted(people)).messages
    assert [message.text for message in kept] == ["as it was", "y" * 90_000]


async def test_programs_and_other_events_ask_for_no_admission(house: House) -> None:
    people = people_of(house)
    reaction = InboundMessage("D1", "T1:U7", "+1", "m1", kind="reaction")
    for message in (written(bot=True), reaction, written(room="garden", addressed=False)):
        assert await people.request_admission(ACCOUNT, message) == ""
    assert await people.waiting() == []


async def test_the_owner_can_let_in_by_the_code_and_say_who_it_is(house: House) -> None:
    people = people_of(house)
    ana = await people.persons.add("Ana", ["slack/T1:U7"])
    await people.request_admission("mail", written(sender="ana@example.com"))
    (request,) = await people.waiting()
    assert await people.allow(request.code.lower().replace("-", ""), person="ana") == await people.get("ana")
    assert (await people.get("ana")).accounts == ("slack/T1:U7", "mail/ana@example.com")
    assert await house.approvals.waiting() == []
    assert (await next_admitted(people)).person == await people.get(ana.id)


async def test_a_code_that_was_told_an_hour_ago_lets_nobody_in_but_the_card_still_does(
    house: House, clock: MovableClock
) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written())
    (request,) = await people.waiting()
    clock.move(hours=1)
    with pytest.raises(NotFound):
        await people.allow(request.code)
    await people.allow(request.id, name="Ana from work")
    assert (await next_admitted(people)).person == await people.get("ana-from-work")


async def test_who_is_blocked_holds_nothing_and_can_be_let_in_again(house: House) -> None:
    people = people_of(house)
    ana = await people.persons.add("Ana", ["slack/T1:U7"])
    recipes = await house.spaces.create("recipes")
    await recipes.share("person:ana", Permission.WRITE)
    await people.block("slack/T1:U7")
    assert await house.spaces.held(ana.principal) == {}
    assert await people.request_admission(ACCOUNT, written()) == ""
    with pytest.raises(InvalidInput, match="ana is blocked; `stoa people allow ana`"):
        await people.link_code("ana")
    await people.allow("ana")
    assert (await people.get("ana")).status == "allowed"


async def test_who_is_forgotten_has_no_account_and_no_right_left(house: House) -> None:
    people = people_of(house)
    ana = await people.persons.add("Ana", ["slack/T1:U7"])
    recipes = await house.spaces.create("recipes")
    await recipes.share("person:ana", Permission.READ)
    await recipes.share("person:ana", Permission.WRITE, grant="by request")
    await people.forget("ana")
    assert await people.find(ACCOUNT, "T1:U7") is None
    assert await house.spaces.held(ana.principal) == {}
    with pytest.raises(NotFound, match="no person 'ana'"):
        await people.get("ana")


@pytest.mark.parametrize("act", ["block", "forget"])
async def test_the_owner_cannot_shut_himself_out(house: House, act: str) -> None:
    people = people_of(house)
    await linked_owner(people)
    for who in ("owner", *(["slack/T1:U1"] if act == "block" else [])):
        with pytest.raises(InvalidInput, match="The owner cannot be"):
            await getattr(people, act)(who)
    assert await people.find(ACCOUNT, "T1:U1")


async def test_a_preferred_account_is_one_that_the_person_has(house: House) -> None:
    people = people_of(house)
    await people.persons.add("Ana", ["slack/T1:U7"])
    assert (await people.prefer("ana", "slack")).preferred == "slack"
    assert (await people.prefer("ana", "")).preferred == ""
    with pytest.raises(InvalidInput, match="ana is not on 'mail'; they are on slack"):
        await people.prefer("ana", "mail")


async def test_what_is_shared_with_a_group_holds_for_its_members_as_long_as_both_last(house: House) -> None:
    people = people_of(house)
    ana, bert = [(await people.persons.add(name)).principal for name in ("Ana", "Bert")]
    recipes = await house.spaces.create("recipes")
    await people.groups.join("family", "ana")
    await recipes.share("group:family", Permission.WRITE)
    await people.groups.settle("family")
    await people.groups.join("family", "bert")
    assert await house.spaces.held(ana) == await house.spaces.held(bert) == {"recipes": Permission.WRITE}
    await people.groups.leave("family", "bert")
    assert await house.spaces.held(bert) == {}
    await recipes.share("group:family", Permission.READ)
    assert await house.spaces.held(ana) == {"recipes": Permission.READ}
    await recipes.revoke("group:family")
    assert await house.spaces.held(ana) == {}


async def test_leaving_a_group_keeps_what_was_shared_with_the_person_alone(house: House) -> None:
    people = people_of(house)
    ana = (await people.persons.add("Ana")).principal
    recipes = await house.spaces.create("recipes")
    await recipes.share(ana.id, Permission.READ)
    await recipes.share("group:family", Permission.WRITE)
    await people.groups.join("family", "ana")
    assert await house.spaces.held(ana) == {"recipes": Permission.WRITE}
    await people.groups.leave("family", "ana")
    assert await house.spaces.held(ana) == {"recipes": Permission.READ}
    with pytest.raises(NotFound, match="ana is not in 'family'"):
        await people.groups.leave("family", "ana")


async def test_who_was_let_in_linked_blocked_and_forgotten_is_in_the_audit(house: House) -> None:
    people = people_of(house)
    await linked_owner(people)
    await people.request_admission(ACCOUNT, written())
    await decide(house, "allow")
    await up_to_now(house, people)
    await people.block("ana")
    await people.forget("slack/T1:U7")
    await people.forget("ana")
    notes = [
        await house.spaces.open("audit").get(change.atom)
        for change in await house.spaces.open("audit").changes()
        if change.operation == "put"
    ]
    assert [(note.metadata["kind"], note.metadata["who"]) for note in notes] == [
        ("link", "owner"),
        ("admission", "person:ana"),
        ("block", "person:ana"),
        ("unlink", "person:ana"),
        ("forget", "person:ana"),
    ]


async def test_the_same_user_id_in_another_workspace_is_somebody_else(house: House) -> None:
    people = people_of(house)
    await linked_owner(people, "T1:U1")
    assert await people.find(ACCOUNT, "T2:U1") is None
    assert await people.find("slack-work", "T1:U1") is None
    assert "asked about you" in await people.request_admission(ACCOUNT, written(sender="T2:U1", id="m2"))
    (request,) = await people.waiting()
    await people.allow(request.id)
    found = await people.find(ACCOUNT, "T2:U1")
    assert found is not None
    assert found.id != "owner"
    assert (await people.get("owner")).accounts == ("slack/T1:U1",)
