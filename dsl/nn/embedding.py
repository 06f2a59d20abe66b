"""A table of rows, one for each of ``n`` symbols."""

from __future__ import annotations

from verax.compiler.ir.dtypes import DType, float32
from verax.dsl.lang.array import AnyArray
from verax.dsl.lang.indexing import take
from verax.dsl.lang.key import Key
from verax.dsl.lang.manipulation import matrix_transpose
from verax.dsl.lang.struct import struct
from verax.prng import normal


@struct
class Embedding:
    """``table[ids]``: integers ``[...]`` to ``[..., width]``.

    >>> import verax as vx
    >>> embed = vx.nn.Embedding.init(10, 4, key=vx.random.key(0))
    >>> embed(vx.asarray([1, 2, 3])).shape
    (3, 4)
    """

    table: AnyArray
    """[n, width]"""

    @staticmethod
    def init(
        n: int, width: int, *, key: Key, scale: float = 0.02, dtype: DType = float32
    ) -> Embedding:
        """Rows of independent normals of deviation ``scale``."""
        return Embedding(normal(key, (n, width), dtype) * scale)

    def __call__(self, ids: AnyArray) -> AnyArray:
        return take(self.table, ids, axis=0)

    def attend(self, x: AnyArray) -> AnyArray:
        """The scores of every symbol, ``[..., width] -> [..., n]``: an output with tied weights."""
        scores: AnyArray = x @ matrix_transpose(self.table)
        return scores
