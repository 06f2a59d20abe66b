"""The public surface on symbolic sizes: one call of every function, with what it takes.

A row names a public function or an Array method and gives types: dims are separated by spaces,
``i:`` stands before integers, ``b:`` bools, ``c:`` complex, ``u:`` words, ``key`` is a random key.
``Undecided`` is a row where the answer depends on the sizes: UnknownSizeError, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import verax as vx
from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.sizes import Size, dim
from verax.compiler.ir.types import ArrayType, KeyType, Type

DTYPES: dict[str, DType] = {
    "f": vx.float32,
    "i": vx.int32,
    "b": vx.bool_,
    "c": vx.complex64,
    "u": vx.uint32,
}
KEY = KeyType("threefry2x32", ())


def type_of(text: str) -> Type:
    """A type as rows spell it."""
    if text == "key":
        return KEY
    kind, _, dims = text.rpartition(":")
    return ArrayType(tuple(map(_size, dims.split())), DTYPES[kind or "f"])


def _size(text: str) -> Size:
    total: Size = 0
    for term in text.split("+"):
        part: Size = 1
        for factor in term.split("*"):
            part = part * (int(factor) if factor.isdigit() else dim(factor))
        total = total + part
    return total


@dataclass(frozen=True)
class Row:
    """A call of ``name``; without ``call`` it is the function itself on the operands."""

    name: str
    types: tuple[str, ...]
    call: Callable[..., Any] | None = None

    def __call__(self, *xs: Any) -> Any:
        return (self.call or self.function)(*xs)

    @property
    def function(self) -> Callable[..., Any]:
        at: Any = vx
        for part in self.name.split("."):
            at = getattr(at, part)
        f: Callable[..., Any] = at
        return f

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.types)})"


@dataclass(frozen=True)
class Undecided(Row):
    """A call that depends on the sizes."""


def each(names: str, *types: str) -> list[Row]:
    """Functions that take operands of the same types."""
    return [Row(name, types) for name in names.split()]


def call(method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """``x.method(*args)``."""
    return lambda x, *more: getattr(x, method)(*more, *args, **kwargs)


ELEMENTWISE = [
    *each(
        "abs acos acosh angle asin asinh atan atanh cbrt ceil celu conj cos cosh deg2rad digamma"
        " elu erf erf_inv erfc exp exp2 expm1 floor gelu hard_sigmoid hard_silu hard_tanh imag"
        " isfinite isinf isnan isneginf isposinf leaky_relu lgamma log log10 log1p log2 log_sigmoid"
        " logical_not logit mish nan_to_num negative positive rad2deg real reciprocal relu relu6"
        " rint round rsqrt selu sigmoid sign signbit silu sin sinc sinh soft_sign softplus sqrt"
        " square squareplus stop_gradient tan tanh trunc",
        "N M",
    ),
    *each("bitwise_invert count_leading_zeros popcount", "i:N M"),
    *each(
        "add allclose atan2 copysign divide divmod equal floor_divide fmax fmin fmod greater"
        " greater_equal heaviside hypot isclose less less_equal logaddexp logaddexp2 logical_and"
        " logical_or logical_xor make_complex maximum minimum multiply nextafter not_equal pow"
        " remainder subtract xlog1py xlogy",
        "N M",
        "M",
    ),
    *each(
        "bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor",
        "i:N 1",
        "i:M",
    ),
    *each("polygamma", "", "N M"),
    Row("clip", ("N M", "M"), lambda x, low: vx.clip(x, low, 1.0)),
    Row("astype", ("N M",), lambda x: vx.astype(x, vx.bfloat16)),
    Row("bitcast", ("N M",), lambda x: vx.bitcast(x, vx.int32)),
    Row("where", ("b:N 1", "N M", "M")),
    Row("select", ("b:N M", "N M", "N M"), lambda c, x, y: vx.select([c, ~c], [x, y])),
    Row("glu", ("N 2*M",)),
    Undecided("glu", ("N M",)),
]

REDUCTIONS = [
    *each(
        "all any argmax argmin average corrcoef count_nonzero cov logmeanexp logsumexp max mean"
        " median min nanargmax nanargmin nanmax nanmean nanmedian nanmin nanprod nanstd nansum"
        " nanvar norm prod ptp std sum trapezoid var vector_norm",
        "N M",
    ),
    *[
        Row(f"{name}", ("N M K",), lambda x, name=name: getattr(vx, name)(x, axis=1, keepdims=True))
        for name in [
            "all",
            "any",
            "argmax",
            "argmin",
            "average",
            "count_nonzero",
            "logmeanexp",
            "logsumexp",
            "max",
            "mean",
            "median",
            "min",
            "nanargmax",
            "nanmax",
            "nanmean",
            "nanmedian",
            "nanstd",
            "nansum",
            "ptp",
            "prod",
            "std",
            "sum",
            "var",
            "vector_norm",
        ]
    ],
    *each("quantile percentile nanquantile", "N M", ""),
    Row("quantile", ("N M",), lambda x: vx.quantile(x, vx.asarray([0.1, 0.5]), axis=0)),
    Row("average", ("N M", "M"), lambda x, w: vx.average(x, 1, weights=w)),
    Row("matrix_norm", ("K N M",)),
    *each("cumlogsumexp cummax cummin cumulative_prod cumulative_sum", "N"),
    Row("cumulative_sum", ("N M",), lambda x: vx.cumulative_sum(x, 1, include_initial=True)),
    Row("cummax", ("N M",), lambda x: vx.cummax(x, 1, reverse=True)),
    *each("softmax log_softmax standardize", "N M"),
    Row("diff", ("N M",)),
    Row("diff", ("N M",), lambda x: vx.diff(x, 2, axis=0)),
    Row("histogram", ("N M",), lambda x: vx.histogram(x, 5, range=(0.0, 1.0))),
    Row("histogram", ("N M", "K")),
    Row("histogram", ("N M",), lambda x: vx.histogram(x, x.shape[1])),
    Row("bincount", ("i:N",), lambda x: vx.bincount(x, length=7)),
    Row("bincount", ("i:N", "K"), lambda x, y: vx.bincount(x, length=y.shape[0])),
    *[
        Row(f"segment_{k}", ("N M", "i:N"), lambda x, i, k=k: getattr(vx, f"segment_{k}")(x, i, 4))
        for k in ("max", "min", "prod", "sum")
    ],
    Row("segment_sum", ("N M", "i:N", "K"), lambda x, i, y: vx.segment_sum(x, i, y.shape[0])),
]

SHAPES = [
    *each(
        "atleast_1d atleast_2d atleast_3d expand_dims flip fliplr flipud matrix_transpose ravel"
        " rot90 squeeze transpose",
        "N M",
    ),
    *each("atleast_2d atleast_3d expand_dims flip", "N"),
    Row("squeeze", ("N 1 M",), lambda x: vx.squeeze(x, 1)),
    Row("permute_dims", ("N M K",), lambda x: vx.permute_dims(x, (2, 0, 1))),
    Row("moveaxis", ("N M K",), lambda x: vx.moveaxis(x, 0, -1)),
    Row("swapaxes", ("N M K",), lambda x: vx.swapaxes(x, 0, 2)),
    Row("reshape", ("N M",), lambda x: vx.reshape(x, (-1,))),
    Row("reshape", ("N 6",), lambda x: vx.reshape(x, (-1, 3))),
    Row("reshape", ("N M K",), lambda x: vx.reshape(x, (x.shape[0] * x.shape[1], -1))),
    Row("reshape", ("N+1 M",), lambda x: vx.reshape(x, (x.shape[0], 1, -1))),
    Undecided("reshape", ("N M",), lambda x: vx.reshape(x, (2, -1))),
    Undecided("reshape", ("N M", "K"), lambda x, y: vx.reshape(x, (y.shape[0], -1))),
    Row("broadcast_to", ("M", "N M"), lambda x, y: vx.broadcast_to(x, y.shape)),
    Row("broadcast_arrays", ("N 1", "M")),
    Row("concat", ("N M", "K M"), lambda *xs: vx.concat(xs)),
    Row("concat", ("N M", "K M"), lambda *xs: vx.concat(xs, None)),
    Row("concatenate", ("N M", "N K"), lambda *xs: vx.concatenate(xs, 1)),
    Row("append", ("N M", "K M"), lambda x, y: vx.append(x, y, 0)),
    *[
        Row(name, ("N M", "N M"), lambda *xs, name=name: getattr(vx, name)(xs))
        for name in ("stack", "vstack", "hstack", "dstack", "column_stack")
    ],
    Row("column_stack", ("N", "N M"), lambda *xs: vx.column_stack(xs)),
    Row("split", ("N 2*M",), lambda x: vx.split(x, 2, axis=1)),
    Undecided("split", ("N M",), lambda x: vx.split(x, 2)),
    Row("split", ("N M",), lambda x: vx.split(x, [1, 3])),
    Row("array_split", ("6*N+2 M",), lambda x: vx.array_split(x, 3)),
    Row("split", ("N M",), lambda x: vx.split(x, [2, -1])),
    Row("array_split", ("6*N M",), lambda x: vx.array_split(x, 3)),
    Undecided("array_split", ("N M",), lambda x: vx.array_split(x, 2)),
    Row("hsplit", ("N 2*M",), lambda x: vx.hsplit(x, 2)),
    Row("vsplit", ("2*N M",), lambda x: vx.vsplit(x, 2)),
    Row("dsplit", ("N M 2*K",), lambda x: vx.dsplit(x, 2)),
    Row("unstack", ("N 3",), lambda x: vx.unstack(x, 1)),
    Undecided("unstack", ("N M",)),
    Row("tile", ("N M",), lambda x: vx.tile(x, (2, 3))),
    Row("tile", ("N M", "K"), lambda x, y: vx.tile(x, (y.shape[0], 1))),
    Row("repeat", ("N M",), lambda x: vx.repeat(x, 2, axis=1)),
    Row("repeat", ("N M",), lambda x: vx.repeat(x, 2)),
    Row("repeat", ("N M", "K"), lambda x, y: vx.repeat(x, y.shape[0], axis=1)),
    Undecided("repeat", ("N M",), lambda x: vx.repeat(x, [1, 2], axis=0)),
    Row("roll", ("N M",), lambda x: vx.roll(x, 1)),
    Row("roll", ("N M",), lambda x: vx.roll(x, -2, axis=0)),
    Row("roll", ("N M", "i:"), lambda x, k: vx.roll(x, k, axis=1)),
    Row("pad", ("N M",), lambda x: vx.pad(x, 1)),
    Row("pad", ("N M",), lambda x: vx.pad(x, ((0, 1), (2, 0)), constant_values=1.0)),
    Row("pad", ("N M",), lambda x: vx.pad(x, 1, mode="edge")),
    Row("pad", ("N M",), lambda x: vx.pad(x, 2, mode="reflect")),
    Row("pad", ("N M",), lambda x: vx.pad(x, 2, mode="symmetric")),
    Row("pad", ("N M",), lambda x: vx.pad(x, 2, mode="wrap")),
    Row("diag", ("N",)),
    *each("diag", "N N"),
    *each("diag diagonal", "b:N N"),
    Row("diag", ("N",), lambda x: vx.diag(x, 1)),
    Row("diag", ("N N",), lambda x: vx.diag(x, -1)),
    Undecided("diag", ("N M",)),
    Row("diagflat", ("N M",)),
    Row("diagonal", ("N N",)),
    Row("diagonal", ("K N N",), lambda x: vx.diagonal(x, 1, 1, 2)),
    Row("diagonal", ("N N+2",), lambda x: vx.diagonal(x, 1)),
    Undecided("diagonal", ("N M",)),
    Row("trace", ("N N",)),
    Row("trace", ("N+1 N",)),
    Undecided("trace", ("N M",)),
    Row("fill_diagonal", ("N N", "")),
    Row("fill_diagonal", ("N+1 N", "N")),
    Row("fill_diagonal", ("N N+1", "N")),
    Undecided("fill_diagonal", ("N M", "")),
    *each("tril triu", "K N M"),
    Row("meshgrid", ("N", "M")),
    Row("ix_", ("i:N", "i:M")),
    Row("kron", ("N M", "K 2")),
    Row("top_k", ("N M",), lambda x: vx.top_k(x, 3)),
    Row("unravel_index", ("i:N", "K M"), lambda i, x: vx.unravel_index(i, x.shape)),
]

FROM_SCRATCH = [
    Row("arange", ("N",), lambda x: vx.arange(x.shape[0])),
    Row("arange", ("N",), lambda x: vx.arange(1, x.shape[0] + 1, dtype=vx.float32)),
    Row("arange", ("2*N",), lambda x: vx.arange(x.shape[0], 0, -2)),
    Row("arange", ("2*N",), lambda x: vx.arange(0, x.shape[0], 2)),
    Undecided("arange", ("N",), lambda x: vx.arange(0, x.shape[0], 2)),
    Row("linspace", ("N",), lambda x: vx.linspace(0.0, 1.0, x.shape[0])),
    Row("logspace", ("N",), lambda x: vx.logspace(0.0, 1.0, x.shape[0])),
    *[
        Row(name, ("N M",), lambda x, name=name: getattr(vx, name)(x.shape))
        for name in ("zeros", "ones", "empty")
    ],
    Row("full", ("N M", ""), lambda x, y: vx.full(x.shape, y)),
    Row("full", ("N M",), lambda x: vx.full(x.shape, x.shape[0])),
    *each("zeros_like ones_like empty_like", "N M"),
    Row("full_like", ("N M", "")),
    Row("eye", ("N M",), lambda x: vx.eye(*x.shape)),
    Row("eye", ("N",), lambda x: vx.eye(x.shape[0], k=1)),
    Row("identity", ("N",), lambda x: vx.identity(x.shape[0])),
    Row("tri", ("N M",), lambda x: vx.tri(*x.shape)),
    Undecided("tril_indices", ("N",), lambda x: vx.tril_indices(x.shape[0])),
    Undecided("triu_indices", ("N",), lambda x: vx.triu_indices(x.shape[0])),
    Row("one_hot", ("i:N M",), lambda x: vx.one_hot(x, 5)),
    Row("one_hot", ("i:N M", "K"), lambda x, y: vx.one_hot(x, y.shape[0])),
    *each("asarray array", "N M"),
    Row("array", ("N", "N"), lambda x, y: vx.array([x, y])),
    Row("array", ("N",), lambda x: vx.array(x.shape[0])),
    Row("array", ("N M",), lambda x: vx.array(x.shape)),
    Row(
        "broadcast_shapes",
        ("N 1", "M"),
        lambda x, y: vx.zeros(vx.broadcast_shapes(x.shape, y.shape)),
    ),
]

INDEXING = [
    Row("take", ("N M", "i:K"), lambda x, i: vx.take(x, i, axis=0)),
    Row("take", ("N M", "i:K")),
    Row("take", ("N M",), lambda x: vx.take(x, [0, 2], axis=1)),
    Row("take_along_axis", ("N M", "i:N K")),
    Row("put_along_axis", ("N M", "i:N K", "N K")),
    Row("searchsorted", ("N", "M K")),
    Row("digitize", ("N M", "K")),
    Row("interp", ("N", "K", "K")),
    Row("isin", ("N M", "K")),
    *each("argsort sort", "N M"),
    Row("sort", ("N M",), lambda x: vx.sort(x, None)),
    Row("argpartition", ("N M",), lambda x: vx.argpartition(x, 2)),
    Row("partition", ("N M",), lambda x: vx.partition(x, 2)),
    Row("lexsort", ("N M", "N M"), lambda *xs: vx.lexsort(xs)),
    *[
        Row(name, ("N M",), lambda x, name=name: getattr(vx, name)(x > 0, size=3))
        for name in ("argwhere", "flatnonzero", "nonzero")
    ],
    Row("unique", ("i:N",), lambda x: vx.unique(x, size=3)),
    Row("unique", ("i:N",), lambda x: vx.unique(x, size=x.shape[0])),
    Row("nonzero", ("b:N",), lambda x: vx.nonzero(x, size=x.shape[0])),
    Row("slice_in_dim", ("N M",), lambda x: vx.slice_in_dim(x, 1, 3, axis=1)),
    Row("slice_in_dim", ("2*N M",), lambda x: vx.slice_in_dim(x, 0, None, 2)),
    Row("index_in_dim", ("N M",), lambda x: vx.index_in_dim(x, 1)),
    Row("dynamic_index_in_dim", ("N M", "i:")),
    Row("dynamic_slice", ("N M", "i:2"), lambda x, i: vx.dynamic_slice(x, i, (2, x.shape[1]))),
    Row("dynamic_slice_in_dim", ("N M", "i:"), lambda x, i: vx.dynamic_slice_in_dim(x, i, 2)),
    Row("dynamic_update_index_in_dim", ("N M", "1 M", "i:")),
    Row("dynamic_update_slice", ("N M", "2 M", "i:2")),
    Row("dynamic_update_slice_in_dim", ("N M", "2 M", "i:")),
]

METHODS = [
    *[
        Row(f"Array.{name}", ("N M",), lambda x, name=name: getattr(x, name))
        for name in ("T", "mT", "real", "imag")
    ],
    *[
        Row(f"Array.{name}", ("N M",), call(name))
        for name in [
            "all",
            "any",
            "argmax",
            "argmin",
            "conj",
            "copy",
            "flatten",
            "max",
            "mean",
            "min",
            "prod",
            "ravel",
            "round",
            "squeeze",
            "std",
            "sum",
            "transpose",
            "var",
            "__abs__",
            "__neg__",
            "__pos__",
            "__copy__",
        ]
    ],
    Row("Array.cumprod", ("N M",), call("cumprod", 1)),
    Row("Array.cumsum", ("N M",), call("cumsum", 1)),
    Row("Array.__deepcopy__", ("N M",), call("__deepcopy__", {})),
    Row("Array.astype", ("N M",), call("astype", "int32")),
    Row("Array.clip", ("N M",), call("clip", 0.0, 1.0)),
    Row("Array.dot", ("N M", "M K"), call("dot")),
    Row("Array.reshape", ("N 4",), call("reshape", (-1, 2))),
    Row("Array.reshape", ("N M K",), lambda x: x.reshape(x.shape[0], -1)),
    Row("Array.swapaxes", ("N M K",), call("swapaxes", 0, 2)),
    Row("Array.at", ("N M", "i:K", "K M"), lambda x, i, y: x.at[i].add(y)),
    Row("Array.at", ("N M", "M"), lambda x, y: x.at[0].set(y)),
    Row("Array.at", ("N M", "N"), lambda x, y: x.at[:, -1].multiply(y)),
    Row("Array.size", ("N M",), lambda x: x.sum() / x.size),
    Row("Array.ndim", ("N M",), lambda x: x * x.ndim),
    Row("Array.dtype", ("N M",), lambda x: vx.ones(x.shape, x.dtype)),
    Row("Array.shape", ("N M",), lambda x: x / x.shape[-1] ** 0.5),
    Row("Array.shape", ("N M",), lambda x: x * (1 / x.shape[-1] + 0.5 * x.shape[0])),
    Row("Array.shape", ("N M",), lambda x: x * x.shape[0] ** 2),
    Row("Array.itemsize", ("N M",), lambda x: x * x.itemsize),
    Undecided("Array.nbytes", ("N M",), lambda x: x * x.nbytes),
    *[
        Row(f"Array.__{name}__", ("N M", "M"), lambda x, y, name=name: getattr(x, f"__{name}__")(y))
        for name in [
            "add",
            "sub",
            "mul",
            "truediv",
            "floordiv",
            "mod",
            "divmod",
            "pow",
            "radd",
            "rsub",
            "rmul",
            "rtruediv",
            "rfloordiv",
            "rmod",
            "rdivmod",
            "rpow",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
        ]
    ],
    *[
        Row(f"Array.__{name}__", ("i:N M", "i:M"), call(f"__{name}__"))
        for name in [
            "and",
            "or",
            "xor",
            "lshift",
            "rshift",
            "rand",
            "ror",
            "rxor",
            "rlshift",
            "rrshift",
        ]
    ],
    Row("Array.__invert__", ("i:N M",), call("__invert__")),
    Row("Array.__round__", ("N M",), call("__round__", 1)),
    Row("Array.__matmul__", ("K N M", "M 3"), call("__matmul__")),
    Row("Array.__rmatmul__", ("M 3", "N M"), call("__rmatmul__")),
    Undecided("Array.__len__", ("N M",), lambda x: x * len(x)),
    Undecided("Array.__iter__", ("N M",), lambda x: sum(row for row in x)),
    Row("Array.__iter__", ("3 M",), lambda x: sum(row for row in x)),
    *[
        Row("Array.__getitem__", ("N M",), get)
        for get in (
            lambda x: x[0],
            lambda x: x[-1],
            lambda x: x[:, 1],
            lambda x: x[1:],
            lambda x: x[:-1, 1:3],
            lambda x: x[:, None],
            lambda x: x[::-1],
            lambda x: x[[0, 2]],
            lambda x: x[..., None, :],
            lambda x: x[: x.shape[0] - 1],
        )
    ],
    *[
        Row("Array.__getitem__", ("N M",), get)
        for get in (
            lambda x: x[-x.shape[0] :],
            lambda x: x[: x.shape[0] + 2],
            lambda x: x[x.shape[0] :],
            lambda x: x[3:1],
            lambda x: x[x.shape[0] :: -1],
            lambda x: x[x.shape[0] - 1, -x.shape[1]],
        )
    ],
    Row("Array.__getitem__", ("2*N M",), lambda x: x[::2]),
    Row("Array.__getitem__", ("2*N M",), lambda x: x[x.shape[0] // 2 :]),
    Undecided("Array.__getitem__", ("N M",), lambda x: x[::2]),
    Undecided("Array.__getitem__", ("N M",), lambda x: x[: x.shape[0] // 2]),
    Row("Array.__getitem__", ("N M", "i:"), lambda x, i: x[i]),
    Row("Array.__getitem__", ("N M", "i:K 2"), lambda x, i: x[i]),
    Row("Array.__getitem__", ("N M", "i:K", "i:K"), lambda x, i, j: x[i, j]),
    Row("Array.shape", ("2*N+1 M",), lambda x: vx.ones(divmod(x.shape[0], 2))),
    Row("Array.shape", ("N M",), lambda x: x if x.shape[0] + 1 > x.shape[0] >= 0 else x[0]),
    Row("Array.shape", ("N M",), lambda x: vx.jit(vx.multiply)(x, x.shape[0] / 2)),
    Row("Array.shape", ("N M",), lambda x: vx.where(vx.asarray(x.shape[0]) > 3, x, 0.0)),
    *[
        Undecided("Array.shape", ("N M",), ask)
        for ask in (
            lambda x: [x[i] for i in range(x.shape[0])],
            lambda x: x if x.shape[0] > 4 else -x,
            lambda x: x if x.shape[0] % 2 else -x,
            lambda x: x if x.shape[0] & 1 else -x,
            lambda x: x if x.shape[0] / 2 > 3 else -x,
            lambda x: x[: int(x.shape[0] / 2)],
            lambda x: x[: math.ceil(x.shape[0] / 2)],
            lambda x: x / math.sqrt(x.shape[0]),
            lambda x: x * np.sqrt(x.shape[0]),
            lambda x: x * np.zeros(x.shape),
            lambda x: x[(None,) * x.shape[0]],
            lambda x: vx.zeros(max(x.shape)),
            lambda x: vx.fori_loop(0, x.shape[0].bit_length(), lambda i, y: y, x),
            lambda x: vx.map(vx.sum, x, batch_size=x.shape[0]),
        )
    ],
]
