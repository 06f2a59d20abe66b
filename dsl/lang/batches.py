"""``map(f, xs, batch_size=k)``: a loop whose step is a vmap over k rows.

Law: it is ``map(f, xs)``; at most k rows are worked on at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from verax.compiler.ir.sizes import Size
from verax.dsl.lang.joining import concat
from verax.dsl.lang.tree import map as tree_map
from verax.dsl.lang.vmap import vmap

Function = Callable[..., Any]


def in_batches(scan: Function, f: Function, xs: Any, rows: Size, size: int) -> Any:
    """f of each of so many rows, ``size`` of them at once, and what is left over at the end."""
    turns, rest = divmod(rows, size)

    @wraps(f, updated=())
    def step(_: None, chunk: Any) -> Any:
        return None, vmap(f)(chunk)

    def chunked(x: Any) -> Any:
        return x[: turns * size].reshape(turns, size, *x.shape[1:])

    parts = []
    if turns or not rest:
        ys = scan(step, None, tree_map(chunked, xs))[1]
        parts.append(tree_map(lambda y: y.reshape(turns * size, *y.shape[2:]), ys))
    if rest:
        parts.append(vmap(f)(tree_map(lambda x: x[turns * size :], xs)))
    if len(parts) == 1:
        return parts[0]
    return tree_map(lambda *ys: concat(ys), *parts)
