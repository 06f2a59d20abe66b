"""No hole in the table of ops: every op has an example, a case and a row, and the page is fresh."""

from __future__ import annotations

import pytest

from tests.laws.test_laws import CASES
from verax.compiler.ops import table
from verax.compiler.ops.pointwise import TABLE
from verax.compiler.ops.table import COLUMNS, PAGE, Example, examples, render, spelling

ELSEWHERE = {
    "call": "holds programs: tests/passes",
    "cond": "holds programs: tests/passes",
    "remat": "holds programs: tests/passes/test_remat.py",
    "custom": "holds programs: tests/passes, tests/lang/test_custom.py",
    "linear_map": "holds programs: tests/passes, tests/lang/test_custom.py",
    "recur": "stands in the rules of custom: tests/passes, tests/lang/test_custom.py",
    "while": "holds programs: tests/passes",
    "scan": "holds programs: tests/passes",
    "axis_reduce": "means something under a vmap that names its axis: tests/lang",
    "axis_index": "means something under a vmap that names its axis: tests/lang",
    "axis_gather": "means something under a vmap that names its axis: tests/lang",
    "axis_scatter": "means something under a vmap that names its axis: tests/lang",
    "axis_permute": "means something under a vmap that names its axis: tests/lang",
    "axis_exchange": "means something under a vmap that names its axis: tests/lang",
    "all_reduce": "stands in the program of one device: tests/sharding",
    "all_gather": "stands in the program of one device: tests/sharding",
    "reduce_scatter": "stands in the program of one device: tests/sharding",
    "all_to_all": "stands in the program of one device: tests/sharding",
    "own_part": "stands in the program of one device: tests/sharding",
    "shard": "means something to the partitioner only: tests/sharding",
}
"""The ops that the law suite leaves to other tests, and why."""


def test_every_op_has_a_case() -> None:
    covered = {name for case in CASES for name in case.covers}
    wanted = (table.loaded() - {"pointwise"}) | set(TABLE)
    assert wanted - covered == set(ELSEWHERE)
    assert covered <= wanted


def test_every_op_has_an_example() -> None:
    assert table.missing() == set()


def test_the_columns_are_the_parts_of_a_story() -> None:
    assert tuple(COLUMNS) == ("op", "types", "jvp", "transpose", "batch", "local", "lower")


@pytest.mark.parametrize("e", examples(), ids=lambda e: spelling(e.op))
def test_no_cell_is_empty(e: Example) -> None:
    assert all(cell(e).strip() for cell in COLUMNS.values())


def test_what_is_refused_is_known() -> None:
    rows = {spelling(e.op): [cell(e) for cell in COLUMNS.values()] for e in examples()}
    refused = {name for name, row in rows.items() if any("refused" in cell for cell in row)}
    assert refused - set(ELSEWHERE) == {"geqrf", "geqp3", "schur", "polygamma"}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "python -m verax.compiler.ops.table"
