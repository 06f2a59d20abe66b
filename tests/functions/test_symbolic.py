"""Symbolic sizes: every public function on arrays whose sizes have names.

Law: the result types, with numbers in place of the names, are those of the same call on arrays of
these sizes. A call whose answer depends on the sizes raises UnknownSizeError, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

import verax as vx
from tests.functions import cases_symbolic as arrays
from tests.functions import cases_symbolic_library as library
from tests.functions.cases_symbolic import Row, Undecided, type_of
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.dsl.lang.stage import stage
from verax.dsl.lang.treedef import flatten

ROWS: list[Row] = [
    *arrays.ELEMENTWISE,
    *arrays.REDUCTIONS,
    *arrays.SHAPES,
    *arrays.FROM_SCRATCH,
    *arrays.INDEXING,
    *arrays.METHODS,
    *arrays.PRODUCTS,
    *library.LINALG,
    *library.FOURIER,
    *library.LAYERS,
    *library.RANDOM,
    *library.OPTIM,
    *library.TRANSFORMS,
]
SIZES: tuple[dict[str, int], ...] = tuple(
    dict(zip("NMKCHWODESTV", sizes))
    for sizes in ((6, 4, 5, 3, 7, 8, 9, 10, 11, 4, 12, 13), (7, 9, 6, 2, 10, 5, 4, 12, 3, 5, 8, 11))
)


def staged(row: Row, types: tuple[Type, ...]) -> tuple[Type, ...]:
    _, tree = flatten(types)
    out: tuple[Type, ...] = stage(row, tree, types, what="a test").program.out_types
    return out


def worth(size: Size, env: Mapping[str, int]) -> int:
    if isinstance(size, int):
        return size
    return sum(c * math.prod(env[name] for name in monomial) for monomial, c in size.terms)


def at(t: Type, env: Mapping[str, int]) -> Type:
    if isinstance(t, ArrayType):
        return ArrayType(tuple([worth(n, env) for n in t.shape]), t.dtype)
    assert isinstance(t, KeyType)
    return KeyType(t.impl, tuple([worth(n, env) for n in t.shape]))


@pytest.mark.parametrize("row", [r for r in ROWS if not isinstance(r, Undecided)], ids=str)
def test_result_types(row: Row) -> None:
    types = tuple(map(type_of, row.types))
    found = staged(row, types)
    for env in SIZES:
        assert tuple([at(t, env) for t in found]) == staged(row, tuple([at(t, env) for t in types]))


@pytest.mark.parametrize("row", [r for r in ROWS if isinstance(r, Undecided)], ids=str)
def test_undecided(row: Undecided) -> None:
    with pytest.raises(vx.UnknownSizeError) as caught:
        staged(row, tuple(map(type_of, row.types)))
    assert type(caught.value) is vx.UnknownSizeError
