"""Named axes: what the examples of ``vmap(f, axis_name="i")`` can say to each other.

Inside f, ``psum(x, "i")`` is the sum of x over all examples, and every example gets it. A name is
in scope in f and in what f calls; of two with one name the inner one counts. A tuple of names
means their product, the first one being the slowest. Values that do not differ from example to
example count once per example: ``psum(1, "i")`` is the number of examples.

Law: each function is the formula over the stacked examples that its docstring gives; derivatives
are those of this formula, so inside f a gradient sums over the examples: the transpose of psum is
psum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from verax.compiler.ir.dtypes import int32
from verax.compiler.ir.errors import DTypeError, ShapeError, StructureError, UnboundAxisError
from verax.compiler.ir.sizes import Size, product
from verax.compiler.ir.sizes import divide as divide_size
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops.layout import Reshape
from verax.compiler.ops.named import (
    AxisExchange,
    AxisGather,
    AxisIndex,
    AxisPermute,
    AxisReduce,
    AxisScatter,
)
from verax.dsl.lang.arithmetic import add, divide, multiply
from verax.dsl.lang.creation import zeros_like
from verax.dsl.lang.indexing import take
from verax.dsl.lang.lists import from_list
from verax.dsl.lang.logic import where
from verax.dsl.lang.manipulation import moveaxis
from verax.dsl.lang.scope import STACK, named_axes
from verax.dsl.lang.signatures import AnyArray
from verax.dsl.lang.stage import as_argument
from verax.dsl.lang.tree import map as tree_map
from verax.dsl.lang.value import apply
from verax.dsl.lang.weak import strong

T = TypeVar("T")
AxisName = str | tuple[str, ...]


def _sizes(what: str, axis_name: AxisName) -> list[tuple[str, Size]]:
    """The names with their sizes; raises where one is not in scope."""
    wanted = (axis_name,) if isinstance(axis_name, str) else tuple(axis_name)
    there = named_axes(STACK.scope)
    unknown = [name for name in wanted if name not in there]
    if unknown:
        listed = ", ".join(f"{name!r} (size {n})" for name, n in there.items())
        raise UnboundAxisError(
            f"{what}: no vmap around it names an axis {unknown[0]!r};"
            + (f" in scope are {listed}" if there else " no name is in scope"),
            fix=f"vmap(f, axis_name={unknown[0]!r})",
        )
    if len(set(wanted)) < len(wanted):
        raise StructureError(f"{what}: a name stands twice in {wanted}", fix="name each axis once")
    return [(name, there[name]) for name in wanted]


def _array(what: str, x: Any) -> Any:
    value: Any = as_argument(x)
    if not isinstance(value.type, ArrayType):
        raise DTypeError(
            f"{what} takes arrays, got {value.type}", fix="pass the words: vx.random.key_data(key)"
        )
    return strong(value) if value.weak else value


def _each(what: str, f: Callable[[Any], Any], xs: T) -> T:
    """f of every leaf, an array."""
    result: T = tree_map(lambda x: f(_array(what, x)), xs)
    return result


def _axis(what: str, name: str, axis: int, ndim: int) -> int:
    if type(axis) is not int or not -ndim <= axis < ndim:
        raise ShapeError(
            f"{what}: {name} is {axis!r}, and there are {ndim} axes",
            fix=f"{name} is an int from 0 to {ndim - 1}"
            if ndim
            else "one example is a scalar here: give each an axis, x[None]",
        )
    return axis % ndim


# reductions --------------------------------------------------------------------------------------


def psum(x: T, axis_name: AxisName) -> T:
    """The sum over the examples, leaf by leaf; of a Python number it is a Python number.

    >>> import verax as vx
    >>> vx.vmap(lambda x: x / vx.psum(x, "i"), axis_name="i")(vx.asarray([1.0, 1.0, 2.0]))
    Array([0.25, 0.25, 0.5 ], dtype=float32)
    """
    over = _sizes("psum", axis_name)
    count = product([n for _, n in over])

    def one(x: Any) -> Any:
        if type(x) in (bool, int, float, complex) and isinstance(count, int):
            return x * count
        x = _array("psum", x)
        if x.dtype.is_bool:
            x = x.astype(int32)
        for name, n in over:
            x = apply(AxisReduce(name, n, "add"), x)
        return x

    result: T = tree_map(one, x)
    return result


def pmean(x: T, axis_name: AxisName) -> T:
    """The mean over the examples, leaf by leaf.

    >>> import verax as vx
    >>> vx.vmap(lambda x: x - vx.pmean(x, "i"), axis_name="i")(vx.asarray([1.0, 2.0, 6.0]))
    Array([-2., -1.,  3.], dtype=float32)
    """
    count = axis_size(axis_name)
    result: T = tree_map(lambda x: divide(x, count), psum(x, axis_name))
    return result


def _extreme(what: str, kind: str, x: T, axis_name: AxisName) -> T:
    over = _sizes(what, axis_name)

    def one(x: Any) -> Any:
        for name, n in over:
            x = apply(AxisReduce(name, n, kind), x)
        return x

    return _each(what, one, x)


def pmax(x: T, axis_name: AxisName) -> T:
    """The greatest over the examples, leaf by leaf; where several attain it, they share the
    derivative.

    >>> import verax as vx
    >>> vx.vmap(lambda x: vx.pmax(x, "i"), axis_name="i")(vx.asarray([1.0, 5.0, 2.0]))
    Array([5., 5., 5.], dtype=float32)
    """
    return _extreme("pmax", "max", x, axis_name)


def pmin(x: T, axis_name: AxisName) -> T:
    """The least over the examples, leaf by leaf; see ``pmax``.

    >>> import verax as vx
    >>> vx.vmap(lambda x: vx.pmin(x, "i"), axis_name="i")(vx.asarray([1.0, 5.0, 2.0]))
    Array([1., 1., 1.], dtype=float32)
    """
    return _extreme("pmin", "min", x, axis_name)


# places ------------------------------------------------------------------------------------------


def axis_size(axis_name: AxisName) -> int:
    """The number of examples, a Python int.

    >>> import verax as vx
    >>> vx.vmap(lambda x: x * vx.axis_size("i"), axis_name="i")(vx.arange(3))
    Array([0, 3, 6], dtype=int32)
    """
    n: Any = product([n for _, n in _sizes("axis_size", axis_name)])
    return n  # type: ignore[no-any-return]


def axis_index(axis_name: AxisName) -> AnyArray:
    """The number of the example, an int32 scalar.

    >>> import verax as vx
    >>> vx.vmap(lambda x: x + vx.axis_index("i"), axis_name="i")(vx.asarray([5, 5, 5]))
    Array([5, 6, 7], dtype=int32)
    """
    first, *others = _sizes("axis_index", axis_name)
    index: Any = apply(AxisIndex(*first))
    for name, n in others:
        index = add(multiply(index, axis_size(name)), apply(AxisIndex(name, n)))
    return index  # type: ignore[no-any-return]


def ppermute(x: T, axis_name: AxisName, perm: Sequence[tuple[int, int]]) -> T:
    """What example i has goes to example j, for each pair (i, j); who receives nothing gets zeros.

    >>> import verax as vx
    >>> ring = [(0, 1), (1, 2), (2, 0)]
    >>> vx.vmap(lambda x: vx.ppermute(x, "i", ring), axis_name="i")(vx.arange(3))
    Array([2, 0, 1], dtype=int32)
    """
    over = _sizes("ppermute", axis_name)
    pairs = tuple([(int(i), int(j)) for i, j in perm])
    if len(over) == 1:
        op = AxisPermute(*over[0], pairs)
        return _each("ppermute", lambda x: apply(op, x), x)
    AxisPermute(str(axis_name), axis_size(axis_name), pairs)  # refuses what is no permutation
    source = {j: i for i, j in pairs}
    table = [source.get(j, -1) for j in range(axis_size(axis_name))]
    here: Any = take(from_list(table, int32), axis_index(axis_name))

    def one(x: Any) -> Any:
        row = take(all_gather(x, axis_name), here, axis=0, mode="clip")
        return where(here >= 0, row, zeros_like(row))

    return _each("ppermute", one, x)


def pshuffle(x: T, axis_name: AxisName, perm: Sequence[int]) -> T:
    """Example j gets what example ``perm[j]`` has.

    >>> import verax as vx
    >>> vx.vmap(lambda x: vx.pshuffle(x, "i", [2, 0, 1]), axis_name="i")(vx.arange(3) * 10)
    Array([20,  0, 10], dtype=int32)
    """
    n = axis_size(axis_name)
    if sorted(perm) != list(range(n)):
        raise ShapeError(
            f"pshuffle: {list(perm)} is no permutation of the {n} examples",
            fix=f"name each of 0 to {n - 1} once; vx.ppermute takes any pairs (from, to)",
        )
    return ppermute(x, axis_name, list(zip(perm, range(n))))


# gather, scatter, exchange -----------------------------------------------------------------------


def all_gather(x: Any, axis_name: AxisName, *, axis: int = 0, tiled: bool = False) -> Any:
    """Every example gets what all have, along a new axis; ``tiled`` concatenates along ``axis``.

    >>> import verax as vx
    >>> f = vx.vmap(lambda x: vx.all_gather(x, "i"), axis_name="i")
    >>> f(vx.asarray([1.0, 2.0]))
    Array([[1., 2.],
           [1., 2.]], dtype=float32)
    """
    over = _sizes("all_gather", axis_name)

    def one(x: Any) -> Any:
        at = _axis("all_gather", "axis", axis, x.ndim + (not tiled))
        shape = x.type.shape
        for name, n in reversed(over):
            x = apply(AxisGather(name, n, at), x)
        count = product([n for _, n in over])
        rest = shape[at:] if not tiled else shape[at + 1 :]
        return _reshaped(x, (*shape[:at], count * shape[at] if tiled else count, *rest))

    return _each("all_gather", one, x)


def psum_scatter(
    x: Any, axis_name: AxisName, *, scatter_dimension: int = 0, tiled: bool = False
) -> Any:
    """Example i gets part i of the sum over the examples, along ``scatter_dimension``.

    That axis counts the examples and goes; with ``tiled`` it is cut into as many parts and stays.

    >>> import verax as vx
    >>> f = vx.vmap(lambda x: vx.psum_scatter(x, "i"), axis_name="i")
    >>> f(vx.asarray([[1.0, 2.0], [10.0, 20.0]]))
    Array([11., 22.], dtype=float32)
    """
    over = _sizes("psum_scatter", axis_name)

    def one(x: Any) -> Any:
        at = _axis("psum_scatter", "scatter_dimension", scatter_dimension, x.ndim)
        x = _divided("psum_scatter", x, at, [n for _, n in over], tiled)
        for name, n in over:
            x = apply(AxisScatter(name, n, at), x)
        return x

    return _each("psum_scatter", one, x)


def all_to_all(
    x: Any, axis_name: AxisName, split_axis: int, concat_axis: int, *, tiled: bool = False
) -> Any:
    """Part i of ``split_axis`` goes to example i, which stacks what it gets along ``concat_axis``.

    ``split_axis`` counts the examples and goes, and ``concat_axis`` is new; with ``tiled`` the one
    is cut into as many parts, and the parts are concatenated along the other.

    >>> import verax as vx
    >>> f = vx.vmap(lambda x: vx.all_to_all(x, "i", 0, 0), axis_name="i")
    >>> f(vx.asarray([[1, 2], [3, 4]]))
    Array([[1, 3],
           [2, 4]], dtype=int32)
    """
    over = _sizes("all_to_all", axis_name)

    def one(x: Any) -> Any:
        split = _axis("all_to_all", "split_axis", split_axis, x.ndim)
        concat = _axis("all_to_all", "concat_axis", concat_axis, x.ndim)
        x = _divided("all_to_all", x, split, [n for _, n in over], tiled)
        for k, (name, n) in enumerate(over):  # each axis stays where it is, and counts the senders
            x = apply(AxisExchange(name, n, split + k, split + k), x)
        shape = x.type.shape
        k = len(over)
        x = _reshaped(x, (*shape[:split], product(shape[split : split + k]), *shape[split + k :]))
        x = moveaxis(x, split, concat)
        if not tiled:
            return x
        shape = x.type.shape
        return _reshaped(x, (*shape[:concat], shape[concat] * shape[concat + 1],
                             *shape[concat + 2 :]))  # fmt: skip

    return _each("all_to_all", one, x)


def _divided(what: str, x: Any, at: int, sizes: list[Size], tiled: bool) -> Any:
    """x with an axis that counts the examples cut up by names, and its own part behind them."""
    shape = x.type.shape
    part = divide_size(shape[at], product(sizes))
    if part is None or (not tiled and part != 1):
        verb = "must divide into" if tiled else "must have size"
        raise ShapeError(
            f"{what}: axis {at} of {x.type} {verb} {product(sizes)}, the number of examples",
            fix="tiled=True gives each example several rows"
            if not tiled and part is not None
            else f"pad or cut that axis to {product(sizes)}, or a multiple of it with tiled=True",
        )
    return _reshaped(x, (*shape[:at], *sizes, *((part,) if tiled else ()), *shape[at + 1 :]))


def _reshaped(x: Any, shape: Sequence[Size]) -> Any:
    return x if x.type.shape == tuple(shape) else apply(Reshape(tuple(shape)), x)
