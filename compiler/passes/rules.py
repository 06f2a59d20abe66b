"""The rules of ``simplify``: what an equation becomes, given where its operands come from.

A rule gets the rewriter, the op and its operands, and returns a slot that holds the same value, or
None. It may write further equations, which are simplified in turn. Rules hold for every dtype that
the op takes, NaN and infinities included; only the sign of a zero is not kept (``x + 0.0`` is x).

Law: each rule gives what the op gives, element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Builder, Equation
from verax.compiler.ir.sizes import product
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import MAX, MIN
from verax.compiler.ops.bits import AND, NOT, OR
from verax.compiler.ops.contract import Contract, canonical
from verax.compiler.ops.layout import Reshape, Reverse
from verax.compiler.ops.masked import Masked
from verax.compiler.ops.pointwise import (
    ADD,
    DIV,
    MUL,
    NEG,
    SELECT,
    SUB,
    Compare,
    Constant,
    Convert,
    Pointwise,
    Select,
    splat,
)
from verax.compiler.ops.policies import Named
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.slicing import Concatenate, DynamicSlice, Pad, Slice
from verax.compiler.passes.constants import fold, lossless, repeated_sum

Rule: TypeAlias = Callable[["Rewriter", Op, Sequence[int]], int | None]


class Rewriter:
    """A builder that simplifies what is written into it."""

    __slots__ = ("b", "made", "seen")

    def __init__(self) -> None:
        self.b = Builder()
        self.made: dict[int, Equation] = {}  # first result -> equation
        self.seen = 0

    def emit(self, op: Op, *xs: int) -> int:
        """The first result of op on these slots, or of what it simplifies to."""
        for rule in RULES.get(type(op), ()):
            y = rule(self, op, xs)
            if y is not None:
                return y
        first = self.b.emit(op, *xs)
        equations = self.b.equations
        if len(equations) > self.seen:
            for eq in equations[self.seen :]:
                self.made[eq.first] = eq
            self.seen = len(equations)
        return first

    def array(self, x: int) -> ArrayType:
        """The type of slot x, which must be an array."""
        return cast(ArrayType, self.b.types[x])

    def constant(self, x: int) -> Constant | None:
        """The constant that slot x is, or None."""
        eq = self.made.get(x)
        return eq.op if eq is not None and isinstance(eq.op, Constant) else None

    def is_constant(self, x: int, value: complex) -> bool:
        """Whether slot x is this constant."""
        c = self.constant(x)
        return c is not None and c.value == value

    def argument(self, x: int, op: Op) -> int | None:
        """The operand of the one-operand equation that gives x, if its op is this one."""
        eq = self.made.get(x)
        return eq.operands[0] if eq is not None and eq.op is op else None

    def given_by(self, x: int, kind: type[Op]) -> Equation | None:
        """The equation that gives x, if its op is of this class."""
        eq = self.made.get(x)
        return eq if eq is not None and isinstance(eq.op, kind) else None


# constants ---------------------------------------------------------------------------------------


def fold_constants(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """``2 * 3 -> 6``"""
    operands = []
    for x in xs:
        c = r.constant(x)
        if c is None:
            return None
        operands.append(c)
    c = fold(op, operands, _result(op, [c.type for c in operands]))
    return None if c is None else r.emit(c)


def move_constant(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """A part or another shape of a splat is a splat."""
    c = r.constant(xs[0])
    if c is None:
        return None
    return r.emit(Constant(c.value, _result(op, [r.array(x) for x in xs])))


def join_constants(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """The concatenation of equal splats is a splat."""
    values = {repr(c.value) for x in xs if (c := r.constant(x)) is not None}
    if len(values) != 1 or any(r.constant(x) is None for x in xs):
        return None
    return move_constant(r, op, xs)


def _result(op: Op, ts: Sequence[Type]) -> ArrayType:
    return cast(ArrayType, op.infer(tuple(ts))[0])


# pointwise ---------------------------------------------------------------------------------------


def identities(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """The table of what single functions do on neutral and equal operands."""
    rule = _IDENTITIES.get(op)
    return None if rule is None else rule(r, *xs)


def _add(r: Rewriter, x: int, y: int) -> int | None:
    if r.is_constant(y, 0):
        return x
    if r.is_constant(x, 0):
        return y
    if (z := r.argument(y, NEG)) is not None:
        return r.emit(SUB, x, z)
    if (z := r.argument(x, NEG)) is not None:
        return r.emit(SUB, y, z)
    return None


def _sub(r: Rewriter, x: int, y: int) -> int | None:
    if r.is_constant(y, 0):
        return x
    if r.is_constant(x, 0):
        return r.emit(NEG, y)
    if (z := r.argument(y, NEG)) is not None:
        return r.emit(ADD, x, z)
    if x == y and r.array(x).dtype.is_integer:
        return r.emit(splat(0, r.array(x)))
    return None


def _mul(r: Rewriter, x: int, y: int) -> int | None:
    for u, v in ((x, y), (y, x)):
        if r.is_constant(v, 1):
            return u
        if r.is_constant(v, -1) and not r.array(u).dtype.is_complex:
            return r.emit(NEG, u)
        if r.is_constant(v, 0) and r.array(v).dtype.kind in ("int", "uint", "bool"):
            return v
    return None


def _div(r: Rewriter, x: int, y: int) -> int | None:
    return x if r.is_constant(y, 1) else None


def _neg(r: Rewriter, x: int) -> int | None:
    return r.argument(x, NEG)


def _not(r: Rewriter, x: int) -> int | None:
    return r.argument(x, NOT)


def _same(r: Rewriter, x: int, y: int) -> int | None:
    return x if x == y else None


def _and(r: Rewriter, x: int, y: int) -> int | None:
    return _logical(r, x, y, True)


def _or(r: Rewriter, x: int, y: int) -> int | None:
    return _logical(r, x, y, False)


def _logical(r: Rewriter, x: int, y: int, neutral: bool) -> int | None:
    if x == y:
        return x
    if r.array(x).dtype.is_bool:
        for u, v in ((x, y), (y, x)):
            if r.is_constant(v, neutral):
                return u
            if r.is_constant(v, not neutral):
                return v
    return None


_IDENTITIES: dict[Op, Callable[..., int | None]] = {
    ADD: _add, SUB: _sub, MUL: _mul, DIV: _div, NEG: _neg,
    NOT: _not, AND: _and, OR: _or, MAX: _same, MIN: _same,
}  # fmt: skip


def select(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """``select(True, x, y) -> x``, ``select(p, x, x) -> x``, ``select(not p, x, y)`` turned."""
    p, x, y = xs
    if x == y:
        return x
    c = r.constant(p)
    if c is not None:
        return x if c.value else y
    q = r.argument(p, NOT)
    return None if q is None else r.emit(op, q, y, x)


def masked(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """What it computes, now that derivatives have been taken: a select, or nothing."""
    return xs[1] if xs[1] == xs[2] else r.emit(SELECT, *xs)


def convert(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """To the same dtype nothing; after a conversion that loses nothing, straight from before it."""
    assert isinstance(op, Convert)
    (x,) = xs
    if r.array(x).dtype is op.to:
        return x
    inner = r.given_by(x, Convert)
    if inner is not None:
        source, middle = r.array(inner.operands[0]).dtype, r.array(x).dtype
        wraps = source.is_integer and op.to.is_integer  # from a float it would clamp
        if lossless(source, middle) and (not wraps or middle.is_integer or lossless(source, op.to)):
            return r.emit(op, inner.operands[0])
    return None


# layout ------------------------------------------------------------------------------------------


def reshape(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """To the same shape nothing; of a reshape, the last one."""
    assert isinstance(op, Reshape)
    if r.array(xs[0]).shape == op.shape:
        return xs[0]
    inner = r.given_by(xs[0], Reshape)
    return None if inner is None else r.emit(op, inner.operands[0])


def undo(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """What is its own inverse, twice; and along no axis, nothing."""
    assert isinstance(op, Reverse)
    return r.argument(xs[0], op) if op.axes else xs[0]


def slice_of_all(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """A slice of the operand's type takes all of it."""
    t = r.array(xs[0])
    return xs[0] if _result(op, [t]) is t else None


def pad_with_nothing(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """A pad that adds, crops and inserts nothing."""
    assert isinstance(op, Pad)
    return xs[0] if all(part in (None, (0, 0, 0)) for part in op.parts) else None


def key_data(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """The words of keys made from words."""
    inner = r.given_by(xs[0], KeyWrap)
    return None if inner is None else inner.operands[0]


def key_wrap(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """Keys from the words of keys."""
    inner = r.given_by(xs[0], KeyData)
    if inner is None or op.infer((r.b.types[xs[0]],)) != (r.b.types[inner.operands[0]],):
        return None
    return inner.operands[0]


def unnamed(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """A name says nothing once no policy asks for it."""
    return xs[0]


# contract ----------------------------------------------------------------------------------------


def contract(r: Rewriter, op: Op, xs: Sequence[int]) -> int | None:
    """Nothing done, a splat, or another contraction that only moves: one op, or none."""
    assert isinstance(op, Contract)
    if len(xs) == 1:
        t = r.array(xs[0])
        if op.out == op.ins[0] and op.out_dtype in (None, t.dtype):
            return xs[0]
        c = r.constant(xs[0])
        if c is not None:
            return _contract_constant(r, op, c)
    for k, x in enumerate(xs):
        inner = r.given_by(x, Contract)
        if inner is not None:
            composed = _compose(op, k, cast(Contract, inner.op), r.array(x))
            if composed is not None:
                return r.emit(composed, *[inner.operands[0] if i == k else y
                                          for i, y in enumerate(xs)])  # fmt: skip
    return None


def _contract_constant(r: Rewriter, op: Contract, c: Constant) -> int | None:
    t = _result(op, [c.type])
    if t.dtype is not c.type.dtype:
        return None
    summed = [n for f, n in zip(op.ins[0], c.type.shape) if f not in op.out]
    if not summed:
        return r.emit(Constant(c.value, t))
    total = repeated_sum(c, product(summed), t)
    return None if total is None else r.emit(total)


def _compose(outer: Contract, k: int, inner: Contract, t: ArrayType) -> Contract | None:
    """outer with inner's operand in place of operand k (of type t), if inner sums nothing.

    A dimension that inner repeats must stand on the result: otherwise the sum would change.
    """
    moves = len(inner.ins) == 1 and set(inner.ins[0]) <= set(inner.out)
    if not moves or inner.out_dtype not in (None, t.dtype):
        return None
    label = dict(zip(inner.out, outer.ins[k]))
    repeated = [label[f] for f, _ in inner.sizes]
    if any(f not in outer.out for f in repeated):
        return None
    ins = tuple(
        tuple([label[f] for f in inner.ins[0]]) if i == k else labels
        for i, labels in enumerate(outer.ins)
    )
    told = {f for labels in ins for f in labels}
    sizes = dict(outer.sizes)
    sizes.update((label[f], n) for f, n in inner.sizes if label[f] not in told)
    return canonical(ins, outer.out, sizes.items(), outer.out_dtype)


RULES: dict[type[Op], tuple[Rule, ...]] = {
    Pointwise: (identities, fold_constants),
    Compare: (fold_constants,),
    Convert: (convert, fold_constants),
    Select: (select,),
    Masked: (masked,),
    Reshape: (reshape, move_constant),
    Reverse: (undo, move_constant),
    Slice: (slice_of_all, move_constant),
    DynamicSlice: (move_constant,),
    Pad: (pad_with_nothing,),
    Concatenate: (join_constants,),
    Contract: (contract,),
    Named: (unnamed,),
    KeyData: (key_data,),
    KeyWrap: (key_wrap,),
}
