"""The corpus that type checkers are judged by, and the tools that judge.

Bugs are bugs: each marked function fails when it is staged at its declared types with a size of its
own for each dim, and no other does. Correct programs are correct: they keep what they declare, and
their examples run. So what a checker says of them is right or wrong beyond its own opinion.
"""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import verax as vx
from tests.typed import declared, mutate
from tests.typed.checkers import BUGS, CORRECT
from tests.typed.score import Bug, bugs_in, errors_in, score


def named(path: Path) -> str:
    return path.stem


def test_size_of_the_corpus() -> None:
    kinds = Counter(bug.kind for path in BUGS for bug in bugs_in(path))
    assert kinds.total() >= 170
    assert min(kinds.values()) >= 8, kinds
    assert len(kinds) >= 22
    assert len(CORRECT) >= 45
    assert sum(len(path.read_text().splitlines()) for path in CORRECT) >= 1700


@pytest.mark.parametrize("path", BUGS, ids=named)
def test_bugs_are_bugs(path: Path) -> None:
    source = path.read_text()
    sizes = declared.Sizes(cut="Sharded[" in source)
    marks = [bug.first for bug in bugs_in(path)]
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
    with declared.imported(source, path, sizes) as module:
        for name, f in declared.functions(module).items():
            line = declared.line_of(f)
            node = min(nodes, key=lambda n: abs(n.lineno - line))
            wrong = [at for at in marks if node.lineno <= at <= (node.end_lineno or 0)]
            found = declared.fault(f, sizes)
            assert len(wrong) == (found is not None), f"{name}: {found}"
            assert not isinstance(found, (NameError, AssertionError, vx.InternalError)), name


@pytest.mark.parametrize("path", CORRECT, ids=named)
def test_correct_programs_keep_what_they_declare(path: Path) -> None:
    assert mutate.fault_of(path.read_text(), path) is None


@pytest.mark.parametrize("path", CORRECT, ids=named)
def test_examples_run(path: Path) -> None:
    module = importlib.import_module(f"tests.typed.correct.{path.stem}")
    result = vx.jit(module.example)()
    assert np.isfinite(np.asarray(result, dtype=np.float64)).all()


# the tools ---------------------------------------------------------------------------------------

SAMPLE = '''"""A file with bugs."""

import verax as vx


def f(x: int) -> int:
    return vx.sum(
        x,
        1,
    )  # bug: axis


def g(x: int) -> int:
    with open(x) as y:  # bug: effect
        return y
'''


def test_score(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(SAMPLE)
    axis, effect = Bug(path, "axis", 7, 10), Bug(path, "effect", 14, 14)
    assert bugs_in(path) == [axis, effect]
    found = errors_in(
        f"{path}:8: error: The axis is out of range  [verax-shape]\n"
        f"{path}:8: note: x has one dimension\n"
        f"{path}:15:5: error: Something else  [misc]\n"
        f"  {path}:6:2 - error: Of another checker (reportAny)\n"
        "other.py:3: error: Elsewhere  [misc]\n"
    )
    assert [e.code for e in found] == ["verax-shape", "misc", "misc", "reportAny"]
    s = score([path], found)
    assert [e.text for e in s.hit[axis]] == ["The axis is out of range  [verax-shape]"]
    assert s.missed == [effect]
    assert [e.line for e in s.false] == [15, 6]
    assert s.share == 0.5
    assert s.kinds() == {"axis": (1, 1), "effect": (0, 1)}


def test_mutants_are_the_same_each_time_and_differ_in_one_place() -> None:
    for path in CORRECT:
        source, every = path.read_text(), mutate.mutants(path)
        assert every == mutate.mutants(path)
        for m in every:
            ast.parse(m.source)
            assert len(m.source) - len(source) == len(m.new) - len(m.old)
            assert m.old != m.new
    some = mutate.sample(CORRECT, 60)
    assert some == mutate.sample(CORRECT, 60) != mutate.sample(CORRECT, 60, seed=1)
    assert len({m.kind for m in some}) >= 20


def test_judge_of_mutants() -> None:
    every = {str(m): m for path in CORRECT for m in mutate.mutants(path)}
    faulty = mutate.reason(every["kmeans.py:26 not transposed: c.T -> c"])
    assert isinstance(faulty, vx.ShapeError)
    assert mutate.reason(every["kmeans.py:20 no new axis: c[None] -> c"]) is None
