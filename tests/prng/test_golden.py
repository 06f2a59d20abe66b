"""The numbers of vx.random against golden ones of jax.random's default implementation.

golden.json was written once with jax 0.10.2 and key(42), in 64-bit mode where a dtype has 64 bits.
Integers, booleans and uniform floats must agree bit for bit; what goes through log or erf_inv to a
few units in the last place, which XLA spends differently from fusion to fusion.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import verax as vx

pytestmark = pytest.mark.optimized

r = vx.random
GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
LOGITS = np.linspace(-1, 2, 12).reshape(3, 4).astype(np.float32)
TENS = np.arange(10, dtype=np.int32) * 10
ROWS = np.arange(12, dtype=np.int32).reshape(4, 3)
PROBS = (np.arange(1, 11) / 55).astype(np.float32)
ENDS = np.array([0.5, 1.0, 2.0], np.float32)

EXACT: dict[str, Callable[[r.Key], Any]] = {
    "key 42": r.key_data,
    "split 3": lambda k: r.key_data(r.split(k, 3)),
    "split (2,2)": lambda k: r.key_data(r.split(k, (2, 2))),
    "fold_in 7": lambda k: r.key_data(r.fold_in(k, 7)),
    "bits 8": lambda k: r.bits(k, (3, 5), vx.uint8),
    "bits 16": lambda k: r.bits(k, (3, 5), vx.uint16),
    "bits 32": lambda k: r.bits(k, (3, 5)),
    "bits 64": lambda k: r.bits(k, (3, 5), vx.uint64),
    "uniform float16": lambda k: r.uniform(k, (2, 7), vx.float16),
    "uniform bfloat16": lambda k: r.uniform(k, (2, 7), vx.bfloat16),
    "uniform float32": lambda k: r.uniform(k, (2, 7)),
    "uniform float64": lambda k: r.uniform(k, (2, 7), vx.float64),
    "uniform -2 3": lambda k: r.uniform(k, (9,), minval=-2.0, maxval=3.0),
    "uniform scalar": r.uniform,
    "bernoulli": lambda k: r.bernoulli(k, 0.3, (20,)),
    "categorical": lambda k: r.categorical(k, LOGITS),
    "categorical axis 0": lambda k: r.categorical(k, LOGITS, axis=0),
    "categorical shape": lambda k: r.categorical(k, LOGITS, shape=(5, 3)),
    "randint int8": lambda k: r.randint(k, (12,), 3, 100, vx.int8),
    "randint uint8": lambda k: r.randint(k, (12,), 3, 100, vx.uint8),
    "randint int16": lambda k: r.randint(k, (12,), 3, 100, vx.int16),
    "randint int32": lambda k: r.randint(k, (12,), 3, 100),
    "randint uint32": lambda k: r.randint(k, (12,), 3, 100, vx.uint32),
    "randint int64": lambda k: r.randint(k, (12,), 3, 100, vx.int64),
    "randint all uint8": lambda k: r.randint(k, (12,), 0, 256, vx.uint8),
    "randint negative": lambda k: r.randint(k, (12,), -50, -20),
    "randint empty span": lambda k: r.randint(k, (4,), 5, 5),
    "permutation 10": lambda k: r.permutation(k, 10),
    "permutation rows": lambda k: r.permutation(k, ROWS),
    "permutation axis 1": lambda k: r.permutation(k, ROWS, axis=1),
    "permutation 5000 head": lambda k: r.permutation(k, 5000)[:20],
    "choice": lambda k: r.choice(k, TENS, (6,)),
    "choice no replace": lambda k: r.choice(k, TENS, (6,), replace=False),
    "choice p": lambda k: r.choice(k, TENS, (6,), p=PROBS),
    "choice p no replace": lambda k: r.choice(k, TENS, (6,), replace=False, p=PROBS),
}
CLOSE: dict[str, Callable[[r.Key], Any]] = {
    "normal float16": lambda k: r.normal(k, (2, 7), vx.float16),
    "normal bfloat16": lambda k: r.normal(k, (2, 7), vx.bfloat16),
    "normal float32": lambda k: r.normal(k, (2, 7)),
    "normal float64": lambda k: r.normal(k, (2, 7), vx.float64),
    "normal complex64": lambda k: r.normal(k, (5,), vx.complex64),
    "truncated": lambda k: r.truncated_normal(k, -1.0, ENDS),
    "truncated shape": lambda k: r.truncated_normal(k, -2.0, 2.0, (8,)),
    "exponential": lambda k: r.exponential(k, (6,)),
    "gumbel": lambda k: r.gumbel(k, (6,)),
}


def golden(name: str) -> Any:
    entry = GOLDEN[name]
    if entry["dtype"] == "bfloat16":
        flat = np.array(entry["bits"], np.uint16).view(ml_dtypes.bfloat16)
    elif entry["dtype"].startswith("complex"):
        flat = np.array([complex(*z) for z in entry["values"]], entry["dtype"])
    else:
        flat = np.array(entry["values"], entry["dtype"])
    return flat.reshape(entry["shape"])


def same(found: Any, wanted: Any) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype


@pytest.mark.parametrize("name", EXACT)
def test_bit_for_bit(name: str) -> None:
    same(EXACT[name](r.key(42)).numpy(), golden(name))


@pytest.mark.parametrize("name", ["uniform float32", "permutation 10", "bits 64", "split 3"])
def test_the_same_when_jitted(name: str) -> None:
    same(vx.jit(EXACT[name])(r.key(42)).numpy(), golden(name))


@pytest.mark.parametrize("name", CLOSE)
def test_close(name: str) -> None:
    found, wanted = CLOSE[name](r.key(42)).numpy(), golden(name)
    assert found.dtype == wanted.dtype
    ulps = 8 * float(ml_dtypes.finfo(wanted.dtype).eps)
    wide = complex if wanted.dtype.kind == "c" else float
    np.testing.assert_allclose(found.astype(wide), wanted.astype(wide), rtol=ulps, atol=ulps)


def test_seeds() -> None:
    for seed, name in ((0, "key 0"), (2**40 + 7, "key big"), (-1, "key -1")):
        same(r.key_data(r.key(seed)).numpy(), golden(name))


def test_a_seed_may_be_staged() -> None:
    data = vx.jit(lambda seed: r.key_data(r.key(seed)))(vx.asarray(42))
    same(data.numpy(), golden("key 42"))


def test_fold_in_of_a_staged_step() -> None:
    data = vx.jit(lambda k, i: r.key_data(r.fold_in(k, i)))(r.key(42), vx.asarray(7))
    same(data.numpy(), golden("fold_in 7"))


def test_indices_beyond_32_bits_use_both_words() -> None:
    p = vx.jit(lambda k: r.bits(k, (1 << 17, 1 << 16))[0, :2]).stage(r.key(0))
    assert "uint64" in str(p)
