"""Registry records: what was kept comes back as it was."""

from datetime import UTC, datetime
from typing import Literal, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.agents.agents import Agent
from core.errors import NotFound, StoreUnavailable
from core.house import House
from core.store.records import Records, documents
from core.store.store import Store, client

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
lists = st.lists(words, max_size=3).map(tuple)
Status = Literal["alive", "dead"]
agents = st.builds(
    Agent,
    id=st.text("abcdefgh-", min_size=1, max_size=10),
    instructions=words,
    task=words,
    tools=lists,
    secrets=lists,
    injected=lists,
    speaks_in=words,
    status=st.sampled_from(get_args(Status)),
    created=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(agent=agents, later=agents)
async def test_a_record_comes_back_as_it_was_kept_and_a_later_one_takes_its_place(
    house: House, agent: Agent, later: Agent
) -> None:
    await house.agents.save(agent)
    assert await house.agents.get(agent.id) == agent

    changed = later.model_copy(update={"id": agent.id})
    await house.agents.save(changed)
    assert await house.agents.get(agent.id) == changed


async def test_there_is_no_record_of_who_never_was(house: House) -> None:
    assert await documents(house.store, [house.store.keys.agent("nobody")]) == [None]
    with pytest.raises(NotFound, match="no agent 'nobody'"):
        await house.agents.get("nobody")


async def test_an_outage_is_said_in_our_words(house: House) -> None:
    gone = client("redis://127.0.0.1:1")
    records = Records(Store(gone, house.store.keys, house.clock), Agent, house.store.keys.agent)

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await records.get("assistant")
    await gone.aclose()
