"""Cases of the ops that order elements."""

from __future__ import annotations

import numpy as np

from tests.laws.cases_structural import EDGES, ORDERABLE, STORED, holds
from tests.laws.harness import Array, Case, Gen, Sample, widened
from verax.compiler.ir.dtypes import DType, complex64, complex128, float32
from verax.compiler.ir.op import Op
from verax.compiler.ops.sort import Sort
from verax.compiler.ops.top_k import TopK


def sort(g: Gen) -> Sample:
    shape = g.shape(g.integer(1, 3))
    keys = [g.dtype((*ORDERABLE, complex64, complex128)) for _ in range(g.integer(1, 3))]
    payload = [g.dtype(STORED) for _ in range(g.integer(0, 2))]
    few = not g.smooth and g.flag()  # many ties, for the keys that follow
    operands = [*[sort_key(g, shape, d, few) for d in keys], *[g.array(shape, d) for d in payload]]
    descending = g.subset(range(len(keys)))
    return Sample(Sort(g.integer(0, len(shape) - 1), len(keys), descending), operands)


def sort_key(g: Gen, shape: tuple[int, ...], dtype: DType, few: bool) -> Array:
    low, high = (-1, 1) if few and dtype.is_integer else (None, None)
    x = g.array(shape, dtype, low, high, special=EDGES if dtype.is_inexact else ())
    if few and dtype.is_complex:
        x.imag = g.array(shape, float32, special=EDGES)
    return x


def sort_reference(op: Op, *xs: Array) -> tuple[Array, ...]:
    one = holds(op, Sort)
    keys = [widened(x) for x in xs[: one.n_keys]]
    ranks = [-ranked(x) if k in one.descending else ranked(x) for k, x in enumerate(keys)]
    order = np.lexsort(ranks[::-1], axis=one.axis)
    return tuple(np.take_along_axis(x, order, one.axis) for x in xs)


def ranked(x: Array) -> Array:
    """Per element the number of distinct ones before it; NaN, alike in both parts, is one."""
    flat = x.ravel()
    order = np.lexsort((flat,))
    now, before = flat[order][1:], flat[order][:-1]
    parts = [(now.real, before.real), (now.imag, before.imag)]
    same = [(a == b) | ((a != a) & (b != b)) for a, b in parts]
    steps = np.concatenate([[0], np.cumsum(~(same[0] & same[1]))])[: flat.size]
    out = np.zeros(flat.size, np.int64)
    out[order] = steps
    return out.reshape(x.shape)


def top_k(g: Gen) -> Sample:
    shape = list(g.shape(g.integer(1, 3)))
    axis = g.integer(0, len(shape) - 1)
    if not g.smooth:
        shape[axis] = g.pick((*g.style.sizes, 24))  # enough for XLA's own selection
    dtype = g.dtype(ORDERABLE)
    x = sort_key(g, tuple(shape), dtype, g.flag())
    return Sample(TopK(axis, g.integer(0, min(3, shape[axis])), g.flag()), [x])


def top_k_reference(op: Op, x: Array) -> tuple[Array, ...]:
    one = holds(op, TopK)
    ranks = ranked(widened(x))
    order = np.argsort(-ranks if one.largest else ranks, one.axis, kind="stable")
    places = np.take(order, range(one.k), one.axis)
    return np.take_along_axis(x, places, one.axis), places


CASES = (Case("sort", sort, sort_reference), Case("top_k", top_k, top_k_reference))
