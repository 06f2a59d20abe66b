"""What it costs to compute a value again, in bytes that it would be worth to keep.

There are two scales. By default (``usual``) a cheap operation is worth a quarter of a byte per
element, so that up to 16 of them may replace a float32 array, and what is dear (a reduction, a
product, a transcendental function) is never repeated. Under a memory budget (``at``) everything
that has no effect may be repeated, at the price of its work times an exchange rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf, prod
from typing import TypeAlias

from verax.compiler.ir.op import Op
from verax.compiler.ir.program import Equation, Program
from verax.compiler.ir.types import Type
from verax.compiler.ops.barrier import Barrier, Fence, StopGradient
from verax.compiler.ops.collective import Collective
from verax.compiler.ops.contract import Contract
from verax.compiler.ops.control import Cond
from verax.compiler.ops.layout import Iota, Reshape, Reverse
from verax.compiler.ops.loops import Scan, While
from verax.compiler.ops.masked import Masked
from verax.compiler.ops.pointwise import Compare, Constant, Convert, Pointwise, Select
from verax.compiler.ops.policies import Named
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.slicing import Concatenate, Pad, Slice
from verax.compiler.ops.values import elements, estimate

Prices: TypeAlias = Callable[[Equation, Sequence[Type]], float]
"""Of an equation and the types of all values: the bytes that computing it again is worth."""

FREE, CHEAP, FAIR = 0.0, 0.25, 1.0
DEAR = 4.0  # per element: a transcendental function, a sort, a gather
PRODUCT = 1 / 16  # per multiplication and addition in a matrix product

_BY_CLASS: dict[type[Op], float] = {
    Constant: FREE, Iota: FREE, Reshape: FREE, KeyData: FREE, KeyWrap: FREE,
    StopGradient: FREE, Named: FREE,
    Convert: CHEAP, Compare: CHEAP, Select: CHEAP, Masked: CHEAP,
    Slice: CHEAP, Pad: CHEAP, Concatenate: CHEAP, Reverse: CHEAP,
}  # fmt: skip
_CHEAP = (
    "neg", "add", "sub", "mul", "abs", "max", "min", "sign", "clamp", "not", "and", "or", "xor",
)  # fmt: skip
_FAIR = ("div", "sqrt", "rsqrt", "floor", "ceil")
_BY_FUNCTION: dict[str, float] = {**dict.fromkeys(_CHEAP, CHEAP), **dict.fromkeys(_FAIR, FAIR)}


@lru_cache(4096)
def price(op: Op) -> float:
    """Bytes per element that computing op again is usually worth; inf if that is never done."""
    if isinstance(op, Pointwise):
        return _BY_FUNCTION.get(op.fn, inf)
    if isinstance(op, Contract):
        moves = len(op.ins) == 1 and set(op.ins[0]) <= set(op.out)
        return (FREE if op.sizes else CHEAP) if moves else inf
    return _BY_CLASS.get(type(op), inf)


def usual(eq: Equation, types: Sequence[Type]) -> float:
    """The default scale."""
    each = price(eq.op)
    return each if each == inf else each * elements(types[eq.first])


def at(rate: float) -> Prices:
    """The scale of a budget: the work of any op without effects, times ``rate``.

    What is cheap is never dearer than usual.
    """
    return lambda eq, types: min(rate * work(eq, types), usual(eq, types))


def work(eq: Equation, types: Sequence[Type]) -> float:
    """What running an equation costs, on the scale of ``price``; inf if it must not be repeated."""
    return _work(
        eq.op, tuple([types[x] for x in eq.operands]), tuple([types[y] for y in eq.results])
    )


@lru_cache(65536)
def _work(op: Op, ins: tuple[Type, ...], outs: tuple[Type, ...]) -> float:
    if op.effects or isinstance(op, Barrier | Fence | Collective):
        return inf
    made = sum(map(elements, outs))
    each = price(op)
    if each < inf:
        return each * made
    if isinstance(op, Contract):
        return _contract_work(op, ins)
    if op.programs:
        return _nested_work(op)
    if isinstance(op, Pointwise):
        return DEAR * made
    return CHEAP * sum(map(elements, ins)) + (CHEAP if op.name == "reduce" else DEAR) * made


def _contract_work(op: Contract, ins: tuple[Type, ...]) -> float:
    size = dict(op.sizes)
    for labels, t in zip(op.ins, ins):
        size.update(zip(labels, t.shape))
    return (PRODUCT if len(ins) == 2 else CHEAP) * prod(map(estimate, size.values()))


def _nested_work(op: Op) -> float:
    inside = [total_work(p) for p in op.programs]
    if isinstance(op, Scan):
        return inside[0] * estimate(op.length)
    if isinstance(op, While):
        return inf if op.bound is None else sum(inside) * op.bound
    return max(inside) if isinstance(op, Cond) else sum(inside)


@lru_cache(4096)
def total_work(p: Program) -> float:
    """The work of all equations of a program."""
    return sum([work(eq, p.types) for eq in p.equations])
