"""Running programs: results, the cache, donation, analyses, failures, threads, meshes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from verax.compiler.backend import Buffer, backend
from verax.compiler.backend.compile import Executable, refused
from verax.compiler.backend.emit import module
from verax.compiler.ir.dtypes import float32, uint32
from verax.compiler.ir.errors import BackendError, DonationError, InternalError
from verax.compiler.ir.op import Emitter
from verax.compiler.ir.program import Builder, Program
from verax.compiler.ir.span import user_span
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.compiler.ops.contract import Contract, broadcast, total
from verax.compiler.ops.pointwise import ADD, MUL, NEG, Elementwise, splat
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.compiler.ops.shard import Shard
from verax.sharding.cuts import Cuts
from verax.sharding.errors import ShardingError
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

pytestmark = pytest.mark.optimized

MESH = Mesh(data=2, model=4)
T = ArrayType((8, 8), float32)
DOT = Contract(((0, 1), (1, 2)), (0, 2))
X = np.arange(64, dtype=np.float32).reshape(8, 8)


def doubled(t: ArrayType = T) -> Program:
    b = Builder()
    x = b.input(t)
    return b.finish([b.emit(ADD, x, x)])


def product() -> Program:
    """x, y -> x y and its sum."""
    b = Builder()
    x, y = b.input(T), b.input(T)
    z = b.emit(DOT, x, y)
    return b.finish([z, b.emit(total(2, [0, 1]), z)])


def on(mesh: Mesh, cuts: Cuts) -> ArrayType:
    return ArrayType(T.shape, float32, Spec(mesh, cuts))


def run(ex: Executable, types: Sequence[Type], *xs: NDArray[Any]) -> list[NDArray[Any]]:
    return [backend().get(y) for y in ex([backend().put(x, t) for x, t in zip(xs, types)])]


def pointers(buffer: Buffer) -> list[int]:
    """The addresses of the shards."""
    return [shard.unsafe_buffer_pointer() for shard in buffer._arrays]  # type: ignore[attr-defined]


# results and the cache ---------------------------------------------------------------------------


def test_results() -> None:
    p = product()
    z, s = run(backend().executable(p, p.in_types), p.in_types, X, X.T)
    np.testing.assert_array_equal(z, X @ X.T)
    np.testing.assert_allclose(s, (X @ X.T).sum())


def test_no_inputs_and_no_results() -> None:
    b = Builder()
    constant = b.finish([b.emit(splat(3.0, T))])
    np.testing.assert_array_equal(
        run(backend().executable(constant, ()), ())[0], np.full((8, 8), 3)
    )
    b = Builder()
    b.input(T)
    assert run(backend().executable(b.finish([]), (T,)), (T,), X) == []


def test_equal_content_is_one_executable() -> None:
    first = backend().executable(doubled(), (T,))
    assert backend().executable(doubled(), (T,)) is first
    assert backend().executable(doubled(), (T,), None, (0,)) is not first
    assert backend().executable(doubled(), (on(MESH, ((), ())),)) is not first


def test_inputs_of_other_types_are_refused() -> None:
    other = ArrayType((4,), float32)
    with pytest.raises(InternalError) as error:
        backend().executable(doubled(), (other,))
    assert error.value.message == "a program of (float32[8,8],) was given inputs of (float32[4],)"


# donation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [T, on(MESH, (("data",), ("model",)))], ids=str)
def test_a_donated_input_gives_its_memory(t: ArrayType) -> None:
    ex = backend().executable(doubled(), (t,), None, (0,))
    x = backend().put(X, t)
    before = pointers(x)
    (y,) = ex([x])
    assert backend().is_deleted(x)
    assert pointers(y) == before
    np.testing.assert_array_equal(backend().get(y), 2 * X)
    assert ex.memory().aliased > 0


def test_a_donated_input_is_taken_even_where_nothing_fits_it() -> None:
    b = Builder()
    p = b.finish([b.emit(total(2, [0]), b.input(T))])
    x = backend().put(X, T)
    (y,) = backend().executable(p, (T,), None, (0,))([x])
    assert backend().is_deleted(x)
    np.testing.assert_array_equal(backend().get(y), X.sum(0))


def test_a_host_view_survives_donation() -> None:
    x = backend().put(X, T)
    view = backend().get(x)
    backend().executable(doubled(), (T,), None, (0,))([x])
    np.testing.assert_array_equal(view, X)


def test_the_use_of_a_taken_input_is_an_error() -> None:
    x = backend().put(X, T)
    backend().executable(doubled(), (T,), None, (0,))([x])
    with pytest.raises(DonationError) as error:
        backend().executable(doubled(), (T,))([x])
    assert error.value.message == "input 0 was used after its memory had been given away"


def test_one_buffer_cannot_be_donated_and_used() -> None:
    b = Builder()
    p = b.finish([b.emit(ADD, b.input(T), b.input(T))])
    x = backend().put(X, T)
    with pytest.raises(DonationError) as error:
        backend().executable(p, (T, T), None, (0,))([x, x])
    assert error.value.message == "an array was used whose memory had been given away"


# analyses ----------------------------------------------------------------------------------------


def test_cost_and_memory() -> None:
    p = product()
    ex = backend().executable(p, p.in_types)
    assert ex.cost().flops >= 2 * 8**3
    assert ex.cost().bytes_accessed >= 3 * T.nbytes
    m = ex.memory()
    assert m.arguments == 2 * T.nbytes
    assert m.outputs >= T.nbytes + 4
    assert m.temporaries >= 0
    assert m.aliased == 0
    assert "HloModule" in ex.optimized()
    assert ex.text.startswith("module @verax")


# failures ----------------------------------------------------------------------------------------


class Wrong(Elementwise):
    """An op whose text XLA refuses; it has no name, so no table knows it."""

    text: str

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return [e.op(self.text.format(x=xs[0], t=xts[0].mlir))]


def refusal(text: str) -> BackendError:
    b = Builder()
    x = b.input(T)
    b.span = user_span(1)
    y = b.emit(Wrong(text), b.emit(NEG, x))
    b.span = None
    p = b.finish([b.emit(NEG, y)])
    for _ in range(2):  # a failure is not cached
        with pytest.raises(BackendError) as error:
            backend().executable(p, (T,))
    return error.value


BLAMED = refusal.__code__.co_firstlineno + 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "stablehlo.transpose {x}, dims = [0, 0] : ({t}) -> {t}",
            "attribute permutation must be a permutation of [0, 1] but got 0, 0",
        ),
        ("stablehlo.nonsense {x} : {t}", "custom op 'stablehlo.nonsense' is unknown"),
        ("stablehlo.add {x}, {x} : tensor<3xf32>", "expects different type than prior uses"),
    ],
)
def test_a_refused_program_names_the_line(text: str, message: str) -> None:
    error = refusal(text)
    assert error.message.startswith("XLA refused the program: ")
    assert message in error.message
    assert "Failed to parse" not in error.message
    (place,) = error.places
    assert place.endswith(f"test_executables.py:{BLAMED}: b.span = user_span(1)")


class Foreign(Wrong):
    """An op that calls an FFI target."""

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        e.custom_target(self.text)
        t = xts[0].mlir
        call = f"stablehlo.custom_call @{self.text}({xs[0]}) {{api_version = 4 : i32}}"
        return [e.op(f"{call} : ({t}) -> {t}")]


def test_an_unknown_target_is_refused() -> None:
    b = Builder()
    p = b.finish([b.emit(Foreign("nobody"), b.input(T))])
    with pytest.raises(BackendError) as error:
        backend().executable(p, (T,))
    assert error.value.message == "jaxlib brings no FFI target nobody"


def test_a_failure_without_a_place_is_told_by_its_target() -> None:
    b = Builder()
    x = b.input(T)
    b.span = user_span(1)
    line = f":{test_a_failure_without_a_place_is_told_by_its_target.__code__.co_firstlineno + 3}: "
    made = module(b.finish([b.emit(Foreign("nobody"), x)]))
    error = refused("NOT_FOUND: No FFI handler registered for nobody", made)
    assert error.message == (
        "XLA refused the program: NOT_FOUND: No FFI handler registered for nobody"
    )
    (place,) = error.places
    assert line in place
    assert refused("INTERNAL: something else", made).places == ()


def test_a_call_that_fails_when_it_runs() -> None:
    b = Builder()
    p = b.finish([b.emit(Foreign("lapack_spotrf_ffi"), b.input(T))])
    ex = backend().executable(p, (T,))  # the call lacks a result and an attribute
    with pytest.raises(BackendError) as error:
        backend().block(ex([backend().put(X, T)])[0])
    assert error.value.message.startswith("the computation failed: ")


def test_out_of_memory_says_what_the_run_needs() -> None:
    b = Builder()
    scalar = ArrayType((), float32)
    n = 10**7
    p = b.finish([b.emit(broadcast((n, n), []), b.input(scalar))])
    x = backend().put(np.zeros((), np.float32), scalar)
    with pytest.raises(BackendError) as error:
        backend().block(backend().executable(p, (scalar,))([x])[0])
    assert error.value.message == (
        f"Out of memory allocating {4 * n * n} bytes; a run needs 4 bytes of arguments, "
        f"{4 * n * n} of results and 0 of temporaries"
    )
    assert error.value.fix == "take smaller batches, or donate arguments that are not used again"


# time --------------------------------------------------------------------------------------------


def test_a_run_returns_before_it_is_done() -> None:
    t = ArrayType((1200, 1200), float32)
    b = Builder()
    x = y = b.input(t)
    for _ in range(8):
        y = b.emit(DOT, y, x)
    ex = backend().executable(b.finish([y]), (t,))
    x0 = backend().put(np.eye(1200, dtype=np.float32), t)
    assert not ex([x0])[0].is_ready()
    (z,) = ex([x0])
    backend().block(z)
    assert z.is_ready()
    np.testing.assert_array_equal(backend().get(z), np.eye(1200))


def test_two_threads_compile_and_run() -> None:
    p, q = product(), doubled(ArrayType((16, 8), float32))
    found: list[Executable] = []
    sums: list[object] = []

    def work() -> None:
        backend().executable(q, q.in_types)
        ex = backend().executable(p, p.in_types)
        found.append(ex)
        for _ in range(20):
            sums.append(run(ex, p.in_types, X, X)[1])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(ex) for ex in found}) == 1
    np.testing.assert_array_equal(sums, np.full(80, (X @ X).sum()))


# meshes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mesh", [MESH, Mesh(model=2, data=2)], ids=repr)
def test_a_program_on_a_mesh(mesh: Mesh) -> None:
    p = product()
    types = (on(mesh, (("data",), ("model",))), on(mesh, (("model",), ())))
    ex = backend().executable(p, types)
    assert ex.out_types[0] == on(mesh, (("data",), ()))
    assert ex.comm[0].kind == "all_reduce"
    assert ex.comm[0].axes == ("model",)
    z, s = run(ex, types, X, X.T)
    np.testing.assert_array_equal(z, X @ X.T)
    np.testing.assert_allclose(s, (X @ X.T).sum())


def test_wished_specs_are_met() -> None:
    p = doubled()
    wished = on(MESH, (("model",), ("data",)))
    ex = backend().executable(p, (T,), (wished.spec,))
    assert ex.out_types == (wished,)
    x = backend().put(X, T)
    (y,) = ex([x])  # x lies on one device and is moved
    np.testing.assert_array_equal(backend().get(y), 2 * X)


def test_a_shard_equation_brings_its_mesh() -> None:
    b = Builder()
    p = b.finish([b.emit(Shard(MESH, (("data",), ())), b.input(T))])
    ex = backend().executable(p, (T,))
    assert ex.out_types == (on(MESH, (("data",), ())),)
    np.testing.assert_array_equal(run(ex, (T,), X)[0], X)


def test_two_meshes_are_refused() -> None:
    b = Builder()
    p = b.finish([b.emit(ADD, b.input(T), b.input(T))])
    with pytest.raises(ShardingError) as error:
        backend().executable(p, (on(MESH, ((), ())), on(Mesh(data=2), ((), ()))))
    assert error.value.message == (
        "one program on two meshes: Mesh(data=2, model=4) and Mesh(data=2)"
    )
    assert error.value.fix == ("use one mesh with all axes, or move the arrays to one mesh first")


def test_a_mesh_larger_than_the_machine_is_refused() -> None:
    mesh = Mesh(data=64)
    with pytest.raises(BackendError) as error:
        backend().put(X, on(mesh, ((), ())))
    assert error.value.message == (
        "Mesh(data=64) needs 64 devices, and this process has 8; "
        "their number is fixed when the first array is made"
    )
    assert error.value.fix == ("start Python with the environment variable VERAX_CPU_DEVICES=64")


def test_many_runs_with_collectives_may_be_in_flight() -> None:
    """XLA would end the process where two of them hold each other's threads."""
    b = Builder()
    x = b.input(T)
    p = b.finish([b.emit(MUL, b.emit(DOT, x, x), b.emit(splat(0.5, T)))])
    q = doubled()
    t = on(MESH, (("data",), ("model",)))
    step = backend().executable(p, (t,), (t.spec,))
    double = backend().executable(q, (t,), (t.spec,))
    assert len(step.comm) > 0 == len(double.comm)
    eye = np.eye(8, dtype=np.float32)
    ends: list[Buffer] = []

    def work() -> None:
        y = backend().put(eye, t)
        for _ in range(60):
            (y,) = double(step([y]))
        ends.append(y)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    for y in ends:
        np.testing.assert_array_equal(backend().get(y), eye)


def test_keys_pass_through_a_mesh() -> None:
    """They lie on the first device outside, and whole on every device inside."""
    b = Builder()
    key, x = b.input(KeyType("threefry2x32", ())), b.input(T)
    words = b.emit(KeyData(), key)
    other = b.emit(KeyWrap("threefry2x32"), b.emit(MUL, words, words))
    p = b.finish([other, b.emit(NEG, x)])
    types = (KeyType("threefry2x32", ()), on(MESH, (("data",), ())))
    ex = backend().executable(p, types)
    k = backend().put(np.array([2, 3], np.uint32), types[0])
    for _ in range(2):
        k, y = ex([k, backend().put(X, types[1])])
    np.testing.assert_array_equal(backend().get(k), np.array([16, 81], np.uint32))
    np.testing.assert_array_equal(backend().get(y), -X)
    alone = b.finish([words])
    (z,) = backend().executable(alone, alone.in_types)([k, backend().put(X, T)])
    assert backend().get(z).dtype == np.dtype(uint32.name)
