"""``vjp``, ``linearize`` and ``jvp``: a function and its derivative at a point, as a linear map.

The functions that ``vjp`` and ``linearize`` return are pytrees: their arrays are the residuals,
their program is static. So they may leave a jitted function, be mapped, and be called again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, TypeVarTuple, overload

from verax.compiler.ir.aligned import differing, from_left
from verax.compiler.ir.errors import DerivativeError, StructureError
from verax.compiler.ir.program import Program
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.passes.jvp import jvp as jvp_pass
from verax.dsl.lang.promotion import convert, is_array, scalar_class
from verax.dsl.lang.stage import as_argument, spend_results
from verax.dsl.lang.struct import field, struct
from verax.dsl.lang.transform import (
    Function,
    arrays,
    backward,
    derived,
    first_outs,
    like,
    spread,
    staged,
    without_aux,
)
from verax.dsl.lang.treedef import TreeDef, build, flatten, mismatch, prefix_leaves
from verax.dsl.lang.value import invoke
from verax.dsl.lang.whole import whole

R = TypeVar("R")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")


@struct
class Pullback:
    """What ``vjp`` gives: a linear map from cotangents of the results to those of the arguments.

    It is a pytree, so it may be returned from a jitted function and called again.
    """

    residuals: list[Any]
    program: Program = field(static=True, repr=False)
    in_tree: TreeDef = field(static=True)
    out_tree: TreeDef = field(static=True)
    out_types: tuple[Type, ...] = field(static=True)
    active: tuple[bool, ...] = field(static=True)
    has_tangent: tuple[bool, ...] = field(static=True)

    def __call__(self, cotangent: Any) -> Any:
        """The cotangents of the arguments (a tuple); None where there is no derivative."""
        cts = tangents_for(
            self.out_tree, self.out_types, cotangent, "the pullback", ("results", "cotangents")
        )
        wanted = zip(cts, self.out_types, self.has_tangent)
        given = [or_zero(ct, t) for ct, t, has in wanted if has]
        ds = invoke(self.program, [*self.residuals, *given])
        return build(self.in_tree, spread(ds, self.active))


@struct
class LinearMap:
    """What ``linearize`` gives: the derivative at a point, from tangents to tangents."""

    residuals: list[Any]
    program: Program = field(static=True, repr=False)
    in_tree: TreeDef = field(static=True)
    in_types: tuple[Type, ...] = field(static=True)
    out_tree: TreeDef = field(static=True)
    out_types: tuple[Type, ...] = field(static=True)
    has_tangent: tuple[bool, ...] = field(static=True)

    def __call__(self, *tangents: Any) -> Any:
        """The tangents of the results; None where there is no derivative."""
        ts = tangents_for(
            self.in_tree, self.in_types, tangents, "the linear map", ("arguments", "tangents")
        )
        given = [or_zero(x, t) for x, t in zip(ts, self.in_types) if has_tangent(t)]
        moved = spread(invoke(self.program, [*self.residuals, *given]), self.has_tangent)
        out = [or_zero(y, t) if has_tangent(t) else None for y, t in zip(moved, self.out_types)]
        return build(self.out_tree, out)


def or_zero(x: Any, t: Type) -> Any:
    """A tangent, or zeros of its type where it is None."""
    if x is not None:
        return x
    assert isinstance(t, ArrayType)
    return like(0.0, t)


def tangents_for(
    tree: TreeDef, types: Sequence[Type], given: Any, what: str, names: tuple[str, str]
) -> list[Any]:
    """Tangents or cotangents for values of these types; None stands for zero.

    Raises:
        StructureError, DerivativeError: the trees, shapes or dtypes disagree.
    """
    try:
        leaves = prefix_leaves(tree, given)
    except StructureError:
        raise mismatch(what, tree, flatten(given)[1], names) from None
    out: list[Any] = []
    for i, (x, t) in enumerate(zip(leaves, types)):
        if x is None or not isinstance(t, ArrayType) or not has_tangent(t):
            out.append(None)
            continue
        path = tree.paths()[i]
        name = f"{names[1]}{path}"
        if scalar_class(x) is not None and t.shape == ():
            x = convert(as_argument(x), t.dtype)  # type: ignore[arg-type]
        elif not is_array(x):
            x = as_argument(x, lambda name=name: name)  # type: ignore[misc]
        if x.type.bare is not t.bare:
            other = names[1].removesuffix("s")
            rows = [(f"{names[0]}{path}", t), (name, x.type)]
            raise DerivativeError(
                f"{what}: {name} is {x.type}, and {names[0]}{path} is {t}; both have one type\n"
                + from_left(rows, differing([t.shape, x.type.shape])),
                fix=f"vx.ones_like(y) makes a {other} of the type of y"
                if x.type.shape != t.shape
                else f"convert it: .astype(vx.{t.dtype.__name__})",
            )
        out.append(x)
    return out


@overload
def vjp(
    f: Callable[[*Ts], R], *primals: *Ts, has_aux: Literal[False] = False
) -> tuple[R, Callable[[Any], tuple[*Ts]]]: ...
@overload
def vjp(
    f: Callable[[*Ts], tuple[R, A]], *primals: *Ts, has_aux: Literal[True]
) -> tuple[R, Callable[[Any], tuple[*Ts]], A]: ...
def vjp(  # type: ignore[misc]  # to mypy (*primals: Any) takes no (*primals: *Ts)
    f: Function, *primals: Any, has_aux: bool = False
) -> Any:
    """The result of f, and the function from its cotangents to those of the arguments.

    Args:
        f: any function of trees of arrays.
        primals: its arguments.
        has_aux: f gives (result, aux), and aux is returned as a third value.

    >>> import verax as vx
    >>> y, back = vx.vjp(vx.sin, vx.asarray(0.0))
    >>> back(2.0)
    (Array(2., dtype=float32),)
    """

    def vjp_f(*args: Any) -> Any:
        xs, tree = arrays(args, f)
        d = derived(f, xs, tree, "vjp", f)
        out_tree = without_aux(f, d.staged.out_tree, has_aux, "vjp")
        n = out_tree.n_leaves
        outs = range(sum(d.has_tangent[:n]))
        types = tuple([y.type.bare for y in d.ys[:n]])
        pull = Pullback(
            d.residuals, backward(d, outs), tree, out_tree, types, d.active, d.has_tangent[:n]
        )
        out = build(d.staged.out_tree, d.ys)
        return (out[0], pull, out[1]) if has_aux else (out, pull)

    return whole(vjp_f, f, "vjp", looks=True)(*primals)


@overload
def linearize(
    f: Callable[[*Ts], R], *primals: *Ts, has_aux: Literal[False] = False
) -> tuple[R, Callable[..., R]]: ...
@overload
def linearize(
    f: Callable[[*Ts], tuple[R, A]], *primals: *Ts, has_aux: Literal[True]
) -> tuple[R, Callable[..., R], A]: ...
def linearize(  # type: ignore[misc]  # to mypy (*primals: Any) takes no (*primals: *Ts)
    f: Function, *primals: Any, has_aux: bool = False
) -> Any:
    """The result of f, and its derivative there as a function of tangents.

    >>> import verax as vx
    >>> y, push = vx.linearize(vx.sin, vx.asarray(0.0))
    >>> push(vx.asarray(2.0))
    Array(2., dtype=float32)
    """

    def linearize_f(*args: Any) -> Any:
        xs, tree = arrays(args, f)
        d = derived(f, xs, tree, "linearize", f)
        out_tree = without_aux(f, d.staged.out_tree, has_aux, "linearize")
        n = out_tree.n_leaves
        push = LinearMap(
            d.residuals,
            first_outs(d, n),
            tree,
            tuple([x.type.bare for x in xs]),
            out_tree,
            tuple([y.type.bare for y in d.ys[:n]]),
            d.has_tangent[:n],
        )
        out = build(d.staged.out_tree, d.ys)
        return (out[0], push, out[1]) if has_aux else (out, push)

    return whole(linearize_f, f, "linearize", looks=True)(*primals)


@overload
def jvp(
    f: Callable[[*Ts], R],
    primals: tuple[*Ts],
    tangents: Sequence[Any],
    has_aux: Literal[False] = False,
) -> tuple[R, R]: ...
@overload
def jvp(
    f: Callable[..., R],
    primals: list[Any],
    tangents: Sequence[Any],
    has_aux: Literal[False] = False,
) -> tuple[R, R]: ...
@overload
def jvp(
    f: Callable[..., tuple[R, A]],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: Literal[True],
) -> tuple[R, R, A]: ...
def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The result of f, and its derivative along the tangents.

    Args:
        f: any function of trees of arrays.
        primals: its arguments.
        tangents: a tree like ``primals``; None where an argument does not move, or cannot.
        has_aux: f gives (result, aux), and aux is returned as a third value.

    >>> import verax as vx
    >>> vx.jvp(vx.sin, (0.0,), (2.0,))
    (Array(0., dtype=float32), Array(2., dtype=float32))
    """

    def jvp_f(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        xs, tree = arrays(primals, f)
        given = tangents_for(
            tree, [x.type.bare for x in xs], tangents, "jvp", ("primals", "tangents")
        )
        s = staged(f, xs, tree, "jvp", f)
        out_tree = without_aux(f, s.out_tree, has_aux, "jvp")
        active = tuple([t is not None for t in given])
        n, all_outs = out_tree.n_leaves, len(s.program.outs)
        force = (True,) * n + (False,) * (all_outs - n)
        p, has = jvp_pass(s.program, active + (False,) * len(s.captured), force)
        ys = invoke(p, [*xs, *s.captured, *[t for t in given if t is not None]])
        spend_results(s, ys[:all_outs])
        out = build(s.out_tree, ys[:all_outs])
        moved = build(out_tree, spread(ys[all_outs:], has[:n]))
        return (out[0], moved, out[1]) if has_aux else (out, moved)

    return whole(jvp_f, f, "jvp", looks=True)(tuple(primals), tuple(tangents))
