"""Jacobians: ``jacfwd`` column by column, ``jacrev`` row by row, ``hessian`` as one of the other.

The function is linearized once, and the linear program is vectorized over the standard basis: one
program for all columns (rows). Arguments and results may be trees and arrays of any rank: the
Jacobian has the tree of the results, in each leaf the tree of the arguments, in each of those an
array of shape (shape of the result, shape of the argument).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.program import Program
from verax.compiler.ir.sizes import Shape, Size
from verax.compiler.ir.types import ArrayType, has_tangent
from verax.compiler.ops.contract import broadcast
from verax.compiler.ops.layout import Iota, Reshape
from verax.compiler.ops.pointwise import Compare, Convert
from verax.compiler.passes.vectorize import vectorize
from verax.dsl.lang.grad import Chosen, check_inputs
from verax.dsl.lang.scope import describe
from verax.dsl.lang.transform import (
    Derived,
    Function,
    arrays,
    backward,
    derived,
    first_outs,
    like,
    spread,
    without_aux,
)
from verax.dsl.lang.treedef import TreeDef, build
from verax.dsl.lang.value import apply, invoke
from verax.dsl.lang.vmap import move_axis
from verax.dsl.lang.whole import whole

P = ParamSpec("P")
X = TypeVar("X", bound=Any)  # see grad.py


def basis(t: ArrayType) -> Any:
    """The unit vectors of a type, stacked: shape (size, *shape)."""
    n = t.size
    i = apply(Iota(n, int32))
    rows, columns = (apply(broadcast((n, n), (k,)), i) for k in (0, 1))
    eye = apply(Convert(t.dtype), apply(Compare("EQ"), rows, columns))
    return reshaped(eye, (n, *t.shape))


def reshaped(x: Any, shape: Shape) -> Any:
    """x in another shape."""
    return x if x.type.shape == shape else apply(Reshape(shape), x)


def _mapped(p: Program, at: int, n: Size, xs: Sequence[Any]) -> list[Any]:
    """The results of a program on n examples of its input ``at``."""
    mapped = tuple([i == at for i in range(p.n_in)])
    many, _ = vectorize(p, mapped, n, (True,) * len(p.outs))
    return invoke(many, xs)


def _by_rows(d: Derived, xs: Sequence[Any]) -> list[list[Any]]:
    """Per result, per argument: the Jacobian by pullbacks of unit cotangents."""
    back, n_res = backward(d), len(d.residuals)
    types = [y.type for y, has in zip(d.ys, d.has_tangent) if has]
    out: list[list[Any]] = []
    at = 0
    for y, has in zip(d.ys, d.has_tangent):
        shapes = [(*y.type.shape, *x.type.shape) for x in xs]
        if not has:
            out.append([like(0.0, ArrayType(s, x.dtype)) for s, x in zip(shapes, xs)])
            continue
        cts = [basis(t) if i == at else like(0.0, t) for i, t in enumerate(types)]
        rows = _mapped(back, n_res + at, y.type.size, [*d.residuals, *cts])
        out.append([reshaped(dx, s) for dx, s in zip(rows, shapes)])
        at += 1
    return out


def _by_columns(d: Derived, xs: Sequence[Any]) -> list[list[Any]]:
    """Per result, per argument: the Jacobian by pushing unit tangents."""
    n_res = len(d.residuals)
    columns: list[list[Any]] = []
    for at, x in enumerate(xs):
        ts = [basis(t.type) if i == at else like(0.0, t.type) for i, t in enumerate(xs)]
        moved = _mapped(d.linear, n_res + at, x.type.size, [*d.residuals, *ts])
        dys = spread(moved, d.has_tangent)
        columns.append([_column(dy, y, x) for dy, y in zip(dys, d.ys)])
    return [[column[k] for column in columns] for k in range(len(d.ys))]


def _column(dy: Any, y: Any, x: Any) -> Any:
    shape = (*y.type.shape, *x.type.shape)
    if dy is None:
        return like(0.0, ArrayType(shape, y.dtype))
    return reshaped(move_axis(dy, 0, dy.ndim - 1), shape)


def _jacobian(
    f: Function,
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    what: str,
    parts: Callable[[Derived, Sequence[Any]], list[list[Any]]],
) -> Function:
    chosen = Chosen.of(argnums, f, what)

    def jacobian_f(*args: Any, **kwargs: Any) -> Any:
        xs, tree = arrays(chosen.pick(args, f, what), f)
        check_inputs(xs, lambda i: chosen.path(f, tree, i), what, holomorphic)
        d = derived(chosen.bind(f, args, kwargs), xs, tree, what, f, together=True)
        out_tree = without_aux(f, d.staged.out_tree, has_aux, what)
        n = out_tree.n_leaves
        own = d._replace(ys=d.ys[:n], has_tangent=d.has_tangent[:n], linear=first_outs(d, n))
        _check(own, xs, out_tree, f, what, holomorphic)
        blocks = [build(tree, row) for row in parts(own, xs)]
        jacobian = build(out_tree, [b[0] for b in blocks] if chosen.single else blocks)
        return (jacobian, build(d.staged.out_tree, d.ys)[1]) if has_aux else jacobian

    return whole(jacobian_f, f, what, looks=True)


def _check(
    d: Derived, xs: Sequence[Any], tree: TreeDef, f: object, what: str, holomorphic: bool
) -> None:
    """Raise where a result has no derivative, or a complex one that is no number."""
    complex_in = [x.type for x in xs if x.type.dtype.is_complex]
    for y, path in zip(d.ys, tree.paths()):
        if not has_tangent(y.type):
            raise DerivativeError(
                f"{what} of {describe(f)}: the result{path} is {y.type}, which has no derivative",
                fix="return it as aux: has_aux=True",
            )
        if y.type.dtype.is_complex and not holomorphic:
            raise DerivativeError(
                f"{what} of {describe(f)}: the result{path} is {y.type}",
                fix="holomorphic=True if the function is, else its real and imaginary parts",
            )
    if complex_in and what == "jacfwd" and not holomorphic:
        raise DerivativeError(
            f"{what} of {describe(f)}: an argument is {complex_in[0]}",
            fix="holomorphic=True if the function is, else jacrev",
        )


@overload
def jacfwd(
    f: Callable[Concatenate[X, P], Any], *, has_aux: bool = False, holomorphic: bool = False
) -> Callable[Concatenate[X, P], Any]: ...
@overload
def jacfwd(
    f: Function, argnums: int | Sequence[int], has_aux: bool = False, holomorphic: bool = False
) -> Function: ...
def jacfwd(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The Jacobian of f by forward mode: cheap where there are few inputs.

    Args:
        f: gives a tree of arrays, or (tree, aux) with ``has_aux``.
        argnums: with respect to which arguments, as in ``grad``.

    >>> import verax as vx
    >>> vx.jacfwd(lambda x: x * x)(vx.arange(2.0))
    Array([[0., 0.],
           [0., 2.]], dtype=float32)
    """
    return _jacobian(f, argnums, has_aux, holomorphic, "jacfwd", _by_columns)


@overload
def jacrev(
    f: Callable[Concatenate[X, P], Any], *, has_aux: bool = False, holomorphic: bool = False
) -> Callable[Concatenate[X, P], Any]: ...
@overload
def jacrev(
    f: Function, argnums: int | Sequence[int], has_aux: bool = False, holomorphic: bool = False
) -> Function: ...
def jacrev(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The Jacobian of f by reverse mode: cheap where there are few results. See ``jacfwd``."""
    return _jacobian(f, argnums, has_aux, holomorphic, "jacrev", _by_rows)


@overload
def hessian(
    f: Callable[Concatenate[X, P], Any], *, has_aux: bool = False, holomorphic: bool = False
) -> Callable[Concatenate[X, P], Any]: ...
@overload
def hessian(
    f: Function, argnums: int | Sequence[int], has_aux: bool = False, holomorphic: bool = False
) -> Function: ...
def hessian(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The matrix of second derivatives of f, by forward over reverse mode.

    >>> import verax as vx
    >>> vx.hessian(lambda x: vx.sum(x * x * x))(vx.arange(2.0))
    Array([[0., 0.],
           [0., 6.]], dtype=float32)
    """
    inner = jacrev(f, argnums, has_aux, holomorphic)
    return jacfwd(inner, argnums, has_aux, holomorphic)
