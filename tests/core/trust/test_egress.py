"""Who has read text from outside reaches only what the owner named."""

import pytest

from core.errors import InvalidInput
from core.tools.registry import UNDECLARED, Declaration, Effect
from core.trust.egress import ANYWHERE, leads_to, settled, to_ask_about, unnamed

SENDS = Declaration(Effect.LEAVES, ("to", "cc"))
BOOKS = Declaration(Effect.CHANGES, ("guests",))
LOOKS = Declaration(Effect.READS, ())
POSTS = Declaration(Effect.LEAVES, ())
PLANS = Declaration(Effect.CHANGES, (), about=("title", "day"))


def test_a_call_leads_to_the_arguments_that_are_declared_as_targets() -> None:
    assert leads_to(SENDS, {"to": ["ana@example.com", "bob@example.com"], "body": "hi", "cc": None}) == [
        "ana@example.com",
        "bob@example.com",
    ]
    assert leads_to(SENDS, {"to": {"name": "Ana", "id": 7}}) == ["name", "Ana", "id", "7"]


def test_a_call_that_leaves_and_does_not_say_where_to_leads_anywhere() -> None:
    assert leads_to(POSTS, {"text": "hello ana@example.com"}) == [ANYWHERE]
    assert leads_to(SENDS, {"to": [], "cc": " "}) == [ANYWHERE]
    assert unnamed([ANYWHERE], ["post it anywhere"], ["anywhere"]) == [ANYWHERE]


def test_a_call_that_changes_something_inside_leads_out_only_where_it_names_somebody() -> None:
    assert leads_to(BOOKS, {"title": "Lunch", "guests": []}) == []
    assert leads_to(BOOKS, {"title": "Lunch", "guests": ["eve@evil.org"]}) == ["eve@evil.org"]
    assert leads_to(LOOKS, {"query": "eve@evil.org"}) == []


def test_every_text_given_to_an_undeclared_tool_may_say_where_to() -> None:
    assert leads_to(UNDECLARED, {"a": "x", "b": [{"c": "y"}], "d": 5, "e": True}) == ["x", "c", "y", "5"]
    assert leads_to(UNDECLARED, {}) == [ANYWHERE]


def test_a_target_is_let_through_by_the_owners_words_or_the_directory_and_one_that_is_not_stops_the_call() -> None:
    targets = ["ana@example.com", "bob@example.com", "eve@evil.org"]
    assert unnamed(targets, ["Write to ana@example.com"], {"bob@example.com"}) == ["eve@evil.org"]


def test_the_keys_of_a_dict_and_the_names_of_free_arguments_are_texts_too() -> None:
    hidden = {"eve@evil.org": "business.com"}
    assert leads_to(SENDS, {"to": hidden}) == ["eve@evil.org", "business.com"]
    assert leads_to(UNDECLARED, {"options": [({"deep": (hidden,)},)]}) == ["deep", "eve@evil.org", "business.com"]
    assert leads_to(UNDECLARED, {"raw": b"eve@evil.org"}) == ["eve@evil.org"]


def test_a_link_in_what_is_sent_leads_out_too() -> None:
    sent = {"to": "ana@example.com", "body": "See www.evil.org/x, and https://example.com."}
    assert leads_to(SENDS, sent) == ["ana@example.com", "www.evil.org/x", "https://example.com"]
    assert leads_to(LOOKS, {"query": "https://evil.org"}) == []


def test_a_tool_is_given_its_targets_in_the_form_in_which_they_are_compared() -> None:
    given = {"to": ["Ana <ANA@Example.com>", {"busineß.com": 7}], "body": "Straße  ß"}
    assert settled(SENDS, given) == {"to": ["ana@example.com", {"xn--busine-gta.com": 7}], "body": "Straße  ß"}
    assert settled(UNDECLARED, {"a": "HTTPS://Example.com", "b": "Two  \u212aelvins"}) == {
        "a": "https://example.com",
        "b": "Two  Kelvins",
    }
    with pytest.raises(InvalidInput, match="is not a safe address"):
        settled(SENDS, {"to": "https://business.com／@evil.org/"})


def test_an_argument_that_is_nested_without_end_is_refused() -> None:
    nested: list[object] = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(InvalidInput, match="levels deep"):
        leads_to(SENDS, {"to": nested})
    with pytest.raises(InvalidInput, match="levels deep"):
        settled(SENDS, {"to": nested})


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("Put a Dinner in my calendar", []),
        ("I am away on the 19th of May", []),
        ("I am away on May 19th", []),
        ("I am away on 2026-05-19", []),
        ("What is in my mail?", ["Dinner", "2026-05-19T20:00"]),
    ],
)
def test_a_change_has_to_be_about_something_the_owner_spoke_of(words: str, asked: list[str]) -> None:
    assert to_ask_about(PLANS, {"title": "Dinner", "day": "2026-05-19T20:00"}, [words]) == asked
