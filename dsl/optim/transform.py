"""Transformations of gradients: a pair of pure functions, and the way to chain them.

Source of the shape of this library: the pair ``(init, update)`` of optax.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from verax.compiler.ir.dtypes import DType, float32, int32
from verax.dsl.lang import tree
from verax.dsl.lang.array import AnyArray
from verax.dsl.lang.creation import zeros, zeros_like
from verax.dsl.lang.dtypes import promote_types
from verax.dsl.lang.elementwise import expm1, minimum, sqrt
from verax.dsl.lang.frames import door
from verax.dsl.lang.promotion import asarray, convert
from verax.dsl.lang.reductions import sum as array_sum
from verax.dsl.optim.schedule import Schedule
from verax.dsl.optim.state import (
    AdamState,
    Chained,
    Counted,
    State,
    Stateless,
    TraceState,
    own,
)
from verax.sharding.errors import VeraxError

Params = TypeVar("Params")


class Init(Protocol):
    """``init(params)``: the state before the first update."""

    def __call__(self, params: Params, /) -> State[Params]: ...


class Update(Protocol):
    """``update(updates, state, params)``: the new updates, and the new state."""

    def __call__(
        self, updates: Params, state: State[Params], params: Params, /
    ) -> tuple[Params, State[Params]]: ...


class Transform(NamedTuple):
    """``init(params) -> state`` and ``update(updates, state, params) -> (updates, state)``."""

    init: Init
    update: Update


def chain(*transforms: Transform) -> Transform:
    """Apply the transformations one after the other; the state holds their states."""

    def init(params: Params) -> State[Params]:
        return Chained(tuple([t.init(params) for t in transforms]))

    def update(
        updates: Params, state: State[Params], params: Params
    ) -> tuple[Params, State[Params]]:
        parts = own(state, Chained, "chain").parts
        states = []
        for t, s in zip(transforms, parts, strict=True):
            updates, s = t.update(updates, s, params)
            states.append(s)
        return updates, Chained(tuple(states))

    return Transform(door(init), door(update))


def apply_updates(params: Params, updates: Params) -> Params:
    """``params + updates``, leaf by leaf, in the parameters' dtypes."""
    moved: Params = tree.map(lambda p, u: p + convert(u, p.dtype), params, updates)
    return moved


def global_norm(updates: Any) -> AnyArray:
    """The Euclidean norm of all leaves together: a scalar of float32, or of float64 if one is."""
    total: AnyArray = asarray(0.0, float32)
    for leaf in tree.leaves(updates):
        wide = convert(leaf, promote_types(leaf.dtype, float32))
        total = total + array_sum(wide * wide)
    return sqrt(total)


def _stateless(update: Callable[[Any, Any], Any]) -> Transform:
    def init(params: Params) -> State[Params]:
        return Stateless()

    def stateless(
        updates: Params, state: State[Params], params: Params
    ) -> tuple[Params, State[Params]]:
        return update(updates, params), state

    return Transform(init, door(stateless))


def clip_by_global_norm(limit: float) -> Transform:
    """Scale the updates down so that their global norm is at most ``limit``.

    Source: Pascanu et al., On the difficulty of training recurrent neural networks (2013).
    """
    if not limit > 0:
        raise VeraxError(
            f"clip_by_global_norm: the limit must be positive, got {limit}", fix="limit=1.0"
        )

    def update(updates: Any, params: Any) -> Any:
        factor = minimum(1.0, limit / (global_norm(updates) + 1e-12))
        return tree.map(lambda u: u * convert(factor, u.dtype), updates)

    return _stateless(update)


def add_decayed_weights(rate: float, mask: Callable[[Any], Any] | None = None) -> Transform:
    """Add ``rate * param`` to the updates; ``mask(params)`` is a tree of bools: which leaves."""

    def update(updates: Any, params: Any) -> Any:
        chosen = tree.map(lambda p: True, params) if mask is None else mask(params)
        return tree.map(lambda u, p, on: u + rate * p if on else u, updates, params, chosen)

    return _stateless(update)


def scale_by_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Transform:
    """Divide the running mean of the gradient by the root of that of its square, both unbiased.

    Source: Kingma, Ba, Adam (2015).
    """

    def init(params: Params) -> State[Params]:
        return AdamState(
            zeros((), dtype=int32), tree.map(zeros_like, params), tree.map(zeros_like, params)
        )

    def update(
        updates: Params, state: State[Params], params: Params
    ) -> tuple[Params, State[Params]]:
        before = own(state, AdamState, "adam")
        count = before.count + 1
        mean = tree.map(lambda m, g: b1 * m + (1 - b1) * g, before.mean, updates)
        square = tree.map(lambda s, g: b2 * s + (1 - b2) * (g * g), before.square, updates)
        dtypes = list(dict.fromkeys([m.dtype for m in tree.leaves(mean)]))
        first = {d: _bias(b1, count, d) for d in dtypes}
        second = {d: _bias(b2, count, d) for d in dtypes}
        scaled = tree.map(
            lambda m, s: (m / first[m.dtype]) / (sqrt(s / second[s.dtype]) + eps), mean, square
        )
        return scaled, AdamState(count, mean, square)

    return Transform(door(init), door(update))


def _bias(b: float, count: AnyArray, dtype: DType) -> AnyArray:
    """``1 - b**count``, in float32 or better: exact also where b is close to 1."""
    rate = math.log(b) if b > 0 else -math.inf
    return convert(-expm1(convert(count, promote_types(dtype, float32)) * rate), dtype)


def trace(decay: float, *, nesterov: bool = False) -> Transform:
    """Momentum: accumulate ``t = g + decay * t``; with ``nesterov``, look one step ahead."""

    def init(params: Params) -> State[Params]:
        return TraceState(tree.map(zeros_like, params))

    def update(
        updates: Params, state: State[Params], params: Params
    ) -> tuple[Params, State[Params]]:
        before = own(state, TraceState, "trace").velocity
        velocity = tree.map(lambda g, t: g + decay * t, updates, before)
        ahead = tree.map(lambda g, t: g + decay * t, updates, velocity) if nesterov else velocity
        return ahead, TraceState(velocity)

    return Transform(door(init), door(update))


def scale_by_schedule(rate: float | Schedule) -> Transform:
    """Multiply by ``-rate``, a number or a function of the step: the last link of an optimiser."""

    def init(params: Params) -> State[Params]:
        return Counted(zeros((), dtype=int32))

    def update(
        updates: Params, state: State[Params], params: Params
    ) -> tuple[Params, State[Params]]:
        count = own(state, Counted, "scale_by_schedule").count
        if isinstance(rate, int | float):
            return tree.map(lambda u: u * -float(rate), updates), Counted(count + 1)
        factor = -rate(count)
        return tree.map(lambda u: u * convert(factor, u.dtype), updates), Counted(count + 1)

    return Transform(door(init), door(update))
