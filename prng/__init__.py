"""Random numbers from explicit keys: ``vx.random``.

Bits are threefry2x32 in counter mode and equal, bit for bit, those of jax.random's default. They
depend on the key and the global index only, never on the mesh. A key is used once; see keys.py.
"""

from verax.dsl.lang.key import Key
from verax.prng.distributions import (
    bernoulli,
    categorical,
    choice,
    exponential,
    gumbel,
    normal,
    permutation,
    randint,
    truncated_normal,
    uniform,
)
from verax.prng.keys import bits, fold_in, key, key_data, split, wrap_key_data

__all__ = [
    "Key",
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "key_data",
    "normal",
    "permutation",
    "randint",
    "split",
    "truncated_normal",
    "uniform",
    "wrap_key_data",
]
