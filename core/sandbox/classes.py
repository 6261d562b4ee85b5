"""Rewrites classes: what they inherit is copied in, and properties, class methods and enums become plain members."""

import ast
import re
from collections.abc import Iterable
from copy import deepcopy

from core.sandbox.lowering import Known, Unsupported, call, called
from core.sandbox.marshalling import GUEST_ERRORS

NO_BASES = frozenset({"object", "ABC", "Generic", "Protocol"})
NEVER_CALLED = frozenset(
    {"__new__", "__getattribute__", "__setattr__", "__init_subclass__", "__class_getitem__", "__set_name__", "__get__"}
    | {"__getattr__", "__iadd__", "__format__", "__del__", "__delitem__", "__aenter__", "__aiter__"}
)
ERROR_METHODS = """
def __init__(self, *args):
    self.args = args
def __str__(self):
    return '' if not self.args else str(self.args[0]) if len(self.args) == 1 else str(self.args)
def __repr__(self):
    return type(self).__name__ + (f'({self.args[0]!r})' if len(self.args) == 1 else repr(self.args))
"""
ENUM_METHODS = """
def __init__(self, name, value):
    self.name = name
    self.value = value
def __str__(self):
    return f'{type(self).__name__}.{self.name}'
def __repr__(self):
    return f'<{type(self).__name__}.{self.name}: {self.value!r}>'
"""
MAX_COPIED_NODES = 20_000
"""Of syntax trees, for all that the classes of a session inherit."""
ABSTRACT = "_py_abstract"
ORDER_METHODS = "".join(
    f"def {name}(self, other):\n    return _py_astuple(self) {sign} _py_astuple(other)\n"
    for name, sign in (("__lt__", "<"), ("__le__", "<="), ("__gt__", ">"), ("__ge__", ">="))
)
Method = ast.FunctionDef | ast.AsyncFunctionDef


def survey(node: ast.ClassDef, known: Known) -> None:
    """Note what a class has that uses of its objects are rewritten for."""
    for each in node.body:
        if not isinstance(each, Method):
            continue
        if each.name in NEVER_CALLED:
            raise Unsupported(f"{each.name} is never called here: write a plain method and call it.")
        if each.name.startswith("__") and each.name != "__init__":
            known.dunders.add(each.name)
        for decorator in each.decorator_list:
            match decorator:
                case ast.Name(id="property"):
                    known.getters.add(each.name)
                case ast.Attribute(attr="setter"):
                    known.setters.add(each.name)
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and any(keyword.arg == "order" for keyword in decorator.keywords):
            known.dunders |= {"__lt__", "__le__", "__gt__", "__ge__"}
    bases = [_base(base) for base in node.bases]
    if "Enum" in bases:
        known.enums.add(node.name)
    known.derived |= bool(node.bases)
    if any(base in GUEST_ERRORS or base in known.errors for base in bases):
        known.errors.add(node.name)


def lowered_class(node: ast.ClassDef, known: Known) -> list[ast.stmt]:
    """The class without bases and method decorators, and what follows it."""
    bases = [name for name in map(_base, node.bases) if name not in NO_BASES]
    if any(keyword.arg == "metaclass" and _base(keyword.value) != "ABCMeta" for keyword in node.keywords):
        raise Unsupported("A metaclass does not work here: write a function that makes the objects.")
    node.bases, node.keywords = [], []
    if bases == ["NamedTuple"]:
        return [_named_tuple(node)]
    if bases == ["TypedDict"]:
        return [ast.Assign([ast.Name(node.name, ast.Store())], ast.Name("dict", ast.Load()))]
    if bases == ["Enum"]:
        return _enum(node)
    _undecorate(node)
    ancestors: list[ast.expr] = []
    for base in bases:
        if base in GUEST_ERRORS and base not in known.classes:
            _inherit(node, ast.parse(f"class {base}:{ERROR_METHODS.replace(chr(10), chr(10) + '    ')}").body[0])
        elif base in known.classes:
            known.copied += sum(1 for _ in ast.walk(known.classes[base]))
            if known.copied > MAX_COPIED_NODES:
                raise Unsupported("The classes inherit too much from each other: write functions.")
            _inherit(node, known.classes[base])
        else:
            raise Unsupported(f"A class cannot inherit from {base} here: write functions, or keep one in an attribute.")
        ancestors.append(ast.Name(base, ast.Load()))
    _call_inherited(node, bases)
    known.classes[node.name] = deepcopy(node)
    _refuse_abstract(node)
    _list_fields(node)
    after = _bound(node)
    if ancestors:
        after.insert(0, ast.Expr(call("_py_derives", ast.Name(node.name, ast.Load()), *ancestors)))
    node.body = node.body or [ast.Pass()]
    return [node, *after]


def _base(node: ast.expr) -> str:
    return called(node.value if isinstance(node, ast.Subscript) else node)


def _members(body: Iterable[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for each in body:
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = each
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = each
    return found


def _inherit(node: ast.ClassDef, base: ast.stmt) -> None:
    """Copy the members of a base that the class has not; one that it overrides stays under a name of the base's."""
    assert isinstance(base, ast.ClassDef)
    own, copied = _members(node.body), []
    dataclass = any(_base(d.func if isinstance(d, ast.Call) else d) == "dataclass" for d in node.decorator_list)
    for name, member in _members(base.body).items():
        member = deepcopy(member)
        if isinstance(member, Method):
            hidden = f"_py_{base.name}_{name}"
            if name in own and not name.startswith("_py_"):
                member.name = hidden
            elif name in own:
                continue
        elif name in own:
            continue
        elif not dataclass and isinstance(member, ast.Assign):
            member.value = ast.Attribute(ast.Name(base.name, ast.Load()), name, ast.Load())
        copied.append(member)
    node.body = copied + [each for each in node.body if not isinstance(each, ast.Pass)]


def _call_inherited(node: ast.ClassDef, bases: list[str]) -> None:
    """Write `super().method(...)` as a call of the method that was copied in."""
    names = set(_members(node.body))

    class Inherited(ast.NodeTransformer):
        def visit_Call(self, each: ast.Call) -> ast.expr:
            self.generic_visit(each)
            match each.func:
                case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=method):
                    hidden = [f"_py_{base}_{method}" for base in bases if f"_py_{base}_{method}" in names]
                    if not hidden and method in names and bases:
                        hidden = [method]
                    if not hidden:
                        return ast.Constant(None)
                    each.func = ast.Attribute(ast.Name("self", ast.Load()), hidden[0], ast.Load())
                case ast.Attribute(value=ast.Name(id=base), attr=method) if base in bases:
                    if f"_py_{base}_{method}" in names and each.args:
                        first, *rest = each.args
                        each.func, each.args = ast.Attribute(first, f"_py_{base}_{method}", ast.Load()), rest
            return each

    own = [each for each in node.body if not (isinstance(each, Method) and each.name.startswith("_py_"))]
    for each in own:
        Inherited().visit(each)


def _undecorate(node: ast.ClassDef) -> None:
    """Give decorated methods names of their own, by which they are found again."""
    for each in [member for member in node.body if isinstance(member, Method)]:
        decorators, each.decorator_list = each.decorator_list, []
        for decorator in reversed(decorators):
            match decorator:
                case ast.Name(id="property"):
                    each.name = f"_py_get_{each.name}"
                case ast.Attribute(attr="setter"):
                    each.name = f"_py_set_{each.name}"
                case ast.Name(id="staticmethod"):
                    each.name = f"_py_static_{each.name}"
                case ast.Name(id="classmethod"):
                    each.name = f"_py_class_{each.name}"
                case ast.Name(id="abstractmethod") | ast.Attribute(attr="abstractmethod"):
                    each.body.insert(0, ast.Expr(ast.Constant(ABSTRACT)))
                case _:
                    raise Unsupported(
                        "This decorator does not work on a method here: write a function outside the class."
                    )


def _bound(node: ast.ClassDef) -> list[ast.stmt]:
    """The statements that bind static and class methods, once there is a class."""
    after: list[ast.stmt] = []
    for hidden in _members(node.body):
        for prefix, first in (("_py_static_", []), ("_py_class_", [ast.Name(node.name, ast.Load())])):
            if hidden.startswith(prefix):
                target = ast.Attribute(ast.Name(node.name, ast.Load()), hidden.removeprefix(prefix), ast.Store())
                function = ast.Attribute(ast.Name(node.name, ast.Load()), hidden, ast.Load())
                after.append(ast.Assign([target], call("_py_Bound", function, *first)))
    return after


def _refuse_abstract(node: ast.ClassDef) -> None:
    """Let making an object fail while a method is abstract, as CPython does."""
    methods = {name: member for name, member in _members(node.body).items() if isinstance(member, Method)}
    names = sorted(name for name, member in methods.items() if _is_abstract(member) and not re.match("_py_[A-Z]", name))
    if names:
        listed = ", ".join(name.removeprefix("_py_get_") for name in names)
        text = f"Can't instantiate abstract class {node.name} with abstract method{'s' * (len(names) > 1)} {listed}"
        init = ast.parse(f"def __init__(self, *_, **__):\n    raise TypeError({text!r})").body[0]
        node.body = [each for each in node.body if getattr(each, "name", "") != "__init__"] + [init]


def _is_abstract(method: Method) -> bool:
    match method.body[0]:
        case ast.Expr(value=ast.Constant(value=value)):
            return value == ABSTRACT
    return False


def _list_fields(node: ast.ClassDef) -> None:
    """Name the fields of a dataclass, for asdict() and its like, and give it an order where it asks for one."""
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and any(keyword.arg == "order" for keyword in each.keywords):
            each.keywords = [keyword for keyword in each.keywords if keyword.arg != "order"]
            node.body += ast.parse(ORDER_METHODS).body
    node.body.append(ast.Assign([ast.Name("_py_class", ast.Store())], ast.Constant(True)))
    if any(_base(each.func if isinstance(each, ast.Call) else each) == "dataclass" for each in node.decorator_list):
        fields = [called(each.target) for each in node.body if isinstance(each, ast.AnnAssign)]
        names = ast.Tuple([ast.Constant(name) for name in fields], ast.Load())
        node.body.append(ast.Assign([ast.Name("_py_fields", ast.Store())], names))


def _named_tuple(node: ast.ClassDef) -> ast.stmt:
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    if len(fields) != len([each for each in node.body if not isinstance(each, ast.Expr | ast.Pass)]):
        raise Unsupported("A NamedTuple with methods does not work here: write functions, or a dataclass.")
    names = ast.List([ast.Constant(called(each.target)) for each in fields], ast.Load())
    made = call("_py_namedtuple", ast.Constant(node.name), names)
    defaults = [each.value for each in fields if each.value]
    made.keywords = [ast.keyword("defaults", ast.List(defaults, ast.Load()))] if defaults else []
    return ast.Assign([ast.Name(node.name, ast.Store())], made)


def _enum(node: ast.ClassDef) -> list[ast.stmt]:
    members = [each for each in node.body if isinstance(each, ast.Assign)]
    own = [each for each in node.body if isinstance(each, Method)]
    kept = _members(own)
    basics = [each for each in ast.parse(ENUM_METHODS).body if isinstance(each, Method) and each.name not in kept]
    node.body = [*basics, *own]
    _undecorate(node)
    after = _bound(node)
    listed: list[ast.expr] = []
    for number, each in enumerate(members, 1):
        name = called(each.targets[0])
        value = (
            ast.Constant(number)
            if isinstance(each.value, ast.Call) and called(each.value.func) == "auto"
            else each.value
        )
        made = ast.Call(ast.Name(node.name, ast.Load()), [ast.Constant(name), value], [])
        after.append(ast.Assign([ast.Attribute(ast.Name(node.name, ast.Load()), name, ast.Store())], made))
        listed.append(ast.Attribute(ast.Name(node.name, ast.Load()), name, ast.Load()))
    target = ast.Attribute(ast.Name(node.name, ast.Load()), "_py_members", ast.Store())
    return [node, *after, ast.Assign([target], ast.List(listed, ast.Load()))]
