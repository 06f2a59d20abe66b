"""What transformations and control flow give: they keep the user's parameters by name."""

from __future__ import annotations

from typing import Any, TypeVar, reveal_type

import verax as vx
from tests.typed.reveal.names import Batch, Feat, Out
from verax import F32

N = TypeVar("N", bound=vx.AnyDim)


def loss(v: F32[Feat], x: F32[Batch, Feat], *, scale: float = 1.0) -> F32[()]:
    return (x @ v).sum() * scale


def with_aux(v: F32[Feat], x: F32[Batch, Feat]) -> tuple[F32[()], F32[Batch]]:
    return (x @ v).sum(), x @ v


def energy(v: F32[Feat]) -> F32[()]:
    return (v * v).sum()


def loose(v: vx.AnyArray, x: vx.AnyArray) -> vx.AnyArray:
    return (v * x).sum()


def kept(v: F32[N]) -> F32[N]:
    return v * 2.0


def step(carry: F32[Feat], x: F32[Feat]) -> tuple[F32[Feat], F32[()]]:
    return carry + x, x.sum()


def last(carry: F32[Feat], x: F32[Feat]) -> tuple[F32[Feat], None]:
    return carry + x, None


def optional(v: F32[Feat], scale: float = 1.0) -> F32[Feat]:
    return v * scale


jitted = vx.jit(loss)


@vx.jit(static_argnames="times")
def repeated(v: F32[Feat], *, times: int = 1) -> F32[Feat]:
    return v * float(times)


@vx.custom_jvp
def doubled(v: F32[Feat]) -> F32[Feat]:
    return v * 2.0


doubled.defjvp(lambda primals, tangents: (primals[0] * 2.0, tangents[0] * 2.0))


@vx.custom_vjp
def tripled(v: F32[Feat]) -> F32[Feat]:
    return v * 3.0


tripled.defvjp(lambda v: (v * 3.0, None), lambda _, ct: (ct * 3.0,))


@vx.custom_derivative
def halved(v: F32[Feat]) -> tuple[F32[Feat], Any]:
    return v * 0.5, lambda t: t * 0.5


@vx.struct
class Model:
    v: F32[Feat]
    name: str = vx.field(default="m", static=True)

    @vx.jit
    def apply(self, x: F32[Batch, Feat], scale: float) -> F32[Batch]:
        return (x @ self.v) * scale


def jit(v: F32[Feat], x: F32[Batch, Feat]) -> None:
    model = Model(v)
    reveal_type(vx.jit(kept)(v))
    reveal_type(jitted(v, x, scale=2.0))
    reveal_type(repeated(v, times=2))
    reveal_type(model.apply(x, scale=2.0))
    reveal_type(Model.apply(model, x, 2.0))
    reveal_type(model)
    reveal_type(model.v)
    reveal_type(vx.replace(model, v=v))
    reveal_type(jitted.lower(v, x))
    reveal_type(vx.cache_info(jitted))
    reveal_type(vx.spec((2, 3)))
    reveal_type(vx.checkpoint(loss)(v, x, scale=2.0))
    reveal_type(vx.checkpoint_name(v, "v"))
    reveal_type(vx.save_only_these_names("v"))
    reveal_type(vx.save_anything_except_these_names("v"))
    reveal_type(vx.memory_plan(vx.grad(energy), v))
    reveal_type(vx.clear_caches())


def gradients(v: F32[Feat], x: F32[Batch, Feat]) -> None:
    reveal_type(vx.grad(energy))
    reveal_type(vx.grad(loss))
    reveal_type(vx.grad(loss)(v, x, scale=2.0))
    reveal_type(vx.grad(loss, 0)(v, x))
    reveal_type(vx.grad(loss, 1)(v, x))
    reveal_type(vx.grad(loss, argnums=(0, 1))(v, x))
    reveal_type(vx.grad(loss, argnums=[0, 1])(v, x))
    reveal_type(vx.grad(energy, 0)(v))
    reveal_type(vx.grad(with_aux, has_aux=True)(v, x))
    reveal_type(vx.grad(loose)(v, v))
    reveal_type(vx.grad(loose, 1)(v, v))
    reveal_type(vx.grad(lambda v: (v * v).sum())(v))
    reveal_type(vx.grad(vx.jit(energy))(v))
    reveal_type(vx.grad(vx.sum)(v))
    reveal_type(vx.value_and_grad(loss)(v, x))
    reveal_type(vx.value_and_grad(loss, 1)(v, x))
    reveal_type(vx.value_and_grad(loss, (0, 1))(v, x))
    reveal_type(vx.value_and_grad(with_aux, has_aux=True)(v, x))
    reveal_type(vx.value_and_grad(lambda m: (m.v * m.v).sum())(Model(v)))


def linear_maps(v: F32[Feat], x: F32[Batch, Feat]) -> None:
    reveal_type(vx.jvp(kept, (v,), (v,)))
    reveal_type(vx.jvp(loss, (v, x), (v, None)))
    reveal_type(vx.jvp(with_aux, (v, x), (v, None), has_aux=True))
    reveal_type(vx.vjp(loss, v, x))
    reveal_type(vx.vjp(with_aux, v, x, has_aux=True))
    reveal_type(vx.linearize(energy, v))
    reveal_type(vx.linear_transpose(kept, v))
    reveal_type(vx.jacfwd(kept))
    reveal_type(vx.jacrev(loss)(v, x))
    reveal_type(vx.hessian(energy)(v))
    reveal_type(vx.jet(energy, (v,), ((v,),)))
    reveal_type(vx.linear_call(lambda r, y: y * 2.0, lambda r, ct: ct * 2.0, None, v))
    reveal_type(doubled(v))
    reveal_type(tripled(v))
    reveal_type(halved(v))
    reveal_type(vx.grad(lambda v: doubled(v).sum())(v))


def maps(v: F32[Feat], x: F32[Batch, Feat], w: F32[Feat, Out]) -> None:
    reveal_type(vx.vmap(energy))
    reveal_type(vx.vmap(energy)(x))
    reveal_type(vx.vmap(step, in_axes=(None, 0)))
    reveal_type(vx.vmap(optional))
    reveal_type(vx.vmap(lambda r: r * 2.0)(x))
    reveal_type(vx.vmap(lambda a, b: a * b, in_axes=(0, None))(x, v))
    reveal_type(vx.vmap(lambda r: vx.psum(r, "i"), axis_name="i")(x))
    reveal_type(vx.map(energy, x))
    reveal_type(vx.map(lambda r: {"a": r}, x))


def named(x: F32[Batch, Feat]) -> None:
    def one(r: F32[Feat]) -> F32[Feat]:
        reveal_type(vx.psum(r, "i"))
        reveal_type(vx.pmean(r, "i"))
        reveal_type(vx.pmax(r, "i"))
        reveal_type(vx.pmin(r, "i"))
        reveal_type(vx.ppermute(r, "i", [(0, 1), (1, 0)]))
        reveal_type(vx.pshuffle(r, "i", [1, 0]))
        reveal_type(vx.all_gather(r, "i"))
        reveal_type(vx.psum_scatter(vx.ones((2,)), "i"))
        reveal_type(vx.all_to_all(vx.ones((2,)), "i", 0, 0))
        reveal_type(vx.axis_index("i"))
        reveal_type(vx.axis_size("i"))
        return r

    vx.vmap(one, axis_name="i")(x)


def control(v: F32[Feat], x: F32[Batch, Feat], s: F32[()]) -> None:
    reveal_type(vx.cond(s > 0.0, kept, optional, v))
    reveal_type(vx.cond(s > 0.0, lambda y: y * 2.0, lambda y: y, v))
    reveal_type(vx.cond(s > 0.0, lambda: v, lambda: v * 2.0))
    reveal_type(vx.switch(1, [energy, energy], v))
    reveal_type(vx.switch(1, [lambda y: y, lambda y: y * 2.0], v))
    reveal_type(vx.scan(step, v, x))
    reveal_type(vx.scan(last, v, x))
    reveal_type(vx.scan(lambda c, r: (c + r, None), v, x))
    reveal_type(vx.scan(lambda c, r: (c + r, r), v, x))
    reveal_type(vx.while_loop(lambda c: c.sum() < 9.0, lambda c: c + 1.0, v))
    reveal_type(vx.fori_loop(0, 3, lambda i, c: c + 1.0, v))
    reveal_type(vx.custom_root(lambda y: y * 1.0, v, lambda f, y: y, lambda g, y: y))
    reveal_type(vx.custom_linear_solve(lambda y: y * 2.0, v, lambda f, y: y / 2.0))


def trees(v: F32[Feat], x: F32[Batch, Feat]) -> None:
    d = {"a": v, "b": v}
    reveal_type(vx.tree.map(vx.sum, v))
    reveal_type(vx.tree.map(energy, d))
    reveal_type(vx.tree.map(energy, [v, v]))
    reveal_type(vx.tree.map(kept, Model(v)))
    reveal_type(vx.tree.map(lambda y: y * 2.0, (v, x)))
    reveal_type(vx.tree.map_with_path(lambda p, y: y, d))
    reveal_type(vx.tree.leaves(d))
    reveal_type(vx.tree.leaves_with_path(d))
    reveal_type(vx.tree.flatten(d))
    reveal_type(vx.tree.flatten_with_path(d))
    reveal_type(vx.tree.structure(d))
    reveal_type(vx.tree.unflatten(vx.tree.structure(d), [v, v]))
    reveal_type(vx.tree.broadcast(0, vx.tree.structure(d)))
    reveal_type(vx.tree.reduce(lambda a, y: a + y.sum(), d, 0.0))
    reveal_type(vx.tree.all(True))
    reveal_type(vx.tree.any(False))
    reveal_type(
        vx.tree.transpose(vx.tree.structure(d), vx.tree.structure([0]), {"a": [1], "b": [2]})
    )


class Pair:
    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


reveal_type(vx.tree.register(Pair, lambda p: (None, (p.a, p.b)), lambda aux, ys: Pair(*ys)))


def optimizers(v: F32[Feat]) -> None:
    d = {"a": v}
    adam = vx.optim.adam(0.1)
    reveal_type(vx.optim.adam(0.1))
    reveal_type(adam.init(d))
    reveal_type(adam.update(d, adam.init(d), d))
    reveal_type(vx.optim.sgd(0.1))
    reveal_type(vx.optim.adamw(0.1))
    reveal_type(vx.optim.chain(vx.optim.clip_by_global_norm(1.0), vx.optim.scale_by_adam()))
    reveal_type(vx.optim.add_decayed_weights(0.1))
    reveal_type(vx.optim.scale_by_schedule(vx.optim.cosine(0.1, warmup=1, steps=3)))
    reveal_type(vx.optim.constant(0.1))
    reveal_type(vx.optim.linear(0.1, 0.2, 3))
    reveal_type(vx.optim.trace(0.9))
    reveal_type(vx.optim.apply_updates(d, d))
    reveal_type(vx.optim.global_norm(d))


def layers(x: F32[Batch, Feat], key: vx.random.Key) -> None:
    k = list(vx.random.split(key, 6))
    image = vx.ones((2, 8, 8, 3))
    reveal_type(vx.nn.causal_mask(3))
    reveal_type(vx.nn.rotary(vx.ones((2, 3, 4))))
    reveal_type(vx.nn.dropout(x, 0.5, key=k[0]))
    reveal_type(vx.nn.cross_entropy(x, vx.zeros(2, vx.int32)))
    reveal_type(vx.nn.max_pool(image, (2, 2)))
    reveal_type(vx.nn.min_pool(image, (2, 2)))
    reveal_type(vx.nn.avg_pool(image, (2, 2)))


def others(v: F32[Feat], path: str) -> None:
    mesh = vx.Mesh(data=1)
    reveal_type(vx.shard(v, mesh, vx.P("data")))
    reveal_type(vx.save(path, {"v": v}))
    reveal_type(vx.load(path, {"v": v}))
    reveal_type(vx.load_meta(path))
    reveal_type(vx.testing.check_grads(energy, (v,)))
    reveal_type(vx.testing.check_rule(doubled, v))
