"""``linear_transpose``: the transpose of a function that is linear, without a point to derive at.

Law: ``<u, f(v)> == <linear_transpose(f)(u), v>`` for all u and v, without conjugation; of an affine
function it is the transpose of the linear part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.program import rearrange
from verax.compiler.ir.types import has_tangent
from verax.compiler.passes.transpose import transpose as transpose_pass
from verax.dsl.lang.agree import default_type
from verax.dsl.lang.scope import describe
from verax.dsl.lang.stage import argument_path, kind_of, stage
from verax.dsl.lang.treedef import build, flatten
from verax.dsl.lang.value import invoke
from verax.dsl.lang.vjp import or_zero, tangents_for
from verax.dsl.lang.whole import whole


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function: from cotangents of its result to those of its arguments.

    Args:
        fun: a function that is linear in its arguments together.
        primals: arrays of the types that it takes, or the types themselves (``vx.spec``); what
            they are worth does not matter.

    Returns:
        A function of one cotangent, a tree like the result, that gives a tuple with one per
        argument.

    Raises:
        DerivativeError: an argument is of integers, or the function is not linear; the message
            says in which operation, and on which line.

    >>> import verax as vx
    >>> f = lambda x: vx.cumulative_sum(2.0 * x)
    >>> vx.linear_transpose(f, vx.spec((3,)))(vx.asarray([1.0, 0.0, 1.0]))
    (Array([4., 2., 2.], dtype=float32),)
    """
    leaves, tree = flatten(primals)
    kinds = [kind_of(x) for x in leaves]
    types = tuple([default_type(t.bare) if weak else t.bare for t, weak in kinds])
    for i, t in enumerate(types):
        if not has_tangent(t):
            raise DerivativeError(
                f"linear_transpose of {describe(fun)}: {argument_path(fun, tree, i)} is {t},"
                " which has no cotangent",
                fix="close over it: linear_transpose(lambda x: fun(x, n), x)",
            )

    def transpose_f(cotangent: Any) -> Any:
        s = stage(fun, tree, types, what="linear_transpose", of=fun)
        outs = s.program.out_types
        cts = tangents_for(
            s.out_tree, outs, cotangent, "linear_transpose", ("results", "cotangents")
        )
        linear = (True,) * len(types) + (False,) * len(s.captured)
        keep = [i for i, t in enumerate(outs) if has_tangent(t)]
        try:
            p = transpose_pass(rearrange(s.program, range(len(linear)), keep), linear)
        except DerivativeError as error:
            raise DerivativeError(
                f"linear_transpose: {describe(fun)} is not linear: {error.message}",
                places=error.places,
                fix="vjp(fun, *primals), its derivative at a point",
            ) from None
        given = [or_zero(cts[i], outs[i]) for i in keep]
        return build(tree, invoke(p, [*s.captured, *given]))

    return whole(transpose_f, fun, "linear_transpose", looks=False)
