"""Decisions on requests: each is made once, carried out, told to the one who asked, and written down."""

import asyncio
import logging
from dataclasses import replace

from core.agents.agents import Agent, Agents
from core.agents.rights import Grant, Scope, lasts
from core.atoms.atoms import HOUSE, OWNER, Atom, Cause
from core.atoms.permissions import Permission
from core.errors import Conflict, NotFound, StoaError, StoreUnavailable
from core.spaces.spaces import Actor, Spaces, first_words
from core.trust.access_requests import CHOICE_SCOPES, Request, choices, lasting, question, thawed
from core.trust.approvals import APPROVALS_SPACE, Approvals, QuestionDetails
from core.trust.audit import Audit, AuditDetails

log = logging.getLogger("stoa.decisions")


class Decisions:
    """Carries out decisions on requests, whether an agent or the owner decides."""

    def __init__(self, spaces: Spaces, agents: Agents, approvals: Approvals, audit: Audit) -> None:
        self._spaces = spaces
        self._agents = agents
        self._approvals = approvals
        self._audit = audit

    async def frozen(self, request: str) -> Request:
        """The request as it was asked, by the id of its atom; raises `NotFound` for what only looks like one."""
        record = await self._audit.noted(f"request {str(request).rpartition('/')[2]}")
        if record is None:
            raise NotFound(f"{request!r} is no request that was made with request(), whatever it says.")
        return thawed(record)

    async def put_to_owner(self, asked: Request, asker: Agent, cause: Cause) -> Atom:
        """Ask the owner about a request."""
        there = asked.kind != "space" or asked.name in await self._spaces.names()
        return await self._approvals.ask(
            question(asked, asker, there=there),
            asker=asker.id,
            choices=choices(asked, asker),
            more=QuestionDetails(asker.task, [asked.ref], {**asked.details(), "root": cause.root}),
            cause=cause,
            operation=approval_of(asked.id),
        )

    def is_over(self, asked: Request) -> bool:
        return asked.until is None or asked.until <= self._spaces.clock.now()

    async def decide(self, asked: Request, by: Actor, outcome: str, scope: Scope, why: str = "") -> None:
        """Write the decision down; the first one counts. Raises `Conflict` where another was made before."""
        who = by.principal.id
        details = {**asked.details(), "why": why or asked.why, "scope": scope, "decision": outcome, "by": who}
        decision = await self._audit.note(
            "grant" if outcome == "granted" else "denial",
            who,
            f"{asked.what} for {asked.asker}",
            more=AuditDetails(f"{outcome} {lasting(scope, asked.until)}", why, details, [asked.ref]),
            by=by,
            operation=f"decided {asked.id}",
        )
        found = (decision.metadata.get("decision"), decision.metadata.get("by"))
        if found != (outcome, who):
            raise Conflict(f"This request was {found[0]} by {found[1]} already.")

    async def give(self, asked: Request, giver: Actor, scope: Scope) -> None:
        """Carry a decision out: the grant, and for a space that it lasts on, the store's own."""
        to = await self._agents.get(asked.asker)
        who = giver.principal
        grant = Grant(
            id=asked.id,
            to=to.id,
            kind=asked.kind,
            name=asked.name,
            giver=who.id,
            permission=asked.permission,
            scope=scope,
            until=asked.until if scope == "until" else None,
            why=asked.why,
            request=asked.ref,
        )
        await self._carry_out(grant, giver)
        if who == OWNER and scope == "standing" and to.line:
            above = replace(grant, id=f"{asked.id}-above", to=to.line[-1], delegate=True)
            await self._carry_out(above, giver)

    async def _carry_out(self, grant: Grant, giver: Actor) -> None:
        kept = await self._agents.rights.give(grant)
        if kept.ended or grant.kind != "space" or not lasts(grant):
            return
        space = self._spaces.open(grant.name, Actor(giver.principal, giver.cause, giver.epoch))
        if giver.principal == OWNER:
            comment = f"the owner approved {grant.permission} for {grant.to}"
            await space.share(
                grant.to, grant.permission, until=grant.until, delegate=grant.delegate, comment=comment, grant=grant.id
            )
        else:
            await space.pass_on(grant.to, grant.permission, until=grant.until, grant=grant.id)

    async def tell(self, asked: Request, by: Actor, outcome: str, scope: Scope, why: str = "") -> Atom:
        """Mark the request as decided, which wakes who asked, and who spawned it if that is not who decided."""
        if by.principal == HOUSE:
            await self._as_house(asked.room)
        space = self._spaces.open(asked.room, Actor(by.principal, by.cause, by.epoch, label=by.label))
        said = f"{outcome}: {asked.what} {lasting(scope, asked.until)}" + (f", because {why}" if why else "")
        return await space.update(
            asked.id,
            comment=first_words(said),
            metadata={"status": outcome, "scope": scope},
            operation=f"decided {asked.id}",
        )

    async def run(self) -> None:
        """Carry out what the owner answers, each answer once, also those given while nothing ran."""
        await self._approvals.prepare()
        await self._audit.prepare()
        space = self._spaces.open(APPROVALS_SPACE, HOUSE)
        notifications, cursor = self._spaces.notifications, "house:approvals"
        while True:
            try:
                async for change in space.follow(await notifications.cursor(cursor, APPROVALS_SPACE) or 0):
                    if change.operation == "update":
                        await self._settle(await space.get(change.atom))
                    await notifications.advance(cursor, APPROVALS_SPACE, change.seq)
            except StoreUnavailable as error:
                log.warning("%s", error)
                await asyncio.sleep(1)

    async def _settle(self, approval: Atom) -> None:
        status = str(approval.metadata.get("status"))
        if status == "open":
            return
        details = approval.metadata
        choice = str(details.get("choice", "")) or "no answer in time"
        await self._audit.note(
            "approval",
            str(details["asker"]),
            first_words(approval.content, 300),
            more=AuditDetails(f"{status}: {choice}", about=[approval.ref, *approval.references.get("about", [])]),
            operation=f"approval {approval.id}",
        )
        try:
            if request := details.get("request"):
                await self._settle_request(str(request), approval)
        except StoreUnavailable:
            raise
        except StoaError as error:
            log.warning("%s: %s", approval.ref, error)

    async def _settle_request(self, request: str, approval: Atom) -> None:
        asked = await self.frozen(request)
        owner, house = Actor(OWNER), Actor(HOUSE)
        status, choice = str(approval.metadata["status"]), str(approval.metadata.get("choice", ""))
        scope = CHOICE_SCOPES.get(choice, asked.scope)
        why = "the owner said no" if status == "no" else "the owner did not answer in time, which means no"
        if status == "yes" and asked.kind == "space" and asked.name not in await self._spaces.names():
            status, why = "no", f"there is no space {asked.name}"
        if status == "yes" and scope == "until" and self.is_over(asked):
            status, why = "no", "the time it was asked for was over when the owner answered"
        outcome = "granted" if status == "yes" else "denied"
        try:
            await self.decide(asked, owner, outcome, scope, "" if outcome == "granted" else why)
        except Conflict:
            return  # its spawner has decided meanwhile
        if outcome == "granted":
            await self.give(asked, owner, scope)
        await self.tell(asked, house, outcome, scope, "" if outcome == "granted" else why)

    async def _as_house(self, room: str) -> None:
        if await self._spaces.open(room, HOUSE).permission() < Permission.WRITE:
            await self._spaces.open(room).share(HOUSE.id, Permission.WRITE, comment="Stoa tells what was decided")


def approval_of(request: str) -> str:
    """The name of the question to the owner about a request."""
    return f"approval of {request}"
