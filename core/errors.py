"""The errors Stoa raises; their text says what was wrong, what was expected and how to mend it."""


class StoaError(Exception):
    """Any error Stoa raises on purpose; its text is a whole sentence for a person or an agent."""


class InvalidInput(StoaError, ValueError):
    """An argument, a message or a setting is not what it must be."""


class PermissionDenied(StoaError, PermissionError):
    """The principal's effective right is too small; the text names the right that is missing."""


class NotFound(StoaError, LookupError):
    """There is no such space, atom, agent or timer for this principal."""


class Conflict(StoaError, RuntimeError):
    """The atom changed since the caller last saw it; the text says how, so that the change can be redone."""


class StoreUnavailable(StoaError, ConnectionError):
    """Redis cannot be reached, is full, or lacks what Stoa needs; nothing was written."""


class ModelUnavailable(StoaError, ConnectionError):
    """The model gave no answer: no key, no network, an unknown name, a refusal of the provider."""

    def __init__(self, text: str, kind: str = "refused", retry_after: float = 0, *, begun: bool = False) -> None:
        """`kind` is key, unpaid, unknown, busy, silent, unreachable, broken or refused; `retry_after` the seconds the
        provider wants us to wait; `begun` whether some of the answer was given before."""
        super().__init__(text)
        self.kind = kind
        self.retry_after = retry_after
        self.begun = begun


class BudgetSpent(StoaError, RuntimeError):
    """An account has too little left; the text names the account, the field, its limit and what to do."""

    account = ""
    """The account that is used up."""
    tells = False
    """True for the one turn that tells of it."""


class ToolFailed(StoaError, RuntimeError):
    """A tool broke while it was used; what it had to do may be half done."""


class LeaseLost(StoaError, RuntimeError):
    """Another worker has taken over this agent's turn; anything this one still does is refused."""
