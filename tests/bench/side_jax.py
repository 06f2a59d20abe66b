"""The peer's side of the comparison. The only file that imports jax; it runs in its own process."""

from __future__ import annotations

import time

_start = time.perf_counter()
import jax
import jax.numpy as jnp

IMPORT_SECONDS = time.perf_counter() - _start

from typing import Any

import numpy as np

from tests.bench import models
from tests.bench.timing import best, wanted, write


class m:
    """The namespace that the models are written over."""

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


def staging(rows: dict[str, float], name: str, f: Any, args: Any) -> None:
    args = jax.tree.map(jnp.asarray, args)
    n = equations(jax.make_jaxpr(f)(*args).jaxpr)

    def stage() -> Any:
        return jax.jit(lambda *a: f(*a)).trace(*args)

    def stage_grad() -> Any:
        return jax.jit(jax.grad(lambda *a: f(*a))).trace(*args)

    stage()
    rows[f"staging {name}, us per equation"] = best(stage) / n * 1e6
    traced = stage_grad()
    k = equations(traced.jaxpr.jaxpr)
    rows[f"gradient staging {name}, us per equation"] = best(stage_grad) / k * 1e6
    rows[f"gradient staging {name}, ms"] = best(stage_grad) * 1e3
    fresh = [stage_grad() for _ in range(4)]
    times = []
    for t in fresh:
        start = time.perf_counter()
        t.lower()
        times.append(time.perf_counter() - start)
    rows[f"lowering {name}, us per equation"] = min(times) / k * 1e6
    rows[f"lowering {name}, ms"] = min(times) * 1e3


def step(rows: dict[str, float], layers: int, batch: int, length: int) -> None:
    params = models.transformer_params(layers, 128, 4, 256)
    args = jax.tree.map(jnp.asarray, (params, *models.transformer_batch(batch, length, 256)))
    g = jax.jit(jax.value_and_grad(lambda *a: models.transformer(m, *a)))
    start = time.perf_counter()
    jax.block_until_ready(g(*args))
    rows[f"{layers}-layer transformer: to the first step, s"] = time.perf_counter() - start
    rows[f"{layers}-layer transformer: step, ms"] = (
        best(lambda: jax.block_until_ready(g(*args)), 7, 3) * 1e3
    )
    stats = g.lower(*args).compile().memory_analysis()
    rows[f"{layers}-layer transformer: temporaries, MB"] = stats.temp_size_in_bytes / 1e6


def main() -> None:
    rows: dict[str, float] = {}
    if wanted("import"):
        rows["import, ms"] = IMPORT_SECONDS * 1e3
    jax.devices()
    if wanted("staging"):
        staging(rows, "chain of 1000", lambda x: models.chain(m, x), (models.normal(8),))
        args = (models.transformer_params(4, 64, 4, 100), *models.transformer_batch(2, 16, 100))
        staging(rows, "4-layer transformer", lambda *a: models.transformer(m, *a), args)
    for layers, batch, length in ((4, 8, 64), (12, 4, 64)):
        if wanted(f"step{layers}"):
            step(rows, layers, batch, length)
    if wanted("dispatch"):
        for k in (1, 10, 100):
            xs = {f"k{i:03d}": jnp.asarray(np.float32(i)) for i in range(k)}
            f = jax.jit(lambda d: {key: v + 1.0 for key, v in d.items()})
            f(xs)
            rows[f"dispatch, {k} leaves, us"] = best(lambda f=f, xs=xs: f(xs), 7, 500) * 1e6
        x = jnp.asarray(models.normal(8))
        jnp.sin(x)
        rows["eager op, us"] = best(lambda: jnp.sin(x), 7, 2000) * 1e6
    if wanted("unjitted"):
        p, x = jax.tree.map(jnp.asarray, (models.mlp_params(), models.normal(4, 32)))

        def call() -> None:
            jax.block_until_ready(jax.grad(lambda p: models.mlp(m, p, x))(p))

        call()
        rows["un-jitted grad of an 8-layer MLP, us"] = best(call, 5, 5) * 1e6
    if wanted("random"):
        u = jax.jit(lambda key: jax.random.uniform(key, (10**7,)))
        n = jax.jit(lambda key: jax.random.normal(key, (10**7,)))
        key = jax.random.key(0)
        rows["uniform of 1e7, ms"] = best(lambda: u(key).block_until_ready()) * 1e3
        rows["normal of 1e7, ms"] = best(lambda: n(key).block_until_ready()) * 1e3
    write(rows)


if __name__ == "__main__":
    main()
