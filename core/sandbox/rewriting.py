"""The Python that agents write, as the sandbox takes it: small rewrites, what is awaited, what to write instead."""

import ast
import re
import warnings
from dataclasses import dataclass, field
from itertools import accumulate

Span = tuple[int, int]
"""Where an expression stands: its first byte in the source and the byte after its last."""

ADVICE = (
    ("class inheritance", "Write one class without bases, or functions and dicts."),
    ("method decorators", "Write a plain method, or a function outside the class."),
    ("yield", "There are no generators here: append to a list and return it."),
    ("'del' statement", "Assign None to the name instead."),
    ("async with", "Await the calls directly, or with asyncio.gather(...)."),
    ("async for", "Write a plain for loop over a list."),
    ("except*", "Write a plain except."),
    ("Wildcard imports", "Name what you import."),
    ("gather() does not yet support keyword", "Write try/except inside an async def around each call instead."),
    (
        "synchronous context",
        "Call it in a loop first, such as found = [f(x) for x in xs], then sort or filter the list.",
    ),
    ("object can't be awaited", "This is no call that waits: leave out the await."),
    ("'coroutine' and", "Put await in front of the call."),
    ("'coroutine' object", "Put await in front of the call."),
    ("module 'asyncio' has no attribute", "asyncio has gather, sleep and run here."),
    ("'list' object is not an iterator", "Write next(iter(...))."),
    ("is not JSON serializable", "Build a dict of the attributes you need first."),
)
MODULES = (
    "asyncio, base64, binascii, bisect, collections, copy, csv, dataclasses, datetime, decimal, functools, hashlib, "
    "itertools, json, math, pathlib, random, re, sys, time, tomllib, typing"
)
INSTEAD = {
    "statistics": "The mean is sum(xs) / len(xs), the median sorted(xs)[len(xs) // 2].",
    "textwrap": "Shorten with text[:80].",
    "zoneinfo": "now() and local_time(text) give local times with their offset.",
    "heapq": "Use sorted(xs)[:n].",
    "operator": "Use a lambda.",
    "string": "Use 'abcdefghijklmnopqrstuvwxyz' and the methods of str.",
    "uuid": "Atoms get their ids by themselves.",
    "enum": "Use plain text constants.",
}
TASKS = frozenset({"create_task", "ensure_future"})
AWAITING = TASKS | {"gather", "run"}
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class RewrittenCode:
    """Source that is ready to run, and which of its calls the guest awaits by itself."""

    source: str
    awaited: frozenset[Span] = frozenset()


def prepare(source: str) -> RewrittenCode:
    """Rewrite what can be said otherwise and find the calls that are awaited; source that is no Python stays as it is.

    The last expression is no result: nobody sees it, so nothing of it leaves the sandbox.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = _rewritten(source) + "\nNone"
            return RewrittenCode(text, _Awaited(ast.parse(text)).spans(text))
        except UNREADABLE:  # the sandbox says what is wrong with it
            return RewrittenCode(source)


def advice(error: str) -> str:
    """What to write instead, where the error is about Python that is missing here; else empty."""
    return next((sentence for sign, sentence in ADVICE if sign in error), "")


def missing(module: str) -> str:
    """What to say to an import that cannot be served."""
    instead = INSTEAD.get(module.partition(".")[0], "")
    return " ".join(filter(None, (f"There is no module {module!r} here.", instead, f"There are {MODULES}.")))


def _rewritten(source: str) -> str:
    """The source without `del`, `next()` over a generator expression and `create_task`, line by line as it was."""
    if not re.search(r"\b(del|next|create_task|ensure_future)\b", source):
        return source
    tree, text = ast.parse(source), source.encode()
    places = _Places(source)
    edits: list[tuple[int, int, bytes]] = []
    quoted = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if node in quoted:  # Python 3.11 does not know where the parts of an f-string stand
            continue
        match node:
            case ast.Delete(targets=targets):
                instead = [_deleted(target, places, text) for target in targets]
                if all(instead):
                    edits.append((*places.of(node), b"; ".join(filter(None, instead))))
            case ast.Call(func=ast.Name(id="next"), args=[ast.GeneratorExp() as generator, *_]):
                start, end = places.of(generator)
                bare = end == places.of(node)[1]  # next(x for x in xs): the call's own parentheses
                edits.append((start, end, (b"(iter%b)" if bare else b"iter%b") % text[start:end]))
            case ast.Call(func=func, args=[_], keywords=[]) if _called(func) in TASKS and _of_asyncio(func):
                edits.append((*places.of(func), b""))
    kept, reached = bytearray(), 0
    for start, end, instead_text in sorted(edits):
        if start >= reached:
            kept += text[reached:start] + instead_text
            reached = end
    return (kept + text[reached:]).decode()


def _deleted(target: ast.expr, places: "_Places", text: bytes) -> bytes | None:
    whole = text[slice(*places.of(target))]
    match target:
        case ast.Name():
            return whole + b" = None"
        case ast.Subscript(slice=ast.Slice()):
            return whole + b" = []"
        case ast.Subscript(value=value, slice=index):
            return text[slice(*places.of(value))] + b".pop(" + text[slice(*places.of(index))] + b")"
    return None


class _Places:
    """Turns the line and column of a node into bytes from the start."""

    def __init__(self, source: str) -> None:
        lines = source.encode().splitlines(keepends=True)
        self._starts = list(accumulate(map(len, lines), initial=0))

    def of(self, node: ast.expr | ast.stmt) -> Span:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )


@dataclass(slots=True)
class _Awaited:
    """The calls under an `await`, directly or by way of gather, lists, names and plain functions that return them.

    A host call under an await must be answered with a future, any other with a value, and the sandbox asks which
    before it runs on.
    """

    tree: ast.AST
    made_from: dict[str, list[ast.expr]] = field(default_factory=dict)
    returned_by: dict[str, list[ast.expr]] = field(default_factory=dict)
    calls: list[ast.Call] = field(default_factory=list)

    def spans(self, source: str) -> frozenset[Span]:
        roots: list[ast.expr] = []
        for node in ast.walk(self.tree):
            match node:
                case ast.Await(value=value):
                    roots.append(value)
                case ast.Call(func=func, args=args) if _called(func) in AWAITING:
                    roots += args
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend"), args=args):
                    self._source(name, *args)
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._assigned(target, value)
                case (
                    ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value)
                ):
                    self._assigned(target, value)
                case (
                    ast.For(target=ast.Name(id=name), iter=value) | ast.NamedExpr(target=ast.Name(id=name), value=value)
                ):
                    self._source(name, value)
                case ast.comprehension(target=ast.Name(id=name), iter=value):
                    self._source(name, value)
                case ast.FunctionDef(name=name):
                    returns = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
                    self.returned_by.setdefault(name, []).extend(filter(None, returns))
        self._follow(roots)
        places = _Places(source)
        return frozenset(places.of(call) for call in self.calls)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        match target, value:
            case ast.Name(id=name), _:
                self._source(name, value)
            case ast.Subscript(value=ast.Name(id=name)), _:
                self._source(name, value)
            case ast.Tuple(elts=targets), ast.Tuple(elts=values):
                for each, part in zip(targets, values, strict=False):
                    self._assigned(each, part)

    def _source(self, name: str, *values: ast.expr) -> None:
        self.made_from.setdefault(name, []).extend(values)

    def _follow(self, todo: list[ast.expr]) -> None:
        """Each expression once, so that the time is in proportion to the source."""
        seen: set[ast.expr] = set()
        while todo:
            node = todo.pop()
            if node in seen:
                continue
            seen.add(node)
            match node:
                case ast.Call(func=func) if _called(func) in AWAITING:
                    pass  # its arguments are roots already
                case ast.Call(func=ast.Attribute(value=value, attr="values")):
                    todo.append(value)
                case ast.Call(func=func):
                    self.calls.append(node)
                    todo += self.returned_by.get(_called(func), [])
                case ast.Name(id=name):
                    todo += self.made_from.get(name, [])
                case ast.Starred(value=value) | ast.NamedExpr(value=value) | ast.Subscript(value=value):
                    todo.append(value)
                case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.Dict(values=parts):
                    todo += parts
                case ast.ListComp(elt=part) | ast.SetComp(elt=part) | ast.GeneratorExp(elt=part):
                    todo.append(part)
                case ast.DictComp(value=part):
                    todo.append(part)
                case ast.IfExp(body=left, orelse=right) | ast.BinOp(left=left, right=right):
                    todo += (left, right)


def _called(func: ast.expr) -> str:
    match func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _of_asyncio(func: ast.expr) -> bool:
    return isinstance(func, ast.Name) or (
        isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "asyncio"
    )
