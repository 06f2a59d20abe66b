"""Every rule of simplify, as a pair of programs: what is written, and what is left of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tests.passes.evaluator import evaluate, numpy_dtype
from tests.passes.zoo import INDEX, KEY, MATMUL, Write, emit, f64, scalar, written, zeros
from verax.compiler.ir.dtypes import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint8,
    uint32,
)  # fmt: skip
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.arithmetic import ABS, MAX, MIN
from verax.compiler.ops.bits import AND, NOT, OR, XOR
from verax.compiler.ops.contract import Contract, broadcast, permute, total
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.functions import SIN
from verax.compiler.ops.layout import Reshape, Reverse
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import (
    ADD,
    DIV,
    MUL,
    NEG,
    SUB,
    Compare,
    Convert,
    Term,
    splat,
)  # fmt: skip
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.slicing import Concatenate, Pad, Slice
from verax.compiler.passes.constants import fold, lossless, repeated_sum
from verax.compiler.passes.simplify import simplify

FLOATS: dict[str, tuple[Write, Write]] = {
    "x + 0": (lambda x: x + 0.0, lambda x: x),
    "0 + x": (lambda x: 0.0 + x, lambda x: x),
    "x + -y": (lambda x: x + -x.apply(SIN), lambda x: x - x.apply(SIN)),
    "-x + y": (lambda x: -x + x.apply(SIN), lambda x: x.apply(SIN) - x),
    "x - 0": (lambda x: x - 0.0, lambda x: x),
    "0 - x": (lambda x: 0.0 - x, lambda x: -x),
    "x - -y": (lambda x: x - -x.apply(SIN), lambda x: x + x.apply(SIN)),
    "x - x stays": (lambda x: x - x, lambda x: x - x),
    "x * 1": (lambda x: x * 1.0, lambda x: x),
    "x * -1": (lambda x: x * -1.0, lambda x: -x),
    "x * 0 stays": (lambda x: x * 0.0, lambda x: x * 0.0),
    "x / 1": (lambda x: x / 1.0, lambda x: x),
    "-(-x)": (lambda x: (-x).apply(NEG), lambda x: x),
    "max(x, x)": (lambda x: x.apply(MAX, x), lambda x: x),
    "min(x, x)": (lambda x: x.apply(MIN, x), lambda x: x),
    "2 * 3": (lambda x: x + x.like(2.0) * 3.0, lambda x: x + 6.0),
    "2 / 0 stays": (lambda x: x.like(2.0) / 0.0, lambda x: x.like(2.0) / 0.0),
    "select(x, x)": (lambda x: x.lt(1.0).where(x, x), lambda x: x),
    "select(2 < 3)": (lambda x: x.like(2.0).lt(3.0).where(x, -x), lambda x: x),
    "select(not p)": (
        lambda x: x.lt(1.0).apply(NOT).where(x, -x),
        lambda x: x.lt(1.0).where(-x, x),
    ),
    "to float64": (lambda x: x.apply(Convert(float64)), lambda x: x),
    "via float32 stays": (
        lambda x: x.to(float32).to(float64),
        lambda x: x.to(float32).to(float64),
    ),
    "bool via int": (
        lambda x: x.lt(1.0).to(int32).to(float64),
        lambda x: x.lt(1.0).to(float64),
    ),
    "reshape to the same": (lambda x: x.apply(Reshape((2, 3))), lambda x: x),
    "reshape of reshape": (
        lambda x: x.apply(Reshape((6,))).apply(Reshape((3, 2))),
        lambda x: x.apply(Reshape((3, 2))),
    ),
    "there and back": (lambda x: x.apply(Reshape((6,))).apply(Reshape((2, 3))), lambda x: x),
    "reshape of a splat": (
        lambda x: x.like(2.0).apply(Reshape((6,))),
        lambda x: Term(x.b, x.b.emit(splat(2.0, f64(6)))),
    ),
    "reverse twice": (lambda x: x.apply(Reverse((1,))).apply(Reverse((1,))), lambda x: x),
    "reverse along nothing": (lambda x: x.apply(Reverse(())), lambda x: x),
    "slice of all": (lambda x: x.apply(Slice((None, (0, 3, 1)))), lambda x: x),
    "slice of a splat": (
        lambda x: x.like(2.0).apply(Slice((None, (0, 3, 2)))),
        lambda x: Term(x.b, x.b.emit(splat(2.0, f64(2, 2)))),
    ),
    "pad with nothing": (lambda x: x.apply(Pad((None, (0, 0, 0)))), lambda x: x),
    "shift by pad stays": (
        lambda x: x.apply(Pad((None, (1, -1, 0)))),
        lambda x: x.apply(Pad((None, (1, -1, 0)))),
    ),
    "joined splats": (
        lambda x: x.like(2.0).apply(Concatenate(0), x.like(2.0)),
        lambda x: Term(x.b, x.b.emit(splat(2.0, f64(4, 3)))),
    ),
    "transposed twice": (
        lambda x: x.apply(permute((1, 0))).apply(permute((1, 0))),
        lambda x: x,
    ),
    "broadcast, transposed": (
        lambda x: x.apply(Contract(((0, 1),), (2, 0, 1), ((2, 4),))).apply(permute((1, 0, 2))),
        lambda x: x.apply(Contract(((0, 1),), (0, 2, 1), ((2, 4),))),
    ),
    "product of a transposed": (
        lambda x: x.apply(permute((1, 0))).apply(MATMUL, x),
        lambda x: x.apply(Contract(((0, 1), (0, 2)), (1, 2)), x),
    ),
    "sum of a broadcast stays": (
        lambda x: scalar(x.apply(Contract(((0, 1),), (2, 0, 1), ((2, 4),)))),
        lambda x: scalar(x.apply(Contract(((0, 1),), (2, 0, 1), ((2, 4),)))),
    ),
    "sum of a splat": (
        lambda x: x.like(2.0).apply(total(2, [1])),
        lambda x: Term(x.b, x.b.emit(splat(6.0, f64(2)))),
    ),
    "broadcast of a splat": (
        lambda x: Term(x.b, x.b.emit(splat(2.0, f64(3)))).apply(broadcast((2, 3), (1,))) + x,
        lambda x: 2.0 + x,
    ),
}


@pytest.mark.parametrize(("given", "left"), FLOATS.values(), ids=list(FLOATS))
def test_rule(given: Write, left: Write) -> None:
    assert simplify(written(f64(2, 3))(given)) == written(f64(2, 3))(left)


OTHERS: dict[str, tuple[ArrayType, Write, Write]] = {
    "int x - x": (INDEX, lambda x: x - x, lambda x: x.like(0)),
    "int x * 0": (INDEX, lambda x: x * 0, lambda x: x.like(0)),
    "int wraps": (INDEX, lambda x: x.like(2**31 - 1) + 1, lambda x: x.like(-(2**31))),
    "p and True": (ArrayType((), bool_), lambda x: x.apply(AND, x.like(True)), lambda x: x),
    "p and False": (
        ArrayType((), bool_), lambda x: x.apply(AND, x.like(False)), lambda x: x.like(False),
    ),
    "p or False": (ArrayType((), bool_), lambda x: x.like(False).apply(OR, x), lambda x: x),
    "not not p": (ArrayType((), bool_), lambda x: x.apply(NOT).apply(NOT), lambda x: x),
    "int or": (INDEX, lambda x: x.apply(OR, x), lambda x: x),
    "int via float": (INDEX, lambda x: x.to(float64).to(int8), lambda x: x.to(float64).to(int8)),
    "int via int": (INDEX, lambda x: x.to(int64).to(int8), lambda x: x.to(int8)),
}  # fmt: skip


@pytest.mark.parametrize(("t", "given", "left"), OTHERS.values(), ids=list(OTHERS))
def test_rule_of_other_dtypes(t: ArrayType, given: Write, left: Write) -> None:
    assert simplify(written(t)(given)) == written(t)(left)


def test_keys_of_words_and_words_of_keys() -> None:
    words = ArrayType((2,), uint32)
    same = written(words)(lambda x: x)
    assert simplify(written(words)(lambda x: x.apply(KeyWrap(KEY.impl)).apply(KeyData()))) == same
    key = written(KEY)(lambda k: k)
    assert simplify(written(KEY)(lambda k: k.apply(KeyData()).apply(KeyWrap(KEY.impl)))) == key
    other = written(KEY)(lambda k: k.apply(KeyData()).apply(KeyWrap("other")))
    assert simplify(other) == other


# branches, loops, calls --------------------------------------------------------------------------


@written(f64(), f64())
def double(x: Term, y: Term) -> list[Term]:
    return [x + x, y]


@written(f64(), f64())
def swap(x: Term, y: Term) -> list[Term]:
    return [y, x]


def test_a_call_of_one_equation_is_written_out() -> None:
    p = written(f64(), f64())(lambda x, y: emit(Call(double), x, y))
    assert simplify(p) == double


def test_a_call_gives_and_takes_what_is_used() -> None:
    @written(f64(), f64(), f64())
    def three(x: Term, y: Term, z: Term) -> list[Term]:
        return [(x * y).apply(SIN), z.apply(SIN) * 2.0, x]

    p = written(f64(), f64(), f64())(lambda x, y, z: emit(Call(three), x, y, z)[0])
    narrow = written(f64(), f64())(lambda x, y: (x * y).apply(SIN))
    want = written(f64(), f64(), f64())(lambda x, y, z: emit(Call(narrow), x, y)[0])
    assert simplify(p) == want


def test_a_known_index_takes_its_branch() -> None:
    for index, want in ((-3, double), (0, double), (1, swap), (7, swap)):
        p = written(f64(), f64())(
            lambda x, y, index=index: emit(Cond((double, swap)), zeros(x, INDEX) + index, x, y)
        )
        assert simplify(p) == want


def test_equal_branches_need_no_index() -> None:
    p = written(INDEX, f64(), f64())(lambda i, x, y: emit(Cond((swap, swap)), i, x, y))
    assert simplify(p) == written(INDEX, f64(), f64())(lambda i, x, y: [y, x])


def test_constants_and_equal_operands_move_into_branches() -> None:
    p = written(INDEX, f64())(lambda i, x: emit(Cond((double, swap)), i, x, x.like(0.0)))
    a = written(f64())(lambda x: [x.like(0.0), x + x][::-1])
    b = written(f64())(lambda x: [x.like(0.0), x])
    assert simplify(p) == written(INDEX, f64())(lambda i, x: emit(Cond((a, b)), i, x))
    p = written(INDEX, f64())(lambda i, x: emit(Cond((double, swap)), i, x, x))
    a, b = written(f64())(lambda x: [x + x, x]), written(f64())(lambda x: [x, x])
    assert simplify(p) == written(INDEX, f64())(lambda i, x: emit(Cond((a, b)), i, x))


@written(f64(), f64(), f64(), f64())
def body(w: Term, c: Term, still: Term, x: Term) -> list[Term]:
    """A carry that moves, one that stays; an unchanged x, a const, a constant, a new row."""
    return [c * w + still, still, x, w, x.like(2.0), c + x]


def scan(wanted: list[int]) -> Write:
    return lambda w, c, still, xs: [emit(Scan(body, 1, 2, 4), w, c, still, xs)[i] for i in wanted]


TYPES = (f64(), f64(), f64(), f64(4))


def test_what_a_scan_stacks_unchanged_is_there_already() -> None:
    p = written(*TYPES)(scan([1, 2, 3, 4]))
    repeated = broadcast((4,), ())
    want = written(*TYPES)(lambda w, c, still, xs: [still, xs, w.apply(repeated), xs.like(2.0)])
    assert simplify(p) == want


def test_a_carry_that_stays_is_a_const_and_dead_carries_go() -> None:
    p = written(*TYPES)(scan([5]))
    moving = written(f64(), f64(), f64(), f64())(lambda w, s, c, x: [c * w + s, c + x])
    want = written(*TYPES)(lambda w, c, still, xs: emit(Scan(moving, 2, 1, 4), w, still, c, xs)[1])
    assert simplify(p) == want
    only = written(*TYPES)(scan([0]))
    assert "n_carry=1" in str(simplify(only))
    assert "stacked" not in str(simplify(only))
    assert len(simplify(only).equations[0].op.programs[0].outs) == 1


def test_a_loop_of_no_steps() -> None:
    start = (f64(), f64(), f64(), f64(0))
    p = written(*start)(lambda w, c, s, xs: emit(Scan(body, 1, 2, 0), w, c, s, xs)[:3])
    assert simplify(p) == written(*start)(lambda w, c, s, xs: [c, s, xs.like(0.0)])
    go = written(f64())(lambda x: x.lt(3.0))
    grow = written(f64())(lambda x: x * 2.0)
    never = written(f64())(lambda x: x.like(1.0).lt(0.0))
    same = written(f64())(lambda x: x)
    assert simplify(written(f64())(lambda x: emit(While(go, grow, 0, 0), x))) == same
    assert simplify(written(f64())(lambda x: emit(While(never, grow, 0), x))) == same


def test_a_while_keeps_what_its_condition_needs() -> None:
    @written(INDEX, f64(), f64(), f64())
    def step(i: Term, x: Term, y: Term, still: Term) -> list[Term]:
        return [i + 1, x * still, y + x, still]

    go = written(INDEX, f64(), f64(), f64())(lambda i, x, y, s: i.lt(5))
    types = (INDEX, f64(), f64(), f64())
    p = written(*types)(lambda i, x, y, s: emit(While(go, step, 0), i, x, y, s)[1])
    go_2 = written(f64(), INDEX, f64())(lambda s, i, x: i.lt(5))
    step_2 = written(f64(), INDEX, f64())(lambda s, i, x: [i + 1, x * s])
    want = written(*types)(lambda i, x, y, s: emit(While(go_2, step_2, 1), s, i, x)[1])
    assert simplify(p) == want


# constants ---------------------------------------------------------------------------------------

VALUES: dict[DType, tuple[float, ...]] = {
    float64: (0.0, 1.0, -2.5, 0.1, 1e300, 5e-324, math.inf, -math.inf, math.nan),
    float32: (0.0, 1.0, -2.5, 0.1, 1e-30, 3e38, 1e-45, math.inf, math.nan),
    bfloat16: (0.0, 1.0, 0.1, math.inf), float16: (0.0, -3.0, 0.1),
    int32: (0, 1, -7, 2**31 - 1, -(2**31)), int8: (0, 5, -128, 127), uint8: (0, 1, 200, 255),
    bool_: (False, True),
}  # fmt: skip
FOLDED: list[tuple[Op, int]] = [
    (ADD, 2), (SUB, 2), (MUL, 2), (DIV, 2), (NEG, 1), (ABS, 1), (MAX, 2), (MIN, 2),
    (AND, 2), (OR, 2), (XOR, 2), (NOT, 1),
    *[(Compare(d), 2) for d in ("EQ", "NE", "LT", "LE", "GT", "GE")],
    *[(Convert(d), 1) for d in VALUES],
]  # fmt: skip


@pytest.mark.parametrize("dtype", VALUES, ids=str)
@pytest.mark.parametrize(("op", "arity"), FOLDED, ids=[str(op) for op, _ in FOLDED])
def test_folding_is_exact(op: Op, arity: int, dtype: DType) -> None:
    t = ArrayType((), dtype)
    for values in itertools.product(VALUES[dtype], repeat=arity):
        operands = [splat(v, t) for v in values]
        try:
            (out,) = op.infer((t,) * arity)
        except TypeError:
            return
        assert isinstance(out, ArrayType)
        c = fold(op, operands, out)
        if c is None:
            continue
        b = Builder()
        p = b.finish([b.emit(op, *[b.emit(x) for x in operands])])
        (want,) = evaluate(p, [])
        got = np.asarray(c.value).astype(numpy_dtype(out.dtype))
        assert got.tobytes() == want.tobytes(), (op, values, c.value, want)


def test_folding_happens_where_it_is_certain() -> None:
    t = ArrayType((), float32)
    assert fold(ADD, [splat(0.1, t), splat(0.2, t)], t) is not None
    assert fold(MUL, [splat(1e-30, t), splat(1e-30, t)], t) is not None  # rounds to zero
    assert fold(MUL, [splat(1e-30, t), splat(1e-10, t)], t) is None  # not normal
    assert fold(MUL, [splat(1e30, t), splat(1e30, t)], t) is None  # overflows
    assert fold(ADD, [splat(0.1, ArrayType((), bfloat16))] * 2, ArrayType((), bfloat16)) is None


def test_conversions_are_folded_within_the_range() -> None:
    def folded(value: float, source: DType, target: DType) -> object:
        c = fold(Convert(target), [splat(value, ArrayType((), source))], ArrayType((), target))
        return None if c is None else c.value

    assert folded(-128, int32, int8) == -128
    assert folded(-129, int32, int8) is None
    assert folded(127, int32, int8) == 127
    assert folded(128, int32, int8) is None
    assert folded(255, int32, uint8) == 255
    assert folded(-1, int32, uint8) is None
    assert folded(2.5, float64, int32) is None
    assert folded(-3.0, float64, int32) == -3
    assert folded(math.inf, float32, float64) is None
    assert folded(2**24 + 1, int32, float32) is None
    assert folded(2**24, int32, float32) == 2.0**24
    assert folded(7, int32, bfloat16) == 7.0
    assert folded(9, int32, bfloat16) is None
    assert folded(1.5, bfloat16, float32) is None
    assert folded(2.0, bfloat16, float32) == 2.0
    assert folded(0.1, float64, float32) == np.float32(0.1)
    assert folded(1e300, float64, float32) is None


def test_sum_of_a_splat_is_folded_if_every_partial_sum_is_exact() -> None:
    def summed(value: float, count: int, dtype: DType = float32) -> object:
        c = repeated_sum(splat(value, ArrayType((count,), dtype)), count, ArrayType((), dtype))
        return None if c is None else c.value

    assert summed(1.0, 1 << 24) is None
    assert summed(1.0, (1 << 24) - 1) == 2**24 - 1
    assert summed(0.75, 100) == 75.0
    assert summed(0.1, 3) is None
    assert summed(0.1, 1) == np.float32(0.1)
    assert summed(0.0, 1 << 30) == 0.0
    assert summed(2**30, 3, int32) == 3 * 2**30 - 2**32
    assert summed(math.inf, 3) is None


LOSSLESS = [(bool_, int8), (uint8, int32), (int8, float32), (int32, float64), (float32, float64),
            (bfloat16, float32), (float16, float32)]  # fmt: skip
LOSSY = [(int32, float32), (float64, float32), (int32, uint32), (uint32, int32), (int64, int32),
         (float32, bfloat16), (float32, int32), (bfloat16, float16), (int64, float64)]  # fmt: skip


def test_lossless_conversions() -> None:
    assert all(lossless(a, b) for a, b in LOSSLESS)
    assert not any(lossless(a, b) for a, b in LOSSY)
    assert all(lossless(d, d) for d in VALUES)
