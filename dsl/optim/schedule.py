"""Schedules: functions of the step (an int32 scalar, counted from 0) that give a float32 scalar."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from verax.compiler.ir.dtypes import float32
from verax.dsl.lang.array import AnyArray
from verax.dsl.lang.elementwise import clip, cos, where
from verax.dsl.lang.frames import door
from verax.dsl.lang.promotion import asarray, convert
from verax.sharding.errors import VeraxError

Schedule: TypeAlias = Callable[[AnyArray], AnyArray]


def constant(value: float) -> Schedule:
    """The same value at every step."""
    return door(lambda step: asarray(value, float32))


def linear(start: float, end: float, steps: int) -> Schedule:
    """From start to end in ``steps`` steps, then end."""
    _positive("linear", steps=steps)

    def at(step: AnyArray) -> AnyArray:
        return start + (end - start) * clip(convert(step, float32) / steps, 0.0, 1.0)

    return door(at)


def cosine(peak: float, *, warmup: int, steps: int, floor: float = 0.0) -> Schedule:
    """Up from 0 to peak in ``warmup`` steps, then down half a cosine to ``floor`` at ``steps``.

    Source: Loshchilov, Hutter, SGDR (2017).

    >>> import verax as vx
    >>> rate = vx.optim.cosine(1.0, warmup=10, steps=110)
    >>> [round(float(rate(vx.asarray(step))), 3) for step in (0, 5, 10, 60, 110)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    _positive("cosine", steps=steps)
    if not 0 <= warmup < steps:
        raise VeraxError(
            f"cosine: warmup ({warmup}) must be in [0, steps), steps is {steps}",
            fix="steps counts the warmup too: give more of them",
        )

    def at(step: AnyArray) -> AnyArray:
        t = convert(step, float32)
        progress = clip((t - warmup) / (steps - warmup), 0.0, 1.0)
        down = floor + (peak - floor) * 0.5 * (1.0 + cos(math.pi * progress))
        return where(t < warmup, peak * t / max(1, warmup), down)

    return door(at)


def _positive(what: str, **values: int) -> None:
    for name, value in values.items():
        if value <= 0:
            raise VeraxError(f"{what}: {name} must be positive, got {value}", fix=f"{name}=1000")
