"""The command line: every command with its line of help. Each is a function in the module that its entry names."""

import os

from bots.cli.lazy import CommandEntry, GroupEntry, LazyGroup

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

SPACE = GroupEntry(
    "Read and change spaces and the atoms in them.\n\n"
    "An atom is written SPACE/ATOM, the way listings show it in brackets.",
    {
        "list": CommandEntry("spaces.space_list", "List spaces."),
        "show": CommandEntry("spaces.space_show", "Show a space's newest atoms, or one atom in full."),
        "get": CommandEntry("spaces.space_get", "Print an atom's text and nothing else."),
        "search": CommandEntry("spaces.space_search", "Find atoms by meaning or by their words."),
        "history": CommandEntry("spaces.space_history", "List the changes to a space or an atom."),
        "diff": CommandEntry("spaces.space_diff", "Compare two versions of an atom."),
        "tail": CommandEntry("tail.space_tail", "Print the latest changes; with -f, new ones as they happen."),
        "create": CommandEntry("space_changes.space_create", "Create a space that only you may use."),
        "describe": CommandEntry("space_changes.space_describe", "Print or replace a space's description."),
        "share": CommandEntry("space_changes.space_share", "Give someone a permission on a space."),
        "revoke": CommandEntry("space_changes.space_revoke", "Take back someone's permissions on a space."),
        "put": CommandEntry("space_changes.space_put", "Put a new atom into a space and print its name."),
        "edit": CommandEntry("space_changes.space_edit", "Edit an atom's text, or set its metadata."),
        "deprecate": CommandEntry("space_changes.space_deprecate", "Hide an atom from search."),
        "restore": CommandEntry("space_changes.space_restore", "Go back to an earlier version of an atom."),
        "attach": CommandEntry("attachments.space_attach", "Attach files to an atom."),
        "save": CommandEntry("attachments.space_save", "Save the files attached to an atom."),
        "detach": CommandEntry("attachments.space_detach", "Remove a file from an atom."),
        "reembed": CommandEntry("space_changes.space_reembed", "Rebuild search for another embedding model."),
    },
)
AGENT = GroupEntry(
    "List, inspect and end agents.",
    {
        "list": CommandEntry("agents.agent_list", "List agents, with their task and their spawner."),
        "show": CommandEntry("agents.agent_show", "Show an agent's task, model and rights."),
        "tree": CommandEntry("agents.agent_tree", "Show which agent spawned which, with rights and costs."),
        "end": CommandEntry("agents.agent_end", "End a spawned agent and every agent it spawned."),
    },
)
TIMER = GroupEntry(
    "List and cancel timers.",
    {
        "list": CommandEntry("timers.timer_list", "List pending timers, the next one first."),
        "cancel": CommandEntry("timers.timer_cancel", "Cancel a timer."),
    },
)
APPROVAL = GroupEntry(
    "List and answer what agents ask you for.",
    {
        "list": CommandEntry("trust.approval_list", "List the questions waiting for your answer."),
        "answer": CommandEntry("trust.approval_answer", "Answer a question with one of its choices."),
    },
)
GRANT = GroupEntry(
    "List and revoke rights.",
    {
        "list": CommandEntry("trust.grant_list", "List who may use which spaces, tools, secrets and models."),
        "revoke": CommandEntry("trust.grant_revoke", "Revoke a right and everything passed on from it."),
    },
)
BUDGET = GroupEntry(
    "List and raise spending limits.",
    {
        "list": CommandEntry("costs.budget_list", "List limits: today's, this month's, agents' and recent work's."),
        "allow": CommandEntry("costs.budget_allow", "Set what an agent, or one piece of work, may spend in all."),
    },
)
DIRECTORY = GroupEntry(
    "Manage the addresses agents may contact without asking.\n\n"
    "After reading text from outside, an agent asks you before it contacts any other address.",
    {
        "list": CommandEntry("trust.directory_list", "List the addresses."),
        "add": CommandEntry("trust.directory_add", "Add addresses."),
        "remove": CommandEntry("trust.directory_remove", "Remove addresses; agents have to ask again."),
    },
)
SECRET = GroupEntry(
    "Store passwords and tokens for tools, encrypted.\n\n"
    "Tools use them; no agent ever sees a value, and no command prints one.",
    {
        "set": CommandEntry("trust.secret_set", "Store a secret; you're asked for its value."),
        "list": CommandEntry("trust.secret_list", "List the names of secrets and where each one comes from."),
        "rm": CommandEntry("trust.secret_remove", "Delete a secret."),
    },
)
PEOPLE = GroupEntry(
    "Manage the people who may talk to Stoa.",
    {
        "list": CommandEntry("people.people_list", "List people, and strangers waiting to be let in."),
        "link": CommandEntry("people.people_link", "Print a code that links another account of a person."),
        "allow": CommandEntry("people.people_allow", "Let a person or a room in."),
        "block": CommandEntry("people.people_block", "Block a person, an account or a stranger."),
        "forget": CommandEntry("people.people_forget", "Forget a person, or unlink one of their accounts."),
        "prefer": CommandEntry("people.people_prefer", "Choose the account on which a person gets reminders."),
        "group": GroupEntry(
            "Manage groups of people, to share a space with all of them.",
            {
                "list": CommandEntry("people.group_list", "List groups and their members."),
                "add": CommandEntry("people.group_add", "Add a person to a group; the first one creates it."),
                "remove": CommandEntry("people.group_remove", "Remove a person from a group."),
            },
        ),
    },
)
ROOM = GroupEntry(
    "Manage the rooms Stoa takes part in.",
    {
        "list": CommandEntry("rooms.room_list", "List rooms and how Stoa behaves in each."),
        "set": CommandEntry("rooms.room_set", "Let Stoa into a room, or change how it behaves there."),
        "block": CommandEntry("rooms.room_block", "Keep Stoa out of a room."),
        "forget": CommandEntry("rooms.room_forget", "Forget a room, so that you're asked about it again."),
    },
)
ACCOUNT = GroupEntry(
    "List and remove Stoa's accounts on platforms.",
    {
        "list": CommandEntry("accounts.account_list", "List accounts and their options."),
        "remove": CommandEntry("accounts.account_remove", "Remove an account and its tokens."),
    },
)
STOA = GroupEntry(
    HELP,
    {
        "run": CommandEntry("run.run", "Start Stoa and talk to it in this terminal."),
        "chat": CommandEntry("chat.chat", "Talk to a Stoa that is already running."),
        "setup": CommandEntry("accounts.setup", "Connect Stoa to a platform such as Slack."),
        "serve": CommandEntry("worker.serve", "Serve your accounts and run agents, without a prompt."),
        "worker": CommandEntry("worker.worker", "Run agents only, without accounts or a prompt."),
        "doctor": CommandEntry("doctor.doctor", "Check that everything works, and say how to fix it."),
        "export": CommandEntry("backup.export", "Back up spaces, or everything, to a file."),
        "import": CommandEntry("backup.import_", "Restore a backup, here or on another machine."),
        "why": CommandEntry("agents.why", "Trace an atom back to the message that caused it."),
        "cost": CommandEntry("costs.cost", "Show what agents have spent."),
        "space": SPACE,
        "agent": AGENT,
        "timer": TIMER,
        "approval": APPROVAL,
        "grant": GRANT,
        "budget": BUDGET,
        "directory": DIRECTORY,
        "secret": SECRET,
        "people": PEOPLE,
        "room": ROOM,
        "account": ACCOUNT,
    },
)

app = LazyGroup("stoa", STOA)


def main() -> None:
    """Run the command that this process was started with; without styles where the terminal has none."""
    plain = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    app(prog_name="stoa", color=False if plain else None)
