"""vx.struct: frozen, typed, checked where it is born, and a pytree."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import numpy as np
import pytest

import verax as vx
from tests.lang.messages import message

T = TypeVar("T")


@vx.struct
class Base:
    w: Any
    name: str = vx.field(default="base", static=True, kw_only=True)


@vx.struct
class Derived(Base):
    b: Any = 0.0

    def __call__(self, x: Any) -> Any:
        return super().__getattribute__("w") * x + self.b


@vx.struct
class Box(Generic[T]):
    inside: T


@vx.struct
class Sizes:
    n: int = vx.field(static=True)
    m: float = vx.field(default=2.0, static=True)


@vx.struct(kw_only=True)
class Options:
    rate: Any
    layers: list[Any] = vx.field(factory=list)


def positive(_: Any, field: Any, value: Any) -> None:
    if value <= 0:
        raise ValueError(f"{field.name} must be positive")


@vx.struct
class Checked:
    n: int = vx.field(static=True, validator=positive)
    x: float = vx.field(default=1.0, converter=float)


def test_constructor_repr_and_inheritance() -> None:
    d = Derived(2.0, 1.0, name="d")
    assert repr(d) == "Derived(w=2.0, name='d', b=1.0)"
    assert d(3.0) == 7.0
    assert vx.tree.leaves(d) == [2.0, 1.0]
    assert isinstance(d, Base)
    assert Options(rate=1.0).layers == []


def test_frozen() -> None:
    d: Any = Derived(2.0)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        d.w = 3.0


def test_generic_and_pickled() -> None:
    box: Box[int] = Box(3)
    assert vx.tree.map(lambda x: x + 1, box).inside == 4
    assert pickle.loads(pickle.dumps(Sizes(3))) == Sizes(3)


def test_parameters_of_a_generic_class_are_for_annotations_only(tmp_path: Path) -> None:
    plain, named = Box(vx.ones(3)), Box[vx.F32[Any]](vx.ones(3))
    assert type(named) is Box
    assert isinstance(named, Box)
    assert repr(named) == repr(plain)
    assert vx.tree.structure(named) == vx.tree.structure(plain)

    @vx.jit
    def doubled(box: Box[Any]) -> Box[Any]:
        return Box[Any](box.inside * 2)

    assert type(doubled(named)) is Box
    doubled(plain)
    assert len(doubled.cache) == 1
    assert vx.vmap(lambda box: box.inside)(doubled(named)).tolist() == [2.0, 2.0, 2.0]
    vx.save(tmp_path / "box", named)
    loaded = vx.load(tmp_path / "box", like=plain)
    np.testing.assert_array_equal(loaded.inside.numpy(), named.inside.numpy())


def test_static_structs_compare_by_content_others_by_identity() -> None:
    assert Sizes(3) == Sizes(3)
    assert hash(Sizes(3)) == hash(Sizes(3))
    assert Sizes(3) != Sizes(4)
    assert Sizes(3, 2) != Sizes(3, 2.0)
    assert len({Sizes(3), Sizes(3), Sizes(4)}) == 2
    a, b = Base(1.0), Base(1.0)
    assert a == a != b


def test_replace() -> None:
    d = vx.replace(Derived(2.0), b=5.0, name="new")
    assert (d.w, d.b, d.name) == (2.0, 5.0, "new")
    with pytest.raises(ValueError, match="n must be positive"):
        vx.replace(Checked(1), n=-1)


def test_validators_and_converters_run_where_it_is_born_and_not_on_staged_values() -> None:
    with pytest.raises(ValueError, match="n must be positive"):
        Checked(0)
    assert Checked(1, vx.asarray(2.0)).x == 2.0  # type: ignore[arg-type]
    out = vx.jit(lambda c: vx.tree.map(lambda x: x * 2.0, c))(Checked(1))
    assert (out.n, float(out.x)) == (1, 2.0)


def test_structs_go_through_transformations() -> None:
    d = Derived(vx.asarray(2.0), vx.asarray(1.0))
    g = vx.grad(lambda d, x: d(x))(d, 3.0)
    assert (float(g.w), float(g.b), g.name) == (3.0, 1.0, "base")
    many = vx.vmap(lambda w: Derived(w, w * 2.0))(vx.arange(3.0))
    assert many.b.tolist() == [0.0, 2.0, 4.0]


def text(make: Any) -> str:
    lines = message(vx.StructureError, make).split("\n")
    return "\n".join(line for line in lines if not line.startswith("  at "))


def test_errors() -> None:
    assert text(lambda: Sizes([1])) == (  # type: ignore[arg-type]
        "[verax-structure] the static field Sizes.n holds a list, which has no hash\n"
        "  fix: use a tuple instead of a list, a frozen struct instead of a dict"
    )
    assert text(lambda: Sizes(vx.ones((3,)))) == (  # type: ignore[arg-type]
        "[verax-structure] the static field Sizes.n holds an array, float32[3]\n"
        "  fix: drop static=True from n"
    )
    assert text(lambda: vx.replace(Sizes(1), k=2)) == (
        "[verax-structure] Sizes has no field k\n  fix: its fields are n, m"
    )
    assert text(lambda: vx.replace((1, 2), k=2)) == (
        "[verax-structure] replace needs a struct, got a tuple\n"
        "  fix: decorate its class with @vx.struct"
    )

    def shared() -> None:
        @vx.struct
        class Bad:
            items: Any = vx.field(default=[])

    assert text(shared) == (
        "[verax-structure] Bad.items has the default [], which all instances share\n"
        "  fix: items: ... = vx.field(factory=list)"
    )
