"""The corpus that type checkers are judged by, and the tools that judge.

Bugs are bugs: each marked function fails when it is staged at its declared types with a size of its
own for each dim, and no other does. Correct programs are correct: they keep what they declare, and
their examples run. So what a checker says of them is right or wrong beyond its own opinion.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import verax as vx
from tests.typed import judge, mutate
from tests.typed.checkers import BUGS, CORRECT, mypy
from tests.typed.declared import Broken, Sizes
from tests.typed.killing import Batch, Killed
from tests.typed.score import Bug, Score, bugs_in, errors_in, score

MUTANTS = 300 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 60
CAUGHT, FALSE, KILLED = 0.98, 0, 0.9
"""What the plugin reaches: the share of bugs and of mutants, and the number of false errors."""


FAULTS = Broken, vx.VeraxError
PYTHON = re.compile(r"argument|values to unpack|multiply sequence")
"""What a seeded bug fails with: an error of the library, or one of Python's about its form."""


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
    sizes = Sizes(cut="Sharded[" in source)
    marks = [bug.first for bug in bugs_in(path)]
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
    with judge.imported(source, path, sizes) as module:
        for name, f in judge.functions(module).items():
            line = judge.line_of(f)
            node = min(nodes, key=lambda n: abs(n.lineno - line))
            wrong = [at for at in marks if node.lineno <= at <= (node.end_lineno or 0)]
            found = judge.fault(f, sizes)
            assert len(wrong) == (found is not None), f"{name}: {found}"
            assert found is None or isinstance(found, FAULTS) or PYTHON.search(str(found)), name


@pytest.mark.parametrize("path", CORRECT, ids=named)
def test_correct_programs_keep_what_they_declare(path: Path) -> None:
    assert mutate.fault_of(path.read_text(), path) is None


@pytest.mark.parametrize("path", CORRECT, ids=named)
def test_examples_run(path: Path) -> None:
    module = importlib.import_module(f"tests.typed.correct.{path.stem}")
    result = vx.jit(module.example)()
    assert np.isfinite(np.asarray(result, dtype=np.float64)).all()


# the checker -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, library: Path) -> tuple[Score, Score, Killed]:
    """One run of mypy with the plugin over everything, a sample of mutants with it."""
    scratch = tmp_path_factory.mktemp("typed")
    batch = Batch(mutate.sample(CORRECT, MUTANTS), scratch / "mutants")
    errors = mypy([*BUGS, *CORRECT, *batch.files], scratch, plugin=True, library=library)
    return score(BUGS, errors), score(CORRECT, errors), batch.result(errors)


def test_the_plugin_catches_the_bugs(checked: tuple[Score, Score, Killed]) -> None:
    bugs, _, _ = checked
    assert bugs.share >= CAUGHT, [*map(str, bugs.missed)]


def test_the_plugin_reports_nothing_else(checked: tuple[Score, Score, Killed]) -> None:
    bugs, correct, _ = checked
    assert len(bugs.false) + len(correct.false) <= FALSE, [*map(str, bugs.false + correct.false)]


def test_the_plugin_kills_the_mutants(checked: tuple[Score, Score, Killed]) -> None:
    _, _, killed = checked
    assert killed.share >= KILLED, [*map(str, killed.survived)]


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
