"""Who has read text from outside reaches only what the owner named: exactly that, and no address that looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tools.registry import UNDECLARED, Declaration, Effect
from core.trust.egress import ANYWHERE, host, leads_to, named, normal, unnamed

SENDS = Declaration(Effect.LEAVES, ("to", "cc"))
BOOKS = Declaration(Effect.CHANGES, ("guests",))
LOOKS = Declaration(Effect.READS, ())
POSTS = Declaration(Effect.LEAVES, ())

local = st.from_regex(r"[a-z0-9][a-z0-9.+-]{0,8}[a-z0-9]", fullmatch=True)
domain = st.from_regex(r"[a-z0-9]{1,8}\.(com|org|co\.uk)", fullmatch=True)
mailbox = st.builds("{}@{}".format, local, domain)
page = st.builds("https://{}/{}".format, domain, st.from_regex(r"[a-zA-Z0-9/_=-]{1,12}", fullmatch=True))
address = mailbox | page | domain


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ana@example.com", "Write to ana@example.com."),
        ("Ana@Example.com", "write to <ana@example.com>, please"),
        ("mailto:ana@example.com", "to:ana@example.com"),
        ("ana@example.com", "'ana@example.com'"),
        ("https://www.example.com/", "Read www.example.com!"),
        ("www.example.com", "Read https://www.example.com/ and (http://other.org)"),
        ("https://example.com/a?b=C", "see https://example.com/a?b=C, then stop"),
        ("http://EXAMPLE.com/a", "see example.com/a"),
        ("Ana Maria", "Tell ana  maria about it"),
        ("GB29NWBK60161331926819", "(from their account GB29NWBK60161331926819)"),
        ("general", "post it to the 'general' channel"),
        ("ａna@example.com", "Write to ana@example.com"),
    ],
)
def test_an_address_the_owner_named_is_known_however_it_is_spelled(target: str, words: str) -> None:
    assert named(target, ["Hello.", words])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("na@example.com", "Write to ana@example.com"),
        ("ana@example.co", "Write to ana@example.com"),
        ("ana@example.com", "Write to ana@example.com.evil.org"),
        ("ana@example.com", "Write to evil-ana@example.com"),
        ("ana@example.com", "Write to evil_ana@example.com"),
        ("brien@example.com", "Write to o'brien@example.com"),
        ("example.com", "Write to ana@example.com"),
        ("example.com", "Read www.example.com"),
        ("www.example.com", "Read www.example.com/page"),
        ("https://www.example.com/?q=secret", "Read www.example.com"),
        ("https://www.example.com/secret", "Read www.example.com/public"),
        ("https://www.example.com/PUBLIC", "Read www.example.com/public"),
        ("https://www.example.com@evil.org/", "Read www.example.com"),
        ("https://evil.org/www.example.com", "Read www.example.com"),
        ("https://evil.org\\www.example.com", "Read www.example.com"),
        ("www.example.com.", "Read www.example.com"),
        ("mailto:ana@example.com?cc=eve@evil.org", "Write to ana@example.com"),
        ("ana@example.com, eve@evil.org", "Write to ana@example.com"),
        ("ana@example.com\neve@evil.org", "Write to ana@example.com"),
        ("аna@example.com", "Write to ana@example.com"),
        ("Al", "Tell Alice"),
        ("", "Tell Alice"),
        (" ", "Tell Alice"),
    ],
)
def test_an_address_that_only_looks_like_one_the_owner_named_is_not_known(target: str, words: str) -> None:
    assert not named(target, [words])


@given(address, st.sampled_from(["{}", "Write to {}.", "({})", "'{}', please", "see {}; then {}", "a\n{}\nb"]))
def test_whatever_the_owner_names_is_known(one: str, sentence: str) -> None:
    assert named(one, [sentence.format(one, one)])


@given(address, address, st.sampled_from([" ", ", ", "; ", "\n"]))
def test_of_two_addresses_only_the_named_one_is_known(one: str, other: str, between: str) -> None:
    words = f"Write{between}{one}{between}today"
    assert named(other, [words]) == (normal(other) == normal(one))


@given(st.text(max_size=30), st.text(max_size=80))
def test_what_is_known_stands_in_the_words_and_no_text_breaks_the_rule(target: str, words: str) -> None:
    if named(target, [words]):
        assert normal(target)


def test_a_host_is_told_from_a_mailbox_and_a_name() -> None:
    assert host("https://Docs.Example.com/a/b?c") == "docs.example.com"
    assert host("docs.example.com") == "docs.example.com"
    assert [host(one) for one in ("ana@example.com", "https://a@example.com/", "Ana", "")] == ["", "", "", ""]


def test_a_call_leads_to_the_arguments_that_are_declared_as_targets() -> None:
    assert leads_to(SENDS, {"to": ["ana@example.com", "bob@example.com"], "body": "hi", "cc": None}) == [
        "ana@example.com",
        "bob@example.com",
    ]
    assert leads_to(SENDS, {"to": {"name": "Ana", "id": 7}}) == ["Ana", "7"]


def test_a_call_that_leaves_and_does_not_say_where_to_leads_anywhere() -> None:
    assert leads_to(POSTS, {"text": "hello ana@example.com"}) == [ANYWHERE]
    assert leads_to(SENDS, {"to": [], "cc": " "}) == [ANYWHERE]
    assert unnamed([ANYWHERE], ["post it anywhere"], ["anywhere"]) == [ANYWHERE]


def test_a_call_that_changes_something_inside_leads_out_only_where_it_names_somebody() -> None:
    assert leads_to(BOOKS, {"title": "Lunch", "guests": []}) == []
    assert leads_to(BOOKS, {"title": "Lunch", "guests": ["eve@evil.org"]}) == ["eve@evil.org"]
    assert leads_to(LOOKS, {"query": "eve@evil.org"}) == []


def test_every_text_given_to_an_undeclared_tool_may_say_where_to() -> None:
    assert leads_to(UNDECLARED, {"a": "x", "b": [{"c": "y"}], "d": 5, "e": True}) == ["x", "y", "5"]
    assert leads_to(UNDECLARED, {}) == [ANYWHERE]


def test_a_target_is_let_through_by_the_owners_words_or_the_directory_and_one_that_is_not_stops_the_call() -> None:
    targets = ["ana@example.com", "bob@example.com", "eve@evil.org"]
    assert unnamed(targets, ["Write to ana@example.com"], {"bob@example.com"}) == ["eve@evil.org"]
