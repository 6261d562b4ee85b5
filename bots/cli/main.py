"""The command line: every command with the function that does it and its line of help."""

import os

from bots.cli.lazy import LazyGroup

HELP = """A personal assistant made of many agents over shared spaces.

\b
To begin:
  stoa run                            start Stoa and talk to it
  stoa chat --once 'what is due?'     ask a running Stoa from a script
  stoa space show bus                 read what the agents tell each other
  stoa doctor                         find out what's wrong

Data is kept in ~/.stoa, or where STOA_HOME says. STOA_MODEL names the model, REDIS_URL your own Redis.

`stoa --version` prints the version.
"""
GROUPS = {
    "": HELP,
    "space": "Read and change spaces and the atoms in them.\n\n"
    "An atom is written SPACE/ATOM, the way listings show it in brackets.",
    "convention": "List, write, try and apply the texts that teach agents how a space is used.",
    "agent": "List, inspect and end agents.",
    "timer": "Set, list, move and cancel timers.",
    "briefing": "Have calendar, tasks, mail and feeds on one page every morning.",
    "webhook": "Let other programs tell Stoa of something by a POST.",
    "approval": "List and answer what agents ask you for.",
    "grant": "List and revoke rights.",
    "tool": "List tools, and choose which agents may use them.",
    "token": "Manage the tokens of other assistants, for `stoa mcp`.",
    "budget": "List and raise spending limits.",
    "directory": "Manage the addresses agents may contact without asking.\n\n"
    "After reading text from outside, an agent asks you before it contacts any other address.",
    "secret": "Store passwords and tokens for tools, encrypted.\n\n"
    "Tools use them; no agent ever sees a value, and no command prints one.",
    "people": "Manage the people who may talk to Stoa.",
    "people group": "Manage groups of people, to share a space with all of them.",
    "room": "Manage the rooms Stoa takes part in.",
    "account": "List and remove Stoa's accounts on platforms.",
}
"""Group -> its help, of which the first line is listed."""
COMMANDS = {
    "run": ("run.run", "Start Stoa and talk to it in this terminal."),
    "chat": ("chat.chat", "Talk to a Stoa that is already running."),
    "setup": ("accounts.setup", "Connect Stoa to a platform such as Slack."),
    "serve": ("worker.serve", "Serve your accounts and run agents, without a prompt."),
    "worker": ("worker.worker", "Run agents only, without accounts or a prompt."),
    "web": ("web.web", "Print a link that opens the web page in your browser."),
    "doctor": ("doctor.doctor", "Check that everything works, and say how to fix it."),
    "export": ("backup.export", "Back up spaces, or everything, to a file."),
    "import": ("backup.import_", "Restore a backup, here or on another machine."),
    "why": ("agents.why", "Trace an atom back to the message that caused it."),
    "cost": ("costs.cost", "Show what agents have spent."),
    "space list": ("spaces.space_list", "List spaces."),
    "space show": ("spaces.space_show", "Show a space's newest atoms, or one atom in full."),
    "space get": ("spaces.space_get", "Print an atom's text and nothing else."),
    "space search": ("spaces.space_search", "Find atoms by meaning or by their words."),
    "space history": ("spaces.space_history", "List the changes to a space or an atom."),
    "space diff": ("spaces.space_diff", "Compare two versions of an atom."),
    "space tail": ("tail.space_tail", "Print the latest changes; with -f, new ones as they happen."),
    "space create": ("space_changes.space_create", "Create a space that only you may use."),
    "space describe": ("space_changes.space_describe", "Print or replace a space's description."),
    "space share": ("space_changes.space_share", "Give someone a permission on a space."),
    "space revoke": ("space_changes.space_revoke", "Take back someone's permissions on a space."),
    "space put": ("space_changes.space_put", "Put a new atom into a space and print its name."),
    "space edit": ("space_changes.space_edit", "Edit an atom's text, or set its metadata."),
    "space deprecate": ("space_changes.space_deprecate", "Hide an atom from search."),
    "space restore": ("space_changes.space_restore", "Go back to an earlier version of an atom."),
    "space attach": ("attachments.space_attach", "Attach files to an atom."),
    "space save": ("attachments.space_save", "Save the files attached to an atom."),
    "space detach": ("attachments.space_detach", "Remove a file from an atom."),
    "space reembed": ("space_changes.space_reembed", "Rebuild search for another embedding model."),
    "convention list": ("conventions.convention_list", "List conventions."),
    "convention show": ("conventions.convention_show", "Print a convention's text."),
    "convention new": ("conventions.convention_new", "Begin a convention of your own, as a file to edit."),
    "convention check": (
        "conventions.convention_check",
        "Check a convention, and try its recipes on an empty space.",
    ),
    "convention apply": ("conventions.convention_apply", "Describe a space by a convention."),
    "convention history": ("conventions.convention_history", "List the descriptions a space had, the newest last."),
    "convention restore": ("conventions.convention_restore", "Give a space an earlier description back."),
    "agent list": ("agents.agent_list", "List agents, with their task and their spawner."),
    "agent show": ("agents.agent_show", "Show an agent's task, model and rights."),
    "agent tree": ("agents.agent_tree", "Show which agent spawned which, with rights and costs."),
    "agent end": ("agents.agent_end", "End a spawned agent and every agent it spawned."),
    "timer list": ("timers.timer_list", "List pending timers, the next one first."),
    "timer show": ("timers.timer_show", "Show a timer and each time it ran."),
    "timer add": ("timers.timer_add", "Set a timer; you're reminded where you talk to Stoa."),
    "timer move": ("timers.timer_move", "Give a timer another time; one that has fired comes again."),
    "timer cancel": ("timers.timer_cancel", "Cancel a timer."),
    "timer undo": ("timers.timer_undo", "Take back the last change of a timer."),
    "briefing on": ("briefing.on", "Have a briefing every morning."),
    "briefing off": ("briefing.off", "Stop the daily briefing."),
    "briefing now": ("briefing.now", "Bring a briefing at once."),
    "webhook add": ("webhooks.webhook_add", "Add a webhook. Its secret is printed once."),
    "webhook list": ("webhooks.webhook_list", "List webhooks."),
    "webhook remove": ("webhooks.webhook_remove", "Remove a webhook; its events stay in its space."),
    "webhook test": ("webhooks.webhook_test", "Send a webhook an event, as its sender would."),
    "approval list": ("trust.approval_list", "List the questions waiting for your answer."),
    "approval answer": ("trust.approval_answer", "Answer a question with one of its choices."),
    "grant list": ("trust.grant_list", "List who may use which spaces, tools, secrets and models."),
    "grant revoke": ("trust.grant_revoke", "Revoke a right and everything passed on from it."),
    "tool list": ("tools.tool_list", "List tools, what each may do, and who holds it."),
    "tool show": ("tools.tool_show", "Show a tool's documentation and who holds it."),
    "tool grant": ("tools.tool_grant", "Let an agent use a tool."),
    "tool revoke": ("tools.tool_revoke", "Take a tool back from an agent."),
    "mcp": ("mcp.mcp", "Let other assistants use your spaces, over MCP."),
    "token create": ("mcp.token_create", "Make a token for another assistant, and print it."),
    "token list": ("mcp.token_list", "List tokens and the spaces each may use."),
    "token revoke": ("mcp.token_revoke", "End a token, and take back every space it was granted."),
    "budget list": ("costs.budget_list", "List limits: today's, this month's, agents' and recent work's."),
    "budget allow": ("costs.budget_allow", "Set what an agent, or one piece of work, may spend in all."),
    "directory list": ("trust.directory_list", "List the addresses."),
    "directory add": ("trust.directory_add", "Add addresses."),
    "directory remove": ("trust.directory_remove", "Remove addresses; agents have to ask again."),
    "secret set": ("trust.secret_set", "Store a secret; you're asked for its value."),
    "secret list": ("trust.secret_list", "List the names of secrets and where each one comes from."),
    "secret rm": ("trust.secret_remove", "Delete a secret."),
    "people list": ("people.people_list", "List people, and strangers waiting to be let in."),
    "people link": ("people.people_link", "Print a code that links another account of a person."),
    "people allow": ("people.people_allow", "Let a person or a room in."),
    "people block": ("people.people_block", "Block a person, an account or a stranger."),
    "people forget": ("people.people_forget", "Forget a person, or unlink one of their accounts."),
    "people prefer": ("people.people_prefer", "Choose the account on which a person gets reminders."),
    "people group list": ("people.group_list", "List groups and their members."),
    "people group add": ("people.group_add", "Add a person to a group; the first one creates it."),
    "people group remove": ("people.group_remove", "Remove a person from a group."),
    "room list": ("rooms.room_list", "List rooms and how Stoa behaves in each."),
    "room show": ("rooms.room_show", "Show how Stoa behaves in a room."),
    "room set": ("rooms.room_set", "Let Stoa into a room, or change how it behaves there."),
    "room block": ("rooms.room_block", "Keep Stoa out of a room."),
    "room forget": ("rooms.room_forget", "Forget a room, so that you're asked about it again."),
    "account list": ("accounts.account_list", "List accounts and their options."),
    "account remove": ("accounts.account_remove", "Remove an account and its tokens."),
}
"""Command -> its function below `bots.cli`, and its line of help."""

app = LazyGroup("", GROUPS, COMMANDS)


def main() -> None:
    """Run the command that this process was started with; without styles where the terminal has none."""
    plain = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    app(prog_name="stoa", color=False if plain else None)
