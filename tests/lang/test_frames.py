"""Tracebacks show the user's frames only, through every door of the library."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import product
from types import ModuleType
from typing import Any

import pytest

import verax as vx
from verax.sharding.errors import is_library

A, B, V = vx.ones((2, 3)), vx.ones((4, 5)), vx.ones((5,))


class Odd:
    """What no function takes."""


def wrong_twice(x: vx.AnyArray) -> vx.AnyArray:
    f: Callable[[vx.AnyArray], vx.AnyArray] = vx.jit(lambda y: y + B)
    return f(x)


class Model:
    @vx.jit
    def jitted(self, x: vx.AnyArray) -> vx.AnyArray:
        return x + B


def frames(error: BaseException) -> list[str]:
    """The files of the frames of an error and of what was raised before it, where that is shown."""
    files = [f.f_code.co_filename for f, _ in traceback.walk_tb(error.__traceback__)]
    shown = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return files + (frames(shown) if shown is not None else [])


def libraries(error: BaseException) -> list[str]:
    return [name for name in frames(error) if is_library(name) or name.startswith("<")]


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    spaces = [vx, *[m for n in vx.__all__ if isinstance(m := getattr(vx, n), ModuleType)]]
    for space in spaces:
        for name in space.__all__:
            f = getattr(space, name)
            if inspect.isfunction(f):
                yield f"{space.__name__.rpartition('.')[2]}.{name}", f


FUNCTIONS = dict(public())
HARMLESS = {  # take anything, or nothing
    "verax.clear_caches",
    "verax.save_anything_except_these_names",
    "verax.save_only_these_names",
    "optim.chain",
    "optim.constant",
    "optim.scale_by_adam",
}


def test_the_surface_is_found() -> None:
    assert len(FUNCTIONS) > 430


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function(name: str) -> None:
    """Whatever is wrong with a call, of no, one, two or three arguments, it is the user's line."""
    errors = []
    for args in [a for k in (0, 1, 2, 3) for a in product((Odd(), A, B), repeat=k)]:
        try:
            FUNCTIONS[name](*args)
        except Exception as error:
            errors.append(error)
    assert not [(e, libraries(e)) for e in errors if libraries(e)]
    assert errors or name in HARMLESS


CALLS: dict[str, Callable[[], Any]] = {
    "operator": lambda: A + B,
    "operator, reflected": lambda: [1, 2] - A,  # type: ignore[operator]
    "operator with a scalar": lambda: vx.asarray([1], dtype=vx.int8) + 300,
    "unary operator": lambda: -(A > 0),
    "matmul": lambda: A @ B,
    "power": lambda: vx.asarray([1]) ** -1,
    "round": lambda: round(A > 0, Odd()),  # type: ignore[call-overload]
    "index": lambda: A[7],
    "assignment": lambda: A.__setitem__(0, 1.0),
    "update": lambda: A.at[0].set(V),
    "method": lambda: A.reshape(7),
    "method by keyword": lambda: A.sum(axis=7),
    "method with a wrong argument": lambda: A.sum(axes=7),  # type: ignore[call-overload]
    "property": lambda: V.mT,  # type: ignore[misc]
    "bool": lambda: bool(A),
    "int": lambda: int(A),
    "float": lambda: float(A),
    "len": lambda: len(vx.ones(())),
    "iteration": lambda: list(vx.ones(())),
    "contains": lambda: V in A,
    "format": lambda: f"{A:.2f}",
    "item": A.item,
    "numpy of a staged value": lambda: vx.jit(lambda x: x.numpy())(A),
    "dtype": lambda: A.astype("float31"),
    "jit": lambda: wrong_twice(A),
    "jit of a jitted function": lambda: vx.jit(wrong_twice)(A),
    "jit options": lambda: vx.jit(wrong_twice, max_variants=0),
    "jit as a decorator": lambda: vx.jit(max_variants=0)(wrong_twice),
    "jit of no function": lambda: vx.jit(Odd()),  # type: ignore[call-overload]
    "jit argument": lambda: vx.jit(wrong_twice)(Odd()),  # type: ignore[arg-type]
    "jit.lower": lambda: vx.jit(wrong_twice).lower(A),
    "jitted method": lambda: Model().jitted(A),
    "grad": lambda: vx.grad(wrong_twice)(A),
    "grad of a scalar argument": lambda: vx.grad(lambda x: [][x] * x)(1),
    "vmap": lambda: vx.vmap(wrong_twice)(A),
    "vmap sizes": lambda: vx.vmap(vx.add)(A, B),
    "jvp": lambda: vx.jvp(wrong_twice, (A,), (A,)),
    "vjp": lambda: vx.vjp(wrong_twice, A),
    "pullback": lambda: vx.vjp(vx.sin, A)[1](B),
    "linearize": lambda: vx.linearize(vx.sin, A)[1](B),
    "hessian": lambda: vx.hessian(wrong_twice)(A),
    "checkpoint": lambda: vx.checkpoint(wrong_twice)(A),
    "custom_vjp": lambda: vx.custom_vjp(wrong_twice)(A),
    "custom_vjp without a rule": lambda: vx.grad(vx.custom_vjp(vx.sum))(A),
    "scan": lambda: vx.scan(lambda c, x: (c + B, x), A, A),
    "cond": lambda: vx.cond(True, lambda x: x + B, lambda x: x, A),
    "while_loop": lambda: vx.while_loop(lambda x: x, lambda x: x, A),
    "associative_scan": lambda: vx.associative_scan(lambda a, b: a + B, A),
    "tree.map": lambda: vx.tree.map(lambda a, b: a, (A,), {}),
    "tree.map of a wrong function": lambda: vx.tree.map(wrong_twice, (A,)),
    "linalg": lambda: vx.linalg.inv(A),
    "fft": lambda: vx.fft.fft(A, axis=7),
    "key": lambda: vx.random.normal(vx.random.key(0), (-1,)),
    "key data": lambda: vx.random.wrap_key_data(A),  # type: ignore[arg-type]
    "layer": lambda: vx.nn.Linear.init(3, 4, key=vx.random.key(0))(B),
    "layer made wrongly": lambda: vx.nn.Linear(weight=A),  # type: ignore[call-arg]
    "optimiser": lambda: vx.optim.adam(0.1).update({"w": A}, vx.optim.adam(0.1).init(A), A),
    "mesh": lambda: vx.Mesh(data=0),
    "spec": lambda: vx.P(1.5),  # type: ignore[arg-type]
    "shard": lambda: vx.shard(A, vx.Mesh(data=2), vx.P("model")),
}


@pytest.mark.parametrize("name", CALLS)
def test_frames(name: str) -> None:
    with pytest.raises(Exception) as found:  # noqa: PT011
        CALLS[name]()
    assert not libraries(found.value)
    assert frames(found.value)[0] == __file__


def users_error(x: vx.AnyArray) -> vx.AnyArray:
    raise LookupError("mine")


def test_an_error_of_the_users_passes() -> None:
    with pytest.raises(LookupError) as found:
        vx.jit(vx.grad(users_error))(V)
    assert not libraries(found.value)
    assert frames(found.value)[-1] == __file__
    assert not hasattr(found.value, "__notes__")


def test_an_error_of_pythons_says_that_frames_are_out() -> None:
    with pytest.raises(TypeError) as found:
        vx.sum(A, axis=Odd())  # type: ignore[call-overload]
    assert found.value.__notes__ == [
        "the frames of verax are left out: VERAX_TRACEBACK=full shows them"
    ]
    with pytest.raises(TypeError, match=r"^add\(\) takes 2 positional arguments") as refused:
        vx.add(A, A, A)  # type: ignore[call-arg]
    assert not hasattr(refused.value, "__notes__")


def test_an_error_of_the_library_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, Any] = {}
    source = "def broken(*args): raise AssertionError"
    exec(compile(source, str(vx.linalg.__file__), "exec"), space)
    monkeypatch.setattr("verax.dsl.lang.reductions.axes_of", space["broken"])
    with pytest.raises(AssertionError) as found:
        vx.sum(A, axis=0)
    assert libraries(found.value)


def test_a_context_of_the_users_stays() -> None:
    def fails_again() -> vx.AnyArray:
        try:
            return users_error(A)
        except LookupError:
            return A + B

    with pytest.raises(vx.ShapeError) as found:
        fails_again()
    assert isinstance(found.value.__context__, LookupError)


def test_the_whole_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERAX_TRACEBACK", "full")
    for name in ("operator", "method", "jit", "linalg"):
        with pytest.raises(vx.VeraxError) as found:
            CALLS[name]()
        assert libraries(found.value)


def test_what_python_prints() -> None:
    """Python's own traceback of an uncaught error is five lines: no frame, but the user's."""
    program = "import verax as vx\nvx.linalg.inv(vx.ones((2, 3)))\n"
    env = {k: v for k, v in os.environ.items() if k != "VERAX_TRACEBACK"}
    out = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=False, timeout=60, env=env,
    )  # fmt: skip
    lines = out.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "<string>", line 2, in <module>'
    assert lines[2].startswith("verax.ShapeError: [verax-shape] inv takes square matrices")


def test_a_door_looks_like_its_function() -> None:
    assert vx.add.__name__ == "add"
    assert vx.add.__doc__ == "x1 + x2."
    assert list(inspect.signature(vx.add).parameters) == ["x1", "x2"]
    assert vx.matmul is vx.linalg.matmul
    assert vx.Mesh(data=2) == vx.Mesh(data=2)
    assert pickle.loads(pickle.dumps([vx.sin, vx.linalg.inv])) == [vx.sin, vx.linalg.inv]
