"""The Python that agents write, as the sandbox takes it: rewritten, with the calls it awaits and its lines."""

import ast
import warnings
from dataclasses import dataclass, field
from itertools import accumulate

from core.sandbox.lowering import AWAITING, Known, called
from core.sandbox.statements import Program

Span = tuple[int, int]
"""Where an expression stands: its first byte in the source and the byte after its last."""

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class RewrittenCode:
    """Source that is ready to run, which of its calls the guest awaits by itself, and what it was made from."""

    source: str
    awaited: frozenset[Span] = frozenset()
    original: tuple[str, ...] = ()
    """The author's lines; empty where the source is as it was written."""
    lines: tuple[int, ...] = ()
    """Of each line of the source, the author's line it was made from."""

    library: bool = False
    """Whether it is ours, and not the author's."""


def prepare(source: str, known: Known) -> RewrittenCode:
    """Rewrite what the sandbox lacks and find the calls that are awaited; source that is no Python stays as it is.

    The last expression is no result: nobody sees it, so nothing of it leaves the sandbox. Raises `Unsupported`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
            before = ast.dump(tree)
            rewritten = ast.fix_missing_locations(Program(known, tree).visit(tree))
            if ast.dump(rewritten) == before:
                text = source + "\nNone"
                return RewrittenCode(text, _Awaited(ast.parse(text)).spans(text))
            text = unparsed(rewritten)
            again = ast.parse(text)
        except UNREADABLE:  # the sandbox says what is wrong with it
            return RewrittenCode(source)
    text += "\nNone"
    lines = _lines(rewritten, again, len(text.splitlines()))
    return RewrittenCode(text, _Awaited(again).spans(text), tuple(source.splitlines()), lines)


def unparsed(tree: ast.AST) -> str:
    try:
        return ast.unparse(tree)
    except ValueError:  # this Python cannot write every f-string
        return ast.unparse(ast.fix_missing_locations(_WithoutFormatted().visit(tree)))


class _WithoutFormatted(ast.NodeTransformer):
    """Writes f-strings as text that is joined."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        return ast.Call(
            ast.Attribute(ast.Constant(""), "join", ast.Load()), [ast.List(list(node.values), ast.Load())], []
        )

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        self.generic_visit(node)
        value, conversion = node.value, {115: "str", 114: "repr", 97: "_py_ascii"}.get(node.conversion, "")
        if conversion:
            value = ast.Call(ast.Name(conversion, ast.Load()), [value], [])
        return ast.Call(ast.Name("format", ast.Load()), [value, *([node.format_spec] if node.format_spec else [])], [])


def _lines(rewritten: ast.AST, again: ast.AST, count: int) -> tuple[int, ...]:
    """Of each line of the new text, the author's: both trees have the same statements."""
    mapped = [0] * (count + 1)
    pairs = list(zip(_statements(rewritten), _statements(again), strict=False))
    for old, new in pairs:
        mapped[new.lineno : (new.end_lineno or new.lineno) + 1] = [old.lineno] * (
            (new.end_lineno or new.lineno) + 1 - new.lineno
        )
    return tuple(mapped)


def _statements(tree: ast.AST) -> list[ast.stmt]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]


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
                case ast.Call(func=func, args=args) if called(func) in AWAITING:
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
                case ast.Call(func=func) if called(func) in AWAITING:
                    pass  # its arguments are roots already
                case ast.Call(func=ast.Attribute(value=value, attr="values")):
                    todo.append(value)
                case ast.Call(func=func):
                    self.calls.append(node)
                    todo += self.returned_by.get(called(func), [])
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
