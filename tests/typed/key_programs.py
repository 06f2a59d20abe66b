"""Functions ``f(k, c)`` of a random key and a condition; ``# E`` marks each line that is wrong."""

from __future__ import annotations

PRELUDE = """\
from __future__ import annotations
import functools
from typing import Any, Callable, NamedTuple
import verax as vx
from verax import F32
from verax.prng import Key, bernoulli, fold_in, key, normal, split, uniform

class Pair(NamedTuple):
    key: Key
    n: int

@vx.struct
class Carry:
    key: Key
    x: Any

class Model:
    def __init__(self, key: Key) -> None:
        self.key = key
    def draw(self) -> Any:
        self.key, sub = split(self.key)
        return normal(sub)
    def renew(self) -> None:
        self.key = key(7)
    def use(self, k: Key) -> Any:
        return normal(k)
    @property
    def next(self) -> Key:
        self.key, sub = split(self.key)
        return sub

def draw(k: Key) -> Any:
    return normal(k)
def derive(k: Key, i: int) -> Key:
    return fold_in(k, i)
def same(k: Key) -> Key:
    return k
def two(k: Key) -> tuple[Key, Key]:
    a, b = split(k)
    return a, b
def shape(k: Key) -> Any:
    return k.shape
def maybe(k: Key | None) -> Any:
    return 0.0 if k is None else normal(k)
X = vx.ones((3,))

"""

WRONG: dict[str, str] = {
    "straight": """
        def f(k: Key, c: bool) -> Any:
            a = normal(k)
            b = normal(k)  # E
            return a + b
    """,
    "split after": """
        def f(k: Key, c: bool) -> Any:
            a = normal(k)
            k1, k2 = split(k)  # E
            return a + normal(k1)
    """,
    "split twice": """
        def f(k: Key, c: bool) -> Any:
            k1, k2 = split(k)
            k3, k4 = split(k)  # E
            return normal(k1) + normal(k3)
    """,
    "one expression": """
        def f(k: Key, c: bool) -> Any:
            return normal(k) + uniform(k)  # E
    """,
    "half of a split": """
        def f(k: Key, c: bool) -> Any:
            k, sub = split(k)
            a = normal(sub)
            return a + uniform(sub)  # E
    """,
    "through the module": """
        def f(k: Key, c: bool) -> Any:
            a = vx.random.normal(k)
            return a + vx.random.uniform(k, (3,))  # E
    """,
    "keyword": """
        def f(k: Key, c: bool) -> Any:
            a = normal(key=k)
            return a + uniform(shape=(3,), key=k)  # E
    """,
    "in one branch": """
        def f(k: Key, c: bool) -> Any:
            x = X
            if c:
                x = normal(k, (3,))
            return x + normal(k, (3,))  # E
    """,
    "in both branches": """
        def f(k: Key, c: bool) -> Any:
            if c:
                x = normal(k)
            else:
                x = uniform(k)
            return x + normal(k)  # E
    """,
    "one branch returns": """
        def f(k: Key, c: bool) -> Any:
            x = normal(k)
            if c:
                return x
            return x + normal(k)  # E
    """,
    "for": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for i in range(3):
                x = x + normal(k)  # E
            return x
    """,
    "for over a sequence": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for n in (1.0, 2.0):
                x = x + n * normal(k)  # E
            return x
    """,
    "while": """
        def f(k: Key, c: bool) -> Any:
            x, i = X, 0
            while i < 3:
                x = x + normal(k)  # E
                i += 1
            return x
    """,
    "before a loop that splits": """
        def f(k: Key, c: bool) -> Any:
            x = normal(k)
            for i in range(3):
                k, sub = split(k)  # E
                x = x + normal(sub)
            return x
    """,
    "a loop that rebinds too late": """
        def f(k: Key, c: bool) -> Any:
            x = X
            sub = k
            for i in range(3):
                x = x + normal(sub)  # E
                k2, _ = split(key(0))
            return x
    """,
    "a loop with continue": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for i in range(3):
                x = x + normal(k)  # E
                if c:
                    continue
                k = key(i)
            return x
    """,
    "comprehension": """
        def f(k: Key, c: bool) -> Any:
            return [normal(k) for _ in range(3)]  # E
    """,
    "comprehension over names": """
        def f(k: Key, c: bool) -> Any:
            return {name: normal(k) for name in ["a", "b"]}  # E
    """,
    "generator": """
        def f(k: Key, c: bool) -> Any:
            return sum(normal(k) * i for i in range(30))  # E
    """,
    "nested comprehension": """
        def f(k: Key, c: bool) -> Any:
            return [[normal(s) for _ in range(2)] for s in split(k, 3)]  # E
    """,
    "closure": """
        def f(k: Key, c: bool) -> Any:
            def noise() -> Any:
                return normal(k)
            return noise() + noise()  # E
    """,
    "closure and straight": """
        def f(k: Key, c: bool) -> Any:
            noise = lambda x: x + normal(k)
            y = noise(X)
            return y + normal(k)  # E
    """,
    "inside a closure": """
        def f(k: Key, c: bool) -> Any:
            def inner(s: Key) -> Any:
                return normal(s) + uniform(s)  # E
            return inner(k)
    """,
    "alias": """
        def f(k: Key, c: bool) -> Any:
            other = k
            return normal(k) + normal(other)  # E
    """,
    "alias by choice": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            s = a if c else b
            return normal(s) + normal(a)  # E
    """,
    "tuple": """
        def f(k: Key, c: bool) -> Any:
            state = (k, 1.0)
            x = normal(state[0])
            return x + normal(k)  # E
    """,
    "tuple unpacked": """
        def f(k: Key, c: bool) -> Any:
            pair = split(k)
            a, b = pair
            return normal(a) + normal(pair[0])  # E
    """,
    "list": """
        def f(k: Key, c: bool) -> Any:
            keys = [k, key(1)]
            return normal(keys[0]) + normal(k)  # E
    """,
    "dict": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            keys = {"params": a, "dropout": b}
            return normal(keys["params"]) + normal(keys["params"])  # E
    """,
    "named tuple": """
        def f(k: Key, c: bool) -> Any:
            p = Pair(k, 3)
            return normal(p.key) + normal(p.key)  # E
    """,
    "struct": """
        def f(k: Key, c: bool) -> Any:
            s = Carry(key=k, x=X)
            y = normal(s.key)
            return y + normal(k)  # E
    """,
    "attribute": """
        class Own:
            def __init__(self, key: Key) -> None:
                self.key = key
            def twice(self) -> Any:
                a = normal(self.key)
                return a + normal(self.key)  # E
        def f(k: Key, c: bool) -> Any:
            return Own(k).twice()
    """,
    "attribute of an argument": """
        def g(s: Carry) -> Any:
            return normal(s.key) + s.x * normal(s.key)  # E
        def f(k: Key, c: bool) -> Any:
            return g(Carry(key=k, x=X))
    """,
    "attribute that is set": """
        def f(k: Key, c: bool) -> Any:
            m = Model(k)
            m.key, sub = split(key(1))
            return normal(m.key) + normal(m.key)  # E
    """,
    "literal index": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 3)
            return normal(keys[0]) + normal(keys[0])  # E
    """,
    "index from the end": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 3)
            return normal(keys[2]) + normal(keys[-1])  # E
    """,
    "whole after part": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 3)
            x = normal(keys[0])
            return x + vx.vmap(normal)(keys)  # E
    """,
    "part after whole": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 3)
            x = vx.vmap(normal)(keys)
            return x + normal(keys[2])  # E
    """,
    "part after iteration": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 3)
            xs = [normal(s) for s in keys]
            return xs[0] + normal(keys[1])  # E
    """,
    "the same fold": """
        def f(k: Key, c: bool) -> Any:
            return normal(fold_in(k, 1)) + normal(fold_in(k, 1))  # E
    """,
    "fold and use": """
        def f(k: Key, c: bool) -> Any:
            x = normal(fold_in(k, 1))
            return x + normal(k)  # E
    """,
    "use and fold": """
        def f(k: Key, c: bool) -> Any:
            x = normal(k)
            return x + normal(fold_in(k, 1))  # E
    """,
    "a literal fold in a loop": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for i in range(3):
                x = x + normal(fold_in(k, 7))  # E
            return x
    """,
    "the same variable folded": """
        def g(k: Key, n: int) -> Any:
            return normal(fold_in(k, n)) + normal(fold_in(k, n))  # E
        def f(k: Key, c: bool) -> Any:
            return g(k, 3)
    """,
    "function of the user": """
        def f(k: Key, c: bool) -> Any:
            return draw(k) + draw(k)  # E
    """,
    "function and sampler": """
        def f(k: Key, c: bool) -> Any:
            x = draw(k)
            return x + normal(k)  # E
    """,
    "method": """
        def f(k: Key, c: bool) -> Any:
            m = Model(key(1))
            return m.use(k) + m.use(k)  # E
    """,
    "passed through": """
        def f(k: Key, c: bool) -> Any:
            return normal(same(k)) + normal(k)  # E
    """,
    "result of a function": """
        def f(k: Key, c: bool) -> Any:
            a, b = two(k)
            return normal(a) + normal(a)  # E
    """,
    "optional": """
        def g(k: Key | None) -> Any:
            x = X if k is None else normal(k)
            if k is not None:
                x = x + normal(k)  # E
            return x
        def f(k: Key, c: bool) -> Any:
            return g(k)
    """,
    "scan captures": """
        def f(k: Key, c: bool) -> Any:
            return vx.scan(lambda s, x: (s + normal(k), x), 0.0, X)  # E
    """,
    "scan carries": """
        def f(k: Key, c: bool) -> Any:
            def body(s: Key, x: Any) -> tuple[Key, Any]:
                return s, normal(s)  # E
            return vx.scan(body, k, X)[1]
    """,
    "scan over keys, then one": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 3)
            total, _ = vx.scan(lambda s, k: (s + normal(k), None), 0.0, keys)
            return total + normal(keys[0])  # E
    """,
    "fori_loop": """
        def f(k: Key, c: bool) -> Any:
            return vx.fori_loop(0, 3, lambda i, x: x + normal(k), 0.0)  # E
    """,
    "while_loop": """
        def f(k: Key, c: bool) -> Any:
            return vx.while_loop(lambda x: x < 3.0, lambda x: x + uniform(k), 0.0)  # E
    """,
    "map": """
        def f(k: Key, c: bool) -> Any:
            return vx.map(lambda x: x + normal(k), X)  # E
    """,
    "tree map": """
        def f(k: Key, c: bool) -> Any:
            params = {"w": X, "b": X}
            return vx.tree.map(lambda p: p + normal(k, p.shape), params)  # E
    """,
    "cond, then use": """
        def f(k: Key, c: bool) -> Any:
            x = vx.cond(True, lambda: normal(k), lambda: 0.0)
            return x + normal(k)  # E
    """,
    "grad twice inside": """
        def f(k: Key, c: bool) -> Any:
            return vx.grad(lambda x: x * normal(k) * uniform(k))(1.0)  # E
    """,
    "jit, then use": """
        def f(k: Key, c: bool) -> Any:
            g = vx.jit(lambda s: normal(s))
            return g(k) + normal(k)  # E
    """,
    "decorated inside": """
        def f(k: Key, c: bool) -> Any:
            @vx.jit
            def g(x: Any) -> Any:
                return x + normal(k)
            return g(X) + normal(k)  # E
    """,
    "partial": """
        def f(k: Key, c: bool) -> Any:
            g = functools.partial(draw, k)
            return vx.abs(g()) + vx.abs(g())  # E
    """,
    "vmap over one key twice": """
        def f(k: Key, c: bool) -> Any:
            g = vx.vmap(lambda x, s: x + normal(s), in_axes=(0, None))
            return g(X, k) + g(X, k)  # E
    """,
    "try": """
        def f(k: Key, c: bool) -> Any:
            try:
                x = normal(k)
            finally:
                y = uniform(k)  # E
            return x + y
    """,
    "handler": """
        def f(k: Key, c: bool) -> Any:
            try:
                x = normal(k)
                raise ValueError
            except ValueError:
                return uniform(k)  # E
    """,
    "with": """
        import contextlib
        def f(k: Key, c: bool) -> Any:
            with contextlib.suppress(ValueError) as s:
                x = normal(k)
            return x + normal(k)  # E
    """,
    "walrus": """
        def f(k: Key, c: bool) -> Any:
            if (s := k) is not None:
                return normal(s) + normal(k)  # E
    """,
    "match": """
        def f(k: Key, c: bool) -> Any:
            x = X
            match c:
                case True:
                    x = normal(k)
                case other:
                    pass
            return x + normal(k)  # E
    """,
    "made inside": """
        def f(k: Key, c: bool) -> Any:
            s = vx.random.key(3)
            return normal(s) + normal(s)  # E
    """,
    "dropout": """
        def f(k: Key, c: bool) -> Any:
            h = vx.nn.dropout(X, 0.5, key=k)
            return vx.nn.dropout(h, 0.5, key=k)  # E
    """,
    "and": """
        def f(k: Key, c: bool) -> Any:
            return c and (normal(k) + normal(k))  # E
    """,
    "global": """
        SEED = key(5)
        def f(k: Key, c: bool) -> Any:
            return normal(SEED) + uniform(SEED)  # E
    """,
}

RIGHT: dict[str, str] = {
    "split": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            return normal(a) + normal(b)
    """,
    "rebound": """
        def f(k: Key, c: bool) -> Any:
            k, sub = split(k)
            x = normal(sub)
            k, sub = split(k)
            return x + normal(sub) + normal(k)
    """,
    "branches": """
        def f(k: Key, c: bool) -> Any:
            if c:
                return normal(k)
            return uniform(k)
    """,
    "branches that join": """
        def f(k: Key, c: bool) -> Any:
            if c:
                x = normal(k)
            elif k is None:
                x = X
            else:
                x = uniform(k)
            return x
    """,
    "the same condition twice": """
        def f(k: Key, c: bool) -> Any:
            x = X
            if c:
                x = x + normal(k)
            x = x * 2.0
            if not c:
                x = x + uniform(k)
            return x
    """,
    "a condition on an attribute": """
        class Layer:
            training: bool = True
        def g(layer: Layer, k: Key) -> Any:
            x = normal(k) if layer.training else X
            return x if layer.training else x + normal(k)
        def f(k: Key, c: bool) -> Any:
            return g(Layer(), k)
    """,
    "loop": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for i in range(3):
                k, sub = split(k)
                x = x + normal(sub)
            return x + normal(k)
    """,
    "loop over keys": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for s in split(k, 3):
                x = x + normal(s)
            return x
    """,
    "loop over keys and values": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for s, n in zip(split(k, 3), (1.0, 2.0, 3.0)):
                x = x + n * normal(s)
            for i, s in enumerate(split(key(1), 2)):
                x = x + i * normal(s)
            return x
    """,
    "loop with indexes": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 10)
            x = X
            for i in range(10):
                x = x + normal(keys[i])
            return x
    """,
    "loop that leaves": """
        def f(k: Key, c: bool) -> Any:
            while True:
                x = normal(k)
                break
            return x
    """,
    "loop that returns": """
        def f(k: Key, c: bool) -> Any:
            for i in range(3):
                if i == 2 or c:
                    return normal(k)
            return X
    """,
    "loop of one round": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for _ in range(1):
                x = x + normal(k)
            return x
    """,
    "fold with the loop variable": """
        def f(k: Key, c: bool) -> Any:
            x = X
            for i in range(3):
                x = x + normal(fold_in(k, i))
            return x
    """,
    "fold with a counter": """
        def f(k: Key, c: bool) -> Any:
            x, i = X, 0
            while i < 3:
                x = x + normal(fold_in(k, i))
                i += 1
            return x
    """,
    "fold with other literals": """
        def f(k: Key, c: bool) -> Any:
            return normal(fold_in(k, 0)) + normal(fold_in(k, 1))
    """,
    "comprehension": """
        def f(k: Key, c: bool) -> Any:
            return [normal(s) for s in split(k, 3)]
    """,
    "comprehension that folds": """
        def f(k: Key, c: bool) -> Any:
            return [normal(fold_in(k, i)) for i in range(3)]
    """,
    "dict of keys": """
        def f(k: Key, c: bool) -> Any:
            names = ["a", "b", "c"]
            keys = dict(zip(names, split(k, 3)))
            return {n: normal(keys[n]) for n in names}
    """,
    "dict literal": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            keys = {"params": a, "dropout": b}
            return normal(keys["params"]) + normal(keys["dropout"])
    """,
    "parts": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, 4)
            return normal(keys[0]) + normal(keys[1]) + vx.vmap(normal)(keys[2:]).sum()
    """,
    "starred": """
        def f(k: Key, c: bool) -> Any:
            a, *rest = split(k, 3)
            return normal(a) + sum(normal(s) for s in rest)
    """,
    "matrix of keys": """
        def f(k: Key, c: bool) -> Any:
            keys = split(k, (2, 2))
            return normal(keys[0, 1]) + normal(keys[1, 0])
    """,
    "closure": """
        def f(k: Key, c: bool) -> Any:
            def noise(s: Key) -> Any:
                return normal(s)
            a, b = split(k)
            return noise(a) + noise(b)
    """,
    "closure that is not called": """
        def f(k: Key, c: bool) -> Any:
            def noise() -> Any:
                return normal(k)
            return normal(k)
    """,
    "closure that splits": """
        def f(k: Key, c: bool) -> Any:
            state = k
            def draw_one() -> Any:
                nonlocal state
                state, sub = split(state)
                return normal(sub)
            return draw_one() + draw_one()
    """,
    "function that derives": """
        def f(k: Key, c: bool) -> Any:
            return normal(derive(k, 0)) + normal(derive(k, 1))
    """,
    "function that only looks": """
        def f(k: Key, c: bool) -> Any:
            shape(k)
            return normal(k, shape(k))
    """,
    "function that may": """
        def f(k: Key, c: bool) -> Any:
            return maybe(None) + maybe(k)
    """,
    "two keys of a function": """
        def f(k: Key, c: bool) -> Any:
            a, b = two(k)
            return normal(a) + normal(b)
    """,
    "default": """
        def g(k: Key | None = None) -> Any:
            if k is None:
                k = key(0)
            return normal(k)
        def f(k: Key, c: bool) -> Any:
            return g() + g(k)
    """,
    "choice": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            first = a if c else b
            second = b if c else a
            return normal(first) + normal(second)
    """,
    "object that splits its key": """
        def f(k: Key, c: bool) -> Any:
            m = Model(k)
            return m.draw() + m.draw()
    """,
    "object with a new key": """
        def f(k: Key, c: bool) -> Any:
            m = Model(k)
            x = normal(m.key)
            m.renew()
            return x + normal(m.key)
    """,
    "property": """
        def f(k: Key, c: bool) -> Any:
            m = Model(k)
            return normal(m.next) + normal(m.next)
    """,
    "attribute that is rebound": """
        def f(k: Key, c: bool) -> Any:
            m = Model(k)
            m.key, sub = split(m.key)
            x = normal(sub)
            m.key, sub = split(m.key)
            return x + normal(sub)
    """,
    "struct that is rebuilt": """
        def f(k: Key, c: bool) -> Any:
            s = Carry(key=k, x=X)
            for _ in range(3):
                a, b = split(s.key)
                s = Carry(key=a, x=s.x + normal(b))
            return normal(s.key)
    """,
    "struct replaced": """
        def f(k: Key, c: bool) -> Any:
            s = Carry(key=k, x=X)
            a, b = split(s.key)
            s = vx.replace(s, key=a)
            return normal(b) + normal(s.key)
    """,
    "list that is filled": """
        def f(k: Key, c: bool) -> Any:
            keys: list[Key] = []
            for i in range(3):
                k, sub = split(k)
                keys.append(sub)
            return sum(normal(s) for s in keys) + normal(k)
    """,
    "list that is emptied": """
        def f(k: Key, c: bool) -> Any:
            keys = list(split(k, 3))
            return normal(keys.pop()) + normal(keys.pop())
    """,
    "iterator": """
        def f(k: Key, c: bool) -> Any:
            keys = iter(split(k, 3))
            return normal(next(keys)) + normal(next(keys))
    """,
    "vmap over keys": """
        def f(k: Key, c: bool) -> Any:
            return vx.vmap(normal)(split(k, 3))
    """,
    "vmap with one key": """
        def f(k: Key, c: bool) -> Any:
            return vx.vmap(lambda x: x + normal(k))(X)
    """,
    "vmap in_axes": """
        def f(k: Key, c: bool) -> Any:
            return vx.vmap(lambda x, s: x + normal(s), in_axes=(0, None))(X, k)
    """,
    "scan over keys": """
        def f(k: Key, c: bool) -> Any:
            return vx.scan(lambda s, k: (s + normal(k), None), 0.0, split(k, 3))[0]
    """,
    "scan that carries": """
        def f(k: Key, c: bool) -> Any:
            def body(s: Key, x: Any) -> tuple[Key, Any]:
                s, sub = split(s)
                return s, x + normal(sub)
            s, y = vx.scan(body, k, X)
            return normal(s) + y
    """,
    "scan over a tuple": """
        def f(k: Key, c: bool) -> Any:
            def body(s: Any, x: Any) -> tuple[Any, Any]:
                y, key = x
                return s + y * normal(key), None
            return vx.scan(body, 0.0, (X, split(k, 3)))[0]
    """,
    "fori_loop that folds": """
        def f(k: Key, c: bool) -> Any:
            return vx.fori_loop(0, 3, lambda i, x: x + normal(fold_in(k, i)), 0.0)
    """,
    "cond": """
        def f(k: Key, c: bool) -> Any:
            return vx.cond(True, lambda: normal(k), lambda: uniform(k))
    """,
    "cond with operand": """
        def f(k: Key, c: bool) -> Any:
            return vx.cond(True, normal, uniform, k)
    """,
    "switch": """
        def f(k: Key, c: bool) -> Any:
            return vx.switch(1, [lambda s: normal(s), lambda s: 0.0, lambda s: uniform(s)], k)
    """,
    "tree map over keys": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            keys = {"w": a, "b": b}
            params = {"w": X, "b": X}
            return vx.tree.map(lambda p, s: p + normal(s, p.shape), params, keys)
    """,
    "grad": """
        def f(k: Key, c: bool) -> Any:
            return vx.grad(lambda x: vx.sum(x * normal(k, (3,))))(X)
    """,
    "jit": """
        def f(k: Key, c: bool) -> Any:
            g = vx.jit(lambda s: normal(s))
            a, b = split(k)
            return g(a) + g(b)
    """,
    "partial": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            return functools.partial(draw, a)() + functools.partial(draw, k=b)()
    """,
    "handler": """
        def f(k: Key, c: bool) -> Any:
            try:
                n = int("3")
            except ValueError:
                return normal(k)
            return uniform(k) * n
    """,
    "guard": """
        def f(k: Key, c: bool) -> Any:
            if k.shape != ():
                raise ValueError(normal(k))
            return normal(k)
    """,
    "assertion": """
        def f(k: Key, c: bool) -> Any:
            assert isinstance(k, Key) and k.ndim == 0
            print(k.shape, repr(k))
            return normal(k)
    """,
    "deleted": """
        def f(k: Key, c: bool) -> Any:
            x = normal(k)
            del k
            k = key(1)
            return x + normal(k)
    """,
    "match": """
        def f(k: Key, c: bool) -> Any:
            match c:
                case True:
                    return normal(k)
                case _:
                    return uniform(k)
    """,
    "recursion": """
        def tree(k: Key, depth: int) -> Any:
            if depth == 0:
                return normal(k)
            a, b = split(k)
            return tree(a, depth - 1) + tree(b, depth - 1)
        def f(k: Key, c: bool) -> Any:
            return tree(k, 2)
    """,
    "swapped": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            a, b = b, a
            return normal(a) + normal(b)
    """,
    "stored": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            kept = {"a": a}
            kept["b"] = b
            return normal(kept["a"]) + normal(kept["b"])
    """,
    "generator function": """
        from collections.abc import Iterator
        def stream(k: Key) -> Iterator[Key]:
            while True:
                k, sub = split(k)
                yield sub
        def f(k: Key, c: bool) -> Any:
            keys = stream(k)
            return normal(next(keys)) + normal(next(keys))
    """,
    "method that is followed": """
        def f(k: Key, c: bool) -> Any:
            m = Model(key(1))
            a, b = split(k)
            return m.use(a) + m.use(b)
    """,
    "layers": """
        def f(k: Key, c: bool) -> Any:
            a, b = split(k)
            h = vx.nn.dropout(X, 0.5, key=a)
            return vx.nn.dropout(h, 0.5, key=b if c else None)
    """,
}
