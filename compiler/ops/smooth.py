"""Functions that are computed by cases, but are smooth: one formula is their derivative.

Differentiating the cases would lose the second derivative on the line where they meet (softplus at
0 is where networks start), and would meet ``0 * inf`` at the edges. So each is an op of its own,
written out when it is lowered.

Law: the derivative of any order is that of the formula in the docstring, also where cases meet.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.dtypes import bool_
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.functions import LOG, LOG1P, LOGISTIC
from verax.compiler.ops.pointwise import REAL, Pointwise, Term, define


class Writer:
    """Writes StableHLO on values of one floating type."""

    def __init__(self, e: Emitter, t: ArrayType) -> None:
        self.e, self.t = e, t

    def op(self, name: str, *xs: str) -> str:
        return self.e.op(f"stablehlo.{name} {', '.join(xs)} : {self.t.mlir}")

    def zero(self) -> str:
        return self.e.constant(0, self.t)

    def zero_where_equal(self, x: str, y: str, other: str) -> str:
        """0 where x == y, else the other value."""
        t, mask = self.t.mlir, ArrayType(self.t.shape, bool_).mlir
        equal = self.e.op(f"stablehlo.compare EQ, {x}, {y}, FLOAT : ({t}, {t}) -> {mask}")
        return self.e.op(f"stablehlo.select {equal}, {self.zero()}, {other} : {mask}, {t}")


def write_log_add_exp(e: Emitter, xs: Sequence[str], ts: Sequence[ArrayType], t: ArrayType) -> str:
    """The greater one, plus ``log1p(exp(-gap))``; equal infinities have no gap."""
    (x, y), w = xs, Writer(e, t)
    gap = w.zero_where_equal(x, y, w.op("subtract", x, y))
    small = w.op("exponential", w.op("negate", w.op("abs", gap)))
    return w.op("add", w.op("maximum", x, y), w.op("log_plus_one", small))


def write_x_log_y(e: Emitter, xs: Sequence[str], ts: Sequence[ArrayType], t: ArrayType) -> str:
    (x, y), w = xs, Writer(e, t)
    return w.zero_where_equal(x, w.zero(), w.op("multiply", x, w.op("log", y)))


def write_x_log1p_y(e: Emitter, xs: Sequence[str], ts: Sequence[ArrayType], t: ArrayType) -> str:
    (x, y), w = xs, Writer(e, t)
    return w.zero_where_equal(x, w.zero(), w.op("multiply", x, w.op("log_plus_one", y)))


def share(u: Term, v: Term) -> Term:
    """``exp(u) / (exp(u) + exp(v))``; equal infinities share alike."""
    gap = u - v
    return gap.eq(gap).where(gap, 0).apply(LOGISTIC)


def ratio(x: Term, y: Term) -> Term:
    """``x / y``, and 0 where x is 0."""
    none = x.eq(0)
    return none.where(0, x / none.where(1, y))


LOG_ADD_EXP: Pointwise = define(
    "log_add_exp", "", 2, REAL,
    [lambda t, z, x, y: t * share(x, y), lambda t, z, x, y: t * share(y, x)],
    write=write_log_add_exp,
)  # fmt: skip
"""``log(exp(x) + exp(y))``"""

X_LOG_Y: Pointwise = define(
    "x_log_y", "", 2, REAL,
    [lambda t, z, x, y: t * y.apply(LOG), lambda t, z, x, y: t * ratio(x, y)],
    write=write_x_log_y,
    safe=(None, 1),
)  # fmt: skip
"""``x * log(y)``, and 0 where x is 0."""

X_LOG1P_Y: Pointwise = define(
    "x_log1p_y", "", 2, REAL,
    [lambda t, z, x, y: t * y.apply(LOG1P), lambda t, z, x, y: t * ratio(x, y + 1)],
    write=write_x_log1p_y,
    safe=(None, 0),
)  # fmt: skip
"""``x * log1p(y)``, and 0 where x is 0."""
