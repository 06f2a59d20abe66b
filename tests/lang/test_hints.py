"""What annotations say: patterns as text, and the reason where they say nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Optional,
    TypeAlias,
    TypedDict,
    TypeVar,
    TypeVarTuple,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from verax import F32, I32
from verax.compiler.ir.sizes import Size, dim
from verax.dsl.lang.binding import Bindings, Equation
from verax.dsl.lang.hints import signature_of
from verax.dsl.lang.patterns import Pattern, StructPattern, Unknown
from verax.dsl.lang.typing import Add, Mul, Scalar, Sharded
from verax.dsl.lang.typing import Size as Sized

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


class Batch(vx.Dim): ...


class Feat(vx.Dim): ...


class Other:
    class Batch(vx.Dim): ...


N = TypeVar("N", bound=vx.AnyDim)
M = TypeVar("M", bound=vx.AnyDim)
I = TypeVar("I", bound=vx.AnyDim)  # noqa: E741
O = TypeVar("O", bound=vx.AnyDim)  # noqa: E741
T = TypeVar("T")
Ds = TypeVarTuple("Ds")
Kind = TypeVar("Kind", bound=Scalar)
Data: TypeAlias = Literal["data"]
Matrix: TypeAlias = F32[N, M]


class Pair(NamedTuple):
    left: F32[Batch]
    right: I32[()]


class Config(TypedDict):
    w: F32[Feat]
    n: int


@vx.struct
class Linear(Generic[I, O]):
    w: F32[I, O]
    b: F32[O] | None
    rate: float = vx.field(static=True, default=0.5)


@vx.struct
class Swapped(Linear[O, I]):
    c: F32[O] = vx.field(kw_only=True)


@vx.struct
class Link:
    x: F32[Batch]
    next: Link | None


def shapes(
    named: F32[Batch, Feat],
    scalar: F32[()],
    bare: F32,
    segment: F32[*Ds, Batch],
    literal: F32[Literal[128]],
    variable: vx.Array[Kind, N],
    added: F32[Add[N, Literal[1]], Mul[N, M]],
    cut: F32[Sharded[Batch, Data], Feat],
    of_any: vx.AnyArray,
    one_any: F32[Any, Batch],
    rest_any: F32[*tuple[Any, ...]],
    alias: Matrix[N, Feat],
    renamed: F32[Other.Batch],
    one_key: vx.random.Key[()],
    keys: vx.random.Key[Batch, Literal[2]],
    segment_of_keys: vx.random.Key[*Ds],
    any_keys: vx.random.Key[*tuple[Any, ...]],
) -> F32[Add[M, N]]:
    raise NotImplementedError


def containers(
    key: vx.random.Key,
    maybe: Optional[F32[Batch]],  # noqa: UP045
    either: F32[Batch] | F32[Batch, Feat],
    pair: tuple[F32[Batch], int],
    empty: tuple[()],
    many: tuple[F32[Batch], ...],
    rows: list[F32[Batch]],
    sequence: Sequence[F32[Batch]],
    named: Mapping[str, F32[Batch]],
    record: Pair,
    config: Config,
    rate: float,
    n: Sized[N],
    three: Literal[3],
    annotated: Annotated[F32[Batch], "note"],
    function: Callable[[F32[Batch], int], F32[Batch]],
    any_function: Callable[..., F32[Batch]],
    layer: Linear[Batch, Mul[N, Literal[2]]],
    open_layer: Linear,  # type: ignore[type-arg]
    **others: F32[Batch],
) -> None: ...


def silent(  # type: ignore[no-untyped-def]
    bare,
    anything: Any,
    thing: object,
    like: vx.ArrayLike,
    missing: OnlyForCheckers,
    part: list[OnlyForCheckers],
    text: str,
    variable: T,
    choice: Literal["a", "b"],
    boxes: list,  # type: ignore[type-arg]
) -> None: ...


def patterns(f: Any) -> dict[str, Pattern]:
    return {p.name: p.pattern for p in signature_of(f).parameters}


def result(f: Any) -> Pattern:
    return signature_of(f).result


def test_shapes() -> None:
    assert {n: str(p) for n, p in patterns(shapes).items()} == {
        "named": "F32[Batch, Feat]",
        "scalar": "F32[()]",
        "bare": "F32[...]",
        "segment": "F32[*Ds, Batch]",
        "literal": "F32[128]",
        "variable": "Array[Kind, N]",
        "added": "F32[N+1, M*N]",
        "cut": "F32[Sharded[Batch, data], Feat]",
        "of_any": "Array[Any, ...]",
        "one_any": "F32[Any, Batch]",
        "rest_any": "F32[...]",
        "alias": "F32[N, Feat]",
        "renamed": f"F32[{__name__}.Other.Batch]",
        "one_key": "Key[()]",
        "keys": "Key[Batch, 2]",
        "segment_of_keys": "Key[*Ds]",
        "any_keys": "Key",
    }
    assert str(result(shapes)) == "F32[M+N]"


def test_containers() -> None:
    assert {n: str(p) for n, p in patterns(containers).items()} == {
        "key": "Key",
        "maybe": "F32[Batch] | None",
        "either": "F32[Batch] | F32[Batch, Feat]",
        "pair": "tuple[F32[Batch], int]",
        "empty": "tuple[()]",
        "many": "tuple[F32[Batch], ...]",
        "rows": "list[F32[Batch]]",
        "sequence": "list[F32[Batch]]",
        "named": "dict[..., F32[Batch]]",
        "record": "tuple[F32[Batch], I32[()]]",
        "config": "Config",
        "rate": "float",
        "n": "Size[N]",
        "three": "Size[3]",
        "annotated": "F32[Batch]",
        "function": "Callable[[F32[Batch], int], F32[Batch]]",
        "any_function": "Callable[..., F32[Batch]]",
        "layer": "Linear[Batch, 2*N]",
        "open_layer": "Linear",
        "others": "F32[Batch]",
    }


def test_what_says_nothing_gives_its_reason() -> None:
    found = patterns(silent)
    assert {n: p.reason for n, p in found.items() if isinstance(p, Unknown)} == {
        "bare": "has no annotation",
        "anything": "is annotated Any",
        "thing": "is annotated object",
        "like": "is annotated ArrayLike, which has any shape",
        "missing": "is annotated 'OnlyForCheckers', which names 'OnlyForCheckers', which is not"
        " defined at run time",
        "part": "is annotated 'list[OnlyForCheckers]', which names 'OnlyForCheckers', which is not"
        " defined at run time",
        "text": "is of class str, which is no array, struct or number",
        "variable": "is of the type T, which may be any",
        "choice": "is one of the values 'a', 'b'",
        "boxes": "is a list of what is not said",
    }


def fields(p: Pattern) -> dict[str, str]:
    assert isinstance(p, StructPattern)
    return {f.name: str(f.pattern) for f in p.fields}


def test_fields_of_generic_structs() -> None:
    def f(
        a: Linear[Batch, Feat],
        b: Swapped[Batch, Feat],
        c: Linear,  # type: ignore[type-arg]
        d: Link,
    ) -> None: ...

    found = patterns(f)
    assert fields(found["a"]) == {"w": "F32[Batch, Feat]", "b": "F32[Feat] | None", "rate": "float"}
    assert fields(found["b"]) == {
        "w": "F32[Batch, Feat]",
        "b": "F32[Feat] | None",
        "rate": "float",
        "c": "F32[Batch]",
    }
    assert fields(found["c"]) == {"w": "F32[Any, Any]", "b": "F32[Any] | None", "rate": "float"}
    assert fields(found["d"]) == {"x": "F32[Batch]", "next": "Link | None"}


def test_defaults_of_type_parameters() -> None:
    def f(
        a: vx.nn.Linear[Batch, Feat],
        b: vx.nn.Linear[Batch, Feat, vx.bfloat16],
        c: vx.nn.MLP[Batch, Feat],
        d: vx.nn.Linear,
    ) -> None: ...

    found = patterns(f)
    assert fields(found["a"]) == {"weight": "F32[Batch, Feat]", "bias": "F32[Feat] | None"}
    assert fields(found["b"]) == {"weight": "BF16[Batch, Feat]", "bias": "BF16[Feat] | None"}
    assert str(found["c"]) == "MLP[Batch, Feat, Batch, float32]"
    assert fields(found["d"]) == {
        "weight": "Array[Any, Any, Any]",
        "bias": "Array[Any, Any] | None",
    }


def test_names_of_the_closure() -> None:
    class Local(vx.Dim): ...

    def f(x: F32[Local]) -> F32[Local]:
        assert issubclass(Local, vx.Dim)
        return x

    assert str(patterns(f)["x"]) == "F32[Local]"


# binding -----------------------------------------------------------------------------------------

SIZES = st.integers(1, 9)


@given(SIZES, SIZES, st.integers(1, 4), st.integers(0, 5))
def test_binding_solves_what_is_linear(n: int, m: int, factor: int, more: int) -> None:
    """Law: the sizes that a choice of the names gives are accepted and give the choice back."""
    declared: list[Size] = [dim("N") * factor + more, dim("M") * dim("N"), dim("N") * dim("M") + 1]
    sizes = [n * factor + more, m * n, n * m + 1]
    bindings = Bindings()
    equations = [Equation(0, "x", i, d, k) for i, (d, k) in enumerate(zip(declared, sizes))]
    assert bindings.solve(equations) == []
    assert bindings.sizes["N"].value == n
    assert bindings.sizes["M"].value == m


@pytest.mark.parametrize(
    ("declared", "size", "text"),
    [
        (dim("N") * 2, 7, "dimension 0 of x is 7, which is 2*N for no N"),
        (dim("N") + 4, 3, "dimension 0 of x is 3, which is N+4 for no N"),
        (12, 3, "dimension 0 of x is 3, and is declared 12"),
    ],
)
def test_sizes_that_no_name_gives(declared: Size, size: int, text: str) -> None:
    ((_, clash),) = Bindings().solve([Equation(0, "x", 0, declared, size)])
    assert clash.text == text


def test_open_and_symbolic_sizes_are_not_checked() -> None:
    bindings = Bindings()
    assert bindings.solve([Equation(0, "x", 0, dim("N") * dim("M"), 7)]) == []
    assert bindings.solve([Equation(0, "x", 0, dim("N") * 2, dim("Batch"))]) == []
    assert bindings.size(dim("N") * 2) is None
    bindings.solve([Equation(0, "x", 0, dim("N"), dim("Batch"))])
    assert bindings.size(dim("N") * 2) == dim("Batch") * 2
