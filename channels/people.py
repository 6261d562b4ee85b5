"""People: who may talk to Stoa and where, who knocks, and what the owner decides about them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from channels.contract import InboundMessage
from channels.groups import Groups
from channels.knocks import Kind, Knock, Knocks, knock_id
from channels.pairing import LIFE, Pairing, new_code, same, spelled
from channels.persons import Person as Person
from channels.persons import Persons, check_name, key_of
from channels.rooms import Room as Room
from channels.rooms import Rooms
from channels.wording import ALLOW, BLOCK, CHOICES, LINKED, LOCKED, WRONG, question, told
from core.approvals import NO, Approvals
from core.approvals import SPACE as APPROVALS
from core.atoms import OWNER, Atom, Value, id_from
from core.errors import Conflict, InvalidInput, NotFound
from core.requests import plain
from core.spaces import Actor, Spaces

PATIENCE = timedelta(days=1)
"""How long the owner has to decide about somebody."""
CURSOR = "house:people"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody, or a room, that the owner has let in, and what was kept meanwhile, to be played now."""

    knock: str
    account: str
    messages: tuple[InboundMessage, ...]
    person: Person | None = None
    """Who wrote, if it was about them; of a room nobody."""
    room: Room | None = None


class People:
    """Who is let in: people by their accounts, and rooms. Whoever is not here is a stranger and gets nothing."""

    def __init__(self, spaces: Spaces, approvals: Approvals) -> None:
        self._spaces = spaces
        self._approvals = approvals
        self._pairing = Pairing(spaces.store)
        self.persons = Persons(spaces.store)
        self.rooms = Rooms(spaces.store)
        self.knocks = Knocks(spaces.store)
        self.groups = Groups(spaces, self.persons)

    async def find(self, account: str, sender: str) -> Person | None:
        """Who writes from there, blocked or not; None for a stranger. One round trip."""
        return await self.persons.find(key_of(account, sender))

    async def room(self, account: str, conversation: str) -> Room | None:
        """What was decided about a room (of a thread: about its parent); None where nothing was. One round trip."""
        return await self.rooms.find(account, conversation)

    async def get(self, id: str) -> Person:
        """The person called `id`; raises `NotFound`."""
        return await self.persons.get(id)

    async def all(self) -> list[Person]:
        """Everybody, the owner first."""
        return await self.persons.all()

    async def save(self, person: Person) -> None:
        """Keep a record; raises `Conflict` where an account is another person's."""
        await self.persons.save(person)

    # Strangers --------------------------------------------------------------------------------------------------------

    async def knock(self, account: str, message: InboundMessage) -> str:
        """Somebody unknown writes, or somebody in an unknown room: keep the message and ask the owner.

        Answers what is to be said there, or nothing. In a room that is known it is about the sender. The same message
        again changes nothing and has the same answer. A room that the owner himself mentions us in is let in at once;
        what he wrote comes back through `decisions`, as everything that was kept does.
        """
        if message.bot or message.kind != "message":
            return ""
        conversation = message.parent or message.conversation
        room = await self.rooms.find(account, conversation) if message.room else None
        person = await self.find(account, message.sender)
        if (room and room.status == "blocked") or (person and person.status == "blocked"):
            return ""
        kind: Kind = "room" if message.room and room is None else "person"
        if kind == "room" and not message.addressed:
            return ""
        knock = await self._begun(kind, account, conversation, message)
        if knock is None or not await self.knocks.keep(knock, message):
            return ""
        if person and (kind == "person" or person.id == OWNER.id):  # let in meanwhile, or by the owner's own word
            await self._note(await self._admit(knock))
            return ""
        if knock.status == "admitted":
            return ""
        await self._approvals.ask(
            question(knock),
            asker=f"{kind} {key_of(account, message.sender if kind == 'person' else conversation)}"[:200],
            choices=CHOICES[kind],
            details={"knock": knock.id, "code": knock.code},
            patience=PATIENCE,
            operation=_operation(knock),
        )
        return told(knock) if message.id == knock.first else ""

    async def waiting(self) -> list[Knock]:
        """Who waits for the owner's word, the oldest first."""
        now = self._spaces.clock.now()
        return [knock for knock in await self.knocks.all() if knock.status == "waiting" and knock.until > now]

    async def decisions(self) -> AsyncIterator[Admitted]:
        """What the owner lets in, each with what was kept: first what was not played yet, then as it is decided.

        It comes again after a restart until `played` is called, so playing must be harmless to do twice. One reader at
        a time; whoever is refused, and whoever waited in vain, is forgotten on the way.
        """
        await self._approvals.prepare()
        await self.groups.settle_all()
        await self.knocks.drop_late()
        space, notifications = self._spaces.open(APPROVALS, OWNER), self._spaces.notifications
        after = await notifications.cursor(CURSOR, APPROVALS) or 0
        given = set[str]()
        for knock in await self.knocks.all():
            if knock.status == "admitted":
                given.add(knock.code)
                yield await self._admitted(knock)
        async for change in space.follow(after):
            if change.operation in ("put", "update"):
                knock_made = await self._settled(await space.get(change.atom))
                if knock_made and knock_made.code not in given:
                    given.add(knock_made.code)
                    yield await self._admitted(knock_made)
            await notifications.advance(CURSOR, APPROVALS, change.seq)

    async def played(self, admitted: Admitted) -> None:
        """What was kept has been taken: it may go now."""
        await self.knocks.drop(admitted.knock)

    # Codes ------------------------------------------------------------------------------------------------------------

    async def link_code(self, person: str = OWNER.id) -> str:
        """A code that this person writes to us from a further account, within an hour; raises `NotFound`.

        The owner's first account is linked by one, too.
        """
        if person != OWNER.id and (await self.get(person)).status == "blocked":
            raise InvalidInput(f"{person} is blocked; `stoa people allow {person}` lets them in again first.")
        return await self._pairing.issue(person)

    async def redeem(self, account: str, message: InboundMessage) -> str | None:
        """Take a message as a code: link the account it came from, and answer what is to be said.

        None where it is no code, so that it is a message as any other. Codes count in direct messages only. After too
        many wrong ones none is looked at for a while.
        """
        code = spelled(message.text)
        if code is None or message.room or message.bot or message.kind != "message":
            return None
        key = key_of(account, message.sender)
        person = await self.persons.find(key)
        if person and person.status == "blocked":
            return None
        if not await self._pairing.may_try(key, account, message.id):
            return None if person else LOCKED
        if person and person.id == OWNER.id and (knock := await self._waiting_by(code)):
            await self._pairing.forgive(key, account, message.id)
            return f"{(await self._let_in(knock)).name} is let in."
        ticket = await self._pairing.look(code)
        if ticket is None:
            return None if person else WRONG
        if person is None or person.id == ticket.person:
            try:
                if not await self._pairing.claim(ticket, key):
                    return None if person else WRONG
                linked = await self.persons.link(ticket.person, key, message.name)
            except NotFound:  # forgotten since the code was made
                return WRONG
        else:
            return (
                f"This account is {person.name}'s already, so it stays theirs. `stoa people forget {key}` unlinks it; "
                "then ask for a new code."
            )
        await self._pairing.forgive(key, account, message.id)
        await self._welcome(key)
        return LINKED.format(name="my owner" if linked.id == OWNER.id else linked.name)

    # What the owner says ----------------------------------------------------------------------------------------------

    async def allow(self, who: str, *, person: str = "", name: str = "") -> Person | Room:
        """Let in whoever waits, by code or id, or who was blocked, by id.

        `person` says that it is a further account of somebody known, `name` how to call somebody new. Raises
        `NotFound` for nobody, `InvalidInput` for what does not fit, `Conflict` for an account of another's.
        """
        knock = await self._waiting_by(who)
        if knock:
            return await self._let_in(knock, person, name)
        found = await self.get(who)
        if found.status != "blocked":
            raise InvalidInput(f"{found.id} is let in already.")
        return await self.persons.change(found.id, lambda one: one.model_copy(update={"status": "allowed"}))

    async def block(self, who: str) -> Person | Room:
        """Never hear of somebody again: of one who waits, by code or id, of a person, or of an account.

        They keep their record, hold nothing any more, and what they write is dropped. Raises `NotFound`, and
        `InvalidInput` for the owner.
        """
        if knock := await self._waiting_by(who):
            blocked = await self._shut_out(knock)
            await self.knocks.drop(knock.id)
            await self._answer(knock, BLOCK.id)
            return blocked
        person = await self._person_or_account(who)
        if person.id == OWNER.id:
            raise InvalidInput(
                "The owner cannot be blocked. If an account is not yours any more, unlink it with "
                "`stoa people forget ACCOUNT`, as in `stoa people list`."
            )
        blocked_person = await self.persons.change(
            person.id, lambda one: one.model_copy(update={"status": "blocked", "groups": ()})
        )
        await self._take_back(person)
        return blocked_person

    async def forget(self, who: str) -> Person:
        """Forget a person, with all they hold and all their accounts; or unlink one account. Raises `NotFound`, and
        `InvalidInput` for the owner."""
        if "/" in who:
            return await self.persons.unlink(who)
        person = await self.get(who)
        if person.id == OWNER.id:
            raise InvalidInput(
                "The owner cannot be forgotten. Unlink a single account with `stoa people forget ACCOUNT`, as in "
                "`stoa people list`."
            )
        await self._take_back(person)
        await self.persons.remove(person.id)
        return person

    async def prefer(self, who: str, account: str) -> Person:
        """Say on which account somebody is reached for reminders; "" is the one used last. Raises `InvalidInput` where
        they have none there."""
        person = await self.get(who)
        known = sorted({one.partition("/")[0] for one in person.accounts})
        if account and account not in known:
            there = f"they are on {', '.join(known)}" if known else "they have linked none"
            raise InvalidInput(
                f"{person.id} is not on {account!r}; {there}. `stoa people link {person.id}` links a further account."
            )
        return await self.persons.change(person.id, lambda one: one.model_copy(update={"preferred": account}))

    # What happens then ------------------------------------------------------------------------------------------------

    async def _begun(self, kind: Kind, account: str, conversation: str, message: InboundMessage) -> Knock | None:
        now = self._now()
        files = "".join(f"\n[file: {file.name}]" for file in message.files[:10])
        return await self.knocks.begin(
            Knock(
                id=knock_id(kind, key_of(account, message.sender if kind == "person" else conversation)),
                kind=kind,
                account=account,
                sender=message.sender,
                name=message.name,
                conversation=conversation,
                room=message.room,
                text=f"{message.text[:2_000]}{files}",
                first=message.id,
                code=new_code(),
                code_until=now + LIFE,
                asked=now,
                until=now + PATIENCE,
            )
        )

    async def _settled(self, atom: Atom) -> Knock | None:
        """Carry out what was decided; the knock if it is let in. Doing it again changes nothing."""
        status, id = atom.metadata.get("status"), atom.metadata.get("knock")
        knock = await self.knocks.find(str(id)) if id and status != "open" else None
        if knock is None or not same(knock.code, str(atom.metadata.get("code"))):
            return None
        choice = atom.metadata.get("choice") if status == "yes" else NO.id
        if knock.status == "admitted":
            return knock
        if choice == ALLOW.id:
            return await self._admit(knock)
        if choice == BLOCK.id:
            await self._shut_out(knock)
        await self.knocks.drop(knock.id)
        return None

    async def _admit(self, knock: Knock) -> Knock:
        """Let a knock in: its room, or its sender as a person of their own unless they are somebody already."""
        if knock.kind == "room":
            await self._decide_room(knock, "allowed")
        elif await self.find(knock.account, knock.sender) is None:
            await self.persons.add(knock.name or knock.sender, [key_of(knock.account, knock.sender)])
        return await self.knocks.admit(knock)

    async def _shut_out(self, knock: Knock) -> Person | Room:
        if knock.kind == "room":
            return await self._decide_room(knock, "blocked")
        known = await self.find(knock.account, knock.sender)
        if known:
            return known
        return await self.persons.add(
            knock.name or knock.sender, [key_of(knock.account, knock.sender)], status="blocked"
        )

    async def _decide_room(self, knock: Knock, status: Literal["allowed", "blocked"]) -> Room:
        known = await self.rooms.find(knock.account, knock.conversation)
        room = known or Room(id=key_of(knock.account, knock.conversation), name=knock.room, created=self._now())
        room = room.model_copy(update={"status": status})
        await self.rooms.save(room)
        return room

    async def _let_in(self, knock: Knock, person: str = "", name: str = "") -> Person | Room:
        """The owner says yes in words of their own: it holds at once, and the card is answered."""
        key = key_of(knock.account, knock.sender)
        if knock.kind == "room" and (person or name):
            raise InvalidInput(f"{knock.room} is a room; it is let in as it is, without a name or a person.")
        if person:
            await self.persons.link(person, key, knock.name)
        elif name:
            await self.persons.add(check_name(name, "The person"), [key])
        await self._admit(knock)
        await self._answer(knock, ALLOW.id)
        if knock.kind == "room":
            return await self.rooms.get(key_of(knock.account, knock.conversation))
        found = await self.persons.find(key)
        assert found
        return found

    async def _welcome(self, key: str) -> None:
        """Whoever has linked an account does not wait any more for what they wrote from there before."""
        knock = await self.knocks.find(knock_id("person", key))
        if knock and knock.status == "waiting":
            await self._admit(knock)
            await self._answer(knock, ALLOW.id)

    async def _answer(self, knock: Knock, choice: str) -> None:
        """Answer the card about a knock, and where there is none any more, note it all the same for `decisions`."""
        try:
            await self._approvals.answer(id_from(f"{APPROVALS}/{_operation(knock)}"), choice, OWNER)
        except (Conflict, NotFound):
            if choice == ALLOW.id:
                await self._note(knock)

    async def _note(self, knock: Knock) -> None:
        """Write down what was let in without a card, where `decisions` comes by."""
        await self._approvals.prepare()
        who = f"the room {knock.room}" if knock.kind == "room" else knock.name or knock.sender
        said = f"let in by the owner's own word: {plain(who, 100)} on {knock.account}"
        known: dict[str, Value] = {"kind": "approval", "status": "yes", "choice": ALLOW.id, "asker": knock.account}
        await self._spaces.open(APPROVALS, Actor(OWNER)).put(
            said,
            comment=said,
            metadata={**known, "knock": knock.id, "code": knock.code},
            operation=f"noted {_operation(knock)}",
        )

    async def _admitted(self, knock: Knock) -> Admitted:
        of_room = knock.kind == "room"
        return Admitted(
            knock.id,
            knock.account,
            await self.knocks.kept(knock),
            None if of_room else await self.find(knock.account, knock.sender),
            await self.rooms.find(knock.account, knock.conversation) if of_room else None,
        )

    async def _waiting_by(self, who: str) -> Knock | None:
        """Who waits and has this id, or was told this code within the last hour."""
        code, now = spelled(who), self._spaces.clock.now()
        found = None
        for knock in await self.waiting():
            if knock.id == who or (code and same(knock.code, code) and knock.code_until > now):
                found = knock
        return found

    async def _person_or_account(self, who: str) -> Person:
        if "/" not in who:
            return await self.get(who)
        if person := await self.persons.find(who):
            return person
        raise NotFound(f"{who} is nobody's account. `stoa people list` shows whose is which.")

    async def _take_back(self, person: Person) -> None:
        """Take back all that was ever shared with somebody, by whomever."""
        for name in await self._spaces.held_ever(person.principal):
            await self._spaces.open(name).revoke(person.principal.id, comment=f"took back what {person.id} held")

    def _now(self) -> datetime:
        return self._spaces.clock.now().astimezone(UTC)


def _operation(knock: Knock) -> str:
    """The name of the card about a knock."""
    return f"knock {knock.id} {knock.asked.isoformat()}"
