"""Implicit differentiation: ``custom_linear_solve`` and ``custom_root``.

How a solution was found has no say in its derivative: that follows from the equation which it
solves. Both are written with the declarations of custom.py and backward.py, whose rules use each
other; so forward mode, reverse mode, higher orders and vmap follow.

Law: ``A(p) x = b`` gives ``A dx = db - dA x``; ``f(p, x) = 0`` gives ``f_x dx = - f_p dp``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from verax.compiler.passes.transpose import transpose
from verax.dsl.lang.agree import Side, agree
from verax.dsl.lang.backward import linear_map
from verax.dsl.lang.custom import custom_jvp, pair
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.scope import describe
from verax.dsl.lang.stage import stage
from verax.dsl.lang.tree import map as tree_map
from verax.dsl.lang.treedef import build, flatten
from verax.dsl.lang.value import invoke
from verax.dsl.lang.vjp import jvp, linearize
from verax.dsl.lang.whole import whole

T = TypeVar("T")
Function = Callable[..., Any]


class Closed:
    """A function from a tree to such a tree; what it closes over are parameters of it.

    Attributes:
        params: the arrays that it closes over.
    """

    def __init__(self, f: Function, x: Any, what: str) -> None:
        leaves, self.tree = flatten(x)
        types = [leaf.type.bare for leaf in leaves]
        s = stage(f, flatten((x,))[1], types, what=what, of=f)
        sides = (
            Side("takes", self.tree, tuple(types), (False,) * len(types)),
            Side("gives", s.out_tree, s.program.out_types, s.weak),
        )
        agree(f"{what}: {describe(f)} gives another tree than it takes", *sides)
        self.program, self.params, self.n = s.program, s.captured, len(types)

    def __call__(self, params: Sequence[Any], x: Any) -> Any:
        """The function with these parameters."""
        return build(self.tree, invoke(self.program, [*_leaves(x), *params]))

    def transposed(self) -> Function:
        """The transpose, where the function is linear."""
        k = self.program.n_in - self.n
        p = transpose(self.program, (True,) * self.n + (False,) * k)
        return lambda params, y: build(self.tree, invoke(p, [*params, *_leaves(y)]))


def _leaves(x: Any) -> list[Any]:
    return [asarray(leaf) for leaf in flatten(x)[0]]


def custom_linear_solve(
    matvec: Callable[[T], T],
    b: T,
    solve: Callable[[Callable[[T], T], T], T],
    transpose_solve: Callable[[Callable[[T], T], T], T] | None = None,
    symmetric: bool = False,
) -> T:
    """The x for which ``matvec(x)`` is b, found by ``solve``.

    Args:
        matvec: a linear map from trees like b to trees like b. It may close over arrays, and the
            derivative along them is right.
        b: a tree of arrays.
        solve: takes matvec and b, gives x; any algorithm, a loop without a bound too.
        transpose_solve: takes the transpose of matvec and a right-hand side; reverse mode uses it.
        symmetric: matvec is its own transpose, so that ``solve`` serves for both.

    >>> import verax as vx
    >>> def divide(matvec, b):
    ...     return b / matvec(vx.ones_like(b))
    >>> def f(a):
    ...     return vx.custom_linear_solve(lambda x: a * x, vx.asarray(6.0), divide, symmetric=True)
    >>> f(2.0), vx.grad(f)(2.0), vx.jvp(f, (2.0,), (1.0,))[1]
    (Array(3., dtype=float32), Array(-1.5, dtype=float32), Array(-1.5, dtype=float32))
    """

    def solve_f(b: Any) -> Any:
        b = tree_map(asarray, b)
        a = Closed(matvec, b, "custom_linear_solve")
        forward = _Inverse(a, solve)
        if symmetric:
            forward.inverse_transposed = forward
        elif transpose_solve is not None:
            backward = _Inverse(a.transposed(), transpose_solve)
            forward.inverse_transposed, backward.inverse_transposed = backward, forward
        return forward.map(a.params, b)

    result: T = whole(solve_f, matvec, "custom_linear_solve", looks=False)(b)
    return result


class _Inverse:
    """The inverse of a linear map with parameters, as a function of parameters and b.

    Attributes:
        inverse_transposed: that of the transposed map, or None where nobody gave it.
    """

    def __init__(self, a: Function, solve: Function) -> None:
        self.inverse_transposed: _Inverse | None = None
        self.a = a
        self.solution = custom_jvp(lambda params, b: solve(lambda x: a(params, x), b))
        self.solution.stops = True
        self.solution.defjvp(self._rule)

    def map(self, params: Any, b: Any) -> Any:
        """The inverse as a linear map of b."""
        other = self.inverse_transposed
        back = None if other is None else other.solution
        return linear_map(
            self.solution,
            back,
            params,
            b,
            "reverse mode through custom_linear_solve, which was given no transpose_solve",
        )

    def _rule(self, primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
        (params, b), (dparams, db) = primals, tangents
        x = self.solution(params, b)
        _, dax = jvp(lambda params: self.a(params, x), (params,), (dparams,))
        return x, self.map(params, tree_map(lambda u, v: u - v, db, dax))


def custom_root(
    f: Callable[[T], T],
    initial_guess: T,
    solve: Callable[[Callable[[T], T], T], Any],
    tangent_solve: Callable[[Callable[[T], T], T], T],
    has_aux: bool = False,
) -> Any:
    """A root of f, found by ``solve``; its derivative is that of the implicit function.

    Args:
        f: takes a tree and gives such a tree. It may close over arrays, and the derivative of the
            root along them is right.
        initial_guess: where the search starts; the root does not depend on it.
        solve: takes f and the guess, gives x with f(x) = 0; any algorithm.
        tangent_solve: takes a linear map g and y, gives x with g(x) = y. Reverse mode transposes
            it: ``lambda g, y: y / g(1.0)`` for scalars; for systems ``vx.custom_linear_solve``.
        has_aux: ``solve`` gives (x, aux), and so does this; aux has no derivative.

    >>> import verax as vx
    >>> def newton(f, x):
    ...     def step(x):
    ...         y, dy = vx.jvp(f, (x,), (1.0,))
    ...         return x - y / dy
    ...     return vx.while_loop(lambda x: vx.abs(f(x)) > 1e-6, step, x)
    >>> def cube_root(a):
    ...     return vx.custom_root(lambda x: x * x * x - a, a, newton, lambda g, y: y / g(1.0))
    >>> cube_root(8.0), vx.grad(cube_root)(8.0)
    (Array(2., dtype=float32), Array(0.08333334, dtype=float32))
    """

    def root_f(guess: Any) -> Any:
        guess = tree_map(asarray, guess)
        closed = Closed(f, guess, "custom_root")

        def solution(params: Any, guess: Any) -> Any:
            return solve(lambda x: closed(params, x), guess)

        def rule(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
            params, guess = primals
            out = root(params, guess)
            x = pair(out, f"solve {describe(solve)}", "(x, aux)")[0] if has_aux else out
            _, moved = jvp(lambda params: closed(params, x), (params,), (tangents[0],))
            _, push = linearize(lambda x: closed(params, x), x)
            dx = tree_map(lambda d: -d, tangent_solve(push, moved))
            return out, ((dx, tree_map(lambda _: None, out[1])) if has_aux else dx)

        root = custom_jvp(solution)
        root.stops = True
        root.defjvp(rule)
        return root(closed.params, guess)

    return whole(root_f, f, "custom_root", looks=False)(initial_guess)
