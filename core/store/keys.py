"""Every Redis key Stoa uses, and how long it lives. Braces are the hash tag: one space, or one agent, is one slot."""

from dataclasses import dataclass

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one Stoa, all beginning with its namespace."""

    namespace: str

    # Of a space, all in the space's slot; they live as long as the space.
    def space(self, space: str) -> str:
        """Hash: description, creator, the count of changes, the number fields. The other keys follow from it."""
        return f"{self.namespace}:m:{{{space}}}"

    def atom(self, space: str, atom: str) -> str:
        """Hash: one atom and its index fields."""
        return f"{self.namespace}:a:{{{space}}}:{atom}"

    def history(self, space: str, atom: str) -> str:
        """List: one entry a version."""
        return f"{self.namespace}:h:{{{space}}}:{atom}"

    def referrers(self, space: str, atom: str) -> str:
        """Sorted set: who in this space refers to the atom, as `name US id`, in that order."""
        return f"{self.namespace}:r:{{{space}}}:{atom}"

    def projection(self, space: str, reference: str) -> str:
        """Hash: what this space knows of an atom of another space, as long as an atom here refers to it."""
        return f"{self.namespace}:p:{{{space}}}:{reference}"

    def watchers(self, space: str, atom: str) -> str:
        """Hash: the other spaces that are told when the atom's metadata changes."""
        return f"{self.namespace}:w:{{{space}}}:{atom}"

    def abroad(self, space: str) -> str:
        """Hash: other space -> how many of its atoms are referred to from here."""
        return f"{self.namespace}:y:{{{space}}}"

    def errands(self, space: str) -> str:
        """Hash: what the space owes others; each goes when it is done."""
        return f"{self.namespace}:j:{{{space}}}"

    def changes(self, space: str) -> str:
        """Stream: the change log, ids 1-0, 2-0, ...; also the topic each change is published on."""
        return f"{self.namespace}:x:{{{space}}}"

    def grants(self, space: str) -> str:
        """Hash: principal -> who gave it which permission."""
        return f"{self.namespace}:g:{{{space}}}"

    def descriptions(self, space: str) -> str:
        """List: the newest 100 descriptions the space had, each with its number, time and author."""
        return f"{self.namespace}:d:{{{space}}}"

    def subscribers(self, space: str) -> str:
        """Hash: principal -> its subscription."""
        return f"{self.namespace}:s:{{{space}}}"

    def unembedded(self, space: str) -> str:
        """Set: atoms whose vector is still to be made."""
        return f"{self.namespace}:v:{{{space}}}"

    def order(self, space: str) -> str:
        """Sorted set: all atoms in the order in which they were put."""
        return f"{self.namespace}:q:{{{space}}}"

    def contexts(self, space: str) -> str:
        """Set: atoms with a vector that knows nothing yet of the atom they follow or refer to."""
        return f"{self.namespace}:k:{{{space}}}"

    def claims(self, space: str) -> str:
        """Sorted set: atoms that are claimed, by the millisecond when their leases end."""
        return f"{self.namespace}:l:{{{space}}}"

    def operation(self, space: str, operation: str) -> str:
        """String: what an operation answered, so that the same one twice is done once; lives one day."""
        return f"{self.namespace}:o:{{{space}}}:{operation}"

    # Of an agent, all in the agent's slot; they live as long as its session.
    def agent(self, agent: str) -> str:
        """JSON: the agent's record; stays after its death."""
        return f"{self.namespace}:agent:{{{agent}}}"

    def lane(self, agent: str) -> str:
        """Hash: the epoch of the agent's lane, its wake-ups, and when a turn was last queued."""
        return f"{self.namespace}:lane:{{{agent}}}"

    def lease(self, agent: str) -> str:
        """String: the token of whoever runs the agent's turn; lives as long as the lease."""
        return f"{self.namespace}:lease:{{{agent}}}"

    def cursors(self, subscriber: str) -> str:
        """Hash: space -> the last change this subscriber has dealt with."""
        return f"{self.namespace}:cursors:{{{subscriber}}}"

    def session(self, agent: str) -> str:
        """List: the agent's transcript, one message an entry, the newest 1,000."""
        return f"{self.namespace}:session:{{{agent}}}"

    def ledger(self, agent: str) -> str:
        """Hash: atom -> the version the agent last saw; begun anew above 5,000."""
        return f"{self.namespace}:ledger:{{{agent}}}"

    def label(self, agent: str) -> str:
        """String: the lowest label the agent's session has read, and which atoms gave it; as long as the session."""
        return f"{self.namespace}:label:{{{agent}}}"

    def parked(self, agent: str) -> str:
        """Set: changes that were parked for want of budget and are to be taken up now; gone with that turn."""
        return f"{self.namespace}:parked:{{{agent}}}"

    def traces(self, agent: str) -> str:
        """List: what each of the agent's newest 200 turns was woken by, read and took; lives 40 days after its end."""
        return f"{self.namespace}:traces:{{{agent}}}"

    def journal(self, agent: str) -> str:
        """Hash: what the running turn has said and done so far; gone when the turn is committed."""
        return f"{self.namespace}:journal:{{{agent}}}"

    def waits(self, agent: str) -> str:
        """Hash: program -> what it waits for; gone when it goes on."""
        return f"{self.namespace}:waits:{{{agent}}}"

    def postponed(self, agent: str) -> str:
        """Hash: change that no model could be told of -> how often that was tried; gone when one was."""
        return f"{self.namespace}:postponed:{{{agent}}}"

    def programs(self, agent: str) -> str:
        """Hash: program -> all it takes to go on; gone when it goes on."""
        return f"{self.namespace}:programs:{{{agent}}}"

    def rights(self, agent: str) -> str:
        """Hash: `g:` grant -> what the agent was given, `u:` and `t:` grant -> the use or turn it was for."""
        return f"{self.namespace}:rights:{{{agent}}}"

    def draft(self, space: str) -> str:
        """A topic, no key: what an agent is about to say in the space."""
        return f"{self.namespace}:draft:{{{space}}}"

    def queue(self) -> str:
        """List: the causes whose background agents wait for a turn, each once."""
        return f"{self.namespace}:{{queue}}"

    def line(self, cause: str) -> str:
        """List: the agents that wait for a turn for this cause."""
        return f"{self.queue()}:{cause}"

    # What was spent, all in one slot, since a turn draws from several accounts at once.
    def account(self, name: str) -> str:
        """Hash: what an account spent, holds reserved, and may spend; lives 40 days after its last use, a month's 400,
        an agent's as long as the agent."""
        return f"{self.namespace}:account:{{accounts}}:{name}"

    def reservations(self, turn: str) -> str:
        """Hash: what a turn has reserved and not settled yet; empties with the turn, lives 7 days."""
        return f"{self.namespace}:reserved:{{accounts}}:{turn}"

    def put_off(self, account: str) -> str:
        """Set: what was parked when this account was used up, as `agent US space/number`; lives 40 days."""
        return f"{self.namespace}:putoff:{{accounts}}:{account}"

    def prices(self) -> str:
        """Hash: model -> the dearest token it ever took, in billionths of a dollar; lives as long as the house."""
        return f"{self.namespace}:prices:{{accounts}}"

    def spending(self, day: str) -> str:
        """Hash: what was spent on a day, by agent and by model; lives 400 days."""
        return f"{self.namespace}:spending:{{accounts}}:{day}"

    def roots(self) -> str:
        """Sorted set: the 1,000 first causes that were last spent on, by when."""
        return f"{self.namespace}:roots:{{accounts}}"

    # Registries, one key each; they live as long as the house.
    def spaces(self) -> str:
        """Set: the names of all spaces."""
        return f"{self.namespace}:spaces"

    def agents(self) -> str:
        """Set: the ids of all living agents."""
        return f"{self.namespace}:agents"

    def postponing(self) -> str:
        """Sorted set: agents for which changes were put off, by when they are taken up (ms since 1970)."""
        return f"{self.namespace}:postponing"

    def waiting(self) -> str:
        """Set: agents that may have programs which wait; where to look, never the truth."""
        return f"{self.namespace}:waiting"

    def held(self, principal: str) -> str:
        """Set: spaces the principal was ever given something in; where to look, never a right."""
        return f"{self.namespace}:held:{principal}"

    # Of a cause.
    def stopped(self, root: str) -> str:
        """String: that what follows from the change `space/number` is to stop; lives a day."""
        return f"{self.namespace}:stopped:{root}"

    # Of the house.
    def embedder(self) -> str:
        """Hash: which embedder the vectors are of, in which field of the atoms they are, and which others still are."""
        return f"{self.namespace}:embedder"

    def format(self) -> str:
        """String: the number of the data format, see core/store/format.py."""
        return f"{self.namespace}:format"

    def index(self, schema: int, embedder: str) -> str:
        """The search index over all atoms; its name carries its schema and the embedder, since vectors do not mix."""
        return f"{self.namespace}:atoms-{schema}:{embedder}"

    def own_index(self, schema: int, embedder: str, space: str) -> str:
        """The search index over the atoms of one big space."""
        return f"{self.own_indexes()}-{schema}:{space}:{embedder}"

    def own_indexes(self) -> str:
        """The prefix of the indexes of big spaces."""
        return f"{self.namespace}:own"

    def vector(self, embedder: str, digest: str) -> str:
        """String: the vector of a text that was embedded before; lives 30 days."""
        return f"{self.namespace}:vector:{embedder}:{digest}"

    def docket(self, queue: str) -> str:
        """The prefix of all keys of one pydocket queue; each of them lives as docket says."""
        return f"{self.namespace}-docket-{queue}"
