"""What both sides share: the stopwatch, and which groups of rows are asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def best(f: Callable[[], Any], repeat: int = 5, inner: int = 1) -> float:
    """The least time of a call, in seconds."""
    least = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(inner):
            f()
        least = min(least, (time.perf_counter() - start) / inner)
    return least


def wanted(group: str) -> bool:
    """Whether the command line asks for this group of rows; without names, for all."""
    return len(sys.argv) < 2 or group in sys.argv[1:]


def write(rows: dict[str, float]) -> None:
    json.dump(rows, sys.stdout)
