"""The closure's hashes change with what the reached code does, and with nothing else."""

import textwrap
from pathlib import Path

import pytest

from phasebench.codehash.closure import Closure, SourceTree
from phasebench.common.errors import PhasebenchError

OPAQUE = frozenset({"pkg.registry:TABLE"})


def closure_of(folder: Path, files: dict[str, str], roots: tuple[str, ...] = ("pkg.a:root",)) -> Closure:
    """Write a package below a fresh folder and follow the roots."""
    package = folder / str(len(list(folder.iterdir()))) / "pkg"
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return SourceTree(package, OPAQUE).closure(roots)


def assert_effect(folder: Path, before: dict[str, str], after: dict[str, str], changed: set[str]) -> None:
    """Exactly the modules ``changed`` have another hash after the edit; ``after`` gives the edited files only."""
    old = closure_of(folder, before).hashes
    new = closure_of(folder, {**before, **after}).hashes
    assert {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} == changed


FUNCTION = """
    import math

    def root(x: float, scale: float = 2.0) -> float:
        '''Say what it does.'''
        # why
        y: float = math.sin(x) * scale
        return helper(y)

    def helper(y):
        return y + 1

    def bystander(y):
        return y
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'''Say what it does.'''", "'''Say it better.'''"),
        ("        '''Say what it does.'''\n", ""),
        ("# why", "# because"),
        ("math.sin(x) * scale", "(\n            math.sin( x )\n            * scale\n        )"),
        ("x: float, scale: float = 2.0", "x: 'int', scale: int = 2.0"),
        ("-> float", ""),
        ("y: float = ", "y = "),
        ("return y\n", "return y + bystander.__doc__\n"),
        ("    import math\n", "    '''The module.'''\n    import math\n    import json\n"),
        ("def bystander(y):", "CONSTANT = 3\n\n    class Another:\n        pass\n\n    def bystander(y, z=1):"),
    ],
)
def test_edits_that_mean_nothing_to_the_root(tmp_path: Path, old: str, new: str) -> None:
    assert old in FUNCTION
    assert_effect(tmp_path, {"a.py": FUNCTION}, {"a.py": FUNCTION.replace(old, new)}, set())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("math.sin(x) * scale", "math.cos(x) * scale"),
        ("scale: float = 2.0", "scale: float = 2.5"),
        ("return y + 1", "return y + 1.0"),
        ("return helper(y)", "return bystander(y)"),
        ("def root(", "@profile\n    def root("),
        ("import math", "import cmath as math"),
        ("import math", "from numpy import emath as math"),
    ],
)
def test_edits_that_change_the_result(tmp_path: Path, old: str, new: str) -> None:
    assert old in FUNCTION
    assert_effect(tmp_path, {"a.py": FUNCTION}, {"a.py": FUNCTION.replace(old, new, 1)}, {"pkg.a"})


def test_the_order_of_definitions_is_layout(tmp_path: Path) -> None:
    before = "def root():\n    return one() + two()\n\ndef one():\n    return 1\n\ndef two():\n    return 2\n"
    after = "def two():\n    return 2\n\ndef one():\n    return 1\n\ndef root():\n    return one() + two()\n"
    assert_effect(tmp_path, {"a.py": before}, {"a.py": after}, set())


# Each way to use something of module b; an edit of USED must show, an edit of UNUSED must not.
USES = {
    "from import": "from pkg.b import used\ndef root():\n    return used()",
    "renamed": "from pkg.b import used as other\ndef root():\n    return other()",
    "relative": "from .b import used\ndef root():\n    return used()",
    "module attribute": "import pkg.b as module\ndef root():\n    return module.used()",
    "submodule of the package": "from pkg import b\ndef root():\n    return b.used()",
    "relative submodule": "from . import b\ndef root():\n    return b.used()",
    "dotted import": "import pkg.b\ndef root():\n    return pkg.b.used()",
    "nested attribute": "import pkg.b as module\ndef root():\n    return module.used.cache.clear()",
    "inside a function": "def root():\n    from pkg.b import used\n    return used()",
    "module inside a function": "def root():\n    import pkg.b as module\n    return module.used()",
    "import of an outer function": (
        "def root():\n    from .b import used\n    def inner():\n        return used()\n    return inner"
    ),
    "default argument": "from pkg.b import used\ndef root(f=used):\n    return f()",
    "keyword default": "from pkg.b import used\ndef root(*, f=used):\n    return f()",
    "decorator": "from pkg.b import used\n@used\ndef root():\n    return 1",
    "decorator of a method": "from pkg.b import used\nclass root:\n    @used\n    def f(self):\n        return 1",
    "base class": "from pkg.b import used\nclass root(used):\n    pass",
    "class keyword": "from pkg.b import used\nclass root(metaclass=used):\n    pass",
    "constant": "from pkg.b import used\nroot = [used, 1]",
    "through a constant": "from pkg.b import used\nALL = {'x': used}\ndef root():\n    return ALL['x']",
    "unpacked constant": "from pkg.b import used\nroot, (other, *rest) = used()",
    "annotated constant": "from pkg.b import used\nroot: dict = used()",
    "class attribute": "from pkg.b import used\nclass root:\n    value = used",
    "field annotation": "from pkg.b import used\nclass root:\n    value: list[used]",
    "quoted field annotation": "from pkg.b import used\nclass root:\n    value: 'list[used] | None' = None",
    "local name in another function": (
        "from pkg.b import used\ndef root():\n    def first(used):\n        return used\n    return used"
    ),
    "method beside a class variable of that name": (
        "from pkg.b import used\nclass root:\n    used = 1\n    def f(self):\n        return used()"
    ),
    "comprehension": "from pkg.b import used\ndef root(xs):\n    return [used(x) for x in xs if x]",
    "comprehension elsewhere binds the name": (
        "from pkg.b import used\ndef root(xs):\n    return [used for used in xs] + [used()]"
    ),
    "f-string": "from pkg.b import used\ndef root(x):\n    return f'{x:{used()}}'",
    "lambda": "from pkg.b import used\nroot = lambda x: used(x)",
    "global assignment": "from pkg.b import used\nstate = used()\ndef root():\n    global state\n    state = 1",
    "re-export": "from pkg.c import used\ndef root():\n    return used()",
    "chain of modules": "from pkg.d import through\ndef root():\n    return through()",
    "star": "from pkg.b import *\ndef root():\n    return used()",
    "star of a star": "from pkg.star import *\ndef root():\n    return used()",
    "conditional import": (
        "try:\n    from pkg.b import used\nexcept ImportError:\n    used = None\ndef root():\n    return used()"
    ),
    "conditional definition": (
        "from pkg.b import used\nif used:\n    def root():\n        return 1\nelse:\n    root = None"
    ),
    "raised": "from pkg.b import used\ndef root():\n    raise used('words')",
    "match": "from pkg.b import used\ndef root(x):\n    match x:\n        case used():\n            return 1",
}

B = "def used():\n    return USED\n\nUSED = 1\n\nclass Unused:\n    def f(self):\n        return UNUSED\n\nUNUSED = 2\n"
HELPERS = {
    "b.py": B,
    "c.py": "from .b import used\nfrom .b import Unused\n",
    "d.py": "from pkg import c\n\ndef through():\n    return c.used()\n\ndef around():\n    return c.Unused()\n",
    "star.py": "from .b import *\n",
}


@pytest.mark.parametrize("use", USES, ids=str)
def test_uses_are_followed_to_the_definition(tmp_path: Path, use: str) -> None:
    files = {**HELPERS, "a.py": USES[use] + "\n"}
    assert_effect(tmp_path, files, {"b.py": B.replace("USED = 1", "USED = 5")}, {"pkg.b"})
    assert_effect(tmp_path, files, {"b.py": B.replace("UNUSED = 2", "UNUSED = 5")}, set())


UNUSES = {
    "parameter": "def root(used):\n    return used()",
    "variable": "def root():\n    used = 1\n    return used",
    "loop": "def root(xs):\n    for used in xs:\n        used()",
    "with": "def root(x):\n    with x as used:\n        return used",
    "except": "def root():\n    try:\n        pass\n    except ValueError as used:\n        print(used)",
    "match": "def root(x):\n    match x:\n        case [used, *rest]:\n            return used",
    "walrus in a comprehension": "def root(xs):\n    ys = [used := x for x in xs]\n    return used",
    "comprehension": "def root(xs):\n    return {used: 1 for used in xs}",
    "lambda": "root = lambda used: used()",
    "enclosing function": "def root(used):\n    def inner():\n        return used\n    return inner",
    "nonlocal": (
        "def root():\n    used = 1\n    def inner():\n        nonlocal used\n        used = 2\n    return inner"
    ),
    "attribute of something else": "def root(x):\n    return x.used()",
    "keyword": "def root(x):\n    return x(used=1)",
    "signature": "def root(x: used) -> used:\n    return x",
    "local annotation": "def root(x):\n    y: used = x\n    return y",
    "type checking": "def root(x):\n    return x\nif TYPE_CHECKING:\n    y = used()",
    "main": "def root(x):\n    return x\nif __name__ == '__main__':\n    used()",
}


@pytest.mark.parametrize("code", UNUSES.values(), ids=UNUSES)
def test_a_local_of_the_same_name_is_no_use(tmp_path: Path, code: str) -> None:
    files = {"a.py": f"from typing import TYPE_CHECKING\nfrom pkg.b import used\n{code}\n", "b.py": B}
    assert "pkg.b" not in closure_of(tmp_path, files).hashes


@pytest.mark.parametrize(
    "code",
    [
        "from pkg import b\ndef root():\n    return getattr(b, name())",
        "import pkg.b as module\ndef root():\n    return vars(module)",
    ],
)
def test_a_module_used_as_a_value_counts_whole(tmp_path: Path, code: str) -> None:
    assert_effect(tmp_path, {"a.py": code, "b.py": B}, {"b.py": B.replace("UNUSED = 2", "UNUSED = 5")}, {"pkg.b"})


@pytest.mark.parametrize("escape", ["globals()", "eval('x')", "exec('x')", "sys.modules[__name__]"])
def test_names_computed_at_run_time_reach_the_whole_module(tmp_path: Path, escape: str) -> None:
    before = f"import sys\ndef root():\n    return {escape}\n\nCONSTANT = 1\n"
    assert_effect(tmp_path, {"a.py": before}, {"a.py": before.replace("= 1", "= 2")}, {"pkg.a"})


def test_a_module_level_getattr_answers_for_unknown_names_alone(tmp_path: Path) -> None:
    b = "def __getattr__(name):\n    return 1\n\ndef known():\n    return 1\n\nOTHER = 1\n"
    for name, changed in (("unknown", {"pkg.b"}), ("known", set())):
        files = {"a.py": f"from pkg import b\ndef root():\n    return b.{name}", "b.py": b}
        assert_effect(tmp_path, files, {"b.py": b.replace("OTHER = 1", "OTHER = 2")}, changed)


EFFECTS = [
    "register('x')",
    "TABLE['x'] = 1",
    "TABLE.x = 1",
    "TABLE += [1]",
    "for x in [1]:\n    print(x)",
    "while x:\n    x = 1",
    "if x:\n    y = 1",
    "with x:\n    y = 1",
    "try:\n    y = 1\nexcept ValueError:\n    y = 2",
    "del TABLE",
    "assert x == 1",
    "_ = register(1)",
    "first, TABLE.x = 1, 2",
    "@register(1)\ndef hidden():\n    return 1",
    "@register\nclass Hidden:\n    x = 1",
]


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_happens_on_import_counts(tmp_path: Path, effect: str) -> None:
    edited = effect.replace("1", "7").replace("del TABLE", "del OTHER").replace("'x')", "'y')")
    edited = edited.replace("@register\n", "@register\n@again\n")
    # In the root's module, in a module it uses, in a module merely imported, in the parent package.
    for place in ("a.py", "b.py", "c.py", "sub/__init__.py"):
        files = {
            "a.py": "import pkg.c\nfrom pkg.sub.d import value\nfrom pkg.b import used\nroot = used + value\n",
            "b.py": "used = 1\n",
            "c.py": "",
            "sub/__init__.py": "",
            "sub/d.py": "value = 1\n",
        }
        module = "pkg." + place.removesuffix(".py").replace("/__init__", "")
        before = {**files, place: files[place] + effect + "\n"}
        after = {place: files[place] + edited + "\n"}
        assert before[place] != after[place]
        assert_effect(tmp_path, before, after, {module})


def test_what_an_import_effect_uses_counts_too(tmp_path: Path) -> None:
    files = {"a.py": "import pkg.c\ndef root():\n    return 1\n", "b.py": B, "c.py": "from pkg.b import used\nused()\n"}
    assert_effect(tmp_path, files, {"b.py": B.replace("USED = 1", "USED = 5")}, {"pkg.b"})


def test_import_effects_of_a_module_nobody_imports_do_not_count(tmp_path: Path) -> None:
    files = {"a.py": "def root():\n    return 1\n\ndef other():\n    import pkg.c\n", "c.py": "print(1)\n"}
    assert "pkg.c" not in closure_of(tmp_path, files).hashes


def test_decorators_known_to_be_harmless_reach_nothing_alone(tmp_path: Path) -> None:
    a = "import functools\nfrom dataclasses import dataclass\ndef root():\n    return 1\n"
    a += "@dataclass(frozen=True)\nclass Other:\n    x: int = 1\n@functools.cache\ndef other():\n    return 2\n"
    after = a.replace("x: int = 1", "x: int = 5").replace("return 2", "return 3")
    assert_effect(tmp_path, {"a.py": a}, {"a.py": after}, set())


def test_a_decorated_functions_annotations_may_be_read(tmp_path: Path) -> None:
    a = "from x import custom_op\n@custom_op\ndef root(n: int):\n    return n\n"
    assert_effect(tmp_path, {"a.py": a}, {"a.py": a.replace("n: int", "n: float")}, {"pkg.a"})
    a = "import torch\n@torch.no_grad()\ndef root(n: int):\n    return n\n"
    assert_effect(tmp_path, {"a.py": a}, {"a.py": a.replace("n: int", "n: float")}, set())


def test_cycles_end(tmp_path: Path) -> None:
    files = {
        "a.py": "from pkg import b\ndef root(n):\n    return b.back(n) if n else 0\n",
        "b.py": "from pkg import a\ndef back(n):\n    return a.root(n - 1)\n",
    }
    assert set(closure_of(tmp_path, files).hashes) == {"pkg.a", "pkg.b"}


def test_a_package_that_re_exports(tmp_path: Path) -> None:
    files = {
        "a.py": "from pkg.layers import Conv\nroot = Conv\n",
        "layers/__init__.py": "from . import norm\nfrom .conv import Conv\nfrom .norm import Norm\n",
        "layers/conv.py": "class Conv:\n    size = 1\n",
        "layers/norm.py": "class Norm:\n    size = 1\n",
    }
    assert set(closure_of(tmp_path, files).hashes) == {"pkg.a", "pkg.layers", "pkg.layers.conv"}
    files["a.py"] = "from pkg import layers\ndef root():\n    return layers.norm.Norm()\n"
    assert set(closure_of(tmp_path, files).hashes) == {"pkg.a", "pkg.layers", "pkg.layers.norm"}
    files["a.py"] = "from pkg.layers import norm as renamed\ndef root():\n    return renamed.Norm()\n"
    assert set(closure_of(tmp_path, files).hashes) == {"pkg.a", "pkg.layers", "pkg.layers.norm"}


def test_a_package_that_imports_lazily_by_its_stub(tmp_path: Path) -> None:
    files = {
        "a.py": "from pkg.layers.norm import Norm\ndef root():\n    return Norm()\n",
        "layers/__init__.py": "import lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)\n",
        "layers/__init__.pyi": "from .conv import Conv as Conv\nfrom .norm import Norm as Norm\n",
        "layers/norm.py": "class Norm:\n    pass\n",
        "layers/conv.py": "class Conv:\n    pass\nprint(1)\n",
    }
    # The other layer is not executed, so that what it does on import counts for its own users alone.
    assert set(closure_of(tmp_path, files).hashes) == {"pkg.a", "pkg.layers.norm"}
    by_face = {**files, "a.py": "from pkg.layers import Norm\ndef root():\n    return Norm()\n"}
    assert set(closure_of(tmp_path, by_face).hashes) == {"pkg.a", "pkg.layers", "pkg.layers.norm"}
    by_face["a.py"] = "from pkg import layers\ndef root():\n    return layers.Norm()\n"
    assert_effect(tmp_path, by_face, {**by_face, "layers/norm.py": "class Norm:\n    x = 1\n"}, {"pkg.layers.norm"})
    assert_effect(tmp_path, by_face, {**by_face, "layers/conv.py": "print(2)\n"}, set())


def test_a_function_of_its_modules_name(tmp_path: Path) -> None:
    files = {
        "a.py": "from pkg.layers import conv\nroot = conv\n",
        "layers/__init__.py": "from .conv import conv\n",
        "layers/conv.py": "def conv():\n    return 1\n\ndef other():\n    return 1\n",
    }
    assert closure_of(tmp_path, files).reached["pkg.layers.conv"] == {"conv"}


def test_a_rebound_name_counts_with_every_binding(tmp_path: Path) -> None:
    a = "def root():\n    return 1\nplain = root\nroot = wrap(root, 1)\n"
    assert_effect(tmp_path, {"a.py": a}, {"a.py": a.replace("wrap(root, 1)", "wrap(root, 2)")}, {"pkg.a"})
    assert_effect(tmp_path, {"a.py": a}, {"a.py": a.replace("    return 1", "    return 2")}, {"pkg.a"})


def test_opaque_tables_are_not_entered(tmp_path: Path) -> None:
    registry = "from pkg.b import used\nTABLE = {'x': used}\n\ndef find(name):\n    return TABLE[name]\n"
    files = {
        "a.py": "from pkg.registry import find\ndef root():\n    return find('x')\n",
        "registry.py": registry,
        "b.py": B,
    }
    assert set(closure_of(tmp_path, files).hashes) == {"pkg.a", "pkg.registry"}
    assert_effect(tmp_path, files, {"registry.py": registry.replace("'x': used", "'y': 1")}, set())
    assert_effect(tmp_path, files, {"registry.py": registry.replace("[name]", ".get(name)")}, {"pkg.registry"})


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("raise ValueError('one')", "raise ValueError('two')", False),
        ("raise ValueError(f'one {x}')", "raise ValueError(f'two {x} words')", False),
        ("raise ValueError('one')", "raise TypeError('one')", True),
        ("raise ValueError(1)", "raise ValueError(2)", True),
        ("return Field(1, description='one')", "return Field(1, description='two')", False),
        ("return Field(1, gt='one')", "return Field(1, gt='two')", True),
        ("return f'{x} a' 'b'", "return f'{x} ab'", False),
        ("return f'{x!r}'", "return f'{x}'", True),
        ("return f'{x:3d}'", "return f'{x:4d}'", True),
        ("return 1", "return True", True),
        ("return 1", "return 1.0", True),
        ("return 'a'", "return b'a'", True),
        ("return {**x}", "return {None: x}", True),
        ("return x[1:]", "return x[:1]", True),
        ("return print(x, y)", "return print((x, y))", True),
        ("pass", "'words'", False),
        ("return lambda a, /, b: a", "return lambda a, b, /: a", True),
        ("return lambda *, a, b=1: a", "return lambda *, a=1, b: a", True),
    ],
)
def test_what_code_says(tmp_path: Path, before: str, after: str, changed: bool) -> None:
    old, new = (f"def root(x):\n    {code}\n" for code in (before, after))
    assert_effect(tmp_path, {"a.py": old}, {"a.py": new}, {"pkg.a"} if changed else set())


def test_third_party_packages_are_those_that_must_be_importable(tmp_path: Path) -> None:
    files = {
        "a.py": "import numpy as np\nfrom pkg import b\ndef root():\n    import scipy.linalg\n    return b.x\n",
        "b.py": "import pandas\nx = 1\ndef lazy():\n    import seaborn\n",
        "c.py": "import torch\n",
    }
    assert closure_of(tmp_path, files).third_party == {"numpy", "scipy", "pandas"}


def test_the_hash_is_fixed_for_good(tmp_path: Path) -> None:
    """A new Python version, or a careless change of the canonical text, would re-train everything."""
    a = """
        import math
        from collections.abc import Callable

        class root(Base, metaclass=Meta):
            '''Words.'''
            x: int = 1
            def f(self, a, *args: int, b: float = -1.5, **kwargs) -> None:
                with open(a) as file, lock:
                    for i, line in enumerate(file):
                        yield f"{i:>{b}} {line!r}" 'end'
                try:
                    return [c if c else not b for c in a[1:, ..., ::2] if c is not None and b < c <= 3e5]
                except (ValueError, KeyError) as error:
                    raise RuntimeError(f"{error}") from None
                match a:
                    case {"x": [1, *rest], **others} | None if rest:
                        del rest
                return (yield), {**kwargs, 1j: b"x"}, lambda: math.pi, {a for a in args}
    """
    assert closure_of(tmp_path, {"a.py": a}).hashes == {
        "pkg.a": "fea5cfb121ff136c62c35265f653d2b26a96ff2f9038e172a15c05db9fa1295c"
    }


@pytest.mark.parametrize("root", ["pkg.a:missing", "pkg.missing:root", "numpy:array", "pkg.a"])
def test_a_root_that_does_not_exist(tmp_path: Path, root: str) -> None:
    with pytest.raises(PhasebenchError, match=f"{root}.*no such definition"):
        closure_of(tmp_path, {"a.py": "def root(): pass\n"}, (root,))


def test_a_module_that_is_not_python(tmp_path: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"a\.py: line 2: not valid Python"):
        closure_of(tmp_path, {"a.py": "x = 1\ndef root(:\n"})


def test_closures_are_cached_per_set_of_roots(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("def f(): return 1\ndef g(): return 2\n")
    tree = SourceTree(package)
    assert tree.closure(["pkg:f", "pkg:g"]) is tree.closure(["pkg:g", "pkg:f"])
