"""What every program of the corpus goes through, and how a program is written down.

A ``Case`` is a function as users write them, with float64 arguments. It is run op by op, jitted,
vmapped over a batch, with that batch cut over a mesh, differentiated forward and in reverse, and
both again, and its derivative over a batch that is cut; each way is compared with another one that
shares as little with it as possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

import verax as vx

Tree = Any
STEP = 1e-5
BATCH = 4
MESH = vx.Mesh(data=BATCH)


@attrs.frozen
class Case:
    """A program of the corpus.

    Args:
        name: unique; the name of the test.
        f: gives a tree of arrays; the float64 ones are compared and differentiated.
        args: trees of NumPy arrays; float64 where they vary.
        vary: the arguments that are differentiated and batched.
        reference: what f gives, by NumPy or SciPy, where there is an independent way to it.
        orders: how often it is differentiated.
        reverse: whether reverse mode exists (a while loop without a bound has none).
        step: the relative error allowed to finite differences.
        tolerance: how far two ways of computing the same may differ.
    """

    name: str
    f: Callable[..., Tree]
    args: tuple[Tree, ...]
    vary: tuple[int, ...] = (0,)
    reference: Callable[..., Tree] | None = None
    orders: int = 2
    reverse: bool = True
    step: float = 1e-6
    tolerance: float = 1e-9


def close(a: Tree, b: Tree, tolerance: float, what: str) -> None:
    """Raise unless two trees have the same leaves, relative to the size of each leaf."""
    one, two = vx.tree.leaves(a), vx.tree.leaves(b)
    assert len(one) == len(two), what
    for x, y in zip(one, two):
        u, v = np.asarray(x), np.asarray(y)
        assert u.shape == v.shape, f"{what}: {u.shape} and {v.shape}"
        assert np.isfinite(u).all() or not np.isfinite(v).all(), f"{what}: not finite"
        scale = 1.0 + float(np.max(np.abs(v), initial=0.0))
        np.testing.assert_allclose(u, v, rtol=0, atol=tolerance * scale, err_msg=what)


def smooth(y: Tree) -> list[Any]:
    """The leaves that have derivatives."""
    return [x for x in vx.tree.leaves(y) if vx.asarray(x).dtype is vx.float64]


def direction(rng: np.random.Generator, x: Tree) -> Tree:
    """A random tangent."""
    return vx.tree.map(lambda a: rng.standard_normal(np.shape(a)), x)


def pairing(a: Tree, b: Tree) -> Any:
    """The inner product of two trees."""
    pairs = zip(vx.tree.leaves(a), vx.tree.leaves(b))
    return sum([vx.sum(x * vx.asarray(y)) for x, y in pairs], vx.zeros((), dtype=vx.float64))


def stacked(rows: list[Tree]) -> Tree:
    """Trees, as one tree of batches."""
    return vx.tree.map(lambda *leaves: vx.stack(list(leaves)), *rows)


def cut(batch: Tree) -> Tree:
    """The batch, cut over the mesh."""
    return vx.tree.map(lambda x: vx.shard(x, MESH, vx.P("data")), batch)


@attrs.frozen
class Ways:
    """The ways of running one case."""

    case: Case

    @property
    def xs(self) -> tuple[Tree, ...]:
        """The arguments that vary, as arrays."""
        return tuple([vx.tree.map(vx.asarray, self.case.args[i]) for i in self.case.vary])

    def call(self, *xs: Tree) -> Tree:
        """f of the arguments that vary."""
        args = [vx.tree.map(vx.asarray, a) for a in self.case.args]
        for i, x in zip(self.case.vary, xs):
            args[i] = x
        return self.case.f(*args)

    @property
    def jitted(self) -> Any:
        """It, jitted."""
        return vx.jit(self.call)

    def moved(self, v: Tree, h: float) -> tuple[Tree, ...]:
        """The arguments, moved by h along v."""
        return tuple(vx.tree.map(lambda x, d: x + h * vx.asarray(d), self.xs, v))

    def runs(self) -> None:
        """Op by op, jitted, and as the reference says."""
        plain = self.call(*self.xs)
        close(self.jitted(*self.xs), plain, self.case.tolerance, "jit")
        if self.case.reference is not None:
            close(plain, self.case.reference(*self.case.args), self.case.tolerance, "reference")

    @property
    def rows(self) -> list[tuple[Tree, ...]]:
        """A batch: the arguments, and some near them."""
        shift = direction(np.random.default_rng(0), self.xs)
        return [self.moved(shift, 0.01 * k) for k in range(BATCH)]

    def batches(self) -> None:
        """vmap is a stack of single calls, also where its batch is cut over a mesh."""
        want = stacked([self.jitted(*row) for row in self.rows])
        many, batch = vx.jit(vx.vmap(self.call)), stacked(self.rows)
        close(many(*batch), want, self.case.tolerance, "vmap")
        close(many(*cut(batch)), want, self.case.tolerance, "sharded over its batch")

    def differentiates(self, *, whole: bool) -> None:
        """Forward is the difference quotient, reverse is the adjoint of forward, and so again.

        Args:
            whole: as often as the case says, and also over a batch that is cut over a mesh; else
                once.
        """
        if self.case.orders < 1:
            return
        xs, rng = self.xs, np.random.default_rng(0)
        v, w = direction(rng, xs), direction(rng, xs)
        types = self.jitted.stage(*xs).out_types
        u = [rng.standard_normal(t.shape) for t in types if t.dtype is vx.float64]
        assert u, "nothing to differentiate"
        ways = Derivatives(self, u, v, w, self.case.orders if whole else 1)
        all_ways = vx.jit(ways.all)
        got = all_ways(*xs)

        def quotient(name: str, along: Tree) -> Any:
            ahead, behind = [all_ways(*self.moved(along, h))[name] for h in (STEP, -STEP)]
            return (np.asarray(ahead) - np.asarray(behind)) / (2 * STEP)

        def agree(name: str, want: Any, tolerance: float) -> None:
            if name in got:
                close(got[name], want, tolerance, name)

        agree("jvp", quotient("value", v), self.case.step)
        agree("vjp", got["jvp"], self.case.tolerance)
        if ways.orders > 1:
            agree("jvp of jvp", quotient("jvp", w), self.case.step)
            agree("jvp of vjp", got["jvp of jvp"], 10 * self.case.tolerance)
            agree("vjp of vjp", got["jvp of jvp"], 10 * self.case.tolerance)
        if not whole:
            return
        last = "vjp" if self.case.reverse else "jvp"
        many = vx.jit(vx.vmap(ways.pulled if self.case.reverse else ways.slope))
        want = stacked([all_ways(*row)[last] for row in self.rows])
        close(many(*cut(stacked(self.rows))), want, self.case.tolerance, f"sharded {last}")


@attrs.frozen
class Derivatives:
    """The derivatives of the inner product of what a program gives with u, along v and w.

    They are computed in one program, so that it is compiled once; and the first derivatives are
    those which the second ones come with.
    """

    ways: Ways
    u: Tree
    v: Tree
    w: Tree
    orders: int

    def weighed(self, *xs: Tree) -> Any:
        """A scalar for all results."""
        return pairing(smooth(self.ways.call(*xs)), self.u)

    def pushed(self, *xs: Tree) -> tuple[Any, Any]:
        """It, and its derivative along v, forward."""
        return vx.jvp(self.weighed, xs, self.v)

    def slope(self, *xs: Tree) -> Any:
        """Its derivative along v, forward."""
        return self.pushed(*xs)[1]

    def pulled(self, *xs: Tree) -> Any:
        """Its derivative along v, in reverse."""
        return pairing(self.gradient(self.weighed)(*xs), self.v)

    def gradient(self, f: Callable[..., Any]) -> Callable[..., Tree]:
        """The gradient along all arguments."""
        return vx.grad(f, argnums=tuple(range(len(self.ways.case.vary))))

    def all(self, *xs: Tree) -> dict[str, Any]:
        """By the name of each way."""
        case, out = self.ways.case, {}
        if self.orders == 1:
            out["value"], out["jvp"] = self.pushed(*xs)
            if case.reverse:
                out["vjp"] = self.pulled(*xs)
            return out
        (out["value"], out["jvp"]), (_, out["jvp of jvp"]) = vx.jvp(self.pushed, xs, self.w)
        if case.reverse:
            out["vjp"], out["jvp of vjp"] = vx.jvp(self.pulled, xs, self.w)
            out["vjp of vjp"] = pairing(self.gradient(self.pulled)(*xs), self.w)
        return out
