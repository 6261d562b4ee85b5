"""The command line: the names, the options and the words of help; what each does is in the modules beside it."""

import asyncio
from typing import Annotated

import typer

from bots.cli.cli_costs import budget, cost
from bots.cli.cli_people import account, people, room, setup
from bots.cli.cli_spaces import space
from bots.cli.cli_trust import approval, directory, grant, secret
from bots.cli.options import Id, Json, group
from core import __version__

app = group(
    "A personal assistant that is many agents over shared spaces.\n\n"
    "\b\nBegin with:\n"
    "  stoa run                            start it and talk to it\n"
    "  stoa chat --once 'what is due?'     ask a running one from a script\n"
    "  stoa space show bus                 see what the agents tell each other\n"
    "  stoa doctor                         find out what is wrong\n\n"
    "Data lies in ~/.stoa or where STOA_HOME says. STOA_MODEL names the model, REDIS_URL a Redis of your own."
)
agent = group("See which agents there are, and end them.")
timer = group("See and cancel what is going to happen at a time.")
app.add_typer(space, name="space")
app.add_typer(agent, name="agent")
app.add_typer(timer, name="timer")
app.add_typer(directory, name="directory")
app.add_typer(approval, name="approval")
app.add_typer(grant, name="grant")
app.add_typer(budget, name="budget")
app.add_typer(secret, name="secret")
app.add_typer(people, name="people")
app.add_typer(room, name="room")
app.add_typer(account, name="account")


@app.callback()
def stoa(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"stoa {__version__}")
        raise typer.Exit


@app.command()
def run() -> None:
    """Start Stoa and talk to it here.

    Everything runs in this one process: the embedded Redis (unless REDIS_URL names one), the agents, and the
    conversation. Without a terminal each line of standard input is a message, and answers are plain lines; at the
    end of the input it waits until nobody works any more, STOA_LINGER seconds (120) at most, and ends; timers and
    programs that wait are kept for the next start. Keep the input open to keep Stoa running.

    \b
    Examples:
      stoa run
      echo 'add buy milk to my tasks' | stoa run
      (echo 'remind me in 1 minute to stretch'; sleep 90) | stoa run
    """
    from bots.cli.run import run

    run()


@app.command()
def chat(
    once: Annotated[str | None, typer.Option(metavar="TEXT", help="Send this, print the answer, and end.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="How many seconds --once waits for the answer.")] = 120,
) -> None:
    """Talk to a Stoa that is already running.

    \b
    Examples:
      stoa chat
      stoa chat --once 'what is on my list?'
    """
    from bots.cli import chat

    asyncio.run(chat.ask(once, timeout) if once is not None else chat.talk())


@app.command()
def worker() -> None:
    """Take the agents' turns, without a conversation, until asked to end.

    Run it as often as you like, on one machine or on many: whoever shares a Redis shares the work, and what a worker
    that dies leaves undone the others take up within seconds. REDIS_URL names the Redis; without it the embedded one
    of this data directory is used. Asked to end, it finishes the turns under way first, for up to 20 seconds.

    \b
    Examples:
      stoa worker
      REDIS_URL=redis://redis.home:6379 stoa worker
    """
    from bots.cli.worker import work

    work(serves=False)


@app.command()
def serve() -> None:
    """Serve the accounts that `stoa setup` has added, and take the agents' turns, until asked to end.

    What `stoa run` does, without a conversation here: for a machine that is always on. Run it as often as you like over
    one Redis: each account is served by one process, and by another within seconds when that one dies.

    \b
    Examples:
      stoa serve
      REDIS_URL=redis://redis.home:6379 stoa serve
    """
    from bots.cli.worker import work

    work(serves=True)


@agent.command("list")
def agent_list(json: Json = False) -> None:
    """List the agents: what each is for, and who spawned it."""
    from bots.cli import agents

    asyncio.run(agents.list_all(json))


@agent.command("show")
def agent_show(id: Id, json: Json = False) -> None:
    """Show one agent: its task, its model, and what it may do."""
    from bots.cli import agents

    asyncio.run(agents.show(id, json))


@agent.command("tree")
def agent_tree(json: Json = False) -> None:
    """Show who spawned whom: what for, what each may do, and what it has spent."""
    from bots.cli import tree

    asyncio.run(tree.show(json))


@agent.command("end")
def agent_end(id: Id) -> None:
    """End a spawned agent and all that it spawned. Their session and their rights go, what they wrote stays."""
    from bots.cli import tree

    asyncio.run(tree.end(id))


@timer.command("list")
def timer_list(json: Json = False) -> None:
    """List what is going to happen, the next first."""
    from bots.cli import timers

    asyncio.run(timers.list_all(json))


@timer.command("cancel")
def timer_cancel(id: Id) -> None:
    """Cancel a timer by the id that `stoa timer list` shows."""
    from bots.cli import timers

    asyncio.run(timers.cancel(id))


@app.command("export")
def export_(
    arguments: Annotated[list[str], typer.Argument(metavar="[SPACE]... FILE", help="Spaces, if not all; - is stdout.")],
) -> None:
    """Write spaces with their whole past to a file, or everything with the agents if no space is named.

    Stoa may run meanwhile. The file is JSON Lines and holds what you wrote: keep it as you keep your data. Secrets are
    not in it.

    \b
    Examples:
      stoa export backup.jsonl
      stoa export recipes notes - | gzip > two-spaces.jsonl.gz
    """
    from bots.cli import backup as moving

    asyncio.run(moving.export(arguments[:-1], arguments[-1]))


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `stoa export` wrote; - is stdin.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask about the rights that the file gives.")] = False,
) -> None:
    """Bring back what was exported, here or on another machine.

    The file is read once before anything is written, so a damaged one changes nothing. What is here already stays as
    it is; a space of the same name with another past is refused. Who would be given rights is shown, and asked about.

    \b
    Examples:
      stoa import backup.jsonl
      STOA_HOME=~/second stoa import backup.jsonl
    """
    from bots.cli import backup as moving

    asyncio.run(moving.import_(file, yes))


@app.command()
def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Mend the data of the embedded Redis, if damaged.")] = False,
) -> None:
    """Find out what is wrong, and what to do about it.

    A model other than the built-in one is asked for a single word, so that you know whether it answers, and each
    account is tried on its platform.
    """
    from bots.cli import doctor

    if not asyncio.run(doctor.mend() if repair else doctor.examine()):
        raise typer.Exit(1)


@app.command()
def why(
    atom: Annotated[str, typer.Argument(metavar="SPACE/ATOM")],
    json: Json = False,
) -> None:
    """Show how an atom came to be: the turn that wrote it, what that had read, and so on back to the first message.

    \b
    Example:
      stoa why tasks/k3v9w2m4q8zt
    """
    from bots.cli import why

    asyncio.run(why.show(atom, json))


app.command("cost")(cost)
app.command("setup")(setup)
