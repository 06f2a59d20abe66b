"""Dicts that stay small: caches that forget their oldest entries, and can be emptied together."""

from __future__ import annotations

from typing import Any, TypeVar

from verax.compiler.backend import backend

K = TypeVar("K")
V = TypeVar("V")


class Bounded(dict[K, V]):
    """A cache: looked up as a dict, filled by ``keep``."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        _EVERY.append(self)

    def keep(self, key: K, v: V) -> V:
        """Add an entry; where there are too many, the oldest eighth goes."""
        self[key] = v
        if len(self) > self.most:
            for old in list(self)[: self.most // 8 + 1]:
                self.pop(old, None)
        return v


_EVERY: list[Bounded[Any, Any]] = []


def clear_caches() -> None:
    """Forget every staged function and every compiled program, and free their memory.

    What is called later is staged and compiled anew; values and jitted functions stay valid. How
    many programs stay compiled at once is a matter of the environment variable
    ``VERAX_CACHE_SIZE`` (2048).

    >>> import verax as vx
    >>> f = vx.jit(lambda x: x * 4.0)
    >>> y = f(1.0)
    >>> vx.clear_caches()
    >>> f(1.0)
    Array(4., dtype=float32)
    """
    for cache in _EVERY:
        cache.clear()
    if backend.cache_info().currsize:  # otherwise nothing was compiled
        backend().forget()
