"""Linear regression in 25 lines: a typed loss, its gradient, and a loop in one compiled program."""

from __future__ import annotations

import verax as vx
from verax import F32


class Rows(vx.Dim): ...


class Features(vx.Dim): ...


def loss(w: F32[Features], x: F32[Rows, Features], y: F32[Rows]) -> F32[()]:
    return vx.mean((x @ w - y) ** 2)


@vx.jit
def fit(x: F32[Rows, Features], y: F32[Rows]) -> F32[Features]:
    def step(i: vx.AnyArray, w: F32[Features]) -> F32[Features]:
        return w - 0.1 * vx.grad(loss)(w, x, y)

    return vx.fori_loop(0, 200, step, vx.zeros((x.shape[1],)))


def main() -> None:
    data, noise = vx.random.split(vx.random.key(0))
    x = vx.random.normal(data, (256, 3))
    truth = vx.asarray([2.0, -1.0, 0.5])
    y = x @ truth + 0.1 * vx.random.normal(noise, (256,))
    print("found", fit(x, y), "true", truth)


if __name__ == "__main__":
    main()
