"""Types of values, interned: equality is identity, and the MLIR spelling is made once.

An ``ArrayType`` is a shape, a dtype and, for arrays that live on a mesh, a spec. Inside programs
types are global and carry no spec (``bare``): specs stand at the border, on the types of concrete
arrays and in ``shard`` equations, and the partitioner carries them inward.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from verax.compiler.ir.dtypes import DType, uint32
from verax.compiler.ir.errors import UnknownSizeError
from verax.compiler.ir.sizes import Poly, Shape, Size, product
from verax.sharding.spec import Spec


class ArrayType:
    """``float32[8,16]``, or ``float32[8,16]@(data,-)`` where the first dimension is cut."""

    __slots__ = ("__weakref__", "bare", "dtype", "mlir", "shape", "spec")
    shape: Shape
    dtype: DType
    spec: Spec | None
    mlir: str
    bare: ArrayType

    def __new__(cls, shape: Shape, dtype: DType, spec: Spec | None = None) -> ArrayType:
        key = (shape, dtype, spec)
        found = _ARRAYS.get(key)
        if found is not None:
            return found
        self = super().__new__(cls)
        self.shape, self.dtype, self.spec = shape, dtype, spec
        self.mlir = f"tensor<{''.join(f'{n}x' for n in shape)}{dtype.mlir}>"
        self.bare = self if spec is None else ArrayType(shape, dtype)
        return _ARRAYS.setdefault(key, self)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Size:
        """The number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a buffer of this type; the sizes must be known."""
        size = self.size
        if isinstance(size, Poly):
            raise UnknownSizeError(f"the bytes of {self} are not known: its sizes are symbolic")
        return size * self.dtype.itemsize

    @property
    def symbolic(self) -> bool:
        """Whether a size is not known yet."""
        return any(isinstance(n, Poly) for n in self.shape)

    def stacked(self, n: Size) -> ArrayType:
        """The type of n such values along a new first dimension."""
        return ArrayType((n, *self.shape), self.dtype)

    def row(self) -> ArrayType:
        """The type of one value along the first dimension."""
        return ArrayType(self.shape[1:], self.dtype)

    def __repr__(self) -> str:
        text = f"{self.dtype.name}[{','.join(map(str, self.shape))}]"
        return text if self.spec is None else f"{text}@{self.spec}"

    def __reduce__(self) -> tuple[Any, ...]:
        return ArrayType, (self.shape, self.dtype, self.spec)


class KeyType:
    """``key<threefry2x32>[8]``: random keys, opaque to every op but those of the family."""

    __slots__ = ("__weakref__", "impl", "mlir", "physical", "shape")
    impl: str
    shape: Shape
    physical: ArrayType
    mlir: str

    def __new__(cls, impl: str, shape: Shape) -> KeyType:
        found = _KEYS.get((impl, shape))
        if found is not None:
            return found
        self = super().__new__(cls)
        self.impl, self.shape = impl, shape
        self.physical = ArrayType((*shape, 2), uint32)
        self.mlir = self.physical.mlir
        return _KEYS.setdefault((impl, shape), self)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return self.physical.nbytes

    @property
    def bare(self) -> KeyType:
        return self

    def stacked(self, n: Size) -> KeyType:
        return KeyType(self.impl, (n, *self.shape))

    def row(self) -> KeyType:
        return KeyType(self.impl, self.shape[1:])

    def __repr__(self) -> str:
        return f"key<{self.impl}>[{','.join(map(str, self.shape))}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyType, (self.impl, self.shape)


Type: TypeAlias = ArrayType | KeyType

_ARRAYS: dict[tuple[Shape, DType, Spec | None], ArrayType] = {}
_KEYS: dict[tuple[str, Shape], KeyType] = {}


def has_tangent(t: Type) -> bool:
    """Whether values of this type can be differentiated: real and complex floating point."""
    return isinstance(t, ArrayType) and t.dtype.is_inexact
