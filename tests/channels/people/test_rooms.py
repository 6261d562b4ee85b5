"""Rooms: Stoa takes part in one only when the owner has said so, and as the owner has set it."""

import pytest

from channels.people.people import Room
from core.errors import NotFound
from core.house import House
from tests.channels.scenes import ACCOUNT, card, decide, linked_owner, next_admitted, people_of, up_to_now, written


async def test_a_mention_in_an_unknown_room_asks_the_owner_and_tells_the_room_no_code(house: House) -> None:
    people = people_of(house)
    said = await people.request_admission(ACCOUNT, written("what do you think?", room="garden"))
    (request,) = await people.waiting()
    assert said.startswith("Hello! I've asked my owner whether I may talk in this room.")
    assert request.code not in said
    question = await card(house)
    assert "“Ana” (slack/T1:U7) speaks to me in the room “garden” (slack/C9)" in question.content
    assert question.metadata["labels"] == ["Let me into the room", "Never in this room", "Not now"]
    assert (
        await people.request_admission(ACCOUNT, written("me too", "T1:U8", id="m2", room="garden", parent="C9")) == ""
    )
    await decide(house, "allow")
    admitted = await next_admitted(people)
    assert admitted.person is None
    assert admitted.room == await people.room(ACCOUNT, "C9")
    assert (admitted.room and admitted.room.listen, admitted.room and admitted.room.speakers) == ("threads", "anyone")
    assert [message.text for message in admitted.messages] == ["what do you think?", "me too"]
    assert await people.find(ACCOUNT, "T1:U7") is None


async def test_the_owner_who_mentions_us_in_a_room_lets_us_in_without_a_card(house: House) -> None:
    people = people_of(house)
    await linked_owner(people)
    assert await people.request_admission(ACCOUNT, written("come in", "T1:U1", room="garden")) == ""
    assert await house.approvals.waiting() == []
    room = await people.room(ACCOUNT, "C9")
    assert room
    assert (room.name, room.status) == ("garden", "allowed")
    (admitted,) = await up_to_now(house, people)
    assert [message.text for message in admitted.messages] == ["come in"]


async def test_another_known_person_cannot_let_us_into_a_room(house: House) -> None:
    people = people_of(house)
    await people.persons.add("Ana", ["slack/T1:U7"])
    assert "asked my owner" in await people.request_admission(ACCOUNT, written(room="garden"))
    assert await people.room(ACCOUNT, "C9") is None


@pytest.mark.parametrize(("choice", "asked_again"), [("no", True), ("block", False)])
async def test_a_room_that_is_refused_is_asked_about_again_unless_never(
    house: House, choice: str, asked_again: bool
) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written(room="garden"))
    await decide(house, choice)
    assert await up_to_now(house, people) == []
    again = await people.request_admission(ACCOUNT, written(id="m2", room="garden"))
    assert (bool(again), len(await house.approvals.waiting())) == (asked_again, int(asked_again))


async def test_where_only_known_people_are_answered_a_stranger_in_the_room_is_asked_about(house: House) -> None:
    people = people_of(house)
    await people.rooms.save(Room(id="slack/C9", name="garden", speakers="known"))
    said = await people.request_admission(ACCOUNT, written(room="garden"))
    (request,) = await people.waiting()
    assert "whether I may talk to you" in said
    assert request.code not in said
    assert request.kind == "person"
    await people.block(request.id)
    assert await people.request_admission(ACCOUNT, written(id="m2", room="garden")) == ""


async def test_a_room_that_was_let_in_while_the_message_was_on_its_way_hears_it_all_the_same(house: House) -> None:
    people = people_of(house)
    await people.rooms.save(Room(id="slack/C9", name="garden"))
    assert await people.request_admission(ACCOUNT, written("am I late?", room="garden")) == ""
    (admitted,) = await up_to_now(house, people)
    assert [message.text for message in admitted.messages] == ["am I late?"]


async def test_what_comes_while_the_kept_is_played_is_played_after_it(house: House) -> None:
    people = people_of(house)
    await people.request_admission(ACCOUNT, written("one", id="m1"))
    await decide(house, "allow")
    first = await next_admitted(people)
    await people.request_admission(ACCOUNT, written("two", id="m2"))
    await people.played(first)
    second = await next_admitted(people)
    assert [message.text for message in second.messages] == ["two"]
    await people.played(second)
    assert await up_to_now(house, people) == []


async def test_a_room_is_set_kept_and_forgotten(house: House) -> None:
    people = people_of(house)
    room = Room(id="slack/C9", name="garden", listen="all", speakers="known")
    await people.rooms.save(room)
    assert await people.rooms.all() == [room]
    assert await people.room("slack", "C9") == room
    assert room.account == "slack"
    await people.rooms.remove("slack/C9")
    with pytest.raises(NotFound, match="no room 'slack/C9'"):
        await people.rooms.get("slack/C9")
