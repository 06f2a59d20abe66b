"""Convolution layers over any number of spatial dimensions: Conv and ConvTranspose.

The last dimension holds the features, the window slides over those before it, and what stands in
front of them are batches. Kernels are ``[*window, n_in / groups, n_out]``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any, Generic, cast

from verax.compiler.ir.dtypes import float32
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Size as AnySize
from verax.dsl.lang.array import AnyArray, Array
from verax.dsl.lang.contraction import factors_of
from verax.dsl.lang.convolution import Form, convolved, undone
from verax.dsl.lang.creation import zeros
from verax.dsl.lang.key import OneKey
from verax.dsl.lang.sliding import Padding, Steps, slides, steps
from verax.dsl.lang.struct import field, struct
from verax.dsl.lang.typing import Size
from verax.dsl.lang.value import shape_of
from verax.dsl.nn.dims import In, M, N, Out, V, W
from verax.dsl.nn.linear import scaled_normal


@struct
class Conv(Generic[In, Out, W]):
    """A kernel that slides over space: ``[..., *space, n_in] -> [..., *space, n_out]``.

    >>> import verax as vx
    >>> layer = vx.nn.Conv.init(3, 8, (3, 3), key=vx.random.key(0), strides=2)
    >>> layer(vx.ones((10, 32, 32, 3))).shape
    (10, 16, 16, 8)
    """

    weight: Array[W, *tuple[Any, ...], Out]
    """[*window, n_in / groups, n_out]"""
    bias: Array[W, Out] | None
    """[n_out]"""
    n_in: Size[In] = field(static=True)
    strides: tuple[int, ...] = field(static=True)
    padding: Padding = field(static=True)
    dilation: tuple[int, ...] = field(static=True)

    @staticmethod
    def init(
        n_in: Size[N] | int,
        n_out: Size[M] | int,
        window: Sequence[int],
        *,
        key: OneKey,
        strides: Steps = 1,
        padding: Padding = "SAME",
        dilation: Steps = 1,
        groups: int = 1,
        bias: bool = True,
        gain: float = 1.0,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> Conv[N, M, V]:
        """Weights of variance gain**2 / (elements that one output sums); a bias of zeros.

        Args:
            window: the size of the kernel along each spatial dimension.
            padding: SAME, VALID, CAUSAL (one spatial dimension: an output sees what stands before
                it), or (low, high) for each.
            groups: into how many the features are split; ``n_in`` of them is a depthwise layer.
        """
        n = len(window)
        if groups < 1 or n_in % groups or n_out % groups:
            raise ShapeError(
                f"Conv: {n_in} and {n_out} features do not fall into {groups} groups",
                fix="both numbers of features must be multiples of the groups",
            )
        shape = (*steps("Conv", "window", window, n), n_in // groups, n_out)
        weight = scaled_normal(key, shape, math.prod(shape[:-1]), dtype, gain)
        return Conv(
            weight,
            zeros((n_out,), dtype=dtype) if bias else None,
            cast("Size[N]", n_in),
            steps("Conv", "strides", strides, n),
            frozen(padding),
            steps("Conv", "dilation", dilation, n),
        )

    @property
    def groups(self) -> int:
        """Into how many the features are split."""
        groups: int = self.n_in // self.weight.shape[-2]
        return groups

    def __call__(self, x: Array[W, *tuple[Any, ...], In]) -> Array[W, *tuple[Any, ...], Out]:
        x, w = factors_of("Conv", x, self.weight)
        form, sizes, window = _layout("Conv", x, w)
        padding = self.padding
        if padding == "CAUSAL":
            if len(window) != 1:
                raise ShapeError(
                    f"Conv: CAUSAL padding is for one spatial dimension, the kernel is {w.type}",
                    fix="give the padding in pairs: [(low, high), ...]",
                )
            padding = [((window[0] - 1) * self.dilation[0], 0)]
        how = slides("Conv", sizes, window, self.strides, padding, None, self.dilation)
        y = convolved("Conv", form, x, w, how, groups=(self.groups, 1))
        return y if self.bias is None else y + self.bias


@struct
class ConvTranspose(Generic[In, Out, W]):
    """The layer that goes the other way: ``[..., *space, n_in] -> [..., *space * strides, n_out]``.

    >>> import verax as vx
    >>> layer = vx.nn.ConvTranspose.init(8, 3, (4, 4), key=vx.random.key(0), strides=2)
    >>> layer(vx.ones((10, 16, 16, 8))).shape
    (10, 32, 32, 3)
    """

    weight: Array[W, *tuple[Any, ...], In, Out]
    """[*window, n_in, n_out]"""
    bias: Array[W, Out] | None
    """[n_out]"""
    strides: tuple[int, ...] = field(static=True)
    padding: Padding = field(static=True)
    dilation: tuple[int, ...] = field(static=True)

    @staticmethod
    def init(
        n_in: Size[N] | int,
        n_out: Size[M] | int,
        window: Sequence[int],
        *,
        key: OneKey,
        strides: Steps = 1,
        padding: Padding = "SAME",
        dilation: Steps = 1,
        bias: bool = True,
        gain: float = 1.0,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> ConvTranspose[N, M, V]:
        """Weights of variance gain**2 / (elements of the kernel and its input features).

        Args:
            padding: as ``vx.conv_transpose`` takes it.
        """
        n = len(window)
        shape = (*steps("ConvTranspose", "window", window, n), n_in, n_out)
        weight = scaled_normal(key, shape, math.prod(shape[:-1]), dtype, gain)
        return ConvTranspose(
            weight,
            zeros((n_out,), dtype=dtype) if bias else None,
            steps("ConvTranspose", "strides", strides, n),
            frozen(padding),
            steps("ConvTranspose", "dilation", dilation, n),
        )

    def __call__(self, x: Array[W, *tuple[Any, ...], In]) -> Array[W, *tuple[Any, ...], Out]:
        name = "ConvTranspose"
        x, w = factors_of(name, x, self.weight)
        form, sizes, window = _layout(name, x, w)
        padding = undone(self.padding, window, self.strides, self.dilation)
        how = slides(name, sizes, window, 1, padding, self.strides, self.dilation)
        y = convolved(name, form, x, w, how)
        return y if self.bias is None else y + self.bias


def _layout(name: str, x: AnyArray, w: AnyArray) -> tuple[Form, list[AnySize], list[int]]:
    """What stands on the dimensions; the sizes of the spatial ones, and those of the window."""
    n = w.ndim - 2
    lead = x.ndim - n - 1
    if lead < 0:
        raise ShapeError(
            f"{name}: the kernel {w.type} slides over {n} dimensions before the features, but the"
            f" operand is {x.type}",
            fix="the operand is [..., *space, features]",
        )
    space = tuple(range(n))
    batches = tuple([f"n{i}" for i in range(lead)])
    form = Form((*batches, *space, "c"), (*space, "c", "o"), (*batches, *space, "o"))
    return form, list(shape_of(x)[lead:-1]), list(w.shape[:n])


def frozen(padding: Padding) -> Padding:
    """Padding as a static field holds it."""
    if isinstance(padding, str):
        return padding.upper()
    if isinstance(padding, int):
        return padding
    return tuple([p if isinstance(p, int) else (index(p[0]), index(p[1])) for p in padding])
