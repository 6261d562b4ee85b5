"""Buttons, modals and commands. Their ids say all there is to know, so that each works after any restart."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import discord
from discord import app_commands

from core.trust.approvals import NO, Choice

if TYPE_CHECKING:
    from channels.discord.client import DiscordClient

MAX_LABEL_CHARS, MAX_CUSTOM_ID_CHARS, MAX_BUTTONS = 80, 100, 25
MAX_REASON_CHARS = 1_000
CHOICE_PREFIX, REASON_PREFIX, SNOOZE_PREFIX = "stoa:", "stoa-why:", "stoa-snooze:"
REASON_LABEL = "No, because…"
SNOOZE_LABEL = "Snooze until…"


class ChoiceButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"(?P<kind>stoa|stoa-why):(?P<choice>.+)",
):
    """One answer to a question; or one that asks for a reason first."""

    def __init__(self, choice: str, label: str, kind: str = "stoa") -> None:
        style = discord.ButtonStyle.secondary
        shown = label[:MAX_LABEL_CHARS] or choice[:MAX_LABEL_CHARS]
        super().__init__(discord.ui.Button(label=shown, style=style, custom_id=f"{kind}:{choice}"))
        self.choice, self.kind = choice, kind

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> "ChoiceButton":
        label = item.label if isinstance(item, discord.ui.Button) else ""
        return cls(match["choice"], label or "", match["kind"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        if self.kind == "stoa-why":
            await interaction.response.send_modal(
                asking("Why not?", f"{REASON_PREFIX}{self.choice}", "What should it do instead?")
            )
            return
        await cast("DiscordClient", interaction.client).pressed(interaction, self.choice, self.item.label or "")


def buttons(choices: Sequence[Choice]) -> discord.ui.View | None:
    """A button for each choice, and for a no one that asks why."""
    made = [ChoiceButton(one.id, one.label) for one in choices]
    noes = [one.id for one in choices if one.id.rpartition(":")[2] == NO.id]
    made += [ChoiceButton(id, REASON_LABEL, "stoa-why") for id in noes]
    fitting = [one for one in made if len(one.item.custom_id or "") <= MAX_CUSTOM_ID_CHARS][:MAX_BUTTONS]
    if not fitting:
        return None
    view = discord.ui.View(timeout=None)
    for one in fitting:
        view.add_item(one)
    return view


def asking(title: str, id: str, label: str) -> discord.ui.Modal:
    """A modal with one line of text to fill in."""
    modal = discord.ui.Modal(title=title, custom_id=id[:MAX_CUSTOM_ID_CHARS], timeout=None)
    modal.add_item(discord.ui.TextInput(label=label, custom_id="text", max_length=MAX_REASON_CHARS))
    return modal


def filled(interaction: discord.Interaction[Any]) -> str:
    """The text of a modal that was sent off."""
    waiting: list[Any] = [interaction.data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("custom_id") == "text" and isinstance(one.get("value"), str):
                return str(one["value"]).strip()
            waiting += [*one.get("components", ()), one.get("component")]
    return ""


COMMANDS = {
    "ask": ("Say something to Stoa in your direct messages", "what", "{what}"),
    "remind": ("Be reminded of something", "what", "remind me {what}"),
    "tasks": ("See your task list", "", "What is on my task list?"),
    "approve": ("Say yes to a question that waits for you", "id", "approve {id}"),
}
"""Command -> its description, the name of its text if it takes one, and the words it stands for."""
STOP_COMMAND = ("stop", "Stop what is under way here")


def command_tree(client: "DiscordClient") -> app_commands.CommandTree[Any]:
    """The commands, for servers and for people who installed the app for themselves."""
    tree = app_commands.CommandTree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
    )
    for name, (description, option, words) in COMMANDS.items():
        tree.add_command(_command(client, name, description, option, words))

    async def stop(interaction: discord.Interaction[Any]) -> None:
        await client.stopped(interaction)

    tree.add_command(app_commands.Command(name=STOP_COMMAND[0], description=STOP_COMMAND[1], callback=stop))

    async def snooze(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        await interaction.response.send_modal(
            asking("Snooze", f"{SNOOZE_PREFIX}{message.channel.id}:{message.id}", "Until when?")
        )

    tree.add_command(app_commands.ContextMenu(name=SNOOZE_LABEL, callback=snooze))
    return tree


def _command(
    client: "DiscordClient", name: str, description: str, option: str, words: str
) -> app_commands.Command[Any, ..., None]:
    async def with_text(interaction: discord.Interaction[Any], text: str) -> None:
        await client.commanded(interaction, words.format(**{option: text}))

    async def bare(interaction: discord.Interaction[Any]) -> None:
        await client.commanded(interaction, words)

    if not option:
        return app_commands.Command(name=name, description=description, callback=bare)
    made: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name, description=description, callback=with_text
    )
    return app_commands.rename(text=option)(made)


async def sync_commands(tree: app_commands.CommandTree[Any]) -> bool:
    """Tell Discord of the commands, unless it has just these; answers whether it was told."""
    wanted = {(one.name, getattr(one, "description", "")) for one in tree.get_commands()}
    if {(one.name, one.description) for one in await tree.fetch_commands()} == wanted:
        return False
    await tree.sync()
    return True
