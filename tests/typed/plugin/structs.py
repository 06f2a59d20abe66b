"""Structs, layers and calls of the user's functions under the plugin; see structs.txt."""

from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeVar, reveal_type

import verax as vx
from verax import F32

In = TypeVar("In", bound=vx.AnyDim)
Out = TypeVar("Out", bound=vx.AnyDim)
N = TypeVar("N", bound=vx.AnyDim)


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Hidden(vx.Dim): ...


@vx.struct
class Affine(Generic[In, Out]):
    weight: F32[In, Out]
    bias: F32[Out]

    def __call__(self, x: F32[N, In]) -> F32[N, Out]:
        return x @ self.weight + self.bias


@vx.struct
class Network:
    first: Affine[Feat, Hidden]
    activation: Callable[[F32[Batch, Hidden]], F32[Batch, Hidden]] = vx.field(static=True)
    layers: int = vx.field(static=True, default=1)

    def __call__(self, x: F32[Batch, Feat]) -> F32[Batch, Hidden]:
        return self.activation(self.first(x))


def network_loss(m: Network, x: F32[Batch, Feat]) -> F32[()]:
    return vx.sum(m(x))


class Moments(NamedTuple):
    mean: F32[Feat]
    total: F32[()]


def composed(
    first: Affine[Feat, Hidden], second: Affine[Hidden, Feat], x: F32[Batch, Feat]
) -> None:
    reveal_type(second(vx.relu(first(x))))
    reveal_type(vx.grad(lambda m: vx.sum(m(x)))(first))
    reveal_type(vx.vmap(first)(vx.zeros((2, 3, x.shape[1]))))
    reveal_type(vx.tree.map(lambda w: w * 2, first))
    reveal_type(Affine(first.weight.T, first.weight[:, 0]))
    first(first(x))


def containers(
    layers: list[Affine[Feat, Feat]], table: dict[str, F32[Feat]], x: F32[Batch, Feat]
) -> Any:
    for layer in layers:
        x = layer(x)
    reveal_type(x + table["bias"])
    reveal_type(vx.tree.map(lambda a: a.sum(), table))
    return layers[0](x) @ table["bias"]


def static_fields(m: Network, x: F32[Batch, Feat]) -> None:
    reveal_type(vx.grad(network_loss)(m, x))
    reveal_type(vx.grad(lambda m: vx.mean(m(x)))(m))
    reveal_type(vx.tree.map(lambda w: w + 1, m))


def carried(start: Moments, xs: F32[Batch, Feat]) -> Moments:
    def step(m: Moments, x: F32[Feat]) -> tuple[Moments, F32[()]]:
        return Moments(m.mean + x, m.total + 1), m.total

    last, counts = vx.scan(step, start, xs)
    reveal_type(counts)
    return last


def residual(x: F32[Batch, Feat], y: F32[Batch]) -> F32[Batch]:
    return x.sum(axis=1) - y


def apply(f: Callable[[F32[N]], F32[N]], x: F32[N]) -> F32[N]:
    return f(x)


def at_the_border() -> None:
    reveal_type(residual(vx.zeros((8, 3)), vx.ones(8)))
    reveal_type(residual(vx.asarray([[1.0]]), vx.ones(1)))
    residual(vx.zeros((8, 3)), vx.ones(7))
    residual(vx.ones(7), vx.ones(7))
    m = Moments(vx.zeros(3), vx.zeros(()))
    reveal_type(m)
    reveal_type(apply(vx.tanh, vx.ones(4)))


def pairwise(x: F32[N], y: F32[N]) -> F32[N]:
    return x + y


def refused(x: F32[Batch, Feat], y: F32[Batch], z: F32[Feat], n: vx.I32[Batch]) -> None:
    residual(x, z)
    residual(x.T, y)
    residual(x, n)
    reveal_type(pairwise(y, z))
    pairwise(x, x)


def optional(x: F32[Batch, Feat] | None, y: F32[Batch, Feat]) -> F32[Batch, Feat]:
    if x is None:
        return y
    reveal_type(x + y)
    return x + y


def fixed(x: F32[Literal[3], Feat]) -> F32[Literal[2], Feat]:
    return x[3]
