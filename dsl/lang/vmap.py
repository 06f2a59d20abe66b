"""``vmap``: a function of one example, applied to many at once.

The function is staged on the types of one example; ``vectorize`` rewrites the program, so there is
one program and no loop. Inside, the mapped axis stands in front; it is moved there from where
``in_axes`` says, and away to where ``out_axes`` says. Python scalars that are not mapped reach the
function as they are.

Law: ``vmap(f)(xs)`` is the stack of ``f(x)`` over the examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, overload

from verax.compiler.ir.aligned import Row, aligned, row
from verax.compiler.ir.errors import ShapeError, StructureError
from verax.compiler.ir.sizes import Size
from verax.compiler.ops.contract import permute
from verax.compiler.passes.vectorize import vectorize
from verax.dsl.lang.key import Key, swap_axes
from verax.dsl.lang.promotion import scalar_class
from verax.dsl.lang.scope import describe
from verax.dsl.lang.signatures import Transformed
from verax.dsl.lang.stage import (
    argument_path,
    as_argument,
    kind_of,
    spend_inputs,
    spend_results,
    stage,
)
from verax.dsl.lang.treedef import TreeDef, broadcast, build, flatten
from verax.dsl.lang.value import Value, apply, invoke
from verax.dsl.lang.weak import strong
from verax.dsl.lang.whole import whole

Axes = Any
"""An int or None for everything, or a tree of them that is a prefix of the arguments."""


class FromOne(Protocol):
    """A function of one argument or two."""

    @overload
    def __call__(self, a: Any, /) -> Any: ...
    @overload
    def __call__(self, a: Any, b: Any, /) -> Any: ...


class FromTwo(Protocol):
    """A function of two arguments or three."""

    @overload
    def __call__(self, a: Any, b: Any, /) -> Any: ...
    @overload
    def __call__(self, a: Any, b: Any, c: Any, /) -> Any: ...


class FromThree(Protocol):
    """A function of three arguments or four."""

    @overload
    def __call__(self, a: Any, b: Any, c: Any, /) -> Any: ...
    @overload
    def __call__(self, a: Any, b: Any, c: Any, d: Any, /) -> Any: ...


class Mapped:
    """The arguments of a mapped call: which leaves are mapped, which stay as they are.

    Attributes:
        inputs: the leaves that become inputs of the program, mapped ones with their axis in front.
        mapped: which of the inputs are mapped.
        size: the size of the mapped axis.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        in_axes: Axes,
        axis_size: Size | None,
    ) -> None:
        self.f = f
        self.leaves, self.tree = flatten((args, kwargs))
        positional, keyword = self.tree.children
        axes = [*_axes_of(in_axes, positional, f), *[0] * keyword.n_leaves]
        self.path = partial(argument_path, f, self.tree, keywords=True)
        self.places: list[int] = []
        self.inputs: list[Any] = []
        self.mapped: list[bool] = []
        sizes: list[tuple[int, int, Size]] = []
        for i, (x, axis) in enumerate(zip(self.leaves, axes)):
            if axis is None and scalar_class(x) is not None:
                continue
            value = as_argument(x, partial(self.path, i))
            if axis is not None:
                value, axis, n = self._in_front(i, value, axis)
                sizes.append((i, axis, n))
            self.places.append(i)
            self.inputs.append(value)
            self.mapped.append(axis is not None)
        self.size = self._common_size(sizes, axis_size)

    def _in_front(self, i: int, x: Value, axis: Any) -> tuple[Value, int, Size]:
        if x.weak:
            x = strong(x)  # type: ignore[arg-type]
        if type(axis) is not int:
            raise StructureError(
                f"vmap: in_axes has {axis!r} for {self.path(i)}, not an int or None",
                fix="0 maps the first axis; None shares the argument; a tuple has one entry each",
            )
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError(
                f"vmap of {describe(self.f)}: in_axes maps axis {axis} of {self.path(i)},"
                f" which is {x.type}",
                fix="in_axes=None for arguments that all examples share",
            )
        axis %= x.ndim
        return move_axis(x, axis, 0), axis, x.type.shape[axis]

    def _common_size(self, sizes: Sequence[tuple[int, int, Size]], axis_size: Size | None) -> Size:
        found = list(dict.fromkeys([n for _, _, n in sizes]))
        if axis_size is not None and axis_size not in found:
            found.append(axis_size)
        if not found:
            raise ShapeError(
                f"vmap of {describe(self.f)}: no argument is mapped, so the size is not known",
                fix="map an argument (in_axes=0), or give axis_size",
            )
        if len(found) > 1:
            raise self._uneven(sizes, axis_size)
        return found[0]

    def _uneven(self, sizes: Sequence[tuple[int, int, Size]], axis_size: Size | None) -> ShapeError:
        """The arguments as they were given, their mapped axes under each other."""
        rows: list[Row] = []
        met: dict[Size, str] = {}
        for i, axis, n in sizes:
            t = kind_of(self.leaves[i])[0]
            keys = [d - axis for d in range(t.ndim)]
            rows.append(row(self.path(i), t, keys))
            met.setdefault(n, f"axis {axis} of {self.path(i)}")
        if axis_size is not None:
            rows.append(row("axis_size", (axis_size,), (0,)))
            met.setdefault(axis_size, "axis_size")
        (m, first), (n, second) = list(met.items())[:2]
        return ShapeError(
            f"vmap of {describe(self.f)}: the mapped axes have different sizes, {m} in {first} and"
            f" {n} in {second}\n" + aligned(rows, [0]),
            fix="in_axes says which axis of each argument counts the examples; None shares it",
        )

    def call(self, *inputs: Any) -> Any:
        """The function of the inputs alone."""
        leaves = list(self.leaves)
        for i, x in zip(self.places, inputs):
            leaves[i] = x
        args, kwargs = build(self.tree, leaves)
        return self.f(*args, **kwargs)


def _axes_of(in_axes: Axes, tree: TreeDef, f: object) -> list[Any]:
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(tree.children):
        raise StructureError(
            f"vmap of {describe(f)}: in_axes has {len(in_axes)} entries, and the call has"
            f" {len(tree.children)} positional arguments",
            fix="in_axes=0 for all of them, or one entry for each",
        )
    return broadcast(in_axes, tree, f"vmap of {describe(f)}: in_axes")


def move_axis(x: Any, source: int, target: int) -> Any:
    """x, an array or an array of keys, with one axis in another place."""
    if source == target:
        return x
    perm = [i for i in range(x.ndim) if i != source]
    perm.insert(target, source)
    if isinstance(x, Key):
        return swap_axes(x, perm)
    return apply(permute(tuple(perm)), x)


@overload
def vmap(
    f: FromOne | FromTwo | FromThree,
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Transformed[..., Any]: ...
@overload
def vmap(
    f: Callable[[Any], Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Transformed[[Any], Any]: ...
@overload
def vmap(
    f: Callable[[Any, Any], Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Transformed[[Any, Any], Any]: ...
@overload
def vmap(
    f: Callable[[Any, Any, Any], Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Transformed[[Any, Any, Any], Any]: ...
@overload  # of more arguments, which to mypy the functions above are too
def vmap(  # type: ignore[overload-cannot-match]
    f: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Transformed[..., Any]: ...
def vmap(
    f: Callable[..., Any],
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    axis_name: str | None = None,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """f of many examples at once.

    Args:
        f: a function of one example.
        in_axes: which axis of the arguments counts the examples: an int, None (shared by all), or
            a tuple with an entry per argument, each of which may be a tree. Keyword arguments are
            mapped over axis 0.
        out_axes: where that axis stands in the results; None for what is the same for all.
        axis_name: what ``psum`` and the other functions over named axes call the axis in f.
        axis_size: the number of examples; needed only where no argument is mapped.

    Raises:
        ShapeError: the mapped sizes differ; the message lists every argument.

    >>> import verax as vx
    >>> vx.vmap(lambda x, y: x * y, in_axes=(0, None))(vx.arange(3.0), 2.0)
    Array([0., 2., 4.], dtype=float32)
    """

    if axis_name is not None and not isinstance(axis_name, str):
        raise StructureError(
            f"vmap: axis_name is {axis_name!r}, not a string", fix="vmap(f, axis_name='i')"
        )

    def vmap_f(*args: Any, **kwargs: Any) -> Any:
        m = Mapped(f, args, kwargs, in_axes, axis_size)
        types = [x.type.row() if on else x.type.bare for x, on in zip(m.inputs, m.mapped)]
        tree = flatten(tuple(types))[1]
        axis = None if axis_name is None else (axis_name, m.size)
        s = stage(m.call, tree, types, what="vmap", of=f, axis=axis)
        spend_inputs(s, m.inputs, "vmap")
        axes = broadcast(out_axes, s.out_tree, f"vmap of {describe(f)}: out_axes")
        mapped = (*m.mapped, *[False] * len(s.captured))
        force = tuple([axis is not None for axis in axes])
        p, mapped_out = vectorize(s.program, mapped, m.size, force, axis_name)
        ys = invoke(p, [*m.inputs, *s.captured])
        spend_results(s, ys)
        out = [
            _put_back(y, axis, on, f, s.out_tree, i)
            for i, (y, axis, on) in enumerate(zip(ys, axes, mapped_out))
        ]
        return build(s.out_tree, out)

    return whole(vmap_f, f, "vmap", looks=False)


def _put_back(y: Any, axis: Any, mapped: bool, f: object, tree: TreeDef, i: int) -> Any:
    """A result with its mapped axis where out_axes wants it."""
    if axis is None:
        if mapped:
            raise StructureError(
                f"vmap of {describe(f)}: out_axes is None for the result{tree.paths()[i]},"
                f" which differs from example to example: {y.type}",
                fix="out_axes=0, or reduce over the examples outside",
            )
        return y
    if type(axis) is not int or not -y.ndim <= axis < y.ndim:
        raise ShapeError(
            f"vmap of {describe(f)}: out_axes puts the axis at {axis!r} of the"
            f" result{tree.paths()[i]}, which has {y.ndim} axes with it",
            fix=f"out_axes=0 to out_axes={y.ndim - 1}, or a tree of them like the result",
        )
    return move_axis(y, 0, axis % y.ndim)
