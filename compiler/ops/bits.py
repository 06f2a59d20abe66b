"""Ops on bits: logic on booleans and integers, shifts, counts, and reading bits as another dtype.

None has a derivative. A shift by the width or more gives 0 (or all sign bits for the arithmetic
shift right), where C leaves it open; so does a negative shift, whose bits are a large number.
"""

from __future__ import annotations

from collections.abc import Sequence

from verax.compiler.ir.dtypes import ALL, DType, int4, uint4
from verax.compiler.ir.errors import DTypeError
from verax.compiler.ir.op import Emitter, no_tangent, not_linear
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.pointwise import BITS, INTEGER, Elementwise, Pointwise, define

NOT: Pointwise = define("not", "stablehlo.not", 1, BITS, None)
AND: Pointwise = define("and", "stablehlo.and", 2, BITS, None)
OR: Pointwise = define("or", "stablehlo.or", 2, BITS, None)
XOR: Pointwise = define("xor", "stablehlo.xor", 2, BITS, None)
SHIFT_LEFT: Pointwise = define("shift_left", "stablehlo.shift_left", 2, INTEGER, None)
SHIFT_RIGHT_ARITHMETIC: Pointwise = define(
    "shift_right_arithmetic", "stablehlo.shift_right_arithmetic", 2, INTEGER, None
)
SHIFT_RIGHT_LOGICAL: Pointwise = define(
    "shift_right_logical", "stablehlo.shift_right_logical", 2, INTEGER, None
)
POPCNT: Pointwise = define(
    "popcnt", "stablehlo.popcnt", 1, INTEGER, None,
    write=lambda e, xs, xts, yt: write_popcnt(e, xs[0], yt),
)  # fmt: skip
CLZ: Pointwise = define("clz", "stablehlo.count_leading_zeros", 1, INTEGER, None)


def write_popcnt(e: Emitter, x: str, t: ArrayType) -> str:
    """XLA counts the sign bits of a whole byte in a negative int4: count those of the uint4."""
    if t.dtype is not int4:
        return e.op(f"stablehlo.popcnt {x} : {t.mlir}")
    u = ArrayType(t.shape, uint4)
    word = write_bitcast(e, x, t, u)
    return write_bitcast(e, e.op(f"stablehlo.popcnt {word} : {u.mlir}"), u, t)


def write_bitcast(e: Emitter, x: str, t: ArrayType, to: ArrayType) -> str:
    return e.op(f"stablehlo.bitcast_convert {x} : ({t.mlir}) -> {to.mlir}")


def _plain(bits: int) -> list[DType]:
    """The integers and real floating point of this width."""
    return [d for d in ALL if d.bits == bits and not d.is_bool and not d.is_complex]


class Bitcast(Elementwise, name="bitcast"):
    """The same bits read as another dtype of the same width."""

    to: DType

    def dtype(self, *ts: ArrayType) -> DType:
        source = ts[0].dtype
        for dtype in (source, self.to):
            if dtype.is_bool or dtype.is_complex:
                raise DTypeError(
                    f"bitcast takes integers and real floating point, not {dtype}",
                    fix="x.astype(vx.uint8)" if dtype.is_bool else "bitcast x.real and x.imag",
                )
        if source.bits != self.to.bits:
            raise DTypeError(
                f"bitcast keeps the width: {source} has {source.bits} bits, "
                f"{self.to} has {self.to.bits}",
                fix=f"take one of {source.bits} bits: " + ", ".join(map(str, _plain(source.bits))),
            )
        return self.to

    tangent = no_tangent
    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if xts[0] is yts[0]:
            return [xs[0]]
        return [write_bitcast(e, xs[0], xts[0], yts[0])]
