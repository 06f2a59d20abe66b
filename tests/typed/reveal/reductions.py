"""Reductions, running functions and order."""

from __future__ import annotations

from typing import Any, reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat
from verax import C64, F32, I8, I32, Bool


def full(
    x: F32[Batch, Feat],
    n: I32[Batch],
    m: Bool[Batch, Feat],
    z: C64[Batch],
    q: vx.AnyArray,
    o: F32,
    n8: I8[Batch],
) -> None:
    reveal_type(vx.sum(x))
    reveal_type(vx.prod(x))
    reveal_type(vx.mean(x))
    reveal_type(vx.max(x))
    reveal_type(vx.min(x))
    reveal_type(vx.ptp(x))
    reveal_type(vx.var(x))
    reveal_type(vx.std(x))
    reveal_type(vx.median(x))
    reveal_type(vx.logsumexp(x))
    reveal_type(vx.logmeanexp(x))
    reveal_type(vx.any(x))
    reveal_type(vx.all(x))
    reveal_type(vx.argmax(x))
    reveal_type(vx.argmin(x))
    reveal_type(vx.count_nonzero(x))
    reveal_type(vx.nansum(x))
    reveal_type(vx.nanprod(x))
    reveal_type(vx.nanmean(x))
    reveal_type(vx.nanvar(x))
    reveal_type(vx.nanstd(x))
    reveal_type(vx.nanmax(x))
    reveal_type(vx.nanmin(x))
    reveal_type(vx.nanmedian(x))
    reveal_type(vx.nanargmax(x))
    reveal_type(vx.nanargmin(x))
    reveal_type(vx.average(x))
    reveal_type(vx.norm(x))
    reveal_type(vx.vector_norm(x))
    reveal_type(vx.matrix_norm(x))
    reveal_type(vx.sum(q))
    reveal_type(vx.sum(o))
    reveal_type(vx.sum(m))
    reveal_type(vx.sum(n8))
    reveal_type(vx.mean(n))
    reveal_type(vx.var(z))


def along(
    x: F32[Batch, Feat], v: F32[Feat], n: I32[Batch], sq: F32[Feat, Feat], o: F32, named: Any
) -> None:
    reveal_type(vx.sum(x, axis=0))
    reveal_type(vx.sum(x, keepdims=True))
    reveal_type(vx.sum(x, named))
    reveal_type(vx.sum(o, axis=0))
    reveal_type(vx.mean(x, -1))
    reveal_type(vx.max(x, axis=-1))
    reveal_type(vx.argmax(x, axis=-1))
    reveal_type(vx.quantile(x, 0.5))
    reveal_type(vx.nanquantile(x, 0.5))
    reveal_type(vx.percentile(x, 50.0))
    reveal_type(vx.cov(x))
    reveal_type(vx.corrcoef(x))
    reveal_type(vx.trace(sq))
    reveal_type(vx.segment_sum(x, n, 2))
    reveal_type(vx.segment_prod(x, n, 2))
    reveal_type(vx.segment_max(x, n, 2))
    reveal_type(vx.segment_min(x, n, 2))
    reveal_type(vx.bincount(n, length=3))
    reveal_type(vx.histogram(v))
    reveal_type(vx.digitize(v, v))
    reveal_type(vx.interp(v, v, v))


def running(x: F32[Batch, Feat], v: F32[Feat]) -> None:
    reveal_type(vx.cumulative_sum(x, 0))
    reveal_type(vx.cumulative_sum(x, 0, include_initial=True))
    reveal_type(vx.cumulative_sum(v))
    reveal_type(vx.cumulative_prod(x, 0))
    reveal_type(vx.cummax(x, 0))
    reveal_type(vx.cummin(x, 0))
    reveal_type(vx.cumlogsumexp(x, 0))
    reveal_type(vx.diff(x))
    reveal_type(vx.trapezoid(v))
    reveal_type(vx.associative_scan(vx.add, x))
    reveal_type(vx.reduce_window(x, None, "max", (1, 2)))


def order(x: F32[Batch, Feat], v: F32[Feat], n: I32[Batch]) -> None:
    reveal_type(vx.sort(x))
    reveal_type(vx.sort(x, None))
    reveal_type(vx.sort([x, x]))
    reveal_type(vx.argsort(x))
    reveal_type(vx.argsort(x, None))
    reveal_type(vx.lexsort([v, v]))
    reveal_type(vx.top_k(x, 2))
    reveal_type(vx.partition(v, 1))
    reveal_type(vx.argpartition(v, 1))
    reveal_type(vx.searchsorted(v, x))
    reveal_type(vx.unique(n, size=2))
    reveal_type(vx.nonzero(v, size=2))
    reveal_type(vx.flatnonzero(v, size=2))
    reveal_type(vx.argwhere(x, size=2))
