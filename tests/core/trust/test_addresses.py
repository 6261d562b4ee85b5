"""An address is read once, into the form that a tool is given, and nothing that only looks like it is the same."""

import time
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.trust.addresses import Words, parse, parse_loosely, shown

local = st.from_regex(r"[a-z0-9][a-z0-9.+-]{0,8}[a-z0-9]", fullmatch=True).filter(lambda text: ".." not in text)
domain = st.from_regex(r"[a-z0-9]{1,8}\.(com|org|co\.uk)", fullmatch=True)
mailbox = st.builds("{}@{}".format, local, domain)
page = st.builds("https://{}/{}".format, domain, st.from_regex(r"[a-zA-Z0-9/=-]{1,12}", fullmatch=True))
address = mailbox | page | domain


def known(target: str, *words: str) -> bool:
    return Words(words).name(parse_loosely(target))


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
        ("https://example.com:443/a", "see example.com/a"),
        ("https://müller.de/ä", "Read Müller.de/ä"),
        ("https://xn--mller-kva.de/", "Read müller.de"),
        ("http://[2001:DB8:0:0::1]/", "Read http://[2001:db8::1]"),
        ("Ana <ana@example.com>", "Write to ana@example.com"),
        ("+49 171 123-4567", "Call +491711234567 now"),
        ("general", "post it to the 'general' channel"),
    ],
)
def test_an_address_the_owner_named_is_known_however_it_is_spelled(target: str, words: str) -> None:
    assert known(target, "Hello.", words)


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
        ("ａna@example.com", "Write to ana@example.com"),
        ("busineß.com", "Read business.com"),
        ("https://busineß.com/", "Read https://business.com/"),
        ("ana@busineß.com", "Write to ana@business.com"),
        ("https://business.com／@evil.org/", "Read business.com"),
        ("https://business.com＃@evil.org/", "Read business.com"),
        ("https://business.com？@evil.org/", "Read business.com"),
        ("https://business.com／evil.org", "Read business.com"),
        ("https://business。com/", "Read business.com"),
        ("https://business．com/", "Read business.com"),
        ("https://www.\u212aelvin.com", "Read www.kelvin.com"),
        ("https://business.com:8443/", "Read business.com"),
        ("business.com:443", "Read business.com"),
        ("https://busi\u00adness.com/", "Read business.com"),
        ("https://business.com\t.evil.org/", "Read business.com"),
        ("https://business.com\n@evil.org/", "Read business.com"),
        ("https:business.com", "Read business.com"),
        ("https:///business.com", "Read business.com"),
        ("http://business.com/", "Read https://business.com/"),
        ("https://business.com%2f@evil.org/", "Read business.com"),
        ("http://2130706433/", "Read 127.0.0.1"),
        ("http://0x7f.0.0.1/", "Read 127.0.0.1"),
        ("http://0177.0.0.1/", "Read 127.0.0.1"),
        ("http://127.1/", "Read 127.0.0.1"),
        ("http://[::ffff:127.0.0.1]/", "Read 127.0.0.1"),
        ("ana%evil.org@example.com", "Write to ana@example.com"),
        ("evil.org!ana@example.com", "Write to ana@example.com"),
        ('"ana@example.com"@evil.org', "Write to ana@example.com"),
        ("ana@example.com <eve@evil.org>", "Write to ana@example.com"),
        ("Ana <eve@evil.org>", "Write to ana@example.com"),
        ("example.com/@evil.org", "Read example.com"),
        ("+49171123456", "Call +491711234567"),
        ("+491711234567", "Call +49 171 1234 5678"),
        ("Al", "Tell Alice"),
        ("", "Tell Alice"),
        (" ", "Tell Alice"),
    ],
)
def test_an_address_that_only_looks_like_one_the_owner_named_is_not_known(target: str, words: str) -> None:
    assert not known(target, words)


@given(address, st.sampled_from(["{}", "Write to {}.", "({})", "'{}', please", "see {}; then {}", "a\n{}\nb"]))
def test_whatever_the_owner_names_is_known(one: str, sentence: str) -> None:
    assert known(one, sentence.format(one, one))


@given(address, address, st.sampled_from([" ", ", ", "; ", "\n"]))
def test_of_two_addresses_only_the_named_one_is_known(one: str, other: str, between: str) -> None:
    words = f"Write{between}{one}{between}today"
    assert known(other, words) == (parse(other).key in parse(one).keys)


@given(st.text(max_size=30), st.text(max_size=80))
def test_an_address_that_is_known_is_not_empty_and_no_text_breaks_the_rule(target: str, words: str) -> None:
    if known(target, words):
        assert parse_loosely(target).key


@given(st.text(max_size=40) | address)
def test_the_form_of_an_address_is_its_own_form(text: str) -> None:
    once = parse_loosely(text)
    again = parse_loosely(once.form)
    assert (again.kind, again.form, again.key) == (once.kind, once.form, once.key)


@given(
    domain, st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), st.sampled_from(["", "@evil.org"])
)
def test_no_sign_after_a_named_host_leads_to_another(named: str, sign: str, rest: str) -> None:
    url = f"https://{named}{sign}{rest}/"
    try:
        address = parse(url)
    except InvalidInput:
        return
    parts = urlsplit(address.form)
    assert parts.username is None
    if Words([f"Read {named}"]).name(parse_loosely(address.host)):
        assert parts.hostname == named


@pytest.mark.parametrize(
    "odd",
    [
        "https://business.com／@evil.org/",
        "https://user:pw@business.com/",
        "https://business.com\\@evil.org/",
        "https://business.com/\u200b",
        "https://pаypal.com/",
        "pаypal.com",
        "business。com.de",
        "https://business.com:0443/",
        "https://business.com:99999/",
        "https://business.com./",
        "http://0x7f.1/",
        "https://a.com/%zz",
        "ana@",
        "ana@example.com?cc=eve@evil.org",
        "aна@example.com",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(odd: str) -> None:
    with pytest.raises(InvalidInput, match="is not a safe address"):
        parse(odd)


def test_a_letter_that_looks_like_another_is_pointed_out() -> None:
    assert shown("аna@example.com") == "'аna@example.com' (with the unusual U+0430)"
    assert shown("Müller") == "'Müller'"


@pytest.mark.parametrize("piece", ["https://a.b/", "+1 2", "a", "a.b{} ", "<a@b.c>,", "a:", "x:a{}.b ", "a." * 50])
def test_the_time_to_find_addresses_grows_with_the_text(piece: str) -> None:
    def seconds(size: int) -> float:
        hostile = "".join(piece.format(n) for n in range(size // len(piece)))
        begin = time.perf_counter()
        Words([hostile]).name(parse_loosely("a" * 400))
        return time.perf_counter() - begin

    assert seconds(160_000) < 12 * max(seconds(40_000), 0.01)
