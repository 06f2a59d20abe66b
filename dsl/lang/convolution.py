"""Convolutions: conv_general_dilated and its special cases, convolve and correlate.

What the deep-learning world calls convolution is a correlation: the kernel is not turned round.
``convolve`` and ``conv_transpose(transpose_kernel=True)`` turn it. All of them are one op, so that
every derivative and ``vmap`` of a convolution, with respect to either operand, is a convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from verax.compiler.ir.aligned import aligned, row
from verax.compiler.ir.errors import DTypeError, ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import Shape, Size, at_most, divide
from verax.compiler.ops.convolve import Convolve, convolution
from verax.compiler.ops.slicing import spread
from verax.compiler.ops.slide import Slide
from verax.dsl.lang.contraction import factors_of
from verax.dsl.lang.dtypes import DTypeLike, dtype_of
from verax.dsl.lang.fused import fused
from verax.dsl.lang.linear import apply_conj
from verax.dsl.lang.manipulation import reshaped, reversed_along
from verax.dsl.lang.signatures import DT, AnyArray, ArrayLike, Like
from verax.dsl.lang.sliding import Padding, Steps, slides, steps
from verax.dsl.lang.value import apply, shape_of

if TYPE_CHECKING:
    from verax.dsl.lang.array import Array

__all__ = ["conv", "conv_general_dilated", "conv_transpose", "convolve", "correlate"]

Mode: TypeAlias = Literal["full", "same", "valid"]
Numbers: TypeAlias = tuple[str, str, str] | None
Label: TypeAlias = int | str
"""A spatial dimension by its number; ``n0``, ``n1``... batches, ``c`` in and ``o`` out features."""


class Form(NamedTuple):
    """What stands on each dimension of the left operand, the kernel and the result."""

    left: tuple[Label, ...]
    right: tuple[Label, ...]
    out: tuple[Label, ...]


class _Plan(NamedTuple):
    """The op, and the shapes that give its factors dimensions of their own."""

    op: Convolve
    left: Shape
    right: Shape
    out: Shape


def _run(plan: _Plan, x: AnyArray, w: AnyArray) -> AnyArray:
    y = apply(plan.op, reshaped(x, plan.left), reshaped(w, plan.right))
    return reshaped(y, plan.out)


# the general form --------------------------------------------------------------------------------


def conv_general_dilated(
    lhs: Like[DT],
    rhs: ArrayLike,
    window_strides: Steps,
    padding: Padding,
    lhs_dilation: Steps | None = None,
    rhs_dilation: Steps | None = None,
    dimension_numbers: Numbers = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    *,
    preferred_element_type: DTypeLike = None,
) -> Array[DT, *tuple[Any, ...]]:
    """rhs slides over lhs: at each position the sum of products over window and features.

    Args:
        lhs: batch, features and spatial dimensions, in the order that dimension_numbers tell.
        rhs: the kernel: input features, output features and the window.
        window_strides: from one position of the window to the next, for each spatial dimension.
        padding: SAME, VALID, SAME_LOWER, or (low, high) for each; a negative number crops.
        lhs_dilation: from one element of lhs to the next, with zeros between.
        rhs_dilation: from one element of the kernel to the next, with holes between.
        dimension_numbers: such as ("NHWC", "HWIO", "NHWC"): N batch, C features, I and O the
            features that the kernel takes and gives, all other letters spatial, in the order of
            the kernel. None is batch, features, space; and O, I, space.
        feature_group_count: into how many groups the features of lhs are split, each with
            outputs of its own; the kernel has the input features of one group.
        batch_group_count: into how many groups the batch of lhs is split, each with outputs of
            its own.
        preferred_element_type: the dtype of the result and of the accumulation.

    >>> import numpy as np
    >>> image = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> box = np.ones((2, 2, 1, 1))
    >>> conv_general_dilated(
    ...     image, box, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    ... )[0, :, :, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]

    Raises:
        ShapeError: ranks, features, groups or windows that do not fit.
    """
    name = "conv_general_dilated"
    x, w = factors_of(name, lhs, rhs)
    form = _form(name, dimension_numbers, x, w)
    sizes, window = _spatial(form.left, x), _spatial(form.right, w)
    how = slides(name, sizes, window, window_strides, padding, lhs_dilation, rhs_dilation)
    groups = (feature_group_count, batch_group_count)
    return convolved(name, form, x, w, how, groups=groups, dtype=preferred_element_type)


def convolved(
    name: str,
    form: Form,
    x: AnyArray,
    w: AnyArray,
    how: Sequence[Slide],
    *,
    groups: tuple[int, int] = (1, 1),
    flip: bool = False,
    dtype: DTypeLike = None,
) -> AnyArray:
    """The convolution of two arrays of one dtype, by the labels of their dimensions."""
    if x.dtype.is_bool:
        raise DTypeError(
            f"{name} takes numbers, got {x.type} and {w.type}", fix="convert: x.astype(vx.int32)"
        )
    to = None if dtype is None else dtype_of(dtype)
    n = _Sizes(name, form, x, w)
    n.check(*groups)
    number = {f: i for i, f in enumerate(dict.fromkeys((*form.left, *form.right)))}
    left = _Split(form.left, shape_of(x), {"c": groups[0], "n0": groups[1]}, number)
    right = _Split(form.right, shape_of(w), {"o": groups[0] * groups[1]}, number)
    out: list[int] = []
    for f in form.out:
        if f == "o" and groups != (1, 1):
            out.append(_GROUP)
        out.append(number[f])
    turns = {number[i]: s for i, s in enumerate(how)}
    op = convolution(
        (tuple(left.labels), tuple(right.labels)),
        tuple(out),
        turns,
        flip=flip,
        out_dtype=None if to is x.dtype else to,
    )
    shape = n.out(how, groups[1])
    return fused(_run, _Plan(op, tuple(left.shape), tuple(right.shape), shape), x, w)


_GROUP = 1 << 10  # the label of the groups, beyond all others


class _Split:
    """Labels and shape, with the dimensions that hold groups split in two."""

    def __init__(
        self,
        labels: Sequence[Label],
        shape: Shape,
        groups: dict[str, int],
        number: dict[Label, int],
    ) -> None:
        self.labels: list[int] = []
        self.shape: list[Size] = []
        for f, size in zip(labels, shape):
            g = groups.get(str(f), 1)
            if g > 1:
                self.labels.append(_GROUP)
                self.shape.append(g)
            self.labels.append(number[f])
            self.shape.append(size // g if g > 1 else size)


class _Sizes:
    """The sizes of a convolution's dimensions, and what may be wrong with them."""

    def __init__(self, name: str, form: Form, x: AnyArray, w: AnyArray) -> None:
        self.name, self.form, self.x, self.w = name, form, x, w
        self.left = dict(zip(form.left, shape_of(x)))
        self.right = dict(zip(form.right, shape_of(w)))

    @property
    def both(self) -> str:
        """The two types, one above the other, with what stands on their dimensions."""
        left, right = self.form.left, self.form.right
        rows = [
            row("lhs", self.x.type, left, _letters(left)),
            row("rhs", self.w.type, right, _letters(right)),
        ]
        return "\n" + aligned(rows, ["c"])

    def check(self, features: int, batches: int) -> None:
        for what, g in (("feature_group_count", features), ("batch_group_count", batches)):
            if g < 1:
                raise ShapeError(
                    f"{self.name}: {what} = {g}, but it must be 1 or more",
                    fix=f"{what}=1, no groups",
                )
        if features > 1 and batches > 1:
            raise ShapeError(
                f"{self.name}: feature_group_count = {features} and batch_group_count = {batches}",
                fix="group features or batches, not both",
            )
        has, takes = self.left["c"], self.right["c"]
        if has != takes * features:
            groups = "" if features == 1 else f" in {features} groups"
            raise ShapeError(
                f"{self.name}: lhs has {has} features, but the kernel takes {takes}{groups}"
                + self.both,
                about=self.name,
                fix=self._fit(has, takes, features),
            )
        self._divides("output features of the kernel", self.right["o"], features * batches)
        if batches > 1:
            self._divides("examples of lhs", self.left["n0"], batches)

    def _fit(self, has: Size, takes: Size, groups: int) -> str:
        fitting = divide(has, takes) if takes != 0 else None
        if isinstance(fitting, int) and fitting not in (0, groups):
            return (
                f"split the features into groups (feature_group_count={fitting}), or use a kernel"
                f" of {has} input features"
            )
        rest = divide(has, groups)
        if rest is not None:
            return f"use a kernel of {rest} input features"
        return f"use a number of groups that divides {has}"

    def _divides(self, what: str, n: Size, groups: int) -> None:
        if groups > 1 and divide(n, groups) is None:
            raise ShapeError(
                f"{self.name}: the {n} {what} do not fall into {groups} groups" + self.both,
                about=self.name,
                fix=f"use a multiple of {groups}",
            )

    def out(self, how: Sequence[Slide], batches: int) -> Shape:
        """The shape of the result."""
        size = {**self.left, "o": self.right["o"]}
        if batches > 1:
            size["n0"] = size["n0"] // batches
        for i, s in enumerate(how):
            size[i] = s.positions(self.left[i], self.right[i])
        return tuple([size[f] for f in self.form.out])


def _letters(labels: Sequence[Label]) -> list[str]:
    """How messages call the dimensions of a layout: N, C, I, O, and nothing for space."""
    kernel = "o" in labels
    names = {"n0": "N", "c": "I" if kernel else "C", "o": "O"}
    return [names.get(str(f), "") for f in labels]


def _spatial(labels: Sequence[Label], x: AnyArray) -> list[Size]:
    """The sizes of the spatial dimensions, in their order."""
    size = dict(zip(labels, shape_of(x)))
    return [size[i] for i in range(sum(isinstance(f, int) for f in labels))]


# dimension numbers -------------------------------------------------------------------------------


def _form(name: str, numbers: Numbers, x: AnyArray, w: AnyArray) -> Form:
    if x.ndim != w.ndim or x.ndim < 2:
        raise ShapeError(
            f"{name}: lhs {x.type} and rhs {w.type} have {x.ndim} and {w.ndim} dimensions",
            about=name,
            fix="both need two for batch and features (input and output), and the spatial ones",
        )
    if numbers is None:
        space: tuple[Label, ...] = tuple(range(x.ndim - 2))
        return Form(("n0", "c", *space), ("o", "c", *space), ("n0", "o", *space))
    if [type(word) for word in numbers] != [str, str, str]:
        raise ShapeError(
            f"{name}: dimension_numbers {numbers!r} are no three words",
            fix='such as ("NHWC", "HWIO", "NHWC")',
        )
    left, right, out = numbers
    window = [c for c in right if c not in "IO"]
    words = ((left, "NC"), (right, "IO"), (out, "NC"))
    for word, two in words:
        if sorted(word) != sorted([*two, *window]) or len(set(word)) != len(word):
            raise ShapeError(
                f"{name}: the dimension numbers {numbers} do not agree: {word!r} must have"
                f" {two[0]}, {two[1]} and the spatial letters of the kernel, {''.join(window)!r},"
                " once each",
                fix='such as ("NHWC", "HWIO", "NHWC"): N examples, C features, I and O those of the'
                " kernel",
            )
    if len(right) != x.ndim:
        raise ShapeError(
            f"{name}: the dimension numbers {numbers} are for {len(right)} dimensions, but lhs is"
            f" {x.type} and rhs is {w.type}",
            fix=f"give words of {x.ndim} letters, or arrays of {len(right)} dimensions",
        )
    place: dict[str, Label] = {c: i for i, c in enumerate(window)}

    def labels(word: str, names: dict[str, Label]) -> tuple[Label, ...]:
        return tuple([{**place, **names}[c] for c in word])

    return Form(
        labels(left, {"N": "n0", "C": "c"}),
        labels(right, {"I": "c", "O": "o"}),
        labels(out, {"N": "n0", "C": "o"}),
    )


# special cases -----------------------------------------------------------------------------------


def conv(
    lhs: Like[DT],
    rhs: ArrayLike,
    window_strides: Steps,
    padding: Padding,
    *,
    preferred_element_type: DTypeLike = None,
) -> Array[DT, *tuple[Any, ...]]:
    """``conv_general_dilated`` of lhs ``[N, C, *space]`` and rhs ``[O, I, *window]``."""
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, preferred_element_type=preferred_element_type
    )


def conv_transpose(
    lhs: Like[DT],
    rhs: ArrayLike,
    strides: Steps,
    padding: Padding,
    rhs_dilation: Steps | None = None,
    dimension_numbers: Numbers = None,
    transpose_kernel: bool = False,
    *,
    preferred_element_type: DTypeLike = None,
) -> Array[DT, *tuple[Any, ...]]:
    """The convolution that goes the other way: strides spread the elements of lhs.

    Args:
        lhs: by default ``[N, *space, C]``.
        rhs: by default ``[*window, I, O]``.
        padding: that of the convolution that this turns back: SAME gives ``n * stride`` positions,
            VALID all that an element of lhs reaches; or pairs, of lhs with its elements spread.
        transpose_kernel: turn the kernel round and exchange its features (its I are then those that
            come out): with the kernel of a forward convolution this is its gradient.

    >>> import numpy as np
    >>> x, w = np.ones((1, 2, 1)), np.arange(1.0, 4.0).reshape(3, 1, 1)
    >>> conv_transpose(x, w, 2, "VALID")[0, :, 0].tolist()
    [3.0, 2.0, 4.0, 2.0, 1.0]
    """
    name = "conv_transpose"
    x, w = factors_of(name, lhs, rhs)
    form = _form(name, dimension_numbers or _channels_last(name, x.ndim), x, w)
    if transpose_kernel:
        turned: dict[Label, Label] = {"c": "o", "o": "c"}
        form = form._replace(right=tuple([turned.get(f, f) for f in form.right]))
    window = _spatial(form.right, w)
    every = steps(name, "strides", strides, len(window))
    holes = steps(name, "window dilation", rhs_dilation, len(window))
    padding = undone(padding, window, every, holes)
    how = slides(name, _spatial(form.left, x), window, 1, padding, every, holes)
    return convolved(name, form, x, w, how, flip=transpose_kernel, dtype=preferred_element_type)


def _channels_last(name: str, ndim: int) -> tuple[str, str, str]:
    letters = "DHW"[-(ndim - 2) :] if ndim > 2 else ""
    if ndim > 5:
        raise ShapeError(
            f"{name} needs dimension_numbers for {ndim} dimensions",
            fix='name them: ("NABCDX", "ABCDIO", "NABCDX") with one letter per dimension',
        )
    return f"N{letters}C", f"{letters}IO", f"N{letters}C"


def undone(
    padding: Padding, window: Sequence[Size], strides: Sequence[int], holes: Sequence[int]
) -> Padding:
    """SAME and VALID of the convolution that is turned back, as pairs; pairs are what they are."""
    if not isinstance(padding, str) or padding.upper() not in ("SAME", "VALID"):
        return padding
    pairs = []
    for k, stride, d in zip(window, strides, holes):
        reach = spread(k, d - 1)
        if not isinstance(reach, int):
            raise UnknownSizeError(
                f"conv_transpose: the padding {padding} of a window of {k} elements is not known",
                fix="give the padding in numbers: [(low, high), ...]",
            )
        total = reach + stride - 2
        low = reach - 1
        if padding.upper() == "VALID":
            total += max(reach - stride, 0)
        elif stride < reach:
            low = -(-total // 2)
        pairs.append((low, total - low))
    return pairs


# sequences ---------------------------------------------------------------------------------------


def convolve(a: Like[DT], v: ArrayLike, mode: Mode = "full") -> Array[DT, *tuple[Any, ...]]:
    """The convolution of two sequences: ``sum over m of a[m] * v[k - m]``.

    Args:
        mode: ``full`` has every overlap, ``same`` as many as the longer sequence, in the middle,
            ``valid`` those where the shorter one lies inside of the longer.

    >>> import numpy as np
    >>> convolve(np.array([1, 2, 3]), np.array([1, 1])).tolist()
    [1, 3, 5, 3]
    """
    x, w = _sequences("convolve", a, v)
    if _shorter("convolve", x, w, mode):
        x, w = w, x
    return _slid("convolve", x, w, mode, flip=True)


def correlate(a: Like[DT], v: ArrayLike, mode: Mode = "valid") -> Array[DT, *tuple[Any, ...]]:
    """The correlation of two sequences: ``sum over m of a[m + k] * conj(v[m])``.

    Args:
        mode: as for ``convolve``.

    >>> import numpy as np
    >>> correlate(np.array([1, 2, 3]), np.array([0, 1]), "same").tolist()
    [1, 2, 3]
    """
    x, w = _sequences("correlate", a, v)
    if _shorter("correlate", x, w, mode):
        y = _slid("correlate", apply_conj(w), x, mode, flip=False)
        return reversed_along(y, (0,))
    return _slid("correlate", x, apply_conj(w), mode, flip=False)


def _sequences(name: str, a: ArrayLike, v: ArrayLike) -> list[AnyArray]:
    xs = factors_of(name, a, v)
    for x in xs:
        if x.ndim != 1 or shape_of(x)[0] == 0:
            what = "an empty sequence" if x.ndim == 1 else f"{x.ndim} dimensions"
            raise ShapeError(
                f"{name} takes two sequences of one dimension, got {what}: {x.type}",
                fix="for more dimensions use vx.conv_general_dilated"
                if x.ndim > 1
                else "give one element or more: x[None] makes a sequence of a scalar",
            )
    return xs


def _shorter(name: str, x: AnyArray, w: AnyArray, mode: str) -> bool:
    """Whether x is shorter than w; a number is taken to be less than a size that is not known."""
    n, m = shape_of(x)[0], shape_of(w)[0]
    longer = at_most(m, n)
    if longer is not None:
        return not longer
    if isinstance(n, int) or isinstance(m, int):
        return isinstance(n, int)
    if mode == "full":
        return False  # there it does not matter
    raise UnknownSizeError(
        f"{name}: which one of {x.type} and {w.type} is the longer is not known",
        fix="use mode='full', or give one of them a known size",
    )


def _slid(name: str, x: AnyArray, w: AnyArray, mode: str, *, flip: bool) -> AnyArray:
    m = shape_of(w)[0]
    if mode not in ("full", "same", "valid"):
        raise ShapeError(f"{name}: mode {mode!r} is not known", fix="use full, same or valid")
    low: Size = m // 2 if mode == "same" else m - 1 if mode == "full" else 0
    high: Size = (m - 1) // 2 if mode == "same" else low
    op = convolution(((0,), (0,)), (0,), {0: Slide(1, low, high)}, flip=flip)
    return apply(op, x, w)
