"""Rewrites a generator function into a plain one that returns an iterator: its body becomes numbered steps.

The sandbox has no `yield`. Each stretch of the body between two yields, or between places that are jumped to, becomes
one branch of a function that is called for each element and goes on where it stopped.
"""

import ast

from core.sandbox.lowering import FUNCTION_NODES, Unsupported, call, own_nodes

STATE, LAZY = "_py_state", "_py_lazy"
FINISHED = -1


def lowered_generator(node: ast.FunctionDef) -> ast.FunctionDef:
    """The function, its local variables shared with a step function that it wraps."""
    steps = _Steps()
    steps.body(node.body, FINISHED, None)
    parameters = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
    shared = _local_names(node) | steps.names
    branches: list[ast.stmt] = []
    for number, block in sorted(steps.blocks.items(), reverse=True):
        test = ast.Compare(ast.Name(STATE, ast.Load()), [ast.Eq()], [ast.Constant(number)])
        branches = [ast.If(test, block, branches)]
    end = ast.If(
        ast.Compare(ast.Name(STATE, ast.Load()), [ast.Eq()], [ast.Constant(FINISHED)]),
        [ast.Return(ast.Name("_py_End", ast.Load()))],
        branches,
    )
    step = ast.FunctionDef(
        "_py_advance",
        ast.arguments([], [ast.arg(LAZY)], None, [], [], None, []),
        [ast.Nonlocal([STATE, *sorted(shared | parameters & _stored(node))]), ast.While(ast.Constant(True), [end], [])],
        [],
    )
    begin: list[ast.stmt] = [_set(STATE, 0)]
    begin += [_set(name, None) for name in sorted(shared - parameters)]
    scopes = [each for each in node.body if isinstance(each, ast.Global | ast.Nonlocal)]
    lazy = ast.Return(call("_py_Lazy", ast.Name("_py_advance", ast.Load())))
    node.body = [*scopes, *begin, step, lazy]
    if scopes:
        step.body = [*scopes, *step.body]
    return node


class _Steps:
    """Cuts statements into blocks; each ends by saying which one is next."""

    def __init__(self) -> None:
        self.blocks: dict[int, list[ast.stmt]] = {0: []}
        self.names: set[str] = set()
        self._block = self.blocks[0]
        self._loops: list[tuple[int, int]] = []
        self._number = 0

    def body(self, statements: list[ast.stmt], after: int, _: None) -> None:
        """Append the statements to the current block, and go to `after`."""
        for statement in statements:
            if isinstance(statement, ast.Global | ast.Nonlocal):
                continue
            if self._add(statement):
                return
        self._go(after)

    def _label(self) -> int:
        self._number += 1
        self.blocks[self._number] = []
        return self._number

    def _name(self) -> str:
        self._number += 1
        self.names.add(f"_py_g{self._number}")
        return f"_py_g{self._number}"

    def _go(self, label: int) -> None:
        self._block.append(_set(STATE, label))

    def _begin(self, label: int) -> None:
        self._block = self.blocks[label]

    def _add(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Return():
                self._go(FINISHED)
                return True
            case ast.Break() | ast.Continue() if self._loops:
                self._go(self._loops[-1][isinstance(statement, ast.Continue)])
                return True
            case ast.Expr(value=ast.Yield() as given):
                self._yielded(given)
            case ast.Assign(targets=targets, value=ast.Yield() as given):
                self._yielded(given)
                self._block.append(ast.Assign(targets, ast.Attribute(ast.Name(LAZY, ast.Load()), "sent", ast.Load())))
            case ast.Expr(value=ast.YieldFrom(value=iterable)):
                item = self._name()
                element = ast.Expr(ast.Yield(ast.Name(item, ast.Load())))
                self._for(ast.For(ast.Name(item, ast.Store()), iterable, [element], []))
            case _ if not self._cut(statement):
                self._block.append(statement)
            case ast.If():
                self._if(statement)
            case ast.While():
                self._while(statement)
            case ast.For():
                self._for(statement)
            case _:
                raise Unsupported("A yield inside try, with, match or another expression: append to a list instead.")
        return False

    def _cut(self, statement: ast.stmt) -> bool:
        """True if the statement holds a yield, a return, or a break of a loop that is cut."""
        if isinstance(statement, (*FUNCTION_NODES, ast.ClassDef)):
            return False
        loop = isinstance(statement, ast.For | ast.While)
        return any(
            isinstance(node, ast.Yield | ast.YieldFrom | ast.Return)
            or (isinstance(node, ast.Break | ast.Continue) and bool(self._loops) and not loop)
            for node in own_nodes(statement)
        )

    def _yielded(self, given: ast.Yield) -> None:
        after = self._label()
        self._block.append(_set(STATE, after))
        self._block.append(ast.Return(given.value or ast.Constant(None)))
        self._begin(after)

    def _if(self, node: ast.If) -> None:
        then, other, after = self._label(), self._label(), self._label()
        self._block.append(ast.If(node.test, [_set(STATE, then)], [_set(STATE, other)]))
        self._begin(then)
        self.body(node.body, after, None)
        self._begin(other)
        self.body(node.orelse, after, None)
        self._begin(after)

    def _while(self, node: ast.While) -> None:
        top, then, other, after = self._label(), self._label(), self._label(), self._label()
        self._go(top)
        self._begin(top)
        self._block.append(ast.If(node.test, [_set(STATE, then)], [_set(STATE, other)]))
        self._begin(then)
        self._loops.append((after, top))
        self.body(node.body, top, None)
        self._loops.pop()
        self._begin(other)
        self.body(node.orelse, after, None)
        self._begin(after)

    def _for(self, node: ast.For) -> None:
        iterator, item = self._name(), self._name()
        self._block.append(ast.Assign([ast.Name(iterator, ast.Store())], call("_py_iter", node.iter)))
        taken = ast.NamedExpr(ast.Name(item, ast.Store()), call("_py_take", ast.Name(iterator, ast.Load())))
        test = ast.Compare(taken, [ast.IsNot()], [ast.Name("_py_End", ast.Load())])
        bind = ast.Assign([node.target], ast.Name(item, ast.Load()))
        self._while(ast.While(test, [bind, *node.body], node.orelse))


def _set(name: str, value: int | None) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value))


def _stored(node: ast.FunctionDef) -> set[str]:
    return {each.id for each in own_nodes(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def _local_names(node: ast.FunctionDef) -> set[str]:
    names = set(_stored(node))
    outer: set[str] = set()
    for each in own_nodes(node):
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
            case ast.Global(names=listed) | ast.Nonlocal(names=listed):
                outer |= set(listed)
    return names - outer
