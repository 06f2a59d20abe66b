"""Programs that stage functions when ``run`` is called; ``# E`` marks each line that is wrong."""

from __future__ import annotations

PRELUDE = """\
from __future__ import annotations
import datetime, functools, itertools, os, random, secrets, time, types, uuid
from collections import defaultdict, deque
from collections.abc import Iterator
from time import perf_counter as tick
from typing import Any, Callable, Literal, Optional
import numpy as np
import verax as vx
from verax import F32
Vec = F32[Literal[2]]
X: Vec = vx.asarray([1.0, 2.0])

"""

WRONG: dict[str, str] = {
    "append": """
        history: list[Any] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            history.append(x)  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "append, and nothing else": """
        history: list[Any] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            history.append(x)  # E
            return x
        def run() -> None:
            f(X)
    """,
    "append of what is not staged": """
        names: list[str] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            names.append("f")  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "append to a local of the caller": """
        def run() -> None:
            kept = []
            def f(x: Vec) -> Vec:
                kept.append(x)  # E
                return x * 2.0
            vx.grad(lambda x: vx.sum(f(x)))(X)
    """,
    "extend": """
        history: list[Any] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            history.extend([x, x])  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "pop": """
        stack = [1.0, 2.0]
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * stack.pop()  # E
        def run() -> None:
            f(X)
    """,
    "sort": """
        sizes = [3, 1, 2]
        @vx.jit
        def f(x: Vec) -> Vec:
            sizes.sort()  # E
            return x * sizes[0]
        def run() -> None:
            f(X)
    """,
    "an item of a list": """
        sizes = [1.0, 2.0]
        @vx.jit
        def f(x: Vec) -> Vec:
            sizes[0] = 3.0  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a staged entry of a dict": """
        table: dict[str, Any] = {}
        @vx.jit
        def f(x: Vec) -> Vec:
            table["x"] = x * 2.0  # E
            return x * 3.0
        def run() -> None:
            f(X)
    """,
    "update with a staged value": """
        table: dict[str, Any] = {}
        @vx.jit
        def f(x: Vec) -> Vec:
            y = x * 2.0
            table.update(y=y)  # E
            return y
        def run() -> None:
            f(X)
    """,
    "setdefault with a staged value": """
        table: dict[str, Any] = {}
        @vx.jit
        def f(x: Vec) -> Vec:
            table.setdefault("x", x)  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a counter in a dict": """
        counts = {"f": 0}
        @vx.jit
        def f(x: Vec) -> Vec:
            counts["f"] += 1  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "an entry that is removed": """
        table = {"a": 1}
        @vx.jit
        def f(x: Vec) -> Vec:
            del table["a"]  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "popped from a dict": """
        table = {"a": 1.0}
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * table.pop("a")  # E
        def run() -> None:
            f(X)
    """,
    "popped from a deque": """
        queue = deque([1.0, 2.0])
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * queue.popleft()  # E
        def run() -> None:
            f(X)
    """,
    "a staged value in a deque": """
        queue: deque[Any] = deque()
        @vx.jit
        def f(x: Vec) -> Vec:
            queue.append(x)  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "an element of a NumPy array": """
        numbers = np.zeros(3)
        @vx.jit
        def f(x: Vec) -> Vec:
            numbers[0] = 1.0  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a global counter": """
        count = 0
        @vx.jit
        def f(x: Vec) -> Vec:
            global count
            count += 1  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a global that is bound anew": """
        last = 0.0
        @vx.jit
        def f(x: Vec) -> Vec:
            global last
            last = 1.0  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a staged global": """
        last: Any = None
        @vx.jit
        def f(x: Vec) -> Vec:
            global last
            last = x * 1.0  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "nonlocal": """
        def run() -> None:
            n = 0
            @vx.jit
            def f(x: Vec) -> Vec:
                nonlocal n
                n += 1  # E
                return x * 2.0
            f(X)
    """,
    "an attribute": """
        config = types.SimpleNamespace(n=1)
        class Counter:
            def __init__(self) -> None:
                self.calls = 0
        counter = Counter()
        @vx.jit
        def f(x: Vec) -> Vec:
            counter.calls += 1  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a staged attribute": """
        class Box:
            value: Any = 0.0
        box = Box()
        @vx.jit
        def f(x: Vec) -> Vec:
            box.value = x * 2.0  # E
            return x
        def run() -> None:
            f(X)
    """,
    "an attribute from itself": """
        class Box:
            def __init__(self) -> None:
                self.n = 0
        box = Box()
        @vx.jit
        def f(x: Vec) -> Vec:
            box.n = box.n + 1  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "setattr": """
        box = types.SimpleNamespace(value=0.0)
        @vx.jit
        def f(x: Vec) -> Vec:
            setattr(box, "value", x)  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "in an object": """
        class Log:
            def __init__(self) -> None:
                self.seen: list[Any] = []
        log = Log()
        @vx.jit
        def f(x: Vec) -> Vec:
            log.seen.append(x)  # E
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "in a method that is called": """
        class Model:
            def __init__(self) -> None:
                self.calls = 0
            def apply(self, x: Vec) -> Vec:
                self.calls += 1  # E
                return x * 2.0
        model = Model()
        @vx.jit
        def f(x: Vec) -> Vec:
            return model.apply(x * 1.0)
        def run() -> None:
            f(X)
    """,
    "in a function that is called": """
        history: list[Any] = []
        def layer(x: Vec) -> Vec:
            history.append(x)  # E
            return x * 2.0
        @vx.jit
        def f(x: Vec) -> Vec:
            return layer(x)
        def run() -> None:
            f(X)
    """,
    "clock": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x + time.time()  # E
        def run() -> None:
            f(X)
    """,
    "clock by another name": """
        @vx.jit
        def f(x: Vec) -> Vec:
            start = tick()  # E
            return x * start
        def run() -> None:
            f(X)
    """,
    "date": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * datetime.datetime.now().second  # E
        def run() -> None:
            f(X)
    """,
    "random": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * random.random()  # E
        def run() -> None:
            f(X)
    """,
    "random.gauss": """
        @vx.vmap
        def f(x: F32[()]) -> Any:
            return x * random.gauss(0.0, 1.0)  # E
        def run() -> None:
            f(X)
    """,
    "uuid": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * (uuid.uuid4().int % 2)  # E
        def run() -> None:
            f(X)
    """,
    "NumPy's random numbers": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * float(np.random.normal())  # E
        def run() -> None:
            f(X)
    """,
    "a generator of NumPy": """
        rng = np.random.default_rng(0)
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * rng.normal()  # E
        def run() -> None:
            f(X)
    """,
    "a generator without a seed": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * np.random.default_rng().normal()  # E
        def run() -> None:
            f(X)
    """,
    "file": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * len(open(os.devnull).read())  # E
        def run() -> None:
            f(X)
    """,
    "iterator": """
        numbers = iter([1.0, 2.0])
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * next(numbers)  # E
        def run() -> None:
            f(X)
    """,
    "loop over an iterator": """
        numbers = iter([1.0, 2.0])
        @vx.jit
        def f(x: Vec) -> Vec:
            for n in numbers:  # E
                x = x * n
            return x
        def run() -> None:
            f(X)
    """,
    "jit by call": """
        history: list[Any] = []
        def f(x: Vec) -> Vec:
            history.append(x)  # E
            return x * 2.0
        def run() -> None:
            vx.jit(f)(X)
    """,
    "jit with options": """
        history: list[Any] = []
        @vx.jit(static_argnums=1)
        def f(x: Vec, n: int) -> Vec:
            history.append(x)  # E
            return x * n
        def run() -> None:
            f(X, 2)
    """,
    "jit by partial": """
        history: list[Any] = []
        @functools.partial(vx.jit, static_argnums=1)
        def f(x: Vec, n: int) -> Vec:
            history.append(x)  # E
            return x * n
        def run() -> None:
            f(X, 2)
    """,
    "value_and_grad": """
        losses: list[Any] = []
        def loss(w: Vec) -> F32[()]:
            value = vx.sum(w * w)
            losses.append(value)  # E
            return value
        def run() -> None:
            vx.value_and_grad(loss)(X)
    """,
    "scan": """
        def run() -> None:
            seen: list[Any] = []
            def body(s: Any, x: Any) -> tuple[Any, Any]:
                seen.append(x)  # E
                return s + x, s
            vx.scan(body, 0.0, X)
    """,
    "scan inside": """
        @vx.jit
        def f(x: Vec) -> Any:
            seen: list[Any] = []
            def body(s: Any, y: Any) -> tuple[Any, Any]:
                seen.append(y)  # E
                return s + y, s
            return vx.scan(body, 0.0, x)[0]
        def run() -> None:
            f(X)
    """,
    "checkpoint": """
        history: list[Any] = []
        @vx.checkpoint
        def f(x: Vec) -> Vec:
            history.append(x)  # E
            return x * 2.0
        def run() -> None:
            vx.grad(lambda x: vx.sum(f(x)))(X)
    """,
    "cond": """
        def run() -> None:
            seen: list[Any] = []
            vx.cond(True, lambda x: (seen.append(x), x * 2.0)[1], lambda x: x, X)  # E
    """,
    "lambda in a variable": """
        def run() -> None:
            seen: list[Any] = []
            f = lambda x: (seen.append(x), x * 2.0)[1]  # E
            vx.jit(f)(X)
    """,
    "in a loop": """
        history: list[Any] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            for i in range(3):
                x = x * 2.0
                history.append(x)  # E
            return x
        def run() -> None:
            f(X)
    """,
}

RIGHT: dict[str, str] = {
    "its own list": """
        @vx.jit
        def f(x: Vec) -> Any:
            out: list[Any] = []
            for i in range(3):
                out.append(x * i)
            return sum(out)
        def run() -> None:
            f(X)
    """,
    "its own dict": """
        @vx.jit
        def f(x: Vec) -> Any:
            table: dict[str, Any] = {}
            table["x"] = x * 2.0
            table.update(y=x)
            return table
        def run() -> None:
            f(X)
    """,
    "its own object": """
        class Box:
            value: Any = None
        @vx.jit
        def f(x: Vec) -> Any:
            box = Box()
            box.value = x * 2.0
            return box.value
        def run() -> None:
            f(X)
    """,
    "its own variable, from inside": """
        @vx.jit
        def f(x: Vec) -> Any:
            n = 0
            def bump() -> None:
                nonlocal n
                n += 1
            bump()
            return x * n
        def run() -> None:
            f(X)
    """,
    "an argument": """
        @vx.jit
        def f(p: dict[str, Any], x: Vec) -> Any:
            p["w"] = x * 2.0
            return p
        def run() -> None:
            f({"w": X}, X)
    """,
    "a table that is filled in": """
        memo: dict[int, float] = {}
        @vx.jit
        def f(x: Vec) -> Vec:
            memo[2] = 2.0
            return x * memo[2]
        def run() -> None:
            f(X)
    """,
    "a table that is filled in once": """
        memo: dict[int, float] = {}
        @vx.jit
        def f(x: Vec) -> Vec:
            if 2 not in memo:
                memo[2] = 2.0
            return x * memo.setdefault(2, 3.0)
        def run() -> None:
            f(X)
    """,
    "a set that is filled in": """
        seen: set[int] = set()
        @vx.jit
        def f(x: Vec) -> Vec:
            seen.add(3)
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a lazy global": """
        table: Optional[tuple[float, float]] = None
        @vx.jit
        def f(x: Vec) -> Vec:
            global table
            table = (1.0, 2.0)
            return x * table[1]
        def run() -> None:
            f(X)
    """,
    "a lazy attribute": """
        lazy = types.SimpleNamespace(table=None)
        @vx.jit
        def f(x: Vec) -> Vec:
            lazy.table = 3.0
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "a stack that is put back": """
        stack: list[str] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            stack.append("inside")
            try:
                return x * len(stack)
            finally:
                stack.pop()
        def run() -> None:
            f(X)
    """,
    "a default of pop": """
        table: dict[str, float] = {}
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * table.pop("scale", 2.0)
        def run() -> None:
            f(X)
    """,
    "a counter that starts": """
        counts: defaultdict[str, int] = defaultdict(int)
        @vx.jit
        def f(x: Vec) -> Vec:
            counts["f"] += 1
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "print": """
        @vx.jit
        def f(x: Vec) -> Vec:
            print("staging", x.shape)
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "under a condition": """
        @vx.jit
        def f(x: Vec) -> Vec:
            if os.environ.get("NOISY") == "very":
                x = x * random.random() + time.time()
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "after a condition": """
        history: list[Any] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            if x.ndim == 1:
                return x * 2.0
            history.append(x)
            return x
        def run() -> None:
            f(X)
    """,
    "a choice": """
        @vx.jit
        def f(x: Vec) -> Vec:
            scale = time.time() if x.ndim == 3 else 2.0
            return x * scale
        def run() -> None:
            f(X)
    """,
    "in a handler": """
        history: list[Any] = []
        @vx.jit
        def f(x: Vec) -> Vec:
            try:
                y = x * 2.0
            except ValueError:
                history.append(x)
                raise
            return y
        def run() -> None:
            f(X)
    """,
    "a seeded generator": """
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * np.random.default_rng(0).normal() * random.Random(0).random()
        def run() -> None:
            f(X)
    """,
    "not staged": """
        history: list[Any] = []
        def f(x: Vec) -> Vec:
            history.append(x)
            return x * time.time()
        def run() -> None:
            f(X)
    """,
    "staged from elsewhere only": """
        history: list[Any] = []
        @vx.jit
        def step(x: Vec) -> Vec:
            return x * 2.0
        def f(x: Vec) -> Vec:
            start = time.time()
            history.append(step(x))
            return x * (time.time() - start)
        def run() -> None:
            f(X)
    """,
    "a function that is not called": """
        history: list[Any] = []
        def layer(x: Vec) -> Vec:
            history.append(x)
            return x
        @vx.jit
        def f(x: Vec) -> Vec:
            callback = layer
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "sleeping": """
        @vx.jit
        def f(x: Vec) -> Vec:
            time.sleep(0.0)
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "an iterator that is not read": """
        numbers = iter([1.0])
        @vx.jit
        def f(x: Vec) -> Vec:
            return x if numbers is not None else x * 2.0
        def run() -> None:
            f(X)
    """,
    "its own iterator": """
        sizes = [1.0, 2.0]
        @vx.jit
        def f(x: Vec) -> Vec:
            numbers = iter(sizes)
            for n in zip(sizes, sizes):
                x = x * n[0]
            return x * next(numbers)
        def run() -> None:
            f(X)
    """,
    "a list that is read": """
        sizes = [1.0, 2.0]
        table = {"a": 1.0}
        @vx.jit
        def f(x: Vec) -> Vec:
            for n in sizes:
                x = x * n
            return x * table["a"] * table.get("b", 2.0) * len(sizes) * sizes.count(1.0)
        def run() -> None:
            f(X)
    """,
    "a method that only reads": """
        class Model:
            def __init__(self) -> None:
                self.scale = 2.0
            def apply(self, x: Vec) -> Vec:
                y = x * self.scale
                return y
        model = Model()
        @vx.jit
        def f(x: Vec) -> Vec:
            return model.apply(x)
        def run() -> None:
            f(X)
    """,
    "a captured array": """
        table: dict[str, Any] = {}
        W = vx.asarray(3.0)
        @vx.jit
        def f(x: Vec) -> Vec:
            table["w"] = W
            return x * 2.0
        def run() -> None:
            f(X)
    """,
    "nested functions": """
        @vx.jit
        def f(x: Vec) -> Any:
            out: list[Any] = []
            def add(y: Any) -> None:
                out.append(y)
            add(x)
            add(x * 2.0)
            return out[0] + out[1]
        def run() -> None:
            f(X)
    """,
    "a comprehension": """
        sizes = [1.0, 2.0]
        @vx.jit
        def f(x: Vec) -> Any:
            ys = [x * n for n in sizes]
            ys[0] = x
            ys.sort(key=lambda y: 0)
            return ys
        def run() -> None:
            f(X)
    """,
    "updates of arrays": """
        @vx.jit
        def f(x: Vec) -> Vec:
            y = x
            y += 1.0
            y *= 2.0
            return y
        def run() -> None:
            f(X)
    """,
    "caches of the library": """
        @functools.lru_cache(None)
        def power(n: int) -> float:
            return 2.0**n
        @vx.jit
        def f(x: Vec) -> Vec:
            return x * power(2)
        def run() -> None:
            f(X)
    """,
}
