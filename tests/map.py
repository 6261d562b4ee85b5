"""The map of the house: what each file of the product is, by the sentence it opens with; `python -m tests.map`."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "map.md"
FOLDERS = ("core", "channels", "conventions", "bots")


def drawn(layers: str) -> str:
    """The map; the files of core in the order of `layers`, from the ground up, the others by name."""
    order = {name: place for place, name in enumerate(layers.split())}
    lines = [
        "# Where what lives",
        "",
        "Each file by the sentence it opens with; those of core from the ground up, each importing only what stands "
        "above it here. Drawn by `make fix`.",
    ]
    for folder in FOLDERS:
        lines += ["", f"## {folder}", "", "| file | what it is |", "|---|---|"]
        files = [path for path in sorted((ROOT / folder).rglob("*.py")) if path.name != "__init__.py"]
        for path in sorted(files, key=lambda path: (order.get(path.stem, 0) if folder == "core" else 0, str(path))):
            said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            name = path.relative_to(ROOT / folder).as_posix()
            lines.append(f"| [{name}](../{folder}/{name}) | {' '.join(said.partition(chr(10) * 2)[0].split())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from tests.test_house import FROM_THE_GROUND_UP

    FILE.write_text(drawn(FROM_THE_GROUND_UP), "utf-8")
