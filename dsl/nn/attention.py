"""Multi-head attention with rotary positions and a mask.

The heads are a dimension of the weights, so a mesh axis can cut them: with ``query``, ``key`` and
``value`` cut by heads and ``out`` cut by heads too, a layer needs one all-reduce.
"""

from __future__ import annotations

import math
from typing import Any, Generic

from verax.compiler.ir.dtypes import bool_, float32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import root
from verax.dsl.lang.array import Array
from verax.dsl.lang.creation import arange
from verax.dsl.lang.dtypes import promote_types
from verax.dsl.lang.einsum import einsum
from verax.dsl.lang.elementwise import cos, exp, sin, where
from verax.dsl.lang.joining import concat
from verax.dsl.lang.key import OneKey
from verax.dsl.lang.promotion import convert
from verax.dsl.lang.signatures import RF, Ds
from verax.dsl.lang.softmax import softmax
from verax.dsl.lang.struct import struct
from verax.dsl.lang.typing import Size
from verax.dsl.nn.dims import Heads, HeadSize, K, M, N, V, W, Width
from verax.dsl.nn.dropout import dropout
from verax.dsl.nn.linear import scaled_normal
from verax.prng import split


def causal_mask(length: Size[N] | int) -> Array[bool_, N, N]:
    """``bool[length, length]``: position t (row) sees s (column) where s <= t."""
    at = arange(length)
    mask: Array[bool_, N, N] = at[:, None] >= at[None, :]
    return mask


def rotary(x: Array[RF, *Ds, N, M, K], *, base: float = 10000.0) -> Array[RF, *Ds, N, M, K]:
    """Rotate pairs of features by their position: ``[..., T, heads, size]``, size even.

    Feature i is paired with i + size/2 and turned by ``t * base**(-2i/size)`` at position t, so
    that products of queries and keys depend on the distance of their positions only.

    Source: Su et al., RoFormer (2021).
    """
    length, size = x.shape[-3], x.shape[-1]
    if size % 2:
        raise ShapeError(
            f"rotary needs an even head size, got {size} in {x.type}",
            fix="its features are turned in pairs: make width // heads even",
        )
    half = size // 2
    wide = promote_types(x.dtype, float32)
    rates = exp(arange(half, dtype=wide) * (-2.0 * math.log(base) / size))
    angles = (arange(length, dtype=wide)[:, None] * rates)[:, None, :]
    c, s = convert(cos(angles), x.dtype), convert(sin(angles), x.dtype)
    a, b = x[..., :half], x[..., half:]
    return concat([a * c - b * s, a * s + b * c], axis=-1)


@struct
class MultiHeadAttention(Generic[Width, Heads, HeadSize, W]):
    """``[..., T, width] -> [..., T, width]``.

    Source: Vaswani et al., Attention is all you need (2017).
    """

    query: Array[W, Width, Heads, HeadSize]
    """[width, heads, size]"""
    key: Array[W, Width, Heads, HeadSize]
    """[width, heads, size]"""
    value: Array[W, Width, Heads, HeadSize]
    """[width, heads, size]"""
    out: Array[W, Heads, HeadSize, Width]
    """[heads, size, width]"""

    @staticmethod
    def init(
        width: Size[N] | int,
        heads: Size[M] | int,
        *,
        key: OneKey,
        gain: float = 1.0,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> MultiHeadAttention[N, M, Any, V]:
        """``gain`` scales the output, so that a residual branch can start small."""
        if width % heads:
            raise ShapeError(
                f"MultiHeadAttention: the width {width} is not a multiple of {heads} heads",
                fix=f"width={width // heads * heads or heads}, or a number of heads that divides"
                f" {width}",
            )
        size = width // heads
        q, k, v, o = split(key, 4)
        into = (width, heads, size)
        return MultiHeadAttention(
            query=scaled_normal(q, into, width, dtype),
            key=scaled_normal(k, into, width, dtype),
            value=scaled_normal(v, into, width, dtype),
            out=scaled_normal(o, (heads, size, width), width, dtype, gain),
        )

    def __call__(
        self,
        x: Array[W, *Ds, N, Width],
        mask: Array[bool_, *tuple[Any, ...], N] | None = None,
        *,
        rotate: bool = True,
        dropout_rate: float = 0.0,
        key: OneKey | None = None,
    ) -> Array[W, *Ds, N, Width]:
        """Attend from every position to those that the mask allows.

        Args:
            mask: ``bool[..., T, T]``, rows attend to columns; None allows all.
            rotate: give queries and keys their positions by ``rotary``.
            dropout_rate: the share of attention weights that is dropped, if a key is given.
        """
        q, k, v = (
            einsum("... t w, w h s -> ... t h s", x, weight)
            for weight in (self.query, self.key, self.value)
        )
        if rotate:
            q, k = rotary(q), rotary(k)
        scores = einsum("... t h s, ... u h s -> ... h t u", q, k) / root(q.shape[-1])
        if mask is not None:
            scores = where(mask, scores, -1e30 if scores.dtype.bits >= 32 else -1e4)
        weights = dropout(softmax(scores, axis=-1), dropout_rate, key=key)
        mixed = einsum("... h t u, ... u h s -> ... t h s", weights, v)
        return einsum("... t h s, h s w -> ... t w", mixed, self.out)
