"""`python -m benchmarks`: every subject in one run, the table of all rows, and build/bench.json.

With names of subjects only those are measured and nothing is kept; with --docs the table goes into the docs, too.
`retrieval PATH` reads the questions of LoCoMo's published file, `retrieval` alone those that ship.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.anatomy import anatomy
from benchmarks.budgets import budgets
from benchmarks.channels import channels
from benchmarks.durability import durability
from benchmarks.finding import finding
from benchmarks.link import link
from benchmarks.mcp import mcp
from benchmarks.notifying import notifying
from benchmarks.peers import peers
from benchmarks.processes import processes
from benchmarks.retrieval import retrieval
from benchmarks.rows import Row, show, write_docs, write_json
from benchmarks.spaces import spaces
from benchmarks.stages import Stage
from benchmarks.throughput import throughput
from benchmarks.turns import load, turns

ROOT = Path(__file__).parent.parent
SUBJECTS: list[Callable[[Stage], Awaitable[list[Row]]]] = [
    link,
    durability,
    spaces,
    anatomy,
    notifying,
    finding,
    budgets,
    turns,
    throughput,
    load,
    channels,
    processes,
    mcp,
]
"""What is measured, in the order of the table; a new subject is one more function here."""
ON_REQUEST: list[Callable[[Stage], Awaitable[list[Row]]]] = [peers, retrieval]
"""What takes long, or installs something: only when it is named."""


def main() -> None:
    """Measure, print and keep."""
    known = {subject.__name__: subject for subject in [*SUBJECTS, *ON_REQUEST]}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Stoa.")
    parser.add_argument("subjects", nargs="*", help=f"only these: {', '.join(known)}", metavar="subject")
    parser.add_argument("--docs", action="store_true", help="put a run of everything into docs/benchmarks.md")
    arguments = parser.parse_args()
    match arguments.subjects:
        case ["retrieval", path] if path not in known:
            known["retrieval"] = partial(retrieval, path=Path(path))
            arguments.subjects = ["retrieval"]
    if unknown := [name for name in arguments.subjects if name not in known]:
        parser.error(f"there is no subject {unknown[0]}; there are {', '.join(known)}")
    console = Console()
    rows = asyncio.run(_measure([known[name] for name in arguments.subjects] or SUBJECTS, console))
    show(rows, console)
    if not arguments.subjects:
        write_json(rows, ROOT / "build" / "bench.json")
        if arguments.docs:
            write_docs(rows, ROOT / "docs" / "benchmarks.md")


async def _measure(subjects: Sequence[Callable[[Stage], Awaitable[list[Row]]]], console: Console) -> list[Row]:
    with Progress(console=console, transient=True) as progress:
        stage = Stage(progress)
        return [row for subject in subjects for row in await subject(stage)]


if __name__ == "__main__":
    main()
