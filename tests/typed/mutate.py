"""Mutants: the correct programs with one small mistake in one place.

A mutant is worth killing when the judge of ``judge.py`` finds a fault in it: staged with sizes
of their own for all dims, some function raises or breaks an annotation, or the example does. The
others are equivalent as far as types go (a swap of two factors that commute, a square matrix);
they are counted, and say so. No type checker has a say in which is which.

Law: a mutant differs from its program in one expression, and the list of all is the same each time.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.typed import judge
from tests.typed.declared import Sizes, Undeclared

LOOSE = ("example", "make_block")
"""Functions that make arrays, of sizes that they choose: they are judged as they run."""


class Mutant(NamedTuple):
    """A program with a mistake: ``new`` in place of ``old`` at a line of ``path``."""

    path: Path
    line: int
    kind: str
    old: str
    new: str
    source: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line} {self.kind}: {self.old} -> {self.new}"


class _Change(NamedTuple):
    node: ast.AST
    kind: str
    new: str


# one kind of mistake each ------------------------------------------------------------------------


def _matmul(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult):
        left, right = text(n.left), text(n.right)
        yield _Change(n, "swapped operands", f"({right}) @ ({left})")
        if isinstance(n.right, ast.Name | ast.Attribute) and n.right.__dict__.get("attr") != "T":
            yield _Change(n.right, "transposed", f"{right}.mT")
    elif isinstance(n, ast.BinOp) and isinstance(n.op, ast.Add):
        yield _Change(n, "+ for @", f"({text(n.left)}) @ ({text(n.right)})")


def _transposes(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if isinstance(n, ast.Attribute) and n.attr in ("T", "mT"):
        yield _Change(n, "not transposed", text(n.value))


def _keywords(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if not isinstance(n, ast.keyword):
        return
    if n.arg == "axis" and isinstance(_literal(n.value), int):
        yield _Change(n.value, "another axis", "1" if _literal(n.value) == 0 else "0")
    elif n.arg == "keepdims":
        yield _Change(n.value, "keepdims", "False")
    elif n.arg in ("in_axes", "out_axes"):
        value = _literal(n.value)
        if isinstance(value, tuple):
            yield _Change(n.value, "in_axes", repr(value[::-1]))
        else:
            yield _Change(n.value, "in_axes", "1" if value == 0 else "0")


def _einsums(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if isinstance(n, ast.Constant) and isinstance(n.value, str) and "->" in n.value:
        ins, out = n.value.split("->")
        if len(out) > 1:
            yield _Change(n, "einsum result", repr(f"{ins}->{out[:-2]}{out[-1]}{out[-2]}"))
        first = ins.split(",")[0]
        if len(first) > 1:
            turned = first[:-2] + first[-1] + first[-2]
            yield _Change(n, "einsum operand", repr(f"{turned}{ins[len(first) :]}->{out}"))


def _arguments(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if isinstance(n, ast.Call) and len(n.args) > 1:
        a, b = n.args[:2]
        simple = ast.Name | ast.Attribute | ast.Subscript
        if isinstance(a, simple) and isinstance(b, simple) and text(a) != text(b):
            rest = [text(x) for x in (*n.args[2:], *n.keywords)]
            args = ", ".join([text(b), text(a), *rest])
            yield _Change(n, "swapped arguments", f"{text(n.func)}({args})")


def _indices(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if not isinstance(n, ast.Subscript):
        return
    if text(n.slice) in (":, None", "None", "None, :", "..., None"):
        yield _Change(n, "no new axis", text(n.value))
    if isinstance(n.value, ast.Attribute) and n.value.attr == "shape":
        if isinstance(_literal(n.slice), int):
            other = "1" if _literal(n.slice) == 0 else "0"
            yield _Change(n.slice, "another size", other)
    parts = n.slice.elts if isinstance(n.slice, ast.Tuple) else [n.slice]
    for part in parts:
        if isinstance(part, ast.Slice):
            for bound, step in ((part.lower, 1), (part.upper, -1)):
                value = _literal(bound)
                if bound is not None and isinstance(value, int):
                    yield _Change(bound, "slice bound", str(value + step))


def _orders(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if isinstance(n, ast.Tuple) and len(n.elts) > 2:
        value = _literal(n)
        if isinstance(value, tuple) and sorted(map(str, value)) == [
            str(i) for i in range(len(value))
        ]:
            yield _Change(n, "permutation", repr((*value[:-2], value[-1], value[-2])))
    if isinstance(n, ast.Return) and isinstance(n.value, ast.Tuple) and len(n.value.elts) == 2:
        a, b = map(text, n.value.elts)
        if a != b:
            yield _Change(n.value, "swapped results", f"{b}, {a}")


def _dtypes(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    others = {"vx.float32": "vx.bfloat16", "vx.int32": "vx.float32", "vx.bfloat16": "vx.float32"}
    if isinstance(n, ast.Attribute) and text(n) in others:
        yield _Change(n, "another dtype", others[text(n)])
    if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "astype":
        yield _Change(n, "no astype", text(n.func.value))


def _results(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    """Changes of declared results."""
    if isinstance(n, ast.FunctionDef) and isinstance(n.returns, ast.Subscript):
        dims = n.returns.slice
        if isinstance(dims, ast.Tuple) and len(dims.elts) > 1:
            names = [text(d) for d in dims.elts]
            if names[-1] != names[-2] and not text(n.returns).startswith("tuple"):
                turned = ", ".join([*names[:-2], names[-1], names[-2]])
                head = text(n.returns.value)
                yield _Change(n.returns, "declared order", f"{head}[{turned}]")
                yield _Change(n.returns, "declared rank", f"{head}[{', '.join(names[:-1])}]")
        if text(n.returns.value) == "F32":
            yield _Change(n.returns.value, "declared dtype", "vx.BF16")


def _sizes(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    if isinstance(n, ast.Subscript) and text(n.value) == "Literal":
        value = _literal(n.slice)
        if isinstance(value, int):
            yield _Change(n.slice, "another literal", str(value + 1))


def _keys(n: ast.AST, text: Callable[[ast.AST], str]) -> Iterator[_Change]:
    """The second of two keys exchanged for the first, where it is used."""
    if not isinstance(n, ast.FunctionDef):
        return
    for assign in ast.walk(n):
        if (
            isinstance(assign, ast.Assign)
            and isinstance(assign.value, ast.Call)
            and text(assign.value.func) == "vx.random.split"
            and isinstance(assign.targets[0], ast.Tuple)
        ):
            first, second = (text(t) for t in assign.targets[0].elts[:2])
            for use in ast.walk(n):
                if isinstance(use, ast.Name) and use.id == second and isinstance(use.ctx, ast.Load):
                    yield _Change(use, "key reuse", first)
                    break


KINDS = (
    _matmul, _transposes, _keywords, _einsums, _arguments, _indices, _orders, _dtypes, _results,
    _sizes, _keys,
)  # fmt: skip


def _literal(n: ast.AST | None) -> object:
    if n is None:
        return None
    try:
        return ast.literal_eval(ast.unparse(n))
    except (ValueError, SyntaxError):
        return None


# all of them, and some of them -------------------------------------------------------------------


def mutants(path: Path) -> list[Mutant]:
    """All mutants of a program but those of its example, in the order of their places."""
    source = path.read_text()
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def span(n: ast.AST) -> tuple[int, int]:
        """Where a node stands in the source, which is ASCII."""
        at: ast.expr = n  # type: ignore[assignment]
        assert at.end_lineno is not None
        assert at.end_col_offset is not None
        return starts[at.lineno - 1] + at.col_offset, starts[at.end_lineno - 1] + at.end_col_offset

    def text(n: ast.AST) -> str:
        first, last = span(n)
        return source[first:last]

    found = []
    tree = ast.parse(source)
    body = [x for x in tree.body if getattr(x, "name", "") != "example"]
    seen: set[tuple[int, str]] = set()
    for node in (n for x in body for n in ast.walk(x)):
        for kind in KINDS:
            for change in kind(node, text):
                first, last = span(change.node)
                new = source[:first] + change.new + source[last:]
                if (first, new) not in seen:
                    seen.add((first, new))
                    at = source.count("\n", 0, first) + 1
                    old = source[first:last]
                    found.append(Mutant(path, at, change.kind, old, change.new, new))
    return sorted(found, key=lambda m: (m.line, m.kind, m.new))


def sample(paths: Sequence[Path], n: int, seed: int = 0) -> list[Mutant]:
    """n mutants, as many of each kind as there are and the number allows; the same each time."""
    kinds: dict[str, list[Mutant]] = {}
    for m in (m for path in paths for m in mutants(path)):
        kinds.setdefault(m.kind, []).append(m)
    rng = random.Random(seed)
    for ms in kinds.values():
        rng.shuffle(ms)
    out: list[Mutant] = []
    while len(out) < n and any(kinds.values()):
        out += [ms.pop() for ms in kinds.values() if ms]
    return out[:n]


# the judgement -----------------------------------------------------------------------------------


def reason(m: Mutant) -> Exception | None:
    """What is wrong with a mutant when it is run; None if it is equivalent."""
    return fault_of(m.source, m.path)


def fault_of(source: str, path: Path) -> Exception | None:
    """The first fault of a program: of its functions at their declared types, or its example."""
    sizes = Sizes(cut="Sharded[" in source)
    try:
        with judge.imported(source, path, sizes) as module:
            for name, f in judge.functions(module).items():
                found = None if name in LOOSE else _fault(f, sizes)
                if found is not None:
                    return found
        with judge.imported(source, path, None) as module:
            return judge.example_fault(module)
    except Exception as e:
        return e


def _fault(f: Callable[..., object], sizes: Sizes) -> Exception | None:
    try:
        return judge.fault(f, sizes)
    except Undeclared:
        return None


def written(ms: Sequence[Mutant], folder: Path) -> list[Path]:
    """The mutants as files of a new folder, in their order, so that one run checks them all."""
    folder.mkdir()
    paths = [folder / f"m{i:04}_{m.path.stem}.py" for i, m in enumerate(ms)]
    for path, m in zip(paths, ms):
        path.write_text(m.source)
    return paths
