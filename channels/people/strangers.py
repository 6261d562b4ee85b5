"""Strangers: whoever knocks, a person or a room, is asked about, and let in or dropped as the owner decides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from channels.contract import InboundMessage
from channels.people.groups import Groups
from channels.people.knocks import ALLOW, BLOCK, CHOICES, UNOWNED, Kind, Knock, Knocks, knock_id, question, told
from channels.people.pairing import LIFE, new_code, same, spelled
from channels.people.persons import Person, Persons, check_name, key_of
from channels.people.rooms import Room, Rooms
from core.atoms.atoms import OWNER, Atom, Value, id_from
from core.errors import Conflict, InvalidInput, NotFound
from core.spaces.spaces import Actor, Spaces
from core.trust.access_requests import plain
from core.trust.approvals import APPROVALS_SPACE, NO, Approvals, QuestionDetails
from core.trust.audit import Audit

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


class Strangers:
    """Those whom nobody knows yet, and what becomes of them."""

    def __init__(self, spaces: Spaces, approvals: Approvals) -> None:
        self._spaces = spaces
        self._approvals = approvals
        self._audit = Audit(spaces)
        self.persons = Persons(spaces.store)
        self.rooms = Rooms(spaces.store)
        self.knocks = Knocks(spaces.store)
        self.groups = Groups(spaces, self.persons)

    async def find(self, account: str, sender: str) -> Person | None:
        """Who writes from there, blocked or not; None for a stranger. One round trip."""
        return await self.persons.find(key_of(account, sender))

    async def knock(self, account: str, message: InboundMessage) -> str:
        """Somebody unknown writes, or somebody in an unknown room: keep the message and ask the owner.

        Answers what is to be said there, or nothing. In a room that is known it is about the sender. The same message
        again changes nothing and has the same answer. A room that the owner himself mentions us in is let in at once;
        what he wrote comes back through `decisions`, as everything that was kept does. What is edited or deleted
        meanwhile is kept as it is then.
        """
        conversation = message.parent or message.conversation
        if message.kind in ("edit", "deletion"):
            await self.knocks.correct(knock_id("person", key_of(account, message.sender)), message)
            await self.knocks.correct(knock_id("room", key_of(account, conversation)), message)
        if message.bot or message.kind != "message":
            return ""
        room = await self.rooms.find(account, conversation) if message.room else None
        person = await self.find(account, message.sender)
        if (room and room.status == "blocked") or (person and person.status == "blocked"):
            return ""
        kind: Kind = "room" if message.room and (room is None or room.speakers == "anyone") else "person"
        if kind == "room" and not message.addressed:
            return ""
        while True:
            knock = await self._begun(kind, account, conversation, message)
            if knock is None:
                return ""
            if (kept := await self.knocks.keep(knock, message)) is not None:
                break
        known = room or (person and person.id == OWNER.id) if kind == "room" else person
        if known:  # let in meanwhile, or by the owner's own word
            await self._note(await self._admit(knock))
            return ""
        if knock.status == "admitted":
            return ""
        await self._approvals.ask(
            question(knock),
            asker=f"{kind} {key_of(account, message.sender if kind == 'person' else conversation)}"[:200],
            choices=CHOICES[kind],
            more=QuestionDetails(metadata={"knock": knock.id, "code": knock.code}, answer_time=PATIENCE),
            operation=_operation(knock),
        )
        if message.id != knock.first:
            return ""
        owned = any(one.id == OWNER.id and one.accounts for one in await self.persons.all())
        return told(knock, kept) if owned or message.room else f"{told(knock, kept)}\n\n{UNOWNED}"

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
        await self._drop_late()
        space, notifications = self._spaces.open(APPROVALS_SPACE, OWNER), self._spaces.notifications
        after = await notifications.cursor(CURSOR, APPROVALS_SPACE) or 0
        for knock in await self.knocks.all():
            if knock.status == "admitted":
                await self._answer(knock, ALLOW.id)  # the card may be open still, if who let it in died on the way
                yield await self._admitted(knock)
        async for change in space.follow(after):
            if change.operation in ("put", "update"):
                admitted = await self._settled(await space.get(change.atom))
                if admitted:
                    yield await self._admitted(admitted)
            await notifications.advance(CURSOR, APPROVALS_SPACE, change.seq)

    async def played(self, admitted: Admitted) -> None:
        """What was kept has been taken: it may go now. What came meanwhile is told of by `decisions` once more."""
        knock = await self.knocks.find(admitted.knock)
        if knock and not await self.knocks.finish(knock.id, admitted.messages):
            more = await self.knocks.kept(knock)
            await self._note(knock, *(message.id for message in more[-1:]))

    # What happens then ------------------------------------------------------------------------------------------------

    async def _begun(self, kind: Kind, account: str, conversation: str, message: InboundMessage) -> Knock | None:
        now = self._now()
        files = "".join(f"\n[file: {file.name}]" for file in message.files[:10])
        knock = Knock(
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
        await self._drop_late(knock.id)
        if begun := await self.knocks.begin(knock):
            return begun
        await self._drop_late()
        return await self.knocks.begin(knock)

    async def _drop_late(self, only: str = "") -> None:
        """Forget those whose time is over, or `only` this one, unless something was decided in time that is to be
        carried out however late; a no is only forgetting them."""
        for knock in await self.knocks.late():
            if only not in ("", knock.id):
                continue
            try:
                decided = (await self._approvals.outcome(_card(knock))).status == "yes"
            except NotFound:  # whoever was to ask died before
                decided = False
            if not decided:
                await self.knocks.drop(knock.id)

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
        key = key_of(knock.account, knock.sender)
        if knock.kind == "room":
            await self._decide_room(knock, "allowed")
            who = what = key_of(knock.account, knock.conversation)
        else:
            known = await self.persons.find(key) or await self.persons.add(knock.name or knock.sender, [key])
            who, what = known.principal.id, key
        await self._audit.note("admission", who, f"let in on {what}", operation=f"admitted {_operation(knock)}")
        return await self.knocks.admit(knock)

    async def _shut_out(self, knock: Knock) -> Person | Room:
        key = key_of(knock.account, knock.conversation if knock.kind == "room" else knock.sender)
        await self._audit.note("block", key, f"blocked on {key}", operation=f"blocked {_operation(knock)}")
        if knock.kind == "room":
            return await self._decide_room(knock, "blocked")
        name = knock.name or knock.sender
        return await self.persons.find(key) or await self.persons.add(name, [key], status="blocked")

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
            await self._approvals.answer(_card(knock), choice, OWNER)
        except (Conflict, NotFound):
            if choice == ALLOW.id:
                await self._note(knock)

    async def _note(self, knock: Knock, *why: str) -> None:
        """Write down that somebody is let in, where `decisions` comes by; once for the same reason."""
        await self._approvals.prepare()
        who = f"the room {knock.room}" if knock.kind == "room" else knock.name or knock.sender
        said = f"let in by the owner's own word: {plain(who, 100)} on {knock.account}"
        known: dict[str, Value] = {"kind": "approval", "status": "yes", "choice": ALLOW.id, "asker": knock.account}
        await self._spaces.open(APPROVALS_SPACE, Actor(OWNER)).put(
            said,
            comment=said,
            metadata={**known, "knock": knock.id, "code": knock.code},
            operation=" ".join(["noted", _operation(knock), *why]),
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

    def _now(self) -> datetime:
        return self._spaces.clock.now().astimezone(UTC)


def _operation(knock: Knock) -> str:
    """The name of the card about a knock."""
    return f"knock {knock.id} {knock.code}"


def _card(knock: Knock) -> str:
    """The id of that card."""
    return id_from(f"{APPROVALS_SPACE}/{_operation(knock)}")
