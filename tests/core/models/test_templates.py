"""An ask and its code share values: a request fills them, and can change nothing else in the code."""

import ast
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.templates import LONGEST, Match, acts, fill, match, recognise, remainder, slots, template

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=ZoneInfo("Europe/Paris"))
ADD = 'what = "buy milk"\nspaces["tasks"].put(what, comment=f"added {what}")\n'
REMIND = 'when = "in 2 minutes"\nwhat = "review the Q3 report"\nprint(when, what)\n'
WATCH = "seconds = 30\nprint(seconds)\n"


def filled(ask: str, code: str, request: str) -> dict[str, object] | None:
    found = match(template(ask, code), request, NOW)
    return dict(found.values) if found else None


def test_the_slots_are_the_literals_in_the_first_lines() -> None:
    assert slots('from datetime import datetime\n\na = "x"\nb = 3\nc = [a]\nd = "no slot"\n') == {"a": "x", "b": 3}


@pytest.mark.parametrize(
    "request_",
    [
        "add eggs to my tasks",
        "Add eggs to the to-do list!",
        "could you please add “eggs” to my todos?",
        "put eggs on my list",
    ],
)
def test_a_request_may_use_other_values_courtesies_articles_and_like_words(request_: str) -> None:
    assert filled("add buy milk to my tasks", ADD, request_) == {"what": "eggs"}


def test_a_time_is_found_wherever_the_ask_has_one() -> None:
    ask = "remind me to review the Q3 report in 2 minutes"
    assert filled(ask, REMIND, "remind me to call the bank tomorrow at 9am") == {
        "what": "call the bank",
        "when": "tomorrow at 9am",
    }
    assert filled(ask, REMIND, "remind me to call the bank") is None


def test_a_date_that_does_not_exist_is_said_to_be_the_problem() -> None:
    found = match(
        template("remind me to review the Q3 report in 2 minutes", REMIND), "remind me to pay on 31 February", NOW
    )
    assert found is not None
    assert "no such day" in found.problem


def test_a_number_is_filled_with_a_number() -> None:
    assert filled("watch it for 30 seconds", WATCH, "watch it for 45 seconds") == {"seconds": 45}
    assert filled("watch it for 30 seconds", WATCH, "watch it for ages seconds") is None


def test_shortened_words_are_told_apart_from_their_opposite() -> None:
    assert filled("buy milk is done", ADD, "the bread's done") == {"what": "the bread"}
    assert filled("buy milk is done", ADD, "the bread isn't done") is None
    assert filled("buy milk is not done", ADD, "the bread isn't done") == {"what": "the bread"}


def test_a_value_keeps_its_last_letters() -> None:
    assert filled("add buy milk to my tasks", ADD, "add call Ana to my tasks") == {"what": "call Ana"}


def test_a_request_that_is_too_long_fits_nothing() -> None:
    assert filled("add buy milk to my tasks", ADD, f"add {'x' * LONGEST} to my tasks") is None


def test_what_is_left_of_a_request_fills_the_slots_where_it_words_things_its_own_way() -> None:
    shown = template("remind me to review the Q3 report in 2 minutes", REMIND)
    found = remainder(shown, "tomorrow at 9am please do remind me to call the bank", NOW)
    assert found is not None
    assert found.values["when"] == "tomorrow at 9am"


def test_a_comment_is_of_its_kind_whatever_stands_behind_the_colon() -> None:
    ask = "reminder set for 2026-11-22T14:32:00+01:00: review the Q3 report"
    comment = "reminder set for 2027-01-01T09:00:00+01:00: call: the\nbank"
    assert recognise(ask, "print(change.content)\n", comment, "agent") == Match({}, 1)
    assert recognise(ask, "print(change.content)\n", "reminder refused: no", "agent") is None


def test_code_that_only_looks_is_told_from_code_that_acts() -> None:
    assert acts(ADD)
    assert acts('agent = spawn(task="x")\n')
    assert acts('set_timer("x", "y")\n')
    assert not acts('for hit in search("x"):\n    print(hit.content, now())\n')
    assert not acts('print(spaces["tasks"].search(limit=3))\n')


@given(st.text(), st.text())
def test_whatever_is_filled_in_the_code_stays_the_same_but_for_its_literals(when: str, what: str) -> None:
    after = ast.parse(fill(REMIND, {"when": when, "what": what}))
    assert [statement.value.value for statement in after.body[:2]] == [when, what]  # type: ignore[attr-defined]
    before = ast.parse(REMIND)
    assert [ast.dump(statement) for statement in after.body[2:]] == [
        ast.dump(statement) for statement in before.body[2:]
    ]
    assert len(after.body) == len(before.body)


@given(st.text())
def test_any_text_at_all_can_be_asked(request_: str) -> None:
    for ask, code in (("add buy milk to my tasks", ADD), ("remind me in 2 minutes to review the Q3 report", REMIND)):
        found = match(template(ask, code), request_, NOW)
        assert found is None or set(found.values) <= {"when", "what"}
