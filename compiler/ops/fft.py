"""Discrete Fourier transforms of the last one to three dimensions: fft, ifft, rfft, irfft.

All are linear, and their transposes are transforms again. The matrix of an fft is symmetric, so fft
and ifft are their own. An rfft gives one half of a spectrum whose other half mirrors it: its
transpose is an irfft, and that of irfft an rfft, where the entries that stand for two are weighted.

Law: the dimensions in front are a batch and may be cut; a transformed one is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from verax.compiler.ir.dtypes import (
    DType,
    complex64,
    complex128,
    complex_of,
    float32,
    float64,
    int32,
    real_of,
)
from verax.compiler.ir.errors import DTypeError, ShapeError, UnknownSizeError
from verax.compiler.ir.op import (
    Again,
    Dims,
    Emitter,
    Factors,
    MaybeSlots,
    Slots,
    same_locally,
    show_shape,
)
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Shape, Size, divide, product
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.ops.arithmetic import CONJ
from verax.compiler.ops.bits import AND
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.layout import Iota, Movement
from verax.compiler.ops.places import given
from verax.compiler.ops.pointwise import MUL, Term, splat
from verax.compiler.ops.slicing import size_value

TAKES: Mapping[str, tuple[DType, ...]] = {
    "fft": (complex64, complex128),
    "ifft": (complex64, complex128),
    "rfft": (float32, float64),
    "irfft": (complex64, complex128),
}


class Fft(Movement, name="fft"):
    """The transform of the last ``rank`` dimensions; the inverse ones divide by their elements.

    Args:
        kind: fft, ifft, rfft or irfft. An rfft gives the first half of the last dimension, n // 2 +
            1 entries, which an irfft takes; it ignores the imaginary part of what is its own
            mirror image.
        rank: how many dimensions, 1 to 3.
        last: for an irfft the size of the last dimension of the result, else None.
    """

    kind: str
    rank: int
    last: Size | None = None

    def validate(self) -> None:
        assert self.kind in TAKES, self.kind
        assert (self.last is None) == (self.kind != "irfft"), self
        if not 1 <= self.rank <= 3:
            raise ShapeError(f"{self.kind} transforms 1 to 3 dimensions at once, not {self.rank}")

    def lengths(self, shape: Shape) -> Shape:
        """The sizes of the transformed dimensions where nothing is left out."""
        sizes = shape[len(shape) - self.rank :]
        return sizes if self.last is None else (*sizes[:-1], self.last)

    def factors(self, *shapes: Shape) -> Factors:
        (shape,) = shapes
        n = len(shape)
        if n < self.rank:
            raise ShapeError(f"{self.kind} of {self.rank} dimensions: {show_shape(shape)} has {n}")
        lengths = self.lengths(shape)
        if any(isinstance(m, int) and m < 1 for m in lengths):
            raise ShapeError(f"{self.kind} of {show_shape(lengths)}: there is nothing to transform")
        dims: Dims = tuple((i,) for i in range(n))
        halved: Dims = (*dims[:-1], ("half",))
        whole = frozenset([*range(n - self.rank, n), "half"])
        if self.kind == "rfft":
            return Factors((dims,), (halved,), whole=whole, sizes={"half": half(lengths[-1])})
        if self.kind == "irfft":
            if shape[-1] != half(lengths[-1]):
                raise ShapeError(
                    f"irfft to {lengths[-1]} elements takes {half(lengths[-1])} of them in the "
                    f"last dimension, got {show_shape(shape)}"
                )
            return Factors((halved,), (dims,), whole=whole, sizes={n - 1: lengths[-1]})
        return Factors((dims,), (dims,), whole=whole - {"half"})

    def dtype(self, *ts: ArrayType) -> DType:
        dtype = ts[0].dtype
        if dtype not in TAKES[self.kind]:
            allowed = " or ".join(map(str, TAKES[self.kind]))
            raise DTypeError(
                f"{self.kind} takes {allowed}, got {ts[0]}",
                fix=f"convert the operand first: x.astype(vx.{TAKES[self.kind][0]})",
            )
        return {"rfft": complex_of(dtype), "irfft": real_of(dtype)}.get(self.kind, dtype)

    local = same_locally

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        (ct,), lengths = given(cts), self.lengths(xts[0].shape)
        if self.kind == "rfft":
            weighted = b.emit(CONJ, self._weighted(b, ct, lengths))
            return [b.emit(Fft("irfft", self.rank, lengths[-1]), weighted)]
        if self.kind == "irfft":
            y = b.emit(CONJ, b.emit(Fft("rfft", self.rank), ct))
            return [self._weighted(b, y, lengths)]
        return [b.emit(self, ct)]

    def _weighted(self, b: Builder, x: int, lengths: Shape) -> int:
        """Half a spectrum times the weights of its transposed transform.

        An irfft counts an entry of the last dimension twice, unless that mirrors itself, and
        divides by all elements; an rfft does neither, as the irfft that transposes it must undo.
        """
        t = cast(ArrayType, b.types[x])
        m, dtype = t.shape[-1], real_of(t.dtype)
        place = Term(b, b.emit(Iota(m, int32)))
        double = place.gt(0)
        if even(lengths[-1]):
            double = double.apply(AND, place.lt(sized(b, m - 1, int32, m)))
        one = sized(b, 1, dtype, m)
        count, total = double.where(one * 2, one), sized(b, product(lengths), dtype, m)
        weight = (total / count if self.kind == "rfft" else count / total).to(t.dtype)
        return weight.apply(broadcast(t.shape, (t.ndim - 1,))).apply(MUL, Term(b, x)).slot

    def batch(
        self, b: Builder, n: Size, xs: Slots, mapped: Sequence[bool], again: Again
    ) -> tuple[Sequence[int], Sequence[bool]]:
        return [b.emit(self, *xs)], [True]

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[ArrayType], yts: Sequence[ArrayType]
    ) -> list[str]:
        if 0 in xts[0].shape:
            return [e.constant(0, yts[0])]
        return [
            e.op(
                f"stablehlo.fft {xs[0]}, type = {self.kind.upper()}, "
                f"length = {list(self.lengths(xts[0].shape))} : ({xts[0].mlir}) -> {yts[0].mlir}"
            )
        ]


def even(n: Size) -> bool:
    """Whether a size is even; UnknownSizeError where that is not known."""
    if divide(n, 2) is not None:
        return True
    if divide(n - 1, 2) is not None:
        return False
    raise UnknownSizeError(
        f"rfft: the size {n} is not known to be even or odd",
        fix="declare the dimension as a multiple of 2, or transform with fft",
    )


def half(n: Size) -> Size:
    """How many entries an rfft of n elements has."""
    return cast(Size, divide(n, 2)) + 1 if even(n) else cast(Size, divide(n + 1, 2))


def sized(b: Builder, n: Size, dtype: DType, m: Size) -> Term:
    """A size, as a vector of m elements."""
    if isinstance(n, int):
        return Term(b, b.emit(splat(n, ArrayType((m,), dtype))))
    return Term(b, b.emit(broadcast((m,), ()), size_value(b, n, int32))).to(dtype)
