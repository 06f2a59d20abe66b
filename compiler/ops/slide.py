"""How a window slides along a dimension: the geometry that convolutions and pooling share.

Position k of window p looks at element x of the operand where

    base * x  ==  stride * p  +  window * k  -  low

The relation is linear in all three, so to exchange two of them (a transposition) gives such a
relation again: only the numbers change. ``high`` says how many positions there are.

Law: ``s.to_base(n, size).positions(s.positions(n, size), size) == n``, and likewise for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product as all_of
from typing import NamedTuple

from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Size
from verax.compiler.ops.slicing import Part, ceil_div, spread


class Slide(NamedTuple):
    """One dimension of a sliding window.

    Args:
        stride: from one position of the window to the next.
        low, high: zeros (or what is neutral) before and after the operand; negative ones crop.
        base: from one element of the operand to the next, with zeros between.
        window: from one element of the window to the next, with holes between.
    """

    stride: int = 1
    low: Size = 0
    high: Size = 0
    base: int = 1
    window: int = 1

    def check(self, name: str) -> None:
        """Raise where a step is not positive."""
        for what, n in (("stride", self.stride), ("base", self.base), ("window", self.window)):
            if n < 1:
                raise ShapeError(f"{name}: {what} = {n}, but a step is 1 or more")

    def positions(self, n: Size, size: Size) -> Size:
        """How many positions a window of this size has along n elements."""
        last = self.low + self.high + spread(n, self.base - 1) - spread(size, self.window - 1)
        if isinstance(last, int) and last < 0:
            return 0
        return ceil_div(last + 1, self.stride)

    def ending(self, n: Size, size: Size, count: Size) -> Slide:
        """The same with so much padding at the end that there are ``count`` positions."""
        reach = (count - 1) * self.stride + spread(size, self.window - 1)
        return self._replace(high=reach - self.low - spread(n, self.base - 1))

    # exchanges -----------------------------------------------------------------------------------

    def to_base(self, n: Size, size: Size) -> Slide:
        """From positions to elements, with the window's elements in reverse order."""
        low = (size - 1) * self.window - self.low
        turned = Slide(self.base, low, 0, self.stride, self.window)
        return turned.ending(self.positions(n, size), size, n)

    def to_window(self, n: Size, size: Size) -> Slide:
        """From elements to the window's elements, where the positions are the window."""
        turned = Slide(self.window, self.low, 0, self.base, self.stride)
        return turned.ending(n, self.positions(n, size), size)

    def to_reversed_window(self, n: Size, size: Size) -> Slide:
        """From positions to the window's elements in reverse order; the elements are the window."""
        low = (size - 1) * self.window - self.low
        turned = Slide(self.window, low, 0, self.stride, self.base)
        return turned.ending(self.positions(n, size), n, size)

    # parts ---------------------------------------------------------------------------------------

    @property
    def pad(self) -> Part:
        """What brings the operand into the coordinates that windows start in."""
        crop = (self.low, self.high, self.base - 1)
        return None if crop == (0, 0, 0) else crop

    def across(self, k: int, count: int) -> Part:
        """In those coordinates, element k of every window."""
        start = k * self.window
        return (start, start + spread_int(count, self.stride), self.stride)

    def inside(self, p: int, size: int) -> Part:
        """In those coordinates, every element of window p."""
        start = p * self.stride
        return (start, start + spread_int(size, self.window), self.window)


def spread_int(n: int, step: int) -> int:
    """From the first of n elements to behind the last one."""
    return (n - 1) * step + 1 if n else 0


def offsets(sizes: list[int]) -> Iterator[tuple[int, ...]]:
    """Every place of a box, the last dimension fastest."""
    return all_of(*map(range, sizes))
