"""The type variables of layers: the dims that a layer maps between, and the dtype of its weights.

A layer is generic in its dims, so a checker refuses two layers that do not compose, and then in the
dtype, float32 where none is named: ``Linear[Width, Vocab]`` has weights ``F32[Width, Vocab]``, and
``Linear[Width, Vocab, bfloat16]`` those of half the size. A bare ``Linear`` is one of any dims.

Law: a layer takes the dtype of its weights. What mixes dtypes runs, and is a mistake to a checker.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeVar

from verax.compiler.ir.dtypes import Scalar, float32
from verax.dsl.lang.typing import AnyDim

In = TypeVar("In", bound=AnyDim, default=Any)
Hidden = TypeVar("Hidden", bound=AnyDim, default=Any)
Out = TypeVar("Out", bound=AnyDim, default=Any)
Back = TypeVar("Back", bound=AnyDim, default=In)
"""What comes out where it is by default what came in."""

Width = TypeVar("Width", bound=AnyDim, default=Any)
Heads = TypeVar("Heads", bound=AnyDim, default=Any)
HeadSize = TypeVar("HeadSize", bound=AnyDim, default=Any)
Vocab = TypeVar("Vocab", bound=AnyDim, default=Any)
W = TypeVar("W", bound=Scalar, default=float32)

# of the functions that make layers
N = TypeVar("N", bound=AnyDim, default=Any)
M = TypeVar("M", bound=AnyDim, default=Any)
K = TypeVar("K", bound=AnyDim, default=Any)
V = TypeVar("V", bound=Scalar, default=float32)
