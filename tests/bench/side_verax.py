"""verax's side of the comparison; it runs in its own process."""

from __future__ import annotations

import time

_start = time.perf_counter()
import verax as vx

_IMPORT_SECONDS = time.perf_counter() - _start

from collections.abc import Callable
from typing import Any

from tests.bench import workloads
from verax.compiler.backend.emit import module
from verax.compiler.passes import guard, jvp, linearize, simplify, transpose, vectorize

MEMOS = (
    guard.guard,
    jvp.jvp,
    linearize.split,
    linearize.linearize,
    transpose.transpose,
    vectorize.vectorize,
    simplify.simplify,
)


class Namespace:
    """What the models are written over."""

    tanh, sin, exp, log, sqrt = vx.tanh, vx.sin, vx.exp, vx.log, vx.sqrt
    sum, max, mean, einsum = vx.sum, vx.max, vx.mean, vx.einsum
    stop_gradient = vx.stop_gradient

    @staticmethod
    def take(table: Any, index: Any) -> Any:
        return vx.take(table, index, axis=0)


class Verax:
    import_seconds = _IMPORT_SECONDS
    m = Namespace

    def put(self, values: Any) -> Any:
        return vx.tree.map(vx.asarray, values)

    def wait(self, values: Any) -> None:
        for leaf in vx.tree.leaves(values):
            leaf.block_until_ready()

    def jit(self, f: Any) -> Any:
        return vx.jit(f)

    def grad(self, f: Any) -> Any:
        return vx.grad(f)

    def value_and_grad(self, f: Any) -> Any:
        return vx.value_and_grad(f)

    def fresh(self) -> None:
        for memo in MEMOS:
            memo.cache_clear()

    def program(self, f: Any, args: Any) -> vx.Program:
        return vx.jit(lambda *a: f(*a)).stage(*args)

    def stage(self, f: Any, args: Any) -> int:
        return len(self.program(f, args))

    def lower(self, f: Any, args: Any, repeat: int) -> float:
        self.fresh()
        p = self.program(f, args)
        return workloads.best(lambda: module(p), repeat)

    def temporaries(self, f: Any, args: Any) -> float:
        return float(f.compile(*args).memory().temporaries)

    def sampler(self, name: str, shape: tuple[int, ...]) -> Callable[[], Any]:
        draw = vx.jit(lambda data: getattr(vx.random, name)(vx.random.wrap_key_data(data), shape))
        data = vx.random.key_data(vx.random.key(0))
        return lambda: draw(data)


if __name__ == "__main__":
    workloads.main(Verax())
