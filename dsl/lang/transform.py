"""Derivatives: ``grad``, ``value_and_grad``, ``vjp``, ``jvp``, ``linearize``.

Each stages its function, runs passes on the program and inlines the result into the open scope.
Where none is open, the transformed function itself is staged, compiled and kept, so that
``grad(f)(x)`` in a loop costs a dispatch; and since its arguments are concrete, Python control flow
on their values works (vmap and jit have no values, and say so).

Conventions: integers and keys have no tangent, which is written None. For complex numbers, ``jvp``
pushes v to f'(x) v, and pullbacks are its transpose without conjugation: for a real loss L of
z = x + iy, grad gives dL/dx - i dL/dy, as JAX does; ``z - step * conj(grad)`` descends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar, overload

from verax.compiler.ir.errors import DerivativeError, StructureError
from verax.compiler.ir.program import Program, rearrange
from verax.compiler.ir.types import ArrayType, Type, has_tangent
from verax.compiler.ops.pointwise import splat
from verax.compiler.passes.jvp import jvp as jvp_pass
from verax.compiler.passes.linearize import linearize as linearize_pass
from verax.compiler.passes.transpose import transpose as transpose_pass
from verax.dsl.lang.cache import compiled
from verax.dsl.lang.promotion import convert, is_array, scalar_class
from verax.dsl.lang.scope import STACK, describe
from verax.dsl.lang.stage import (
    Staged,
    argument_path,
    as_argument,
    known,
    spend_inputs,
    spend_results,
    stage,
)
from verax.dsl.lang.struct import field, struct
from verax.dsl.lang.treedef import LEAF, Path, TreeDef, build, flatten, mismatch, prefix_leaves
from verax.dsl.lang.value import Value, apply, invoke
from verax.dsl.lang.weak import strong

P = ParamSpec("P")
X = TypeVar("X")
R = TypeVar("R")
Function = Callable[..., Any]


def whole(g: Function, of: object, what: str, *, looks: bool) -> Function:
    """g as users call it: inlined while a function is staged, else compiled as one program.

    Args:
        g: the transformed function.
        of: the user's function in it.
        what: the transformation.
        looks: whether Python may decide on the values of concrete arguments.
    """

    @wraps(of, updated=())  # type: ignore[arg-type]
    def call(*args: Any, **kwargs: Any) -> Any:
        if STACK.scope is not None:
            return g(*args, **kwargs)
        return compiled(g, args, kwargs, what=what, of=of, looks=looks)

    return call


def arrays(args: tuple[Any, ...], of: object) -> tuple[list[Any], TreeDef]:
    """The leaves of arguments as values; Python scalars become arrays of their default dtype."""
    leaves, tree = flatten(args)
    xs = [as_argument(x, lambda i=i: argument_path(of, tree, i)) for i, x in enumerate(leaves)]  # type: ignore[misc]
    return [strong(x) if x.weak else x for x in xs], tree  # type: ignore[arg-type]


class Derived(NamedTuple):
    """A function of values and its derivative there.

    Attributes:
        staged: the function.
        ys: its results.
        residuals: what the linear program takes first.
        linear: residuals, tangents of the active inputs -> tangents of the results that have one.
        active: which arguments have tangents.
        has_tangent: which results depend on them.
    """

    staged: Staged
    ys: list[Any]
    residuals: list[Any]
    linear: Program
    active: tuple[bool, ...]
    has_tangent: tuple[bool, ...]


def derived(f: Function, xs: Sequence[Any], tree: TreeDef, what: str, of: object) -> Derived:
    """Run f and its linearization on values in the open scope."""
    s = staged(f, xs, tree, what, of)
    active = tuple([has_tangent(x.type) for x in xs])
    lin = linearize_pass(s.program, active + (False,) * len(s.captured))
    ys = invoke(lin.forward, [*xs, *s.captured])
    n = len(s.program.outs)
    spend_results(s, ys[:n])
    return Derived(s, ys[:n], ys[n:], lin.linear, active, lin.has_tangent)


def staged(f: Function, xs: Sequence[Any], tree: TreeDef, what: str, of: object) -> Staged:
    """f staged on these values, which Python may look at if it may look at all of them."""
    values = xs if known(xs) else None
    s = stage(f, tree, [x.type for x in xs], what=what, of=of, values=values)
    spend_inputs(s, xs, what)
    return s


def backward(d: Derived, outs: Sequence[int] | None = None) -> Program:
    """The transpose of the linear program: (residuals, cotangents) -> cotangents of the active."""
    linear = d.linear if outs is None else rearrange(d.linear, range(d.linear.n_in), outs)
    known_first = (False,) * len(d.residuals)
    return transpose_pass(linear, known_first + (True,) * (linear.n_in - len(known_first)))


def like(value: float, t: ArrayType) -> Any:
    """A constant array."""
    return apply(splat(value, t))


# grad --------------------------------------------------------------------------------------------


class Chosen(NamedTuple):
    """The arguments with respect to which one differentiates."""

    numbers: tuple[int, ...]
    single: bool

    @classmethod
    def of(cls, argnums: int | Sequence[int], f: object, what: str) -> Chosen:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if not numbers or not all(type(n) is int for n in numbers):
            raise StructureError(f"{what} of {describe(f)}: argnums is {argnums!r}, not ints")
        return cls(numbers, isinstance(argnums, int))

    def pick(self, args: tuple[Any, ...], f: object, what: str) -> tuple[Any, ...]:
        """These arguments."""
        for n in self.numbers:
            if not -len(args) <= n < len(args):
                raise StructureError(
                    f"{what} of {describe(f)}: argnums names argument {n},"
                    f" and the call has {len(args)} positional arguments"
                )
        return tuple([args[n] for n in self.numbers])

    def bind(self, f: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Function:
        """f as a function of these arguments alone."""

        def of_chosen(*chosen: Any) -> Any:
            whole_args = list(args)
            for n, x in zip(self.numbers, chosen):
                whole_args[n] = x
            return f(*whole_args, **kwargs)

        return of_chosen

    def path(self, f: object, tree: TreeDef, i: int) -> str:
        """What messages call leaf i of the chosen arguments."""
        path = tree.paths()[i]
        first = TreeDef(tree.node, None, (LEAF,) * (max(self.numbers) + 1))
        return argument_path(f, first, self.numbers[path[0].key]) + str(Path(path[1:]))


def _value_and_grad(
    f: Function, argnums: int | Sequence[int], has_aux: bool, holomorphic: bool, what: str
) -> Function:
    chosen = Chosen.of(argnums, f, what)

    def value_and_grad_f(*args: Any, **kwargs: Any) -> Any:
        xs, tree = arrays(chosen.pick(args, f, what), f)
        check_inputs(xs, lambda i: chosen.path(f, tree, i), what, holomorphic)
        d = derived(chosen.bind(f, args, kwargs), xs, tree, what, f)
        _check_loss(d, f, what, has_aux, holomorphic)
        loss = d.ys[0]
        if d.has_tangent[0]:
            grads = invoke(backward(d, [0]), [*d.residuals, like(1.0, loss.type)])
        else:
            grads = [like(0.0, x.type) for x in xs]
        out = build(d.staged.out_tree, d.ys)
        tangents = build(tree, grads)
        return out, tangents[0] if chosen.single else tangents

    return value_and_grad_f


def check_inputs(
    xs: Sequence[Value], path: Callable[[int], str], what: str, holomorphic: bool
) -> None:
    """Raise unless all inputs are floating point (complex, for a holomorphic function)."""
    for i, x in enumerate(xs):
        if not has_tangent(x.type):
            raise DerivativeError(
                f"{what} with respect to {path(i)}, which is {x.type}: only floating point has a"
                " derivative",
                fix="convert it, x.astype(vx.float32), or leave it out: argnums says with respect"
                " to which arguments",
            )
        if holomorphic and not x.type.dtype.is_complex:
            raise DerivativeError(f"holomorphic=True, and {path(i)} is {x.type}, not complex")


def _check_loss(d: Derived, f: object, what: str, has_aux: bool, holomorphic: bool) -> None:
    tree = d.staged.out_tree
    if has_aux and (tree.node is None or tree.node.cls is not tuple or len(tree.children) != 2):
        raise StructureError(
            f"{what} with has_aux=True needs (loss, aux), and {describe(f)} gives {tree}",
            fix="return the loss and what else you need as a tuple of two",
        )
    if (tree.children[0] if has_aux else tree) is not LEAF:
        raise DerivativeError(
            f"{what} needs one scalar result, and {describe(f)} gives {tree}",
            fix="return the loss alone, or (loss, aux) with has_aux=True",
        )
    t = d.ys[0].type
    if t.shape != ():
        raise DerivativeError(
            f"{what} needs a scalar result, and {describe(f)} gives {t}",
            fix="reduce it, vx.sum(...) or vx.mean(...); vx.jacrev gives the whole Jacobian,"
            " vx.vjp its product with a cotangent",
        )
    if not has_tangent(t):
        raise DerivativeError(f"{what} needs a floating-point result, and {describe(f)} gives {t}")
    if t.dtype.is_complex and not holomorphic:
        raise DerivativeError(
            f"{what} needs a real result, and {describe(f)} gives {t}",
            fix="take a real loss (.real, abs), or holomorphic=True if the function is",
        )


@overload
def value_and_grad(
    f: Callable[Concatenate[X, P], R],
) -> Callable[Concatenate[X, P], tuple[R, X]]: ...
@overload
def value_and_grad(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = ...,
    has_aux: bool = ...,
    holomorphic: bool = ...,
) -> Callable[P, Any]: ...
def value_and_grad(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The result of f and its gradient.

    Args:
        f: gives one real scalar, or (scalar, aux) with ``has_aux``.
        argnums: with respect to which positional arguments; for a tuple the gradient is one.
        has_aux: f gives (loss, aux); the function gives ((loss, aux), gradient).
        holomorphic: f is complex differentiable: complex in, complex out.

    Raises:
        DerivativeError: the result is no real scalar, or an argument is no floating point.

    >>> import verax as vx
    >>> vx.value_and_grad(lambda x: vx.sum(x * x))(vx.arange(3.0))
    (Array(5., dtype=float32), Array([0., 2., 4.], dtype=float32))
    """
    what = "value_and_grad"
    return whole(_value_and_grad(f, argnums, has_aux, holomorphic, what), f, what, looks=True)


@overload
def grad(f: Callable[Concatenate[X, P], Any]) -> Callable[Concatenate[X, P], X]: ...
@overload
def grad(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = ...,
    has_aux: bool = ...,
    holomorphic: bool = ...,
) -> Callable[P, Any]: ...
def grad(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Function:
    """The gradient of f; with ``has_aux`` (gradient, aux). See ``value_and_grad``.

    >>> import verax as vx
    >>> vx.grad(vx.sin)(0.0)
    Array(1., dtype=float32)
    """
    both = _value_and_grad(f, argnums, has_aux, holomorphic, "grad")

    def grad_f(*args: Any, **kwargs: Any) -> Any:
        out, gradient = both(*args, **kwargs)
        return (gradient, out[1]) if has_aux else gradient

    return whole(grad_f, f, "grad", looks=True)


# vjp, linearize, jvp -----------------------------------------------------------------------------


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
        zero = [None if ct is not None else like(0.0, t) if has_tangent(t) else None
                for ct, t in zip(cts, self.out_types)]  # fmt: skip
        given = [ct if ct is not None else z for ct, z in zip(cts, zero)]
        ds = invoke(
            self.program, [*self.residuals, *[c for c, h in zip(given, self.has_tangent) if h]]
        )
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
        given = [
            like(0.0, t) if x is None and isinstance(t, ArrayType) else x
            for x, t in zip(ts, self.in_types)
            if has_tangent(t)
        ]
        ds = iter(invoke(self.program, [*self.residuals, *given]))
        out = [
            (next(ds) if h else like(0.0, t))
            if isinstance(t, ArrayType) and has_tangent(t)
            else None
            for h, t in zip(self.has_tangent, self.out_types)
        ]
        return build(self.out_tree, out)


def spread(ds: Sequence[Any], active: Sequence[bool]) -> list[Any]:
    """One value per argument: those of the active ones in order, None for the others."""
    rest = iter(ds)
    return [next(rest) if a else None for a in active]


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
            raise DerivativeError(
                f"{what}: {name} is {x.type}, and {names[0]}{path} is {t}; both have one type"
            )
        out.append(x)
    return out


def _split_aux(f: Function, tree: TreeDef, what: str) -> tuple[TreeDef, TreeDef]:
    if tree.node is None or tree.node.cls is not tuple or len(tree.children) != 2:
        raise StructureError(
            f"{what} with has_aux=True needs (result, aux), and {describe(f)} gives {tree}"
        )
    return tree.children[0], tree.children[1]


@overload
def vjp(
    f: Callable[..., R], *primals: Any, has_aux: Literal[False] = ...
) -> tuple[R, Callable[[Any], Any]]: ...
@overload
def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool) -> Any: ...
def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
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
        out_tree = _split_aux(f, d.staged.out_tree, "vjp")[0] if has_aux else d.staged.out_tree
        n = out_tree.n_leaves
        outs = range(sum(d.has_tangent[:n]))
        types = tuple([y.type.bare for y in d.ys[:n]])
        pull = Pullback(
            d.residuals, backward(d, outs), tree, out_tree, types, d.active, d.has_tangent[:n]
        )
        out = build(d.staged.out_tree, d.ys)
        return (out[0], pull, out[1]) if has_aux else (out, pull)

    return whole(vjp_f, f, "vjp", looks=True)(*primals)


def linearize(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The result of f, and its derivative there as a function of tangents.

    >>> import verax as vx
    >>> y, push = vx.linearize(vx.sin, vx.asarray(0.0))
    >>> push(vx.asarray(2.0))
    Array(2., dtype=float32)
    """

    def linearize_f(*args: Any) -> Any:
        xs, tree = arrays(args, f)
        d = derived(f, xs, tree, "linearize", f)
        out_tree = (
            _split_aux(f, d.staged.out_tree, "linearize")[0] if has_aux else d.staged.out_tree
        )
        n = out_tree.n_leaves
        linear = rearrange(d.linear, range(d.linear.n_in), range(sum(d.has_tangent[:n])))
        push = LinearMap(
            d.residuals,
            linear,
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
    f: Callable[..., R],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: Literal[False] = ...,
) -> tuple[R, R]: ...
@overload
def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool
) -> Any: ...
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
        out_tree = _split_aux(f, s.out_tree, "jvp")[0] if has_aux else s.out_tree
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
