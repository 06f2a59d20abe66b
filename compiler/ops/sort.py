"""Sort: several operands by the lexicographic order of the first ones, stably.

The order is NumPy's: -0 equals 0, and NaN stands last; complex numbers are ordered by the real part
and then the imaginary one, those with a NaN after the others. A key that descends is in the reverse
order, NaN first, and equal elements still in their own. The derivative is a gather by the
permutation, which is sorted along with the operands.

Law: the result is one permutation of all operands. XLA is fast only where it compares plain
integers, so a key becomes integers of 32 bits, each of which is sorted together with its place in
one integer of 64: the least significant first, as in a radix sort. An array that is sorted alone
needs no places, and is sorted by its bits: there -0 comes before 0, and a NaN loses its sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from verax.compiler.ir.dtypes import (
    DType,
    int8,
    int16,
    int32,
    int64,
    uint32,
    uint64,
)
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    not_linear,
    same_locally,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import IMAG, REAL
from verax.compiler.ops.bits import AND, OR, SHIFT_LEFT, SHIFT_RIGHT_ARITHMETIC, XOR, Bitcast
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.indexing import take_along
from verax.compiler.ops.layout import Iota, within
from verax.compiler.ops.places import greatest, move
from verax.compiler.ops.pointwise import Compare, Term

_LOW = (1 << 32) - 1  # the bits of a place
SIGNED: Mapping[int, DType] = {8: int8, 16: int16, 32: int32, 64: int64}


class Sort(Op, name="sort"):
    """The operands, of one shape, reordered along ``axis`` so that the keys ascend.

    Args:
        axis: along which dimension.
        n_keys: how many of the operands, the first ones, are compared.
        descending: which of the keys descend.
    """

    axis: int
    n_keys: int
    descending: tuple[int, ...] = ()
    aligned = True

    def factors(self, *shapes: Shape) -> Factors:
        if not 1 <= self.n_keys <= len(shapes):
            raise ShapeError(f"sort by {self.n_keys} keys takes as many operands or more")
        within(self.name, (self.axis,), shapes[0])
        dims = tuple((i,) for i in range(len(shapes[0])))
        return Factors((dims,) * len(shapes), (dims,) * len(shapes), whole=frozenset({self.axis}))

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        super().types(*ts)
        return ts

    local = same_locally

    def jvp(
        self, b: Builder, xs: Slots, ts: MaybeSlots, again: Again
    ) -> tuple[Sequence[int], MaybeSlots]:
        shape = b.types[xs[0]].shape
        places = b.emit(broadcast(shape, (self.axis,)), b.emit(Iota(shape[self.axis], int32)))
        *ys, order = b.emit_all(self, *xs, places)
        return ys, [None if t is None else take_along(b, t, order, self.axis) for t in ts]

    transpose = not_linear

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return b.emit_all(Sort(self.axis + 1, self.n_keys, self.descending), *xs), [True] * len(xs)

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if cast(int, xts[0].shape[self.axis]) < 2:
            return list(xs)
        alone = len(xs) == 1 and not xts[0].dtype.is_complex
        if alone and not xts[0].dtype.is_float:
            return [_lower_integers(e, xs[0], xts[0], self.axis, bool(self.descending))]
        rule = _by_bits if alone else _by_places
        return e.inline(rule(self, tuple(xts)), xs)


def _lower_integers(e: Emitter, x: str, t: ArrayType, axis: int, descending: bool) -> str:
    scalar = ArrayType((), t.dtype)
    sign = "SIGNED" if t.dtype.kind == "int" else "UNSIGNED"

    def before(args: list[str]) -> list[str]:
        types = f"({scalar.mlir}, {scalar.mlir}) -> tensor<i1>"
        direction = "GT" if descending else "LT"
        return [e.op(f"stablehlo.compare {direction}, {args[0]}, {args[1]}, {sign} : {types}")]

    return e.op(
        f'"stablehlo.sort"({x}) <{{dimension = {axis} : i64, is_stable = true}}> '
        f"({e.block([scalar, scalar], before)}) : ({t.mlir}) -> {t.mlir}"
    )


@lru_cache(1024)
def _by_bits(op: Sort, ts: tuple[ArrayType, ...]) -> Program:
    """Sort one array of floats as integers of the same order."""
    b = Builder()
    x = Term(b, b.input(ts[0]))
    ordered = x.eq(x).where(in_order(x), greatest(SIGNED[ts[0].dtype.bits]))
    y = flipped(ordered.apply(op))
    return b.finish([y.apply(Bitcast(ts[0].dtype)).slot])


@lru_cache(1024)
def _by_places(op: Sort, ts: tuple[ArrayType, ...]) -> Program:
    """Sort by integers that hold a word of the key and a place; then gather the operands."""
    b = Builder()
    ins = [b.input(t) for t in ts]
    last = ts[0].ndim - 1
    rows = [move(b, x, op.axis, last) for x in ins]
    words = []
    for k, x in enumerate(rows[: op.n_keys]):
        turned = k in op.descending
        words += [w.apply(XOR, -1) if turned else w for w in words_of(Term(b, x))]
    order: int | None = None
    for word in reversed(words):
        order = _sorted_places(b, word, order)
    assert order is not None
    return b.finish([move(b, take_along(b, x, order, last), last, op.axis) for x in rows])


def _sorted_places(b: Builder, word: Term, order: int | None) -> int:
    """The places, stably sorted by a word; ``order`` is how they lie so far."""
    shape = word.type.shape
    last, n = len(shape) - 1, cast(int, shape[-1])
    if order is not None:
        word = Term(b, take_along(b, word.slot, order, last))
    place = Term(b, b.emit(broadcast(shape, (last,)), b.emit(Iota(n, int64))))
    packed = word.apply(SHIFT_LEFT, 32).apply(OR, place).apply(Sort(last, 1))
    places = packed.apply(AND, _LOW).to(int32 if n <= greatest(int32) else int64)
    return places.slot if order is None else take_along(b, order, places.slot, last)


def words_of(x: Term) -> list[Term]:
    """int64 arrays of 32-bit integers, most significant first, that are ordered as x is."""
    dtype = x.type.dtype
    if dtype.is_complex:
        re, im = x.apply(REAL), x.apply(IMAG)
        nan_re, nan_im = (part.apply(Compare("NE"), part).to(int64) for part in (re, im))
        return [nan_re * 2 + nan_im, *words_of(re), *words_of(im)]
    if dtype.is_float:
        return words_of(order_key(x))
    if dtype is uint64:
        x = x.apply(XOR, 1 << 63).apply(Bitcast(int64))
    if dtype in (int64, uint64):
        low = x.apply(AND, _LOW) - (1 << 31)
        return [x.apply(SHIFT_RIGHT_ARITHMETIC, 32), low]
    wide = x.to(int64)
    return [wide - (1 << 31) if dtype is uint32 else wide]


def order_key(x: Term) -> Term:
    """Signed integers of the width of the floats x, ordered as they are."""
    bits = in_order(x)  # as yet, -0 is -1, and NaN anywhere
    return x.eq(x).where(bits.eq(-1).where(0, bits), greatest(bits.type.dtype))


def in_order(x: Term) -> Term:
    """The bits of a float as a signed integer that is ordered as x is; -0 is -1, next to 0.

    Comparing x itself would not do: to XLA's CPU the least magnitudes (denormals) equal 0.
    """
    return flipped(x.apply(Bitcast(SIGNED[x.type.dtype.bits])))


def flipped(bits: Term) -> Term:
    """The order of the negative ones reversed; its own inverse."""
    return bits.lt(0).where(bits.apply(XOR, greatest(bits.type.dtype)), bits)
