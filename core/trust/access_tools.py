"""AccessTools for more: what agents' code may call to get a right it lacks, and to decide what agents below it get."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from core.agents.agents import Agent, Agents
from core.atoms.atoms import HOUSE, OWNER, Atom, Principal, id_from
from core.atoms.permissions import Permission
from core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from core.search.filters import Filter
from core.spaces.spaces import Actor, Space, Spaces, first_words
from core.tools.registry import acting
from core.tools.waits import Wait
from core.trust.access_requests import (
    SCOPE_WIDTHS,
    Request,
    asks,
    frozen,
    lasting,
    one_of,
    plain,
    scope_called,
    thawed,
)
from core.trust.approvals import APPROVALS_SPACE, Approvals, Choice, QuestionDetails, deadline
from core.trust.audit import AUDIT_SPACE, Audit, AuditDetails
from core.trust.decisions import Decisions
from core.trust.enforcement import RightsInUse

MAX_REQUESTS_PER_HOUR = 10
"""How many requests one agent may make within an hour."""
DENIAL_TIME = timedelta(hours=1)
"""How long a denied request is refused when it is made again, too."""


class AccessTools:
    """The capabilities to ask for rights and to decide on them."""

    def __init__(self, spaces: Spaces, agents: Agents, approvals: Approvals, audit: Audit, convention: str) -> None:
        self.decisions = Decisions(spaces, agents, approvals, audit)
        self._spaces = spaces
        self._agents = agents
        self._approvals = approvals
        self._audit = audit
        self._requesting = asyncio.Lock()
        self._convention = convention
        """What is said about a direct-message space to those who share it."""

    def functions(self, agent: Agent) -> dict[str, Callable[..., Awaitable[object]]]:
        everyone = (self.request, self.grant, self.deny, self.revoke)
        known: dict[str, Callable[..., Awaitable[object]]] = {function.__name__: function for function in everyone}
        return known | ({"ask_owner": self.ask_owner} if agent.coordinator else {})

    async def uses(self, agent: Agent, actor: Actor, turn: str) -> RightsInUse:
        return await RightsInUse.begin(self._spaces, self._agents, self._audit, agent, actor, turn)

    async def request(
        self,
        why: str,
        space: str = "",
        permission: str = "read",
        tool: str = "",
        secret: str = "",
        model: str = "",
        scope: str = "task",
        until: str = "",
    ) -> Atom:
        """Ask for a right you lack: a permission on a space, or a tool, a secret, a model; one at a time, and no more
        than the task needs. `why` goes on from "I need this": "to find the door code". `scope` is once, turn, task,
        until (with an ISO time) or standing. Your spawner decides, or the owner, who reads your `why` and chooses: say
        nothing about it yourself and end your turn. The answer wakes you with a change "granted: ..." or "denied: ...".
        """
        me = acting().actor
        agent = await self._agents.get(me.principal.id)
        room, operation = await self._room(agent), f"request {acting().operation()}"
        id = id_from(f"{room.id}/{operation}")
        wanted = {"space": space, "permission": permission, "tool": tool, "secret": secret, "model": model}
        sources = tuple(me.label.sources) if me.label else ()
        async with self._requesting:
            record = await self._audit.noted(f"request {id}")
            if record is None:
                asked = frozen(id, room.id, agent.id, why, sources, **wanted, scope=scope, until=until)
                if same := await self._open_already(asked):
                    return same
                record = await self._noted(agent, asked)
        return await self._opened(thawed(record), agent, operation)

    async def _noted(self, agent: Agent, asked: Request) -> Atom:
        await self._check(agent, asked)
        return await self._audit.note(
            "request",
            agent.id,
            asked.what,
            more=AuditDetails(why=asked.why, metadata=asked.details(), about=[asked.ref]),
            by=acting().actor,
            operation=f"request {asked.id}",
        )

    async def _open_already(self, asked: Request) -> Atom | None:
        await self._audit.prepare()
        same: Filter = {"kind": "request", "who": asked.asker, "wants": asked.kind, "name": asked.name}
        for record in await self._spaces.open(AUDIT_SPACE, HOUSE).search(metadata=same, limit=MAX_REQUESTS_PER_HOUR):
            earlier = thawed(record)
            if earlier.permission == asked.permission and await self._audit.noted(f"decided {earlier.id}") is None:
                with contextlib.suppress(NotFound):
                    atom = await self._spaces.open(earlier.room, acting().actor).get(earlier.id)
                    if not atom.deprecated:
                        return atom
        return None

    async def grant(self, request: str, scope: str = "") -> Atom:
        """Give an agent that you spawned what it requested, by the request's id: no more than you hold yourself, and
        for a narrower scope than it asked if you say one. It is told."""
        me, asked = acting().actor, await self._mine(request)
        given = scope_called(scope) if scope else asked.scope
        if SCOPE_WIDTHS[given] > SCOPE_WIDTHS[asked.scope]:
            raise InvalidInput(
                f"scope: {asked.asker} asked for {asked.scope} and {given} is more; give no more than that"
            )
        if given == "until" and self.decisions.is_over(asked):
            raise InvalidInput(
                "scope: no time to come is named in the request; grant it for once or turn, or deny() it"
            )
        if lacking := await self._lacking(me.principal, asked):
            raise PermissionDenied(f"{lacking} {await self._way_up(me.principal, asked)}")
        await self.decisions.decide(asked, me, "granted", given)
        await self.decisions.give(asked, me, given)
        return await self.decisions.tell(asked, me, "granted", given)

    async def deny(self, request: str, why: str) -> Atom:
        """Refuse a request of an agent that you spawned, saying why. It is told."""
        me, asked = acting().actor, await self._mine(request)
        if not why.strip():
            raise InvalidInput("why: say in a few words why it is denied, so that the agent can do without")
        await self.decisions.decide(asked, me, "denied", asked.scope, why)
        return await self.decisions.tell(asked, me, "denied", asked.scope, why)

    async def ask_owner(self, question: str = "", choices: Sequence[str] = ("yes", "no"), request: str = "") -> str:
        """Ask the owner a question with a few short choices: this program waits, be it for days, and goes on with the
        chosen one, or with "" where no answer came in time; meanwhile your turn goes on. With `request` instead, the
        owner is asked about the request of an agent that you spawned and may not grant; that does not wait."""
        me, waited = acting().actor, acting().waited
        if request:
            asked = await self._mine(request)
            await self.decisions.put_to_owner(asked, await self._agents.get(asked.asker), me.cause)
            return f"The owner has been asked whether {asked.asker} may have {asked.what}."
        if waited is None:
            if isinstance(choices, str) or not all(isinstance(one, str) and one.strip() for one in choices):
                raise InvalidInput('choices: give a list of short texts, such as ["yes", "no"]')
            if not question.strip():
                raise InvalidInput("question: say what the owner is to decide, or name a request")
            asker = await self._agents.get(me.principal.id)
            atom = await self._approvals.ask(
                asks(asker, question, me.label.sources if me.label else ()),
                asker=me.principal.id,
                choices=[Choice(plain(one, 40).casefold(), plain(one, 80)) for one in choices],
                more=QuestionDetails(metadata={"question": True}),
                cause=me.cause,
                operation=acting().operation(),
            )
            waited = Wait(APPROVALS_SPACE, atom.id, deadline(atom))
        outcome = await self._approvals.outcome(waited.atom)
        if outcome.status == "open":
            raise waited
        return outcome.label

    async def revoke(self, agent: str, space: str = "", tool: str = "", secret: str = "", model: str = "") -> None:
        """Take back what you gave to an agent: your permission on a space, a tool, a secret or a model. Whatever it has
        passed on is gone with it, at once."""
        me = acting().actor
        kind, name = one_of(space=space, tool=tool, secret=secret, model=model)
        record = await self._agents.get(agent)
        (owned,) = await self._agents.rights.all([record.id])
        given = [one for one in owned.grants if (one.giver, one.kind, one.name) == (me.principal.id, kind, name)]
        in_store = kind == "space" and await self._revoked_in(name, agent)
        if not (given or in_store):
            raise NotFound(f"You have given {agent} no {kind} {name}, so there is nothing to take back.")
        for one in given:
            await self._agents.rights.take(one)
        await self._audit.note("revocation", me.principal.id, f"{kind} {name} of {agent}", by=me)

    async def _revoked_in(self, space: str, agent: str) -> bool:
        me = acting().actor
        try:
            await self._spaces.open(space, Actor(me.principal, me.cause, me.epoch)).revoke(agent)
        except NotFound:
            return False
        return True

    async def _room(self, agent: Agent) -> Space:
        if not agent.coordinator and agent.speaks_in:
            return self._spaces.open(agent.speaks_in, agent.principal)
        room = self._spaces.open(f"dm-{agent.id}", agent.principal)
        if await room.permission() < Permission.WRITE:
            made = await self._spaces.create(room.id, description=self._convention)
            await made.share(agent.id, Permission.WRITE, comment=f"{agent.id} and the owner")
            await room.subscribe()
        return room

    async def _check(self, agent: Agent, asked: Request) -> None:
        await self._audit.prepare()
        if asked.kind == "space" and asked.name in (APPROVALS_SPACE, AUDIT_SPACE) and asked.permission != "read":
            raise PermissionDenied(
                f"space: {asked.name!r} is written by Stoa alone; nobody can be given more than read"
            )
        if await self._has(agent, asked):
            raise InvalidInput(f"You hold {asked.what} already; use it.")
        past = self._spaces.open(AUDIT_SPACE, HOUSE)
        recent = self._spaces.clock.now() - DENIAL_TIME
        mine: Filter = {"kind": "request", "who": agent.id, "at": {"gte": recent}}
        if len(await past.search(metadata=mine, limit=MAX_REQUESTS_PER_HOUR)) >= MAX_REQUESTS_PER_HOUR:
            raise PermissionDenied(
                f"You have made {MAX_REQUESTS_PER_HOUR} requests within an hour; do what you can without."
            )
        same: Filter = {"kind": "denial", "asker": agent.id, "wants": asked.kind, "name": asked.name}
        for denied in await past.search(metadata={**same, "at": {"gte": recent}}, limit=MAX_REQUESTS_PER_HOUR):
            if denied.metadata.get("permission", "") == asked.permission:
                raise PermissionDenied(
                    f"{asked.what} was denied within the last hour ({denied.metadata.get('why', '')}). It "
                    "can't be asked for again yet; say what you couldn't do without it."
                    + (
                        f" `stoa space share {asked.name} {agent.id} {asked.permission}` gives it all the same."
                        if asked.kind == "space" and agent.coordinator
                        else ""
                    )
                )

    async def _has(self, agent: Agent, asked: Request) -> bool:
        if asked.kind == "space":
            held = await self._spaces.open(asked.name, agent.principal).permission()
            return held >= Permission.parse(asked.permission)
        held_names = (await self._agents.held(agent)).names(asked.kind)
        return asked.name in held_names

    async def _opened(self, asked: Request, agent: Agent, operation: str) -> Atom:
        me = acting().actor
        atom = await self._spaces.open(asked.room, Actor(me.principal, me.cause, me.epoch, label=me.label)).put(
            asked.content,
            comment=first_words(f"request: {asked.what} {lasting(asked.scope, asked.until)}"),
            metadata={**asked.details(), "kind": "request", "status": "open"},
            operation=operation,
        )
        if agent.coordinator:
            await self.decisions.put_to_owner(asked, agent, me.cause)
        return atom

    async def _mine(self, request: str) -> Request:
        asked = await self.decisions.frozen(request)
        me = acting().actor.principal
        asker = await self._agents.get(asked.asker)
        if asker.spawner != me.id:
            raise PermissionDenied(f"{asker.spawner} spawned {asker.id} and decides on this request; you do not.")
        atom = await self._spaces.open(asked.room, HOUSE if me == OWNER else me).get(asked.id)
        if atom.content != asked.content:
            raise Conflict(f"{asker.id} has changed the request since it was made; it can only ask anew.")
        return asked

    async def _lacking(self, giver: Principal, asked: Request) -> str:
        if asked.kind == "space":
            held = (await self._spaces.passable(giver)).get(asked.name, Permission.NONE)
            return (
                ""
                if held >= Permission.parse(asked.permission)
                else f"space: {asked.what} is asked and you hold {held}."
            )
        names = (await self._agents.held(await self._agents.get(giver.id))).names(asked.kind, passing=True)
        have = ", ".join(names) or "none"
        return "" if asked.name in names else f"{asked.kind}: {asked.name} is asked and you hold {have}."

    async def _way_up(self, giver: Principal, asked: Request) -> str:
        agent = await self._agents.get(giver.id)
        if agent.coordinator:
            return f"Put it to the owner with ask_owner(request={asked.ref!r}), or deny() it."
        return f"Ask {agent.spawner} for it with request(), or deny() this one."
