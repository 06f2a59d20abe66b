"""What devices of a mesh say to each other: the ops that partition writes into local programs.

Each names mesh axes and, but for AllReduce, the dimension of its operand that they cut or are to
cut. They stand in the program of one device only, where differentiation and vectorization are over,
so those parts of their story are one refusal.

Law: on shards that were cut from a global value, AllGather, AllToAll and OwnPart change which cut
it is; AllReduce and ReduceScatter finish a reduction whose terms lie on different devices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from verax.compiler.ir.dtypes import DType, bool_, int8, int16, int32, int64, real_of
from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.op import (
    Again,
    Emitter,
    Factor,
    Factors,
    MaybeSlots,
    Op,
    Slots,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size, divide
from verax.compiler.ir.types import ArrayType, Type
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh

REDUCERS: dict[str, str] = {
    "add": "stablehlo.add",
    "mul": "stablehlo.multiply",
    "max": "stablehlo.maximum",
    "min": "stablehlo.minimum",
    "and": "stablehlo.and",
    "or": "stablehlo.or",
}


class Collective(Op):
    """What all share: the mesh, the axes along which devices talk, and the refusals."""

    mesh: Mesh
    axes: tuple[str, ...]

    def validate(self) -> None:
        if len(set(self.axes)) != len(self.axes):
            raise ShardingError(f"{self.name}: an axis stands twice in {self.axes}")
        self.mesh.parts(self.axes)  # raises where one is unknown

    @property
    def parts(self) -> int:
        """How many devices talk to each other."""
        return self.mesh.parts(self.axes)

    def factors(self, *shapes: Shape) -> Factors:
        self._refuse("partitioned")

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        self._refuse("differentiated")

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        self._refuse("transposed")

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        self._refuse("vectorized")

    def local(self, parts: Mapping[Factor, int], xts: Sequence[Type], yts: Sequence[Type]) -> Op:
        self._refuse("partitioned")

    def _refuse(self, verb: str) -> NoReturn:
        raise InternalError(
            f"{self.name} stands in the program of one device, which is not {verb}: "
            "partition is the last pass that changes what a program means"
        )

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if yts[0].size == 0:  # StableHLO refuses collectives of nothing
            return [e.constant(0, yts[0])]
        return [self.write(e, xs[0], xts[0], yts[0])]

    def write(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        """Write the operation for an operand that has elements."""
        raise NotImplementedError(f"{self.name}: write")

    def header(self, e: Emitter) -> str:
        """Who talks to whom, as attributes."""
        groups = self.mesh.groups(self.axes)
        rows = ", ".join(f"[{', '.join(map(str, group))}]" for group in groups)
        return (
            f"replica_groups = dense<[{rows}]> : tensor<{len(groups)}x{len(groups[0])}xi64>, "
            f"channel_handle = #stablehlo.channel_handle<handle = {e.channel()}, type = 1>"
        )

    def grown(self, t: ArrayType, dim: int) -> ArrayType:
        """The type when ``dim`` holds the parts of all devices that talk."""
        return _resized(t, dim, t.shape[dim] * self.parts)

    def shrunk(self, t: ArrayType, dim: int) -> ArrayType:
        """The type when ``dim`` holds one part."""
        part = divide(t.shape[dim], self.parts)
        if part is None:
            raise ShardingError(
                f"{self.name}: dimension {dim} of {t} does not divide into {self.parts} parts"
            )
        return _resized(t, dim, part)


def _resized(t: ArrayType, dim: int, n: Size) -> ArrayType:
    return ArrayType((*t.shape[:dim], n, *t.shape[dim + 1 :]), t.dtype)


def _reducer(kind: str, t: ArrayType) -> str:
    scalar = ArrayType((), t.dtype).mlir
    return (
        f"({{\n^bb0(%u: {scalar}, %v: {scalar}):\n"
        f"%w = {REDUCERS[kind]} %u, %v : {scalar}\nstablehlo.return %w : {scalar}\n}})"
    )


_SIGNED: dict[int, DType] = {8: int8, 16: int16, 32: int32, 64: int64}


def _flipped(e: Emitter, x: str, t: ArrayType) -> str:
    """Bits of floats as integers in the order of the floats, and back: the map is its inverse."""
    last = e.constant(t.dtype.bits - 1, t)
    sign = e.op(f"stablehlo.shift_right_arithmetic {x}, {last} : {t.mlir}")
    rest = e.constant((1 << (t.dtype.bits - 1)) - 1, t)
    flip = e.op(f"stablehlo.and {sign}, {rest} : {t.mlir}")
    return e.op(f"stablehlo.xor {x}, {flip} : {t.mlir}")


def by_parts(
    e: Emitter,
    x: str,
    t: ArrayType,
    out: ArrayType,
    write: Callable[[Emitter, str, ArrayType, ArrayType], str],
) -> str:
    """A sum of complex numbers as one of reals, their parts along a new last dimension.

    XLA's simplifier aborts the process at a sum of complex constants over devices.
    """
    real = real_of(t.dtype)
    part, last = ArrayType(t.shape, real), ArrayType((*t.shape, 1), real)
    parts = []
    for name in ("real", "imag"):
        y = e.op(f"stablehlo.{name} {x} : ({t.mlir}) -> {part.mlir}")
        parts.append(e.op(f"stablehlo.reshape {y} : ({part.mlir}) -> {last.mlir}"))
    both, summed = ArrayType((*t.shape, 2), real), ArrayType((*out.shape, 2), real)
    x = e.op(
        f"stablehlo.concatenate {', '.join(parts)}, dim = {t.ndim} : "
        f"({last.mlir}, {last.mlir}) -> {both.mlir}"
    )
    x = write(e, x, both, summed)
    part, last = ArrayType(out.shape, real), ArrayType((*out.shape, 1), real)
    whole = "".join(f"0:{n}, " for n in out.shape)
    parts = []
    for i in (0, 1):
        y = e.op(f"stablehlo.slice {x} [{whole}{i}:{i + 1}] : ({summed.mlir}) -> {last.mlir}")
        parts.append(e.op(f"stablehlo.reshape {y} : ({last.mlir}) -> {part.mlir}"))
    return e.op(f"stablehlo.complex {', '.join(parts)} : ({part.mlir}, {part.mlir}) -> {out.mlir}")


class AllReduce(Collective, name="all_reduce"):
    """Every device gets the reduction of all; ``kind`` is add, mul, max, min, and, or."""

    kind: str = "add"

    def validate(self) -> None:
        super().validate()
        if self.kind not in REDUCERS:
            raise ShardingError(f"all_reduce knows no {self.kind!r}, only {', '.join(REDUCERS)}")

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (t,)

    def write(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        if self.kind in ("and", "or") and t.dtype.is_integer:
            return self._bitwise(e, x, t)
        if self.kind in ("max", "min") and t.dtype.is_float:
            return self._ordered(e, x, t)
        if self.kind == "add" and t.dtype.is_complex:
            return by_parts(e, x, t, out, self._reduce)
        return self._reduce(e, x, t, out)

    def _reduce(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        return e.op(
            f'"stablehlo.all_reduce"({x}) <{{{self.header(e)}, use_global_device_ids}}> '
            f"{_reducer(self.kind, t)} : ({t.mlir}) -> {out.mlir}"
        )

    def _ordered(self, e: Emitter, x: str, t: ArrayType) -> str:
        """Collectives lose a NaN among floats: reduce integers that are ordered as the floats are,
        with a NaN as the greatest or the least."""
        bits = ArrayType(t.shape, _SIGNED[t.dtype.bits])
        top = (1 << (t.dtype.bits - 1)) - 1
        extreme = e.constant(top if self.kind == "max" else -top - 1, bits)
        mask = ArrayType(t.shape, bool_).mlir
        nan = e.op(f"stablehlo.compare NE, {x}, {x}, FLOAT : ({t.mlir}, {t.mlir}) -> {mask}")
        x = e.op(f"stablehlo.bitcast_convert {x} : ({t.mlir}) -> {bits.mlir}")
        x = _flipped(e, x, bits)
        x = e.op(f"stablehlo.select {nan}, {extreme}, {x} : {mask}, {bits.mlir}")
        x = _flipped(e, self._reduce(e, x, bits, bits), bits)
        return e.op(f"stablehlo.bitcast_convert {x} : ({bits.mlir}) -> {t.mlir}")

    def _bitwise(self, e: Emitter, x: str, t: ArrayType) -> str:
        """XLA's collectives on the CPU know no bitwise reduction: gather the terms, reduce here."""
        row, stack = t.stacked(1), t.stacked(self.parts)
        scalar = ArrayType((), t.dtype)
        x = e.op(f"stablehlo.reshape {x} : ({t.mlir}) -> {row.mlir}")
        x = e.op(
            f'"stablehlo.all_gather"({x}) <{{all_gather_dim = 0 : i64, {self.header(e)}, '
            f"use_global_device_ids}}> : ({row.mlir}) -> {stack.mlir}"
        )
        all_ones = -1 if t.dtype.kind == "int" else (1 << t.dtype.bits) - 1
        start = e.constant(all_ones if self.kind == "and" else 0, scalar)
        return e.op(
            f"stablehlo.reduce({x} init: {start}) applies {REDUCERS[self.kind]} "
            f"across dimensions = [0] : ({stack.mlir}, {scalar.mlir}) -> {t.mlir}"
        )


class AllGather(Collective, name="all_gather"):
    """``dim`` is no longer cut over the axes, which are its minor ones."""

    dim: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (self.grown(t, self.dim),)

    def write(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        return e.op(
            f'"stablehlo.all_gather"({x}) <{{all_gather_dim = {self.dim} : i64, '
            f"{self.header(e)}, use_global_device_ids}}> : ({t.mlir}) -> {out.mlir}"
        )


class ReduceScatter(Collective, name="reduce_scatter"):
    """Each device gets its part along ``dim`` of the sum over the axes."""

    dim: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (self.shrunk(t, self.dim),)

    def write(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        if t.dtype.is_complex:
            return by_parts(e, x, t, out, self._scatter)
        return self._scatter(e, x, t, out)

    def _scatter(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        return e.op(
            f'"stablehlo.reduce_scatter"({x}) <{{scatter_dimension = {self.dim} : i64, '
            f"{self.header(e)}, use_global_device_ids}}> {_reducer('add', t)} : "
            f"({t.mlir}) -> {out.mlir}"
        )


class AllToAll(Collective, name="all_to_all"):
    """The cut over the axes moves from ``dim`` to ``to``."""

    dim: int
    to: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (self.shrunk(self.grown(t, self.dim), self.to),)

    def write(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        return e.op(
            f'"stablehlo.all_to_all"({x}) <{{split_dimension = {self.to} : i64, '
            f"concat_dimension = {self.dim} : i64, split_count = {self.parts} : i64, "
            f"{self.header(e)}}}> : ({t.mlir}) -> {out.mlir}"
        )


class OwnPart(Collective, name="own_part"):
    """Each device keeps its part along ``dim`` of what all hold: nothing is communicated."""

    dim: int

    def types(self, t: ArrayType) -> tuple[Type, ...]:
        return (self.shrunk(t, self.dim),)

    def write(self, e: Emitter, x: str, t: ArrayType, out: ArrayType) -> str:
        scalar = ArrayType((), int32).mlir
        zero = e.constant(0, ArrayType((), int32))
        start = self._start(e, out.shape[self.dim])
        starts = ", ".join(start if i == self.dim else zero for i in range(t.ndim))
        return e.op(
            f"stablehlo.dynamic_slice {x}, {starts}, "
            f"sizes = [{', '.join(map(str, out.shape))}] : "
            f"({', '.join([t.mlir] + [scalar] * t.ndim)}) -> {out.mlir}"
        )

    def _start(self, e: Emitter, size: Size) -> str:
        """Where the part of this device begins: looked up by the device's id."""
        table, one = ArrayType((self.mesh.count,), int32), ArrayType((1,), int32)
        scalar = ArrayType((), int32)
        at = ", ".join(str(k * size) for k in self.mesh.offsets(self.axes))
        starts = e.op(f"stablehlo.constant dense<[{at}]> : {table.mlir}")
        unsigned = e.op("stablehlo.partition_id : tensor<ui32>")
        device = e.op(f"stablehlo.convert {unsigned} : (tensor<ui32>) -> {scalar.mlir}")
        found = e.op(
            f"stablehlo.dynamic_slice {starts}, {device}, sizes = [1] : "
            f"({table.mlir}, {scalar.mlir}) -> {one.mlir}"
        )
        return e.op(f"stablehlo.reshape {found} : ({one.mlir}) -> {scalar.mlir}")
