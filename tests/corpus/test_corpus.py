"""Every program of the corpus, every way of running it."""

from __future__ import annotations

import pytest

from tests.corpus import physics
from tests.corpus.harness import Case, Ways
from verax.compiler.backend import backend

CASES: tuple[Case, ...] = (*physics.CASES,)

cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@cases
def test_runs_and_batches(case: Case) -> None:
    Ways(case).runs()
    Ways(case).batches()
    backend().forget()


@cases
def test_differentiates(case: Case) -> None:
    Ways(case).differentiates()
    backend().forget()


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
