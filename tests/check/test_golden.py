"""Sources with mistakes, and the whole report on each: files in golden/, source first.

UPDATE_GOLDEN=1 writes the reports anew; read the difference before committing it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from verax.dsl.check.findings import Outcome, Target
from verax.dsl.check.meshes import Options
from verax.dsl.check.report import FileReport, Report, text
from verax.dsl.check.worker import Done, Ended, Imported, Job, events

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))
MARK = "\n==== report\n"
HEAD = """\
from __future__ import annotations

from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypedDict, TypeVar, TypeVarTuple

import verax as vx
from verax import F32, I32, P, Add, Mul, Sharded


class Batch(vx.Dim): ...
class Feat(vx.Dim): ...
class Hidden(vx.Dim): ...


N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
Ds = TypeVarTuple("Ds")
"""
"""What every source begins with; the reports count its lines, too."""


def report_of(file: Path, options: Options | None = None) -> Report:
    """The report on one file, made in this process."""
    targets: tuple[Target, ...] = ()
    outcomes: list[tuple[Target, Outcome]] = []
    failure = None
    for event in events(Job(str(file), 10.0, options or Options())):
        if isinstance(event, Imported):
            targets = event.targets
        elif isinstance(event, Done):
            outcomes.append((targets[event.at], event.outcome))
        elif isinstance(event, Ended):
            failure = event.failure
    return Report((FileReport(str(file), tuple(outcomes), failure),), (), 0.0)


@pytest.fixture
def clean_modules() -> Iterator[None]:
    modules, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda p: p.stem)
def test_report(
    golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_modules: None
) -> None:
    source, _, wanted = golden.read_text().partition(MARK)
    file = tmp_path / f"{golden.stem}.py"
    file.write_text(HEAD + source)
    monkeypatch.chdir(tmp_path)
    found = text(report_of(file)) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(source + MARK + found)
    else:
        assert found == wanted, f"{golden.name} differs; UPDATE_GOLDEN=1 writes it anew"
