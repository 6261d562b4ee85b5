"""The bridge: it joins the conversations of one channel to their chat spaces."""

from collections.abc import Sequence
from dataclasses import dataclass

from channels.bridge.attachments import FileTransfer
from channels.bridge.delivery import RETRY_SECONDS, Delivery
from channels.bridge.outbox import Outbox
from channels.contract import Channel
from core.agents.stopping import Stopping
from core.spaces.spaces import Spaces


@dataclass(frozen=True, slots=True)
class Bridge:
    """A channel, the spaces that it is joined to, and the way of files between them."""

    spaces: Spaces
    channel: Channel
    files: FileTransfer
    retry_seconds: Sequence[float] = RETRY_SECONDS
    """Pauses between the attempts to deliver one message."""

    @property
    def stopping(self) -> Stopping:
        return Stopping(self.spaces.store)

    def subscriber(self, conversation: str) -> str:
        """As whom a conversation reads its space."""
        return f"channel:{self.channel.name}:{conversation}"

    def outbox(self, conversation: str) -> Outbox:
        return Outbox(self.spaces.store, self.subscriber(conversation))

    def delivery(self, conversation: str) -> Delivery:
        return Delivery(self.channel, conversation, self.outbox(conversation), self.retry_seconds)
