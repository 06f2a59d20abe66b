"""Annotations at run time: aliases of any shape are ordinary generic aliases."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, TypeVarTuple, Unpack, get_args, get_origin, get_type_hints

import pytest

from tests.typed import basic
from verax.dsl.lang.dtypes import DType, float32
from verax.dsl.lang.typing import C64, F32, I8, U64, Array, Bool, Dim

N = TypeVar("N")
Shape = TypeVarTuple("Shape")


class Batch(Dim): ...


OPEN: Any = F32  # for what a checker has no place for: type variables outside a signature


@pytest.mark.parametrize(
    ("annotation", "args"),
    [
        (F32[Batch], (float32, Batch)),
        (F32[Batch, Literal[128]], (float32, Batch, Literal[128])),
        (F32[()], (float32,)),
        (OPEN[N, Batch], (float32, N, Batch)),
        (Array[float32, Batch], (float32, Batch)),
        (Array[Any, Batch], (Any, Batch)),
    ],
)
def test_aliases(annotation: Any, args: tuple[Any, ...]) -> None:
    assert get_origin(annotation) is Array
    assert get_args(annotation) == args


def test_shapes_that_are_open() -> None:
    assert len(get_args(OPEN[Unpack[Shape]])) == 2  # noqa: UP044
    assert len(get_args(OPEN[Batch, Unpack[Shape]])) == 3  # noqa: UP044
    assert get_origin(F32) is Array
    assert get_args(F32)[0] is float32


def test_every_alias_names_its_dtype() -> None:
    for alias, name in ((Bool, "bool"), (I8, "int8"), (U64, "uint64"), (C64, "complex64")):
        dtype = get_args(alias[Batch])[0]
        assert isinstance(dtype, DType)
        assert dtype.name == name


def test_hints_are_read_back() -> None:
    hints = get_type_hints(basic.layer)
    assert hints["x"] == F32[basic.Batch, basic.Feat]
    assert hints["return"] == F32[basic.Batch, basic.Out]


def test_dims_have_no_instances() -> None:
    with pytest.raises(TypeError, match="Batch is a dim: it names a size and has no instances"):
        Batch()
