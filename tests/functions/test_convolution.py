"""Convolutions: NumPy and SciPy are the oracle, and conv_transpose is the gradient of conv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from scipy import signal

import verax as vx
from tests.functions.oracle import agree, check_gradient, close, told
from tests.laws.harness import program_of, run, type_of
from verax.compiler.ir.sizes import dim
from verax.compiler.ir.types import ArrayType
from verax.compiler.ops import convolve_text
from verax.compiler.ops.convolve import convolution
from verax.compiler.ops.slide import Slide

Array = npt.NDArray[Any]
RNG = np.random.default_rng(1)
NHWC = ("NHWC", "HWIO", "NHWC")


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


# sequences ---------------------------------------------------------------------------------------


def test_convolve_and_correlate_are_numpys() -> None:
    a, v = normal(6), normal(3)
    z = (normal(4) + 1j * normal(4)).astype(np.complex64)
    agree(
        [
            lambda xp, a, v, z, m=m, f=f, s=s: getattr(xp, f)(*((a, z) if s else (v, z)), m)
            for m in ("full", "same", "valid")
            for f in ("convolve", "correlate")
            for s in (True, False)
        ]
        + [lambda xp, a, v, z: xp.convolve(a, v), lambda xp, a, v, z: xp.correlate(a, v)],
        a,
        v,
        z,
    )


def test_integers_keep_their_dtype() -> None:
    got = vx.convolve(np.array([1, 2, 3], np.int32), np.array([1, -1], np.int32))
    assert got.dtype is vx.int32
    assert got.tolist() == [1, 1, 1, -3]


def test_correlation_of_images_is_scipys() -> None:
    x, w = normal(7, 6), normal(3, 2)
    got = vx.conv_general_dilated(x[None, None], w[None, None], (1, 1), [(2, 2), (1, 1)])
    close(got[0, 0], signal.correlate(x, w, "full"))
    close(vx.conv(x[None, None], w[None, None], 1, "VALID")[0, 0], signal.correlate(x, w, "valid"))


# the general form --------------------------------------------------------------------------------


def naive(x: Array, w: Array, strides: Sequence[int], pads: Any, groups: int = 1) -> Array:
    """NHWC times HWIO by loops over the positions."""
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    kh, kw, n_in, n_out = w.shape
    rows = range(0, x.shape[1] - kh + 1, strides[0])
    columns = range(0, x.shape[2] - kw + 1, strides[1])
    out = np.zeros((len(x), len(rows), len(columns), n_out), x.dtype)
    for g in range(groups):
        ins, outs = (
            slice(g * n_in, (g + 1) * n_in),
            slice(g * n_out // groups, (g + 1) * n_out // groups),
        )
        for i, r in enumerate(rows):
            for j, c in enumerate(columns):
                part = x[:, r : r + kh, c : c + kw, ins]
                out[:, i, j, outs] = np.einsum("nhwi,hwio->no", part, w[..., outs])
    return out


def test_strides_groups_and_layouts() -> None:
    x, w = normal(2, 7, 6, 4), normal(3, 2, 4, 6)
    grouped, depthwise = normal(3, 2, 2, 6), normal(3, 2, 1, 8)
    pads = [(1, 2), (0, 1)]

    def calls(x: Any, w: Any, grouped: Any, depthwise: Any) -> list[Any]:
        f = vx.conv_general_dilated
        turned = vx.permute_dims(x, (0, 3, 1, 2)), vx.permute_dims(w, (3, 2, 0, 1))
        return [
            f(x, w, (2, 1), pads, dimension_numbers=NHWC),
            vx.permute_dims(f(*turned, (2, 1), pads), (0, 2, 3, 1)),
            f(x, w, (2, 3), "SAME", dimension_numbers=NHWC),
            f(x, grouped, (1, 2), pads, dimension_numbers=NHWC, feature_group_count=2),
            f(x, depthwise, 1, pads, dimension_numbers=NHWC, feature_group_count=4),
        ]

    got = vx.jit(calls)(x, w, grouped, depthwise)
    close(got[0], naive(x, w, (2, 1), pads))
    close(got[1], got[0].numpy())
    close(got[2], naive(x, w, (2, 3), [(1, 1), (0, 0)]))
    close(got[3], naive(x, grouped, (1, 2), pads, 2))
    close(got[4], naive(x, depthwise, (1, 1), pads, 4))


def test_batch_groups_pair_examples_with_features() -> None:
    x, w = normal(4, 5, 3), normal(2, 3, 6)
    numbers = ("NWC", "WIO", "NWC")
    got = vx.conv_general_dilated(x, w, 1, 0, dimension_numbers=numbers, batch_group_count=2)
    parts = [
        vx.conv_general_dilated(x[2 * g : 2 * g + 2], w[..., 3 * g : 3 * g + 3], 1, 0,
                                dimension_numbers=numbers)
        for g in range(2)
    ]  # fmt: skip
    close(got, np.concatenate([np.asarray(p) for p in parts], -1))


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(2, 1)]])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_conv_transpose_is_the_gradient_of_conv(padding: Any, stride: int) -> None:
    """With transpose_kernel, it takes what the gradient with respect to the image takes."""
    x, w = normal(1, 8, 2), normal(3, 2, 5)
    numbers = ("NWC", "WIO", "NWC")
    y, back = vx.vjp(
        lambda x: vx.conv_general_dilated(x, w, stride, padding, dimension_numbers=numbers), x
    )
    ct = normal(*y.shape)
    if not isinstance(padding, str):  # that of the spread cotangent: what completes the window
        rest = (8 + 3 - 3) % stride
        padding = [(3 - 1 - 2, 3 - 1 - 1 + rest)]
    got = vx.conv_transpose(ct, w, stride, padding, transpose_kernel=True)
    (want,) = back(vx.asarray(ct))
    n = min(got.shape[1], 8)  # SAME and VALID do not know what the stride left over
    close(got[:, :n], np.asarray(want)[:, :n])


def test_conv_transpose_without_the_kernel_turned() -> None:
    x, w = normal(1, 4, 4, 2), normal(3, 3, 2, 3)
    got = vx.conv_transpose(x, w, (2, 2), "SAME")
    spread = np.zeros((1, 7, 7, 2), np.float32)
    spread[:, ::2, ::2] = x
    close(got, naive(spread, w, (1, 1), [(2, 1), (2, 1)]))


def test_accumulation_in_float32() -> None:
    x = np.full((1, 1, 4096), 1.0, np.float32)
    ones = vx.asarray(x).astype(vx.bfloat16)
    total = vx.conv(ones, ones, 1, "VALID", preferred_element_type=vx.float32)
    assert total.dtype is vx.float32
    assert total.item() == 4096


# derivatives, vmap, ways -------------------------------------------------------------------------


def test_gradients_of_all_orders() -> None:
    x, w = normal(1, 5, 4, 2), normal(2, 3, 2, 2)

    def f(x: Any, w: Any) -> Any:
        return vx.conv_general_dilated(
            x, w, (2, 1), [(1, 0), (2, -1)], rhs_dilation=(2, 1), dimension_numbers=NHWC
        )

    check_gradient(f, x, w)

    def slopes(x: Any, w: Any) -> Any:
        return vx.grad(lambda x, w: vx.sum(f(x, w) ** 3), (0, 1))(x, w)

    check_gradient(slopes, x, w, tolerance=1e-5)


def test_vmap_of_either_and_both_operands() -> None:
    x, w = normal(3, 2, 5, 2), normal(3, 2, 2, 4)

    def f(x: Any, w: Any) -> Any:
        return vx.conv_general_dilated(x, w, 1, "SAME", dimension_numbers=("NWC", "WIO", "NWC"))

    @vx.jit
    def all_of(x: Any, w: Any) -> list[Any]:
        mapped = [vx.vmap(f, in_axes=axes)(*xs) for axes, xs in (
            ((0, None), (x, w[0])), ((None, 0), (x[0], w)), ((0, 0), (x, w)),
        )]  # fmt: skip
        single = [
            [f(x[i], w[0]) for i in range(3)],
            [f(x[0], w[i]) for i in range(3)],
            [f(x[i], w[i]) for i in range(3)],
        ]
        return [mapped, [vx.stack(ys) for ys in single]]

    for got, want in zip(*all_of(x, w)):
        close(got, np.asarray(want))


GROUPED = ((0, 1, 2, 4), (1, 2, 4, 3)), (0, 1, 2, 3)
"""Batch, two windows, features in; features out. Then with groups of features."""
IN_GROUPS = ((0, 1, 2, 5, 4), (1, 2, 5, 4, 3)), (0, 1, 2, 5, 3)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("elements", [True, False])
def test_all_ways_give_the_same_sums(grouped: bool, elements: bool) -> None:
    """XLA's convolution, a contraction of slices, and weighted slices."""
    ins, out = IN_GROUPS if grouped else GROUPED
    groups = (2,) if grouped else ()
    shapes = ((3, 7, 6), (3, 2)) if elements else ((1, 5, 6), (4, 5))
    x = normal(*shapes[0], *groups, 2 if elements else 1)
    w = normal(*shapes[1], *groups, 2 if elements else 1, 3)
    slides = {1: Slide(2, 1, 1, 1, 1), 2: Slide(1, 0, 1, 2, 2)}
    op = convolution(ins, out, slides)
    s = convolve_text.Sum(*op.ins, op.out, tuple(op.slides.items()), (type_of(x), type_of(w)))
    assert s.elements is elements
    ways = [convolve_text.unfolded(s), convolve_text.weighted(s), program_of(op, s.ts)]
    found = [run(p, [x, w])[0] for p in ways]
    close(found[0], found[2])
    close(found[1], found[2])


def test_sizes_that_are_not_known_yet() -> None:
    n = dim("n")
    op = convolution(((0, 1, 2), (1, 2, 3)), (0, 1, 3), {1: Slide(1, 1, 1)})
    types = ArrayType((n, 2 * n, 3), vx.float32), ArrayType((3, 3, 4), vx.float32)
    assert str(op.infer(types)[0]) == "float32[n,2*n,4]"
    strided = convolution(((0, 1, 2), (1, 2, 3)), (0, 1, 3), {1: Slide(2, 1, 0)})
    assert str(strided.infer(types)[0]) == "float32[n,n,4]"


# messages ----------------------------------------------------------------------------------------

X, W = np.zeros((2, 8, 8, 6), np.float32), np.zeros((3, 3, 2, 9), np.float32)


def general(x: Any = X, w: Any = W, strides: Any = 1, padding: Any = "SAME", **kwargs: Any) -> str:
    numbers = kwargs.pop("numbers", NHWC)
    return told(
        lambda: vx.conv_general_dilated(x, w, strides, padding, dimension_numbers=numbers, **kwargs)
    )


TYPES = "\n  lhs N01C  float32[2,8,8,6]\n  rhs 01IO  float32[3,3,2,9]"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            general(),
            "lhs has 6 features, but the kernel takes 2" + TYPES + "\n  fix: split the features"
            " into groups (feature_group_count=3), or use a kernel of 6 input features",
        ),
        (
            general(feature_group_count=4),
            "lhs has 6 features, but the kernel takes 2 in 4 groups" + TYPES + "\n  fix: split the"
            " features into groups (feature_group_count=3), or use a kernel of 6 input features",
        ),
        (
            general(w=W[..., :8], feature_group_count=3),
            "the 8 output features of the kernel do not fall into 3 groups"
            + TYPES.replace("9]", "8]") + "\n  fix: use a multiple of 3",
        ),
        (general(strides=(1, 0)), "strides = (1, 0), but each must be 1 or more"),
        (general(rhs_dilation=-1), "window dilation = (-1, -1), but each must be 1 or more"),
        (
            general(strides=(1,)),
            "strides has 1 numbers, (1,), but the window has 2 dimensions\n  fix: give one number"
            " for each dimension, or a single one for all",
        ),
        (
            general(padding="SAMEE"),
            "padding 'SAMEE' is not known\n  fix: use 'SAME', 'SAME_LOWER', 'VALID', or pairs"
            " (low, high)",
        ),
        (
            general(padding=[(0, 0)]),
            "padding has 1 entries, the window has 2 dimensions\n  fix: give one pair (low, high)"
            " for each dimension",
        ),
        (general(padding=[0, (1, 2, 3)]), "padding (1, 2, 3) is no pair (low, high)"),
        (
            general(padding="VALID", rhs_dilation=4, feature_group_count=3),
            "along spatial dimension 0 the window spans 9, but the padded operand has only 8"
            " (8 + 0 + 0)\n  fix: pad more (padding='SAME'), or use a smaller window or dilation",
        ),
        (
            general(w=W[:0], padding="VALID", feature_group_count=3),
            "along spatial dimension 0 the window has no element",
        ),
        (
            general(numbers=("NHWC", "HWOO", "NHWC")),
            "the dimension numbers ('NHWC', 'HWOO', 'NHWC') do not agree: 'HWOO' must have I, O"
            " and the spatial letters of the kernel, 'HW', once each",
        ),
        (
            general(numbers=("NHWC", "HWIO")),
            "dimension_numbers ('NHWC', 'HWIO') are no three words\n  fix: such as"
            ' ("NHWC", "HWIO", "NHWC")',
        ),
        (
            general(numbers=("NWC", "WIO", "NWC")),
            "the dimension numbers ('NWC', 'WIO', 'NWC') are for 3 dimensions, but lhs is"
            " float32[2,8,8,6] and rhs is float32[3,3,2,9]",
        ),
        (
            general(w=W[0]),
            "lhs float32[2,8,8,6] and rhs float32[3,2,9] have 4 and 3 dimensions\n  fix: both need"
            " two for batch and features (input and output), and the spatial ones",
        ),
        (
            general(feature_group_count=3, batch_group_count=2),
            "feature_group_count = 3 and batch_group_count = 2\n  fix: group features or batches,"
            " not both",
        ),
        (
            general(feature_group_count=0),
            "feature_group_count = 0, but it must be 1 or more",
        ),
    ],
)  # fmt: skip
def test_messages(found: str, text: str) -> None:
    """The first line whole, and a fix; messages with their columns stand in bad_input.txt."""
    first, fix = text.splitlines()[0], "\n  fix: "
    assert found.startswith(f"[verax-shape] conv_general_dilated: {first}\n")
    assert fix in found


def test_messages_of_sequences_and_dtypes() -> None:
    assert general(x=X > 0, w=W > 0) == (
        "[verax-dtype] conv_general_dilated takes numbers, got bool[2,8,8,6] and bool[3,3,2,9]\n"
        "  fix: convert: x.astype(vx.int32)"
    )
    assert told(lambda: vx.convolve(X, W)) == (
        "[verax-shape] convolve takes two sequences of one dimension, got 4 dimensions: "
        "float32[2,8,8,6]\n  fix: for more dimensions use vx.conv_general_dilated"
    )
    assert told(lambda: vx.correlate(X[0, 0, 0], X[0, 0, 0, :0])) == (
        "[verax-shape] correlate takes two sequences of one dimension, got an empty sequence: "
        "float32[0]\n  fix: give one element or more: x[None] makes a sequence of a scalar"
    )
    assert told(lambda: vx.convolve(X[0, 0, 0], X[0, 0, 0], cast(Any, "all"))) == (
        "[verax-shape] convolve: mode 'all' is not known\n  fix: use full, same or valid"
    )
