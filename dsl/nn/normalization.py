"""Normalization of the last dimension. Statistics are computed in float32 whatever the input is."""

from __future__ import annotations

from verax.compiler.ir.dtypes import DType, float32
from verax.dsl.lang.array import AnyArray
from verax.dsl.lang.creation import ones, zeros
from verax.dsl.lang.elementwise import rsqrt
from verax.dsl.lang.promotion import convert
from verax.dsl.lang.reductions import mean
from verax.dsl.lang.struct import field, struct


@struct
class LayerNorm:
    """``(x - mean) / sqrt(var + eps) * scale + bias`` over the last dimension.

    Source: Ba, Kiros, Hinton, Layer normalization (2016).

    >>> import verax as vx
    >>> vx.nn.LayerNorm.init(4)(vx.asarray([1.0, 2.0, 3.0, 4.0]))
    Array([-1.3416355, -0.4472118,  0.4472118,  1.3416355], dtype=float32)
    """

    scale: AnyArray
    bias: AnyArray
    eps: float = field(static=True, default=1e-5)

    @staticmethod
    def init(width: int, *, eps: float = 1e-5, dtype: DType = float32) -> LayerNorm:
        return LayerNorm(ones((width,), dtype=dtype), zeros((width,), dtype=dtype), eps)

    def __call__(self, x: AnyArray) -> AnyArray:
        wide = convert(x, float32) if x.dtype.bits < 32 else x
        centred = wide - mean(wide, axis=-1, keepdims=True)
        variance = mean(centred * centred, axis=-1, keepdims=True)
        return convert(centred * rsqrt(variance + self.eps), x.dtype) * self.scale + self.bias


@struct
class RMSNorm:
    """``x / sqrt(mean(x**2) + eps) * scale`` over the last dimension.

    Source: Zhang, Sennrich, Root mean square layer normalization (2019).
    """

    scale: AnyArray
    eps: float = field(static=True, default=1e-6)

    @staticmethod
    def init(width: int, *, eps: float = 1e-6, dtype: DType = float32) -> RMSNorm:
        return RMSNorm(ones((width,), dtype=dtype), eps)

    def __call__(self, x: AnyArray) -> AnyArray:
        wide = convert(x, float32) if x.dtype.bits < 32 else x
        power = mean(wide * wide, axis=-1, keepdims=True)
        return convert(wide * rsqrt(power + self.eps), x.dtype) * self.scale
