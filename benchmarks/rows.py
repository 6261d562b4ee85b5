"""The table of a run: its rows, and how it is shown, kept as JSON and written into the docs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

COLUMNS = ("name", "ours", "bare", "ratio", "goal", "met")
BEGIN, END = "<!-- the newest run begins -->", "<!-- the newest run ends -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number. A goal bounds the ratio where there is something bare to compare with, else our number."""

    name: str
    ours: float
    unit: str
    bare: float | None = None
    goal: float | None = None
    most: bool = True
    """Whether the goal is the most that is allowed, rather than the least."""

    @property
    def ratio(self) -> float | None:
        """Ours as a multiple of the bare."""
        return self.ours / self.bare if self.bare else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        measured = self.ours if self.ratio is None else self.ratio
        return measured <= self.goal if self.most else measured >= self.goal

    def words(self) -> list[str]:
        """The row as the table shows it."""
        goal, met = "", ""
        if self.goal is not None:
            goal = f"{'≤' if self.most else '≥'} {self.goal:g}{'×' if self.bare else f' {self.unit}'}"
            met = "yes" if self.met else "NO"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}×"
        return [self.name, self._amount(self.ours), self._amount(self.bare), ratio, goal, met]

    def as_json(self) -> dict[str, object]:
        """The row as build/bench.json holds it; the numbers are in the unit that the name ends with."""
        goal = self.words()[4]
        ratio = None if self.ratio is None else round(self.ratio, 3)
        bare = None if self.bare is None else round(self.bare, 4)
        values = (f"{self.name} ({self.unit})", round(self.ours, 4), bare, ratio, goal, self.met)
        return dict(zip(COLUMNS, values, strict=True))

    def _amount(self, number: float | None) -> str:
        if number is None:
            return ""
        digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3
        return f"{number:,.{digits}f} {self.unit}"


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "name" else "right", overflow="fold")
    for row in rows:
        table.add_row(*row.words(), style="red" if row.met is False else None)
    console.print(table)


def write_json(rows: Sequence[Row], file: Path) -> None:
    """Keep the run for whoever compares runs."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_docs(rows: Sequence[Row], page: Path) -> None:
    """Put the run where the page shows the newest one."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"Taken on {date.today():%d %B %Y} ({machine}).", "", f"| {' | '.join(COLUMNS)} |"]
    lines.append("|---|" + "--:|" * (len(COLUMNS) - 1))
    lines += [f"| {' | '.join(row.words())} |" for row in rows]
    page.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]), "utf-8")
