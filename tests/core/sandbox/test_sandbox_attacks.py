"""Code that tries to get out, to take the house down or to use up the machine; all of it ends in an error."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from copy import deepcopy

import pytest

from core.atoms.atoms import Atom
from core.sandbox.runs import Call
from core.sandbox.sandbox import Sandbox

SECRET = "canary-5e1f"
MEGABYTES = 400
SHARED = "a = [1] * 10\nfor i in range(8):\n    a = [a] * 10\n"

ATTACKS = {
    # Walking from an object to the interpreter.
    "subclasses of object": "loot(().__class__.__bases__[0].__subclasses__())",
    "method resolution order": "loot(''.__class__.__mro__[1])",
    "object's subclasses": "loot(object.__subclasses__())",
    "globals of a function": "def f():\n    pass\nloot(f.__globals__)",
    "code of a function": "def f():\n    pass\nloot(f.__code__)",
    "closure of a lambda": "loot((lambda: 0).__closure__)",
    "reduce": "loot([].__reduce_ex__(4))",
    "a spelled out dunder": "loot(getattr([], '__cl' + 'ass__').__base__.__subclasses__())",
    "the frame of an exception": "try:\n    1 / 0\nexcept Exception as e:\n    loot(e.__traceback__.tb_frame)",
    "globals of a capability's class": "loot(tasks.__class__.__init__.__globals__)",
    "the dict of a capability": "loot(tasks.__dict__)",
    "the constructor of a capability": "loot(tasks.__init__('bus'))",
    "getattribute of a capability": "loot(tasks.__getattribute__('update'))",
    "the object behind a method": "loot(tasks.get.__self__)",
    "globals of a host function": "loot(search.__globals__)",
    "a new capability": "type(tasks)('bus').get('k1')",
    "a new atom": "loot(type(atom)('k9', 'bus', 'x'))",
    "a format string": "loot('{0.__class__.__init__.__globals__}'.format(tasks))",
    "an attribute in an f-string": "loot(f'{tasks.host!r}')",
    # Modules.
    "os.system": "import os\nloot(os.system('id'))",
    "subprocess": "import subprocess\nloot(subprocess.run(['id']))",
    "socket": "import socket\nloot(socket.create_connection(('127.0.0.1', 22)))",
    "ctypes": "import ctypes\nloot(ctypes.CDLL(None))",
    "importlib": "import importlib\nloot(importlib.import_module('os'))",
    "dunder import": "loot(__import__('os').system('id'))",
    "pickle": "import pickle\nloot(pickle.loads(b''))",
    "sys.modules": "import sys\nloot(sys.modules)",
    "builtins": "import builtins\nloot(builtins.open)",
    "the house's modules": "from core.settings import load\nloot(load())",
    "the sandbox's own module": "import pydantic_monty\nloot(pydantic_monty)",
    "threads": "import threading\nloot(threading.Thread(target=print))",
    "signals": "import signal\nloot(signal.SIGKILL)",
    "urllib": "from urllib.request import urlopen\nloot(urlopen('http://localhost'))",
    # Files and the environment.
    "reading a file": "loot(open('/etc/passwd').read())",
    "reading a path": "from pathlib import Path\nloot(Path('/etc/passwd').read_text())",
    "writing a file": "open('/tmp/canary', 'w').write('x')",
    "listing a folder": "import os\nloot(os.listdir('/'))",
    "walking a path": "from pathlib import Path\nloot(list(Path('/proc/self').iterdir()))",
    "looking whether a path is there": "from pathlib import Path\nloot(Path('/etc/passwd').exists())",
    "the environment": "import os\nloot(dict(os.environ))",
    "a variable of the environment": "import os\nloot(os.getenv('STOA_CANARY'))",
    "the machine's chance": "import os\nloot(os.urandom(8))",
    # Code from text, and ways to leave.
    "eval": "loot(eval(\"__import__('os')\"))",
    "exec": "exec(\"loot(open('/etc/passwd').read())\")",
    "compile": "loot(compile('1', '', 'eval'))",
    "globals": "loot(globals()['__builtins__'])",
    "input": "loot(input())",
    "breakpoint": "breakpoint()",
    "exit": "exit()",
    "SystemExit": "raise SystemExit('x')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "a null byte": "print('a')\0",
    # Never ending.
    "a loop": "while True:\n    pass",
    "a loop that catches all": "while True:\n    try:\n        1 / 0\n    except BaseException:\n        pass",
    "a loop in finally": "try:\n    1 / 0\nfinally:\n    while True:\n        pass",
    "a sum without end": "sum(range(10**12))",
    "a comprehension without end": "any(False for a in range(10**6) for b in range(10**6))",
    "names without end": "while True:\n    try:\n        nothing\n    except NameError:\n        pass",
    "calls without end": "while True:\n    try:\n        search('x')\n    except RuntimeError:\n        pass",
    "refusals without end": "while True:\n    try:\n        tasks.update('x')\n    except OSError:\n        pass",
    "imports without end": "while True:\n    try:\n        import requests\n    except ImportError:\n        pass",
    "attributes without end": "while True:\n    hasattr(tasks, 'nothing')",
    "forged end of time": "raise TimeoutError('feed time limit exceeded')",
    # Memory.
    "a long text": "'a' * (1 << 30)",
    "a growing list": "x = [0]\nwhile True:\n    x += x",
    "a growing dict": "x = {}\ni = 0\nwhile True:\n    i += 1\n    x[i] = str(i) * 50",
    "a growth that is caught": "x = [0]\nwhile True:\n    try:\n        x += x\n    except Exception:\n        1",
    "a list of a range": "list(range(10**18))",
    "bytes": "bytes(1 << 33)",
    "a padded number": "'%1000000000d' % 1",
    "a padded f-string": "f'{1:>1000000000}'",
    "a padded format": "'{:>1000000000}'.format(1)",
    "a padded text": "'a'.ljust(10**10)",
    "replacing": "('a' * 1000).replace('a', 'b' * 10**6).replace('b', 'c' * 10**6)",
    "the text of a shared tree": SHARED + "str(a)",
    "json of a shared tree": "import json\n" + SHARED + "json.dumps(a)",
    "a long error": "raise ValueError('a' * 40_000_000)",
    "an error with a tree": SHARED + "raise ValueError(a)",
    # Patterns, recursion, numbers.
    "a pattern that backtracks": "import re\nre.match(r'((a+)+)\\2$', 'a' * 40 + 'b')\n1 / 0",
    "a pattern that repeats": "import re\nre.compile('((a{1000}){1000}){1000}').match('a' * 10**6)\n1 / 0",
    "recursion": "def r(n):\n    return r(n + 1)\nr(0)",
    "recursion in repr": "class A:\n    def __repr__(self):\n        return repr(self)\nrepr(A())",
    "recursion of coroutines": "async def r():\n    await r()\nawait r()",
    "deep parentheses": "(" * 20_000 + "1" + ")" * 20_000,
    "deep minus": "-" * 60_000 + "1",
    "a long sum": "1" + "+1" * 30_000,
    "deep lists": "[" * 3_000 + "]" * 3_000,
    "deep attributes": "x" + ".x" * 30_000,
    "many awaits of each other": "\n".join(f"a{i} = a{i + 1}" for i in range(3_000)) + "\nawait a0",
    "a tower of powers": "10 ** 10 ** 8",
    "a wide shift": "1 << (1 << 40)",
    "a number from digits": "int('9' * 2_000_000)",
    "the digits of a number": "str(2 ** 10**7)",
    # Output and arguments.
    "a gigabyte of output": "while True:\n    print('x' * 1_000_000)",
    "many small prints": "while True:\n    print('x')",
    "a shared tree as an argument": SHARED + "search(a)",
    "a deep argument": "a = []\nfor i in range(300):\n    a = [a]\nsearch(a)",
    "a big argument": "search('a' * 20_000_000)",
    "many big arguments": "import asyncio\nawait asyncio.gather(*[sleep('a' * 1_000_000) for i in range(60)])",
    "a number too wide": "search(10**500)",
    "a builtin as an argument": "search(print)",
    "a key that is a tuple": "search({(1, 2): 3})",
    # Forging.
    "a method that is not allowed": "tasks.update('k1', content='x')",
    "a method by another road": "getattr(tasks, 'update')('k1')",
    "a method that is stored": "update = tasks.update\nupdate('k1')",
    "a space one does not have": "spaces['bus'].get('k1')",
    "a space under another name": "spaces['bus'] = tasks\nspaces['bus'].update('k1')",
    "a renamed capability": "tasks.name = 'bus'\ntasks.update('k1')",
    "a class that looks like one": "class Capability:\n    name = 'bus'\nCapability().get('k1')",
    "a copied capability": "import copy\ncopy.deepcopy(tasks).update('k1')",
    "a method of an atom": "atom.update('x')",
    "a private name": "tasks._Session__host()",
    "a dotted name": "globals()['tasks.update']('k1')",
    "a class with our name and a big value": (
        "class Capability:\n    def __init__(self):\n        self.name = 'a' * 20_000_000\nsearch(Capability())"
    ),
    "a class with our name and a tree": SHARED + "class Capability:\n    pass\nc = Capability()\nc.name = a\nsearch(c)",
    "a big name of an argument": "search(**{'a' * 20_000_000: 1})",
    "a big key": "search({'a' * 20_000_000: 1})",
    "answers that nobody takes": (
        "import asyncio\nasync def one():\n    return await search('a' * 1_000_000)\n"
        "await asyncio.gather(*[sleep('a' * 1_000_000) for i in range(3)], *[one() for i in range(20)])"
    ),
    # The standard library that runs outside.
    "a shared tree for the library": "import statistics\n" + SHARED + "statistics.mean(a)",
    "a big text for the library": "import textwrap\ntextwrap.wrap('a ' * 2_000_000)",
    "a long indentation": "import textwrap\ntextwrap.indent('\\n' * 9_000, 'x' * 9_000)",
    "a long translation": "('a' * 90_000).translate({97: 'b' * 90_000})",
    "a wide number for the library": "(1).to_bytes(10 ** 9, 'big')",
    "a long comparison": "import difflib\ndifflib.get_close_matches('a' * 50_000, ['a' * 50_000])",
    "a function for the library": "import statistics\nstatistics.mean([print])",
    "another function of the library": "_py_hosted('os.system', 'id')",
    "the library by a dotted name": "loot(getattr(__import__('statistics'), 'sys'))",
    "a module as an argument": "import statistics\nsearch(statistics)",
    "a generator without end": "def g():\n    while True:\n        yield 1\nlist(g())",
    "a generator within generators": "def g(n):\n    yield from g(n + 1)\nlist(g(0))",
    "an error class within itself": "class A(Exception):\n    def __str__(self):\n        return str(self)\nraise A()",
    "an error with a forged mark": "raise ValueError('\\x009\\x00A: x')",
    "a class that inherits itself": "class A(A):\n    pass",
    "a deep inheritance": "class A0:\n    x = 1\n"
    + "".join(f"class A{i + 1}(A{i}): pass\n" for i in range(999))
    + "1 / 0",
    "an error with a capability in it": "raise ValueError(tasks)",
}


class House:
    """Answers what is allowed, and remembers what else got through."""

    def __init__(self) -> None:
        self.passed: list[Call] = []

    async def __call__(self, call: Call) -> object:
        if call.name == "sleep":
            await asyncio.Event().wait()
        if (call.target, call.name) not in (("", "search"), ("tasks", "get")):
            self.passed.append(call)
        return Atom("k3", "tasks", "buy milk", {"status": "pending"})


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    monkeypatch.setenv("STOA_CANARY", SECRET)
    async with Sandbox(processes=1, seconds=0.3) as opened:
        yield opened


def memory() -> float:
    """The most this process has ever held, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_ends_in_an_error_and_the_sandbox_goes_on(sandbox: Sandbox, attack: str) -> None:
    house, before = House(), memory()
    functions, values = frozenset({"search", "loot", "sleep"}), {"atom": Atom("k3", "tasks", "buy milk")}
    async with (
        asyncio.timeout(8),
        sandbox.session({"tasks": frozenset({"get"})}, functions, values, house) as session,
    ):
        outcome = await session.run(ATTACKS[attack])
        assert outcome.error is not None, outcome.printed
        assert (await session.run("print('served')")).printed == "served\n"
    assert house.passed == []
    assert SECRET not in outcome.printed + outcome.error
    assert len(outcome.printed) < 21_000
    assert len(outcome.error) < 7_000
    assert memory() - before < MEGABYTES


async def test_changing_what_the_house_answered_changes_nothing_outside(sandbox: Sandbox) -> None:
    atom = Atom("k3", "tasks", "buy milk", {"status": "pending"}, {"about": ["k1"]})
    kept = deepcopy(atom)
    calls: list[Call] = []

    async def host(call: Call) -> object:
        calls.append(call)
        return atom

    code = (
        "a = tasks.get('k3')\na.metadata['status'] = 'done'\na.references['about'].append('k9')\na.id = 'k9'\n"
        "values['list'].append(2)\ntasks.get(a)"
    )
    shared: dict[str, list[int]] = {"list": [1]}
    async with sandbox.session({"tasks": frozenset({"get"})}, frozenset(), {"values": shared}, host) as session:
        assert (await session.run(code)).error is None
    assert atom == kept
    assert shared == {"list": [1]}
    assert isinstance(calls[1].args[0], dict)


async def test_an_error_of_the_house_carries_its_words_and_nothing_else(sandbox: Sandbox) -> None:
    class Leaky(ValueError):
        def __init__(self) -> None:
            super().__init__("the name is wrong")
            self.secret = SECRET

    async def host(_: Call) -> object:
        raise Leaky from RuntimeError(SECRET)

    code = (
        "try:\n    f()\nexcept ValueError as e:\n    print(e, e.args)\n"
        "    for name in ('secret', '__cause__', '__context__', '__traceback__'):\n"
        "        print(getattr(e, name, None))"
    )
    async with sandbox.session({}, frozenset({"f"}), {}, host) as session:
        outcome = await session.run(code)
    assert outcome.printed == "the name is wrong ('the name is wrong',)\nNone\nNone\nNone\nNone\n"


async def test_one_session_sees_nothing_of_another(sandbox: Sandbox) -> None:
    async with sandbox.session({}, frozenset(), {"secret": SECRET}, House()) as session:
        await session.run("kept = secret\nimport json\njson.kept = secret")
    async with sandbox.session({}, frozenset(), {}, House()) as session:
        for code in ("secret", "kept", "import json\njson.kept"):
            outcome = await session.run(code)
            assert outcome.error is not None
            assert SECRET not in outcome.error
