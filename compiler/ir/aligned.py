"""Types in columns: how every message shows types that do not fit together.

A row is what the message calls an operand, and its type. Dimensions with one key stand under each
other (counted from the right where shapes broadcast, by factor where they are summed), and a line
of ``^`` marks those that differ::

    left   float32[Batch,   Feat     ]
    right  float32[       Hidden, Out]
                          ^^^^^^

Law: the dimensions of a row keep their order; where no columns allow it, each row has its own.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from verax.compiler.ir.sizes import Shape
from verax.compiler.ir.types import ArrayType, Type

INDENT = "    "


class Row(NamedTuple):
    """One type: what stands before the bracket, and per dimension its text and its key."""

    label: str
    head: str
    cells: tuple[str, ...]
    keys: tuple[Hashable, ...]


def row(label: str, t: Type | Shape, keys: Sequence[Hashable], names: Sequence[str] = ()) -> Row:
    """A row for a type, or for a shape alone.

    Args:
        keys: one per dimension; equal keys stand in one column.
        names: what to write before each size, as in ``i=8``.
    """
    shape, head = (t, "") if isinstance(t, tuple) else (t.shape, _head(t))
    cells = [str(n) for n in shape]
    if names:
        cells = [f"{name}={cell}" if name else cell for name, cell in zip(names, cells)]
    return Row(label, head, tuple(cells), tuple(keys))


def _head(t: Type) -> str:
    return t.dtype.name if isinstance(t, ArrayType) else f"key<{t.impl}>"


def from_right(rows: Sequence[tuple[str, Type | Shape]], marked: Collection[int] = ()) -> str:
    """Rows aligned as broadcasting aligns them; ``marked`` are negative dimensions."""
    ranks = [len(t) if isinstance(t, tuple) else t.ndim for _, t in rows]
    return aligned([row(s, t, range(-n, 0)) for (s, t), n in zip(rows, ranks)], marked)


def from_left(rows: Sequence[tuple[str, Type | Shape]], marked: Collection[int] = ()) -> str:
    """Rows aligned dimension by dimension from the first."""
    ranks = [len(t) if isinstance(t, tuple) else t.ndim for _, t in rows]
    return aligned([row(s, t, range(n)) for (s, t), n in zip(rows, ranks)], marked)


def differing(shapes: Sequence[Shape]) -> list[int]:
    """The dimensions, counted from the first, in which shapes differ, or which some lack."""
    return [i for i, sizes in enumerate(zip_longest(*shapes)) if len(set(sizes)) > 1]


def aligned(rows: Sequence[Row], marked: Collection[Hashable] = ()) -> str:
    """The rows as lines, indented, and the line of marks under them."""
    columns = _columns(rows)
    if columns is None:
        apart = [(_padded(r, rows), [k for k in enumerate(r.keys) if k[1] in marked]) for r in rows]
        return "\n".join(aligned([r], own) for r, own in apart)
    widths = [max(len(c) for r in rows for c, k in zip(r.cells, r.keys) if k == j) for j in columns]
    label, head = (max(len(r[i]) for r in rows) for i in (0, 1))
    lines = []
    for r in rows:
        at = dict(zip(r.keys, r.cells))
        inside = "".join(_cells([at.get(j) for j in columns], widths))
        lines.append(f"{r.label:<{label}}  {r.head:>{head}}[{inside}]")
    marks = "".join(f"{'^' * w if j in marked else '':<{w + 2}}" for j, w in zip(columns, widths))
    lines += [" " * (label + head + 3) + marks.rstrip()] if marks.strip() else []
    return "\n".join(INDENT + line for line in lines)


def _cells(cells: Sequence[str | None], widths: Sequence[int]) -> list[str]:
    """The texts of one row, as wide as their columns; a comma follows all but the last."""
    last = max((i for i, cell in enumerate(cells) if cell is not None), default=-1)
    out = []
    for i, (cell, width) in enumerate(zip(cells, widths)):
        comma = "," if cell is not None and i < last else " "
        out.append(f"{cell or '':>{width}}" + (f"{comma} " if i < len(cells) - 1 else ""))
    return out


def _padded(r: Row, rows: Sequence[Row]) -> Row:
    """A row that stands alone, as wide in front as the others, each dimension for itself."""
    label, head = (max(len(x[i]) for x in rows) for i in (0, 1))
    keys = tuple(enumerate(r.keys))
    return r._replace(label=r.label.ljust(label), head=r.head.rjust(head), keys=keys)


def _columns(rows: Sequence[Row]) -> list[Hashable] | None:
    """The keys of all rows in an order that each row keeps, or None where there is none."""
    order: list[Hashable] = []
    for r in rows:
        if len(set(r.keys)) < len(r.keys):
            return None
        at = 0
        for i, key in enumerate(r.keys):
            if key in order:
                found = order.index(key)
                if found < at:
                    return None
                at = found + 1
                continue
            later = [order.index(k) for k in r.keys[i:] if k in order]
            at = max(at, min(later, default=at))
            order.insert(at, key)
            at += 1
    return order
