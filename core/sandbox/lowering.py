"""Rewrites Python that the sandbox lacks, or runs eagerly, into Python that it runs as CPython would."""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

EXHAUSTING = frozenset(
    {"list", "tuple", "set", "frozenset", "dict", "sum", "sorted", "min", "max", "join", "extend"}
    | {"Counter", "deque", "OrderedDict", "fsum", "prod", "fromkeys"}
)
"""Callables that look at every element of their argument, so that a list does as well as a generator."""
IN_ORDER = frozenset({"print", "str", "repr", "list", "tuple", "join", "enumerate", "zip", "map", "dumps"})
"""Callables for which the order of a set's elements counts."""
PURE = EXHAUSTING | frozenset(
    {"abs", "bool", "chr", "divmod", "enumerate", "float", "format", "int", "isinstance", "len", "ord", "pow", "range"}
    | {"repr", "reversed", "round", "str", "type", "zip", "lower", "upper", "strip", "lstrip", "rstrip", "split"}
    | {"startswith", "endswith", "replace", "isdigit", "isalpha", "isupper", "islower", "isspace", "isalnum", "title"}
    | {"items", "keys", "values", "count", "index", "find", "isoformat", "strftime", "date", "weekday", "casefold"}
)
RAISING = frozenset({"int", "float", "index", "chr", "ord", "next"})
METHODS = frozenset(
    name for kind in (str, list, dict, set, tuple, bytes, int, float) for name in dir(kind) if not name.startswith("_")
) | {"appendleft", "popleft", "most_common", "elements", "group", "total_seconds"}
COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("__lt__", "_py_less"),
    ast.Gt: ("__gt__", "_py_more"),
    ast.LtE: ("__le__", "_py_less_equal"),
    ast.GtE: ("__ge__", "_py_more_equal"),
}
RENAMED = {
    "ascii": "_py_ascii",
    "delattr": "_py_delattr",
    "callable": "_py_callable",
    "round": "_py_round",
    "issubclass": "_py_issubclass",
    "next": "_py_next",
}
TASKS = frozenset({"create_task", "ensure_future"})
AWAITING = TASKS | {"gather", "run"}
NEW_SPACE = "create_space"
"""The function whose answer `spaces` has from then on, in the same run, too."""
DUNDERS = {"__name__": "_py_name", "__class__": "type"}
FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Unsupported(Exception):
    """Raised for Python that cannot run here in CPython's order; the text says what to write."""


@dataclass
class Known:
    """Definitions of a session's earlier programs that later code is rewritten by."""

    lazy: bool = False
    sets: bool = False
    derived: bool = False
    copied: int = 0
    called: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    dunders: set[str] = field(default_factory=set)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    getters: set[str] = field(default_factory=set)
    setters: set[str] = field(default_factory=set)
    enums: set[str] = field(default_factory=set)
    attributes: dict[str, None] = field(default_factory=dict)
    """Those that are stored anywhere, in the order they are written in."""
    errors: set[str] = field(default_factory=set)


def call(function: str, *args: ast.expr, **named: ast.expr) -> ast.Call:
    """A call of a function of the prelude, or of a builtin."""
    return ast.Call(
        ast.Name(function, ast.Load()), list(args), [ast.keyword(name, value) for name, value in named.items()]
    )


def function_of(body: ast.expr, *names: str, rest: bool = False) -> ast.Lambda:
    """A lambda; with `rest` it takes any arguments after the named ones."""
    args = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    if rest:
        args.vararg, args.kwarg = ast.arg("_py_a"), ast.arg("_py_k")
    return ast.Lambda(args, body)


def called(func: ast.expr) -> str:
    """The name that is called, without the object before it."""
    match func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def own_nodes(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes below, without those of functions and classes defined in it."""
    todo = list(ast.iter_child_nodes(node))
    while todo:
        each = todo.pop()
        yield each
        if not isinstance(each, (*FUNCTION_NODES, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(each))


def is_generator(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in own_nodes(node))


def is_pure(node: ast.AST) -> bool:
    """True if nothing outside can tell when, or whether, this is computed."""
    return all(called(each.func) in PURE for each in ast.walk(node) if isinstance(each, ast.Call)) and not any(
        isinstance(each, ast.Await | ast.NamedExpr | ast.Yield) for each in ast.walk(node)
    )


def is_safe(node: ast.AST) -> bool:
    """Pure, and unlikely to raise or to go on for ever."""
    return is_pure(node) and not any(
        isinstance(each, ast.Subscript | ast.Div | ast.FloorDiv | ast.Mod)
        or (isinstance(each, ast.Call) and called(each.func) in RAISING)
        for each in ast.walk(node)
    )


def is_pure_function(node: ast.expr | None) -> bool:
    match node:
        case None | ast.Constant():
            return True
        case ast.Name(id=name):
            return name in PURE
        case ast.Lambda(body=body):
            return is_pure(body)
    return False


class Lowering(ast.NodeTransformer):
    """Rewrites one program; `known` is what the session's earlier programs defined, and grows."""

    def __init__(self, known: Known, tree: ast.Module) -> None:
        self.known = known
        self.modules: set[str] = set()
        self._eager: set[ast.AST] = set()
        self._awaited: set[ast.AST] = set()
        self._number = 0
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        known.bound |= {node.id for node in names}
        classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)} | {*known.classes}
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    known.bound.add(node.name)
                    known.lazy |= not isinstance(node, ast.ClassDef) and is_generator(node)
                case ast.arg(arg=name):
                    known.bound.add(name)
                case ast.Attribute(value=ast.Name(id=owner), attr=name, ctx=ast.Store()) if owner not in classes:
                    known.attributes[name] = None
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    known.bound |= {alias.asname for alias in aliases if alias.asname}
                    self.modules |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
                case ast.SetComp() | ast.Set() | ast.Call(func=ast.Name(id="set" | "frozenset")):
                    known.sets = True
                case ast.GeneratorExp():
                    known.lazy |= not is_safe(node)
                case ast.Call(func=ast.Name(id="setattr")):
                    known.called.add("setattr")
                case ast.Call(func=ast.Name(id="map" | "filter"), args=[function, *_]):
                    known.lazy |= not is_pure_function(function) or called(function) in RAISING

    def fresh(self) -> str:
        """A name that the program does not use."""
        self._number += 1
        return f"_py_{self._number}"

    def builtin(self, func: ast.expr) -> str:
        """The builtin that is called, unless the program gave its name to something else."""
        return func.id if isinstance(func, ast.Name) and func.id not in self.known.bound else ""

    def maybe_lazy(self, node: ast.expr) -> bool:
        """True if this may be a generator of ours."""
        if not (self.known.lazy or "__iter__" in self.known.dunders):
            return False
        return isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.IfExp) or (
            isinstance(node, ast.Call)
            and not (
                isinstance(node.func, ast.Name) and node.func.id in {"range", "sorted", "list", "iter", "_py_plain"}
            )
        )

    def plain(self, node: ast.expr) -> ast.expr:
        return call("_py_plain", node) if self.maybe_lazy(node) else node

    def ordered(self, node: ast.expr, function: str = "_py_ordered") -> ast.expr:
        """An expression that is iterated or shown, with sets of numbers in CPython's order."""
        if self.known.sets and isinstance(
            node,
            ast.Name
            | ast.Attribute
            | ast.Call
            | ast.BinOp
            | ast.Set
            | ast.SetComp
            | ast.Subscript
            | ast.List
            | ast.Tuple
            | ast.Dict
            | ast.ListComp
            | ast.DictComp,
        ):
            return call(function, node)
        return node

    def tested(self, node: ast.expr) -> ast.expr:
        """A condition, where classes of the program decide about their truth."""
        if self.known.dunders & {"__bool__", "__len__"} and not isinstance(node, ast.Compare | ast.Constant):
            return call("_py_true", node)
        return node

    def visit(self, node: ast.AST) -> Any:
        """Replaces a statement where it stood."""
        rewritten = super().visit(node)
        if isinstance(node, ast.stmt):
            for each in rewritten if isinstance(rewritten, list) else [rewritten]:
                if not hasattr(each, "lineno"):
                    ast.copy_location(each, node)
        return rewritten

    # Expressions.

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        eager = node in self._eager
        if any(isinstance(each, ast.Await) for each in ast.walk(node)):
            if eager:
                return self._visited(node)
            raise Unsupported("A generator expression with await in it is no iterator: write a for loop.")
        if eager:
            return self._visited(node)
        if is_safe(node):
            return call("iter", self._visited(node))
        if any(isinstance(each, ast.NamedExpr) for each in ast.walk(node)):
            raise Unsupported(":= in a lazy generator expression does not work here: write a for loop.")
        self._visited(node)
        return self._generated(node.generators, node.elt)

    def _generated(self, parts: list[ast.comprehension], element: ast.expr) -> ast.expr:
        part, *rest = parts
        tests = [self._unpacked(part.target, test) for test in part.ifs]
        test: ast.expr = ast.Constant(None)
        if tests:
            joined = part.ifs[0] if len(tests) == 1 else ast.BoolOp(ast.And(), part.ifs)
            test = self._unpacked(part.target, joined)
        make = self._unpacked(part.target, self._generated(rest, element) if rest else element)
        return call("_py_generate", part.iter, test, make, ast.Constant(bool(rest)))

    def _unpacked(self, target: ast.expr, body: ast.expr) -> ast.Lambda:
        """A function of one element that binds the target and computes the body."""
        match target:
            case ast.Name(id=name):
                return function_of(body, name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) if not any(isinstance(p, ast.Starred) for p in parts):
                names: list[str] = []
                for part in reversed(parts):
                    name = part.id if isinstance(part, ast.Name) else self.fresh()
                    names.insert(0, name)
                    if not isinstance(part, ast.Name):
                        body = ast.Call(self._unpacked(part, body), [ast.Name(name, ast.Load())], [])
                whole = self.fresh()
                inner = ast.Call(function_of(body, *names), [ast.Starred(ast.Name(whole, ast.Load()))], [])
                return function_of(inner, whole)
        raise Unsupported("This target of a generator expression does not work here: write a for loop.")

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        return self._comprehended(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.expr:
        return self._comprehended(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        return self._comprehended(node)

    def _comprehended(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> ast.expr:
        for part in node.generators:
            self._eager.add(part.iter)
        return self._visited(node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        eager = node.iter in self._eager
        self.generic_visit(node)
        node.ifs = [self.tested(test) for test in node.ifs]
        if eager:
            node.iter = self.plain(self._members(node.iter))
        node.iter = self.ordered(node.iter)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        self.generic_visit(node)
        node.value = self.ordered(node.value, "_py_shown")
        if node.format_spec and node.conversion == -1 and not isinstance(node.value, ast.Constant):
            node.value = call("_py_formattable", node.value)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        if isinstance(node.ctx, ast.Load):
            self._eager.add(node.value)
            self.generic_visit(node)
            node.value = self.ordered(self.plain(node.value))
            return node
        return self._visited(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        if node.attr in self.known.getters:
            return call("_py_read", node.value, ast.Constant(node.attr), _reading(node.attr))
        if node.attr == "__dict__":
            return self._attributes_of(node.value)
        if node.attr in DUNDERS:
            return call(DUNDERS[node.attr], node.value)
        module = isinstance(node.value, ast.Name) and node.value.id in self.modules
        if node.attr in METHODS and not module:
            function = ast.Attribute(ast.Name("_py_s", ast.Load()), node.attr, ast.Load())
            args: list[ast.expr] = [ast.Starred(ast.Name("_py_a", ast.Load()))]
            through = ast.Call(function, args, [ast.keyword(None, ast.Name("_py_k", ast.Load()))])
            bound = function_of(through, "_py_s", rest=True)
            return call("_py_method", node.value, bound, _reading(node.attr))
        return node

    def _attributes_of(self, node: ast.expr) -> ast.expr:
        names: list[ast.expr] = [ast.Constant(name) for name in self.known.attributes]
        return call("_py_vars", node, ast.Tuple(names, ast.Load()))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) != 1:
            return node
        operator, right = node.ops[0], node.comparators[0]
        name, function = COMPARISONS.get(type(operator), ("", ""))
        if name and self.known.dunders & {"__lt__", "__gt__", "__le__", "__ge__"}:
            return call(function, node.left, right)
        if isinstance(operator, ast.In | ast.NotIn) and self.maybe_lazy(right):
            found = call("_py_in", node.left, right)
            return found if isinstance(operator, ast.In) else ast.UnaryOp(ast.Not(), found)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            node.operand = self.tested(node.operand)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        node.test = self.tested(node.test)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in self.known.enums and isinstance(node.ctx, ast.Load):
            return call("_py_named_member", node.value, node.slice)
        return node

    # Calls.

    def visit_Await(self, node: ast.Await) -> ast.expr:
        made = called(node.value.func) == NEW_SPACE if isinstance(node.value, ast.Call) else False
        self._awaited.add(node.value)
        self.generic_visit(node)
        return call("_py_connected", ast.Name("spaces", ast.Load()), node) if made else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = called(node.func)
        if name in EXHAUSTING or (name in {"any", "all"} and len(node.args) == 1 and is_safe(node.args[0])):
            self._eager.update(node.args)
        rewrite = self._rewrite(node)
        eager = node in self._eager
        if isinstance(node.func, ast.Attribute):  # a method that is called is no value
            node.func.value = self.visit(node.func.value)
        else:
            node.func = self.visit(node.func)
        node.args = [self.visit(each) for each in node.args]
        node.keywords = [self.visit(each) for each in node.keywords]
        if name in EXHAUSTING and node.args:
            node.args = [self.plain(self._members(each)) for each in node.args]
        if name in IN_ORDER:
            function = "_py_shown" if name in {"print", "str", "repr"} else "_py_ordered"
            node.args = [self.ordered(each, function) for each in node.args]
        if name == NEW_SPACE and node not in self._awaited:
            return call("_py_connected", ast.Name("spaces", ast.Load()), node)
        return rewrite(node, eager) if rewrite else node

    def _rewrite(self, node: ast.Call) -> Callable[[ast.Call, bool], ast.expr] | None:
        match self.builtin(node.func):
            case "any" | "all":
                return self._short
            case "map" | "filter" | "zip" | "enumerate" | "reversed":
                return self._stream
            case "sorted" | "min" | "max":
                return self._ranked
            case "isinstance" if self.known.derived:
                return lambda node, _: renamed(node, "_py_isinstance")
            case "len" if "__len__" in self.known.dunders or self.known.enums:
                return lambda node, _: call("_py_len", *map(self._members, node.args))
            case "vars" if len(node.args) == 1 and "setattr" not in self.known.called:
                return lambda node, _: self._attributes_of(node.args[0])
            case "print" if any(keyword.arg == "file" for keyword in node.keywords):
                return lambda node, _: renamed(node, "_py_print")
            case "bool" if node.args and self.known.dunders & {"__bool__", "__len__"}:
                return lambda node, _: call("_py_true", *node.args)
            case name if name in RENAMED:
                return lambda node, _: renamed(node, RENAMED[name])
        match node.func:
            case ast.Name(id=name) if name in self.known.enums:
                return lambda node, _: call("_py_member", node.func, *node.args)
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="asyncio"), attr=name) if name in TASKS:
                return lambda node, _: node.args[0] if len(node.args) == 1 else node
            case ast.Attribute(attr="sort") if node.keywords:
                return self._sorted_in_place
        return None

    def _members(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name) and node.id in self.known.enums:
            return ast.Attribute(node, "_py_members", ast.Load())
        return node

    def _short(self, node: ast.Call, _: bool) -> ast.expr:
        (argument,) = node.args if len(node.args) == 1 else (None,)
        if argument is None or not (self.maybe_lazy(argument) or _is_call(argument, "_py_generate")):
            return node
        return renamed(node, f"_py_{called(node.func)}")

    def _stream(self, node: ast.Call, eager: bool) -> ast.expr:
        name = called(node.func)
        if eager and name in {"map", "filter"} and len(node.args) == 2:
            return self._listed(name, *node.args)
        first = [node.args[0]] if name in {"map", "filter"} and node.args else []
        lazy = any(self.maybe_lazy(each) for each in node.args[len(first) :])
        lazy |= any(called(each) in RAISING for each in first)
        if name != "reversed" and (lazy or not all(map(is_pure_function, first))):
            streamed = renamed(node, f"_py_{name}")
            return call("_py_plain", streamed) if eager else streamed
        return node if eager else call("iter", node)

    def _listed(self, name: str, function: ast.expr, values: ast.expr) -> ast.expr:
        """`map` or `filter` as a list."""
        item = ast.Name(self.fresh(), ast.Load())
        constant = isinstance(function, ast.Constant)
        made = item if constant else ast.Call(function, [item], [])
        part = ast.comprehension(ast.Name(item.id, ast.Store()), self.plain(values), [], 0)
        if name == "filter":
            part.ifs = [made]
        return ast.ListComp(item if name == "filter" else made, [part])

    def _ranked(self, node: ast.Call, _: bool) -> ast.expr:
        key = next((each.value for each in node.keywords if each.arg == "key"), None)
        if is_pure_function(key) and "__lt__" not in self.known.dunders and "__gt__" not in self.known.dunders:
            return node
        return renamed(node, f"_py_{called(node.func)}")

    def _sorted_in_place(self, node: ast.Call, _: bool) -> ast.expr:
        key = next((each.value for each in node.keywords if each.arg == "key"), None)
        if is_pure_function(key) and "__lt__" not in self.known.dunders:
            return node
        assert isinstance(node.func, ast.Attribute)
        return ast.Call(ast.Name("_py_sort", ast.Load()), [node.func.value, *node.args], node.keywords)

    # Statements.

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        self.generic_visit(node)
        node.iter = self._members(node.iter)
        if not (self.maybe_lazy(node.iter) or _is_call(node.iter, "_py_generate")):
            node.iter = self.ordered(node.iter)
            return node
        node.iter = self.ordered(node.iter)
        iterator, item = self.fresh(), self.fresh()
        taken = ast.NamedExpr(ast.Name(item, ast.Store()), call("_py_take", ast.Name(iterator, ast.Load())))
        test = ast.Compare(taken, [ast.IsNot()], [ast.Name("_py_End", ast.Load())])
        begin = ast.Assign([ast.Name(iterator, ast.Store())], call("_py_iter", node.iter))
        bind = ast.Assign([node.target], ast.Name(item, ast.Load()))
        loop = ast.While(test, [bind, *node.body], node.orelse)
        return [begin, loop]

    def visit_If(self, node: ast.If) -> ast.stmt:
        self.generic_visit(node)
        node.test = self.tested(node.test)
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        self.generic_visit(node)
        node.test = self.tested(node.test)
        return node

    def _visited(self, node: ast.AST) -> ast.expr:
        visited = self.generic_visit(node)
        assert isinstance(visited, ast.expr)
        return visited


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def renamed(node: ast.Call, name: str) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), node.args, node.keywords)


def _reading(attribute: str) -> ast.Lambda:
    return function_of(ast.Attribute(ast.Name("_py_s", ast.Load()), attribute, ast.Load()), "_py_s")
