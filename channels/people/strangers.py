"""Strangers: the owner is asked about each new person or room, and they are let in or dropped."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from channels.contract import InboundMessage
from channels.people.groups import Groups
from channels.people.pairing import CODE_LIFETIME, new_code, same, spelled
from channels.people.persons import Person, Persons, check_name, key_of
from channels.people.requests import (
    ADMISSION_CHOICES,
    ALLOW,
    BLOCK,
    NO_OWNER_YET,
    AdmissionRequest,
    AdmissionRequests,
    Kind,
    admission_question,
    request_id,
    stranger_greeting,
)
from channels.people.rooms import Room, Rooms
from channels.people.rules import ADMISSION_RULES, Arrival, verdict
from core.atoms.atoms import OWNER, Atom, Value, id_from
from core.errors import Conflict, InvalidInput, NotFound
from core.spaces.spaces import Actor, Spaces
from core.trust.access_requests import plain
from core.trust.approvals import APPROVALS_SPACE, NO, Approvals, QuestionDetails
from core.trust.audit import Audit

DECISION_TIME = timedelta(days=1)
"""The owner has so long to decide about somebody."""
DECISIONS_CURSOR = "house:people"


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody, or a room, that the owner has let in, and what was kept meanwhile, to be played now."""

    request: str
    account: str
    messages: tuple[InboundMessage, ...]
    person: Person | None = None
    """The writer, if it was about them; of a room nobody."""
    room: Room | None = None


class Strangers:
    """Those whom nobody knows yet, and what becomes of them."""

    def __init__(self, spaces: Spaces, approvals: Approvals) -> None:
        self._spaces = spaces
        self._approvals = approvals
        self._audit = Audit(spaces)
        self.persons = Persons(spaces.store)
        self.rooms = Rooms(spaces.store)
        self.requests = AdmissionRequests(spaces.store)
        self.groups = Groups(spaces, self.persons)

    async def find(self, account: str, sender: str) -> Person | None:
        """The person who writes from there, blocked or not; None for a stranger. One round trip."""
        return await self.persons.find(key_of(account, sender))

    async def request_admission(self, account: str, message: InboundMessage) -> str:
        """Somebody unknown writes, or somebody in an unknown room: keep the message and ask the owner.

        Answers what is to be said there, or nothing. In a room that is known it is about the sender. The same message
        again changes nothing and has the same answer. A room that the owner himself mentions us in is let in at once;
        what he wrote comes back through `decisions`, as everything that was kept does. What is edited or deleted
        meanwhile is kept as it is then.
        """
        conversation = message.parent or message.conversation
        if message.kind in ("edit", "deletion"):
            await self.requests.correct(request_id("person", key_of(account, message.sender)), message)
            await self.requests.correct(request_id("room", key_of(account, conversation)), message)
        room = await self.rooms.find(account, conversation) if message.room else None
        arrival = Arrival(message, await self.find(account, message.sender), room)
        if verdict(ADMISSION_RULES, arrival) == "ignore":
            return ""
        kind: Kind = "room" if arrival.about_room else "person"
        while request := await self._begun(kind, account, conversation, message):
            kept = await self.requests.keep(request, message)
            if kept is not None:  # else the request has ended meanwhile
                return await self._asked(request, arrival, kept)
        return ""

    async def _asked(self, request: AdmissionRequest, arrival: Arrival, kept: bool) -> str:
        """Ask the owner about a request unless it is decided; answers what is said there."""
        person = arrival.person
        owners_word = arrival.room or (person and person.id == OWNER.id)
        if owners_word if request.kind == "room" else person:  # let in meanwhile, or by the owner's own word
            await self._note(await self._admit(request))
            return ""
        if request.status == "admitted":
            return ""
        place = request.sender if request.kind == "person" else request.conversation
        await self._approvals.ask(
            admission_question(request),
            asker=f"{request.kind} {key_of(request.account, place)}"[:200],
            choices=ADMISSION_CHOICES[request.kind],
            more=QuestionDetails(metadata={"admission": request.id, "code": request.code}, answer_time=DECISION_TIME),
            operation=_operation(request),
        )
        if arrival.message.id != request.first:
            return ""
        owned = any(one.id == OWNER.id and one.accounts for one in await self.persons.all())
        return (
            stranger_greeting(request, kept)
            if owned or request.room
            else f"{stranger_greeting(request, kept)}\n\n{NO_OWNER_YET}"
        )

    async def waiting(self) -> list[AdmissionRequest]:
        """The requests that wait for the owner, the oldest first."""
        now = self._spaces.clock.now()
        return [request for request in await self.requests.all() if request.status == "waiting" and request.until > now]

    async def decisions(self) -> AsyncIterator[Admitted]:
        """Each person or room that the owner lets in, with its kept messages: first those not played yet.

        Each comes again after a restart until `played` is called, so it must be harmless to play twice. One reader at a
        time; requests that were refused or ran out are forgotten on the way.
        """
        await self._approvals.prepare()
        await self.groups.settle_all()
        await self._drop_late()
        space, notifications = self._spaces.open(APPROVALS_SPACE, OWNER), self._spaces.notifications
        after = await notifications.cursor(DECISIONS_CURSOR, APPROVALS_SPACE) or 0
        for request in await self.requests.all():
            if request.status == "admitted":
                await self._answer(request, ALLOW.id)  # the card may be open still, if who let it in died on the way
                yield await self._admitted(request)
        async for change in space.follow(after):
            if change.operation in ("put", "update"):
                admitted = await self._settled(await space.get(change.atom))
                if admitted:
                    yield await self._admitted(admitted)
            await notifications.advance(DECISIONS_CURSOR, APPROVALS_SPACE, change.seq)

    async def played(self, admitted: Admitted) -> None:
        """The kept messages were taken and may go. If others came meanwhile, `decisions` tells of them once more."""
        request = await self.requests.find(admitted.request)
        if request and not await self.requests.finish(request.id, admitted.messages):
            more = await self.requests.kept(request)
            await self._note(request, *(message.id for message in more[-1:]))

    # What happens then ------------------------------------------------------------------------------------------------

    async def _begun(
        self, kind: Kind, account: str, conversation: str, message: InboundMessage
    ) -> AdmissionRequest | None:
        now = self._now()
        files = "".join(f"\n[file: {file.name}]" for file in message.files[:10])
        others = "".join(f"\n[{passage.kind}: {passage.text[:300]}]" for passage in message.passages[:5])
        request = AdmissionRequest(
            id=request_id(kind, key_of(account, message.sender if kind == "person" else conversation)),
            kind=kind,
            account=account,
            sender=message.sender,
            name=message.name,
            conversation=conversation,
            room=message.room,
            text=f"{message.text[:2_000]}{others}{files}",
            first=message.id,
            code=new_code(),
            code_until=now + CODE_LIFETIME,
            asked=now,
            until=now + DECISION_TIME,
        )
        await self._drop_late(request.id)
        if begun := await self.requests.begin(request):
            return begun
        await self._drop_late()
        return await self.requests.begin(request)

    async def _drop_late(self, only: str = "") -> None:
        """Forget those whose time is over, or `only` this one, unless something was decided in time that is to be
        carried out however late; a no is only forgetting them."""
        for request in await self.requests.late():
            if only not in ("", request.id):
                continue
            try:
                decided = (await self._approvals.outcome(_card(request))).status == "yes"
            except NotFound:  # whoever was to ask died before
                decided = False
            if not decided:
                await self.requests.drop(request.id)

    async def _settled(self, atom: Atom) -> AdmissionRequest | None:
        """Carry out what was decided; the request if it is let in. Doing it again changes nothing."""
        status, id = atom.metadata.get("status"), atom.metadata.get("admission")
        request = await self.requests.find(str(id)) if id and status != "open" else None
        if request is None or not same(request.code, str(atom.metadata.get("code"))):
            return None
        choice = atom.metadata.get("choice") if status == "yes" else NO.id
        if request.status == "admitted":
            return request
        if choice == ALLOW.id:
            return await self._admit(request)
        if choice == BLOCK.id:
            await self._shut_out(request)
        await self.requests.drop(request.id)
        return None

    async def _admit(self, request: AdmissionRequest) -> AdmissionRequest:
        """Let a request in: its room, or its sender as a person of their own unless they are somebody already."""
        key = key_of(request.account, request.sender)
        if request.kind == "room":
            await self._decide_room(request, "allowed")
            who = what = key_of(request.account, request.conversation)
        else:
            known = await self.persons.find(key) or await self.persons.add(request.name or request.sender, [key])
            who, what = known.principal.id, key
        await self._audit.note("admission", who, f"let in on {what}", operation=f"admitted {_operation(request)}")
        return await self.requests.admit(request)

    async def _shut_out(self, request: AdmissionRequest) -> Person | Room:
        key = key_of(request.account, request.conversation if request.kind == "room" else request.sender)
        await self._audit.note("block", key, f"blocked on {key}", operation=f"blocked {_operation(request)}")
        if request.kind == "room":
            return await self._decide_room(request, "blocked")
        name = request.name or request.sender
        return await self.persons.find(key) or await self.persons.add(name, [key], status="blocked")

    async def _decide_room(self, request: AdmissionRequest, status: Literal["allowed", "blocked"]) -> Room:
        known = await self.rooms.find(request.account, request.conversation)
        room = known or Room(id=key_of(request.account, request.conversation), name=request.room, created=self._now())
        room = room.model_copy(update={"status": status})
        await self.rooms.save(room)
        return room

    async def _let_in(self, request: AdmissionRequest, person: str = "", name: str = "") -> Person | Room:
        """The owner says yes in words of their own: it holds at once, and the card is answered."""
        key = key_of(request.account, request.sender)
        if request.kind == "room" and (person or name):
            raise InvalidInput(f"{request.room} is a room; it is let in as it is, without a name or a person.")
        if person:
            await self.persons.link(person, key, request.name)
        elif name:
            await self.persons.add(check_name(name, "The person"), [key])
        await self._admit(request)
        await self._answer(request, ALLOW.id)
        if request.kind == "room":
            return await self.rooms.get(key_of(request.account, request.conversation))
        found = await self.persons.find(key)
        assert found
        return found

    async def _welcome(self, key: str) -> None:
        """Let in the earlier messages of somebody who has just linked the account."""
        request = await self.requests.find(request_id("person", key))
        if request and request.status == "waiting":
            await self._admit(request)
            await self._answer(request, ALLOW.id)

    async def _answer(self, request: AdmissionRequest, choice: str) -> None:
        """Answer the card about a request, and where there is none any more, note it all the same for `decisions`."""
        try:
            await self._approvals.answer(_card(request), choice, OWNER)
        except (Conflict, NotFound):
            if choice == ALLOW.id:
                await self._note(request)

    async def _note(self, request: AdmissionRequest, *why: str) -> None:
        """Write down that somebody is let in, where `decisions` comes by; once for the same reason."""
        await self._approvals.prepare()
        who = f"the room {request.room}" if request.kind == "room" else request.name or request.sender
        said = f"let in by the owner's own word: {plain(who, 100)} on {request.account}"
        known: dict[str, Value] = {"kind": "approval", "status": "yes", "choice": ALLOW.id, "asker": request.account}
        await self._spaces.open(APPROVALS_SPACE, Actor(OWNER)).put(
            said,
            comment=said,
            metadata={**known, "admission": request.id, "code": request.code},
            operation=" ".join(["noted", _operation(request), *why]),
        )

    async def _admitted(self, request: AdmissionRequest) -> Admitted:
        of_room = request.kind == "room"
        return Admitted(
            request.id,
            request.account,
            await self.requests.kept(request),
            None if of_room else await self.find(request.account, request.sender),
            await self.rooms.find(request.account, request.conversation) if of_room else None,
        )

    async def _waiting_by(self, who: str) -> AdmissionRequest | None:
        """The request with this id, or with this code if it was told within the last hour."""
        code, now = spelled(who), self._spaces.clock.now()
        found = None
        for request in await self.waiting():
            if request.id == who or (code and same(request.code, code) and request.code_until > now):
                found = request
        return found

    def _now(self) -> datetime:
        return self._spaces.clock.now().astimezone(UTC)


def _operation(request: AdmissionRequest) -> str:
    """The name of the card about a request."""
    return f"admission {request.id} {request.code}"


def _card(request: AdmissionRequest) -> str:
    """The id of that card."""
    return id_from(f"{APPROVALS_SPACE}/{_operation(request)}")
