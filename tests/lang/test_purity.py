"""Purity: what a staged function writes or asks outside is an error; what it reads never stale."""

from __future__ import annotations

import csv
import datetime
import functools
import io
import itertools
import logging
import os
import random
import sys
import time
import types
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from time import perf_counter as tick
from typing import Any

import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message
from verax.dsl.lang.cache import TOTAL
from verax.dsl.lang.identity import why_unkeyed

X = vx.asarray([1.0, 2.0])
ONE = vx.asarray(1.0)
COUNT = 0
TABLE: dict[str, Any] = {"k": 2.0}
NUMBERS = iter([1.0, 2.0, 3.0])
TRANSFORMATIONS: dict[str, Callable[[Any], Any]] = {
    "jit": lambda f: vx.jit(f)(X),
    "stage": lambda f: vx.jit(f).stage(X),
    "grad": lambda f: vx.grad(lambda x: vx.sum(f(x)))(X),
    "vmap": lambda f: vx.vmap(f)(X),
    "scan": lambda f: vx.scan(lambda c, x: (c, f(x)), 0.0, X),
    "cond": lambda f: vx.jit(lambda x: vx.cond(x[0] > 0, f, lambda x: x, x))(X),
}


# writes ------------------------------------------------------------------------------------------


def counts(x: Any) -> Any:
    global COUNT  # noqa: PLW0603
    COUNT += 1
    return x


def defines(x: Any) -> Any:
    global LATER  # noqa: PLW0603
    LATER = x  # type: ignore[name-defined]
    return x


def fills(x: Any) -> Any:
    TABLE["x"] = x
    return x


class Model:
    def __init__(self) -> None:
        self.calls = 0
        self.seen: list[Any] = []

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x * 2.0

    def remembers(self, x: Any) -> Any:
        self.seen.append(x)
        return x


class Slotted:
    __slots__ = ("__hidden", "w")

    def __init__(self) -> None:
        self.w = 1.0
        self.__hidden = 2.0

    def write(self, x: Any) -> Any:
        self.w, self.__hidden = x, self.w
        return x


FIX = "it is as it was before\n"


def test_an_appended_list_is_named_and_put_back() -> None:
    history: list[Any] = [1, 2]

    def f(x: Any) -> Any:
        history.append(x)
        return x

    name = "test_an_appended_list_is_named_and_put_back.f"
    assert message(vx.PurityError, lambda: vx.jit(f)(X)) == (
        f"[verax-purity] history[2] was appended while {name} (test_purity.py:L) was being staged"
        " (jit): that would happen once, and not in every call; it is as it was before\n"
        "  at test_purity.py:L: assert message(vx.PurityError, lambda: vx.jit(f)(X)) == (\n"
        "  at test_purity.py:L: history.append(x)\n"
        f"  fix: return what {name} writes, and write it to history outside"
    )
    assert history == [1, 2]


@pytest.mark.parametrize("how", TRANSFORMATIONS)
def test_every_transformation_refuses(how: str) -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x)
        return x

    text = message(vx.PurityError, lambda: TRANSFORMATIONS[how](f))
    assert "kept[0] was appended while " in text
    assert "\n  at test_purity.py:L: kept.append(x)\n" in text
    assert kept == []


def test_globals() -> None:
    text = message(vx.PurityError, lambda: vx.jit(counts)(X)).split("\n")
    assert text == [
        "[verax-purity] the global COUNT was bound anew while counts (test_purity.py:L) was being"
        " staged (jit): that would happen once, and not in every call; it is as it was before",
        "  at test_purity.py:L: text = message(vx.PurityError, lambda:"
        ' vx.jit(counts)(X)).split("\\n")',
        "  at test_purity.py:L: COUNT += 1",
        "  fix: return what counts writes, and write it to COUNT outside",
    ]
    assert COUNT == 0
    assert "the global LATER was bound anew" in message(vx.PurityError, lambda: vx.jit(defines)(X))
    assert "LATER" not in globals()
    assert "the global TABLE['x'] was added" in message(vx.PurityError, lambda: vx.jit(fills)(X))
    assert TABLE == {"k": 2.0}


def test_variables_of_functions_around() -> None:
    last = n = 0

    def keeps(x: Any) -> Any:
        nonlocal last
        last = x
        return x

    def counts_here(x: Any) -> Any:
        nonlocal n
        n += 1
        return x

    assert "] last was bound anew" in message(vx.PurityError, lambda: vx.jit(keeps)(X))
    text = message(vx.PurityError, lambda: vx.grad(counts_here)(ONE))
    assert "] n was bound anew" in text
    assert "\n  at test_purity.py:L: n += 1\n" in text
    assert (last, n) == (0, 0)


def test_objects() -> None:
    model, slotted = Model(), Slotted()
    text = message(vx.PurityError, lambda: vx.jit(model)(X))
    assert "] self.calls was changed while Model (test_purity.py:L) was" in text
    assert "\n  at test_purity.py:L: self.calls += 1\n" in text
    text = message(vx.PurityError, lambda: vx.jit(lambda x: model(x * 1.0))(X))
    assert "] model.calls was changed" in text
    assert "model.seen[0] was appended" in message(
        vx.PurityError, lambda: vx.jit(lambda x: model.remembers(x * 1.0))(X)
    )
    assert "slotted._Slotted__hidden was changed" in message(
        vx.PurityError, lambda: vx.jit(lambda x: slotted.write(x * 1.0))(X)
    )
    assert (model.calls, model.seen, slotted.w) == (0, [], 1.0)


def test_all_kinds_of_containers_are_watched_and_put_back() -> None:
    numbers = np.array([1.0, 2.0])
    world: dict[str, Any] = {
        "list": [3, 1, 2],
        "dict": {"a": 1},
        "default": defaultdict(list, a=[1]),
        "set": {1, 2},
        "deque": deque([1, 2], maxlen=4),
        "bytes": bytearray(b"abc"),
        "array": numbers,
        "space": types.SimpleNamespace(n=1),
        "nested": {"deep": [{"n": 1}]},
    }
    writes: dict[str, Callable[[Any], Any]] = {
        "world['list'][0] was changed": lambda x: world["list"].sort(),
        "world['list'][2] was removed": lambda x: world["list"].pop(),
        "world['dict']['a'] was removed": lambda x: world["dict"].clear(),
        "world['default']['b'] was added": lambda x: world["default"]["b"].append(x * 1.0),
        "world['set'] was removed": lambda x: world["set"].discard(2),
        "world['deque'][0] was changed": lambda x: world["deque"].rotate(),
        "world['bytes'] was changed": lambda x: world["bytes"].reverse(),
        "world['array'] was changed": lambda x: world["array"].fill(0.0),
        "world['space'].n was changed": lambda x: setattr(world["space"], "n", 2),
        "world['nested']['deep'][0]['n'] was changed": lambda x: world["nested"]["deep"][
            0
        ].__setitem__("n", x),
    }
    before = repr(world)
    for what, write in writes.items():

        def f(x: Any, write: Any = write) -> Any:
            write(x)
            return x

        assert f"] {what} while " in message(vx.PurityError, functools.partial(vx.jit(f), X))
        assert repr(world) == before


def test_a_bound_method_of_a_container_is_followed() -> None:
    kept: list[Any] = []
    push = kept.append
    assert "push[0] was appended" in message(
        vx.PurityError, lambda: vx.jit(lambda x: (push(x), x)[1])(X)
    )


def test_a_container_that_the_function_makes_itself_is_free() -> None:
    def f(x: Any) -> Any:
        out, table = [], {}
        for i in range(3):
            out.append(x * i)
            table[i] = out[-1]
        return sum(out) + table[2]

    assert vx.jit(f)(ONE).item() == 5.0


def test_inside_another_function_a_write_is_seen_at_once() -> None:
    def outer(x: Any) -> Any:
        kept: list[Any] = []

        def inner(z: Any) -> Any:
            kept.append(z)
            return z * z

        return vx.grad(inner)(x) + kept[0]

    text = message(vx.PurityError, lambda: vx.jit(outer)(ONE))
    assert "] kept[0] was appended while test_inside_another_function_a_write_is_seen" in text
    assert "was being staged (grad)" in text


def test_writing_the_same_again_is_no_write() -> None:
    stack: list[str] = []

    def f(x: Any) -> Any:
        stack.append("inside")
        try:
            return x * len(stack)
        finally:
            stack.pop()

    assert vx.jit(f)(ONE).item() == 1.0


# tables that a function keeps for itself ----------------------------------------------------------


def test_filling_in_what_is_static_is_allowed() -> None:
    memo: dict[int, float] = {}
    known: set[int] = set()
    lazy = types.SimpleNamespace(table=None)

    def f(x: Any) -> Any:
        for n in (1, 2):
            if n not in memo:
                memo[n] = float(n)
        known.add(3)
        if lazy.table is None:
            lazy.table = (1.0, 2.0)
        return x * memo[2] * lazy.table[1]

    g = vx.jit(f)
    assert [g(ONE).item() for _ in range(3)] == [4.0] * 3
    assert (memo, known) == ({1: 1.0, 2: 2.0}, {3})
    assert g.cache_info().staged == 2  # the table was filled in, and then it stayed


def test_filling_in_what_is_staged_is_not() -> None:
    memo: dict[str, Any] = {}
    lazy = types.SimpleNamespace(table=None)

    def stores(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            memo["x"] = make(x)
            return x

        return f

    def fills_lazily(x: Any) -> Any:
        lazy.table = x * 2.0
        return x

    makes: list[Callable[[Any], Any]] = [
        lambda x: x,
        lambda x: [{"deep": (x,)}],
        lambda x: lambda: x,
        lambda x: functools.partial(max, x),
        lambda x: types.SimpleNamespace(x=x),
    ]
    for make in makes:
        text = message(vx.PurityError, functools.partial(vx.jit(stores(make)), X))
        assert "memo['x'] was added" in text
        assert memo == {}
    assert "lazy.table was changed" in message(vx.PurityError, lambda: vx.jit(fills_lazily)(X))


def test_caches_of_the_standard_library_are_free() -> None:
    @functools.lru_cache(None)
    def power(n: int) -> float:
        return 2.0**n

    class Lazy:
        @functools.cached_property
        def scale(self) -> float:
            return 3.0

    lazy = Lazy()
    assert vx.jit(lambda x: x * power(2) * lazy.scale)(ONE).item() == 12.0


# what gives another value each time ---------------------------------------------------------------


def test_iterators_that_are_read() -> None:
    text = message(vx.PurityError, lambda: vx.jit(lambda x: x * next(NUMBERS))(X)).split("\n")
    assert text == [
        "[verax-purity] the global NUMBERS was read while test_iterators_that_are_read.<lambda>"
        ".<lambda>"
        " (test_purity.py:L) was being staged: what it gave then would be used in every call",
        "  at test_purity.py:L: text = message(vx.PurityError, lambda: vx.jit(lambda x: x *"
        ' next(NUMBERS))(X)).split("\\n")',
        "  fix: take the item outside and pass it as an argument; vx.scan goes through the rows of"
        " arrays",
    ]
    sources: list[Any] = [
        iter([1.0, 2.0]), iter((1.0, 2.0)), iter({1: 2}), iter({1, 2}), iter(range(3)),
        zip([1, 2], [3, 4]), map(abs, [1, 2]), enumerate([1, 2]), reversed([1, 2]),
        (k for k in range(3)), csv.reader(["a,b", "c,d"]), io.StringIO("a\nb\n"),
        io.BytesIO(b"a\nb\n"),
    ]  # fmt: skip
    if sys.version_info < (3, 12):
        sources += [itertools.count(), itertools.chain([1], [2]), itertools.cycle([1, 2])]
    for source in sources:

        def f(x: Any, source: Any = source) -> Any:
            next(source)
            return x

        got = message(vx.PurityError, functools.partial(vx.jit(f), X))
        assert "source was read while test_iterators_that_are_read.f" in got, source


def test_an_iterator_that_is_not_read_is_free() -> None:
    source: Any = iter([1.0])
    made: Any = (k for k in range(3))

    def f(x: Any) -> Any:
        return x if source is not None and made is not None else -x

    assert vx.jit(f)(ONE).item() == 1.0
    assert (next(source), next(made)) == (1.0, 0)


DRAW = "fix: draw with a key, vx.random.normal(key, shape), or pass the numbers as an argument"
ASK = "fix: call it outside and pass what it gives as an argument"
CALLS: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("random.random()", DRAW, lambda x: x * random.random()),
    ("random.getrandbits()", DRAW, lambda x: x * random.randint(0, 9)),
    ("random.random()", DRAW, lambda x: x * random.gauss(0.0, 1.0)),
    ("random.seed()", DRAW, lambda x: (random.seed(0), x)[1]),
    ("time.time()", ASK, lambda x: x + time.time()),
    ("time.perf_counter()", ASK, lambda x: x + tick()),
    ("datetime.now()", ASK, lambda x: x + datetime.datetime.now().second),
    ("os.urandom()", DRAW, lambda x: x + len(os.urandom(4))),
    ("os.urandom()", DRAW, lambda x: x + uuid.uuid4().int % 2),
    ("open()", "fix: read outside", lambda x: x + len(open(os.devnull).read())),  # noqa: SIM115
    ("os.urandom()", DRAW, lambda x: x * np.random.default_rng().normal()),
]


@pytest.mark.parametrize(
    ("call", "fix", "f"), CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)]
)
def test_clocks_and_random_numbers(call: str, fix: str, f: Callable[[Any], Any]) -> None:
    for how in ("jit", "grad", "scan"):
        text = message(vx.PurityError, functools.partial(TRANSFORMATIONS[how], f)).split("\n")
        assert text[0].startswith(f"[verax-purity] {call} was called while ")
        assert text[0].endswith(" was being staged: what it gave then would be used in every call")
        assert "test_purity.py:L: (" in text[1]
        assert text[-1].strip().startswith(fix)
    assert sys.getprofile() is None


def test_random_generators_are_put_back() -> None:
    rng, old, plain = np.random.default_rng(0), np.random.RandomState(0), random.Random(0)
    cases: list[tuple[str, Callable[[Any], Any]]] = [
        ("rng was drawn from", lambda x: x * rng.normal()),
        ("old was drawn from", lambda x: x * old.normal()),
        ("plain was drawn from", lambda x: x * plain.random()),
        ("the random state of NumPy was drawn from", lambda x: x * np.random.normal()),
    ]
    state = np.random.get_state(legacy=False)
    for what, f in cases:
        for how in ("jit", "grad"):
            assert f"] {what} while" in message(
                vx.PurityError, functools.partial(TRANSFORMATIONS[how], f)
            )
    assert rng.normal() == np.random.default_rng(0).normal()
    assert old.normal() == np.random.RandomState(0).normal()
    assert plain.random() == random.Random(0).random()
    np.testing.assert_equal(np.random.get_state(legacy=False), state)


def test_what_is_seeded_or_not_called_is_free() -> None:
    log = logging.getLogger("tests.purity")

    def f(x: Any, noisy: bool = False) -> Any:
        if noisy:
            x = x * random.random() + time.time()
        log.error("staged at %s", x)
        weights = np.random.default_rng(0).normal(size=2).astype(np.float32)
        return x * weights[0] * random.Random(0).random()

    log.addHandler(logging.NullHandler())
    log.propagate = False
    assert np.isfinite(vx.jit(f)(ONE).item())
    assert (
        why_unkeyed(f) == "log, which f reads, is an object of class Logger, which can change"
        " unseen: make the class a vx.struct, or pass what the function needs as arguments"
    )


def test_printing_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("staging", x.shape)
        return x

    g = vx.jit(f)
    g(X), g(X)
    assert capsys.readouterr().out == "staging (2,)\n"


def test_a_profiler_of_the_user_keeps_its_place() -> None:
    events: list[str] = []

    def profiler(frame: Any, event: str, arg: Any) -> None:
        events.append(event)

    sys.setprofile(profiler)
    try:
        vx.jit(lambda x: x * (0.0 if time.time() else 1.0))(ONE)
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert events


# never stale -------------------------------------------------------------------------------------


SIZES = [2, 3]


def test_a_global_list_of_sizes_may_be_read() -> None:
    f = vx.jit(lambda x: sum((x * n for n in SIZES), start=x))
    got = [f(ONE).item(), f(ONE).item()]
    SIZES.append(4)
    got.append(f(ONE).item())
    SIZES.pop()
    assert (got, f.cache_info().staged) == ([6.0, 6.0, 10.0], 2)


class Config:
    scale = 1.0

    def __init__(self) -> None:
        self.k, self.inner, self.w = 2, types.SimpleNamespace(b=3.0), vx.asarray(1.0)


def test_what_a_function_reads_is_never_stale() -> None:
    """Random changes of all that a function may read; and no change stages nothing."""
    rng = random.Random(0)
    items: list[Any] = [1, vx.asarray(2.0)]
    table: dict[str, Any] = {"a": 1, "b": [2.0]}
    config, numbers, shift, names = Config(), np.array([1.0, 2.0], np.float32), 1.0, {1, 2}

    def helper(x: Any, by: float = 1.5) -> Any:
        return x * by + config.inner.b

    def f(x: Any) -> Any:
        y = sum((x * k for k in items), start=x) + config.k * config.scale + config.w
        y = y * table["a"] + sum(table["b"]) + len(table) + helper(x) * shift
        return y + numbers[0] + len(names) + TABLE["k"]

    def change_shift() -> None:
        nonlocal shift
        shift = float(rng.randrange(4))

    changes: list[Callable[[], object]] = [
        lambda: items.append(rng.randrange(3)),
        items.pop,
        lambda: items.__setitem__(0, rng.choice([1, 1.0, True, vx.asarray(2.0)])),
        lambda: table.update(a=rng.randrange(3)),
        lambda: table["b"].append(1.0),
        lambda: table.__setitem__(f"k{rng.randrange(3)}", 0),
        lambda: setattr(config, "k", rng.randrange(3)),
        lambda: setattr(config, "w", vx.asarray(float(rng.randrange(3)))),
        lambda: setattr(config.inner, "b", float(rng.randrange(3))),
        lambda: setattr(config, "inner", types.SimpleNamespace(b=float(rng.randrange(3)))),
        lambda: setattr(Config, "scale", float(rng.randrange(3))),
        lambda: numbers.__setitem__(0, rng.randrange(3)),
        lambda: names.symmetric_difference_update({rng.randrange(4)}),
        lambda: TABLE.update(k=float(rng.randrange(3))),
        lambda: setattr(helper, "__defaults__", (float(rng.randrange(3)),)),
        change_shift,
    ]
    g = vx.jit(f)
    for _ in range(3):
        rng.shuffle(changes)
        for change in changes:
            if len(items) == 1:
                items.append(3)
            change()
            assert g(ONE).item() == pytest.approx(f(ONE).item())
            before = TOTAL.staged
            assert g(ONE).item() == pytest.approx(f(ONE).item())
            assert TOTAL.staged == before
    TABLE["k"] = 2.0


def test_arrays_in_objects_are_inputs() -> None:
    config = Config()
    f = vx.jit(lambda x: x * config.w)
    got = [f(ONE).item()]
    config.w = vx.asarray(5.0)
    assert ([*got, f(ONE).item()], f.cache_info().staged) == ([1.0, 5.0], 1)


def test_what_is_too_much_to_look_at_is_staged_each_time() -> None:
    many = [[0] * 5_000 for _ in range(3)]
    assert why_unkeyed(lambda x: x + many[0][0]) == (
        "many[1], which <lambda> reads, is one of so many that they are too much to look at in"
        " each call: pass what the function needs as arguments"
    )


# tracebacks --------------------------------------------------------------------------------------


def files(error: BaseException) -> list[str]:
    out, tb = [], error.__traceback__
    while tb is not None:
        out.append(os.path.basename(tb.tb_frame.f_code.co_filename))
        tb = tb.tb_next
    return out


def test_tracebacks_show_the_frames_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return vx.sum(vx.vmap(lambda r: r @ vx.ones((5,)))(x))

    calls: list[Callable[[], Any]] = [
        lambda: vx.jit(vx.grad(f))(vx.ones((2, 3))),
        lambda: vx.grad(f)(vx.ones((2, 3))),
    ]
    for call in calls:
        with pytest.raises(vx.ShapeError) as error:
            call()
        assert files(error.value) == ["test_purity.py"] * 4
    monkeypatch.setenv("VERAX_TRACEBACK", "full")
    with pytest.raises(vx.ShapeError) as error:
        calls[0]()
    assert "stage.py" in files(error.value)
