"""What only the owner may decide is asked in their conversation, with choices to press or to type."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from channels.bridge.bindings import bound
from channels.bridge.cards import Cards
from channels.bridge.session import TerminalSession
from channels.choices import Questions
from channels.contract import ChannelClosed, InboundMessage, Later, OutboundMessage
from channels.keys import channel_keys
from channels.loopback import Loopback
from channels.markdown import DiscordMarkdown
from core.atoms.atoms import OWNER, Atom, Principal
from core.errors import PermissionDenied
from core.house import House
from core.trust.approvals import Choice
from tests.channels.scenes import bridge_of
from tests.conftest import START


@contextlib.asynccontextmanager
async def served(house: House, channel: Loopback) -> AsyncIterator[None]:
    await house.spaces.create("chat")
    bridge = TerminalSession(bridge_of(house, channel), bound("loopback", "hall"))
    async with asyncio.timeout(20), serving(bridge):
        yield


@contextlib.asynccontextmanager
async def serving(bridge: TerminalSession) -> AsyncIterator[None]:
    task = asyncio.create_task(bridge.serve())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def decided(house: House, question: Atom) -> str:
    while (outcome := await house.approvals.outcome(question.id)).status == "open":
        await asyncio.sleep(0.01)
    return outcome.choice


@pytest.mark.parametrize("way", ["press", "reply"])
async def test_a_question_is_shown_with_choices_and_marked_when_it_is_answered(house: House, way: str) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        card = channel.sent[0]
        assert card.text.startswith("agent-1 asks for a key.\n\nI'll take no answer by Mon 23 Nov, 14:30 as a no.")
        assert [choice.label for choice in card.choices] == ["Yes, once", "Yes, for this task", "Yes, always", "No"]
        if way == "press":
            await channel.say("", choice=card.choices[1].id)
        else:
            await channel.say("task", reply_to="1")
        assert await decided(house, question) == "task"
        while not channel.edits:
            await asyncio.sleep(0.01)
    assert channel.edits == [("1", OutboundMessage("hall", "agent-1 asks for a key.\n\nAnswered: Yes, for this task."))]
    assert [change for change in await house.spaces.open("chat").changes() if change.operation == "put"] == []


async def test_a_deadline_is_shown_as_the_platform_shows_times(house: House) -> None:
    channel = Loopback()
    channel.dialect = DiscordMarkdown()
    async with served(house, channel):
        await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
    moment = int((START + timedelta(days=1)).timestamp())
    assert f"I'll take no answer by <t:{moment}:f> (<t:{moment}:R>) as a no." in channel.sent[0].text


async def test_a_bare_approve_says_which_questions_there_are_and_nothing_reaches_the_agents(house: House) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        await channel.say("/approve")
        (_, said) = await channel.heard(2)
    assert f"`approve {question.id}`: agent-1 asks for a key." in said
    assert [change for change in await house.spaces.open("chat").changes() if change.operation == "put"] == []


def test_a_number_that_no_choice_has_is_told_where_numbers_answer() -> None:
    questions = Questions()
    assert questions.amiss("5") == ""
    questions.ask("q", OutboundMessage("hall", "May I?", choices=(Choice("q:yes", "Yes"), Choice("q:no", "No"))))
    assert questions.amiss("5") == "There are 2 choices; answer with 1 to 2, or a word."
    assert questions.amiss("2") == questions.amiss("what is due?") == ""


async def test_a_second_press_changes_nothing_and_says_nothing(house: House) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        for choice in channel.sent[0].choices[:2]:
            await channel.say("", choice=choice.id)
        await channel.say("/nothing of that")
        async for change in house.spaces.open("chat").follow():
            if change.operation == "put":
                break
    assert len(channel.sent) == 1
    assert (await house.approvals.outcome(question.id)).choice == "once"


async def test_a_question_is_shown_and_marked_although_the_platform_was_away_or_busy_at_first(house: House) -> None:
    class Busy(Loopback):
        asked = 0

        async def edit(self, id: str, message: OutboundMessage) -> bool:
            self.asked += 1
            if self.asked == 1:
                raise Later(0)
            return await super().edit(id, message)

    channel = Busy()
    channel.refusals.extend([Later(0), ConnectionError("away")])
    await house.spaces.create("chat")
    bridge = TerminalSession(bridge_of(house, channel), bound("loopback", "hall"))
    async with asyncio.timeout(20), serving(bridge):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        await channel.say("", choice=channel.sent[0].choices[0].id)
        assert await decided(house, question) == "once"
        while not channel.edits:
            await asyncio.sleep(0.01)
    assert channel.edits[0][1].text.endswith("Answered: Yes, once.")


async def test_a_question_whose_receipt_was_lost_in_a_crash_is_not_asked_again(house: House) -> None:
    class Dying(Loopback):
        async def send(self, message: OutboundMessage) -> str:
            await super().send(message)
            raise ChannelClosed

    first, second = Dying(), Loopback()
    async with served(house, first):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await first.heard(1)
    second.sent.extend(first.sent)
    async with served(house, second):
        while not await house.store.run("HGET", channel_keys(house.store).cards("channel:loopback:hall"), question.id):
            await asyncio.sleep(0.01)
        await second.say("once", reply_to="1")
        assert await decided(house, question) == "once"
    assert len(second.sent) == 1


async def test_what_only_begins_like_an_answer_is_a_message_as_any_other(house: House) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        await channel.say("Approve vacation requests")
        async for change in house.spaces.open("chat").follow():
            if change.operation == "put":
                break
        await channel.say("approve nosuch9")
        assert "There is no question" in (await channel.heard(2))[-1]
        await channel.say(f"deny {question.id}")
        assert await decided(house, question) == "no"


async def test_a_second_answer_in_words_is_told_that_it_is_too_late(house: House) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        await channel.say(f"/approve {question.id}")
        await channel.say(f"/deny {question.id}")
        assert "decided already: Yes, once" in (await channel.heard(2))[1]


async def test_open_questions_are_shown_again_where_the_channel_has_forgotten_them(house: House) -> None:
    await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
    first, later = Loopback(), Loopback()
    async with served(house, first):
        await first.heard(1)
    async with served(house, first):
        while not first.edits:
            await asyncio.sleep(0.01)
    assert len(first.sent) == 1
    async with served(house, later):
        assert "asks for a key" in (await later.heard(1))[0]


async def test_only_the_owner_can_answer(house: House) -> None:
    question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
    channel = Loopback()
    cards = Cards(bridge_of(house, channel), "hall")
    for message in (
        InboundMessage("hall", "guest", "", "1", choice=f"{question.id}:once"),
        InboundMessage("hall", "guest", f"/approve {question.id}", "2"),
    ):
        with pytest.raises(PermissionDenied, match="only the owner can"):
            await cards.answer(message, Principal("guest"))
    assert (await house.approvals.outcome(question.id)).status == "open"


async def test_a_press_counts_only_on_the_message_that_asks(house: House) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
        await channel.say("", choice=channel.sent[0].choices[0].id, reply_to="99")
        assert "asked in another message" in (await channel.heard(2))[1]
    assert (await house.approvals.outcome(question.id)).status == "open"


@pytest.mark.parametrize(
    "emoji, choice", [("✅", "once"), ("👍", "once"), ("❌", "no"), ("3\ufe0f\u20e3", "always"), ("🎉", "")]
)
async def test_an_emoji_on_the_question_answers_it(house: House, emoji: str, choice: str) -> None:
    question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
    channel = Loopback()
    async with served(house, channel):
        await channel.heard(1)
    taken = await Cards(bridge_of(house, channel), "hall").answer(
        InboundMessage("hall", "owner", emoji, "9", kind="reaction", reply_to="1"), OWNER
    )
    assert (taken, (await house.approvals.outcome(question.id)).choice) == (bool(choice), choice)


async def test_emojis_to_press_are_put_to_a_question_where_they_can_be(house: House) -> None:
    reactions: list[tuple[str, str]] = []

    class Wall(Loopback):
        async def react(self, conversation: str, id: str, emoji: str) -> None:
            reactions.append((id, emoji))

    channel = Wall()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        while len(reactions) < 2:
            await asyncio.sleep(0.01)
    assert reactions == [("1", "✅"), ("1", "❌")]
    assert f"`approve {question.id}`" in channel.sent[0].text


async def test_a_question_decided_while_nobody_looked_is_marked_later(house: House) -> None:
    channel = Loopback()
    async with served(house, channel):
        question = await house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await channel.heard(1)
    await house.approvals.answer(question.id, "always", OWNER)
    async with served(house, channel):
        while not channel.edits:
            await asyncio.sleep(0.01)
    assert channel.edits[0][1].text.endswith("Answered: Yes, always.")


def test_at_a_terminal_one_question_is_asked_after_the_other() -> None:
    questions = Questions()
    choices = (Choice("a:once", "Yes, once"), Choice("a:no", "No"))
    assert questions.answer("1") == ""
    assert questions.ask("m1", OutboundMessage("hall", "First?", choices=choices)).startswith(
        "First?\n1. Yes, once\n2. No"
    )
    later = (Choice("b:once", "Yes, once"), Choice("b:no", "No"))
    assert questions.ask("m2", OutboundMessage("hall", "Second?", choices=later)) == ""
    assert questions.answer("2") == "a:no"
    assert questions.answer("note that 2 is a number") == ""
    shown = questions.settle("m1", OutboundMessage("hall", "First?\n\nAnswered: No."))
    assert shown
    assert shown.startswith("Answered: No.\n\nSecond?")
    assert questions.answer("yes") == "b:once"
    assert questions.settle("unknown", OutboundMessage("hall", "x")) is None
