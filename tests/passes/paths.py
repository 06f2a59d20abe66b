"""Derivatives along a path, the long way: jvp of jvp of..., each along the same path."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.passes.evaluator import Array
from verax.compiler.ir.program import Builder, Program
from verax.compiler.passes.jet import jet
from verax.compiler.passes.jvp import jvp


def nested(p: Program, active: Sequence[bool], order: int) -> list[Program]:
    """Per k up to ``order`` the program of the k-th derivatives of all outputs.

    It takes the inputs, then the first derivatives of the active ones, the second ones and so on up
    to k.
    """
    types = [t for t, a in zip(p.in_types, active) if a]
    found = [p]
    for k in range(order):
        mask = (*active, *[True] * (k * len(types)))
        q, _ = jvp(found[-1], mask, (True,) * len(p.outs))
        b = Builder()
        xs = [b.input(t) for t in p.in_types]
        ds = [b.input(t) for _ in range(k + 1) for t in types]
        ys = b.inline(q, [*xs, *ds[: k * len(types)], *ds])
        found.append(b.finish(ys[len(p.outs) :]))
    return found


def expanded(p: Program, active: Sequence[bool], order: int) -> Program:
    """Taylor mode of all outputs, along all coefficients of the active inputs."""
    every = tuple(range(1, order + 1))
    terms = tuple([every if a else () for a in active])
    return jet(p, terms, order, (True,) * len(p.outs))[0]


def coefficients(ds: Sequence[Sequence[Array]]) -> list[Array]:
    """The coefficients that ``expanded`` takes, of derivatives order by order."""
    rows = zip(*ds)
    return [np.asarray(d / math.factorial(k)) for row in rows for k, d in enumerate(row, 1)]


def derivative(outs: Sequence[Array], n: int, i: int, k: int) -> Array:
    """The k-th derivative of output i of n, in what ``expanded`` gives."""
    order = len(outs) // n - 1
    return outs[i] if k == 0 else outs[n + i * order + k - 1] * math.factorial(k)
