"""Mails that no person has just written: they are read, and never answered (RFC 3834)."""

import re
from collections.abc import Callable

from channels.email.mime import Mail

MAX_HOPS = 3
"""So often may assistants have answered each other's mail; ours count themselves in HOPS_HEADER."""
HOPS_HEADER = "X-Stoa-Hops"
NO_REPLY = re.compile(
    r"(?:^|[._+-])(?:no|not|non|ne|do-?not|donot|nicht)[._-]?(?:reply|respond|antworten|replay|responder|rispondere)"
    r"|^(?:mailer-daemon|postmaster|bounces?|noreply|daemon)(?:[._+-]|@)",
    re.IGNORECASE,
)


def automatic(mail: Mail) -> str:
    """Why nobody should answer the mail; empty if a person wrote it."""
    return next((why for fits, why in AUTOMATIC if fits(mail)), "")


def hops(mail: Mail) -> int:
    """The number of assistants like us that have answered before in this exchange."""
    told = mail.header(HOPS_HEADER).strip()
    return int(told) if told.isdecimal() and len(told) < 6 else (MAX_HOPS if told else 0)


def _is_report(mail: Mail) -> bool:
    kind = mail.header("content-type").lower()
    return mail.report is not None or kind.startswith(("multipart/report", "message/"))


def _without_return(mail: Mail) -> bool:
    return mail.header("return-path").strip() == "<>"


def _submitted_by_a_program(mail: Mail) -> bool:
    told = mail.header("auto-submitted").partition(";")[0].strip().lower()
    return told not in ("", "no")


def _to_a_list(mail: Mail) -> bool:
    return any(name in mail.headers for name in ("list-id", "list-post", "list-unsubscribe", "list-help"))


def _in_bulk(mail: Mail) -> bool:
    return mail.header("precedence").strip().lower() in ("bulk", "list", "junk", "auto_reply")


def _auto_reply(mail: Mail) -> bool:
    told = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply", "x-vacation")
    return (
        any(name in mail.headers for name in told) or "oof" in mail.header("x-auto-response-suppress").lower().split()
    )


def _no_reply(mail: Mail) -> bool:
    return any(NO_REPLY.search(box.address) for box in mail.senders)


def _too_many_hops(mail: Mail) -> bool:
    return hops(mail) >= MAX_HOPS


AUTOMATIC: tuple[tuple[Callable[[Mail], bool], str], ...] = (
    (_is_report, "it is a delivery report"),
    (_without_return, "it has nobody to answer to"),
    (_submitted_by_a_program, "a program wrote it"),
    (_auto_reply, "it is an automatic answer"),
    (_to_a_list, "it came over a mailing list"),
    (_in_bulk, "it was sent in bulk"),
    (_no_reply, "it comes from an address that takes no answers"),
    (_too_many_hops, "assistants have answered each other too often"),
)
"""The first that fits a mail is why it is not answered."""
