"""``grad`` and ``value_and_grad``: the gradient of a function with one scalar result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar, overload

from verax.compiler.ir.errors import DerivativeError, StructureError
from verax.compiler.ir.types import has_tangent
from verax.dsl.lang.amounts import Bytes
from verax.dsl.lang.memory import Change, in_budget
from verax.dsl.lang.scope import describe
from verax.dsl.lang.signatures import Transformed
from verax.dsl.lang.stage import argument_path
from verax.dsl.lang.transform import (
    Derived,
    Function,
    arrays,
    backward,
    derived,
    like,
    without_aux,
)
from verax.dsl.lang.treedef import LEAF, Path, TreeDef, build
from verax.dsl.lang.value import Value, invoke
from verax.dsl.lang.whole import whole

P = ParamSpec("P")
# bound by Any, so that pyright lets a lambda do anything with them
X = TypeVar("X", bound=Any)
Y = TypeVar("Y", bound=Any)
A = TypeVar("A")
R = TypeVar("R")


class Chosen(NamedTuple):
    """The arguments with respect to which one differentiates."""

    numbers: tuple[int, ...]
    single: bool

    @classmethod
    def of(cls, argnums: int | Sequence[int], f: object, what: str) -> Chosen:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if not numbers or not all(type(n) is int for n in numbers):
            raise StructureError(
                f"{what} of {describe(f)}: argnums is {argnums!r}, not ints",
                fix="argnums=0 is the first argument, argnums=(0, 1) the first two",
            )
        return cls(numbers, isinstance(argnums, int))

    def pick(self, args: tuple[Any, ...], f: object, what: str) -> tuple[Any, ...]:
        """These arguments."""
        for n in self.numbers:
            if not -len(args) <= n < len(args):
                raise StructureError(
                    f"{what} of {describe(f)}: argnums names argument {n},"
                    f" and the call has {len(args)} positional"
                    f" argument{'s' * (len(args) != 1)}",
                    fix="pass it by position, or name an argument that the call has",
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
    f: Function,
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    memory: Bytes | None,
    what: str,
) -> Function:
    chosen = Chosen.of(argnums, f, what)
    if memory is None:
        return _differentiated(f, chosen, has_aux, holomorphic, what, None)
    make = partial(_differentiated, f, chosen, has_aux, holomorphic, what)
    return in_budget(make, memory, what, f)


def _differentiated(
    f: Function, chosen: Chosen, has_aux: bool, holomorphic: bool, what: str, change: Change
) -> Function:
    """The result of f and its gradient; ``change`` rewrites the program of f before."""

    def value_and_grad_f(*args: Any, **kwargs: Any) -> Any:
        xs, tree = arrays(chosen.pick(args, f, what), f)
        check_inputs(xs, lambda i: chosen.path(f, tree, i), what, holomorphic)
        d = derived(chosen.bind(f, args, kwargs), xs, tree, what, f, change, together=True)
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
            raise DerivativeError(
                f"{what} with holomorphic=True, and {path(i)} is {x.type}, not complex",
                fix="convert it, x.astype(vx.complex64), or leave holomorphic=True out",
            )


def _check_loss(d: Derived, f: object, what: str, has_aux: bool, holomorphic: bool) -> None:
    tree = d.staged.out_tree
    if without_aux(f, tree, has_aux, what) is not LEAF:
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
        raise DerivativeError(
            f"{what} needs a floating-point result, and {describe(f)} gives {t}",
            fix="integers and bools have no derivative: return a loss in floating point",
        )
    if t.dtype.is_complex and not holomorphic:
        raise DerivativeError(
            f"{what} needs a real result, and {describe(f)} gives {t}",
            fix="take a real loss (.real, abs), or holomorphic=True if the function is",
        )


@overload
def value_and_grad(
    f: Callable[Concatenate[X, P], R],
    *,
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Callable[Concatenate[X, P], tuple[R, X]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[X, P], tuple[R, A]],
    *,
    has_aux: Literal[True],
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Callable[Concatenate[X, P], tuple[tuple[R, A], X]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: Literal[0],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], tuple[R, X]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: Literal[1],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], tuple[R, Y]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: tuple[Literal[0], Literal[1]],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], tuple[R, tuple[X, Y]]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: int | Sequence[int],
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], Any]: ...
@overload
def value_and_grad(
    f: Callable[[X], R],
    argnums: Literal[0],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[[X], tuple[R, X]]: ...
@overload
def value_and_grad(
    f: Callable[[X], R],
    argnums: int | Sequence[int],
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[[X], Any]: ...
def value_and_grad(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Function:
    """The result of f and its gradient.

    Args:
        f: gives one real scalar, or (scalar, aux) with ``has_aux``.
        argnums: with respect to which positional arguments; for a tuple the gradient is one.
        has_aux: f gives (loss, aux); the function gives ((loss, aux), gradient).
        holomorphic: f is complex differentiable: complex in, complex out.
        memory: the most bytes that results and temporaries may take, an int or ``"2GiB"``. What
            does not fit is computed again, at the least price in time; ``vx.memory_plan`` tells
            what. Without it the usual choice is made, and nothing is refused.

    Raises:
        DerivativeError: the result is no real scalar, or an argument is no floating point.
        MemoryBudgetError: it does not fit, however much is computed again.

    >>> import verax as vx
    >>> vx.value_and_grad(lambda x: vx.sum(x * x))(vx.arange(3.0))
    (Array(5., dtype=float32), Array([0., 2., 4.], dtype=float32))
    """
    what = "value_and_grad"
    found = _value_and_grad(f, argnums, has_aux, holomorphic, memory, what)
    return whole(found, f, what, looks=True)


@overload
def grad(
    f: Callable[Concatenate[X, P], R],
    *,
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Callable[Concatenate[X, P], X]: ...
@overload
def grad(
    f: Callable[Concatenate[X, P], tuple[R, A]],
    *,
    has_aux: Literal[True],
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Callable[Concatenate[X, P], tuple[X, A]]: ...
@overload
def grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: Literal[0],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], X]: ...
@overload
def grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: Literal[1],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], Y]: ...
@overload
def grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: tuple[Literal[0], Literal[1]],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], tuple[X, Y]]: ...
@overload
def grad(
    f: Callable[Concatenate[X, Y, P], R],
    argnums: int | Sequence[int],
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[Concatenate[X, Y, P], Any]: ...
@overload
def grad(
    f: Callable[[X], R],
    argnums: Literal[0],
    has_aux: Literal[False] = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[[X], X]: ...
@overload
def grad(
    f: Callable[[X], R],
    argnums: int | Sequence[int],
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Transformed[[X], Any]: ...
def grad(
    f: Function,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    memory: Bytes | None = None,
) -> Function:
    """The gradient of f; with ``has_aux`` (gradient, aux). See ``value_and_grad``.

    >>> import verax as vx
    >>> vx.grad(vx.sin)(0.0)
    Array(1., dtype=float32)
    """
    both = _value_and_grad(f, argnums, has_aux, holomorphic, memory, "grad")

    def grad_f(*args: Any, **kwargs: Any) -> Any:
        out, gradient = both(*args, **kwargs)
        return (gradient, out[1]) if has_aux else gradient

    return whole(grad_f, f, "grad", looks=True)
