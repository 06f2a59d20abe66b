"""Every program of the corpus, every way of running it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.corpus import (
    fields,
    geometry,
    gradients,
    learning,
    linear_algebra,
    optimization,
    physics,
    sampling,
    sequences,
    signals,
    statistics,
)
from tests.corpus.harness import Case, Ways
from verax.compiler.backend import backend, pjrt

CASES: tuple[Case, ...] = (
    *fields.CASES,
    *physics.CASES,
    *statistics.CASES,
    *sampling.CASES,
    *linear_algebra.CASES,
    *optimization.CASES,
    *sequences.CASES,
    *learning.CASES,
    *gradients.CASES,
    *geometry.CASES,
    *signals.CASES,
)

cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """What was compiled here is dropped when all is done."""
    yield
    backend().forget()


@pytest.fixture
def compiled_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA generates code without its optimisations, in a quarter of the time.

    Derivatives are the largest programs here; what XLA optimises is run by the other test.
    """
    options = vars(pjrt)["xla_client"].CompileOptions

    def plain() -> Any:
        made = options()
        made.env_option_overrides = [
            ("xla_cpu_use_fusion_emitters", False),
            ("xla_backend_optimization_level", 0),
        ]
        return made

    monkeypatch.setattr("verax.compiler.backend.pjrt.xla_client.CompileOptions", plain)


@cases
def test_runs_and_batches(case: Case) -> None:
    Ways(case).runs()
    Ways(case).batches()


@cases
@pytest.mark.usefixtures("compiled_plainly")
def test_differentiates(case: Case) -> None:
    Ways(case).differentiates()
    backend().forget()


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
