"""Programs evaluated equation by equation with NumPy: the oracle of the tests of the passes.

It shares nothing with the compiler but the classes of the ops. A key is its two words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import ml_dtypes
import numpy as np
import numpy.typing as npt
from scipy import special

from verax.compiler.ir.dtypes import DType
from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import KeyType, Type
from verax.compiler.ops.barrier import Barrier, Cut
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.control import Call, Cond
from verax.compiler.ops.custom import Custom, LinearMap
from verax.compiler.ops.indexing import Gather, ScatterAdd, ScatterSet
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.masked import Masked
from verax.compiler.ops.pointwise import Compare, Constant, Convert, Pointwise, Select
from verax.compiler.ops.policies import Named
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.reduce import Reduce
from verax.compiler.ops.remat import Remat
from verax.compiler.ops.slicing import (
    Concatenate,
    DynamicSlice,
    DynamicUpdateSlice,
    Pad,
    Slice,
)

Array: TypeAlias = npt.NDArray[Any]


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy dtype of the same name."""
    return np.dtype(getattr(ml_dtypes, dtype.name, None) or dtype.name)


def evaluate(p: Program, inputs: Iterable[Any]) -> list[Array]:
    """The outputs of p; every value is checked against its type."""
    env = [np.asarray(x) for x in inputs]
    assert len(env) == p.n_in
    for x, t in zip(env, p.in_types):
        _fits(x, t)
    with np.errstate(all="ignore"):
        for op, xs, first, count, _ in p.equations:
            ys = [np.asarray(y) for y in _apply(op, [env[x] for x in xs])]
            assert len(ys) == count, op
            for y, t in zip(ys, p.types[first : first + count]):
                _fits(y, t)
            env += ys
    return [env[o] for o in p.outs]


def _fits(x: Array, t: Type) -> None:
    at = t.physical if isinstance(t, KeyType) else t
    assert x.shape == at.shape, f"{x.shape} is not a value of {t}"
    assert x.dtype == numpy_dtype(at.dtype), f"{x.dtype} is not a value of {t}"


def random_inputs(ts: Sequence[Type], seed: int = 0) -> list[Array]:
    """Values of these types: normal floats, small integers, any keys."""
    rng = np.random.default_rng(seed)
    return [_random(t, rng) for t in ts]


def _random(t: Type, rng: np.random.Generator) -> Array:
    if isinstance(t, KeyType):
        words = rng.integers(0, 2**32, cast(Any, t.physical.shape), np.uint32)
        return np.asarray(words)
    shape, dtype = cast(Any, t.shape), numpy_dtype(t.dtype)
    if t.dtype.is_bool:
        return np.asarray(rng.random(shape) < 0.5)
    if t.dtype.is_integer:
        return np.asarray(rng.integers(0, 3, shape)).astype(dtype)
    x = rng.standard_normal(shape)
    return np.asarray(x + 1j * rng.standard_normal(shape) if t.dtype.is_complex else x).astype(
        dtype
    )


# the ops -----------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "neg": np.negative, "add": np.add, "sub": np.subtract, "mul": np.multiply,
    "max": np.maximum, "min": np.minimum, "abs": np.abs, "sign": np.sign,
    "not": np.invert, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
    "sqrt": np.sqrt, "logistic": special.expit, "pow": np.power, "floor": np.floor,
    "clamp": lambda low, x, high: np.clip(x, low, high),
}  # fmt: skip
COMPARE: dict[str, Callable[..., Any]] = {
    "EQ": np.equal, "NE": np.not_equal, "LT": np.less, "LE": np.less_equal,
    "GT": np.greater, "GE": np.greater_equal,
}  # fmt: skip
REDUCE: dict[str, Callable[..., Any]] = {
    "max": np.max, "min": np.min, "mul": np.prod, "and": np.all, "or": np.any,
}  # fmt: skip


def _apply(op: Op, xs: list[Array]) -> Iterable[Any]:
    rule = _RULES.get(type(op))
    assert rule is not None, f"the oracle does not know {op.name}"
    return rule(op, *xs)


def _pointwise(op: Pointwise, *xs: Array) -> list[Any]:
    if op.fn == "div":
        x, y = xs
        if x.dtype.kind in "iu":  # towards zero; NumPy rounds down
            q = np.floor_divide(np.abs(x), np.abs(y))
            return [(q * np.sign(x) * np.sign(y)).astype(x.dtype)]
        return [np.divide(x, y)]
    return [FUNCTIONS[op.fn](*xs)]


def _constant(op: Constant) -> list[Any]:
    return [np.full(cast(Any, op.type.shape), op.value, numpy_dtype(op.type.dtype))]


def _convert(op: Convert, x: Array) -> list[Any]:
    if op.to.is_bool:
        return [x != 0]
    if x.dtype.kind == "c" and not op.to.is_complex:
        x = x.real
    return [x.astype(numpy_dtype(op.to))]


def _contract(op: Contract, *xs: Array) -> list[Any]:
    told = {f for labels in op.ins for f in labels}
    out = [f for f in op.out if f in told]
    operands: list[Any] = []
    for x, labels in zip(xs, op.ins):
        operands += [x if op.out_dtype is None else x.astype(numpy_dtype(op.out_dtype)), labels]
    y = np.asarray(np.einsum(*operands, out))
    sizes = dict(op.sizes)
    for x, labels in zip(xs, op.ins):
        sizes.update(zip(labels, x.shape))
    at = [i for i, f in enumerate(op.out) if f not in told]
    return [np.broadcast_to(np.expand_dims(y, at), cast(Any, [sizes[f] for f in op.out]))]


def _slice(op: Slice, x: Array) -> list[Any]:
    return [x[tuple(slice(None) if p is None else slice(*p) for p in cast(Any, op.parts))]]


def _pad(op: Pad, x: Array) -> list[Any]:
    for axis, part in enumerate(op.parts):
        if part is not None:
            x = _pad_axis(x, axis, *cast(Any, part))
    return [x]


def _pad_axis(x: Array, axis: int, low: int, high: int, interior: int) -> Array:
    n = x.shape[axis]
    inner = max(0, n + (n - 1) * interior)
    shape = list(x.shape)
    shape[axis] = inner + max(low, 0) + max(high, 0)
    y = np.zeros(shape, x.dtype)
    at: list[Any] = [slice(None)] * x.ndim
    at[axis] = slice(max(low, 0), max(low, 0) + inner, interior + 1)
    y[tuple(at)] = x
    at[axis] = slice(max(-low, 0), shape[axis] - max(-high, 0))
    return np.asarray(y[tuple(at)])


def _window(x: Array, sizes: Sequence[Any], starts: Sequence[Array]) -> tuple[slice, ...]:
    """The window of these sizes (None for all) at these starts, which are moved into the array."""
    at = iter(starts)
    begin = [0 if n is None else int(np.clip(next(at), 0, m - n)) for n, m in zip(sizes, x.shape)]
    return tuple([slice(i, i + (m if n is None else n)) for i, n, m in zip(begin, sizes, x.shape)])


def _dynamic_slice(op: DynamicSlice, x: Array, *starts: Array) -> list[Any]:
    return [x[_window(x, op.sizes, starts)]]


def _dynamic_update_slice(
    op: DynamicUpdateSlice, x: Array, part: Array, *starts: Array
) -> list[Any]:
    sizes = [n if i in op.dims else None for i, n in enumerate(part.shape)]
    y = x.copy()
    y[_window(x, sizes, starts)] = part
    return [y]


def _order(op: Any, ndim: int, n: int) -> list[int]:
    """The order that brings the shared dimensions to the front, then the n of the places."""
    b = op.lead + op.batch_dims
    front = [*range(op.lead, b), *range(b + op.inner, b + op.inner + n)]
    return [*front, *[k for k in range(ndim) if k not in front]]


def _at(op: Any, x: Array, index: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
    """x in that order, and the places in it, clipped."""
    x = x.transpose(_order(op, x.ndim, len(index)))
    shape, b = index[0].shape, op.batch_dims
    own = np.indices(shape, sparse=True)[:b]
    sizes = x.shape[b : b + len(index)]
    return x, (*own, *[np.clip(i, 0, n - 1) for i, n in zip(index, sizes)])


def _gather(op: Gather, x: Array, *index: Array) -> list[Any]:
    turned, places = _at(op, x, index)
    y = turned[places]
    return [y.transpose(np.argsort(_order(op, y.ndim, index[0].ndim - op.batch_dims)))]


def _scatter(op: ScatterSet | ScatterAdd, x: Array, y: Array, *index: Array) -> list[Any]:
    out = x.copy()
    turned, places = _at(op, out, index)
    rows = y.transpose(_order(op, y.ndim, index[0].ndim - op.batch_dims))
    if isinstance(op, ScatterSet):
        turned[places] = rows
    else:
        np.add.at(turned, places, rows)
    return [out]


def _scatter_add(op: ScatterAdd, y: Array, *index: Array) -> list[Any]:
    at = index[0].ndim - op.batch_dims
    first = op.lead + op.batch_dims + op.inner
    shape = (*y.shape[:first], *cast(Any, op.sizes), *y.shape[first + at :])
    return _scatter(op, np.zeros(shape, y.dtype), y, *index)


def _iota(op: Iota) -> list[Any]:
    return [np.arange(cast(int, op.n)).astype(numpy_dtype(op.out_dtype))]


def _cond(op: Cond, index: Array, *xs: Array) -> list[Array]:
    return evaluate(op.branches[min(max(int(index), 0), len(op.branches) - 1)], xs)


def _while(op: While, *xs: Array) -> list[Array]:
    consts, carry = list(xs[: op.n_consts]), list(xs[op.n_consts :])
    steps = 0
    while (op.bound is None or steps < op.bound) and evaluate(op.cond, [*consts, *carry])[0]:
        carry = evaluate(op.body, [*consts, *carry])
        steps += 1
    return carry


def _scan(op: Scan, *xs: Array) -> list[Array]:
    c, k, n = op.n_consts, op.n_consts + op.n_carry, cast(int, op.length)
    carry = list(xs[c:k])
    rows: list[list[Array]] = [[] for _ in op.body.outs[op.n_carry :]]
    for i in reversed(range(n)) if op.reverse else range(n):
        ys = evaluate(op.body, [*xs[:c], *carry, *[x[i] for x in xs[k:]]])
        carry = ys[: op.n_carry]
        for stack, y in zip(rows, ys[op.n_carry :]):
            stack.append(y)
    return [
        *carry,
        *[_stack(stack, t, op) for stack, t in zip(rows, op.body.out_types[op.n_carry :])],
    ]


def _stack(rows: list[Array], t: Type, op: Scan) -> Array:
    at = t.physical if isinstance(t, KeyType) else t
    if not rows:
        return np.zeros(cast(Any, (0, *at.shape)), numpy_dtype(at.dtype))
    return np.stack(rows[::-1] if op.reverse else rows)


_RULES: dict[type[Op], Callable[..., Iterable[Any]]] = {
    Pointwise: _pointwise,
    Constant: _constant,
    Convert: _convert,
    Compare: lambda op, x, y: [COMPARE[op.direction](x, y)],
    Select: lambda op, p, x, y: [np.where(p, x, y)],
    Contract: _contract,
    Reshape: lambda op, x: [x.reshape(op.shape)],
    Reverse: lambda op, x: [np.flip(x, op.axes)],
    Iota: _iota,
    Slice: _slice,
    Pad: _pad,
    Gather: _gather,
    ScatterSet: _scatter,
    ScatterAdd: _scatter_add,
    DynamicSlice: _dynamic_slice,
    DynamicUpdateSlice: _dynamic_update_slice,
    Masked: lambda op, p, x, y: [np.where(p, x, y)],
    Concatenate: lambda op, *xs: [np.concatenate(xs, op.axis)],
    Reduce: lambda op, x: [REDUCE[op.kind](x, axis=op.axes)],
    KeyData: lambda op, x: [x],
    KeyWrap: lambda op, x: [x],
    Call: lambda op, *xs: evaluate(op.program, xs),
    Remat: lambda op, *xs: evaluate(op.program, xs),
    Barrier: lambda op, *xs: xs,
    Cut: lambda op, *xs: xs,
    Named: lambda op, x: [x],
    Cond: _cond,
    Custom: lambda op, *xs: evaluate(op.primal, xs),
    LinearMap: lambda op, *xs: evaluate(op.forward(None), xs),
    While: _while,
    Scan: _scan,
}
