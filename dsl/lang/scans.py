"""``associative_scan``: all prefixes of an associative operation in logarithmically many steps.

Neighbours are combined in pairs, the half as many results are scanned in the same way, and every
second prefix is what that gives; the others take one element more. So the function is applied to
about two times n elements, in ``2 * log2(n)`` calls that each combine many of them.

Law: with an associative function it is the Python loop that combines one element after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from verax.compiler.ir.aligned import aligned, row
from verax.compiler.ir.errors import ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import Poly
from verax.compiler.ops.slicing import Concatenate, Slice
from verax.dsl.lang.agree import Side, agree
from verax.dsl.lang.axes import axis_of
from verax.dsl.lang.joining import cut
from verax.dsl.lang.manipulation import reshaped, reversed_along
from verax.dsl.lang.scope import describe
from verax.dsl.lang.signatures import AnyArray
from verax.dsl.lang.stage import as_argument
from verax.dsl.lang.treedef import TreeDef, build, flatten
from verax.dsl.lang.value import apply, shape_of
from verax.dsl.lang.whole import whole

__all__ = ["associative_scan"]

T = TypeVar("T")
Leaves = list[Any]


def associative_scan(fn: Callable[[T, T], T], elems: T, reverse: bool = False, axis: int = 0) -> T:
    """The prefixes ``fn(fn(x[0], x[1]), x[2])...`` of an associative function, in parallel.

    Args:
        fn: combines two trees like ``elems``, elementwise along the axis: it is given many
            elements at once, always of the same rank, and gives as many.
        elems: a tree of arrays of one length along ``axis``.
        reverse: begin at the end.

    Raises:
        StructureError, ShapeError, DTypeError: fn gives something else than it takes.

    >>> import verax as vx
    >>> vx.associative_scan(vx.maximum, vx.asarray([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 3.0, 3.0, 4.0]
    """

    def scan_all(elems: Any) -> Any:
        leaves, tree = flatten(elems)
        xs = [as_argument(x) for x in leaves]
        axes = [axis_of("associative_scan", axis, x.type) for x in xs]
        _check_lengths(xs, axes, tree)
        if not xs:
            return elems
        found = _Prefixes(fn, tree, axes).of(_reversed(xs, axes) if reverse else xs)
        return build(tree, _reversed(found, axes) if reverse else found)

    result: T = whole(scan_all, fn, "associative_scan", looks=False)(elems)
    return result


def _reversed(xs: Leaves, axes: Sequence[int]) -> Leaves:
    return [reversed_along(x, (d,)) for x, d in zip(xs, axes)]


def _check_lengths(xs: Leaves, axes: Sequence[int], tree: TreeDef) -> None:
    sizes = {shape_of(x)[d] for x, d in zip(xs, axes)}
    if len(sizes) > 1:
        rows = [
            row(f"elems{p}", x.type, [i - d for i in range(x.ndim)])
            for p, x, d in zip(tree.paths(), xs, axes)
        ]
        raise ShapeError(
            f"associative_scan: the lengths {', '.join(map(str, sizes))} along the scanned axis"
            " differ\n" + aligned(rows, [0]),
            fix="all leaves are scanned together: cut or pad them to one length",
        )
    for n in sizes:
        if isinstance(n, Poly):
            raise UnknownSizeError(
                f"associative_scan: its steps depend on the size {n}, which must be known",
                fix="vx.scan, or vx.cumulative_sum and its kin, take any size",
            )


class _Prefixes:
    """The recursion, for one function and the axes of the leaves."""

    def __init__(self, fn: Callable[[Any, Any], Any], tree: TreeDef, axes: Sequence[int]) -> None:
        self.fn, self.tree, self.axes = fn, tree, axes

    def of(self, xs: Leaves) -> Leaves:
        """All prefixes of the elements."""
        n = self.length(xs)
        if n < 2:
            return xs
        odd = self.of(self.combined(self.strided(xs, 0, n - 1), self.strided(xs, 1, n)))
        rest = self.strided(xs, 2, n)
        if n > 2:
            known = self.cut(odd, 0, self.length(rest))
            rest = self.combined(known, rest)
        first = self.cut(xs, 0, 1)
        even = [apply(Concatenate(d), a, b) for d, a, b in zip(self.axes, first, rest)]
        return [_interleaved(a, b, d) for d, a, b in zip(self.axes, even, odd)]

    def combined(self, xs: Leaves, ys: Leaves) -> Leaves:
        """fn of two parts, which must give what it takes."""
        given = self.fn(build(self.tree, xs), build(self.tree, ys))
        leaves, tree = flatten(given)
        out = [as_argument(x) for x in leaves]
        plain, types = (False,) * len(out), tuple([x.type.bare for x in out])
        agree(
            f"associative_scan: {describe(self.fn)} gives something else than it takes",
            Side("takes", self.tree, tuple([x.type.bare for x in xs]), (False,) * len(xs)),
            Side("gives", tree, types, plain),
        )
        return out

    def length(self, xs: Leaves) -> int:
        n: int = xs[0].shape[self.axes[0]]
        return n

    def cut(self, xs: Leaves, start: int, limit: int) -> Leaves:
        return [cut(x, d, start, limit) for x, d in zip(xs, self.axes)]

    def strided(self, xs: Leaves, start: int, limit: int) -> Leaves:
        """Every second element from ``start`` up to ``limit``."""
        out = []
        for x, d in zip(xs, self.axes):
            parts = [(start, max(start, limit), 2) if k == d else None for k in range(x.ndim)]
            out.append(apply(Slice(tuple(parts)), x))
        return out


def _interleaved(even: AnyArray, odd: AnyArray, axis: int) -> AnyArray:
    """The elements at even places and those at odd ones in turn."""
    m, shape = odd.shape[axis], shape_of(odd)
    pair = [reshaped(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
            for x in (cut(even, axis, 0, m), odd)]  # fmt: skip
    both = apply(Concatenate(axis + 1), *pair)
    both = reshaped(both, (*shape[:axis], 2 * m, *shape[axis + 1 :]))
    if even.shape[axis] == m:
        return both
    return apply(Concatenate(axis), both, cut(even, axis, m, m + 1))
