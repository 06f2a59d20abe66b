"""Promotion: the lattice as a table and by its laws, Python scalars, NumPy, and broadcasting."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.dsl.lang import dtypes as dt
from verax.dsl.lang.arithmetic import add, clip, maximum, multiply, negative, pow
from verax.dsl.lang.creation import asarray, astype, ones, zeros
from verax.dsl.lang.dtypes import (
    ALL,
    DType,
    bfloat16,
    bool_,
    can_cast,
    complex64,
    complex128,
    dtype_of,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int32,
    int64,
    isdtype,
    issubdtype,
    join,
    join_scalar,
    promote_types,
    uint64,
)
from verax.dsl.lang.host import numpy_dtype
from verax.dsl.lang.jit import jit
from verax.dsl.lang.logic import where
from verax.dsl.lang.promotion import broadcast_shapes, broadcast_to, operands, result_type
from verax.dsl.lang.transcendental import sin
from verax.sharding.errors import VeraxError

_NAMES = (
    "b1 i4 i8 i16 i32 i64 u4 u8 u16 u32 u64",
    "e4 e5 bf f16 f32 f64 c64 c128",
)
SHORT = dict(zip(" ".join(_NAMES).split(), ALL))
TABLE = """
     b1   i4  i8  i16 i32 i64 u4  u8  u16 u32 u64 e4  e5  bf  f16 f32 f64  c64  c128
b1   b1   i4  i8  i16 i32 i64 u4  u8  u16 u32 u64 e4  e5  bf  f16 f32 f64  c64  c128
i4   i4   i4  -   -   -   -   -   -   -   -   -   -   -   -   -   -   -    -    -
i8   i8   -   i8  i16 i32 i64 -   i16 i32 i64 -   -   -   bf  f16 f32 f64  c64  c128
i16  i16  -   i16 i16 i32 i64 -   i16 i32 i64 -   -   -   bf  f16 f32 f64  c64  c128
i32  i32  -   i32 i32 i32 i64 -   i32 i32 i64 -   -   -   bf  f16 f32 f64  c64  c128
i64  i64  -   i64 i64 i64 i64 -   i64 i64 i64 -   -   -   bf  f16 f32 f64  c64  c128
u4   u4   -   -   -   -   -   u4  -   -   -   -   -   -   -   -   -   -    -    -
u8   u8   -   i16 i16 i32 i64 -   u8  u16 u32 u64 -   -   bf  f16 f32 f64  c64  c128
u16  u16  -   i32 i32 i32 i64 -   u16 u16 u32 u64 -   -   bf  f16 f32 f64  c64  c128
u32  u32  -   i64 i64 i64 i64 -   u32 u32 u32 u64 -   -   bf  f16 f32 f64  c64  c128
u64  u64  -   -   -   -   -   -   u64 u64 u64 u64 -   -   bf  f16 f32 f64  c64  c128
e4   e4   -   -   -   -   -   -   -   -   -   -   e4  -   -   -   -   -    -    -
e5   e5   -   -   -   -   -   -   -   -   -   -   -   e5  -   -   -   -    -    -
bf   bf   -   bf  bf  bf  bf  -   bf  bf  bf  bf  -   -   bf  f32 f32 f64  c64  c128
f16  f16  -   f16 f16 f16 f16 -   f16 f16 f16 f16 -   -   f32 f16 f32 f64  c64  c128
f32  f32  -   f32 f32 f32 f32 -   f32 f32 f32 f32 -   -   f32 f32 f32 f64  c64  c128
f64  f64  -   f64 f64 f64 f64 -   f64 f64 f64 f64 -   -   f64 f64 f64 f64  c128 c128
c64  c64  -   c64 c64 c64 c64 -   c64 c64 c64 c64 -   -   c64 c64 c64 c128 c64  c128
c128 c128 -   c128 c128 c128 c128 - c128 c128 c128 c128 - - c128 c128 c128 c128 c128 c128
"""
SCALARS = """
      bool int  float complex
bool  b1   i32  f32   c64
i4    i4   i4   f32   c64
i32   i32  i32  f32   c64
i64   i64  i64  f32   c64
u8    u8   u8   f32   c64
e5    e5   e5   e5    c64
bf    bf   bf   bf    c64
f16   f16  f16  f16   c64
f32   f32  f32  f32   c64
f64   f64  f64  f64   c128
c64   c64  c64  c64   c64
c128  c128 c128 c128  c128
"""


def cells(table: str) -> list[tuple[str, str, str]]:
    head, *rows = [line.split() for line in table.strip().splitlines()]
    return [(row[0], column, cell) for row in rows for column, cell in zip(head, row[1:])]


def joined(a: DType, b: DType) -> DType | None:
    try:
        return promote_types(a, b)
    except DTypeError:
        return None


# the lattice


def test_table() -> None:
    assert len(cells(TABLE)) == len(ALL) ** 2
    for a, b, cell in cells(TABLE):
        wanted = None if cell == "-" else SHORT[cell]
        assert joined(SHORT[a], SHORT[b]) is wanted, (a, b)


def test_lattice_laws() -> None:
    for a, b in itertools.product(ALL, ALL):
        assert joined(a, a) is a
        assert joined(a, b) is joined(b, a)
    for a, b, c in itertools.product(ALL, ALL, ALL):
        ab, bc = joined(a, b), joined(b, c)
        if ab is not None and bc is not None:
            left, right = joined(ab, c), joined(a, bc)
            assert left is right or (left is None) != (right is None) or left is None


def test_the_lattice_is_numpys_where_the_array_api_fixes_it() -> None:
    standard = [d for d in ALL if d.bits > 8 or d.name in ("bool", "int8", "uint8")]
    standard.remove(bfloat16)
    kinds = {"bool": 0, "int": 1, "uint": 1, "float": 2, "complex": 2}
    for a, b in itertools.product(standard, standard):
        if kinds[a.kind] == kinds[b.kind] and joined(a, b) is not None:
            assert promote_types(a, b).name == np.promote_types(a.name, b.name).name


def test_join_does_not_depend_on_order() -> None:
    for order in itertools.permutations([uint64, int64, float16]):
        assert join(order) is float16


def test_can_cast_follows_the_lattice() -> None:
    assert can_cast(int8, float16)
    assert can_cast(bool_, int8)
    assert not can_cast(int32, int8)
    assert not can_cast(float64, complex64)


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (
            uint64,
            int64,
            "uint64 and int64 have no common dtype: no integer dtype holds the values of both",
        ),
        (
            dt.int4,
            float32,
            "int4 and float32 have no common dtype: int4 promotes with itself, bool and Python"
            " scalars only",
        ),
    ],
)
def test_undefined_joins(a: DType, b: DType, text: str) -> None:
    with pytest.raises(DTypeError) as info:
        promote_types(a, b)
    assert info.value.message == text
    fix = "int64" if a is uint64 else "float32"
    assert info.value.fix == f"convert one of them: x.astype(vx.{fix})"


# names and limits


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_names_of_dtypes(dtype: DType) -> None:
    assert dtype_of(dtype) is dtype
    assert dtype_of(dtype.name) is dtype
    assert dtype_of(numpy_dtype(dtype)) is dtype
    assert dtype_of(numpy_dtype(dtype).type) is dtype


def test_python_classes_are_dtypes() -> None:
    assert [dtype_of(c) for c in (bool, int, float, complex)] == [bool_, int32, float32, complex64]
    assert [dtype_of(c) for c in (np.float64, np.bool_, "bool_")] == [float64, bool_, bool_]


@pytest.mark.parametrize("x", ["float", object, np.dtype("S3"), 3, dt.DType, "f4"])
def test_what_is_no_dtype(x: Any) -> None:
    with pytest.raises(DTypeError) as info:
        dtype_of(x)
    assert str(info.value).splitlines()[0] == f"[verax-dtype] {x!r} is not a dtype"


def test_kinds() -> None:
    assert isdtype(float16, "real floating")
    assert isdtype(int8, ("bool", int8))
    assert not isdtype(complex64, "real floating")
    assert isdtype("uint8", "integral")
    assert issubdtype(float32, np.floating)
    assert issubdtype("int8", "signedinteger")
    assert not issubdtype(complex64, np.floating)
    assert issubdtype(float32, float32)
    with pytest.raises(DTypeError, match="'floaty' is not a kind of dtypes"):
        isdtype(float32, "floaty")


def test_limits_are_numpys() -> None:
    for name in ("float16", "float32", "float64", "complex64"):
        ours, theirs = finfo(name), np.finfo(name)
        assert ours.max == float(theirs.max)
        assert ours.eps == float(theirs.eps)
        assert ours.smallest_normal == ours.tiny == float(theirs.smallest_normal)
        assert ours.smallest_subnormal == float(theirs.smallest_subnormal)
        assert (ours.bits, ours.precision) == (theirs.bits, theirs.precision)
    assert (finfo("float8_e4m3fn").max, finfo("float8_e5m2").max) == (448.0, 57344.0)
    for name in ("int8", "uint64"):
        assert (iinfo(name).min, iinfo(name).max) == (np.iinfo(name).min, np.iinfo(name).max)
    with pytest.raises(DTypeError, match="finfo takes a floating dtype, got int32"):
        finfo(int32)
    with pytest.raises(DTypeError, match="iinfo takes an integer dtype, got float32"):
        iinfo(float32)


# Python scalars


def test_scalar_table() -> None:
    python = {"bool": bool, "int": int, "float": float, "complex": complex}
    for a, c, cell in cells(SCALARS):
        dtype = bool_ if a == "bool" else SHORT[a]
        assert join_scalar(dtype, python[c]) is SHORT[cell], (a, c)


@pytest.mark.parametrize("name", ["int8", "uint16", "int64", "float16", "bfloat16", "complex128"])
def test_scalars_never_widen(name: str) -> None:
    x = ones((2,), name)
    for y in (x + 1, 1 + x, x * True, maximum(x, 1) if not x.dtype.is_complex else x):
        assert y.dtype is x.dtype


def test_scalars_alone_take_the_defaults() -> None:
    assert [asarray(v).dtype for v in (True, 1, 1.0, 1j)] == [bool_, int32, float32, complex64]
    assert add(1, 2.0).dtype is float32
    assert result_type(1, True) is int32
    assert result_type(ones((), float16), 1.0) is float16
    assert result_type(int8, 1.0, float16) is float16


def test_numpy_keeps_its_dtype() -> None:
    x = ones((2,))
    assert (x + np.ones(2)).dtype is float64
    assert (x + np.float64(1)).dtype is float64
    assert (np.float64(1) * x).dtype is float64
    assert (np.ones(2, np.int8) + x).dtype is float32
    assert asarray(np.arange(3)).dtype is int64
    assert asarray(np.ones(2, np.dtype("bfloat16"))).dtype is bfloat16


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int8", 300), ("uint8", -1), ("int32", 2**40), ("float16", 1e6), ("float32", 10**40)],
)
def test_scalars_that_do_not_fit(dtype: str, value: int | float) -> None:
    x = ones((2,), dtype)
    for f in (lambda: x + value, lambda: value * x, lambda: jit(lambda x: x + value)(x)):
        with pytest.raises(DTypeError, match="does not fit"):
            f()


def test_scalars_that_fit_by_rounding() -> None:
    assert (ones((), float16) * 0.1).item() == np.float16(0.1)
    assert (ones((), float32) + 2**24).item() == 2**24
    assert (zeros((), float16) + float("inf")).item() == float("inf")
    assert np.isnan((zeros((), float16) + float("nan")).item())
    assert (zeros((), float16) + 65519.0).item() == 65504.0
    assert (zeros((), "int8") + -128).item() == -128


def test_the_whole_message_of_a_scalar_that_does_not_fit() -> None:
    with pytest.raises(DTypeError) as info:
        ones((2,), int8) + 300
    assert str(info.value).splitlines()[0] == (
        "[verax-dtype] add: the Python scalar 300 does not fit int8, which holds -128 to 127"
    )
    assert info.value.fix == (
        "take a wider dtype: x.astype(...) of the array that it meets, or dtype=..."
    )


def test_conversions_that_change_a_value() -> None:
    for value, dtype in ((1.5, int32), (300, int8), (2, bool_), (1 + 1j, float32)):
        with pytest.raises(DTypeError):
            asarray(value, dtype)
        with pytest.raises(DTypeError):
            asarray(np.array([value]), dtype)
        with pytest.raises(DTypeError):
            asarray([value], dtype)
    assert asarray(2.0, int32).item() == 2
    assert asarray(np.array([2.0, 3.0]), int32).tolist() == [2, 3]
    assert asarray(np.array([0.1]), float32).tolist() == [np.float32(0.1)]
    assert astype(asarray(300), int8).item() == 44
    with pytest.raises(DTypeError) as info:
        asarray(np.array([1, 300]), int8)
    assert info.value.message == (
        "asarray: the value 300 of a NumPy array of int64 has no value in int8"
    )


# operands


def test_operands_that_agree_pass_through() -> None:
    x, y = ones((3,)), ones((3,))
    a, b = operands("f", x, y)
    assert a is x
    assert b is y


def test_mixed_operands_meet_staged_or_not() -> None:
    x, n = ones((2, 1), float16), np.arange(3, dtype=np.int32)

    def f(x: Any) -> Any:
        a, b, c = operands("f", x, n, 2)
        return a + b * c

    eager, staged = f(x), jit(f)(x)
    assert eager.type is staged.type is ArrayType((2, 3), float16)
    np.testing.assert_array_equal(eager.numpy(), staged.numpy())
    np.testing.assert_array_equal(eager.numpy(), [[1, 3, 5], [1, 3, 5]])


def test_what_is_no_operand() -> None:
    x = ones((2,))
    with pytest.raises(DTypeError) as info:
        add(x, [1, 2])  # type: ignore[arg-type]
    assert info.value.message == "add takes arrays and scalars, got a list"
    with pytest.raises(DTypeError, match="multiply takes arrays and scalars, got None"):
        multiply(x, None)  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="got an object of class object"):
        negative(object())  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match="got an object of class str"):
        add(x, "1")  # type: ignore[arg-type]
    assert (x == None) is False  # noqa: E711
    with pytest.raises(TypeError, match="unsupported operand"):
        x + object()  # type: ignore[operator]


def test_errors_of_joins_name_the_function() -> None:
    with pytest.raises(DTypeError) as info:
        ones((2,), "uint64") + ones((2,), "int64")
    assert info.value.message == (
        "add: uint64 and int64 have no common dtype: no integer dtype holds the values of both"
    )


# broadcasting

sizes = st.integers(0, 4)
shapes = st.lists(sizes, max_size=4).map(tuple)


@given(st.lists(shapes, max_size=4))
def test_broadcast_shapes_is_numpys(many: list[tuple[int, ...]]) -> None:
    try:
        wanted = np.broadcast_shapes(*many)
    except ValueError:
        with pytest.raises(ShapeError):
            broadcast_shapes(*many)
    else:
        assert broadcast_shapes(*many) == wanted


def test_broadcast_to_is_numpys() -> None:
    for own, shape in [
        ((3,), (2, 3)),
        ((1, 3), (4, 3)),
        ((2, 1), (2, 5)),
        ((), (2,)),
        ((1,), (1,)),
    ]:
        x = np.arange(np.prod(own, dtype=int), dtype=np.float32).reshape(own)
        got = broadcast_to(asarray(x), shape).numpy()
        np.testing.assert_array_equal(got, np.broadcast_to(x, shape))


def test_symbolic_sizes_broadcast() -> None:
    n, m = dim("n"), dim("m")
    assert broadcast_shapes((n, 1), (m,)) == (n, m)
    assert broadcast_shapes((n,), ()) == (n,)
    with pytest.raises(ShapeError, match=r"the last dimension is n in the left and 3 in the right"):
        broadcast_shapes((n,), (3,))


def message(error: VeraxError) -> list[str]:
    """The message without the user's line, which is a line of this file."""
    return [line for line in str(error).splitlines() if not line.startswith("  at ")]


def test_a_mismatch_is_drawn() -> None:
    with pytest.raises(ShapeError) as info:
        zeros((8, 3, 4)) * zeros((5, 4))
    assert message(info.value) == [
        "[verax-shape] multiply: the shapes [8,3,4], [5,4] do not broadcast"
        ": dimension -2 is 3 in the left and 5 in the right",
        "    left   [8, 3, 4]",
        "    right  [   5, 4]",
        "               ^",
        "  fix: sizes are compared from the right and must agree or be 1:"
        " insert a dimension (x[:, None]), transpose or reshape",
    ]


def test_a_mismatch_of_wide_sizes_is_drawn() -> None:
    with pytest.raises(ShapeError) as info:
        broadcast_shapes((1024, 7), (1, 1), (128, 7), name="where")
    assert message(info.value)[1:5] == [
        "    condition  [1024, 7]",
        "    x1         [   1, 1]",
        "    x2         [ 128, 7]",
        "                ^^^^",
    ]


def test_no_broadcast_downwards() -> None:
    with pytest.raises(ShapeError) as info:
        broadcast_to(zeros((2, 3)), (1, 3))
    assert info.value.message.split("\n") == [
        "broadcast_to: [2,3] does not broadcast to [1,3]",
        "    from  [2, 3]",
        "    to    [1, 3]",
        "           ^",
    ]


def test_promotion_is_the_same_staged_and_not() -> None:
    names = ["bool", "int8", "uint8", "int64", "bfloat16", "float32", "complex64"]
    xs = [ones((), n) for n in names]

    def all_sums(xs: list[Any]) -> list[Any]:
        return [a + b for a in xs for b in xs]

    staged = jit(all_sums)(xs)
    wanted = [promote_types(a, b) for a in names for b in names]
    assert [y.dtype for y in staged] == wanted
    assert complex128 not in wanted


def test_scalar_arguments_of_jit_are_as_weak_as_scalars() -> None:
    x, n, mask = ones((2,), float16), ones((2,), "int32"), asarray([True, False])

    def f(x: Any, n: Any, mask: Any, a: Any, k: Any) -> list[Any]:
        return [
            maximum(x, a),
            where(mask, a, x),
            pow(x, k),
            clip(x, k, a),
            add(n, k),
            add(n, a),
            maximum(a, k),
            sin(a),
            x * (a + k),
            k - n,
        ]

    got, wanted = jit(f)(x, n, mask, 2.5, 2), f(x, n, mask, 2.5, 2)
    assert [y.type for y in got] == [asarray(y).type for y in wanted]
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), asarray(b).numpy(), 1e-3)


def test_sharded_arrays_meet_scalars_where_they_lie() -> None:
    x = vx.shard(ones((4, 3)), vx.Mesh(data=2), vx.P("data"))
    for y in (x + 1.0, 2 * x, x + ones((3,)), where(x > 0, x, 0.0)):
        assert y.type is x.type
