"""Pointwise ops: the machinery, constants, and the arithmetic that other rules are written with.

A function of scalars is one entry of a table: its StableHLO name, the dtypes it takes, and per
operand its derivative, written with ``Term`` (a slot with operators), so that the rule reads as the
formula. The tables stand in arithmetic.py, functions.py and bits.py; here is what the rest needs.

Law: dimension i of the result is dimension i of every operand. Operands have one shape and one
dtype: broadcasting and promotion are the language's, not the op's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeAlias, cast

from verax.compiler.ir.dtypes import DType, bool_, real_of
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.op import (
    SPELLINGS,
    Again,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    no_tangent,
    not_linear,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.kinds import check_kind

REAL = ("float",)
INEXACT = ("float", "complex")
ORDERED = ("bool", "int", "uint", "float")
NUMERIC = ("int", "uint", "float", "complex")
INTEGER = ("int", "uint")
BITS = ("bool", "int", "uint")
ANY = ("bool", "int", "uint", "float", "complex")


class Elementwise(Op):
    """What all pointwise ops share: dimensions, batch and local form."""

    aligned = True

    def factors(self, *shapes: Shape) -> Factors:
        dims = tuple([(i,) for i in range(len(shapes[0]))])
        return Factors((dims,) * len(shapes), (dims,))

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        if any(t.shape != ts[0].shape for t in ts):
            raise ShapeError(
                f"{self.name} takes operands of one shape, got "
                + ", ".join(show_shape(t.shape) for t in ts)
            )
        return (ArrayType(ts[0].shape, self.dtype(*ts)),)

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self, *xs)], [True]

    local = same_locally


class Term:
    """A slot of an open builder, with operators; Python numbers become constants of its type."""

    __slots__ = ("b", "slot")
    b: Builder
    slot: int

    def __init__(self, b: Builder, slot: int) -> None:
        self.b, self.slot = b, slot

    @property
    def type(self) -> ArrayType:
        return cast(ArrayType, self.b.types[self.slot])

    def apply(self, op: Op, *others: Number) -> Self:
        """op of this term and the others."""
        b = self.b
        return type(self)(b, b.emit(op, self.slot, *map(self.slot_of, others)))

    def slot_of(self, x: Number) -> int:
        return x.slot if isinstance(x, Term) else fill(self.b, x, self.slot)

    def like(self, value: bool | int | float | complex) -> Self:
        """A constant of this term's type."""
        return type(self)(self.b, fill(self.b, value, self.slot))

    def __neg__(self) -> Self:
        return self.apply(NEG)

    def __add__(self, o: Number) -> Self:
        return self.apply(ADD, o)

    def __sub__(self, o: Number) -> Self:
        return self.apply(SUB, o)

    def __mul__(self, o: Number) -> Self:
        return self.apply(MUL, o)

    def __truediv__(self, o: Number) -> Self:
        return self.apply(DIV, o)

    def __radd__(self, o: float) -> Self:
        return self.like(o) + self

    def __rsub__(self, o: float) -> Self:
        return self.like(o) - self

    def __rmul__(self, o: float) -> Self:
        return self.like(o) * self

    def __rtruediv__(self, o: float) -> Self:
        return self.like(o) / self

    def lt(self, o: Number) -> Self:
        return self.apply(Compare("LT"), o)

    def le(self, o: Number) -> Self:
        return self.apply(Compare("LE"), o)

    def gt(self, o: Number) -> Self:
        return self.apply(Compare("GT"), o)

    def ge(self, o: Number) -> Self:
        return self.apply(Compare("GE"), o)

    def eq(self, o: Number) -> Self:
        return self.apply(Compare("EQ"), o)

    def where(self, x: Number, y: Number) -> Self:
        """x where this boolean term holds, else y; one of them is a term."""
        like = x if isinstance(x, Term) else y
        assert isinstance(like, Term)
        return self.apply(SELECT, *[v if isinstance(v, Term) else like.like(v) for v in (x, y)])

    def to(self, dtype: DType) -> Self:
        return self if self.type.dtype is dtype else self.apply(Convert(dtype))


Number: TypeAlias = Term | bool | int | float | complex
Rule: TypeAlias = Callable[..., Term | None]
"""Tangent rules take (tangent, result, *operands), pullbacks (cotangent, *operands).

A tangent rule gives None where the derivative is zero for this dtype; a pullback never does.
"""
Writer: TypeAlias = Callable[[Emitter, Sequence[str], Sequence[ArrayType], ArrayType], str]
"""Writes the lowering of a function that is no single operation; gives the name of the result."""


class Entry(NamedTuple):
    """One function of scalars."""

    hlo: str
    arity: int
    takes: tuple[str, ...]
    tangents: tuple[Rule | None, ...] | None
    linear: tuple[frozenset[int], ...]
    pullbacks: tuple[Rule | None, ...]
    result: Callable[[DType], DType]
    write: Writer | None
    safe: tuple[float | None, ...]


TABLE: dict[str, Entry] = {}


class Pointwise(Elementwise, name="pointwise"):
    """A function of scalars, applied to each element; ``fn`` names its entry in the table."""

    fn: str

    @property
    def entry(self) -> Entry:
        return TABLE[self.fn]

    def types(self, *ts: ArrayType) -> tuple[Type, ...]:
        if len(ts) != self.entry.arity:
            raise ShapeError(f"{self.fn} takes {self.entry.arity} operands, got {len(ts)}")
        if any(t.shape != ts[0].shape for t in ts):
            shapes = ", ".join(show_shape(t.shape) for t in ts)
            raise ShapeError(f"{self.fn} takes operands of one shape, got {shapes}")
        return (ArrayType(ts[0].shape, self.dtype(*ts)),)

    def dtype(self, *ts: ArrayType) -> DType:
        entry = self.entry
        one_dtype(self.fn, ts)
        check_kind(self.fn, entry.takes, ts[0])
        return entry.result(ts[0].dtype)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        rules = self.entry.tangents
        if rules is None or not has_tangent(b.types[ys[0]]):
            return [None]
        y, operands = Term(b, ys[0]), [Term(b, x) for x in xs]
        out: Term | None = None
        for t, rule in zip(ts, rules):
            if t is not None and rule is not None:
                d = rule(Term(b, t), y, *operands)
                if d is not None:
                    out = d if out is None else out + d
        return [None if out is None else out.slot]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return self.entry.linear

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        ct = cts[0]
        assert ct is not None
        cotangent, operands = Term(b, ct), [None if x is None else Term(b, x) for x in xs]
        out: list[int | None] = []
        for x, rule in zip(xs, self.entry.pullbacks):
            if x is None:
                assert rule is not None, f"{self.fn} is declared linear without a pullback"
                back = rule(cotangent, *operands)
                assert back is not None, f"the pullback of {self.fn} gives nothing"
                out.append(back.slot)
            else:
                out.append(None)
        return out

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        entry = self.entry
        if entry.write is not None:
            return [entry.write(e, xs, xts, yts[0])]
        return [e.op(write_call(entry.hlo, xs, xts, yts[0]))]

    def __repr__(self) -> str:
        return self.fn


def write_call(hlo: str, xs: Sequence[str], xts: Sequence[ArrayType], yt: ArrayType) -> str:
    """The text of a pointwise operation; CHLO spells every type, StableHLO one if all are equal."""
    operands = ", ".join(xs)
    if hlo.startswith("chlo."):
        return f"{hlo} {operands} : {', '.join(t.mlir for t in xts)} -> {yt.mlir}"
    if all(t is yt for t in xts):
        return f"{hlo} {operands} : {yt.mlir}"
    return f"{hlo} {operands} : ({', '.join(t.mlir for t in xts)}) -> {yt.mlir}"


def one_dtype(name: str, ts: Sequence[ArrayType]) -> None:
    """Raise unless all operands have one dtype."""
    if any(t.dtype is not ts[0].dtype for t in ts):
        raise DTypeError(
            f"{name} takes operands of one dtype, got " + ", ".join(t.dtype.name for t in ts),
            fix=f"convert the others first: x.astype(vx.{ts[0].dtype})",
        )


def same(dtype: DType) -> DType:
    return dtype


def to_bool(dtype: DType) -> DType:
    return bool_


def define(
    fn: str,
    hlo: str,
    arity: int,
    takes: tuple[str, ...],
    tangents: Sequence[Rule | None] | None,
    *,
    linear: Sequence[set[int]] = (),
    pullbacks: Sequence[Rule | None] = (),
    result: Callable[[DType], DType] = same,
    write: Writer | None = None,
    safe: Sequence[float | None] = (),
) -> Pointwise:
    """Add an entry to the table and return its op.

    Args:
        tangents: per operand its rule, or None where its derivative is zero; None altogether where
            the function is piecewise constant or takes no floating point.
        linear: the sets of operands in which it is jointly linear; each needs its ``pullbacks``.
        write: the lowering, where one operation ``hlo`` is not enough (or not for all dtypes).
        safe: of a function that is infinite or undefined somewhere, or whose derivative is: per
            operand a value at which nothing is (None: the others' safe values suffice).

    Raises:
        TypeError: the entry lacks a part of its story, or stands in the table already.
    """
    if fn in TABLE:
        raise TypeError(f"two functions are called {fn}")
    if tangents is not None and len(tangents) != arity:
        raise TypeError(f"{fn} takes {arity} operands but has {len(tangents)} tangent rules")
    for i in {i for operands in linear for i in operands}:
        if i >= len(pullbacks) or pullbacks[i] is None:
            raise TypeError(f"{fn} is linear in operand {i} but has no pullback for it")
    TABLE[fn] = Entry(
        hlo,
        arity,
        takes,
        None if tangents is None else tuple(tangents),
        tuple(frozenset(operands) for operands in linear),
        tuple(pullbacks),
        result,
        write,
        tuple(safe),
    )
    op = SPELLINGS[fn] = Pointwise(fn)
    return op


NEG = define(
    "neg", "stablehlo.negate", 1, NUMERIC,
    [lambda t, y, x: -t],
    linear=[{0}], pullbacks=[lambda ct, x: -ct],
)  # fmt: skip
ADD = define(
    "add", "stablehlo.add", 2, ANY,
    [lambda t, y, u, v: t, lambda t, y, u, v: t],
    linear=[{0, 1}], pullbacks=[lambda ct, u, v: ct, lambda ct, u, v: ct],
)  # fmt: skip
SUB = define(
    "sub", "stablehlo.subtract", 2, NUMERIC,
    [lambda t, y, u, v: t, lambda t, y, u, v: -t],
    linear=[{0, 1}], pullbacks=[lambda ct, u, v: ct, lambda ct, u, v: -ct],
)  # fmt: skip
MUL = define(
    "mul", "stablehlo.multiply", 2, ANY,
    [lambda t, y, u, v: t * v, lambda t, y, u, v: u * t],
    linear=[{0}, {1}], pullbacks=[lambda ct, u, v: ct * v, lambda ct, u, v: u * ct],
)  # fmt: skip


def divided(hlo: str) -> Writer:
    """Division that is total on integers: by zero the quotient is -1 (all bits), the remainder x.

    That is what XLA computes at run time; its constant folding divides on the host, where an
    integer division by zero ends the process, so the divisor is made safe first.
    """

    def write(e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yt: ArrayType) -> str:
        if not yt.dtype.is_integer:
            return e.op(write_call(hlo, xs, xts, yt))
        x, y = xs
        mask = ArrayType(yt.shape, bool_)
        kind = "SIGNED" if yt.dtype.kind == "int" else "UNSIGNED"
        zero, one = e.constant(0, yt), e.constant(1, yt)
        by_zero = e.op(
            f"stablehlo.compare EQ, {y}, {zero}, {kind} : ({yt.mlir}, {yt.mlir}) -> {mask.mlir}"
        )
        safe = e.op(f"stablehlo.select {by_zero}, {one}, {y} : {mask.mlir}, {yt.mlir}")
        out = e.op(write_call(hlo, [x, safe], xts, yt))
        ones = -1 if yt.dtype.kind == "int" else (1 << yt.dtype.bits) - 1
        at_zero = e.constant(ones, yt) if hlo == "stablehlo.divide" else x
        return e.op(f"stablehlo.select {by_zero}, {at_zero}, {out} : {mask.mlir}, {yt.mlir}")

    return write


DIV = define(
    "div", "stablehlo.divide", 2, NUMERIC,
    [lambda t, y, u, v: t / v, lambda t, y, u, v: -(t * (y / v))],
    linear=[{0}], pullbacks=[lambda ct, u, v: ct / v, None],
    write=divided("stablehlo.divide"), safe=(None, 1),
)  # fmt: skip


class Constant(Op, name="constant"):
    """A splat: one value, repeated. Never a residual, never mapped, never communicated."""

    value: bool | int | float | complex
    type: ArrayType

    @classmethod
    def key(cls, args: tuple[Any, ...]) -> Any:
        value = args[0]  # 0.0 and -0.0 are equal, nan is not itself: compare their spelling
        return type(value), repr(value), args[1]

    def types(self, *ts: Type) -> tuple[Type, ...]:
        return (self.type,)

    def factors(self, *shapes: Shape) -> Factors:
        dims = tuple((i,) for i in range(self.type.ndim))
        return Factors((), (dims,), sizes=dict(enumerate(self.type.shape)))

    tangent = no_tangent
    transpose = not_linear

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self)], [False]

    def local(
        self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]
    ) -> Constant:
        return Constant(self.value, cast(ArrayType, yts[0]))

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.constant(self.value, yts[0])]


class Convert(Elementwise, name="convert"):
    """The value in another dtype; to bool it is ``x != 0``, from complex the real part."""

    to: DType

    def dtype(self, *ts: ArrayType) -> DType:
        return self.to

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        t = ts[0]
        return [b.emit(self, t) if t is not None and self.to.is_inexact else None]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),) if self.to.is_inexact else ()

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        assert cts[0] is not None
        return [b.emit(Convert(cast(ArrayType, xts[0]).dtype), cts[0])]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        x, source = xs[0], xts[0]
        if source.dtype.is_complex and not self.to.is_complex:
            part = ArrayType(source.shape, real_of(source.dtype))
            x = e.op(f"stablehlo.real {x} : ({source.mlir}) -> {part.mlir}")
            source = part
        if source is yts[0]:
            return [x]
        return [e.op(f"stablehlo.convert {x} : ({source.mlir}) -> {yts[0].mlir}")]


_ORDERS = {"LT": "less", "LE": "less_equal", "GT": "greater", "GE": "greater_equal"}


class Compare(Elementwise, name="compare"):
    """``direction`` is EQ, NE, LT, LE, GT or GE; complex numbers have EQ and NE only."""

    direction: str

    def dtype(self, *ts: ArrayType) -> DType:
        one_dtype(f"compare {self.direction}", ts)
        if ts[0].dtype.is_complex and self.direction not in ("EQ", "NE"):
            raise DTypeError(
                f"{_ORDERS[self.direction]} takes real operands, got {ts[0]}: complex numbers have"
                " no order",
                fix="compare absolute values, abs(x) < abs(y), or take x.real",
                about=_ORDERS[self.direction],
            )
        return bool_

    tangent = no_tangent
    transpose = not_linear

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        kind = {"int": "SIGNED", "uint": "UNSIGNED", "bool": "UNSIGNED"}.get(
            xts[0].dtype.kind, "FLOAT"
        )
        return [
            e.op(
                f"stablehlo.compare {self.direction}, {xs[0]}, {xs[1]}, {kind} : "
                f"({xts[0].mlir}, {xts[1].mlir}) -> {yts[0].mlir}"
            )
        ]


class Select(Elementwise, name="select"):
    """Operands: a boolean, then the value where it holds and the value where it does not."""

    def dtype(self, *ts: ArrayType) -> DType:
        if not ts[0].dtype.is_bool:
            raise DTypeError(
                f"select takes a boolean condition, got {ts[0]}", fix="compare: condition != 0"
            )
        one_dtype("select", ts[1:])
        return ts[1].dtype

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        if ts[1] is None and ts[2] is None:
            return [None]
        branches = [fill(b, 0, ys[0]) if t is None else t for t in ts[1:]]
        return [b.emit(self, xs[0], *branches)]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({1, 2}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        p, ct = xs[0], cts[0]
        assert p is not None
        assert ct is not None
        zero = fill(b, 0, ct)
        return [
            None,
            b.emit(self, p, ct, zero) if xs[1] is None else None,
            b.emit(self, p, zero, ct) if xs[2] is None else None,
        ]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        return [e.op(f"stablehlo.select {', '.join(xs)} : {xts[0].mlir}, {yts[0].mlir}")]


SELECT = Select()


def splat(value: bool | int | float | complex, t: ArrayType) -> Constant:
    """The constant op with the value in t's dtype, so that equal constants are one op.

    An integer beyond the dtype's range wraps, as arithmetic on it would.
    """
    if type(value) is int or (type(value) is float and value != 0):
        return _known_splat(value, t)
    return _splat(value, t)  # 0.0 equals -0.0, so that a memo would take one for the other


def _splat(value: bool | int | float | complex, t: ArrayType) -> Constant:
    kind = t.dtype.kind
    if kind == "bool":
        return Constant(bool(value), t)
    if kind == "complex":
        return Constant(complex(value), t)
    assert not isinstance(value, complex)
    if kind == "float":
        return Constant(float(value), t)
    if isinstance(value, float) and not math.isfinite(value):
        raise DTypeError(f"{value} has no value in {t.dtype}")
    bits = t.dtype.bits
    wrapped = int(value) & ((1 << bits) - 1)
    return Constant(
        wrapped - (1 << bits) if kind == "int" and wrapped >> (bits - 1) else wrapped, t
    )


_known_splat = lru_cache(4096)(_splat)


def fill(b: Builder, value: bool | int | float | complex, like: int) -> int:
    """A constant of the type of another slot."""
    return b.emit(splat(value, cast(ArrayType, b.types[like])))


def zeros(b: Builder, t: Type) -> int:
    """Zeros of type t, which must be an array."""
    assert isinstance(t, ArrayType), f"{t} has no zeros"
    return b.emit(splat(0, t))


def add_any(b: Builder, x: int | None, y: int | None) -> int | None:
    """The sum of tangents or cotangents, of which None is zero."""
    if x is None:
        return y
    return x if y is None else b.emit(ADD, x, y)
