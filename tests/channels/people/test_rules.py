"""Each rule about who is heard, by itself, and the verdict of the lists."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from channels.people import rules
from channels.people.persons import Person
from channels.people.rooms import Room
from channels.people.rules import ADMISSION_RULES, ROOM_RULES, Arrival, Rule, Verdict, verdict
from tests.channels.scenes import written

PLAIN = Arrival(written(room="garden", addressed=False), room=Room(id="slack/C9"))
BLOCKED = Person(id="mallory", status="blocked")
EDIT = replace(PLAIN.message, kind="edit")


@pytest.mark.parametrize(
    "rule, fitting",
    [
        (rules.from_a_program, replace(PLAIN, message=replace(PLAIN.message, bot=True))),
        (rules.from_somebody_blocked, replace(PLAIN, person=BLOCKED)),
        (rules.in_a_blocked_room, replace(PLAIN, room=Room(id="slack/C9", status="blocked"))),
        (rules.in_an_undecided_room, replace(PLAIN, room=None)),
        (rules.from_a_stranger_among_known_speakers, replace(PLAIN, room=Room(id="slack/C9", speakers="known"))),
        (rules.is_an_event, replace(PLAIN, message=EDIT)),
        (rules.names_us, replace(PLAIN, message=replace(PLAIN.message, addressed=True))),
        (rules.is_meant_for_us, replace(PLAIN, ours=True)),
        (rules.in_a_room_heard_whole, replace(PLAIN, room=Room(id="slack/C9", listen="all"))),
        (rules.changes_what_was_taken, replace(PLAIN, message=EDIT, known=True)),
    ],
)
def test_a_rule_fits_where_its_name_says_so_and_nowhere_else(rule: Rule, fitting: Arrival) -> None:
    assert rule(fitting)
    assert not rule(PLAIN)


@pytest.mark.parametrize(
    "decided, arrival",
    [
        ("ignore", PLAIN),
        ("take", replace(PLAIN, ours=True)),
        ("ignore", replace(PLAIN, ours=True, person=BLOCKED)),
        ("ask", replace(PLAIN, room=None, message=replace(PLAIN.message, addressed=True))),
        ("ignore", replace(PLAIN, room=None)),
        ("ignore", replace(PLAIN, room=None, message=replace(PLAIN.message, bot=True, addressed=True))),
    ],
)
def test_the_first_rule_that_fits_decides_in_rooms(decided: Verdict, arrival: Arrival) -> None:
    assert verdict(ROOM_RULES, arrival) == decided


def test_a_list_without_a_fitting_rule_hears_nothing() -> None:
    none: Sequence[tuple[Rule, Verdict]] = ()
    assert verdict(none, PLAIN) == "ignore"


def test_the_owner_is_asked_about_messages_only() -> None:
    direct = Arrival(written("hello"))
    assert verdict(ADMISSION_RULES, direct) == "ask"
    assert verdict(ADMISSION_RULES, replace(direct, message=replace(direct.message, kind="reaction"))) == "ignore"
    assert verdict(ADMISSION_RULES, replace(PLAIN, room=None)) == "ignore"
