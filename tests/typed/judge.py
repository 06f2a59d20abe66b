"""Whether a function keeps what it declares, found by running it: the judge of the corpus.

A function is staged on arguments that are made of its annotations, with a size of its own for each
dim, and what it gives is held against the declared result, the mesh axes that cut it among it. The
annotations of functions and variables inside are held against what they get too, which
``imported`` arranges. Nothing here knows a shape rule or a type checker.

Law: a program without a fault has none at any sizes; what is found here is found without mypy.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_origin

import attrs

import verax as vx
from tests.typed.declared import Broken, Sizes, Undeclared, hints_of, hold, made
from verax.compiler.ir.types import ArrayType, KeyType
from verax.compiler.passes.partition import partition
from verax.dsl.lang.stage import Staged, stage
from verax.dsl.lang.treedef import build, flatten
from verax.sharding.cuts import Cuts

MESH = vx.Mesh(data=2, model=2)


class _Watch(ast.NodeTransformer):
    """Decorate every function with ``_watched``, and hold annotated variables by ``_variable``."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.decorator_list.append(ast.Name("_watched", ast.Load()))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        for i, item in enumerate(node.body):
            if isinstance(item, ast.FunctionDef):
                node.body[i] = self.visit_FunctionDef(item)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value is not None:
            hint = ast.Lambda(ast.arguments([], [], None, [], [], None, []), node.annotation)
            node.value = ast.Call(ast.Name("_variable", ast.Load()), [node.value, hint], [])
        return node


class Watch:
    """What instrumented code calls: the sizes, and the values of type variables per call."""

    def __init__(self, sizes: Sizes | None) -> None:
        self.sizes = sizes
        self.frames: list[dict[Any, Any]] = []

    def function(self, f: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(f):
            return f
        signature = inspect.signature(f)

        @functools.wraps(f)
        def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                hints = hints_of(f)
            except NameError:
                return f(*args, **kwargs)
            env: dict[Any, Any] = {}
            for name, x in signature.bind(*args, **kwargs).arguments.items():
                if name in hints:
                    hold(hints[name], x, env, self.sizes, f"{f.__qualname__}, {name}")
                elif name == "self" and attrs.has(type(x)):
                    for part, hint in hints_of(type(x)).items():
                        hold(hint, getattr(x, part), env, self.sizes, f"{f.__qualname__}, self")
            self.frames.append(env)
            try:
                out = f(*args, **kwargs)
            finally:
                self.frames.pop()
            if "return" in hints:
                hold(hints["return"], out, env, self.sizes, f"the result of {f.__qualname__}")
            return out

        return watched

    def variable(self, value: Any, hint: Callable[[], Any]) -> Any:
        env = self.frames[-1] if self.frames else {}
        hold(hint(), value, env, self.sizes, "a variable")
        return value


@contextmanager
def imported(source: str, path: Path, sizes: Sizes | None) -> Iterator[types.ModuleType]:
    """A module of this source, instrumented, for as long as the block runs."""
    tree = ast.fix_missing_locations(_Watch().visit(ast.parse(source)))
    module = types.ModuleType(f"judged_{path.stem}")
    module.__file__ = str(path)
    watch = Watch(sizes)
    module.__dict__.update(_watched=watch.function, _variable=watch.variable)
    sys.modules[module.__name__] = module
    try:
        exec(compile(tree, str(path), "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]


def example_fault(module: types.ModuleType) -> Exception | None:
    """What goes wrong when the example of an instrumented module is staged, or None."""
    try:
        _staged(module.example, [])
    except Exception as e:
        return e
    return None


# the judgement -----------------------------------------------------------------------------------


def fault(f: Callable[..., Any], sizes: Sizes) -> Exception | None:
    """What goes wrong when f is staged at its declared signature, or None.

    Raises:
        Undeclared: f cannot be called by its signature alone.
    """
    plain = inspect.unwrap(f)
    hints = typing.get_type_hints(plain)
    env: dict[Any, Any] = {}
    cuts: list[Cuts] = []
    args = []
    if get_origin(hints.get("return")) is Callable:
        raise Undeclared("it gives a function")
    for name, p in inspect.signature(plain).parameters.items():
        if p.default is not p.empty:
            break
        if name == "self":
            args.append(made(_self_type(plain), env, sizes, cuts))
        else:
            args.append(made(hints.get(name), env, sizes, cuts))
    try:
        s = _staged(f, args)
        wanted: list[Cuts] = []
        if any(map(any, cuts)):
            made(hints["return"], env, sizes, wanted)
            _hold_cuts(s, cuts, wanted)
    except Exception as e:
        return e
    return None


def _self_type(f: Callable[..., Any]) -> Any:
    owner: Any = f.__globals__[f.__qualname__.split(".")[-2]]
    return owner


def _staged(f: Callable[..., Any], args: list[Any]) -> Staged:
    leaves, tree = flatten(args)
    places = [i for i, x in enumerate(leaves) if isinstance(x, (ArrayType, KeyType))]
    given = [leaves[i] for i in places]

    def call(*values: Any) -> Any:
        every = list(leaves)
        for i, v in zip(places, values):
            every[i] = v
        return f(*build(tree, every))

    in_tree = flatten(tuple(given))[1]
    return stage(call, in_tree, given, what="a declared signature", of=f, strict=True)


def _hold_cuts(s: Staged, cuts: list[Cuts], wanted: list[Cuts]) -> None:
    found = partition(s.program, MESH, tuple(cuts), None, True)
    for cut, want in zip(found.out_cuts, wanted):
        if cut != want:
            raise Broken(f"declared to be cut as {want}, and is cut as {cut}")


def functions(module: types.ModuleType) -> dict[str, Callable[..., Any]]:
    """The functions and methods of a module by qualified name, in the order of their lines."""
    found: dict[str, Callable[..., Any]] = {}
    for name, x in vars(module).items():
        of = getattr(x, "__module__", None) == module.__name__
        if of and inspect.isclass(x):
            for n, m in vars(x).items():
                if inspect.isfunction(m) and hasattr(m, "__wrapped__"):  # it is instrumented
                    found[f"{name}.{n}"] = m
        elif of and callable(x) and hasattr(inspect.unwrap(x), "__code__"):
            found[name] = x
    return found


def line_of(f: Callable[..., Any]) -> int:
    """The line of a function's ``def``, or of its first decorator."""
    line: int = inspect.unwrap(f).__code__.co_firstlineno
    return line
