"""Pytrees: taking apart and putting together are inverse; errors show both trees."""

from __future__ import annotations

import pickle
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import verax as vx
from tests.lang.messages import message
from verax.dsl.lang.treedef import LEAF, TreeDef, flatten, take_like


class Point(NamedTuple):
    x: Any
    y: Any


@vx.struct
class Layer:
    w: Any
    b: Any = None
    act: str = vx.field(default="relu", static=True)


leaves = st.integers() | st.floats(allow_nan=False)
keys = st.text(max_size=3)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
        st.dictionaries(keys, inner, max_size=3).map(lambda d: defaultdict(list, d)),
        st.tuples(inner, inner).map(lambda p: Point(*p)),
        st.tuples(inner, inner, st.sampled_from(["relu", "tanh"])).map(lambda p: Layer(*p)),
        st.none(),
    )


trees = st.recursive(leaves, containers, max_leaves=12)


def same(a: Any, b: Any) -> bool:
    """Equality that looks into structs, which compare by identity."""
    fa, ta = vx.tree.flatten(a)
    fb, tb = vx.tree.flatten(b)
    return type(a) is type(b) and ta is tb and fa == fb


@given(trees)
def test_unflatten_undoes_flatten(tree: Any) -> None:
    found, structure = vx.tree.flatten(tree)
    assert same(vx.tree.unflatten(structure, found), tree)
    assert structure.n_leaves == len(found) == len(structure.paths())
    assert vx.tree.structure(vx.tree.map(lambda x: (x, x), tree)).n_leaves == 2 * len(found)


@given(trees)
def test_equal_structures_are_one_object(tree: Any) -> None:
    structure = vx.tree.structure(tree)
    again = vx.tree.structure(vx.tree.map(lambda x: x, tree))
    assert again is structure
    assert hash(again) == hash(structure)


@given(trees, trees)
def test_take_like_agrees_with_flatten(a: Any, b: Any) -> None:
    leaves, treedef = flatten(a)
    found: list[Any] = []
    taken = take_like(treedef, b, found)
    at_leaves = [type(x) for x in found if flatten(x)[1] is not LEAF]
    if taken and not at_leaves:
        assert flatten(b)[1] is treedef
        assert all(x is y for x, y in zip(found, flatten(b)[0], strict=True))
    found.clear()
    if take_like(treedef, a, found):
        assert all(x is y for x, y in zip(found, leaves, strict=True))


def test_take_like_tells_keys_and_missing_ones_apart() -> None:
    like = flatten({"a": None, "b": 1})[1]
    assert take_like(like, {"b": 2, "a": None}, found := [])  # type: ignore[var-annotated]
    assert found == [2]
    assert not take_like(like, {"b": 2, "c": None}, [])
    assert not take_like(like, {"a": None, "b": 2, "c": None}, [])
    assert not take_like(flatten({1: 0})[1], {True: 0}, [])
    assert not take_like(flatten((1, 2))[1], [1, 2], [])
    assert not take_like(flatten((1, (2,)))[1], (1, (2, 3)), [])


@given(trees)
def test_paths_say_where_the_leaves_are(tree: Any) -> None:
    for path, leaf in vx.tree.leaves_with_path(tree):
        assert eval(f"tree{path}", {"tree": tree}) == leaf


def test_structures_show_themselves() -> None:
    tree = {"b": [1, (2,)], "a": Layer(1.0), "c": Point(1, None), "d": (), "e": OrderedDict(z=1)}
    assert str(vx.tree.structure(tree)) == (
        "{'a': Layer(w=*, b=None, act='relu'), 'b': [*, (*,)], 'c': Point(x=*, y=None), 'd': (),"
        " 'e': OrderedDict({'z': *})}"
    )
    assert str(vx.tree.structure(defaultdict(int, a=1))) == "defaultdict({'a': *})"


def test_dicts_are_visited_in_sorted_order_and_ordered_ones_in_their_own() -> None:
    assert vx.tree.leaves({"b": 1, "a": 2}) == [2, 1]
    assert vx.tree.leaves(OrderedDict(b=1, a=2)) == [1, 2]
    assert list(vx.tree.map(lambda x: x, OrderedDict(b=1, a=2))) == ["b", "a"]


def test_keys_and_static_fields_are_told_apart_by_type() -> None:
    assert vx.tree.structure({1: 0}) is not vx.tree.structure({True: 0})
    assert vx.tree.structure({1: 0}) is not vx.tree.structure({1.0: 0})
    a, b = (vx.tree.structure(Layer(0, 0, v)) for v in (1, 1.0))  # type: ignore[arg-type]
    assert a is not b


def test_default_factories_survive() -> None:
    lists: Any = defaultdict(list, a=1)
    copy = vx.tree.map(lambda x: x, lists)
    assert copy["missing"] == []


def test_structures_can_be_pickled() -> None:
    structure = vx.tree.structure({"a": (1, [2]), "b": None})
    assert pickle.loads(pickle.dumps(structure)) is structure


def test_map_with_more_trees_and_with_prefixes() -> None:
    tree = {"a": 1, "b": (2, 3)}
    assert vx.tree.map(lambda x, y: x + y, tree, tree) == {"a": 2, "b": (4, 6)}
    assert vx.tree.map(lambda x, y: (x, y), {"a": 1}, {"a": (2, 3)}) == {"a": (1, (2, 3))}
    named = vx.tree.map_with_path(lambda p, x: f"{p}={x}", tree)
    assert named == {"a": "['a']=1", "b": ("['b'][0]=2", "['b'][1]=3")}


def test_is_leaf_stops_the_walk() -> None:
    tree = [(1, 2), (3, None)]
    assert vx.tree.leaves(tree, is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2), (3, None)]
    assert vx.tree.leaves(tree, is_leaf=lambda x: x is None) == [1, 2, 3, None]


def test_reduce_all_any_transpose() -> None:
    assert vx.tree.reduce(lambda a, b: a + b, {"a": 1, "b": [2, 3]}) == 6
    assert vx.tree.all({"a": True, "b": 1})
    assert not vx.tree.all([True, False])
    assert vx.tree.any([True, False])
    assert not vx.tree.any(())
    outer, inner = vx.tree.structure([0, 0]), vx.tree.structure({"a": 0, "b": 0})
    rows = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert vx.tree.transpose(outer, inner, rows) == {"a": [1, 3], "b": [2, 4]}


def test_broadcast_of_a_prefix() -> None:
    structure = vx.tree.structure({"a": (1, 2), "b": 3})
    assert vx.tree.broadcast(0, structure) == [0, 0, 0]
    assert vx.tree.broadcast({"a": 1, "b": None}, structure) == [1, 1, None]
    assert vx.tree.broadcast({"a": (1, 2), "b": 3}, structure) == [1, 2, 3]


def test_own_containers() -> None:
    class Box:
        def __init__(self, inside: Any, label: str) -> None:
            self.inside, self.label = inside, label

    vx.tree.register(Box, lambda b: (b.label, (b.inside,)), lambda aux, kids: Box(kids[0], aux))
    box = vx.tree.map(lambda x: x + 1, Box({"a": 1}, "label"))
    assert (box.inside, box.label) == ({"a": 2}, "label")
    assert text(lambda: vx.tree.register(Box, lambda b: b, lambda a, k: k)) == (
        "[verax-structure] Box is registered as a container already"
    )


def text(make: Any) -> str:
    return message(vx.StructureError, make).split("\n  at ")[0]


DIFFERENT: list[tuple[Any, Any, str]] = [
    (
        {"a": 1, "b": (2, 3)},
        {"a": 1, "b": [2, 3]},
        "the trees differ at ['b']: a tuple of 2, and a list of 2\n"
        "    first:  {'a': *, 'b': (*, *)}\n    second: {'a': *, 'b': [*, *]}",
    ),
    (
        {"w": 1, "b": 1},
        {"w": 1},
        "the trees differ at the root: a dict of 2, and a dict of 1: only the first has ['b']\n"
        "    first:  {'b': *, 'w': *}\n    second: {'w': *}",
    ),
    (
        Layer(1, 2),
        Layer(1, 2, act="tanh"),
        "the trees differ at the root: Layer with ('relu',), and with ('tanh',)\n"
        "    first:  Layer(w=*, b=*, act='relu')\n    second: Layer(w=*, b=*, act='tanh')",
    ),
    (
        (1, Layer((1, 1))),
        (1, Layer(None)),
        "the trees differ at [1].w: a tuple of 2, and None\n"
        "    first:  (*, Layer(w=(*, *), b=None, act='relu'))\n"
        "    second: (*, Layer(w=None, b=None, act='relu'))",
    ),
]


@pytest.mark.parametrize(("a", "b", "wanted"), DIFFERENT)
def test_differing_structures(a: Any, b: Any, wanted: str) -> None:
    got = text(lambda: vx.tree.map(lambda x, y: x, a, b))
    assert got == f"[verax-structure] tree.map: {wanted}"


def test_other_errors() -> None:
    assert text(lambda: vx.tree.unflatten(vx.tree.structure((1, 2)), [1])) == (
        "[verax-structure] tree.unflatten: (*, *) has 2 leaves, got 1"
    )
    assert text(lambda: vx.tree.leaves({"a": 1, 2: 3})) == (
        "[verax-structure] the keys of a dict are of kinds that have no common order: int, str"
    )
    assert text(lambda: vx.tree.reduce(lambda a, b: a, ())) == (
        "[verax-structure] tree.reduce of a tree without leaves needs an initial value"
    )
    assert text(lambda: vx.tree.broadcast((1, 2, 3), vx.tree.structure((1, 2)))) == (
        "[verax-structure] tree.broadcast: (*, *, *) is not a prefix of (*, *)"
    )


def test_a_leaf_is_the_smallest_structure() -> None:
    assert vx.tree.structure(1.0) is LEAF is TreeDef(None, None, ())
    assert vx.tree.structure(vx.ones((3,))) is LEAF
