"""Webhooks of the house: each with its space, and the coordinator that reads them all."""

from channels.webhook.hooks import Hook, Hooks, new_secret
from conventions.loading import instructions, text
from core.agents.agents import Agent
from core.atoms.permissions import Permission
from core.house import House
from core.secrets.vault import Vault

READER = "webhook"


async def add_webhook(house: House, hook: Hook) -> str:
    """Add the hook with its space and its reader; answers its token or key, which is shown once."""
    await Hooks(house.store).add(hook)
    key = new_secret()
    Vault(house.settings.home).put(hook.secret, key)
    space = await house.spaces.create(hook.space, description=text("webhook"))
    await space.share(hook.principal.id, Permission.APPEND, comment=f"the webhook {hook.id} puts its events here")
    await _seat_reader(house, await Hooks(house.store).all())
    return key


async def remove_webhook(house: House, id: str) -> None:
    """Remove the hook and its secret; its space stays."""
    hook = await Hooks(house.store).get(id)
    await Hooks(house.store).remove(id)
    await house.spaces.open(hook.space).revoke(hook.principal.id)
    vault = Vault(house.settings.home)
    if hook.secret in vault.names():
        vault.remove(hook.secret)


async def _seat_reader(house: House, hooks: list[Hook]) -> None:
    """Connected to spaces with an outside interface, the reader is a coordinator, and speaks on the bus."""
    spaces = {hook.space: Permission.READ for hook in hooks}
    agent = Agent(id=READER, instructions=instructions("webhook"))
    await house.agents.seat(agent, {"bus": Permission.WRITE} | spaces, tuple(spaces))
