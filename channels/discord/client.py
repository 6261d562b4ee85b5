"""The connection to Discord: everything that its gateway tells, in the order in which it was told."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import discord

from channels.contract import InboundMessage, Later, Undeliverable, Unusable
from channels.discord.components import (
    REASON_PREFIX,
    SNOOZE_PREFIX,
    ChoiceButton,
    command_tree,
    filled,
    sync_commands,
)
from channels.discord.errors import MAX_WAIT_SECONDS, translated
from channels.discord.events import message_name, place, read_edit, read_message, read_reaction

MAX_KNOWN_SENDERS = 10_000
"""Of so many messages it is remembered who wrote them, as Discord tells of a deletion without its author."""
MAX_EMPTY_RESUMES = 5
"""A session that is resumed so often in a row, and tells nothing, is given up for a new one."""
GONE_CHANNEL, REMOVED_BOT = "the channel was deleted", "I was removed from the server"
TAKEN_HERE_REPLY, TAKEN_ELSEWHERE_REPLY = "I've got it.", "I'll answer in our direct messages."

log = logging.getLogger(__name__)


class DiscordClient(discord.AutoShardedClient):
    """Discord's gateway, as many shards of it as Discord asks for."""

    def __init__(self, account: str, *, content: bool) -> None:
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            dm_messages=True,
            guild_reactions=True,
            dm_reactions=True,
            message_content=content,
        )
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=MAX_WAIT_SECONDS,
            max_messages=1_000,
        )
        self.account = account
        self.last_event = datetime.now(UTC)
        """When the gateway last told anything."""
        self.away_since: float | None = None
        """Since when there is no session; an open socket is none."""
        self.tree = command_tree(self)
        self.add_dynamic_items(ChoiceButton)
        self.directs: dict[int, str] = {}
        """Direct message -> the person in it."""
        self._senders: OrderedDict[int, str] = OrderedDict()
        self._waiting: deque[InboundMessage] = deque()
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None
        self._empty_resumes = 0
        self._synced = False

    identify_pause = 5.0
    """Discord wants so many seconds between two sessions that begin."""

    @property
    def me(self) -> int:
        return self.user.id if self.user else 0

    # What is told -----------------------------------------------------------------------------------------------------

    async def messages(self) -> AsyncIterator[InboundMessage]:
        """Each message; it is taken when the next one is asked for."""
        while True:
            while not self._waiting:
                if self._failure:
                    raise self._failure
                self._changed.clear()
                await self._changed.wait()
            yield self._waiting[0]
            self._waiting.popleft()

    def take(self, message: InboundMessage | None) -> None:
        if message:
            self._waiting.append(message)
            self._changed.set()

    def fail(self, error: BaseException) -> None:
        """End `messages` with this error."""
        self._failure = error
        self._changed.set()

    # Events -----------------------------------------------------------------------------------------------------------

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(self.identify_pause)

    async def on_socket_event_type(self, event: str) -> None:
        self.last_event = datetime.now(UTC)
        if event != "RESUMED":
            self._empty_resumes = 0

    async def on_shard_disconnect(self, shard: int) -> None:
        self.away_since = self.away_since or time.monotonic()

    async def on_shard_connect(self, shard: int) -> None:
        self._after_gap()
        if not self._synced:
            self._synced = True
            try:
                with translated(self.account):
                    await sync_commands(self.tree)
            except (Undeliverable, Unusable, Later, OSError) as error:
                log.warning("%s could not tell Discord its commands: %s", self.account, error)

    async def on_shard_resumed(self, shard: int) -> None:
        self._empty_resumes += 1
        if self._empty_resumes > MAX_EMPTY_RESUMES:
            self.fail(ConnectionError("Discord resumes the session and tells nothing; a new one is begun"))
        self._after_gap()

    def _after_gap(self) -> None:
        """Let the bridge ask for what was said meanwhile: a session may have lost events without saying so."""
        self.away_since = None
        self.take(InboundMessage("", "", "", f"back:{time.time()}", kind="back"))

    async def on_message(self, message: discord.Message) -> None:
        self.know(message)
        self.take(read_message(message, self.me))

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        before, now = event.cached_message, event.message
        if before is None or before.content != now.content:
            self.take(read_edit(now, self.me))

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._deleted(event.channel_id, event.message_id, event.guild_id)

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        for message in sorted(event.message_ids):
            await self._deleted(event.channel_id, message, event.guild_id)

    async def _deleted(self, channel: int, message: int, guild: int | None) -> None:
        sender = self._senders.get(message, self.directs.get(channel, ""))
        if sender == str(self.me):
            return
        if not sender and guild is None and isinstance(found := await self.fetch_channel(channel), discord.DMChannel):
            sender = str(found.recipient.id) if found.recipient else ""
        room, parent = self.where(channel, guild)
        name = message_name(channel, message)
        self.take(InboundMessage(str(channel), sender, "", name, room=room, parent=parent, kind="deletion"))

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        if event.user_id != self.me:
            guild = self.get_guild(event.guild_id) if event.guild_id else None
            self.take(read_reaction(event, self.get_channel(event.channel_id), guild))

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self._lost(channel.id, channel.name, GONE_CHANNEL)

    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        self._lost(event.thread_id, event.thread.name if event.thread else "a thread", GONE_CHANNEL)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        for channel in [*guild.threads, *guild.channels]:
            self._lost(channel.id, channel.name, REMOVED_BOT)

    def _lost(self, channel: int, room: str, reason: str) -> None:
        id = f"{channel}:lost:{time.time()}"
        self.take(InboundMessage(str(channel), "", reason, id, room=room, addressed=False, kind="lost"))

    # Interactions -----------------------------------------------------------------------------------------------------

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """A modal that was sent off; it may have been opened before a restart."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        id = str(cast("dict[str, Any]", interaction.data).get("custom_id", ""))
        text = filled(interaction)
        if id.startswith(REASON_PREFIX):
            await self.pressed(interaction, id.removeprefix(REASON_PREFIX), "No")
            if text:
                shown = message_name(interaction.channel_id or 0, interaction.message.id) if interaction.message else ""
                self.take(self._said(interaction, f"No, because {text}", "why", reply_to=shown))
        elif id.startswith(SNOOZE_PREFIX):
            await interaction.response.send_message(TAKEN_HERE_REPLY, ephemeral=True)
            shown = id.removeprefix(SNOOZE_PREFIX)
            self.take(self._said(interaction, f"snooze this until {text}", "snooze", reply_to=shown))

    async def pressed(self, interaction: discord.Interaction[Any], choice: str, label: str) -> None:
        await interaction.response.defer()
        shown = message_name(interaction.channel_id or 0, interaction.message.id) if interaction.message else ""
        self.take(self._said(interaction, label, "press", choice=choice, reply_to=shown))

    async def commanded(self, interaction: discord.Interaction[Any], text: str) -> None:
        """Words that a command stands for: they are taken as a direct message."""
        user = interaction.user.id
        here = self.directs.get(interaction.channel_id or 0) == str(user) or isinstance(
            interaction.channel, discord.DMChannel
        )
        await interaction.response.send_message(TAKEN_HERE_REPLY if here else TAKEN_ELSEWHERE_REPLY, ephemeral=True)
        channel = interaction.channel_id or 0
        if not here:
            channel = int((await self.http.start_private_message(user))["id"])
        self.directs[channel] = str(user)
        id = message_name(channel, interaction.id)
        name = interaction.user.display_name
        sent: datetime = interaction.created_at
        self.take(InboundMessage(str(channel), str(user), text, id, name=name, passing=True, sent=sent))

    async def stopped(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(TAKEN_HERE_REPLY, ephemeral=True)
        self.take(self._said(interaction, "", "stop", kind="stop"))

    def _said(self, interaction: discord.Interaction[Any], text: str, what: str, **more: Any) -> InboundMessage:
        channel = interaction.channel_id or 0
        room, parent = self.where(channel, interaction.guild_id)
        return InboundMessage(
            conversation=str(channel),
            sender=str(interaction.user.id),
            text=text,
            id=f"{message_name(channel, interaction.id)}:{what}",
            name=interaction.user.display_name,
            room=room,
            parent=parent,
            passing=True,
            sent=interaction.created_at,
            **more,
        )

    # What is known ----------------------------------------------------------------------------------------------------

    def know(self, message: discord.Message) -> None:
        """Remember who wrote a message, and whose a direct message is."""
        self._senders[message.id] = str(message.author.id)
        if len(self._senders) > MAX_KNOWN_SENDERS:
            self._senders.popitem(last=False)
        if message.guild is None and message.author.id != self.me:
            self.directs[message.channel.id] = str(message.author.id)

    def where(self, channel: int, guild: int | None) -> tuple[str, str]:
        """The room and the parent of a channel by its id."""
        return place(self.get_channel(channel), self.get_guild(guild) if guild else None)
