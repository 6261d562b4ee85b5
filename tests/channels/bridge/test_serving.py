"""Accounts are served side by side: trouble with one, or with one decision, leaves the others alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import orjson

from channels.accounts import Account, AccountLease, Accounts
from channels.bridge.inbox import decoded_message, encoded_message
from channels.bridge.reception import Reception
from channels.bridge.serving import Serving
from channels.contract import InboundMessage, Unusable
from channels.keys import channel_keys
from channels.loopback import Loopback
from channels.people.people import People
from channels.people.rooms import Room
from channels.people.strangers import Admitted
from core.atoms.atoms import Cause
from core.errors import LeaseLost
from core.secrets.secrets import Secrets
from core.spaces.spaces import Actor
from core.store.leases import keeping
from tests.channels.bridge.test_reception import ASSISTANT, Square, square

__all__ = ["square"]


@contextlib.asynccontextmanager
async def serving(square: Square, *channels: Loopback) -> AsyncIterator[None]:
    """The accounts of these channels are served in here."""
    for channel in channels:
        await Accounts(square.house.store).save(Account(id=channel.name, platform="loopback"))
    opens: Callable[[Account, Secrets], Loopback] = lambda account, _: {one.name: one for one in channels}[account.id]  # noqa: E731
    task = asyncio.create_task(Serving(square.parts, Secrets({}), lease=0.4, opens=opens).run())
    try:
        async with asyncio.timeout(20):
            yield
            assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_an_account_that_cannot_be_used_is_told_of_elsewhere_and_the_others_go_on(square: Square) -> None:
    class Broken(Loopback):
        async def __aenter__(self) -> "Broken":
            raise Unusable("its token was revoked; `stoa setup` takes a new one")

    async with serving(square, square.channel):
        await square.link_owner("dm")
        await square.channel.say("hello", sender="me", conversation="dm")
        await square.said("chat", 1)
    async with serving(square, square.channel, Broken("nowhere", "broken")):
        (told,) = await square.channel.heard(1, "dm")
        await square.channel.say("still there?", sender="me", conversation="dm")
        await square.said("chat", 2)
    assert told == "I cannot use the account broken: its token was revoked; `stoa setup` takes a new one"


async def test_what_keeps_messages_from_an_account_is_told_once_and_noted_for_doctor(square: Square) -> None:
    class Troubled(Loopback):
        trouble = ""

    channel = Troubled("dm", square.channel.name)
    square.channel = channel
    async with serving(square, channel):
        await square.link_owner("dm")
        await channel.say("hello", sender="me", conversation="dm")
        await square.said("chat", 1)
        channel.trouble = "Another program takes its messages."
        (told,) = await channel.heard(1, "dm")
        accounts = Accounts(square.house.store)
        assert await accounts.troubles([channel.name]) == ["Another program takes its messages."]
        channel.trouble = ""
        while await accounts.troubles([channel.name]) != [""]:
            await asyncio.sleep(0.01)
    assert told == f"I cannot use the account {channel.name}: Another program takes its messages."


async def test_a_decision_that_cannot_be_carried_out_leaves_the_accounts_alone_and_is_tried_again(
    square: Square,
) -> None:
    class Stumbling(People):
        tries = 0

        async def decisions(self) -> AsyncIterator[Admitted]:
            self.tries += 1
            if self.tries == 1:
                raise RuntimeError("something nobody thought of")
            async for admitted in super().decisions():
                yield admitted

    people = Stumbling(square.house.spaces, square.house.approvals)
    square.parts = replace(square.parts, people=people)
    async with serving(square, square.channel):
        await square.link_owner("dm")
        while people.tries < 2:
            await asyncio.sleep(0.01)
        await square.channel.say("hello", sender="me", conversation="dm")
        await square.said("chat", 1)


async def test_whoever_loses_the_lease_while_asked_to_end_ends(square: Square) -> None:
    async def hold() -> None:
        while True:
            with contextlib.suppress(LeaseLost):
                async with keeping(lose, 0, "lost"):
                    await asyncio.Event().wait()

    async def lose() -> bool:
        holding.cancel()
        return False

    holding = asyncio.create_task(hold())
    async with asyncio.timeout(5):
        await asyncio.wait([holding])
    assert holding.cancelled()


async def test_a_reminder_is_not_left_with_an_account_that_nobody_can_serve(square: Square) -> None:
    broken = Loopback("nowhere", "broken")
    async with serving(square, square.channel, broken):
        for channel, sender, place in ((square.channel, "me", "dm"), (broken, "mine", "dm2")):
            code = await square.people.link_code()
            await channel.say(code, sender=sender, conversation=place)
            await channel.heard(1, place)
            await channel.say("hello", sender=sender, conversation=place)
            square.house.clock.move(seconds=1)  # type: ignore[attr-defined]
        await square.said("chat", 2)
    while await square.house.store.run("EXISTS", channel_keys(square.house.store).holder("broken")):
        await asyncio.sleep(0.01)
    async with square.open():
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        assert (await square.channel.heard(2, "dm"))[-1] == "Reminder: stretch."


async def test_whoever_has_lost_the_lease_takes_and_shows_nothing_more(square: Square) -> None:
    async with square.open():
        await square.link_owner("dm")
    lease = AccountLease(square.house.store, "square", seconds=5)
    async with lease.held():
        taking = asyncio.create_task(Reception(square.parts, square.channel, lease).serve())
        await square.channel.say("hello", sender="me", conversation="dm")
        (asked,) = await square.said("chat", 1)
    await square.inbox.keep(InboundMessage("dm", "me", "another's by now", "90"))
    await square.answer("Hello.", to=asked)
    async with asyncio.timeout(20):
        await asyncio.wait([taking])
    assert taking.exception() is not None
    assert square.channel.sent == []
    async with square.open():
        assert await square.channel.heard(1, "dm") == ["Hello."]


async def test_what_only_happens_to_be_said_in_a_room_is_not_awaited_an_answer_of(square: Square) -> None:
    await square.people.rooms.save(Room(id="square/home", name="home", listen="all"))
    lease = AccountLease(square.house.store, "square", seconds=5)
    async with asyncio.timeout(20), lease.held():
        reception = Reception(square.parts, square.channel, lease)
        serving = asyncio.create_task(reception.serve())
        for text, addressed in (("between us", False), ("for you", True)):
            await square.channel.say(text, sender="bob", conversation="home", room="home", addressed=addressed)
        while not square.seated:
            await asyncio.sleep(0.01)
        _, meant = await square.said(square.seated[0][0], 2)
        (conversation,) = reception._conversations.values()
        assert list(conversation.open) == [meant.id]
        serving.cancel()
        await asyncio.wait([serving])


async def test_a_message_that_a_newer_process_wrote_down_can_be_read(square: Square) -> None:
    known = orjson.loads(encoded_message(InboundMessage("dm", "me", "hello", "90")))
    assert decoded_message(orjson.dumps({**known, "mood": "good"})) == InboundMessage("dm", "me", "hello", "90")
