"""Compiled programs by key, at most so many awake: each holds memory maps, of which there are few.

A process has 65,530 memory maps, and an executable takes 3 to 17. So the ones that have not run for
longest are put to sleep: they let go of XLA's program and compile it again when they are called.
Who holds an executable need not know. ``VERAX_CACHE_SIZE`` says how many are awake (2048).

Law: one key has one executable, awake or asleep, for as long as anybody holds it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from verax.compiler.ir.errors import BackendError

SIZE = 2048


class Sleeper(Protocol):
    """What the cache asks of an executable."""

    used: bool
    """Whether it ran since the cache last looked."""

    def sleep(self) -> None:
        """Let go of what XLA made."""


S = TypeVar("S", bound=Sleeper)


class Cache(dict[Hashable, S]):
    """The executables that are awake, and in ``asleep`` those that somebody holds still.

    The longest unused is found as a clock does: who ran since the last look gets one round more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asleep: WeakValueDictionary[Hashable, S] = WeakValueDictionary()
        self.lock = threading.RLock()

    def keep(self, key: Hashable, x: S) -> None:
        """Add what is awake; others may have to sleep."""
        with self.lock:
            x.used = True
            self[key] = x
            self.asleep.pop(key, None)
            while len(self) > limit():
                oldest = next(iter(self))
                if self[oldest].used and len(self) > 1:
                    self[oldest].used = False
                    self[oldest] = self.pop(oldest)
                else:
                    self.rest(oldest)

    def rest(self, key: Hashable) -> None:
        """Put one to sleep."""
        with self.lock:
            x = self.pop(key, None)
            if x is not None:
                self.asleep[key] = x
                x.sleep()

    def rest_all(self, keys: Iterable[Hashable] | None = None) -> None:
        """Put these to sleep, or all."""
        for key in list(self if keys is None else keys):
            self.rest(key)


@lru_cache(1)
def limit() -> int:
    """How many executables are awake, as ``VERAX_CACHE_SIZE`` says when it is first asked."""
    asked = os.environ.get("VERAX_CACHE_SIZE", "")
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise BackendError(
            f"VERAX_CACHE_SIZE is {asked!r}, expected a positive number",
            fix="export VERAX_CACHE_SIZE=2048",
        )
    return int(asked) if asked else SIZE
