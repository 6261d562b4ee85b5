"""Validation: each rule on metadata by itself, and the order of the rules."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from core.atoms import validation
from core.atoms.validation import METADATA_RULES, checked_content, checked_metadata, checked_text
from core.errors import InvalidInput

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST_DAY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
RULES: list[tuple[Callable[[str, object], bool], str, list[Any], list[Any]]] = [
    (validation._is_of_another_kind, "k", [{}, [1], ["a", None], b"x"], ["a", 1, 1.5, True, NOON, None, [], ["a"]]),
    (validation._has_too_many_members, "k", [["x"] * 1_001], [["x"] * 1_000, "x" * 2_000]),
    (validation._is_beyond_64_bits, "k", [2**63, -(2**63) - 1], [2**63 - 1, -(2**63), True, 1e300]),
    (validation._is_not_finite, "k", [float("nan"), float("inf"), float("-inf")], [0.0, 1e308, 5]),
    (validation._has_no_zone, "k", [datetime(2026, 1, 1)], [NOON]),
    (validation._is_out_of_calendar, "k", [FIRST_DAY], [NOON, "x"]),
    (validation._is_broken_unicode, "k", ["\ud800", ["a", "b\udfff"]], ["é", ["é"], 5]),
    (validation._is_too_long, "k", ["x" * 4_001, ["x" * 4_001]], ["x" * 4_000, 5]),
    (validation._is_reserved, "attachments", ["x"], []),
    (validation._is_reserved, "k", [], ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "key", "broken", "kept"), RULES)
def test_a_rule_finds_what_it_is_for_and_nothing_else(
    rule: Callable[[str, object], bool], key: str, broken: list[object], kept: list[object]
) -> None:
    assert all(rule(key, value) for value in broken)
    assert not any(rule(key, value) for value in kept)


def test_every_rule_is_in_the_table() -> None:
    assert {rule for rule, *_ in RULES} == {rule for rule, _ in METADATA_RULES}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"attachments": {}}, "'attachments' is kept by the store"),
        ({"k": [1] * 2_000}, "'k' is list; it can be text"),
        ({"k": ["\ud800" * 5_000]}, "'k' is not valid Unicode"),
        ({"k": datetime(1, 1, 1)}, "'k' is a time without a zone"),
        ({"k": float("nan")}, "'k' is nan"),
        ({"a\n": 1}, "cannot be a metadata key"),
        ({5: 1}, "5 cannot be a metadata key"),
    ],
)
def test_the_first_rule_that_is_broken_is_told(metadata: dict[Any, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        checked_metadata(metadata)


def test_what_is_checked_comes_back_in_one_normal_form() -> None:
    assert checked_metadata({"e\u0301": "a\u0308", "n": 5}) == {"é": "ä", "n": 5}
    assert checked_content("e\u0301") == "é"
    with pytest.raises(InvalidInput, match="half is not valid Unicode"):
        checked_text("half", "\ud83d")
