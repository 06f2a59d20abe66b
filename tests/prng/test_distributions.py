"""Laws of the samplers: moments, ranges, invariance under vmap and meshes, and the errors."""

from __future__ import annotations

import numpy as np
import pytest

import verax as vx
from verax import P

r = vx.random
N = 200_000


def test_uniform_has_its_moments() -> None:
    x = r.uniform(r.key(1), (N,), minval=-1.0, maxval=3.0).numpy()
    assert x.min() >= -1
    assert x.max() < 3
    np.testing.assert_allclose([x.mean(), x.var()], [1.0, 16 / 12], atol=0.02)


def test_normal_has_its_moments() -> None:
    x = r.normal(r.key(2), (N,)).numpy()
    found = [x.mean(), x.var(), (x**3).mean(), (x**4).mean()]
    np.testing.assert_allclose(found, [0, 1, 0, 3], atol=0.06)


def test_truncated_normal_stays_inside() -> None:
    x = r.truncated_normal(r.key(3), -0.5, 2.0, (N,)).numpy()
    assert x.min() > -0.5
    assert x.max() < 2.0


def test_categorical_has_its_frequencies() -> None:
    p = np.array([0.1, 0.2, 0.7], np.float32)
    x = r.categorical(r.key(4), np.log(p), shape=(N,)).numpy()
    np.testing.assert_allclose(np.bincount(x) / N, p, atol=0.01)


@pytest.mark.parametrize("n", [1, 2, 17, 1000])
def test_permutation_is_one(n: int) -> None:
    assert sorted(r.permutation(r.key(5), n).tolist()) == list(range(n))


def test_vmap_over_keys_is_a_stack() -> None:
    stacked = vx.vmap(lambda k: r.normal(k, (3,)))(r.split(r.key(0), 4)).numpy()
    single = np.stack([r.normal(k, (3,)).numpy() for k in r.split(r.key(0), 4)])
    np.testing.assert_allclose(stacked, single, rtol=1e-6)


@pytest.mark.parametrize("mesh", [vx.Mesh(a=2), vx.Mesh(a=2, b=2)], ids=str)
def test_the_mesh_does_not_matter(mesh: vx.Mesh) -> None:
    def masked(x: vx.AnyArray, key: r.Key) -> vx.AnyArray:
        return vx.where(r.bernoulli(key, 0.5, x.shape), x, 0.0)

    x = vx.ones((8, 8))
    cut = vx.shard(x, mesh, P(*mesh.names))
    np.testing.assert_array_equal(
        vx.jit(masked)(cut, r.key(0)).numpy(), vx.jit(masked)(x, r.key(0)).numpy()
    )


def message(error: pytest.ExceptionInfo[vx.VeraxError]) -> str:
    """The message without the places."""
    return "\n".join(line for line in str(error.value).splitlines() if "  at " not in line)


def test_a_batch_of_keys_is_refused() -> None:
    with pytest.raises(vx.ShapeError) as error:
        r.normal(r.split(r.key(0), 3), (2,))
    assert message(error) == (
        "[verax-shape] normal takes one key, got an array of keys of shape [3]\n"
        "  fix: map over the keys: vx.vmap(lambda k: vx.random.normal(k))(keys)"
    )


def test_an_array_is_no_key() -> None:
    with pytest.raises(vx.DTypeError) as error:
        r.normal(vx.zeros((2,), dtype=vx.uint32))  # type: ignore[call-overload]
    assert message(error) == (
        "[verax-dtype] normal takes a key, got uint32[2]\n  fix: key = vx.random.key(0)"
    )


def test_choice_without_replacement_has_its_limit() -> None:
    with pytest.raises(vx.ShapeError) as error:
        r.choice(r.key(0), 3, (5,), replace=False)
    assert message(error) == (
        "[verax-shape] choice: cannot draw 5 of 3 without replacement\n  fix: replace=True"
    )


def test_folding_twice_with_one_number_is_refused() -> None:
    key = r.key(0)
    r.fold_in(key, 1)
    r.fold_in(key, 2)
    with pytest.raises(vx.KeyReuseError):
        r.fold_in(key, 1)
