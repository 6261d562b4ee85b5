"""A program outside tells of something, and the owner hears it: the built-in model at work on every part."""

from core.house import House
from tests.channels.webhook.test_receiver import Sender, sender
from tests.conventions.conftest import Person, embedder, person

__all__ = ["embedder", "person", "sender"]


async def test_a_webhook_wakes_an_agent_and_the_owner_is_told(house: House, person: Person, sender: Sender) -> None:
    await person.says("hello")
    await sender.sends("door", {"text": "The bell rings"}, sender.token("door"))
    assert await person.hears() == "News from door: The bell rings"
    (news,) = await person.finds("bus", kind="news")
    (event,) = await sender.events("door")
    assert (news.author, news.references["about"], news.outside) == ("webhook", [event.ref], True)
