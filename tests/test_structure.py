"""The structural rules of the house: import order, the fence around jaxlib, no jax, docstrings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import verax

ROOT = Path(__file__).resolve().parent.parent
LAYERS = [
    "verax.sharding",
    "verax.compiler.ir",
    "verax.compiler.ops",
    "verax.compiler.passes",
    "verax.compiler.backend",
    "verax.dsl.lang",
    "verax.prng",
    "verax.dsl",
    "verax",
]
SOURCES = sorted(
    path
    for folder in ("sharding", "compiler", "dsl", "prng")
    for path in (ROOT / folder).rglob("*.py")
)
MAY_USE_JAXLIB = {"compiler/backend"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("verax", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def layer(module: str) -> int:
    """The position of a module in the total import order."""
    matches = [i for i, name in enumerate(LAYERS) if f"{module}.".startswith(f"{name}.")]
    return max(matches, key=lambda i: len(LAYERS[i]))


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, top: bool = True) -> Iterator[tuple[str, bool]]:
    """Every module that is imported at run time, and whether the import stands at the top."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", top
        elif not is_typing_only(node):
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, top and not inside)


def test_sources_are_found() -> None:
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    here, name = path.relative_to(ROOT).as_posix(), module_name(path)
    assert ast.get_docstring(tree), f"{here} has no docstring"
    for module, top in imports(tree):
        root = module.split(".")[0]
        assert root != "jax", f"{here} imports jax"
        if root == "jaxlib":
            assert any(here.startswith(p) for p in MAY_USE_JAXLIB), f"{here} imports jaxlib"
        if root == "verax":
            assert layer(module) <= layer(name), (
                f"{here} imports {module}, which stands right of it"
            )
            assert top, f"{here} imports {module} inside a function"


def test_sharding_needs_the_standard_library_only() -> None:
    for path in (ROOT / "sharding").rglob("*.py"):
        for module, _ in imports(ast.parse(path.read_text())):
            root = module.split(".")[0]
            assert root in sys.stdlib_module_names or module.startswith("verax.sharding"), path


def test_no_import_cycles() -> None:
    graph = {
        module_name(p): {m for m, _ in imports(ast.parse(p.read_text())) if m.startswith("verax.")}
        for p in SOURCES
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in sorted(graph.get(module, ())):
                if other != module:
                    visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_import_loads_neither_jaxlib_nor_numpy() -> None:
    code = "import sys, verax; print([m for m in ('numpy', 'jaxlib', 'jax') if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert out.stdout.strip() == "[]"


def test_every_error_is_a_public_name() -> None:
    kinds = [verax.VeraxError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert getattr(verax, kind.__name__) is kind
        assert kind.__module__ == "verax"
        assert kind.code.startswith("verax")
    own = [kind.code for kind in kinds if "code" in vars(kind)]  # others have that of their base
    assert len(set(own)) == len(own)


def test_nothing_imports_jax() -> None:
    for folder in ("tests", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            if "bench" in path.parts:  # there jax is the peer, in a process of its own
                continue
            found = [m for m, _ in imports(ast.parse(path.read_text())) if m.split(".")[0] == "jax"]
            assert not found, path


def test_every_name_that_messages_and_docs_mention_exists() -> None:
    texts = [*SOURCES, ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    missing = set()
    for path in texts:
        for name in re.findall(r"\bvx\.([a-z_A-Z0-9]+(?:\.[a-z_A-Z0-9]+)*)", path.read_text()):
            value: object = verax
            for part in name.split("."):
                if not hasattr(value, part):
                    missing.add(f"{path.relative_to(ROOT)}: vx.{name}")
                    break
                value = getattr(value, part)
    assert not missing
