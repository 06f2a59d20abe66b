"""What every transformation is: stage a function, run a pass, inline the result.

Conventions: integers and keys have no tangent, which is written None. For complex numbers, ``jvp``
pushes v to f'(x) v, and pullbacks are its transpose without conjugation: for a real loss L of
z = x + iy, grad gives dL/dx - i dL/dy, as JAX does; ``z - step * conj(grad)`` descends
(docs/complex.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from verax.compiler.ir.errors import StructureError
from verax.compiler.ir.program import Program, rearrange
from verax.compiler.ir.types import ArrayType, has_tangent
from verax.compiler.ops.pointwise import splat
from verax.compiler.passes.linearize import linearize as linearize_pass
from verax.compiler.passes.transpose import transpose as transpose_pass
from verax.dsl.lang.scope import describe
from verax.dsl.lang.stage import (
    Staged,
    argument_path,
    as_argument,
    known,
    spend_inputs,
    spend_results,
    stage,
)
from verax.dsl.lang.treedef import TreeDef, flatten
from verax.dsl.lang.value import apply, invoke
from verax.dsl.lang.weak import strong

Function = Callable[..., Any]


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


def derived(
    f: Function,
    xs: Sequence[Any],
    tree: TreeDef,
    what: str,
    of: object,
    change: Callable[[Program], Program] | None = None,
    *,
    together: bool = False,
) -> Derived:
    """Run f and its linearization on values in the open scope.

    Args:
        change: rewrites f before.
        together: the linear program is run in this scope too, and does not leave it.
    """
    s = staged(f, xs, tree, what, of)
    if change is not None:
        s = s._replace(program=change(s.program))
    active = tuple([has_tangent(x.type) for x in xs])
    lin = linearize_pass(s.program, active + (False,) * len(s.captured), together=together)
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


def first_outs(d: Derived, n: int) -> Program:
    """The linear program for the tangents of the first n results alone."""
    linear = d.linear
    return rearrange(linear, range(linear.n_in), range(sum(d.has_tangent[:n])))


def without_aux(f: object, tree: TreeDef, has_aux: bool, what: str) -> TreeDef:
    """The structure of what is differentiated: all results, or the first of (result, aux)."""
    if not has_aux:
        return tree
    if tree.node is None or tree.node.cls is not tuple or len(tree.children) != 2:
        raise StructureError(
            f"{what} with has_aux=True needs (result, aux), and {describe(f)} gives {tree}",
            fix="return what is differentiated and what else you need as a tuple of two",
        )
    return tree.children[0]


def like(value: float, t: ArrayType) -> Any:
    """A constant array."""
    return apply(splat(value, t))


def spread(ds: Sequence[Any], active: Sequence[bool]) -> list[Any]:
    """One value per argument: those of the active ones in order, None for the others."""
    rest = iter(ds)
    return [next(rest) if a else None for a in active]
