"""How users say how a window slides: strides, dilations and padding, for all dimensions or each.

Every function with windows reads its arguments through this file, so that a wrong one is reported
in one form. ``SAME`` padding gives ceil(n / stride) positions, of uneven padding the larger part
behind (``SAME_LOWER``: before); ``VALID`` is no padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TypeAlias

from verax.compiler.ir.errors import ShapeError, UnknownSizeError
from verax.compiler.ir.sizes import Size
from verax.compiler.ops.slicing import ceil_div, spread
from verax.compiler.ops.slide import Slide

Steps: TypeAlias = int | Sequence[int]
Padding: TypeAlias = str | int | Sequence[int | tuple[int, int]]
"""SAME, VALID, SAME_LOWER; or how much on both sides, or (low, high), for each dimension."""


def steps(name: str, what: str, given: Steps | None, n: int) -> tuple[int, ...]:
    """One positive number for each of n dimensions; a single one is that of all, None is 1."""
    if given is None:
        return (1,) * n
    out = tuple(map(index, given)) if isinstance(given, Sequence) else (index(given),) * n
    if len(out) != n:
        raise ShapeError(
            f"{name}: {what} has {len(out)} numbers, {out}, but the window has {n} dimensions",
            fix="give one number for each dimension, or a single one for all",
        )
    if any(k < 1 for k in out):
        raise ShapeError(
            f"{name}: {what} = {out}, but each must be 1 or more",
            fix="give positive numbers: 1 is one element, the next one, or no holes",
        )
    return out


def slides(
    name: str,
    sizes: Sequence[Size],
    window: Sequence[Size],
    strides: Steps | None = None,
    padding: Padding = "VALID",
    base: Steps | None = None,
    dilation: Steps | None = None,
    *,
    what: str = "spatial dimension",
) -> list[Slide]:
    """How a window of this shape slides over dimensions of these sizes.

    Raises:
        ShapeError: numbers that do not fit the dimensions, or a window that fits nowhere.
    """
    n = len(sizes)
    every = steps(name, "strides", strides, n)
    between = steps(name, "base dilation", base, n)
    holes = steps(name, "window dilation", dilation, n)
    reach = [spread(k, d - 1) for k, d in zip(window, holes)]
    lengths = [spread(m, d - 1) for m, d in zip(sizes, between)]
    pads = paddings(name, padding, lengths, reach, every)
    for i, (low, high) in enumerate(pads):
        _check_fits(f"{name}: along {what} {i}", lengths[i], reach[i], low, high)
    return [Slide(s, *p, b, d) for s, p, b, d in zip(every, pads, between, holes)]


def paddings(
    name: str,
    padding: Padding,
    lengths: Sequence[Size],
    reach: Sequence[Size],
    strides: Sequence[int],
) -> list[tuple[Size, Size]]:
    """(low, high) for each dimension."""
    if isinstance(padding, str):
        word = padding.upper()
        if word == "VALID":
            return [(0, 0)] * len(lengths)
        if word in ("SAME", "SAME_LOWER"):
            return [_same(name, n, k, s, word) for n, k, s in zip(lengths, reach, strides)]
        raise ShapeError(
            f"{name}: padding {padding!r} is not known",
            fix="use 'SAME', 'SAME_LOWER', 'VALID', or pairs (low, high)",
        )
    rows = [padding] * len(lengths) if isinstance(padding, int) else list(padding)
    if len(rows) != len(lengths):
        raise ShapeError(
            f"{name}: padding has {len(rows)} entries, the window has {len(lengths)} dimensions",
            fix="give one pair (low, high) for each dimension",
        )
    return [_pair(name, row) for row in rows]


def _same(name: str, n: Size, reach: Size, stride: int, word: str) -> tuple[Size, Size]:
    total = (ceil_div(n, stride) - 1) * stride + reach - n
    if not isinstance(total, int):
        raise UnknownSizeError(
            f"{name}: the padding {word} of {n} elements is not known yet",
            fix="give the padding in numbers: [(low, high), ...]",
        )
    total = max(total, 0)
    small = total // 2
    return (small, total - small) if word == "SAME" else (total - small, small)


def _pair(name: str, row: int | Sequence[int]) -> tuple[int, int]:
    if not isinstance(row, Sequence):
        return index(row), index(row)
    if len(row) != 2:
        raise ShapeError(
            f"{name}: padding {tuple(row)} is no pair (low, high)",
            fix="give two numbers per dimension: [(1, 1), (0, 2)]",
        )
    return index(row[0]), index(row[1])


def _check_fits(along: str, length: Size, reach: Size, low: Size, high: Size) -> None:
    room = length + low + high
    if not isinstance(room, int) or not isinstance(reach, int) or room >= reach > 0:
        return
    if reach == 0:
        raise ShapeError(
            f"{along} the window has no element", fix="give a window of 1 element or more"
        )
    raise ShapeError(
        f"{along} the window spans {reach}, but the padded operand has only {max(room, 0)}"
        f" ({length} + {low} + {high})",
        fix="pad more (padding='SAME'), or use a smaller window or dilation",
    )
