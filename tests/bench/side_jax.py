"""The peer's side of the comparison. The only file that imports jax; it runs in its own process."""

from __future__ import annotations

import time

_start = time.perf_counter()
import jax
import jax.numpy as jnp

_IMPORT_SECONDS = time.perf_counter() - _start

from collections.abc import Callable
from typing import Any

from tests.bench import workloads


class Namespace:
    """What the models are written over."""

    tanh, sin, exp, log, sqrt = jnp.tanh, jnp.sin, jnp.exp, jnp.log, jnp.sqrt
    sum, max, mean, einsum = jnp.sum, jnp.max, jnp.mean, jnp.einsum
    stop_gradient = jax.lax.stop_gradient

    @staticmethod
    def take(table: Any, index: Any) -> Any:
        return table[index]


def equations(jaxpr: Any) -> int:
    """Equations, those of inner jaxprs too."""
    total = 0
    for e in jaxpr.eqns:
        total += 1
        for v in e.params.values():
            inner = getattr(v, "jaxpr", v)
            if hasattr(inner, "eqns"):
                total += equations(inner)
    return total


class Jax:
    import_seconds = _IMPORT_SECONDS
    m = Namespace

    def put(self, values: Any) -> Any:
        return jax.tree.map(jnp.asarray, values)

    def wait(self, values: Any) -> None:
        jax.block_until_ready(values)

    def jit(self, f: Any) -> Any:
        return jax.jit(f)

    def grad(self, f: Any) -> Any:
        return jax.grad(f)

    def value_and_grad(self, f: Any) -> Any:
        return jax.value_and_grad(f)

    def trace(self, f: Any, args: Any) -> Any:
        return jax.jit(lambda *a: f(*a)).trace(*args)

    def fresh(self) -> None:
        """A new function is traced anew anyway."""

    def stage(self, f: Any, args: Any) -> int:
        return equations(self.trace(f, args).jaxpr.jaxpr)

    def lower(self, f: Any, args: Any, repeat: int) -> float:
        traced = [self.trace(f, args) for _ in range(repeat)]
        return min(workloads.best(t.lower, repeat=1) for t in traced)

    def temporaries(self, f: Any, args: Any) -> float:
        return float(f.lower(*args).compile().memory_analysis().temp_size_in_bytes)

    def sampler(self, name: str, shape: tuple[int, ...]) -> Callable[[], Any]:
        draw = jax.jit(lambda key: getattr(jax.random, name)(key, shape))
        key = jax.random.key(0)
        return lambda: draw(key)


if __name__ == "__main__":
    workloads.main(Jax())
