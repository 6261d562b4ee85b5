"""The new words of a mail are told from quotes, forwards and signatures, in the common programs and many languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.quoting import bare_subject, understand
from tests.channels.email.corpus import LANGUAGES, NEW, Sample, samples

SAMPLES = list(samples())


def right(sample: Sample) -> bool:
    found = understand(sample.text, sample.subject, answers=sample.answers)
    if found.new != sample.new:
        return False
    if not sample.foreign:
        return not found.passages
    return any(
        sample.foreign in one.text and sample.author in one.author + one.text and one.kind == sample.kind
        for one in found.passages
    )


def test_what_is_new_and_what_is_forwarded_is_right_in_95_of_100_mails() -> None:
    wrong = [sample.name for sample in SAMPLES if not right(sample)]
    assert len(SAMPLES) >= 150
    assert len({language.code for language in LANGUAGES}) >= 12
    assert len(wrong) <= len(SAMPLES) * 0.05, wrong


def test_nothing_that_others_wrote_is_ever_taken_for_new() -> None:
    taken = [
        sample.name
        for sample in SAMPLES
        if sample.foreign and "120" in understand(sample.text, sample.subject, answers=sample.answers).new
    ]
    assert not taken


def test_forwards_within_forwards_are_told_one_by_one_with_their_writers() -> None:
    inner = "---------- Forwarded message ---------\nFrom: Cid <cid@example.net>\nSubject: C\n\nThe third"
    middle = f"---------- Forwarded message ---------\nFrom: Bob <bob@example.net>\nSubject: B\n\nThe second\n\n{inner}"
    found = understand(f"The first\n\n{middle}", "Fwd: B")
    assert found.new == "The first"
    assert [(one.author, one.text.splitlines()[-1]) for one in found.passages] == [
        ("Bob <bob@example.net>", "The second"),
        ("Cid <cid@example.net>", "The third"),
    ]


@pytest.mark.parametrize(
    "subject, bare", [("Re: AW: Fwd: Hotel", "Hotel"), ("RE[2]: Hotel", "Hotel"), ("Plan: a trip", "Plan: a trip")]
)
def test_a_subject_is_the_same_in_answers_and_forwards(subject: str, bare: str) -> None:
    assert bare_subject(subject) == bare


LINES = st.sampled_from(
    ["> x", ">> y", "", "From: Bob <b@x.org>", "Subject: s", "Sent: Monday", "On 1 Dec 2026, Bob wrote:", "text", "-- ",
     "-----Original Message-----", "---------- Forwarded message ---------", "Begin forwarded message:", "_" * 32]
)  # fmt: skip


@given(st.lists(LINES, max_size=40).map("\n".join), st.booleans())
def test_no_order_of_lines_breaks_it_and_marked_lines_are_never_new(text: str, answers: bool) -> None:
    found = understand(text, "Fwd: s", answers=answers)
    assert not any(line.startswith(">") for line in found.new.splitlines())
    assert NEW not in found.new


@pytest.mark.parametrize(
    "part",
    [
        "> ",
        "On 1 2026 ",
        "From: ",
        ">" * 50,
        "---------- Forwarded message ---------\nFrom: a\nDate: 1",
        "Bob wrote:\n\n",
    ],
)
def test_a_hostile_text_is_read_to_its_end_before_the_time_limit(part: str) -> None:
    understand(f"{part}\n" * 1_500, "Fwd: x")
