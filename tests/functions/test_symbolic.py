"""Symbolic sizes: every public function on arrays whose sizes have names.

Law: the result types, with numbers in place of the names, are those of the same call on arrays of
these sizes. A call whose answer depends on the sizes raises UnknownSizeError, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MemberDescriptorType
from typing import Any

import pytest

import verax as vx
from tests.functions import cases_symbolic as arrays
from tests.functions import cases_symbolic_library as library
from tests.functions.cases_symbolic import KEY, Row, Undecided, type_of
from verax.compiler.ir.sizes import Size, dim
from verax.compiler.ir.types import ArrayType, KeyType, Type
from verax.dsl.lang.custom import Declared
from verax.dsl.lang.stage import stage
from verax.dsl.lang.treedef import flatten
from verax.dsl.lang.value import Value

ROWS: list[Row] = [
    *arrays.ELEMENTWISE,
    *arrays.REDUCTIONS,
    *arrays.SHAPES,
    *arrays.FROM_SCRATCH,
    *arrays.INDEXING,
    *arrays.METHODS,
    *library.PRODUCTS,
    *library.LINALG,
    *library.FOURIER,
    *library.LAYERS,
    *library.RANDOM,
    *library.OPTIM,
    *library.TRANSFORMS,
]
SIZES: tuple[dict[str, int], ...] = tuple(
    dict(zip("NMKCHWODESTV", sizes))
    for sizes in ((6, 4, 5, 3, 7, 8, 9, 10, 11, 4, 12, 13), (7, 9, 6, 2, 10, 5, 4, 12, 3, 5, 8, 11))
)

WITHOUT = {
    "names dtypes and types": "BF16 C64 C128 F16 F32 F64 I8 I16 I32 I64 U8 U16 U32 U64"
    " AnyArray ArrayLike Bool optim.Schedule can_cast finfo iinfo isdtype issubdtype promote_types"
    " result_type spec",
    "works on the host, on values": "from_dlpack from_numpy load load_meta save",
    "gives no array": "cache_info clear_caches memory_plan save_anything_except_these_names"
    " save_only_these_names",
    "makes classes": "field replace struct",
    "gives functions of a step": "optim.constant optim.cosine optim.linear",
    "asks for the value": "Array.__array__ Array.__bool__ Array.__complex__ Array.__contains__"
    " Array.__float__ Array.__index__ Array.__int__ Array.block_until_ready Array.item Array.numpy"
    " Array._scalar Array.tolist",
    "says what it is": "Array.__format__ Array.__reduce__ Array.__repr__"
    " Array.__str__ Array.described Array.ref Array.scope Array.sharding Array.spec Array.type",
    "is refused for any array": "Array.__setitem__",
    "makes the class": "Array.__init__",
}
"""Public functions without a row, by the reason."""


def staged(row: Callable[..., Any], types: tuple[Type, ...]) -> tuple[Type, ...]:
    _, tree = flatten(types)
    out: tuple[Type, ...] = stage(row, tree, types, what="a test").program.out_types
    return out


def worth(size: Size, env: Mapping[str, int]) -> int:
    if isinstance(size, int):
        return size
    return sum(c * math.prod(env[name] for name in monomial) for monomial, c in size.terms)


def at(t: Type, env: Mapping[str, int]) -> Type:
    if isinstance(t, ArrayType):
        return ArrayType(tuple([worth(n, env) for n in t.shape]), t.dtype)
    assert isinstance(t, KeyType)
    return KeyType(t.impl, tuple([worth(n, env) for n in t.shape]))


@pytest.mark.parametrize("row", [r for r in ROWS if not isinstance(r, Undecided)], ids=str)
def test_result_types(row: Row) -> None:
    types = tuple(map(type_of, row.types))
    found = staged(row, types)
    for env in SIZES:
        assert tuple([at(t, env) for t in found]) == staged(row, tuple([at(t, env) for t in types]))


@pytest.mark.parametrize("row", [r for r in ROWS if isinstance(r, Undecided)], ids=str)
def test_undecided(row: Undecided) -> None:
    with pytest.raises(vx.UnknownSizeError) as caught:
        staged(row, tuple(map(type_of, row.types)))
    assert type(caught.value) is vx.UnknownSizeError


# inside of transformations ------------------------------------------------------------------------

B = dim("B")


def stacked(t: Type) -> Type:
    """A type with one more dimension in front."""
    if isinstance(t, ArrayType):
        return ArrayType((B, *t.shape), t.dtype)
    return KeyType(KEY.impl, (B, *t.shape))


def differentiable(t: Type) -> bool:
    return isinstance(t, ArrayType) and t.dtype.is_float


def total(ys: Any) -> Any:
    """The sum of all that is a float."""
    leaves = [y for y in flatten(ys)[0] if isinstance(y, vx.Array) and y.dtype.is_inexact]
    return sum([vx.sum(vx.real(y).astype(vx.float32)) for y in leaves], start=vx.zeros(()))


def gradient(row: Row, types: tuple[Type, ...]) -> Callable[..., Any]:
    argnums = tuple([i for i, t in enumerate(types) if differentiable(t)])
    f: Callable[..., Any] = vx.grad(lambda *xs: total(row(*xs)), argnums)
    return f


INSIDE: dict[str, tuple[Callable[..., Any], Callable[[Type], Type]]] = {
    "vmap": (lambda row, types: vx.vmap(row), stacked),
    "scan": (lambda row, types: lambda *xs: vx.scan(lambda c, x: (c, row(*x)), 0, xs)[1], stacked),
    "cond": (lambda row, types: lambda *xs: vx.cond(vx.asarray(True), row, row, *xs), lambda t: t),
    "grad": (gradient, lambda t: t),
}


@pytest.mark.parametrize("name", INSIDE)
def test_inside(name: str) -> None:
    """The law holds there too; what is an error for numbers is the same error for names."""
    wrap, outer = INSIDE[name]
    env = {**SIZES[0], "B": 3}
    wrong = []
    for row in ROWS:
        types = tuple(map(type_of, row.types))
        if isinstance(row, Undecided) or (name == "grad" and not any(map(differentiable, types))):
            continue
        f, symbolic = wrap(row, types), tuple(map(outer, types))
        told = [found(f, ts, env) for ts in (symbolic, tuple([at(t, env) for t in symbolic]))]
        if told[0] != told[1]:
            wrong.append((str(row), *told))
    assert wrong == []


def found(f: Callable[..., Any], types: tuple[Type, ...], env: Mapping[str, int]) -> object:
    """The types of the results at these sizes, or the kind of the error."""
    try:
        return [at(t, env) for t in staged(f, types)]
    except vx.VeraxError as error:
        return type(error)


# every public function has a row ------------------------------------------------------------------


def functions() -> Iterator[str]:
    """The names of all public functions, layers and methods of arrays."""
    spaces = ("linalg", "fft", "nn", "random", "optim")
    for name in vx.__all__:
        if name not in spaces and _is_function(getattr(vx, name)):
            yield name
    for space in spaces:
        module = getattr(vx, space)
        for name in module.__all__:
            if space == "nn" or _is_function(getattr(module, name)):
                yield f"{space}.{name}"
    for name, f in {**vars(Value), **vars(vx.Array)}.items():
        if callable(f) or isinstance(f, (property, MemberDescriptorType)):
            yield f"Array.{name}"


def _is_function(f: object) -> bool:
    return callable(f) and (not isinstance(f, type) or issubclass(f, Declared))


def test_every_function_has_a_row() -> None:
    there = set(functions())
    rows = {row.name for row in ROWS}
    exempt = {name for names in WITHOUT.values() for name in names.split()}
    assert there - rows - exempt == set()
    assert rows & exempt == set(), "a row and a reason why there is none"
    assert exempt - there == set(), "no such function"


# sizes --------------------------------------------------------------------------------------------

N, M = dim("N"), dim("M")


def test_what_is_decided_of_sizes() -> None:
    assert N + 1 > N >= 0 > -1 - N
    assert N + M >= N < M + N + 1
    assert (max(N, N + 2), min(0, N), abs(N), round(N)) == (N + 2, 0, N, N)
    assert divmod(2 * N + 5, 2) == (N + 2, 1)
    assert (2 * N * M) // (2 * N) == M
    assert (N * N - 1) // (N + 1) == N - 1
    assert N**2 == N * N
    assert N not in (0, 1, M)


UNKNOWN: tuple[tuple[Callable[[], Any], str], ...] = (
    (
        lambda: N > 4,
        "whether N > 4 is not known: N is symbolic\n  fix: make it part of the type (a Literal"
        " size), or use what takes any size, such as vx.scan",
    ),
    (
        lambda: range(N),
        "Python needs the size N as an int, and it is symbolic\n  fix: make it part of the type"
        " (a Literal size), or use what takes any size, such as vx.scan",
    ),
    (
        lambda: math.sqrt(N),
        "Python needs the size N as a float, and it is symbolic\n  fix: compute with the size"
        " itself, which is staged: n ** 0.5, n / 2, vx.log(n)",
    ),
    (
        lambda: (N + 1) // 2,
        "the size N+1 is not known to be divisible by 2\n  fix: declare the dimension as a"
        " multiple of 2",
    ),
    (
        lambda: N / 2,
        "the size N is symbolic, and nothing is staged that could compute with it\n  fix: compute"
        " with sizes inside of the function that is staged",
    ),
    (
        lambda: staged(Row("Array.shape", (), lambda x: bool(x.shape[0] / 2 > 3)), (type_of("N"),)),
        "bool() needs a number that was computed from symbolic sizes\n  fix: keep it staged:"
        " arithmetic, vx.where and vx.cond take it as it is",
    ),
    (
        lambda: staged(Row("reshape", (), lambda x: x.reshape(4, -1)), (type_of("N"),)),
        "reshape: whether [4,-1] divides the N elements of float32[N] is not known\n  fix: give"
        " every size: x.reshape(...) without -1",
    ),
)


@pytest.mark.parametrize(("ask", "text"), UNKNOWN)
def test_messages(ask: Callable[[], Any], text: str) -> None:
    with pytest.raises(vx.UnknownSizeError) as caught:
        ask()
    lines = str(caught.value).splitlines()
    told = "\n".join([line for line in lines if not line.startswith("  at ")])
    assert told == f"[verax-size] {text}"
