"""The functions of a file: found in its syntax tree, then met again in the imported module.

The tree says what is defined and where; the module says what became of it: decorators are taken off
down to the function that the file defines. What a decorator hides is found missing, and is said.

Law: importing is the only thing that is done with the user's code.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from verax.dsl.check.findings import Failure, Place, Target

_SKIPPED = {"__pycache__", "node_modules", "build", "dist", "site-packages"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Found(NamedTuple):
    """A function of the file.

    Attributes:
        f: the function, or None where a decorator hides it.
        owner: the class that it is a method of, if it takes an instance.
        receiver: the class that a class method is given.
        decorated: what the module has under the name: the function with its decorators.
        returns: where its result is declared.
    """

    target: Target
    f: Any
    owner: type | None
    receiver: type | None
    returns: Place
    decorated: Any


# files -------------------------------------------------------------------------------------------


def files_of(paths: Iterable[str]) -> tuple[list[str], list[Failure]]:
    """The Python files that paths and names of packages stand for, and what stands for none."""
    files: dict[str, None] = {}
    failures = []
    for text in paths:
        path = Path(text)
        if not path.exists():
            named = _package(text)
            if named is None:
                failures.append(Failure(text, "there is no such file, folder or package"))
                continue
            path = named
        if path.is_dir():
            inside = sorted(_walk(path))
            if not inside:
                failures.append(Failure(text, "there is no Python file in this folder"))
            files.update(dict.fromkeys(inside))
        else:
            files[str(path)] = None
    return list(files), failures


def _package(name: str) -> Path | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    finally:
        sys.path.pop(0)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _walk(folder: Path) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = [
            f
            for f in folders
            if f not in _SKIPPED
            and not f.startswith(".")
            and not os.path.exists(os.path.join(here, f, "pyvenv.cfg"))
        ]
        yield from (os.path.join(here, n) for n in names if n.endswith(".py"))


# modules -----------------------------------------------------------------------------------------


def load(file: str) -> ModuleType:
    """The module of a file, imported as Python would from where its package stands."""
    path = Path(file).resolve()
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").exists():
        parts.insert(0, root.name)
        root = root.parent
    if parts[-1] == "__init__":
        parts.pop()
    sys.path.insert(0, str(root))
    name = ".".join(parts)
    if len(parts) > 1 or path.stem == "__init__":
        return importlib.import_module(name)
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"_checked_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# functions ---------------------------------------------------------------------------------------


class Defined(NamedTuple):
    """A definition in the tree: its name in the module, and the class around it."""

    name: str
    node: Definition


def definitions(tree: ast.Module) -> list[Defined]:
    """The functions and methods that a file defines, in order; those inside functions belong to
    them."""
    out: list[Defined] = []

    def visit(body: Iterable[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, Definition):
                if not any(_is_overload(d) for d in node.decorator_list):
                    out.append(Defined(prefix + node.name, node))
            elif isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.If | ast.Try | ast.With):
                visit([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)], prefix)

    visit(tree.body, "")
    return out


def _is_overload(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).split(".")[-1] == "overload"


def find(module: ModuleType, tree: ast.Module, file: str) -> list[Found]:
    """Every definition of a file with the function that it became."""
    out = []
    for name, node in definitions(tree):
        place = Place(file, node.lineno, node.col_offset + 1, node.lineno,
                      node.col_offset + 1 + len(_head(node)))  # fmt: skip
        value, owner = _member(module, name)
        f, receiver = None, None
        if isinstance(value, classmethod):
            f, owner, receiver = _undecorated(value.__func__, node), None, owner
        elif isinstance(value, staticmethod):
            f, owner = _undecorated(value.__func__, node), None
        else:
            f = _undecorated(value, node)
        at = node.returns
        returns = place if at is None else Place(
            file, at.lineno, at.col_offset + 1, at.end_lineno or at.lineno,
            (at.end_col_offset or at.col_offset) + 1,
        )  # fmt: skip
        out.append(Found(Target(name, place), f, owner, receiver, returns, value))
    return out


def _head(node: Definition) -> str:
    return f"{'async def' if isinstance(node, ast.AsyncFunctionDef) else 'def'} {node.name}"


def _member(module: ModuleType, name: str) -> tuple[Any, type | None]:
    """What stands under a dotted name, and the class around it."""
    *outer, last = name.split(".")
    holder: Any = module
    for part in outer:
        holder = vars(holder).get(part) if isinstance(holder, ModuleType | type) else None
    if not isinstance(holder, ModuleType | type):
        return None, None
    return vars(holder).get(last), holder if isinstance(holder, type) else None


_INNER = ("__wrapped__", "__func__", "fget", "func", "_f", "__call__")


def _undecorated(x: Any, node: Definition) -> FunctionType | None:
    """The function that a definition made, below its decorators."""
    first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
    for _ in range(32):
        if isinstance(x, FunctionType):
            code = x.__code__
            if code.co_name == node.name and first <= code.co_firstlineno <= node.lineno:
                return x
        x = next((inner for n in _INNER if (inner := _attribute(x, n)) is not None), None)
        if x is None:
            return None
    return None


def _attribute(x: Any, name: str) -> Any:
    if name == "__call__" and isinstance(x, FunctionType | type):
        return None
    try:
        return getattr(x, name, None)
    except Exception:
        return None
