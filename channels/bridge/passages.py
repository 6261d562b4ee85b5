"""Passages: what others wrote in somebody's message, kept apart from the sender's own words.

A passage becomes an atom of outside origin that the message's atom refers to. So it is framed as data, labels the
session of its reader, and none of its addresses counts as the owner's word.
"""

import re
from collections.abc import Sequence

from channels.contract import InboundPassage
from channels.text import clean, one_line
from core.agents.unread import MAX_MESSAGE_PASSAGES, PASSAGE_ROLE
from core.atoms.atoms import Attachment, Origin, Principal
from core.atoms.validation import MAX_CONTENT_BYTES
from core.errors import InvalidInput
from core.spaces.spaces import Spaces

FENCE_LINE = re.compile(r" {0,3}(`{3,}|~{3,})")
QUOTE_LINE = re.compile(r" {0,3}>")
KINDS = {
    "forwarded": "a forwarded message",
    "link": "a link",
    "attachment": "an attachment",
    "quoted": "a quoted message",
}


def split_quotes(text: str) -> tuple[str, list[InboundPassage]]:
    """The sender's own lines, and each run of quoted lines (`> ...`) as a passage; code stays where it is."""
    own: list[str] = []
    quotes: list[list[str]] = []
    fence, quoting = "", False
    for line in text.split("\n"):
        mark = FENCE_LINE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            quoting = False
        elif mark:
            fence, quoting = mark[1], False
        elif quote := QUOTE_LINE.match(line):
            if not quoting:
                quotes.append([])
            quotes[-1].append(line[quote.end() :].removeprefix(" "))
            quoting = True
            continue
        else:
            quoting = False
        own.append(line)
    found = [InboundPassage("\n".join(lines).strip(), kind="quoted") for lines in quotes]
    return "\n".join(own).strip() if found else text, [passage for passage in found if passage.text]


def readable(passages: Sequence[InboundPassage]) -> list[InboundPassage]:
    """The passages that hold text, cleaned; those beyond the bound in one; raises `InvalidInput` for too much text."""
    kept = [InboundPassage(clean(one.text), one_line(one.author, 80), one.kind) for one in passages if one.text.strip()]
    if rest := kept[MAX_MESSAGE_PASSAGES - 1 :]:
        kept[MAX_MESSAGE_PASSAGES - 1 :] = [
            InboundPassage("\n\n".join(one.text for one in rest), rest[0].author, rest[0].kind)
        ]
    if (size := sum(len(one.text.encode(errors="replace")) for one in kept)) > MAX_CONTENT_BYTES:
        raise InvalidInput(
            f"What you forwarded is too long for me ({size:,} bytes, {MAX_CONTENT_BYTES:,} at most), so I have not "
            "taken it. Please send it in parts."
        )
    return kept


async def put_passages(
    spaces: Spaces, space: str, sender: Principal, passages: Sequence[InboundPassage], operation: str
) -> list[str]:
    """Put each passage into the space, as passed on by the sender and written by somebody outside; answers the ids."""
    here = spaces.open(space, Principal(sender.id, Origin.OUTSIDE))
    atoms = [
        await here.put(
            passage.text,
            comment=one_line(f"{KINDS[passage.kind]}: {passage.text}"),
            metadata={
                "role": PASSAGE_ROLE,
                "kind": passage.kind,
                **({"from": passage.author} if passage.author else {}),
            },
            operation=f"{operation}:passage {number}",
            at_once=True,
        )
        for number, passage in enumerate(passages)
    ]
    return [atom.id for atom in atoms]


def described(passages: Sequence[InboundPassage], files: Sequence[Attachment]) -> str:
    """A message without words of the sender's own, such as "Sent a forwarded message and 2 files"; no name of a file,
    which others may have given it."""
    parts = list(dict.fromkeys(KINDS[passage.kind] for passage in passages))
    if files:
        parts.append("a file" if len(files) == 1 else f"{len(files)} files")
    return f"Sent {', '.join(parts[:-1])}{' and ' if len(parts) > 1 else ''}{parts[-1]}"
