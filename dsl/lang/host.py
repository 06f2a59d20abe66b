"""NumPy at the border: it is loaded by the first array that crosses it, not by ``import verax``."""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from verax.compiler.ir.dtypes import DType

if TYPE_CHECKING:
    import types

    import numpy as np


@lru_cache(1)
def numpy() -> types.ModuleType:
    """NumPy, with the dtypes that ml_dtypes adds."""
    importlib.import_module("ml_dtypes")
    return importlib.import_module("numpy")


def is_numpy(x: object) -> TypeGuard[np.ndarray[Any, Any]]:
    """Whether x is a NumPy array or scalar; where NumPy is not loaded nothing is."""
    loaded = sys.modules.get("numpy")
    return loaded is not None and isinstance(x, (loaded.ndarray, loaded.generic))


@lru_cache(64)
def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy dtype with the same values."""
    return cast("np.dtype[Any]", numpy().dtype(dtype.name))


def to_numpy(x: object, dtype: DType | None = None) -> np.ndarray[Any, Any]:
    """x (scalars, nested lists, objects with ``__array__``) as a NumPy array."""
    array = numpy().asarray(x, None if dtype is None else numpy_dtype(dtype))
    return cast("np.ndarray[Any, Any]", array)
