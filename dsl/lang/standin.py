"""A function that stands for any function of a declared type, while its caller is staged.

It compares what it is given with what it is declared to take, and gives zeros of what it is
declared to give. The names of dims are those of the caller, where they are fixed.

Law: what a caller does with it and fits, fits for every function of the type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from verax.compiler.ir.sizes import Size, dim
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.binding import Bindings, Where
from verax.dsl.lang.compare import Leaf, Row, examine, leaf_of, walk
from verax.dsl.lang.contract import problem
from verax.dsl.lang.creation import zeros
from verax.dsl.lang.patterns import ArrayPattern, FunctionPattern, Sized, names_in
from verax.dsl.lang.treedef import build, flatten


def stand_in(
    p: FunctionPattern, path: str, result: Any, size: Callable[[Size], Size]
) -> Callable[..., Any]:
    """The function.

    Args:
        path: what messages call it.
        result: what it gives, a tree whose leaves are ``Leaf``.
        size: what a declared size is worth in the caller.
    """
    leaves, tree = flatten(result)

    def function(*args: Any, **kwargs: Any) -> Any:
        if p.parameters is not None:
            _check(p.parameters, args, path, size)
        return build(tree, [_zeros(x) for x in leaves])

    function.__name__ = function.__qualname__ = path
    return function


def can_give(result: Any) -> bool:
    """Whether zeros are a result of this type: keys are not made up."""
    leaves, _ = flatten(result)
    return not any(isinstance(x, Leaf) and isinstance(x.type, KeyType) for x in leaves)


def _zeros(x: Any) -> Any:
    if not isinstance(x, Leaf):
        return x
    assert isinstance(x.type, ArrayType)
    return zeros(x.type.shape, dtype=x.type.dtype)


def _check(
    parameters: Sequence[Any], args: Sequence[Any], path: str, size: Callable[[Size], Size]
) -> None:
    if len(args) != len(parameters):
        raise TypeError(f"{path} takes {len(parameters)} arguments, got {len(args)}")
    rows: list[Row] = []
    for i, (p, x) in enumerate(zip(parameters, args)):
        flat, tree = flatten(x)
        rows += walk(p, build(tree, [leaf_of(y) for y in flat]), f"argument {i}", path)
    bindings = Bindings()
    for row in rows:
        if isinstance(row.pattern, ArrayPattern):
            for d in row.pattern.dims:
                for name in names_in(d.size) if isinstance(d, Sized) else ():
                    bindings.sizes[name] = Where(size(dim(name)), "its declaration")
    wrong = examine(rows, bindings, 0)
    if wrong:
        raise problem(path, rows, wrong)
