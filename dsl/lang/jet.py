"""``jet``: a function along a path, as Taylor series: all derivatives up to an order, at once.

It is what nested ``jvp`` gives, from the same rules, for work that grows with a power of the order
instead of doubling with it (see passes/jet.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from verax.compiler.ir.errors import StructureError
from verax.compiler.ir.types import Type
from verax.compiler.ops.pointwise import MUL
from verax.compiler.passes.jet import jet as jet_pass
from verax.dsl.lang.stage import spend_results
from verax.dsl.lang.transform import Function, arrays, like, staged
from verax.dsl.lang.treedef import TreeDef, build, flatten, prefix_leaves
from verax.dsl.lang.value import Value, apply, invoke
from verax.dsl.lang.vjp import tangents_for
from verax.dsl.lang.whole import whole


def jet(
    fun: Function, primals: Sequence[Any], series: Sequence[Any], factorial_scaled: bool = True
) -> tuple[Any, Any]:
    """The Taylor series of ``fun`` along a path.

    The path is ``x(t) = primal + series[0] t + series[1] t^2 / 2! + ...``, and the result the same
    of ``fun(x(t))``: its value, and its derivatives by t at 0.

    Args:
        fun: any function of trees of arrays.
        primals: its arguments.
        series: per argument the list of its derivatives by t, all of one length, which is the
            order. In a tree of arrays, a list stands in the place of each array. None, or the
            number 0, stands for zero, and costs nothing.
        factorial_scaled: whether series are derivatives; else they are the coefficients of the
            powers of t, which are the derivatives over k!.

    Returns:
        The result of ``fun``, and in the place of each array in it the list of its derivatives;
        each is None where the array has no derivative.

    Raises:
        StructureError, DerivativeError: the series do not fit the arguments.

    The derivatives of x^3 at 2, and those of exp(t^2) at 0:

    >>> import verax as vx
    >>> y, terms = vx.jet(lambda x: x**3, (2.0,), ((1.0, 0.0, 0.0),))
    >>> [float(t) for t in terms]
    [12.0, 12.0, 6.0]
    >>> y, terms = vx.jet(vx.exp, (0.0,), ((0.0, 2.0, 0.0, 0.0),))
    >>> [float(t) for t in terms]
    [0.0, 2.0, 0.0, 12.0]
    """

    def jet_f(primals: tuple[Any, ...], series: tuple[Any, ...]) -> tuple[Any, Any]:
        xs, tree = arrays(primals, fun)
        terms = _terms(tree, [x.type.bare for x in xs], series)
        s = staged(fun, xs, tree, "jet", fun)
        order, outs = len(terms), s.program.outs
        rows = list(zip(*terms)) if terms else [()] * len(xs)
        there = [tuple([k for k, c in enumerate(row, 1) if c is not None]) for row in rows]
        p, moves = jet_pass(
            s.program, (*there, *[()] * len(s.captured)), order, (True,) * len(outs)
        )
        scale = math.factorial if factorial_scaled else _unscaled
        given = [_times(c, 1 / scale(k)) for row in rows for k, c in enumerate(row, 1)
                 if c is not None]  # fmt: skip
        ys = invoke(p, [*xs, *s.captured, *given])
        spend_results(s, ys[: len(outs)])
        more = iter(ys[len(outs) :])
        lists = [[_times(next(more), scale(k)) if m else None for k in range(1, order + 1)]
                 for m in moves]  # fmt: skip
        return build(s.out_tree, ys[: len(outs)]), build(s.out_tree, lists)

    given = _without_zeros(tuple(series))
    result: tuple[Any, Any] = whole(jet_f, fun, "jet", looks=True)(tuple(primals), given)
    return result


def _unscaled(k: int) -> int:
    return 1


def _times(x: Any, factor: float) -> Any:
    return x if factor == 1 else apply(MUL, x, like(factor, x.type))


def _without_zeros(series: tuple[Any, ...]) -> tuple[Any, ...]:
    """None for the Python numbers that are zero: so the structure says it, and not a value."""
    leaves, tree = flatten(series)
    if not any(type(x) in (int, float) and x == 0 for x in leaves):
        return series
    nonzero = [None if type(x) in (int, float) and x == 0 else x for x in leaves]
    cleared: tuple[Any, ...] = build(tree, nonzero)
    return cleared


def _terms(tree: TreeDef, types: Sequence[Type], series: tuple[Any, ...]) -> list[list[Any]]:
    """Per order, the terms of all arguments; None where one is zero, or an argument has none."""
    rows = prefix_leaves(tree, series, "jet")
    lengths = dict.fromkeys([len(_row(row, tree, i)) for i, row in enumerate(rows)])
    if len(lengths) > 1:
        raise StructureError(
            f"jet: the series have {' and '.join(map(str, lengths))} terms",
            fix="give all the same number of terms; None stands for zero",
        )
    (order,) = lengths or (0,)
    names = "primals", "terms"
    return [
        tangents_for(
            tree, types, build(tree, [row[k] for row in rows]), f"jet, order {k + 1}", names
        )
        for k in range(order)
    ]


def _row(row: Any, tree: TreeDef, i: int) -> Sequence[Any]:
    if not isinstance(row, (list, tuple)):
        raise StructureError(
            f"jet: series{tree.paths()[i]} is {_described(row)}, not the list of the terms of one"
            " argument",
            fix="jet(f, (x,), ([first, second],)): per argument a list of derivatives",
        )
    return row


def _described(x: Any) -> str:
    return x.described if isinstance(x, Value) else f"an object of class {type(x).__name__}"
