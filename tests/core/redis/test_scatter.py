"""Which slot a key lies in, and how several nodes' answers to one search become one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.redis.cluster import slot
from core.redis.scatter import for_one_node, merged
from core.store.store import Argument


def test_a_key_lies_in_the_slot_of_its_tag() -> None:
    assert slot("foo") == 12_182
    assert slot("x{foo}y") == slot(b"foo")
    assert slot("x{}foo") != slot("foo")


@settings(deadline=None)
@given(
    hits=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2)), max_size=40),
    start=st.integers(0, 10),
    most=st.integers(1, 10),
    descending=st.booleans(),
)
def test_pages_put_together_of_several_nodes_are_those_of_one(
    hits: list[tuple[int, int]], start: int, most: int, descending: bool
) -> None:
    command: list[Argument] = ["FT.SEARCH", "i", "*", "RETURN", 1, "t", "PARAMS", 2, "LIMIT", "SORTBY"]
    command += ["SORTBY", "t", "DESC" if descending else "ASC", "LIMIT", start, most, "DIALECT", 2]
    asked = for_one_node(command, "7")
    page = start + most
    assert list(asked[:9]) == ["FCALL_RO", "stoa_search", 0, 1, "t", "FT.SEARCH", "i{7}", "*", "NOCONTENT"]
    assert list(asked[-3:]) == ["LIMIT", 0, page]
    answers: list[list[object]] = []
    for node in range(3):
        mine = sorted((at for at, on in hits if on == node), reverse=descending)
        found = [part for at in mine[:page] for part in (b"key", f"#{at}".encode(), [b"c", b"text"])]
        answers.append([len(mine), *found])

    total, *rest = merged(command, answers)

    wanted = sorted((at for at, _ in hits), reverse=descending)[start : start + most]
    assert total == len(hits)
    assert rest[1::2] == [[b"c", b"text", b"t", str(at).encode()] for at in wanted]
