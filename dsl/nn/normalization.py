"""Normalization of the last dimension. Statistics are computed in float32 whatever the input is."""

from __future__ import annotations

from typing import Generic

from verax.compiler.ir.dtypes import float32
from verax.dsl.lang.array import Array
from verax.dsl.lang.creation import ones, zeros
from verax.dsl.lang.elementwise import rsqrt
from verax.dsl.lang.promotion import convert
from verax.dsl.lang.reductions import mean
from verax.dsl.lang.signatures import Ds
from verax.dsl.lang.struct import field, struct
from verax.dsl.lang.typing import Size
from verax.dsl.nn.dims import N, V, W, Width


@struct
class LayerNorm(Generic[Width, W]):
    """``(x - mean) / sqrt(var + eps) * scale + bias`` over the last dimension.

    Source: Ba, Kiros, Hinton, Layer normalization (2016).

    >>> import verax as vx
    >>> vx.nn.LayerNorm.init(4)(vx.asarray([1.0, 2.0, 3.0, 4.0]))
    Array([-1.3416355, -0.4472118,  0.4472118,  1.3416355], dtype=float32)
    """

    scale: Array[W, Width]
    bias: Array[W, Width]
    eps: float = field(static=True, default=1e-5)

    @staticmethod
    def init(
        width: Size[N] | int,
        *,
        eps: float = 1e-5,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> LayerNorm[N, V]:
        return LayerNorm(ones((width,), dtype=dtype), zeros((width,), dtype=dtype), eps)

    def __call__(self, x: Array[W, *Ds, Width]) -> Array[W, *Ds, Width]:
        wide = convert(x, float32) if x.dtype.bits < 32 else x
        centred = wide - mean(wide, axis=-1, keepdims=True)
        variance = mean(centred * centred, axis=-1, keepdims=True)
        return convert(centred * rsqrt(variance + self.eps), x.dtype) * self.scale + self.bias


@struct
class RMSNorm(Generic[Width, W]):
    """``x / sqrt(mean(x**2) + eps) * scale`` over the last dimension.

    Source: Zhang, Sennrich, Root mean square layer normalization (2019).
    """

    scale: Array[W, Width]
    eps: float = field(static=True, default=1e-6)

    @staticmethod
    def init(
        width: Size[N] | int,
        *,
        eps: float = 1e-6,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> RMSNorm[N, V]:
        return RMSNorm(ones((width,), dtype=dtype), eps)

    def __call__(self, x: Array[W, *Ds, Width]) -> Array[W, *Ds, Width]:
        wide = convert(x, float32) if x.dtype.bits < 32 else x
        power = mean(wide * wide, axis=-1, keepdims=True)
        return convert(wide * rsqrt(power + self.eps), x.dtype) * self.scale
