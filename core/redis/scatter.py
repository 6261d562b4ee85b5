"""One question to several nodes: how it is put to each, and how one answer is made of theirs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hiredis import ReplyError

from core.redis.link import Argument

BENIGN_ERRORS = ("Index already exists", "Unknown Index name", "Unknown index name")


@dataclass(slots=True)
class _Asked:
    """The words of an FT.SEARCH that matter for putting answers together; `rest` are all others."""

    start: int = 0
    most: int = 10
    returned: list[str] = field(default_factory=list)
    sorted_by: str = ""
    descending: bool = False
    scores: bool = False
    rest: list[Argument] = field(default_factory=list)


def for_one_node(command: Sequence[Argument], tag: str) -> Sequence[Argument]:
    """The command for one node: with its own index, and enough hits for a page of the whole answer."""
    name = str(command[0]).upper()
    if name in ("FUNCTION", "FT._LIST", "KEYS"):
        return command
    index = f"{_text(command[1])}{{{tag}}}"
    if name != "FT.SEARCH":
        return [name, index, *command[2:]]
    asked = _asked(command)
    extra = "WITHSORTKEYS" if asked.sorted_by else "WITHSCORES"
    search = [name, index, command[2], "NOCONTENT", extra, *asked.rest, "LIMIT", 0, asked.start + asked.most]
    return ["FCALL_RO", "stoa_search", 0, len(asked.returned), *asked.returned, *search]


def merged(command: Sequence[Argument], answers: Sequence[Any]) -> Any:
    """One answer to an FT.SEARCH: all that matched are counted, and the best of all nodes stand in order.

    Words are weighed by each node by how rare they are among its own atoms, so scores of two nodes differ a little.
    """
    for answer in answers:
        if isinstance(answer, ReplyError):
            return answer
    asked = _asked(command)
    width = 3 if asked.returned else 2
    hits = [answer[at : at + width] for answer in answers for at in range(1, len(answer), width)]
    if asked.sorted_by:
        hits.sort(key=lambda hit: _key(hit[1]), reverse=asked.descending)
    else:
        hits.sort(key=lambda hit: -float(hit[1]))
    shown: list[Any] = [sum(int(answer[0]) for answer in answers)]
    for id, key, *fields in hits[asked.start : asked.start + asked.most]:
        shown.append(id)
        if asked.scores:
            shown.append(key)
        for flat in fields:
            computed = asked.sorted_by.encode()  # such as a distance, which no atom has among its fields
            made = asked.sorted_by in asked.returned and key and computed not in flat[::2]
            shown.append([*flat, computed, key[1:]] if made else flat)
    return shown


def common(answers: Sequence[Any]) -> Any:
    """The indexes that every node has, without the tags in their names."""
    for answer in answers:
        if isinstance(answer, ReplyError):
            return answer
    named = [{name.partition(b"{")[0] if name.endswith(b"}") else name for name in answer} for answer in answers]
    return sorted(set.intersection(*named))


def least_whole(answers: Sequence[Any]) -> Any:
    """The FT.INFO of the node that has indexed the smallest part of its atoms."""
    for answer in answers:
        if isinstance(answer, ReplyError):
            return answer
    return min(answers, key=lambda answer: float(answer[answer.index(b"percent_indexed") + 1]))


def agreed(answers: Sequence[Any]) -> Any:
    """The common answer of all nodes; an error of one is the answer, and so is nothing where they differ."""
    errors = [
        answer for answer in answers if isinstance(answer, ReplyError) and not str(answer).startswith(BENIGN_ERRORS)
    ]
    if errors:
        return errors[0]
    said = [answer for answer in answers if not isinstance(answer, ReplyError)]
    if len(said) < len(answers):
        return said[0] if said else answers[0]
    return said[0] if all(answer == said[0] for answer in said) else []


def _asked(command: Sequence[Argument]) -> _Asked:
    asked, at = _Asked(), 3
    while at < len(command):
        word, size = str(command[at]).upper(), 1
        match word:
            case "RETURN":
                size = 2 + int(command[at + 1])
                asked.returned = [_text(name) for name in command[at + 2 : at + size]]
            case "LIMIT":
                size = 3
                asked.start, asked.most = int(command[at + 1]), int(command[at + 2])
            case "WITHSCORES":
                asked.scores = True
            case "SORTBY":
                order = _text(command[at + 2]).upper() if at + 2 < len(command) else ""
                size = 3 if order in ("ASC", "DESC") else 2
                asked.sorted_by, asked.descending = _text(command[at + 1]), order == "DESC"
            case "PARAMS" | "INFIELDS" | "INKEYS":
                size = 2 + int(command[at + 1])
        if word not in ("RETURN", "LIMIT", "WITHSCORES"):
            asked.rest += command[at : at + size]
        at += size
    return asked


def _text(word: Argument) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


def _key(key: bytes | None) -> tuple[int, float, bytes]:
    if key is None:
        return (2, 0.0, b"")
    return (0, float(key[1:]), b"") if key.startswith(b"#") else (1, 0.0, key)
