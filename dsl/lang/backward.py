"""Linear maps that are given by functions: backward only (``pulled``), or both (``linear_call``).

A map that is given backward is transposed when it is staged, so that forward mode has it too. Where
that fails, because it is not linear in the cotangent, the reason is kept for the one who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from verax.compiler.ir.errors import DTypeError, StructureError
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import Type, has_tangent
from verax.compiler.ops.custom import LinearMap, moving
from verax.compiler.passes.transpose import transpose
from verax.dsl.lang.agree import Side, agree
from verax.dsl.lang.control import Captured, flat
from verax.dsl.lang.declared import Leaves
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.scope import STACK, describe, name_of
from verax.dsl.lang.stage import Staged, stage
from verax.dsl.lang.tree import map as tree_map
from verax.dsl.lang.treedef import build, flatten, mismatch
from verax.dsl.lang.value import apply_all
from verax.sharding.errors import VeraxError

Function = Callable[..., Any]


def pulled(
    user: object, bwd: Function, residuals: Any, args: tuple[Any, ...], ts: tuple[Any, ...], ys: Any
) -> Any:
    """The tangents of results, through a map that is given from cotangents to cotangents.

    Args:
        user: the function that the map belongs to, for messages.
        bwd: takes the residuals and the cotangent of the result; gives a tuple like ``args``.
        residuals: a tree; its arrays are kept for the backward half.
        args, ts: the arguments and their tangents.
        ys: the result.
    """
    res, xs, out = Leaves(residuals), Leaves(args), Leaves(ys)
    given = Leaves(ts).values
    cotangents = moving(out.types)
    if not given or not cotangents:
        return build(out.tree, [None] * out.tree.n_leaves)
    what = f"the backward function of {describe(user)}"
    types, k = [*res.types, *cotangents], len(res.types)

    def back(*leaves: Any) -> Any:
        return _arguments(bwd(res.filled(leaves[:k]), out.tangents(leaves[k:])), xs, what)

    s = stage(back, flat(types), types, what="the vjp rule", of=user, keep_weak=True)
    theirs = xs.side("cotangent", s.program.out_types, s.weak)
    agree(f"{what} gives cotangents unlike the arguments", xs.side("argument"), theirs)
    captured = Captured([s])
    pull = captured.program(s, len(types), moving(xs.types))
    n = len(captured.values) + k
    push, why = _transposed(pull, n, name_of(user))
    op = LinearMap(push, pull, n, why)
    moved = apply_all(op, *captured.values, *res.values, *given)
    return out.tangents(moved)


def _transposed(pull: Program, n: int, name: str) -> tuple[Program | None, str]:
    """The map forward, or why there is none."""
    try:
        return transpose(pull, (False,) * n + (True,) * (pull.n_in - n)), ""
    except VeraxError as error:
        return None, (
            f"forward mode through {name}, whose vjp rule is not linear in the cotangent:"
            f" {error.message}"
        )


def _arguments(given: Any, xs: Leaves, what: str) -> list[Any]:
    """The cotangents of the arguments that can have one."""
    n = len(xs.tree.children)
    if not isinstance(given, tuple | list) or len(given) != n:
        found = flatten(given)[1]
        raise StructureError(
            f"{what} gives {found}, not a tuple of one cotangent per argument ({n})",
            fix="return a tuple; None stands for zero",
        )
    try:
        return xs.cotangents(tuple(given))
    except StructureError:
        raise mismatch(
            f"{what} gives cotangents unlike the arguments",
            xs.tree,
            flatten(tuple(given))[1],
            ("arguments", "cotangents"),
        ) from None


def linear_call(
    fun: Callable[[Any, Any], Any],
    fun_transpose: Callable[[Any, Any], Any],
    residual_args: Any,
    linear_args: Any,
) -> Any:
    """``fun(residual_args, linear_args)``, a linear map whose transpose is given.

    Args:
        fun: linear in its second argument.
        fun_transpose: takes ``residual_args`` and the cotangent of the result of fun; gives that of
            ``linear_args``. It replaces what transposing fun would give.

    >>> import verax as vx
    >>> def double(r, x):
    ...     return 2.0 * x
    >>> y, back = vx.vjp(lambda x: vx.linear_call(double, double, (), x), vx.asarray(1.0))
    >>> y, back(1.0)
    (Array(2., dtype=float32), (Array(2., dtype=float32),))
    """
    return linear_map(fun, fun_transpose, residual_args, linear_args, "")


def linear_map(fun: Function, back: Function | None, known: Any, linear: Any, why: str) -> Any:
    """``linear_call`` where the transpose may be missing, and ``why`` then says so."""
    if STACK.scope is None:
        return fun(known, linear)
    res, xs = Leaves(known), Leaves(tree_map(asarray, linear))
    k, types = len(res.types), [*res.types, *xs.types]

    def push(*leaves: Any) -> Any:
        return fun(res.filled(leaves[:k]), xs.filled(leaves[k:]))

    s = stage(push, flat(types), types, what="linear_call", of=fun)
    _check_moving(s.program.out_types, xs.types, fun)
    staged = [s]
    if back is not None:
        staged.append(_staged_back(back, s, res, xs))
    captured = Captured(staged)
    n = len(captured.values) + k
    programs = [captured.program(s, len(types), s.program.out_types)]
    if back is not None:
        programs.append(captured.program(staged[1], k + len(s.program.outs), xs.types))
    op = LinearMap(programs[0], programs[1] if back is not None else None, n, why)
    return build(s.out_tree, apply_all(op, *captured.values, *res.values, *xs.values))


def _staged_back(back: Function, s: Staged, res: Leaves, xs: Leaves) -> Staged:
    k, types = len(res.types), [*res.types, *s.program.out_types]
    what = f"the transpose {describe(back)}"

    def pull(*leaves: Any) -> Any:
        return back(res.filled(leaves[:k]), build(s.out_tree, list(leaves[k:])))

    t = stage(pull, flat(types), types, what="linear_call", of=back, keep_weak=True)
    theirs = Side("cotangent", t.out_tree, t.program.out_types, t.weak)
    agree(f"{what} gives cotangents unlike the arguments", xs.side("argument"), theirs)
    return t


def _check_moving(outs: Sequence[Type], ins: Sequence[Type], fun: object) -> None:
    fixed = [t for t in (*ins, *outs) if not has_tangent(t)]
    if fixed:
        raise DTypeError(
            f"linear_call of {describe(fun)} is a map of floating-point arrays, got {fixed[0]}",
            fix="pass what is no floating-point array among the residual_args",
        )
