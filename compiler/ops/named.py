"""What the examples of a named ``vmap`` say to each other: ops over the name of a mapped axis.

Each stands for one example and names the axis with its size. ``vectorize`` of that name calls
``meet``: there the axis is a dimension, and the op becomes sums, moves and rows. Under every other
vmap it is batched like any op. Nothing in a program binds a name, so ``names`` of a program are
those that a vmap around it must give; without one it is refused.

Law: ``vectorize(p, name)(stacked inputs)`` is the stack of what the examples get when each sees
what the others give. Every op but the index and the extremes is linear, and its transpose is an op
of this file: of a sum the sum, of a gather the scatter, of a permutation its inverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NoReturn, cast

from verax.compiler.ir.dtypes import DType, int32
from verax.compiler.ir.errors import (
    DTypeError,
    InternalError,
    ShapeError,
    StructureError,
    UnknownSizeError,
)
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
    no_tangent,
    not_linear,
)
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.contract import broadcast, permute, repeat, total
from verax.compiler.ops.layout import Iota
from verax.compiler.ops.places import given, move
from verax.compiler.ops.pointwise import MUL, Convert, Term, zeros
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.slicing import Concatenate, Slice, size_value


@lru_cache(4096)
def names(p: Program) -> frozenset[str]:
    """The mapped axes that a program names."""
    return frozenset[str]().union(*[names_of(eq.op) for eq in p.equations])


def names_of(op: Op) -> frozenset[str]:
    """The mapped axes that an op, or a program that it holds, names."""
    if isinstance(op, Named):
        return frozenset({op.axis})
    return frozenset[str]().union(*map(names, op.programs))


class Named(Op):
    """What all share: the axis, its size, and that no device sees them."""

    axis: str
    size: Size

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        """The result where the axis is mapped, and whether it differs from example to example."""
        raise NotImplementedError(f"{self.name}: meet")

    def shifted(self) -> Op:
        """The op on operands with one more dimension in front."""
        return self

    def factors(self, *shapes: Shape) -> Factors:
        self._refuse()

    def local(self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]) -> Op:
        self._refuse()

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self.shifted(), *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InternalError(f"{self.name} over {self.axis!r} is to be mapped before it can run")


class Linear(Named):
    """An op that is linear in its operand."""

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        (t,) = ts
        return [b.emit(self, t) if t is not None and has_tangent(b.types[ys[0]]) else None]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return [b.emit(self.adjoint(), *given(cts))]

    def adjoint(self) -> Op:
        """The transpose."""
        raise NotImplementedError(f"{self.name}: adjoint")

    def own(self, t: ArrayType, dim: int) -> Shape:
        """The shape without ``dim``, which counts the examples."""
        if not 0 <= dim < t.ndim or t.shape[dim] != self.size:
            raise ShapeError(
                f"{self.name} over {self.axis!r}: dimension {dim} of {t} must count the"
                f" {self.size} examples"
            )
        return (*t.shape[:dim], *t.shape[dim + 1 :])

    def among(self, t: ArrayType, dim: int) -> ArrayType:
        """The type with a dimension more that counts the examples."""
        if not 0 <= dim <= t.ndim:
            raise ShapeError(f"{self.name} over {self.axis!r}: {t} has no place {dim}")
        return ArrayType((*t.shape[:dim], self.size, *t.shape[dim:]), t.dtype)


class AxisReduce(Linear, name="axis_reduce"):
    """Every example gets the sum (``add``), ``max`` or ``min`` over all of them."""

    kind: str = "add"

    def validate(self) -> None:
        assert self.kind in ("add", "max", "min"), self.kind

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        if t.dtype.is_bool or (self.kind != "add" and t.dtype.is_complex):
            raise DTypeError(f"axis_reduce {self.kind} over {self.axis!r} does not take {t}")
        return (t,)

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        if self.kind == "add":
            return super().tangent(b, xs, ys, ts)
        if ts[0] is None or not has_tangent(b.types[xs[0]]):
            return [None]
        add = AxisReduce(self.axis, self.size, "add")  # the mean over the examples that attain it
        hit = Term(b, xs[0]).eq(Term(b, ys[0])).to(Term(b, xs[0]).type.dtype)
        return [(Term(b, ts[0]) * (hit / hit.apply(add))).apply(add).slot]

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return super().linear(n) if self.kind == "add" else ()

    def adjoint(self) -> Op:
        return self

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        if mapped[0]:
            op = total(_ndim(b, xs[0]), (0,)) if self.kind == "add" else Reduce(self.kind, (0,))
            return b.emit(op, xs[0]), False
        return (_times(b, self.size, xs[0]) if self.kind == "add" else xs[0]), False


class AxisIndex(Named, name="axis_index"):
    """The number of the example, int32."""

    def types(self) -> tuple[Type, ...]:
        return (ArrayType((), int32),)

    tangent = no_tangent
    transpose = not_linear

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        return b.emit(Iota(self.size, int32)), True


class AxisGather(Linear, name="axis_gather"):
    """Every example gets what all have, stacked along a new dimension ``dim``."""

    dim: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (self.among(t, self.dim),)

    def shifted(self) -> Op:
        return AxisGather(self.axis, self.size, self.dim + 1)

    def adjoint(self) -> Op:
        return AxisScatter(self.axis, self.size, self.dim)

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        return move(b, _for_all(b, self.size, xs[0], mapped[0]), 0, self.dim), False


class AxisScatter(Linear, name="axis_scatter"):
    """Example i gets row i, along ``dim``, of the sum over all examples."""

    dim: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        if t.dtype.is_bool:
            raise DTypeError(
                f"psum_scatter over {self.axis!r} sums, and takes no {t}",
                fix="convert it first: x.astype(vx.int32)",
            )
        return (ArrayType(self.own(t, self.dim), t.dtype),)

    def shifted(self) -> Op:
        return AxisScatter(self.axis, self.size, self.dim + 1)

    def adjoint(self) -> Op:
        return AxisGather(self.axis, self.size, self.dim)

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        (x,) = xs
        x = b.emit(total(_ndim(b, x), (0,)), x) if mapped[0] else _times(b, self.size, x)
        return move(b, x, self.dim, 0), True


class AxisPermute(Linear, name="axis_permute"):
    """Example j gets what example i has, for each pair (i, j); the others get zeros."""

    pairs: tuple[tuple[int, int], ...]

    def validate(self) -> None:
        if not isinstance(self.size, int):
            raise UnknownSizeError(
                f"ppermute over {self.axis!r}: the number of examples, {self.size}, must be known",
                fix="map a known number of examples, or exchange with vx.all_gather",
            )
        for side, word in ((0, "sends"), (1, "receives")):
            at = [pair[side] for pair in self.pairs]
            twice = sorted({i for i in at if at.count(i) > 1})
            if twice:
                raise ShapeError(
                    f"ppermute over {self.axis!r}: example {twice[0]} {word} twice",
                    fix="give pairs (from, to) in which every example stands once on each side",
                )
            out = [i for i in at if not 0 <= i < self.size]
            if out:
                raise ShapeError(
                    f"ppermute over {self.axis!r}: there is no example {out[0]} of {self.size}",
                    fix=f"the examples are 0 to {self.size - 1}",
                )

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (t,)

    def adjoint(self) -> Op:
        return AxisPermute(self.axis, self.size, tuple([(j, i) for i, j in self.pairs]))

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        x = _for_all(b, self.size, xs[0], mapped[0])
        t = cast(ArrayType, b.types[x])
        rest = [None] * (t.ndim - 1)
        parts = []
        for start, count in self._runs():
            if start is None:
                parts.append(zeros(b, ArrayType((count, *t.shape[1:]), t.dtype)))
            else:
                parts.append(b.emit(Slice(((start, start + count, 1), *rest)), x))
        return (parts[0] if len(parts) == 1 else b.emit(Concatenate(0), *parts)), True

    def _runs(self) -> list[tuple[int | None, int]]:
        """The sources in the order of those who receive, as (first, count); None for nobody."""
        source = {j: i for i, j in self.pairs}
        runs: list[tuple[int | None, int]] = []
        for j in range(cast(int, self.size)):
            i = source.get(j)
            if runs:
                first, count = runs[-1]
                if i == (None if first is None else first + count):
                    runs[-1] = first, count + 1
                    continue
            runs.append((i, 1))
        return runs


class AxisExchange(Linear, name="axis_exchange"):
    """Row i of every example's ``split`` goes to example i, which stacks them along ``concat``."""

    split: int
    concat: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (self.among(ArrayType(self.own(t, self.split), t.dtype), self.concat),)

    def shifted(self) -> Op:
        return AxisExchange(self.axis, self.size, self.split + 1, self.concat + 1)

    def adjoint(self) -> Op:
        return AxisExchange(self.axis, self.size, self.concat, self.split)

    def meet(self, b: Builder, xs: Slots, mapped: Sequence[bool]) -> tuple[int, bool]:
        x = _for_all(b, self.size, xs[0], mapped[0])
        order = [i for i in range(1, _ndim(b, x)) if i != self.split + 1]
        order.insert(self.concat, 0)
        return b.emit(permute((self.split + 1, *order)), x), True


def _ndim(b: Builder, x: int) -> int:
    return len(b.types[x].shape)


def _for_all(b: Builder, n: Size, x: int, mapped: bool) -> int:
    return x if mapped else b.emit(repeat(n, cast(ArrayType, b.types[x])), x)


def _times(b: Builder, n: Size, x: int) -> int:
    """n times x, as a product."""
    t = cast(ArrayType, b.types[x])
    count = b.emit(Convert(t.dtype), size_value(b, n, _counting(t.dtype)))
    return b.emit(MUL, x, b.emit(broadcast(t.shape, ()), count))


def _counting(dtype: DType) -> DType:
    return dtype if dtype.is_integer else int32


def check_bound(p: Program) -> None:
    """Raise where a program that is to run names an axis that nothing maps."""
    free = sorted(names(p))
    if free:
        raise StructureError(
            f"the program names the axis {free[0]!r}, which no vmap around it maps",
            fix=f"vmap(f, axis_name={free[0]!r})",
        )
