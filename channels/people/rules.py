"""Rules about who is heard: in each list the first that fits a message decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from channels.contract import InboundMessage
from channels.people.persons import Person
from channels.people.rooms import Room

Verdict = Literal["ignore", "ask", "take"]
"""`ask`: the owner is asked about the sender, or the room."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message, and what is known of its sender and its room."""

    message: InboundMessage
    person: Person | None = None
    room: Room | None = None
    known: bool = False
    """True if something of this conversation was taken before."""
    ours: bool = False
    """True if it names us, or stands in a thread of ours."""

    @property
    def about_room(self) -> bool:
        """True where the owner would be asked about the room, and not about the sender."""
        return bool(self.message.room) and (self.room is None or self.room.speakers == "anyone")


Rule = Callable[[Arrival], bool]


def verdict(rules: Sequence[tuple[Rule, Verdict]], arrival: Arrival) -> Verdict:
    """The verdict of the first rule that fits; nothing is heard that none fits."""
    return next((decided for fits, decided in rules if fits(arrival)), "ignore")


def from_a_program(arrival: Arrival) -> bool:
    """Two programs that answer each other would never end."""
    return arrival.message.bot


def from_somebody_blocked(arrival: Arrival) -> bool:
    return arrival.person is not None and arrival.person.status == "blocked"


def in_a_blocked_room(arrival: Arrival) -> bool:
    return arrival.room is not None and arrival.room.status == "blocked"


def in_an_undecided_room(arrival: Arrival) -> bool:
    return arrival.room is None


def from_a_stranger_among_known_speakers(arrival: Arrival) -> bool:
    return arrival.room is not None and arrival.room.speakers == "known" and arrival.person is None


def is_an_event(arrival: Arrival) -> bool:
    """An edit, a deletion or a reaction."""
    return arrival.message.kind != "message"


def names_us(arrival: Arrival) -> bool:
    return arrival.message.addressed or is_an_event(arrival)


def is_meant_for_us(arrival: Arrival) -> bool:
    return arrival.ours


def in_a_room_heard_whole(arrival: Arrival) -> bool:
    return arrival.room is not None and arrival.room.listen == "all"


def changes_what_was_taken(arrival: Arrival) -> bool:
    return arrival.known and is_an_event(arrival)


def names_us_not_in_a_new_room(arrival: Arrival) -> bool:
    return arrival.about_room and not arrival.message.addressed


def both(*rules: Rule) -> Rule:
    """Fits where all of these do."""
    return lambda arrival: all(rule(arrival) for rule in rules)


NEVER_HEARD: tuple[tuple[Rule, Verdict], ...] = (
    (from_a_program, "ignore"),
    (from_somebody_blocked, "ignore"),
    (in_a_blocked_room, "ignore"),
)
ROOM_RULES: tuple[tuple[Rule, Verdict], ...] = (
    *NEVER_HEARD,
    (both(in_an_undecided_room, names_us), "ask"),
    (in_an_undecided_room, "ignore"),
    (both(from_a_stranger_among_known_speakers, names_us), "ask"),
    (from_a_stranger_among_known_speakers, "ignore"),
    (is_meant_for_us, "take"),
    (in_a_room_heard_whole, "take"),
    (changes_what_was_taken, "take"),
)
"""The rules for messages in rooms."""
ADMISSION_RULES: tuple[tuple[Rule, Verdict], ...] = (
    *NEVER_HEARD,
    (is_an_event, "ignore"),
    (names_us_not_in_a_new_room, "ignore"),
    (lambda _: True, "ask"),
)
"""The rules for messages that are not taken: is the owner asked about them?"""
