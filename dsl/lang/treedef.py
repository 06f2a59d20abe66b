"""Structures of pytrees: what is a container, how trees are taken apart and put together.

Containers are tuples, lists, dicts, None and ``vx.struct`` classes; everything else is a leaf. A
structure is a ``TreeDef``; equal structures are one object, so that comparing and hashing them
costs nothing. Keys of dicts are visited in sorted order, static fields of structs belong to the
structure.

Law: ``unflatten(structure(x), leaves(x))`` gives x back.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from types import BuiltinFunctionType
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.ir.errors import StructureError

Tree: TypeAlias = Any
IsLeaf: TypeAlias = Callable[[Any], bool] | None


class Node(NamedTuple):
    """How a class of containers is taken apart and put together.

    Attributes:
        take: gives the aux data (hashable, part of the structure) and the children.
        build: the container from its aux data and its children.
        step: how the path to child i is written: ``[0]``, ``['a']``, ``.w``.
        show: the text of the container, from the aux data and the texts of its children.
    """

    cls: type
    take: Callable[[Any], tuple[Any, Sequence[Any]]]
    build: Callable[[Any, Sequence[Any]], Any]
    step: Callable[[Any, int], Hashable]
    show: Callable[[Any, Sequence[str]], str]
    exact: Callable[[Any], Hashable] = lambda aux: aux


class Item(NamedTuple):
    """A step of a path into a sequence or a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class Attribute(NamedTuple):
    """A step of a path into a struct or a named tuple."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


class Path(tuple[Any, ...]):
    """The steps from the root of a tree to a leaf; its text is what one writes after the tree.

    >>> print(Path([Item("layers"), Item(0), Attribute("w")]))
    ['layers'][0].w
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "".join(map(str, self))


class TreeDef:
    """The structure of a tree: the containers, without the leaves.

    Equal structures are one object. ``code`` holds the functions in static fields and the classes
    of structs: what they read counts for the identity of a call (see identity.py). ``flat`` says
    that there is a container, and that all its children are leaves.
    """

    __slots__ = ("__weakref__", "aux", "children", "code", "flat", "n_leaves", "node")
    node: Node | None
    aux: Any
    children: tuple[TreeDef, ...]
    n_leaves: int
    flat: bool
    code: tuple[Any, ...]

    def __new__(cls, node: Node | None, aux: Any, children: tuple[TreeDef, ...]) -> TreeDef:
        exact = None if node is None else node.exact(aux)
        key = (None if node is None else node.cls, exact, children)
        found = _TREES.get(key)
        if found is not None:
            return found
        self = super().__new__(cls)
        self.node, self.aux, self.children = node, aux, children
        self.n_leaves = 1 if node is None else sum(c.n_leaves for c in children)
        self.flat = node is not None and all(c.node is None for c in children)
        own = () if node is None else tuple(_code_of(node, aux))
        self.code = tuple(dict.fromkeys(own + tuple(f for c in children for f in c.code)))
        return _TREES.setdefault(key, self)

    def __repr__(self) -> str:
        if self.node is None:
            return "*"
        return self.node.show(self.aux, [repr(c) for c in self.children])

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (None if self.node is None else self.node.cls, self.aux, self.children)

    def step(self, i: int) -> Hashable:
        """The step of a path to child i."""
        assert self.node is not None
        return self.node.step(self.aux, i)

    def paths(self) -> list[Path]:
        """The path of every leaf, in order."""
        return list(_paths(self, ()))


def _code_of(node: Node, aux: Any) -> Iterator[Any]:
    if node.cls not in _BUILT_IN:
        yield node.cls
    if isinstance(aux, tuple):
        yield from _functions(aux)


def _functions(aux: tuple[Any, ...]) -> Iterator[Any]:
    for v in aux:
        if type(v) is tuple:
            yield from _functions(v)
        elif callable(v) and not isinstance(v, (type, BuiltinFunctionType)):
            yield v


_BUILT_IN = frozenset({tuple, list, dict, type(None), OrderedDict, defaultdict})


def _restore(cls: type | None, aux: Any, children: tuple[TreeDef, ...]) -> TreeDef:
    return TreeDef(None if cls is None else node_of(cls), aux, children)


_TREES: dict[Any, TreeDef] = {}
LEAF = TreeDef(None, None, ())


def exact(value: Any) -> Hashable:
    """A key that tells 1, 1.0 and True apart, and 0.0 from -0.0, inside tuples too."""
    c = type(value)
    if c is str or value is None:
        return value  # type: ignore[no-any-return]
    if c is float or c is complex:
        return c, repr(value)
    if c is tuple or c is frozenset:
        return c, c(map(exact, value))
    return c, value


# the classes of containers -----------------------------------------------------------------------


def _sorted_keys(x: dict[Any, Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(x))
    except TypeError:
        kinds = ", ".join(sorted({type(k).__name__ for k in x}))
        raise StructureError(
            f"the keys of a dict are of kinds that have no common order: {kinds}",
            fix="use keys of one kind, for example strings",
        ) from None


def _take_dict(x: dict[Any, Any]) -> tuple[Any, list[Any]]:
    keys = _sorted_keys(x)
    return keys, [x[k] for k in keys]


def _take_ordered(x: OrderedDict[Any, Any]) -> tuple[Any, list[Any]]:
    return tuple(x), list(x.values())


def _take_default(x: defaultdict[Any, Any]) -> tuple[Any, list[Any]]:
    keys = _sorted_keys(x)
    return (x.default_factory, keys), [x[k] for k in keys]


def _comma(texts: Sequence[str]) -> str:
    return ", ".join(texts)


def _show_dict(keys: Sequence[Any], texts: Sequence[str]) -> str:
    return "{" + _comma([f"{k!r}: {t}" for k, t in zip(keys, texts)]) + "}"


def _position(aux: Any, i: int) -> Item:
    return Item(i)


def _exact_keys(keys: tuple[Any, ...]) -> Hashable:
    return keys if _STRINGS.issuperset(map(type, keys)) else exact(keys)


_STRINGS = frozenset({str})


def _keyed(keys: Any, i: int) -> Item:
    return Item(keys[i])


_TUPLE = Node(
    tuple,
    lambda x: (None, x),
    lambda _, kids: tuple(kids),
    _position,
    lambda _, texts: f"({_comma(texts)},)" if len(texts) == 1 else f"({_comma(texts)})",
)
_LIST = Node(
    list, lambda x: (None, x), lambda _, kids: list(kids), _position,
    lambda _, texts: f"[{_comma(texts)}]",
)  # fmt: skip
_DICT = Node(
    dict, _take_dict, lambda keys, kids: dict(zip(keys, kids)), _keyed, _show_dict, _exact_keys
)
_NONE = Node(
    type(None), lambda x: (None, ()), lambda _, kids: None, _position, lambda _, texts: "None"
)
_ORDERED = Node(
    OrderedDict, _take_ordered, lambda keys, kids: OrderedDict(zip(keys, kids)), _keyed,
    lambda keys, texts: f"OrderedDict({_show_dict(keys, texts)})", _exact_keys,
)  # fmt: skip
_DEFAULT = Node(
    defaultdict,
    _take_default,
    lambda aux, kids: defaultdict(aux[0], zip(aux[1], kids)),
    lambda aux, i: Item(aux[1][i]),
    lambda aux, texts: f"defaultdict({_show_dict(aux[1], texts)})",
    exact,
)
NODES: dict[type, Node | None] = {
    node.cls: node for node in (_TUPLE, _LIST, _DICT, _NONE, _ORDERED, _DEFAULT)
}
"""Per class how it is taken apart; None for the classes that are known to be leaves."""


def _named_tuple(cls: Any) -> Node:
    fields: tuple[str, ...] = cls._fields
    return Node(
        cls,
        lambda x: (None, x),
        lambda _, kids: cls(*kids),
        lambda _, i: Attribute(fields[i]),
        lambda _, texts: f"{cls.__name__}({_comma([f'{n}={t}' for n, t in zip(fields, texts)])})",
    )


def node_of(cls: type) -> Node | None:
    """How a class is taken apart, or None where its instances are leaves."""
    if cls not in NODES:
        named = issubclass(cls, tuple) and hasattr(cls, "_fields")
        NODES[cls] = _named_tuple(cls) if named else None
    return NODES[cls]


def register(
    cls: type,
    take: Callable[[Any], tuple[Any, Sequence[Any]]],
    build: Callable[[Any, Sequence[Any]], Any],
) -> None:
    """Make the instances of a class containers. ``vx.struct`` is the better way for own classes.

    Args:
        take: gives (aux, children); aux is hashable and belongs to the structure.
        build: the instance from (aux, children), without looking at the children.
    """
    if NODES.get(cls) is not None:
        raise StructureError(
            f"{cls.__name__} is registered as a container already", fix="register a class once"
        )

    def show(_: Any, texts: Sequence[str]) -> str:
        return f"{cls.__name__}({_comma(texts)})"

    NODES[cls] = Node(cls, take, build, _position, show, exact)


# taking apart and putting together ---------------------------------------------------------------

_UNKNOWN: Any = object()


def _walk(node: Node, x: Any, leaves: list[Any]) -> TreeDef:
    aux, children = node.take(x)
    kids, known, add = [], NODES.get, leaves.append
    for y in children:
        inner = known(type(y), _UNKNOWN)
        if inner is None:
            add(y)
            kids.append(LEAF)
        else:
            if inner is _UNKNOWN:
                inner = node_of(type(y))
            kids.append(_walk(inner, y, leaves) if inner is not None else _leaf(y, leaves))
    key = (node.cls, None if aux is None else node.exact(aux), tuple(kids))
    return _TREES.get(key) or TreeDef(node, aux, key[2])


def _leaf(x: Any, leaves: list[Any]) -> TreeDef:
    leaves.append(x)
    return LEAF


def _walk_until(x: Any, leaves: list[Any], is_leaf: Callable[[Any], bool]) -> TreeDef:
    node = None if is_leaf(x) else node_of(type(x))
    if node is None:
        return _leaf(x, leaves)
    aux, children = node.take(x)
    return TreeDef(node, aux, tuple([_walk_until(y, leaves, is_leaf) for y in children]))


def flatten(tree: Tree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeDef]:
    """The leaves of a tree from left to right, and its structure.

    >>> flatten({"b": (1, 2), "a": 0})
    ([0, 1, 2], {'a': *, 'b': (*, *)})
    """
    leaves: list[Any] = []
    if is_leaf is not None:
        return leaves, _walk_until(tree, leaves, is_leaf)
    node = node_of(type(tree))
    return leaves, _leaf(tree, leaves) if node is None else _walk(node, tree, leaves)


def take_like(t: TreeDef, x: Any, leaves: list[Any]) -> bool:
    """Whether x has the structure t; adds what stands where t has its leaves.

    Faster than ``flatten``, but two things are the caller's: that what was added are leaves, and
    what False means, for it is the answer for containers that only ``flatten`` can compare, too.
    """
    node = t.node
    if node is None or type(x) is not node.cls:
        return False
    children: Any = x
    if node is _DICT:
        if len(children) != len(t.aux) or not _STRINGS.issuperset(map(type, children)):
            return False
        try:
            children = list(map(children.__getitem__, t.aux))
        except KeyError:
            return False
    elif node is not _TUPLE and node is not _LIST:
        aux, children = node.take(x)
        if aux is not t.aux and node.exact(aux) != node.exact(t.aux):
            return False
    if len(children) != len(t.children):
        return False
    if t.flat:
        leaves += children
        return True
    for child, y in zip(t.children, children):
        if child is LEAF:
            leaves.append(y)
        elif not take_like(child, y, leaves):
            return False
    return True


def unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Tree:
    """The tree of this structure with these leaves."""
    leaves = list(leaves)
    if len(leaves) != treedef.n_leaves:
        raise StructureError(
            f"tree.unflatten: {treedef} has {treedef.n_leaves} leaves, got {len(leaves)}",
            fix="give the leaves that vx.tree.leaves(tree) lists, in their order",
        )
    return build(treedef, leaves)


def build(treedef: TreeDef, leaves: list[Any]) -> Tree:
    """``unflatten`` for a list that is known to be as long as it must be."""
    if treedef.node is None:
        return leaves[0]
    if treedef.flat:
        return treedef.node.build(treedef.aux, leaves)
    return _build(treedef, iter(leaves))


def builder(t: TreeDef) -> Callable[[list[Any]], Tree]:
    """``build`` for one structure that is built again and again."""
    return partial(t.node.build, t.aux) if t.flat and t.node is not None else partial(build, t)


def _build(t: TreeDef, leaves: Iterator[Any]) -> Tree:
    kids = [next(leaves) if c is LEAF else _build(c, leaves) for c in t.children]
    return t.node.build(t.aux, kids)  # type: ignore[union-attr]


def leaves(tree: Tree, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a tree from left to right."""
    return flatten(tree, is_leaf)[0]


def structure(tree: Tree, is_leaf: IsLeaf = None) -> TreeDef:
    """The structure of a tree.

    >>> structure([1, {"x": 2}, None])
    [*, {'x': *}, None]
    """
    return flatten(tree, is_leaf)[1]


def _paths(t: TreeDef, at: tuple[Any, ...]) -> Iterator[Path]:
    if t.node is None:
        yield Path(at)
    for i, child in enumerate(t.children):
        yield from _paths(child, (*at, t.step(i)))


def flatten_with_path(tree: Tree, is_leaf: IsLeaf = None) -> tuple[list[tuple[Path, Any]], TreeDef]:
    """(path, leaf) for every leaf, and the structure."""
    found, treedef = flatten(tree, is_leaf)
    return list(zip(treedef.paths(), found)), treedef


def leaves_with_path(tree: Tree, is_leaf: IsLeaf = None) -> list[tuple[Path, Any]]:
    """(path, leaf) for every leaf.

    >>> [(str(p), x) for p, x in leaves_with_path({"a": (1, 2)})]
    [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    return flatten_with_path(tree, is_leaf)[0]


# prefixes ----------------------------------------------------------------------------------------


def broadcast(prefix: Tree, treedef: TreeDef, what: str = "tree.broadcast") -> list[Any]:
    """A leaf of ``prefix`` for every leaf of ``treedef``: one leaf stands for all below it.

    None counts as a leaf here: ``in_axes=(0, None)``.
    """
    out: list[Any] = []
    _spread(prefix, treedef, out, what, ())
    return out


def _spread(prefix: Any, t: TreeDef, out: list[Any], what: str, at: tuple[Any, ...]) -> None:
    node = None if prefix is None else node_of(type(prefix))
    if node is None:
        out += [prefix] * t.n_leaves
        return
    aux, children = node.take(prefix)
    same = t.node is not None and t.node.cls is node.cls and node.exact(aux) == node.exact(t.aux)
    if not same or len(children) != len(t.children):
        raise StructureError(
            f"{what}: {structure(prefix)} is not a prefix of {t}"
            + (f" at {Path(at)}" if at else ""),
            fix="give one value for all, or a tree that agrees as far as it goes",
        )
    for i, (child, below) in enumerate(zip(children, t.children)):
        _spread(child, below, out, what, (*at, t.step(i)))


def prefix_leaves(treedef: TreeDef, tree: Tree, what: str = "tree") -> list[Any]:
    """What stands in ``tree`` where ``treedef`` has its leaves; StructureError if it disagrees."""
    found, other = flatten(tree)
    if other is treedef:
        return found
    out: list[Any] = []
    _collect(treedef, tree, out, what, treedef, other, ())
    return out


def _collect(
    t: TreeDef, x: Any, out: list[Any], what: str, a: TreeDef, b: TreeDef, at: tuple[Any, ...]
) -> None:
    if t.node is None:
        out.append(x)
        return
    node = node_of(type(x))
    if node is None or node.cls is not t.node.cls:
        raise mismatch(what, a, b)
    aux, children = node.take(x)
    if node.exact(aux) != node.exact(t.aux) or len(children) != len(t.children):
        raise mismatch(what, a, b)
    for i, (child, y) in enumerate(zip(t.children, children)):
        _collect(child, y, out, what, a, b, (*at, t.step(i)))


# errors ------------------------------------------------------------------------------------------


def _kind(t: TreeDef) -> str:
    if t.node is None:
        return "a leaf"
    if t.node is _NONE:
        return "None"
    return f"a {t.node.cls.__name__} of {len(t.children)}"


def difference(a: TreeDef, b: TreeDef, at: tuple[Any, ...] = ()) -> tuple[Path, str] | None:
    """The first place where two structures differ, and what stands there; None if they agree."""
    if a is b:
        return None
    if a.node is None or b.node is None or a.node.cls is not b.node.cls:
        return Path(at), f"{_kind(a)}, and {_kind(b)}"
    if len(a.children) != len(b.children):
        return Path(at), _lengths(a, b)
    if a.node.exact(a.aux) != a.node.exact(b.aux):
        return Path(at), f"{a.node.cls.__name__} with {a.aux}, and with {b.aux}"
    below = (
        difference(x, y, (*at, a.step(i))) for i, (x, y) in enumerate(zip(a.children, b.children))
    )
    return next(d for d in below if d is not None)


def _lengths(a: TreeDef, b: TreeDef) -> str:
    steps = [[str(t.step(i)) for i in range(len(t.children))] for t in (a, b)]
    only = [", ".join(s for s in steps[k] if s not in steps[1 - k]) for k in (0, 1)]
    said = [f"only the {w} has {o}" for w, o in zip(("first", "second"), only) if o]
    return f"{_kind(a)}, and {_kind(b)}: {'; '.join(said)}"


def _structure_fix(names: tuple[str, str], path: Path) -> str:
    where = f" at {path}" if path else ""
    if names == ("takes", "gives"):
        return f"give{where} what comes in, in the same order and with the same keys"
    if names[1] in ("tangent", "tangents", "cotangent", "cotangents"):
        return f"give one leaf per leaf of the {names[0]}{where}; None stands for zero"
    return f"build both{where} in one way: the same containers, keys and lengths"


def mismatch(
    what: str, a: TreeDef, b: TreeDef, names: tuple[str, str] = ("first", "second")
) -> StructureError:
    """The error that two structures differ: where, and both of them."""
    found = difference(a, b)
    assert found is not None
    path, text = found
    width = max(len(n) for n in names)
    lines = [f"{what}: the trees differ at {path or 'the root'}: {text}"]
    lines += [f"    {n + ':':{width + 1}} {t}" for n, t in zip(names, (a, b))]
    return StructureError("\n".join(lines), fix=_structure_fix(names, path))
