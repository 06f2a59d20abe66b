"""Affine maps of the last dimension, and the two of them with a nonlinearity between: an MLP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, overload

from verax.compiler.ir.dtypes import DType, float32
from verax.compiler.ir.sizes import Shape, root
from verax.compiler.ir.sizes import Size as AnySize
from verax.dsl.lang.array import AnyArray, Array
from verax.dsl.lang.creation import zeros
from verax.dsl.lang.elementwise import gelu
from verax.dsl.lang.key import OneKey
from verax.dsl.lang.signatures import Ds
from verax.dsl.lang.struct import field, struct
from verax.dsl.lang.typing import Size
from verax.dsl.nn.dims import Back, Hidden, In, K, M, N, Out, V, W
from verax.prng import split, truncated_normal


def scaled_normal(
    key: OneKey, shape: Shape, fan_in: AnySize, dtype: DType = float32, gain: float = 1.0
) -> AnyArray:
    """Weights of variance gain**2 / fan_in: a normal truncated at two deviations, rescaled.

    0.87962566 is the deviation of the standard normal truncated at +-2.
    """
    scale = gain / root(max(1, fan_in) if isinstance(fan_in, int) else fan_in) / 0.87962566103423978
    weights: AnyArray = truncated_normal(key, -2.0, 2.0, shape, dtype) * scale
    return weights


@struct
class Linear(Generic[In, Out, W]):
    """``x @ weight + bias``: ``[..., n_in] -> [..., n_out]``.

    >>> import verax as vx
    >>> layer = vx.nn.Linear.init(3, 2, key=vx.random.key(0))
    >>> layer(vx.ones((5, 3))).shape
    (5, 2)
    """

    weight: Array[W, In, Out]
    """[n_in, n_out]"""
    bias: Array[W, Out] | None
    """[n_out]"""

    @staticmethod
    def init(
        n_in: Size[N] | int,
        n_out: Size[M] | int,
        *,
        key: OneKey,
        bias: bool = True,
        gain: float = 1.0,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> Linear[N, M, V]:
        """Weights of variance gain**2 / n_in; a bias of zeros."""
        weight = scaled_normal(key, (n_in, n_out), n_in, dtype, gain)
        return Linear(weight, zeros((n_out,), dtype=dtype) if bias else None)

    def __call__(self, x: Array[W, *Ds, In]) -> Array[W, *Ds, Out]:
        y: Array[W, *Ds, Out] = x @ self.weight
        return y if self.bias is None else y + self.bias


@struct
class MLP(Generic[In, Hidden, Back, W]):
    """``down(activation(up(x)))``: ``[..., n_in] -> [..., n_out]``, by default ``n_in`` again."""

    up: Linear[In, Hidden, W]
    down: Linear[Hidden, Back, W]
    activation: Callable[[AnyArray], AnyArray] = field(static=True)

    @overload
    @staticmethod
    def init(
        width: Size[N] | int,
        hidden: Size[M] | int,
        *,
        key: OneKey,
        n_out: None = None,
        bias: bool = ...,
        gain: float = ...,
        activation: Callable[[AnyArray], AnyArray] = ...,
        dtype: type[V] = ...,
    ) -> MLP[N, M, N, V]: ...
    @overload
    @staticmethod
    def init(
        width: Size[N] | int,
        hidden: Size[M] | int,
        *,
        key: OneKey,
        n_out: Size[K] | int,
        bias: bool = ...,
        gain: float = ...,
        activation: Callable[[AnyArray], AnyArray] = ...,
        dtype: type[V] = ...,
    ) -> MLP[N, M, K, V]: ...
    @staticmethod
    def init(
        width: int,
        hidden: int,
        *,
        key: OneKey,
        n_out: int | None = None,
        bias: bool = True,
        gain: float = 1.0,
        activation: Callable[[AnyArray], AnyArray] = gelu,
        dtype: DType = float32,
    ) -> MLP[Any, Any, Any, Any]:
        """``gain`` scales the second layer, so that residual branches can start small."""
        first, second = split(key)
        return MLP(
            Linear.init(width, hidden, key=first, bias=bias, dtype=dtype),
            Linear.init(
                hidden, width if n_out is None else n_out, key=second, bias=bias, gain=gain,
                dtype=dtype,
            ),
            activation,
        )  # fmt: skip

    def __call__(self, x: Array[W, *Ds, In]) -> Array[W, *Ds, Back]:
        hidden: Array[W, *Ds, Hidden] = self.activation(self.up(x))
        return self.down(hidden)
