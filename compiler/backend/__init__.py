"""From programs to running code: text, compilation, buffers.

``backend()`` is the door. jaxlib is loaded when it is first called, never at import: staging,
checking and emitting need none of it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from verax.compiler.ir.program import Program
from verax.compiler.ir.types import Type
from verax.sharding.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from verax.compiler.backend.compile import Executable


class Buffer(Protocol):
    """An array on a device or on all devices of a mesh; only the backend looks inside."""

    def is_deleted(self) -> bool:
        """Whether its memory was given away."""

    def is_ready(self) -> bool:
        """Whether the computation that fills it is done."""

    def delete(self) -> None:
        """Free its memory now."""


class Backend(Protocol):
    """What the language asks of the machine."""

    def executable(
        self,
        p: Program,
        in_types: tuple[Type, ...],
        out_specs: tuple[Spec | None, ...] | None = None,
        donate: tuple[int, ...] = (),
    ) -> Executable:
        """The compiled program, from the cache if its content was compiled before."""

    def forget(self, keys: Iterable[Any] | None = None) -> None:
        """Let go of what was compiled from these keys, or of all; a call compiles it again."""

    def put(self, x: NDArray[Any], t: Type) -> Buffer:
        """A copy of x on the device, or on the mesh of t's spec."""

    def get(self, buffer: Buffer) -> NDArray[Any]:
        """The global value, read-only; waits for it."""

    def block(self, buffer: Buffer) -> None:
        """Wait until the value is there; errors of its computation are raised here."""

    def move(self, buffer: Buffer, source: Type, target: Type) -> Buffer:
        """The same value, placed as ``target`` says."""

    def is_deleted(self, buffer: Buffer) -> bool:
        """Whether the buffer was donated or deleted."""


@lru_cache(1)
def backend() -> Backend:
    """The backend; loads jaxlib when it is first called."""
    quietly("jaxlib._jax")
    return cast(Backend, importlib.import_module("verax.compiler.backend.compile"))


def quietly(module: str) -> object:
    """Import a module of jaxlib so that it does not log on stderr: it reads the level at loading.

    Errors become exceptions anyhow; a level that the user has set is kept.
    """
    if _LEVEL in os.environ:
        return importlib.import_module(module)
    os.environ[_LEVEL] = "3"
    try:
        return importlib.import_module(module)
    finally:
        del os.environ[_LEVEL]


_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
