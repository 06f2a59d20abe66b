"""The optimisers that people ask for, as chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verax.dsl.optim.schedule import Schedule
from verax.dsl.optim.transform import (
    Transform,
    add_decayed_weights,
    chain,
    scale_by_adam,
    scale_by_schedule,
    trace,
)


def sgd(rate: float | Schedule, momentum: float = 0.0, *, nesterov: bool = False) -> Transform:
    """Stochastic gradient descent, with momentum if asked for.

    >>> import verax as vx
    >>> optimizer = vx.optim.sgd(0.1)
    >>> params = vx.asarray([1.0, 2.0])
    >>> updates, state = optimizer.update(params, optimizer.init(params), params)
    >>> vx.optim.apply_updates(params, updates)
    Array([0.9, 1.8], dtype=float32)
    """
    step = scale_by_schedule(rate)
    return chain(trace(momentum, nesterov=nesterov), step) if momentum else chain(step)


def adam(
    rate: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> Transform:
    """Adam. Source: Kingma, Ba, Adam (2015)."""
    return chain(scale_by_adam(b1, b2, eps), scale_by_schedule(rate))


def adamw(
    rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    mask: Callable[[Any], Any] | None = None,
) -> Transform:
    """Adam with decoupled weight decay; ``mask(params)`` chooses the leaves that decay.

    Source: Loshchilov, Hutter, Decoupled weight decay regularization (2019).
    """
    return chain(
        scale_by_adam(b1, b2, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_schedule(rate),
    )
