"""`stoa`, or `python -m bots`. Errors end here: one line for the person, the details in the log."""

import sys
import time
import traceback
from pathlib import Path

from bots.pidfile import private
from core import __version__
from core.errors import StoaError


def main() -> None:
    """Run the command line and exit with its status."""
    if sys.argv[1:] == ["--version"]:
        print(f"stoa {__version__}")  # noqa: T201 - answered here, before anything is imported
        return
    from bots.cli.main import main as command_line

    try:
        command_line()
    except StoaError as error:
        sys.exit(_one_line(error))
    except Exception as error:  # noqa: BLE001 - one line for the person, the rest goes to the log
        known = _known(error)
        sys.exit(_one_line(known) if known else _unexpected(error))


def _one_line(error: BaseException) -> str:
    return _printable(f"stoa: {' '.join(str(error).split())}")


def _known(error: BaseException) -> StoaError | None:
    """The first of our own errors in a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_known, error.exceptions)), None)
    return error if isinstance(error, StoaError) else None


def _unexpected(error: Exception) -> str:
    log = _home() / "stoa.log"
    details = _printable("".join(traceback.format_exception(error)))
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(log, "a", encoding="utf-8", opener=private) as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} stoa {' '.join(sys.argv[1:])}\n{details}")
    except OSError:
        return f"{details}stoa: this is a bug, and the log {log} cannot be written."
    return _printable(
        f"stoa: this is a bug ({type(error).__name__}: {' '.join(str(error).split())}). "
        f"The details are at the end of {log}; please report them."
    )


def _printable(text: str) -> str:
    """The text without control characters and without the value of any secret."""
    from channels.text import visible
    from core.secrets.secrets import Secrets
    from core.secrets.vault import Vault

    return visible(Secrets(vault=Vault(_home())).redacted(text))


def _home() -> Path:
    from core.settings import home_directory

    return home_directory()


if __name__ == "__main__":
    main()
