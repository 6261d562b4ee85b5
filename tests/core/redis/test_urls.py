"""What a Redis URL says, and that nothing in it that is secret is shown."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.redis.urls import Endpoint, Kind, parse


@pytest.mark.parametrize(
    "url, kind, places, database, tls",
    [
        ("redis://localhost", Kind.SERVER, [("localhost", 6379)], 0, False),
        ("redis://user:word@host:7000/3", Kind.SERVER, [("host", 7000)], 3, False),
        ("rediss://host:7000?db=2", Kind.SERVER, [("host", 7000)], 2, True),
        ("redis://[::1]:7000", Kind.SERVER, [("::1", 7000)], 0, False),
        ("redis+cluster://a:1,b:2,c", Kind.CLUSTER, [("a", 1), ("b", 2), ("c", 6379)], 0, False),
        ("rediss+sentinel://a,[::1]:2/main/1", Kind.SENTINEL, [("a", 26379), ("::1", 2)], 1, True),
    ],
)
def test_a_url_says_where_redis_is(
    url: str, kind: Kind, places: list[tuple[str, int]], database: int, tls: bool
) -> None:
    address = parse(url)

    assert (address.kind, address.database, address.tls) == (kind, database, tls)
    assert [(place.host, place.port) for place in address.places] == places


def test_a_path_is_a_unix_socket() -> None:
    assert parse("unix:///a%20place/redis.sock?db=4").places == (Endpoint(path="/a place/redis.sock"),)
    assert parse("unix:///a/redis.sock?db=4").database == 4


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://host",
        "localhost:6379",
        "redis://a:1,b:2",
        "redis://host:port",
        "redis://host/one",
        "redis+other://host",
        "redis+sentinel://host:26380",
    ],
)
def test_what_names_no_redis_is_refused_without_its_words(url: str) -> None:
    with pytest.raises(InvalidInput, match="REDIS_URL does not name a Redis") as refused:
        parse(url)

    assert not url or url not in str(refused.value)


@given(user=st.text(max_size=20), password=st.text(min_size=1, max_size=20))
def test_any_name_and_password_are_read_as_written_and_never_shown(user: str, password: str) -> None:
    user, password = user.encode("utf-8", "replace").decode(), password.encode("utf-8", "replace").decode()
    address = parse(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@host:1/0")

    assert (address.username, address.password) == (user, password)
    assert str(address) == "host:1"
    assert parse(address.url(address.places[0])) == address
