"""What you run: `stoa`, or `python -m bots`. The last place an error can go becomes one line to the person here."""

import os
import sys
import time
import traceback
from pathlib import Path

from bots.pidfile import open_private
from core import __version__
from core.errors import StoaError


def main() -> None:
    """Do what the command line says, and end with its exit status."""
    if sys.argv[1:] == ["--version"]:
        print(f"stoa {__version__}")  # noqa: T201 - answered here, before anything is imported
        return
    from bots.cli.main import app

    try:
        app(prog_name="stoa")
    except StoaError as error:
        sys.exit(_one_line(error))
    except Exception as error:  # noqa: BLE001 - the edge of the house: one line to the person, the rest to the log
        known = _known(error)
        sys.exit(_one_line(known) if known else _unexpected(error))


def _one_line(error: BaseException) -> str:
    return _redacted(f"stoa: {' '.join(str(error).split())}")


def _known(error: BaseException) -> StoaError | None:
    """The first error of ours inside a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_known, error.exceptions)), None)
    return error if isinstance(error, StoaError) else None


def _unexpected(error: Exception) -> str:
    log = Path(os.environ.get("STOA_HOME", "~/.stoa")).expanduser() / "stoa.log"
    details = _redacted("".join(traceback.format_exception(error)))
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open_private(log) as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} stoa {' '.join(sys.argv[1:])}\n{details}")
    except OSError:
        return f"{details}stoa: that was not expected, and the log {log} cannot be written."
    return _redacted(
        f"stoa: something went wrong that should not have ({type(error).__name__}: {' '.join(str(error).split())}). "
        f"The details are at the end of {log}; please report them."
    )


def _redacted(text: str) -> str:
    """The text without the value of any secret."""
    from core.secrets.secrets import Secrets
    from core.secrets.vault import Vault

    return Secrets(vault=Vault(Path(os.environ.get("STOA_HOME", "~/.stoa")).expanduser())).redacted(text)


if __name__ == "__main__":
    main()
