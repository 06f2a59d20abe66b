"""Losses, per example; take the mean where a scalar is wanted."""

from __future__ import annotations

from typing import Any

from verax.compiler.ir.errors import DTypeError
from verax.dsl.lang.array import Array
from verax.dsl.lang.creation import arange
from verax.dsl.lang.elementwise import where
from verax.dsl.lang.manipulation import expand_dims
from verax.dsl.lang.reductions import sum as array_sum
from verax.dsl.lang.signatures import RF, Ds
from verax.dsl.lang.softmax import logsumexp
from verax.dsl.nn.dims import N


def cross_entropy(logits: Array[RF, *Ds, N], labels: Array[Any, *Ds]) -> Array[RF, *Ds]:
    """``-log softmax(logits)[label]`` in nats: ``[..., n], int[...] -> [...]``.

    The label's score is found by comparing with an iota, not by an index: it fuses into one
    reduction, and it stays on its device where a mesh cuts the classes. A label out of range
    scores 0.

    >>> import verax as vx
    >>> vx.nn.cross_entropy(vx.zeros((2, 4)), vx.asarray([0, 3]))
    Array([1.3862944, 1.3862944], dtype=float32)
    """
    if not labels.dtype.is_integer:
        raise DTypeError(
            f"cross_entropy takes integer labels, got {labels.type}",
            fix="labels.astype(vx.int32)",
        )
    classes = arange(logits.shape[-1], dtype=labels.dtype)
    hit = expand_dims(labels, axis=-1) == classes
    chosen = array_sum(where(hit, logits, 0.0), axis=-1)
    return logsumexp(logits, axis=-1) - chosen
