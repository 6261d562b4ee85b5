"""`stoa secret`: what tools need and nobody else may read; values come from a prompt or standard input, and stay in."""

import sys

import typer

from bots.cli.output import print_json, print_table
from core.secrets.secrets import Secrets, check_name, check_value
from core.secrets.vault import Vault
from core.settings import load


def put(name: str) -> None:
    """Keep a secret, encrypted; the value never stands on a command line, where others could see it."""
    check_name(name)
    home = load().home
    if sys.stdin.isatty():
        value = typer.prompt(f"The value of {name} (it is not shown)", hide_input=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    check_value(value)
    vault = Vault(home)
    vault.put(name, value)
    typer.echo(f"{name} is kept, encrypted, in {home}. Tools of agents that hold {name} may use it from now on.")
    if name in Secrets(vault=vault).given():
        typer.echo(f"STOA_SECRET_{name} is set in this environment, and wins over it where Stoa sees it.")


def list_all(as_json: bool) -> None:
    """The names, and where each comes from; never a value."""
    known = Secrets(vault=Vault(load().home))
    rows = [(name, "environment" if name in known.given() else "encrypted") for name in known.names()]
    if as_json:
        print_json([{"name": name, "from": source} for name, source in rows])
    elif rows:
        print_table([*rows])
    else:
        typer.echo("There are no secrets yet; `stoa secret set BANK_TOKEN` keeps one.")


def remove(name: str) -> None:
    """Forget a secret."""
    check_name(name)
    Vault(load().home).remove(name)
    typer.echo(f"{name} is forgotten.")
