"""Functions of pytrees: ``vx.tree.map``, ``leaves``, ``structure``...

Trees are taken apart by treedef.py. Where a function takes several trees, the first one says the
structure; StructureError shows where another one departs from it.

Law: ``unflatten(*reversed(flatten(x)))`` gives x back, and ``map(f, x)`` keeps its structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from verax.compiler.ir.errors import StructureError
from verax.dsl.lang.signatures import DT, Ds, Open
from verax.dsl.lang.treedef import (
    IsLeaf,
    Path,
    Tree,
    TreeDef,
    broadcast,
    build,
    flatten,
    flatten_with_path,
    leaves,
    leaves_with_path,
    prefix_leaves,
    register,
    structure,
    unflatten,
)

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

T = TypeVar("T")
K = TypeVar("K")
R = TypeVar("R")

__all__ = [
    "Path",
    "TreeDef",
    "all",
    "any",
    "broadcast",
    "flatten",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "register",
    "structure",
    "transpose",
    "unflatten",
]

_UNKNOWN: Any = object()


@overload
def map(f: Callable[..., R], tree: Array[DT, *Ds], *rest: Tree, is_leaf: IsLeaf = None) -> R: ...
@overload
def map(
    f: Callable[..., R], tree: list[Array[DT, *Ds]], *rest: Tree, is_leaf: IsLeaf = None
) -> list[R]: ...
@overload
def map(
    f: Callable[..., R], tree: dict[K, Array[DT, *Ds]], *rest: Tree, is_leaf: IsLeaf = None
) -> dict[K, R]: ...
@overload
def map(f: Callable[..., Open[Any]], tree: T, *rest: Tree, is_leaf: IsLeaf = None) -> T: ...
@overload
def map(f: Callable[..., Any], tree: Tree, *rest: Tree, is_leaf: IsLeaf = None) -> Tree: ...
def map(f: Callable[..., Any], tree: Tree, *rest: Tree, is_leaf: IsLeaf = None) -> Tree:
    """The tree with f of its leaves.

    Args:
        f: takes a leaf of ``tree`` and what stands at its place in each of ``rest``.
        rest: trees of the same structure; where ``tree`` has a leaf, they may have a whole tree.
        is_leaf: what counts as a leaf besides what is one.

    >>> map(lambda x, y: x + y, {"a": 1, "b": 2}, {"a": 10, "b": 20})
    {'a': 11, 'b': 22}
    """
    found, treedef = flatten(tree, is_leaf)
    if not rest:
        return build(treedef, [f(x) for x in found])
    columns = [prefix_leaves(treedef, r, "tree.map") for r in rest]
    return build(treedef, [f(*xs) for xs in zip(found, *columns)])


def map_with_path(f: Callable[..., Any], tree: Tree, *rest: Tree, is_leaf: IsLeaf = None) -> Tree:
    """``map`` with a function that takes the path of each leaf first."""
    found, treedef = flatten(tree, is_leaf)
    columns = [prefix_leaves(treedef, r, "tree.map_with_path") for r in rest]
    return build(treedef, [f(*xs) for xs in zip(treedef.paths(), found, *columns)])


def reduce(f: Callable[[Any, Any], Any], tree: Tree, initial: Any = _UNKNOWN) -> Any:
    """The leaves put together from left to right.

    >>> reduce(lambda total, x: total + x, {"a": 1, "b": (2, 3)}, 0)
    6
    """
    rest = iter(leaves(tree))
    out = next(rest, _UNKNOWN) if initial is _UNKNOWN else initial
    if out is _UNKNOWN:
        raise StructureError(
            "tree.reduce of a tree without leaves needs an initial value",
            fix="vx.tree.reduce(f, tree, 0.0)",
        )
    for x in rest:
        out = f(out, x)
    return out


def all(tree: Tree) -> bool:
    """Whether every leaf is true."""
    return not [x for x in leaves(tree) if not x]


def any(tree: Tree) -> bool:
    """Whether a leaf is true."""
    return bool([x for x in leaves(tree) if x])


def transpose(outer: TreeDef, inner: TreeDef, tree: Tree) -> Tree:
    """An ``inner`` of ``outer`` trees from an ``outer`` of ``inner`` trees."""
    rows = [prefix_leaves(inner, row, "tree.transpose") for row in prefix_leaves(outer, tree)]
    return build(inner, [build(outer, list(column)) for column in zip(*rows)])
