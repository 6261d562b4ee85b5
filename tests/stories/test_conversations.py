"""Everything between people and Stoa breaks: each message is answered once, in order, in its own conversation."""

import pytest

from benchmarks.conversations import Plan, run


async def test_everybody_is_answered_once_and_in_order_while_processes_are_killed_and_sockets_torn() -> None:
    short = Plan(messages=60, conversations=6, pause=0.4, every=2.5, trouble=1.0, patience=90, seed=3)
    outcome = await run(short)
    assert outcome.killed_readers > 0
    assert outcome.killed_workers > 0
    assert outcome.dropped > 0
    assert outcome.refused > 0
    assert outcome.kept, outcome


@pytest.mark.soak
async def test_the_same_holds_on_all_platforms_at_once() -> None:
    short = Plan(messages=120, conversations=12, pause=0.3, every=3, trouble=1.0, patience=200, platform="all")
    outcome = await run(short)
    assert outcome.dropped > 0
    assert outcome.refused > 0
    assert outcome.kept, outcome
