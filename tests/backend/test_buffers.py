"""Transfers: what goes in comes out, for every dtype, on one device and on meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from verax.compiler.backend import backend
from verax.compiler.backend.pjrt import NUMPY, parts
from verax.compiler.ir import dtypes as vd
from verax.compiler.ir.dtypes import DType, float32, int32
from verax.compiler.ir.errors import BackendError, DonationError, DTypeError, ShapeError
from verax.compiler.ir.types import ArrayType, KeyType
from verax.sharding.cuts import Cuts
from verax.sharding.mesh import Mesh
from verax.sharding.spec import Spec

pytestmark = pytest.mark.optimized

MESH = Mesh(data=2, model=4)
CUTS: list[Cuts] = [
    ((), (), ()),
    (("data",), (), ()),
    ((), ("model",), ()),
    (("data",), ("model",), ()),
    (("model",), (), ("data",)),
    (("data", "model"), (), ()),
    ((), ("model", "data"), ()),
]


def values(dtype: DType, shape: tuple[int, ...]) -> NDArray[Any]:
    """Small numbers that every dtype holds, in some order."""
    n = int(np.prod(shape))
    x = np.arange(n).reshape(shape) % 7
    if dtype.is_complex:
        return (x + 1j * (x - 3)).astype(NUMPY[dtype])
    return x.astype(NUMPY[dtype])


@pytest.mark.parametrize("dtype", vd.ALL, ids=repr)
@pytest.mark.parametrize("shape", [(), (3, 4), (0, 3)], ids=str)
def test_round_trip(dtype: DType, shape: tuple[int, ...]) -> None:
    x = values(dtype, shape)
    y = backend().get(backend().put(x, ArrayType(shape, dtype)))
    assert y.dtype == x.dtype
    assert y.shape == x.shape
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("dtype", vd.ALL, ids=repr)
def test_sharded_round_trip(dtype: DType) -> None:
    x = values(dtype, (8, 8, 2))
    for cuts in CUTS:
        t = ArrayType(x.shape, dtype, Spec(MESH, cuts))
        np.testing.assert_array_equal(backend().get(backend().put(x, t)), x)


@given(
    cuts=st.sampled_from(CUTS),
    mesh=st.sampled_from([MESH, Mesh(model=2, data=2), Mesh(data=1, model=8)]),
    order=st.permutations(range(3)),
    move_to=st.sampled_from(CUTS),
)
def test_any_layout_of_any_strides(cuts: Cuts, mesh: Mesh, order: list[int], move_to: Cuts) -> None:
    x = np.arange(16 * 16 * 16, dtype=np.float32).reshape(16, 16, 16).transpose(order)[:, :, ::-1]
    t = ArrayType(x.shape, float32, Spec(mesh, cuts))
    buffer = backend().put(x, t)
    np.testing.assert_array_equal(backend().get(buffer), x)
    for target in (ArrayType(x.shape, float32), ArrayType(x.shape, float32, Spec(MESH, move_to))):
        moved = backend().move(buffer, t, target)
        np.testing.assert_array_equal(backend().get(moved), x)
    assert backend().move(buffer, t, t) is buffer


def test_parts_are_what_each_device_holds() -> None:
    spec = Spec(MESH, (("model",), ("data",)))
    assert parts(spec, (8, 6))[:3] == (
        (slice(0, 2), slice(0, 3)),
        (slice(2, 4), slice(0, 3)),
        (slice(4, 6), slice(0, 3)),
    )
    assert parts(Spec(MESH, ()), ()) == ((),) * 8


def test_the_special_values_survive() -> None:
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7e308])
    t = ArrayType((6,), vd.float64)
    assert backend().get(backend().put(x, t)).tobytes() == x.tobytes()


def test_keys_are_pairs_of_words() -> None:
    x = np.arange(10, dtype=np.uint32).reshape(5, 2)
    t = KeyType("threefry2x32", (5,))
    np.testing.assert_array_equal(backend().get(backend().put(x, t)), x)


def test_a_buffer_is_a_copy() -> None:
    for spec in (None, Spec(MESH, ((),)), Spec(MESH, (("data",),))):
        x = np.zeros(1 << 18, np.float32)
        buffer = backend().put(x, ArrayType(x.shape, float32, spec))
        x[:] = 1
        assert not backend().get(buffer).any()


def test_what_comes_out_is_read_only() -> None:
    for spec in (None, Spec(MESH, ((),)), Spec(MESH, (("data",),))):
        x = np.zeros(8, np.float32)
        y = backend().get(backend().put(x, ArrayType((8,), float32, spec)))
        with pytest.raises(ValueError, match="read-only"):
            y[0] = 1


def test_an_array_must_be_what_its_type_says() -> None:
    with pytest.raises(ShapeError) as shape:
        backend().put(np.zeros((3, 2), np.float32), ArrayType((2, 3), float32))
    assert shape.value.message == "an array of shape [3, 2] is no float32[2,3]"
    with pytest.raises(DTypeError) as dtype:
        backend().put(np.zeros((2,), np.float64), ArrayType((2,), int32))
    assert dtype.value.message == "a NumPy array of float64 is no int32[2]"


def test_a_pending_sum_is_no_value() -> None:
    t = ArrayType((2,), float32, Spec(MESH, ((),), frozenset({"data"})))
    with pytest.raises(BackendError) as error:
        backend().put(np.zeros(2, np.float32), t)
    assert error.value.message == "an array whose sum over ['data'] is pending is no value"


def test_a_deleted_buffer_says_so() -> None:
    buffer = backend().put(np.zeros(2, np.float32), ArrayType((2,), float32))
    buffer.delete()
    assert backend().is_deleted(buffer)
    for use in (backend().get, backend().block):
        with pytest.raises(DonationError) as error:
            use(buffer)
        assert error.value.message == "an array was used whose memory had been given away"
        assert error.value.fix == "use what the call returned, or do not donate this argument"
