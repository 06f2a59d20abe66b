"""A table of rows, one for each of ``n`` symbols."""

from __future__ import annotations

from typing import Any, Generic

from verax.compiler.ir.dtypes import float32
from verax.dsl.lang.array import Array
from verax.dsl.lang.indexing import take
from verax.dsl.lang.key import OneKey
from verax.dsl.lang.manipulation import matrix_transpose
from verax.dsl.lang.signatures import Ds
from verax.dsl.lang.struct import struct
from verax.dsl.lang.typing import Size
from verax.dsl.nn.dims import M, N, V, Vocab, W, Width
from verax.prng import normal


@struct
class Embedding(Generic[Vocab, Width, W]):
    """``table[ids]``: integers ``[...]`` to ``[..., width]``.

    >>> import verax as vx
    >>> embed = vx.nn.Embedding.init(10, 4, key=vx.random.key(0))
    >>> embed(vx.asarray([1, 2, 3])).shape
    (3, 4)
    """

    table: Array[W, Vocab, Width]
    """[n, width]"""

    @staticmethod
    def init(
        n: Size[N] | int,
        width: Size[M] | int,
        *,
        key: OneKey,
        scale: float = 0.02,
        dtype: type[V] = float32,  # type: ignore[assignment]
    ) -> Embedding[N, M, V]:
        """Rows of independent normals of deviation ``scale``."""
        return Embedding(normal(key, (n, width), dtype) * scale)

    def __call__(self, ids: Array[Any, *Ds]) -> Array[W, *Ds, Width]:
        return take(self.table, ids, axis=0)

    def attend(self, x: Array[W, *Ds, Width]) -> Array[W, *Ds, Vocab]:
        """The scores of every symbol, ``[..., width] -> [..., n]``: an output with tied weights."""
        scores: Array[W, *Ds, Vocab] = x @ matrix_transpose(self.table)
        return scores
