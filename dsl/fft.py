"""Discrete Fourier transforms: ``vx.fft``, with NumPy's names, arguments and conventions.

Along any axes, of any sizes (``n`` and ``s`` crop or pad with zeros), and as many axes as there
are: more than three are transformed in groups. All are linear, and are differentiated and mapped as
such, in any order.

Spectra are complex64, or complex128 of float64. Narrower floats, ints and bools become float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from verax.compiler.ir.dtypes import complex_of, float32, int32
from verax.compiler.ir.errors import DTypeError, ShapeError
from verax.compiler.ir.sizes import Poly, Shape, Size, divide, product
from verax.compiler.ops.fft import Fft, half
from verax.compiler.ops.slicing import Pad
from verax.dsl.lang.array import AnyArray, ArrayLike
from verax.dsl.lang.axes import Axes, axes_of
from verax.dsl.lang.creation import dtype_or, iota
from verax.dsl.lang.dtypes import DTypeLike, default_float
from verax.dsl.lang.fused import fused
from verax.dsl.lang.joining import concat, cut, roll
from verax.dsl.lang.linear import apply_conj
from verax.dsl.lang.logic import where
from verax.dsl.lang.manipulation import permuted
from verax.dsl.lang.promotion import asarray, convert, scalar
from verax.dsl.lang.transcendental import sqrt
from verax.dsl.lang.value import apply, shape_of

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Norm: TypeAlias = Literal["backward", "ortho", "forward"]
Sizes: TypeAlias = Sequence[Size] | None

_SWAPPED: dict[Norm, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
_AT_ONCE = 3


class Plan(NamedTuple):
    """One transform: which, along which dimensions, of which sizes, how scaled."""

    kind: str
    axes: tuple[int, ...]
    sizes: Shape
    norm: Norm
    mirrored: bool = False
    """Whether the half spectrum, taken or given, is conjugated."""

    def taken(self) -> Shape:
        """The sizes that are transformed: an irfft takes half a spectrum."""
        return (*self.sizes[:-1], half(self.sizes[-1])) if self.kind == "irfft" else self.sizes


# the transforms


def _transformed(
    name: str,
    kind: str,
    x: ArrayLike,
    s: Sizes,
    axes: Axes,
    norm: Norm | None,
    mirrored: bool = False,
) -> AnyArray:
    given = asarray(x, name=name)
    y = _operand(name, kind, given)
    norm = _norm(name, norm)
    plan = Plan(
        kind, *_sizes(name, kind, given, s, axes), _SWAPPED[norm] if mirrored else norm, mirrored
    )
    return fused(_run, plan, y) if plan.axes else y


def _operand(name: str, kind: str, y: AnyArray) -> AnyArray:
    """y in a dtype that is transformed: float32, float64, or the complex one of these."""
    if kind == "rfft":
        if y.dtype.is_complex:
            raise DTypeError(f"{name} takes real numbers, got {y.type}", fix="vx.fft.fft(x)")
        return convert(y, _float(y))
    return y if y.dtype.is_complex else convert(y, complex_of(_float(y)))


def _float(x: AnyArray) -> DTypeLike:
    dtype = default_float(x.dtype)
    return float32 if dtype.bits < 32 else dtype


def _norm(name: str, norm: Norm | None) -> Norm:
    if norm is not None and norm not in get_args(Norm):
        raise ShapeError(
            f"{name}: {norm!r} is no norm", fix='norm="backward", "ortho" or "forward"'
        )
    return norm or "backward"


def _sizes(
    name: str, kind: str, x: AnyArray, s: Sizes, axes: Axes
) -> tuple[tuple[int, ...], Shape]:
    """The dimensions, in order, and how many elements of each the result stands for."""
    if axes is None and s is not None:
        axes = range(-len(s), 0)
    dims = axes_of(name, axes, x.type)
    if s is not None and len(s) != len(dims):
        raise ShapeError(
            f"{name}: {len(s)} sizes for {len(dims)} axes", fix="give s one size per axis of axes"
        )
    if kind in ("rfft", "irfft") and not dims:
        raise ShapeError(
            f"{name}: {x.type} is transformed along one axis or more, got none", fix="axes=(-1,)"
        )
    sizes = [shape_of(x)[d] for d in dims]
    if kind == "irfft":
        sizes[-1] = (sizes[-1] - 1) * 2
    for k, n in enumerate(s or ()):
        if isinstance(n, Poly) or index(n) != -1:
            sizes[k] = n if isinstance(n, Poly) else index(n)
    for d, n in zip(dims, sizes):
        if isinstance(n, int) and n < 1:
            raise ShapeError(
                f"{name} of {n} elements, along axis {d} of {x.type}",
                fix="a transform has 1 element or more: give its size, n=... or s=...",
            )
    return dims, tuple(sizes)


def _run(plan: Plan, x: AnyArray) -> AnyArray:
    for axis, n in zip(plan.axes, plan.taken()):
        x = _resized(x, axis, n)
    if plan.mirrored and plan.kind == "irfft":
        x = apply_conj(x)
    others, last = plan.axes[:-_AT_ONCE], plan.axes[-_AT_ONCE:]
    groups = [(_complex(plan.kind), others[k : k + _AT_ONCE]) for k in range(0, len(others), 3)]
    groups = [*groups, (plan.kind, last)] if plan.kind == "irfft" else [(plan.kind, last), *groups]
    for kind, axes in groups:
        x = _last(x, kind, axes, plan.sizes[-1] if kind == "irfft" else None)
    y = _scaled(plan, x)
    return apply_conj(y) if plan.mirrored else y


def _complex(kind: str) -> str:
    """The transform of the other dimensions."""
    return {"rfft": "fft", "irfft": "ifft"}.get(kind, kind)


def _last(x: AnyArray, kind: str, axes: tuple[int, ...], last: Size | None) -> AnyArray:
    """Some dimensions transformed, by way of the end."""
    perm = [*[d for d in range(x.ndim) if d not in axes], *axes]
    y = apply(Fft(kind, len(axes), last), permuted(x, perm))
    return permuted(y, [perm.index(d) for d in range(x.ndim)])


def _resized(x: AnyArray, axis: int, n: Size) -> AnyArray:
    """A dimension cropped, or padded with zeros, to n elements."""
    m = shape_of(x)[axis]
    if m == n:
        return x
    more = n - m
    if isinstance(more, int) and more < 0:
        return cut(x, axis, 0, n)
    return apply(Pad(tuple([(0, more, 0) if d == axis else None for d in range(x.ndim)])), x)


def _scaled(plan: Plan, x: AnyArray) -> AnyArray:
    """What the norm asks for beyond the op's, by which the inverse divides by all elements."""
    inverse = plan.kind in ("ifft", "irfft")
    if plan.norm == "backward":
        return x
    n = product(plan.sizes)
    if isinstance(n, int):
        factor: float | AnyArray = float(n) if plan.norm == "forward" else math.sqrt(n)
    else:
        size = scalar(n, x.real.dtype)
        factor = size if plan.norm == "forward" else sqrt(size)
    return x * factor if inverse else x / factor


def fft(x: ArrayLike, n: Size | None = None, axis: int = -1, norm: Norm | None = None) -> AnyArray:
    """The discrete Fourier transform along an axis: ``sum_j x[j] exp(-2 pi i j k / n)``.

    Args:
        n: how many elements are transformed; x is cropped or padded with zeros.
        norm: ``"backward"`` (the inverse divides by n), ``"forward"`` (this one does), or
            ``"ortho"`` (both divide by its root).

    >>> import numpy as np
    >>> fft(np.array([1.0, 0.0, -1.0, 0.0])).real.tolist()
    [0.0, 2.0, 0.0, 2.0]
    """
    return _transformed("fft", "fft", x, _one(n), axis, norm)


def ifft(x: ArrayLike, n: Size | None = None, axis: int = -1, norm: Norm | None = None) -> AnyArray:
    """The inverse of ``fft``."""
    return _transformed("ifft", "ifft", x, _one(n), axis, norm)


def rfft(x: ArrayLike, n: Size | None = None, axis: int = -1, norm: Norm | None = None) -> AnyArray:
    """The first ``n // 2 + 1`` entries of the ``fft`` of real numbers; the others mirror them.

    >>> import numpy as np
    >>> rfft(np.array([1.0, 2.0, 3.0])).shape
    (2,)
    """
    return _transformed("rfft", "rfft", x, _one(n), axis, norm)


def irfft(
    x: ArrayLike, n: Size | None = None, axis: int = -1, norm: Norm | None = None
) -> AnyArray:
    """The real numbers whose ``rfft`` is x.

    Args:
        n: how many; by default ``2 * (m - 1)`` for m entries, so an odd n has to be given.
    """
    return _transformed("irfft", "irfft", x, _one(n), axis, norm)


def hfft(x: ArrayLike, n: Size | None = None, axis: int = -1, norm: Norm | None = None) -> AnyArray:
    """The ``fft``, which is real, of a signal of which x is the first half, mirrored."""
    return _transformed("hfft", "irfft", x, _one(n), axis, norm, mirrored=True)


def ihfft(
    x: ArrayLike, n: Size | None = None, axis: int = -1, norm: Norm | None = None
) -> AnyArray:
    """The inverse of ``hfft``: half of the ``ifft`` of real numbers."""
    return _transformed("ihfft", "rfft", x, _one(n), axis, norm, mirrored=True)


def _one(n: Size | None) -> Sizes:
    return None if n is None else (n,)


def fftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: Norm | None = None) -> AnyArray:
    """The transform along several axes, by default all.

    Args:
        s: how many elements of each axis; without ``axes`` they are the last ones.
    """
    return _transformed("fftn", "fft", x, s, axes, norm)


def ifftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: Norm | None = None) -> AnyArray:
    """The inverse of ``fftn``."""
    return _transformed("ifftn", "ifft", x, s, axes, norm)


def rfftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: Norm | None = None) -> AnyArray:
    """The ``fftn`` of real numbers, of which the last axis in the list keeps one half."""
    return _transformed("rfftn", "rfft", x, s, axes, norm)


def irfftn(x: ArrayLike, s: Sizes = None, axes: Axes = None, norm: Norm | None = None) -> AnyArray:
    """The real numbers whose ``rfftn`` is x."""
    return _transformed("irfftn", "irfft", x, s, axes, norm)


def fft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm | None = None
) -> AnyArray:
    """The transform along two axes."""
    return _transformed("fft2", "fft", x, s, axes, norm)


def ifft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm | None = None
) -> AnyArray:
    """The inverse of ``fft2``."""
    return _transformed("ifft2", "ifft", x, s, axes, norm)


def rfft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm | None = None
) -> AnyArray:
    """The ``fft2`` of real numbers, of which the last axis in the list keeps one half."""
    return _transformed("rfft2", "rfft", x, s, axes, norm)


def irfft2(
    x: ArrayLike, s: Sizes = None, axes: Axes = (-2, -1), norm: Norm | None = None
) -> AnyArray:
    """The real numbers whose ``rfft2`` is x."""
    return _transformed("irfft2", "irfft", x, s, axes, norm)


# frequencies


def fftfreq(n: Size, d: ArrayLike = 1.0, *, dtype: DTypeLike = None) -> AnyArray:
    """The frequencies of the entries of an ``fft`` of n samples, ``d`` apart.

    >>> fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    count: Any = _count("fftfreq", n)
    k = iota(count)
    middle = (scalar(count + 1, int32) if isinstance(count, Poly) else count + 1) // 2
    out: AnyArray = convert(where(k < middle, k, k - count), dtype_or(float32, dtype)) / count / d
    return out


def rfftfreq(n: Size, d: ArrayLike = 1.0, *, dtype: DTypeLike = None) -> AnyArray:
    """The frequencies of the entries of an ``rfft`` of n samples, ``d`` apart.

    >>> rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    n = _count("rfftfreq", n)
    return convert(iota(half(n)), dtype_or(float32, dtype)) / n / d


def _count(name: str, n: Size) -> Size:
    if isinstance(n, Poly):
        return n
    if index(n) < 1:
        raise ShapeError(f"{name}: {n} samples have no frequencies", fix="n is 1 or more")
    return index(n)


def fftshift(x: ArrayLike, axes: Axes = None) -> AnyArray:
    """A spectrum with the frequency 0 in the middle.

    Args:
        axes: the axes that are shifted, by default all.

    >>> fftshift(fftfreq(4)).tolist()
    [-0.5, -0.25, 0.0, 0.25]
    """
    y = asarray(x, name="fftshift")
    return fused(_shifted, (axes_of("fftshift", axes, y.type), 1), y)


def ifftshift(x: ArrayLike, axes: Axes = None) -> AnyArray:
    """The inverse of ``fftshift``."""
    y = asarray(x, name="ifftshift")
    return fused(_shifted, (axes_of("ifftshift", axes, y.type), 0), y)


def _shifted(static: tuple[tuple[int, ...], int], x: AnyArray) -> AnyArray:
    axes, up = static
    for axis in axes:
        n = shape_of(x)[axis]
        at = divide(n + up, 2) if isinstance(n, Poly) else (n + up) // 2
        if at is None:  # whether n is even is not known: the middle is computed
            x = roll(x, -(scalar(n + up, int32) // 2), axis)
        else:
            x = concat([cut(x, axis, at, n), cut(x, axis, 0, at)], axis)
    return x
