"""Small programs that the laws of the passes are tested on, written by hand with the builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from verax.compiler.ir.dtypes import float64, int32
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.bits import XOR
from verax.compiler.ops.contract import Contract, broadcast, permute, total
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.functions import EXP, LOG, SIN, SQRT, TANH
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.pointwise import Term
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.reduce import Reduce

Write: TypeAlias = Callable[..., Sequence[Term] | Term]

KEY = KeyType("threefry2x32", ())
INDEX = ArrayType((), int32)
MATMUL = Contract(((0, 1), (1, 2)), (0, 2))


def f64(*shape: int) -> ArrayType:
    """The type of a float64 array."""
    return ArrayType(shape, float64)


def program(*types: Type, write: Write) -> Program:
    """The program that ``write`` writes, given a term per input."""
    b = Builder()
    ys = write(*[Term(b, b.input(t)) for t in types])
    return b.finish([y.slot for y in ([ys] if isinstance(ys, Term) else ys)])


def emit(op: Op, *xs: Term) -> list[Term]:
    """All results of op."""
    b = xs[0].b
    return [Term(b, y) for y in b.emit_all(op, *[x.slot for x in xs])]


def along(x: Term, like: Term) -> Term:
    """x repeated along the last dimension, which ``like`` has and x has not."""
    return x.apply(broadcast(like.type.shape, range(x.type.ndim)))


def summed(x: Term) -> Term:
    """The sum over the last dimension."""
    return x.apply(total(x.type.ndim, [x.type.ndim - 1]))


def scalar(x: Term) -> Term:
    """The sum of everything."""
    return x.apply(total(x.type.ndim, range(x.type.ndim)))


# straight programs -------------------------------------------------------------------------------


def softmax(x: Term) -> Term:
    e = (x - along(x.apply(Reduce("max", (x.type.ndim - 1,))), x)).apply(EXP)
    return e / along(summed(e), e)


def layer_norm(x: Term, scale: Term, bias: Term) -> Term:
    c = x - along(summed(x) / 4.0, x)
    d = (summed(c * c) / 4.0 + 1e-5).apply(SQRT)
    rows = broadcast(x.type.shape, (x.type.ndim - 1,))
    return c / along(d, c) * scale.apply(rows) + bias.apply(rows)


def gelu(x: Term) -> Term:
    return x * 0.5 * (((x + x * x * x * 0.044715) * 0.7978845608028654).apply(TANH) + 1.0)


POLYNOMIAL = program(f64(3), write=lambda x: x * x * x + x * 2.0)
TANH_PROGRAM = program(f64(3), write=lambda x: x.apply(TANH))
SOFTMAX = program(f64(2, 4), write=softmax)
LAYER_NORM = program(f64(2, 4), f64(4), f64(4), write=layer_norm)
GELU = program(f64(2, 3), write=gelu)
MLP = program(
    f64(2, 3), f64(3, 3), f64(3, 2),
    write=lambda x, w, v: scalar((x.apply(MATMUL, w)).apply(TANH).apply(MATMUL, v)),
)  # fmt: skip
MOVES = program(
    f64(2, 3), write=lambda x: x.apply(permute((1, 0))).apply(Reshape((6,))) * x.apply(Reshape((6,)))
)

# programs that hold programs ---------------------------------------------------------------------

_INNER = program(f64(3), f64(3), write=lambda x, y: [x.apply(SIN) * y, y * y])
CALL = program(
    f64(3), f64(3),
    write=lambda x, y: [u * v for u, v in [emit(Call(_INNER), x * 2.0, y)]]
    + emit(Call(_INNER), y, y),
)  # fmt: skip

_BRANCHES = (
    program(f64(3), f64(3), write=lambda x, y: [x.apply(SIN) * y, x]),
    program(f64(3), f64(3), write=lambda x, y: [x * x * x, y.apply(EXP)]),
    program(f64(3), f64(3), write=lambda x, y: [y, (x * x + 1.0).apply(LOG) * x]),
)


def _cond(x: Term, y: Term) -> list[Term]:
    index = scalar(x).gt(0.0).to(int32) + scalar(y).gt(0.0).to(int32)
    return emit(Cond(_BRANCHES), index, x, y * 2.0)


COND = program(f64(3), f64(3), write=_cond)
CHOICE = program(INDEX, f64(3), f64(3), write=lambda i, x, y: emit(Cond(_BRANCHES), i, x, y))

_NEWTON_GO = program(f64(3), INDEX, f64(3), write=lambda a, i, x: i.lt(3))
_NEWTON = program(
    f64(3), INDEX, f64(3),
    write=lambda a, i, x: [i + 1, x - (x * x - a * a - 2.0) / (x * x + 8.0)],
)  # fmt: skip


def _newton(a: Term, x: Term) -> Term:
    return emit(While(_NEWTON_GO, _NEWTON, 1, 5), a, scalar(a).like(0).to(int32), x)[1] * a


NEWTON = program(f64(3), f64(3), write=_newton)

_GROW_GO = program(f64(), f64(3), write=lambda limit, x: scalar(x * x).lt(limit))
_GROW = program(f64(), f64(3), write=lambda limit, x: x * 1.5 + limit * 0.01 * 1.0 if False else x)


def _grow(limit: Term, x: Term) -> Term:
    return x * 1.5 + limit.apply(broadcast((3,), ())) * 0.1


_GROW = program(f64(), f64(3), write=_grow)
GROW = program(  # the number of steps depends on the values; at most four
    f64(), f64(3), write=lambda limit, x: emit(While(_GROW_GO, _GROW, 1, 4), limit * 1e1, x)
)
UNBOUNDED = program(
    f64(), f64(3), write=lambda limit, x: emit(While(_GROW_GO, _GROW, 1, None), limit, x)
)


def _cell(w: Term, c: Term, x: Term) -> list[Term]:
    h = (c.apply(MATMUL, w) + x).apply(TANH)
    return [h, h * c]


_CELL = program(f64(3, 3), f64(1, 3), f64(1, 3), write=_cell)
RNN = program(
    f64(3, 3), f64(1, 3), f64(4, 1, 3),
    write=lambda w, c, xs: emit(Scan(_CELL, 1, 1, 4), w.apply(SIN), c, xs * 0.5),
)  # fmt: skip
REVERSED = program(
    f64(3, 3), f64(1, 3), f64(4, 1, 3),
    write=lambda w, c, xs: emit(Scan(_CELL, 1, 1, 4, True), w, c, xs),
)  # fmt: skip
EMPTY = program(
    f64(3, 3), f64(1, 3), f64(0, 1, 3),
    write=lambda w, c, xs: emit(Scan(_CELL, 1, 1, 0), w, c, xs),
)  # fmt: skip
DATA_START = program(  # the carry starts from a constant: it becomes active in the loop
    f64(4, 3),
    write=lambda xs: emit(
        Scan(program(f64(3), f64(3), write=lambda c, x: [c + x * x, c * x]), 0, 1, 4),
        xs.b and Term(xs.b, xs.b.emit(_zeros(3))), xs,
    ),
)  # fmt: skip
