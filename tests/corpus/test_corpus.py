"""Every program of the corpus, every way of running it."""

from __future__ import annotations

from collections.abc import Iterator

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
from tests.profiles import DEEP
from verax.compiler.backend import backend

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

RUN = [
    pytest.param(case, marks=() if i % 8 else pytest.mark.optimized, id=case.name)
    for i, case in enumerate(CASES)
]
DIFFERENTIATED = [
    pytest.param(case, DEEP or i % 4 == 0, id=case.name) for i, case in enumerate(CASES)
]


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """What was compiled here is dropped when all is done."""
    yield
    backend().forget()


@pytest.mark.parametrize("case", RUN)
def test_runs_and_batches(case: Case) -> None:
    Ways(case).runs()
    Ways(case).batches()


@pytest.mark.parametrize(("case", "whole"), DIFFERENTIATED)
def test_differentiates(case: Case, whole: bool) -> None:
    Ways(case).differentiates(whole=whole)
    backend().forget()


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
