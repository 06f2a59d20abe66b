"""What is measured, written once over what the two sides provide."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tests.bench import models

Rows = dict[str, float]


class Side(Protocol):
    """One of the two libraries."""

    import_seconds: float
    m: Any
    """The namespace that the models are written over."""

    def put(self, values: Any) -> Any:
        """A tree of NumPy arrays as device arrays."""

    def wait(self, values: Any) -> None:
        """Until every array of a tree has been computed."""

    def jit(self, f: Any) -> Any: ...

    def grad(self, f: Any) -> Any: ...

    def value_and_grad(self, f: Any) -> Any: ...

    def fresh(self) -> None:
        """Forget what was staged before."""

    def stage(self, f: Any, args: Any) -> int:
        """Stage f; returns the number of equations."""

    def lower(self, f: Any, args: Any, repeat: int) -> float:
        """The least time to write the module of f, staged before, in seconds."""

    def temporaries(self, f: Any, args: Any) -> float:
        """The bytes that a run of jitted f needs besides arguments and results."""

    def sampler(self, name: str, shape: tuple[int, ...]) -> Callable[[], Any]:
        """A function that draws an array from a key, compiled."""


def best(
    f: Callable[[], Any], repeat: int = 5, inner: int = 1, before: Callable[[], None] | None = None
) -> float:
    """The least time of a call, in seconds; ``before`` is not timed."""
    least = float("inf")
    for _ in range(repeat):
        if before is not None:
            before()
        start = time.perf_counter()
        for _ in range(inner):
            f()
        least = min(least, (time.perf_counter() - start) / inner)
    return least


def startup(side: Side, rows: Rows) -> None:
    rows["import, ms"] = side.import_seconds * 1e3


def staging(side: Side, rows: Rows) -> None:
    batch = models.transformer_batch(2, 16, 100)
    params = models.transformer_params(4, 64, 4, 100)
    cases = [
        ("chain of 1000", lambda x: models.chain(side.m, x), (models.normal(8),)),
        ("4-layer transformer", lambda *a: models.transformer(side.m, *a), (params, *batch)),
    ]
    for name, f, args in cases:
        xs = side.put(args)
        for what, g in (("staging", f), ("gradient staging", side.grad(f))):
            n = side.stage(g, xs)
            seconds = best(lambda g=g, xs=xs: side.stage(g, xs), before=side.fresh)  # type: ignore[misc]
            rows[f"{what} {name}, us per equation"] = seconds / n * 1e6
            rows[f"{what} {name}, ms"] = seconds * 1e3
        seconds = side.lower(g, xs, 4)
        rows[f"lowering {name}, us per equation"] = seconds / n * 1e6
        rows[f"lowering {name}, ms"] = seconds * 1e3


def step(side: Side, rows: Rows, layers: int, batch: int, length: int) -> None:
    params = models.transformer_params(layers, 128, 4, 256)
    xs = side.put((params, *models.transformer_batch(batch, length, 256)))
    g = side.jit(side.value_and_grad(lambda *a: models.transformer(side.m, *a)))
    name = f"{layers}-layer transformer"
    start = time.perf_counter()
    side.wait(g(*xs))
    rows[f"{name}: to the first step, s"] = time.perf_counter() - start
    rows[f"{name}: step, ms"] = best(lambda: side.wait(g(*xs)), 7, 3) * 1e3
    rows[f"{name}: temporaries, MB"] = side.temporaries(g, xs) / 1e6


def dispatch(side: Side, rows: Rows) -> None:
    for k in (1, 10, 100):
        xs = side.put({f"k{i:03d}": np.float32(i) for i in range(k)})
        f = side.jit(lambda d: {key: v + 1.0 for key, v in d.items()})
        f(xs)
        rows[f"dispatch, {k} leaves, us"] = best(lambda: f(xs), 7, 500) * 1e6  # noqa: B023
    x = side.put(models.normal(8))
    side.m.sin(x)
    rows["eager op, us"] = best(lambda: side.m.sin(x), 7, 2000) * 1e6


def unjitted(side: Side, rows: Rows) -> None:
    params, x = side.put(models.mlp_params()), side.put(models.normal(4, 32))
    m, grad, wait = side.m, side.grad, side.wait

    def call() -> None:
        wait(grad(lambda p: models.mlp(m, p, x))(params))

    call()
    rows["un-jitted grad of an 8-layer MLP, us"] = best(call, 7, 5) * 1e6

    def call_jitted() -> None:
        wait(side.jit(lambda p: models.mlp(m, p, x))(params))

    call_jitted()
    rows["re-created jitted lambda, us"] = best(call_jitted, 5) * 1e6


def random(side: Side, rows: Rows) -> None:
    for name in ("uniform", "normal"):
        draw = side.sampler(name, (10**7,))
        side.wait(draw())
        rows[f"{name} of 1e7, ms"] = best(lambda: side.wait(draw())) * 1e3  # noqa: B023


GROUPS: dict[str, Callable[[Side, Rows], None]] = {
    "import": startup,
    "staging": staging,
    "step4": lambda side, rows: step(side, rows, 4, 8, 64),
    "step12": lambda side, rows: step(side, rows, 12, 4, 64),
    "step48": lambda side, rows: step(side, rows, 48, 4, 64),
    "dispatch": dispatch,
    "unjitted": unjitted,
    "random": random,
}


def main(side: Side) -> None:
    """Measure the groups that the command line names, and write them as JSON."""
    rows: Rows = {}
    side.wait(side.put(np.zeros(())))
    for group in sys.argv[1:]:
        GROUPS[group](side, rows)
    json.dump(rows, sys.stdout)
