"""Small arrays for the examples of the corpus; they come from NumPy, so their dims are open."""

from __future__ import annotations

import numpy as np

import verax as vx


def floats(*shape: int, seed: int = 0) -> vx.AnyArray:
    """Standard normal float32."""
    rng = np.random.default_rng((seed, *shape))
    return vx.asarray(rng.standard_normal(shape).astype(np.float32))


def positive(*shape: int, seed: int = 0) -> vx.AnyArray:
    """Uniform float32 between 0.1 and 1."""
    rng = np.random.default_rng((seed, *shape))
    return vx.asarray(rng.uniform(0.1, 1.0, shape).astype(np.float32))


def ints(below: int, *shape: int, seed: int = 0) -> vx.AnyArray:
    """Uniform int32 in ``[0, below)``."""
    rng = np.random.default_rng((seed, below, *shape))
    return vx.asarray(rng.integers(0, below, shape).astype(np.int32))
