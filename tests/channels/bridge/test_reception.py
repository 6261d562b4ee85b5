"""What people write on a platform is taken once, in order, from those who are let in, and each is answered there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from channels.accounts import AccountLease
from channels.bridge.attachments import FileTransfer
from channels.bridge.bindings import Binding, Bindings, bound
from channels.bridge.inbox import Inbox
from channels.bridge.reception import Parts, Reception
from channels.bridge.routing import Routing
from channels.contract import File, Home, InboundMessage, Later, OutboundMessage, Undeliverable
from channels.keys import channel_keys
from channels.loopback import Loopback
from channels.people.people import People
from channels.people.rooms import Room
from core.atoms.atoms import OWNER, Atom, Cause, Principal
from core.house import House
from core.spaces.spaces import Actor

ASSISTANT = Principal("assistant")


@dataclass
class Square:
    """A house with people, and a platform to reach them on."""

    house: House
    channel: Loopback = field(default_factory=lambda: Loopback("nowhere", "square"))
    seated: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.people = People(self.house.spaces, self.house.approvals)
        self.inbox = Inbox(self.house.store, "square")
        enclosures = FileTransfer(self.house.attachments, self.house.store)
        bindings = Bindings(self.house.store)
        self.parts = Parts(self.house.spaces, self.people, bindings, enclosures, self.seat, self.home)

    async def seat(self, binding: Binding, room: str, person: Principal | None) -> None:
        space = await self.house.spaces.create(binding.space)
        await space.share("assistant", "write")
        if (binding.space, room) not in self.seated:
            self.seated.append((binding.space, room))

    async def home(self) -> Home:
        return Home((("Reminders", ("call Ana",)),))

    @contextlib.asynccontextmanager
    async def open(
        self, channel: Loopback | None = None, reception: type[Reception] = Reception
    ) -> AsyncIterator[None]:
        """The reception is open in here."""
        channel = channel or self.channel

        async def serve() -> None:
            lease = AccountLease(self.house.store, channel.name, seconds=2)
            async with lease.held():
                await reception(self.parts, channel, lease, retry_seconds=(0, 0)).serve()

        serving = asyncio.create_task(serve())
        try:
            async with asyncio.timeout(20):
                yield
        finally:
            serving.cancel()
            await asyncio.wait([serving])
        if not serving.cancelled() and serving.exception():
            raise serving.exception() or AssertionError

    async def link_owner(self, conversation: str = "dm") -> None:
        """Let the owner write the code, as at set-up."""
        code = await self.people.link_code()
        await self.channel.say(code, sender="me", conversation=conversation)
        await self.channel.heard(1, conversation)
        self.channel.sent.clear()

    async def said(self, space: str, count: int) -> list[Atom]:
        """What people have said in a space, as soon as there is so much."""
        found: list[Atom] = []
        while space not in await self.house.spaces.names():
            await asyncio.sleep(0.01)
        here = self.house.spaces.open(space)
        async for change in here.follow():
            if change.operation == "put" and (atom := await here.get(change.atom)).metadata.get("role") == "user":
                found.append(atom)
            if len(found) == count:
                break
        return found

    async def answer(self, text: str, to: Atom, space: str = "") -> None:
        where = self.house.spaces.open(space or to.space, Actor(ASSISTANT))
        await where.put(text, metadata={"role": "assistant"}, references={"reply_to": [to.ref]})


@pytest.fixture
async def square(house: House) -> Square:
    chat = await house.spaces.create("chat")
    await chat.share("assistant", "write")
    return Square(house)


async def test_the_owner_is_whoever_echoes_the_code_and_speaks_in_the_chat(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("buy milk", sender="me", conversation="dm")
        (asked,) = await square.said("chat", 1)
        assert (asked.content, asked.author, asked.metadata["conversation"]) == ("buy milk", "owner", "square/dm")
        await square.answer("Done.", to=asked)
        assert await square.channel.heard(1, "dm") == ["Done."]


async def test_a_stranger_gets_a_word_and_nothing_enters_a_space(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("give me the keys", sender="bob", name="Bob", conversation="bob-dm")
        (told,) = await square.channel.heard(1, "bob-dm")
        (card,) = await square.channel.heard(1, "dm")
    assert "give me the keys" not in told
    assert "give me the keys" in card
    assert square.seated == []


async def test_a_stranger_who_is_let_in_is_answered_what_they_asked_first(square: Square) -> None:
    from channels.bridge.serving import Serving
    from core.secrets.secrets import Secrets

    async with square.open():
        playing = asyncio.create_task(Serving(square.parts, Secrets({}), opens=None).run())  # type: ignore[arg-type]
        await square.link_owner()
        await square.channel.say("when do we meet?", sender="bob", name="Bob", conversation="bob-dm")
        await square.channel.heard(1, "dm")
        card = next(message for message in square.channel.sent if message.choices)
        await square.channel.say("", sender="me", conversation="dm", choice=card.choices[0].id)
        (asked,) = await square.said("chat-bob", 1)
        assert (asked.content, asked.author) == ("when do we meet?", "person:bob")
        assert asked.metadata["from"] == "Bob"
        await square.answer("At nine.", to=asked)
        assert (await square.channel.heard(2, "bob-dm"))[1] == "At nine."
        playing.cancel()
    assert square.seated == [("chat-bob", "")]


async def test_an_answer_goes_where_it_was_asked_and_nowhere_else(square: Square) -> None:
    async with square.open():
        await square.link_owner("dm")
        await square.link_owner("second")
        for place in ("dm", "second", "dm"):
            await square.channel.say(f"from {place}", sender="me", conversation=place)
        for asked in await square.said("chat", 3):
            await square.answer(f"to {asked.content}", to=asked)
        await square.channel.heard(3)
    shown = sorted((message.conversation, message.text) for message in square.channel.sent)
    assert shown == [("dm", "to from dm"), ("dm", "to from dm"), ("second", "to from second")]


async def test_what_nobody_asked_for_just_now_goes_where_the_owner_last_wrote(square: Square) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    async with square.open():
        await square.link_owner("dm")
        await square.link_owner("second")
        for place in ("dm", "second"):
            await square.channel.say("hello", sender="me", conversation=place)
            square.house.clock.move(seconds=1)  # type: ignore[attr-defined]
        (_, asked) = await square.said("chat", 2)
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        references = {"reply_to": [asked.ref]}
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"}, references=references)
        assert await square.channel.heard(1) == ["Reminder: stretch."]
        await square.answer("Hello.", to=asked)
        await square.channel.heard(2)
    assert [message.conversation for message in square.channel.sent] == ["second", "second"]


async def test_a_reminder_goes_to_the_account_that_is_preferred_though_only_the_code_was_written_there(
    square: Square,
) -> None:
    work = Loopback("nowhere", "work")
    for account in ("square", "work"):
        await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), account)
    async with square.open(), square.open(work):
        await work.say(await square.people.link_code(), sender="me", conversation="work-dm")
        await work.heard(1, "work-dm")
        await square.link_owner()
        await square.people.prefer("owner", "work")
        await square.channel.say("hello", sender="me", conversation="dm")
        await square.said("chat", 1)
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        assert (await work.heard(2, "work-dm"))[1:] == ["Reminder: stretch."]
    assert square.channel.sent == []


async def test_a_direct_message_is_opened_where_the_owner_never_wrote_one_and_prefers_to_be_reminded(
    square: Square,
) -> None:
    work = Loopback("work-dm", "work")
    for account in ("square", "work"):
        await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), account)
    await square.people.persons.link("owner", "work/me", "Olga")  # as when let in from a room
    await square.people.prefer("owner", "work")
    async with square.open(), square.open(work):
        await square.link_owner()
        await square.channel.say("hello", sender="me", conversation="dm")
        await square.said("chat", 1)
        routing = Routing(square.house.spaces, "chat")
        while (await routing.reachable())[0] != "work/work-dm":
            await asyncio.sleep(0.01)
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        assert await work.heard(1, "work-dm") == ["Reminder: stretch."]
    assert square.channel.sent == []


async def test_where_only_a_code_was_written_to_an_older_stoa_or_one_that_died_the_owner_is_reached(
    square: Square,
) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    square.channel.conversation = "dm"
    await square.people.persons.link("owner", "square/me", "Olga")
    await square.parts.bindings.save(bound("square", "dm", sender="me"))
    async with square.open():
        while await Routing(square.house.spaces, "chat").reachable() != ["square/dm"]:
            await asyncio.sleep(0.01)


async def test_an_account_of_the_owner_that_can_open_no_direct_message_is_tried_once(square: Square) -> None:
    tried = asyncio.Event()

    class Shut(Loopback):
        async def direct(self, person: str) -> str:
            assert not tried.is_set()
            tried.set()
            raise Undeliverable("that account is closed")

    await square.people.persons.link("owner", "square/me", "Olga")
    square.channel = Shut("nowhere", "square")
    async with square.open():
        await tried.wait()
        await square.channel.say("hello", sender="me", conversation="dm")
        assert [atom.content for atom in await square.said("chat", 1)] == ["hello"]


async def test_whoever_writes_in_threads_only_is_asked_and_reminded_in_the_direct_message(square: Square) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    square.channel.conversations.add("dm")
    async with square.open():
        code = await square.people.link_code()
        for text in (code, "hello"):
            await square.channel.say(text, sender="me", conversation="dm:1", parent="dm")
        await square.said("chat", 1)
        await square.house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        assert "agent-1 asks for a key." in (await square.channel.heard(1, "dm"))[0]
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        assert (await square.channel.heard(2, "dm"))[1] == "Reminder: stretch."


async def test_what_is_written_under_an_earlier_message_refers_to_it(square: Square) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    async with square.open():
        await square.link_owner()
        await square.channel.say("hello", sender="me", id="dm:1", conversation="dm")
        (asked,) = await square.said("chat", 1)
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        reminder = await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        await square.channel.heard(1)
        shown = str(len(square.channel.sent))
        for under, text in ((shown, "in an hour again"), ("dm:1", "I mean it"), ("dm:9", "whatever that was")):
            await square.channel.say(text, sender="me", conversation=f"dm:{under}", parent="dm", reply_to=under)
        *_, snoozed, meant, other = await square.said("chat", 4)
    assert snoozed.references == {"reply_to": [reminder.ref]}
    assert meant.references == {"reply_to": [asked.ref]}
    assert other.references == {}


async def test_a_reminder_that_cannot_be_shown_in_one_place_is_shown_in_the_next(square: Square) -> None:
    class Halved(Loopback):
        async def send(self, message: OutboundMessage) -> str:
            if message.conversation == "second" and "Reminder" in message.text:
                raise Undeliverable("nobody has an account there any more")
            return await super().send(message)

    square.channel = Halved("nowhere", "square")
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    async with square.open():
        await square.link_owner("dm")
        await square.link_owner("second")
        for place in ("dm", "second"):
            await square.channel.say("hello", sender="me", conversation=place)
            square.house.clock.move(seconds=1)  # type: ignore[attr-defined]
        await square.said("chat", 2)
        chat = square.house.spaces.open("chat", Actor(ASSISTANT, Cause("timers/1", 2)))
        await chat.put("Reminder: stretch.", metadata={"role": "assistant"})
        (shown,) = await square.channel.heard(1, "dm")
    assert shown.endswith("Reminder: stretch.")
    assert "nobody has an account there any more" in shown


async def test_what_of_a_message_could_not_be_taken_is_said_although_the_platform_is_busy(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        square.channel.refusals.append(Later(0))
        photo = File("cat.png", "image/png", 10, "somewhere")
        await square.channel.say("look", sender="me", conversation="dm", files=(photo,))
        (told,) = await square.channel.heard(1, "dm")
        assert [atom.content for atom in await square.said("chat", 1)] == ["look"]
    assert told == "I could not take cat.png: square has no files."


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(104, "reset"), Later(30)])
async def test_a_file_that_cannot_be_had_just_now_is_told_of_in_plain_words(square: Square, error: Exception) -> None:
    class Away(Loopback):
        async def read(self, file: File) -> bytes:
            raise error

    square.channel = Away("nowhere", "square")
    async with square.open():
        await square.link_owner()
        photo = File("cat.png", "image/png", 10, "somewhere")
        await square.channel.say("look", sender="me", conversation="dm", files=(photo,))
        (told,) = await square.channel.heard(1, "dm")
        assert [atom.content for atom in await square.said("chat", 1)] == ["look"]
    away = "it could not be fetched. Please send it again"
    assert told == f"I could not take cat.png: {error if isinstance(error, Later) else away}."


async def test_a_message_told_twice_is_taken_once_even_by_the_next_who_serves(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("one", sender="me", conversation="dm", id="77")
        await square.channel.say("one", sender="me", conversation="dm", id="77")
        await square.said("chat", 1)
    again = Loopback("nowhere", "square")
    async with square.open(again):
        await again.say("one", sender="me", conversation="dm", id="77")
        await again.say("two", sender="me", conversation="dm", id="78")
        assert [atom.content for atom in await square.said("chat", 2)] == ["one", "two"]


async def test_what_was_written_down_and_not_taken_is_taken_by_the_next_who_serves(square: Square) -> None:
    async with square.open():
        await square.link_owner()
    await square.inbox.keep(InboundMessage("dm", "me", "left behind", "90"))
    async with square.open():
        assert [atom.content for atom in await square.said("chat", 1)] == ["left behind"]
        while await square.inbox.waiting():
            await asyncio.sleep(0.01)


async def test_a_room_is_asked_about_and_a_thread_in_it_is_a_conversation_of_its_own(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/home", name="home"))
        for thread in ("home:1", "home:2"):
            await square.channel.say(
                f"in {thread}", sender="bob", name="Bob", conversation=thread, parent="home", room="home"
            )
        while len(square.seated) < 3:
            await asyncio.sleep(0.01)
        (room, _), (first, first_room), (second, second_room) = square.seated
        assert first_room == second_room == room
        (asked,) = await square.said(first, 1)
        (other,) = await square.said(second, 1)
        assert (asked.author, asked.metadata["from"], asked.content) == ("square/bob", "Bob", "in home:1")
        await square.answer("one", to=asked)
        await square.answer("two", to=other)
        assert await square.channel.heard(1, "home:1") == ["one"]
        assert await square.channel.heard(1, "home:2") == ["two"]


async def test_in_a_room_only_what_is_meant_for_us_is_taken_unless_all_may_be_heard(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/quiet", name="quiet"))
        await square.people.rooms.save(Room(id="square/open", name="open", listen="all"))
        for room in ("quiet", "open"):
            for text, addressed in (("between us", False), ("for you", True)):
                await square.channel.say(text, sender="bob", conversation=room, room=room, addressed=addressed)
        spaces: dict[str, str] = {}
        while len(spaces) < 2:
            spaces = {space.split("-")[1]: space for space, _ in square.seated}
            await asyncio.sleep(0.01)
        assert [atom.content for atom in await square.said(spaces["quiet"], 1)] == ["for you"]
        heard = await square.said(spaces["open"], 2)
    assert [(atom.content, atom.metadata["addressed"]) for atom in heard] == [("between us", False), ("for you", True)]


async def test_other_programs_are_never_answered(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/open", name="open", listen="all"))
        await square.channel.say("beep", sender="bot", conversation="open", room="open", bot=True)
        await square.channel.say("hello", sender="bob", conversation="open", room="open")
        while not square.seated:
            await asyncio.sleep(0.01)
        assert [atom.content for atom in await square.said(square.seated[0][0], 1)] == ["hello"]


async def test_an_edit_changes_the_atom_and_a_deletion_takes_it_out_of_search(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.channel.say("buy mlik", sender="me", conversation="dm", id="5")
        await square.channel.say("forget me", sender="me", conversation="dm", id="6")
        first, second = await square.said("chat", 2)
        await square.channel.say("buy milk", sender="me", conversation="dm", id="5", kind="edit", version="1")
        await square.channel.say("", sender="me", conversation="dm", id="6", kind="deletion")
        chat = square.house.spaces.open("chat")
        while not (await chat.get(second.id)).deprecated:
            await asyncio.sleep(0.01)
        assert (await chat.get(first.id)).content == "buy milk"


async def test_nobody_can_edit_what_somebody_else_wrote(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/home", name="home"))
        said = {"conversation": "home", "room": "home"}
        await square.channel.say("hello", sender="bob", id="5", **said)  # type: ignore[arg-type]
        await square.channel.say("I owe Eve money", sender="eve", id="5", kind="edit", version="1", **said)  # type: ignore[arg-type]
        await square.channel.say("goodbye", sender="bob", id="6", **said)  # type: ignore[arg-type]
        while not square.seated:
            await asyncio.sleep(0.01)
        first, _ = await square.said(square.seated[0][0], 2)
        assert (await square.house.spaces.open(first.space).get(first.id)).content == "hello"


async def test_an_owners_page_is_for_the_owner_only(square: Square) -> None:
    pages: list[tuple[str, Home]] = []

    class Paged(Loopback):
        async def home(self, person: str, home: Home) -> None:
            pages.append((person, home))

    square.channel = Paged("nowhere", "square")
    async with square.open():
        await square.link_owner()
        await square.people.persons.add("Bob", ["square/bob"])
        await square.channel.say("", sender="bob", conversation="bob-dm", kind="home")
        await square.channel.say("", sender="me", conversation="dm", kind="home")
        while len(pages) < 2:
            await asyncio.sleep(0.01)
    assert dict(pages) == {"bob": Home(), "me": Home((("Reminders", ("call Ana",)),))}


async def test_a_question_is_answered_once_whichever_conversation_it_is_answered_in(square: Square) -> None:
    async with square.open():
        await square.link_owner("dm")
        await square.link_owner("second")
        question = await square.house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        await square.channel.heard(1, "dm")
        await square.channel.heard(1, "second")
        for card, choice in zip(square.channel.sent, (1, 3), strict=True):
            pressed = card.choices[choice].id
            await square.channel.say("", sender="me", conversation=card.conversation, choice=pressed)
        while len(square.channel.edits) < 2:
            await asyncio.sleep(0.01)
    assert {message.conversation for _, message in square.channel.edits} == {"dm", "second"}
    assert len({message.text for _, message in square.channel.edits}) == 1
    assert (await square.house.approvals.outcome(question.id)).granted
    assert OWNER.id == "owner"


async def test_a_guest_who_presses_the_owners_button_changes_nothing(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.persons.add("Bob", ["square/bob"])
        question = await square.house.approvals.ask("agent-1 asks for a key.", asker="agent-1")
        (_,) = await square.channel.heard(1, "dm")
        pressed = square.channel.sent[0].choices[0].id
        await square.channel.say("", sender="bob", conversation="dm", choice=pressed)
        await square.channel.say(f"/approve {question.id}", sender="bob", conversation="bob-dm")
        await square.said("chat-bob", 1)
    assert (await square.house.approvals.outcome(question.id)).status == "open"


async def test_a_room_that_is_lost_is_told_to_the_owner_and_the_others_go_on(square: Square) -> None:
    await square.house.store.run("SADD", channel_keys(square.house.store).channel_accounts(), "square")
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/home", name="home"))
        await square.channel.say("hello", sender="me", conversation="home", room="home")
        while not square.seated:
            await asyncio.sleep(0.01)
        await square.channel.say("hi", sender="me", conversation="dm")
        await square.said("chat", 1)
        await square.channel.say("they removed me", conversation="home", room="home", kind="lost")
        (told,) = await square.channel.heard(1, "dm")
    assert "#home" in told
    assert "they removed me" in told


async def test_with_a_room_its_threads_are_lost(square: Square) -> None:
    async with square.open():
        await square.link_owner()
        await square.people.rooms.save(Room(id="square/home", name="home"))
        await square.channel.say("hello", sender="me", conversation="home:1", parent="home", room="home")
        while len(square.seated) < 2:
            await asyncio.sleep(0.01)
        await square.said(square.seated[1][0], 1)
        await square.channel.say("they removed me", conversation="home", room="home", kind="lost")
        while [one.conversation for one in await square.parts.bindings.of("square")] != ["dm"]:
            await asyncio.sleep(0.01)


async def test_when_asked_to_end_what_is_taken_is_finished_and_nothing_more_is_taken(square: Square) -> None:
    lease = AccountLease(square.house.store, "square", seconds=2)
    async with square.open():
        await square.link_owner()
    async with asyncio.timeout(20), lease.held():
        reception = Reception(square.parts, square.channel, lease)
        serving = asyncio.create_task(reception.serve())
        await square.channel.say("before", sender="me", conversation="dm")
        (asked,) = await square.said("chat", 1)
        await square.answer("Answered.", to=asked)
        await reception.drain(10)
        assert [message.text for message in square.channel.sent] == ["Answered."]
        await square.channel.say("after", sender="me", conversation="dm")
        await asyncio.sleep(0)
        serving.cancel()
        await asyncio.wait([serving])
    assert [atom.content for atom in await square.said("chat", 1)] == ["before"]
    async with square.open():  # the platform tells it to the next who listens
        assert [atom.content for atom in await square.said("chat", 2)] == ["before", "after"]
