"""An answer is shown once and in order, whatever breaks off while it is sent."""

from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import pytest

from channels.bridge.delivery import Delivery
from channels.bridge.outbox import NO_RECEIPT, Outbox
from channels.contract import ChannelClosed, Later, OutboundMessage, Undeliverable
from channels.loopback import Loopback
from channels.markdown import Dialect
from core.store.keys import Keys
from core.store.store import Store, client
from core.times.clock import Clock


class Short(Dialect):
    limit = 20


class Narrow(Loopback):
    dialect: Dialect = Short()


class Mute(Loopback):
    """A platform that cannot be asked what it has taken."""

    find = None  # type: ignore[assignment]


@pytest.fixture
async def outbox(redis_url: str, namespace: str) -> AsyncIterator[Outbox]:
    link = client(redis_url)
    yield Outbox(Store(link, Keys(namespace), Clock(ZoneInfo("UTC"))), "channel:loopback:hall")
    await link.aclose()


def delivery(channel: Loopback, outbox: Outbox) -> Delivery:
    return Delivery(channel, "hall", outbox, retry_seconds=(0, 0))


def shown(channel: Loopback) -> list[str]:
    return [message.text for message in channel.sent]


async def test_a_long_answer_is_shown_in_parts_that_fit(outbox: Outbox) -> None:
    channel = Narrow()
    await delivery(channel, outbox).show("chat/a", "one one one one\n\ntwo two two two")
    assert shown(channel) == ["one one one one", "two two two two"]


async def test_an_answer_shown_already_is_not_shown_again(outbox: Outbox) -> None:
    channel = Loopback()
    for _ in range(2):
        await delivery(channel, outbox).show("chat/a", "hello")
    assert shown(channel) == ["hello"]


async def test_after_a_crash_the_parts_not_yet_shown_follow(outbox: Outbox) -> None:
    channel = Narrow()
    channel.refusals.extend([ChannelClosed()])
    text = "one one one one\n\ntwo two two two\n\nfor for for for for"
    with pytest.raises(ChannelClosed):
        await delivery(channel, outbox).show("chat/a", text)
    await delivery(channel, outbox).show("chat/a", text)
    assert shown(channel) == ["one one one one", "two two two two", "for for for for for"]


@pytest.mark.parametrize("after", [1, 2])
async def test_each_part_has_a_receipt_of_its_own_so_that_none_is_sent_twice_after_a_crash(
    outbox: Outbox, after: int
) -> None:
    class Killed(Narrow):
        find = None  # type: ignore[assignment]

        async def send(self, message: OutboundMessage) -> str:
            if len(self.sent) == after:
                raise ChannelClosed
            return await super().send(message)

    text = "one one one one\n\ntwo two two two\n\nfor for for for for"
    killed, channel = Killed(), Mute()
    channel.dialect = Short()
    with pytest.raises(ChannelClosed):
        await delivery(killed, outbox).show("chat/a", text)
    assert len([receipt for receipt in await outbox.receipts("chat/a") if receipt]) == after
    await delivery(channel, outbox).show("chat/a", text)
    assert shown(killed) + shown(channel) == ["one one one one", "two two two two", "for for for for for"]


async def test_what_cannot_be_shown_is_told_in_plain_words(outbox: Outbox) -> None:
    channel = Loopback()
    channel.refusals.extend([KeyError("ts")] * 6)
    with pytest.raises(Undeliverable, match=r"^something went wrong on the way; it is in the log$"):
        await delivery(channel, outbox).show("chat/a", "hello")


async def test_a_send_whose_end_is_not_known_is_looked_up_before_it_is_tried_again(outbox: Outbox) -> None:
    channel = Loopback()
    channel.losses.append(TimeoutError())
    await delivery(channel, outbox).show("chat/a", "hello")
    assert shown(channel) == ["hello"]
    assert await outbox.receipts("chat/a") == ["1"]


async def test_between_the_send_and_its_receipt_the_outbox_says_unknown(outbox: Outbox) -> None:
    channel = Loopback()
    seen: list[list[str]] = []

    async def send(message: OutboundMessage) -> str:
        seen.append(await outbox.receipts("chat/a"))
        return "7"

    channel.send = send  # type: ignore[method-assign]
    await delivery(channel, outbox).show("chat/a", "hello")
    assert seen == [[NO_RECEIPT]]
    assert await outbox.receipts("chat/a") == ["7"]


async def test_where_the_platform_cannot_be_asked_a_doubtful_message_is_shown_again(outbox: Outbox) -> None:
    channel = Mute()
    channel.losses.append(TimeoutError())
    await delivery(channel, outbox).show("chat/a", "hello")
    assert shown(channel) == ["hello", "hello"]


async def test_a_platform_that_asks_to_wait_is_waited_for_without_using_up_the_attempts(outbox: Outbox) -> None:
    channel = Loopback()
    channel.refusals.extend([Later(0)] * 10)
    await delivery(channel, outbox).show("chat/a", "hello")
    assert shown(channel) == ["hello"]


async def test_a_platform_that_asks_to_wait_for_an_hour_is_not_waited_for(outbox: Outbox) -> None:
    channel = Loopback()
    channel.refusals.append(Later(3600))
    with pytest.raises(Undeliverable, match="wait 3600 seconds"):
        await delivery(channel, outbox).show("chat/a", "hello")


async def test_what_cannot_be_delivered_is_not_tried_again(outbox: Outbox) -> None:
    channel = Loopback()
    channel.refusals.append(Undeliverable("nobody is there any more"))
    with pytest.raises(Undeliverable, match="nobody is there"):
        await delivery(channel, outbox).show("chat/a", "hello")
    assert shown(channel) == []


async def test_the_platforms_name_of_a_message_leads_to_its_atom(outbox: Outbox) -> None:
    await delivery(Loopback(), outbox).show("chat/a", "hello")
    assert await outbox.atom("1") == "chat/a"
    assert await outbox.atom("2") == ""
