"""What agents spend is bounded: by what may follow from one cause, by what a spawner gave, by the day and the month."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.agents.agents import Agent
from core.agents.budgets import Allowance, Amounts, Budgets
from core.agents.unread import gather
from core.atoms.atoms import Cause, Origin, Principal
from core.atoms.permissions import Permission
from core.errors import BudgetSpent, InvalidInput, LeaseLost, ModelUnavailable, PermissionDenied
from core.house import House, open_house
from core.models.llm import Message, Usage
from core.settings import Settings, load
from core.spaces.spaces import Actor
from core.testing import MovableClock, ScriptedLLM
from tests.core.mortal_worker import Flat
from tests.core.scenes import said, seat, tell, working

MORNING = datetime(2026, 11, 22, 9, tzinfo=ZoneInfo("Europe/Paris"))
WORDS = [Message("user", "x" * 300)]
"""Reserved as 100 tokens and a long reply."""


def budgets(house: House, **limits: float) -> Budgets:
    return Budgets(house.store, house.settings.model_copy(update=limits))


def purse(of: Budgets, turn: str, agent: str = "ann", epoch: int = 1, accounts: Sequence[str] = ()) -> Allowance:
    return of.purse(agent, accounts, "chat/1", turn, MORNING, epoch)


async def used(of: Budgets, name: str = "root:chat/1") -> tuple[Amounts, Amounts]:
    (account,) = await of.accounts([name])
    return account.used, account.held


async def test_a_reply_is_reserved_before_and_paid_after(house: House) -> None:
    of = budgets(house)
    turn = purse(of, "t1")
    await turn.begin()
    await turn.reserve("reply.0", "m", WORDS)
    assert await used(of) == (Amounts(turns=1), Amounts(tokens=2100, seconds=1))
    await turn.settle("reply.0", Usage("m", 100, 20, 0, 0.25))
    await turn.finish()
    for name in ("root:chat/1", "agent:ann", "day:2026-11-22", "month:2026-11"):
        assert await used(of, name) == (Amounts(turns=1, tokens=120, dollars=0.25), Amounts())


async def test_what_is_not_left_is_refused_by_name_and_the_first_turn_to_meet_it_tells(house: House) -> None:
    of = budgets(house, root_turns=2)
    for turn in ("t1", "t2"):
        await purse(of, turn).begin()
    with pytest.raises(BudgetSpent, match=r"turns: all that follows from chat/1 may spend 2 turns.*--turns") as spent:
        await purse(of, "t3").begin()
    assert (spent.value.account, spent.value.tells) == ("root:chat/1", True)
    with pytest.raises(BudgetSpent) as again:
        await purse(of, "t4", "bob").begin()
    assert not again.value.tells
    with pytest.raises(BudgetSpent) as replayed:
        await purse(of, "t3").begin()
    assert replayed.value.tells


async def test_the_owner_may_allow_more(house: House) -> None:
    of = budgets(house, root_turns=1)
    await purse(of, "t1").begin()
    await of.allow("root:chat/1", {"turns": 2})
    await purse(of, "t2").begin()
    with pytest.raises(BudgetSpent):
        await purse(of, "t3").begin()


async def test_a_turn_that_is_replayed_pays_once(house: House) -> None:
    of = budgets(house)
    for epoch in (1, 2, 3):
        turn = purse(of, "t1", epoch=epoch)
        await turn.begin()
        await turn.reserve("reply.0", "m", WORDS)
    assert await used(of) == (Amounts(turns=1), Amounts(tokens=2100, seconds=1))
    turn.paid("reply.0", Usage("m", 10, 10))
    await turn.finish()
    again = purse(of, "t1", epoch=4)
    await again.begin()
    again.paid("reply.0", Usage("m", 10, 10))
    await again.finish()
    assert await used(of) == (Amounts(turns=1, tokens=20), Amounts())


async def test_what_a_dead_worker_reserved_is_given_back_when_its_turn_ends(house: House) -> None:
    of = budgets(house)
    dead = purse(of, "t1")
    await dead.begin()
    await dead.reserve("reply.0", "m", WORDS)
    await dead.reserve("t1.5", "m", WORDS)
    heir = purse(of, "t1", epoch=2)
    await heir.begin()
    await heir.finish()
    assert await used(of) == (Amounts(turns=1), Amounts())
    with pytest.raises(LeaseLost):
        await dead.reserve("reply.1", "m", WORDS)


async def test_tokens_are_set_aside_as_dear_as_the_model_ever_was(house: House) -> None:
    of = budgets(house, root_dollars=1.0)
    turn = purse(of, "t1")
    await turn.reserve("reply.0", "m", WORDS)
    await turn.settle("reply.0", Usage("m", 1000, 0, 0, 0.4))
    with pytest.raises(BudgetSpent, match=r"dollars: .* may spend 1 dollars, 0\.4 are spent or set aside"):
        await turn.reserve("reply.1", "m", WORDS)
    await turn.reserve("reply.1", "free", WORDS)


async def test_the_limits_of_the_day_and_of_the_month_bound_all_causes_together(house: House) -> None:
    of = budgets(house, day_tokens=5000, month_tokens=9000)
    first = of.purse("ann", (), "chat/1", "t1", MORNING, 1)
    await first.reserve("reply.0", "m", WORDS)
    await first.settle("reply.0", Usage("m", 4000, 0))
    other = of.purse("ann", (), "chat/2", "t2", MORNING, 1)
    with pytest.raises(BudgetSpent, match=r"the day 2026-11-22 may spend 5,000 tokens.*STOA_DAY_TOKENS"):
        await other.reserve("reply.0", "m", WORDS)
    tomorrow = of.purse("ann", (), "chat/2", "t3", MORNING.replace(day=23), 1)
    await tomorrow.reserve("reply.0", "m", WORDS)
    await tomorrow.settle("reply.0", Usage("m", 3000, 0))
    with pytest.raises(BudgetSpent, match="the month 2026-11 may spend"):
        await of.purse("ann", (), "chat/3", "t4", MORNING.replace(day=24), 1).reserve("reply.0", "m", WORDS)


async def test_a_model_that_costs_nothing_is_never_refused_for_money(house: House) -> None:
    of = budgets(house, root_tokens=0, root_dollars=0.0, day_tokens=0, day_dollars=0.0)
    turn = purse(of, "t1")
    await turn.begin()
    await turn.reserve("reply.0", "offline", WORDS)


async def test_a_spawn_is_counted_once_and_its_budget_is_no_wider_than_what_is_left(house: House) -> None:
    of = budgets(house, root_spawns=2, root_turns=10)
    turn = purse(of, "t1")
    await turn.begin()
    for _ in range(3):
        await turn.spawn("t1.0", "agent-a", {"turns": 3, "dollars": 0.5})
    assert (await used(of))[0] == Amounts(turns=1, spawns=1)
    with pytest.raises(PermissionDenied, match="budget: you asked 10 turns for the new agent, and 9 are left to you"):
        await turn.spawn("t1.1", "agent-b", {"turns": 10})
    await turn.spawn("t1.2", "agent-b", {})
    with pytest.raises(BudgetSpent, match="spawns: all that follows from chat/1 may spend 2 spawns"):
        await turn.spawn("t1.3", "agent-c", {})
    (given,) = await of.accounts(["agent:agent-a"])
    assert given.limits == {"turns": 3, "dollars": 0.5, "bytes": 2_000_000_000}


async def test_a_child_draws_from_its_own_account_and_from_those_above_it(house: House) -> None:
    of = budgets(house)
    await purse(of, "t1").spawn("t1.0", "child", {"turns": 2})
    await purse(of, "c1", "child", accounts=["agent:child"]).spawn("c1.0", "grandchild", {"turns": 2})
    chain = ["agent:grandchild", "agent:child"]
    await purse(of, "c2", "child", accounts=["agent:child"]).begin()
    await purse(of, "g1", "grandchild", accounts=chain).begin()
    with pytest.raises(BudgetSpent, match="turns: child may spend 2 turns"):
        await purse(of, "g2", "grandchild", accounts=chain).begin()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 2), st.sampled_from("brsf"), st.integers(0, 2100)), max_size=40
    ),
    most=st.tuples(st.integers(1, 4), st.integers(0, 12_000)),
)
async def test_no_order_of_work_takes_an_account_over_its_bound_or_below_nothing(
    house: House, steps: list[tuple[int, int, str, int]], most: tuple[int, int]
) -> None:
    """Five turns begin, reserve, settle and finish in any order, some twice, some never."""
    await house.store.run("EVAL", "for _, k in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', k) end", 0,
                          f"{house.settings.namespace}:*{{accounts}}*")  # fmt: skip
    of = budgets(house, root_turns=most[0], root_tokens=most[1])
    turns = [purse(of, f"t{n}", f"agent-{n % 2}") for n in range(6)]
    begun: set[int] = set()
    open_: dict[tuple[int, int], None] = {}
    paid: Counter[int] = Counter()
    for n, reply, what, tokens in steps:
        try:
            match what:
                case "b":
                    await turns[n].begin()
                    begun.add(n)
                case "r":
                    await turns[n].reserve(f"reply.{reply}", "m", WORDS)
                    open_[n, reply] = None
                case "s":
                    await turns[n].settle(f"reply.{reply}", Usage("m", tokens))
                    if (n, reply) in open_:
                        del open_[n, reply]
                        paid[n] += tokens
                case "f":
                    turns[n] = purse(of, f"t{n}", f"agent-{n % 2}")
                    await turns[n].finish()
                    for key in [key for key in open_ if key[0] == n]:
                        del open_[key]
        except BudgetSpent:
            pass
        spent, held = await used(of)
        assert (spent.turns, spent.tokens) == (len(begun), sum(paid.values()))
        assert (held.turns, held.tokens) == (0, 2100 * len(open_))
        assert spent.turns <= most[0]
        assert spent.tokens + held.tokens <= most[1]
    agents = [(await used(of, f"agent:agent-{n}"))[0] for n in range(2)]
    assert sum(agent.tokens for agent in agents) == (await used(of))[0].tokens


async def test_many_workers_at_once_never_take_more_than_there_is(
    tmp_path: object, namespace: str, redis_url: str
) -> None:
    limits = load(home=tmp_path, namespace=namespace, root_turns=50, root_tokens=2100 * 10)

    async def work(house: House, number: int) -> tuple[int, int]:
        of, begun, reserved = Budgets(house.store, limits), 0, 0
        for n in range(30):
            turn = of.purse(f"agent-{number}", (), "chat/1", f"{number}.{n}", MORNING, 1)
            try:
                await turn.begin()
                begun += 1
                await turn.reserve("reply.0", "m", WORDS)
                reserved += 1
            except BudgetSpent:
                continue
        return begun, reserved

    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(open_house(limits, redis_url, embedder=Flat())) for _ in range(4)]
        done = await asyncio.gather(*(work(house, number) for number, house in enumerate(opened)))
    begun, reserved = zip(*done, strict=True)
    assert (sum(begun), sum(reserved)) == (50, 10)


# In turns ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tight(settings: Settings) -> Settings:
    return settings.model_copy(update={"root_turns": 8, "root_spawns": 4})


@pytest.fixture
async def small(tight: Settings, redis_url: str, clock: MovableClock, embedder: object) -> AsyncIterator[House]:
    """A house in which little may follow from one cause."""
    async with open_house(tight, redis_url, clock=clock, embedder=embedder) as house:  # type: ignore[arg-type]
        yield house


async def _stopped(house: House, space: str = "chat") -> list[str]:
    return [c.comment for c in await house.spaces.open(space).changes() if c.comment.startswith("stopped")]


async def test_the_owner_and_no_guest_is_told_what_guests_have_used_up(
    settings: Settings, redis_url: str, clock: MovableClock
) -> None:
    ana = Principal("person:ana", Origin.OUTSIDE)
    async with open_house(settings.model_copy(update={"day_tokens": 5_000}), redis_url, clock=clock) as house:
        await _host(house, ana)
        await seat(house)
        llm = ScriptedLLM("```python\nprint('much ' * 6_000)\n```", "done")
        async with working(house, llm):
            await house.spaces.open("ana", ana).put("hello", metadata={"role": "user"})
            (told,) = await said(house, space="chat")
            (answer,) = [one for one in await said(house, 2, space="ana") if one.author == "host-ana"]
    assert "5,000 tokens" in told.content
    assert answer.content == "I can't go on with that right now. Please try again later."


async def test_a_guest_is_not_told_why_no_model_answers_and_the_owner_is(house: House) -> None:
    def gone(messages: Sequence[Message]) -> str:
        if len(messages) > 2:
            raise ModelUnavailable("nobody at http://10.0.0.7")
        return "```python\nprint(1)\n```"

    ana = Principal("person:ana", Origin.OUTSIDE)
    await _host(house, ana)
    await seat(house)
    async with working(house, ScriptedLLM(gone)):
        await house.spaces.open("ana", ana).put("hello", metadata={"role": "user"})
        (told,) = await said(house, space="chat")
        (answer,) = [one for one in await said(house, 2, space="ana") if one.author == "host-ana"]
    assert told.content == "About host-ana: nobody at http://10.0.0.7"
    assert answer.content == "I can't go on with that right now. Please try again later."


async def _host(house: House, guest: Principal) -> None:
    """An agent that talks with a guest, older than the one that talks with the owner."""
    space = await house.spaces.create("ana")
    await space.share(guest.id, Permission.APPEND)
    host = Agent(id="host-ana", instructions="Be kind.", speaks_in="ana", guests=True)
    await house.agents.seat(host, {"ana": Permission.WRITE}, ("ana",))


async def test_two_agents_that_always_answer_each_other_stop_and_the_owner_is_told_once(small: House) -> None:
    await seat(small, "ann")
    await seat(small, "bob")
    llm = ScriptedLLM(lambda _: "Thank you!")
    async with working(small, llm):
        await tell(small, "Say thanks")
        while not await _stopped(small):
            await asyncio.sleep(0.02)
        calls = len(llm.seen)
        await tell(small, "Hello")
        while len(await _stopped(small)) < 2:
            await asyncio.sleep(0.02)
        room = small.spaces.open("chat")
        while await _behind(small, "ann", "bob") < await room.newest():
            await asyncio.sleep(0.02)
    assert (calls, len(llm.seen)) == (8, 16)
    assert await _stopped(small) == ["stopped: root:chat/4 is used up", "stopped: root:chat/14 is used up"]
    told = next(a for a in await room.search("", limit=50) if a.content.startswith("I stopped."))
    assert "may spend 8 turns" in told.content
    assert "go on" in told.content


async def _behind(house: House, *agents: str) -> int:
    return min([await house.notifications.cursor(agent, "chat") or 0 for agent in agents])


async def test_what_was_parked_is_taken_up_when_the_owner_allows_more(small: House) -> None:
    await seat(small, "ann")
    await seat(small, "bob")
    llm = ScriptedLLM(lambda _: "Thank you!")
    room = small.spaces.open("chat")
    async with working(small, llm, lease=0.4):
        await tell(small, "Say thanks")
        while not await _stopped(small) or await _behind(small, "ann", "bob") < await room.newest():
            await asyncio.sleep(0.02)
        (stopped,) = await _stopped(small)
        await small.budgets.allow(stopped.split()[1], {"turns": 11})
        while len(await _stopped(small)) < 2:
            await asyncio.sleep(0.02)
    assert len(llm.seen) == 11


async def test_a_person_s_message_is_charged_to_itself_and_not_to_what_went_on_too_long(house: House) -> None:
    await seat(house)
    chat = house.spaces.open("chat")
    await chat.share("bob", Permission.APPEND)
    looping = Actor(Principal("bob"), Cause("chat/1", 30))
    await house.spaces.open("chat", looping).put("Thank you!")
    asked = await tell(house, "What is the time?")
    await house.spaces.open("chat", looping).put("Thank you again!")
    news = await gather(house.spaces, await house.agents.get("assistant"))
    (change,) = [change for change in await chat.changes() if change.atom == asked.id]
    assert (news.root, news.depth) == (f"chat/{change.seq}", 0)


async def test_a_coordinator_that_has_used_up_what_the_owner_gave_it_tells_the_owner(house: House) -> None:
    await seat(house)
    await house.budgets.allow("agent:assistant", {"turns": 0})
    async with working(house, ScriptedLLM("Good morning.")):
        await tell(house, "Wake me")
        (stopped,) = await said(house)
    assert stopped.content.startswith("I stopped. turns: assistant may spend 0 turns")
    assert stopped.metadata == {"role": "assistant"}


async def test_a_new_day_takes_up_what_the_last_one_could_not_bear(house: House) -> None:
    await seat(house)
    await house.budgets.allow(f"day:{house.clock.now():%Y-%m-%d}", {"turns": 0})
    llm = ScriptedLLM("Good morning.")
    async with working(house, llm, lease=0.4):
        await tell(house, "Wake me")
        (stopped,) = await said(house)
        house.clock.move(days=1)  # type: ignore[attr-defined]
        answers = await said(house, 2)
    assert stopped.content.startswith("I stopped. turns: the day")
    assert answers[1].content == "Good morning."


@pytest.mark.parametrize("nonsense", ["this is not python", "print(spawn(task='x')"])
async def test_an_agent_whose_code_is_invalid_for_ever_stops_and_so_does_who_spawned_it(
    house: House, nonsense: str
) -> None:
    await seat(house)

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        if messages[0].text.startswith("You are an agent.") or "report:" in tail or "<error>" in tail:
            return f"```python\n{nonsense} # {len(llm.seen)}\n```"
        return "" if "<output>" in tail else "```python\nspawn(task='write nonsense')\n```"

    llm = ScriptedLLM(reply)
    async with working(house, llm):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert answer.content.startswith("I stopped after 12 steps")
    assert len(llm.seen) == 2 + 2 * house.settings.steps


async def test_a_bomb_of_spawns_stops_at_the_budget_of_the_tree(small: House) -> None:
    await seat(small)

    def reply(messages: Sequence[Message]) -> str:
        if "<output>" in messages[-1].text:
            return ""
        return "```python\nfor _ in range(20):\n    spawn(task='spawn more')\n```"

    llm = ScriptedLLM(reply)
    async with working(small, llm):
        await tell(small, "Go")
        while not await _stopped(small):
            await asyncio.sleep(0.02)
        while any([await small.store.run("EXISTS", small.store.keys.lease(a.id)) for a in await small.agents.list()]):
            await asyncio.sleep(0.02)
    assert len(await small.agents.list()) == 1 + 4
    assert "spawns: all that follows from" in str(llm.seen)
    assert len([one for one in await _stopped(small) if "root:" in one]) == 1


async def test_an_agent_that_has_used_up_what_it_was_given_reports_so_to_its_spawner(house: House) -> None:
    await seat(house)

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        if messages[0].text.startswith("You are an agent."):
            return "```python\nprint(spawn(task='more', budget={'turns': 9}))\n```" if "<output>" not in tail else "Hm?"
        if "<output>" in tail:
            return ""
        if "stopped:" in tail:
            return "It has stopped."
        if "Hm?" in tail:
            return "```python\nspaces[change.space].put('go on')\n```"
        return "```python\nspawn(task='work', budget={'turns': 2})\n```"

    llm = ScriptedLLM(reply)
    async with working(house, llm):
        await tell(house, "Go")
        (answer,) = await said(house)
    assert answer.content == "It has stopped."
    assert "budget: you asked 9 turns for the new agent, and 1 are left to you" in str(llm.seen)


async def test_a_person_who_writes_while_the_day_is_used_up_is_answered_why(house: House) -> None:
    await seat(house)
    now = house.clock.now()
    day = f"day:{now:%Y-%m-%d}"
    await budgets(house).allow(day, {"turns": 1})
    llm = ScriptedLLM(lambda _: "Hello.")
    async with working(house, llm):
        for n in range(3):
            await tell(house, "Hello?")
            await said(house, n + 1)
    texts = [answer.content for answer in await said(house, 3)]
    assert texts[0] == "Hello."
    assert all(text.startswith(f"I stopped. turns: the day {now:%Y-%m-%d} may spend 1 turns") for text in texts[1:])
    assert len(llm.seen) == 1


async def test_the_offline_model_costs_nothing_and_its_turns_count(house: House) -> None:
    await seat(house)

    class Offline(ScriptedLLM):
        name = "offline"

    async with working(house, Offline("Hello.")):
        asked = await tell(house, "Hello")
        await said(house)
        (change,) = [c for c in await house.spaces.open("chat").changes() if c.atom == asked.id]
        while (await used(budgets(house), f"root:chat/{change.seq}"))[0].turns == 0:
            await asyncio.sleep(0.01)
    spent, held = await used(budgets(house), f"root:chat/{change.seq}")
    assert (spent.turns, spent.tokens, spent.dollars, held) == (1, 0, 0, Amounts())


async def test_asking_a_model_from_code_is_paid_for_as_well(house: House) -> None:
    await seat(house, "assistant")
    await house.spaces.create("notes")
    await house.spaces.open("notes").share("assistant", Permission.WRITE)

    class Priced:
        name = "priced"

        async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
            async for piece in script.reply(messages):
                yield piece
            yield Usage(self.name, 10, 5, 0, 0.001)

    script = ScriptedLLM(
        "```python\nimport asyncio\nprint(await asyncio.gather(llm('a'), llm('b')))\n```", "one", "two", "Done."
    )
    async with working(house, Priced()):
        await tell(house, "Ask")
        await said(house)
        while (await used(budgets(house), "agent:assistant"))[1] != Amounts():
            await asyncio.sleep(0.01)
    spent, _ = await used(budgets(house), "agent:assistant")
    assert (spent.tokens, spent.dollars) == (60, 0.004)


async def test_what_was_parked_is_taken_up_when_stoa_starts_after_some_days(house: House) -> None:
    await seat(house)
    await house.budgets.allow(f"day:{house.clock.now():%Y-%m-%d}", {"turns": 0})
    llm = ScriptedLLM("Good morning.")
    async with working(house, llm, lease=0.4):
        await tell(house, "Wake me")
        await said(house)
    house.clock.move(days=3)  # type: ignore[attr-defined]
    async with working(house, llm, lease=0.4):
        answers = await said(house, 2)
    assert answers[1].content == "Good morning."


async def test_a_program_that_has_waited_is_kept_until_there_is_budget_for_it(house: House) -> None:
    await seat(house)
    day = f"day:{house.clock.now():%Y-%m-%d}"
    program = "```python\ndish = 'lasagne'\nwait_until('in 1 hour')\nprint('Cook', dish)\n```"

    def reply(messages: Sequence[Message]) -> str:
        tail = messages[-1].text
        return "Noted." if "waits" in tail else tail if "<output>" in tail else program

    async with working(house, ScriptedLLM(reply), lease=0.4):
        await tell(house, "Remind me")
        await said(house)
        await house.budgets.allow(day, {"turns": 1})
        house.clock.move(hours=1)  # type: ignore[attr-defined]
        while not await _stopped(house):
            await asyncio.sleep(0.02)
        await house.budgets.allow(day, {"turns": 9})
        house.clock.move(hours=1)  # type: ignore[attr-defined]
        answers = await said(house, 3)
    assert "Cook lasagne" in answers[2].content


async def test_a_parked_change_that_may_be_read_no_more_is_forgotten(house: House) -> None:
    await seat(house)
    await house.spaces.create("notes")
    key = house.store.keys.parked("assistant")
    await house.store.run("SADD", key, "notes/1#again")
    async with working(house, ScriptedLLM(""), lease=0.4):
        while await house.store.run("EXISTS", key):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("much", [{"dollars": 1e11}, {"tokens": 1e300}, {"turns": float("inf")}])
async def test_a_budget_beyond_all_counting_is_refused_in_words(house: House, much: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="give a number from 0 to"):
        await house.budgets.allow("agent:ann", much)


async def test_bytes_are_taken_before_they_are_stored_and_once_for_one_act(house: House) -> None:
    of = budgets(house, root_bytes=1_000, agent_bytes=5_000)
    turn = purse(of, "t1")
    for _ in range(2):
        await turn.store_bytes("t1.0", 600)
    with pytest.raises(BudgetSpent, match=r"bytes: all that follows from chat/1 may spend 1,000 bytes.*--bytes NUMBER"):
        await turn.store_bytes("t1.1", 401)
    await turn.store_bytes("t1.2", 400)
    assert await used(of) == (Amounts(bytes=1_000), Amounts())
    await of.allow("root:chat/1", {"bytes": 2_000})
    await turn.store_bytes("t1.3", 401)
    assert (await used(of, "agent:ann"))[0] == Amounts(bytes=1_401)


WRITES = [
    "chat.put('x' * 5_000)",
    "chat.put('a file', files={'a.txt': 'x' * 5_000})",
    "chat.put('a note', metadata={'x' * 60: ['x' * 60] * 90})",
    "[chat.put('x' * 1_500) for n in range(4)]",
    "one = chat.put('y' + 'x' * 1_500)\n"
    "for n in range(4):\n    chat.update(one.id, comment='again', replace=('y', 'yy') if n == 0 else ('yy', 'yyy'))",
]


@pytest.mark.parametrize("write", WRITES)
async def test_an_agent_stores_no_more_bytes_than_it_was_given(house: House, write: str) -> None:
    await seat(house)
    await house.budgets.allow("agent:assistant", {"bytes": 4_000})
    llm = ScriptedLLM(lambda seen: "It ended." if "<output>" in seen[-1].text else f"```python\n{write}\n```")
    async with working(house, llm):
        await tell(house, "Write")
        while not any(atom.content == "It ended." for atom in await house.spaces.open("chat").search(limit=20)):
            await asyncio.sleep(0.02)
    assert "bytes: assistant may spend 4,000 bytes" in str(llm.seen[-1][-1].text)
    (account,) = await house.budgets.accounts(["agent:assistant"])
    assert account.used.bytes <= 4_000
