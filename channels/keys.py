"""Redis keys that only channels use, and how long each lives. Braces mark the hash tag."""

from dataclasses import dataclass

from core.store.store import Store


@dataclass(frozen=True, slots=True)
class ChannelKeys:
    """The channels' keys of one Stoa, all beginning with its namespace."""

    namespace: str

    # Of a conversation; an outbox entry lives 30 days after its last change.
    def binding(self, conversation: str) -> str:
        """JSON: which space the conversation is."""
        return f"{self.namespace}:binding:{{{conversation}}}"

    def present(self, conversation: str) -> str:
        """String: that somebody sits at this terminal; lives seconds after they have left."""
        return f"{self.namespace}:present:{{{conversation}}}"

    def growing(self, subscriber: str) -> str:
        """Hash: agent -> the message in which its answer is being shown while it is written."""
        return f"{self.namespace}:growing:{{{subscriber}}}"

    def cards(self, subscriber: str) -> str:
        """Hash: open question -> what a channel calls the message that shows it; gone when it is decided."""
        return f"{self.namespace}:cards:{subscriber}"

    def outbox(self, subscriber: str, atom: str) -> str:
        """List: what the platform called each message that shows the atom; empty where that is not known."""
        return f"{self.namespace}:outbox:{{{subscriber}}}:{atom}"

    def receipt(self, subscriber: str, receipt: str) -> str:
        """String: the atom that the platform's message of this name shows."""
        return f"{self.namespace}:receipt:{{{subscriber}}}:{receipt}"

    # Of a chat space.
    def used(self, space: str) -> str:
        """Sorted set: the direct messages that are bound to the space, by the millisecond they were last used."""
        return f"{self.namespace}:used:{{{space}}}"

    def route(self, space: str, atom: str) -> str:
        """String: the conversation that shows an atom nobody there had asked for; lives 30 days."""
        return f"{self.namespace}:route:{{{space}}}:{atom}"

    # Of an account.
    def channel_account(self, account: str) -> str:
        """JSON: the account's record; until it is removed."""
        return f"{self.namespace}:channel:{{{account}}}"

    def bindings(self, account: str) -> str:
        """Set: the ids of the account's bindings."""
        return f"{self.namespace}:bindings:{{{account}}}"

    def inbox(self, account: str) -> str:
        """Stream: messages that are not dealt with yet; each goes when it is."""
        return f"{self.namespace}:inbox:{{{account}}}"

    def seen(self, account: str, message: str) -> str:
        """String: that a message was told before; lives three days."""
        return f"{self.namespace}:seen:{{{account}}}:{message}"

    def newest(self, account: str) -> str:
        """Hash: conversation -> what the platform calls the newest message we had of it."""
        return f"{self.namespace}:newest:{{{account}}}"

    def state(self, account: str, name: str) -> str:
        """String: JSON, a note that the channel keeps for itself; lives as long as the channel says."""
        return f"{self.namespace}:state:{{{account}}}:{name}"

    def holder(self, account: str) -> str:
        """String: the token of the process that serves the account; lives as long as the lease."""
        return f"{self.namespace}:holder:{{{account}}}"

    def trouble(self, account: str) -> str:
        """String: the reason why the account's messages do not reach us; lives a minute after it was last so."""
        return f"{self.namespace}:trouble:{{{account}}}"

    # People, in one slot; they live until they are forgotten.
    def identities(self) -> str:
        """Hash: account and sender, as `account/sender` -> the id of the person who writes from there."""
        return f"{self.namespace}:identities:{{people}}"

    def people(self) -> str:
        """Set: the ids of all people."""
        return f"{self.namespace}:people:{{people}}"

    def person(self, person: str) -> str:
        """JSON: the person's record."""
        return f"{self.namespace}:person:{{people}}:{person}"

    def people_ever(self) -> str:
        """Set: every id a person ever had, so that none is given twice; lives as long as the house."""
        return f"{self.namespace}:people-ever:{{people}}"

    def codes(self) -> str:
        """Hash: digest of a code that links an account -> to whom, until when; who has used it; lives two hours."""
        return f"{self.namespace}:codes"

    def tries(self, sender: str) -> str:
        """Hash: message -> when it tried a code, and until when no more are looked at; lives two hours."""
        return f"{self.namespace}:tries:{sender}"

    def heard(self, day: str) -> str:
        """String: how many voice notes of others than the owner were written down on a day; lives two days."""
        return f"{self.namespace}:heard:{day}"

    # Strangers and rooms that ask to be let in, until that is decided and what they wrote is taken.
    def admission_requests(self) -> str:
        """Hash: request -> the account and kind that it counts for."""
        return f"{self.namespace}:admissions"

    def admission_request(self, request: str) -> str:
        """JSON: the request's record."""
        return f"{self.namespace}:admission:{{{request}}}"

    def kept_messages(self, request: str) -> str:
        """List: the messages that came with the request, each as JSON."""
        return f"{self.namespace}:kept:{{{request}}}"

    # The page.
    def web_code(self, digest: str) -> str:
        """String: that a link with the code of this digest was not used yet; lives ten minutes."""
        return f"{self.namespace}:web-code:{digest}"

    def web_sessions(self) -> str:
        """Hash: digest of a signed-in browser's token -> the second it signed in; good for 30 days."""
        return f"{self.namespace}:web-sessions"

    # Registries; they live as long as the house.
    def hooks(self) -> str:
        """Hash: a webhook's name -> its record."""
        return f"{self.namespace}:hooks"

    def rooms(self) -> str:
        """Set: the ids of all rooms, as `account/conversation`."""
        return f"{self.namespace}:rooms"

    def room(self, room: str) -> str:
        """JSON: the room's record."""
        return f"{self.namespace}:room:{room}"

    def channel_accounts(self) -> str:
        """Set: the names of the accounts on platforms."""
        return f"{self.namespace}:channels"


def channel_keys(store: Store) -> ChannelKeys:
    """The channels' keys in this store."""
    return ChannelKeys(store.keys.namespace)
