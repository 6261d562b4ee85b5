"""People: who may talk to Stoa, from which accounts and in which rooms, and what the owner says about them."""

from dataclasses import dataclass

from channels.contract import InboundMessage
from channels.people.pairing import Pairing, spelled
from channels.people.persons import Person as Person
from channels.people.persons import key_of
from channels.people.requests import BLOCK, CODE_ACCEPTED, CODE_UNKNOWN
from channels.people.rooms import Room as Room
from channels.people.strangers import Admitted as Admitted
from channels.people.strangers import Strangers
from core.atoms.atoms import OWNER
from core.errors import InvalidInput, NotFound
from core.spaces.spaces import Spaces
from core.trust.approvals import Approvals


@dataclass(frozen=True, slots=True)
class TriedCode:
    """A code that somebody wrote in a direct message, and who they are if they are known."""

    code: str
    key: str
    message: InboundMessage
    person: Person | None


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """The answer to a code, or None where it is taken as an ordinary message."""

    answer: str | None


ORDINARY, SILENT = CodeVerdict(None), CodeVerdict("")


class People(Strangers):
    """The people, by their accounts, and the rooms that are let in. Anybody else is a stranger and gets nothing."""

    def __init__(self, spaces: Spaces, approvals: Approvals) -> None:
        super().__init__(spaces, approvals)
        self._pairing = Pairing(spaces.store)

    async def room(self, account: str, conversation: str) -> Room | None:
        """The decision about a room (of a thread: about its parent); None where there is none. One round trip."""
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

    # Codes ------------------------------------------------------------------------------------------------------------

    async def link_code(self, person: str = OWNER.id) -> str:
        """A code that this person writes to us from a further account, within an hour; raises `NotFound`.

        The owner's first account is linked by one, too.
        """
        if person != OWNER.id and (await self.get(person)).status == "blocked":
            raise InvalidInput(f"{person} is blocked; `stoa people allow {person}` lets them in again first.")
        return await self._pairing.issue(person)

    async def redeem(self, account: str, message: InboundMessage) -> str | None:
        """Take a message as a code: link the account it came from, and return the answer, which may be empty.

        None where it is an ordinary message. Codes count in direct messages only. After too many wrong
        ones that sender's codes are ignored for a while, without a word; nobody else's are.
        """
        code = spelled(message.text)
        if code is None or message.room or message.bot or message.kind != "message":
            return None
        key = key_of(account, message.sender)
        tried = TriedCode(code, key, message, await self.persons.find(key))
        rules = (self._blocked, self._tried_too_often, self._lets_in, self._anothers_account, self._links)
        for rule in rules:
            if verdict := await rule(tried):
                return verdict.answer
        return None if tried.person else CODE_UNKNOWN

    async def _blocked(self, tried: "TriedCode") -> "CodeVerdict | None":
        return ORDINARY if tried.person and tried.person.status == "blocked" else None

    async def _tried_too_often(self, tried: "TriedCode") -> "CodeVerdict | None":
        if await self._pairing.may_try(tried.key, tried.message.id):
            return None
        hour = f"{self._spaces.clock.now():%Y-%m-%d %H}"
        await self._audit.note("refusal", tried.key, "too many wrong codes", operation=f"locked {tried.key} {hour}")
        return ORDINARY if tried.person else SILENT

    async def _lets_in(self, tried: "TriedCode") -> "CodeVerdict | None":
        """The owner says the code of somebody who waits."""
        if tried.person is None or tried.person.id != OWNER.id or not (waits := await self._waiting_by(tried.code)):
            return None
        await self._pairing.forgive(tried.key, tried.message.id)
        return CodeVerdict(f"{(await self._let_in(waits)).name} is let in.")

    async def _anothers_account(self, tried: "TriedCode") -> "CodeVerdict | None":
        ticket = await self._pairing.look(tried.code)
        if ticket is None or tried.person is None or tried.person.id == ticket.person:
            return None
        return CodeVerdict(
            f"This account is {tried.person.name}'s already, so it stays theirs. `stoa people forget {tried.key}` "
            "unlinks it; then ask for a new code."
        )

    async def _links(self, tried: "TriedCode") -> "CodeVerdict | None":
        ticket, key = await self._pairing.look(tried.code), tried.key
        if ticket is None or not await self._pairing.claim(ticket, key):
            return None
        try:
            linked = await self.persons.link(ticket.person, key, tried.message.name)
        except NotFound:  # forgotten since the code was made
            return CodeVerdict(CODE_UNKNOWN)
        await self._audit.note("link", linked.principal.id, f"linked {key}", operation=f"linked {key} {ticket.digest}")
        await self._pairing.forgive(key, tried.message.id)
        await self._welcome(key)
        return CodeVerdict(CODE_ACCEPTED.format(name="my owner" if linked.id == OWNER.id else linked.name))

    # What the owner says ----------------------------------------------------------------------------------------------

    async def allow(self, who: str, *, person: str = "", name: str = "") -> Person | Room:
        """Let in somebody who waits, by code or id, or who was blocked, by id.

        `person` says that it is a further account of somebody known, `name` how to call somebody new. Raises
        `NotFound` for nobody, `InvalidInput` for what does not fit, `Conflict` for an account of another's.
        """
        request = await self._waiting_by(who)
        if request:
            return await self._let_in(request, person, name)
        found = await self._person(who)
        if found.status != "blocked":
            raise InvalidInput(f"{found.id} is let in already.")
        return await self.persons.change(found.id, lambda one: one.model_copy(update={"status": "allowed"}))

    async def block(self, who: str) -> Person | Room:
        """Never hear of somebody again: of one who waits, by code or id, of a person, or of an account.

        They keep their record, hold nothing any more, and what they write is dropped. Raises `NotFound`, and
        `InvalidInput` for the owner.
        """
        if request := await self._waiting_by(who):
            blocked = await self._shut_out(request)
            await self.requests.drop(request.id)
            await self._answer(request, BLOCK.id)
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
        await self._audit.note("block", person.principal.id, "blocked, and all it held taken back")
        return blocked_person

    async def forget(self, who: str) -> Person:
        """Forget a person, with all they hold and all their accounts; or unlink one account. Raises `NotFound`, and
        `InvalidInput` for the owner."""
        if "/" in who:
            await self._pairing.revoke(who)
            person = await self.persons.unlink(who)
            await self._audit.note("unlink", person.principal.id, f"unlinked {who}")
            return person
        person = await self.get(who)
        if person.id == OWNER.id:
            raise InvalidInput(
                "The owner cannot be forgotten. Unlink a single account with `stoa people forget ACCOUNT`, as in "
                "`stoa people list`."
            )
        await self._take_back(person)
        await self.persons.remove(person.id)
        await self._audit.note("forget", person.principal.id, "forgotten, and all it held taken back")
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

    async def _person(self, who: str) -> Person:
        """Somebody known; raises `NotFound`, with the ids of those who wait and are called so."""
        try:
            return await self.get(who)
        except NotFound as error:
            for request in await self.waiting():
                if who.casefold() in (request.name.casefold(), request.room.casefold()):
                    raise NotFound(
                        f"{error} One called so waits as {request.id}; anybody may call themselves that, so look first."
                    ) from None
            raise

    async def _person_or_account(self, who: str) -> Person:
        if "/" not in who:
            return await self._person(who)
        if person := await self.persons.find(who):
            return person
        raise NotFound(f"{who} is nobody's account. `stoa people list` shows whose is which.")

    async def _take_back(self, person: Person) -> None:
        """Take back all that was ever shared with somebody, by whomever."""
        for name in await self._spaces.held_ever(person.principal):
            await self._spaces.open(name).revoke_any(person.principal.id, comment=f"took back what {person.id} held")
