"""Reading and writing at indices: index expressions of every kind against NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from tests.functions.oracle import agree, check_gradient, close, ops, told
from verax.dsl.lang import coordinates, fused, segments

Shape = tuple[int, ...]
HERE = "tests/functions/test_indexing.py"


# index expressions --------------------------------------------------------------------------------


class Computed(NamedTuple):
    """A part of an index that only the program knows: an argument of the staged function."""

    value: npt.NDArray[Any]


def ints(n: int) -> st.SearchStrategy[int]:
    return st.integers(-n, n - 1)


@st.composite
def slices(draw: st.DrawFn, n: int) -> slice:
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = draw(st.none() | st.sampled_from([1, 2, 3, -1, -2, -3]))
    return slice(draw(bound), draw(bound), step)


@st.composite
def integer_arrays(draw: st.DrawFn, n: int, shape: Shape) -> Any:
    dtype = draw(st.sampled_from(["int32", "int64", "int8"]))
    size = int(np.prod(shape))
    flat = draw(st.lists(ints(n), min_size=size, max_size=size))
    array = np.array(flat, dtype).reshape(shape)
    kind = draw(st.sampled_from(["constant", "list", "computed"]))
    if kind == "list" and size and shape:
        return array.tolist()
    return Computed(array) if kind == "computed" else array


@st.composite
def masks(draw: st.DrawFn, shape: Shape) -> Any:
    size = int(np.prod(shape))
    flat = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(flat, bool).reshape(shape)


@st.composite
def index_expressions(draw: st.DrawFn, shape: Shape, *, advanced: bool = True) -> tuple[Any, ...]:
    """An index for arrays of this shape, with None and ... somewhere between."""
    items: list[Any] = []
    common = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 3), (2, 1)]))
    dims = list(shape)
    rest = False  # whether ... has stood: then every dimension after it is indexed
    while dims and (rest or draw(st.integers(0, 4))):
        if not rest and draw(st.integers(0, 5)) == 0:
            rest = True
            items.append(...)
            dims = dims[draw(st.integers(0, len(dims))) :]
            continue
        n = dims[0]
        kinds = ["slice", "slice"]
        kinds += ["int", "int", "scalar"] if n else []
        kinds += ["array", "array"] if advanced and n else []
        if advanced and not any(isinstance(i, (np.ndarray, list, Computed)) for i in items):
            kinds += ["mask"]  # it would not broadcast with other index arrays
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            items.append(draw(slices(n)))
        elif kind == "int":
            items.append(draw(ints(n)))
        elif kind == "scalar":
            items.append(Computed(np.array(draw(ints(n)), "int32")))
        elif kind == "array":
            drop = draw(st.integers(0, len(common)))
            items.append(draw(integer_arrays(n, common[drop:] if draw(st.booleans()) else common)))
        else:
            k = draw(st.integers(1, min(2, len(dims))))
            items.append(draw(masks(tuple(dims[:k]))))
            dims = dims[k - 1 :]
            advanced = False
        dims = dims[1:]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if not rest and (draw(st.booleans()) or not items):
        used = sum(_dims(i) for i in items)
        at = draw(st.integers(0, len(items)))
        if used == len(shape) or at == len(items):
            items.insert(at, ...)
    return tuple(items)


def _dims(item: Any) -> int:
    if item is None or item is ...:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1


def plain(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index as NumPy reads it."""
    return tuple(i.value if isinstance(i, Computed) else i for i in index)


def computed(index: tuple[Any, ...]) -> list[npt.NDArray[Any]]:
    return [i.value for i in index if isinstance(i, Computed)]


def restored(index: tuple[Any, ...], arrays: Any) -> tuple[Any, ...]:
    """The index with arrays in the place of what is computed."""
    rest = iter(arrays)
    return tuple(next(rest) if isinstance(i, Computed) else i for i in index)


class Case(NamedTuple):
    x: npt.NDArray[Any]
    indices: list[tuple[Any, ...]]


@st.composite
def cases(draw: st.DrawFn, *, advanced: bool = True) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    if draw(st.integers(0, 7)) == 0:
        shape = (*shape[:-1], 0)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    expressions = index_expressions(shape, advanced=advanced)
    return Case(x, draw(st.lists(expressions, min_size=4, max_size=5)))


@given(cases())
def test_reading_is_numpys(case: Case) -> None:
    x, indices = case

    def read(x: Any, arrays: Any) -> Any:
        return [x[restored(i, a)] for i, a in zip(indices, arrays)]

    arrays = [[vx.asarray(a) for a in computed(i)] for i in indices]
    for index, got in zip(indices, vx.jit(read)(vx.asarray(x), arrays)):
        want = x[plain(index)]
        assert got.shape == want.shape, index
        np.testing.assert_array_equal(got, want, err_msg=repr(index))


@given(cases())
def test_concrete_arrays_are_read_as_staged_ones(case: Case) -> None:
    x, index = case.x, case.indices[0]
    got = vx.asarray(x)[restored(index, [vx.asarray(a) for a in computed(index)])]
    close(got, x[plain(index)])


KINDS = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}


@given(cases(), st.sampled_from(list(KINDS)), st.randoms(use_true_random=False))
def test_writing_is_numpys(case: Case, kind: str, random: Any) -> None:
    x, indices = case
    values = []
    for index in indices:
        shape = x[plain(index)].shape
        shape = shape[random.randint(0, len(shape)) :]  # values are broadcast
        size = int(np.prod(shape))
        values.append(np.array([random.randint(-3, 9) for _ in range(size)], "f4").reshape(shape))

    def write(x: Any, values: Any, arrays: Any) -> Any:
        out = []
        for index, v, a in zip(indices, values, arrays):
            at = x.at[restored(index, a)]
            out.append((at.set(v), getattr(at, kind)(v)))
        return out

    arrays = [[vx.asarray(a) for a in computed(i)] for i in indices]
    found = vx.jit(write)(vx.asarray(x), list(map(vx.asarray, values)), arrays)
    for index, v, (was_set, combined) in zip(indices, values, found):
        where = plain(index)
        often = np.zeros(x.shape, int)
        np.add.at(often, where, 1)
        if often.max(initial=0) <= 1:
            want = x.copy()
            want[where] = v
            np.testing.assert_array_equal(was_set, want, err_msg=repr(index))
        want = x.copy()
        KINDS[kind].at(want, where, v)
        np.testing.assert_allclose(combined, want, rtol=1e-6, err_msg=repr(index))


@given(cases())
def test_gradients_of_reading_and_writing(case: Case) -> None:
    x, index = case.x.astype(np.float64), case.indices[0]
    arrays = [vx.asarray(a) for a in computed(index)]
    shape = x[plain(index)].shape
    v = np.linspace(-0.7, 8.3, int(np.prod(shape))).reshape(shape)

    def changed(x: Any, v: Any) -> list[Any]:
        at = x.at[restored(index, arrays)]
        return [x[restored(index, arrays)], at.add(v), at.multiply(v)]

    check_gradient(changed, x + 0.3, v)
    often = np.zeros(x.shape, int)
    np.add.at(often, plain(index), 1)
    if often.max(initial=0) <= 1:
        check_gradient(lambda x, v: x.at[restored(index, arrays)].set(v), x, v)


# what is computed may be out of range -------------------------------------------------------------


def test_a_computed_position_out_of_range() -> None:
    x, i = vx.asarray(np.array([10.0, 20.0, 30.0])), vx.asarray(np.array([-4, -3, -1, 0, 2, 3, 9]))
    at = x.at[i]
    assert x[i].tolist() == [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 30.0]
    assert at.get(mode="fill", fill_value=0).tolist() == [0, 10.0, 30.0, 10.0, 30.0, 0, 0]
    assert np.isnan(np.asarray(at.get(mode="fill"))).tolist() == [1, 0, 0, 0, 0, 1, 1]
    assert at.get(mode="wrap").tolist() == [30.0, 10.0, 30.0, 10.0, 30.0, 10.0, 10.0]
    assert at.add(1).tolist() == [12.0, 20.0, 32.0]
    assert at.add(1, mode="clip").tolist() == [13.0, 20.0, 34.0]
    assert at.add(1, mode="wrap").tolist() == [14.0, 20.0, 33.0]


def test_modes_and_promises_by_their_other_names() -> None:
    x, i = vx.asarray(np.array([10.0, 20.0, 30.0])), vx.asarray(np.array([2, 0, 3]))
    y, sure = x.at[i], x.at[i[:2]]
    assert np.isnan(np.asarray(y.get(mode="drop"))).tolist() == [0, 0, 1]
    assert sure.get(mode="promise_in_bounds", unique_indices=True).tolist() == [30.0, 10.0]
    assert y.set(0, mode="fill").tolist() == [0, 20.0, 0]
    assert y.mul(2, mode="promise_in_bounds").tolist() == [20.0, 20.0, 60.0]
    promised = sure.set(np.array([1.0, 2.0]), unique_indices=True, indices_are_sorted=False)
    assert promised.tolist() == [2.0, 20.0, 1.0]
    with pytest.raises(TypeError, match="unexpected keyword argument 'sorted'"):
        y.set(0, sorted=True)  # type: ignore[call-arg]


def test_of_several_values_the_one_that_stays_has_the_derivative() -> None:
    x, i = vx.zeros(3), vx.asarray(np.array([1, 1, 2]))

    def written(v: Any, unique: bool = False) -> Any:
        return vx.sum(x.at[i].set(v, unique_indices=unique) * vx.arange(1.0, 4.0))

    def promising(v: Any) -> Any:
        return written(v, True)

    assert vx.grad(written)(vx.ones(3)).tolist() == [0.0, 2.0, 3.0]
    found = ops(vx.grad(written), vx.spec((3,)))
    promised = ops(vx.grad(promising), vx.spec((3,)))
    assert "scatter_set" in found
    assert "scatter_set" not in promised


def test_bools_are_added_and_multiplied_as_in_numpy() -> None:
    x, i = np.array([True, False, True, False]), np.array([0, 1, 1, 3])
    v = np.array([False, True, False, False])
    for name, f in (("add", np.add), ("multiply", np.multiply)):
        want = x.copy()
        f.at(want, i, v)
        assert getattr(vx.asarray(x).at[vx.asarray(i)], name)(v).tolist() == want.tolist()


def test_mapped_starts_are_no_loop() -> None:
    def part(x: Any, i: Any) -> Any:
        return vx.sum(vx.dynamic_slice_in_dim(x, i, 3))

    x, i = vx.spec((4, 9, 2)), vx.spec((4,), vx.int32)
    v = vx.spec((4, 3, 2))
    read = ops(vx.vmap(lambda x, i: vx.dynamic_slice_in_dim(x, i, 3)), x, i)
    write = ops(vx.vmap(vx.dynamic_update_slice_in_dim), x, v, i)
    back = ops(vx.vmap(vx.grad(part)), x, i)
    assert "gather" in read
    assert "scatter_set" in write
    assert not {"scan", "while"} & {*read, *write, *back}


def test_parts_of_one_axis() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    assert vx.slice_in_dim(x, 1, -1, axis=2).tolist() == x[:, :, 1:-1].tolist()
    assert vx.slice_in_dim(x, None, None, 2, axis=-2).tolist() == x[:, ::2].tolist()
    assert vx.index_in_dim(x, -1, 1).tolist() == x[:, -1:].tolist()
    assert vx.index_in_dim(x, 0, 2, keepdims=False).tolist() == x[:, :, 0].tolist()


@pytest.mark.parametrize(("i", "read", "written"), [(-4, 10, None), (-1, 30, 2), (3, 30, None)])
def test_a_computed_scalar_out_of_range(i: int, read: int, written: int | None) -> None:
    x, at = vx.asarray(np.array([10, 20, 30], "i4")), vx.asarray(np.array(i, "i4"))
    want = [0 if k == written else v for k, v in enumerate([10, 20, 30])]
    assert x[at].item() == read
    assert x.at[at].set(0).tolist() == want
    assert vx.jit(lambda x, i: x.at[i].set(0))(x, at).tolist() == want
    least = -(2**31)
    expected = read if written is not None else least
    assert x.at[at].get(mode="fill").item() == expected
    assert x.at[at].set(0, mode="clip").tolist() == [0 if v == read else v for v in [10, 20, 30]]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint32", "int64", "uint64"])
def test_positions_of_any_integer_dtype(dtype: str) -> None:
    x = vx.asarray(np.arange(200.0))
    i = np.array([0, 100, np.iinfo(dtype).max], dtype)
    last = min(int(i[-1]), 199)
    assert x[vx.asarray(i)].tolist() == [0.0, 100.0, last]
    assert vx.asarray(np.arange(3.0))[vx.asarray(i)].tolist() == [0.0, 2.0, 2.0]


def test_scalars_of_python_and_mapped_positions() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert vx.jit(lambda x, i: x[i, -1])(x, -2).item() == 7.0
    i, j = np.array([0, 2, -1]), np.array([[3, 1], [0, 0], [2, -4]])

    def each(x: Any, i: Any, j: Any) -> list[Any]:
        return [
            x[i],
            x[j],
            x[::-1],
            x.at[i].set(9.0),
            x.at[j].add(1.0),
            x.at[j].max(2.0),
            x[j, None],
        ]

    mapped = vx.jit(vx.vmap(each))(x, i, j)
    shared = vx.jit(vx.vmap(each, in_axes=(None, 0, 0)))(x[0], i, j)
    for k in range(3):
        for rows, line in ((mapped, x[k]), (shared, x[0])):
            for got, want in zip(rows, each(vx.asarray(line), int(i[k]), vx.asarray(j[k]))):
                close(got[k], want)


# what is written into programs --------------------------------------------------------------------


X, V, I0, I1 = vx.spec((8, 6)), vx.spec((2, 6)), vx.spec((), vx.int32), vx.spec((5,), vx.int32)
WRAP = ["constant", "compare", "constant", "add", "select"]


@pytest.mark.parametrize(
    ("f", "types", "want"),
    [
        (lambda x: x[...], (X,), []),
        (lambda x: x[:, :], (X,), []),
        (lambda x: x[2:5, ::2], (X,), ["slice"]),
        (lambda x: x[-1], (X,), ["slice", "reshape"]),
        (lambda x: x[1:, None, -1], (X,), ["slice"]),  # -1 leaves the 1 that None adds
        (lambda x: x[None, 1:, 0], (X,), ["slice", "reshape"]),
        (lambda x: x[::-1], (X,), ["reverse"]),
        (lambda x: x[6:1:-2], (X,), ["slice", "reverse"]),
        (lambda x, i: x[i], (X, I0), [*WRAP, "dynamic_slice", "reshape"]),
        (lambda x, i: x[i], (X, I1), [*WRAP, "gather"]),
        (lambda x, i: x[:, i], (X, I1), [*WRAP, "gather"]),
        (lambda x, i: x[i, 2:4], (X, I1), ["slice", *WRAP, "gather"]),
        (lambda x, v: x.at[2:4].set(v), (X, V), ["constant", "dynamic_update_slice"]),
        (lambda x, v: x.at[...].set(v), (X, X), []),
        (
            lambda x, i: x.at[i].add(1.0),
            (X, I1),
            [*WRAP, "constant", "contract", "scatter_add", "add"],
        ),
    ],
)
def test_what_is_written(f: Any, types: tuple[Any, ...], want: list[str]) -> None:
    found = ops(f, *types)
    assert sorted(found) == sorted(want), found


def test_a_loop_over_rows_compiles_once() -> None:
    x = vx.asarray(np.arange(40.0).reshape(20, 2))
    before = None
    for k in range(18):
        assert x[k].tolist() == [2.0 * k, 2.0 * k + 1]
        assert x[k : k + 2][0, 0].item() == 2.0 * k
        if k == 1:
            before = len(fused._COMPILED)
    assert len(fused._COMPILED) == before


# functions ----------------------------------------------------------------------------------------


def test_take() -> None:
    x = np.arange(12.0).reshape(3, 4)
    i = np.array([[0, 3], [-1, 2]])
    agree(
        [
            lambda xp, x, i: xp.take(x, i),
            lambda xp, x, i: xp.take(x, i, axis=1),
            lambda xp, x, i: xp.take(x, 2, axis=0),
            lambda xp, x, i: xp.take_along_axis(x, i[:, :1] % 3, 0),
            lambda xp, x, i: xp.take_along_axis(x, xp.argsort(x, axis=1), 1),
        ],
        x,
        i,
    )
    y = vx.asarray(x)
    assert vx.take(y, vx.asarray([5, -7]), axis=0, mode="wrap")[:, 0].tolist() == [8.0, 8.0]
    assert vx.take(y, vx.asarray([5]), axis=0, mode="fill", fill_value=7).tolist() == [[7.0] * 4]
    assert vx.take_along_axis(y, vx.asarray([[9]]), 1, mode="fill", fill_value=1).tolist() == (
        [[1.0]] * 3
    )


@given(st.integers(0, 2), st.sampled_from(["set", "add", "mul", "min", "max"]))
def test_put_along_axis(axis: int, kind: Any) -> None:
    rng = np.random.default_rng(axis)
    x = rng.normal(size=(3, 4, 2))
    i = np.argsort(rng.normal(size=x.shape), axis=axis)
    i = np.take(i, range(x.shape[axis] - 1), axis)
    v = rng.normal(size=i.shape)
    got = vx.put_along_axis(vx.asarray(x), vx.asarray(i), vx.asarray(v), axis, kind=kind)
    old = np.take_along_axis(x, i, axis)
    ufuncs = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}
    want = x.copy()
    np.put_along_axis(want, i, v if kind == "set" else ufuncs[kind](old, v), axis)
    close(got, want)


def test_dynamic_slices() -> None:
    x = np.arange(24.0).reshape(4, 6)
    y, v = vx.asarray(x), vx.asarray(np.full((2, 3), -1.0))

    @vx.jit
    def all_of(x: Any, v: Any, i: Any) -> Any:
        return (
            vx.dynamic_slice(x, [i, 2], [2, 3]),
            vx.dynamic_slice_in_dim(x, i, 3, axis=1),
            vx.dynamic_index_in_dim(x, i, axis=1, keepdims=False),
            vx.dynamic_update_slice(x, v, [i, 2]),
            vx.dynamic_update_slice_in_dim(x, v[:, :1] * vx.ones((2, 6)), i, 0),
            vx.dynamic_update_index_in_dim(x, v[0, 0] * vx.ones(6), i, 0),
        )

    for i in (1, 9, -1):
        row = min(max(i + 4 if i < 0 else i, 0), 2)
        column = min(max(i + 6 if i < 0 else i, 0), 3)
        found = all_of(y, v, vx.asarray(i))
        close(found[0], x[row : row + 2, 2:5])
        close(found[1], x[:, column : column + 3])
        close(found[2], x[:, min(max(i + 6 if i < 0 else i, 0), 5)])
        want = [x.copy() for _ in range(3)]
        want[0][row : row + 2, 2:5] = -1
        want[1][row : row + 2] = -1
        want[2][min(max(i + 4 if i < 0 else i, 0), 3)] = -1
        for got, expected in zip(found[3:], want):
            close(got, expected)


def test_masks() -> None:
    x = np.arange(6.0).reshape(2, 3)
    mask = np.array([[True, False, True], [False, False, True]])
    y, m = vx.asarray(x), vx.asarray(mask)
    assert y[m].tolist() == x[mask].tolist()
    assert y.at[m].set(0).tolist() == np.where(mask, 0, x).tolist()
    rows = vx.jit(lambda x, m: x.at[m].add(vx.asarray([1.0, 2.0, 3.0])))(y, m[:, 2])
    assert rows.tolist() == (x + np.array([1, 2, 3])).tolist()
    assert y.at[m].set(vx.asarray([7.0, 8.0, 9.0])).tolist() == [[7, 1, 8], [3, 4, 9]]


def test_other_updates() -> None:
    x, i = np.array([1.0, 2.0, 4.0]), vx.asarray([1, 2, 1])
    at = vx.asarray(x).at[i]
    assert at.subtract(vx.asarray([1.0, 1.0, 2.0])).tolist() == [1.0, -1.0, 3.0]
    assert at.divide(2.0).tolist() == [1.0, 0.5, 2.0]
    assert at.power(2.0).tolist() == [1.0, 16.0, 16.0]
    assert at.apply(vx.square).tolist() == [1.0, 4.0, 16.0]
    check_gradient(lambda x, v: x.at[i].min(v), x, np.array([1.5, 3.0, 2.5]))
    check_gradient(lambda x, v: x.at[i].max(v), x, np.array([1.5, 3.0, 2.5]))
    check_gradient(lambda x, v: x.at[i].divide(v), x, np.array([1.5, 3.0, 2.5]))


# errors -------------------------------------------------------------------------------------------


A = vx.zeros((3, 4))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: A[3],
            "[verax-index] index 3 is out of range for dimension 0 of float32[3,4], which"
            " has 3 elements\n"
            "  fix: it has the positions 0 to 2, or -3 to -1 from the end",
        ),
        (
            lambda: A[:, [0, -5]],
            "[verax-index] index -5 is out of range for dimension 1 of float32[3,4], which"
            " has 4 elements\n"
            "  fix: it has the positions 0 to 3, or -4 to -1 from the end",
        ),
        (
            lambda: A[0, 0, 0],
            "[verax-index] 3 indices for float32[3,4], which has 2 dimensions\n"
            "  fix: give 2 at most",
        ),
        (
            lambda: A[..., ...],
            "[verax-index] an index holds ... at most once\n  fix: write : for the others",
        ),
        (
            lambda: A[True],
            "[verax-index] True cannot index: a bool is no position\n"
            "  fix: x[None] adds a dimension, vx.where(condition, x, y) chooses",
        ),
        (
            lambda: A[vx.zeros(2)],
            "[verax-index] an index is an int, a slice, None, ... or an array of ints or"
            " bools, got float32[2]\n"
            "  fix: convert it first: i.astype(vx.int32)",
        ),
        (
            lambda: A["a"],
            "[verax-index] an index is an int, a slice, None, ... or an array of ints or"
            " bools, got an object of class str\n"
            "  fix: fields of a tree are picked before: params['w'][i]; int(i) makes an int"
            " of a number",
        ),
        (
            lambda: A[np.array([True, False])],
            "[verax-index] a mask of shape [2] does not fit dimension 0 of float32[3,4]\n"
            "  fix: a mask has the sizes of the dimensions that it selects from",
        ),
        (
            lambda: A[::0],
            "[verax-index] a slice of float32[3,4] has step 0\n"
            "  fix: 1 takes every element, -1 goes backwards",
        ),
        (
            lambda: A.at[0].set(vx.zeros(3)),
            "[verax-shape] x.at[...].set: [3] does not broadcast to [4]\n"
            "    value   [3]\n"
            "    x[...]  [4]\n"
            "             ^\n"
            "  fix: only dimensions of size 1 are repeated, and new ones stand in front:"
            " insert one (x[:, None]), or sum over those that are too many",
        ),
        (
            lambda: A.astype(vx.int32).at[0].set(1.5),
            "[verax-dtype] x.at[...].set: 1.5 does not promote into int32[3,4]\n"
            "  fix: convert the value, value.astype(vx.int32), or x before",
        ),
        (
            lambda: A.astype(vx.int32).at[0].set(np.array([1.0, 2.0, 3.5, 0.0])),
            "[verax-dtype] x.at[...].set: the value 3.5 of a NumPy array of float64 has no"
            " value in int32\n"
            "  fix: convert it before: x.astype('int32'), or take a wider dtype",
        ),
        (
            lambda: A.at[0].set(vx.zeros(4, dtype=vx.float64)),
            "[verax-dtype] x.at[...].set: float64[4] does not promote into float32[3,4]\n"
            "  fix: convert the value, value.astype(vx.float32), or x before",
        ),
        (
            lambda: A.at[0].add(1.0, mode="crop"),  # type: ignore[arg-type]
            '[verax-index] \'crop\' is no mode of writing\n  fix: mode="drop", "clip" or "wrap"',
        ),
        (
            lambda: vx.take(A, 0, axis=2),
            "[verax-shape] take: axis 2 is out of range for float32[3,4]\n"
            "  fix: its axes are 0 to 1, or -2 to -1 from the end",
        ),
        (
            lambda: vx.dynamic_slice(A, [0, 0], [4, 1]),
            "[verax-shape] dynamic_slice: a part of sizes [4,1] does not lie in float32[3,4]\n"
            "    x      float32[3, 4]\n"
            "    sizes         [4, 1]\n"
            "                   ^\n"
            "  fix: give one size per dimension, none larger than x",
        ),
    ],
)
def test_errors(wrong: Any, text: str) -> None:
    assert told(wrong) == text


def test_a_staged_mask_has_no_positions() -> None:
    def f(x: Any) -> Any:
        return x[x > 0]

    assert told(lambda: vx.jit(f)(A)) == (
        "[verax-index] a mask must be known, since what it selects is a shape, but bool[3,4] has"
        f" no value while test_a_staged_mask_has_no_positions.f ({HERE}:"
        f"{f.__code__.co_firstlineno}) is being staged\n  fix: vx.where(mask, x, 0) keeps the"
        " shape; vx.nonzero(mask, size=n) gives n positions; a NumPy array is a constant"
    )


def test_a_captured_mask_is_an_input() -> None:
    m = A > 0
    assert "must be known" in told(lambda: vx.jit(lambda x: x[m])(A))
    assert vx.grad(lambda x: x[x > 0].sum())(vx.asarray([1.0, -1.0])).tolist() == [1.0, 0.0]


def test_a_computed_bound_of_a_slice() -> None:
    assert "vx.dynamic_slice" in told(lambda: vx.jit(lambda x, i: x[i : i + 2])(A, 1))


# positions and segments ---------------------------------------------------------------------------


def test_coordinates() -> None:
    i = np.array([[0, 7], [-1, 11]])
    for got, want in zip(coordinates.unravel_index(i, (3, 4)), np.unravel_index(i % 12, (3, 4))):
        close(got, want)
    rows, columns = np.array([0, 2, -1]), np.array([[3], [1]])
    back = coordinates.ravel_multi_index([rows, columns], (3, 4))
    close(back, np.ravel_multi_index([rows % 3, columns], (3, 4)))
    assert coordinates.ravel_multi_index([4, 9], (3, 4), mode="wrap").item() == 5
    for name in ("tril_indices", "triu_indices"):
        for got, want in zip(getattr(coordinates, name)(3, 1, 4), getattr(np, name)(3, 1, 4)):
            close(got, want)
        with pytest.raises(vx.ShapeError, match="1000000 x 1000000 matrix would be constants"):
            getattr(coordinates, name)(1_000_000)
    x = np.arange(12.0).reshape(3, 4)
    grid = coordinates.ix_(vx.asarray([0, 2]), vx.asarray([1, 3, 0]))
    close(vx.asarray(x)[grid], x[np.ix_([0, 2], [1, 3, 0])])
    close(vx.asarray(x)[coordinates.diag_indices(3)], np.diagonal(x))


def test_segments() -> None:
    x, ids = np.array([[1.0, 8.0], [2.0, 3.0], [4.0, 5.0], [9.0, 9.0]]), np.array([2, 0, 2, 5])
    found = vx.jit(
        lambda x, i: [
            getattr(segments, f"segment_{kind}")(x, i, 3) for kind in ("sum", "prod", "max", "min")
        ]
    )(x, ids)
    infinite = float("inf")
    want = [
        [[2, 3], [0, 0], [5, 13]],
        [[2, 3], [1, 1], [4, 40]],
        [[2, 3], [-infinite, -infinite], [4, 8]],
        [[2, 3], [infinite, infinite], [1, 5]],
    ]
    for got, expected in zip(found, want):
        close(got, np.array(expected, float))
    check_gradient(lambda x: [segments.segment_sum(x, ids, 3), segments.segment_prod(x, ids, 3)], x)
    assert told(lambda: segments.segment_sum(x, [0], 3)) == (  # type: ignore[arg-type]
        "[verax-dtype] segment_sum takes arrays and scalars, got a list\n  fix: make an array of"
        " it first: vx.array(x), or vx.stack(x) for a list of arrays"
    )
    assert told(lambda: segments.segment_sum(x, ids[:2], 3)) == (
        "[verax-shape] segment_sum takes one id per row, got the data float64[4,2] and the"
        " segment_ids int64[2]\n"
        "    data         float64[4, 2]\n"
        "    segment_ids    int64[2   ]\n"
        "                         ^\n"
        "  fix: segment_ids is a vector as long as the first axis of data"
    )
