"""Rewrites a whole program: its statements, imports, classes and generators, and the expressions within."""

import ast
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from core.sandbox.classes import lowered_class, survey
from core.sandbox.generators import lowered_generator
from core.sandbox.lowering import (
    METHODS,
    Known,
    Lowering,
    Unsupported,
    call,
    called,
    function_of,
    is_generator,
    renamed,
)
from core.sandbox.standard import FUNCTIONS, METHOD_NAMES

LIBRARY = ("prelude.monty", "modules.monty")
PREFIX = "_py_mod_"
TYPES = frozenset({"str", "list", "dict", "set", "tuple", "bytes", "int", "float"})
UNBOUND = METHODS - {"fromkeys", "fromhex", "from_bytes", "maketrans"}
PATTERNS = frozenset({"match", "search", "fullmatch", "findall", "finditer", "split", "sub", "subn", "compile"})


@cache
def library() -> Mapping[str, tuple[str, frozenset[str]]]:
    """The guest library by name: each source, and the names of the library in it."""
    hosted = f"_py_hosted_names = {sorted(name for name in FUNCTIONS if name.count('.') == 1)!r}"
    text = "\n".join([hosted, *((files("core.sandbox") / "library" / name).read_text() for name in LIBRARY)])
    lines = text.split("\n")  # ast.get_source_segment would split the whole text again for each of them
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for node in ast.parse(text).body:
        source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for name in _defined(node):
            used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            found[name] = source, found.get(name, ("", frozenset[str]()))[1] | used
    return {name: (source, used & found.keys() - {name}) for name, (source, used) in found.items()}


def needed(source: str, present: set[str]) -> str:
    """The part of the library that a rewritten program needs beyond what is `present`, which grows by it."""
    todo = sorted(set(re.findall(r"\b_py_\w+", source)) & library().keys() - present)
    pieces: dict[str, None] = {}
    while todo:
        name = todo.pop()
        if name not in present:
            present.add(name)
            text, used = library()[name]
            pieces[text] = None
            todo += sorted(used - present)
    order = {text: place for place, (text, _) in enumerate(library().values())}
    return "\n".join(sorted(pieces, key=order.__getitem__))


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name))]):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case ast.Try(handlers=[ast.ExceptHandler(body=[each])]):  # what is kept where it is there
            return _defined(each)
    return []


@cache
def guest_modules() -> Mapping[str, frozenset[str]]:
    """Modules that are defined inside the sandbox, with their names; the sandbox has a part of some by itself."""
    classes = [ast.parse(text).body[0] for name, (text, _) in library().items() if name.startswith(PREFIX)]
    return {
        node.name.removeprefix(PREFIX): frozenset(name for each in node.body for name in _defined(each))
        for node in classes
        if isinstance(node, ast.ClassDef)
    }


NATIVE = frozenset({"functools", "collections", "dataclasses", "math"})
"""Modules that the sandbox has, and that guest modules add to."""


class Program(Lowering):
    """Rewrites one program, in the order of its statements."""

    def __init__(self, known: Known, tree: ast.Module) -> None:
        super().__init__(known, tree)
        self._modules: dict[str, str] = {}
        self._functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                survey(node, known)
            elif isinstance(node, ast.Import):
                self._modules |= {alias.asname or alias.name: alias.name for alias in node.names}

    # Functions and classes.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        self.generic_visit(node)
        return lowered_generator(node) if is_generator(node) else node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        if is_generator(node):
            raise Unsupported("There are no async generators here: append to a list and return it.")
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> list[ast.stmt]:
        self.generic_visit(node)
        return lowered_class(node, self.known)

    # Imports.

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        ours = [alias for alias in node.names if alias.name in guest_modules() and alias.name not in NATIVE]
        node.names = [alias for alias in node.names if alias not in ours]
        bound = [_assigned(alias.asname or alias.name, _module(alias.name)) for alias in ours]
        return [*([node] if node.names else []), *bound]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        names = guest_modules().get(node.module or "", frozenset())
        if node.module in {"enum", "abc", "__future__"}:
            names |= {"Enum", "ABC", "annotations"}
        if node.module == "typing":
            node.names = [alias for alias in node.names if alias.name not in {"NamedTuple", "TypedDict"}]
            names |= {"NamedTuple", "TypedDict"}
        ours = [alias for alias in node.names if alias.name in names]
        node.names = [alias for alias in node.names if alias not in ours]
        bound = [
            _assigned(alias.asname or alias.name, ast.Attribute(_module(node.module or ""), alias.name, ast.Load()))
            for alias in ours
            if alias.name not in {"Enum", "ABC", "annotations"}
        ]
        return [*([node] if node.names else []), *bound] or [ast.Pass()]

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        module = self._modules.get(node.value.id, "") if isinstance(node.value, ast.Name) else ""
        if module in NATIVE and node.attr in guest_modules()[module]:
            return ast.Attribute(_module(module), node.attr, ast.Load())
        return super().visit_Attribute(node)

    # Calls of methods.

    def _rewrite(self, node: ast.Call) -> Callable[[ast.Call, bool], ast.expr] | None:
        match node.func:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in self.modules:
                return self._of_module(node, self._modules.get(module, module), name)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="sys"), attr="stdout"), attr="write"):
                return self._written
            case ast.Attribute(value=ast.Name(id=kind), attr=name) if kind in TYPES and name in UNBOUND and node.args:
                return _unbound
            case ast.Attribute(attr="sub") as method if node.args and self._is_function(node.args[0]):
                return lambda node, _: _substituted(method.value, node.args, node.keywords)
            case ast.Attribute(attr="index") as method if len(node.args) == 1:
                return lambda node, _: call("_py_index", method.value, *node.args)
            case ast.Attribute(attr="format_map") as method if len(node.args) == 1:
                formatted = ast.Attribute(method.value, "format", ast.Load())
                return lambda node, _: ast.Call(formatted, [], [ast.keyword(None, node.args[0])])
            case ast.Attribute(attr="utcnow"):
                return _utcnow
            case ast.Name(id="timedelta") | ast.Attribute(attr="timedelta"):
                whole = all(isinstance(value, ast.Constant) and isinstance(value.value, int) for value in _values(node))
                return None if whole else _timedelta
            case ast.Attribute(attr="encode" | "decode") if not node.args or not _is_other_encoding(node.args[0]):
                return None
            case ast.Attribute(attr=name) if name in METHOD_NAMES:
                return _hosted
        if isinstance(node.func, ast.Name) and node.func.id in METHOD_NAMES:
            return None
        return super()._rewrite(node)

    def _written(self, node: ast.Call, _: bool) -> ast.expr:
        """`sys.stdout.write` as `print`."""
        return call("_py_write_out", *node.args)

    def _of_module(self, node: ast.Call, module: str, name: str) -> Callable[[ast.Call, bool], ast.expr] | None:
        if module == "asyncio":
            return super()._rewrite(node)
        if module == "re" and name in PATTERNS and node.args:
            _mend_pattern(node)
            if name == "sub" and len(node.args) > 2 and not isinstance(node.args[1], ast.Constant | ast.JoinedStr):
                return lambda node, _: _substituted(node.args[0], node.args[1:], node.keywords)
        if module in NATIVE and name in guest_modules()[module]:
            return lambda node, _: ast.Call(ast.Attribute(_module(module), name, ast.Load()), node.args, node.keywords)
        named = {keyword.arg: keyword for keyword in node.keywords}
        if module == "json" and name == "dumps" and "default" in named:
            return _json_default
        if module == "json" and name == "loads" and "object_hook" in named:
            return _json_hook
        if module == "json" and name == "loads" and len(node.args) == 1 and not named:
            return lambda node, _: renamed(node, "_py_loads")
        if name == "timedelta":
            return _timedelta
        return _utcnow if name == "utcnow" else _hosted if name in METHOD_NAMES else None

    def _is_function(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Lambda) or (isinstance(node, ast.Name) and node.id in self._functions)

    # Other statements.

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        self.generic_visit(node)
        match node.targets:
            case [ast.Attribute(value=value, attr=name)] if name in self.known.getters:
                return ast.Expr(call("_py_write", value, ast.Constant(name), node.value))
            case [ast.Tuple() | ast.List()] if not isinstance(node.value, ast.Tuple):
                node.value = self.plain(self._members(node.value))
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        match node.target:
            case ast.Attribute(value=ast.Name() as value, attr=name) if name in self.known.getters:
                read = ast.Attribute(value, name, ast.Load())
                return self.visit_Assign(ast.Assign([node.target], ast.BinOp(read, node.op, node.value)))
        self.generic_visit(node)
        return node

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        self.generic_visit(node)
        return [self._deleted(target) for target in node.targets]

    def _deleted(self, target: ast.expr) -> ast.stmt:
        match target:
            case ast.Name(id=name):  # leaving a handler unbinds its name
                handler = ast.ExceptHandler(ast.Name("ValueError", ast.Load()), name, [ast.Pass()])
                bound = ast.Expr(ast.Name(name, ast.Load()))
                return ast.Try([bound, ast.Raise(ast.Name("ValueError", ast.Load()))], [handler], [], [])
            case ast.Subscript(slice=ast.Slice(step=None)):
                return ast.Assign([target], ast.List([], ast.Load()))
            case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice):
                return ast.Expr(ast.Call(ast.Attribute(value, "pop", ast.Load()), [index], []))
        raise Unsupported("This cannot be deleted here: assign None, or build a list of what stays.")

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        self.generic_visit(node)
        if node.exc is not None and self.known.errors:
            node.exc = call("_py_throw", node.exc)
        return node

    def visit_Try(self, node: ast.Try) -> ast.stmt:
        self.generic_visit(node)
        if not self.known.errors or not node.handlers:
            for handler in node.handlers:
                if handler.name:
                    handler.body.insert(
                        0, _assigned(handler.name, call("_py_worded", ast.Name(handler.name, ast.Load())))
                    )
            return node
        flying, caught = self.fresh(), self.fresh()
        chain: list[ast.stmt] = [ast.Raise()]
        for handler in reversed(node.handlers):
            body = handler.body
            if handler.name:
                body = [_assigned(handler.name, ast.Name(caught, ast.Load())), *body]
            if handler.type is None:
                chain = body
            else:
                chain = [ast.If(call("_py_isinstance", ast.Name(caught, ast.Load()), handler.type), body, chain)]
        begin = _assigned(caught, call("_py_worded", call("_py_caught", ast.Name(flying, ast.Load()))))
        node.handlers = [ast.ExceptHandler(ast.Name("BaseException", ast.Load()), flying, [begin, *chain])]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """Without `create_task`, which the sandbox does by itself."""
        self.generic_visit(node)
        return node


def _assigned(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _module(name: str) -> ast.expr:
    return ast.Name(PREFIX + name, ast.Load())


def _unbound(node: ast.Call, _: bool) -> ast.expr:
    """`str.lower(x)` as `x.lower()`."""
    first, *rest = node.args
    return ast.Call(ast.Attribute(first, called(node.func), ast.Load()), rest, node.keywords)


def _substituted(pattern: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> ast.expr:
    named = {keyword.arg: keyword.value for keyword in keywords}
    count = args[2] if len(args) > 2 else named.get("count", ast.Constant(0))
    flags = args[3] if len(args) > 3 else named.get("flags", ast.Constant(0))
    return call("_py_sub", pattern, *args[:2], count, flags)


def _hosted(node: ast.Call, _: bool) -> ast.expr:
    """A method that the sandbox lacks on values of its own."""
    assert isinstance(node.func, ast.Attribute)
    function = ast.Attribute(ast.Name("_py_s", ast.Load()), node.func.attr, ast.Load())
    rest = [ast.keyword(None, ast.Name("_py_k", ast.Load()))]
    through = ast.Call(function, [ast.Starred(ast.Name("_py_a", ast.Load()))], rest)
    bound = function_of(through, "_py_s", rest=True)
    made = call("_py_call", node.func.value, ast.Constant(node.func.attr), bound, *node.args)
    made.keywords = node.keywords
    return made


def _values(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _is_other_encoding(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and node.value in {"utf-8", "utf8", "UTF-8", "ascii"})


def _utcnow(node: ast.Call, _: bool) -> ast.expr:
    assert isinstance(node.func, ast.Attribute)
    zone = ast.Attribute(ast.Name("_py_timezone", ast.Load()), "utc", ast.Load())
    now = ast.Call(ast.Attribute(node.func.value, "now", ast.Load()), [zone], [])
    return ast.Call(ast.Attribute(now, "replace", ast.Load()), [], [ast.keyword("tzinfo", ast.Constant(None))])


def _timedelta(node: ast.Call, _: bool) -> ast.expr:
    made = call("_py_timedelta", node.func, *node.args)
    made.keywords = node.keywords
    return made


def _json_default(node: ast.Call, _: bool) -> ast.expr:
    default = next(keyword for keyword in node.keywords if keyword.arg == "default")
    node.keywords.remove(default)
    node.args[0] = call("_py_jsonable", node.args[0], default.value)
    return node


def _json_hook(node: ast.Call, _: bool) -> ast.expr:
    hook = next(keyword for keyword in node.keywords if keyword.arg == "object_hook")
    node.keywords.remove(hook)
    return call("_py_hooked", node, hook.value)


def _mend_pattern(node: ast.Call) -> None:
    """Let `$` match before a newline at the end, as it does in CPython."""
    flags = " ".join(map(ast.unparse, [*node.args[1:], *(keyword.value for keyword in node.keywords)]))
    if re.search(r"\bre\.(M|MULTILINE)\b", flags):
        return
    pattern = node.args[0]
    parts = pattern.values if isinstance(pattern, ast.JoinedStr) else [pattern]
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and "(?m" not in part.value:
            part.value = _with_end(part.value)


def _with_end(pattern: str) -> str:
    pieces, inside = [], False
    for piece in re.findall(r"\\.|\[\^?\]?|.", pattern, re.DOTALL):
        if piece.startswith("["):
            inside = True
        elif piece == "]":
            inside = False
        pieces.append(r"(?=\n?\Z)" if piece == "$" and not inside else piece)
    return "".join(pieces)
